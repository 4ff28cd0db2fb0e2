"""Which method solves a problem, and why; one door for everything that wants a plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import InvalidInput
from shared.problem.canonical import Canonical, marginal
from shared.problem.incumbent import incumbent
from shared.problem.model import SolverOptions
from shared.problem.plain_program import as_program
from shared.solve.heuristics.heuristic import BY_NAME, heuristic
from shared.solve.one_budget.dual import settle
from shared.solve.one_budget.relaxation import Relaxation
from shared.solve.one_budget.sigmoid import branch_and_bound
from shared.solve.search import Solution

__all__ = ["METHODS", "solve"]

Array = NDArray[np.float64]

METHODS = ("auto", "lagrangian", "branch_and_bound", *BY_NAME)
_S_SHAPED = (
    "Some curves are S-shaped, so many plans look locally best: concave envelopes bound them all "
    "and branch and bound closes the gap."
)
_COARSE = 3e-7
"""Tables of means may start coarser where a search refines them wherever it matters."""
_PROOF_NODES = 64
"""Nodes spent on the bound of a plan that was found by a method without one."""


def solve(canonical: Canonical, options: SolverOptions, start: Array | None = None) -> Solution:
    """Solve to ``options.gap`` within ``options.time_limit_s``; deterministic.

    Parameters
    ----------
    start
        A plan (n,) known already: moved to the nearest bounds and the budget, it counts as known
        like today's, where that is allowed; the answer is never worse.

    Raises
    ------
    InvalidInput
        At ``/solver/method``.
    """
    method = options.method
    if method not in METHODS:
        raise InvalidInput.at("/solver/method", "unknown_method", f"There is no method {method!r}.")
    began = work.now()
    # A tenth is kept for the last node and for whoever rechecks the proof.
    deadline = began + 0.9 * options.time_limit_s
    if method in BY_NAME:
        return _by_name(canonical, options, start, began)
    model = Relaxation(canonical, deadline, close=_COARSE)
    chosen, why = _choose(model, method)
    known = (incumbent(canonical, canonical.current), _moved(canonical, start))
    found = branch_and_bound(
        model,
        gap=options.gap,
        starts=tuple(plan for plan in known if plan is not None),
        node_limit=1 if method == "lagrangian" else 1_000_000,
    )
    if chosen == "lagrangian" and found.nodes > 1:  # a mean over draws, convex by a hair somewhere
        chosen, why = "branch_and_bound", _S_SHAPED
    if not found.finished and chosen == "branch_and_bound":
        why += " The time limit came first, so a gap is left and stated."
    prices = np.array([_budget_price(canonical, found.spend)])
    return replace(found, method=chosen, why=why, prices=prices)


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


def _by_name(
    canonical: Canonical, options: SolverOptions, start: Array | None, began: float
) -> Solution:
    """The plan that a search found, and beside it the proof of the exact solver's first nodes."""
    # The larger part of the time is the search's, a fifth is kept for the bound.
    found = heuristic(
        as_program(canonical),
        options,
        None if start is None else start[:, None],
        deadline=began + 0.7 * options.time_limit_s,
    )
    spend = _moved(canonical, found.u[:, 0])
    assert spend is not None
    shown = branch_and_bound(
        Relaxation(canonical, began + 0.9 * options.time_limit_s),
        gap=options.gap,
        starts=(spend,),
        node_limit=_PROOF_NODES,
    )
    return replace(
        shown,
        u=spend[:, None],
        method=options.method,
        why=f"{found.why} The bound is the exact solver's.",
        iterations=found.evaluations,
        prices=np.array([_budget_price(canonical, spend)]),
        finished=found.finished,
    )


def _budget_price(canonical: Canonical, spend: Array) -> float:
    """The steepest slope among the channels that can take more money when the budget grows.

    At a stationary plan all free channels have it in common, and it is the multiplier. Where all
    money is in one channel the multiplier is not unique; this is still the value's derivative.
    """
    tiny = 1e-9 * canonical.budget
    if not canonical.spend_all and float(spend.sum()) < canonical.budget - tiny:
        return 0.0
    widens = np.array([by == "budget" for by in canonical.upper_by], dtype=bool)
    slopes = marginal(canonical, spend)
    takes = ((spend < canonical.upper - tiny) | widens) & np.isfinite(slopes)
    return float(slopes[takes].max()) if np.any(takes) else 0.0


def _moved(canonical: Canonical, plan: Array | None) -> Array | None:
    """A plan at the nearest bounds and the budget; None where they are out of its reach."""
    if plan is None or plan.shape != (canonical.n,) or not np.all(np.isfinite(plan)):
        return None
    inside = np.clip(plan, canonical.lower, canonical.upper)
    if canonical.spend_all or float(inside.sum()) > canonical.budget:
        inside = settle(inside, canonical.lower, canonical.upper, canonical.budget, inside)
    return incumbent(canonical, inside)
