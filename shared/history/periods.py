"""Dates -> the frequency of evenly spaced periods, and faults where the spacing is uneven."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

from shared.frequency import FREQUENCIES, asked_name, frequency
from shared.history.faults import FaultLog

__all__ = ["common_frequency", "evenly_spaced", "frequency_of"]

_WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_PATTERN = "4-4-5"
_SURE = 0.75  # of the steps that are the usual one, from which others are gaps or slips
_WITHIN = {"week": ("two_weeks", "four_weeks"), "month": ("quarter",)}
"""Frequencies that a table of gaps looks like."""


def evenly_spaced(days: Sequence[date]) -> bool:
    """Whether three dates or more are periods of one length with few missing in between.

    Days, weeks and their multiples, months and theirs.
    """
    ordered = sorted(set(days))
    if len(ordered) < 3:
        return False
    number = [day.toordinal() for day in ordered]
    if _one_day_of_month(ordered):
        number = _months(ordered)
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
        A row is all of its period, as an outcome is; else a period without rows is one of nothing,
        and days that are far apart may be short periods.

    Returns
    -------
    The name of a ``Frequency``; of a 4-4-5 calendar with the date that it runs from. Dates off its
    grid are added to ``faults``.
    """
    places = {day: (where, line) for day, where, line in rows}
    days = sorted(places)
    steps = [b - a for a, b in itertools.pairwise([day.toordinal() for day in days])]
    pattern = _pattern(days, steps)
    seen = _guess(days, steps, months_only, whole=whole)
    if declared is not None:
        looks = None if seen is None else asked_name(seen)
        fits = looks in (None, declared, *_WITHIN.get(declared, ())) or not steps
        if declared == _PATTERN and steps and not pattern:
            seen = seen or "week"
            fits = False
        if not fits and seen is not None:
            # weekly dates may be a daily table with gaps by definition, but nobody means that
            text = (
                f"The spec says frequency '{declared}', but the dates are by the "
                f"{frequency(seen).word} (mostly {_usual(steps)} days apart)."
            )
            faults.add("/frequency", "frequency_mismatch", text)
            return declared
        seen = (pattern or declared) if declared == _PATTERN else declared
    if seen is None:
        where, _ = places[days[0]]
        known = ", ".join(repr(name) for name in FREQUENCIES)
        said = (
            "A single date does not tell what a period is"
            if not steps
            else f"The dates are mostly {_usual(steps)} days apart, which is no known period"
        )
        text = f"{said}: give 'frequency' in the spec, one of {known}."
        faults.add(where, "unknown_frequency", text)
        return "week"
    every = frequency(seen)
    if every.days > 1:
        _same_day(days, every.days, places, faults)
    elif every.months:
        _same_day_of_month(days, every.months, places, faults)
    if not faults:
        _not_too_sparse(days, seen, places, faults)
    return seen


def common_frequency(spend: str, outcome: str, days: Sequence[date]) -> str | None:
    """The frequency of spend, on ``days``, and of outcomes together; None where they differ.

    Spend in every second week may be that of fortnights, or of weeks without spend in between:
    then the outcomes, which have no such gaps, tell.
    """
    one, other = asked_name(spend), asked_name(outcome)
    if one == other:
        return max(spend, outcome)  # of a 4-4-5 calendar the run that begins last
    if one in _WITHIN.get(other, ()):
        return outcome
    if other in _WITHIN.get(one, ()):
        every, first = frequency(outcome), min(days)
        grid = {every.after(first, every.between(first, day)) for day in days}
        return outcome if set(days) <= grid else None
    return None


