"""One service in memory and one Chromium for the whole room; whatever a page complains of fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from samples.simulate import Simulated, simulate
from tests.app.client import Client
from tests.local.test_serving import base_of, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

PATIENCE_MS = 60_000
REFUSED = "Failed to load resource"  # Chromium's own note on a 4xx, which a test may be after


@pytest.fixture(scope="module")
def api() -> Iterator[Client]:
    """A client of a service that holds nothing yet, nor shares its store with other tests."""
    with served("--storage", "memory", "--local-host", "--port", "0") as (_, said):
        yield Client(base_of(said))


@pytest.fixture(scope="module")
def small() -> Simulated:
    """A history that is fitted fast: what "load the sample" gets here."""
    return simulate(seed=3, weeks=78, channels=3)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("MARGINAL_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on PATH, nor named in MARGINAL_CHROMIUM")
    with sync.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browsers of their own; at the end none may have seen an error or a violation."""
    told: list[str] = []
    contexts: list[BrowserContext] = []

    def make(**options: object) -> BrowserContext:
        context = chromium.new_context(**{"reduced_motion": "reduce", **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        context.on("weberror", lambda error: told.append(str(error.error)))
        context.on(
            "console",
            lambda line: (
                told.append(line.text)
                if line.type in ("error", "warning") and not line.text.startswith(REFUSED)
                else None
            ),
        )
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    assert told == []
