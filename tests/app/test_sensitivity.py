"""Sensitivity over HTTP: whole answers, and what may be missing from them and why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.api.answers import ScenariosAnswer, SensitivityAnswer
from tests.api.samples import optimize_request
from tests.app.client import Client
from tests.app.test_planning import with_draws


def asked(api: Client, base: dict[str, Any]) -> SensitivityAnswer:
    answer = api.post("sensitivity", {"base": base})
    assert answer.status == 200, answer.body
    return SensitivityAnswer.model_validate_json(answer.body)


def test_a_whole_answer(api: Client) -> None:
    found = asked(api, with_draws())
    assert found.base.status == "optimal"
    swings = [row.outcome_swing for row in found.assumptions]
    assert swings == sorted(swings, reverse=True)
    assert found.assumptions[0].rank == 1
    tops = [row for row in found.parameters if row.parameter == "max_response"]
    assert {row.relative_sd_basis for row in tops} == {"draws"}
    assert sum(row.outcome_elasticity or 0.0 for row in tops) == pytest.approx(1.0, abs=1e-4)
    assert found.budgets is not None
    outcomes = [point.outcome for point in found.budgets if point.outcome is not None]
    assert outcomes == sorted(outcomes)
    for band in found.bands:
        for point in band.points:
            assert point.low is not None
            assert point.high is not None
            assert point.low <= point.outcome + 1e-9
            assert point.outcome <= point.high + 1e-9
    assert found.information is not None
    assert found.information.all >= 0.0
    assert found.cautious is not None
    assert found.cautious.careful.worst_tenth >= found.cautious.average.worst_tenth * (1 - 1e-9)
    assert found.cautious.average.outcome >= found.cautious.careful.outcome * (1 - 1e-9)


def test_without_draws_nothing_is_invented(api: Client) -> None:
    found = asked(api, optimize_request())
    assert found.information is None
    assert found.cautious is None
    assert "no_value_of_information" in {warning.code for warning in found.warnings}
    assert all(point.low is None for band in found.bands for point in band.points)


def test_a_plan_over_time_is_solved_again(api: Client) -> None:
    raw = optimize_request() | {"horizon": {"periods": 2}}
    raw["channels"][0]["response"]["saturation"]["shape"] = 1.0  # concave is solved sooner
    found = asked(api, raw)
    assert {row.how for row in found.parameters} == {"resolved"}
    tops = [row for row in found.parameters if row.parameter == "max_response"]
    assert sum(row.outcome_elasticity or 0.0 for row in tops) == pytest.approx(1.0, abs=1e-3)


def test_faults_are_told_from_the_base(api: Client) -> None:
    raw = optimize_request() | {"budgett": 1}
    answer = api.post("sensitivity", {"base": raw})
    assert answer.status == 422
    assert "/base/budgett" in {error["pointer"] for error in json.loads(answer.body)["errors"]}


def test_an_infeasible_base_names_its_conflict(api: Client) -> None:
    raw = optimize_request() | {"budget": 1.0}
    answer = api.post("sensitivity", {"base": raw})
    assert answer.status == 422
    assert json.loads(answer.body)["conflicts"]


def test_a_frontier_beside_scenarios(api: Client) -> None:
    base = optimize_request() | {
        "spend_all": False,
        "objective": {"goal": "maximize_profit", "value_per_outcome": 0.5},
    }
    answer = api.post(
        "scenarios", {"base": base, "frontier": {"between": "outcome_profit", "points": 4}}
    )
    assert answer.status == 200, answer.body
    found = ScenariosAnswer.model_validate_json(answer.body)
    assert found.frontier is not None
    assert [point.position for point in found.frontier.points] == pytest.approx(
        [0, 1 / 3, 2 / 3, 1]
    )


def test_a_frontier_names_what_it_needs(api: Client) -> None:
    raw = {"base": optimize_request(), "frontier": {"between": "outcome_profit"}}
    answer = api.post("scenarios", raw)
    assert answer.status == 422
    pointers = [error["pointer"] for error in json.loads(answer.body)["errors"]]
    assert pointers == ["/base/objective/value_per_outcome"]
