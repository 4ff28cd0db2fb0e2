"""What limits are worth at a plan, to first order: multipliers of what holds it.

At a plan u the best value V moves with its limits b as fast as the linear programme

    V'(b; d) = max  gradient @ du   subject to   rows @ du <= d (the tight ones), tight bounds kept

says: the directional derivative of a concave programme (Rockafellar, Convex Analysis, 1970, section
29), and of a smooth one around a regular local maximum (Bonnans and Shapiro, Perturbation Analysis
of Optimization Problems, 2000, section 5.2). Where the multipliers are unique it is their product
with d; where they are not, the two sides differ and this is the side of relaxing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work

__all__ = ["Prices", "Relaxed", "Tight"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROUNDING = 1e-9
"""Relative size of slopes below which one is taken for rounding."""

INDEPENDENT = 1e-9
"""Singular values below this share of the largest one count as zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Tight:
    """What holds a plan of n decisions.

    Attributes
    ----------
    gradient
        (n,) of the objective; decisions that cannot move are left out by ``free``.
    rows
        (m, n): ``rows @ du <= 0`` keeps to the tight rows; with ``equal`` (m,) it is ``== 0``.
    floor, roof
        (n,) whether a decision is at its lower or upper bound.
    free
        (n,) False for decisions that stay where they are: lots, what is switched off.
    trust
        (n,) in [0, 1]: how much a slope counts; little where a bound is near but not touched.
    """

    gradient: Floats
    rows: Floats
    equal: Flags
    floor: Flags
    roof: Flags
    free: Flags
    trust: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """A direction to move limits in: (m,) of rows, (n,) of floors downwards, (n,) of roofs upwards.

    ``shift``: equalities are moved; otherwise they are widened to both sides.
    """

    rows: Floats
    floor: Floats
    roof: Floats
    shift: bool


