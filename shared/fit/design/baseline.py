"""The baseline's columns: trend, seasons, controls, features, events, holidays, by geo or not.

Nothing here looks ahead: every centre, scale and label count comes from the first ``train`` rows.
Columns come multiplied by the standard deviation of their coefficient's prior (in units of the
outcome's standard deviation), so that every coefficient has a standard normal prior.

With several geos the rows are stacked geo by geo. All geos share the coefficients of seasonality,
controls, features, events and holidays; each has an intercept and a trend of its own, and a small
seasonal deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.calendar import (
    PERIODS_PER_YEAR,
    event_columns,
    holiday_columns,
    season_columns,
)
from shared.fit.design.derived import derived_columns
from shared.fit.design.wishes import Wishes
from shared.history.table import History, Panel

__all__ = ["Baseline", "baseline_columns"]

Floats = NDArray[np.float64]

# Standard deviations of the coefficients' priors, in standard deviations of the outcome.
_TREND_SD = 1.0
_BEND_SD = 0.3
_CONTROL_SD = 1.0
_EVENT_SD = 1.5
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
    train: int,
    levels: Floats,
    wishes: Wishes,
) -> Baseline:
    """All columns of all geos.

    Parameters
    ----------
    levels
        (G,) mean of each geo's outcome over its standard deviation: how far an intercept may lie.
    wishes
        What the spec asks of it. Where the baseline may drift, slow waves come besides the trend
        (a random walk, written in its leading cosines).
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
        for name, column, sd in _trend(rows, train, history.frequency, wishes.trend):
            alone(geo, "trend", name, sd * column)
        if wishes.wander:
            for name, column, sd in _wander(rows, train, history.frequency):
                alone(geo, "trend", name, sd * column)
    season = season_columns(history.dates, train, history.frequency, wishes.seasons)
    for name, column, sd in season:
        everywhere("seasonality", name, sd * column)
    if geos > 1:
        for geo in range(geos):
            for name, column, sd in season[: 2 * _GEO_HARMONICS]:
                alone(geo, "seasonality", name, _GEO_SEASON * sd * column)
    for place, name in enumerate(history.control_names):
        control = _standard(panel.controls[:, :, place], train)
        if control is not None:
            add("controls", name, _CONTROL_SD * control.ravel())
    for name, values, sd in derived_columns(history, panel, wishes.features, train):
        feature = _standard(values, train)
        if feature is not None:
            add("features", name, sd * feature.ravel())
    for name, column in event_columns(history.events, train):
        everywhere("events", name, _EVENT_SD * column)
    if wishes.country is not None:
        around = wishes.before, wishes.after
        for name, column, sd in holiday_columns(
            history.dates, train, history.frequency, wishes.country, *around
        ):
            everywhere("holidays", name, sd * column)
    return Baseline(np.stack(columns, axis=1), tuple(names), tuple(groups))


def _standard(column: Floats, train: int) -> Floats | None:
    """(G, T) with mean 0 and sd 1 in training; None where it does not vary there."""
    past = column[:, :train]
    spread = float(np.std(past))
    return (column - float(past.mean())) / spread if spread > 0 else None


def _wander(rows: int, train: int, frequency: str) -> list[tuple[str, Floats, float]]:
    """Cosines of up to four waves a year; beyond the training rows they stay where they are.

    Their weights fall as one over the frequency: those of the principal components of a random
    walk, the local level of structural time-series models (Harvey, Forecasting, structural time
    series models and the Kalman filter, 1989; the components after Phillips, New tools for
    understanding spurious regressions, 1998).
    """
    years = train / PERIODS_PER_YEAR[frequency]
    waves = int(8 * years)
    index = np.minimum(np.arange(rows, dtype=np.float64), train - 1.0)
    weights = [1.0 / k for k in range(2, waves)]
    norm = float(np.sqrt(np.sum(np.square(weights)) / 2.0)) if weights else 1.0
    return [
        (
            f"slow wave {k}",
            np.cos(np.pi * k * (index + 0.5) / train),
            _WANDER_SD * weight / norm,
        )
        for k, weight in enumerate(weights, start=2)
    ]


def _trend(
    rows: int, train: int, frequency: str, kind: str | None
) -> list[tuple[str, Floats, float]]:
    """A straight line, and a small bend a year (after the first, before the last)."""
    if train < 8 or kind == "none":
        return []
    index = np.arange(rows, dtype=np.float64)
    out = [("trend", (index - (train - 1) / 2.0) / ((train - 1) / 2.0), _TREND_SD)]
    if kind == "linear":
        return out
    year = PERIODS_PER_YEAR[frequency]
    years = int(train / year + 0.05)  # 156 weeks are three years
    for bend in range(1, years):
        at = bend * train / years
        out.append((f"trend bend {bend}", np.maximum(index - at, 0.0) / year, _BEND_SD))
    return out
