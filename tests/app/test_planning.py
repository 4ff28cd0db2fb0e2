"""Planning questions over HTTP: real answers, held against their own models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.api.answers import EvaluateAnswer, OptimizeAnswer, ScenariosAnswer
from tests.api.samples import HILL, optimize_request
from tests.app.client import Client

DRAW = {k: v for k, v in HILL.items() if k != "family"}
DRAWS = [{**DRAW, "max_response": 100000 + 2000 * s} for s in range(20)]

PLAN = [{"channel": "tv", "spend": 25000}, {"channel": "search", "spend": 35000}]


def with_draws() -> dict[str, Any]:
    raw = optimize_request()
    for channel in raw["channels"]:
        channel["response"] = {"saturation": HILL, "draws": DRAWS}
    return raw


@pytest.mark.parametrize("raw", [optimize_request(), with_draws()], ids=["point", "draws"])
def test_optimize(api: Client, raw: dict[str, Any]) -> None:
    answer = api.post("optimize", raw)
    assert answer.status == 200, answer.body
    assert answer.media == "application/json"
    found = OptimizeAnswer.model_validate_json(answer.body)
    assert found.status == "optimal"
    assert found.certificate.proven
    assert found.certificate.relative_gap is not None
    assert found.certificate.relative_gap <= 1e-6
    # To the cent, and within the bounds of the request.
    assert sum(row.spend for row in found.allocation) == pytest.approx(60000, abs=0.005)
    assert 10000 - 0.01 <= found.allocation[1].spend <= 30000 + 0.01
    assert found.totals.current_outcome is not None
    assert found.shadow_prices[0].name == "budget"
    assert found.request_id == answer.headers["x-request-id"]
    if "draws" in raw["channels"][0]["response"]:
        assert found.totals.outcome_interval is not None
        assert found.totals.probability_better is not None
    else:
        assert found.totals.outcome_interval is None
        assert found.totals.probability_better is None


def test_spend_interval_can_be_left_out_and_nothing_else_changes(api: Client) -> None:
    whole, less = with_draws(), with_draws() | {"include": []}
    every = api.post("optimize", whole | {"include": ["spend_interval"]}).json
    rows, others = every["allocation"], api.post("optimize", less).json["allocation"]
    assert api.post("optimize", whole).json["allocation"] == rows
    for row, other in zip(rows, others, strict=True):
        assert row["spend_interval"] is not None
        assert other == row | {"spend_interval": None}
    assert api.post("optimize", whole | {"include": ["plots"]}).status == 422


def test_the_same_request_and_seed_give_the_same_bytes_but_for_times_and_ids(api: Client) -> None:
    raw = with_draws() | {"solver": {"seed": 11}}

    def timeless() -> str:
        found = api.post("optimize", raw).json
        del found["request_id"], found["certificate"]["solve_ms"]
        return json.dumps(found)

    assert timeless() == timeless()
    # And a given id makes the rest of the request's bytes its own.
    again = api.post("optimize", raw, x_request_id="mine").json
    assert again["request_id"] == "mine"


@pytest.mark.parametrize("raw", [optimize_request(), with_draws()], ids=["point", "draws"])
def test_nothing_to_spend_is_a_plan_too(api: Client, raw: dict[str, Any]) -> None:
    del raw["channels"][1]["max_change"]
    answer = api.post("optimize", raw | {"budget": 0})
    assert answer.status == 200, answer.body
    assert OptimizeAnswer.model_validate_json(answer.body).totals.spend == 0


def test_evaluate(api: Client) -> None:
    answer = api.post("evaluate", {"problem": optimize_request(), "plan": PLAN})
    assert answer.status == 200, answer.body
    found = EvaluateAnswer.model_validate_json(answer.body)
    assert [row.spend for row in found.allocation] == [25000, 35000]
    # search may move by half of 20,000: 35,000 is 5,000 too much.
    assert [(v.name, v.amount) for v in found.violations] == [("search.max_change", 5000.0)]
    assert found.best.totals.outcome == pytest.approx(
        api.post("optimize", optimize_request()).json["totals"]["outcome"]
    )
    assert found.regret == pytest.approx(
        max(0.0, found.best.totals.outcome - found.totals.outcome), rel=1e-9
    )


def test_scenarios_of_every_kind(api: Client) -> None:
    base = optimize_request()
    scenarios = [
        {"name": "less", "changes": {"budget": 45000}},
        {"name": "capped", "changes": {"channels": {"tv": {"max_spend": 30000}}}},
        {"name": "uncapped", "changes": {"channels": {"tv": {"max_spend": None}}}},
        {"name": "weak tv", "changes": {"channels": {"tv": {"effectiveness": 0.7}}}},
        {"name": "dear tv", "changes": [{"path": "/channels/tv/price", "value": 1.2}]},
        {"name": "without search", "changes": {"channels": {"search": None}}},
        {"name": "ours", "plan": PLAN},
        {"name": "impossible", "changes": {"budget": 1}},
    ]
    raw = {"base": base, "scenarios": scenarios, "sweep": {"budget": [30000, 60000, 90000]}}
    answer = api.post("scenarios", raw)
    assert answer.status == 200, answer.body
    found = ScenariosAnswer.model_validate_json(answer.body)
    by_name = {scenario.name: scenario for scenario in found.scenarios}
    assert list(by_name) == [scenario["name"] for scenario in scenarios]
    status = {name: scenario.status for name, scenario in by_name.items()}
    assert status.pop("impossible") == "infeasible"
    assert status.pop("ours") == "scored"
    assert set(status.values()) == {"optimal"}

    outcome = {s.name: s.totals.outcome for s in found.scenarios if s.totals is not None}
    best = found.base.totals
    assert best is not None
    assert outcome["less"] < best.outcome
    assert outcome["capped"] <= best.outcome
    assert outcome["weak tv"] < outcome["dear tv"] < best.outcome
    assert [row.channel for row in by_name["without search"].allocation or ()] == ["tv"]
    assert {c.name for c in by_name["impossible"].conflicts or ()} == {
        "search.max_change",
        "budget",
    }

    # A scenario is the very optimize request that its changes describe.
    alone = api.post("optimize", optimize_request(budget=45000)).json
    assert outcome["less"] == pytest.approx(alone["totals"]["outcome"], rel=1e-6)

    swept = [point.outcome for point in found.sweep]
    assert swept == sorted(swept, key=lambda value: value or 0.0)
    assert found.sweep[1].outcome == pytest.approx(best.outcome, rel=1e-6)


def test_a_stored_dataset_is_optimised_by_name(api: Client, fitted: str) -> None:
    curves = api.get(f"datasets/{fitted}/curves").json
    observed = {c["channel"]: c["observed_spend"] for c in curves["channels"]}
    budget = sum(spend["mean"] for spend in observed.values())
    answer = api.post("optimize", {"dataset": fitted, "budget": budget})
    assert answer.status == 200, answer.body
    found = OptimizeAnswer.model_validate_json(answer.body)
    assert found.curves_version == curves["version"]
    assert [row.channel for row in found.allocation] == list(observed)
    for row in found.allocation:
        assert row.current_spend == observed[row.channel]["last"]
        assert row.spend <= 1.5 * observed[row.channel]["max"] * (1 + 1e-6)
    assert found.totals.outcome_interval is not None

    # Overridden by name, and on that very version.
    first = found.allocation[0].channel
    raw = {
        "dataset": fitted,
        "curves_version": curves["version"],
        "channels": [{"channel": first, "locked": True}],
        "budget": budget,
    }
    locked = OptimizeAnswer.model_validate_json(api.post("optimize", raw).body)
    assert locked.allocation[0].spend == pytest.approx(observed[first]["last"], abs=0.01)


def test_unknown_channels_of_a_stored_dataset(api: Client, fitted: str) -> None:
    raw = {"dataset": fitted, "budget": 5, "channels": [{"channel": "chanel_1"}]}
    answer = api.post("optimize", raw)
    assert answer.status == 422
    assert answer.errors()["/channels/0/channel"] == (
        "unknown_channel",
        "The stored curves have no channel 'chanel_1'. Did you mean 'channel_1' or 'channel_2'?",
    )


def test_a_strict_tool_call_is_answered(api: Client, fitted: str) -> None:
    """What a model in strict mode sends (null for what it leaves out), by the tools' own call."""
    document = api.get("tools.json").json
    tool = next(t["function"] for t in document["tools"] if t["function"]["name"] == "plan_budget")
    call = document["call"]
    arguments = dict.fromkeys(tool["parameters"]["required"])
    arguments |= {"dataset": fitted, "budget": 50000}
    call["body"]["params"] = {"name": "plan_budget", "arguments": arguments}
    answer = api.send(
        call["method"],
        call["path"],
        json.dumps(call["body"]).encode(),
        {"content-type": "application/json"},
    )
    assert answer.status == 200, answer.body
    assert answer.json["result"]["structuredContent"]["spend"] == 50000


