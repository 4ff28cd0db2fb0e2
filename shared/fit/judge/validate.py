"""Does the fit forecast? The last periods, and earlier ones, held back: against naive forecasts.

Each rolling fold fits the periods before it, from scratch, and forecasts the periods after them
given their spend, controls and events (what is to be judged is the curves, not a forecast of
spend). A row labelled with an event that the fit has never met can be forecast by nobody and is
left out, for the rivals too. Folds do not overlap; the last one is *the* holdout, all of them
together decide.

Blocked cross-validation leaves out one block of neighbouring periods at a time and fits what lies
before and after it (Bergmeir and Benitez, "On the use of cross-validation for time series predictor
evaluation", 2012): it sees every season and every level of spend once, but knows the future, so it
informs and does not decide.

The seasonal naive forecast is the same period a year before; without a year, the same weekday of
the last week (daily), or the last value.

The curves in use are a rival: their media, a baseline fitted anew, on the folds' own rows.
Yesterday's curves were fitted to rows that a fold holds back, so a fold's forecast, which never saw
them, would be measured against one that did. Hence two comparisons, and the honest one of them is
used: on the rows that came after yesterday's fit both are blind, and the folds' forecasts count
(``unseen``); where too few rows have come since, both sets of curves have seen everything, and the
new ones are treated as the old: their media, and a baseline fitted to the rows before each fold.

``cross_validation`` takes the errors apart. A mean squared error is the square of the mean error
(bias), plus the variance of the folds' mean errors about it (each fold off by its own level), plus
the variance within folds. The three add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet, Response
from shared.errors import InvalidInput
from shared.fit.design.calendar import horizon_of
from shared.fit.design.design import Design, arm_name
from shared.fit.fitted import Fitted
from shared.fit.models.registry import fit_window
from shared.frequency import frequency
from shared.history.table import History

__all__ = [
    "BLOCKS",
    "Fold",
    "Rival",
    "Scores",
    "blocked",
    "coverage",
    "cross_validation",
    "errors_apart",
    "media_of",
    "naive_forecast",
    "refitted",
    "rival_of",
    "rows_since",
    "score",
    "standardised",
    "validate",
]

Floats = NDArray[np.float64]
_FOLDS = (2, 3)  # at least so many where any can be, and at most
_SHARE = 0.7  # of the rows that folds beyond the least leave for training
_DRAWS = 80  # a fold's: enough for a mean and a 90 % interval
_ACCIDENTS = 0.25  # of a fold's rows that may be of events never met
#: Levels, in percent, of the intervals whose coverage is told beside that of 90 %.
_INNER = (50, 80)
#: Blocks of the blocked cross-validation.
BLOCKS = 3
_LEAST_UNSEEN = 6  # rows after yesterday's fit below which they decide nothing
_PASSES = 3

_Z90 = 1.6448536
_ELSEWHERE = ("rows", "coverage_90")


@dataclass(frozen=True, slots=True)
class Scores:
    """Errors of a forecast.

    ``r2`` is about the mean of the tested rows; ``nrmse`` and ``mape`` are shares of the mean
    absolute outcome and of each outcome; ``coverage`` is that of 90 % intervals.
    """

    rows: int
    rmse: float
    r2: float | None
    nrmse: float | None
    mape: float | None
    coverage: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "rmse": self.rmse,
            "r2": self.r2,
            "nrmse": self.nrmse,
            "mape": self.mape,
            "coverage_90": self.coverage,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """What one fold forecast: rows [start, stop) with an outcome, and the rivals beside them.

    ``low`` and ``high`` are the ends of the 90 % interval, ``inner`` those of the ``_INNER`` ones
    by level. ``fitted`` is the fit of the rows that were not held back, ``unforeseen`` are rows
    that nobody could forecast.
    """

    start: int
    stop: int
    actual: Floats
    mean: Floats
    low: Floats
    high: Floats
    naive: Floats
    constant: Floats
    converged: bool
    fitted: Fitted | None = None
    inner: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    unforeseen: tuple[int, ...] = ()

    def rows(self, outcome: Floats) -> NDArray[np.int64]:
        """The rows that it is judged on, of the history's ``outcome`` (T,)."""
        rows = np.arange(self.start, self.stop)
        tested = np.isfinite(outcome[self.start : self.stop])
        return rows[tested & ~np.isin(rows, self.unforeseen)]


