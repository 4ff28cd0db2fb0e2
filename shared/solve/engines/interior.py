"""The concave relaxation of a program, by a primal-dual interior point.

Every weighted response is replaced by its concave envelope on the box, the pieces of which are
variables. With ``L`` the Lagrangian of

    maximise  value * sum E(z) - cost * spend(u),   carry u + carry_in = z,   R u = v,

the steps are Newton's on the perturbed optimality conditions, with Mehrotra's predictor and
corrector (SIAM J. Optimization 2, 1992) and a backtracking that keeps the residuals falling (Boyd
and Vandenberghe, Convex Optimization, 11.7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program
from shared.solve.engines.envelopes import Enveloper, ProgramBox
from shared.solve.engines.relaxation import (
    INFEASIBLE,
    OPTIMAL,
    RelaxedProgram,
    Scaled,
    answer,
    impossible,
    impossible_row,
    least_possible,
    relax_by_lines,
    scale_program,
)

__all__ = ["relax_program"]

Array = NDArray[np.float64]
_STEP_S, _CELL_S, _ENTRY_S = 5e-4, 7e-7, 3e-10  # work of a step, by decision, by entry of blocks
_SMALL = 24  # columns up to which stacked routines beat LAPACK arm by arm
_TO_BOUNDARY = 0.995  # of the way to the nearest end, at most
_ITERATIONS = 100
_BEGIN_S = 5e-4  # work of envelopes, units and a start
_CORRECTORS = 2  # per step (Gondzio, Computational Optimization and Applications 6, 1996)
_TARGET = 2e-10  # of what a target asks for: what an answer may miss or exceed it by
_WILD = 1e4  # scaled prices beyond this come from a region without an interior


# The linear algebra of one interior point step, by arms.
#
# Eliminating the pieces of adstocked spend leaves, per arm, a positive definite K x K block
#
#     M_a = diag(theta_a) + carry_a^T diag(d_a) carry_a + own_a^T diag(1 / slack) own_a,
#
# where ``own_a`` are the inequalities that no other arm has a part in (limits on changes from
# period to period). The arms only meet in the other rows, whose multipliers solve the Schur
# complement
#
#     (sum over a of R_a M_a^-1 R_a^T + diag(slack)) dmu = right side,
#
# one small dense matrix whatever the number of arms. Where an arm has one column the blocks are
# numbers.


class Blocks:
    """Factored blocks and Schur complement of one iteration: ``carry`` (A, H, K) and ``rows`` (m, A
    K), an array or a sparse one, are scaled; ``equal`` (m,) says which rows are equations."""

    def __init__(self, carry: Array, rows: Any, equal: NDArray[np.bool_]) -> None:
        self.arms, self.periods, self.columns = carry.shape
        self.cost = (
            _STEP_S + _CELL_S * self.arms * self.columns + _ENTRY_S * carry.size * self.columns
        )
        line, arm, column, entry = _entries(rows, self.columns)
        parts = np.zeros((self.arms, len(equal)), dtype=bool)
        parts[arm, line] = True
        alone = (parts.sum(axis=0) == 1) & ~equal
        self.shared = np.flatnonzero(~alone)
        self.m = len(self.shared)
        number = np.zeros(len(equal), dtype=np.intp)
        number[self.shared] = np.arange(self.m)
        meet = ~alone[line]
        across = np.zeros((self.arms, self.columns, self.m))
        across[arm[meet], column[meet], number[line[meet]]] = entry[meet]
        # Each arm's own inequalities are laid below its carryover.
        self.own = np.flatnonzero(alone)
        self.owner = np.argmax(parts[:, self.own], axis=0)
        counts = np.bincount(self.owner, minlength=self.arms) if self.own.size else np.zeros(1)
        self.place = np.zeros(len(self.own), dtype=np.intp)
        for a in np.unique(self.owner).tolist():
            mine = self.owner == a
            self.place[mine] = self.periods + np.arange(int(mine.sum()))
        number[self.own] = np.arange(self.own.size)
        self.links = np.zeros((self.arms, self.periods + int(counts.max()), self.columns))
        self.links[:, : self.periods] = carry
        lone = alone[line]
        self.links[arm[lone], self.place[number[line[lone]]], column[lone]] = entry[lone]
        self.across = across
        self.links_across = self.links.transpose(0, 2, 1)
        self.scalar = self.columns == 1
        self.small = 1 < self.columns <= _SMALL
        self.flat = np.ascontiguousarray(across.reshape(self.arms * self.columns, self.m).T)
        self.square = self.links[:, :, 0] ** 2 if self.scalar else np.zeros(0)
        # Rows of periods or of a few arms leave most of an arm's part of the matrix empty.
        self.touched = [np.flatnonzero(np.any(part != 0.0, axis=0)) for part in across]
        self.parts: list[Any] = [
            np.asfortranarray(part[:, mine])
            for part, mine in zip(across, self.touched, strict=True)
        ]
        self.diagonal: Array = np.zeros(0)
        self.inverse: Array = np.zeros(0)
        self.factors: list[Any] = []
        self.schur: Any = None
        self.slack: Array = np.zeros(0)
        self.own_weight: Array = np.zeros(0)

    def factor(self, theta: Array, d: Array, slack: Array) -> None:
        """Blocks from ``theta`` (A, K) and ``d`` (A, H); ``slack`` (m,) of the rows."""
        weights = np.zeros(self.links.shape[:2])
        weights[:, : self.periods] = d
        self.own_weight = 1.0 / slack[self.own]
        weights[self.owner, self.place] = self.own_weight
        self.slack = slack
        schur = np.diag(slack[self.shared])
        if self.scalar:
            self.diagonal = theta[:, 0] + (self.square * weights).sum(axis=1)
            schur += (self.flat / self.diagonal) @ self.flat.T
        elif not (self.small and self._stacked(theta, weights, schur)):
            self._by_arm(theta, weights, schur)
        if self.m:
            self.schur = _cholesky(np.asfortranarray(schur))

    def solve(self, right: Array, row_right: Array) -> tuple[Array, Array]:
        """``du`` (A, K) and ``dmu`` (m,) with ``M du + R^T dmu = right`` and
        ``R du - slack dmu = row_right``."""
        from scipy.linalg.lapack import dpotrs

        dmu = np.zeros(len(row_right))
        if self.own.size:
            lift = np.zeros(self.links.shape[:2])
            lift[self.owner, self.place] = row_right[self.own] * self.own_weight
            right = right + np.matmul(lift[:, None, :], self.links)[:, 0, :]
        du = self._block(right)
        if self.m:
            pull = self.flat @ du.ravel() - row_right[self.shared]
            dmu[self.shared] = dpotrs(self.schur, pull, lower=1)[0]
            du = self._block(right - (dmu[self.shared] @ self.flat).reshape(right.shape))
        if self.own.size:
            moved = np.matmul(self.links, du[:, :, None])[self.owner, self.place, 0]
            dmu[self.own] = (moved - row_right[self.own]) * self.own_weight
        return du, dmu

    def _stacked(self, theta: Array, weights: Array, schur: Array) -> bool:
        """Numpy's stacked routines; False where rounding has eaten some block's diagonal."""
        block = np.matmul(self.links_across * weights[:, None, :], self.links)
        at = np.arange(self.columns)
        block[:, at, at] += theta
        try:
            self.inverse = np.linalg.inv(np.linalg.cholesky(block))
        except np.linalg.LinAlgError:
            return False
        halves = np.matmul(self.inverse, self.across)
        schur += np.tensordot(halves, halves, axes=((0, 1), (0, 1)))
        self.factors = []
        return True

    def _by_arm(self, theta: Array, weights: Array, schur: Array) -> None:
        from scipy.linalg.blas import dsyrk
        from scipy.linalg.lapack import dtrtrs

        root = np.sqrt(weights)
        self.factors = []
        for a in range(self.arms):
            half = root[a][:, None] * self.links[a]
            block = dsyrk(1.0, half.T, lower=1)
            block[np.diag_indices(self.columns)] += theta[a]
            lower = _cholesky(block)
            self.factors.append(lower)
            mine = self.touched[a]
            if not mine.size:
                continue
            part = dtrtrs(lower, self.parts[a], lower=1)[0]
            if mine.size == self.m:
                schur += part.T @ part
            else:
                schur[np.ix_(mine, mine)] += part.T @ part

    def _block(self, right: Array) -> Array:
        if self.scalar:
            return np.asarray(right / self.diagonal[:, None])
        if not self.factors:
            half = np.matmul(self.inverse, right[:, :, None])
            return np.asarray(np.matmul(half.transpose(0, 2, 1), self.inverse)[:, 0, :])
        from scipy.linalg.lapack import dpotrs

        out = np.empty_like(right)
        for a, lower in enumerate(self.factors):
            out[a] = dpotrs(lower, right[a], lower=1)[0]
        return out


def _entries(rows: Any, columns: int) -> tuple[Any, Any, Any, Array]:
    """Row, arm, column and size of every entry that is not zero."""
    if isinstance(rows, np.ndarray):
        line, at = np.nonzero(rows)
        entry = rows[line, at]
    else:
        stored = rows.tocoo()
        line, at = stored.coords
        entry = stored.data
    return line, at // columns, at % columns, np.asarray(entry, dtype=np.float64)


def _cholesky(matrix: Any) -> Any:
    """Lower factor; a diagonal that rounding has eaten is lifted (rows that say the same twice)."""
    from scipy.linalg.lapack import dpotrf

    diagonal = np.diag(matrix).copy()
    lift = 0.0
    for _ in range(12):
        factor, info = dpotrf(matrix, lower=1)
        if info == 0 and np.all(np.isfinite(np.diag(factor))):
            return factor
        lift = max(1e-13, 10.0 * lift)
        matrix = matrix.copy(order="F")
        matrix[np.diag_indices(len(diagonal))] = diagonal * (1.0 + lift) + 1e-300
    raise np.linalg.LinAlgError("a block of the interior point is not positive definite")


# The iterate of the interior point, and Newton's step from it.


class State:
    """The iterate: ``x`` = (u, pieces, row values) flat, with multipliers of both ends."""

    def __init__(self, scaled: Scaled) -> None:
        self.scaled = scaled
        a, k = scaled.u_shape
        g = scaled.length.shape
        self.nu_shape = g[1:]
        self.n_u, self.n_s, self.m = a * k, int(np.prod(g)), len(scaled.row_lower)
        self.low = np.concatenate(
            (np.zeros(self.n_u + self.n_s), np.where(scaled.equal, 0.0, scaled.row_lower))
        )
        self.high = np.concatenate(
            (
                np.ones(self.n_u),
                scaled.length.ravel(),
                np.where(scaled.equal, 0.0, scaled.row_upper),
            )
        )
        moves = np.concatenate((scaled.free.ravel(), scaled.length.ravel() > 0.0, ~scaled.equal))
        self.moves = moves
        self.has_low = moves & np.isfinite(self.low)
        self.has_high = moves & np.isfinite(self.high)
        self.count = int(self.has_low.sum() + self.has_high.sum())
        self.x = np.zeros(len(moves))
        self.to_low = np.ones(len(moves))
        self.to_high = np.ones(len(moves))
        self.below = np.zeros(len(moves))
        self.above = np.zeros(len(moves))
        self.nu = np.zeros(self.nu_shape)
        self.mu = np.zeros(self.m)
        targets = len(scaled.short)
        self.count += targets
        self.theta, self.room = np.ones(targets), np.ones(targets)
        self.low_on = self.has_low.astype(float)
        self.high_on = self.has_high.astype(float)
        self.on = (scaled.length > 0.0).astype(float)
        self.linked = scaled.linked.astype(float)
        self.free = scaled.free.astype(float)
        self.straight = np.where(scaled.equal, 0.0, 1.0)
        self.middle = np.where(scaled.equal, scaled.row_lower, 0.0)

    def begin(self) -> None:
        """A strictly interior point; the links and rows need not hold yet."""
        scaled = self.scaled
        u = np.where(scaled.free, np.clip(scaled.first_guess(), 0.0, 1.0), 0.0)
        z = scaled.argument(u)
        pieces = scaled.fill(z)
        rows = scaled.row_values(u)
        both = np.isfinite(scaled.row_lower) & np.isfinite(scaled.row_upper)
        with np.errstate(invalid="ignore"):
            width = np.where(both, scaled.row_upper - scaled.row_lower, 1.0)
        inside = 0.1 * width
        v = np.clip(rows, scaled.row_lower + inside, scaled.row_upper - inside)
        v = np.where(scaled.equal, 0.0, v)
        self.x = np.concatenate((u.ravel(), pieces.ravel(), v))
        level = 1.0 / max(1, self.count)
        if self.room.size:
            rise = scaled.evaluate(pieces)[0]
            self.room = np.maximum(scaled.surplus(u, rise), 0.1)
            self.theta = np.maximum(level / self.room, 1.0 - scaled.gain)
        slope = scaled.evaluate(pieces)[1]
        share = np.where(scaled.length > 0.0, 1.0, 0.0)
        usual = (np.minimum(slope, 1e6) * share).sum(axis=0) / np.maximum(share.sum(axis=0), 1.0)
        self.nu, self.mu = usual, np.zeros(self.m)
        self.measure()
        below_gap, above_gap = self.to_low, self.to_high
        self.below = np.where(self.has_low, level / below_gap, 0.0)
        self.above = np.where(self.has_high, level / above_gap, 0.0)
        self.look()

    def measure(self) -> None:
        """Distances to both ends, 1 where there is none; from here on iterates of their own."""
        with np.errstate(invalid="ignore"):
            self.to_low = np.where(self.has_low, self.x - self.low, 1.0)
            self.to_high = np.where(self.has_high, self.high - self.x, 1.0)

    def parts(self, flat: Array) -> tuple[Array, Array, Array]:
        """u (A, K), pieces (G, A, H) and row values (m,) of a flat vector."""
        u = flat[: self.n_u].reshape(self.scaled.u_shape)
        s = flat[self.n_u : self.n_u + self.n_s].reshape(self.scaled.length.shape)
        return u, s, flat[self.n_u + self.n_s :]

    def look(self) -> None:
        """Evaluate the curves, residuals and complementarity: ``dual`` is the gradient of the
        Lagrangian in ``x``, ``link`` (A, H) and ``row`` (m,) are what is missing for the equations
        to hold."""
        scaled = self.scaled
        u, pieces, v = self.parts(self.x)
        self.rise, self.slope, self.bend = scaled.evaluate(pieces)
        du = scaled.pull(self.nu) - scaled.cost - scaled.row_pull(self.mu)
        self.lift = scaled.lift(self.theta)
        if self.theta.size:
            du -= np.tensordot(self.theta, scaled.per_money, axes=1)
        ds = self.lift * self.slope - self.nu
        dual = np.concatenate((du.ravel(), ds.ravel(), self.mu)) + self.below - self.above
        self.dual = np.where(self.moves, dual, 0.0)
        self.link = (pieces.sum(axis=0) - scaled.argument(u)) * self.linked
        self.row = self.middle + self.straight * v - scaled.row_values(u)
        total = float(self.below @ self.to_low + self.above @ self.to_high)
        total += float(self.theta @ self.room)
        self.target = scaled.surplus(u, self.rise) - self.room if self.room.size else self.room
        self.centre = total / max(1, self.count)
        self.missed = max(_largest(self.link), _largest(self.row), _largest(self.target))
        # What a target asks for may be small beside what the box can bring.
        asked = np.abs(scaled.rises(self.rise) + scaled.brings - self.room)
        self.short = _largest(self.target / np.maximum(asked, 1e-6)) if self.room.size else 0.0
        # A slope that is off by much where next to nothing is left to move does no harm.
        near = np.minimum(self.to_low, self.to_high)
        self.merit = float(np.abs(self.dual) @ near) + total + self.missed


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """A direction for all variables and multipliers."""

    x: Array
    below: Array
    above: Array
    nu: Array
    mu: Array
    theta: Array
    room: Array


class Step:
    """Newton's equations at one iterate, for any complementarity targets."""

    def __init__(self, state: State, blocks: Blocks) -> None:
        scaled = state.scaled
        self.state, self.blocks = state, blocks
        self.dual, self.link, self.row = state.dual, state.link, state.row
        self.to_low, self.to_high = state.to_low, state.to_high
        theta_u, theta_s, theta_v = state.parts(
            state.below / state.to_low + state.above / state.to_high
        )
        stiff = theta_s + state.lift * state.bend
        self.yields = state.on / np.where(scaled.length > 0.0, stiff, 1.0)
        total = self.yields.sum(axis=0)
        self.d = state.linked / np.maximum(total, 1e-300)
        self.slack = state.straight / np.where(scaled.equal, 1.0, theta_v)
        blocks.factor(np.where(scaled.free, theta_u, 1.0), self.d, self.slack)
        self.theta, self.room, self.target = state.theta, state.room, state.target
        # What a multiplier of a target moves, and what moves the target's surplus.
        none, rows = np.zeros(state.nu_shape), np.zeros(state.m)
        slope = state.slope * state.on * state.linked
        self.pulls = [
            np.concatenate(((-per * state.free).ravel(), (slope * share[:, None]).ravel(), rows))
            for per, share in zip(scaled.per_money, scaled.shares, strict=True)
        ]
        self.answers = [self._newton(pull, none, rows) for pull in self.pulls]
        self.turns = np.array([[p @ a[0] for a in self.answers] for p in self.pulls])

    def solve(
        self,
        target_below: Array | float,
        target_above: Array | float,
        target_room: Array | float,
    ) -> Direction:
        """The step towards slack times multiplier equal to the targets."""
        state = self.state
        low = (target_below * state.low_on - state.below * self.to_low) / self.to_low
        high = (target_above * state.high_on - state.above * self.to_high) / self.to_high
        x, dnu, dmu = self._newton(self.dual + low - high, self.link, self.row)
        theta = room = self.theta
        if self.pulls:
            # Bordered: each target is one more row, dense and bent.
            stiff = self.theta / self.room
            lack = self.target + np.array([pull @ x for pull in self.pulls])
            right = target_room / self.room - self.theta - stiff * lack
            theta = np.linalg.solve(np.eye(stiff.size) + stiff[:, None] * self.turns, right)
            for share, (other, nu, mu) in zip(theta.tolist(), self.answers, strict=True):
                x, dnu, dmu = x + share * other, dnu + share * nu, dmu + share * mu
            room = lack + self.turns @ theta
        below = low - state.below / self.to_low * x
        above = high + state.above / self.to_high * x
        return Direction(x, below, above, dnu, dmu, theta, room)

    def _newton(self, dual: Array, link: Array, row: Array) -> tuple[Array, Array, Array]:
        """Moves of ``x``, ``nu`` and ``mu`` that make up for what is missing."""
        state, scaled = self.state, self.state.scaled
        g_u, g_s, g_v = state.parts(dual)
        aim = link + (g_s * self.yields).sum(axis=0)
        right = (g_u + scaled.pull(self.d * aim)) * state.free
        du, dmu = self.blocks.solve(right, row + self.slack * g_v)
        dnu = self.d * (aim - scaled.spread_argument(du))
        ds = (g_s - dnu) * self.yields
        dv = self.slack * (dmu + g_v)
        return np.concatenate((du.ravel(), ds.ravel(), dv)), dnu, dmu

    def longest_dual(self, move: Direction) -> float:
        """The step to the nearest end, at most 1 / 0.995."""
        state = self.state
        worst = max(
            float(np.max(-move.below[state.has_low] / state.below[state.has_low], initial=0.0)),
            float(np.max(-move.above[state.has_high] / state.above[state.has_high], initial=0.0)),
            float(np.max(-move.theta / self.theta, initial=0.0)),
        )
        return 1.0 / max(worst, _TO_BOUNDARY)

    def longest(self, move: Direction) -> float:
        """The step to the nearest end, at most 1 / 0.995."""
        state = self.state
        down = -move.x
        worst = max(
            float(np.max(down * state.low_on / self.to_low, initial=0.0)),
            float(np.max(move.x * state.high_on / self.to_high, initial=0.0)),
            float(np.max(-move.room / self.room, initial=0.0)),
        )
        return 1.0 / max(worst, _TO_BOUNDARY)

    def complementarity(self, move: Direction, length: float, other: float) -> float:
        """Mean of slack times multiplier after a step."""
        state = self.state
        length = min(1.0, length)
        other = min(1.0, other)
        below = (state.below + other * move.below) * (self.to_low + length * move.x)
        above = (state.above + other * move.above) * (self.to_high - length * move.x)
        total = float(below @ state.low_on + above @ state.high_on)
        total += float((self.theta + other * move.theta) @ (self.room + length * move.room))
        return total / max(1, state.count)

    def towards_centre(
        self, move: Direction, length: float, other: float, target: float
    ) -> tuple[Array, Array]:
        """What to add to the targets for products that stray by more than ten times."""
        state = self.state
        length, other = min(1.0, 1.08 * length + 0.2), min(1.0, 1.08 * other + 0.2)
        below = (state.below + other * move.below) * (self.to_low + length * move.x)
        above = (state.above + other * move.above) * (self.to_high - length * move.x)
        low = np.maximum(np.clip(below, 0.1 * target, 10.0 * target) - below, -10.0 * target)
        high = np.maximum(np.clip(above, 0.1 * target, 10.0 * target) - above, -10.0 * target)
        return low * state.low_on, high * state.high_on

    def take(self, move: Direction, length: float, other: float) -> None:
        """Take the step, shorter while the residuals grow."""
        state = self.state
        merit = state.merit
        x, below, above, nu, mu = state.x, state.below, state.above, state.nu, state.mu
        for _ in range(12):
            state.x = x + length * move.x
            state.to_low = self.to_low + length * move.x * state.low_on
            state.to_high = self.to_high - length * move.x * state.high_on
            state.below, state.above = below + other * move.below, above + other * move.above
            state.nu, state.mu = nu + length * move.nu, mu + length * move.mu
            state.theta = self.theta + other * move.theta
            state.room = self.room + length * move.room
            state.look()
            if state.merit <= 2.0 * merit + 1e-12:
                break
            length *= 0.5
            other *= 0.5
        # A surplus bends: where it is more than its room, the room is made as large.
        if np.any(state.target > 0.0):
            state.room = state.room + np.maximum(state.target, 0.0)
            state.look()


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0))


