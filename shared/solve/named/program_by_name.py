"""Searches by name on general programs: a plan from the search, its bound from the root relaxation.

What a search comes back with is repaired to rounding (lots included), held against every plan that
was known before, and only then answered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.feasibility import feasible_point, repair
from shared.problem.incumbent import incumbent
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Leaf, Proof
from shared.solve.named.by_pieces import search_pieces
from shared.solve.named.program_space import program_space
from shared.solve.named.search import search
from shared.solve.named.space import Searched
from shared.solve.program.interior import relax_program
from shared.solve.program.program_box import program_box
from shared.solve.program.solved_program import SolvedProgram, known_plan

__all__ = ["solve_by_name"]

Array = NDArray[np.float64]


def solve_by_name(
    program: Program, options: SolverOptions, start: Array | None = None
) -> SolvedProgram:
    """Search by ``options.method``: one of ``shared.solve.named.search.BY_NAME``.

    Parameters
    ----------
    start
        A plan (A, K) known already; like today's, where it is allowed the answer is never worse.

    Raises
    ------
    Infeasible
        With the smallest conflict, where no plan exists.
    """
    began = work.now()
    known = (incumbent(program, start), known_plan(program))
    plans = [plan for plan in known if plan is not None]
    plans = plans or [feasible_point(program, began + 0.5 * options.time_limit_s)]
    # The relaxation goes first: a search may use all the time there is, and a bound is owed. It
    # holds wherever the clock stops it.
    relaxed = relax_program(
        program, program_box(program), deadline=began + 0.6 * options.time_limit_s
    )
    proof = Proof((Leaf(relaxed.mu, relaxed.nu),))
    found = _search(program, options, began + 0.85 * options.time_limit_s, plans)
    repaired = repair(program, found.point.reshape(program.lower.shape))
    if repaired is not None:
        plans.append(repaired)
    values = [program.objective(plan) for plan in plans]
    why = f"Asked for by name. {found.note}"
    if not found.finished:
        why += " The time limit cut the search short."
    return SolvedProgram(
        u=plans[int(np.argmax(values))],
        method=options.method,
        why=why + " The bound is that of the exact solver's first relaxation.",
        iterations=found.evaluations,
        nodes=1,
        proof=proof,
        row_prices=relaxed.mu,
        finished=found.finished,
    )


def _search(
    program: Program, options: SolverOptions, deadline: float, plans: list[Array]
) -> Searched:
    """What the method itself finds; a plan known before where it finds none."""
    if options.method == "piecewise":
        best = max(plans, key=program.objective)
        found = search_pieces(program, gap=options.gap, deadline=deadline, start=best)
    else:
        space = program_space(program, deadline, tuple(plans))
        found = None if space is None else search(space, options.method, options.seed)
    return found or Searched(plans[0].ravel(), 0.0, 0, "It found no plan of its own.", True)
