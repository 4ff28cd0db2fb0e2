"""Projected gradient ascent with a line search, from many starts at once.

Steps are scaled coordinate by coordinate with the curves' own curvature (a diagonal metric, in
which the projection is exact as well) and by the spectral step length along the last move:
Bertsekas, "Projected Newton methods for optimization problems with simple constraints", SIAM J.
Control Optim. 20 (1982); Birgin, Martínez and Raydan, "Nonmonotone spectral projected gradient
methods on convex sets", SIAM J. Optim. 10 (2000). Here values only ever rise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.solve.heuristics.space import Searched, Space

__all__ = ["ascend", "ascended", "starting_points"]

Array = NDArray[np.float64]
_ROUNDS = 400
_HALVINGS = 25
_CELLS = 20_000  # points times coordinates started together
_ARMIJO = 1e-4
_FLAT = 1.0
_BEST = 8  # of the ends, to go on from
_BENDS = (1e-2, 1e-3, 3e-5)  # a corner at a target would stop the ascent anywhere
_STILL = 1e-13  # of a range: a move this small is none


def starting_points(space: Space, seed: int, most: int) -> Array:
    """Known points and random ones, fewer where points are long."""
    known = space.known()
    count = int(np.clip(_CELLS // max(space.toil, 1.0), len(known) + 2, most))
    rng = np.random.default_rng(seed)
    return np.concatenate((known, space.sample(rng, count - len(known))))


def ascend(space: Space, seed: int) -> Searched:
    """Climb from many seeded starts; the best end counts."""
    starts = starting_points(space, seed, 64)
    point, finished = ascended(space, starts)
    note = f"Projected gradient ascent from {len(starts)} starts; the best end is answered."
    return Searched(point, note, finished)


def ascended(space: Space, points: Array) -> tuple[Array, bool]:
    """The best end (n,) of ascents from points, and whether the clock let them end."""
    finished = True
    for bend in _BENDS if space.penalties.size else _BENDS[-1:]:
        space.bend = bend
        points, values, in_time = _climb(space, points)
        points, finished = points[np.argsort(-values, kind="stable")[:_BEST]], finished and in_time
    return points[0], finished


def _climb(space: Space, starts: Array) -> tuple[Array, Array, bool]:
    """Ends (k, n) of the ascents, their values (k,), and whether the clock let them end."""
    points, values = starts.copy(), space.value(starts)
    slopes = space.gradient(points)
    moving = np.arange(len(points))
    stretch = np.ones((len(points), 1))
    width = np.maximum(space.range, 1e-300)
    for _ in range(_ROUNDS):
        if not moving.size or space.late():
            break
        x, g = points[moving], slopes[moving]
        metric = _metric(space.curvature(x), g, width, x)
        give = stretch[moving] / metric
        # A constant added to all slopes moves no projection; without it steps stay in range.
        step = np.clip(give * g, -1e6 * width, 1e6 * width)
        move = space.project(x + step, give, like=x) - x
        rise = (g * move).sum(axis=1)
        live = (rise > 0.0) & (np.abs(move).max(axis=1) > _STILL * float(width.max()))
        moved, value = _search(space, x[live], move[live], values[moving[live]], rise[live])
        gained = value > values[moving[live]]
        index = moving[live][gained]
        before, old = points[index], slopes[index]
        points[index], values[index] = moved[gained], value[gained]
        slopes[index] = space.gradient(points[index])
        change = points[index] - before
        used = metric[live][gained]
        bend = -((slopes[index] - old) * change).sum(axis=1)
        length = (used * change * change).sum(axis=1)
        spectral = np.where(bend > 0.0, length / np.where(bend > 0.0, bend, 1.0), 1.0)
        # Where a stretched step has led nowhere, the plain one is tried before giving up.
        again = np.setdiff1d(moving[stretch[moving, 0] != 1.0], index)
        stretch[again, 0] = 1.0
        stretch[index, 0] = np.clip(spectral, 1e-3, 1e3)
        moving = np.union1d(index, again)
    return points, values, not (moving.size and space.late())


def _metric(curvature: Array, slope: Array, width: Array, x: Array) -> Array:
    """How stiff each coordinate is: its curvature's size, never so small that a step at the
    average slope of what is spent would cross the range."""
    size = np.abs(x) + 1e-6 * width
    average = (np.abs(slope) * size).sum(axis=1, keepdims=True) / size.sum(axis=1, keepdims=True)
    metric = np.maximum(np.abs(curvature), _FLAT * average / width)
    return np.asarray(np.maximum(metric, 1e-300))


def _search(space: Space, x: Array, move: Array, value: Array, rise: Array) -> tuple[Array, Array]:
    """Halve every move until its gain is a fair part of what its slope promises (Armijo)."""
    best, best_value = x.copy(), value.copy()
    open_, length = np.arange(len(x)), 1.0
    for _ in range(_HALVINGS):
        if not open_.size:
            break
        trial = x[open_] + length * move[open_]
        found = space.value(trial)
        fine = found >= value[open_] + _ARMIJO * length * rise[open_]
        fine &= found > value[open_]
        done = open_[fine]
        best[done], best_value[done] = trial[fine], found[fine]
        open_ = open_[~fine]
        length *= 0.5
    return best, best_value
