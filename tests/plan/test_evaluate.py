"""A caller's plan: scored, its violations named, its regret against the proven best."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.errors import InvalidInput
from shared.plan.evaluate import evaluate
from shared.plan.optimize import make_plan
from tests.plan.problems import closed_form, s_shaped_with_draws, two_michaelis_menten


def test_todays_plan_has_the_uplift_of_the_best_as_its_regret() -> None:
    problem = two_michaelis_menten()
    result = evaluate(problem, {"tv": 70.0, "search": 30.0})
    plan = make_plan(problem)
    assert plan.current is not None
    assert result["regret"] == pytest.approx(plan.best.total - plan.current.total)
    assert result["violations"] == []
    assert result["totals"]["outcome"] == pytest.approx(result["current"]["totals"]["outcome"])


def test_the_best_plan_has_no_regret() -> None:
    tv, search = closed_form()
    result = evaluate(two_michaelis_menten(), {"tv": tv, "search": search})
    assert result["regret"] == pytest.approx(0.0, abs=1e-9)


def test_each_broken_limit_is_named_with_its_amount() -> None:
    problem = s_shaped_with_draws()
    problem = replace(
        problem,
        channels=(replace(problem.channels[0], min_spend=20.0), *problem.channels[1:]),
    )
    result = evaluate(problem, {"tv": 5.0, "social": 95.0, "search": 10.0})
    broken = {v["name"]: v["amount"] for v in result["violations"]}
    assert broken == {
        "tv.min_spend": pytest.approx(15.0),
        "social.max_spend": pytest.approx(5.0),
        "budget": pytest.approx(10.0),
    }


def test_an_unspent_budget_is_a_violation_only_where_all_must_be_spent() -> None:
    plan = {"tv": 40.0, "search": 30.0}
    all_spent = evaluate(two_michaelis_menten(), plan)
    capped = evaluate(two_michaelis_menten(spend_all=False), plan)
    assert [v["name"] for v in all_spent["violations"]] == ["budget"]
    assert capped["violations"] == []


def test_a_plan_beyond_the_limits_may_beat_the_best_and_says_by_how_much() -> None:
    result = evaluate(two_michaelis_menten(), {"tv": 100.0, "search": 100.0})
    assert result["regret"] == 0.0
    assert result["beats_best_by"] > 0.0


def test_missing_and_unknown_channels_are_all_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        evaluate(two_michaelis_menten(), {"tv": 1.0, "serach": 2.0})
    messages = [fault.message for fault in caught.value.faults]
    assert "The plan says nothing of channel 'search'." in messages
    assert "The problem has no channel 'serach'." in messages
