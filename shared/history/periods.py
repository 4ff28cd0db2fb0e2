"""Dates -> evenly spaced periods: the frequency, and faults where the spacing is uneven."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

from shared.history.faults import FaultLog

__all__ = [
    "FREQUENCIES",
    "evenly_spaced",
    "frequency_of",
    "grid",
    "last_day",
    "period_after",
    "period_number",
]

FREQUENCIES = ("day", "week", "month")
_DAYS = {"day": 1, "week": 7}
_WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_ADVERB = {"day": "daily", "week": "weekly", "month": "monthly"}


def period_number(day: date, frequency: str) -> int:
    """A count of periods that grows by one from a period to the next (weeks: from that weekday)."""
    if frequency == "month":
        return day.year * 12 + day.month - 1
    return day.toordinal() // _DAYS[frequency]


def period_after(day: date, frequency: str, count: int = 1) -> date:
    """The first day of the period that comes ``count`` after the one that starts on ``day``."""
    if frequency == "month":
        number = period_number(day, "month") + count
        return date(number // 12, number % 12 + 1, 1)
    return day + timedelta(days=_DAYS[frequency] * count)


def last_day(day: date, frequency: str, count: int = 1) -> date:
    """The last day of ``count`` periods, of which the first starts on ``day``."""
    return period_after(day, frequency, count) - timedelta(days=1)


def grid(first: date, last: date, frequency: str) -> list[date]:
    """The start of every period from ``first`` to ``last``; months start on their first day."""
    if frequency == "month":
        low, high = period_number(first, "month"), period_number(last, "month")
        return [date(n // 12, n % 12 + 1, 1) for n in range(low, high + 1)]
    step = _DAYS[frequency]
    return [first + timedelta(days=k) for k in range(0, (last - first).days + 1, step)]


def evenly_spaced(days: Sequence[date]) -> bool:
    """Whether three dates or more are periods of one length with few missing in between.

    Days, weeks and their multiples, months and theirs.
    """
    ordered = sorted(set(days))
    if len(ordered) < 3:
        return False
    number = [day.toordinal() for day in ordered]
    if _one_day_of_month(ordered):
        number = [period_number(day, "month") for day in ordered]
    steps = [b - a for a, b in itertools.pairwise(number)]
    step = _usual(steps)
    whole = all(one % step == 0 for one in steps)
    return whole and (number[-1] - number[0]) // step + 1 <= 1.25 * len(ordered)


def frequency_of(
    rows: Sequence[tuple[date, str, int]],
    declared: str | None,
    months_only: bool,
    faults: FaultLog,
    *,
    whole: bool = True,
) -> str:
    """The frequency of the dates, which must be evenly spaced but may have gaps.

    Parameters
    ----------
    rows
        (date, pointer of its cell, spreadsheet row), in any order, each date once.
    declared
        The spec's frequency, or None.
    months_only
        Cells such as 2023-07.
    whole
        A row is all of its period, as an outcome is; else a period without rows is one of nothing.

    Returns
    -------
    ``"day"``, ``"week"`` or ``"month"``. Dates off its grid are added to ``faults``.
    """
    places = {day: (where, line) for day, where, line in rows}
    days = sorted(places)
    steps = [(b - a).days for a, b in itertools.pairwise(days)]
    seen = "month" if months_only else _guess(days, steps)
    if declared is None and whole and (longer := _longer(days, steps)):
        faults.add(
            places[days[0]][0],
            "unknown_frequency",
            f"The dates are those of {longer}, which cannot be fitted: give rows by day, week or "
            "month, or say 'frequency' in the spec if the periods in between are missing.",
        )
        return "week"
    if declared is not None:
        seen = _check_declared(declared, seen, steps, faults)
    if seen is None:
        where, _ = places[days[0]]
        said = (
            "a single date does not tell whether periods are days, weeks or months; "
            "give 'frequency' in the spec"
            if not steps
            else f"the dates are mostly {_usual(steps)} days apart, "
            "which is neither daily, weekly nor monthly"
        )
        faults.add(where, "unknown_frequency", said[0].upper() + said[1:] + ".")
        return declared or "week"
    if seen == "week":
        _same_weekday(days, places, faults)
    elif seen == "month":
        _same_day_of_month(days, places, faults)
    if not faults:
        _not_too_sparse(days, seen, places, faults)
    return seen


def _usual(steps: Sequence[int]) -> int:
    """The (low) median step in days: few gaps or slips do not move it."""
    return sorted(steps)[(len(steps) - 1) // 2]


def _guess(days: Sequence[date], steps: Sequence[int]) -> str | None:
    """The frequency by the median step."""
    if not steps:
        return None
    common = _usual(steps)
    if 28 <= common <= 31 and (common != 28 or _one_day_of_month(days)):
        return "month"
    if common in (1, 7):
        return "day" if common == 1 else "week"
    # sparse weeks (every second one is there) are still weeks; so are sparse months
    if _one_day_of_month(days):
        return "month"
    return "week" if all(step % 7 == 0 for step in steps) and common <= 21 else None


def _longer(days: Sequence[date], steps: Sequence[int]) -> str:
    """Periods of equal length that are no day, week or month, by their name; "" where not so."""
    if len(steps) < 3:
        return ""
    if _one_day_of_month(days):
        months = {b - a for a, b in itertools.pairwise([period_number(d, "month") for d in days])}
        if len(months) == 1 and (count := months.pop()) > 1:
            return {3: "quarters", 12: "years"}.get(count, f"{count} months")
        return ""
    if len(set(steps)) == 1 and steps[0] > 7 and steps[0] % 7 == 0:
        return f"{steps[0] // 7} weeks"
    if len(steps) > 5 and set(steps) == {28, 35}:
        return "a 4-4-5 calendar"
    return ""


def _last_of_month(day: date) -> bool:
    return (day + timedelta(days=1)).day == 1


def _one_day_of_month(days: Sequence[date]) -> bool:
    return len({day.day for day in days}) == 1 or all(map(_last_of_month, days))


def _check_declared(declared: str, seen: str | None, steps: Sequence[int], faults: FaultLog) -> str:
    """The declared frequency, with a fault where the dates clearly have another."""
    if seen is None or seen == declared or not steps:
        return declared
    # weekly dates may be a daily table with gaps by definition, but nobody means that
    faults.add(
        "/frequency",
        "frequency_mismatch",
        f"The spec says frequency '{declared}', but the dates are {_ADVERB[seen]} "
        f"(mostly {_usual(steps)} days apart).",
    )
    return declared


def _same_weekday(
    days: Sequence[date], places: dict[date, tuple[str, int]], faults: FaultLog
) -> None:
    usual = Counter(day.weekday() for day in days).most_common(1)[0][0]
    name = _WEEKDAYS[usual]
    for day in days:
        if day.weekday() != usual:
            where, line = places[day]
            faults.add(
                where,
                "uneven_dates",
                f"Row {line}: {day} is a {_WEEKDAYS[day.weekday()]}, other weeks start on {name}.",
            )


def _same_day_of_month(
    days: Sequence[date], places: dict[date, tuple[str, int]], faults: FaultLog
) -> None:
    if all(map(_last_of_month, days)):
        return
    usual = Counter(day.day for day in days).most_common(1)[0][0]
    for day in days:
        if day.day != usual:
            where, line = places[day]
            faults.add(
                where,
                "uneven_dates",
                f"Row {line}: {day} is not the {usual}. of a month like the other dates.",
            )


def _not_too_sparse(
    days: Sequence[date],
    frequency: str,
    places: dict[date, tuple[str, int]],
    faults: FaultLog,
) -> None:
    """A typo in a year would otherwise fill centuries with empty periods."""
    numbers = [period_number(day, frequency) for day in days]
    missing = numbers[-1] - numbers[0] + 1 - len(set(numbers))
    if missing <= max(len(days), 8):
        return
    gap, at = max((b - a, i) for i, (a, b) in enumerate(itertools.pairwise(numbers)))
    where, line = places[days[at + 1]]
    faults.add(
        where,
        "too_many_gaps",
        f"{missing} of the {numbers[-1] - numbers[0] + 1} periods from {days[0]} to {days[-1]} are "
        f"missing, {gap - 1} of them between {days[at]} and {days[at + 1]} (row {line}). "
        "Is a date mistyped?",
    )
