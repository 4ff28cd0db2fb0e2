"""Plans of the general program: scored period by period, with what holds them and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import NotSupportedYet
from shared.plan.moves import clock, known_draw, over_draws
from shared.plan.pair_notes import levels_in_draws
from shared.plan.plan import Plan, Search
from shared.plan.prices import (
    BINDING_TOLERANCE,
    money_per_unit,
    priced,
    tied_rows,
    tight_rows,
)
from shared.plan.score import Score
from shared.plan.sequential import decide_in_turn
from shared.plan.words import number
from shared.problem.aim import GOALS, Aim, aim_of
from shared.problem.lower import lower
from shared.problem.model import Problem, SolverOptions
from shared.problem.program import Program
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.named.search import BY_NAME
from shared.solve.program.interactions import linear_weights
from shared.solve.program.program_search import SolvedProgram, known_plan, solve_program
from shared.solve.program.solved_program import decisions

__all__ = ["bindings", "make_plan", "score_program", "shared_outcome"]

Floats = NDArray[np.float64]

PRICES_SHARE = 0.05
"""Of the time limit, for prices where several sets of multipliers explain the plan."""

METHODS = ("auto", "branch_and_bound", *BY_NAME)


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`; everything that has no solver of its own."""
    _refuse(problem)
    timing = clock(problem)
    program = lower(problem)
    by_period = program
    if program.columns != program.periods:
        by_period = lower(replace(problem, horizon=replace(problem.horizon, mode="time_varying")))
    first = None if start is None else decisions(program, start)
    timed = replace(problem, options=timing.options)
    found = _found(timed, program, first)
    current = by_period.current
    worth = priced(
        found.slopes or program,
        found.u if found.ahead is None else found.ahead,
        goal=problem.goal.goal,
        floors=_aim(problem).floors,
        kept=1.0 - problem.test_reserve,
        deadline=work.now() + PRICES_SHARE * problem.options.time_limit_s,
    )
    return Plan(
        problem=problem,
        best=score_program(by_period, program.spend(found.u)),
        current=None if current is None else score_program(by_period, current),
        certificate=found.certificate,
        search=found.search,
        held=bindings(program, found.u),
        prices=worth.prices,
        moves=lambda: over_draws(problem, timing, _one_draw(problem, program)),
        notes=(*found.notes, *worth.notes, *levels_in_draws(by_period, program.spend(found.u))),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Decisions (A, K), how they were found and how good they are.

    ``ahead`` is the plan that sees the whole horizon, where ``u`` is decided in turn: prices are
    of that one, for nothing that is decided in turn is stationary. ``slopes`` is the program whose
    slopes they are read from where a measure of risk weighs the draws.
    """

    u: Floats
    certificate: Certificate
    search: Search
    finished: bool
    ahead: Floats | None = None
    slopes: Program | None = None
    notes: tuple[tuple[str, str], ...] = ()


def _aim(problem: Problem) -> Aim:
    return aim_of(problem.goal) if problem.goal.goal in GOALS else Aim()


def _found(problem: Problem, program: Program, start: Floats | None) -> _Found:
    aim = _aim(problem)
    if problem.risk.measure != "expected":
        return _cautiously(problem, program, replace(aim, free=problem.budget is None), start)
    if aim.floors:
        return _meeting_targets(problem, program, replace(aim, free=problem.budget is None), start)
    if problem.horizon.mode == "sequential" and problem.horizon.periods > 1:
        return _in_turn(problem, program)
    return _certified(program, solve_program(program, problem.options, start))


def _certified(program: Program, solved: SolvedProgram) -> _Found:
    return _Found(
        u=solved.u,
        certificate=certify(program, solved.u, solved.proof),
        search=Search(solved.method, solved.why, solved.iterations, solved.nodes),
        finished=solved.finished,
    )


def _in_turn(problem: Problem, program: Program) -> _Found:
    """Half of the time goes to the steps, in even parts, and half to the bound."""
    half = problem.options.time_limit_s / 2.0
    each = replace(problem.options, time_limit_s=half / problem.horizon.periods)
    u = decide_in_turn(program, lambda step: solve_program(step, each).u)
    today = known_plan(program)
    if today is not None and program.objective(today) > program.objective(u):
        u = today  # short sight can do worse than staying where one is
    solved = solve_program(program, replace(problem.options, time_limit_s=half), u)
    ahead = _certified(program, solved)
    return replace(
        ahead,
        u=u,
        certificate=certify(program, u, solved.proof),
        ahead=solved.u,
        notes=(_foresight(program, u, solved.u),),
    )


def _cautiously(problem: Problem, program: Program, aim: Aim, start: Floats | None) -> _Found:
    from shared.plan.cautious import solve_cautious

    found = solve_cautious(problem, program, aim, start)
    return _Found(
        u=found.u,
        certificate=found.certificate,
        search=found.search,
        finished=found.certificate.relative_gap <= problem.options.gap,
        ahead=found.ahead,
        slopes=found.slopes,
        notes=() if found.ahead is None else (_in_turn_note(*found.reached),),
    )


def _meeting_targets(problem: Problem, program: Program, aim: Aim, start: Floats | None) -> _Found:
    from shared.plan.targeted import meet_targets

    found = meet_targets(problem, program, aim, start)
    return _Found(
        u=found.u,
        certificate=found.certificate,
        search=found.search,
        finished=found.certificate.relative_gap <= problem.options.gap,
        ahead=found.ahead,
        notes=() if found.ahead is None else (_in_turn_note(*found.reached),),
    )


def _one_draw(problem: Problem, program: Program) -> Callable[[int, SolverOptions], Floats | None]:
    """The best spend (A,) over the horizon where one draw is the truth."""
    free = problem.budget is None and not problem.period_budgets

    def solve(draw: int, options: SolverOptions) -> Floats | None:
        alone = replace(known_draw(problem, draw), options=options)
        if free:  # what a plan can be worth, and so spend, is another thing in every draw
            task = lower(alone)
        else:
            assert program.draws is not None
            one = program.draws.one(draw)
            # A curve that brings nothing in this draw has no level to interact with.
            lives = one.supremum() > 0.0
            pairs = tuple(p for p in program.pairs if lives[p.first] and lives[p.second])
            task = replace(program, curves=one, draws=None, draw_weights=None, pairs=pairs)
        # Not from today's plan, nor from anybody's: see shared.plan.moves.
        in_turn = problem.horizon.mode == "sequential" and problem.horizon.periods > 1
        if in_turn and not _aim(problem).floors:  # the steps without the bound
            each = replace(options, time_limit_s=options.time_limit_s / problem.horizon.periods)
            steps: list[SolvedProgram] = []

            def decide(step: Program) -> Floats:
                steps.append(solve_program(step, each))
                return steps[-1].u

            u = decide_in_turn(task, decide)
            done = all(step.finished for step in steps)
            return np.asarray(task.spend(u).sum(axis=1)) if done else None
        task = replace(task, current=None)
        if not _aim(problem).floors:
            # Nobody is told the draw's bound: the search's own will do.
            solved = solve_program(task, options)
            return np.asarray(task.spend(solved.u).sum(axis=1)) if solved.finished else None
        found = _found(alone, task, None)
        return np.asarray(task.spend(found.u).sum(axis=1)) if found.finished else None

    return solve


def _refuse(problem: Problem) -> None:
    """What no room below builds yet for a general program."""
    over_time = problem.horizon.mode == "sequential" and problem.horizon.periods > 1
    targets = problem.goal.goal in GOALS and bool(aim_of(problem.goal).floors)
    unbuilt = {
        "/horizon/mode": over_time and targets and problem.risk.measure != "expected",
    }
    for pointer, asked in unbuilt.items():
        if asked:
            raise NotSupportedYet.at(
                pointer,
                "not_supported_yet",
                "This is not supported yet together with constraints, lots, campaigns, targets or "
                "a plan over several periods.",
            )


def _foresight(program: Program, in_turn: Floats, ahead: Floats) -> tuple[str, str]:
    return _in_turn_note(program.objective(in_turn), program.objective(ahead))


def _in_turn_note(reached: float, ahead: float) -> tuple[str, str]:
    gained = max(ahead - reached, 0.0)
    message = (
        f"Decided period by period, this reaches an objective of {number(reached)}; seeing the "
        f"whole horizon would add {number(gained)}."
    )
    return "foresight", message


def score_program(program: Program, spend: Floats) -> Score:
    """Score ``spend`` (A, T) with a program whose decisions are the spends themselves (K = T).

    Of the arms that spend: what stands for a sum of them is left out.

    Outcomes after the plan's last period (the long term) are no part of its outcome, but a unit of
    money's marginal return includes them, weighed as the objective weighs them. What an interaction
    brings (or takes) counts half to either of its arms, at the mean curves' levels in every draw.
    """
    spend = program.widened(spend)
    z = program.adstocked(spend)
    draws = program.response_draws(z)
    ended, own = program.periods, program.arms - len(program.sums)
    alone, slopes = program.response(z), program.slopes(spend)
    if program.pairs:
        slopes = slopes * _steeper(program, z)
    shared = shared_outcome(program, z)
    return Score(
        spend=program.spend(spend)[:own],
        outcome=(alone + shared)[:own, :ended],
        marginal=_through_carry(program, slopes)[:own],
        ceiling=_ceiling(program)[:own, :ended],
        draws=None if draws is None else (draws + shared)[:, :own, :ended],
        alone=alone[:own, :ended] if program.pairs else None,
    )


def shared_outcome(program: Program, z: Floats) -> Floats:
    """(A, H) what interactions add at adstocked spend ``z``, half to either arm of a pair."""
    out = np.zeros(program.weight.shape)
    if not program.pairs:
        return out
    level = program.saturation(z)
    for pair in program.pairs:
        both = level[pair.first] * level[pair.second] * program.pair_weight(pair)
        out[pair.first] += 0.5 * pair.strength * both
        out[pair.second] += 0.5 * pair.strength * both
    return out


def _steeper(program: Program, z: Floats) -> Floats:
    """(A, H) by how much interactions multiply the slope of a response."""
    weight = program.weight
    mixed = linear_weights(program, z)
    return np.divide(mixed, weight, out=np.ones_like(weight), where=weight > 0.0)


def _ceiling(program: Program) -> Floats:
    """(A, H) the most that each response can bring; nothing where it does not count."""
    most = np.broadcast_to(program.supremum()[:, None], program.weight.shape)
    counts = program.weight != 0.0
    return np.multiply(most, program.weight, out=np.zeros_like(program.weight), where=counts)


def _through_carry(program: Program, slopes: Floats) -> Floats:
    """(A, T) from slopes in adstocked spend (A, H) to slopes in spend; inf where one of them is."""
    steep = ~np.isfinite(slopes)
    inner = np.einsum("aht,ah->at", program.carry, np.where(steep, 0.0, slopes))
    touched = np.einsum("aht,ah->at", program.carry, steep.astype(np.float64))
    return np.where(touched > 0.0, np.inf, inner)


def bindings(program: Program, u: Floats) -> list[list[str]]:
    """Names of the bounds and rows that hold each arm where it is; budgets are left to prices."""
    slack = BINDING_TOLERANCE * max(program.scale, 1e-12)
    per_unit = money_per_unit(program)
    low, high = tight_rows(program, u, BINDING_TOLERANCE)
    tight = (low | high) & ~tied_rows(program)
    used = np.abs(program.rows.matrix).reshape(-1, program.arms, program.columns).sum(axis=2) > 0.0
    held: list[list[str]] = []
    for a in range(program.arms):
        names: list[str] = []
        if np.any((u[a] - program.lower[a]) * per_unit[a] <= slack):
            names.append(program.lower_by[a])
        if np.any((program.upper[a] - u[a]) * per_unit[a] <= slack):
            names.append(program.upper_by[a])
        at_least = (program.least_active[a] > 0.0) & (u[a] * per_unit[a] > slack)
        if np.any(at_least & ((u[a] - program.least_active[a]) * per_unit[a] <= slack)):
            names.append("minimum_if_active")
        if program.lot[a] > 0.0:
            names.append("increment")
        names += [program.rows.names[m] for m in np.flatnonzero(tight & used[:, a])]
        kept = (n for n in names if n and n.partition("[")[0] != "budget")
        held.append(list(dict.fromkeys(kept)))
    for arm, parts in enumerate(program.sums, program.arms - len(program.sums)):
        for part in parts:
            held[part] += [f"{program.names[arm]}.{name}" for name in held[arm]]
    return held[: program.arms - len(program.sums)]