class Prices:
    """Multipliers of what is tight, and what moving it is worth."""

    def __init__(self, tight: Tight, deadline: float) -> None:
        self.tight, self.deadline = tight, deadline
        finite = np.isfinite(tight.gradient) & tight.free
        self._cells = np.flatnonzero(finite)
        self._gradient = tight.gradient[self._cells]
        self._rows = tight.rows[:, self._cells]
        self._size = float(np.abs(self._gradient).max(initial=0.0)) or 1.0
        self.mu, self.unique = self._by_least_squares()
        self._slopes = self._left_over()
        if not self.unique and self._cells.size:
            found = self._by_linear_programme()
            if found is not None:
                self.mu = found
                self._slopes = self._left_over()
        # Whether every derivative is of the side of relaxing.
        self.sided = True

    @property
    def residual(self) -> float:
        """How far the plan is from stationary: the largest slope unaccounted for, relative."""
        trust = self.tight.trust[self._cells]
        return float((self._violations() * trust).max(initial=0.0)) / self._size

    def worth(self, move: Relaxed) -> float:
        """Objective gained per unit of ``move``; nan where the multipliers say nothing of it."""
        touched = (move.floor != 0.0) | (move.roof != 0.0)
        steep = touched & self.tight.free & ~np.isfinite(self.tight.gradient)
        if np.any(steep):
            return float("nan")
        if not self._cells.size:  # nothing can move, so nothing is gained
            return 0.0
        if not self.unique:
            if work.now() < self.deadline:
                found = self._directional(move)
                if found is not None:
                    return found
            else:
                self.sided = False
        c = self._cells
        by_rows = move.rows * (
            self.mu if move.shift else np.where(self.tight.equal, abs(self.mu), self.mu)
        )
        down, up = move.floor[c], move.roof[c]
        by_bounds = down * np.maximum(-self._slopes, 0.0) + up * np.maximum(self._slopes, 0.0)
        return float(by_rows.sum() + by_bounds.sum())

    def _left_over(self) -> Floats:
        """(cells,) slope of each decision after the rows' prices: what its bounds must hold."""
        return np.asarray(self._gradient - self._rows.T @ self.mu)

    def _violations(self) -> Floats:
        c, left = self._cells, self._slopes
        up = np.where(self.tight.roof[c], 0.0, np.maximum(left, 0.0))
        down = np.where(self.tight.floor[c], 0.0, np.maximum(-left, 0.0))
        return np.asarray(up + down)

    def _by_least_squares(self) -> tuple[Floats, bool]:
        """Multipliers from decisions between their bounds, and whether there are no others."""
        t, c = self.tight, self._cells
        count = t.rows.shape[0]
        if count == 0:
            return np.zeros(0), True
        inner = ~(t.floor[c] | t.roof[c])
        weight = t.trust[c][inner]
        matrix = self._rows[:, inner].T * weight[:, None]
        # Each row in its own size, so that none counts as dependent for its unit.
        size = np.linalg.norm(self._rows, axis=1)
        size = np.where(size > 0.0, size, 1.0)
        mu, _, rank, _ = np.linalg.lstsq(
            matrix / size, weight * self._gradient[inner], rcond=INDEPENDENT
        )
        mu = mu / size
        small = 1e-6 * self._size
        signs = bool(np.all(t.equal | (mu * size >= -small)))
        return np.where(t.equal, mu, np.maximum(mu, 0.0)), int(rank) == count and signs

    def _by_linear_programme(self) -> Floats | None:
        """Multipliers (m,) with the least sum of slopes that nothing accounts for."""
        from scipy.optimize import linprog
        from scipy.sparse import csr_matrix, eye, hstack, vstack

        t, c = self.tight, self._cells
        count, cells = t.rows.shape[0], c.size
        matrix = csr_matrix(self._rows.T)
        slack = eye(cells, format="csr")
        up, down = ~t.roof[c], ~t.floor[c]
        # gradient - rows' mu <= slack where there is no roof, >= -slack where there is no floor.
        stacked: Any = vstack(
            [hstack([-matrix[up], -slack[up]]), hstack([matrix[down], -slack[down]])]
        )
        solver: Any = linprog
        found = solver(
            np.concatenate((np.zeros(count), np.maximum(t.trust[c], 1e-6))),
            A_ub=stacked.tocsr(),
            b_ub=np.concatenate((-self._gradient[up], self._gradient[down])) / self._size,
            bounds=[(None, None) if e else (0.0, None) for e in t.equal] + [(0.0, None)] * cells,
            method="highs",
        )
        return None if found.x is None else np.asarray(found.x[:count] * self._size)

    def _directional(self, move: Relaxed) -> float | None:
        """The linear programme of the module; slopes that nothing accounts for are charged."""
        from scipy.optimize import linprog
        from scipy.sparse import csr_matrix, hstack

        t, c = self.tight, self._cells
        charge = 1.0001 * self._violations() + ROUNDING * self._size
        cost = np.concatenate((-(self._gradient - charge), self._gradient + charge)) / self._size
        matrix = csr_matrix(self._rows)
        both = hstack([matrix, -matrix]).tocsr()
        free, fixed = np.flatnonzero(~t.equal), np.flatnonzero(t.equal)
        solver: Any = linprog
        args: dict[str, Any] = {}
        if move.shift or not fixed.size:
            args = {"A_ub": both[free], "b_ub": move.rows[free]}
            if fixed.size:
                args |= {"A_eq": both[fixed], "b_eq": move.rows[fixed]}
        else:
            from scipy.sparse import vstack

            args = {
                "A_ub": vstack([both[free], both[fixed], -both[fixed]]).tocsr(),
                "b_ub": np.concatenate((move.rows[free], move.rows[fixed], move.rows[fixed])),
            }
        up = np.where(t.roof[c], move.roof[c], np.inf)
        down = np.where(t.floor[c], move.floor[c], np.inf)
        bounds = np.column_stack((np.zeros(2 * c.size), np.concatenate((up, down))))
        found = solver(cost, bounds=bounds, method="highs", **args)
        if found.status == 2:  # there is no such move: nothing is gained by it
            return 0.0
        return None if found.x is None else -float(found.fun) * self._size
