"""Plans of one budget over boxes: what holds them, what relaxing it is worth, how far they move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.plan.moves import Clock, Moves, clock, over_draws
from shared.plan.plan import Plan, Search
from shared.plan.score import Score, finite, score
from shared.problem.canonical import Canonical, canonicalise
from shared.problem.model import Problem, SolverOptions
from shared.problem.plain_program import as_program
from shared.solve.certify.certificate import certify
from shared.solve.dispatch import solve
from shared.solve.one_budget.draws import best_in_draws

__all__ = [
    "BINDING_TOLERANCE",
    "PRICE_UNIT",
    "bindings",
    "budget_price",
    "current_score",
    "make_plan",
    "shadow_prices",
    "spend_moves",
]

Floats = NDArray[np.float64]

PRICE_UNIT = "outcome per unit of money"

BINDING_TOLERANCE = 1e-7
"""A bound binds where the spend is within this share of the budget of it."""


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`."""
    timing = clock(problem)
    canonical = canonicalise(problem)
    solved = solve(canonical, timing.options, None if start is None else start[:, 0])
    best = score(canonical, solved.spend)
    slopes = best.marginal[:, 0]
    held = bindings(canonical, solved.spend)
    price = budget_price(canonical, solved.spend, slopes, solved.budget_price)
    return Plan(
        problem=problem,
        best=best,
        current=current_score(canonical),
        certificate=certify(as_program(canonical), solved.spend[:, None], solved.proof),
        search=Search(solved.method, solved.why, solved.iterations, solved.nodes),
        held=held,
        prices=shadow_prices(canonical, held, slopes, price),
        moves=spend_moves(problem, canonical, timing, solved.budget_price),
    )


def current_score(canonical: Canonical) -> Score | None:
    """Today's plan, scored; None unless every channel's current spend is known."""
    known = not np.isnan(canonical.current).any()
    return score(canonical, canonical.current) if known else None


def bindings(canonical: Canonical, spend: Floats) -> list[list[str]]:
    """Names of the bounds that hold each channel where it is (its own fields' names)."""
    slack = BINDING_TOLERANCE * max(canonical.budget, 1e-12)
    held: list[list[str]] = []
    for i, x in enumerate(spend):
        names: list[str] = []
        if canonical.lower_by[i] and x <= canonical.lower[i] + slack:
            names.append(canonical.lower_by[i])
        if canonical.upper_by[i] and x >= canonical.upper[i] - slack:
            names.append(canonical.upper_by[i])
        held.append(list(dict.fromkeys(n for n in names if n != "budget")))
    return held


def budget_price(canonical: Canonical, spend: Floats, slopes: Floats, multiplier: float) -> float:
    """Outcome gained per further unit of budget.

    Where channels lie between their bounds, it is their common slope (the derivative of the best
    value by the envelope theorem); where none does, it is the solver's ``multiplier``.
    """
    slack = BINDING_TOLERANCE * max(canonical.budget, 1e-12)
    if not canonical.spend_all and spend.sum() < canonical.budget - slack:
        return 0.0
    # What only the budget caps is free: one more unit of budget is one more unit for it.
    uncapped = np.array([by == "budget" for by in canonical.upper_by])
    takes = uncapped | (spend < canonical.upper - slack)
    free = (spend > canonical.lower + slack) & takes
    if free.any():
        return float(np.median(slopes[free]))
    # The first unit of money into an infinitely steep curve has no finite price.
    return float("inf") if np.any(takes & np.isinf(slopes)) else float(multiplier)


def shadow_prices(
    canonical: Canonical, held: list[list[str]], slopes: Floats, price: float
) -> list[dict[str, Any]]:
    """Outcome gained per unit of relaxing the budget and each bound that binds, by name."""
    prices: list[dict[str, Any]] = [{"name": "budget", "value": finite(price), "unit": PRICE_UNIT}]
    for i, names in enumerate(held):
        for name in names:
            gain = float(slopes[i]) - price
            at_lower = name == canonical.lower_by[i] and name != canonical.upper_by[i]
            if name == "locked":
                gain = abs(gain)
            elif at_lower or (name == "max_change" and gain < 0):
                gain = -gain
            prices.append(
                {
                    "name": f"{canonical.names[i]}.{name}",
                    "value": finite(max(gain, 0.0)),
                    "unit": PRICE_UNIT,
                }
            )
    return prices


def spend_moves(
    problem: Problem, canonical: Canonical, timing: Clock, price: float
) -> Callable[[], Moves]:
    """How far the best spend moves when single draws are optimised under the same bounds."""

    def solve_draw(draw: int, options: SolverOptions) -> Floats | None:
        assert canonical.draws is not None
        unknown = np.full(canonical.n, np.nan)
        one = canonical.draws.one(draw)
        task = replace(canonical, curves=one, draws=None, current=unknown)
        solved = solve(task, options)
        return solved.spend if solved.finished else None

    def solve_all(draws: list[int], gap: float) -> list[Floats | None]:
        return best_in_draws(canonical, draws, gap, price)

    return lambda: over_draws(problem, timing, solve_draw, solve_all)
