"""Curves of other tools through the triggers: converted, stored, promoted, optimised with."""

from __future__ import annotations

from typing import Any

import pytest

from shared.api.dataset_messages import CurveSetAnswer, ImportedAnswer
from tests.app.client import Client

DRAWS = 40
POSTERIOR = "chain,draw,channel,adstock_alpha,saturation_lam,saturation_beta\n" + "".join(
    f"0,{s},{channel},{0.2 + 0.01 * s},{2 + 0.03 * s},{top * (1 + s / 50)}\n"
    for s in range(DRAWS)
    for channel, top in (("tv", 0.3), ("search", 0.1))
)
PYMC: dict[str, Any] = {
    "format": "pymc_marketing",
    "target_scale": 500000,
    "l_max": 4,
    "posterior_csv": POSTERIOR,
    "currency": "EUR",
    "outcome": "revenue",
    "channels": [
        {"channel": "tv", "scale": 40000, "current_spend": 20000},
        {"channel": "search", "scale": 20000, "current_spend": 10000},
    ],
}
TABLE = {
    "format": "table",
    "table_csv": "channel,spend,response\ntv,0,0\ntv,10,8\ntv,30,12\nsearch,0,0\nsearch,20,14\n",
    "channels": [
        {"channel": "tv", "current_spend": 15},
        {"channel": "search", "current_spend": 5},
    ],
}


def test_conversion_stores_nothing(api: Client) -> None:
    before = api.get("datasets").json
    answer = api.post("curves/import", PYMC)
    assert answer.status == 200, answer.body
    curves = CurveSetAnswer.model_validate_json(answer.body)
    assert [channel.channel for channel in curves.channels] == ["tv", "search"]
    assert curves.version == ""
    assert api.get("datasets").json == before


def test_imported_curves_are_optimised_with_at_once(api: Client, name: str) -> None:
    stored = api.post(f"datasets/{name}/curves", {**PYMC, "promote": True})
    assert stored.status == 201, stored.body
    answer = ImportedAnswer.model_validate_json(stored.body)
    assert (answer.current, answer.channels, answer.draws) == (True, ["tv", "search"], DRAWS)
    read = api.get(stored.headers["location"])
    assert read.json["version"] == answer.version
    assert read.json["currency"] == "EUR"
    plan = api.post("optimize", {"dataset": name, "budget": 30000})
    assert plan.status == 200, plan.body
    assert plan.json["curves_version"] == answer.version
    assert plan.json["certificate"]["proven"]
    assert plan.json["totals"]["spend"] == pytest.approx(30000)
    assert plan.json["totals"]["outcome_interval"] is not None
    # The same curves sent inline are the same problem.
    channels = [
        {
            "channel": c["channel"],
            "current_spend": c["observed_spend"]["last"],
            "max_spend": 1.5 * c["observed_spend"]["max"],
            "response": c["response"],
        }
        for c in read.json["channels"]
    ]
    inline = api.post("optimize", {"channels": channels, "budget": 30000})
    assert inline.status == 200, inline.body
    assert inline.json["totals"]["outcome"] == pytest.approx(
        plan.json["totals"]["outcome"], rel=1e-9
    )


def test_a_version_is_current_only_once_it_is_promoted(api: Client, name: str) -> None:
    first = api.post(f"datasets/{name}/curves", {**PYMC, "promote": True}).json["version"]
    second = api.post(f"datasets/{name}/curves", TABLE)
    assert second.status == 201
    assert second.json["current"] is False
    version = second.json["version"]
    assert api.get(f"datasets/{name}/curves").json["version"] == first
    listed = {
        entry["version"]: entry
        for entry in api.get(f"datasets/{name}/curves/versions").json["versions"]
    }
    assert listed[first]["current"]
    assert not listed[version]["promoted"]
    assert api.send("POST", f"datasets/{name}/curves/{version}/promote").status == 200
    plan = api.post("optimize", {"dataset": name, "budget": 25})
    assert plan.status == 200, plan.body
    spends = {row["channel"]: row["spend"] for row in plan.json["allocation"]}
    # By hand: tv's first ten bring 0.8 each, search's twenty 0.7, tv's further ones 0.2.
    assert spends == pytest.approx({"tv": 10.0, "search": 15.0})
    assert plan.json["totals"]["outcome"] == pytest.approx(8 + 0.7 * 15)


def test_a_first_import_that_is_not_promoted_makes_a_dataset_without_curves(
    api: Client, name: str
) -> None:
    assert api.post(f"datasets/{name}/curves", TABLE).status == 201
    assert api.get(f"datasets/{name}/curves").status == 404
    assert len(api.get(f"datasets/{name}/curves/versions").json["versions"]) == 1


def test_faults_are_told_by_place_and_nothing_is_stored(api: Client, name: str) -> None:
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({**PYMC, "format": "excel"}, "/format", "unknown_value"),
        ({**PYMC, "target_scale": None}, "/target_scale", "required"),
        ({**PYMC, "saturation": "cubic"}, "/saturation", "unknown_family"),
        ({**PYMC, "colour": "red"}, "/colour", "unknown_field"),
        ({**PYMC, "channels": PYMC["channels"][:1]}, "/channels", "required"),
        (
            {**TABLE, "table_csv": "channel,spend,response\ntv,1,x\n"},
            "/table_csv/rows/2/response",
            "not_a_number",
        ),
        ({"format": "robyn", "model": {}}, "/hyperparameters_csv", "required"),
    ]
    for body, pointer, code in cases:
        for path in ("curves/import", f"datasets/{name}/curves"):
            answer = api.post(path, body)
            assert answer.status == 422, (body, answer.body)
            assert answer.errors()[pointer][0] == code, answer.body
    assert api.get(f"datasets/{name}/curves/versions").status == 404
    assert api.post("datasets/UPPER/curves", TABLE).status == 422
    assert api.post("curves/import", b"{").status == 400
