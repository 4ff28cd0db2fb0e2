"""Cautious readings of an uncertain outcome, and the weights over draws that bound them.

With outcome F_s of a plan in draw s of S, all equally likely:

    expected        the mean
    mean_minus_sd   mean - aversion * population standard deviation
    cvar            the mean of the worst ``level`` of draws (a draw counts in part where it must)
    worst_case      the least
    quantile        the ``level`` quantile, linear between order statistics (numpy's default)

All but the quantile are concave in F and equal the least weighted sum ``sum q_s F_s`` over a set of
weights (Artzner et al. 1999; Rockafellar, Uryasev and Zabarankin 2006): weights that sum to one and
are

    cvar            0 <= q_s <= 1 / (level S)
    worst_case      q_s >= 0
    mean_minus_sd   sum (S q_s - 1)^2 / S <= aversion^2, of either sign

So any such weights bound the measure of every plan by the most of a weighted mean, which is a
problem like the expected one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput

__all__ = [
    "MEASURES",
    "Risk",
    "admissible",
    "check_figures",
    "markov",
    "measure",
    "measures",
    "most_weight",
    "slope_weights",
    "weights_at",
]

Array = NDArray[np.float64]
MEASURES = ("expected", "mean_minus_sd", "quantile", "cvar", "worst_case")


@dataclass(frozen=True, slots=True)
class Risk:
    """How draws are weighed; ``level`` is for quantile and cvar, ``aversion`` for mean_minus_sd.

    ``of`` "uplift" weighs what a plan brings beyond today's under the same draws.
    """

    measure: str = "expected"
    aversion: float = 1.0
    level: float = 0.1
    of: str = "outcome"


def check_figures(risk: Risk) -> None:
    """Refuse an unknown measure, a level outside (0, 1) and a negative aversion.

    Raises
    ------
    InvalidInput
        Naming the figure.
    """
    if risk.measure not in MEASURES:
        raise InvalidInput.at(
            "/risk/measure", "unknown_measure", f"There is no risk measure {risk.measure!r}."
        )
    if not 0.0 < risk.level < 1.0:
        raise InvalidInput.at("/risk/level", "out_of_range", "level must lie between 0 and 1.")
    if not 0.0 <= risk.aversion < np.inf:
        raise InvalidInput.at("/risk/aversion", "negative", "aversion must not be negative.")


def measure(risk: Risk, outcomes: Array) -> float:
    """The measure of a plan's outcomes by draw (S,)."""
    return float(measures(risk, outcomes))


def measures(risk: Risk, outcomes: Array) -> Array:
    """The measures (...) of many plans' outcomes by draw (..., S)."""
    if risk.measure == "worst_case":
        found = outcomes.min(axis=-1)
    elif risk.measure == "quantile":
        found = np.quantile(outcomes, risk.level, axis=-1)
    elif risk.measure == "mean_minus_sd":
        found = outcomes.mean(axis=-1) - risk.aversion * outcomes.std(axis=-1)
    elif risk.measure == "cvar":
        found = (weights_at(risk, outcomes) * outcomes).sum(axis=-1)
    else:
        found = outcomes.mean(axis=-1)
    return np.asarray(found, dtype=np.float64)


def weights_at(risk: Risk, outcomes: Array) -> Array:
    """Weights (..., S) of the measure's set at which the weighted sum is the measure itself.

    For a quantile, which has none: those of the same level's tail mean.
    """
    count = outcomes.shape[-1]
    even = np.full(outcomes.shape, 1.0 / count)
    if risk.measure == "expected":
        return even
    if risk.measure == "mean_minus_sd":
        spread = outcomes.std(axis=-1, keepdims=True)
        known = spread > 1e-14 * np.maximum(np.abs(outcomes).max(axis=-1, keepdims=True), 1e-300)
        apart = outcomes - outcomes.mean(axis=-1, keepdims=True)
        tilted = (1.0 - risk.aversion * apart / np.where(known, spread, 1.0)) / count
        return np.asarray(np.where(known, tilted, even), dtype=np.float64)
    # From the worst draw on, each weighs as much as one can until all weight is given.
    share = most_weight(risk, count)
    return _by_rank(outcomes, np.clip(1.0 - share * np.arange(count), 0.0, share))


def slope_weights(risk: Risk, outcomes: Array) -> Array:
    """Weights (..., S) whose weighted sum of the draws' slopes is the measure's slope."""
    if risk.measure != "quantile":
        return weights_at(risk, outcomes)
    count = outcomes.shape[-1]
    away = np.abs(np.arange(count) - risk.level * (count - 1))
    return _by_rank(outcomes, np.maximum(1.0 - away, 0.0))


def _by_rank(outcomes: Array, given: Array) -> Array:
    """Weights (S,) of the least outcome, the second least and so on, put where these are."""
    out = np.empty(outcomes.shape)
    order = np.argsort(outcomes, axis=-1, kind="stable")
    np.put_along_axis(out, order, np.broadcast_to(given, out.shape), axis=-1)
    return out


def most_weight(risk: Risk, count: int) -> float:
    """The most that one draw can weigh."""
    return 1.0 if risk.measure == "worst_case" else min(1.0 / (risk.level * count), 1.0)


def admissible(risk: Risk, weights: Array, count: int) -> bool:
    """Whether weights belong to the measure's set, to a rounding of 1e-12."""
    if weights.shape != (count,) or not np.all(np.isfinite(weights)):
        return False
    if abs(float(weights.sum()) - 1.0) > 1e-12:
        return False
    if risk.measure == "mean_minus_sd":
        spread = float(((count * weights - 1.0) ** 2).mean())
        return spread <= risk.aversion**2 * (1.0 + 1e-12) + 1e-24
    if risk.measure == "expected":
        return bool(np.all(np.abs(count * weights - 1.0) <= 1e-12))
    top = most_weight(risk, count) * (1.0 + 1e-12)
    return bool(np.all(weights >= 0.0) and np.all(weights <= top))


def markov(risk: Risk, count: int) -> float:
    """How many times the mean a quantile can be at most, outcomes not being negative.

    The quantile is at most order statistic number ``above`` (from 0), and so are all from there.
    """
    above = min(math.ceil(risk.level * (count - 1) + 1e-9), count - 1)
    return count / (count - above)
