"""The way back into a box and linear rows, for many points at once.

One row that is a plain sum has an exact projection. Otherwise nearest points come by Newton's
method on the dual of the projection, one price per row (damped by what is still wrong: Li, Sun and
Toh, SIAM J. Optim. 28, 2018). What does not settle is drawn straight towards a point known to be
allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared import highs

__all__ = ["Polyhedron", "centre", "project_budget"]

Array = NDArray[np.float64]
_ROUNDS = 20
_LENGTHS = (0.5, 0.2, 0.05, 0.01, 1e-3)
_ROUGH, _EXACT = (100.0,), (100.0, 1e4, 1e6)
_MOST_ROWS = 120  # prices are solved for densely, point by point
_CLOSE = 1e-11


@dataclass(frozen=True, eq=False)
class Polyhedron:
    """``lower <= x <= upper`` (n,), ``row_lower <= matrix x <= row_upper`` (m,)."""

    lower: Array
    upper: Array
    matrix: Array
    row_lower: Array
    row_upper: Array

    @cached_property
    def budget(self) -> tuple[float, float] | None:
        """Least and most sum of all coordinates where that is all that the rows say."""
        if len(self.matrix) != 1 or self.matrix[0, 0] <= 0.0 or np.ptp(self.matrix) > 0.0:
            return None
        each = float(self.matrix[0, 0])
        return float(self.row_lower[0]) / each, float(self.row_upper[0]) / each

    @cached_property
    def inside(self) -> Array:
        """(n,) a point far from all walls; the box's middle where no point is allowed."""
        middle = 0.5 * (self.lower + self.upper)
        if not len(self.matrix):
            return middle
        if self.budget is not None:
            total = self.budget[1] if np.isfinite(self.budget[1]) else self.budget[0]
            even = np.full((1, middle.size), total / middle.size)
            return np.asarray(self.nearest(even)[0])
        found = centre(self.lower, self.upper, self.matrix, self.row_lower, self.row_upper)
        return middle if found is None else found

    @cached_property
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
        give: Array | None = None,
        lower: Array | None = None,
        upper: Array | None = None,
    ) -> Array:
        """Nearest points (k, n) in ``sum((x - point)**2 / give)``; near enough without ``give``.

        ``lower`` and ``upper``, (n,) or (k, n), narrow the box. A point that finds no way in stays
        in its box and misses rows, as ``missed`` tells.
        """
        low = np.broadcast_to(self.lower if lower is None else lower, points.shape)
        high = np.broadcast_to(self.upper if upper is None else upper, points.shape)
        out = np.clip(points, low, high)
        eases, weight = (_ROUGH if give is None else _EXACT), give
        if self.budget is not None:
            least, most = self.budget
            total = out.sum(axis=1, keepdims=True)
            wanted = np.clip(total, least, most)
            off = np.flatnonzero((wanted != total)[:, 0] | (least == most))
            weight = None if give is None else give[off]
            out[off] = project_budget(points[off], low[off], high[off], wanted[off], weight)
            return out
        todo = np.flatnonzero(self.missed(out) > _CLOSE)
        if not todo.size:
            return out
        if len(self.row_lower) <= _MOST_ROWS:
            weight = np.ones(points.shape) if give is None else give
            out[todo] = self._newton(points[todo], weight[todo], low[todo], high[todo], eases)
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
        eye = np.eye(move.shape[1])
        walls = np.concatenate((self.matrix[~same], -self.matrix[~same], eye, -eye))
        limit = (self.row_upper[~same], -self.row_lower[~same], self.upper, -self.lower)
        room, speed = np.concatenate(limit) - walls @ self.inside, move @ walls.T
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(speed > 0.0, room / speed, np.inf).min(axis=1)
        share = np.clip(np.nan_to_num(share, nan=0.0), 0.0, 1.0)[:, None]
        return np.asarray(np.clip(self.inside + share * move, self.lower, self.upper))

    def _newton(
        self, points: Array, give: Array, low: Array, high: Array, eases: tuple[float, ...]
    ) -> Array:
        """Maximise the dual of the projection of ``y = (x, v)`` with ``matrix x - v = 0``.

        The slack v of a row moves so much more easily than a coordinate that all rows are
        equalities and the dual is smooth; each further ease takes away most of what that draws the
        answer off.
        """
        n, out = points.shape[1], np.clip(points, low, high)
        stiff = np.maximum(give @ (self.matrix * self.matrix).T, 1e-300)
        least, most = (
            np.broadcast_to(end, stiff.shape) for end in (self.row_lower, self.row_upper)
        )
        low, high = np.hstack((low, least)), np.hstack((high, most))
        at = np.hstack((points, np.clip(out @ self.matrix.T, least, most)))
        price, settled = np.zeros(stiff.shape), np.zeros(len(points), dtype=bool)
        for ease in eases:
            task = np.stack((at, np.hstack((give, ease * stiff)), low, high))
            price = self._climbed(task, price, stiff)
            x = self._answer(task, price)[:, :n]
            fine = self.missed(x) <= _CLOSE
            out = np.where((fine | ~settled)[:, None], x, out)
            settled |= fine
        return out

    def _climbed(self, task: Array, price: Array, stiff: Array) -> Array:
        """Prices (k, m) at which the dual is largest; ``task`` (4, k, n + m) are points, how
        readily they move, and both ends of their boxes."""
        n, diagonal = self.matrix.shape[1], np.arange(price.shape[1])
        price, open_ = price.copy(), np.arange(len(price))
        for _ in range(_ROUNDS):
            y = self._answer(task[:, open_], price[open_])
            miss = self._miss(y)
            wrong = (np.abs(miss) / self.scale).max(axis=1)
            going = wrong > 1e-15
            if not np.any(going):
                break
            open_, y, miss = open_[going], y[going], miss[going]
            _, give, low, high = part = task[:, open_]
            moving = np.where((y > low) & (y < high), give, 0.0)
            system = (self.matrix * moving[:, None, :n]) @ self.matrix.T
            damp = np.clip(wrong[going], 1e-12, 1e-2)[:, None] * stiff[open_]
            system[:, diagonal, diagonal] += moving[:, n:] + damp
            step = np.linalg.solve(system, miss[:, :, None])[:, :, 0]
            price[open_] = self._longest(part, price[open_], step)
        return price

    def _longest(self, task: Array, price: Array, step: Array) -> Array:
        """New prices along the step, by the length of the largest dual."""
        best, value = price + step, self._dual(task, price + step)
        short = value < self._dual(task, price)
        for length in _LENGTHS:
            if not np.any(short):
                break
            trial = price + length * step
            found = self._dual(task, trial)
            better = short & (found > value)
            best = np.where(better[:, None], trial, best)
            value = np.where(better, found, value)
        return best

    def _answer(self, task: Array, price: Array) -> Array:
        """(k, n + m) the best coordinates and slacks at a price."""
        at, give, low, high = task
        pull = np.hstack((price @ self.matrix, -price))
        return np.asarray(np.clip(at - give * pull, low, high))

    def _miss(self, y: Array) -> Array:
        """(k, m) by how much rows and slacks differ."""
        n = self.matrix.shape[1]
        return np.asarray(y[:, :n] @ self.matrix.T - y[:, n:])

    def _dual(self, task: Array, price: Array) -> Array:
        y = self._answer(task, price)
        square = 0.5 * ((y - task[0]) ** 2 / task[1]).sum(axis=1)
        return np.asarray(square + (price * self._miss(y)).sum(axis=1))


