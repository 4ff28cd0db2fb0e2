"""What it would take to change the answer: how much better or worse a channel would have to be.

``factor`` multiplies a channel's curve. In a best plan money has one price, the outcome that its
last unit brings (``price_of_money``), and a channel gets money from where some chord of its
curve reaches that price:

- *entry*: a channel at its floor x gets more once ``factor * max_y (f(y) - f(x)) / (y - x)`` is the
  price. Where the curve is concave that is its slope, and the factor is exact; where it has a bend
  it is the tangent from x, and the factor is the least that could do.
- *slack*: a channel at its ceiling leaves it once ``factor * f'(x)`` is below the price; told where
  the curve is concave, and exact there.
- *loss*: the channel that gains most keeps a gain down to the factor at which its best spend is
  today's. There the others share what is left of the budget, at the price of the problem without
  that channel. Told where all curves are concave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Infeasible
from shared.plan.plan import Plan
from shared.plan.words import bound_name, largest, money, number, outcome_of, say
from shared.problem.program import Program
from shared.solve.search import Solver

__all__ = ["conditions", "price_of_money"]

Floats = NDArray[np.float64]
Row = Mapping[str, Any]
Sentences = list[dict[str, Any]]

ALIKE = 1e-3  # slopes of channels that nothing holds agree to this share where money has one price
TOLD = 4  # channels told at most in each kind of sentence
MOST_CHANNELS = 400  # beyond it, nobody reads of single ones

CHORDS = np.concatenate([np.geomspace(1e-6, 1e-2, 40), np.linspace(0.01, 1.0, 400)[1:]])
"""Shares of the way to the ceiling that chords are drawn to."""

NEAR = 1e-7  # a spend is at its bound within this share of the plan's money

SOLVED = 1e-9


def conditions(plan: Plan, rows: Sequence[Row], solver: Solver) -> Sentences:
    """Sentences with their figures; none where money has no one price, or limits tie channels."""
    problem = plan.problem
    if not problem.boxed or len(problem.channels) > MOST_CHANNELS:
        return []
    price = price_of_money(plan)
    if price is None:
        return []
    return _entries(plan, price) + _slacks(plan, price) + _loss(plan, rows, solver)


def _slopes(program: Program, spend: Floats) -> Floats:
    """Expected slopes in money per period (..., A)."""
    carry = program.carry[:, 0, 0]
    return np.asarray(program.known.mean_slope(spend * carry) * carry)


def _bends(program: Program) -> NDArray[np.bool_]:
    """(A,) whether a curve (or a draw of it) is not concave."""
    return np.asarray(np.any(program.known.inflections() > 0.0, axis=0))


def _entries(plan: Plan, price: float) -> Sentences:
    problem, program = plan.problem, plan.program
    bends = _bends(program)
    x = plan.best.spend[:, 0]
    floor = program.lower[:, 0]
    near = NEAR * max(plan.best.money, 1e-12)
    # A ceiling that is only the budget's is the budget.
    own = np.array([by not in ("", "budget") for by in program.upper_by])
    whole = max(float(program.upper.max()), plan.best.money)
    ends = np.where(own, program.upper[:, 0], whole)
    at = np.flatnonzero((x <= floor + near) & (ends > x + near))
    if not at.size:
        return []
    width = CHORDS[:, None] * np.maximum(ends - x, near)
    value, carry = program.known.mean_value, program.carry[:, 0, 0]
    chords = (value((x + width) * carry) - value(x * carry)) / width
    first = _slopes(program, x)
    steep = np.where(bends, np.maximum(chords.max(axis=0), first), first)
    ranked = []
    for i in at.tolist():
        best = float(steep[i])
        if not np.isfinite(best) or best <= 0.0 or price / best <= 1.0 + 1e-6:
            continue
        factor, name = price / best, problem.channels[i].name
        exact = not bool(bends[i])
        gets = "nothing" if x[i] <= near else f"no more than {money(problem, float(x[i]))}"
        least = "" if exact else "at least "
        text = (
            f"{name} gets {gets}: it would have to be {least}{number(factor)} times as effective "
            f"to get {'any' if x[i] <= near else 'more'} money (its best unit of money brings "
            f"{outcome_of(problem, best)}, the plan's last one {number(price)})."
        )
        data = {"channel": name, "spend": float(x[i]), "factor": factor, "exact": exact}
        data |= {"best_return": best, "price": price}
        ranked.append((-factor, say("entry", text, **data)))
    return largest(ranked, TOLD)


def _slacks(plan: Plan, price: float) -> Sentences:
    problem, program = plan.problem, plan.program
    bends = _bends(program)
    x, slopes = plan.best.spend[:, 0], plan.best.marginal[:, 0]
    ranked = []
    for i, names in enumerate(plan.held):
        roofs = [n for n in names if n == program.upper_by[i] and n != "locked"]
        factor = price / slopes[i] if np.isfinite(slopes[i]) and slopes[i] > 0.0 else np.inf
        if not roofs or not factor < 1.0 - 1e-6 or bends[i]:
            continue
        name, bound = problem.channels[i].name, roofs[0]
        text = (
            f"{name} stays at its {bound_name(bound)} of {money(problem, float(x[i]))} down to "
            f"{number(100 * float(factor))} % of its effectiveness."
        )
        data = {"channel": name, "bound": bound, "spend": float(x[i]), "factor": float(factor)}
        ranked.append((float(factor), say("slack", text, **data, price=price)))
    return largest(ranked, TOLD)


def _loss(plan: Plan, rows: Sequence[Row], solver: Solver) -> Sentences:
    problem, program = plan.problem, plan.program
    gains = [row["change"] or 0.0 for row in rows]
    best = int(np.argmax(gains)) if gains else 0
    today = None if not gains else rows[best]["current_spend"]
    if today is None or gains[best] <= NEAR * max(plan.best.money, 1e-12):
        return []
    x = plan.best.spend[:, 0]
    if np.any(_bends(program)) or not program.lower[best, 0] <= today:
        return []
    at = x.copy()
    at[best] = today
    slope = float(_slopes(program, at)[best])
    price = price_of_money(plan)
    if problem.goal.goal == "maximize_outcome" and problem.budget is not None:
        if not problem.spend_all and plan.best.money < problem.budget * (1 - NEAR):
            return []
        price = _price_without(plan, best, today, solver)
    elif problem.goal.goal != "maximize_profit" or problem.budget is not None:
        return []
    if price is None or not np.isfinite(slope) or slope <= 0.0 or not price < slope:
        return []
    factor, name = price / slope, problem.channels[best].name
    text = (
        f"{name} gains most, and would keep some of the gain down to {number(100 * factor)} % of "
        "the effectiveness that its curve says."
    )
    data = {"channel": name, "change": gains[best], "factor": factor, "price": price}
    return [say("loss", text, **data, marginal_return_now=slope)]


def _price_without(plan: Plan, fixed: int, spend: float, solver: Solver) -> float | None:
    """The others' price of money where arm ``fixed`` spends so much; None where none is common."""
    program, options = plan.program, plan.problem.options
    lower, upper = program.lower.copy(), program.upper.copy()
    lower[fixed] = upper[fixed] = spend
    task = replace(program, lower=lower, upper=upper, current=None)
    try:
        x = solver(task, replace(options, method="auto", gap=SOLVED), None).spend
    except Infeasible:
        return None
    near = NEAR * max(plan.best.money, 1e-12)
    free = (x > lower[:, 0] + near) & (x < upper[:, 0] - near)
    return _common(_slopes(program, x)[free])


def _common(slopes: Floats) -> float | None:
    """One price that all slopes agree on; None where they do not, or there are none."""
    middle = float(np.median(slopes)) if slopes.size else 0.0
    return middle if middle > 0.0 and np.ptp(slopes) <= ALIKE * middle else None


def price_of_money(plan: Plan) -> float | None:
    """Outcome that the plan's last unit of money brings; None where money has no one price.

    In a best plan every arm that nothing holds has the same marginal return (the optimality
    conditions of Kuhn and Tucker, 1951), whatever the goal; where all are held, it is the budget's
    shadow price, as long as that is of outcome.
    """
    spend, slopes = plan.best.spend, plan.best.marginal
    if spend.shape[1] > 1:
        return None
    free = np.array([not names for names in plan.held]) & (spend[:, 0] > 0.0)
    free &= np.isfinite(slopes[:, 0])
    if free.any():
        return _common(slopes[free, 0])
    if plan.problem.goal.goal != "maximize_outcome":
        return None
    price = plan.budget_price
    return price if price is not None and price > 0.0 else None
