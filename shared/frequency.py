"""How often a history has a row, and how far a plan steps: days, weeks, ..., quarters, 4-4-5.

A frequency travels as its name. A 4-4-5 calendar (also 4-5-4 and 5-4-4: the same, begun elsewhere)
has no fixed step, so that the name of a dated one tells where a run of 4, 4 and 5 weeks begins:
``"4-4-5 from 2024-01-29"``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

__all__ = ["FREQUENCIES", "Frequency", "Named", "asked_name", "frequency", "row_of", "word"]

Named = Literal["day", "week", "two_weeks", "four_weeks", "month", "quarter", "4-4-5"]
"""Names that a request may use."""

_WEEK = 7
_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Frequency:
    """Periods of ``days`` each, or of ``months``; of neither: four, four and five weeks.

    Attributes
    ----------
    word
        As sentences call one period; an s makes it several.
    anchor
        Of a 4-4-5 calendar the first day of a run of four, four and five weeks.
    """

    name: str
    word: str
    days: int = 0
    months: int = 0
    anchor: date | None = None

    @property
    def per_year(self) -> float:
        """Periods in a mean year."""
        return _YEAR / self.days if self.days else 12.0 / (self.months or 1)

    @property
    def season(self) -> int:
        """Periods after which the same season comes again, and the same day of the week."""
        return 364 if self.days == 1 else int(self.per_year)

    @property
    def quarter(self) -> int:
        """The last periods of a history, which stand for today: a quarter of a year."""
        return round(self.per_year / 4)

    @property
    def coarse(self) -> bool:
        """Whether a period is so long that it holds holidays of many kinds."""
        return self.per_year < 14.0

    def of(self, table: Mapping[str, float]) -> float:
        """What a table of values for day, week and month says of this frequency.

        Between and beyond them the logarithm is taken to be linear in that of a period's length.
        """
        if self.name in table:
            return table[self.name]
        low, high = ("day", "week") if self.per_year > _YEAR / _WEEK else ("week", "month")
        ends = [math.log(FREQUENCIES[name].per_year) for name in (low, high)]
        share = (math.log(self.per_year) - ends[0]) / (ends[1] - ends[0])
        return float(table[low] * (table[high] / table[low]) ** share)

    def count(self, table: Mapping[str, int]) -> int:
        """``of`` as a whole number of periods, at least one."""
        return max(1, round(self.of(table)))

    def after(self, day: date, count: int = 1) -> date:
        """The first day of the period that comes ``count`` after the one that starts on ``day``."""
        if self.days:
            return day + timedelta(days=self.days * count)
        if self.months:
            number = _month(day) + self.months * count
            return date(number // 12, number % 12 + 1, 1)
        anchor = self.anchor or day
        begins = _begun(anchor, day) + count
        weeks = begins // 3 * 13 + begins % 3 * 4
        return anchor + timedelta(days=weeks * _WEEK)

    def last_day(self, day: date, count: int = 1) -> date:
        """The last day of ``count`` periods, of which the first starts on ``day``."""
        return self.after(day, count) - timedelta(days=1)

    def between(self, start: date, day: date) -> int:
        """How many periods after the one that starts on ``start`` the one is that holds ``day``."""
        if self.days:
            return (day - start).days // self.days
        if self.months:
            return (_month(day) - _month(start)) // self.months
        anchor = self.anchor or start
        return _begun(anchor, day) - _begun(anchor, start)

    def grid(self, days: Sequence[date]) -> list[date]:
        """The first day of every period from the first to the last of ``days``, in order.

        Months and quarters start on the first of a month, those that are named by their last day
        too. A 4-4-5 calendar has the dates themselves: where a year has 53 weeks is in no rule.
        """
        first, last = min(days), max(days)
        if not self.days and not self.months:
            return sorted(set(days))
        if self.months:
            ends = self.months > 1 and all((day + timedelta(days=1)).day == 1 for day in days)
            begins = _month(first) - (self.months - 1 if ends else 0)
            first = date(begins // 12, begins % 12 + 1, 1)
        return [self.after(first, k) for k in range(self.between(first, last) + 1)]

    def at(self, start: date) -> Frequency:
        """This frequency for periods from ``start`` on, which a 4-4-5 calendar runs from."""
        if self.days or self.months or self.anchor:
            return self
        return frequency(f"{self.name} from {start.isoformat()}")


FREQUENCIES = {
    one.name: one
    for one in (
        Frequency("day", "day", days=1),
        Frequency("week", "week", days=7),
        Frequency("two_weeks", "fortnight", days=14),
        Frequency("four_weeks", "four-week period", days=28),
        Frequency("month", "month", months=1),
        Frequency("quarter", "quarter", months=3),
        Frequency("4-4-5", "4-4-5 month"),
    )
}


@lru_cache(maxsize=256)
def frequency(name: str) -> Frequency:
    """The frequency of a name, as a history or a curve set has it.

    >>> frequency("week").after(date(2024, 1, 1), 2)
    datetime.date(2024, 1, 15)
    >>> every = frequency("4-4-5 from 2024-01-01")
    >>> [every.after(date(2024, 1, 1), k).isoformat() for k in (1, 2, 3)]
    ['2024-01-29', '2024-02-26', '2024-04-01']
    """
    base, _, anchor = name.partition(" from ")
    if not anchor:
        return FREQUENCIES[name]
    own = FREQUENCIES[base]
    return Frequency(name, own.word, anchor=date.fromisoformat(anchor))


def asked_name(name: str) -> str:
    """What a request calls a frequency: where a 4-4-5 calendar runs from is told by its dates."""
    return name.partition(" from ")[0]


def word(name: str | None) -> str:
    """What amounts are per, as sentences call it.

    >>> word("two_weeks"), word(None)
    ('fortnight', 'period')
    """
    return frequency(name).word if name else "period"


def _begun(anchor: date, day: date) -> int:
    """Number of the 4-4-5 period that holds ``day``, from the one that begins on ``anchor``."""
    weeks = (day - anchor).days // _WEEK
    return weeks // 13 * 3 + min(weeks % 13 // 4, 2)


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def row_of(dates: Sequence[date], day: date, name: str) -> int:
    """The row whose period holds a day; beyond the ends as many rows on as periods lie between."""
    every = frequency(name)
    if day < dates[0]:
        return every.between(dates[0], day)
    if day > dates[-1]:
        return len(dates) - 1 + every.between(dates[-1], day)
    return bisect_right(dates, day) - 1
