"""The curves in use as a rival: their media, a baseline fitted anew, on the folds' own rows.

Yesterday's curves were fitted to rows that a fold holds back, so a fold's forecast, which never saw
them, would be measured against one that did. Hence two comparisons, and the honest one of them is
used: on the rows that came after yesterday's fit both are blind, and the folds' forecasts count
(``unseen``); where too few rows have come since, both sets of curves have seen everything, and the
new ones are treated as the old: their media, and a baseline fitted to the rows before each fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet, Response
from shared.fit.check.validate import Fold
from shared.fit.design.design import Design, arm_name
from shared.history.table import History

__all__ = ["Rival", "media_of", "refitted", "rival_of", "rows_since"]

Floats = NDArray[np.float64]
_LEAST_UNSEEN = 6  # rows after yesterday's fit below which they decide nothing
_PASSES = 3


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
