"""An end to what runs in one thread: by the time it may take, or because nobody wants it any more.

When its time is up the watched thread is interrupted by an exception raised in it (CPython's
``PyThreadState_SetAsyncExc``), between two steps of Python. It may come anywhere, so it is never a
way to go on: whoever is interrupted ends, and says so.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Literal

__all__ = ["TimeUp", "Watch"]


class TimeUp(BaseException):
    """The time is up; no ``Exception``, so that no step of a computation takes it for its own."""


class Watch:
    """Around a computation, in its own thread; ``TimeUp`` is raised in it after ``cap``.

    Parameters
    ----------
    wanted
        Asked at every ``every``, from a thread beside: whether to go on. None: always.
    cap
        How long it may take; None: as long as it takes.
    """

    def __init__(
        self,
        wanted: Callable[[], bool] | None,
        cap: timedelta | None,
        every: timedelta = timedelta(hours=1),
    ) -> None:
        self._wanted = wanted
        self._cap = None if cap is None else cap.total_seconds()
        self._every = every.total_seconds()
        # A bare lock, held while it runs: an event has a lock of its own inside, which an
        # exception at the wrong moment would leave behind held.
        self._running = threading.Lock()
        self._told = False
        self._watched = ctypes.c_ulong(threading.get_ident())
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._running.acquire()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        for _ in range(2):
            # Sent at the last moment it is raised here, once: all is over all the same.
            with suppress(TimeUp):
                if not self._told:
                    self._told = True
                    self._running.release()
                self._thread.join()
        # Sent and not raised yet, it would be raised in somebody else's code.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._watched, None)
        return False

    def _watch(self) -> None:
        waited = 0.0
        while True:
            left = self._every if self._cap is None else min(self._every, self._cap - waited)
            if self._running.acquire(timeout=max(left, 0.0)):
                return
            waited += left
            late = self._cap is not None and waited >= self._cap
            if late or not (self._wanted is None or self._wanted()):
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self._watched, ctypes.py_object(TimeUp))
                return
