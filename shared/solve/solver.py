"""The one door: whatever a program says, its plan with a proof."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import InvalidInput
from shared.problem.incumbent import incumbent, known_plan
from shared.problem.lattice_rows import lattice_rows
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Leaf, Proof
from shared.problem.risk_program import missed
from shared.solve.heuristics.heuristic import BY_NAME, heuristic
from shared.solve.one_budget.dual import settle
from shared.solve.one_budget.engine import branch_and_bound
from shared.solve.one_budget.form import OneBudget, one_budget
from shared.solve.one_budget.relaxation import Relaxation
from shared.solve.search import MISS, Solution, Unmet

__all__ = ["solve", "solve_program"]

Array = NDArray[np.float64]

_CONCAVE = (
    "Every curve has diminishing returns throughout and every decision is free within its bounds, "
    "so an interior point finds the one best plan and its prices prove it."
)
_CHOICES = (
    "Minimum spends, lots or a limited number of active channels make some choices whole: each "
    "region is relaxed to mixes of allowed values, and branch and bound closes the gap."
)
_FLIGHTS = (
    "Flights, or a limited number of channels in a period, say when each channel may spend: what "
    "they leave open is worked out region by region, and branch and bound closes the gap."
)
_PAIRS = (
    "Interactions multiply levels of saturation: each product is bounded by squares around the "
    "best plan found, or by planes, and branch and bound closes what gap is left."
)
_S_SHAPED = (
    "Some curves are S-shaped, so many plans look locally best: concave envelopes bound them all "
    "and branch and bound closes the gap."
)
_COARSE = 3e-7
"""Tables of means may start coarser where a search refines them wherever it matters."""
_CLIMBS = 0.25
"""Of the limit, for local searches beside a tree that leaves a gap."""
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
    with work.untimed():  # seconds of a fresh process on a busy machine, of which no search knows
        for library in ("linalg", "optimize", "sparse"):
            import_module(f"scipy.{library}")
    if program.risk is not None:
        from shared.solve.risk import solve_measure

        if program.power is not None:
            from shared.solve.rising import solve_rising

            return solve_rising(program, options, start, solve)
        return solve_measure(program, options, start, _expected)
    return _expected(program, options, start)


def _expected(program: Program, options: SolverOptions, start: Array | None) -> Solution:
    """Solve a program without a measure of risk by the engines of every form."""
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
        return _budget_by_name(program, task, options, start, began)
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


def _budget_by_name(
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


def solve_program(program: Program, options: SolverOptions, start: Array | None = None) -> Solution:
    """Solve to ``options.gap`` within ``options.time_limit_s``, no worse than the plan ``start``
    (A, K).

    Raises
    ------
    Infeasible
        With the smallest conflict, where no plan exists.
    """
    if program.power is not None:
        from shared.solve.rising import solve_rising

        return solve_rising(program, options, start, solve_program)
    began = work.now()
    if options.method in BY_NAME:
        return _program_by_name(program, options, start, began)
    # A tenth is kept for the last node and for whoever rechecks the proof.
    end = began + 0.9 * options.time_limit_s
    # Near a target few plans of a relaxation are allowed: climbs find those that the tree misses.
    climbs = bool(program.floors) and not program.discrete and program.columns > 1
    deadline = end - (_CLIMBS * options.time_limit_s if climbs else 0.0)
    known = (incumbent(program, start), known_plan(program))
    starts = tuple(plan for plan in known if plan is not None)
    method, why = _why(program)
    given, program = program, replace(program, rows=lattice_rows(program))
    found = _search(program, options, deadline, starts)
    if found.u is None and program.floors:
        raise Unmet(exhausted=found.finished)
    if found.u is None:
        found = _from_feasible(given, options, deadline, found)
    if climbs and not found.finished and found.u is not None:
        asked = replace(options, method="slsqp")
        thetas = tuple(found.thetas)
        climbed = heuristic(program, asked, found.u, deadline=end, multipliers=thetas)
        found = replace(found, u=climbed.u, iterations=found.iterations + climbed.evaluations)
    if not found.finished and method == "branch_and_bound":
        why += " The time limit came first, so a gap is left and stated."
    return replace(found, method=method, why=why)


def _program_by_name(
    program: Program, options: SolverOptions, start: Array | None, began: float
) -> Solution:
    """The plan that a search found, and beside it the proof of the exact solver's root."""
    from shared.solve.engines.envelopes import program_box
    from shared.solve.engines.interior import relax_program

    root = relax_program(program, program_box(program), deadline=began + 0.4 * options.time_limit_s)
    deadline = began + 0.85 * options.time_limit_s
    thetas = tuple(root.theta.tolist())
    found = heuristic(program, options, start, deadline=deadline, multipliers=thetas)
    if missed(program, found.u) > MISS:
        raise Unmet(exhausted=False)
    return Solution(
        u=found.u,
        prices=root.mu,
        proof=Proof((Leaf(root.mu, root.nu, thetas),)),
        nodes=1,
        iterations=found.evaluations,
        finished=found.finished,
        thetas=thetas,
        method=options.method,
        why=f"{found.why} The bound is that of the exact solver's first relaxation.",
    )


