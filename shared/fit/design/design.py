"""From a history to the arrays of the model: scaled, lagged exposure of arms, and the baseline.

An arm is a channel, or a campaign below it, in one geo. Rows are the periods of every geo, geo by
geo. Nothing here looks ahead: every scale, centre and padding comes from the first ``train``
periods, so a fit for validation cannot learn anything from the periods it is tested on; a test
changes the future and checks that the past's arrays do not move.

The baseline's columns (trend, seasons, controls, features, events, holidays) come multiplied by the
standard deviation of their coefficient's prior (in units of the outcome's standard deviation), so
that every coefficient has a standard normal prior.

With several geos the rows are stacked geo by geo. All geos share the coefficients of seasonality,
controls, features, events and holidays; each has an intercept and a trend of its own, and a small
seasonal deviation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import ObservedSpend
from shared.errors import InvalidInput
from shared.fit.design.calendar import (
    event_columns,
    holiday_columns,
    season_columns,
)
from shared.fit.design.wishes import Wishes, derived_columns
from shared.frequency import frequency
from shared.history.table import History, Panel

__all__ = ["LAGS", "Design", "MediaArm", "arm_name", "build_design", "lagged", "observed_spend"]

Floats = NDArray[np.float64]

#: Lags of the adstock by frequency: a quarter of weeks, eight weeks of days, half a year of months.
LAGS = {"day": 56, "week": 13, "month": 6}

# The weeks before the first row are unknown; the mean of the first rows is the best guess of them.
# Assuming zero spend instead is one of the costliest mistakes of such fits.
_PADDING_ROWS = {"day": 28, "week": 6, "month": 2}

# Standard deviations of the coefficients' priors, in standard deviations of the outcome.
_TREND_SD = 1.0
_BEND_SD = 0.3
_CONTROL_SD = 1.0
_EVENT_SD = 1.5
_WANDER_SD = 0.5
_GEO_SEASON = 0.3  # of the common season's: how much a geo's own may differ
_GEO_HARMONICS = 2


@dataclass(frozen=True, slots=True)
class MediaArm:
    """One thing that money is spent on: ``channel`` is a place in the design's ``active``.

    ``name`` is the curve's: "tv", "tv/brand" for a campaign, "north|tv" in a geo.
    """

    name: str
    channel: int
    geo: int
    campaign: str


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """What the model sees: A arms of C active channels, T periods, G geos, R = G T rows.

    The first ``train`` periods are for fitting.

    Attributes
    ----------
    arms
        A of them: those with any spend in the training periods.
    lags
        Shape (A, T, L): exposure of the arms over their scale, lag 0 first.
    active
        Indices into the history's channels of those with any spend in the training periods.
    spend_scale
        Shape (A,): mean of the non-zero spend in the training periods, in money per period.
    mean_spend
        Shape (A,): mean spend over the training periods, zeros included, in money per period.
    baseline
        Shape (R, p): intercept, trend, seasonality, controls, derived features, events, holidays,
        times their prior sd.
    baseline_names, baseline_groups
        Name of each column, and the group it is reported under.
    outcome
        Shape (R,): (outcome - centre) / scale of its geo, NaN where the source had none.
    outcome_centre, outcome_scale
        Shape (G,), in outcome units.
    observed
        Shape (R,), bool: training rows with an outcome: the rows of the likelihood.
    """

    geos: tuple[str, ...]
    arms: tuple[MediaArm, ...]
    lags: Floats
    active: tuple[int, ...]
    spend_scale: Floats
    mean_spend: Floats
    baseline: Floats
    baseline_names: tuple[str, ...]
    baseline_groups: tuple[str, ...]
    outcome: Floats
    outcome_centre: Floats
    outcome_scale: Floats
    observed: NDArray[np.bool_]
    train: int
    frequency: str

    @property
    def periods(self) -> int:
        """T, those to be forecast included."""
        return int(self.lags.shape[1])

    @property
    def channel_of_arm(self) -> NDArray[np.int64]:
        """(A,) place of each arm's channel in ``active``."""
        return np.array([arm.channel for arm in self.arms], dtype=np.int64)

    @property
    def geo_of_arm(self) -> NDArray[np.int64]:
        """(A,) geo of each arm."""
        return np.array([arm.geo for arm in self.arms], dtype=np.int64)

    @property
    def training(self) -> NDArray[np.bool_]:
        """(R,) whether a row belongs to the training periods."""
        return np.tile(np.arange(self.periods) < self.train, len(self.geos))

    @property
    def row_scale(self) -> Floats:
        """(R,) outcome units of one unit of the model, row by row."""
        return np.repeat(self.outcome_scale, self.periods)

    def baseline_by_group(self, coefficients: Floats) -> dict[str, Floats]:
        """What each group of columns brings in every period, (T,) in outcome units, geos added up.

        Parameters
        ----------
        coefficients
            Shape (p,): of the baseline's columns. The level is the intercept's.
        """
        out: dict[str, Floats] = {}
        for group in dict.fromkeys(self.baseline_groups):
            of = np.array([name == group for name in self.baseline_groups])
            values = self.baseline[:, of] @ coefficients[of]
            out[group] = self.total(values, centred=group != "intercept")
        return out

    def total(self, values: Floats, *, centred: bool = False) -> Floats:
        """Outcome summed over the geos, shape (..., T), of values in model units (..., R).

        Parameters
        ----------
        centred
            Whether the values are differences, so that no geo's centre is to be added.
        """
        by_geo = values.reshape(*values.shape[:-1], len(self.geos), self.periods)
        out = by_geo * self.outcome_scale[:, None]
        if not centred:
            out = out + self.outcome_centre[:, None]
        return np.asarray(out.sum(axis=-2))


