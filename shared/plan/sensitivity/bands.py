"""Response curves with their bands: outcome per period of spend sustained every period."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import Response
from shared.curves.saturation import Saturation
from shared.plan.score import INTERVAL, MIN_DRAWS, finite
from shared.problem.model import Channel

__all__ = ["POINTS", "curve_band", "sustained"]

Floats = NDArray[np.float64]

POINTS = 41
"""Spends at which a curve is told."""

BEYOND = 1.5
"""How far past the highest spend of interest a band goes."""


def sustained(response: Response) -> tuple[Saturation, tuple[Saturation, ...]]:
    """Point curve and draws over spend per period, carryover folded in."""
    if response.adstock is None:
        return response.saturation, response.draws
    total = response.adstock.total_weight()
    return response.saturation.scaled(total), tuple(d.scaled(total) for d in response.draws)


def curve_band(name: str, arm: Channel, recommended: float) -> dict[str, Any]:
    """One arm's curve on an even grid of spends, with a 90 % band where it has enough draws.

    The curve is the mean over the draws where there are draws: the one that is optimised.
    """
    marks = (recommended, arm.current_spend or 0.0, arm.observed_max or 0.0)
    top = BEYOND * max(marks)
    if top <= 0.0:
        top = arm.max_spend or 1.0
    spend = np.linspace(0.0, top, POINTS)
    point, draws = sustained(arm.response)
    each = np.stack([np.asarray(curve.value(spend), float) for curve in draws or (point,)])
    slope = np.mean([np.asarray(curve.slope(spend), float) for curve in draws or (point,)], axis=0)
    low = high = [None] * POINTS
    if len(draws) >= MIN_DRAWS:
        low, high = (np.quantile(each, q, axis=0).tolist() for q in INTERVAL)
    return {
        "channel": name,
        "current_spend": arm.current_spend,
        "recommended_spend": recommended,
        "observed_max": arm.observed_max,
        "points": [
            {
                "spend": float(x),
                "outcome": float(y),
                "marginal_return": finite(float(m)),
                "low": a,
                "high": b,
            }
            for x, y, m, a, b in zip(spend, each.mean(axis=0), slope, low, high, strict=True)
        ],
    }
