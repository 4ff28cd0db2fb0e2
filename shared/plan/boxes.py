"""Plans over boxes and at most one budget, whatever the goal: their own solvers, fast and exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.plan.moves import clock, known_draw, over_draws
from shared.plan.plan import Found, Plan, Search, planned
from shared.problem.aim import Aim
from shared.problem.canonical import Canonical, canonicalise
from shared.problem.model import Problem, SolverOptions
from shared.problem.plain_program import as_program
from shared.problem.program import Program, Rows
from shared.solve.dispatch import solve

__all__ = ["make_plan", "posed", "program_of"]

Floats = NDArray[np.float64]


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`; problems whose ``boxed`` is true."""
    timing = clock(problem)
    canonical, aim = posed(problem)
    found = _solved(canonical, aim, timing.options, None if start is None else start[:, 0])
    u, slopes = found.spend[:, None], program_of(canonical, aim)
    return planned(
        problem,
        as_program(canonical).aimed(aim),
        Found(u, found.proof, Search.of(found), found.finished, slopes=slopes),
        moves=lambda: over_draws(problem, timing, _one_draw(problem, canonical, aim)),
    )


def posed(problem: Problem) -> tuple[Canonical, Aim]:
    """The arrays and the aim of a problem over boxes."""
    if problem.separable:
        return canonicalise(problem), Aim()
    # Imported where used: the common question does not wait for solvers that it does not need.
    from shared.problem.free_budget import canonicalise_goal

    return canonicalise_goal(problem)


def program_of(canonical: Canonical, aim: Aim) -> Program:
    """The same in the general form; a total that only stands for "enough" is no limit."""
    program = as_program(canonical).aimed(aim)
    if not aim.free:
        return program
    none = np.zeros(0)
    return replace(program, rows=Rows(np.zeros((0, canonical.n)), none, none, ()))


def _solved(canonical: Canonical, aim: Aim, options: SolverOptions, start: Floats | None) -> Any:
    if aim.plain:
        return solve(canonical, options, start)
    from shared.solve.goals.goals import solve_goal

    return solve_goal(canonical, aim, options, start)


def _one_draw(
    problem: Problem, canonical: Canonical, aim: Aim
) -> Callable[[int, SolverOptions], Floats | None]:
    """The best spend (n,) where one draw is the truth."""

    def solve_draw(draw: int, options: SolverOptions) -> Floats | None:
        if aim.free:  # the total that surely suffices is another one in every draw
            task, _ = posed(known_draw(problem, draw))
        else:
            assert canonical.draws is not None
            task = replace(canonical, curves=canonical.draws.one(draw), draws=None)
        unknown = np.full(canonical.n, np.nan)
        found = _solved(replace(task, current=unknown), aim, options, None)
        return np.asarray(found.spend) if found.finished else None

    return solve_draw
