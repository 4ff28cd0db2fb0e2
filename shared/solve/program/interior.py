"""The concave relaxation of a program, by a primal-dual interior point.

Every weighted response is replaced by its concave envelope on the box (``envelopes``), the
pieces of which are variables. With ``L`` the Lagrangian of

    maximise  value * sum E(z) - cost * spend(u),   carry u + carry_in = z,   R u = v,

``u``, pieces and row values ``v`` in their boxes, the steps are Newton's on the perturbed
optimality conditions, with Mehrotra's predictor and corrector (Mehrotra, SIAM J. Optimization 2,
1992) and a backtracking that keeps the residuals falling (Boyd and Vandenberghe, Convex
Optimization, 11.7). What it returns are multipliers: the bound that they prove is theirs whatever
happened here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program
from shared.solve.engines.envelopes import Enveloper, ProgramBox
from shared.solve.program.interior_scale import Scaled, scale_program
from shared.solve.program.interior_state import TO_BOUNDARY, State, Step
from shared.solve.program.interior_system import Blocks
from shared.solve.program.outer import impossible, impossible_row, relax_by_lines
from shared.solve.program.relaxed import INFEASIBLE, OPTIMAL, RelaxedProgram, answer, least_possible

__all__ = ["RelaxedProgram", "relax_program"]

Array = NDArray[np.float64]

_ITERATIONS = 100
_BEGIN_S = 5e-4  # work of envelopes, units and a start
_CORRECTORS = 2  # per step (Gondzio, Computational Optimization and Applications 6, 1996)
_TARGET = 2e-10  # of what a target asks for: what an answer may miss or exceed it by
_WILD = 1e4  # scaled prices beyond this come from a region without an interior


def relax_program(
    program: Program,
    box: ProgramBox,
    start: RelaxedProgram | None = None,
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
        ``program_box(program)``, or a part of it that is not empty.
    start
        The answer on a box around this one.
    enveloper
        Kept from call to call by a search (it holds what does not depend on the box).
    touching
        Adstocked spends (A, H) at which tangents take the place of convex parts: what is found is
        no bound then, but a plan that is worth at least what the relaxation says.
    gap
        Relative difference of bound and value to stop at.
    cutoff
        Stop as soon as the bound is at or below this objective.
    patient
        Whether to go on with linear programs where the interior point gets nowhere: they can take a
        hundred times as long.
    deadline
        Of ``work.now``: past it the answer is what there is ("stopped").

    Raises
    ------
    ValueError
        If the box is empty.
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
    state.begin(start)
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
    """Proof that no plan in the box meets some target, or None where none was found.

    A target's largest surplus is below 0: at a multiplier large enough the bound is below anything.
    """
    whole = np.zeros(len(program.floors))
    most = program.value * float(np.maximum(source.envelope(box).at(box.z_upper), 0.0).sum())
    least = min(least_possible(scaled), cutoff)
    least = least if np.isfinite(least) else least_possible(scaled)
    for i, floor in enumerate(program.floors):
        alone = replace(program, value=1.0, cost=floor.per_money, floors=())
        found = relax_program(alone, box, enveloper=source, gap=1e-6, patient=False)
        surplus = found.bound - floor.constant
        if surplus >= 0.0:
            continue
        theta = whole.copy()
        theta[i] = 2.0 * (most - least + 1e-3 * (abs(most) + abs(least)) + scaled.money) / -surplus
        share = theta[i] / (program.value + theta[i])
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
    """The same answer by a linear program's multipliers where an interior point's have run away.

    Without an interior the multipliers have no end, and large ones lose the bound's digits.
    """
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
    """The same multipliers' bound, by tangents nearer to where it is attained.

    On curves that start infinitely steep the best reply may be 1e-12 of the range, and a tangent
    at half of it still off by much at the far end.
    """
    unit, pieces, _ = state.parts(state.x)
    nu = state.nu / max(state.lift, 1e-300)
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
        length = min(1.0, TO_BOUNDARY * step.longest(move))
        dual = min(1.0, TO_BOUNDARY * step.longest_dual(move))
        if min(length, dual) < 0.1:
            # The second-order terms may lead astray: a plain, more central step.
            middle = max(sigma, 0.3) * centre
            other = step.solve(middle, middle, middle)
            reach = min(1.0, TO_BOUNDARY * step.longest(other))
            reach_dual = min(1.0, TO_BOUNDARY * step.longest_dual(other))
            if min(reach, reach_dual) > min(length, dual):
                move, length, dual = other, reach, reach_dual
        for _ in range(_CORRECTORS):
            if min(length, dual) > 0.9:
                break
            more = step.towards_centre(move, length, dual, max(sigma, 1e-3) * centre)
            trial_low, trial_high = low + more[0], high + more[1]
            trial = step.solve(trial_low, trial_high, room)
            a = min(1.0, TO_BOUNDARY * step.longest(trial))
            b = min(1.0, TO_BOUNDARY * step.longest_dual(trial))
            if a + b < length + dual + 0.02:
                break
            move, length, dual, low, high = trial, a, b, trial_low, trial_high
        step.take(move, length, dual)
    assert best is not None
    return best
