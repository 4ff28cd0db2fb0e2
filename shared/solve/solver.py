"""The one door: whatever a program says, its plan with a proof."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.solve.heuristics.heuristic import BY_NAME
from shared.solve.one_budget.form import one_budget
from shared.solve.search import Solution

__all__ = ["solve"]

Array = NDArray[np.float64]

_METHODS = ("auto", "lagrangian", "branch_and_bound", *BY_NAME)


def solve(program: Program, options: SolverOptions, start: Array | None = None) -> Solution:
    """Solve to ``options.gap`` within ``options.time_limit_s`` of work; the same on any machine.

    Measures of risk and targets search over weights and multipliers, and come back here for the
    programs that these make; what is left is for the first engine that takes it.

    Parameters
    ----------
    start
        A plan (A, K) known already; like today's, where it is allowed the answer is never worse.

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
        from shared.solve.one_budget.engine import solve_budget

        return solve_budget(program, task, options, start)
    if program.risk is not None:
        from shared.solve.risk import solve_measure

        return solve_measure(program, options, start)
    if program.floors:
        from shared.solve.engines.targets import solve_targets

        return solve_targets(program, options, start)
    from shared.solve.engines.exact import solve_program

    return solve_program(program, options, start)
