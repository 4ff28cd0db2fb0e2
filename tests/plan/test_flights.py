"""Flights and counts by period against the best plan of every pattern that they allow."""

from __future__ import annotations

from copy import deepcopy
from itertools import product
from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.errors import Infeasible
from shared.plan.optimize import make_plan
from shared.plan.yardstick import broken_by, yardstick
from shared.problem.lower import lower
from tests.contract.evaluator import Raw, allowed, broken, objective, plan_of
from tests.plan.requests import solved

GAP, LEAST = 1e-5, 40.0
HILL = {"family": "hill", "max_response": 90.0, "half_saturation": 30.0, "shape": 1.0}
BENT = {"family": "hill", "max_response": 120.0, "half_saturation": 45.0, "shape": 2.2}
STAYS = {"family": "geometric", "decay": 0.5}
SEASON = [1.0, 0.4, 0.6, 1.6, 1.2]


def request(curve: Raw, carry: Raw | None, periods: int, **more: Any) -> Raw:
    """Two channels: the first is the one that flies."""
    other = {"family": "exponential", "max_response": 70.0, "rate": 0.03}
    adstock = {} if carry is None else {"adstock": carry}
    return {
        "channels": [
            {"channel": "tv", "saturation": curve, **adstock, "minimum_if_active": LEAST},
            {"channel": "radio", "saturation": other, **adstock},
        ],
        "budget": 45.0 * periods,
        "horizon": {"periods": periods},
        "solver": {"gap": GAP, "time_limit_s": 20},
        **more,
    }


def best_of_patterns(raw: Raw, named: tuple[str, ...]) -> tuple[float, float]:
    """The most that any allowed pattern of the ``named`` channels brings, and its bound: each
    pattern is a problem of floors and ceilings that knows no flights."""
    periods = raw["horizon"]["periods"]
    patterns = list(product((0, 1), repeat=periods))
    best, bound = -np.inf, -np.inf
    for each in product(patterns, repeat=len(named)):
        shown = np.zeros((1, len(raw["channels"]), periods))
        fixed = deepcopy(raw)
        for name, pattern in zip(named, each, strict=True):
            place = [c["channel"] for c in raw["channels"]].index(name)
            channel = fixed["channels"][place]
            shown[0, place] = np.array(pattern) * 1e3
            least = channel.pop("minimum_if_active", 0.0)
            told = channel.get("periods", [])
            channel["periods"] = [
                {"from": t + 1, "min_spend": least} if on else {"from": t + 1, "max_spend": 0}
                for t, on in enumerate(pattern)
            ] + told
        if any(rule.endswith(".flight") or rule == "at once" for rule in broken(raw, shown)):
            continue
        for channel in fixed["channels"]:
            channel.pop("flight", None)
        fixed["constraints"] = [
            rule for rule in raw.get("constraints", []) if not rule.get("per_period")
        ]
        try:
            found = solved(fixed)["certificate"]
        except Infeasible:
            continue
        best, bound = max(best, found["objective"]), max(bound, found["upper_bound"])
    return best, bound


def check(raw: Raw, named: tuple[str, ...]) -> Raw:
    best, bound = best_of_patterns(raw, named)
    found = solved(raw)
    proof, plan = found["certificate"], plan_of(found)
    assert allowed(raw, plan, 1e-9)[0], broken(raw, plan)
    assert proof["objective"] == pytest.approx(float(objective(raw, plan)[0]), rel=1e-9)
    assert proof["upper_bound"] >= best * (1.0 - 1e-9)
    assert proof["objective"] >= best - GAP * abs(bound)
    assert proof["objective"] <= bound * (1.0 + 1e-9)
    assert proof["relative_gap"] <= GAP
    return found


@pytest.mark.parametrize("carry", [None, STAYS], ids=["at once", "carried over"])
@pytest.mark.parametrize("curve", [HILL, BENT], ids=["concave", "bent"])
@pytest.mark.parametrize(
    "flight", [{"min_on": 2, "min_off": 2}, {"min_on": 2, "max_flights": 1}], ids=str
)
def test_flights_are_the_best_of_all_patterns(curve: Raw, carry: Raw | None, flight: Raw) -> None:
    raw = request(curve, carry, 5)
    raw["channels"][0] |= {"flight": flight, "period_weights": SEASON}
    found = check(raw, ("tv",))
    plan = plan_of(found)[0, 0]
    assert np.any(plan == 0.0)  # or nothing was asked
    assert np.all((plan == 0.0) | (plan >= LEAST * (1.0 - 1e-9)))


