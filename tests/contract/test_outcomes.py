"""Several outcomes of one spend: by hand, one by one, and where they are asked for wrongly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.curves.adstock import Geometric
from shared.curves.curveset import ChannelCurve, CurveSet, ObservedSpend, Response
from shared.curves.saturation import Exponential
from shared.errors import Infeasible, InvalidInput
from shared.plan.optimize import answer, make_plan
from tests.api.samples import stored_curves
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
    for question, more in (("experiment", {"noise": 1.0}), ("campaigns", {})):
        refused = api.post(question, {"base": raw, **more})
        assert refused.errors()["/base/objective/outcomes"][0] == "not_supported_yet"


def test_steps_and_assumptions_are_of_the_one_spend(api: Client) -> None:
    raw = request({"outcome": "new"}, {"outcome": "old", "weight": 0.25})
    best = spend(answered(raw))
    told = api.post("transition", {"base": raw, "max_change": 0.1, "periods": 4})
    assert told.status == 200, told.body
    steps = told.json["steps"]
    assert [row["channel"] for row in steps[0]["channels"]] == ["a", "b"]
    assert [row["spend"] for row in steps[0]["channels"]] == pytest.approx([22.0, 18.0])
    last = [row["spend"] for row in steps[-1]["channels"]]
    assert last == pytest.approx([min(best[0], 20 * 1.1**4), max(best[1], 40 - 20 * 1.1**4)])
    told = api.post("sensitivity", {"base": raw})
    assert told.status == 200, told.body
    found = {(p["channel"], p["parameter"]): p for p in told.json["parameters"]}
    top = found["a/new", "max_response"]
    level = 1.0 - np.exp(-RATE * np.array(best))
    whole = answered(raw)["totals"]["outcome"]
    # At the best plan only the outcome itself moves, not what else the money would bring.
    assert top["outcome_elasticity"] == pytest.approx(90 * level[0] / whole, rel=1e-3)
    assert [row["channel"] for row in top["spend_elasticities"]] == ["a", "b"]
    band = next(band for band in told.json["bands"] if band["channel"] == "b/old")
    assert band["recommended_spend"] == pytest.approx(best[1])
    for point in band["points"]:
        assert point["outcome"] == pytest.approx(80 * (1 - np.exp(-RATE * point["spend"])))


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"objective": {}}, "/channels/0/responses/0/outcome", "unknown_outcome"),
        ({"objective": {"outcomes": [{"outcome": "new"}]}}, "/channels/0/responses/1/outcome",
         "unknown_outcome"),
        ({"interactions": [{"channels": ["a", "b"], "strength": 1}]}, "/interactions",
         "not_supported_yet"),
        ({"dataset": "shop"}, "/objective/outcomes/1/dataset", "required"),
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


def sets(outcome: str, top: float, rate: float, channels: str = "ab", draws: int = 3) -> CurveSet:
    def channel(name: str) -> ChannelCurve:
        size = top * (1.0 + 0.3 * (name == "b"))
        drawn = tuple(Exponential(size * (1 + (s - 1) / 10), rate) for s in range(draws))
        response = Response(Exponential(size, rate), Geometric(0.3), drawn)
        return ChannelCurve(name, response, ObservedSpend(0.0, 20.0, 60.0, 20.0), None, "good")

    return replace(
        stored_curves(), dataset=outcome, channels=tuple(channel(name) for name in channels)
    )


def test_stored_sets_of_one_outcome_each_are_those_of_several() -> None:
    first, second = sets("new", 90.0, 0.05), sets("old", 40.0, 0.02, "a", draws=2)
    asked = [{"outcome": "new"}, {"outcome": "old", "weight": 0.5, "dataset": "old"}]
    raw = {"dataset": "new", "budget": 40.0, "objective": {"outcomes": asked}}
    problem = problem_of(read_optimize(raw), first, {"new": first, "old": second})
    told = answer(make_plan(problem))
    inline = {
        "channels": [
            {
                "channel": name,
                "current_spend": 20.0,
                "max_spend": 90.0,
                "responses": [
                    {"outcome": outcome, **curve.response.to_dict(), "draws": draws}
                    for outcome, own in (("new", first), ("old", second))
                    for curve in own.channels
                    if curve.channel == name
                    for draws in [[d.parameters() for d in curve.response.draws[:2]]]
                ],
            }
            for name in "ab"
        ],
        "budget": 40.0,
        "objective": {"outcomes": [{k: v for k, v in o.items() if k != "dataset"} for o in asked]},
    }
    same = answered(inline)
    assert spend(told) == pytest.approx(spend(same), rel=1e-6)
    assert told["totals"]["outcomes"] == same["totals"]["outcomes"]
    assert told["totals"]["current_spend"] == 40.0


@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        ({"currency": "EUR"}, "/objective/outcomes/1/dataset", "contradiction"),
        ({"frequency": "day"}, "/objective/outcomes/1/dataset", "contradiction"),
        (
            {"channels": sets("x", 1.0, 0.1, "c").channels},
            "/objective/outcomes/1/dataset",
            "unknown_channel",
        ),
    ],
)
def test_sets_that_do_not_go_together_are_told(change: Any, where: str, code: str) -> None:
    first, second = sets("new", 90.0, 0.05), replace(sets("old", 40.0, 0.02), **change)
    asked = [{"outcome": "new"}, {"outcome": "old", "dataset": "old"}]
    raw = {"dataset": "new", "budget": 40.0, "objective": {"outcomes": asked}}
    with pytest.raises(InvalidInput) as refused:
        problem_of(read_optimize(raw), first, {"new": first, "old": second})
    assert [(f.pointer, f.code) for f in refused.value.faults] == [(where, code)]


@pytest.mark.parametrize(
    ("outcomes", "more", "where"),
    [
        ([{"outcome": "new"}, {"outcome": "old"}], {}, "/objective/outcomes/1/dataset"),
        (
            [{"outcome": "new", "dataset": "shop"}, {"outcome": "old"}],
            {},
            "/objective/outcomes/1/dataset",
        ),
        (
            [{"outcome": "new"}, {"outcome": "old", "dataset": "x"}],
            {"channels": [{"channel": "a", "price_elasticity": 0.2}]},
            "/channels/0/price_elasticity",
        ),
    ],
)
def test_wrongly_named_sets_are_told(outcomes: Any, more: Any, where: str) -> None:
    raw = {"dataset": "shop", "budget": 40.0, "objective": {"outcomes": outcomes}, **more}
    with pytest.raises(InvalidInput) as refused:
        read_optimize(raw)
    assert [fault.pointer for fault in refused.value.faults] == [where]


def test_a_dataset_of_an_outcome_needs_one_of_the_request(api: Client) -> None:
    raw = request({"outcome": "new", "dataset": "shop"}, {"outcome": "old"})
    told = api.post("optimize", raw)
    assert told.status == 422
    assert set(told.errors()) == {"/objective/outcomes/0/dataset"}
