"""Every question that solves again from another problem's plan answers as if it had not.

Whatever leaves the room keeps every rule, lies below its bound, and is worth what the problem is
worth when it is solved alone: any question, any measure or target, any kind of rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.plan import (
    campaigns,
    experiment,
    optimize,
    scenarios,
    sensitivity,
    sweep,
    transition,
)
from shared.plan.plan import Plan
from shared.plan.yardstick import violations, yardstick
from shared.problem.model import Problem
from tests.contract.evaluator import Raw, allowed, plan_of

ROOMS = (
    campaigns,
    experiment,
    scenarios,
    sweep,
    transition,
    sensitivity,
)

MEASURES: dict[str, Raw] = {
    "mean_minus_sd": {"risk": {"measure": "mean_minus_sd"}},
    "quantile": {"risk": {"measure": "quantile", "level": 0.5}},
    "cvar": {"risk": {"measure": "cvar", "level": 0.5}},
    "worst_case": {"risk": {"measure": "worst_case"}},
    "target_outcome": {"objective": {"target_outcome": 60.0}},
    "target_roas": {"objective": {"target_roas": 0.8}},
    "target_cpa": {"objective": {"target_cpa": 1.25}},
}
RULES: dict[str, Raw] = {
    "plain": {},
    "interactions": {"interactions": [{"channels": ["a", "b"], "strength": 30.0}]},
    "lots": {},
    "groups": {"constraints": [{"name": "g", "channels": ["a"], "max_share": 0.5}]},
    "over time": {"horizon": {"periods": 2}},
}
DRAWS = (0.7, 0.9, 1.1, 1.3)
LESS = 0.8


def request(measure: str, rule: str) -> Raw:
    """Two channels whose draws disagree about which is the better one."""
    raw: Raw = {"channels": [], "budget": 100.0, "solver": {"gap": 1e-3, "time_limit_s": 1.5}}
    for name, top, rate, now, lean in (
        ("a", 100.0, 0.02, 70.0, 1.0),
        ("b", 80.0, 0.03, 40.0, -0.9),
    ):
        draws = [{"max_response": top * (1 + lean * (f - 1)), "rate": rate} for f in DRAWS]
        curve = {"family": "exponential", "max_response": top, "rate": rate}
        response = {"saturation": curve, "draws": draws}
        raw["channels"].append({"channel": name, "current_spend": now, "response": response})
    raw |= deepcopy(MEASURES[measure]) | deepcopy(RULES[rule])
    if rule == "lots":
        for channel in raw["channels"]:
            channel["increment"] = 10.0
    if rule == "over time":
        raw["budget"] *= 2.0
    return raw


def posed(raw: Raw) -> Problem:
    return problem_of(read_optimize(raw))


class Made:
    """The real ``make_plan``, each problem solved once and every answer kept."""

    def __init__(self) -> None:
        self.known: dict[tuple[Problem, bytes | None], Plan] = {}
        self.asked: dict[tuple[Problem, bytes | None], Plan] = {}

    def __call__(self, problem: Problem, start: np.ndarray | None = None) -> Plan:
        key = problem, None if start is None else start.tobytes()
        if key not in self.known:
            self.known[key] = optimize.make_plan(problem, start)
        self.asked[key] = self.known[key]
        return self.known[key]


ALL = Made()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Every plan made while the test runs."""
    for room in ROOMS:
        monkeypatch.setattr(room, "make_plan", ALL)
    ALL.asked.clear()
    return ALL


def hold(made: Made, alone: int = 1) -> None:
    """Every plan that was made keeps the rules; so many of those from a start are solved alone."""
    assert made.asked
    for (problem, start), plan in list(made.asked.items()):
        proof = plan.certificate
        assert violations(yardstick(problem), plan.best.spend) == []
        assert proof.max_constraint_violation <= 1e-6
        assert proof.objective <= proof.upper_bound
        if start is not None and alone > 0:
            alone -= 1
            other = made(problem).certificate
            near = proof.gap + other.gap + 1e-7 * abs(other.objective)
            assert abs(proof.objective - other.objective) <= near
            assert proof.objective <= other.upper_bound * (1.0 + 1e-7)
            assert other.objective <= proof.upper_bound * (1.0 + 1e-7)


def keeps(raw: Raw, row: Raw) -> None:
    """An answer's row keeps the contract's rules, written out again from its tables."""
    plan = plan_of(row)
    assert allowed(raw, plan, 1e-6)[0]
    assert plan.sum() == pytest.approx(raw["budget"], abs=0.01)


def changed(raw: Raw, **fields: Any) -> Raw:
    return {**deepcopy(raw), **fields}


