"""The sample brand with fitted curves, served over HTTP and asked through the official client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from local.host import serve
from shared.service import Service
from shared.store.connect import connect
from shared.store.datasets import Datasets

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {"AzureWebJobsStorage": "memory", "REFIT_SCHEDULE": "0 0 2 * * *"}

Asked = Callable[[Any], Awaitable[Any]]


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """Where assistants are answered."""
    with serve(settings=SETTINGS, drain_s=30) as host:
        connections = connect(SETTINGS)
        spec = json.loads((ROOT / "samples/brand_spec.json").read_text("utf-8"))
        history = (ROOT / "samples/brand.csv").read_text("utf-8")
        service = Service(lambda: connections)
        curves = service.fit(service.parse(spec, history))
        datasets = Datasets(connections.blobs)
        if datasets.find("brand") is not None:  # of another test of this process
            datasets.delete("brand")
        datasets.add_curves("brand", curves, promote=True)
        yield f"{host.url}/mcp"
        datasets.delete("brand")


@pytest.fixture
def through(url: str) -> Callable[..., Any]:
    """Run something with a connected client; ``mode`` chooses the way in."""

    def run(ask: Asked, mode: str = "auto") -> Any:
        async def connected() -> Any:
            async with Client(url, mode=mode) as client:
                return await ask(client)

        return asyncio.run(connected())

    return run
