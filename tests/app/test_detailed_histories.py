"""Histories by geo, by campaign and with impressions over HTTP: put, refit, curves, plans."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from shared.api.answers import EvaluateAnswer, OptimizeAnswer
from shared.api.dataset_messages import CurveSetAnswer, StoredAnswer
from tests.app.client import Answer, Client
from tests.app.detailed import WEEKS, by_campaign, by_geo, saturated

JSON = "application/json"
LAST = 13
QUICK = {"model": {"kind": "ridge"}}


def refitted(api: Client, spec: dict[str, Any], history: bytes, outcomes: bytes = b"") -> str:
    """A dataset put, refitted and its curves taken into use, as a caller does it; its name."""
    dataset = f"detailed-{uuid.uuid4().hex[:12]}"
    for part, body, media in (
        ("spec", json.dumps(spec).encode(), JSON),
        ("history", history, "text/csv"),
        ("outcomes", outcomes, "text/csv"),
    ):
        if body:
            stored = api.put(f"datasets/{dataset}/{part}", body, media)
            assert stored.status == 200, stored.body
    queued = api.send("POST", f"datasets/{dataset}/refit", b"")
    assert queued.status == 202, queued.body
    run = api.wait_for_run(queued.headers["location"])
    assert run["state"] in ("promoted", "kept_previous"), run
    # These tests are of plans: whatever the gate says of two years of data, the curves are used.
    version = run["curves_version"]
    assert api.send("POST", f"datasets/{dataset}/curves/{version}/promote", b"").status == 200
    return dataset


@pytest.fixture(scope="module")
def geos(api: Client) -> Iterator[str]:
    """Two geos with tv and search, by the model that is quickest to fit."""
    name = refitted(api, QUICK, by_geo())
    yield name
    api.send("DELETE", f"datasets/{name}")


@pytest.fixture(scope="module")
def synergy(api: Client) -> Iterator[str]:
    """Two geos, tv and search with synergy, which is asked for."""
    spec = {"model": {"saturation": "hill", "interactions": [["tv", "search"]]}}
    name = refitted(api, spec, by_geo(synergy=6_000))
    yield name
    api.send("DELETE", f"datasets/{name}")


@pytest.fixture(scope="module")
def campaigns(api: Client) -> Iterator[str]:
    name = refitted(api, QUICK, *by_campaign())
    yield name
    api.send("DELETE", f"datasets/{name}")


def asked(api: Client, path: str, **question: Any) -> Any:
    answer = api.post(path, question)
    assert answer.status == 200, answer.body
    return answer.json


def refused(answer: Answer) -> dict[str, tuple[str, str]]:
    assert answer.status == 422, answer.body
    return answer.errors()


def spend_of(table: bytes, **where: str) -> list[float]:
    """The spend of a long table's rows that say so, in their order."""
    rows = csv.DictReader(io.StringIO(table.decode()))
    return [float(row["spend"]) for row in rows if where.items() <= row.items()]


def test_geos_are_planned_under_their_own_names(api: Client, geos: str) -> None:
    curves = CurveSetAnswer.model_validate_json(api.get(f"datasets/{geos}/curves").body)
    names = ["north|tv", "north|search", "south|tv", "south|search"]
    assert [curve.channel for curve in curves.channels] == names
    answer = asked(api, "optimize", dataset=geos, budget=3500)
    OptimizeAnswer.model_validate(answer)
    assert [row["channel"] for row in answer["allocation"]] == names
    assert sum(row["spend"] for row in answer["allocation"]) == pytest.approx(3500, abs=0.01)
    rows = list(csv.DictReader(io.StringIO(by_geo().decode())))
    for row in answer["allocation"]:
        geo, channel = row["channel"].split("|")
        spent = [float(r[f"spend_{channel}"]) for r in rows if r["geo"] == geo]
        assert row["current_spend"] == pytest.approx(np.mean(spent[-LAST:]))
        assert row["spend"] <= 1.5 * max(spent) + 0.01


