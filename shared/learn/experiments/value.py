"""What a test is worth in money, and which tests of a year are worth their cost.

A test is worth what plans gain by what it tells (H. Raiffa, R. Schlaifer, Applied Statistical
Decision Theory, 1961): for draws of the curves its result is simulated, y = lift + error Z, and the
profit of each candidate plan is regressed on y; the mean of the largest fitted profit less the
largest mean is the value (M. Strong, J. Oakley, A. Brennan, P. Breeze, Medical Decision Making 35,
2015). What two tests tell overlaps, so the value of each further one is simulated anew beside those
that were chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, exp, pi, sqrt

import numpy as np
from numpy.typing import NDArray

__all__ = ["Candidate", "Chosen", "choose", "gain", "information_value"]

Floats = NDArray[np.float64]

REPEATS = 20  # simulated results of each draw


def gain(z: float) -> float:
    """z Phi(z) + phi(z): the mean of a standard normal variable's part above -z."""
    return z * 0.5 * (1.0 + erf(z / sqrt(2.0))) + exp(-0.5 * z * z) / sqrt(2.0 * pi)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A test that may be run.

    Attributes
    ----------
    lift, error
        (S,) effect in each draw, and the standard error that it is measured with.
    cost
        In the unit of the plans' profits.
    periods
        That it takes of those there are.
    """

    name: str
    lift: Floats
    error: float
    cost: float
    periods: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """A chosen test: what it adds to those before it, less its cost."""

    name: str
    value: float
    cost: float
    first: int


def information_value(profits: Floats, tests: Sequence[Candidate], seed: int) -> float:
    """What the results of ``tests`` together are worth, of candidate plans' ``profits`` (P, S)."""
    if not tests or len(profits) < 2:
        return 0.0
    rng = np.random.default_rng(seed)
    count = profits.shape[1]
    columns = [np.ones(count * REPEATS)]
    for test in tests:
        noise = test.error * rng.standard_normal(count * REPEATS)
        y = np.tile(test.lift, REPEATS) + noise
        spread = float(y.std())
        if spread > 0.0:
            z = (y - y.mean()) / spread
            columns += [z, z**2, z**3]
    x = np.column_stack(columns)
    # Orthonormal columns: the fit is a product, whatever the plans.
    q, _ = np.linalg.qr(x)
    fitted = q @ (q.T @ np.tile(profits, REPEATS).T)  # (S R, P)
    return max(float(fitted.max(axis=1).mean() - fitted.mean(axis=0).max()), 0.0)


def choose(
    profits: Floats, tests: Sequence[Candidate], periods: int, served: float, seed: int
) -> list[Chosen]:
    """Tests one after another within ``periods``, each the best of those left, worth their cost.

    Parameters
    ----------
    profits
        (P, S) of candidate plans, a period.
    served
        Periods in which the plan follows what was learnt.
    """
    chosen, out = list[Candidate](), list[Chosen]()
    left, reached, used = list(tests), 0.0, 0
    while left:
        fits = [test for test in left if used + test.periods <= periods]
        added = [
            served * (information_value(profits, [*chosen, test], seed) - reached) - test.cost
            for test in fits
        ]
        if not fits or max(added) <= 0.0:
            break
        best = int(np.argmax(added))
        test = fits[best]
        out.append(Chosen(test.name, added[best] + test.cost, test.cost, used + 1))
        chosen.append(test)
        reached, used = information_value(profits, chosen, seed), used + test.periods
        left.remove(test)
    return out
