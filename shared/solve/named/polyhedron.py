"""The way back into a box and linear rows, for many points at once.

Nearest points by Newton's method on the dual of the projection, one price per row: the dual is
concave and piecewise quadratic, so that the right active set is met after a few steps (Li, Sun and
Toh, "A highly efficient semismooth Newton augmented Lagrangian method for solving Lasso problems",
SIAM J. Optim. 28, 2018, damp the steps by what is still wrong, as here). What does not settle is
drawn straight towards a point known to be allowed, up to the first wall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXACT", "ROUGH", "Polyhedron", "centre"]

Array = NDArray[np.float64]
_ROUNDS = 20
_LENGTHS = (0.5, 0.2, 0.05, 0.01, 1e-3)
ROUGH, EXACT = (100.0,), (100.0, 1e4, 1e6)
_MOST_ROWS = 120  # prices are solved for densely, point by point
_CLOSE = 1e-11


@dataclass(frozen=True, slots=True, eq=False)
class Polyhedron:
    """``lower <= x <= upper`` (n,), ``row_lower <= matrix x <= row_upper`` (m,); one point of it.

    ``inside`` (n,) is best far from all walls.
    """

    lower: Array
    upper: Array
    matrix: Array
    row_lower: Array
    row_upper: Array
    inside: Array

    @property
    def scale(self) -> Array:
        """(m,) how large the rows' terms can get: what their rounding is relative to."""
        reach = np.abs(self.matrix) @ np.maximum(np.abs(self.lower), np.abs(self.upper))
        return np.asarray(np.maximum(reach, 1e-300), dtype=np.float64)

    def missed(self, points: Array) -> Array:
        """(k,) the largest violation of a row, relative to its scale."""
        product = points @ self.matrix.T
        over = np.maximum(product - self.row_upper, self.row_lower - product) / self.scale
        return np.asarray(np.max(over, axis=1, initial=0.0), dtype=np.float64)

    def nearest(
        self,
        points: Array,
        give: Array,
        lower: Array | None = None,
        upper: Array | None = None,
        *,
        eases: Sequence[float] = ROUGH,
    ) -> Array:
        """Nearest points in ``sum((x - point)**2 / give)``, (k, n) like ``points`` and ``give``.

        ``eases`` is ``ROUGH`` for near enough or ``EXACT``.
        ``lower`` and ``upper`` (k, n) narrow the box point by point. A point that finds no way in
        stays in its box and misses rows, as ``missed`` tells.
        """
        low = np.broadcast_to(self.lower if lower is None else lower, points.shape)
        high = np.broadcast_to(self.upper if upper is None else upper, points.shape)
        out = np.clip(points, low, high)
        todo = np.flatnonzero(self.missed(out) > _CLOSE)
        if not todo.size:
            return out
        if len(self.row_lower) <= _MOST_ROWS:
            out[todo] = self._newton(points[todo], give[todo], low[todo], high[todo], eases)
            todo = todo[self.missed(out[todo]) > _CLOSE]
        if todo.size:
            straight = self.towards(points[todo])
            fits = np.all((straight >= low[todo]) & (straight <= high[todo]), axis=1)
            out[todo[fits]] = straight[fits]
        return out

    def towards(self, points: Array) -> Array:
        """Points on the way from ``inside`` to ``points``, as far as all walls allow."""
        move = np.clip(points, self.lower, self.upper) - self.inside
        same = self.row_lower == self.row_upper
        if np.any(same):
            rows = self.matrix[same]
            move = move - (move @ rows.T) @ np.linalg.pinv(rows).T
        slope, at = move @ self.matrix[~same].T, self.matrix[~same] @ self.inside
        with np.errstate(divide="ignore", invalid="ignore"):
            walls = np.concatenate(
                (
                    np.where(move > 0.0, (self.upper - self.inside) / move, np.inf),
                    np.where(move < 0.0, (self.lower - self.inside) / move, np.inf),
                    np.where(slope > 0.0, (self.row_upper[~same] - at) / slope, np.inf),
                    np.where(slope < 0.0, (self.row_lower[~same] - at) / slope, np.inf),
                ),
                axis=1,
            )
        share = np.clip(np.nan_to_num(walls.min(axis=1), nan=0.0), 0.0, 1.0)[:, None]
        return np.asarray(np.clip(self.inside + share * move, self.lower, self.upper))

    def _newton(
        self, points: Array, give: Array, low: Array, high: Array, eases: Sequence[float]
    ) -> Array:
        """Maximise the dual; rows that are ranges get a slack that moves so much more easily than
        a coordinate, so that all rows are equalities and the dual is smooth.

        The slack's small resistance draws the answer a little off the nearest point; each further
        ease starts from the prices before and takes most of that away.
        """
        stiff = np.maximum(give @ (self.matrix * self.matrix).T, 1e-300)
        ranged = self.row_lower != self.row_upper
        start = np.clip(np.clip(points, low, high) @ self.matrix.T, self.row_lower, self.row_upper)
        price = np.zeros((len(points), len(self.row_lower)))
        out = np.clip(points, low, high)
        settled = np.zeros(len(points), dtype=bool)
        for ease in eases:
            slack = np.where(ranged, ease * stiff, 0.0)
            dual = _Dual(self, points, give, low, high, start, slack)
            price = self._climbed(dual, price, stiff)
            x = dual.answer(price)[0]
            fine = self.missed(x) <= _CLOSE
            out = np.where((fine | ~settled)[:, None], x, out)
            settled |= fine
        return out

    def _climbed(self, dual: _Dual, price: Array, stiff: Array) -> Array:
        """Prices at which the dual is largest, or as near as the rounds allow."""
        price, open_, diagonal = price.copy(), np.arange(len(price)), np.arange(price.shape[1])
        for _ in range(_ROUNDS):
            part, p = dual.take(open_), price[open_]
            x, v = part.answer(p)
            miss = x @ self.matrix.T - v
            wrong = (np.abs(miss) / self.scale).max(axis=1)
            going = wrong > 1e-15
            if not np.any(going):
                break
            part, open_ = part.take(going), open_[going]
            moving = part.free(x[going])
            system = (self.matrix * moving[:, None, :]) @ self.matrix.T
            damp = np.clip(wrong[going], 1e-12, 1e-2)[:, None] * stiff[open_]
            system[:, diagonal, diagonal] += part.free_slack(v[going]) + damp
            step = np.linalg.solve(system, miss[going][:, :, None])[:, :, 0]
            price[open_] = part.climbed(p[going], step)
        return price


