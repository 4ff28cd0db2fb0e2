"""Over HTTP: an allocator from its making to its next split, and off-policy evaluation."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from samples.simulate import Simulated
from shared.api.learning_messages import (
    AllocatorAnswer,
    AllocatorsAnswer,
    ObservedAnswer,
    OffPolicyAnswer,
    SplitAnswer,
    TrackingAnswer,
)
from tests.app.client import Client

CREATIVES = {
    "allocator": "creatives",
    "kind": "thompson",
    "outcome": "binary",
    "budget": 1000,
    "arms": [{"arm": "film"}, {"arm": "banner", "cost": 2.0}],
    "delay": {"mean": 1.5},
}


@pytest.fixture
def brand(api: Client, name: str) -> str:
    assert api.put(f"datasets/{name}/spec", b"{}", "application/json").status == 200
    return f"datasets/{name}/allocators"


def test_an_allocator_learns(api: Client, brand: str) -> None:
    made = api.post(brand, CREATIVES)
    assert made.status == 201, made.body
    assert made.headers["location"].endswith("/allocators/creatives")
    AllocatorAnswer.model_validate(made.json)
    events: list[dict[str, Any]] = [
        {"id": "1", "arm": "film", "period": 0, "trials": 400.0, "outcomes": 9},
        {"id": "2", "arm": "banner", "period": 0, "trials": 200, "outcomes": 12},
        {"id": "3", "arm": "banner", "period": 0, "lag": 1, "outcomes": 5},
    ]
    told = api.post(f"{brand}/creatives/observe", {"events": events})
    assert ObservedAnswer.model_validate(told.json).added == 3
    again = api.post(f"{brand}/creatives/observe", {"events": events[::-1]})
    assert (again.json["added"], again.json["repeated"]) == (0, 3)
    split = api.get(f"{brand}/creatives/next")
    assert split.status == 200, split.body
    answer = SplitAnswer.model_validate(split.json)
    assert (answer.period, answer.spent) == (2, 1000.0)
    assert answer.arms[0].arm == "banner"
    assert answer.arms[0].share > 0.5
    assert api.get(f"{brand}/creatives/next").body == split.body
    kept = AllocatorAnswer.model_validate(api.get(f"{brand}/creatives").json)
    assert [row["decision"] for row in kept.decisions] == [answer.decision]
    less = api.get(f"{brand}/creatives/next?budget=10&period=1").json
    assert (less["period"], less["budget"]) == (1, 10.0)
    listed = AllocatorsAnswer.model_validate(api.get(f"{brand}?limit=5").json)
    assert [row.allocator for row in listed.allocators] == ["creatives"]
    assert api.send("DELETE", f"{brand}/creatives").status == 204
    assert api.get(f"{brand}/creatives").status == 404


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"allocator": "A b"}, "/allocator", "invalid_name"),
        ({"kind": "thomson"}, "/kind", "unknown_value"),
        ({"arms": [{"arm": "a"}, {"arm": "a"}]}, "/arms/1/arm", "duplicate"),
        ({"arms": [{"arm": "a", "channel": "tv"}], "outcome": "count"}, None, None),
        ({"arms": [{"arm": "a", "floor": 9, "ceiling": 3}]}, "/arms/0/ceiling", "contradiction"),
        (
            {"arms": [{"arm": "a", "curve": {"saturation": {"family": "x"}, "uncertainty": 0}}]},
            "/arms/0/curve/saturation",
            "invalid",
        ),
    ],
)
def test_what_cannot_be_allocated_is_refused(
    api: Client, brand: str, change: dict[str, Any], pointer: str | None, code: str | None
) -> None:
    answer = api.post(brand, {**CREATIVES, **change})
    if pointer is None:
        assert answer.status == 404  # the dataset has no curves yet
        return
    assert answer.status == 422
    assert answer.errors()[pointer][0] == code
    assert api.get(f"{brand}/creatives").status == 404


def test_floors_beyond_the_budget_are_a_conflict(api: Client, brand: str) -> None:
    arms = [{"arm": "a", "floor": 600}, {"arm": "b", "floor": 700}]
    answer = api.post(brand, {**CREATIVES, "arms": arms})
    assert answer.status == 422
    assert [c["name"] for c in answer.json["conflicts"]] == ["a.floor", "b.floor"]


def test_questions_that_make_no_sense_are_told_where(api: Client, brand: str) -> None:
    api.post(brand, CREATIVES)
    asked: Callable[[str], Any] = lambda query: api.get(f"{brand}/creatives/next?{query}").errors()  # noqa: E731
    assert asked("period=-1")["/period"][0] == "out_of_range"
    assert asked("budget=0")["/budget"][0] == "out_of_range"
    assert asked("budget=much")["/budget"][0] == "out_of_range"
    assert asked("context=mobile")["/context"][0] == "wrong_type"
    assert asked("context=%7B%22device%22%3A1%7D")["/context"][0] == "unknown_feature"
    unknown = api.post(
        f"{brand}/creatives/observe", {"events": [{"id": "1", "arm": "fim", "period": 0}]}
    )
    assert unknown.errors()["/events/0/arm"][0] == "unknown_arm"
    assert api.post("datasets/nobody-at-all/allocators", CREATIVES).status == 404


def test_a_rule_is_judged_on_a_log(api: Client) -> None:
    rng = random.Random(3)
    rows = []
    for _ in range(1500):
        arm = "a" if rng.random() < 0.8 else "b"
        won = rng.random() < (0.1 if arm == "a" else 0.2)
        rows.append({"arm": arm, "reward": won * 1.0, "propensity": 0.8 if arm == "a" else 0.2})
    answer = api.post("offpolicy", {"rows": rows, "target": [{"arm": "b", "probability": 1}]})
    assert answer.status == 200, answer.body
    told = OffPolicyAnswer.model_validate(answer.json)
    assert told.difference.interval is not None
    assert told.difference.interval[0] > 0.0
    refused = api.post("offpolicy", {"rows": rows, "target": [{"arm": "c", "probability": 1}]})
    assert refused.errors()["/target"][0] == "pair_never_logged"


def test_a_plan_is_adopted_and_tracked(api: Client, fitted: str, history: Simulated) -> None:
    asked = {"name": "plan_budget", "arguments": {"dataset": fitted}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
    told = api.post("mcp", call, accept="application/json, text/event-stream")
    plan = told.json["result"]["structuredContent"]["plan_id"]
    # As if it had been adopted a quarter ago: its periods are in the history already.
    start = history.csv.strip().splitlines()[-13].split(",")[0]
    path = f"datasets/{fitted}/plans/{plan}"
    assert api.get(f"{path}/tracking").status == 404
    adopted = api.post(f"{path}/adopt", {"start": start})
    assert adopted.status == 200, adopted.body
    answer = TrackingAnswer.model_validate(adopted.json)
    assert len(answer.periods) == 13
    assert answer.calibration.periods == 13
    assert api.get(f"{path}/tracking").json == adopted.json
    assert api.post(f"{path}/adopt", {"start": start}).json == adopted.json
    assert api.post(f"{path}/adopt", {"start": "2020-01-01"}).status in (409, 422)
    assert api.post(f"{path}/adopt", {"start": "soon"}).errors()["/start"][0] == "invalid"
    tracking = api.get(f"datasets/{fitted}").json["tracking"]
    assert [row["plan"] for row in tracking["plans"]] == [answer.plan]
    assert "Adopted plans" in api.get(f"datasets/{fitted}/report").body.decode()
    assert api.post(f"datasets/{fitted}/plans/nothing/adopt", {"start": start}).status == 404
