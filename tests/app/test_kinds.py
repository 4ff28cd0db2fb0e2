"""Kinds of model over HTTP: asked for by name, fitted, stored, and planned with like any other."""

from __future__ import annotations

import json

import pytest

from samples.simulate import Simulated
from shared.api.dataset_messages import CurveSetAnswer
from tests.app.client import Client


def test_a_kind_that_is_none_is_refused_where_it_stands(api: Client, name: str) -> None:
    spec = json.dumps({"model": {"kind": "rigde"}}).encode()
    answer = api.put(f"datasets/{name}/spec", spec, "application/json")
    assert answer.status == 422
    assert list(answer.errors()) == ["/model/kind"]


@pytest.mark.parametrize("kind", ["ridge", "time_series"])
def test_from_upload_to_plan(api: Client, name: str, history: Simulated, kind: str) -> None:
    spec = {**history.spec, "model": {"kind": kind}, "challengers": False}
    stored = api.put(f"datasets/{name}/spec", json.dumps(spec).encode(), "application/json")
    assert stored.status == 200, stored.body
    assert api.put(f"datasets/{name}/history", history.csv.encode()).status == 200
    run = api.wait_for_run(api.send("POST", f"datasets/{name}/refit", b"").headers["location"])
    assert run["state"] == "promoted", run
    current = CurveSetAnswer.model_validate_json(api.get(f"datasets/{name}/curves").body)
    assert current.diagnostics["model"]["kind"] == kind
    plan = api.post("optimize", {"dataset": name, "budget": 50_000})
    assert plan.status == 200, plan.body[:500]
    found = json.loads(plan.body)
    assert found["certificate"]["proven"] is True
    assert sum(c["spend"] for c in found["allocation"]) <= 50_000 * (1 + 1e-9)
