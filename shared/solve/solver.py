"""The one door: whatever a program says, its plan with a proof."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.solve.search import Solution

__all__ = ["solve"]

Array = NDArray[np.float64]


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
    Infeasible
        With the smallest conflict, where no plan exists.
    """
    # Imported where used: a question does not wait for solvers that it does not need.
    if program.risk is not None:
        from shared.solve.risk import solve_measure

        return solve_measure(program, options, start)
    if program.floors:
        from shared.solve.engines.targets import solve_targets

        return solve_targets(program, options, start)
    from shared.solve.engines.exact import solve_program

    return solve_program(program, options, start)
