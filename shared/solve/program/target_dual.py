"""The multipliers of targets at which the bound of a part of the plans is lowest.

``d(theta)`` is convex, and every plan gives a line below it. One multiplier is bracketed: between a
plan that misses the floor and one that meets it, by turns where the two lines cross (Kelley, J.
SIAM 8, 1960), which is the minimum where the best plan jumps, and where the secant of the surplus
vanishes (Illinois: Dowell and Jarratt, BIT 11, 1971), which is quick where it moves smoothly. For
several, the lowest point of all lines together is a small linear programme.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared import highs
from shared.problem.proof import Proof, with_targets
from shared.solve.program.target_search import Line, Part, TargetSearch
from shared.solve.search import Solution

__all__ = ["Descended", "descend", "first_guess"]

Array = NDArray[np.float64]
_ROUNDS = 30
_STEPS = 60
_LARGEST = 1e12
_FLAT = 0.2  # of the gap asked for: lines that promise no more than this below the bound


@dataclass(frozen=True, slots=True, eq=False)
class Descended:
    """The lowest bound met, its multipliers, and the lines that say why it is no lower.

    ``theta`` are of the floors that may bind, ``thetas`` of all of them; ``proof`` is of the part.
    """

    bound: float
    theta: Array
    thetas: tuple[float, ...]
    proof: Proof
    lines: tuple[Line, ...]
    solved: Solution


@dataclass(slots=True)
class _Descent:
    search: TargetSearch
    part: Part
    lines: list[Line]
    lowest: Descended | None = None

    def at(self, theta: Array) -> Line:
        search = self.search
        line, solved, bound = search.solve(self.part, theta)
        self._mix(line)
        self.lines.append(line)
        if self.lowest is None or bound < self.lowest.bound:
            each = search.theta(theta)
            proof = with_targets(solved.proof, each)
            self.lowest = Descended(bound, theta, each, proof, (), solved)
        return line

    def done(self) -> bool:
        """Whether nothing is left to look for here, or no time to."""
        low = self.lowest
        return self.search.late() or (low is not None and low.bound <= self.search.cutoff())

    def flat(self, promised: float) -> bool:
        """Whether the lines leave no lower bound than the one that is known."""
        low = self.lowest
        enough = max(_FLAT * self.search.options.gap, 1e-10)
        return low is not None and low.bound - promised <= enough * abs(low.bound)

    def _mix(self, line: Line) -> None:
        best = self.search.best
        if best is not None and not line.meets and best.meets:
            self.search.mix(line, best)


def descend(search: TargetSearch, part: Part, theta: Array, known: tuple[Line, ...]) -> Descended:
    """Lower the bound of a part of the box, from ``theta`` and with ``known`` plans' lines."""
    own = [line for line in known if part.holds(line.u)]
    descent = _Descent(search, part, own)
    if not _alone(descent, theta):
        _several(descent, theta)
    assert descent.lowest is not None
    return replace(descent.lowest, lines=tuple(descent.lines))


def _alone(descent: _Descent, theta: Array) -> bool:
    """Whether one floor decides: the others hold at its multiplier, and need none."""
    for k in np.argsort(-theta, kind="stable").tolist():
        ends = _one(descent, k, float(theta[k]))
        others = [np.delete(end.surplus, k) for end in ends]
        if descent.done() or all(bool(np.all(other >= 0.0)) for other in others):
            return True
    return theta.size == 1


def _one(descent: _Descent, k: int, guess: float) -> tuple[Line, ...]:
    """Bracket the multiplier of floor ``k``, the others at 0; the plans at both ends."""
    low, high = _bracket(descent, k, guess)
    if low is None or high is None:
        return tuple(end[1] for end in (low, high) if end is not None)
    (a, short), (b, good) = low, high
    missed, held, side = float(short.surplus[k]), float(good.surplus[k]), 0
    for round_ in range(_ROUNDS):
        if descent.done() or b - a <= 1e-13 * b:
            break
        cross = _crossing(short, good, k)
        if cross is not None and descent.flat(short.at(_only(descent, k, cross))):
            break
        if cross is not None and round_ % 2 == 0:
            theta = min(max(cross, a), b)
        else:
            share = -missed / (held - missed) if held > missed else 0.5
            theta = a + min(max(share, 0.01), 0.99) * (b - a)
        line = descent.at(_only(descent, k, theta))
        surplus = float(line.surplus[k])
        if surplus < 0.0:
            a, short, missed, held = theta, line, surplus, 0.5 * held if side < 0 else held
            side = -1
        else:
            b, good, held, missed = theta, line, surplus, 0.5 * missed if side > 0 else missed
            side = 1
    return short, good


