"""Score a plan that the caller already has, beside today's and the best one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fault, InvalidInput
from shared.plan.optimize import certificate_of, make_plan, rows_of
from shared.plan.rows import allocation
from shared.plan.score import Score, quotient, score, totals
from shared.plan.separable import bindings
from shared.problem.canonical import canonicalise, own_bounds
from shared.problem.model import Problem

__all__ = ["Amounts", "evaluate", "plan_vector", "score_plan", "violations"]

Floats = NDArray[np.float64]

Amounts = float | tuple[float, ...]
"""What a plan gives an arm: money per period, or in each of several periods."""

TOLERANCE = 1e-6
"""Bounds and constraints hold to this share of the budget (API.md)."""


def plan_vector(problem: Problem, plan: Mapping[str, Amounts]) -> Floats:
    """``plan`` (spend by channel) in the problem's order, shape (n,).

    Raises
    ------
    InvalidInput
        A channel without a spend, or a spend for a channel that the problem does not have.
    """
    names = [channel.name for channel in problem.channels]
    faults = [
        Fault("/plan", "missing_channel", f"The plan says nothing of channel '{name}'.")
        for name in names
        if name not in plan
    ]
    known = set(names)
    faults += [
        Fault("/plan", "unknown_channel", f"The problem has no channel '{name}'.")
        for name in plan
        if name not in known
    ]
    if faults:
        raise InvalidInput(faults)
    return np.array([plan[name] for name in names], dtype=np.float64)


def score_plan(problem: Problem, plan: Mapping[str, Amounts]) -> tuple[Score, list[list[str]]]:
    """A caller's plan, scored, and the names of what holds each channel where it is."""
    mine = score(canonicalise(problem), plan_vector(problem, plan))
    return mine, _held(problem, mine)


def _held(problem: Problem, plan: Score) -> list[list[str]]:
    return bindings(canonicalise(problem), plan.spend[:, 0])


def violations(problem: Problem, plan: Score) -> list[dict[str, Any]]:
    """Every bound that ``plan`` breaks, by the caller's own names, and by how much money."""
    spend = plan.spend[:, 0]
    slack = TOLERANCE * max(problem.one_budget, 1e-12)
    broken: list[dict[str, Any]] = []

    def add(name: str, amount: float, message: str) -> None:
        broken.append({"name": name, "amount": amount, "message": message})

    for channel, x in zip(problem.channels, spend.tolist(), strict=True):
        (low, low_by), (high, high_by) = own_bounds(channel)
        name = channel.name
        if low - x > slack:
            add(f"{name}.{low_by or 'min_spend'}", low - x, f"{name} spends less than it must.")
        if x - high > slack:
            add(f"{name}.{high_by}", x - high, f"{name} spends more than it may.")
    over = float(spend.sum()) - problem.one_budget
    if over > slack:
        add("budget", over, "The plan spends more than the budget.")
    elif problem.spend_all and -over > slack:
        add("budget", -over, "The plan leaves part of the budget unspent (spend_all is true).")
    return broken


def evaluate(problem: Problem, plan: Mapping[str, Amounts]) -> dict[str, Any]:
    """The answer to ``POST /evaluate``: the plan scored, what it breaks, and its regret.

    ``regret`` is the expected outcome lost against the best plan within the limits, never below
    zero; a plan that breaks a limit may bring more than the best allowed one (``beats_best_by``).

    Raises
    ------
    InvalidInput
        The plan and the problem name different channels.
    Infeasible
        The problem itself has no plan.
    """
    mine, held = score_plan(problem, plan)
    best = make_plan(problem)
    lost = best.best.total - mine.total
    current = best.current
    return {
        "allocation": allocation(problem, mine, current, held),
        "totals": totals(mine, current),
        "violations": violations(problem, mine),
        "current": None
        if current is None
        else {
            "allocation": allocation(problem, current, current, _held(problem, current)),
            "totals": totals(current, current),
            "violations": violations(problem, current),
        },
        "best": {
            "status": "optimal" if best.optimal else "feasible",
            "allocation": rows_of(best),
            "totals": totals(best.best, current),
            "certificate": certificate_of(best),
        },
        "regret": max(lost, 0.0),
        "regret_share": quotient(max(lost, 0.0), best.best.total),
        "beats_best_by": max(-lost, 0.0),
        "warnings": [{"code": code, "message": message} for code, message in problem.warnings],
        "curves_version": problem.curves_version,
    }
