"""The Market Lens' own method, stated as it was, and what validation says about it.

Two of its three approaches are here, so that its published figures can be reproduced and judged:

*Curves by self-attribution* (its time-series notebook): each channel is credited with the share of
the outcome that its spend has of all spend, and ``alpha (1 - exp(-mu spend))`` is fitted to that
credit by least squares with ``0 <= mu <= 0.01``. The credit is made of the spend itself, so any
channel looks effective; no carryover enters.

*Bilevel shares* (its second notebook): ``revenue = sum_c w_c log(1 + spend_c)``. The lower level
divides each month's budget so that this is largest; the upper level chooses weights between half of
and one and a half times each channel's correlation with the target (at least 0.001), so that the
revenue of the *divided* budgets, brought to the target's mean, comes nearest to the target of all
months but the last.

Nothing of this is used to plan. ``shared.fit`` has the time-series and bilevel modes that do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MOST_MU",
    "Bilevel",
    "Curve",
    "Validation",
    "bilevel",
    "credit",
    "divide",
    "fit_curve",
    "fit_curves",
    "middles",
    "rolling_origin",
    "squared_error",
]

Floats = NDArray[np.float64]

#: The bound that its fits ended on.
MOST_MU = 0.01
_LEAST_SHARE = 0.001
_RANGE = (0.5, 1.5)


@dataclass(frozen=True, slots=True)
class Curve:
    """``alpha (1 - exp(-mu x))``; a straight line of ``slope`` where ``mu`` is 0."""

    alpha: float
    mu: float
    slope: float
    rmse: float

    def value(self, spend: Floats) -> Floats:
        """Outcome of ``spend``."""
        if self.mu == 0.0:
            return self.slope * spend
        return np.asarray(-self.alpha * np.expm1(-self.mu * spend))


def credit(outcome: Floats, spend: Floats, total: Floats) -> Floats:
    """(T, C): the outcome (T,) times each channel's share of the total spend (T,)."""
    return np.asarray(outcome[:, None] * spend / total[:, None])


def fit_curve(spend: Floats, target: Floats, most: float = MOST_MU) -> Curve:
    """Least squares over alpha >= 0 and 0 <= mu <= ``most``; alpha is linear given mu.

    Where the credit grows at least in proportion to the spend, less and less curvature is ever
    better and there is no least square: the line that it tends to is returned, with mu 0 and alpha
    infinite.
    """

    def at(mu: float) -> tuple[float, float]:
        shape = -np.expm1(-mu * spend)
        alpha = max(float(target @ shape / (shape @ shape)), 0.0)
        return alpha, float(np.sqrt(np.mean((target - alpha * shape) ** 2)))

    grid = np.geomspace(1e-6, most, 400)
    errors = [at(float(mu))[1] for mu in grid]
    best = int(np.argmin(errors))
    slope = max(float(target @ spend / (spend @ spend)), 0.0)
    line = float(np.sqrt(np.mean((target - slope * spend) ** 2)))
    if line <= errors[best]:
        return Curve(np.inf, 0.0, slope, line)
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    for _ in range(200):
        left, right = low + 0.382 * (high - low), low + 0.618 * (high - low)
        if at(float(left))[1] <= at(float(right))[1]:
            high = right
        else:
            low = left
    mu = most if best == grid.size - 1 and at(most)[1] <= at(float(low))[1] else float(low)
    alpha, rmse = at(mu)
    return Curve(alpha, mu, alpha * mu, rmse)


def fit_curves(
    outcome: Floats, spend: Floats, total: Floats, most: float = MOST_MU
) -> tuple[Curve, ...]:
    """One curve per channel of ``spend`` (T, C)."""
    credits = credit(outcome, spend, total)
    return tuple(fit_curve(x, y, most) for x, y in zip(spend.T, credits.T, strict=True))