def test_rules_overrides_and_plans_of_geos(api: Client, geos: str) -> None:
    rule = {"name": "south", "channels": ["south|tv", "south|search"], "min_spend": 2000}
    channels = [{"channel": "north|tv", "max_spend": 300}]
    problem = {"dataset": geos, "budget": 3500, "interactions": []}
    limits = {"channels": channels, "constraints": [rule]}
    answer = asked(api, "optimize", **problem, **limits)
    spend = {row["channel"]: row["spend"] for row in answer["allocation"]}
    assert spend["south|tv"] + spend["south|search"] >= 2000 - 0.01
    assert spend["north|tv"] <= 300 + 0.01
    plan = [{"channel": name, "spend": amount} for name, amount in spend.items()]
    scored = asked(api, "evaluate", problem=problem, plan=plan)
    EvaluateAnswer.model_validate(scored)
    assert scored["totals"]["outcome"] == pytest.approx(answer["totals"]["outcome"], rel=1e-6)
    errors = refused(api.post("optimize", {**problem, "channels": [{"channel": "north|tvs"}]}))
    assert "Did you mean 'north|tv'" in errors["/channels/0/channel"][1]


@pytest.mark.slow
def test_the_interactions_that_were_fitted_count_unless_told_otherwise(
    api: Client, synergy: str
) -> None:
    curves = api.get(f"datasets/{synergy}/curves").json
    pairs = [pair["channels"] for pair in curves["interactions"]]
    assert pairs == [["north|tv", "north|search"], ["south|tv", "south|search"]]
    assert all(pair["strength"] > 0 for pair in curves["interactions"])
    own = [{"channels": p["channels"], "strength": p["strength"]} for p in curves["interactions"]]
    fitted = asked(api, "optimize", dataset=synergy, budget=3500)["totals"]["outcome"]
    told = asked(api, "optimize", dataset=synergy, budget=3500, interactions=own)["totals"][
        "outcome"
    ]
    without = asked(api, "optimize", dataset=synergy, budget=3500, interactions=[])["totals"]
    assert fitted == pytest.approx(told, rel=1e-9)
    assert without["outcome"] < 0.999 * fitted
    scenarios = [{"name": "no synergy", "changes": {"interactions": []}}]
    base = {"dataset": synergy, "budget": 3500}
    compared = asked(api, "scenarios", base=base, scenarios=scenarios)
    assert compared["base"]["totals"]["outcome"] == pytest.approx(fitted, rel=1e-9)
    (changed,) = compared["scenarios"]
    assert changed["totals"]["outcome"] == pytest.approx(without["outcome"], rel=1e-6)


def test_campaigns_stand_below_their_channel(api: Client, campaigns: str) -> None:
    curves = CurveSetAnswer.model_validate_json(api.get(f"datasets/{campaigns}/curves").body)
    assert [c.channel for c in curves.channels] == ["search", "tv/brand", "tv/sale"]
    answer = asked(api, "optimize", dataset=campaigns, budget=3500)
    OptimizeAnswer.model_validate(answer)
    search, tv = answer["allocation"]
    assert (search["channel"], tv["channel"]) == ("search", "tv")
    brand, sale = tv["campaigns"]
    assert (brand["channel"], sale["channel"]) == ("brand", "sale")
    assert tv["spend"] == pytest.approx(brand["spend"] + sale["spend"])
    # Eight times the effect for the same money: the plan moves money there.
    assert brand["spend"] > sale["spend"]
    history, _ = by_campaign()
    for row in (brand, sale):
        spent = spend_of(history, channel="tv", campaign=row["channel"])
        assert len(spent) == WEEKS
        assert row["current_spend"] == pytest.approx(np.mean(spent[-LAST:]))
        assert row["spend"] <= 1.5 * max(spent) + 0.01
    assert tv["current_spend"] == pytest.approx(brand["current_spend"] + sale["current_spend"])


