"""Plans for a cautious reader: a measure over draws instead of their mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.plan.moves import clock
from shared.plan.plan import Plan, Search
from shared.plan.score import score
from shared.plan.separable import (
    bindings,
    budget_price,
    current_score,
    shadow_prices,
    spend_moves,
)
from shared.plan.sequential import decide_in_turn
from shared.problem.aim import Aim
from shared.problem.canonical import canonicalise
from shared.problem.model import Problem, Risk, SolverOptions
from shared.problem.program import Program
from shared.problem.risk_program import worth
from shared.solve.certify.certificate import Certificate
from shared.solve.certify.risk_program_certificate import certify_risk_program
from shared.solve.named.search import BY_NAME
from shared.solve.program.solved_program import known_plan
from shared.solve.risk.program_risk import RiskProgramSolved, solve_risk_program
from shared.solve.risk.risk import solve_risk

__all__ = ["CautiousProgram", "is_cautious", "make_plan", "solve_cautious"]

Floats = NDArray[np.float64]


def is_cautious(problem: Problem) -> bool:
    """Whether only the risk measure keeps a problem from the plain form of one budget.

    Methods by name search the general form.
    """
    expected = replace(problem, risk=Risk())
    cautious = problem.risk.measure != "expected" and problem.options.method not in BY_NAME
    return cautious and expected.separable


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`; problems that :func:`is_cautious` takes.

    The certificate and the shadow prices are of the measure: slopes are weighed over the draws as
    the measure weighs them at its best. All else, totals included, is expected outcome.
    """
    timing = clock(problem)
    canonical = canonicalise(problem)
    known = None if start is None else start[:, 0]
    found = solve_risk(canonical, problem.risk, timing.options, known)
    held = bindings(canonical, found.spend)
    assert canonical.draws is not None
    slopes = np.asarray(found.weights @ canonical.draws.slope(np.maximum(found.spend, 0.0)))
    price = budget_price(canonical, found.spend, slopes, found.price)
    return Plan(
        problem=problem,
        best=score(canonical, found.spend),
        current=current_score(canonical),
        certificate=found.certificate,
        search=Search(found.method, found.why, found.iterations, found.nodes, found.solve_ms),
        held=held,
        prices=shadow_prices(canonical, held, slopes, price),
        moves=spend_moves(problem, canonical, timing),
    )


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
    held = certify_risk_program(program, goal, risk, u, found.proof)
    out = _cautious(program, found, u, held)
    reached = worth(program, goal, risk, u), worth(program, goal, risk, found.u)
    return replace(out, ahead=found.u, reached=reached)


def _decide(aim: Aim, risk: Risk, options: SolverOptions) -> Callable[[Program], Floats]:
    return lambda step: solve_risk_program(step, aim, risk, options).u


def _cautious(
    program: Program, found: RiskProgramSolved, u: Floats, certificate: Certificate
) -> CautiousProgram:
    search = Search(found.method, found.why, found.iterations, found.nodes, found.solve_ms)
    slopes = replace(program, draw_weights=found.weights)
    return CautiousProgram(u, certificate, search, slopes)