def _search(
    program: Program, options: SolverOptions, deadline: float, starts: tuple[Array, ...]
) -> Solution:
    if program.pairs and program.value > 0.0:
        from shared.solve.engines.interactions import search_interactions

        return search_interactions(program, options, deadline, starts)
    whole = bool(np.any(program.lot > 0.0)) or bool(program.at_most)
    if whole and program.columns == 1 and program.weight.shape[1] == 1:
        from shared.solve.engines.columns import search_columns

        return search_columns(program, gap=options.gap, deadline=deadline, starts=starts)
    if program.floors:
        return _boxes(program, options, deadline, starts)
    from shared.solve.engines.one_share import search_shares, shares_one_budget
    from shared.solve.engines.prices import falls_apart, search_prices

    if falls_apart(program) and not _concave(program):
        found = search_prices(program, gap=options.gap, deadline=deadline, starts=starts)
        if found is not None:
            return found
    if shares_one_budget(program) and not _concave(program):
        found = search_shares(program, gap=options.gap, deadline=deadline, starts=starts)
        if found is not None:
            return found
    return _boxes(program, options, deadline, starts)


def _boxes(
    program: Program, options: SolverOptions, deadline: float, starts: tuple[Array, ...]
) -> Solution:
    proposals: tuple[Array, ...] = ()
    simple = program.columns == 1 and program.weight.shape[1] == 1
    if program.discrete and not (simple or program.switches):
        # The integer programme finds whole choices that the boxes alone find slowly; patterns of
        # flights it finds more slowly than they do.
        from shared.solve.engines.piecewise import solve_piecewise

        now = work.now()
        plan = solve_piecewise(program, gap=1e-4, deadline=now + 0.3 * (deadline - now))
        proposals = () if plan.u is None else (plan.u,)
    from shared.solve.engines.boxes import search_boxes

    return search_boxes(
        program, gap=options.gap, deadline=deadline, starts=starts, proposals=proposals
    )


def _from_feasible(
    program: Program, options: SolverOptions, deadline: float, found: Solution
) -> Solution:
    """Where the search met no plan: any plan there is (or the conflict, raised), and on from it."""
    from shared.problem.feasibility import feasible_point

    point = feasible_point(program, deadline)
    if work.now() < deadline:
        again = _search(program, options, deadline, (point,))
        if again.u is not None:
            return again
    return Solution(point, found.prices, found.proof, found.nodes, found.iterations, False)


def _concave(program: Program) -> bool:
    """Whether no curve turns from convex to concave within its reach."""
    least = program.adstocked(program.lower)
    most = program.adstocked(program.upper)
    bend = program.known.inflections().max(axis=0)[:, None]
    bent = (bend > least) & (most > least) & (program.weight > 0.0)
    return not bool(np.any(bent)) and not bool(np.any(program.weight < 0.0))


def _why(program: Program) -> tuple[str, str]:
    if program.pairs and program.value > 0.0:
        return "branch_and_bound", _PAIRS
    if program.discrete:
        return "branch_and_bound", _FLIGHTS if program.switches else _CHOICES
    if _concave(program):
        return "lagrangian", _CONCAVE
    return "branch_and_bound", _S_SHAPED
