"""A locally best plan of a program by a measure over draws: Newton on a smoothed measure.

The slack of rows and bounds carries a barrier whose weight falls with the smoothing; rows without
slack are kept exactly. Choices (off, on, lots) stay as the start has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.model import Risk
from shared.problem.program import Program
from shared.problem.repair import repair
from shared.problem.risk import most_weight
from shared.problem.risk_program import outcomes
from shared.solve.heuristics.polyhedron import centre

__all__ = ["climb"]

Array = NDArray[np.float64]
_READ_S, _DRAW_S = 2e-4, 2e-8
TAILS = ("cvar", "worst_case", "quantile")
_TINY = 1e-9  # of the largest adstocked spend: where a slope that is infinite at 0 is taken
_STEPS = 12
_STEP_S = 8e-4
_LARGEST = 1_500  # decisions: a dense system of their number is solved in every step


# A measure over draws made smooth: its value, the weights of the draws, and how they bend.
#
# The tail mean has kinks where draws change places. With a barrier of weight m on ``u_s >= max(0,
# eta - F_s)`` and u_s eliminated in closed form it becomes smooth in the outcomes,
#
#     max over eta of eta - sum phi(eta - F_s),    phi'(v) = m / (u - v) in (0, c),
#
# and tends to the tail mean (Rockafellar and Uryasev 2000) as m falls; ``phi'`` are the weights
# of the draws.


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """Value, weights (S,), and minus the second derivative along columns of a Jacobian."""

    value: float
    weights: Array
    bend: Array  # (S,) diagonal part
    ones: Array  # (k, S) rank-one parts that are taken off the diagonal part

    def curvature(self, jacobian: Array) -> Array:
        """(n, n) second derivative of the measure through outcomes that move by (S, n)."""
        out = -(jacobian.T * self.bend) @ jacobian
        for row in self.ones:
            side = jacobian.T @ row
            out += np.outer(side, side)
        return np.asarray(out)


def _smooth(risk: Risk, outcomes: Array, mu: float) -> Smooth:
    count = outcomes.size
    work.charge(_READ_S + 10.0 * _DRAW_S * count)
    if risk.measure in ("expected", "mean_minus_sd"):
        aversion = risk.aversion if risk.measure == "mean_minus_sd" else 0.0
        mean = float(outcomes.mean())
        away = outcomes - mean
        # Smoothed where all draws agree, so that there is a slope.
        spread = math.sqrt(float((away**2).mean()) + (1e-9 * mean) ** 2 + 1e-300)
        weights = (1.0 - aversion * away / spread) / count
        bend = np.full(count, aversion / (count * spread))
        rank = math.sqrt(aversion / spread) / count
        ones = np.stack([np.full(count, rank), rank * away / spread])
        return Smooth(mean - aversion * spread, weights, bend, ones)
    most = most_weight(risk, count)
    eta = _eta(outcomes, most, mu)
    over = eta - outcomes
    root = np.sqrt((most * over) ** 2 + 4.0 * mu**2)
    # u - v and u: the smaller of both without cancellation.
    small = (4.0 * mu**2 / (root + most * np.abs(over)) + 2.0 * mu) / (2.0 * most)
    gap = np.where(over > 0.0, small, small - over)
    slack = np.where(over > 0.0, small + over, small)
    weights = mu / gap
    bend = mu * (1.0 - most * over / root) / (2.0 * gap**2)
    bend = np.maximum(bend, 0.0)
    value = eta - float((most * slack - mu * np.log(gap) - mu * np.log(slack)).sum())
    total = max(float(bend.sum()), 1e-300)
    return Smooth(value, weights, bend, (bend / math.sqrt(total))[None, :])


def _eta(outcomes: Array, most: float, mu: float) -> float:
    """The level at which the weights sum to one; they rise with it."""
    reach = 4.0 * mu * outcomes.size + 1e-300
    low, high = float(outcomes.min()) - reach, float(outcomes.max()) + reach
    if most * outcomes.size <= 1.0 + 1e-12:
        return high
    eta = float(np.quantile(outcomes, min(1.0 / (most * outcomes.size), 1.0)))
    for _ in range(100):
        over = eta - outcomes
        root = np.sqrt((most * over) ** 2 + 4.0 * mu**2)
        small = (4.0 * mu**2 / (root + most * np.abs(over)) + 2.0 * mu) / (2.0 * most)
        gap = np.where(over > 0.0, small, small - over)
        total = float((mu / gap).sum())
        if total > 1.0:
            high = eta
        else:
            low = eta
        if high - low <= 1e-15 * max(abs(high), abs(low)) or abs(total - 1.0) <= 1e-14:
            break
        # Newton on the logarithm, which bends less; halving where that leaves the bracket.
        rise = float((mu * np.maximum(1.0 - most * over / root, 0.0) / (2.0 * gap**2)).sum())
        step = math.log(total) * total / rise if rise > 0.0 else math.inf
        before, eta = eta, eta - step
        if not low < eta < high:
            eta = 0.5 * (low + high)
        if abs(eta - before) <= 4e-16 * abs(before):
            break
    return eta


# A program's outcome by draw with its derivatives, as the ascent on a measure needs them.


class DrawnProgram:
    """Outcomes (S,) of decisions ``u`` flat, (A K,), their slopes, and how they bend."""

    def __init__(self, program: Program) -> None:
        if program.draws is None:
            raise ValueError("A risk measure needs draws.")
        self.program, self.draws = program, program.draws
        self.shape = program.lower.shape
        reach = program.adstocked(np.maximum(program.upper, 0.0))
        self.least = _TINY * max(float(reach.max(initial=0.0)), 1e-300)

    def outcomes(self, u: Array) -> Array:
        """(S,) with interactions."""
        return outcomes(self.program, u.reshape(self.shape))

    def slopes(self, u: Array) -> Array:
        """(S, A K) derivative of each draw's outcome, interactions included."""
        program = self.program
        z = np.maximum(program.adstocked(u.reshape(self.shape)), self.least)
        count = self.draws.draws
        out = np.zeros((count, *self.shape))
        for h, row in enumerate(z.T):
            weight = program.weight[:, h]
            if np.any(weight != 0.0):
                slope = np.where(weight != 0.0, self.draws.slope(row) * weight, 0.0)
                out += slope[:, :, None] * program.carry[None, :, h, :]
        if program.pairs:
            out += np.einsum("ah,ahk->ak", program.between_slopes(z), program.carry)
        return out.reshape(count, -1)

    def bend(self, u: Array, weights: Array) -> Array:
        """(A K, A K) second derivative of the weighted outcome, arm by arm; by differences."""
        program = self.program
        arms, columns = self.shape
        z = np.maximum(program.adstocked(u.reshape(self.shape)), self.least)
        step = 1e-4 * z
        out = np.zeros((arms, columns, arms, columns))
        own = np.arange(arms)
        for h, (row, by) in enumerate(zip(z.T, step.T, strict=True)):
            weight = program.weight[:, h]
            if np.any(weight != 0.0):
                rise = weights @ (self.draws.slope(row + by) - self.draws.slope(row - by))
                size = np.where(weight != 0.0, weight * rise / (2.0 * by), 0.0)
                carry = program.carry[:, h, :]
                out[own, :, own, :] += size[:, None, None] * carry[:, :, None] * carry[:, None, :]
        return out.reshape(arms * columns, arms * columns)


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
    goal: Program | None = None,
    share: float = 1.0,
    deadline: float = math.inf,
) -> ProgramAscent | None:
    """From an allowed plan (A, K) to a locally best one; None where nothing can move.

    Parameters
    ----------
    goal
        The program whose value of an outcome and costs count; its floors do not.
    share
        Of the measure in what is read of the outcome; the rest is its mean.
    """
    goal = goal or program
    low, high = _choices(program, start)
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
    costs = goal.costs().ravel()[free]
    found = _ascend(
        drawn, risk, goal.value, costs, base, free, start, inner, walls, share, deadline
    )
    plan = base.copy()
    plan[free] = np.clip(found[0], low[free], high[free])
    repaired = repair(program, _to_ends(plan, low, high).reshape(start.shape))
    return None if repaired is None else ProgramAscent(repaired, found[1])