def validate(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int,
    choice: Mapping[str, tuple[str, str]],
    least: int,
) -> tuple[Fold, ...]:
    """The rolling folds, oldest first; only those that leave ``least`` observed rows to fit.

    Two where there are as many; up to three as long as seven tenths of the rows are trained on.
    A fold whose training rows cannot be fitted at all is left out.
    """
    rows = len(history.dates)
    horizon = horizon_of(rows, history.frequency)
    folds: list[Fold] = []
    for back in range(_FOLDS[1], 0, -1):
        start = rows - back * horizon
        if back > _FOLDS[0] and start < _SHARE * rows:
            continue
        before = history.outcome[: max(start, 0)]
        enough = start > 0 and int(np.isfinite(before).sum()) >= least
        varies = enough and float(np.nanstd(before)) > 0 and bool(history.spend[:start].any())
        tested = history.outcome[start : start + horizon]
        if varies and np.isfinite(tested).any():
            naive = naive_forecast(history.outcome, start, start + horizon, history.frequency)
            fold = _fold(history, history, spec, start, start + horizon, naive, seed, choice, start)
            folds += [] if fold is None else [fold]
    return tuple(folds)


def blocked(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int,
    choice: Mapping[str, tuple[str, str]],
    least: int,
) -> tuple[Fold, ...]:
    """Blocks of neighbouring periods, each forecast by a fit of all the others.

    The seasonal naive forecast of a block is the same period a year before, else a year after,
    else the mean of what is known.
    """
    rows = len(history.dates)
    season = frequency(history.frequency).season
    edges = np.linspace(0, rows, BLOCKS + 1).astype(int)
    folds: list[Fold] = []
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        known = _without(history, start, stop)
        seen = known.outcome[np.isfinite(known.outcome)]
        if seen.size < least or not float(np.std(seen)) > 0:
            continue
        if not np.isfinite(history.outcome[start:stop]).any():
            continue
        before = np.full(stop - start, np.nan)
        for away in (season, -season):
            other = np.arange(start, stop) - away
            there = (other >= 0) & (other < rows) & ~np.isfinite(before)
            before[there] = known.outcome[other[there]]
        naive = np.where(np.isfinite(before), before, float(seen.mean()))
        fold = _fold(history, known, spec, start, stop, naive, seed, choice, None)
        folds += [] if fold is None else [fold]
    return tuple(folds)


def _without(history: History, start: int, stop: int) -> History:
    """The history with the outcomes of rows [start, stop) unknown, in every geo."""
    outcome = history.outcome.copy()
    outcome[start:stop] = np.nan
    detail = history.detail
    if detail is not None:
        of_geo = detail.outcome.copy()
        of_geo[:, start:stop] = np.nan
        detail = replace(detail, outcome=of_geo)
    return replace(history, outcome=outcome, detail=detail)


def _fold(
    history: History,
    known: History,
    spec: Mapping[str, Any],
    start: int,
    stop: int,
    naive: Floats,
    seed: int,
    choice: Mapping[str, tuple[str, str]],
    train: int | None,
) -> Fold | None:
    """One fold; None where what is left cannot be fitted."""
    try:
        fitted = fit_window(known, spec, seed=seed, train=train, draws=_DRAWS, families=choice)
    except (InvalidInput, np.linalg.LinAlgError):
        return None
    left_out = _unforeseen(history, fitted, start, stop)
    rows = np.arange(start, stop)[np.isfinite(history.outcome[start:stop])]
    rows = rows[~np.isin(rows, left_out)]
    forecast = fitted.forecast(np.random.default_rng([seed, start, 1]))
    low, high = forecast.interval(0.9)
    return Fold(
        start=start,
        stop=stop,
        actual=history.outcome[rows],
        mean=forecast.mean[rows],
        low=low[rows],
        high=high[rows],
        naive=naive[rows - start],
        constant=np.full(rows.size, fitted.design.outcome_centre.sum()),
        converged=fitted.converged,
        fitted=fitted,
        inner={
            str(level): (ends[0][rows], ends[1][rows])
            for level in _INNER
            for ends in (forecast.interval(level / 100.0),)
        },
        unforeseen=left_out,
    )


def _unforeseen(history: History, fitted: Fitted, start: int, stop: int) -> tuple[int, ...]:
    """Rows of an event that no column of the fit stands for; none where they are many.

    An event of one row is an accident; one that lasts is a change that a forecast has to stand.
    """
    design = fitted.design
    events = np.array([group == "events" for group in design.baseline_groups])
    met = np.any(design.baseline[: design.periods, events] != 0.0, axis=1)
    rows = tuple(t for t in range(start, stop) if history.events[t] and not met[t])
    known = int(np.isfinite(history.outcome[start:stop]).sum())
    return rows if len(rows) <= _ACCIDENTS * known else ()


