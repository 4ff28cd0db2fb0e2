"""Beside a fit that is running: keeps its run's lease alive, and ends it when its time is up.

A fit tells its stages, but one stage may take longer than a lease. A thread of its own renews the
lease meanwhile, so that nobody else takes the run over while its worker lives; a worker that was
killed has no such thread, and its lease runs out.

When the time is up the fit's thread is interrupted by an exception that is raised in it (CPython's
``PyThreadState_SetAsyncExc``): between two steps of Python, never within a call of numpy. It may
come anywhere, so it is never a way to go on: the attempt ends, and reads its run anew to say so.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Literal

from shared.errors import MarginalError
from shared.fit.night.lease import Lease, LeaseLost

__all__ = ["TimeUp", "Watch"]

log = logging.getLogger("marginal.refit")


class TimeUp(BaseException):
    """The refit's time is up; no ``Exception``, so that no step of a fit takes it for its own."""


class Watch:
    """Around a fit, in the thread that fits; ``TimeUp`` is raised in it after ``cap``.

    Parameters
    ----------
    cap
        How long the fit may take; None: as long as it takes.
    every
        How often the lease is renewed.
    """

    def __init__(self, lease: Lease, cap: timedelta | None, every: timedelta) -> None:
        self._lease = lease
        self._cap = None if cap is None else cap.total_seconds()
        self._every = every.total_seconds()
        # A bare lock, held while the fit runs: an event has a lock of its own inside, which an
        # exception at the wrong moment would leave behind held.
        self._running = threading.Lock()
        self._told = False
        self._fitting = ctypes.c_ulong(threading.get_ident())
        self._thread = threading.Thread(target=self._watch, name="refit-watch", daemon=True)

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
            # Sent at the last moment it is raised here, once: the fit is over all the same.
            with suppress(TimeUp):
                if not self._told:
                    self._told = True
                    self._running.release()
                self._thread.join()
        # Sent and not raised yet, it would be raised in somebody else's code.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._fitting, None)
        return False

    def _watch(self) -> None:
        waited = 0.0
        while True:
            left = self._every if self._cap is None else min(self._every, self._cap - waited)
            if self._running.acquire(timeout=max(left, 0.0)):
                return
            waited += left
            if self._cap is not None and waited >= self._cap:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self._fitting, ctypes.py_object(TimeUp))
                return
            try:
                self._lease.keep()
            except LeaseLost:
                # The fit hears of it at its next stage; the cap still holds.
                if self._cap is None:
                    return
                self._every = self._cap
            except MarginalError:
                log.warning("the lease of run %s could not be renewed", self._lease.run.run)
