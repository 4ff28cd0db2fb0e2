"""Shadow prices of goals of spend and outcome over boxes, against problems solved again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.plan.optimize import make_plan
from shared.plan.score import totals
from shared.problem.model import Constraint, Goal, Problem, SolverOptions
from tests.plan.test_shadow_prices import (
    GROUP,
    Move,
    base,
    changed,
    check,
    more_budget,
    moved,
    with_channel,
)


def goal(**changes: Any) -> Problem:
    return replace(base(goal=Goal(**changes)), budget=None, spend_all=False)


BOXED: dict[str, tuple[Problem, dict[str, Move]]] = {
    "profit with a ceiling": (
        with_channel(goal(goal="maximize_profit", value_per_outcome=0.8), "tv", max_spend=60.0),
        {"tv.max_spend": moved("tv", "max_spend", 1.0)},
    ),
    "profit with all spent and a floor": (
        replace(
            with_channel(
                goal(goal="maximize_profit", value_per_outcome=0.8), "search", min_spend=45.0
            ),
            budget=100.0,
            spend_all=True,
        ),
        {"budget": more_budget, "search.min_spend": moved("search", "min_spend", -1.0)},
    ),
    "the least spend with a ceiling": (
        with_channel(goal(goal="minimize_spend", target_outcome=420.0), "search", max_spend=15.0),
        {"search.max_spend": moved("search", "max_spend", 1.0)},
    ),
    "a target with a change limit": (
        with_channel(goal(target_roas=4.0), "tv", max_change=0.05),
        {"tv.max_change": changed("tv")},
    ),
}


@pytest.mark.parametrize("name", BOXED)
def test_prices_of_goals_over_boxes(name: str) -> None:
    problem, moves = BOXED[name]
    assert problem.boxed
    check(replace(problem, options=SolverOptions(gap=1e-9)), moves)


@pytest.mark.parametrize("rule", [(), (replace(GROUP, max_spend=500.0),)], ids=["boxes", "a rule"])
@pytest.mark.parametrize("value", [0.3, 0.8, 10.0])
def test_a_smooth_profit_is_stationary_and_its_prices_exact(
    value: float, rule: tuple[Constraint, ...]
) -> None:
    """Net of cost all its slopes are rounding: they are small against those of outcome and cost."""
    profit = Goal("maximize_profit", value_per_outcome=value)
    plan = make_plan(replace(base(goal=profit, constraints=rule), budget=5e3, spend_all=False))
    assert plan.certificate.kkt_residual < 5e-5
    assert plan.notes == ()


@pytest.mark.parametrize("rule", [(), (replace(GROUP, max_spend=25.0),)], ids=["boxes", "a rule"])
def test_a_return_is_of_value_where_an_outcome_is_worth_some(rule: tuple[Constraint, ...]) -> None:
    """Twice the value at twice the return asked for is the same limit; half the price of a unit."""
    plans = [
        make_plan(
            replace(
                base(goal=Goal(target_roas=4.5 * value, value_per_outcome=value), constraints=rule),
                budget=None,
            )
        )
        for value in (1.0, 2.0)
    ]
    spends = [plan.best.spend for plan in plans]
    assert spends[0] == pytest.approx(spends[1], rel=1e-6)
    sums = [totals(plan.problem, plan.best, None) for plan in plans]
    assert [s["roas"] for s in sums] == pytest.approx([4.5, 9.0], rel=1e-6)
    assert sums[0]["cpa"] == pytest.approx(sums[1]["cpa"])
    prices = [{p["name"]: p["value"] for p in plan.prices}["target_roas"] for plan in plans]
    assert prices[0] == pytest.approx(2.0 * prices[1], rel=1e-4)
