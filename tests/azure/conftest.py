"""Only where the production worker's library is: it exists for Python 3.13 and later."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.azure.worker import Worker


@pytest.fixture(scope="session", autouse=True)
def _worker_library() -> None:
    if sys.version_info < (3, 13):
        pytest.skip("the worker's library, azure-functions-runtime, needs Python 3.13")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Worker]]:
    """Write a script, index it as the worker does, and forget it afterwards."""
    written: list[str] = []

    def write_and_index(source: str) -> Worker:
        module = f"app_under_test_{tmp_path.name}_{len(written)}".replace("-", "_")
        written.append(module)
        (tmp_path / f"{module}.py").write_text(source, "utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("PYTHON_SCRIPT_FILE_NAME", f"{module}.py")
        return Worker(tmp_path)

    yield write_and_index
    for module in written:
        sys.modules.pop(module, None)