def test_limits_hold_on_both_levels_and_overrides_go_by_name(api: Client, campaigns: str) -> None:
    tv = {"channel": "tv", "max_spend": 1500, "campaigns": [{"channel": "sale", "min_spend": 600}]}
    base = {"dataset": campaigns, "budget": 3000, "channels": [tv]}
    _, row = asked(api, "optimize", **base)["allocation"]
    spend = {inner["channel"]: inner["spend"] for inner in row["campaigns"]}
    assert spend["sale"] >= 600 - 0.01
    assert row["spend"] <= 1500 + 0.01
    below = {"channel": "tv", "campaigns": [{"channel": "brand", "exclude": True}]}
    _, row = asked(api, "optimize", **{**base, "channels": [below]})["allocation"]
    assert [inner["channel"] for inner in row["campaigns"]] == ["sale"]
    path = [{"path": "/channels/tv/campaigns/sale/min_spend", "value": 900}]
    asking = [{"name": "more sale", "changes": path}]
    (found,) = asked(api, "scenarios", base=base, scenarios=asking)["scenarios"]
    _, row = found["allocation"]
    assert row["campaigns"][1]["spend"] >= 900 - 0.01


def test_a_plan_by_campaign_is_scored(api: Client, campaigns: str) -> None:
    problem = {"dataset": campaigns, "budget": 3000}
    below = [{"channel": "brand", "spend": 1500}, {"channel": "sale", "spend": 500}]
    plan = [{"channel": "search", "spend": 1000}, {"channel": "tv", "campaigns": below}]
    scored = asked(api, "evaluate", problem=problem, plan=plan)
    EvaluateAnswer.model_validate(scored)
    best = asked(api, "optimize", **problem)["totals"]["outcome"]
    assert 0 < scored["totals"]["outcome"] <= best * (1 + 1e-9)
    plan[1] = {"channel": "tv", "spend": 2000}
    errors = refused(api.post("evaluate", {"problem": problem, "plan": plan}))
    assert errors["/plan/1/campaigns"][0] == "required"


def test_a_fit_in_the_request_finds_the_same_arms(api: Client, campaigns: str) -> None:
    history, outcomes = by_campaign()
    tables = {"history_csv": history.decode(), "outcomes_csv": outcomes.decode()}
    answer = CurveSetAnswer.model_validate(asked(api, "fit", spec=QUICK, **tables))
    stored = api.get(f"datasets/{campaigns}/curves").json
    assert [c.channel for c in answer.channels] == [c["channel"] for c in stored["channels"]]
    summed = asked(api, "fit", spec={"model": {"campaigns": False, "kind": "ridge"}}, **tables)
    assert [c["channel"] for c in summed["channels"]] == ["search", "tv"]


def test_put_tells_what_was_found_in_geos(api: Client, name: str) -> None:
    rows = by_geo().decode().splitlines()
    short = "\n".join([*rows, *(line.replace("north", "west") for line in rows[1:6])]).encode()
    put = api.put(f"datasets/{name}/history", short)
    assert put.status == 200, put.body
    report = StoredAnswer.model_validate_json(put.body)
    (finding,) = [f for f in report.findings if f.code == "geo_left_out"]
    assert finding.data == {"geo": "west", "periods": 5}


def put_spec(api: Client, name: str, spec: dict[str, Any]) -> Answer:
    return api.put(f"datasets/{name}/spec", json.dumps(spec).encode(), JSON)


