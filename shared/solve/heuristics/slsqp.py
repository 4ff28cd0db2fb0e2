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
    free = np.zeros((1, len(space.constant)))
    slopes = np.abs(space.gradient(start[None, :], free)[0] * width)
    unit = float(np.median(slopes[slopes > 0.0])) if np.any(slopes > 0.0) else 1.0
    last = start

    def point(y: Array) -> Array:
        return np.asarray(np.clip(space.lower + y * width, space.lower, space.upper)[None, :])

    def value(y: Array) -> float:
        nonlocal last
        if space.late():
            raise _Late
        last = point(y)[0]
        space.evaluations += 1
        return -float(space.figures(last[None, :])[0][0]) / unit

    def gradient(y: Array) -> Array:
        return np.asarray(-space.gradient(point(y), free)[0] * width / unit, np.float64)

    try:
        with np.errstate(all="ignore"):
            result = minimize(
                value,
                (start - space.lower) / width,
                jac=gradient,
                method="SLSQP",
                bounds=[(0.0, 1.0 if w > 1e-300 else 0.0) for w in width],
                constraints=[*_rows(space, width), *_targets(space, width, point)],
                options={"maxiter": _ROUNDS, "ftol": 1e-12},
            )
    except _Late:
        return last, False, True
    ended = point(np.asarray(result.x, dtype=np.float64))[0]
    return (ended if np.all(np.isfinite(ended)) else last), bool(result.success), False


def _rows(space: Space, width: Array) -> list[dict[str, Any]]:
    """The rows in scipy's words, each in units of its own largest coefficient."""
    rows = space.program.rows
    scaled = rows.matrix * width
    size = np.maximum(np.abs(scaled).max(axis=1, initial=0.0), 1e-300)
    shift = rows.matrix @ space.lower
    scaled, low, high = (
        scaled / size[:, None],
        (rows.lower - shift) / size,
        (rows.upper - shift) / size,
    )
    same = low == high
    out: list[dict[str, Any]] = []
    for kind, used, limit, sign in (
        ("eq", same, low, 1.0),
        ("ineq", ~same & np.isfinite(low), low, 1.0),
        ("ineq", ~same & np.isfinite(high), high, -1.0),
    ):
        if np.any(used):
            part, bound = sign * scaled[used], sign * limit[used]
            out.append(
                {
                    "type": kind,
                    "fun": lambda y, part=part, bound=bound: part @ y - bound,
                    "jac": lambda _, part=part: part,
                }
            )
    return out


def _targets(space: Space, width: Array, point: Any) -> list[dict[str, Any]]:
    """The targets in scipy's words: what a gradient gains by their multipliers is their own."""
    count = len(space.constant)
    if not count:
        return []
    size = np.maximum(np.abs(space.figures(space.upper[None, :])[1][0]), 1e-300)

    def jac(y: Array) -> Array:
        slopes = space.gradient(
            np.repeat(point(y), count + 1, axis=0), np.eye(count + 1, count, -1)
        )
        return np.asarray((slopes[1:] - slopes[0]) * width / size[:, None])

    return [{"type": "ineq", "fun": lambda y: space.figures(point(y))[1][0] / size, "jac": jac}]
