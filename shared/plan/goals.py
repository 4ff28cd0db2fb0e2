"""Plans for profit, the least spend and efficiency targets, over boxes and at most one budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.plan.moves import clock, known_draw, over_draws
from shared.plan.plan import Plan, Search
from shared.plan.prices import priced
from shared.plan.score import score
from shared.plan.separable import bindings, current_score
from shared.problem.aim import Aim
from shared.problem.canonical import Canonical
from shared.problem.free_budget import canonicalise_goal
from shared.problem.model import Problem, SolverOptions
from shared.problem.plain_program import as_program
from shared.problem.program import Program, Rows
from shared.solve.goals.goals import solve_goal

__all__ = ["make_plan"]

Floats = NDArray[np.float64]


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`; problems whose ``boxed`` is true."""
    timing = clock(problem)
    canonical, aim = canonicalise_goal(problem)
    found = solve_goal(canonical, aim, timing.options, None if start is None else start[:, 0])
    worth = priced(
        _as_program(canonical, aim), found.spend[:, None], goal=aim.goal, floors=aim.floors
    )
    return Plan(
        problem=problem if not aim.free else replace(problem, budget=None),
        best=score(canonical, found.spend),
        current=current_score(canonical),
        certificate=found.certificate,
        search=Search(found.method, found.why, found.iterations, found.nodes),
        held=bindings(canonical, found.spend),
        prices=worth.prices,
        moves=lambda: over_draws(problem, timing, _one_draw(problem, canonical, aim)),
        notes=worth.notes,
    )


def _as_program(canonical: Canonical, aim: Aim) -> Program:
    """The goal's objective; a total that only stands for "enough" is no limit."""
    program = replace(as_program(canonical), value=aim.value, cost=aim.cost)
    if not aim.free:
        return program
    none = np.zeros(0)
    return replace(program, rows=Rows(np.zeros((0, canonical.n)), none, none, ()))


def _one_draw(
    problem: Problem, canonical: Canonical, aim: Aim
) -> Callable[[int, SolverOptions], Floats | None]:
    """The best spend (n,) where one draw is the truth."""

    def solve(draw: int, options: SolverOptions) -> Floats | None:
        if aim.free:  # the total that surely suffices is another one in every draw
            task, _ = canonicalise_goal(known_draw(problem, draw))
        else:
            assert canonical.draws is not None
            task = replace(canonical, curves=canonical.draws.one(draw), draws=None)
        unknown = np.full(canonical.n, np.nan)
        found = solve_goal(replace(task, current=unknown), aim, options)
        return found.spend if found.finished else None

    return solve
