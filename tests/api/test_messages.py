"""Shape and sense of a request: every fault at once, each with its pointer and plain words."""

from __future__ import annotations

from typing import Any

import pytest

from shared.api.reading import read_evaluate, read_optimize
from shared.api.semantics import optimize_faults
from shared.errors import InvalidInput
from tests.api.features import EXAMPLES
from tests.api.samples import HILL, optimize_request, refused, told, with_channel


def test_the_example_of_the_contract_is_accepted() -> None:
    message = read_optimize(optimize_request())
    assert [c.channel for c in message.channels or ()] == ["tv", "search"]
    assert message.spend_all is True


@pytest.mark.parametrize(
    ("raw", "pointer", "code", "message"),
    [
        ([], "", "wrong_type", "The request must be an object; it is a list."),
        (with_channel() | {"budget": -1}, "/budget", "out_of_range", "budget must be at least 0"),
        (with_channel() | {"budget": "1"}, "/budget", "wrong_type", "a number; it is the text '1'"),
        (with_channel() | {"budget": True}, "/budget", "wrong_type", "a number; it is true"),
        (
            with_channel() | {"budget": 1e20},
            "/budget",
            "out_of_range",
            "at most 1,000,000,000,000,000",
        ),
        (with_channel() | {"budget": None}, "/budget", "required", "budget is required"),
        (with_channel() | {"budgt": 1}, "/budgt", "unknown_field", "Did you mean 'budget'?"),
        ({"budget": 1}, "/channels", "required", "unless a dataset is named"),
        ({"budget": 1, "channels": []}, "/channels", "required", "at least one channel"),
        (with_channel() | {"channels": {}}, "/channels", "wrong_type", "a list; it is an object"),
        (
            with_channel() | {"curves_version": "v1"},
            "/curves_version",
            "needs_dataset",
            "needs a dataset",
        ),
        (
            with_channel(max_spent=3),
            "/channels/0/max_spent",
            "unknown_field",
            "'max_spent' is no field of channel 'tv'. Did you mean 'max_spend'",
        ),
        (
            with_channel(min_spend=5, max_spend=3),
            "/channels/0/max_spend",
            "contradiction",
            "max_spend of tv (3) is below its min_spend (5).",
        ),
        (
            with_channel(periods=[{"from": 2.5, "max_spend": 0}]),
            "/channels/0/periods/0/from",
            "wrong_type",
            "from of tv must be a whole number or text; it is 2.5.",
        ),
        (
            with_channel(max_spend=-1),
            "/channels/0/max_spend",
            "out_of_range",
            "at least 0; it is -1",
        ),
        (
            with_channel(locked=True),
            "/channels/0/current_spend",
            "required",
            "tv is locked at its current spend: current_spend is required.",
        ),
        (
            with_channel(max_change=0.5),
            "/channels/0/current_spend",
            "required",
            "max_change of tv is a share of its current spend",
        ),
        (with_channel(locked="no"), "/channels/0/locked", "wrong_type", "true or false"),
        (with_channel(channel="  "), "/channels/0/channel", "invalid", "must not be blank"),
        (
            with_channel(response={"saturation": {**HILL, "family": None}}),
            "/channels/0/response/saturation/family",
            "required",
            "family of tv is required.",
        ),
        (
            with_channel(response={"saturation": {**HILL, "family": ["hill"]}}),
            "/channels/0/response/saturation/family",
            "unknown_value",
            "family of tv must be one of 'hill'",
        ),
        (
            with_channel(response={"saturation": {**HILL, "half_saturation": 5e-324}}),
            "/channels/0/response/saturation/half_saturation",
            "out_of_range",
            "half_saturation of a hill curve of tv must be at least 1e-30; it is 5e-324.",
        ),
        (
            with_channel(price=5e-324),
            "/channels/0/price",
            "out_of_range",
            "price of tv must be at least 1e-30; it is 5e-324.",
        ),
        (
            with_channel(
                response={
                    "saturation": {
                        "family": "tabulated",
                        "spend": [0, 1, 1.0000000000000002],
                        "response": [0, 1, 2],
                    }
                }
            ),
            "/channels/0/response/saturation/spend",
            "not_increasing",
            "must rise from point to point",
        ),
        (
            optimize_request(solver={"seed": 2**40}),
            "/solver/seed",
            "out_of_range",
            "seed must be at most 4,294,967,295; it is 1,099,511,627,776.",
        ),
        (with_channel(channel="a\nb"), "/channels/0/channel", "invalid", "control characters"),
        (with_channel(channel=""), "/channels/0/channel", "too_short", "at least 1 characters"),
        (with_channel(channel="x" * 201), "/channels/0/channel", "too_long", "at most 200"),
        (with_channel(response=None), "/channels/0/response", "required", "tv needs a response"),
        (
            with_channel(saturation=HILL),
            "/channels/0/response",
            "conflict",
            "a response, or saturation and adstock: not both",
        ),
        (
            with_channel(response=None, adstock={"family": "geometric", "decay": 0.1}),
            "/channels/0/saturation",
            "required",
            "adstock of tv needs the saturation",
        ),
        (
            with_channel() | {"solver": {"method": "magic"}},
            "/solver/method",
            "unknown_value",
            "must be one of 'auto', 'lagrangian'",
        ),
        (
            with_channel() | {"solver": {"method": "lagrangean"}},
            "/solver/method",
            "unknown_value",
            "Did you mean 'lagrangian'?",
        ),
        (with_channel() | {"solver": {"seed": 1.5}}, "/solver/seed", "wrong_type", "whole number"),
        (with_channel() | {"spend_all": 1}, "/spend_all", "wrong_type", "true or false; it is 1"),
    ],
)
def test_a_single_fault(raw: Any, pointer: str, code: str, message: str) -> None:
    found = refused(raw)
    assert list(found) == [pointer]
    assert found[pointer][0] == code
    assert message in found[pointer][1]


