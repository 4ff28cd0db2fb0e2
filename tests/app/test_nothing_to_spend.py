"""Budgets and ceilings of nothing: an answer or a refusal that names why, whatever is asked."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.app.client import Client
from tests.contract.features import build

Raw = dict[str, Any]

GOALS: dict[str, Raw] = {
    "outcome": {},
    "cpa": {"target_cpa": 2.0},
    "roas": {"target_roas": 1.5, "value_per_outcome": 3.0},
    "target": {"target_outcome": 50.0},
    "profit": {"goal": "maximize_profit", "value_per_outcome": 2.0, "target_cpa": 1.0},
    "spend": {"goal": "minimize_spend", "target_outcome": 40.0, "target_cpa": 3.0},
    "sum": {"goal": "weighted_sum", "weights": {"outcome": 1.0, "spend": 0.2}},
}
MIXED = [(), ("group",), ("campaigns", "time_varying"), ("cvar",), ("max_active",)]


def of_nothing(names: tuple[str, ...], goal: Raw, where: str) -> Raw:
    raw: Raw = deepcopy(build(names)) | {"spend_all": False, "objective": goal}
    raw["solver"] = {**raw.get("solver", {}), "time_limit_s": 2}
    if goal.get("goal") == "minimize_spend":
        del raw["spend_all"]
    if where == "budget":
        raw["budget"] = 0.0
    else:
        for channel in raw["channels"]:
            for arm in (channel, *channel.get("campaigns", ())):
                arm["max_spend"] = 0.0
                arm.pop("min_spend", None)
    return raw


@pytest.mark.parametrize("where", ["budget", "ceilings"])
@pytest.mark.parametrize("names", MIXED, ids=lambda names: "+".join(names) or "plain")
@pytest.mark.parametrize("goal", GOALS)
def test_nothing_may_be_spent(api: Client, goal: str, names: tuple[str, ...], where: str) -> None:
    answer = api.post("optimize", of_nothing(names, GOALS[goal], where))
    assert answer.status in (200, 422), answer.body
    if answer.status == 200:
        assert answer.json["totals"]["spend"] == 0.0
    else:
        conflicts = answer.json["conflicts"]
        assert conflicts, answer.body
        assert all(conflict["missed_by"] >= 0.0 for conflict in conflicts)


@pytest.mark.parametrize("where", ["budget", "ceilings"])
def test_other_questions_about_nothing_are_answered(api: Client, where: str) -> None:
    raw = of_nothing((), {}, where)
    plan = [{"channel": c["channel"], "spend": 1.0} for c in raw["channels"]]
    asked: dict[str, Raw] = {
        "evaluate": {"problem": raw, "plan": plan},
        "sensitivity": {"base": raw},
        "transition": {"base": raw, "max_change": 0.2, "periods": 2},
        "experiment": {"base": raw, "noise": 2.0},
        "scenarios": {"base": raw, "sweep": {"budget": [0.0, 10.0]}},
    }
    for question, document in asked.items():
        assert api.post(question, document).status == 200, question
