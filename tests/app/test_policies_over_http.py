"""Policies through the door: inline curves, a stored dataset, and faults at their places."""

from __future__ import annotations

from typing import Any

from tests.app.client import Client


def inline(**more: Any) -> dict[str, Any]:
    response = {
        "saturation": {"family": "hill", "max_response": 300, "half_saturation": 40, "shape": 1},
        "adstock": {"family": "geometric", "decay": 0.5},
    }
    return {
        "channels": [{"channel": "tv", "max_spend": 60, "response": response}],
        "objective": {"goal": "maximize_profit", "value_per_outcome": 1},
        "horizon": {"periods": 5},
        **more,
    }


def test_inline_curves_answer_a_rule_beside_the_plan(api: Client) -> None:
    market = {"factors": [0.5, 1.5], "stays": 0.8, "now": 0}
    asked = {"base": inline(budget=120), "levels": 7, "market": market}
    answer = api.post("policies", asked)
    assert answer.status == 200, answer.body
    told = answer.json
    rows = {row["policy"]: row for row in told["policies"]}
    assert rows["dynamic_programme"]["value"] > rows["plan_over_time"]["value"]
    assert told["levels"][0] == 0.0
    assert {entry["market"] for entry in told["table"]} == {0.5, 1.5}
    assert api.post("policies", asked).json["policies"] == told["policies"]


def test_a_stored_dataset_answers_for_one_channel(api: Client, fitted: str) -> None:
    channels = api.get(f"datasets/{fitted}/curves?draws=false").json["channels"]
    name = next(
        row["channel"]
        for row in channels
        if (row["response"]["adstock"] or {"family": "geometric"})["family"] == "geometric"
    )
    base = {
        "dataset": fitted,
        "objective": {"goal": "maximize_profit", "value_per_outcome": 1},
        "horizon": {"periods": 6},
    }
    answer = api.post("policies", {"base": base, "channel": name, "learners": ["fitted_q"]})
    assert answer.status == 200, answer.body
    told = answer.json
    assert told["plan_is_exact"]
    assert told["curves_version"]
    assert [row["method"] for row in told["learnt"]] == ["fitted_q"]
    assert api.post("policies", {"base": base}).errors()["/channel"][0] == "required"


def test_faults_are_told_where_they_stand(api: Client) -> None:
    def errors(**asked: Any) -> dict[str, str]:
        told = api.post("policies", {"base": inline(), **asked}).errors()
        return {pointer: code for pointer, (code, _) in told.items()}

    late = inline()
    late["channels"][0]["response"]["adstock"] = {
        "family": "delayed",
        "decay": 0.5,
        "peak": 1,
        "length": 4,
    }
    assert errors(base=late) == {"/base/channels/0": "not_supported_yet"}
    assert errors(base=inline(horizon={})) == {"/base/horizon/periods": "required"}
    assert errors(channel="tb") == {"/channel": "unknown_channel"}
    assert errors(endless=True) == {"/base/horizon/discount_rate": "required"}
    market = {"factors": [1, 2], "stays": 0.5, "now": 2}
    assert errors(market=market) == {"/market/now": "out_of_range"}
    assert errors(learners=["fitted_q", "fitted_q"]) == {"/learners/1": "duplicate"}
    free = inline()
    del free["channels"][0]["max_spend"]
    assert errors(base=free) == {"/base/channels/0/max_spend": "required"}
    wide = {"factors": [1, 2, 3, 4], "stays": 0.5}
    large = {"base": inline(budget=120), "levels": 60, "market": wide}
    assert api.post("policies", large).status == 413
