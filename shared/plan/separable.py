"""Plans of one budget over boxes: what holds them, what relaxing it is worth, how far they move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.plan.plan import Plan, Search
from shared.plan.score import Score, finite, interval, score
from shared.problem.canonical import Canonical, canonicalise
from shared.problem.model import Problem
from shared.solve.certify.certificate import certify
from shared.solve.dispatch import solve

__all__ = ["PRICE_UNIT", "bindings", "budget_price", "current_score", "make_plan", "shadow_prices"]

Floats = NDArray[np.float64]

PRICE_UNIT = "outcome per unit of money"

BINDING_TOLERANCE = 1e-7
"""A bound binds where the spend is within this share of the budget of it."""

SPEND_INTERVAL_DRAWS = 32
"""Draws re-solved for ``spend_interval``: enough for a 90 % interval, few enough to stay quick."""

SPEND_INTERVAL_GAP = 1e-3
"""Gap of those re-solves: where a draw's optimum lies, not what it is worth to nine digits."""


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """See :func:`shared.plan.optimize.make_plan`."""
    canonical = canonicalise(problem)
    solved = solve(canonical, problem.options, None if start is None else start[:, 0])
    best = score(canonical, solved.spend)
    slopes = best.marginal[:, 0]
    held = bindings(canonical, solved.spend)
    price = budget_price(canonical, solved.spend, slopes, solved.budget_price)
    return Plan(
        problem=problem,
        best=best,
        current=current_score(canonical),
        certificate=certify(canonical, solved.spend, solved.proof),
        search=Search(solved.method, solved.why, solved.iterations, solved.nodes, solved.solve_ms),
        held=held,
        prices=shadow_prices(canonical, held, slopes, price),
        intervals=lambda: spend_intervals(problem, solved.spend),
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


def spend_intervals(problem: Problem, start: Floats) -> list[list[float] | None] | None:
    """How far each channel's best spend moves when single draws are optimised; None without draws.

    Each of up to ``SPEND_INTERVAL_DRAWS`` evenly spaced draws is taken as the truth and solved
    again under the same bounds; the interval is the 90 % range of those optima.
    """
    count = max(len(channel.response.draws) for channel in problem.channels)
    if count == 0:
        return None
    picked = np.unique(np.linspace(0, count - 1, min(count, SPEND_INTERVAL_DRAWS)).astype(int))
    options = replace(problem.options, method="auto", gap=SPEND_INTERVAL_GAP)
    optima = np.array([solve(_one_draw(problem, int(s)), options, start).spend for s in picked])
    return [interval(optima[:, i]) for i in range(optima.shape[1])]


def _one_draw(problem: Problem, draw: int) -> Canonical:
    """The same problem with draw number ``draw`` of every channel as its curve."""
    channels = tuple(
        replace(c, response=replace(c.response, saturation=c.response.draws[draw], draws=()))
        if c.response.draws
        else c
        for c in problem.channels
    )
    return canonicalise(replace(problem, channels=channels))
