"""A channel that is stopped keeps what was paid for: its earlier spend goes on working.

tv saturates exponentially over geometric carryover of .7 and had 40 in every period before:
t periods after the last of them ``.7^t 40 / .3`` is left, whatever way it is stopped.
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest

from tests.app.client import Client

PERIODS = 4
TV = sum(100 * (1 - math.exp(-0.02 * 0.7**t * 40 / 0.3)) for t in range(1, PERIODS + 1))
SEARCH = PERIODS * 80 * 30 / 60  # 30 a period of the 120
STOPPED = TV + SEARCH
CHANNELS = [
    {
        "channel": "tv",
        "saturation": {"family": "exponential", "max_response": 100, "rate": 0.02},
        "adstock": {"family": "geometric", "decay": 0.7},
        "current_spend": 40,
    },
    {
        "channel": "search",
        "saturation": {
            "family": "hill",
            "max_response": 80,
            "half_saturation": 30,
            "shape": 1,
        },
        "current_spend": 30,
    },
]


def base(**changes: Any) -> dict[str, Any]:
    horizon = {"periods": PERIODS, "prior_spend": {"tv": 40, "search": 30}}
    horizon |= changes.pop("horizon", {})
    return deepcopy({"channels": CHANNELS, "budget": 120, "horizon": horizon}) | changes


def without_tv(**changes: Any) -> dict[str, Any]:
    raw = base(**changes)
    raw["channels"][0] |= {"exclude": True, "min_spend": 5, "locked": True, "increment": 4}
    return raw


def asked(api: Client, path: str, raw: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(path, raw)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def rows(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["channel"]: row for row in answer["allocation"]}


@pytest.mark.parametrize("mode", ["time_varying", "constant", "fixed_shares", "sequential"])
def test_the_plan_and_today_keep_what_past_spend_brings(api: Client, mode: str) -> None:
    answer = asked(api, "optimize", without_tv(horizon={"mode": mode}))
    assert answer["totals"]["outcome"] == pytest.approx(STOPPED, rel=1e-6)
    assert answer["totals"]["current_outcome"] == pytest.approx(STOPPED, rel=1e-6)
    assert answer["totals"]["current_spend"] == pytest.approx(120)
    assert answer["certificate"]["upper_bound"] == pytest.approx(STOPPED, rel=1e-5)
    tv, search = rows(answer)["tv"], rows(answer)["search"]
    assert (tv["spend"], tv["current_spend"], tv["binding"]) == (0, 0, ["exclude"])
    assert tv["outcome"] == pytest.approx(TV, rel=1e-9)
    left = [100 * (1 - math.exp(-0.02 * 0.7**t * 40 / 0.3)) for t in range(1, PERIODS + 1)]
    assert [period["outcome"] for period in tv["periods"]] == pytest.approx(left, rel=1e-9)
    assert search["spend"] == pytest.approx(120)
    assert search["outcome"] == pytest.approx(SEARCH, rel=1e-6)


def test_three_ways_of_stopping_are_one(api: Client) -> None:
    ways = {"exclude": {"exclude": True}, "no money": {"max_spend": 0}, "dropped": None}
    scenarios = [
        {"name": name, "changes": {"channels": {"tv": change}}} for name, change in ways.items()
    ]
    scenarios.append({"name": "ours", "plan": [{"channel": "search", "periods": [30] * PERIODS}]})
    scenarios[-1]["changes"] = {"channels": {"tv": None}}
    found = asked(api, "scenarios", {"base": base(), "scenarios": scenarios})
    before = found["base"]["totals"]["outcome"]
    assert before == pytest.approx(442.091134, abs=1e-5)  # by SLSQP from 40 starts
    for scenario in found["scenarios"]:
        assert scenario["totals"]["outcome"] == pytest.approx(STOPPED, rel=1e-6), scenario["name"]
        assert scenario["difference"]["outcome"] == pytest.approx(STOPPED - before, abs=1e-4)
        assert rows(scenario)["tv"]["outcome"] == pytest.approx(TV, rel=1e-9)


def test_a_plan_without_the_channel_is_scored_with_it(api: Client) -> None:
    """It need not say 0 for what is left out, and may not say anything else."""
    plan = [{"channel": "search", "spend": 20}]
    answer = asked(api, "evaluate", {"problem": without_tv(), "plan": plan})
    outcome = TV + PERIODS * 80 * 20 / 50
    assert answer["totals"]["outcome"] == pytest.approx(outcome, rel=1e-9)
    assert answer["totals"]["current_outcome"] == pytest.approx(STOPPED, rel=1e-9)
    assert answer["regret"] == pytest.approx(STOPPED - outcome, rel=1e-5)
    answer = api.post(
        "evaluate", {"problem": without_tv(), "plan": [*plan, {"channel": "tv", "spend": 1}]}
    )
    assert answer.status == 422
    assert answer.errors()["/plan/1/channel"][0] == "unknown_channel"


def test_a_list_of_past_amounts_and_a_finite_carryover(api: Client) -> None:
    raw = without_tv(horizon={"prior_spend": {"tv": [5, 10, 20]}})
    raw["channels"][0]["adstock"] = {"family": "lag_weights", "values": [1, 0.5, 0.25]}
    tv = rows(asked(api, "optimize", raw))["tv"]
    left = [0.5 * 20 + 0.25 * 10, 0.25 * 20, 0, 0]
    outcome = sum(100 * (1 - math.exp(-0.02 * z)) for z in left)
    assert tv["outcome"] == pytest.approx(outcome, rel=1e-9)


def test_draws_weights_and_effects_of_the_stopped_channel_count(api: Client) -> None:
    raw = without_tv()
    tv = raw["channels"][0]
    curve, adstock = tv.pop("saturation"), tv.pop("adstock")
    rates, weights = [0.01, 0.02, 0.03] * 10, [1, 2, 0, 1]
    draws = [{"max_response": 100, "rate": rate} for rate in rates]
    tv |= {"response": {"saturation": curve, "adstock": adstock, "draws": draws}}
    tv |= {"period_weights": weights, "price": 2, "effectiveness": 0.5}
    search = raw["channels"][1]
    hill = search.pop("saturation")
    own = {key: value for key, value in hill.items() if key != "family"}
    search["response"] = {"saturation": hill, "draws": [own] * 30}
    answer = asked(api, "optimize", raw)
    outcomes = [
        sum(
            50 * weight * (1 - math.exp(-rate * 0.7 ** (t + 1) * 40 / 0.3 / 2))
            for t, weight in enumerate(weights)
        )
        for rate in rates
    ]
    row = rows(answer)["tv"]
    assert row["outcome"] == pytest.approx(sum(outcomes) / 30, rel=1e-9)
    assert row["outcome_interval"] == pytest.approx([min(outcomes), max(outcomes)], rel=1e-9)
    low, high = answer["totals"]["outcome_interval"]
    assert high - low == pytest.approx(max(outcomes) - min(outcomes), rel=1e-6)


def test_rules_go_on_without_it_and_interactions_with_what_is_left(api: Client) -> None:
    rule = {"name": "most", "channels": ["tv", "search"], "max_share": 1, "min_spend": 10}
    only = {"name": "none of it", "channels": ["tv"], "max_spend": 7}
    pair = {"channels": ["tv", "search"], "strength": 30}
    raw = without_tv(constraints=[rule, only], interactions=[pair])
    stopped = asked(api, "optimize", raw)
    raw["channels"][0] = {**CHANNELS[0], "max_spend": 0, "current_spend": 0}
    unpaid = asked(api, "optimize", raw)
    outcome = unpaid["totals"]["outcome"]
    assert stopped["totals"]["outcome"] == pytest.approx(outcome, rel=1e-5)
    assert outcome > STOPPED + 10
    raw = without_tv(constraints=[{**only, "min_spend": 3}])
    answer = api.post("optimize", raw)
    assert answer.errors()["/constraints/0"][0] == "contradiction"


def test_a_stopped_campaign_and_a_stopped_channel_of_campaigns(api: Client) -> None:
    tv = {key: value for key, value in CHANNELS[0].items() if key != "channel"}
    campaigns = [{"channel": "brand", **tv}, {"channel": "sale", **tv, "current_spend": 10}]
    prior = {"tv/brand": 40, "tv/sale": 0, "search": 30}
    raw = base(horizon={"prior_spend": prior})
    raw["channels"][0] = {"channel": "tv", "campaigns": deepcopy(campaigns), "min_spend": 5}
    raw["channels"][0]["campaigns"][0]["exclude"] = True
    answer = asked(api, "optimize", raw)
    brand, sale = rows(answer)["tv"]["campaigns"]
    assert (brand["spend"], brand["current_spend"]) == (0, 0)
    assert brand["outcome"] == pytest.approx(TV, rel=1e-9)
    assert sale["spend"] > 0
    assert rows(answer)["tv"]["current_spend"] == pytest.approx(10 * PERIODS)
    plan = [
        {"channel": "tv", "campaigns": [{"channel": "sale", "spend": 0}]},
        {"channel": "search", "spend": 30},
    ]
    scored = asked(api, "evaluate", {"problem": raw, "plan": plan})
    assert scored["totals"]["outcome"] == pytest.approx(STOPPED, rel=1e-9)
    ranked = asked(api, "campaigns", {"base": raw})["ranking"]
    assert {(row["channel"], row["campaign"]) for row in ranked} == {
        ("tv", "sale"),
        ("search", None),
    }
    raw["channels"][0] = {
        "channel": "tv",
        "campaigns": campaigns,
        "exclude": True,
        "current_spend": 50,
    }
    answer = asked(api, "optimize", raw)
    assert answer["totals"]["outcome"] == pytest.approx(STOPPED, rel=1e-6)
    assert [c["channel"] for c in rows(answer)["tv"]["campaigns"]] == ["brand"]


def test_a_channel_by_analogy_has_a_past_too(api: Client) -> None:
    raw = base(horizon={"prior_spend": {"podcast": 40}})
    podcast = {"channel": "podcast", "like": "tv", "uncertainty": 1, "max_spend": 0}
    for stop in ({"max_spend": 0}, {"exclude": True}):
        raw["channels"][2:] = [{**podcast, **stop}]
        answer = asked(api, "optimize", raw)
        assert rows(answer)["podcast"]["outcome"] == pytest.approx(TV, rel=1e-6)


def test_nothing_is_left_where_nothing_carries_over_or_nothing_was_spent(api: Client) -> None:
    for prior in ({"search": 30}, {"tv": 0, "search": 30}, {"tv": [0, 0]}):
        answer = asked(api, "optimize", without_tv(horizon={"prior_spend": prior}))
        assert answer["totals"]["outcome"] == pytest.approx(SEARCH, rel=1e-6)


def test_all_channels_stopped_is_no_question(api: Client) -> None:
    raw = without_tv()
    raw["channels"][1]["exclude"] = True
    answer = api.post("optimize", raw)
    assert answer.status == 422
    assert answer.errors()["/channels"][0] == "required"
