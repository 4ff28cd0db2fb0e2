"""Limits, budgets and prices of some periods: against closed forms and solving again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from shared.api.periods import Past
from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.curves.curveset import ChannelCurve, CurveSet, ObservedSpend, Response
from shared.errors import Infeasible
from shared.plan.optimize import answer, make_plan
from shared.problem.model import Problem, Window

LOG = {"family": "logarithmic", "coefficient": 10.0, "scale": 1.0}


def request(**fields: Any) -> dict[str, Any]:
    """Two channels that bring 10 log(1 + x) a period, over four periods: equal spend is best."""
    channels = [{"channel": n, "current_spend": 5.0, "saturation": dict(LOG)} for n in ("a", "b")]
    return {"channels": channels, "budget": 80.0, "horizon": {"periods": 4}, **fields}


def posed(raw: dict[str, Any]) -> Problem:
    return problem_of(read_optimize(raw))


def spend(problem: Problem) -> np.ndarray:
    return make_plan(problem).best.spend


def test_money_goes_round_a_blackout_and_what_is_booked() -> None:
    raw = request()
    raw["channels"][0]["periods"] = [{"from": 2, "max_spend": 0}, {"from": 3, "spend": 2}]
    found = spend(posed(raw))
    assert found[0, 1:3] == pytest.approx([0.0, 2.0])
    # What is left is spread evenly over the six others.
    assert np.delete(found.ravel(), [1, 2]) == pytest.approx(np.full(6, 78.0 / 6), rel=1e-6)


def test_dearer_media_get_what_makes_slopes_equal() -> None:
    raw = request()
    for channel in raw["channels"]:
        channel["periods"] = [{"from": 1, "to": 2, "price": 2.0}]
    found = spend(posed(raw))
    # 10 log(1 + x / p) has the slope 10 / (p + x), the same everywhere: p + x is.
    prices = np.array([2.0, 2.0, 1.0, 1.0])
    assert found + prices == pytest.approx(np.full((2, 4), (80.0 + 2 * prices.sum()) / 8), rel=1e-6)


def test_windows_split_the_problem_where_nothing_carries_over() -> None:
    raw = request(budget_windows=[{"from": 1, "budget": 50}, {"from": 2, "to": 4, "budget": 24}])
    del raw["budget"]
    found = spend(posed(raw))
    assert found[:, 0] == pytest.approx([25.0, 25.0])
    assert found[:, 1:] == pytest.approx(np.full((2, 3), 4.0), rel=1e-6)


def test_prices_of_windows_are_what_solving_again_brings() -> None:
    raw = request(budget_windows=[{"from": 1, "to": 2, "budget": 30}, {"from": 3, "budget": 30}])
    raw["channels"][0]["adstock"] = {"family": "geometric", "decay": 0.5}
    problem = posed(raw)
    told = {price["name"]: price for price in make_plan(problem).prices}
    assert set(told) >= {"budget", "budget[1-2]"}

    def best(step: float) -> float:
        first, *others = problem.windows
        moved = Window(first.first, first.last, first.budget + step, first.least)
        return make_plan(replace(problem, windows=(moved, *others))).certificate.objective

    step = 1e-3
    slope = (best(step) - best(-step)) / (2 * step)
    assert told["budget[1-2]"]["value"] == pytest.approx(slope, rel=1e-3)


def test_a_booked_spend_above_its_window_names_both() -> None:
    raw = request(budget_windows=[{"from": 1, "to": 2, "budget": 10}])
    raw["channels"][0]["periods"] = [{"from": 2, "spend": 12}]
    with pytest.raises(Infeasible) as refused:
        make_plan(posed(raw))
    assert {c.name for c in refused.value.conflicts} == {"a.spend[2]", "budget[1-2]"}


def test_the_next_unit_brings_what_was_asked_for() -> None:
    raw = request(objective={"target_marginal_return": 2.0})
    del raw["budget"]
    found = spend(posed(raw))
    assert found == pytest.approx(np.full((2, 4), 4.0), rel=1e-6)  # 10 / (1 + x) = 2


def test_only_extra_money_moves() -> None:
    raw = request(keep_current=True)
    raw["channels"][0]["current_spend"] = 18.0
    raw["budget"] = 100.0
    found = spend(posed(raw))
    assert found[0] == pytest.approx(np.full(4, 18.0))
    assert found[1] == pytest.approx(np.full(4, 7.0))


def test_a_return_of_some_channels_stops_them_or_keeps_it() -> None:
    raw = request(constraints=[{"name": "a", "channels": ["a"], "min_roas": 3.0}])
    found = make_plan(posed(raw)).best
    # 10 log(1 + x) / x = 3 at x = 7.16: as far as channel a may go.
    assert float(found.outcome[0].sum() / found.spend[0].sum()) == pytest.approx(3.0, rel=1e-6)
    raw["constraints"][0]["min_roas"] = 11.0  # more than its first unit brings
    assert spend(posed(raw))[0] == pytest.approx(np.zeros(4), abs=1e-9)


def test_a_rate_of_nothing_changes_nothing_and_a_high_one_brings_money_forward() -> None:
    even = spend(posed(request(horizon={"periods": 4, "discount_rate": 0.0})))
    early = spend(posed(request(horizon={"periods": 4, "discount_rate": 0.5})))
    assert even == pytest.approx(np.full((2, 4), 10.0), rel=1e-6)
    # (1 + x_t) falls by the factor of the discount from period to period.
    assert (1.0 + early[:, 1:]) / (1.0 + early[:, :-1]) == pytest.approx(1 / 1.5, rel=1e-6)


def stored(weeks: int = 30) -> CurveSet:
    adstock = {"family": "geometric", "decay": 0.5}
    response = Response.from_dict({"saturation": LOG, "adstock": adstock})
    curves = tuple(
        ChannelCurve(name, response, ObservedSpend(0.0, 10.0, 40.0, last), None, "good")
        for name, last in (("a", 8.0), ("b", 6.0))
    )
    days = [
        date.fromordinal(date(2026, 1, 5).toordinal() + 7 * i).isoformat() for i in range(weeks)
    ]
    spends = {"a": [4.0] * (weeks - 13) + [8.0] * 13, "b": [6.0] * weeks}
    told = {"over_time": {"dates": days, "spend": spends}}
    return CurveSet("d", "v", "", {}, "week", None, "revenue", curves, diagnostics=told)


def asked(**fields: Any) -> dict[str, Any]:
    raw = {"dataset": "d", "budget": 56.0, "horizon": {"periods": 4}, **fields}
    return answer(make_plan(problem_of(read_optimize(raw), stored())))


def test_a_plan_on_a_dataset_begins_with_what_was_spent_before() -> None:
    found = asked()
    assert [w["code"] for w in found["warnings"]] == ["carry_in_from_history"]
    assert found["totals"]["outcome_from_past_spend"] > 0.0
    # Today's spend kept up carries on as it was: each period brings what it always brings.
    steady = sum(10.0 * np.log1p(2.0 * x) for x in (8.0, 6.0))
    assert found["totals"]["current_outcome"] == pytest.approx(4 * steady, rel=1e-4)
    assert found["current_over"] == {"from": "2026-05-04", "to": "2026-08-02", "periods": 13}
    starts = [period["start"] for period in found["allocation"][0]["periods"]]
    assert starts == ["2026-08-03", "2026-08-10", "2026-08-17", "2026-08-24"]
    nothing = {"periods": 4, "prior_spend": {"a": 0.0, "b": 0.0}}
    assert asked(horizon=nothing)["totals"]["outcome_from_past_spend"] == 0.0


def test_today_is_chosen_by_periods_or_dates() -> None:
    spends = {
        row["channel"]: row["current_spend"] for row in asked(current={"last": 26})["allocation"]
    }
    assert spends == pytest.approx({"a": 4 * 6.0, "b": 4 * 6.0})
    old = asked(current={"from": "2026-01-05", "to": "2026-03-30"})
    assert old["current_over"]["periods"] == 13
    assert old["allocation"][0]["current_spend"] == pytest.approx(4 * 4.0)


def test_what_lies_between_history_and_horizon_is_spent_as_today() -> None:
    past = Past((date(2026, 1, 5), date(2026, 1, 12)), "week", {"a": [2.0, 4.0]}, 0, 1, asked=False)
    assert past.before("a", None) == [2.0, 4.0]
    assert past.before("a", date(2026, 2, 2)) == [2.0, 4.0, 3.0, 3.0]
    assert past.before("a", date(2026, 1, 12)) == [2.0]
    assert past.before("b", None) is None


@pytest.mark.parametrize("periods", [1, 4])
@pytest.mark.parametrize("rule", [{"min_roas": 25.0}, {"max_cpa": 1 / 25}])
def test_a_channel_of_which_no_unit_brings_what_is_asked_spends_nothing(
    periods: int, rule: dict[str, float]
) -> None:
    """The first unit brings 10, and no more than as much again later: never 25."""
    raw = request(constraints=[{"name": "r", "channels": ["a"], **rule}])
    raw["horizon"]["periods"] = periods
    raw["channels"][0]["adstock"] = {"family": "geometric", "decay": 0.5}
    plan = make_plan(posed(raw))
    assert plan.certificate.relative_gap <= 1e-6
    assert plan.best.spend[0] == pytest.approx(np.zeros(plan.best.spend.shape[1]))
    assert plan.best.money == pytest.approx(80.0)

    raw["channels"][0]["min_spend"] = 1.0
    with pytest.raises(Infeasible) as caught:
        make_plan(posed(raw))
    kind = next(iter(rule))
    assert {c.name for c in caught.value.conflicts} == {f"r.{kind}", "a.min_spend"}


def test_where_no_period_is_decided_alone_the_tightest_limit_holds_throughout() -> None:
    raw = request(horizon={"periods": 4, "mode": "constant"})
    raw["channels"][0]["periods"] = [{"from": 2, "max_spend": 7}, {"from": 3, "max_spend": 4}]
    found = spend(posed(raw))
    assert found == pytest.approx(np.repeat([[4.0], [16.0]], 4, axis=1))
    budgets = [10.0, 20.0, 30.0, 20.0]
    raw = request(period_budgets=budgets, horizon={"periods": 4, "mode": "fixed_shares"})
    del raw["budget"]
    raw["channels"][0]["periods"] = [{"from": 2, "max_spend": 7}, {"from": 1, "max_spend": 2}]
    assert spend(posed(raw))[0] == pytest.approx(0.2 * np.array(budgets))
    raw["channels"][0]["periods"] = [{"from": 3, "spend": 9}]
    assert spend(posed(raw))[0] == pytest.approx(0.3 * np.array(budgets))


@pytest.mark.parametrize("mode", ["constant", "fixed_shares"])
def test_limits_of_two_periods_that_one_decision_cannot_keep_are_named(mode: str) -> None:
    raw = request(horizon={"periods": 4, "mode": mode})
    raw["channels"][0]["periods"] = [{"from": 2, "spend": 7}, {"from": 3, "max_spend": 4}]
    with pytest.raises(Infeasible) as caught:
        spend(posed(raw))
    names = [conflict.name for conflict in caught.value.conflicts]
    assert names == ["a.spend[2]", "a.max_spend[3]"]
    assert caught.value.conflicts[0].missed_by == pytest.approx(3.0)
