"""Score a plan that the caller already has, beside today's and the best one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.plan.best_move import best_move
from shared.plan.optimize import certificate_of, make_plan, rows_of
from shared.plan.rows import allocation
from shared.plan.score import quotient, totals
from shared.plan.yardstick import Amounts, spend_of, violations, yardstick
from shared.problem.model import Problem

__all__ = ["evaluate"]


def evaluate(problem: Problem, plan: Mapping[str, Amounts]) -> dict[str, Any]:
    """The answer to ``POST /evaluate``: the plan scored, what it breaks, and its regret.

    ``regret`` is what the objective loses against the best plan within the limits (outcome; money
    for profit and the least spend), never below zero; a plan that breaks a limit may be worth more
    than the best allowed one (``beats_best_by``). ``best_move``: see :mod:`shared.plan.best_move`.

    Parameters
    ----------
    plan
        By arm ("tv", or "tv/brand" for a campaign): one amount, or one for each period.

    Raises
    ------
    InvalidInput
        The plan and the problem name different channels or periods.
    Infeasible
        The problem itself has no plan.
    """
    spend = spend_of(problem, plan)
    measure = yardstick(problem)
    mine = measure.score(spend)
    best = make_plan(problem)
    current = best.current
    reached = measure.objective(best.best.spend)
    lost = reached - measure.objective(spend)
    return {
        "allocation": allocation(problem, mine, current, measure.held(spend)),
        "totals": totals(problem, mine, current),
        "violations": violations(measure, spend),
        "current": None
        if current is None
        else {
            "allocation": allocation(problem, current, current, measure.held(current.spend)),
            "totals": totals(problem, current, current),
            "violations": violations(measure, current.spend),
        },
        "best": {
            "status": "optimal" if best.optimal else "feasible",
            "allocation": rows_of(best),
            "totals": totals(problem, best.best, current),
            "certificate": certificate_of(best),
        },
        "regret": max(lost, 0.0),
        "regret_share": quotient(max(lost, 0.0), abs(reached)),
        "beats_best_by": max(-lost, 0.0),
        "best_move": best_move(measure, spend),
        "warnings": [{"code": code, "message": message} for code, message in problem.warnings],
        "curves_version": problem.curves_version,
    }
