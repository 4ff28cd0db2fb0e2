"""Periods put together until a picture can show them: weeks to months, months to quarters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spell", "spells"]

Floats = NDArray[np.float64]

MOST = 62
"""Spells that stand side by side in a picture."""

DAYS = {"day": 1, "week": 7, "month": 30}


@dataclass(frozen=True, slots=True)
class Spell:
    """Neighbouring periods: the index of the first, one past the last, and when they start."""

    start: int
    stop: int
    first: date
    days: int

    @property
    def middle(self) -> date:
        """The day in its middle, where it is drawn."""
        return self.first + timedelta(days=self.days // 2)

    def mean(self, values: Floats) -> float | None:
        """Mean per period of ``values`` (T,) over what is known; None where nothing is."""
        part = values[self.start : self.stop]
        known = part[np.isfinite(part)]
        return float(known.mean()) if known.size else None


def spells(dates: Sequence[date], frequency: str) -> tuple[str, list[Spell]]:
    """What the periods are put together to ("week" itself, "month", "quarter", "year"), and how.

    >>> days = [date(2024, 1, 1) + timedelta(days=7 * t) for t in range(104)]
    >>> name, found = spells(days, "week")
    >>> name, len(found), found[1].first.isoformat(), found[1].start
    ('month', 24, '2024-02-05', 5)
    """
    keys: dict[str, Callable[[date], tuple[int, ...]]] = {
        frequency: lambda day: (day.toordinal(),),
        "month": lambda day: (day.year, day.month),
        "quarter": lambda day: (day.year, (day.month - 1) // 3),
        "year": lambda day: (day.year,),
    }
    for name, key in keys.items():
        starts = [t for t in range(len(dates)) if t == 0 or key(dates[t]) != key(dates[t - 1])]
        if len(starts) <= MOST or name == "year":
            break
    stops = [*starts[1:], len(dates)]
    last = dates[-1] + timedelta(days=DAYS.get(frequency, 7)) if dates else None
    made = []
    for start, stop in zip(starts, stops, strict=True):
        end = dates[stop] if stop < len(dates) else last
        assert end is not None
        made.append(Spell(start, stop, dates[start], (end - dates[start]).days))
    return name, made