def divide(weights: Floats, budgets: Floats, most: Floats) -> Floats:
    """Spend (T, C) that adds up to each budget (T,) and makes sum w log(1 + spend) largest.

    Each channel gets at least a thousandth of a budget and at most the share ``most`` (C,) of it.
    The first-order condition w / (1 + x) = price, cut at the bounds, by bisection of the price.
    """
    low, high = _LEAST_SHARE * budgets[:, None], most * budgets[:, None]
    cheap, dear = np.full(budgets.size, 1e-12), np.full(budgets.size, 1e3)
    for _ in range(100):
        price = np.sqrt(cheap * dear)
        too_cheap = np.clip(weights / price[:, None] - 1.0, low, high).sum(axis=1) > budgets
        cheap, dear = np.where(too_cheap, price, cheap), np.where(too_cheap, dear, price)
    return np.asarray(np.clip(weights / dear[:, None] - 1.0, low, high))


@dataclass(frozen=True, slots=True, eq=False)
class Bilevel:
    """Weights (C,) with the squared error that they end at, and that of the ranges' middles."""

    weights: Floats
    error: float
    error_at_start: float


def squared_error(weights: Floats, budgets: Floats, target: Floats, most: Floats) -> float:
    """The upper level's objective: squared error over all months but the last."""
    revenue = np.log1p(divide(weights, budgets[:-1], most)) @ weights
    seen = target[:-1]
    return float(np.sum((revenue * (seen.mean() / revenue.mean()) - seen) ** 2))


def middles(spend: Floats, target: Floats) -> Floats:
    """(C,) correlation of each channel with the target, at least a thousandth."""
    related = np.array([np.corrcoef(x, target)[0, 1] for x in spend.T])
    return np.asarray(np.maximum(_LEAST_SHARE, related))


def bilevel(spend: Floats, budgets: Floats, target: Floats, most: Floats) -> Bilevel:
    """The weights that it ended at: one projected step from the middle, onto the bounds.

    Its optimiser took one step of steepest descent, so long that every weight met a bound, and
    stopped, because the gradient there points outwards.
    """
    middle = middles(spend, target)

    def error(place: Floats) -> float:
        low, high = _RANGE
        return squared_error(middle * (low + (high - low) * place), budgets, target, most)

    half = np.full(middle.size, 0.5)
    step = 1e-4 * np.eye(middle.size)
    gradient = np.array([error(half + move) - error(half - move) for move in step])
    corner = (gradient < 0).astype(np.float64)
    return Bilevel(
        weights=middle * (_RANGE[0] + (_RANGE[1] - _RANGE[0]) * corner),
        error=error(corner),
        error_at_start=error(half),
    )


@dataclass(frozen=True, slots=True)
class Validation:
    """Typical errors (RMSE) of one-month-ahead forecasts over the months from ``first`` on."""

    months: int
    curves: float
    bilevel: float
    last_value: float
    mean: float


def rolling_origin(
    outcome: Floats, spend: Floats, total: Floats, most: Floats, first: int
) -> Validation:
    """Both methods refitted before every month from ``first`` on and asked for that month.

    Each is told the month's true spend; the rivals are the month before and the mean so far.
    """
    errors: list[tuple[float, float, float, float]] = []
    for t in range(first, outcome.size):
        past = slice(0, t)
        curves = fit_curves(outcome[past], spend[past], total[past])
        credited = sum(float(curve.value(spend[t, c : c + 1])[0]) for c, curve in enumerate(curves))
        found = bilevel(spend[past], total[past], outcome[past], most)
        revenue = np.log1p(divide(found.weights, total[: t + 1], most)) @ found.weights
        scaled = float(revenue[t] * outcome[past].mean() / revenue[past].mean())
        guesses = (credited, scaled, float(outcome[t - 1]), float(outcome[past].mean()))
        errors.append(tuple(guess - float(outcome[t]) for guess in guesses))  # type: ignore[arg-type]
    typical = np.sqrt(np.mean(np.square(errors), axis=0))
    return Validation(len(errors), *(float(value) for value in typical))
