"""Plans for a cautious reader: a measure over draws instead of their mean, on one budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.plan.plan import Plan, Search
from shared.plan.score import score
from shared.plan.separable import bindings, budget_price, current_score, shadow_prices
from shared.problem.canonical import canonicalise
from shared.problem.model import Problem, Risk
from shared.solve.risk.risk import solve_risk

__all__ = ["is_cautious", "make_plan"]

Floats = NDArray[np.float64]


def is_cautious(problem: Problem) -> bool:
    """Whether only the risk measure keeps a problem from the plain form of one budget."""
    expected = replace(problem, risk=Risk())
    return problem.risk.measure != "expected" and expected.separable


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`; problems that :func:`is_cautious` takes.

    The certificate and the shadow prices are of the measure: slopes are weighed over the draws as
    the measure weighs them at its best. All else, totals included, is expected outcome.
    """
    canonical = canonicalise(problem)
    known = None if start is None else start[:, 0]
    found = solve_risk(canonical, problem.risk, problem.options, known)
    held = bindings(canonical, found.spend)
    assert canonical.draws is not None
    slopes = np.asarray(found.weights @ canonical.draws.slope(np.maximum(found.spend, 0.0)))
    price = budget_price(canonical, found.spend, slopes, found.price)
    return Plan(
        problem=problem,
        best=score(canonical, found.spend),
        current=current_score(canonical),
        certificate=found.certificate,
        search=Search(found.method, found.why, found.iterations, found.nodes, found.solve_ms),
        held=held,
        prices=shadow_prices(canonical, held, slopes, price),
    )
