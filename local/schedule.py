"""NCRONTAB, the six-field cron of Azure Functions timers: parsing and the next occurrence.

Fields: second, minute, hour, day, month, day of week (0 is Sunday); with five fields the second is
0. As in the NCrontab library of the .NET host: ``*``, ``a``, ``a-b``, lists, ``/step``, English
three-letter names of months and days; ``a/step`` runs from ``a`` to the end of the field; a day has
to match both day fields. Source: learn.microsoft.com, "Timer trigger for Azure Functions", section
NCRONTAB expressions.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["Schedule", "parse_schedule"]

_MONTHS = {name.lower(): i for i, name in enumerate(calendar.month_abbr) if name}
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

# Name, lowest, highest, words that stand for a number.
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("second", 0, 59, {}),
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)

_HORIZON = timedelta(days=366 * 9)  # a 29 February on a given weekday may be far off


@dataclass(frozen=True, slots=True)
class Schedule:
    """The values that each field allows."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime | None:
        """First occurrence strictly after ``moment``; None where there is none in nine years.

        >>> parse_schedule("0 30 2 * * *").next_after(datetime(2025, 3, 1, 2, 30))
        datetime.datetime(2025, 3, 2, 2, 30)
        >>> parse_schedule("0 0 0 30 2 *").next_after(datetime(2025, 3, 1)) is None
        True
        """
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        while day - start < _HORIZON:
            if self._allows(day):
                earliest = start if day.date() == start.date() else day
                time = self._first_time(earliest)
                if time is not None:
                    return time
            day += timedelta(days=1)
        return None

    def _allows(self, day: datetime) -> bool:
        weekday = (day.weekday() + 1) % 7  # Python counts from Monday, cron from Sunday
        return day.day in self.days and day.month in self.months and weekday in self.weekdays

    def _first_time(self, earliest: datetime) -> datetime | None:
        for hour in sorted(h for h in self.hours if h >= earliest.hour):
            for minute in sorted(self.minutes):
                for second in sorted(self.seconds):
                    time = earliest.replace(hour=hour, minute=minute, second=second)
                    if time >= earliest:
                        return time
        return None


def parse_schedule(expression: str) -> Schedule:
    """Parse an NCRONTAB expression.

    Raises
    ------
    ValueError
        With a sentence that names the field at fault.

    Examples
    --------
    >>> sorted(parse_schedule("0 */20 6-8 * * mon").minutes)
    [0, 20, 40]
    >>> parse_schedule("0 61 * * * *")
    Traceback (most recent call last):
        ...
    ValueError: '0 61 * * * *' is no NCRONTAB schedule: the minute 61 is not between 0 and 59
    """
    parts = expression.split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise ValueError(
            f"'{expression}' is no NCRONTAB schedule: it needs 6 fields (second minute hour day "
            f"month weekday), not {len(parts)}"
        )
    try:
        sets = [_parse_field(part, *field) for part, field in zip(parts, _FIELDS, strict=True)]
    except ValueError as error:
        raise ValueError(f"'{expression}' is no NCRONTAB schedule: {error}") from None
    return Schedule(*sets)


def _parse_field(
    text: str, name: str, low: int, high: int, words: dict[str, int]
) -> frozenset[int]:
    allowed: set[int] = set()
    for item in text.split(","):
        span, slash, step_text = item.partition("/")
        step = 1
        if slash:
            if not step_text.isdecimal() or int(step_text) < 1:
                raise ValueError(f"the step '{step_text}' of the {name} is no positive number")
            step = int(step_text)
        if span == "*":
            first, last = low, high
        else:
            first_text, dash, last_text = span.partition("-")
            first = _number(first_text, name, low, high, words)
            if dash:
                last = _number(last_text, name, low, high, words)
            else:
                last = high if step > 1 else first
        if first > last:
            raise ValueError(f"the {name} range '{span}' runs backwards")
        allowed.update(range(first, last + 1, step))
    return frozenset(allowed)


def _number(text: str, name: str, low: int, high: int, words: dict[str, int]) -> int:
    if text.lower() in words:
        return words[text.lower()]
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"the {name} '{text}' is no number")
    if not low <= int(text) <= high:
        raise ValueError(f"the {name} {text} is not between {low} and {high}")
    return int(text)
