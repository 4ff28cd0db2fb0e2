"""The best allocation of a budget as an answer: solved, certified, scored and put into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.plan import separable
from shared.plan.explain import explain, warn
from shared.plan.rows import allocation
from shared.plan.score import Score, finite, score, totals
from shared.problem.canonical import canonicalise
from shared.problem.model import Problem
from shared.solve.certificate import Certificate, certify
from shared.solve.dispatch import solve

__all__ = ["Plan", "Search", "answer", "certificate_of", "make_plan", "rows_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Search:
    """How a plan was found."""

    method: str
    why: str
    iterations: int
    nodes: int
    solve_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A solved problem: what to spend, how good it is, what today brings.

    Attributes
    ----------
    held
        Names of what holds each arm where it is.
    prices
        The answer's ``shadow_prices``; ``budget_price`` is the value of the budget's own.
    """

    problem: Problem
    best: Score
    current: Score | None
    certificate: Certificate
    search: Search
    held: list[list[str]]
    prices: list[dict[str, Any]]

    @property
    def names(self) -> tuple[str, ...]:
        """The channels, in the order of the rows."""
        return tuple(channel.name for channel in self.problem.channels)

    @property
    def optimal(self) -> bool:
        """Whether the gap is proven to be within the one that was asked for."""
        proof = self.certificate
        return bool(proof.proven and proof.relative_gap <= self.problem.options.gap)

    @property
    def budget_price(self) -> float | None:
        """Outcome gained per further unit of budget; None where there is none, or no number."""
        return next((p["value"] for p in self.prices if p["name"] == "budget"), None)


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """Solve ``problem`` and check the solution with code that shares nothing with the solver.

    Parameters
    ----------
    start
        (A, T) spend of a plan for nearly the same problem, to start from.

    Raises
    ------
    Infeasible
        No spend satisfies all limits; names the smallest conflicting set.
    NotSupportedYet
        A method that is in the contract but not built.
    """
    canonical = canonicalise(problem)
    solved = solve(canonical, problem.options, None if start is None else start[:, 0])
    best = score(canonical, solved.spend)
    slopes = best.marginal[:, 0]
    held = separable.bindings(canonical, solved.spend)
    price = separable.budget_price(canonical, solved.spend, slopes, solved.budget_price)
    known = not np.isnan(canonical.current).any()
    return Plan(
        problem=problem,
        best=best,
        current=score(canonical, canonical.current) if known else None,
        certificate=certify(canonical, solved.spend, solved.proof),
        search=Search(solved.method, solved.why, solved.iterations, solved.nodes, solved.solve_ms),
        held=held,
        prices=separable.shadow_prices(canonical, held, slopes, price),
    )


def rows_of(plan: Plan, intervals: list[list[float] | None] | None = None) -> list[dict[str, Any]]:
    """The answer's ``allocation``."""
    return allocation(plan.problem, plan.best, plan.current, plan.held, intervals)


def certificate_of(plan: Plan) -> dict[str, Any]:
    """The certificate's fields in API.md's names."""
    proof, search = plan.certificate, plan.search
    return {
        "objective": proof.objective,
        "upper_bound": finite(proof.upper_bound),
        "gap": finite(proof.gap),
        "relative_gap": finite(proof.relative_gap),
        "proven": proof.proven,
        "method": search.method,
        "method_reason": search.why,
        "max_constraint_violation": proof.max_constraint_violation,
        "kkt_residual": finite(proof.kkt_residual),
        "iterations": search.iterations,
        "nodes": search.nodes,
        "solve_ms": search.solve_ms,
    }


def answer(plan: Plan) -> dict[str, Any]:
    """The whole answer to ``POST /optimize`` but for the request's id."""
    problem = plan.problem
    rows = rows_of(plan, separable.spend_intervals(problem, plan.best.spend[:, 0]))
    sums = totals(plan.best, plan.current)
    proof = certificate_of(plan)
    return {
        "status": "optimal" if plan.optimal else "feasible",
        "allocation": rows,
        "totals": sums,
        "certificate": proof,
        "shadow_prices": plan.prices,
        "explanation": explain(problem, rows, sums, proof, plan.prices, _slopes_now(plan)),
        "warnings": warn(problem, rows, sums, proof),
        "curves_version": problem.curves_version,
    }


def _slopes_now(plan: Plan) -> list[float | None]:
    """Marginal return of each channel at today's spend; None where today's spend is unknown."""
    if plan.current is None:
        return [None] * len(plan.problem.channels)
    rows = allocation(plan.problem, plan.current, plan.current, [[]] * len(plan.held))
    return [row["marginal_return"] for row in rows]