def _only(descent: _Descent, k: int, theta: float) -> Array:
    out = np.zeros(len(descent.search.counts))
    out[k] = theta
    return out


def _bracket(
    descent: _Descent, k: int, guess: float
) -> tuple[tuple[float, Line] | None, tuple[float, Line] | None]:
    """Multipliers of floor ``k`` at which the best plan misses it, and meets it."""
    low: tuple[float, Line] | None = None
    high: tuple[float, Line] | None = None
    theta, down, up = guess, 0.5, 2.0
    for _ in range(_STEPS):
        line = descent.at(_only(descent, k, theta))
        if line.surplus[k] >= 0.0:
            high = (theta, line)
        else:
            low = (theta, line)
        if descent.done() or (low is not None and high is not None) or theta > _LARGEST:
            break
        if high is None:
            theta = max(theta, 1e-300 + _first(descent.search)) * up
            up = min(up * up, 1e4)
        elif theta == 0.0:
            break
        else:
            theta, down = theta * down, down * down
            theta = 0.0 if theta < 1e-9 * guess else theta
    return low, high


def _first(search: TargetSearch) -> float:
    """What one outcome is worth roughly: where doubling starts."""
    program, aim = search.program, search.aim
    if aim.value > 0.0:
        return 0.5 * aim.value
    money = float(program.spend(program.upper).sum())
    return 0.5 * aim.cost * money / max(abs(program.outcome(program.upper)), 1e-300)


def first_guess(search: TargetSearch) -> Array:
    """Multipliers to start from: none, but where the outcome has no worth of its own."""
    first = 0.0 if search.aim.value > 0.0 else 2.0 * _first(search)
    return np.full(len(search.counts), first)


def _crossing(short: Line, good: Line, k: int) -> float | None:
    """Where two plans are worth the same, only floor ``k`` counting."""
    rise = float(good.surplus[k] - short.surplus[k])
    return (short.worth - good.worth) / rise if rise > 0.0 else None


def _several(descent: _Descent, guess: Array) -> None:
    """Kelley's method in a box that grows while the lowest point is on its wall."""
    size = np.maximum(2.0 * guess, 2.0 * _first(descent.search))
    theta = guess
    for _ in range(3 * _ROUNDS):
        descent.at(theta)
        if descent.done():
            return
        found = _lowest(descent.lines, size)
        if found is None:
            return
        theta, promised = found
        on_wall = theta >= size * (1.0 - 1e-9)
        if np.any(on_wall) and np.all(size < _LARGEST):
            size = np.where(on_wall, 4.0 * size, size)
            continue
        if descent.flat(promised):
            return


def _lowest(lines: list[Line], size: Array) -> tuple[Array, float] | None:
    """The point of the box 0 to ``size`` (m,) at which the largest line is lowest, and how low."""
    m, unit = size.size, max(max(abs(line.worth) for line in lines), 1e-300)
    slopes = np.array([line.surplus * size / unit for line in lines])
    scale = np.maximum(np.abs(slopes).max(axis=1), 1.0)[:, None]
    matrix = np.hstack((slopes, -np.ones((len(lines), 1)))) / scale
    right = -np.array([line.worth / unit for line in lines]) / scale[:, 0]
    bounds = [(0.0, 1.0)] * m + [(None, None)]
    out = highs.linprog([0.0] * m + [1.0], A_ub=matrix, b_ub=right, bounds=bounds)
    if out.x is None or not math.isfinite(float(out.x[-1])):
        return None
    theta = np.asarray(np.clip(out.x[:m], 0.0, 1.0) * size)
    return theta, max(line.at(theta) for line in lines)
