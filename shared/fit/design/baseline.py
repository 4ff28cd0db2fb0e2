"""The baseline's columns: trend, seasonality, controls, events, holidays, for one geo or for many.

Nothing here looks ahead: every centre, scale and label count comes from the first ``train`` rows.
Columns come multiplied by the standard deviation of their coefficient's prior (in units of the
outcome's standard deviation), so that every coefficient has a standard normal prior.

With several geos the rows are stacked geo by geo. All geos share the coefficients of seasonality,
controls, events and holidays; each has an intercept and a trend of its own, and a small seasonal
deviation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.history.table import History, Panel

__all__ = ["PERIODS_PER_YEAR", "Baseline", "baseline_columns", "period_after"]

Floats = NDArray[np.float64]

PERIODS_PER_YEAR = {"day": 365.25, "week": 365.25 / 7.0, "month": 12.0}

# Standard deviations of the coefficients' priors, in standard deviations of the outcome.
_TREND_SD = 1.0
_BEND_SD = 0.3
_SEASON_SD = 0.6
_WEEKDAY_SD = 0.6
_CONTROL_SD = 1.0
_EVENT_SD = 1.5
_HOLIDAY_SD = 0.6
_WANDER_SD = 0.5
_GEO_SEASON = 0.3  # of the common season's: how much a geo's own may differ
_GEO_HARMONICS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Columns (R, p) times their prior sd, R = G T rows, with names and the groups they are in."""

    columns: Floats
    names: tuple[str, ...]
    groups: tuple[str, ...]


def baseline_columns(
    history: History,
    panel: Panel,
    country: str | None,
    train: int,
    levels: Floats,
    *,
    wander: bool = False,
) -> Baseline:
    """All columns of all geos.

    Parameters
    ----------
    levels
        (G,) mean of each geo's outcome over its standard deviation: how far an intercept may lie.
    wander
        Whether the baseline may drift: slow waves besides the trend (a Gaussian process of smooth
        paths, written in its leading cosines).
    """
    rows, geos = len(history.dates), len(panel.geos)
    columns: list[Floats] = []
    names: list[str] = []
    groups: list[str] = []

    def add(group: str, name: str, column: Floats) -> None:
        columns.append(column)
        names.append(name)
        groups.append(group)

    def everywhere(group: str, name: str, column: Floats) -> None:
        add(group, name, np.tile(column, geos))

    def alone(geo: int, group: str, name: str, column: Floats) -> None:
        out = np.zeros(geos * rows)
        out[geo * rows : (geo + 1) * rows] = column
        add(group, f"{panel.geos[geo]}: {name}" if geos > 1 else name, out)

    for geo in range(geos):
        # The outcome is centred; media that explain much of it pull the intercept far below zero.
        alone(geo, "intercept", "intercept", np.full(rows, max(5.0, float(levels[geo]))))
    for geo in range(geos):
        for name, column, sd in _trend(rows, train, history.frequency):
            alone(geo, "trend", name, sd * column)
        if wander:
            for name, column, sd in _wander(rows, train, history.frequency):
                alone(geo, "trend", name, sd * column)
    season = _season(history.dates, train, history.frequency)
    for name, column, sd in season:
        everywhere("seasonality", name, sd * column)
    if geos > 1:
        for geo in range(geos):
            for name, column, sd in season[: 2 * _GEO_HARMONICS]:
                alone(geo, "seasonality", name, _GEO_SEASON * sd * column)
    for place, name in enumerate(history.control_names):
        column = panel.controls[:, :, place]
        past = column[:, :train]
        spread = float(np.std(past))
        if spread > 0:
            add("controls", name, (_CONTROL_SD * (column - float(past.mean())) / spread).ravel())
    for name, column in _events(history.events, train):
        everywhere("events", name, _EVENT_SD * column)
    if country is not None:
        for name, column in _holidays(history.dates, train, history.frequency, country):
            everywhere("holidays", name, _HOLIDAY_SD * column)
    return Baseline(np.stack(columns, axis=1), tuple(names), tuple(groups))


