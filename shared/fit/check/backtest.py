"""What last quarter's recommendation would have brought, by this quarter's curves.

The curves are those of the last fold: fitted to the rows before the last quarter (or the part of it
that was held back), none of it seen. The plan for the money that the quarter did spend keeps every
arm within 50 to 150 % of its mean before. Both that plan and what was done are then scored by the
curves of today's fit, as spend sustained over the quarter; interactions and the order of weeks are
left aside on both sides.

Fitting knows no solver: whoever calls supplies ``Advise``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import ChannelCurve, Response
from shared.errors import MarginalError
from shared.fit.check.validate import Fold
from shared.fit.design.design import arm_name
from shared.fit.design.observed import observed_spend
from shared.history.table import History

__all__ = ["Advise", "backtest"]

Floats = NDArray[np.float64]
_RANGE = (0.5, 1.5)
_FEWEST_DRAWS = 20


class Advise(Protocol):
    """The best spend (A,) of ``budget`` per period over curves, within ``low`` to ``high`` (A,)."""

    def __call__(
        self, curves: Sequence[ChannelCurve], budget: float, low: Floats, high: Floats
    ) -> Floats: ...


def backtest(
    history: History,
    folds: Sequence[Fold],
    now: Mapping[str, Response],
    advise: Advise | None,
) -> dict[str, Any]:
    """``diagnostics.backtest``: {"last_quarter": {...}} or null with a ``reason``."""
    if advise is None:
        return _nothing("No optimiser was at hand.")
    fold = folds[-1] if folds else None
    if fold is None or fold.fitted is None:
        return _nothing("Too few rows to hold a quarter back and fit what came before it.")
    panel, start, stop = history.panel(), fold.start, fold.stop
    spends = {
        arm_name(panel, g, m): panel.spend[g, :, m]
        for g in range(len(panel.geos))
        for m in range(len(panel.arms))
    }
    arms = [arm.name for arm in fold.fitted.design.arms]
    curves = tuple(
        ChannelCurve(name, response, observed_spend(history, s), None, "")
        for name, response in zip(arms, fold.fitted.responses(), strict=True)
        for s in (spends[name][:start],)
    )
    done = {name: float(spend[start:stop].mean()) for name, spend in spends.items()}
    usual = np.array([float(spends[name][:start].mean()) for name in arms])
    budget = sum(done[name] for name in arms)
    if not (budget > 0 and usual.sum() > 0):
        return _nothing("Nothing was spent in the last quarter.")
    share = usual * (budget / usual.sum())
    low, high = _RANGE[0] * share, _RANGE[1] * share
    try:
        plan = np.asarray(advise(curves, budget, low, high), dtype=np.float64)
    except (MarginalError, ValueError, ArithmeticError) as error:  # a remark, not the fit's end
        return _nothing(f"No plan was found for the last quarter: {error}")
    recommended = done | dict(zip(arms, plan.tolist(), strict=True))
    periods = stop - start
    scored = [name for name in arms if name in now]
    mean_done, draws_done = _brings(scored, now, done)
    mean_plan, draws_plan = _brings(scored, now, recommended)
    gain = None if draws_done is None or draws_plan is None else draws_plan - draws_done
    better = None if gain is None else float(np.mean(gain > 0) + 0.5 * np.mean(gain == 0))
    return {
        "last_quarter": {
            "first": history.dates[start].isoformat(),
            "last": history.dates[stop - 1].isoformat(),
            "periods": periods,
            "budget": budget * periods,
            "done": {name: done[name] * periods for name in arms},
            "recommended": {name: recommended[name] * periods for name in arms},
            "outcome_done": mean_done * periods,
            "outcome_recommended": mean_plan * periods,
            "uplift": (mean_plan - mean_done) * periods,
            "uplift_share": (mean_plan - mean_done) / mean_done if mean_done > 0 else None,
            "probability_better": better,
        },
        "reason": None,
    }


def _nothing(reason: str) -> dict[str, Any]:
    return {"last_quarter": None, "reason": reason}


def _brings(
    names: Sequence[str], curves: Mapping[str, Response], spend: Mapping[str, float]
) -> tuple[float, Floats | None]:
    """Outcome per period of sustained spend: its mean, and in each draw where there are enough."""
    draws = min((len(curves[name].draws) for name in names), default=0)
    if draws < _FEWEST_DRAWS:
        return sum(float(curves[name].saturation.value(spend[name])) for name in names), None
    each = np.zeros(draws)
    for name in names:
        each += [float(draw.value(spend[name])) for draw in curves[name].draws[:draws]]
    return float(each.mean()), each
