"""The service over real HTTP: the one at ``MARGINAL_BASE_URL``, else the local host in memory."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from local.host import serve
from samples.simulate import Simulated, simulate
from tests.app.client import Client

SETTINGS = {"AzureWebJobsStorage": "memory", "REFIT_SCHEDULE": "0 0 2 * * *"}


@pytest.fixture(scope="session")
def api() -> Iterator[Client]:
    """A client of the service; with ``MARGINAL_KEY`` as its function key, where one is needed."""
    base = os.environ.get("MARGINAL_BASE_URL")
    if base:
        key = os.environ.get("MARGINAL_KEY")
        yield Client(base.rstrip("/"), {"x-functions-key": key} if key else {})
        return
    with serve(settings=SETTINGS, drain_s=30) as host:
        yield Client(host.url)


@pytest.fixture(scope="session")
def history() -> Simulated:
    """Two years of a small simulated brand."""
    return simulate(seed=3, weeks=104, channels=3)


@pytest.fixture
def name(api: Client) -> Iterator[str]:
    """A dataset's name that nobody else uses; whatever is stored under it goes again."""
    dataset = f"test-{uuid.uuid4().hex[:12]}"
    yield dataset
    api.send("DELETE", f"datasets/{dataset}")


@pytest.fixture(scope="session")
def fitted(api: Client, history: Simulated) -> Iterator[str]:
    """A dataset with fitted, promoted curves, made the way a caller makes it."""
    import json

    dataset = f"fitted-{uuid.uuid4().hex[:12]}"
    spec = api.put(
        f"datasets/{dataset}/spec", json.dumps(history.spec).encode(), "application/json"
    )
    assert spec.status == 200, spec.body
    stored = api.put(f"datasets/{dataset}/history", history.csv.encode())
    assert stored.status == 200, stored.body
    queued = api.send("POST", f"datasets/{dataset}/refit", b"")
    assert queued.status == 202, queued.body
    run = api.wait_for_run(queued.headers["location"])
    assert run["state"] == "promoted", run
    yield dataset
    api.send("DELETE", f"datasets/{dataset}")
