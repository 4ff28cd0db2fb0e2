"""The best plan of a program for a cautious reader, with a bound on what any other could be."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import Conflict, Infeasible
from shared.problem.aim import Aim
from shared.problem.incumbent import incumbent, known_plan
from shared.problem.model import Risk, SolverOptions
from shared.problem.program import Program
from shared.solve.certify.certificate import certify
from shared.solve.heuristics.heuristic import BY_NAME, heuristic
from shared.solve.risk.program_risk_floors import meet_floors
from shared.solve.risk.program_risk_search import RiskSearch, bound_named, search_plain
from shared.solve.search import Solution

__all__ = ["solve_measure"]

Array = NDArray[np.float64]


_LOCAL = 0.15  # of the limit of work


def solve_measure(program: Program, options: SolverOptions, start: Array | None = None) -> Solution:
    """Solve a program with a measure over draws, to ``options.gap`` where curves are concave.

    Parameters
    ----------
    start
        A plan (A, K) known already; like today's, where it is allowed the answer is never worse.

    Raises
    ------
    Infeasible
        With the smallest conflict, or the floor that no plan meets.
    InvalidInput
        No draws to weigh, or a level or aversion out of range.
    """
    assert program.risk is not None
    search = RiskSearch(program, options)
    for plan in (known_plan(program), incumbent(program, start)):
        if plan is not None:
            search.offer(plan)
    note = _by_name(search) if options.method in BY_NAME else _exactly(search)
    if search.u is None or search.proof is None:
        raise _not_found(program.aim)
    certificate = certify(search.read, search.u, search.proof)
    finished = certificate.relative_gap <= options.gap
    return Solution(
        u=search.u,
        prices=search.prices,
        proof=search.proof,
        nodes=search.nodes,
        iterations=search.iterations,
        finished=finished,
        thetas=search.proof.theta,
        weights=search.own_weights(search.u) if search.weights is None else search.weights,
        method=_method(search),
        why=note or _why(program.risk, finished),
    )


def _exactly(search: RiskSearch) -> str:
    if search.aim.floors:
        meet_floors(search)
    else:
        search_plain(search)
    _look_around(search)
    return ""


def _look_around(search: RiskSearch) -> None:
    """Local searches of the measure itself from many starts, where the bound leaves a gap: weighed
    draws lead to one plan, and choices, targets and quantiles have many that are locally best."""
    if not (search.bent or search.risk.measure == "quantile"):
        return  # a concave measure of concave curves has one
    if search.proof is not None and search.u is not None:
        found = certify(search.read, search.u, search.proof)
        if found.relative_gap <= search.options.gap:
            return
    options = replace(search.options, method="slsqp")
    search.deadline += _LOCAL * options.time_limit_s
    with suppress(Infeasible):
        found_plan = heuristic(search.read, options, search.u, deadline=search.deadline)
        search.iterations += found_plan.evaluations
        if search.offer(found_plan.u) and search.u is not None:
            theta = search.proof.theta if search.proof is not None else ()
            theta = theta or (0.0,) * len(search.aim.floors)
            search.prove(search.own_weights(search.u), theta, search.left())


def _by_name(search: RiskSearch) -> str:
    """Search by the method asked for; a sentence on it."""
    whole = search.deadline
    theta: tuple[float, ...] = ()
    search.deadline = whole - 0.4 * search.left()
    if search.aim.floors:
        search.named = False
        meet_floors(search)
        theta = () if search.proof is None else search.proof.theta
        search.deadline = whole
    found = heuristic(
        search.read, search.options, search.u, deadline=search.deadline, multipliers=theta
    )
    search.offer(found.u)
    search.iterations += found.evaluations
    if search.aim.floors:
        return (
            f"{found.why} The targets' multipliers are the exact solver's, and so is the plan "
            "where that of the search is worse."
        )
    search.deadline = whole
    bound_named(search)
    return f"{found.why} The bound is that of weighed draws."


def _method(search: RiskSearch) -> str:
    if search.options.method in BY_NAME:
        return search.options.method
    return "branch_and_bound" if search.nodes > 2 + search.iterations else "lagrangian"


def _why(risk: Risk, closed: bool) -> str:
    if risk.measure == "quantile":
        return (
            "A quantile over draws is not concave, so the plan is the best of local searches; the "
            "bound holds but is wide."
        )
    what = "The measure is the least over weightings of the draws, so one weighting bounds it."
    if closed:
        return what + " The weighting at the best plan proves it."
    return (
        what + " Curves, choices or interactions that are not concave, or the time limit, leave a "
        "gap, which is stated."
    )


def _not_found(aim: Aim) -> Infeasible:
    names = [floor.name for floor in aim.floors]
    said = (
        f"No plan that meets {' and '.join(names)} was found within the time limit; it was not "
        "proven that there is none."
    )
    return Infeasible(said, [Conflict(name, said, 0.0) for name in names])