def project_budget(
    points: Array, lower: Array, upper: Array, budget: float | Array, give: Array | None = None
) -> Array:
    """The points of the box that sum to ``budget`` and are nearest to ``points`` (k, n) in ``sum((x
    - point)**2 / give)``: ``clip(point - price * give)``, coordinates that are certain to end at a
    bound fixed there round by round (Kiwiel, J. Optim. Theory Appl. 136, 2008)."""
    weight = np.ones(points.shape) if give is None else give
    fixed = np.broadcast_to(lower == upper, points.shape).copy()
    out = np.where(fixed, lower, points)
    for _ in range(points.shape[1] + 1):
        total = np.where(fixed, 0.0, weight).sum(axis=1, keepdims=True)
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


def centre(
    lower: Array, upper: Array, matrix: Array, row_lower: Array, row_upper: Array
) -> Array | None:
    """A point (n,) as far from all walls as can be, in parts of each range; None where none is
    allowed."""
    # Here, for a process that solves otherwise never needs scipy.
    width, n = np.maximum(upper - lower, 0.0), lower.size
    scaled = matrix * width
    size = np.maximum(np.abs(scaled).sum(axis=1), 1e-300)
    shift = matrix @ lower
    low, high = (row_lower - shift) / size, (row_upper - shift) / size
    rows, same, eye = scaled / size[:, None], row_lower == row_upper, np.eye(n)
    up, down = ~same & np.isfinite(high), ~same & np.isfinite(low)
    walls = np.concatenate((rows[up], -rows[down], eye, -eye))
    result = highs.linprog(
        np.append(np.zeros(n), -1.0),
        A_ub=np.hstack((walls, np.ones((len(walls), 1)))),
        b_ub=np.concatenate((high[up], -low[down], np.ones(n), np.zeros(n))),
        A_eq=np.hstack((rows[same], np.zeros((int(same.sum()), 1)))),
        b_eq=low[same],
        bounds=(0.0, 1.0),
    )
    if result.status != 0 or result.x is None:
        return None
    return np.asarray(lower + np.clip(result.x[:n], 0.0, 1.0) * width, dtype=np.float64)
