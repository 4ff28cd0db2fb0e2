"""Columns that only the calendar and its labels decide: seasons, events, public holidays.

``horizon_of`` is how far ahead a fit is asked to forecast when it is checked: nothing it uses may
be fresher.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.frequency import frequency

__all__ = [
    "event_columns",
    "first_season",
    "holiday_columns",
    "horizon_of",
    "season_columns",
]

Floats = NDArray[np.float64]

# Standard deviations of the coefficients' priors, in standard deviations of the outcome.
_SEASON_SD = 0.6
_WEEKDAY_SD = 0.6
_DUMMY_SD = 0.5
_HOLIDAY_SD = 0.6
_NEAR_SD = 0.3  # of a day before or after any holiday
_NEAR_OWN_SD = 0.15  # by how much a holiday's own days around it differ from those of the others

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_QUARTERS = ("first quarter", "second quarter", "third quarter", "fourth quarter")

Columns = list[tuple[str, Floats, float]]

_HORIZON = {"day": 91, "week": 13, "month": 6}


def season_columns(
    dates: Sequence[date], train: int, every: str, seasons: Sequence[str] | None = None
) -> Columns:
    """Name, column and prior sd of each seasonal term.

    Parameters
    ----------
    seasons
        What may differ (``history.spec.Season``); None for Fourier terms of the year, as many as
        the length can bear, and the day of the week for daily data.
    """
    wanted = ("year", "day_of_week") if seasons is None else seasons
    out: Columns = []
    if "year" in wanted:
        phase = 2.0 * np.pi * np.array([d.toordinal() for d in dates]) / 365.25
        for k in range(1, _harmonics(train, every) + 1):
            sd = _SEASON_SD / float(np.sqrt(k))
            out.append((f"year sin {k}", np.sin(k * phase), sd))
            out.append((f"year cos {k}", np.cos(k * phase), sd))
    # Of each kind all members, each shrunk to the mean: none is the reference.
    if "day_of_week" in wanted and every == "day" and train >= 21:
        out += _dummies([d.weekday() for d in dates], _WEEKDAYS, _WEEKDAY_SD, train)
    if "month" in wanted:
        out += _dummies([d.month - 1 for d in dates], _MONTHS, _DUMMY_SD, train)
    if "quarter" in wanted:
        out += _dummies([(d.month - 1) // 3 for d in dates], _QUARTERS, _DUMMY_SD, train)
    return out


def first_season(every: str) -> int:
    """The fewest periods that the seasons of a year are told from."""
    train = 1
    while not _harmonics(train, every):
        train += 1
    return train


def _harmonics(train: int, every: str) -> int:
    of = frequency(every)
    years = train / of.per_year + 0.05
    if years >= 3:
        harmonics = 6
    elif years >= 1.5:
        harmonics = 4
    else:
        harmonics = 2 if years >= 0.75 else 0
    if of.coarse:  # of a year of P periods no more than P / 2 waves can be told apart
        harmonics = min(harmonics, 3 if years >= 2 else 1, int((of.per_year - 1) / 2))
    return harmonics


def _dummies(places: Sequence[int], names: Sequence[str], sd: float, train: int) -> Columns:
    """A dummy for each member that training has seen; a month never seen has no effect to learn."""
    where = np.array(places)
    return [
        (name, (where == place).astype(np.float64), sd)
        for place, name in enumerate(names)
        if np.any(where[:train] == place)
    ]


def event_columns(labels: Sequence[str], train: int) -> list[tuple[str, Floats]]:
    """A dummy for each label seen twice in training; labels seen once share one.

    A label that was seen once would only erase its row; together they say what "an event" does.
    """
    counts = Counter(label for label in labels[:train] if label)
    often = [label for label, count in counts.items() if count >= 2]
    out = [
        (label, np.array([x == label for x in labels], dtype=np.float64)) for label in sorted(often)
    ]
    once = {label for label, count in counts.items() if count == 1}
    if len(once) >= 2:
        other = np.array([bool(x) and x not in often for x in labels], dtype=np.float64)
        out.append(("other events", other))
    return out


def holiday_columns(
    dates: Sequence[date],
    train: int,
    every: str,
    country: str,
    before: int = 0,
    after: int = 0,
) -> Columns:
    """Days of each public holiday in each period (``holidays``); of long ones their number in all.

    Parameters
    ----------
    before, after
        Days before and after a holiday that count too: for all holidays together, and (not for
        months or longer) for each on its own, shrunk to what all have in common.
    """
    by_day = _public_holidays(dates, every, country, before, after)
    counts: dict[str, Floats] = {}
    around: dict[str, dict[str, Floats]] = {"before": {}, "after": {}}
    of = frequency(every)
    end = of.after(dates[-1])
    free = {day for day, _ in by_day}
    for day, name in by_day:
        _count(counts, name, day, dates, end)
        for side, reach, step in (("before", before, -1), ("after", after, 1)):
            for k in range(1, reach + 1):
                near = day + timedelta(days=step * k)
                if near not in free:  # the day before a second holiday is a holiday itself
                    _count(around[side], name, near, dates, end)
    out: Columns = []
    if of.coarse:
        total = np.sum(list(counts.values()), axis=0) if counts else np.zeros(len(dates))
        centred = total - float(np.mean(total[:train]))
        out += [("public holidays", centred, _HOLIDAY_SD)] if np.any(centred[:train]) else []
    else:
        out += [(n, c, _HOLIDAY_SD) for n, c in sorted(counts.items()) if _twice(c, train)]
    for side, own in around.items():
        if not own:
            continue
        total = np.sum(list(own.values()), axis=0)
        total = total - float(np.mean(total[:train])) if of.coarse else total
        if np.any(total[:train]):
            out.append((f"days {side} holidays", total, _NEAR_SD))
        if not of.coarse:
            out += [
                (f"days {side} {n}", c, _NEAR_OWN_SD)
                for n, c in sorted(own.items())
                if _twice(c, train)
            ]
    return out


def _public_holidays(
    dates: Sequence[date], every: str, country: str, before: int, after: int
) -> list[tuple[date, str]]:
    """Every holiday whose own days, or those around it, may fall into the periods."""
    import holidays

    first = dates[0] - timedelta(days=after)
    last = frequency(every).after(dates[-1]) + timedelta(days=before)
    try:
        calendar = holidays.country_holidays(country, years=range(first.year, last.year + 1))
    except NotImplementedError:
        raise InvalidInput.at(
            "/holidays_country",
            "unknown_country",
            f"No holiday calendar is known for {country!r}; give an ISO code such as 'US'.",
        ) from None
    return [
        (day, label.replace(" (observed)", "").split(";")[0].strip())
        for day, label in sorted(calendar.items())
        if first <= day < last
    ]


def _count(
    columns: dict[str, Floats], name: str, day: date, dates: Sequence[date], end: date
) -> None:
    row = bisect_right(dates, day) - 1
    if row >= 0 and day < end:
        columns.setdefault(name, np.zeros(len(dates)))[row] += 1.0


def _twice(column: Floats, train: int) -> bool:
    return int(np.count_nonzero(column[:train])) >= 2


def horizon_of(rows: int, every: str) -> int:
    """Length of a fold in periods: a quarter, but never more than a fifth of the rows.

    About a year of rows is just enough to know its seasons. What is held back for two folds is then
    less, down to a tenth of the rows each, so that what remains knows them too: else another model
    than the one to be judged would be.

    >>> horizon_of(104, "week"), horizon_of(30, "week"), horizon_of(365, "day")
    (13, 6, 54)
    """
    usual = min(frequency(every).count(_HORIZON), rows // 5)
    spare = (rows - first_season(every)) // 2
    if 0 <= spare < usual:
        usual = max(spare, rows // 10)
    return max(1, usual)