def relax_program(
    program: Program,
    box: ProgramBox,
    *,
    enveloper: Enveloper | None = None,
    touching: Array | None = None,
    gap: float = 1e-9,
    cutoff: float = -np.inf,
    patient: bool = True,
    deadline: float = np.inf,
) -> RelaxedProgram:
    """Solve the concave relaxation on a box.

    Parameters
    ----------
    box
        ``program_box(program)``, or a part of it that is not empty (else ``ValueError``).
    enveloper
        Kept from call to call by a search.
    touching
        Adstocked spends (A, H) at which tangents take the place of convex parts: what is found is
        no bound then, but a plan that is worth at least what the relaxation says.
    gap
        Relative difference of bound and value to stop at.
    cutoff
        Stop as soon as the bound is at or below this objective.
    patient
        Whether to go on with linear programs where the interior point gets nowhere.
    deadline
        Of ``work.now``: past it the answer is what there is ("stopped").
    """
    tight = box.tightened(program)
    if box.empty:
        raise ValueError("An empty box has no relaxation.")
    work.charge(_BEGIN_S)
    source = Enveloper(program) if enveloper is None else enveloper
    if touching is None:
        scaled = scale_program(program, source.envelope(tight))
    else:
        scaled = scale_program(program, source.touching(tight, touching))
    proof = impossible_row(scaled)
    if proof is not None:
        return proof
    state = State(scaled)
    state.begin()
    try:
        found = _iterate(scaled, state, gap, cutoff, deadline)
    except np.linalg.LinAlgError:
        found = None
    if found is not None and found.status != "stopped":
        wild = patient and float(np.abs(state.mu).max(initial=0.0)) > _WILD
        return _calmed(scaled, found, deadline) if wild and found.status == OPTIMAL else found
    if found is not None and (not patient or work.now() > deadline):
        return found
    never = _unreachable(program, tight, source, scaled, cutoff) if program.floors else None
    if never is not None:
        return never
    # No interior, or hardly one: linear programs do not need it.
    proof = impossible(scaled)
    if proof is not None:
        return proof
    other = relax_by_lines(scaled, deadline=deadline)
    if found is None or other.status == OPTIMAL:
        better = other
    else:
        better = min(found, other, key=lambda r: r.bound)
    if found is not None and found.bound < better.bound:
        better = replace(better, mu=found.mu, nu=found.nu, theta=found.theta, bound=found.bound)
    return better


