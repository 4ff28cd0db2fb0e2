"""Rules over several channels and over time, through scenarios, evaluations and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from shared.api.answers import EvaluateAnswer, ScenariosAnswer
from tests.api.features import over, rule, three
from tests.app.client import Client
from tests.app.test_errors import assert_problem

CAPPED = rule(max_spend=20000)
PLAN = [
    {"channel": "tv", "spend": 20000},
    {"channel": "search", "spend": 30000},
    {"channel": "radio", "spend": 10000},
]


def outcome(api: Client, raw: dict[str, Any]) -> float:
    answer = api.post("optimize", raw)
    assert answer.status == 200, answer.body
    return float(answer.json["totals"]["outcome"])


def test_scenarios_over_constraints_goals_and_time(api: Client) -> None:
    cases: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "drop": ({"constraints": {"rule": None}}, three()),
        "change": ({"constraints": {"rule": {"max_spend": 25000}}}, rule(max_spend=25000)),
        "turn": (
            [
                {"path": "/constraints/rule/max_spend", "value": None},
                {"path": "/constraints/rule/min_spend", "value": 45000},
            ],
            rule(min_spend=45000),
        ),
        "add": (
            {"constraints": [{"name": "few", "channels": ["tv", "search"], "max_active": 1}]},
            three(
                constraints=[
                    *CAPPED["constraints"],
                    {"name": "few", "channels": ["tv", "search"], "max_active": 1},
                ]
            ),
        ),
        "profit": (
            {"objective": {"goal": "maximize_profit", "value_per_outcome": 0.6}, "budget": None},
            {
                **CAPPED,
                "budget": None,
                "objective": {"goal": "maximize_profit", "value_per_outcome": 0.6},
            },
        ),
        "over time": (
            {"horizon": {"periods": 2}, "budget": 120000, "solver": {"gap": 1e-3}},
            {**CAPPED, "horizon": {"periods": 2}, "budget": 120000, "solver": {"gap": 1e-3}},
        ),
        "without tv": (
            {"channels": {"tv": None}},
            {
                **CAPPED,
                "channels": [{**CAPPED["channels"][0], "exclude": True}, *CAPPED["channels"][1:]],
            },
        ),
    }
    scenarios = [{"name": name, "changes": changes} for name, (changes, _) in cases.items()]
    answer = api.post("scenarios", {"base": CAPPED, "scenarios": scenarios})
    assert answer.status == 200, answer.body
    found = ScenariosAnswer.model_validate_json(answer.body)
    for scenario, (name, (_, alone)) in zip(found.scenarios, cases.items(), strict=True):
        assert scenario.status == "optimal", name
        assert scenario.totals is not None
        assert scenario.totals.outcome == pytest.approx(outcome(api, alone), rel=2e-3), name


def test_a_conflict_is_told_by_the_callers_own_names(api: Client) -> None:
    problem = assert_problem(api.post("optimize", rule(min_spend=65000)), 422)
    assert {c["name"] for c in problem["conflicts"]} == {"rule", "budget"}
    assert all(c["missed_by"] == pytest.approx(5000, rel=1e-3) for c in problem["conflicts"])


def test_a_plan_that_breaks_rules_is_told_which(api: Client) -> None:
    answer = api.post("evaluate", {"problem": CAPPED, "plan": PLAN})
    assert answer.status == 200, answer.body
    found = EvaluateAnswer.model_validate_json(answer.body)
    assert [(v.name, v.amount) for v in found.violations] == [("rule", pytest.approx(10000))]
    raw = three(tv={"increment": 7000}, radio={"minimum_if_active": 15000})
    answer = api.post("evaluate", {"problem": raw, "plan": PLAN})
    names = {v.name for v in EvaluateAnswer.model_validate_json(answer.body).violations}
    assert names == {"tv.increment", "radio.minimum_if_active"}


def test_a_plan_over_time_is_scored_period_by_period(api: Client) -> None:
    raw = over(2, constraints=[{"name": "rule", "channels": ["tv"], "max_spend": 30000}])
    plan = [
        {"channel": "tv", "periods": [20000, 35000]},
        {"channel": "search", "spend": 25000},
        {"channel": "radio", "periods": [15000, 0]},
    ]
    answer = api.post("evaluate", {"problem": raw, "plan": plan})
    assert answer.status == 200, answer.body
    found = EvaluateAnswer.model_validate_json(answer.body)
    tv = found.allocation[0]
    assert tv.spend == 55000
    assert [part.spend for part in tv.periods or ()] == [20000, 35000]
    # Carryover: what the first period brings does not depend on the second, but not the reverse.
    assert {v.name for v in found.violations} == {"rule"}


def test_what_does_not_go_together_is_refused_where_it_stands(api: Client) -> None:
    raw = three(radio={"increment": 5000})
    raw["channels"][0]["exclude"] = True
    del raw["budget"]
    raw |= {"horizon": {"periods": 2, "mode": "fixed_shares"}, "period_budgets": [50000, 50001]}
    answer = api.post("optimize", raw)
    assert_problem(answer, 422)
    assert answer.errors()["/channels/2/increment"][0] == "no_common_lot"
    plan = [{"channel": name, "spend": 1} for name in ("search", "radio")]
    answer = api.post("evaluate", {"problem": raw, "plan": plan})
    assert answer.errors()["/problem/channels/2/increment"][0] == "no_common_lot"


def test_faults_over_the_whole_contract_come_at_once(api: Client) -> None:
    raw = rule(min_share=0.9, max_share=0.1)
    raw |= {
        "objective": {"goal": "maximize_profit"},
        "horizon": {"periods": 3, "prior_spend": {"tvv": 1}},
        "period_budgets": [1, 2],
        "interactions": [{"channels": ["tv", "tv"], "strength": 1}],
        "risk": {"measure": "cvar", "aversion": 1},
    }
    answer = api.post("optimize", raw)
    assert_problem(answer, 422)
    assert {
        "/constraints/0/max_share",
        "/objective/value_per_outcome",
        "/horizon/prior_spend/tvv",
        "/period_budgets",
        "/interactions/0/channels",
        "/risk/measure",
        "/risk/aversion",
    } <= set(answer.errors())