def _wander(rows: int, train: int, frequency: str) -> list[tuple[str, Floats, float]]:
    """Cosines of up to two waves a year with falling weights; beyond the training rows they stay.

    The weights are those of a squared-exponential process of length scale a third of a year
    (Solin and Sarkka, Hilbert space methods for reduced-rank Gaussian process regression, 2020).
    """
    years = train / PERIODS_PER_YEAR[frequency]
    waves = int(4 * years)
    index = np.minimum(np.arange(rows, dtype=np.float64), train - 1.0)
    weights = [float(np.exp(-0.5 * (np.pi * k / years / 3.0) ** 2 / 2.0)) for k in range(2, waves)]
    norm = float(np.sqrt(np.sum(np.square(weights)) / 2.0)) if weights else 1.0
    return [
        (
            f"slow wave {k}",
            np.cos(np.pi * k * (index + 0.5) / train),
            _WANDER_SD * weight / norm,
        )
        for k, weight in enumerate(weights, start=2)
        if weight > 1e-3
    ]


def _trend(rows: int, train: int, frequency: str) -> list[tuple[str, Floats, float]]:
    """A straight line, and a small bend a year (after the first, before the last)."""
    if train < 8:
        return []
    index = np.arange(rows, dtype=np.float64)
    out = [("trend", (index - (train - 1) / 2.0) / ((train - 1) / 2.0), _TREND_SD)]
    year = PERIODS_PER_YEAR[frequency]
    years = int(train / year + 0.05)  # 156 weeks are three years
    for bend in range(1, years):
        at = bend * train / years
        out.append((f"trend bend {bend}", np.maximum(index - at, 0.0) / year, _BEND_SD))
    return out


def _season(dates: Sequence[date], train: int, frequency: str) -> list[tuple[str, Floats, float]]:
    """Fourier terms of the year, as many as the length can bear; day of week for daily data."""
    out: list[tuple[str, Floats, float]] = []
    years = train / PERIODS_PER_YEAR[frequency] + 0.05
    if years >= 3:
        harmonics = 6
    elif years >= 1.5:
        harmonics = 4
    else:
        harmonics = 2 if years >= 0.75 else 0
    if frequency == "month":
        harmonics = min(harmonics, 3 if years >= 2 else 1)
    phase = 2.0 * np.pi * np.array([d.toordinal() for d in dates]) / 365.25
    for k in range(1, harmonics + 1):
        sd = _SEASON_SD / float(np.sqrt(k))
        out.append((f"year sin {k}", np.sin(k * phase), sd))
        out.append((f"year cos {k}", np.cos(k * phase), sd))
    if frequency == "day" and train >= 21:
        weekday = np.array([d.weekday() for d in dates])
        for day, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
            # All seven, each shrunk to the mean: no day is the reference.
            out.append((name, (weekday == day).astype(np.float64), _WEEKDAY_SD))
    return out


def _events(labels: Sequence[str], train: int) -> list[tuple[str, Floats]]:
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


def _holidays(
    dates: Sequence[date], train: int, frequency: str, country: str
) -> list[tuple[str, Floats]]:
    """Days of each public holiday in each period (``holidays``); monthly: their number in all."""
    import holidays

    years = range(dates[0].year, dates[-1].year + 2)
    try:
        calendar = holidays.country_holidays(country, years=years)
    except NotImplementedError:
        raise InvalidInput.at(
            "/holidays_country",
            "unknown_country",
            f"No holiday calendar is known for {country!r}; give an ISO code such as 'US'.",
        ) from None
    ends = period_after(dates[-1], frequency)
    by_name: dict[str, Floats] = {}
    for day, label in sorted(calendar.items()):
        row = bisect_right(dates, day) - 1
        if row >= 0 and day < ends:
            name = label.replace(" (observed)", "").split(";")[0].strip()
            by_name.setdefault(name, np.zeros(len(dates)))[row] += 1.0
    if frequency == "month":
        total = np.sum(list(by_name.values()), axis=0) if by_name else np.zeros(len(dates))
        centred = total - float(np.mean(total[:train]))
        return [("public holidays", centred)] if np.any(centred[:train]) else []
    return [(n, c) for n, c in sorted(by_name.items()) if np.count_nonzero(c[:train]) >= 2]


def period_after(day: date, frequency: str) -> date:
    """The start of the period after the one that starts on ``day``."""
    if frequency == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=7 if frequency == "week" else 1)