def lagged(spend: Floats, lags: int, padding: Floats) -> Floats:
    """Shape (C, T, L) from spend of shape (T, C); rows before the first hold ``padding`` (C,)."""
    rows, channels = spend.shape
    padded = np.concatenate([np.tile(padding, (lags - 1, 1)), spend])
    out = np.empty((channels, rows, lags))
    for lag in range(lags):
        out[:, :, lag] = padded[lags - 1 - lag : lags - 1 - lag + rows].T
    return out


def build_design(
    history: History,
    wishes: Wishes | str | None,
    train: int | None = None,
    *,
    wander: bool = False,
) -> Design:
    """Scale, lag and lay out a history; ``train`` periods (default all) set every scale.

    Parameters
    ----------
    wishes
        What the spec asks of the baseline (``read_wishes``), or only a country of holidays.
    wander
        Whether the baseline may drift, whatever the wishes say.

    Raises
    ------
    InvalidInput
        Where no channel has spend, the outcome does not vary, or the country is not known.
    """
    if not isinstance(wishes, Wishes):
        wishes = Wishes(country=wishes)
    if wander:
        wishes = replace(wishes, wander=True)
    panel = history.panel()
    rows, geos = len(history.dates), len(panel.geos)
    train = rows if train is None else train
    spent = panel.spend[:, :train].sum(axis=1)  # (G, M)
    places = {name: c for c, name in enumerate(history.channels)}
    of_channel = [places[channel] for channel, _ in panel.arms]
    used = sorted({of_channel[m] for m in np.flatnonzero(spent.sum(axis=0) > 0).tolist()})
    if not used:
        raise InvalidInput.at(
            "/channels", "no_spend", "No channel has any spend, so there is nothing to fit."
        )
    cells = [(g, m) for g in range(geos) for m in range(len(panel.arms)) if spent[g, m] > 0]
    arms = tuple(
        MediaArm(arm_name(panel, g, m), used.index(of_channel[m]), g, panel.arms[m][1])
        for g, m in cells
    )
    spend = np.stack([panel.spend[g, :train, m] for g, m in cells])  # (A, train)
    exposure = np.stack([panel.exposure[g, :, m] for g, m in cells], axis=1)  # (T, A)
    spend_scale = spend.sum(axis=1) / np.maximum((spend > 0).sum(axis=1), 1)
    padding = exposure[:train][: frequency(history.frequency).count(_PADDING_ROWS)].mean(axis=0)
    observed = np.zeros((geos, rows), dtype=bool)
    observed[:, :train] = np.isfinite(panel.outcome[:, :train])
    centre, scale = np.zeros(geos), np.ones(geos)
    for g in range(geos):
        centre[g], scale[g] = _outcome_scale(history, panel, g, panel.outcome[g, observed[g]])
    baseline = _baseline_columns(history, panel, train, np.abs(centre) / scale, wishes)
    lags = min(frequency(history.frequency).count(LAGS), max(train // 2, 1))
    return Design(
        geos=panel.geos,
        arms=arms,
        lags=lagged(exposure / spend_scale, lags, padding / spend_scale),
        active=tuple(used),
        spend_scale=spend_scale,
        mean_spend=spend.mean(axis=1),
        baseline=baseline.columns,
        baseline_names=baseline.names,
        baseline_groups=baseline.groups,
        outcome=((panel.outcome - centre[:, None]) / scale[:, None]).ravel(),
        outcome_centre=centre,
        outcome_scale=scale,
        observed=observed.ravel(),
        train=train,
        frequency=history.frequency,
    )


def _outcome_scale(history: History, panel: Panel, geo: int, seen: Floats) -> tuple[float, float]:
    """Mean and standard deviation of a geo's outcome in training."""
    scale = float(np.std(seen)) if seen.size else 0.0
    if not scale > 1e-9 * max(1.0, float(np.max(np.abs(seen), initial=0.0))):
        where = f" in {panel.geos[geo]}" if panel.geos[geo] else ""
        raise InvalidInput.at(
            "/outcome",
            "constant_outcome",
            f"The outcome {history.outcome_name!r} never varies{where}, so no effect can be seen "
            "in it.",
        )
    return float(np.mean(seen)), scale


def arm_name(panel: Panel, geo: int, arm: int) -> str:
    """ "tv", "tv/brand" for a campaign, "north|tv" in a geo."""
    channel, campaign = panel.arms[arm]
    where = f"{panel.geos[geo]}|" if panel.geos[geo] else ""
    return f"{where}{channel}/{campaign}" if campaign else f"{where}{channel}"


@dataclass(frozen=True, slots=True, eq=False)
class _Baseline:
    """Columns (R, p) times their prior sd, R = G T rows, with names and the groups they are in."""

    columns: Floats
    names: tuple[str, ...]
    groups: tuple[str, ...]


def _baseline_columns(
    history: History,
    panel: Panel,
    train: int,
    levels: Floats,
    wishes: Wishes,
) -> _Baseline:
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
    return _Baseline(np.stack(columns, axis=1), tuple(names), tuple(groups))


def _standard(column: Floats, train: int) -> Floats | None:
    """(G, T) with mean 0 and sd 1 in training; None where it does not vary there."""
    past = column[:, :train]
    spread = float(np.std(past))
    return (column - float(past.mean())) / spread if spread > 0 else None


def _wander(rows: int, train: int, every: str) -> list[tuple[str, Floats, float]]:
    """Cosines of up to four waves a year; beyond the training rows they stay where they are.

    Their weights fall as one over the frequency: those of the principal components of a random
    walk, the local level of structural time-series models (Harvey, Forecasting, structural time
    series models and the Kalman filter, 1989; the components after Phillips, New tools for
    understanding spurious regressions, 1998).
    """
    years = train / frequency(every).per_year
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


def _trend(rows: int, train: int, every: str, kind: str | None) -> list[tuple[str, Floats, float]]:
    """A straight line, and a small bend a year (after the first, before the last)."""
    if train < 8 or kind == "none":
        return []
    index = np.arange(rows, dtype=np.float64)
    out = [("trend", (index - (train - 1) / 2.0) / ((train - 1) / 2.0), _TREND_SD)]
    if kind == "linear":
        return out
    year = frequency(every).per_year
    years = int(train / year + 0.05)  # 156 weeks are three years
    for bend in range(1, years):
        at = bend * train / years
        out.append((f"trend bend {bend}", np.maximum(index - at, 0.0) / year, _BEND_SD))
    return out


def observed_spend(history: History, spend: Floats) -> ObservedSpend:
    """Of spend (T,) per period; ``last`` is the mean of the last 13 weeks (or a quarter)."""
    return ObservedSpend(
        min=float(spend.min()),
        mean=float(spend.mean()),
        max=float(spend.max()),
        last=float(spend[-frequency(history.frequency).quarter :].mean()),
    )
