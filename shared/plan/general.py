"""Plans of the general program: everything that has no solver of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.plan.moves import clock, known_draw, over_draws
from shared.plan.pair_notes import levels_in_draws
from shared.plan.plan import Found, Plan, planned
from shared.plan.sequential import decide_in_turn, in_turn
from shared.problem.aim import aim_of
from shared.problem.incumbent import decisions
from shared.problem.lower import lower
from shared.problem.model import Problem, SolverOptions
from shared.problem.program import Program
from shared.problem.risk_program import read_as
from shared.solve.search import Solution
from shared.solve.solver import solve

__all__ = ["make_plan"]

Floats = NDArray[np.float64]


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`; everything that has no solver of its own."""
    timing = clock(problem)
    program = by_period = lower(problem)
    if program.columns != program.periods:
        by_period = lower(replace(problem, horizon=replace(problem.horizon, mode="time_varying")))
    program = read_as(program, aim_of(problem.goal), problem.risk)
    first = None if start is None else decisions(program, start)
    return planned(
        problem,
        program,
        _found(problem, program, timing.options, first),
        by_period=by_period,
        moves=lambda: over_draws(problem, timing, _one_draw(problem, program)),
        notes=lambda spend: levels_in_draws(by_period, spend),
    )


def _found(
    problem: Problem, program: Program, options: SolverOptions, start: Floats | None
) -> Found:
    if _in_turn(problem):
        return in_turn(program, options, start)
    return Found.of(program, solve(program, options, start))


def _in_turn(problem: Problem) -> bool:
    return problem.horizon.mode == "sequential" and problem.horizon.periods > 1


def _one_draw(problem: Problem, program: Program) -> Callable[[int, SolverOptions], Floats | None]:
    """The best spend (A,) over the horizon where one draw is the truth."""
    free = problem.budget is None and not problem.period_budgets

    def best(draw: int, options: SolverOptions) -> Floats | None:
        alone = replace(known_draw(problem, draw), options=options)
        if free:  # what a plan can be worth, and so spend, is another thing in every draw
            task = lower(alone).aimed(program.aim)
        else:
            assert program.draws is not None
            one = program.draws.one(draw)
            # A curve that brings nothing in this draw has no level to interact with.
            lives = one.supremum() > 0.0
            pairs = tuple(p for p in program.pairs if lives[p.first] and lives[p.second])
            task = replace(program, curves=one, draws=None, risk=None, pairs=pairs)
        # Not from today's plan, nor from anybody's: see shared.plan.moves.
        task = replace(task, current=None)
        if _in_turn(problem) and not task.floors:  # the steps without the bound
            each = replace(options, time_limit_s=options.time_limit_s / problem.horizon.periods)
            steps = list[Solution]()

            def decide(step: Program) -> Floats:
                steps.append(solve(step, each))
                return steps[-1].plan

            u = decide_in_turn(task, decide)
            done = all(step.finished for step in steps)
            return np.asarray(task.spend(u).sum(axis=1)) if done else None
        found = _found(alone, task, options, None)
        return np.asarray(task.spend(found.u).sum(axis=1)) if found.finished else None

    return best
