"""Plans for a cautious reader: a measure over draws instead of their mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.plan.plan import Search
from shared.plan.sequential import decide_in_turn
from shared.problem.aim import Aim
from shared.problem.model import Problem, Risk, SolverOptions
from shared.problem.program import Program
from shared.problem.risk_program import worth
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.program.solved_program import known_plan
from shared.solve.risk.program_risk import RiskProgramSolved, solve_risk_program

__all__ = ["CautiousProgram", "solve_cautious"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CautiousProgram:
    """Decisions (A, K) of a program under a measure, and how good they are.

    ``ahead`` is the plan that sees the whole horizon, where ``u`` is decided in turn; ``reached``
    what either is worth by the measure. ``slopes`` is the program whose mean has the measure's
    slopes at the plan.
    """

    u: Floats
    certificate: Certificate
    search: Search
    slopes: Program
    ahead: Floats | None = None
    reached: tuple[float, float] = (0.0, 0.0)


def solve_cautious(
    problem: Problem, program: Program, aim: Aim, start: Floats | None
) -> CautiousProgram:
    """Solve a general program for the problem's measure; in turn where its mode is so.

    In turn, each period is decided by the measure of what that period brings.
    """
    risk, options = problem.risk, problem.options
    goal = replace(aim, value=program.value, cost=program.cost)
    in_turn = problem.horizon.mode == "sequential" and problem.horizon.periods > 1
    if not in_turn:
        found = solve_risk_program(program, goal, risk, options, start)
        return _cautious(program, found, found.u, found.certificate)
    half = options.time_limit_s / 2.0
    each = replace(options, time_limit_s=half / problem.horizon.periods)
    u = decide_in_turn(program, _decide(goal, risk, each))
    today = known_plan(program)
    if today is not None and worth(program, goal, risk, today) > worth(program, goal, risk, u):
        u = today  # short sight can do worse than staying where one is
    found = solve_risk_program(program, goal, risk, replace(options, time_limit_s=half), u)
    held = certify(replace(program.aimed(goal), risk=risk), u, found.proof)
    out = _cautious(program, found, u, held)
    reached = worth(program, goal, risk, u), worth(program, goal, risk, found.u)
    return replace(out, ahead=found.u, reached=reached)


def _decide(aim: Aim, risk: Risk, options: SolverOptions) -> Callable[[Program], Floats]:
    return lambda step: solve_risk_program(step, aim, risk, options).u


def _cautious(
    program: Program, found: RiskProgramSolved, u: Floats, certificate: Certificate
) -> CautiousProgram:
    search = Search(found.method, found.why, found.iterations, found.nodes)
    slopes = replace(program, draw_weights=found.weights)
    return CautiousProgram(u, certificate, search, slopes)
