"""Plans that meet targets: decided at once, or period by period."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import Conflict, Infeasible
from shared.plan.plan import Search
from shared.plan.sequential import aim_in_turn, step
from shared.plan.words import number
from shared.problem.aim import Aim
from shared.problem.incumbent import ALLOWED
from shared.problem.model import Problem, SolverOptions
from shared.problem.program import Program
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.program.program_search import known_plan, solve_program
from shared.solve.program.program_targets import ProgramAimSolved, solve_program_aim

__all__ = ["Targeted", "decide", "meet_targets"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Targeted:
    """Decisions (A, K); ``ahead`` is the plan that sees the whole horizon, where ``u`` does not."""

    u: Floats
    certificate: Certificate
    search: Search
    ahead: Floats | None = None
    reached: tuple[float, float] = (0.0, 0.0)


def meet_targets(
    problem: Problem, program: Program, aim: Aim, start: Floats | None = None
) -> Targeted:
    """The best plan that meets every target of ``aim``, in the horizon's mode.

    Raises
    ------
    Infeasible
        Naming targets that cannot be met, or not period by period.
    """
    if problem.horizon.mode != "sequential" or problem.horizon.periods == 1:
        found = solve_program_aim(program, aim, problem.options, start)
        return Targeted(found.u, found.certificate, _search(found))
    half = problem.options.time_limit_s / 2.0
    each = replace(problem.options, time_limit_s=half / problem.horizon.periods)
    # What no plan can meet is said first: it is no fault of deciding in turn.
    whole = solve_program_aim(program, aim, replace(problem.options, time_limit_s=half), start)
    u = decide(program, aim, each)
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
        raise _out_of_reach(aim, missed[0].name, brings, costs)
    return Targeted(
        u=u,
        certificate=certify(program.aimed(aim), u, whole.proof),
        search=_search(whole),
        ahead=whole.u,
        reached=(aim.worth(brings, costs), whole.certificate.objective),
    )


def decide(program: Program, aim: Aim, options: SolverOptions) -> Floats:
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


def _search(found: ProgramAimSolved) -> Search:
    return Search(found.method, found.why, found.iterations, found.nodes, found.solve_ms)


def _out_of_reach(aim: Aim, name: str, brings: float, costs: float) -> Infeasible:
    floor = next(floor for floor in aim.floors if floor.name == name)
    ratio = brings / costs if costs > 0.0 else 0.0
    best = floor.stated(brings if floor.per_money == 0.0 else ratio)
    text = f"{name} is {number(floor.asked)}; deciding period by period reaches {number(best)}."
    mode = "Seeing the whole horizon (mode time_varying) would meet it."
    return Infeasible(
        f"{name} is not met by deciding period by period. {text} {mode}",
        [
            Conflict(name, text, abs(floor.asked - best)),
            Conflict("horizon.sequential", mode, 0.0),
        ],
    )