def _choices(program: Program, start: Array) -> tuple[Array, Array]:
    """The box (A K,) that remains once every choice is made as ``start`` has it."""
    low, high = program.lower.copy(), program.upper.copy()
    tiny = 1e-9 * max(program.scale, 1e-300)
    off = (program.least_active > 0.0) & (start <= tiny)
    off |= (program.limited & (start <= tiny).all(axis=1))[:, None]
    low = np.where(off, low, np.maximum(low, program.least_active))
    high = np.where(off, low, high)
    lots = np.broadcast_to((program.lot > 0.0)[:, None], low.shape)
    low, high = np.where(lots, start, low), np.where(lots, start, high)
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
    value: float,
    costs: Array,
    base: Array,
    free: NDArray[np.intp],
    start: Array,
    inner: Array,
    walls: _Walls,
    share: float,
    deadline: float,
) -> tuple[Array, Array]:
    """Free decisions, and the weights of the draws there."""
    x = 0.9 * start.ravel()[free] + 0.1 * inner
    if np.any(walls.limit - walls.matrix @ x <= 0.0):
        x = inner.copy()
    whole = base.copy()

    def at(point: Array) -> Array:
        whole[free] = point
        return drawn.outcomes(whole)

    each = at(x)
    spent = float(costs @ x)
    size = max(abs(value * float(each.mean())) + spent, 1e-300) / max(value, 1e-300)
    mu = 1e-2 * size * (most_weight(risk, each.size) if risk.measure in TAILS else 1e-2)
    last = 1e-9 * size / (each.size + len(walls.limit))
    cost = costs / max(value, 1e-300)
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
                    reached = _read(risk, there, mu, share).value - float(cost @ trial)
                    reached += mu * float(np.log(rest).sum())
                    if reached >= merit + 1e-4 * scale * promised - 1e-13 * abs(merit):
                        moving = True
                        break
                scale *= 0.5
            if moving:
                x, each = trial, there
            late = work.now() >= deadline
            if not moving or promised <= 0.1 * mu or late:
                break
        if mu <= last or late:
            return x, _smooth(risk, each, mu).weights
        mu *= 0.2


def _read(risk: Risk, each: Array, mu: float, share: float) -> Smooth:
    """The smoothed measure, or its mix with the mean."""
    whole = _smooth(risk, each, mu)
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
