"""Waiting for what another thread or process does: as long as it takes, up to a far ceiling."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["PATIENCE_S", "until"]

PATIENCE_S = 600.0
"""Ends a test that would hang; no test is decided by it, however busy the machine."""


def until(condition: Callable[[], object], pause_s: float = 0.005) -> None:
    """Wait until ``condition`` holds; fails by assertion, not by hanging."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(pause_s)
