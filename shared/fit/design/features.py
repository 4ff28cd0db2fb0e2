"""From a history to the arrays of the model: scaled, lagged spend and the baseline's columns.

Nothing here looks ahead. Every scale, centre, label count and padding comes from the first
``train`` rows, so a fit for validation cannot learn anything from the rows it is tested on; a test
changes the future and checks that the past's columns do not move.

The baseline's columns come multiplied by the standard deviation of their coefficient's prior (in
units of the outcome's standard deviation), so that every coefficient has a standard normal prior.
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
from shared.history.table import History

__all__ = ["LAGS", "PERIODS_PER_YEAR", "Design", "build_design", "lagged"]

Floats = NDArray[np.float64]

#: Lags of the adstock by frequency: a quarter of weeks, eight weeks of days, half a year of months.
LAGS = {"day": 56, "week": 13, "month": 6}
PERIODS_PER_YEAR = {"day": 365.25, "week": 365.25 / 7.0, "month": 12.0}

# The weeks before the first row are unknown; the mean of the first rows is the best guess of them.
# Assuming zero spend instead is one of the costliest mistakes of such fits.
_PADDING_ROWS = {"day": 28, "week": 6, "month": 2}

# Standard deviations of the coefficients' priors, in standard deviations of the outcome.
_TREND_SD = 1.0
_BEND_SD = 0.3
_SEASON_SD = 0.6
_WEEKDAY_SD = 0.6
_CONTROL_SD = 1.0
_EVENT_SD = 1.5
_HOLIDAY_SD = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """What the model sees. T rows in all, of which the first ``train`` are for fitting.

    Attributes
    ----------
    lags
        Shape (C, T, L): spend of the active channels over its scale, lag 0 first.
    active
        Indices into the history's channels of those with any spend in the training rows.
    spend_scale
        Shape (C,): mean of the non-zero spend in the training rows, in money per period.
    mean_spend
        Shape (C,): mean spend over the training rows, zeros included, in money per period.
    baseline
        Shape (T, p): intercept, trend, seasonality, controls, events, times their prior sd.
    baseline_names, baseline_groups
        Name of each column, and the group it is reported under.
    outcome
        Shape (T,): (outcome - centre) / scale, NaN where the source had none.
    observed
        Shape (T,), bool: training rows with an outcome: the rows of the likelihood.
    """

    lags: Floats
    active: tuple[int, ...]
    spend_scale: Floats
    mean_spend: Floats
    baseline: Floats
    baseline_names: tuple[str, ...]
    baseline_groups: tuple[str, ...]
    outcome: Floats
    outcome_centre: float
    outcome_scale: float
    observed: NDArray[np.bool_]
    train: int
    frequency: str


def lagged(spend: Floats, lags: int, padding: Floats) -> Floats:
    """Shape (C, T, L) from spend of shape (T, C); rows before the first hold ``padding`` (C,)."""
    rows, channels = spend.shape
    padded = np.concatenate([np.tile(padding, (lags - 1, 1)), spend])
    out = np.empty((channels, rows, lags))
    for lag in range(lags):
        out[:, :, lag] = padded[lags - 1 - lag : lags - 1 - lag + rows].T
    return out


def build_design(
    history: History, holidays_country: str | None, train: int | None = None
) -> Design:
    """Scale, lag and lay out a history; ``train`` rows (default all) set every scale.

    Raises
    ------
    InvalidInput
        Where no channel has spend, the outcome does not vary, or the country is not known.
    """
    rows = len(history.dates)
    train = rows if train is None else train
    past = history.spend[:train]
    active = tuple(int(c) for c in np.flatnonzero(past.sum(axis=0) > 0))
    if not active:
        raise InvalidInput.at(
            "/channels", "no_spend", "No channel has any spend, so there is nothing to fit."
        )
    observed = np.zeros(rows, dtype=bool)
    observed[:train] = np.isfinite(history.outcome[:train])
    seen = history.outcome[observed]
    scale = float(np.std(seen)) if seen.size else 0.0
    if not scale > 1e-9 * max(1.0, float(np.max(np.abs(seen), initial=0.0))):
        raise InvalidInput.at(
            "/outcome",
            "constant_outcome",
            f"The outcome {history.outcome_name!r} never varies, so no effect can be seen in it.",
        )
    centre = float(np.mean(seen))
    spend = history.spend[:, active]
    past = spend[:train]
    spend_scale = past.sum(axis=0) / np.maximum((past > 0).sum(axis=0), 1)
    padding = past[: _PADDING_ROWS[history.frequency]].mean(axis=0)
    columns, names, groups = _baseline(history, holidays_country, train, abs(centre) / scale)
    return Design(
        lags=lagged(
            spend / spend_scale,
            min(LAGS[history.frequency], max(train // 2, 1)),
            padding / spend_scale,
        ),
        active=active,
        spend_scale=spend_scale,
        mean_spend=past.mean(axis=0),
        baseline=columns,
        baseline_names=names,
        baseline_groups=groups,
        outcome=(history.outcome - centre) / scale,
        outcome_centre=centre,
        outcome_scale=scale,
        observed=observed,
        train=train,
        frequency=history.frequency,
    )


def _baseline(
    history: History, country: str | None, train: int, level: float
) -> tuple[Floats, tuple[str, ...], tuple[str, ...]]:
    columns: list[Floats] = []
    names: list[str] = []
    groups: list[str] = []

    def add(group: str, name: str, column: Floats, sd: float) -> None:
        columns.append(column * sd)
        names.append(name)
        groups.append(group)

    rows = len(history.dates)
    # The outcome is centred; media that explain much of it pull the intercept far below zero.
    add("intercept", "intercept", np.ones(rows), max(5.0, level))
    for name, column, sd in _trend(rows, train, history.frequency):
        add("trend", name, column, sd)
    for name, column, sd in _season(history.dates, train, history.frequency):
        add("seasonality", name, column, sd)
    for name, column in zip(history.control_names, history.controls.T, strict=True):
        spread = float(np.std(column[:train]))
        if spread > 0:
            standard = (column - float(np.mean(column[:train]))) / spread
            add("controls", name, standard, _CONTROL_SD)
    for name, column in _events(history.events, train):
        add("events", name, column, _EVENT_SD)
    if country is not None:
        for name, column in _holidays(history.dates, train, history.frequency, country):
            add("holidays", name, column, _HOLIDAY_SD)
    return np.stack(columns, axis=1), tuple(names), tuple(groups)


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
    ends = _after(dates[-1], frequency)
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


def _after(day: date, frequency: str) -> date:
    if frequency == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=7 if frequency == "week" else 1)