def test_all_faults_of_a_request_are_told_at_once() -> None:
    raw = optimize_request(budget=-5, spend_all="yes")
    raw["channels"][0]["min_spend"] = 70000
    raw["channels"][1]["channel"] = "tv"
    raw["channels"][1]["response"]["saturation"]["rate"] = 0
    assert set(refused(raw)) == {
        "/budget",
        "/spend_all",
        "/channels/0/max_spend",
        "/channels/1/channel",
        "/channels/1/response/saturation/rate",
    }


def test_budget_and_period_budgets_are_both_given_only_as_caps() -> None:
    both = optimize_request(period_budgets=[1])
    (fault,) = optimize_faults(both)
    assert (fault.pointer, fault.code) == ("/period_budgets", "conflict")
    assert list(optimize_faults(both | {"spend_all": False})) == []


def test_the_same_name_twice() -> None:
    raw = optimize_request()
    raw["channels"][1]["channel"] = "tv"
    assert refused(raw) == {
        "/channels/1/channel": ("duplicate", "The channel 'tv' is there twice (entries 1 and 2).")
    }


# -- rules over several channels --------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "pointer", "code", "message"),
    [
        (
            {"name": "a", "channels": ["tvv"], "max_spend": 1},
            "/channels/0",
            "unknown_channel",
            "'tv'",
        ),
        (
            {"name": "a", "coefficients": [{"channel": "serch", "coefficient": 1}], "max": 1},
            "/coefficients/0/channel",
            "unknown_channel",
            "Did you mean 'search'?",
        ),
        ({"name": "a", "channels": ["tv"]}, "", "required", "says nothing"),
        ({"name": "a", "coefficients": []}, "", "required", "needs min or max"),
        ({"name": "a", "min_share": 0.1}, "/channels", "required", "the channels it is about"),
        (
            {"name": "a", "channels": ["tv"], "min_share": 0.6, "max_share": 0.5},
            "/max_share",
            "contradiction",
            "below its min_share",
        ),
        (
            {"name": "a", "channels": ["tv"], "max_share": 1.5},
            "/max_share",
            "out_of_range",
            "at most 1",
        ),
    ],
)
def test_a_constraint_that_makes_no_sense(
    rule: dict[str, Any], pointer: str, code: str, message: str
) -> None:
    found = refusals(optimize_request(constraints=[rule]))
    assert found[f"/constraints/0{pointer}"][0] == code
    assert message in found[f"/constraints/0{pointer}"][1]


def refusals(raw: Any) -> dict[str, tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read_optimize(raw)
    return told(caught.value)


def test_an_interaction_needs_two_channels() -> None:
    raw = optimize_request(interactions=[{"channels": ["tv", "tv"], "strength": 1}])
    assert refusals(raw)["/interactions/0/channels"][0] == "duplicate"
    raw = optimize_request(interactions=[{"channels": ["tv", "radio"], "strength": 1}])
    assert refusals(raw)["/interactions/0/channels/1"][0] == "unknown_channel"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_feature_is_read(name: str) -> None:
    assert read_optimize(EXAMPLES[name]).channels


@pytest.mark.parametrize(
    "defaults",
    [
        {"horizon": {"periods": 1, "mode": "constant", "prior_spend": {}}},
        {"horizon": {"periods": 1.0}},
        {"risk": {"measure": "expected"}},
        {"objective": {"goal": "maximize_outcome"}},
        {"constraints": [], "interactions": [], "test_reserve": 0},
        {"solver": {"method": "branch_and_bound", "gap": 1e-4, "seed": 3}},
        {"dataset": None, "objective": None, "solver": None, "spend_all": None},
    ],
)
def test_asking_for_the_default_is_no_fault(defaults: dict[str, Any]) -> None:
    assert read_optimize(optimize_request(**defaults)).spend_all is True


# -- evaluate ---------------------------------------------------------------------------------


def test_the_faults_of_a_plan_and_of_its_problem() -> None:
    raw = {
        "problem": optimize_request(budget=-1),
        "plan": [
            {"channel": "tv", "spend": -1},
            {"channel": "tv", "spend": 1},
            {"channel": "search"},
            {"channel": "x", "spend": 1, "period": [1]},
        ],
    }
    with pytest.raises(InvalidInput) as caught:
        read_evaluate(raw)
    found = told(caught.value)
    assert {pointer: code for pointer, (code, _) in found.items()} == {
        "/problem/budget": "out_of_range",
        "/plan/0/spend": "out_of_range",
        "/plan/1/channel": "duplicate",
        "/plan/2/spend": "required",
        "/plan/3/period": "unknown_field",
    }
    assert "Did you mean 'periods'?" in found["/plan/3/period"][1]
