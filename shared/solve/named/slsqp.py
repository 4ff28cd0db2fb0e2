"""Sequential quadratic programming (scipy's SLSQP) from many seeded starts.

The field's usual method. What it says of itself is translated in one table and counted, never
believed: every end is put back inside the constraints and scored again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.solve.named.gradient import starting_points
from shared.solve.named.space import Searched, Space

__all__ = ["STATUSES", "quadratic_programming"]

Array = NDArray[np.float64]

STATUSES = {
    -1: "stopped for a gradient",
    0: "converged",
    1: "stopped for a value",
    2: "found more equalities than unknowns",
    3: "gave up on a subproblem",
    4: "found the constraints incompatible",
    5: "met a singular subproblem",
    6: "met a singular constraint matrix",
    7: "met dependent equalities",
    8: "found no way up",
    9: "reached the iteration limit",
}
"""What SLSQP's exit modes mean; counted in the reason, and in no way trusted."""

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
    seen: Counter[str] = Counter()
    finished = True
    for start in starts:
        ended, status, in_time = _run(space, start)
        finished &= in_time
        repaired = space.project(ended[None, :])
        found = float(space.value(repaired)[0])
        seen[status] += 1
        if found > value:
            point, value = repaired[0], found
        if not finished:
            break
    told = ", ".join(f"{count} {status}" for status, count in sorted(seen.items()))
    return Searched(
        point=point,
        value=value,
        evaluations=space.evaluations,
        note=(
            f"SLSQP from {seen.total()} starts ({told}); every end was repaired and rescored, "
            "the best one is answered."
        ),
        finished=finished,
    )


def _run(space: Space, start: Array) -> tuple[Array, str, bool]:
    """One run in units of the range and of the start's slopes: its last point, its status."""
    # Here, for a process that solves otherwise never needs scipy.
    from scipy import optimize

    minimize: Any = optimize.minimize
    width = np.maximum(space.range, 1e-300)
    slopes = np.abs(space.gradient(start[None, :])[0] * width)
    unit = float(np.median(slopes[slopes > 0.0])) if np.any(slopes > 0.0) else 1.0
    last = start

    def point(y: Array) -> Array:
        return np.asarray(np.clip(space.lower + y * width, space.lower, space.upper), np.float64)

    def value(y: Array) -> float:
        nonlocal last
        if space.late():
            raise _Late
        last = point(y)
        return -float(space.unchecked(last[None, :])[0]) / unit

    def gradient(y: Array) -> Array:
        return np.asarray(-space.gradient(point(y)[None, :])[0] * width / unit, np.float64)

    try:
        with np.errstate(all="ignore"):
            result = minimize(
                value,
                (start - space.lower) / width,
                jac=gradient,
                method="SLSQP",
                bounds=[(0.0, 1.0 if w > 1e-300 else 0.0) for w in width],
                constraints=_constraints(space, width),
                options={"maxiter": _ROUNDS, "ftol": 1e-12},
            )
    except _Late:
        return last, "stopped by the clock", False
    ended = point(np.asarray(result.x, dtype=np.float64))
    if not np.all(np.isfinite(ended)):
        return last, "lost its way", True
    return ended, STATUSES.get(int(result.status), "ended in an unknown state"), True


def _constraints(space: Space, width: Array) -> list[dict[str, Any]]:
    """The rows in scipy's words, each in units of its own largest coefficient."""
    matrix, low, high = space.linear()
    scaled = matrix * width
    size = np.maximum(np.abs(scaled).max(axis=1, initial=0.0), 1e-300)
    shift = matrix @ space.lower
    scaled, low, high = scaled / size[:, None], (low - shift) / size, (high - shift) / size
    same = low == high
    out: list[dict[str, Any]] = []
    for kind, rows, limit, sign in (
        ("eq", same, low, 1.0),
        ("ineq", ~same & np.isfinite(low), low, 1.0),
        ("ineq", ~same & np.isfinite(high), high, -1.0),
    ):
        if np.any(rows):
            part, bound = sign * scaled[rows], sign * limit[rows]
            out.append(
                {
                    "type": kind,
                    "fun": lambda y, part=part, bound=bound: part @ y - bound,
                    "jac": lambda _, part=part: part,
                }
            )
    return out