@pytest.mark.parametrize("curve", [HILL, BENT], ids=["concave", "bent"])
def test_counts_and_flights_together_are_the_best_of_all_patterns(curve: Raw) -> None:
    raw = request(curve, STAYS, 3)
    raw["channels"][0]["flight"] = {"min_on": 2}
    count = {"name": "at once", "channels": ["tv", "radio"], "max_active": 1, "per_period": True}
    check(raw | {"constraints": [count]}, ("tv", "radio"))
    check(raw | {"constraints": [{**count, "periods": [2, 3]}]}, ("tv", "radio"))


def test_what_ran_before_the_plan_is_gone_on_with() -> None:
    raw = request(HILL, STAYS, 4)
    raw["channels"][0] |= {"flight": {"min_on": 3, "min_off": 2, "max_flights": 1}}
    for before in ([0.0, 30.0], [30.0, 0.0], [30.0, 30.0, 30.0], 30.0, 0.0):
        raw["horizon"]["prior_spend"] = {"tv": before}
        check(raw, ("tv",))
    raw["horizon"]["prior_spend"]["tv"] = [0.0, 30.0]
    # It has run for one period of three; max_flights counts the ones that begin.
    assert np.all(plan_of(solved(raw))[0, 0, :2] >= LEAST * (1.0 - 1e-9))


def test_a_flight_is_of_the_sum_of_campaigns() -> None:
    raw = request(HILL, None, 4)
    own = {"channel": "x", "saturation": raw["channels"][0].pop("saturation")}
    other = {"channel": "y", "saturation": BENT, "min_spend": 0.0, "max_spend": 20.0}
    raw["channels"][0] |= {"campaigns": [own, other], "flight": {"min_on": 2, "max_flights": 1}}
    raw["channels"][0]["period_weights"] = [1.0, 1.5, 0.2, 2.0]
    found = solved(raw)
    plan = plan_of(found)
    assert allowed(raw, plan, 1e-9)[0], broken(raw, plan)
    assert found["certificate"]["relative_gap"] <= 1e-4
    raw["channels"][0]["periods"] = [{"from": 2, "max_spend": 0}]
    assert plan_of(solved(raw))[0, :2, :2].sum() == 0.0


def test_without_a_minimum_a_period_on_has_what_the_contract_says_at_least() -> None:
    raw = request(BENT, None, 4)
    del raw["channels"][0]["minimum_if_active"]
    raw["channels"][0] |= {"flight": {"min_on": 3, "max_flights": 1}}
    raw["channels"][0]["period_weights"] = [0.0, 1.0, 0.0, 0.0]
    program = lower(problem_of(read_optimize(raw)))
    least = 1e-4 * 45.0
    assert program.least_active[0].tolist() == pytest.approx([least] * 4)
    found = solved(raw)
    plan = plan_of(found)[0, 0]
    assert sorted(plan[plan > 0.0])[:2] == pytest.approx([least] * 2, rel=1e-4)
    assert allowed(raw, plan_of(found), 1e-9)[0]
    assert [w["code"] for w in found["warnings"]].count("faint_period") == 1
    assert found["allocation"][0]["binding"] == ["flight"]


def test_what_cannot_be_is_told_by_name() -> None:
    raw = request(HILL, None, 4)
    raw["channels"][0] |= {
        "flight": {"min_on": 3},
        "periods": [{"from": 2, "spend": 30.0}, {"from": 4, "max_spend": 0}, PAUSED],
    }
    with pytest.raises(Infeasible) as told:
        solved(raw)
    names = [conflict.name for conflict in told.value.conflicts]
    assert set(names) == {"tv.flight", "tv.spend[2]", "tv.max_spend[4]", "tv.max_spend[1]"}
    assert "at least 3 periods on in a row" in str(told.value.conflicts)
    raw = request(HILL, None, 4)
    del raw["channels"][0]["minimum_if_active"]
    raw["channels"][0]["min_spend"] = raw["channels"][1]["min_spend"] = 10.0
    count = {"name": "one", "channels": ["tv", "radio"], "max_active": 1, "per_period": True}
    with pytest.raises(Infeasible) as told:
        solved(raw | {"constraints": [{**count, "periods": [3]}]})
    names = [conflict.name for conflict in told.value.conflicts]
    assert set(names) == {"one", "tv.min_spend", "radio.min_spend"}


