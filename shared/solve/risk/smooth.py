"""A measure over draws made smooth: its value, the weights of the draws, and how they bend.

The tail mean has kinks where draws change places. With a barrier of weight m on
``u_s >= max(0, eta - F_s)`` and u_s eliminated in closed form it becomes smooth in the outcomes,

    max over eta of eta - sum phi(eta - F_s),    phi'(v) = m / (u - v) in (0, c),

and tends to the tail mean (Rockafellar and Uryasev 2000) as m falls; ``phi'`` are the weights of
the draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.model import Risk
from shared.problem.risk import most_weight

__all__ = ["TAILS", "Smooth", "smooth"]

Array = NDArray[np.float64]
_READ_S, _DRAW_S = 2e-4, 2e-8
TAILS = ("cvar", "worst_case", "quantile")


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """Value, weights (S,), and minus the second derivative along columns of a Jacobian."""

    value: float
    weights: Array
    bend: Array  # (S,) diagonal part
    ones: Array  # (k, S) rank-one parts that are taken off the diagonal part

    def curvature(self, jacobian: Array) -> Array:
        """(n, n) second derivative of the measure through outcomes that move by (S, n)."""
        out = -(jacobian.T * self.bend) @ jacobian
        for row in self.ones:
            side = jacobian.T @ row
            out += np.outer(side, side)
        return np.asarray(out)


def smooth(risk: Risk, outcomes: Array, mu: float) -> Smooth:
    count = outcomes.size
    work.charge(_READ_S + 10.0 * _DRAW_S * count)
    if risk.measure in ("expected", "mean_minus_sd"):
        aversion = risk.aversion if risk.measure == "mean_minus_sd" else 0.0
        mean = float(outcomes.mean())
        away = outcomes - mean
        # Smoothed where all draws agree, so that there is a slope.
        spread = math.sqrt(float((away**2).mean()) + (1e-9 * mean) ** 2 + 1e-300)
        weights = (1.0 - aversion * away / spread) / count
        bend = np.full(count, aversion / (count * spread))
        rank = math.sqrt(aversion / spread) / count
        ones = np.stack([np.full(count, rank), rank * away / spread])
        return Smooth(mean - aversion * spread, weights, bend, ones)
    most = most_weight(risk, count)
    eta = _eta(outcomes, most, mu)
    over = eta - outcomes
    root = np.sqrt((most * over) ** 2 + 4.0 * mu**2)
    # u - v and u: the smaller of both without cancellation.
    small = (4.0 * mu**2 / (root + most * np.abs(over)) + 2.0 * mu) / (2.0 * most)
    gap = np.where(over > 0.0, small, small - over)
    slack = np.where(over > 0.0, small + over, small)
    weights = mu / gap
    bend = mu * (1.0 - most * over / root) / (2.0 * gap**2)
    bend = np.maximum(bend, 0.0)
    value = eta - float((most * slack - mu * np.log(gap) - mu * np.log(slack)).sum())
    total = max(float(bend.sum()), 1e-300)
    return Smooth(value, weights, bend, (bend / math.sqrt(total))[None, :])


def _eta(outcomes: Array, most: float, mu: float) -> float:
    """The level at which the weights sum to one; they rise with it."""
    reach = 4.0 * mu * outcomes.size + 1e-300
    low, high = float(outcomes.min()) - reach, float(outcomes.max()) + reach
    if most * outcomes.size <= 1.0 + 1e-12:
        return high
    eta = float(np.quantile(outcomes, min(1.0 / (most * outcomes.size), 1.0)))
    for _ in range(100):
        over = eta - outcomes
        root = np.sqrt((most * over) ** 2 + 4.0 * mu**2)
        small = (4.0 * mu**2 / (root + most * np.abs(over)) + 2.0 * mu) / (2.0 * most)
        gap = np.where(over > 0.0, small, small - over)
        total = float((mu / gap).sum())
        if total > 1.0:
            high = eta
        else:
            low = eta
        if high - low <= 1e-15 * max(abs(high), abs(low)) or abs(total - 1.0) <= 1e-14:
            break
        # Newton on the logarithm, which bends less; halving where that leaves the bracket.
        rise = float((mu * np.maximum(1.0 - most * over / root, 0.0) / (2.0 * gap**2)).sum())
        step = math.log(total) * total / rise if rise > 0.0 else math.inf
        before, eta = eta, eta - step
        if not low < eta < high:
            eta = 0.5 * (low + high)
        if abs(eta - before) <= 4e-16 * abs(before):
            break
    return eta