def naive_forecast(outcome: Floats, start: int, stop: int, every: str) -> Floats:
    """Seasonal naive forecast of rows [start, stop) from the rows before ``start``."""
    past = outcome[:start]
    seen = past[np.isfinite(past)]
    rows = np.arange(start, stop)
    for season in (frequency(every).season, 7 if every == "day" else 1):
        if start >= season:
            back = rows - season * np.ceil((rows - start + 1) / season).astype(int)
            out: Floats = past[back]
            return np.where(np.isfinite(out), out, seen[-1])
    return np.full(rows.size, seen[-1])


def score(actual: Floats, predicted: Floats, covered: Floats | None = None) -> Scores:
    """Errors of ``predicted``; a ratio whose denominator vanishes is None."""
    error = actual - predicted
    rmse = float(np.sqrt(np.mean(error**2)))
    spread = float(np.sum((actual - actual.mean()) ** 2))
    size = float(np.mean(np.abs(actual)))
    # A mean of percentages explodes on outcomes near zero: those rows are left out of it.
    large = np.abs(actual) > 0.01 * size
    return Scores(
        rows=int(actual.size),
        rmse=rmse,
        r2=1.0 - float(np.sum(error**2)) / spread if spread > 0 else None,
        nrmse=rmse / size if size > 0 else None,
        mape=float(np.mean(np.abs(error[large] / actual[large]))) if large.any() else None,
        coverage=None if covered is None else float(np.mean(covered)),
    )


@dataclass(frozen=True, slots=True)
class Rival:
    """Typical errors of yesterday's curves and of these on the same rows, fold by fold.

    ``folds`` holds (rows, mean squared error of yesterday's, of these).
    """

    unseen: bool
    folds: tuple[tuple[int, float, float], ...]

    @property
    def rows(self) -> int:
        return sum(rows for rows, _, _ in self.folds)

    def rmse(self, which: int) -> float:
        """Typical error: ``which`` is 1 for yesterday's curves, 2 for these."""
        total = sum(fold[0] * fold[which] for fold in self.folds)
        return float(np.sqrt(total / max(self.rows, 1)))

    def last(self) -> Rival:
        """The same of the last fold alone."""
        return Rival(self.unseen, self.folds[-1:])

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "unseen": self.unseen,
            "rmse": self.rmse(1),
            "rmse_of_these": self.rmse(2),
        }


def rows_since(history: History, previous: CurveSet) -> int | None:
    """Rows with an outcome that the curves in use have not seen; None where nobody knows."""
    rows = previous.diagnostics.get("rows")
    if not isinstance(rows, Mapping):
        return None
    last = rows.get("last")
    if isinstance(last, str):
        new = np.array([day.isoformat() > last for day in history.dates])
        return int(np.sum(new & np.isfinite(history.outcome)))
    before = rows.get("with_outcome")
    if not isinstance(before, int):
        return None
    return max(int(np.isfinite(history.outcome).sum()) - before, 0)


def media_of(history: History, responses: Mapping[str, Response]) -> Floats:
    """(G, T) outcome that curves credit to media; arms without a curve bring nothing."""
    panel = history.panel()
    out = np.zeros((len(panel.geos), len(history.dates)))
    for geo in range(len(panel.geos)):
        for place in range(len(panel.arms)):
            response = responses.get(arm_name(panel, geo, place))
            spend = panel.exposure[geo, :, place]
            if response is None or not spend.any():
                continue
            felt = spend
            if response.adstock is not None:
                felt = response.adstock.apply(spend, prior=float(spend[:6].mean()))
            out[geo] += np.asarray(response.saturation.value(felt))
    return out


def rival_of(
    history: History,
    folds: Sequence[Fold],
    previous: CurveSet | None,
    new: Mapping[str, Response],
) -> Rival | None:
    """How yesterday's curves do on the folds; None without curves or folds."""
    if previous is None or not folds:
        return None
    old = {channel.channel: channel.response for channel in previous.channels}
    if not set(old) & set(new):
        return None
    since = rows_since(history, previous)
    outcomes = np.flatnonzero(np.isfinite(history.outcome))
    fresh = outcomes[outcomes.size - since :] if since else outcomes[:0]
    of_folds = np.concatenate([fold.rows(history.outcome) for fold in folds])
    unseen = int(np.isin(fresh, of_folds).sum()) >= _LEAST_UNSEEN
    theirs, ours = media_of(history, old), media_of(history, new)
    out: list[tuple[int, float, float]] = []
    for fold in folds:
        if fold.fitted is None:
            continue
        rows = fold.rows(history.outcome)
        counted = np.isin(rows, fresh) if unseen else np.ones(rows.size, dtype=bool)
        if not counted.any():
            continue
        design = fold.fitted.design
        before = refitted(design, theirs)[rows] - fold.actual
        now = fold.mean if unseen else refitted(design, ours)[rows]
        mine = now - fold.actual
        out.append(
            (
                int(counted.sum()),
                float(np.mean(before[counted] ** 2)),
                float(np.mean(mine[counted] ** 2)),
            )
        )
    return Rival(unseen, tuple(out)) if out else None


