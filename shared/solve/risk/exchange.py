"""A plan made better by moving money between pairs of decisions: for measures with many corners.

A pattern search (Hooke and Jeeves 1961) whose directions take one unit of money from one decision
and give it to another, or spend it, or save it. Slopes are not asked for, so a quantile, whose
slope jumps where draws change places, is no harder than a mean.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.incumbent import allowed
from shared.problem.program import Program

__all__ = ["exchange"]

Array = NDArray[np.float64]
_STEPS = (*np.geomspace(0.5, 1e-3, 16).tolist(), 1e-4, 1e-5, 1e-6)  # of the money at stake
_PASSES = 6
_PAIRS = 400  # directions a round, drawn anew where there are more


def exchange(
    program: Program,
    u: Array,
    value: Callable[[Array], float],
    *,
    deadline: float,
    seed: int = 0,
) -> Array:
    """The plan (A, K) that no exchange tried improves; lots move by whole lots."""
    rng = np.random.default_rng(seed)
    money = program.spread.sum(axis=1)
    cells = [
        (a, k) for a, k in np.argwhere((program.upper > program.lower) & (money > 0.0)).tolist()
    ]
    reach = value(u)
    for _ in range(_PASSES):
        # Small steps may open the way to large ones, so all of them are gone through again.
        before = reach
        for step in _STEPS:
            size = step * max(program.scale, 1e-300)
            for _ in range(20):
                if work.now() >= deadline:
                    return u
                better = False
                for one, other in _pairs(rng, cells):
                    trial, much = u.copy(), size
                    # What one has not, or the other cannot take, is not moved.
                    if one is not None and program.lot[one[0]] == 0.0:
                        much = min(much, float(u[one] - program.lower[one]) * money[one])
                    if other is not None and program.lot[other[0]] == 0.0:
                        much = min(much, float(program.upper[other] - u[other]) * money[other])
                    for cell, sign in ((one, -1.0), (other, 1.0)):
                        if cell is not None:
                            _move(program, trial, cell, sign * much / money[cell])
                    if np.array_equal(trial, u) or not allowed(program, trial, 1e-12):
                        continue
                    there = value(trial)
                    if there > reach * (1.0 + 1e-15 * np.sign(reach)):
                        u, reach, better = trial, there, True
                if not better:
                    break
        if reach - before <= 1e-6 * abs(reach):
            break
    return u


def _pairs(
    rng: np.random.Generator, cells: list[tuple[int, int]]
) -> list[tuple[tuple[int, int] | None, tuple[int, int] | None]]:
    """Ordered pairs of decisions; None is money that is not spent."""
    ends = [None, *cells]
    count = len(ends)
    if count * (count - 1) <= _PAIRS:
        return [(a, b) for a in ends for b in ends if a != b]
    drawn = rng.integers(0, count, (_PAIRS, 2)).tolist()
    return [(ends[i], ends[j]) for i, j in drawn if i != j]


def _move(program: Program, u: Array, cell: tuple[int, int], by: float) -> None:
    """Move one decision, stopping at its bounds; by lots where it comes in lots."""
    lot = float(program.lot[cell[0]])
    if lot > 0.0:
        by = float(np.sign(by)) * max(round(abs(by) / lot), 1) * lot
    now = float(u[cell])
    to = min(max(now + by, float(program.lower[cell])), float(program.upper[cell]))
    least = float(program.least_active[cell])
    if 0.0 < to < least:
        to = 0.0 if by < 0.0 else least
    u[cell] = to