def test_several_outcomes_make_one_in_money(api: Client, name: str) -> None:
    rows = by_geo().decode().splitlines()
    worth = [{"column": "revenue", "value": 0.4}, {"column": "signups", "value": 25}]
    lines = [rows[0].replace("revenue", "revenue,signups")]
    for t, row in enumerate(rows[1:]):
        day, geo, revenue, *spend = row.split(",")
        lines.append(",".join([day, geo, revenue, str(10 + t % 5), *spend]))
    table = "\n".join(lines)
    assert put_spec(api, name, {"outcomes": worth}).status == 200
    put = api.put(f"datasets/{name}/history", table.encode())
    assert put.status == 200, put.body
    assert StoredAnswer.model_validate_json(put.body).roles["outcomes"] == worth
    curves = asked(api, "fit", spec={"outcomes": worth, **QUICK}, history_csv=table)
    assert curves["outcome"] == "combined value"
    total = sum(0.4 * float(r["revenue"]) for r in csv.DictReader(io.StringIO(table)))
    total += sum(25 * float(r["signups"]) for r in csv.DictReader(io.StringIO(table)))
    assert curves["diagnostics"]["decomposition"]["outcome"] == pytest.approx(total)
    errors = refused(put_spec(api, name, {"outcomes": worth, "controls": ["signups"]}))
    assert errors["/controls/0"][0] == "column_used_twice"
    put = put_spec(api, name, {"outcome": "revenue"})
    told = {finding["code"]: finding["message"] for finding in put.json["findings"]}
    assert "'signups'" in told["other_outcomes"]


TEST: dict[str, Any] = {
    "channel": "tv",
    "start": "2023-06-05",
    "end": "2023-07-02",
    "spend_change": 4000,
    "outcome_change": 5000,
    "standard_error": 400,
}


def test_beliefs_and_countries_are_checked_when_they_are_put(api: Client, name: str) -> None:
    assert api.put(f"datasets/{name}/history", by_geo()).status == 200
    for spec, pointer, words in (
        ({"lift_tests": [{**TEST, "geo": "nort"}]}, "/lift_tests/0/geo", "'north'?"),
        ({"lift_tests": [{**TEST, "channel": "radio"}]}, "/lift_tests/0/channel", "'radio'"),
        (
            {"priors": [{"channel": "vt", "roi_median": 1, "roi_sd_log": 1}]},
            "/priors/0/channel",
            "'vt'",
        ),
        ({"holidays_country": "XX"}, "/holidays_country", "'XX'"),
        ({"holidays_country": "de"}, "/holidays_country", "'DE'"),
    ):
        errors = refused(put_spec(api, name, spec))
        assert words in errors[pointer][1]
    put = put_spec(api, name, {"lift_tests": [{**TEST, "end": "2030-01-01"}]})
    assert put.status == 200
    assert "lift_test_unused" in {finding["code"] for finding in put.json["findings"]}


def test_cells_in_two_currencies_are_refused(api: Client, name: str) -> None:
    rows = b"date,revenue,spend_tv\n2024-01-01,$9,$1\n2024-01-08,$8,\xe2\x82\xac2\n"
    errors = refused(api.put(f"datasets/{name}/history", rows + b"2024-01-15,$7,$3\n"))
    assert errors["/rows/3/spend_tv"][0] == "mixed_currencies"


@pytest.mark.slow
def test_a_lift_test_in_one_geo_narrows_the_curve_there(api: Client) -> None:
    table = by_geo().decode()
    spec = {"model": {"saturation": "hill"}}
    free = asked(api, "fit", spec=spec, history_csv=table)["channels"]
    weeks = [r for r in csv.DictReader(io.StringIO(table)) if r["geo"] == "north"]
    weeks = [r for r in weeks if TEST["start"] <= r["date"] <= TEST["end"]]
    spend = [float(r["spend_tv"]) for r in weeks]
    more = np.array(spend) + 1000
    gained = float(np.sum(9_000 * (saturated(more, 1200) - saturated(np.array(spend), 1200))))
    test = {**TEST, "geo": "north", "outcome_change": gained, "standard_error": 0.05 * gained}
    test["in_history"] = False
    told = asked(api, "fit", spec={**spec, "lift_tests": [test]}, history_csv=table)["channels"]

    def width(curves: list[dict[str, Any]]) -> float:
        (tv,) = [c for c in curves if c["channel"] == "north|tv"]
        low, high = tv["roi"]["interval"]
        return float(np.log(high / low))

    assert width(told) < 0.8 * width(free)
