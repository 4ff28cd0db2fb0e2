"""Plans that meet targets, decided period by period."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import Conflict, Infeasible
from shared.plan.plan import Found, Search
from shared.plan.sequential import aim_in_turn, foresight, step
from shared.problem.aim import Aim, Floor
from shared.problem.incumbent import ALLOWED
from shared.problem.model import Problem, SolverOptions
from shared.problem.program import Program
from shared.solve.program.program_search import known_plan, solve_program
from shared.solve.program.program_targets import solve_program_aim

__all__ = ["meet_targets"]

Floats = NDArray[np.float64]


def meet_targets(
    problem: Problem, program: Program, aim: Aim, start: Floats | None = None
) -> Found:
    """The plan decided from period to period that meets every target of ``aim``.

    Raises
    ------
    Infeasible
        Naming targets that cannot be met, or not period by period.
    """
    half = problem.options.time_limit_s / 2.0
    each = replace(problem.options, time_limit_s=half / problem.horizon.periods)
    # What no plan can meet is said first: it is no fault of deciding in turn.
    whole = solve_program_aim(program, aim, replace(problem.options, time_limit_s=half), start)
    u = _decide(program, aim, each)
    brings, costs = program.outcome(u), float(program.spend(u).sum())
    today = known_plan(program)
    if today is not None:
        now = program.outcome(today), float(program.spend(today).sum())
        better = aim.missed(brings, costs) > ALLOWED or aim.worth(*now) > aim.worth(brings, costs)
        if aim.missed(*now) <= ALLOWED and better:
            # Short sight can do worse than staying where one is.
            u, (brings, costs) = today, now
    missed = [floor for floor in aim.floors if floor.missed(brings, costs) > ALLOWED]
    if missed:
        raise _out_of_reach(missed[0], brings, costs)
    note = foresight(aim.worth(brings, costs), whole.certificate.objective)
    done = whole.certificate.relative_gap <= problem.options.gap
    return Found(u, whole.proof, Search.of(whole), done, ahead=whole.u, notes=(note,))


def _decide(program: Program, aim: Aim, options: SolverOptions) -> Floats:
    """Spend (A, T) decided from the first period to the last.

    A period that cannot bring its part of a target brings as much of it as it can: later ones,
    with its carryover, may make up for it.
    """
    spent = np.zeros((program.arms, program.periods))
    for period in range(program.periods):
        task, now = step(program, period, spent), aim_in_turn(program, aim, period, spent)
        spent[:, period] = _nearest(task, now, options)[:, 0]
    return spent


def _nearest(program: Program, aim: Aim, options: SolverOptions) -> Floats:
    """A plan that meets all targets; else efficiency with the most outcome; else what is next."""
    try:
        return solve_program_aim(program, aim, options).u
    except Infeasible:
        efficient = tuple(floor for floor in aim.floors if floor.per_money > 0.0)
        if efficient and len(efficient) < len(aim.floors):
            return _nearest(program, replace(aim, value=1.0, cost=0.0, floors=efficient), options)
        dear = max(floor.per_money for floor in aim.floors)
        return solve_program(replace(program, value=1.0, cost=dear), options).u


def _out_of_reach(floor: Floor, brings: float, costs: float) -> Infeasible:
    ratio = brings / costs if costs > 0.0 else 0.0
    best = floor.stated(brings if floor.per_money == 0.0 else ratio)
    own = floor.unmet(best, " by deciding period by period")
    mode = "Seeing the whole horizon (mode time_varying) would meet it."
    return Infeasible(
        f"{own.name} is not met by deciding period by period. {own.message} {mode}",
        [own, Conflict("horizon.sequential", mode, 0.0)],
    )
