"""Work counted in seconds of a reference core: what every search stops by, in place of the clock.

Whatever takes long says so (:func:`charge`), and searches ask how much has been done (:func:`now`)
as they would ask a clock. So the same question does the same work on any machine, however busy.
The real clock is an emergency stop: past the limit of :func:`limited`, ``now`` says :data:`END`.

Counts belong to the context (``contextvars``): a thread, a request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = [
    "END",
    "charge",
    "clock",
    "cost",
    "limited",
    "now",
    "out_of_time",
    "seconds_left",
    "untimed",
]

END = 1e18
"""What :func:`now` says when the real time is up: later than any deadline."""

clock: Callable[[], float] = time.perf_counter
"""The real clock, in seconds."""

_PACE = 2.0  # so that on cores somewhat slower the clock has nothing to say yet
_LOOK = 5e-5
_CALL = 2e-5
_CURVE = 3e-8


@dataclass(slots=True)
class _Meter:
    done: float = 0.0
    until: float = float("inf")
    late: bool = False


_METER: ContextVar[_Meter | None] = ContextVar("work", default=None)


def _meter() -> _Meter:
    meter = _METER.get()
    if meter is None:
        meter = _Meter()
        _METER.set(meter)
    return meter


def charge(seconds: float) -> None:
    """Count work that takes a reference core so many seconds."""
    _meter().done += _PACE * seconds


def cost(count: int) -> float:
    """What one call that evaluates a curve, or its slope, ``count`` times takes."""
    return _CALL + _CURVE * count


def now() -> float:
    """Seconds of work done so far; :data:`END` when the real time is up."""
    meter = _meter()
    meter.done += _LOOK
    if clock() >= meter.until:
        meter.late = True
        return END
    return meter.done


def seconds_left() -> float:
    """Real seconds until the emergency stop, for libraries with a clock of their own."""
    return _meter().until - clock()


def out_of_time() -> bool:
    """Whether the real clock stopped a search since the limit was set."""
    return _meter().late


@contextmanager
def untimed() -> Iterator[None]:
    """Puts off the emergency stop by what is done inside: what a process does once for all."""
    meter, began = _meter(), clock()
    try:
        yield
    finally:
        meter.until += clock() - began


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """No more than so many real seconds for what is done inside; a limit around it holds too."""
    meter = _meter()
    before = meter.until, meter.late
    meter.until, meter.late = min(meter.until, clock() + seconds), False
    try:
        yield
    finally:
        meter.until, meter.late = before[0], before[1] or meter.late
