"""Plans over boxes and one budget: their own solver, fast and exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.plan.moves import clock, over_draws
from shared.plan.plan import Found, Plan, planned
from shared.problem.canonical import Canonical, canonicalise
from shared.problem.model import Problem, SolverOptions
from shared.problem.plain_program import as_program
from shared.solve.dispatch import solve
from shared.solve.one_budget.draws import best_in_draws

__all__ = ["make_plan"]

Floats = NDArray[np.float64]


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`; problems that are ``separable``."""
    timing = clock(problem)
    canonical = canonicalise(problem)
    program = as_program(canonical)
    found = solve(canonical, timing.options, None if start is None else start[:, 0])
    return planned(
        problem,
        program,
        Found.of(program, found),
        moves=lambda: over_draws(
            problem,
            timing,
            _one_draw(canonical),
            lambda draws, gap: best_in_draws(canonical, draws, gap, float(found.prices[0])),
        ),
    )


def _one_draw(canonical: Canonical) -> Callable[[int, SolverOptions], Floats | None]:
    """The best spend (n,) where one draw is the truth."""

    def solve_draw(draw: int, options: SolverOptions) -> Floats | None:
        assert canonical.draws is not None
        unknown = np.full(canonical.n, np.nan)
        one = canonical.draws.one(draw)
        found = solve(replace(canonical, curves=one, draws=None, current=unknown), options)
        return found.spend if found.finished else None

    return solve_draw