def _usual(steps: Sequence[int]) -> int:
    """The (low) median step: few gaps or slips do not move it."""
    return sorted(steps)[(len(steps) - 1) // 2]


def _months(days: Sequence[date]) -> list[int]:
    return [day.year * 12 + day.month for day in days]


def _guess(
    days: Sequence[date], steps: Sequence[int], months_only: bool, *, whole: bool
) -> str | None:
    """The frequency by the median step; steps of several weeks or months are one if most are."""
    if months_only or _one_day_of_month(days):
        own = [b - a for a, b in itertools.pairwise(_months(days))]
        if own and _usual(own) > 1 and _alike(own, whole=whole):
            return "quarter" if _usual(own) == 3 else None  # of two months, of a year
        if own or months_only:
            return "month"
    if not steps:
        return None
    if pattern := _pattern(days, steps):
        return pattern
    common = _usual(steps)
    if common == 1:
        return "day"
    if common == 7:
        return "week"
    if _alike(steps, whole=whole) and common % 7 == 0:
        return {14: "two_weeks", 28: "four_weeks"}.get(common)
    if all(step % 7 == 0 for step in steps):
        return "week" if common <= 21 else None  # every second one is there: still weeks
    return "month" if 28 <= common <= 31 else None


def _alike(steps: Sequence[int], *, whole: bool) -> bool:
    """Whether steps are one length: most of them where rows are ``whole``, else all."""
    step = _usual(steps)
    if not whole:
        return len(steps) > 5 and set(steps) == {step}
    return len(steps) > 2 and sum(one == step for one in steps) >= _SURE * len(steps)


def _pattern(days: Sequence[date], steps: Sequence[int]) -> str:
    """The name of a 4-4-5 calendar with where it runs from, if the dates are one's; else "".

    Every third period has five weeks, the others four; once in some years one has a week more.
    """
    if len(steps) < 6 or any(step not in (28, 35, 42) for step in steps):
        return ""
    for phase in range(3):
        more = [step - (35 if k % 3 == phase else 28) for k, step in enumerate(steps)]
        if set(more) <= {0, 7} and sum(more) <= 7 * (1 + len(steps) // 48):
            begins = max(k for k in range(len(days)) if k % 3 == (phase + 1) % 3)
            return f"{_PATTERN} from {days[begins]}"
    return ""


def _last_of_month(day: date) -> bool:
    return (day + timedelta(days=1)).day == 1


def _one_day_of_month(days: Sequence[date]) -> bool:
    return len({day.day for day in days}) == 1 or all(map(_last_of_month, days))


def _same_day(
    days: Sequence[date], step: int, places: dict[date, tuple[str, int]], faults: FaultLog
) -> None:
    """Weeks start on one weekday; of several weeks all are whole ones apart."""
    usual = Counter(day.toordinal() % step for day in days).most_common(1)[0][0]
    first = next(day for day in days if day.toordinal() % step == usual)
    for day in days:
        if day.toordinal() % step != usual:
            where, line = places[day]
            said = f"{day} is a {_WEEKDAYS[day.weekday()]}, other weeks start on "
            said += f"{_WEEKDAYS[first.weekday()]}."
            if day.weekday() == first.weekday():
                said = f"{day} is not a whole number of {step // 7} weeks from {first}."
            faults.add(where, "uneven_dates", f"Row {line}: {said}")


def _same_day_of_month(
    days: Sequence[date], step: int, places: dict[date, tuple[str, int]], faults: FaultLog
) -> None:
    ends = all(map(_last_of_month, days))
    usual = Counter(day.day for day in days).most_common(1)[0][0]
    phase = Counter(month % step for month in _months(days)).most_common(1)[0][0]
    for day, month in zip(days, _months(days), strict=True):
        where, line = places[day]
        if not ends and day.day != usual:
            said = f"{day} is not the {usual}. of a month like the other dates."
            faults.add(where, "uneven_dates", f"Row {line}: {said}")
        elif month % step != phase:
            said = f"{day} is not a whole number of quarters from the other dates."
            faults.add(where, "uneven_dates", f"Row {line}: {said}")


def _not_too_sparse(
    days: Sequence[date],
    every: str,
    places: dict[date, tuple[str, int]],
    faults: FaultLog,
) -> None:
    """A typo in a year would otherwise fill centuries with empty periods."""
    numbers = [frequency(every).between(days[0], day) for day in days]
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
