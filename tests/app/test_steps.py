"""Transition and experiment over HTTP: whole answers, and what each asks for."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from samples.simulate import Simulated
from shared.api.question_messages import ExperimentAnswer, TransitionAnswer
from tests.api.samples import optimize_request
from tests.app.client import Client
from tests.app.test_planning import with_draws


def base() -> dict[str, Any]:
    raw = with_draws()
    raw["channels"][1].pop("max_change")
    return raw


def test_a_whole_transition(api: Client) -> None:
    answer = api.post("transition", {"base": base(), "max_change": 0.15, "periods": 8})
    assert answer.status == 200, answer.body
    found = TransitionAnswer.model_validate_json(answer.body)
    assert [step.period for step in found.steps] == list(range(1, 9))
    assert found.request_id == answer.headers["x-request-id"]
    last = 50000.0
    for step in found.steps:
        assert last * 0.85 - 0.01 <= step.spend <= last * 1.15 + 0.01
        assert step.outcome_interval is not None
        last = step.spend
    assert last == pytest.approx(60000.0)


def test_a_transition_needs_todays_spend_and_one_period(api: Client) -> None:
    raw = optimize_request()
    del raw["channels"][0]["current_spend"]
    answer = api.post("transition", {"base": raw, "max_change": 0.2, "periods": 3})
    assert "/base/channels/0/current_spend" in answer.errors()
    raw = optimize_request() | {"horizon": {"periods": 3}}
    answer = api.post("transition", {"base": raw, "max_change": 0.2, "periods": 3})
    assert "/base/horizon/periods" in answer.errors()
    answer = api.post("transition", {"base": optimize_request(), "max_change": 0, "periods": 0})
    assert set(answer.errors()) == {"/max_change", "/periods"}


@pytest.mark.parametrize(
    ("question", "more"),
    [("transition", {"max_change": 0.2, "periods": 3}), ("experiment", {"noise": 4000.0})],
)
@pytest.mark.parametrize("carry", [False, True])
def test_a_price_that_rises_with_spend_is_one_of_steps_and_tests(
    api: Client, question: str, more: dict[str, Any], carry: bool
) -> None:
    raw = base()
    raw["channels"][0]["price_elasticity"] = 0.2
    raw["channels"][0]["response"].pop("adstock", None)
    if carry:
        raw["channels"][0]["response"]["adstock"] = {"family": "geometric", "decay": 0.5}
    answer = api.post(question, {"base": raw, **more})
    assert answer.status == 200, answer.body
    if question == "experiment":
        own = raw["channels"][0]["channel"]
        design = next(d for d in answer.json["designs"] if d["channel"] == own)
        assert (design["wash_in_periods"] > 0) is carry


def test_a_whole_experiment(api: Client) -> None:
    answer = api.post("experiment", {"base": base(), "noise": 4000.0})
    assert answer.status == 200, answer.body
    found = ExperimentAnswer.model_validate_json(answer.body)
    assert found.ranked_by == "value_of_information"
    assert found.first == found.designs[0].channel
    worth = [design.value_of_information or 0.0 for design in found.designs]
    assert worth == sorted(worth, reverse=True)
    for design in found.designs:
        assert design.total_periods == 2 * design.periods + design.wash_in_periods
        assert design.expected_lift_interval is not None
        if design.detects:
            assert design.power >= 0.8 - 1e-9
            assert design.total_periods <= 26


def test_a_channel_by_name_and_its_near_misses(api: Client) -> None:
    raw = {"base": optimize_request(), "noise": 4000.0}
    answer = api.post("experiment", raw | {"channels": ["search"]})
    assert [row["channel"] for row in answer.json["designs"]] == ["search"]
    assert answer.json["ranked_by"] == "recommended_change"
    errors = api.post("experiment", raw | {"channels": ["serch"]}).errors()
    assert "search" in errors["/channels/0"][1]


def test_noise_must_come_from_somewhere(api: Client) -> None:
    answer = api.post("experiment", {"base": optimize_request()})
    assert set(answer.errors()) == {"/noise"}
    told = api.post("experiment", {"base": optimize_request() | {"budgett": 1}, "noise": 1})
    assert "/base/budgett" in {e["pointer"] for e in json.loads(told.body)["errors"]}


def test_a_stored_dataset_tells_its_own_noise(api: Client, fitted: str) -> None:
    answer = api.post("experiment", {"base": {"dataset": fitted, "budget": 900}})
    assert answer.status == 200, answer.body
    found = ExperimentAnswer.model_validate_json(answer.body)
    told = api.get(f"datasets/{fitted}/curves").json["diagnostics"]["noise"]
    # The scale of Student's t is less than its standard deviation; a Gaussian's is just that.
    assert found.noise >= told["scale"] * (1 - 1e-12)
    degrees = told.get("degrees_of_freedom")
    if degrees and degrees > 2:
        assert found.noise == pytest.approx(told["scale"] * (degrees / (degrees - 2)) ** 0.5)
    else:
        assert found.noise == pytest.approx(told["scale"])
    assert found.noise_correlation == pytest.approx(told.get("correlation") or 0.0)
    quiet = api.post("experiment", {"base": {"dataset": fitted, "budget": 900}, "noise": 1e-3})
    assert quiet.json["noise"] == 1e-3
    assert quiet.json["noise_correlation"] == 0.0


def test_a_stored_dataset_dates_the_test_and_takes_it(
    api: Client, fitted: str, history: Simulated
) -> None:
    base = {"dataset": fitted, "budget": 900}
    asked = api.post("experiment", {"base": base, "start": "2031-01-06"})
    assert asked.status == 200, asked.body
    design = asked.json["designs"][0]
    test = design["lift_test"]
    weeks = design["periods"] + design["wash_in_periods"]
    assert test["start"] == "2031-01-06"
    assert test["end"] == (date(2031, 1, 6) + timedelta(7 * weeks - 1)).isoformat()
    spec = api.get(f"datasets/{fitted}/spec").json
    spec["lift_tests"] = [test]
    path = f"datasets/{fitted}/spec"
    errors = api.put(path, json.dumps(spec).encode(), "application/json").errors()
    assert set(errors) == {"/lift_tests/0/outcome_change"}
    test["outcome_change"] = 1.5 * test["spend_change"]
    put = api.put(path, json.dumps(spec).encode(), "application/json")
    assert put.status == 200, put.body
    # As it was, to the byte: other tests ask whether anything has changed.
    as_it_was = api.put(path, json.dumps(history.spec).encode(), "application/json")
    assert as_it_was.status == 200
    (finding,) = (f for f in put.json["findings"] if f["code"].startswith("lift_test"))
    assert "after the history does" in finding["message"]


def test_a_test_is_dated_where_periods_have_a_length(api: Client) -> None:
    raw = {"base": optimize_request(), "noise": 4000.0}
    assert api.post("experiment", raw | {"start": "2031-01-06"}).errors()["/start"][0] == "conflict"
    errors = api.post("experiment", raw | {"start": "2031-02-30"}).errors()
    assert errors["/start"][0] == "not_a_date"
