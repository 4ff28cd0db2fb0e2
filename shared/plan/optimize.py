"""The best allocation of a budget as an answer: solved, certified, scored and put into words."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import Infeasible
from shared.plan import boxes
from shared.plan.caution import warn
from shared.plan.conditions import conditions
from shared.plan.doubts import doubts
from shared.plan.explain import explain
from shared.plan.moves import Moves
from shared.plan.plan import Plan
from shared.plan.rows import allocation
from shared.plan.score import finite, totals
from shared.problem.incumbent import ALLOWED
from shared.problem.model import Problem

__all__ = ["answer", "certificate_of", "make_plan", "rows_of"]

Floats = NDArray[np.float64]


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """Solve ``problem`` and check the solution with code that shares nothing with the solver.

    One budget over boxes has a solver of its own; everything else goes through the general program.

    Parameters
    ----------
    start
        (A, T) spend of a plan for nearly the same problem, to start from.

    Raises
    ------
    Infeasible
        No spend satisfies all limits; names the smallest conflicting set. Or none was found that
        keeps them all to 1e-6: no other plan leaves this room.
    InvalidInput, NotSupportedYet
        Parts of the problem that contradict each other, or are not built.
    """
    began = time.perf_counter()
    with work.limited(problem.options.time_limit_s):
        plan = _kept(problem, start)
    spent = 1e3 * (time.perf_counter() - began)
    return replace(plan, search=replace(plan.search, solve_ms=spent))


def _kept(problem: Problem, start: Floats | None) -> Plan:
    plan = _made(problem, start)
    if start is not None and plan.certificate.max_constraint_violation > ALLOWED:
        plan = _made(problem, None)
    if plan.certificate.max_constraint_violation > ALLOWED:
        raise Infeasible(
            "No plan that keeps every limit was found within the time limit; it was not proven "
            "that there is none. A longer solver.time_limit_s may find one.",
            [],
        )
    return plan


def _made(problem: Problem, start: Floats | None) -> Plan:
    if problem.separable:
        return boxes.make_plan(problem, start)
    # Imported where used: the common question does not wait for solvers that it does not need.
    from shared.plan import general

    return general.make_plan(problem, start)


def rows_of(plan: Plan, optima: Floats | None = None) -> list[dict[str, Any]]:
    """The answer's ``allocation``; ``optima`` (R, A) are best plans of single draws."""
    return allocation(plan.problem, plan.best, plan.current, plan.held, optima)


def certificate_of(plan: Plan) -> dict[str, Any]:
    """The certificate's fields in API.md's names."""
    proof, search = plan.certificate, plan.search
    sign = -1.0 if plan.least else 1.0
    bound = finite(sign * proof.upper_bound)
    return {
        "objective": sign * proof.objective,
        "upper_bound": None if plan.least else bound,
        **({"lower_bound": bound} if plan.least else {}),
        "gap": finite(proof.gap),
        "relative_gap": finite(proof.relative_gap),
        "proven": proof.proven,
        "method": search.method,
        "method_reason": search.why,
        "max_constraint_violation": proof.max_constraint_violation,
        "kkt_residual": finite(proof.kkt_residual),
        "iterations": search.iterations,
        "nodes": search.nodes,
        "stopped_by": search.stopped_by,
        "solve_ms": search.solve_ms,
    }


def answer(plan: Plan, *, spend_interval: bool = True) -> dict[str, Any]:
    """The whole answer to ``POST /optimize`` but for the request's id.

    Without ``spend_interval`` no draw is solved again.
    """
    problem = plan.problem
    moves = plan.moves() if spend_interval else Moves()
    rows = rows_of(plan, moves.optima)
    sums = totals(plan.problem, plan.best, plan.current)
    proof = certificate_of(plan)
    notes = [{"code": code, "message": message} for code, message in (*plan.notes, *moves.notes)]
    return {
        "status": "optimal" if plan.optimal else "feasible",
        "allocation": rows,
        "totals": sums,
        "certificate": proof,
        "shadow_prices": plan.prices,
        "explanation": [
            *explain(plan, rows, sums, proof, _slopes_now(plan)),
            *conditions(plan, rows),
            *doubts(problem, rows),
        ],
        "warnings": [*warn(problem, rows, sums, proof), *notes],
        "curves_version": problem.curves_version,
    }


def _slopes_now(plan: Plan) -> list[float | None]:
    """Marginal return of each channel at today's spend; None where today's spend is unknown."""
    if plan.current is None:
        return [None] * len(plan.problem.channels)
    rows = allocation(plan.problem, plan.current, plan.current, [[]] * len(plan.held))
    return [row["marginal_return"] for row in rows]
