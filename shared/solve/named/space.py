"""A problem as search methods see it: points they may try, what they are worth, and a way back in.

Points are rows of a (k, n) array, so that a whole population costs a handful of numpy calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.canonical import Canonical, marginal, outcome
from shared.problem.incumbent import incumbent

__all__ = ["BudgetSpace", "Searched", "Space", "project_budget"]

Array = NDArray[np.float64]
_TINY = 1e-9  # of the range: where a slope that is infinite at 0 is taken instead


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search came back with.

    Attributes
    ----------
    point
        (n,) the best point, allowed but for rounding.
    value
        Its objective.
    evaluations
        Points evaluated.
    note
        What was done, a sentence.
    finished
        Whether the search ended by itself rather than by the clock.
    """

    point: Array
    value: float
    evaluations: int
    note: str
    finished: bool


class Space(ABC):
    """Points (k, n) between ``lower`` and ``upper`` (n,); counts what it evaluates.

    ``deadline`` is a time of ``work.now``; methods look at it between rounds and never
    draw random numbers by it, so that it can cut a search short but not change its course.
    """

    def __init__(self, lower: Array, upper: Array, deadline: float) -> None:
        self.lower = lower
        self.upper = upper
        self.n = int(lower.size)
        self.deadline = deadline
        self.evaluations = 0

    @property
    def range(self) -> Array:
        """(n,) width of the box."""
        return self.upper - self.lower

    @property
    def toil(self) -> float:
        """Work that one point is, in coordinates: what methods measure their effort by."""
        return float(self.n)

    def late(self) -> bool:
        """Whether the clock has run out."""
        return work.now() >= self.deadline

    def value(self, points: Array) -> Array:
        """(k,) objectives of (k, n) points; minus infinity for those that are not allowed."""
        self.evaluations += points.shape[0]
        return self._value(points)

    def unchecked(self, points: Array) -> Array:
        """(k,) objectives in the box, whatever else the points break."""
        self.evaluations += points.shape[0]
        return self._objective(points)

    def _value(self, points: Array) -> Array:
        return self._objective(points)

    @abstractmethod
    def _objective(self, points: Array) -> Array: ...

    @abstractmethod
    def gradient(self, points: Array) -> Array:
        """(k, n) derivatives of the objective, finite."""

    @abstractmethod
    def curvature(self, points: Array) -> Array:
        """(k, n) second derivatives coordinate by coordinate, finite."""

    @abstractmethod
    def project(self, points: Array, give: Array | None = None) -> Array:
        """The nearest allowed points; ``give`` (k, n) > 0 is how readily coordinates move."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """(count, n) allowed points, from near corners to the middle."""

    @abstractmethod
    def known(self) -> Array:
        """(k, n) allowed points to begin with: today's plan where it is allowed, even shares."""

    @abstractmethod
    def linear(self) -> tuple[Array, Array, Array]:
        """Rows (m, n) with their lower and upper limits (m,): everything but the box."""


