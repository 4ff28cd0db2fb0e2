"""The evaluator of the contract against figures worked out by hand, and its opponent's search."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from tests.app.client import Answer, Client
from tests.contract.checks import faults_of
from tests.contract.evaluator import (
    Raw,
    allowed,
    broken,
    counted,
    frequency,
    objective,
    outcomes,
    today,
)
from tests.contract.features import build
from tests.contract.relations import ends_of, in_other_money, in_other_outcomes, meet, reordered
from tests.contract.search import best_known

LINE = {"family": "power", "coefficient": 1.0, "exponent": 1.0}


def one(curve: Raw, adstock: Raw | None = None, **channel: Any) -> Raw:
    response = {"saturation": curve, **({"adstock": adstock} if adstock else {})}
    return {"channels": [{"channel": "a", "response": response, **channel}]}


def several(*curves: Raw, **more: Any) -> Raw:
    channels = [
        {"channel": n, "response": {"saturation": c}} for n, c in zip("abc", curves, strict=False)
    ]
    return {"channels": channels, **more}


def plan(*spends: list[float]) -> np.ndarray:
    return np.array([spends], dtype=float)


E = math.e
CURVES: dict[str, tuple[Raw, float, float]] = {
    # name: parameters, spend, outcome
    "hill": ({"max_response": 10, "half_saturation": 2, "shape": 2}, 4, 8.0),
    "exponential": ({"max_response": 10, "rate": 0.5}, 2, 10 * (1 - 1 / E)),
    "logistic": ({"max_response": 10, "rate": 0.5}, 2, 10 * (E - 1) / (E + 1)),
    "michaelis_menten": ({"max_response": 10, "half_saturation": 3}, 1, 2.5),
    "sigmoid": (
        {"max_response": 10, "midpoint": 1, "steepness": 1},
        1,
        10 * (0.5 - 1 / (1 + E)) / (1 - 1 / (1 + E)),
    ),
    "logarithmic": ({"coefficient": 3, "scale": 2}, 2 * (E - 1), 3.0),
    "power": ({"coefficient": 3, "exponent": 0.5}, 4, 6.0),
    "tabulated": ({"spend": [2, 4], "response": [6, 7]}, 1, 3.0),
}


@pytest.mark.parametrize("family", CURVES)
def test_a_curve_by_hand(family: str) -> None:
    parameters, spend, outcome = CURVES[family]
    raw = one({"family": family, **parameters})
    assert outcomes(raw, plan([spend]))[0, 0, 0] == pytest.approx(outcome)
    # Half as effective, and all of it twice as dear: half the outcome of half the media.
    raw["channels"][0].update(effectiveness=0.5, price=2.0)
    assert outcomes(raw, plan([2 * spend]))[0, 0, 0] == pytest.approx(outcome / 2)


CARRYOVERS: dict[str, tuple[Raw, list[float]]] = {
    # name: parameters, weights from the period of the spend on
    "geometric": ({"decay": 0.5}, [1, 0.5, 0.25]),
    "delayed": ({"decay": 0.5, "peak": 1, "length": 3}, [0.5, 1, 0.5]),
    "weibull_pdf": (
        {"shape": 2, "scale": 1, "length": 2},  # 2 t exp(-t^2) at 1 and 2, over the first
        [1, 2 * math.exp(-3), 0],
    ),
    "weibull_cdf": ({"shape": 1, "scale": 1, "length": 3}, [1, 1 / E, 1 / E**3]),
    "lag_weights": ({"values": [0.2, 0.3]}, [0.2, 0.3, 0]),
}


@pytest.mark.parametrize("family", CARRYOVERS)
def test_carryover_by_hand(family: str) -> None:
    parameters, weights = CARRYOVERS[family]
    adstock = {"family": family, **parameters}
    raw = one(LINE, adstock) | {"horizon": {"periods": 3}}
    each = outcomes(raw, plan([10, 0, 100]))[0, 0]
    last = 10 * weights[2] + 100 * weights[0]
    assert each == pytest.approx([10 * weights[0], 10 * weights[1], last])
    # After the horizon, and before it: a list of amounts, oldest first.
    raw["horizon"]["prior_spend"] = {"a": [1000, 1]}
    before = outcomes(raw, plan([0, 0, 0]))[0, 0, :2]
    assert before[0] == pytest.approx(1000 * weights[2] + weights[1])
    assert outcomes(raw, plan([0, 0, 1]), tail=1)[0, 0, 3] >= weights[1] * (1 - 1e-12)
    # Sustained spend of one period, every weight of which counts; normalised it keeps its size.
    adstock["normalised"] = True
    assert outcomes(one(LINE, adstock), plan([7]))[0, 0, 0] == pytest.approx(7)
    raw["horizon"]["prior_spend"] = {"a": 7}  # in every period before
    assert outcomes(raw, plan([7, 7, 7]))[0, 0] == pytest.approx([7, 7, 7])


def test_what_comes_later_counts_at_the_mean_season() -> None:
    raw = one(LINE, {"family": "geometric", "decay": 0.5}, period_weights=[3, 1])
    raw |= {"horizon": {"periods": 2}, "objective": {"long_term_weight": 0.5}}
    # 10 x 3, then 5 x 1, then 5 in all at the mean of 2, half of it.
    assert objective(raw, plan([10, 0]))[0] == pytest.approx(30 + 5 + 5)


def test_interactions_by_hand() -> None:
    half = {"family": "michaelis_menten", "max_response": 8, "half_saturation": 1}
    raw = several(half, half, interactions=[{"channels": ["b", "a"], "strength": -4}])
    assert outcomes(raw, plan([1], [3]))[0, 0, 0] == pytest.approx(4 + 6 - 4 * 0.5 * 0.75)
    # Below a channel levels are the campaigns' outcomes over the sum of their ceilings.
    parts = [{"channel": n, "saturation": half} for n in "xy"]
    raw["channels"][0] = {"channel": "a", "campaigns": parts, "period_weights": [4.0]}
    raw["channels"][1]["period_weights"] = [9.0]
    brought = 4 * (4 + 0) + 9 * 6 - 4 * 6 * 0.25 * 0.75
    assert outcomes(raw, plan([1], [0], [3]))[0, 0, 0] == pytest.approx(brought)


def test_measures_of_risk_by_hand() -> None:
    raw = one(LINE)
    draws = [{"coefficient": c} for c in (4.0, 1.0, 2.0, 3.0)]
    raw["channels"][0]["response"]["draws"] = draws
    sd = math.sqrt(1.25)
    for risk, value in {
        ("expected",): 2.5,
        ("mean_minus_sd", "aversion", 2.0): 2.5 - 2 * sd,
        ("quantile", "level", 0.5): 2.5,
        ("cvar", "level", 0.375): (1 + 0.5 * 2) / 1.5,
        ("worst_case",): 1.0,
    }.items():
        raw["risk"] = {"measure": risk[0], **dict([risk[1:]] if risk[1:] else [])}
        assert objective(raw, plan([10]))[0] == pytest.approx(10 * value)
        assert counted(raw, plan([10]), careful=False)[0] == pytest.approx(25)
        # Of the least spend the measure reads the target; other targets hold in expectation.
        least = {"goal": "minimize_spend", "target_outcome": 10 * value}
        tight = raw | {"objective": least}
        assert allowed(tight, plan([10.001]))[0]
        assert not allowed(tight, plan([9.999]))[0]
        plain = raw | {"objective": {"target_outcome": 25}}
        assert allowed(plain, plan([10.001]))[0]


def test_goals_by_hand() -> None:
    raw = several(LINE, {"family": "power", "coefficient": 3, "exponent": 1})
    spend, outcome = 30.0, 10 + 60.0
    for goal, worth in {
        ("maximize_outcome",): outcome,
        ("maximize_profit", "value_per_outcome", 2.0): 2 * outcome - spend,
        ("minimize_spend", "target_outcome", 5.0): -spend,
    }.items():
        raw["objective"] = {"goal": goal[0], **dict([goal[1:]] if goal[1:] else [])}
        assert objective(raw, plan([10], [20]))[0] == pytest.approx(worth)
    weights = {"outcome": 0.5, "profit": 0.1, "spend": 0.2}
    raw["objective"] = {"goal": "weighted_sum", "weights": weights, "value_per_outcome": 4.0}
    expected = 0.5 * outcome + 0.1 * (4 * outcome - spend) - 0.2 * spend
    assert objective(raw, plan([10], [20]))[0] == pytest.approx(expected)


def test_frequency_by_hand() -> None:
    raw = one({"family": "exponential", "max_response": 90, "rate": 0.1})
    often = 0.1 * 20 / (1 - math.exp(-0.1 * 20))
    assert frequency(raw, 0, raw["channels"][0], 20.0) == pytest.approx(often)
    raw |= {"budget": 20.0, "objective": {"goal": "maximize_reach", "max_frequency": often}}
    assert allowed(raw, plan([20]), 1e-6)[0]
    raw["objective"]["max_frequency"] = 0.999 * often
    assert broken(raw, plan([20])) == ["a.max_frequency"]


def test_a_channel_like_another_has_its_return_and_a_part_of_its_size() -> None:
    curve = {"family": "michaelis_menten", "max_response": 80, "half_saturation": 40}
    raw = several(curve)
    raw["channels"].append({"channel": "new", "like": "a", "scale": 0.5, "uncertainty": 2})
    each = outcomes(raw, plan([0], [1e-6]))[:, 0, 0] / 1e-6
    assert len(each) == 200
    assert each.mean() == pytest.approx(2.0, rel=1e-5)  # that of the other's first unit
    inside = np.abs(np.log(each / 2.0)) <= math.log(2.0) + 0.1
    assert 0.85 <= inside.mean() <= 0.97
    raw["channels"][1]["uncertainty"] = 1
    assert outcomes(raw, plan([0], [20]))[:, 0, 0] == pytest.approx(0.5 * 80 * 0.5)


LIMITS: dict[str, tuple[Raw, list[list[float]], list[list[float]]]] = {
    # name of the rule: the request's changes, a plan that keeps it, one that breaks only it
    "budget": ({"budget": 10}, [[4], [6]], [[4], [5]]),
    "budget[2]": ({"period_budgets": [10, 20]}, [[4, 9], [6, 11]], [[4, 9], [6, 10]]),
    "group": ({"constraints": [{"channels": ["a"], "max_spend": 3}]}, [[3], [9]], [[4], [9]]),
    "share": ({"constraints": [{"channels": ["a"], "min_share": 0.5}]}, [[3], [3]], [[3], [4]]),
    "most": ({"constraints": [{"channels": ["a"], "max_share": 0.5}]}, [[3], [3]], [[4], [3]]),
    "sum": (
        {"constraints": [{"channels": ["a"], "max_total": 5}]},
        [[3, 2], [9, 9]],
        [[3, 3], [9, 9]],
    ),
    "linear": (
        {
            "constraints": [
                {
                    "coefficients": [
                        {"channel": "a", "coefficient": 1},
                        {"channel": "b", "coefficient": -2},
                    ],
                    "min": 0,
                }
            ]
        },
        [[4], [2]],
        [[4], [3]],
    ),
    "count": (
        {"constraints": [{"channels": ["a", "b"], "max_active": 1}]},
        [[4, 1], [0, 0]],
        [[4, 1], [0, 1]],
    ),
    "at once": (
        {"constraints": [{"channels": ["a", "b"], "max_active": 1, "per_period": True}]},
        [[4, 0], [0, 3]],
        [[4, 1], [0, 1]],
    ),
    "second": (
        {
            "constraints": [
                {"channels": ["a", "b"], "max_active": 1, "per_period": True, "periods": [2]}
            ]
        },
        [[4, 0], [1, 3]],
        [[4, 1], [0, 1]],
    ),
    "a.flight": ({"a": {"flight": {"min_on": 2}}}, [[4, 1], [0, 1]], [[0, 1], [0, 1]]),
    "a.min_spend": ({"a": {"min_spend": 2}}, [[2], [0]], [[1], [0]]),
    "a.max_spend": ({"a": {"max_spend": 2}}, [[2, 2], [0, 0]], [[1, 3], [0, 0]]),
    "a.min_total": ({"a": {"min_total": 5}}, [[2, 3], [0, 0]], [[2, 2], [0, 0]]),
    "a.max_total": ({"a": {"max_total": 5}}, [[2, 3], [0, 0]], [[3, 3], [0, 0]]),
    "a.locked": ({"a": {"locked": True, "current_spend": 3}}, [[3], [0]], [[2], [0]]),
    "a.max_change": (
        {"a": {"max_change": 0.5, "current_spend": 4}},
        [[6], [0]],
        [[7], [0]],
    ),
    "a.minimum_if_active": ({"a": {"minimum_if_active": 3}}, [[0, 3], [0, 0]], [[0, 2], [0, 0]]),
    "a.increment": ({"a": {"increment": 3}}, [[0, 6], [0, 0]], [[0, 5], [0, 0]]),
    "pacing.a[1]": (
        {"horizon": {"pacing": {"max_change": 0.5}}, "a": {"current_spend": 2}},
        [[3, 2], [0, 0]],
        [[4, 3], [0, 0]],
    ),
    "pacing.a[2]": (
        {"horizon": {"pacing": {"max_change": 0.5}}},
        [[4, 6], [0, 0]],
        [[4, 7], [0, 0]],
    ),
    "horizon.constant": ({"horizon": {"mode": "constant"}}, [[3, 3], [1, 1]], [[3, 3], [1, 2]]),
    "horizon.fixed_shares": (
        {"horizon": {"mode": "fixed_shares"}, "period_budgets": [10, 20], "spend_all": False},
        [[3, 6], [5, 10]],
        [[3, 7], [5, 10]],
    ),
    "target_outcome": ({"objective": {"target_outcome": 10}}, [[4], [3]], [[4], [2.9]]),
    "target_roas": ({"objective": {"target_roas": 1.5}}, [[3], [3]], [[3.1], [3]]),
    "target_cpa": ({"objective": {"target_cpa": 0.5}}, [[0], [3]], [[0.1], [3]]),
}


def test_flights_follow_on_what_ran_before_them() -> None:
    raw = several(LINE) | {"horizon": {"periods": 4, "prior_spend": {"a": [3, 0]}}}
    flight = raw["channels"][0]["flight"] = {"min_on": 2, "min_off": 2, "max_flights": 1}
    assert broken(raw, plan([0, 2, 2, 0])) == []
    for bad in ([2, 2, 2, 0], [0, 2, 0, 0], [0, 0, 0, 2], [0, 2, 0, 2]):
        assert broken(raw, plan(bad)) == ["a.flight"]
    raw["horizon"]["prior_spend"]["a"] = [0, 4]
    assert broken(raw, plan([2, 0, 0, 0])) == []  # under way, so not one that begins
    assert broken(raw, plan([0, 0, 2, 2])) == ["a.flight"]
    flight["min_on"] = 9
    assert broken(raw, plan([2, 2, 2, 2])) == []  # it goes on after the horizon
    assert broken(raw, plan([2, 2, 2, 0])) == ["a.flight"]


@pytest.mark.parametrize("name", LIMITS)
def test_a_rule_is_kept_or_broken_under_its_name(name: str) -> None:
    changes, keeps, breaks = deepcopy(LIMITS[name])
    raw = several(LINE, {**LINE, "coefficient": 2.0}, spend_all=True)
    raw["channels"][0].update(changes.pop("a", {}))
    if len(keeps[0]) > 1:
        raw["horizon"] = {"periods": len(keeps[0]), **changes.pop("horizon", {})}
    raw |= changes
    for rule in raw.get("constraints", []):
        rule["name"] = name
    assert broken(raw, plan(*keeps)) == []
    assert set(broken(raw, plan(*breaks))) == {name}
    assert allowed(raw, np.concatenate((plan(*keeps), plan(*breaks)))).tolist() == [True, False]


def test_limits_hold_for_campaigns_and_for_their_channel() -> None:
    raw = several(LINE, LINE)
    parts = [{"channel": n, "saturation": LINE, "current_spend": 2.0} for n in "xy"]
    raw["channels"][0] = {"channel": "a", "campaigns": parts, "max_change": 0.5, "increment": 2}
    assert broken(raw, plan([3], [1], [9])) == []
    assert broken(raw, plan([4], [4], [9])) == ["a.max_change"]
    assert broken(raw, plan([2], [1], [9])) == ["a.increment"]
    parts[0]["max_spend"] = 2.5
    assert broken(raw, plan([3], [1], [9])) == ["a/x.max_spend"]
    parts[0]["exclude"] = True
    assert broken(raw, plan([2], [9])) == []  # today's is that of the other alone


def test_an_outcome_that_is_worth_money_makes_a_return_of_money() -> None:
    raw = several(LINE) | {"objective": {"target_roas": 3.0, "value_per_outcome": 4.0}}
    assert allowed(raw, plan([5]))[0]
    raw["objective"]["value_per_outcome"] = 2.0
    assert broken(raw, plan([5])) == ["target_roas"]


# -- the opponent, and whether checks can fail at all -------------------------------------------


def test_the_local_search_finds_what_is_known_to_be_best() -> None:
    """Two curves m x / (h + x): equal slopes m h / (h + x)^2 at the best split."""
    tops, halves = (60.0, 90.0), (10.0, 40.0)
    curves = [
        {"family": "michaelis_menten", "max_response": m, "half_saturation": h}
        for m, h in zip(tops, halves, strict=True)
    ]
    raw = several(*curves, budget=50.0)
    roots = np.sqrt(np.multiply(tops, halves))
    best = (50.0 + sum(halves)) * roots / roots.sum() - halves
    found = best_known(raw, 3)
    assert found.plan is not None
    assert found.plan[0, :, 0] == pytest.approx(best, rel=1e-4)
    raw["channels"][0]["increment"] = 8.0
    lots = [objective(raw, plan([x], [50.0 - x]))[0] for x in (0, 8, 16, 24, 32, 40, 48)]
    assert best_known(raw, 6).worth == pytest.approx(max(lots), rel=1e-9)
    raw["constraints"] = [{"name": "no", "channels": ["a"], "min_spend": 51.0}]
    assert best_known(raw, 1).plan is None


def test_today_is_what_is_spent_now_where_all_of_it_is_known() -> None:
    raw = build(("campaigns", "like", "time_varying"))
    now = today(raw)
    assert now is not None
    assert now[0, :, 1].tolist() == [30, 25, 25, 12, 8, 0]
    del raw["channels"][1]["current_spend"]
    assert today(raw) is None


@pytest.fixture(scope="module")
def answered(api: Client) -> tuple[Raw, Raw]:
    raw = build(("shares", "draws"))
    for channel in raw["channels"]:
        channel["response"]["draws"] *= 4  # enough of them for an interval
    answer = api.post("optimize", raw)
    assert list(faults_of(raw, answer, starts=1)) == []
    return raw, answer.json


def kinds(raw: Raw, answer: Raw, status: int = 200) -> set[str]:
    told = Answer(status, {}, json.dumps(answer).encode())
    return {fault.kind for fault in faults_of(raw, told, starts=0)}


def test_every_check_can_fail(answered: tuple[Raw, Raw]) -> None:
    raw, answer = answered
    moved = deepcopy(answer)
    moved["allocation"][0]["spend"] += 0.01
    assert kinds(raw, moved) == {"limits", "figures"}
    for figure in ("outcome", "spend", "current_outcome"):
        wrong = deepcopy(answer)
        wrong["totals"][figure] *= 1 + 1e-5
        assert kinds(raw, wrong) == {"figures"}
    wrong = deepcopy(answer)
    assert wrong["totals"]["outcome_interval"] is not None
    wrong["totals"]["outcome_interval"][1] *= 1 + 1e-5
    assert kinds(raw, wrong) == {"figures"}
    low = deepcopy(answer)
    low["certificate"]["upper_bound"] *= 1 - 1e-4
    assert kinds(raw, low) == {"bound"}
    high = deepcopy(answer)
    high["certificate"]["upper_bound"] *= 1.1
    assert kinds(raw, high) == {"gap"}
    unsaid = deepcopy(answer)
    unsaid["certificate"]["upper_bound"] = None
    assert kinds(raw, unsaid) == {"unproven"}
    # Today's plan in place of the best, all figures right: beaten, and nothing else.
    now = today(raw)
    assert now is not None
    worse = raw | {"constraints": []}
    for row, spend in zip(answer["allocation"], now[0, :, 0], strict=True):
        row["spend"] = float(spend)
    answer["totals"] |= {"outcome": answer["totals"]["current_outcome"], "spend": now.sum()}
    answer["totals"]["outcome_interval"] = None
    answer["certificate"]["objective"] = answer["totals"]["outcome"]
    assert kinds(worse, answer) >= {"beaten", "gap"}
    assert kinds(raw, {"detail": "", "conflicts": [{"name": "budget"}]}, 422) == {"conflict"}
    assert kinds(raw, {"detail": "", "errors": []}, 422) == {"unnamed", "conflict"}
    short = {"detail": "No plan was found; it was not proven that there is none."}
    assert kinds(raw, {**short, "conflicts": [{"name": "budget"}]}, 422) == {"unfound"}
    assert kinds(raw, {}, 500) == {"status"}


RELATED = ("campaigns", "coefficients", "interactions", "prior_spend", "weighted_sum", "what_ifs")


def test_other_words_for_a_request_mean_the_same_to_the_evaluator() -> None:
    raw = build((*RELATED, "tabulated", "no_ceiling", "target_cpa", "draws"), seed=3)
    now = today(raw)
    assert now is not None
    worth, rules = objective(raw, now)[0], broken(raw, now)
    for other, unit, money in (
        (*in_other_money(raw, 1000.0), 1000.0),
        (*in_other_outcomes(raw, 7.0), 1.0),
    ):
        assert objective(other, money * now)[0] / unit == pytest.approx(worth)
        assert broken(other, money * now) == rules
    turned = reordered(raw)
    later = today(turned)
    assert later is not None
    assert objective(turned, later)[0] == pytest.approx(worth)


def test_intervals_meet_where_one_value_is_in_both() -> None:
    assert meet((1.0, 2.0), (2.0, 3.0))
    assert not meet((1.0, 2.0), (2.1, 3.0))
    least = {"certificate": {"objective": 5.0, "lower_bound": 4.0, "upper_bound": None}}
    assert ends_of(least) == (-5.0, -4.0)
