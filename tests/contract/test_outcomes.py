"""Several outcomes of one spend: by hand, one by one, and where they are asked for wrongly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.errors import Infeasible, InvalidInput
from shared.plan.optimize import answer, make_plan
from tests.app.client import Client

RATE = 0.05


def curve(outcome: str, top: float, rate: float = RATE) -> dict[str, Any]:
    saturation = {"family": "exponential", "max_response": top, "rate": rate}
    return {"outcome": outcome, "saturation": saturation}


def request(*outcomes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """a brings mostly new customers, b mostly returning ones, all at one rate."""
    channels = [
        {"channel": "a", "current_spend": 20.0, "responses": [curve("new", 90), curve("old", 20)]},
        {"channel": "b", "current_spend": 20.0, "responses": [curve("new", 30), curve("old", 80)]},
    ]
    return {"channels": channels, "budget": 40.0, "objective": {"outcomes": [*outcomes]}, **fields}


def answered(raw: dict[str, Any]) -> dict[str, Any]:
    return answer(make_plan(problem_of(read_optimize(raw))))


def spend(told: dict[str, Any]) -> list[float]:
    return [row["spend"] for row in told["allocation"]]


def test_the_weighted_sum_is_best_where_slopes_are_equal() -> None:
    told = answered(request({"outcome": "new"}, {"outcome": "old", "weight": 0.25}))
    # T_a e^(-r x) = T_b e^(-r y) with T = new + old / 4, and x + y = 40.
    apart = np.log((90 + 5) / (30 + 20)) / RATE
    assert spend(told) == pytest.approx([20 + apart / 2, 20 - apart / 2], rel=1e-6)
    level = 1.0 - np.exp(-RATE * np.array(spend(told)))
    values = [o["value"] for o in told["totals"]["outcomes"]]
    assert values == pytest.approx([level @ [90, 30], level @ [20, 80]])
    assert told["totals"]["outcome"] == pytest.approx(values[0] + 0.25 * values[1])
    rows = [[o["value"] for o in row["outcomes"]] for row in told["allocation"]]
    assert np.sum(rows, axis=0) == pytest.approx(values)
    assert told["allocation"][0]["marginal_return"] == pytest.approx(95 * RATE * (1 - level[0]))
    assert "campaigns" not in told["allocation"][0]


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_floor_on_one_outcome_ends_where_it_just_holds(weight: float) -> None:
    old = {"outcome": "old", "weight": weight, "min": 59.0}
    told = answered(request({"outcome": "new"}, old))
    x, y = spend(told)
    level = 1.0 - np.exp(-RATE * np.array([x, y]))
    assert level @ [20, 80] == pytest.approx(59.0, rel=1e-6)
    # Slopes with the floor at its price: 90 + (w + p) 20 and 30 + (w + p) 80, equal at the plan.
    ratio = np.exp(-RATE * (y - x))
    price = (30 * ratio - 90) / (20 - 80 * ratio) - weight
    (own,) = [p["value"] for p in told["shadow_prices"] if p["name"] == "old.min_outcome"]
    assert own == pytest.approx(price, rel=1e-3)


def test_a_floor_that_no_plan_reaches_says_in_its_own_unit_what_can_be() -> None:
    with pytest.raises(Infeasible) as caught:
        answered(request({"outcome": "new"}, {"outcome": "old", "weight": 0.1, "min": 90.0}))
    best = max(
        20 * (1 - np.exp(-RATE * x)) + 80 * (1 - np.exp(-RATE * (40 - x)))
        for x in np.linspace(0, 40, 40001)
    )
    assert caught.value.conflicts[0].missed_by == pytest.approx(90 - best, rel=1e-4)


def test_limits_above_are_of_the_one_spend() -> None:
    raw = request({"outcome": "new"}, {"outcome": "old"}, horizon={"periods": 2}, budget=80.0)
    raw["channels"][0] |= {"periods": [{"from": 1, "spend": 7}, {"from": 2, "max_spend": 13}]}
    raw["channels"][0]["price"] = 2.0
    told = answered(raw)
    assert [p["spend"] for p in told["allocation"][0]["periods"]] == pytest.approx([7.0, 13.0])
    level = 1.0 - np.exp(-RATE * np.array([3.5, 6.5]))
    assert told["allocation"][0]["outcomes"][0]["value"] == pytest.approx(90 * level.sum())


def test_a_plan_of_ones_own_gives_one_spend(api: Client) -> None:
    raw = request({"outcome": "new"}, {"outcome": "old"})
    plan = [{"channel": "a", "spend": 30.0}, {"channel": "b", "spend": 10.0}]
    told = api.post("evaluate", {"problem": raw, "plan": plan})
    assert told.status == 200, told.body
    level = 1.0 - np.exp(-RATE * np.array([30.0, 10.0]))
    brought = 110.0 * level.sum()
    assert told.json["totals"]["outcome"] == pytest.approx(brought)
    assert told.json["totals"]["outcomes"][1]["value"] == pytest.approx(level @ [20, 80])
    for question in ("sensitivity", "campaigns"):
        refused = api.post(question, {"base": raw})
        assert refused.errors()["/base/objective/outcomes"][0] == "not_supported_yet"


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"objective": {}}, "/channels/0/responses/0/outcome", "unknown_outcome"),
        ({"objective": {"outcomes": [{"outcome": "new"}]}}, "/channels/0/responses/1/outcome",
         "unknown_outcome"),
        ({"interactions": [{"channels": ["a", "b"], "strength": 1}]}, "/interactions",
         "not_supported_yet"),
        ({"dataset": "shop"}, "/objective/outcomes", "conflict"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_at_its_place(
    change: dict[str, Any], pointer: str, code: str
) -> None:
    raw = request({"outcome": "new"}, {"outcome": "old"}) | change
    with pytest.raises(InvalidInput) as caught:
        answered(raw)
    found = {fault.pointer: fault.code for fault in caught.value.faults}
    assert found[pointer] == code


def test_a_flight_is_of_the_spend_that_all_outcomes_share() -> None:
    raw = request({"outcome": "new"}, {"outcome": "old"}, horizon={"periods": 3})
    raw["budget"] = 120.0
    assert spend(answered(raw))[0] > 1.0
    raw["channels"][0]["flight"] = {"min_on": 2}
    raw["channels"][0]["periods"] = [{"from": 2, "to": 2, "max_spend": 0}]
    # Two periods in a row are not there: none is left.
    assert spend(answered(raw)) == pytest.approx([0.0, 120.0])
