"""Plans of the general program: everything that has no solver of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import NotSupportedYet
from shared.plan.moves import clock, known_draw, over_draws
from shared.plan.pair_notes import levels_in_draws
from shared.plan.plan import Found, Plan, Search, planned
from shared.plan.sequential import decide_in_turn, foresight
from shared.problem.aim import Aim, aim_of
from shared.problem.lower import lower
from shared.problem.model import Problem, SolverOptions
from shared.problem.program import Program
from shared.problem.risk_program import objective, read_as
from shared.solve.program.program_search import known_plan, solve_program
from shared.solve.program.solved_program import decisions

__all__ = ["make_plan"]

Floats = NDArray[np.float64]


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`; everything that has no solver of its own."""
    _refuse(problem)
    timing = clock(problem)
    program = lower(problem)
    by_period = program
    if program.columns != program.periods:
        by_period = lower(replace(problem, horizon=replace(problem.horizon, mode="time_varying")))
    aim = replace(aim_of(problem.goal), free=problem.budget is None)
    first = None if start is None else decisions(program, start)
    return planned(
        problem,
        read_as(program, aim, problem.risk),
        _found(replace(problem, options=timing.options), program, aim, first),
        by_period=by_period,
        moves=lambda: over_draws(problem, timing, _one_draw(problem, program, aim)),
        notes=lambda spend: levels_in_draws(by_period, spend),
    )


def _found(problem: Problem, program: Program, aim: Aim, start: Floats | None) -> Found:
    options, solve = problem.options, _solver(problem, aim)
    if problem.horizon.mode != "sequential" or problem.horizon.periods == 1:
        return solve(program, options, start)
    if aim.floors:
        from shared.plan.targeted import meet_targets

        return meet_targets(problem, program, aim, start)
    # Half of the time goes to the steps, in even parts, and half to the bound.
    half = replace(options, time_limit_s=0.5 * options.time_limit_s)
    each = replace(half, time_limit_s=half.time_limit_s / problem.horizon.periods)
    read = read_as(program, aim, problem.risk)
    u = decide_in_turn(program, lambda step: solve(step, each, None).u)
    today = known_plan(program)
    if today is not None and objective(read, today) > objective(read, u):
        u = today  # short sight can do worse than staying where one is
    ahead = solve(program, half, u)
    note = foresight(objective(read, u), objective(read, ahead.u))
    return replace(ahead, u=u, ahead=ahead.u, notes=(note,))


def _solver(problem: Problem, aim: Aim) -> Callable[[Program, SolverOptions, Floats | None], Found]:
    """What finds plans for the problem's goal, targets and measure of risk."""

    def solve(program: Program, options: SolverOptions, start: Floats | None) -> Found:
        solved: Any
        if problem.risk.measure != "expected":
            from shared.solve.risk.program_risk import solve_risk_program

            solved = solve_risk_program(program, aim, problem.risk, options, start)
            slopes = replace(program.aimed(aim), draw_weights=solved.weights)
            done = solved.certificate.relative_gap <= options.gap
            return Found(solved.u, solved.proof, Search.of(solved), done, slopes=slopes)
        if aim.floors:
            from shared.solve.program.program_targets import solve_program_aim

            solved = solve_program_aim(program, aim, options, start)
            done = solved.certificate.relative_gap <= options.gap
        else:
            solved = solve_program(program, options, start)
            done = solved.finished
        return Found(solved.u, solved.proof, Search.of(solved), done)

    return solve


def _one_draw(
    problem: Problem, program: Program, aim: Aim
) -> Callable[[int, SolverOptions], Floats | None]:
    """The best spend (A,) over the horizon where one draw is the truth."""
    free = problem.budget is None and not problem.period_budgets

    def best(draw: int, options: SolverOptions) -> Floats | None:
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
        if in_turn and not aim.floors:  # the steps without the bound
            each = replace(options, time_limit_s=options.time_limit_s / problem.horizon.periods)
            solve, steps = _solver(alone, aim), list[Found]()

            def decide(step: Program) -> Floats:
                steps.append(solve(step, each, None))
                return steps[-1].u

            u = decide_in_turn(task, decide)
            done = all(step.finished for step in steps)
            return np.asarray(task.spend(u).sum(axis=1)) if done else None
        found = _found(alone, replace(task, current=None), aim, None)
        return np.asarray(task.spend(found.u).sum(axis=1)) if found.finished else None

    return best


def _refuse(problem: Problem) -> None:
    """What no room below builds yet for a general program."""
    over_time = problem.horizon.mode == "sequential" and problem.horizon.periods > 1
    if over_time and problem.risk.measure != "expected" and aim_of(problem.goal).floors:
        raise NotSupportedYet.at(
            "/horizon/mode",
            "not_supported_yet",
            "Targets beside a measure of risk are not built for plans that are decided in turn.",
        )
