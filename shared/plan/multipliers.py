"""What limits are worth at a plan, to first order: multipliers of what holds it, on either side.

At a plan u the best value V moves with its limits b as fast as the linear programme

    V'(b; d) = max  gradient(du) @ du   subject to   rows @ du <= d (the tight ones), tight bounds

says: the directional derivative of a concave programme (Rockafellar, Convex Analysis, 1970, section
29), and of a smooth one around a regular local maximum (Bonnans and Shapiro, Perturbation Analysis
of Optimization Problems, 2000, section 5.2). A decision at a corner of its curve gains less by
rising than it loses by falling, so ``gradient`` has two sides. By duality V' is the least over the
multipliers of what the move would pay at their prices: where there are no others, one product, and
for a single row the least over an interval of prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moved", "Prices", "Tight"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ROUNDING = 1e-9
"""Relative size of slopes below which one is taken for rounding."""

INDEPENDENT = 1e-9
"""Singular values below this share of the largest one count as zero."""

MOST_WORK = 5_000_000
"""Entries of all linear programmes together, before prices are no longer told apart by sides."""

FAR = 1e12
"""In place of an infinite price, times the steepest slope; a value beyond its root is no plan."""


@dataclass(frozen=True, slots=True, eq=False)
class Tight:
    """What holds a plan of n decisions.

    Attributes
    ----------
    rise, fall
        (n,) slopes of the objective: of what a rise gains, and of what a fall loses.
    size
        The steepest slope of outcome or cost alone: what slopes are small against.
    rows
        (m, n): ``rows @ du <= 0`` keeps to the tight rows; with ``equal`` (m,) it is ``== 0``.
    floor, roof
        (n,) whether a decision is at its lower or upper bound.
    free
        (n,) False for decisions that stay where they are: lots, what is switched off.
    trust
        (n,) in [0, 1]: how much a slope counts; little where a bound is near but not touched.
    """

    rise: Floats
    fall: Floats
    size: float
    rows: Floats
    equal: Flags
    floor: Flags
    roof: Flags
    free: Flags
    trust: Floats


@dataclass(frozen=True, slots=True)
class Moved:
    """What a limit's number moves when it rises by one: tight rows' sides, floors, roofs.

    Each by its place. ``relaxes``: 1 where a larger number allows more, -1 where a smaller one
    does, 0 where either may be the better (a commitment).
    """

    relaxes: int
    rows: dict[int, float]
    floors: dict[int, float]
    roofs: dict[int, float]


class Prices:
    """Multipliers of what is tight, and what moving it is worth."""

    def __init__(self, tight: Tight) -> None:
        self.tight = tight
        known = np.isfinite(tight.rise) & np.isfinite(tight.fall) & tight.free
        self._cells = np.flatnonzero(known)
        self._place = {cell: i for i, cell in enumerate(self._cells.tolist())}
        self._rise, self._fall = tight.rise[known], tight.fall[known]
        self._floor, self._roof = tight.floor[known], tight.roof[known]
        self._rows, self._trust = tight.rows[:, known], tight.trust[known]
        self._corner = self._fall - self._rise > ROUNDING * tight.size
        self._left = MOST_WORK
        # Whether every price is told on both of its sides.
        self.sided = True
        self._mus = self._multipliers()
        mu = self._mus[0] if self._mus else self._by_linear_programme()
        self._fallback = mu
        self._slopes = self._rise - mu @ self._rows, self._fall - mu @ self._rows
        up = np.where(self._roof, 0.0, np.maximum(self._slopes[0], 0.0))
        down = np.where(self._floor, 0.0, np.maximum(-self._slopes[1], 0.0))
        self._missed = up + down

    @property
    def residual(self) -> float:
        """How far the plan is from stationary: the largest slope unaccounted for, relative."""
        return float((self._missed * self._trust).max(initial=0.0)) / self.tight.size

    def sides(self, move: Moved) -> tuple[float, float]:
        """Objective per unit that the limit's number rises, above and below where it is.

        Infinite where there is no plan on that side, nan where slopes say nothing of it.
        """
        cells = {*move.floors, *move.roofs}
        if any(self.tight.free[c] and c not in self._place for c in cells):
            return float("nan"), float("nan")
        return self._gain(move, 1.0), -self._gain(move, -1.0)

    def _gain(self, move: Moved, sign: float) -> float:
        if self._mus:
            return min(self._paid(move, sign, mu) for mu in self._mus)
        work = self._cells.size * (len(self.tight.equal) + 1)
        if work <= self._left:
            self._left -= work
            found = self._directional(move, sign)
            if found is not None:
                return found
        self.sided = False
        return self._paid(move, sign, self._fallback)

    def _paid(self, move: Moved, sign: float, mu: Floats) -> float:
        """What a move brings at the rows' prices; every decision that its bounds move follows."""
        total = sum(sign * by * float(mu[row]) for row, by in move.rows.items())
        size = 1.0 + sum(map(abs, (*move.rows.values(), *move.floors.values())))
        for cell in {*move.floors, *move.roofs}:
            i = self._place.get(cell)
            if i is None:
                continue
            price = float(mu @ self._rows[:, i])
            rise, fall = float(self._rise[i]) - price, float(self._fall[i]) - price
            low = sign * move.floors.get(cell, 0.0) if self._floor[i] else -np.inf
            high = sign * move.roofs.get(cell, 0.0) if self._roof[i] else np.inf
            if low > high:
                return -np.inf
            ends = [end for end in (low, high) if np.isfinite(end)]
            if low <= 0.0 <= high:
                ends.append(0.0)
            total += max((rise if end > 0.0 else fall) * end for end in ends)
        far = abs(total) > np.sqrt(FAR) * self.tight.size * size
        return float(np.copysign(np.inf, total)) if far else total

    def _multipliers(self) -> list[Floats]:
        """All there are: one, or the ends of an interval; none where they are many."""
        count = self.tight.rows.shape[0]
        if count == 0:
            return [np.zeros(0)]
        mu, unique = self._by_least_squares()
        if unique:
            return [mu]
        if count == 1 and np.all(self.tight.rows >= 0.0) and np.any(self.tight.rows):
            low, high = self._interval()
            return [np.array([low])] if low == high else [np.array([low]), np.array([high])]
        return []

    def _interval(self) -> tuple[float, float]:
        """The prices of a single row at which nobody gains by rising, or loses too little by
        falling; in the middle where a plan that is not stationary leaves none."""
        per, far = self._rows[0], FAR * self.tight.size
        some = per > 0.0
        rises, falls = some & ~self._roof, some & ~self._floor
        low = float((self._rise[rises] / per[rises]).max(initial=-far))
        high = float((self._fall[falls] / per[falls]).min(initial=far))
        steep = self.tight.free & ~np.isfinite(self.tight.rise) & (self.tight.rows[0] > 0.0)
        if np.any(steep & ~self.tight.roof):
            low = far
        if not self.tight.equal[0]:
            low, high = max(low, 0.0), max(high, 0.0)
        if low < high:
            return low, high
        middle = low if high == far else high if low == -far else 0.5 * (low + high)
        return middle, middle

    def _by_least_squares(self) -> tuple[Floats, bool]:
        """Multipliers from smooth decisions between their bounds, and whether they are the only
        ones."""
        equal = self.tight.equal
        inner = ~(self._floor | self._roof | self._corner)
        weight = self._trust[inner]
        matrix = self._rows[:, inner].T * weight[:, None]
        # Each row in its own size, so that none counts as dependent for its unit.
        size = np.linalg.norm(self._rows, axis=1)
        size = np.where(size > 0.0, size, 1.0)
        slopes = 0.5 * (self._rise + self._fall)[inner]
        mu, _, rank, _ = np.linalg.lstsq(matrix / size, weight * slopes, rcond=INDEPENDENT)
        mu = mu / size
        signs = bool(np.all(equal | (mu * size >= -1e-6 * self.tight.size)))
        return np.where(equal, mu, np.maximum(mu, 0.0)), int(rank) == equal.size and signs

    def _by_linear_programme(self) -> Floats:
        """Multipliers (m,) with the least sum of slopes that nothing accounts for."""
        from scipy.optimize import linprog
        from scipy.sparse import csr_matrix, eye, hstack, vstack

        equal, cells, size = self.tight.equal, self._cells.size, self.tight.size
        if not cells:
            return np.zeros(equal.size)
        matrix, slack = csr_matrix(self._rows.T), eye(cells, format="csr")
        up, down = ~self._roof, ~self._floor
        # rise - rows' mu <= slack where there is no roof, fall - rows' mu >= -slack without floor.
        stacked: Any = vstack(
            [hstack([-matrix[up], -slack[up]]), hstack([matrix[down], -slack[down]])]
        )
        solver: Any = linprog
        found = solver(
            np.concatenate((np.zeros(equal.size), np.maximum(self._trust, 1e-6))),
            A_ub=stacked.tocsr(),
            b_ub=np.concatenate((-self._rise[up], self._fall[down])) / size,
            bounds=[(None, None) if e else (0.0, None) for e in equal] + [(0.0, None)] * cells,
            method="highs",
        )
        if found.x is None:
            return self._by_least_squares()[0]
        return np.asarray(found.x[: equal.size] * size)

    def _directional(self, move: Moved, sign: float) -> float | None:
        """The linear programme of the module; slopes that nothing accounts for are charged."""
        from scipy.optimize import linprog
        from scipy.sparse import csr_matrix, hstack

        count, equal, size = self._cells.size, self.tight.equal, self.tight.size
        low, high = np.where(self._floor, 0.0, -np.inf), np.where(self._roof, 0.0, np.inf)
        for moves, ends, held in (
            (move.floors, low, self._floor),
            (move.roofs, high, self._roof),
        ):
            for cell, by in moves.items():
                i = self._place.get(cell)
                if i is not None and held[i]:
                    ends[i] = sign * by
        if np.any(low > high):
            return -np.inf
        limits = np.zeros(equal.size)
        for row, by in move.rows.items():
            limits[row] = sign * by
        if not count:
            fits = np.all(np.where(equal, limits == 0.0, limits >= 0.0))
            return 0.0 if fits else -np.inf
        charge = 1.0001 * self._missed + ROUNDING * size
        matrix = csr_matrix(self._rows)
        both = hstack([matrix, -matrix]).tocsr()
        solver: Any = linprog
        args: dict[str, Any] = {"A_ub": both[~equal], "b_ub": limits[~equal]}
        if np.any(equal):
            args |= {"A_eq": both[equal], "b_eq": limits[equal]}
        found = solver(
            np.concatenate((charge - self._rise, self._fall + charge)) / size,
            bounds=np.column_stack(
                (
                    np.maximum(np.concatenate((low, -high)), 0.0),
                    np.maximum(np.concatenate((high, -low)), 0.0),
                )
            ),
            method="highs",
            **args,
        )
        if found.status == 2:
            return -np.inf
        return None if found.x is None else -float(found.fun) * size
