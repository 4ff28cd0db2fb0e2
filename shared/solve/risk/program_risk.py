"""The best plan of a program for a cautious reader, with a bound on what any other could be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import Conflict, Infeasible
from shared.problem.aim import Aim
from shared.problem.incumbent import incumbent
from shared.problem.model import Risk, SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Proof
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.heuristics.heuristic import BY_NAME, heuristic
from shared.solve.program.program_search import known_plan
from shared.solve.risk.program_risk_floors import meet_floors
from shared.solve.risk.program_risk_search import RiskSearch, bound_named, search_plain

__all__ = ["RiskProgramSolved", "solve_risk_program"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RiskProgramSolved:
    """Decisions (A, K) for a measure, with proof and certificate.

    ``row_prices`` (m,) and ``theta`` (of the floors) are in the objective's unit; ``weights`` (S,)
    are what the measure makes of the draws at its best.
    """

    u: Array
    method: str
    why: str
    iterations: int
    nodes: int
    proof: Proof
    certificate: Certificate
    row_prices: Array
    theta: tuple[float, ...]
    weights: Array


def solve_risk_program(
    program: Program,
    aim: Aim,
    risk: Risk,
    options: SolverOptions,
    start: Array | None = None,
) -> RiskProgramSolved:
    """Solve for a measure over draws, to ``options.gap`` where curves are concave.

    Parameters
    ----------
    aim
        What is maximised, and its floors.
    start
        A plan (A, K) known already; like today's, where it is allowed the answer is never worse.

    Raises
    ------
    Infeasible
        With the smallest conflict, or the floor that no plan meets.
    InvalidInput
        No draws to weigh, or a level or aversion out of range.
    """
    search = RiskSearch(program, aim, risk, options)
    for plan in (known_plan(program), incumbent(program, start)):
        if plan is not None:
            search.offer(plan)
    note = _by_name(search) if options.method in BY_NAME else _exactly(search)
    if search.u is None or search.proof is None:
        raise _not_found(aim)
    certificate = certify(search.read, search.u, search.proof)
    return RiskProgramSolved(
        u=search.u,
        method=_method(search),
        why=note or _why(risk, certificate.relative_gap <= options.gap),
        iterations=search.iterations,
        nodes=search.nodes,
        proof=search.proof,
        certificate=certificate,
        row_prices=search.prices,
        theta=search.proof.theta,
        weights=search.own_weights(search.u) if search.weights is None else search.weights,
    )


def _exactly(search: RiskSearch) -> str:
    if search.aim.floors:
        meet_floors(search)
    else:
        search_plain(search)
    return ""


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
