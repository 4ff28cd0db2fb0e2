"""A locally best plan of a program by a measure over draws: Newton on a smoothed measure.

The slack of rows and bounds carries a logarithmic barrier whose weight falls with the
measure's smoothing, and rows without slack are kept exactly. Choices (off, on, lots) stay as the
start has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.aim import Aim
from shared.problem.model import Risk
from shared.problem.program import Program
from shared.problem.repair import repair
from shared.problem.risk import most_weight
from shared.solve.heuristics.polyhedron import centre
from shared.solve.risk.program_outcomes import DrawnProgram
from shared.solve.risk.smooth import TAILS, Smooth, smooth

__all__ = ["ProgramAscent", "climb"]

Array = NDArray[np.float64]
_STEPS = 12
_STEP_S = 8e-4
_LARGEST = 1_500  # decisions: a dense system of their number is solved in every step


@dataclass(frozen=True, slots=True, eq=False)
class ProgramAscent:
    """Decisions (A, K) that are allowed, and the weights (S,) of the draws around them."""

    u: Array
    weights: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Walls:
    """``matrix @ x <= limit`` with slack, and ``same @ x == value``, for free decisions."""

    matrix: Array
    limit: Array
    same: Array
    value: Array


def climb(
    program: Program,
    risk: Risk,
    start: Array,
    *,
    aim: Aim | None = None,
    share: float = 1.0,
    held: bool = False,
    deadline: float = math.inf,
) -> ProgramAscent | None:
    """From an allowed plan (A, K) to a locally best one; None where nothing can move.

    Parameters
    ----------
    aim
        Its ``value`` of one outcome and ``cost`` of one unit of money count; floors do not.
    share
        Of the measure in what is read of the outcome; the rest is its mean.
    held
        Whether decisions at their lower bound stay there.
    """
    goal = aim or Aim(value=program.value, cost=program.cost)
    low, high = _choices(program, start, held)
    free = np.flatnonzero(high - low > 1e-12 * max(program.scale, 1e-300))
    if not 0 < free.size <= _LARGEST:
        return None
    rows = program.rows
    base = np.where(high - low > 1e-12 * max(program.scale, 1e-300), 0.0, low)
    shift = rows.matrix @ base
    inner = centre(
        low[free], high[free], rows.matrix[:, free], rows.lower - shift, rows.upper - shift
    )
    if inner is None:
        return None
    walls = _walls(program, free, low, high, inner, shift)
    if np.any(walls.limit - walls.matrix @ inner <= 0.0):
        return None
    drawn = DrawnProgram(program)
    money = program.spread.sum(axis=1).ravel()[free]
    found = _ascend(
        drawn, risk, goal, base, free, start, inner, walls, money, share, held, deadline
    )
    plan = base.copy()
    plan[free] = np.clip(found[0], low[free], high[free])
    repaired = repair(program, _to_ends(plan, low, high).reshape(start.shape))
    return None if repaired is None else ProgramAscent(repaired, found[1])


def _choices(program: Program, start: Array, held: bool) -> tuple[Array, Array]:
    """The box (A K,) that remains once every choice is made as ``start`` has it."""
    low, high = program.lower.copy(), program.upper.copy()
    tiny = 1e-9 * max(program.scale, 1e-300)
    off = (program.least_active > 0.0) & (start <= tiny)
    counted = np.zeros(program.arms, dtype=bool)
    for rule in program.at_most:
        counted[list(rule.arms)] = True
    off |= (counted & (start <= tiny).all(axis=1))[:, None]
    low = np.where(off, low, np.maximum(low, program.least_active))
    high = np.where(off, low, high)
    lots = np.broadcast_to((program.lot > 0.0)[:, None], low.shape)
    low, high = np.where(lots, start, low), np.where(lots, start, high)
    if held:
        high = np.where(start <= low + 1e-6 * (high - low), low, high)
    return low.ravel(), np.maximum(high, low).ravel()


def _walls(
    program: Program, free: NDArray[np.intp], low: Array, high: Array, inner: Array, shift: Array
) -> _Walls:
    rows, eye = program.rows, np.eye(free.size)
    lower, upper = rows.lower - shift, rows.upper - shift
    matrix = rows.matrix[:, free]
    at = matrix @ inner
    size = np.abs(matrix) @ (high - low)[free] + 1e-300
    moves = np.any(matrix != 0.0, axis=1)
    over, under = rows.upper - shift - at, at - rows.lower + shift
    tight = moves & (np.minimum(over, under) <= 1e-9 * size)
    up, down = moves & ~tight & np.isfinite(over), moves & ~tight & np.isfinite(under)
    value = np.where(over <= under, rows.upper, rows.lower) - shift
    return _Walls(
        np.concatenate((matrix[up], -matrix[down], eye, -eye)),
        np.concatenate((upper[up], -lower[down], high[free], -low[free])),
        matrix[tight],
        value[tight],
    )


def _ascend(
    drawn: DrawnProgram,
    risk: Risk,
    goal: Aim,
    base: Array,
    free: NDArray[np.intp],
    start: Array,
    inner: Array,
    walls: _Walls,
    money: Array,
    share: float,
    held: bool,
    deadline: float,
) -> tuple[Array, Array]:
    """Free decisions, and the weights of the draws there."""
    mix = 1e-3 if held else 0.1
    x = (1.0 - mix) * start.ravel()[free] + mix * inner
    if np.any(walls.limit - walls.matrix @ x <= 0.0):
        x = inner.copy()
    whole = base.copy()

    def at(point: Array) -> Array:
        whole[free] = point
        return drawn.outcomes(whole)

    each = at(x)
    spent = goal.cost * float(money @ x)
    size = max(abs(goal.value * float(each.mean())) + spent, 1e-300) / max(goal.value, 1e-300)
    mu = 1e-2 * size * (most_weight(risk, each.size) if risk.measure in TAILS else 1e-2)
    mu *= 1e-2 if held else 1.0
    last = 1e-9 * size / (each.size + len(walls.limit))
    cost = goal.cost / max(goal.value, 1e-300) * money
    while True:
        for _ in range(_STEPS):
            work.charge(_STEP_S)
            now = _read(risk, each, mu, share)
            whole[free] = x
            slope = drawn.slopes(whole)[:, free]
            room = walls.limit - walls.matrix @ x
            bend = drawn.bend(whole, now.weights)[np.ix_(free, free)]
            hessian = now.curvature(slope) + _concave(bend)
            hessian -= (walls.matrix.T * (mu / room**2)) @ walls.matrix
            gain = now.weights @ slope - cost - walls.matrix.T @ (mu / room)
            step = _newton(hessian, gain, walls, x)
            promised = float(gain @ step)
            moved = walls.matrix @ step
            with np.errstate(divide="ignore"):
                scale = min(
                    1.0, 0.99 * float(np.min(room[moved > 0] / moved[moved > 0], initial=np.inf))
                )
            merit = now.value - float(cost @ x) + mu * float(np.log(room).sum())
            moving = False
            for _ in range(30):
                trial = x + scale * step
                there = at(trial)
                rest = walls.limit - walls.matrix @ trial
                if np.all(rest > 0.0):
                    value = _read(risk, there, mu, share).value - float(cost @ trial)
                    value += mu * float(np.log(rest).sum())
                    if value >= merit + 1e-4 * scale * promised - 1e-13 * abs(merit):
                        moving = True
                        break
                scale *= 0.5
            if moving:
                x, each = trial, there
            late = work.now() >= deadline
            if not moving or promised <= 0.1 * mu or late:
                break
        if mu <= last or late:
            return x, smooth(risk, each, mu).weights
        mu *= 0.2


def _read(risk: Risk, each: Array, mu: float, share: float) -> Smooth:
    """The smoothed measure, or its mix with the mean."""
    whole = smooth(risk, each, mu)
    if share >= 1.0:
        return whole
    mean = float(each.mean())
    return Smooth(
        share * whole.value + (1.0 - share) * mean,
        share * whole.weights + (1.0 - share) / each.size,
        share * whole.bend,
        np.sqrt(share) * whole.ones,
    )


def _concave(bend: Array) -> Array:
    """The negative part of a block-diagonal second derivative, cheaply: rows where it is sound."""
    if np.all(np.diag(bend) <= 0.0):
        return bend
    # Where a curve is still convex its arm's own terms are left out; the barrier holds the step.
    keep = np.diag(bend) < 0.0
    return np.where(keep[:, None] & keep[None, :], bend, 0.0)


def _newton(hessian: Array, gain: Array, walls: _Walls, x: Array) -> Array:
    n, m = gain.size, len(walls.value)
    hessian = hessian - 1e-12 * np.diag(np.abs(np.diag(hessian)) + 1e-300)
    whole = np.zeros((n + m, n + m))
    whole[:n, :n], whole[:n, n:], whole[n:, :n] = hessian, -walls.same.T, -walls.same
    right = np.append(-gain, walls.same @ x - walls.value)
    # Columns are scaled: adstocked spend and shares differ by orders of magnitude.
    scale = np.append(1.0 / np.sqrt(np.abs(np.diag(hessian)) + 1e-300), np.ones(m))
    scale[n:] = 1.0 / (np.abs(walls.same) @ scale[:n] + 1e-300)
    scaled = whole * scale[:, None] * scale[None, :]
    try:
        answer = np.linalg.solve(scaled, right * scale)
    except np.linalg.LinAlgError:
        answer = np.linalg.lstsq(scaled, right * scale, rcond=None)[0]
    if not np.all(np.isfinite(answer)):
        answer = np.linalg.lstsq(scaled, right * scale, rcond=None)[0]
    return np.asarray((answer * scale)[:n])


def _to_ends(plan: Array, low: Array, high: Array) -> Array:
    """A plan that keeps a barrier's distance from its bounds, put on them."""
    hair = 1e-9 * np.maximum(high - low, 1e-300)
    return np.where(plan - low <= hair, low, np.where(high - plan <= hair, high, plan))
