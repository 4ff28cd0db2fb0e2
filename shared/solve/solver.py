"""The one door: whatever a program says, its plan with a proof."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import InvalidInput
from shared.problem.incumbent import incumbent, known_plan
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.solve.heuristics.heuristic import BY_NAME, heuristic
from shared.solve.one_budget.dual import settle
from shared.solve.one_budget.engine import branch_and_bound
from shared.solve.one_budget.form import OneBudget, one_budget
from shared.solve.one_budget.relaxation import Relaxation
from shared.solve.search import Solution

__all__ = ["solve"]

Array = NDArray[np.float64]

_S_SHAPED = (
    "Some curves are S-shaped, so many plans look locally best: concave envelopes bound them all "
    "and branch and bound closes the gap."
)
_COARSE = 3e-7
"""Tables of means may start coarser where a search refines them wherever it matters."""
_PROOF_NODES = 64
"""Nodes spent on the bound of a plan that was found by a method without one."""

_METHODS = ("auto", "lagrangian", "branch_and_bound", *BY_NAME)


def solve(program: Program, options: SolverOptions, start: Array | None = None) -> Solution:
    """Solve to ``options.gap`` within ``options.time_limit_s`` of work; the same on any machine.

    ``start`` is a plan (A, K) known already; like today's, where it is allowed the answer is never
    worse.

    Raises
    ------
    InvalidInput
        At ``/solver/method``.
    Infeasible
        With the smallest conflict, where no plan exists.
    """
    if options.method not in _METHODS:
        text = f"There is no method {options.method!r}."
        raise InvalidInput.at("/solver/method", "unknown_method", text)
    # Imported where used: a question does not wait for solvers that it does not need.
    task = one_budget(program)
    if task is not None:
        return _one_budget(program, task, options, start)
    if program.risk is not None:
        from shared.solve.risk import solve_measure

        return solve_measure(program, options, start, _expected)
    return _expected(program, options, start)


def _expected(program: Program, options: SolverOptions, start: Array | None) -> Solution:
    """Solve a program without a measure of risk by the engines of every form."""
    from shared.solve.engines.exact import solve_program

    if not (program.floors or program.ceilings):
        return solve_program(program, options, start)
    from shared.solve.engines.targets import solve_targets

    return solve_targets(program, options, start, solve_program)


def _one_budget(
    program: Program, task: OneBudget, options: SolverOptions, start: Array | None = None
) -> Solution:
    """Solve a program whose arrays are ``task``; ``start`` is moved to its bounds and budget."""
    method = options.method
    began = work.now()
    # A tenth is kept for the last node and for whoever rechecks the proof.
    deadline = began + 0.9 * options.time_limit_s
    if method in BY_NAME:
        return _by_name(program, task, options, start, began)
    model = Relaxation(task, deadline, close=_COARSE)
    chosen, why = _choose(model, method)
    known = (known_plan(program), _moved(program, task, start))
    found = branch_and_bound(
        model,
        gap=options.gap,
        starts=tuple(plan[:, 0] for plan in known if plan is not None),
        node_limit=1 if method == "lagrangian" else 1_000_000,
    )
    if chosen == "lagrangian" and found.nodes > 1:  # a mean over draws, convex by a hair somewhere
        chosen, why = "branch_and_bound", _S_SHAPED
    if not found.finished and chosen == "branch_and_bound":
        why += " The time limit came first, so a gap is left and stated."
    prices = np.array([_budget_price(task, found.spend)])
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
    program: Program, task: OneBudget, options: SolverOptions, start: Array | None, began: float
) -> Solution:
    """The plan that a search found, and beside it the proof of the exact solver's first nodes."""
    # The larger part of the time is the search's, a fifth is kept for the bound.
    found = heuristic(program, options, start, deadline=began + 0.7 * options.time_limit_s)
    plan = _moved(program, task, found.u)
    assert plan is not None
    shown = branch_and_bound(
        Relaxation(task, began + 0.9 * options.time_limit_s),
        gap=options.gap,
        starts=(plan[:, 0],),
        node_limit=_PROOF_NODES,
    )
    return replace(
        shown,
        u=plan,
        method=options.method,
        why=f"{found.why} The bound is the exact solver's.",
        iterations=found.evaluations,
        prices=np.array([_budget_price(task, plan[:, 0])]),
        finished=found.finished,
    )


def _budget_price(task: OneBudget, spend: Array) -> float:
    """The steepest slope among the arms that can take more money when the budget grows: the
    multiplier, or where all money is in one arm the value's derivative."""
    tiny = 1e-9 * task.budget
    if not task.spend_all and float(spend.sum()) < task.budget - tiny:
        return 0.0
    widens = np.array([by == "budget" for by in task.upper_by], dtype=bool)
    slopes = task.marginal(spend)
    takes = ((spend < task.upper - tiny) | widens) & np.isfinite(slopes)
    return float(slopes[takes].max()) if np.any(takes) else 0.0


def _moved(program: Program, task: OneBudget, plan: Array | None) -> Array | None:
    """A plan (A, 1) at the nearest bounds and the budget; None where they are out of its reach."""
    if plan is None or plan.shape != program.lower.shape or not np.all(np.isfinite(plan)):
        return None
    inside = np.clip(plan[:, 0], task.lower, task.upper)
    if task.spend_all or float(inside.sum()) > task.budget:
        inside = settle(inside, task.lower, task.upper, task.budget, inside)
    return incumbent(program, inside[:, None])