def test_people_are_counted_once_by_optimize_alone(api: Client) -> None:
    curve = {"family": "exponential", "max_response": 6.0, "rate": 0.1}
    channels = [
        {"channel": name, "current_spend": 5.0, "response": {"saturation": curve}} for name in "ab"
    ]
    raw: dict[str, Any] = {
        "channels": channels,
        "budget": 60.0,
        "horizon": {"periods": 4},
        "objective": {"goal": "maximize_reach", "population": 10.0},
    }
    answer = api.post("optimize", raw)
    assert answer.status == 200, answer.body
    assert OptimizeAnswer.model_validate_json(answer.body).totals.outcome < 10.0
    plan = [{"channel": name, "periods": [7.5] * 4} for name in "ab"]
    changes = {"name": "x", "changes": {"budget": 50.0}}
    for question, body, at in (
        ("evaluate", {"problem": raw, "plan": plan}, "/problem"),
        ("sensitivity", {"base": raw}, "/base"),
        ("scenarios", {"base": raw, "scenarios": [changes]}, "/base"),
        ("campaigns", {"base": raw}, "/base"),
        ("experiment", {"base": raw, "noise": 1.0}, "/base"),
    ):
        answer = api.post(question, body)
        assert answer.status == 422
        assert f"{at}/objective/population" in answer.errors(), answer.body