class BudgetSpace(Space):
    """A :class:`~shared.problem.canonical.Canonical`: a box and one budget."""

    def __init__(self, canonical: Canonical, deadline: float) -> None:
        super().__init__(canonical.lower, canonical.upper, deadline)
        self.canonical = canonical

    def _objective(self, points: Array) -> Array:
        return np.asarray(outcome(self.canonical, points).sum(axis=1))

    def gradient(self, points: Array) -> Array:
        """The curves' slopes; an infinite one is taken a little to the right of 0."""
        slopes = marginal(self.canonical, points)
        if not np.all(np.isfinite(slopes)):
            nudged = np.maximum(points, _TINY * max(self.canonical.budget, 1e-300))
            slopes = np.where(np.isfinite(slopes), slopes, marginal(self.canonical, nudged))
        return np.nan_to_num(slopes, nan=0.0, posinf=1e300, neginf=-1e300)

    def curvature(self, points: Array) -> Array:
        """The curves' second derivatives, taken a little to the right of 0."""
        at = np.maximum(points, _TINY * max(self.canonical.budget, 1e-300))
        draws, curves = self.canonical.draws, self.canonical.curves
        with np.errstate(over="ignore", invalid="ignore"):
            bends = (
                curves.slope(at) * curves.relative_curvature(at)
                if draws is None
                else draws.mean_curvature(at)
            )
        return np.nan_to_num(bends, nan=0.0, posinf=1e300, neginf=-1e300)

    def project(self, points: Array, give: Array | None = None) -> Array:
        """The exact projection, in the Euclidean norm or in that weighed by ``1 / give``."""
        canonical = self.canonical
        inside = np.clip(points, self.lower, self.upper)
        if not canonical.spend_all:
            over = inside.sum(axis=1) > canonical.budget
            if not np.any(over):
                return inside
            weights = None if give is None else give[over]
            inside[over] = project_budget(
                points[over], self.lower, self.upper, canonical.budget, weights
            )
            return inside
        return project_budget(points, self.lower, self.upper, canonical.budget, give)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Budgets split at random: some onto few channels, some nearly evenly."""
        concentration = rng.choice([0.1, 0.3, 1.0, 3.0], size=(count, 1))
        # A gamma variate of a small shape may underflow to 0 in every channel.
        shares = rng.gamma(np.broadcast_to(concentration, (count, self.n))) + 1e-300
        shares /= shares.sum(axis=1, keepdims=True)
        left = self.canonical.budget - float(self.lower.sum())
        return self.project(self.lower + max(left, 0.0) * shares)

    def known(self) -> Array:
        even = np.full((1, self.n), self.canonical.budget / self.n)
        middle = 0.5 * (self.lower + self.upper)[None, :]
        rows = [self.project(even), self.project(middle)]
        current = incumbent(self.canonical, self.canonical.current)
        if current is not None:
            rows.insert(0, self.project(current[None, :]))
        return np.concatenate(rows)

    def linear(self) -> tuple[Array, Array, Array]:
        budget = self.canonical.budget
        least = budget if self.canonical.spend_all else -np.inf
        return np.ones((1, self.n)), np.array([least]), np.array([budget])


def project_budget(
    points: Array, lower: Array, upper: Array, budget: float, give: Array | None = None
) -> Array:
    """The points of the box that sum to ``budget`` and are nearest to ``points`` (k, n).

    Nearest in ``sum((x - point)**2 / give)``: that is ``clip(point - price * give)`` at the price
    where the sum is right. Coordinates that are certain to end at a bound are fixed there, round by
    round; each round fixes some or is the last (variable fixing: Kiwiel, "Variable fixing
    algorithms for the continuous quadratic knapsack problem", J. Optim. Theory Appl. 136, 2008).
    """
    weight = np.ones(points.shape) if give is None else give
    fixed = np.broadcast_to(lower == upper, points.shape).copy()
    out = np.where(fixed, lower, points)
    for _ in range(points.shape[1] + 1):
        free_weight = np.where(fixed, 0.0, weight)
        total = free_weight.sum(axis=1, keepdims=True)
        left = budget - np.where(fixed, out, 0.0).sum(axis=1, keepdims=True)
        excess = np.where(fixed, 0.0, points).sum(axis=1, keepdims=True) - left
        price = np.where(total > 0.0, excess / np.where(total > 0.0, total, 1.0), 0.0)
        trial = np.where(fixed, out, points - price * weight)
        over, under = np.maximum(trial - upper, 0.0), np.maximum(lower - trial, 0.0)
        high, low = over.sum(axis=1, keepdims=True), under.sum(axis=1, keepdims=True)
        out = np.clip(trial, lower, upper)
        # The clipped sum misses by low - high: whichever is larger shows which bounds will hold.
        newly = ~fixed & np.where(high > low, trial >= upper, (low > high) & (trial <= lower))
        if not np.any(newly):
            break
        fixed |= newly
    return out