def _unreachable(
    program: Program, box: ProgramBox, source: Enveloper, scaled: Scaled, cutoff: float
) -> RelaxedProgram | None:
    """Proof that no plan in the box meets some target: its largest surplus is below 0, and at a
    multiplier large enough the bound is below anything. None where none was found."""
    whole = np.zeros(len(program.floors))
    most = program.value * float(np.maximum(source.envelope(box).at(box.z_upper), 0.0).sum())
    least = min(least_possible(scaled), cutoff)
    least = least if np.isfinite(least) else least_possible(scaled)
    for i, floor in enumerate(program.floors):
        own = source if floor.share is None else None
        found = relax_program(program.alone(i), box, enveloper=own, gap=1e-6, patient=False)
        surplus = found.bound - floor.constant
        if surplus >= 0.0:
            continue
        theta = whole.copy()
        theta[i] = 2.0 * (most - least + 1e-3 * (abs(most) + abs(least)) + scaled.money) / -surplus
        lift = (program.value + theta[i] * floor.shares(program.arms))[:, None]
        share = theta[i] / np.where(lift > 0.0, lift, np.inf)
        return replace(
            found,
            mu=theta[i] * found.mu,
            nu=share * found.nu,
            theta=theta,
            bound=most + theta[i] * surplus,
            status=INFEASIBLE,
        )
    return None


