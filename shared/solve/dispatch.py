"""Which method solves a problem, and why; one door for everything that wants a plan."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput, NotSupportedYet
from shared.problem.canonical import Canonical, feasible_current, marginal
from shared.problem.model import SolverOptions
from shared.problem.proof import Proof
from shared.solve.dual import settle
from shared.solve.relaxation import Relaxation
from shared.solve.sigmoid import Found, branch_and_bound

__all__ = ["METHODS", "NOT_BUILT", "Solved", "solve"]

Array = NDArray[np.float64]

METHODS = ("auto", "lagrangian", "branch_and_bound")
_S_SHAPED = (
    "Some curves are S-shaped, so many plans look locally best: concave envelopes bound them all "
    "and branch and bound closes the gap."
)
NOT_BUILT = ("piecewise", "gradient", "slsqp", "genetic", "particle_swarm", "bayesian")


@dataclass(frozen=True, slots=True)
class Solved:
    """A plan with what is needed to check and explain it.

    Attributes
    ----------
    spend
        (n,) money per period.
    method, why
        What was run and the reason, a sentence.
    iterations, nodes
        Evaluations of the dual, and nodes of the search tree (1: the root sufficed).
    proof
        For :func:`shared.solve.certificate.certify`.
    budget_price
        Outcome gained by one more unit of budget, spent where it does most from this plan.
    """

    spend: Array
    method: str
    why: str
    iterations: int
    nodes: int
    proof: Proof
    budget_price: float
    solve_ms: float


def solve(canonical: Canonical, options: SolverOptions, start: Array | None = None) -> Solved:
    """Solve to ``options.gap`` within ``options.time_limit_s``; deterministic.

    Parameters
    ----------
    start
        A feasible plan (n,) known already; like the current plan, the answer is never worse.

    Raises
    ------
    NotSupportedYet, InvalidInput
        At ``/solver/method``.
    """
    method = options.method
    if method in NOT_BUILT:
        raise NotSupportedYet.at(
            "/solver/method", "not_supported_yet", f"The method {method} is not built yet."
        )
    if method not in METHODS:
        raise InvalidInput.at("/solver/method", "unknown_method", f"There is no method {method!r}.")
    began = time.perf_counter()
    # A tenth is kept for the last node and for whoever rechecks the proof.
    deadline = began + 0.9 * options.time_limit_s
    model = Relaxation(canonical)
    chosen, why = _choose(model, method)
    known = (_feasible(canonical, feasible_current(canonical)), _feasible(canonical, start))
    found = branch_and_bound(
        model,
        gap=options.gap,
        deadline=deadline,
        starts=tuple(plan for plan in known if plan is not None),
        node_limit=1 if method == "lagrangian" else 1_000_000,
    )
    if chosen == "lagrangian" and found.nodes > 1:  # a mean over draws, convex by a hair somewhere
        chosen, why = "branch_and_bound", _S_SHAPED
    if not found.finished and chosen == "branch_and_bound":
        why += " The time limit came first, so a gap is left and stated."
    return Solved(
        spend=found.spend,
        method=chosen,
        why=why,
        iterations=found.iterations,
        nodes=found.nodes,
        proof=found.proof,
        budget_price=_budget_price(canonical, found),
        solve_ms=1e3 * (time.perf_counter() - began),
    )


def _choose(model: Relaxation, method: str) -> tuple[str, str]:
    concave = model.concave()
    if method == "auto":
        if concave:
            return "lagrangian", (
                "Every curve has diminishing returns throughout, so the budget's price alone "
                "determines the best plan."
            )
        return "branch_and_bound", _S_SHAPED
    if method == "lagrangian" and not concave:
        return method, (
            "Asked for by name. Some curves are S-shaped, where the dual alone may leave a gap."
        )
    return method, "Asked for by name."


def _budget_price(canonical: Canonical, found: Found) -> float:
    """The steepest slope among the channels that can take more money when the budget grows.

    At a stationary plan all free channels have it in common, and it is the multiplier. Where all
    money is in one channel the multiplier is not unique; this is still the value's derivative.
    """
    spend = found.spend
    tiny = 1e-9 * canonical.budget
    if not canonical.spend_all and float(spend.sum()) < canonical.budget - tiny:
        return 0.0
    widens = np.array([by == "budget" for by in canonical.upper_by], dtype=bool)
    slopes = marginal(canonical, spend)
    takes = ((spend < canonical.upper - tiny) | widens) & np.isfinite(slopes)
    return float(slopes[takes].max()) if np.any(takes) else 0.0


def _feasible(canonical: Canonical, start: Array | None) -> Array | None:
    """A given start, moved to the nearest bounds and the budget; None where that is too far."""
    if start is None or start.shape != (canonical.n,) or not np.all(np.isfinite(start)):
        return None
    inside = np.clip(start, canonical.lower, canonical.upper)
    total = float(inside.sum())
    if not canonical.spend_all and total <= canonical.budget:
        return inside
    plan = settle(inside, canonical.lower, canonical.upper, canonical.budget, inside)
    near = abs(float(plan.sum()) - canonical.budget) <= 1e-9 * max(canonical.budget, 1e-300)
    return plan if near else None
