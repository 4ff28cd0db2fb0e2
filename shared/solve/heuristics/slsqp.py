"""Sequential quadratic programming (scipy's SLSQP) from many seeded starts.

The field's usual method. What it says of itself is counted, never believed: every end is put back
inside the constraints and scored again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.solve.heuristics.gradient import starting_points
from shared.solve.heuristics.space import Searched, Space

__all__ = ["quadratic_programming"]

Array = NDArray[np.float64]
_STARTS = 24
_ROUNDS = 200
_WORK = 2e8  # starts times unknowns cubed: a step solves a dense least-squares problem


class _Late(Exception):
    """The clock has run out inside scipy's loop."""


def quadratic_programming(space: Space, seed: int) -> Searched:
    """The best of many SLSQP ends, each repaired and rescored.

    Many unknowns leave time for few starts: their number falls with the cube of the unknowns.
    """
    most = int(np.clip(_WORK / (20.0 * float(space.n) ** 3), 2, _STARTS))
    starts = starting_points(space, seed, most)[:most]
    values = space.value(starts)
    best = int(np.argmax(values))
    point, value = starts[best], float(values[best])
    runs, converged, late = 0, 0, False
    for start in starts:
        ended, fine, late = _run(space, start)
        repaired = space.project(ended[None, :])
        found = float(space.value(repaired)[0])
        runs, converged = runs + 1, converged + fine
        if found > value:
            point, value = repaired[0], found
        if late:
            break
    note = (
        f"SLSQP from {runs} starts ({converged} converged); every end was repaired and rescored, "
        "the best one is answered."
    )
    return Searched(point, note, not late)


def _run(space: Space, start: Array) -> tuple[Array, bool, bool]:
    """One run in units of the range and of the start's slopes: its last point, whether it says
    that it converged, and whether the clock cut it short."""
    # Here, for a process that solves otherwise never needs scipy.
    from scipy import optimize

    minimize: Any = optimize.minimize
    width = np.maximum(space.range, 1e-300)
    free = np.zeros((1, len(space.asked)))
    slopes = np.abs(space.gradient(start[None, :], free)[0] * width)
    unit = float(np.median(slopes[slopes > 0.0])) if np.any(slopes > 0.0) else 1.0
    # A choice is no matter of slopes: each run keeps those of its start.
    last, box = start, space.box(start[None, :])

    def point(y: Array) -> Array:
        return np.clip(space.lower + y * width, space.lower, space.upper)[None, :]

    def value(y: Array) -> float:
        nonlocal last
        if space.late():
            raise _Late
        last = point(y)[0]
        space.evaluations += 1
        return -float(space.figures(last[None, :])[0][0]) / unit

    def gradient(y: Array) -> Array:
        return np.asarray(-space.gradient(point(y), free)[0] * width / unit)

    def surplus(y: Array) -> Array:
        return np.asarray(space.figures(point(y))[1][0] / space.asked)

    def surplus_slopes(y: Array) -> Array:
        # What a gradient gains by a target's multiplier is the target's own.
        theta = np.eye(len(space.asked) + 1, len(space.asked), -1)
        found = space.gradient(np.repeat(point(y), len(theta), axis=0), theta)
        return np.asarray((found[1:] - found[0]) * width / space.asked[:, None])

    constraints: list[Any] = _rows(space, width)
    if space.asked.size:
        constraints.append(optimize.NonlinearConstraint(surplus, 0.0, np.inf, jac=surplus_slopes))
    try:
        with np.errstate(all="ignore"):
            result = minimize(
                value,
                (start - space.lower) / width,
                jac=gradient,
                method="SLSQP",
                bounds=np.stack([(end.ravel() - space.lower) / width for end in box], axis=1),
                constraints=constraints,
                options={"maxiter": _ROUNDS, "ftol": 1e-12},
            )
    except _Late:
        return last, False, True
    ended = point(np.asarray(result.x, dtype=np.float64))[0]
    return (ended if np.all(np.isfinite(ended)) else last), bool(result.success), False


def _rows(space: Space, width: Array) -> list[Any]:
    """The rows in scipy's words, each in units of its own largest coefficient."""
    from scipy.optimize import LinearConstraint

    rows = space.program.rows
    scaled, shift = rows.matrix * width, rows.matrix @ space.lower
    size = np.maximum(np.abs(scaled).max(axis=1, initial=0.0), 1e-300)
    low, high = (rows.lower - shift) / size, (rows.upper - shift) / size
    same = low == high
    return [
        LinearConstraint(scaled[used] / size[used, None], low[used], high[used])
        for used in (same, ~same)
        if np.any(used)
    ]