def _calmed(scaled: Scaled, found: RelaxedProgram, deadline: float) -> RelaxedProgram:
    """The same answer by a linear program's multipliers where an interior point's have run away."""
    if work.now() > deadline:
        return found
    other = relax_by_lines(scaled, deadline=deadline)
    size = float(np.abs(other.mu).max(initial=0.0))
    small = 1e-3 * float(np.abs(found.mu).max(initial=0.0))
    close = other.bound <= found.bound + 1e-6 * max(abs(found.bound), abs(found.value))
    if size > small or not close:
        return found
    bound = max(other.bound, found.bound)
    return replace(found, mu=other.mu, nu=other.nu, theta=other.theta, bound=bound)


def _sharpened(scaled: Scaled, found: RelaxedProgram, state: State) -> RelaxedProgram:
    """The same multipliers' bound, by tangents nearer to where it is attained: on curves that start
    infinitely steep the best reply may be 1e-12 of the range."""
    unit, pieces, _ = state.parts(state.x)
    nu = state.nu / np.maximum(state.lift, 1e-300)
    pieces = scaled.best_reply(pieces, nu, state.slope, state.bend)
    rise, slope, _ = scaled.evaluate(pieces)
    other = answer(scaled, unit, pieces, rise, slope, state.nu, state.mu, state.theta)
    return replace(found, bound=min(found.bound, other.bound))


