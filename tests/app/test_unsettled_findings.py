"""What only a person can judge of a history stays with its curves and plans until it is settled."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any

import pytest

from samples.simulate import Simulated, simulate
from tests.app.client import Client

JSON = "application/json"
COLUMN = "everything"
QUICK = {"model": {"kind": "ridge"}, "challengers": False}


@pytest.fixture(scope="module")
def brand() -> tuple[Simulated, str]:
    """A small brand, and its table with one more column of spend: the sum of the others."""
    made = simulate(seed=5, weeks=30, channels=2, optimum=False)
    header, *rows = made.csv.splitlines()
    sums = made.spend.sum(axis=1)
    table = [f"{header},{COLUMN}_spend", *(f"{r},{x:.2f}" for r, x in zip(rows, sums, strict=True))]
    return made, "\n".join(table)


def fitted(api: Client, dataset: str) -> dict[str, Any]:
    """The curve set of a refit, made current whatever the gate said."""
    queued = api.send("POST", f"datasets/{dataset}/refit", b"")
    run = api.wait_for_run(queued.headers["location"])
    version = run["curves_version"]
    assert api.send("POST", f"datasets/{dataset}/curves/{version}/promote", b"").status == 200
    return dict(api.get(f"datasets/{dataset}/curves").json)


@pytest.fixture(scope="module")
def dataset(api: Client, brand: tuple[Simulated, str]) -> Iterator[str]:
    name = "unsettled-brand"
    made, table = brand
    spec = {key: value for key, value in made.spec.items() if key != "channels"}
    spec |= QUICK
    assert api.put(f"datasets/{name}/spec", json.dumps(spec).encode(), JSON).status == 200
    stored = api.put(f"datasets/{name}/history", table.encode())
    assert stored.status == 200, stored.body
    (told,) = [f for f in stored.json["findings"] if f["settled_by"]]
    assert (told["code"], told["settled_by"]) == ("total_column", "channels")
    yield name
    api.send("DELETE", f"datasets/{name}")


def test_a_finding_is_a_warning_of_the_curves_and_of_every_plan(
    api: Client, dataset: str, brand: tuple[Simulated, str]
) -> None:
    curves = fitted(api, dataset)
    (warning,) = [w for w in curves["diagnostics"]["warnings"] if w["code"] == "total_column"]
    names = [channel["channel"] for channel in curves["channels"]]
    assert len(names) == 2
    spend = {c["channel"]: c["observed_spend"]["mean"] for c in curves["channels"]}
    base = {"dataset": dataset, "budget": sum(spend.values())}
    plan = [{"channel": name, "spend": money} for name, money in spend.items()]
    answers = {
        "optimize": base,
        "scenarios": {"base": base, "scenarios": [{"name": "more", "changes": {"budget": 1e4}}]},
        "evaluate": {"problem": base, "plan": plan},
        "sensitivity": {"base": base},
        "campaigns": {"base": base},
        "transition": {"base": base, "max_change": 0.5, "periods": 2},
        "experiment": {"base": base, "noise": 100.0},
    }
    for path, body in answers.items():
        answer = api.post(path, body)
        assert answer.status == 200, (path, answer.body)
        told = [w["message"] for w in answer.json["warnings"] if w["code"] == "total_column"]
        assert told == [warning["message"]], path
    page = html.unescape(api.get(f"datasets/{dataset}/report").body.decode())
    assert page.count(warning["message"]) == 1

    settled = {**brand[0].spec, **QUICK}
    put = api.put(f"datasets/{dataset}/spec", json.dumps(settled).encode(), JSON)
    assert [f for f in put.json["findings"] if f["settled_by"]] == []
