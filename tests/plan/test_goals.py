"""Goals end to end: profit, least spend and targets against closed forms and each other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared.errors import Infeasible
from shared.plan.evaluate import evaluate
from shared.plan.optimize import answer, make_plan
from shared.problem.model import Constraint, Goal, Horizon, Problem
from tests.plan.problems import s_shaped_with_draws, two_michaelis_menten


def with_goal(problem: Problem, **goal: object) -> Problem:
    return replace(problem, goal=Goal(**goal))


def test_free_profit_spends_until_the_next_unit_pays_for_itself() -> None:
    problem = replace(two_michaelis_menten(), budget=None)
    problem = with_goal(problem, goal="maximize_profit", value_per_outcome=2.0)
    result = answer(make_plan(problem))
    # 2 * max * half / (half + x)^2 = 1
    expected = [(2 * 400 * 50) ** 0.5 - 50, (2 * 300 * 20) ** 0.5 - 20]
    assert [row["spend"] for row in result["allocation"]] == pytest.approx(expected, rel=1e-6)
    profit = 2.0 * result["totals"]["outcome"] - result["totals"]["spend"]
    assert result["certificate"]["objective"] == pytest.approx(profit)
    assert result["certificate"]["proven"] is True
    json.dumps(result, allow_nan=False)


def test_the_least_spend_for_an_outcome_is_the_budget_that_brings_it() -> None:
    there = make_plan(s_shaped_with_draws())
    problem = with_goal(
        replace(s_shaped_with_draws(), budget=None),
        goal="minimize_spend",
        target_outcome=there.best.total,
    )
    result = answer(make_plan(problem))
    assert result["totals"]["spend"] == pytest.approx(100.0, rel=1e-4)
    assert result["totals"]["outcome"] >= there.best.total * (1 - 1e-6)
    certificate = result["certificate"]
    assert certificate["upper_bound"] is None
    assert certificate["lower_bound"] <= certificate["objective"]
    assert certificate["objective"] == pytest.approx(result["totals"]["spend"])
    assert "reach the target for less than" in result["explanation"][1]["text"]


def test_a_roas_target_is_met_and_costs_outcome() -> None:
    free = replace(two_michaelis_menten(), spend_all=False)
    plain = answer(make_plan(free))
    target = 1.1 * plain["totals"]["roas"]
    result = answer(make_plan(with_goal(free, target_roas=target)))
    assert result["totals"]["roas"] >= target * (1 - 1e-6)
    assert result["totals"]["outcome"] < plain["totals"]["outcome"]
    assert "target_roas" in [price["name"] for price in result["shadow_prices"]]


def test_a_cpa_target_is_the_roas_target_turned_round() -> None:
    free = replace(two_michaelis_menten(), spend_all=False)
    by_roas = answer(make_plan(with_goal(free, target_roas=6.0)))
    by_cpa = answer(make_plan(with_goal(free, target_cpa=1.0 / 6.0)))
    assert by_cpa["totals"]["spend"] == pytest.approx(by_roas["totals"]["spend"], rel=1e-6)


def test_a_target_out_of_reach_is_named() -> None:
    with pytest.raises(Infeasible) as caught:
        make_plan(
            with_goal(
                replace(two_michaelis_menten(), budget=None),
                goal="minimize_spend",
                target_outcome=10_000.0,
            )
        )
    assert [conflict.name for conflict in caught.value.conflicts] == ["target_outcome"]


def test_targets_hold_beside_rules_and_over_time() -> None:
    rule = Constraint("online", channels=("search",), max_share=0.3)
    plain = replace(two_michaelis_menten(), constraints=(rule,), spend_all=False)
    free = answer(make_plan(plain))
    target = 1.05 * free["totals"]["roas"]
    result = answer(make_plan(with_goal(plain, target_roas=target)))
    spend = {row["channel"]: row["spend"] for row in result["allocation"]}
    assert result["totals"]["roas"] >= target * (1 - 1e-6)
    assert spend["search"] <= 0.3 * sum(spend.values()) * (1 + 1e-6)
    assert result["certificate"]["proven"] is True
    assert "target_roas" in [price["name"] for price in result["shadow_prices"]]
    scored = evaluate(with_goal(plain, target_roas=target), spend)
    assert scored["violations"] == []
    assert scored["regret"] == pytest.approx(0.0, abs=1e-3 * result["totals"]["outcome"])


def test_the_least_spend_over_time_is_no_more_than_period_by_period() -> None:
    once = with_goal(
        replace(two_michaelis_menten(), budget=None), goal="minimize_spend", target_outcome=300.0
    )
    over = with_goal(
        replace(two_michaelis_menten(), budget=None, horizon=Horizon(periods=3)),
        goal="minimize_spend",
        target_outcome=900.0,
    )
    each, whole = answer(make_plan(once)), answer(make_plan(over))
    # Without carryover three equal periods are best: concave curves.
    assert whole["totals"]["spend"] == pytest.approx(3 * each["totals"]["spend"], rel=1e-4)