def _iterate(
    scaled: Scaled, state: State, gap: float, cutoff: float, deadline: float
) -> RelaxedProgram:
    blocks = Blocks(scaled.carry, scaled.rows, scaled.equal)
    floor = least_possible(scaled)
    best: RelaxedProgram | None = None
    stuck, least = 0, np.inf
    met = max(1e-9, min(gap, 1e-7))
    for iteration in range(_ITERATIONS):
        unit, pieces, _ = state.parts(state.x)
        found = answer(
            scaled,
            unit,
            pieces,
            state.rise,
            state.slope,
            state.nu,
            state.mu,
            state.theta,
            iterations=iteration,
        )
        size = max(abs(found.value), abs(found.bound))
        complementary = scaled.money * state.centre * state.count <= 0.3 * gap * size
        if complementary and state.missed <= met and found.bound - found.value > gap * size:
            found = _sharpened(scaled, found, state)
        if found.bound < floor - 1e-6 * max(abs(floor), scaled.money):
            return replace(found, status=INFEASIBLE)
        if found.bound <= cutoff:
            return replace(found, status="cut off")
        exact = state.missed <= met and state.short <= _TARGET
        if exact and found.bound - found.value <= gap * size:
            return replace(found, status=OPTIMAL)
        # Far from feasible the bound may rise for a while: residuals that fall are progress too.
        nearer = state.merit < 0.9 * least
        least = min(least, state.merit)
        better = best is None or found.bound < best.bound
        stuck = 0 if better or nearer else stuck + 1
        best = found if better or best is None else best
        if stuck > 15 or work.now() > deadline:
            break
        step = Step(state, blocks)
        work.charge(blocks.cost)
        centre = state.centre
        far = step.solve(0.0, 0.0, 0.0)
        after = step.complementarity(far, step.longest(far), step.longest_dual(far))
        sigma = float(np.clip((after / max(centre, 1e-300)) ** 3, 1e-6, 1.0))
        crossed_low, crossed_high = far.x * far.below, far.x * far.above
        low, high = sigma * centre - crossed_low, sigma * centre + crossed_high
        room = sigma * centre - far.theta * far.room
        move = step.solve(low, high, room)
        length = min(1.0, _TO_BOUNDARY * step.longest(move))
        dual = min(1.0, _TO_BOUNDARY * step.longest_dual(move))
        if min(length, dual) < 0.1:
            # The second-order terms may lead astray: a plain, more central step.
            middle = max(sigma, 0.3) * centre
            other = step.solve(middle, middle, middle)
            reach = min(1.0, _TO_BOUNDARY * step.longest(other))
            reach_dual = min(1.0, _TO_BOUNDARY * step.longest_dual(other))
            if min(reach, reach_dual) > min(length, dual):
                move, length, dual = other, reach, reach_dual
        for _ in range(_CORRECTORS):
            if min(length, dual) > 0.9:
                break
            more = step.towards_centre(move, length, dual, max(sigma, 1e-3) * centre)
            trial_low, trial_high = low + more[0], high + more[1]
            trial = step.solve(trial_low, trial_high, room)
            a = min(1.0, _TO_BOUNDARY * step.longest(trial))
            b = min(1.0, _TO_BOUNDARY * step.longest_dual(trial))
            if a + b < length + dual + 0.02:
                break
            move, length, dual, low, high = trial, a, b, trial_low, trial_high
        step.take(move, length, dual)
    assert best is not None
    return best