def test_one_that_is_to_run_for_longer_than_the_horizon_never_starts() -> None:
    raw = request(HILL, None, 3)
    raw["channels"][0]["flight"] = {"min_on": 4}
    found = solved(raw)
    assert plan_of(found)[0, 0].tolist() == [0.0, 0.0, 0.0]
    assert "never_starts" in [w["code"] for w in found["warnings"]]
    raw["horizon"]["prior_spend"] = {"tv": [30.0, 30.0]}
    found = solved(raw)
    assert np.all(plan_of(found)[0, 0, :2] > 0.0)
    assert "never_starts" not in [w["code"] for w in found["warnings"]]


def test_a_plan_that_breaks_them_is_told_by_how_much() -> None:
    raw = request(HILL, None, 4)
    raw["channels"][0]["flight"] = {"min_on": 2}
    count = {"name": "one", "channels": ["tv", "radio"], "max_active": 1, "per_period": True}
    measure = yardstick(problem_of(read_optimize(raw | {"constraints": [count]})))
    plan = np.array([[50.0, 0.0, 45.0, 40.0], [0.0, 40.0, 5.0, 0.0]])
    told = broken_by(measure, plan)
    assert told == {"tv.flight": LEAST, "one": 5.0}


PAUSED: Raw = {"from": 1, "max_spend": 0}


def test_in_one_period_a_count_by_period_is_the_plain_one() -> None:
    raw = request(HILL, STAYS, 1)
    count = {"name": "one", "channels": ["tv", "radio"], "max_active": 1}
    plain = solved(raw | {"constraints": [count]})
    assert plan_of(solved(raw | {"constraints": [{**count, "per_period": True}]})).tolist() == (
        plan_of(plain).tolist()
    )


@pytest.mark.parametrize("mode", ["constant", "fixed_shares"])
def test_where_all_periods_are_decided_at_once_who_runs_in_one_runs_in_all(mode: str) -> None:
    raw = request(HILL, STAYS, 3)
    raw["horizon"]["mode"] = mode
    count = {"name": "one", "channels": ["tv", "radio"], "max_active": 1}
    plain = solved(raw | {"constraints": [count]})
    some = {**count, "per_period": True, "periods": [2]}
    assert plan_of(solved(raw | {"constraints": [some]})).tolist() == plan_of(plain).tolist()


def test_in_turn_each_period_has_its_own_count() -> None:
    raw = request(HILL, None, 3)
    raw["horizon"]["mode"] = "sequential"
    count = {"name": "one", "channels": ["tv", "radio"], "max_active": 1, "per_period": True}
    raw["constraints"] = [{**count, "periods": [2]}]
    plan = plan_of(solved(raw))
    assert (plan[0] > 0.0).sum(axis=0).tolist() == [2, 1, 2]


@pytest.mark.parametrize("method", ["slsqp", "genetic", "piecewise"])
def test_methods_by_name_keep_to_flights(method: str) -> None:
    raw = request(BENT, STAYS, 5)
    raw["channels"][0] |= {"flight": {"min_on": 2, "max_flights": 1}, "period_weights": SEASON}
    best = solved(raw)["certificate"]["objective"]
    raw["solver"] = {"method": method, "time_limit_s": 2}
    found = solved(raw)
    assert allowed(raw, plan_of(found), 1e-9)[0], broken(raw, plan_of(found))
    assert found["certificate"]["objective"] >= 0.95 * best
    assert found["certificate"]["upper_bound"] >= best * (1.0 - 1e-9)


def test_shadow_prices_keep_the_pattern() -> None:
    """The budget's price is what one more unit brings: solved again at both sides of it."""
    raw = request(HILL, None, 5)
    raw["channels"][0] |= {"flight": {"min_on": 2, "min_off": 2}, "period_weights": SEASON}
    plan = make_plan(problem_of(read_optimize(raw)))
    price = next(p["value"] for p in plan.prices if p["name"] == "budget")
    more, less = (
        solved({**raw, "budget": raw["budget"] + by})["certificate"]["objective"]
        for by in (0.5, -0.5)
    )
    assert price == pytest.approx(more - less, rel=1e-2)
