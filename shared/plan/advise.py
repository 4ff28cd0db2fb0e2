"""A plan for a plain question: so much a period over these curves, each arm within limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import ChannelCurve
from shared.plan.optimize import make_plan
from shared.problem.model import Channel, Problem, SolverOptions

__all__ = ["advise"]

Floats = NDArray[np.float64]
_SECONDS = 5.0


def advise(curves: Sequence[ChannelCurve], budget: float, low: Floats, high: Floats) -> Floats:
    """The best spend (A,) of ``budget`` over ``curves``, within ``low`` to ``high`` (A,)."""
    channels = tuple(
        Channel(
            name=curve.channel,
            response=curve.response,
            min_spend=float(least),
            max_spend=float(most),
        )
        for curve, least, most in zip(curves, low, high, strict=True)
    )
    options = SolverOptions(gap=1e-4, time_limit_s=_SECONDS)
    plan = make_plan(Problem(channels=channels, budget=budget, options=options))
    return np.asarray(plan.best.spend[:, 0])