def of_scenarios(raw: Raw) -> None:
    less = changed(raw, budget=LESS * raw["budget"])
    found = scenarios.compare(posed(raw), [scenarios.Variant("less", posed(less))])
    keeps(raw, found["base"])
    assert found["scenarios"][0]["status"] != "infeasible"
    keeps(less, found["scenarios"][0])


def of_sweep(raw: Raw) -> None:
    budgets = [LESS * raw["budget"], raw["budget"]]
    for budget, row in zip(
        budgets, scenarios.compare(posed(raw), (), budgets)["sweep"], strict=True
    ):
        assert row["spend"] == pytest.approx(budget, abs=0.01)
        assert sum(channel["spend"] for channel in row["allocation"]) == pytest.approx(row["spend"])


def of_frontier(raw: Raw) -> None:
    kept = changed(raw, spend_all=False)
    for point in scenarios.frontier(posed(kept), "outcome_spend", 3)["points"]:
        assert point["spend"] <= kept["budget"] + 0.01


def of_sensitivity(raw: Raw) -> None:
    found = sensitivity.sensitivity(posed(raw))
    assert all(row["outcome_elasticity"] is not None for row in found["parameters"])
    assert [row["status"] for row in found["budgets"]].count("infeasible") <= 4


def of_transition(raw: Raw) -> None:
    found = transition.transition(posed(raw), 0.3, 2)
    last = found["steps"][-1]
    assert last["spend"] == pytest.approx(raw["budget"], abs=0.01)
    for step in found["steps"]:
        for channel in step["channels"]:
            assert abs(channel["change_share"]) <= 0.3 + 1e-9


def of_experiment(raw: Raw) -> None:
    found = experiment.experiment(posed(raw), experiment.AskedTest(noise=5.0))
    recommended = sum(design["recommended_spend"] for design in found["designs"])
    assert recommended == pytest.approx(raw["budget"], abs=0.01)


def of_campaigns(raw: Raw) -> None:
    curve = {"max_response": 40.0, "rate": 0.05}
    known = {"saturation": {"family": "exponential", **curve}, "draws": [curve] * len(DRAWS)}
    parts = [
        {"channel": name, "current_spend": now, "response": known}
        for name, now in (("x", 15.0), ("y", 5.0))
    ]
    whole = changed(
        raw, channels=[*deepcopy(raw["channels"]), {"channel": "c", "campaigns": parts}]
    )
    found = campaigns.campaigns(posed(whole))
    assert found["plans"]["recommended"]["violations"] == []
    assert [split["gain"] > 0.0 for split in found["within"]] == [True]


QUESTIONS: dict[str, Callable[[Raw], None]] = {
    "scenarios": of_scenarios,
    "sweep": of_sweep,
    "frontier": of_frontier,
    "sensitivity": of_sensitivity,
    "transition": of_transition,
    "experiment": of_experiment,
    "campaigns": of_campaigns,
}
MANY = {"frontier", "sensitivity", "campaigns"}
"""Questions of so many problems that each measure meets one rule; all of them on demand."""

IN_TURN = ("scenarios", "sweep", "transition", "experiment")
"""Questions of few problems that take turns: a measure beside a rule meets one of them."""

LONG = ("interactions", "groups", "over time")
"""Rules beside which a quantile is searched for long: two questions meet them."""

ONE_RULE = {
    "mean_minus_sd": "interactions",
    "quantile": "lots",
    "cvar": "plain",
    "worst_case": "groups",
    "target_outcome": "groups",
    "target_roas": "over time",
    "target_cpa": "lots",
}


def cases() -> Iterator[Any]:
    for question in QUESTIONS:
        for i, measure in enumerate(MEASURES):
            for j, rule in enumerate(RULES):
                if rule == "over time" and question in ("transition", "experiment"):
                    continue
                slow = question in MANY and rule != ONE_RULE[measure]
                slow |= question in IN_TURN and question != IN_TURN[(i + j) % len(IN_TURN)]
                slow |= measure == "quantile" and rule in LONG and question == "transition"
                yield pytest.param(question, measure, rule, marks=[pytest.mark.slow] * slow)


@pytest.mark.parametrize(("question", "measure", "rule"), list(cases()))
def test_no_question_leaves_the_rules(question: str, measure: str, rule: str, made: Made) -> None:
    QUESTIONS[question](request(measure, rule))
    hold(made)


@pytest.mark.parametrize("question", ["scenarios", "sweep", "frontier", "transition", "experiment"])
def test_no_question_fails_where_a_channel_is_chosen_by_its_campaigns(
    question: str, made: Made
) -> None:
    raw = request("target_outcome", "plain")
    first = raw["channels"][0]
    response, now = first.pop("response"), first["current_spend"]
    first["campaigns"] = [
        {"channel": name, "current_spend": 0.5 * now, "response": response} for name in ("x", "y")
    ]
    first["minimum_if_active"] = 10.0
    QUESTIONS[question](raw)
    hold(made)
