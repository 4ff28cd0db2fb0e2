"""How good a decision a fit leads to: the plan it implies, judged by the truth, by brute force.

Independent of the product's solvers: a dynamic programme over a grid of the budget.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet

Floats = NDArray[np.float64]
Responses = Callable[[int, Floats], Floats]

__all__ = ["best_plan", "expected_responses", "regret_ratio"]


def best_plan(respond: Responses, mean: Floats, cells: int = 300) -> Floats:
    """Best spends within 50 to 150 % of ``mean`` that add up to its sum, on a grid."""
    low, step = 0.5 * mean, 0.5 * float(mean.sum()) / cells
    best = np.full(cells + 1, -np.inf)
    best[0] = 0.0
    choices = []
    for channel, base in enumerate(low):
        steps = np.arange(int(mean[channel] / step + 1e-9) + 1)
        value = respond(channel, base + step * steps)
        new, chosen = np.full(cells + 1, -np.inf), np.zeros(cells + 1, dtype=int)
        for k, gain in zip(steps[: cells + 1], value, strict=False):
            candidate = best[: cells + 1 - k] + gain
            better = candidate > new[k:]
            new[k:][better] = candidate[better]
            chosen[k:][better] = k
        best = new
        choices.append(chosen)
    plan, left = mean.copy(), cells
    for channel in range(len(mean) - 1, -1, -1):
        taken = int(choices[channel][left])
        plan[channel] = low[channel] + step * taken
        left -= taken
    return plan


def expected_responses(curves: CurveSet) -> Responses:
    """Mean over the draws of each channel's stored curve."""

    def respond(channel: int, spend: Floats) -> Floats:
        draws = curves.channels[channel].response.draws
        return np.mean([draw.value(spend) for draw in draws], axis=0)

    return respond


def regret_ratio(curves: CurveSet, truth: Responses, mean: Floats) -> float:
    """Outcome lost by the fitted plan against the true best, over that lost by keeping ``mean``."""

    def total(plan: Floats) -> float:
        return float(sum(truth(c, np.array([x]))[0] for c, x in enumerate(plan)))

    best = total(best_plan(truth, mean))
    chosen = total(best_plan(expected_responses(curves), mean))
    return (best - chosen) / (best - total(mean))
