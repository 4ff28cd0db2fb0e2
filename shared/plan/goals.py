"""Plans for profit, the least spend and efficiency targets, over boxes and at most one budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.plan.plan import Plan, Search
from shared.plan.score import finite, score
from shared.plan.separable import bindings, current_score
from shared.problem.free_budget import canonicalise_goal
from shared.problem.model import Problem
from shared.solve.goals.goals import solve_goal

__all__ = ["make_plan"]

Floats = NDArray[np.float64]


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`; problems whose ``boxed`` is true."""
    canonical, aim = canonicalise_goal(problem)
    found = solve_goal(canonical, aim, problem.options, None if start is None else start[:, 0])
    prices = [
        {"name": price.name, "value": finite(price.value), "unit": price.unit}
        for price in found.prices
    ]
    return Plan(
        problem=problem if not aim.free else replace(problem, budget=None),
        best=score(canonical, found.spend),
        current=current_score(canonical),
        certificate=found.certificate,
        search=Search(found.method, found.why, found.iterations, found.nodes, found.solve_ms),
        held=bindings(canonical, found.spend),
        prices=prices,
    )
