"""What an answer says of its plan: what moves, what is dropped, which way slack helps, ties."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, MichaelisMenten, Tabulated
from shared.plan.optimize import answer, make_plan
from shared.problem.model import Channel, Constraint, Goal, Horizon, Problem
from tests.plan.problems import s_shaped_with_draws, two_michaelis_menten


def told(problem: Problem, code: str) -> list[dict[str, Any]]:
    return [s for s in answer(make_plan(problem))["explanation"] if s["code"] == code]


def channel(name: str, size: float, now: float | None = None, **given: Any) -> Channel:
    return Channel(name, Response(MichaelisMenten(size, 40.0)), current_spend=now, **given)


def test_every_channel_that_is_dropped_is_named_and_smaller_moves_are_counted() -> None:
    good = [channel(f"g{i}", 100.0 + 9 * i, 5.0 + i) for i in range(6)]
    bad = [channel(f"b{i}", 1.0, 1.0) for i in range(4)]
    problem = Problem(channels=(*good, *bad), budget=80.0)
    texts = " ".join(s["text"] for s in answer(make_plan(problem))["explanation"])
    rows = answer(make_plan(problem))["allocation"]
    assert [r["spend"] for r in rows[6:]] == [0.0] * 4
    (dropped,) = told(problem, "dropped")
    assert dropped["data"]["channels"] == ["b0", "b1", "b2", "b3"]
    assert "nothing any more" in texts
    (more,) = told(problem, "more_moves")
    moves = [s for s in answer(make_plan(problem))["explanation"] if "change" in s["data"]]
    assert more["data"]["count"] + len([m for m in moves if m["code"] != "loss"]) == 6


def test_money_that_moves_between_campaigns_only_is_said_to_move() -> None:
    parts = (channel("x", 90.0, 30.0), channel("y", 20.0, 30.0))
    tv = Channel("tv", Response(MichaelisMenten(1.0, 1.0)), campaigns=parts, min_spend=60.0)
    problem = Problem(channels=(replace(tv, max_spend=60.0), channel("s", 50.0, 20.0)), budget=80.0)
    assert not told(problem, "keep")
    (within,) = told(problem, "within")
    assert [c["channel"] for c in within["data"]["campaigns"]] == ["tv/x", "tv/y"]


@pytest.mark.parametrize(
    ("given", "bound", "way", "phrase"),
    [
        ({"max_spend": 20.0}, "max_spend", "up", "more there"),
        ({"min_spend": 90.0}, "min_spend", "down", "less there"),
        ({"locked": True}, "locked", "up", "more there"),
        ({"max_change": 0.1}, "max_change", "up", "of change, upwards"),
    ],
)
def test_a_bound_that_holds_says_which_way_slack_helps(
    given: dict[str, Any], bound: str, way: str, phrase: str
) -> None:
    first = channel("a", 300.0, 30.0, **given)
    problem = Problem(channels=(first, channel("b", 100.0, 70.0)), budget=100.0)
    if bound == "min_spend":
        problem = replace(
            problem, channels=(replace(first, current_spend=None), *problem.channels[1:])
        )
    (held,) = told(problem, "held")
    assert (held["data"]["bound"], held["data"]["direction"]) == (bound, way)
    assert phrase in held["text"]


def test_a_rule_says_which_way_its_limit_would_have_to_go() -> None:
    for field, way in (("max_spend", "higher"), ("min_spend", "lower")):
        rule = Constraint("r", channels=("b",), **{field: 20.0 if field == "max_spend" else 80.0})
        pair = (channel("a", 100.0), channel("b", 100.0))
        (said,) = told(Problem(channels=pair, budget=100.0, constraints=(rule,)), "constraint")
        assert f"a limit {way} by one unit" in said["text"]


def test_ties_are_told_where_there_are_some_and_only_there() -> None:
    bent = Response(Hill(100.0, 60.0, 3.0))
    twins = Problem(channels=(Channel("a", bent), Channel("b", bent)), budget=60.0)
    (tie,) = told(twins, "tie")
    assert tie["data"] == {"channels": ["a", "b"], "why": "alike"}
    line = Response(Tabulated((0.0, 100.0), (0.0, 50.0)))
    straight = Problem(
        channels=(Channel("a", line), Channel("b", line, min_spend=1.0), channel("c", 100.0)),
        budget=100.0,
    )
    assert {s["data"]["why"] for s in told(straight, "tie")} == {"straight"}
    assert not told(two_michaelis_menten(), "tie")
    assert not told(s_shaped_with_draws(), "tie")


def test_the_long_term_is_told_in_one_unit_against_todays() -> None:
    tv = Channel("tv", Response(Exponential(120.0, 0.01), Geometric(0.8)), current_spend=100.0)
    other = channel("s", 150.0, 50.0)
    goal = Goal(long_term_weight=0.5)
    problem = Problem((tv, other), 300.0, horizon=Horizon(2), goal=goal)
    plan = make_plan(problem)
    (headline,) = [s for s in answer(plan)["explanation"] if s["code"] == "headline"]
    data = headline["data"]
    assert data["outcome_in_all"] == pytest.approx(plan.certificate.objective)
    assert data["outcome_in_all"] == pytest.approx(data["outcome"] + data["outcome_after"])
    assert data["current_in_all"] <= data["outcome_in_all"]
    share = data["outcome_in_all"] / data["current_in_all"] - 1.0
    assert data["uplift_share"] == pytest.approx(share)


@pytest.mark.parametrize("limit", ["budget", "s.max_spend", "r", "target_cpa"])
def test_why_todays_plan_would_bring_more_is_told(limit: str) -> None:
    pair = (channel("a", 100.0, 60.0), channel("s", 100.0, 60.0))
    problem = Problem(channels=pair, budget=120.0)
    excess = 20.0
    if limit == "budget":
        problem = replace(problem, budget=100.0)
    elif limit == "s.max_spend":
        problem = replace(problem, channels=(pair[0], replace(pair[1], max_spend=40.0)))
    elif limit == "r":
        rule = Constraint("r", coefficients=(("a", 1.0), ("s", 1.0)), maximum=100.0)
        problem = replace(problem, spend_all=False, constraints=(rule,))
    else:
        problem = replace(problem, spend_all=False, goal=Goal(target_cpa=0.9))
        excess = 120.0 / 0.9 - 2 * 100.0 * 60.0 / 100.0
    (said,) = told(problem, "today_not_allowed")
    amounts = {b["limit"]: b["amount"] for b in said["data"]["broken"]}
    assert amounts == {limit: pytest.approx(excess)}
    assert limit in said["text"]
    assert not told(
        replace(problem, budget=120.0, channels=pair, constraints=(), goal=Goal()),
        "today_not_allowed",
    )


def test_a_price_net_of_what_money_costs_says_so() -> None:
    goal = Goal(target_marginal_return=0.5, value_per_outcome=2.0)
    problem = Problem((channel("a", 100.0), channel("b", 90.0)), 30.0, spend_all=False, goal=goal)
    (budget,) = told(problem, "budget")
    assert budget["text"].endswith("units of outcome (less 0.25 for each unit of money).")
    dear = channel("a", 100.0, penalty=0.3)
    (budget,) = told(Problem((dear, channel("b", 90.0)), 30.0), "budget")
    assert budget["text"].endswith("units of outcome (penalties counted).")


def test_where_the_least_of_a_budget_holds_less_of_it_would_help() -> None:
    goal = Goal(target_marginal_return=1.5)
    pair = (channel("a", 100.0), channel("b", 90.0))
    problem = Problem(pair, 90.0, spend_all=False, budget_min=80.0, goal=goal)
    (budget,) = told(problem, "budget")
    assert budget["text"].startswith("One unit less of budget_min would add")


def test_a_change_of_nothing_has_no_direction() -> None:
    problem = Problem((channel("a", 100.0, 0.0, max_change=0.2), channel("b", 90.0, 50.0)), 60.0)
    (held,) = told(problem, "held")
    assert "one unit of money more of change would" in held["text"]


def test_money_of_many_periods_without_weight_is_one_warning() -> None:
    tv = channel("tv", 100.0, min_spend=2.0, period_weights=(0.0,) * 6 + (1.0,) * 2)
    plan = make_plan(Problem((tv, channel("b", 90.0)), 100.0, horizon=Horizon(8)))
    said = [w for w in answer(plan)["warnings"] if w["code"] == "spend_without_weight"]
    assert len(said) == 1
    assert "in periods 1, 2, 3, 4 and 2 more," in said[0]["message"]
