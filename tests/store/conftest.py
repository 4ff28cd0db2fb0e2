"""Storage for the contract tests: in memory, and Azurite over a real connection."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from local.azurite import Azurite, find_azurite, start_azurite
from shared.store.azure_errors import retry_options
from shared.store.base import BlobStore, Queue
from shared.store.blobs import AzureBlobs
from shared.store.memory import MemoryBlobs, MemoryQueue
from shared.store.queues import AzureQueue

BOTH = ["memory", pytest.param("azurite", marks=pytest.mark.azurite)]


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    if find_azurite() is None:
        if os.environ.get("MARGINAL_REQUIRE_AZURITE"):
            pytest.fail("Azurite is required here (MARGINAL_REQUIRE_AZURITE) and not installed")
        pytest.skip("Azurite is not installed (npm install azurite, or set MARGINAL_AZURITE)")
    running = start_azurite()
    yield running
    running.stop()


@dataclass(frozen=True)
class Stores:
    """A fresh, empty store of one kind."""

    kind: str
    blobs: BlobStore
    queue: Queue


@pytest.fixture(params=BOTH)
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "memory":
        return Stores("memory", MemoryBlobs(), MemoryQueue("refits"))
    running: Azurite = request.getfixturevalue("azurite")
    return azure_stores(running.connection_string)


def azure_stores(connection_string: str, page_size: int = 3) -> Stores:
    """Stores over a container and a queue of their own that do not exist yet."""
    from azure.storage.blob import ContainerClient
    from azure.storage.queue import QueueClient

    name = f"t{uuid.uuid4().hex[:16]}"
    make: Callable[[], ContainerClient] = lambda: ContainerClient.from_connection_string(  # noqa: E731
        connection_string, name, **retry_options()
    )
    blobs = AzureBlobs(make, page_size=page_size)
    queue = AzureQueue(
        name,
        lambda: QueueClient.from_connection_string(connection_string, name, **retry_options()),
    )
    return Stores("azurite", blobs, queue)


@pytest.fixture
def blobs(stores: Stores) -> BlobStore:
    return stores.blobs


@pytest.fixture
def queue(stores: Stores) -> Queue:
    return stores.queue
