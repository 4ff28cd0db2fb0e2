"""The loop over HTTP: a test is designed, run, read, and counts in the next fit; and faults."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from tests.app.client import Client

GEOS, WEEKS, TEST = 5, 46, 6
START = date(2023, 1, 2)


def world() -> tuple[Any, Any, Any]:
    """Outcome without media (G, T), spend (G, T), and what a unit of it brings at once."""
    rng = np.random.default_rng(5)
    size = rng.uniform(50.0, 150.0, GEOS)
    common = np.cumsum(rng.normal(0.0, 0.3, WEEKS + TEST))
    level = size[:, None] * (10.0 + common + 0.15 * rng.standard_normal((GEOS, WEEKS + TEST)))
    spend = size[:, None] * np.exp(0.1 * rng.standard_normal((GEOS, WEEKS + TEST)))
    return level, spend, 2.0


def table(spend: Any, outcome: Any, weeks: int) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["date", "geo", "tv", "sales"])
    for t in range(weeks):
        day = START + timedelta(weeks=t)
        for g in range(GEOS):
            writer.writerow([day, f"g{g:02}", round(spend[g, t], 4), round(outcome[g, t], 4)])
    return out.getvalue()


SPEC = {
    "date": "date",
    "outcome": "sales",
    "geo": "geo",
    "channels": [{"channel": "tv", "spend": "tv"}],
    "outcome_unit": "money",
    "challengers": False,
    "model": {"saturation": "michaelis_menten", "trend": "none", "seasonality": []},
}


def test_a_test_is_designed_run_read_and_fitted(api: Client, name: str) -> None:
    level, spend, brings = world()
    before = table(spend, level + brings * spend, WEEKS)
    stored = api.put(f"datasets/{name}/spec", json.dumps(SPEC).encode(), "application/json")
    assert stored.status == 200, stored.body
    assert api.put(f"datasets/{name}/history", before.encode()).status == 200

    geo = {"channel": "tv", "change": 1.0, "periods": TEST, "count": 2}
    answer = api.post("experiments", {"dataset": name, "geo": geo})
    assert answer.status == 200, answer.body
    told = answer.json
    experiment, design = told["experiment"], told["design"]
    assert api.post("experiments", {"dataset": name, "geo": geo}).json["experiment"] == experiment
    assert design["start"] == (START + timedelta(weeks=WEEKS)).isoformat()
    assert design["rejects_without_effect"]["power"] <= 0.2
    (kept,) = api.get(f"datasets/{name}/experiments").json["experiments"]
    assert (kept["experiment"], kept["lift_test"]) == (experiment, None)

    place = f"datasets/{name}/experiments/{experiment}/results"
    early = api.post(place, {})
    assert early.errors()["/history_csv"][0] == "test_not_over"
    assert api.post(f"datasets/{name}/experiments/0/results", {}).status == 404

    treated = [int(geo[1:]) for geo in design["treated"]]
    spend[treated, WEEKS:] *= 2.0
    after = table(spend, level + brings * spend, WEEKS + TEST)
    assert api.put(f"datasets/{name}/history", after.encode()).status == 200
    found = api.post(place, {})
    assert found.status == 200, found.body
    test = found.json["lift_test"]
    truth = brings * float(spend[treated, WEEKS:].sum()) / 2.0
    assert test["spend_change"] == pytest.approx(truth / brings, rel=0.1)
    assert abs(test["outcome_change"] - truth) < 3.0 * test["standard_error"]
    assert test["standard_error"] < 0.3 * truth
    assert test["geos"] == design["treated"]
    assert (test["experiment"], found.json["changed"]) == (experiment, True)

    again = api.post(place, {})
    assert (again.status, again.json["changed"]) == (200, False)
    assert again.headers["etag"] == found.headers["etag"]
    assert api.get(f"datasets/{name}/spec").json["lift_tests"] == [test]
    stale = api.post(place, {}, if_match='"0.json"')
    assert stale.status == 412
    (kept,) = api.get(f"datasets/{name}/experiments").json["experiments"]
    assert kept["lift_test"] == test

    queued = api.send("POST", f"datasets/{name}/refit", b"")
    run = api.wait_for_run(queued.headers["location"])
    assert run["state"] == "promoted", run
    curves = api.get(f"datasets/{name}/curves?draws=false").json
    (read,) = curves["diagnostics"]["lift_tests"]
    assert read["used"], read
    assert read["geos"] == design["treated"]


def test_other_designs_and_what_is_refused(api: Client) -> None:
    level, spend, brings = world()
    history = table(spend, level + brings * spend, WEEKS)

    def ask(**asked: Any) -> Any:
        return api.post("experiments", asked)

    def errors(**asked: Any) -> dict[str, str]:
        return {pointer: code for pointer, (code, _) in ask(**asked).errors().items()}

    trial = {"channel": "tv", "change": -1.0, "periods": 12, "lasting": 2}
    own = {"history_csv": history, "spec": SPEC}
    for kind in ("switchback", "off"):
        answer = ask(**own, **{kind: trial})
        assert answer.status == 200, answer.body
        assert answer.json["design"]["standard_error"] > 0.0
    assert ask(**own, switchback=trial).json["design"]["flips"] == [1, 5, 7, 9]
    assert errors(**own, off=trial, stopping="any_time") == {"/stopping": "series_remember"}
    assert errors(**own, off=trial, geo=trial) == {"/off": "conflict"}
    assert errors(off=trial) == {"/dataset": "required"}
    wrong = trial | {"channel": "tb"}
    assert errors(**own, off=wrong) == {"/off/channel": "unknown_channel"}
    assert errors(**own, switchback=trial | {"periods": 6}) == {
        "/switchback/periods": "too_few_periods"
    }

    few = {"channel": "tv", "change": 1.0, "periods": 6, "method": "trimmed_match"}
    assert errors(**own, geo=few) == {"/geo/method": "too_few_pairs"}

    people = {"mean": 0.05, "effect": 0.01}
    fixed = ask(ab=people).json["design"]
    looks = ask(ab=people | {"looks": 5}, stopping="obrien_fleming").json["design"]
    assert looks["per_group"] / fixed["per_group"] == pytest.approx(1.028, abs=1e-3)
    assert [row["z"] for row in looks["bounds"]] == pytest.approx(
        [4.562, 3.226, 2.634, 2.281, 2.040], abs=1e-3
    )
    early = people | {"look_shares": [0.2, 0.4, 0.6, 0.8, 1.0]}
    spent = ask(ab=early, stopping="spending").json["design"]["bounds"]
    assert spent[0]["z"] == pytest.approx(4.877, abs=1e-3)
    assert errors(ab=early) == {"/ab/look_shares": "conflict"}
    assert ask(ab=people, stopping="any_time").json["design"]["inflation"] > 1.2

    tried = [{"at": [x], "outcome": x * (8 - x), "standard_error": 1} for x in (0.0, 3.0, 8.0)]
    trials = {"tried": tried, "candidates": [[float(x)] for x in range(9)], "noise": 1}
    assert ask(trials=trials).json["design"]["next"][0] in range(9)
    assert errors(trials=trials | {"by": "expected_improvement"}) == {"/trials/by": "conflict"}


def test_a_portfolio_is_worth_more_than_it_costs(api: Client) -> None:
    rng = np.random.default_rng(2)

    def channel(name: str, top: float) -> dict[str, Any]:
        curve = {"family": "michaelis_menten", "max_response": top, "half_saturation": 50.0}
        draws = [
            {"max_response": top * float(k), "half_saturation": 50.0}
            for k in np.exp(0.4 * rng.standard_normal(60))
        ]
        response = {"saturation": curve, "draws": draws}
        return {"channel": name, "current_spend": 50.0, "max_spend": 150.0, "response": response}

    base = {"channels": [channel("tv", 300.0), channel("search", 200.0)], "budget": 100.0}
    asked = {"base": base, "value_per_outcome": 1.0, "noise": 5.0, "fee": 10.0}
    answer = api.post("experiments", {"portfolio": asked})
    assert answer.status == 200, answer.body
    design = answer.json["design"]
    assert all(row["value"] > row["cost"] for row in design["chosen"])
    assert sum(row["value"] for row in design["chosen"]) <= design["value_of_knowing_all"] * 1.05
    none = api.post("experiments", {"portfolio": asked | {"fee": 1e12}}).json
    assert none["design"]["chosen"] == []