@dataclass(frozen=True, slots=True, eq=False)
class _Dual:
    """The projection's dual: prices (k, m) of "row times x is its slack v"."""

    walls: Polyhedron
    points: Array
    give: Array
    low: Array
    high: Array
    start: Array
    slack: Array

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> _Dual:
        """The same for some of the points."""
        parts = (self.points, self.give, self.low, self.high, self.start, self.slack)
        return _Dual(self.walls, *(part[rows] for part in parts))

    def answer(self, price: Array) -> tuple[Array, Array]:
        """The best x and v at a price."""
        x = np.clip(self.points - self.give * (price @ self.walls.matrix), self.low, self.high)
        v = np.clip(self.start + self.slack * price, self.walls.row_lower, self.walls.row_upper)
        return x, v

    def free(self, x: Array) -> Array:
        """How readily coordinates that are at no wall move."""
        return np.where((x > self.low) & (x < self.high), self.give, 0.0)

    def free_slack(self, v: Array) -> Array:
        """The same of the slacks."""
        inside = (v > self.walls.row_lower) & (v < self.walls.row_upper)
        return np.where(inside, self.slack, 0.0)

    def value(self, price: Array) -> Array:
        """(k,) what is maximised."""
        x, v = self.answer(price)
        square = 0.5 * ((x - self.points) ** 2 / self.give).sum(axis=1)
        moved = np.where(self.slack > 0.0, self.slack, 1.0)
        square += 0.5 * ((v - self.start) ** 2 / moved).sum(axis=1)
        return np.asarray(square + (price * (x @ self.walls.matrix.T - v)).sum(axis=1))

    def climbed(self, price: Array, step: Array) -> Array:
        """New prices along the step, by the length of the largest dual."""
        best, value = price + step, self.value(price + step)
        short = value < self.value(price)
        for length in _LENGTHS:
            if not np.any(short):
                break
            trial = price + length * step
            found = self.value(trial)
            better = short & (found > value)
            best = np.where(better[:, None], trial, best)
            value = np.where(better, found, value)
        return best


def centre(
    lower: Array, upper: Array, matrix: Array, row_lower: Array, row_upper: Array
) -> Array | None:
    """A point (n,) as far from all walls as can be, in parts of each coordinate's range.

    None where box and rows allow no point at all.
    """
    # Here, for a process that solves otherwise never needs scipy.
    from scipy.optimize import linprog

    width = np.maximum(upper - lower, 0.0)
    scaled = matrix * width
    size = np.maximum(np.abs(scaled).sum(axis=1), 1e-300)
    shift = matrix @ lower
    low, high = (row_lower - shift) / size, (row_upper - shift) / size
    rows, same = scaled / size[:, None], row_lower == row_upper
    n = lower.size
    eye, one = np.eye(n), np.ones((n, 1))
    up, down = ~same & np.isfinite(high), ~same & np.isfinite(low)
    a_ub = np.concatenate(
        (
            np.concatenate((rows[up], np.ones((int(up.sum()), 1))), axis=1),
            np.concatenate((-rows[down], np.ones((int(down.sum()), 1))), axis=1),
            np.concatenate((eye, one), axis=1),
            np.concatenate((-eye, one), axis=1),
        )
    )
    b_ub = np.concatenate((high[up], -low[down], np.ones(n), np.zeros(n)))
    result = linprog(
        np.concatenate((np.zeros(n), [-1.0])),
        A_ub=a_ub,
        b_ub=b_ub,
        A_eq=np.concatenate((rows[same], np.zeros((int(same.sum()), 1))), axis=1),
        b_eq=low[same],
        bounds=[(0.0, 1.0)] * n + [(0.0, 1.0)],
        method="highs",
    )
    if result.status != 0 or result.x is None:
        return None
    return np.asarray(lower + np.clip(result.x[:n], 0.0, 1.0) * width, dtype=np.float64)