def refitted(design: Design, media: Floats) -> Floats:
    """(T,) forecast by given media (G, T) and a baseline fitted to the design's training rows.

    The baseline's columns carry their prior sd, so the ridge's weight is the variance of the noise
    over that of one (Lindley and Smith, 1972), found by iteration.
    """
    known = (media / design.outcome_scale[:, None]).ravel()
    seen = design.observed & np.isfinite(design.outcome)
    columns, left = design.baseline[seen], (design.outcome - known)[seen]
    gram, right = columns.T @ columns, columns.T @ left
    variance = max(0.1 * float(np.var(left)), 1e-6)
    weights = np.zeros(columns.shape[1])
    for _ in range(_PASSES):
        weights = np.linalg.solve(gram + variance * np.eye(len(gram)), right)
        variance = max(float(np.mean((left - columns @ weights) ** 2)), 1e-6)
    return design.total(design.baseline @ weights + known)


def standardised(folds: Sequence[Fold]) -> Floats:
    """Errors in units of the standard deviation that the 90 % intervals imply, either side."""
    out = []
    for fold in folds:
        error = fold.actual - fold.mean
        half = np.where(error >= 0, fold.high - fold.mean, fold.mean - fold.low)
        out.append(_Z90 * error / np.maximum(half, 1e-12 * np.maximum(np.abs(fold.actual), 1.0)))
    return np.concatenate(out) if out else np.zeros(0)


def coverage(folds: Sequence[Fold]) -> dict[str, float]:
    """Share of outcomes within the 50, 80 and 90 % intervals, each as it was forecast."""
    levels = [str(level) for level in (*_INNER, 90)]
    inside: dict[str, list[NDArray[np.bool_]]] = {level: [] for level in levels}
    for fold in folds:
        for level, found in inside.items():
            low, high = (fold.low, fold.high) if level == "90" else fold.inner[level]
            found.append((low <= fold.actual) & (fold.actual <= high))
    return {level: float(np.mean(np.concatenate(found))) for level, found in inside.items()}


def errors_apart(folds: Sequence[Fold]) -> dict[str, Any]:
    """Bias, variance between folds and within, in outcome units (squared): they add to ``mse``."""
    errors = [fold.mean - fold.actual for fold in folds]
    every = np.concatenate(errors)
    bias = float(every.mean())
    share = np.array([e.size for e in errors]) / every.size
    means = np.array([e.mean() for e in errors])
    size = float(np.mean(np.abs(np.concatenate([fold.actual for fold in folds]))))
    return {
        "bias": bias,
        "bias_share": bias / size if size > 0 else None,
        "variance_between_folds": float(share @ (means - bias) ** 2),
        "variance_within_folds": float(share @ np.array([e.var() for e in errors])),
        "mse": float(np.mean(every**2)),
    }


def cross_validation(
    rolling: Sequence[Fold], blocks: Sequence[Fold], rival: Rival | None
) -> dict[str, Any]:
    """Rolling origin, blocks and the final holdout; a part without folds is None."""
    return {
        "rolling": _part(rolling, rival),
        "blocked": _part(blocks, None),
        "holdout": _part(rolling[-1:], None if rival is None else rival.last()),
    }


def _part(folds: Sequence[Fold], rival: Rival | None) -> dict[str, Any] | None:
    if not folds:
        return None
    actual = np.concatenate([fold.actual for fold in folds])
    mean = np.concatenate([fold.mean for fold in folds])
    beside = {
        name: score(actual, np.concatenate([getattr(fold, name) for fold in folds])).rmse
        for name in ("naive", "constant")
    }
    return {
        "folds": len(folds),
        "rows": int(actual.size),
        **{k: v for k, v in score(actual, mean).to_dict().items() if k not in _ELSEWHERE},
        **errors_apart(folds),
        "coverage": coverage(folds),
        "against": {**beside, "previous": None if rival is None else rival.to_dict()},
    }
