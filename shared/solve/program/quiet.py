"""HiGHS prints some of its remarks to file descriptor 1 whatever it is told; here it does not."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

_one_at_a_time = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Descriptor 1 leads nowhere inside; where it cannot be redirected, nothing is done."""
    with _one_at_a_time:
        try:
            sys.stdout.flush()
            kept = os.dup(1)
        except (OSError, ValueError):
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(nowhere)
            os.close(kept)
