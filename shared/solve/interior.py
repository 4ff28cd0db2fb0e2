"""The concave relaxation of a program, by a primal-dual interior point.

Every weighted response is replaced by its concave envelope on the box (``program_envelope``), the
pieces of which are variables. With ``L`` the Lagrangian of

    maximise  value * sum E(z) - cost * spend(u),   carry u + carry_in = z,   R u = v,

``u``, pieces and row values ``v`` in their boxes, the steps are Newton's on the perturbed
optimality conditions, with Mehrotra's predictor and corrector (Mehrotra, SIAM J. Optimization 2,
1992) and a backtracking that keeps the residuals falling (Boyd and Vandenberghe, Convex
Optimization, 11.7). What it returns are multipliers: the bound that they prove is theirs whatever
happened here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.solve.interior_scale import Scaled, scale_program
from shared.solve.interior_system import Blocks
from shared.solve.outer import impossible, impossible_row, relax_by_lines
from shared.solve.program_box import ProgramBox
from shared.solve.program_envelope import Enveloper
from shared.solve.relaxed import INFEASIBLE, OPTIMAL, RelaxedProgram, answer, least_possible

__all__ = ["RelaxedProgram", "relax_program"]

Array = NDArray[np.float64]

_ITERATIONS = 100
_TO_BOUNDARY = 0.995
_WILD = 1e4  # scaled prices beyond this come from a region without an interior


def relax_program(
    program: Program,
    box: ProgramBox,
    start: RelaxedProgram | None = None,
    *,
    enveloper: Enveloper | None = None,
    gap: float = 1e-9,
    cutoff: float = -np.inf,
) -> RelaxedProgram:
    """Solve the concave relaxation on a box.

    Parameters
    ----------
    box
        ``program_box(program)``, or a part of it that is not empty.
    start
        The answer on a box around this one.
    enveloper
        Kept from call to call by a search (it holds what does not depend on the box).
    gap
        Relative difference of bound and value to stop at.
    cutoff
        Stop as soon as the bound is at or below this objective.

    Raises
    ------
    ValueError
        If the box is empty.
    """
    tight = box.tightened(program)
    if box.empty:
        raise ValueError("An empty box has no relaxation.")
    source = Enveloper(program) if enveloper is None else enveloper
    scaled = scale_program(program, source.envelope(tight))
    proof = impossible_row(scaled)
    if proof is not None:
        return proof
    state = _State(scaled)
    state.begin(start)
    try:
        found = _iterate(scaled, state, gap, cutoff)
    except np.linalg.LinAlgError:
        found = None
    if found is not None and found.status != "stopped":
        wild = float(np.abs(state.mu).max(initial=0.0)) > _WILD
        return _calmed(scaled, found) if wild and found.status == OPTIMAL else found
    # No interior, or hardly one: linear programs do not need it.
    proof = impossible(scaled)
    if proof is not None:
        return proof
    other = relax_by_lines(scaled)
    if found is None or other.status == OPTIMAL:
        better = other
    else:
        better = min(found, other, key=lambda r: r.bound)
    if found is not None and found.bound < better.bound:
        better = replace(better, mu=found.mu, nu=found.nu, bound=found.bound)
    return better


def _calmed(scaled: Scaled, found: RelaxedProgram) -> RelaxedProgram:
    """The same answer by a linear program's multipliers where an interior point's have run away.

    Without an interior the multipliers have no end, and large ones lose the bound's digits.
    """
    other = relax_by_lines(scaled)
    size = float(np.abs(other.mu).max(initial=0.0))
    small = 1e-3 * float(np.abs(found.mu).max(initial=0.0))
    close = other.bound <= found.bound + 1e-6 * max(abs(found.bound), abs(found.value))
    if size > small or not close:
        return found
    return replace(found, mu=other.mu, nu=other.nu, bound=max(other.bound, found.bound))


class _State:
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

    def begin(self, start: RelaxedProgram | None) -> None:
        """A strictly interior point; the links and rows need not hold yet."""
        scaled = self.scaled
        u = scaled.first_guess() if start is None else scaled.to_unit(start.u)
        margin = 0.0 if start is None else 1e-3
        u = np.where(scaled.free, np.clip(u, margin, 1.0 - margin), 0.0)
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
        if start is not None:
            level *= 1e-2
        slope = scaled.evaluate(pieces)[1]
        share = np.where(scaled.length > 0.0, 1.0, 0.0)
        usual = (np.minimum(slope, 1e6) * share).sum(axis=0) / np.maximum(share.sum(axis=0), 1.0)
        self.nu = usual if start is None else scaled.nu_in(start.nu)
        self.mu = np.zeros(self.m) if start is None else scaled.mu_in(start.mu)
        self.measure()
        below_gap, above_gap = self.to_low, self.to_high
        self.below = np.where(self.has_low, level / below_gap, 0.0)
        self.above = np.where(self.has_high, level / above_gap, 0.0)
        if start is not None:
            lack = self.dual_residual(slope) - self.below + self.above
            self.above += np.where(self.has_high, np.maximum(lack, 0.0), 0.0)
            self.below += np.where(self.has_low, np.maximum(-lack, 0.0), 0.0)

    def measure(self) -> None:
        """Distances to both ends; 1 where there is none.

        From here on they are iterates of their own: near an end their difference to ``x`` would be
        rounding.
        """
        with np.errstate(invalid="ignore"):
            self.to_low = np.where(self.has_low, self.x - self.low, 1.0)
            self.to_high = np.where(self.has_high, self.high - self.x, 1.0)

    def parts(self, flat: Array) -> tuple[Array, Array, Array]:
        """u (A, K), pieces (G, A, H) and row values (m,) of a flat vector."""
        u = flat[: self.n_u].reshape(self.scaled.u_shape)
        s = flat[self.n_u : self.n_u + self.n_s].reshape(self.scaled.length.shape)
        return u, s, flat[self.n_u + self.n_s :]

    def dual_residual(self, slope: Array) -> Array:
        """Gradient of the Lagrangian in ``x``; 0 for what does not move."""
        scaled = self.scaled
        du = -scaled.cost + scaled.pull(self.nu) - scaled.row_pull(self.mu)
        ds = slope - self.nu
        out = np.concatenate((du.ravel(), ds.ravel(), self.mu)) + self.below - self.above
        return np.where(self.moves, out, 0.0)

    def primal_residual(self) -> tuple[Array, Array]:
        """What is missing for the links (A, H) and the rows (m,) to hold."""
        u, s, v = self.parts(self.x)
        scaled = self.scaled
        link = s.sum(axis=0) - scaled.argument(u)
        fixed = np.where(scaled.equal, scaled.row_lower, v)
        return np.where(scaled.linked, link, 0.0), fixed - scaled.row_values(u)


def _iterate(scaled: Scaled, state: _State, gap: float, cutoff: float) -> RelaxedProgram:
    blocks = Blocks(scaled.carry, scaled.rows)
    rise, slope, bend = scaled.evaluate(state.parts(state.x)[1])
    floor = least_possible(scaled)
    best: RelaxedProgram | None = None
    stuck = 0
    for iteration in range(_ITERATIONS):
        below_gap, above_gap = state.to_low, state.to_high
        dual = state.dual_residual(slope)
        link, row = state.primal_residual()
        centre = float(state.below @ below_gap + state.above @ above_gap) / max(1, state.count)
        unit, pieces, _ = state.parts(state.x)
        found = answer(scaled, unit, pieces, rise, slope, state.nu, state.mu, iterations=iteration)
        missed = max(float(np.abs(link).max(initial=0.0)), float(np.abs(row).max(initial=0.0)))
        size = max(abs(found.value), abs(found.bound))
        if found.bound < floor - 1e-6 * max(abs(floor), scaled.money):
            return replace(found, status=INFEASIBLE)
        if found.bound <= cutoff:
            return replace(found, status="cut off")
        if missed <= 1e-9 and found.bound - found.value <= gap * size:
            return replace(found, status=OPTIMAL)
        better = best is None or found.bound < best.bound
        best, stuck = (found, 0) if better or best is None else (best, stuck + 1)
        if stuck > 15:
            break
        theta = state.below / below_gap + state.above / above_gap
        theta_u, theta_s, theta_v = state.parts(theta)
        psi = theta_s + bend
        on = scaled.length > 0.0
        with np.errstate(divide="ignore"):
            yields = np.where(on, 1.0 / psi, 0.0)
            total = yields.sum(axis=0)
            d = np.where(scaled.linked, 1.0 / np.maximum(total, 1e-300), 0.0)
            slack = np.where(scaled.equal, 0.0, 1.0 / np.where(scaled.equal, 1.0, theta_v))
        blocks.factor(np.where(scaled.free, theta_u, 1.0), d, slack)
        step = _Step(state, blocks, dual, link, row, below_gap, above_gap, theta, yields, d, slack)
        far = step.solve(np.zeros_like(theta), np.zeros_like(theta))
        reach = step.longest(far)
        after = step.complementarity(far, reach)
        sigma = (after / max(centre, 1e-300)) ** 3 if centre > 0.0 else 0.0
        sigma = float(np.clip(sigma, 1e-6, 1.0))
        target = np.full(len(theta), sigma * centre)
        move = step.solve(target - far.x * far.below, target + far.x * far.above)
        length = min(1.0, _TO_BOUNDARY * step.longest(move))
        if length < 0.1:
            # The second-order terms may lead astray: a plain, more central step.
            plain = np.full(len(theta), max(sigma, 0.3) * centre)
            other = step.solve(plain, plain)
            reach = min(1.0, _TO_BOUNDARY * step.longest(other))
            if reach > length:
                move, length = other, reach
        rise, slope, bend = step.take(move, length, _merit(dual, link, row, centre))
    assert best is not None
    return best


def _merit(dual: Array, link: Array, row: Array, centre: float) -> float:
    return float(
        np.abs(dual).max(initial=0.0)
        + np.abs(link).max(initial=0.0)
        + np.abs(row).max(initial=0.0)
        + centre
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Move:
    x: Array
    below: Array
    above: Array
    nu: Array
    mu: Array


class _Step:
    """Newton's equations at one iterate, for any complementarity targets."""

    def __init__(
        self,
        state: _State,
        blocks: Blocks,
        dual: Array,
        link: Array,
        row: Array,
        below_gap: Array,
        above_gap: Array,
        theta: Array,
        yields: Array,
        d: Array,
        slack: Array,
    ) -> None:
        self.state, self.blocks, self.dual = state, blocks, dual
        self.link, self.row = link, row
        self.below_gap, self.above_gap, self.theta = below_gap, above_gap, theta
        self.yields, self.d, self.slack = yields, d, slack

    def solve(self, target_below: Array, target_above: Array) -> _Move:
        """The step towards slack times multiplier equal to the targets."""
        state, scaled = self.state, self.state.scaled
        low = np.where(state.has_low, target_below - state.below * self.below_gap, 0.0)
        high = np.where(state.has_high, target_above - state.above * self.above_gap, 0.0)
        g_u, g_s, g_v = state.parts(self.dual + low / self.below_gap - high / self.above_gap)
        aim = self.link + (g_s * self.yields).sum(axis=0)
        right = g_u + scaled.pull(self.d * aim)
        right = np.where(scaled.free, right, 0.0)
        du, dmu = self.blocks.solve(right, self.row + self.slack * g_v)
        dnu = self.d * (aim - scaled.spread_argument(du))
        ds = (g_s - dnu) * self.yields
        dv = self.slack * (dmu + g_v)
        x = np.concatenate((du.ravel(), ds.ravel(), dv))
        below = np.where(state.has_low, (low - state.below * x) / self.below_gap, 0.0)
        above = np.where(state.has_high, (high + state.above * x) / self.above_gap, 0.0)
        return _Move(x, below, above, dnu, dmu)

    def longest(self, move: _Move) -> float:
        """The step to the nearest end, at most 1 / 0.995."""
        state = self.state
        most = 1.0 / _TO_BOUNDARY
        for gap, step in (
            (self.below_gap[state.has_low], move.x[state.has_low]),
            (self.above_gap[state.has_high], -move.x[state.has_high]),
            (state.below[state.has_low], move.below[state.has_low]),
            (state.above[state.has_high], move.above[state.has_high]),
        ):
            shrinks = step < 0.0
            if np.any(shrinks):
                most = min(most, float(np.min(-gap[shrinks] / step[shrinks])))
        return most

    def complementarity(self, move: _Move, length: float) -> float:
        """Mean of slack times multiplier after a step."""
        state = self.state
        length = min(1.0, length)
        below = (state.below + length * move.below) * (self.below_gap + length * move.x)
        above = (state.above + length * move.above) * (self.above_gap - length * move.x)
        total = below[state.has_low].sum() + above[state.has_high].sum()
        return float(total) / max(1, state.count)

    def take(self, move: _Move, length: float, merit: float) -> tuple[Array, Array, Array]:
        """Take the step, shorter while the residuals grow; the objective's parts where it ends."""
        state = self.state
        to_low, to_high = state.to_low, state.to_high
        x, below, above, nu, mu = state.x, state.below, state.above, state.nu, state.mu
        for _ in range(12):
            state.x = x + length * move.x
            state.to_low = np.where(state.has_low, to_low + length * move.x, 1.0)
            state.to_high = np.where(state.has_high, to_high - length * move.x, 1.0)
            state.below, state.above = below + length * move.below, above + length * move.above
            state.nu, state.mu = nu + length * move.nu, mu + length * move.mu
            rise, slope, bend = state.scaled.evaluate(state.parts(state.x)[1])
            link, row = state.primal_residual()
            centre = self.complementarity(move, length)
            if _merit(state.dual_residual(slope), link, row, centre) <= 2.0 * merit + 1e-12:
                break
            length *= 0.5
        return rise, slope, bend
