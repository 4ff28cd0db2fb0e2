"""Every goal and target beside every kind of rule and in every mode, through the trigger."""

from __future__ import annotations

from typing import Any

import pytest

from shared.api.answers import OptimizeAnswer
from tests.api.features import CAMPAIGNS, over, reach, three
from tests.app.client import Client

RULE = {"name": "rule", "channels": ["tv", "radio"], "min_share": 0.3}
QUICK = {"gap": 1e-2, "time_limit_s": 4}

GOALS: dict[str, dict[str, Any]] = {
    "least spend": {"goal": "minimize_spend", "target_outcome": 8e4, "target_roas": 1.6},
    "outcome": {"target_roas": 2.0, "target_outcome": 6e4},
    "profit": {
        "goal": "maximize_profit",
        "value_per_outcome": 0.9,
        "target_cpa": 0.55,
        "target_outcome": 7e4,
    },
    "sum": {
        "goal": "weighted_sum",
        "weights": {"outcome": 1.0, "profit": 0.5, "spend": 0.3},
        "value_per_outcome": 0.8,
        "target_roas": 1.8,
    },
}

PLACES: dict[str, dict[str, Any]] = {
    "share": three(constraints=[RULE]),
    "minimum": three(tv={"minimum_if_active": 25000}),
    "lots": three(tv={"increment": 2500}, search={"increment": 1000}, radio={"increment": 500}),
    "count": three(
        constraints=[{"name": "rule", "channels": ["tv", "search", "radio"], "max_active": 2}]
    ),
    "campaigns": three(tv=CAMPAIGNS),
    "synergy": three(interactions=[{"channels": ["tv", "search"], "strength": 20000}]),
    "cannibalisation": three(interactions=[{"channels": ["tv", "radio"], "strength": -9000}]),
    "constant": over(2, "constant"),
    "fixed_shares": over(2, "fixed_shares"),
    "sequential": over(2, "sequential"),
    "time_varying": over(2),
}


def asked(place: str, goal: str) -> dict[str, Any]:
    raw = PLACES[place] | {"objective": dict(GOALS[goal]), "spend_all": False, "solver": QUICK}
    if raw.get("horizon", {}).get("periods", 1) > 1:
        for field in ("target_outcome",):
            if field in raw["objective"]:
                raw["objective"][field] *= 2
    return raw


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("place", PLACES)
def test_a_goal_holds_its_targets_everywhere(api: Client, place: str, goal: str) -> None:
    raw = asked(place, goal)
    answer = api.post("optimize", raw)
    assert answer.status == 200, answer.body
    found, objective = OptimizeAnswer.model_validate_json(answer.body), raw["objective"]
    assert found.certificate.proven
    outcome, spend = found.totals.outcome, found.totals.spend
    assert outcome >= objective.get("target_outcome", 0.0) * (1 - 1e-6)
    assert outcome >= objective.get("target_roas", 0.0) * spend * (1 - 1e-6)
    assert spend <= objective.get("target_cpa", 1e9) * outcome * (1 + 1e-6)
    assert spend <= raw["budget"] * (1 + 1e-6)
    worth = {
        "least spend": spend,
        "outcome": outcome,
        "profit": 0.9 * outcome - spend,
        "sum": outcome + 0.5 * (0.8 * outcome - spend) - 0.3 * spend,
    }[goal]
    assert found.certificate.objective == pytest.approx(worth, rel=1e-6)


@pytest.mark.parametrize("mode", ["time_varying", "constant", "fixed_shares", "sequential"])
def test_the_long_term_counts_in_every_mode_beside_a_target(api: Client, mode: str) -> None:
    raw = over(2, mode, spend_all=False, solver=QUICK)
    worths = []
    for weight in (0.0, 0.6):
        raw["objective"] = {"long_term_weight": weight, "target_roas": 1.5}
        answer = api.post("optimize", raw)
        assert answer.status == 200, answer.body
        found = OptimizeAnswer.model_validate_json(answer.body)
        assert found.certificate.proven
        worths.append(found.certificate.objective)
    assert worths[1] > worths[0]


@pytest.mark.parametrize("periods", [1, 2])
def test_reach_keeps_its_cap_and_its_targets_beside_rules(api: Client, periods: int) -> None:
    curves = {
        "tv": {"response": reach(90000, 2e-5)},
        "search": {"response": reach(60000, 5e-5)},
        "radio": {"response": reach(40000, 4e-5)},
    }
    objective = {"goal": "maximize_reach", "max_frequency": 1.5, "target_cpa": 0.5}
    raw = over(periods, constraints=[RULE], objective=objective, spend_all=False, **curves)
    answer = api.post("optimize", raw)
    assert answer.status == 200, answer.body
    found = OptimizeAnswer.model_validate_json(answer.body)
    assert found.certificate.proven
    assert found.totals.cpa is not None
    assert found.totals.cpa <= 0.5 * (1 + 1e-6)
    for row in found.allocation:
        response = curves[row.channel]["response"]["saturation"]
        first = response["max_response"] * response["rate"]
        if row.spend > 0:
            assert first * row.spend / row.outcome <= 1.5 * (1 + 1e-6)
    tighter = dict(raw, objective=objective | {"target_cpa": 0.3})
    answer = api.post("optimize", tighter)
    assert answer.status in (200, 422), answer.body
    if answer.status == 200:
        less = OptimizeAnswer.model_validate_json(answer.body)
        assert less.certificate.objective <= found.certificate.objective * (1 + 1e-6)


def test_targets_that_cannot_be_met_say_what_can(api: Client) -> None:
    raw = three(constraints=[RULE], spend_all=False, objective={"target_roas": 50})
    answer = api.post("optimize", raw)
    assert answer.status == 422
    assert b"target_roas is 50; the best reachable is" in answer.body
    both = {"goal": "minimize_spend", "target_outcome": 1.5e5, "target_roas": 3.2}
    answer = api.post("optimize", three(constraints=[RULE], objective=both))
    assert answer.status == 422
    assert b"target_outcome" in answer.body
    assert b"target_roas" in answer.body


@pytest.mark.parametrize("weights", [{"outcome": -1}, {"outcome": "much"}, {"clicks": 1}])
def test_weights_that_are_none_are_refused(api: Client, weights: dict[str, Any]) -> None:
    objective = {"goal": "weighted_sum", "weights": weights}
    answer = api.post("optimize", three(objective=objective))
    assert answer.status == 422
    assert b"/objective/weights/" in answer.body
