"""From the app's settings to its connections. Nothing is dialled until something is used.

The settings are those that the Functions host itself reads for its own storage:

- ``AzureWebJobsStorage = "memory"``: one in-process store a process (ours, not the host's);
- ``AzureWebJobsStorage = <connection string>``, ``UseDevelopmentStorage=true`` included;
- ``AzureWebJobsStorage__blobServiceUri`` and ``__queueServiceUri`` (or ``__accountName``), with the
  managed identity ``AzureWebJobsStorage__clientId`` where one is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from shared.errors import StorageUnavailable
from shared.store.azure_errors import retry_options
from shared.store.base import BlobStore, Queue
from shared.store.blobs import AzureBlobs
from shared.store.memory import MemoryBlobs, MemoryQueue
from shared.store.queues import AzureQueue

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient
    from azure.storage.queue import QueueClient

__all__ = [
    "CONTAINER",
    "JOB_POISON_QUEUE",
    "JOB_QUEUE",
    "POISON_QUEUE",
    "REFIT_QUEUE",
    "Connections",
    "connect",
]

CONTAINER = "marginal"
REFIT_QUEUE = "refits"
# The host's own convention: where a message goes that failed too often.
POISON_QUEUE = "refits-poison"
# Apart from the refits, so that no question waits behind a night.
JOB_QUEUE = "jobs"
JOB_POISON_QUEUE = "jobs-poison"

_SETTING = "AzureWebJobsStorage"

# The emulator's account and key are public constants, the same on every machine.
_EMULATOR = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey="
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1"
)


@dataclass(frozen=True, slots=True)
class Connections:
    """Everything outside the process that the app talks to."""

    blobs: BlobStore
    refits: Queue
    poison: Queue
    jobs: Queue
    jobs_poison: Queue

    @property
    def queues(self) -> tuple[Queue, ...]:
        return self.refits, self.poison, self.jobs, self.jobs_poison


_QUEUES = (REFIT_QUEUE, POISON_QUEUE, JOB_QUEUE, JOB_POISON_QUEUE)


def connect(settings: Mapping[str, str]) -> Connections:
    """Connections for ``settings`` (the environment's variables, in the app).

    Equal settings answer the same connections, so that clients and their sockets are shared.

    Raises
    ------
    StorageUnavailable
        Where the settings name no storage.
    """
    value = settings.get(_SETTING, "").strip()
    if value.lower() == "memory":
        return _in_process()
    if value:
        return _by_connection_string(_expanded(value))
    account = settings.get(f"{_SETTING}__accountName", "")
    blob_uri = settings.get(f"{_SETTING}__blobServiceUri", "")
    queue_uri = settings.get(f"{_SETTING}__queueServiceUri", "")
    if account:
        blob_uri = blob_uri or f"https://{account}.blob.core.windows.net"
        queue_uri = queue_uri or f"https://{account}.queue.core.windows.net"
    if blob_uri and queue_uri:
        return _by_identity(blob_uri, queue_uri, settings.get(f"{_SETTING}__clientId", ""))
    raise StorageUnavailable(
        "No storage is set up: set AzureWebJobsStorage, or AzureWebJobsStorage__blobServiceUri "
        "and AzureWebJobsStorage__queueServiceUri.",
        retry_after_s=60,
    )


def _expanded(connection_string: str) -> str:
    return (
        _EMULATOR
        if connection_string.lower().startswith("usedevelopmentstorage=true")
        else connection_string
    )


@cache
def _in_process() -> Connections:
    return Connections(MemoryBlobs(), *map(MemoryQueue, _QUEUES))


@cache
def _by_connection_string(connection_string: str) -> Connections:
    def container() -> ContainerClient:
        from azure.storage.blob import ContainerClient

        try:
            return ContainerClient.from_connection_string(
                connection_string, CONTAINER, **retry_options()
            )
        except ValueError:
            raise _bad_connection_string() from None

    def queue(name: str) -> QueueClient:
        from azure.storage.queue import QueueClient

        try:
            return QueueClient.from_connection_string(connection_string, name, **retry_options())
        except ValueError:
            raise _bad_connection_string() from None

    return _azure(container, queue)


@cache
def _by_identity(blob_uri: str, queue_uri: str, client_id: str) -> Connections:
    @cache
    def credential() -> TokenCredential:
        from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

        if client_id:
            return ManagedIdentityCredential(client_id=client_id)
        return DefaultAzureCredential()

    def container() -> ContainerClient:
        from azure.storage.blob import ContainerClient

        return ContainerClient(blob_uri, CONTAINER, credential=credential(), **retry_options())

    def queue(name: str) -> QueueClient:
        from azure.storage.queue import QueueClient

        return QueueClient(queue_uri, name, credential=credential(), **retry_options())

    return _azure(container, queue)


def _azure(
    container: Callable[[], ContainerClient], queue: Callable[[str], QueueClient]
) -> Connections:
    queues = (AzureQueue(name, partial(queue, name)) for name in _QUEUES)
    return Connections(AzureBlobs(container), *queues)


def _bad_connection_string() -> StorageUnavailable:
    # Never the string itself: it holds the key.
    return StorageUnavailable("AzureWebJobsStorage is not a connection string.", 60)
