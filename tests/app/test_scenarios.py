"""Scenarios over HTTP: every kind equals the request that it stands for, solved on its own."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from shared.api import planning
from shared.api.answers import ScenariosAnswer
from tests.api.features import three
from tests.api.samples import HILL
from tests.app.client import Client
from tests.app.test_errors import assert_problem
from tests.app.test_planning import DRAWS, with_draws

RISK = {"measure": "cvar", "level": 0.2}
NEW = {"like": "radio", "scale": 0.5, "uncertainty": 2.0}


def asked(api: Client, base: dict[str, Any], **more: Any) -> ScenariosAnswer:
    answer = api.post("scenarios", {"base": base, **more})
    assert answer.status == 200, answer.body
    return ScenariosAnswer.model_validate_json(answer.body)


def optimum(api: Client, raw: dict[str, Any]) -> dict[str, Any]:
    answer = api.post("optimize", raw)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def _changed(raw: dict[str, Any], channel: str, **fields: Any) -> dict[str, Any]:
    out = deepcopy(raw)
    next(c for c in out["channels"] if c["channel"] == channel).update(fields)
    return out


def _over(raw: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**deepcopy(raw), **fields}


RULE = {"name": "cap", "channels": ["tv", "radio"], "max_spend": 20000}
BASE = three(constraints=[RULE])

KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "budget up": ({"budget": 80000}, _over(BASE, budget=80000)),
    "budget down": ({"budget": 40000}, _over(BASE, budget=40000)),
    "rule added": (
        {"constraints": {"floor": {"channels": ["radio"], "min_spend": 9000}}},
        _over(
            BASE,
            constraints=[RULE, {"name": "floor", "channels": ["radio"], "min_spend": 9000}],
        ),
    ),
    "rule changed": (
        {"constraints": {"cap": {"max_spend": 30000}}},
        _over(BASE, constraints=[{**RULE, "max_spend": 30000}]),
    ),
    "rule dropped": ({"constraints": {"cap": None}}, three()),
    "profit": (
        {"budget": None, "objective": {"goal": "maximize_profit", "value_per_outcome": 2}},
        {
            **{k: v for k, v in BASE.items() if k != "budget"},
            "objective": {"goal": "maximize_profit", "value_per_outcome": 2},
        },
    ),
    "weak tv": (
        {"channels": {"tv": {"effectiveness": 0.7}}},
        _changed(BASE, "tv", effectiveness=0.7),
    ),
    "dear tv": ({"channels": {"tv": {"price": 1.2}}}, _changed(BASE, "tv", price=1.2)),
    "without radio": ({"channels": {"radio": None}}, _changed(BASE, "radio", exclude=True)),
    "three periods": (
        {"horizon": {"periods": 3}, "budget": 180000, "solver": {"gap": 1e-3}},
        _over(BASE, horizon={"periods": 3}, budget=180000, solver={"gap": 1e-3}),
    ),
    "podcast": (
        {"channels": {"podcast": NEW}},
        _over(BASE, channels=[*BASE["channels"], {"channel": "podcast", **NEW}]),
    ),
}


def test_each_kind_is_the_request_that_it_stands_for(api: Client) -> None:
    scenarios = [{"name": name, "changes": changes} for name, (changes, _) in KINDS.items()]
    found = asked(api, BASE, scenarios=scenarios)
    base = {row["channel"]: row for row in optimum(api, BASE)["allocation"]}
    for scenario, (name, (_, raw)) in zip(found.scenarios, KINDS.items(), strict=True):
        alone = optimum(api, raw)
        loose = 3e-3 if name == "three periods" else 1e-5
        assert scenario.status == alone["status"], name
        assert scenario.totals is not None
        assert scenario.difference is not None
        assert scenario.totals.outcome == pytest.approx(alone["totals"]["outcome"], rel=loose)
        rows = {row["channel"]: row for row in alone["allocation"]}
        for change in scenario.difference.channels:
            now = rows.get(change.channel, {"outcome": 0.0})["outcome"]
            before = base.get(change.channel, {"outcome": 0.0})["outcome"]
            total = alone["totals"]["outcome"]
            assert change.outcome == pytest.approx(now - before, abs=0.03 * total), name
        told = (scenario.allocation or [])[0].periods
        assert (told is None) == (name != "three periods")


def test_risk_and_the_callers_mix(api: Client) -> None:
    base = with_draws()
    mix = [{"channel": "tv", "spend": 25000}, {"channel": "search", "spend": 35000}]
    found = asked(
        api,
        base,
        scenarios=[
            {"name": "careful", "changes": {"risk": RISK, "solver": {"gap": 1e-3}}},
            {"name": "ours", "plan": mix},
            {"name": "same"},
        ],
    )
    careful, ours, same = found.scenarios
    alone = optimum(api, {**base, "risk": RISK, "solver": {"gap": 1e-3}})
    assert careful.totals is not None
    assert careful.totals.outcome == pytest.approx(alone["totals"]["outcome"], rel=5e-3)
    assert ours.status == "scored"
    assert ours.regret is not None
    assert ours.totals is not None
    assert found.base.totals is not None
    assert ours.regret == pytest.approx(
        max(0.0, found.base.totals.outcome - ours.totals.outcome), abs=1e-6 * ours.totals.outcome
    )
    # Nothing changed, so nothing is solved again: the very same plan.
    assert same.allocation == found.base.allocation


def test_a_channel_without_history_is_wide_and_labelled(api: Client) -> None:
    changes = {"channels": {"podcast": NEW}}
    first = asked(api, BASE, scenarios=[{"name": "new", "changes": changes}])
    again = asked(api, BASE, scenarios=[{"name": "new", "changes": changes}])
    (scenario,) = first.scenarios
    assert again.scenarios[0].allocation == scenario.allocation
    (warning,) = scenario.warnings or []
    assert warning.code == "curve_by_analogy"
    assert "podcast" in warning.message
    assert "radio" in warning.message
    row = next(r for r in scenario.allocation or () if r.channel == "podcast")
    assert row.spend > 0.0
    assert row.current_spend == 0.0
    assert row.outcome_interval is not None
    assert row.outcome_interval[1] > 2.0 * row.outcome_interval[0]
    assert scenario.totals is not None
    assert first.base.totals is not None
    assert scenario.totals.outcome > first.base.totals.outcome


@pytest.mark.parametrize(
    ("channels", "where", "code"),
    [
        ({"podcast": {"like": "radoi"}}, "/podcast/like", "unknown_channel"),
        ({"podcast": {"scale": 2}}, "/podcast", "required"),
        (
            {"podcast": {"like": "radio", "uncertainty": 0.5}},
            "/podcast/uncertainty",
            "out_of_range",
        ),
        ({"radio": {"like": "tv"}}, "/radio/like", "conflict"),
        ({"podcast": {"like": "podcast"}}, "/podcast/like", "unknown_channel"),
    ],
)
def test_analogies_that_cannot_be(
    api: Client, channels: dict[str, Any], where: str, code: str
) -> None:
    raw = {"base": BASE, "scenarios": [{"name": "x", "changes": {"channels": channels}}]}
    answer = api.post("scenarios", raw)
    assert_problem(answer, 422)
    errors = answer.errors()
    assert errors[f"/scenarios/0/changes/channels{where}"][0] == code
    if channels.get("podcast", {}).get("like") == "radoi":
        assert "'radio'" in next(iter(errors.values()))[1]


def test_unknown_names_are_answered_with_the_near_misses(api: Client) -> None:
    changes = {
        "channels": {"raido": None},
        "constraints": {"cpa": None},
    }
    answer = api.post("scenarios", {"base": BASE, "scenarios": [{"name": "x", "changes": changes}]})
    assert_problem(answer, 422)
    errors = answer.errors()
    assert "'radio'" in errors["/scenarios/0/changes/channels/raido"][1]
    assert "'cap'" in errors["/scenarios/0/changes/constraints/cpa"][1]


def test_what_a_solver_refuses_is_told_at_its_scenario(api: Client) -> None:
    tv = {"saturation": HILL, "draws": DRAWS}
    base = three(tv={"response": tv}, search={"response": tv}, radio={"response": tv})
    fewer = {"channels": {"tv": {"response": {"draws": DRAWS[:10]}}}}
    raw = {"base": base, "scenarios": [{"name": "a"}, {"name": "b", "changes": fewer}]}
    answer = api.post("scenarios", raw)
    assert_problem(answer, 422)
    assert all(pointer.startswith("/scenarios/1/changes/") for pointer in answer.errors())


def test_more_than_one_answer_has_room_for_is_refused(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "MAX_COMPARED", 5)
    raw = {"base": BASE, "scenarios": [{"name": str(i)} for i in range(2)]}
    problem = assert_problem(api.post("scenarios", raw), 413)
    assert "2 scenarios of 3 channels" in problem["detail"]
    monkeypatch.setattr(planning, "MAX_COMPARED", 6)
    assert api.post("scenarios", raw).status == 200
