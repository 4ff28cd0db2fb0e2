"""Campaigns over HTTP: inline, from a stored dataset with campaigns, and refused where wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.api.question_messages import CampaignsAnswer
from tests.api.samples import optimize_request
from tests.app.client import Client

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "visible_synth"
DAILY = DATA / "dev_campaign_daily_4ch_14c"


def request(**changes: Any) -> dict[str, Any]:
    """Search as two campaigns beside a channel without any."""
    below = [
        {
            "channel": name,
            "current_spend": spend,
            "saturation": {"family": "michaelis_menten", "max_response": top, "half_saturation": h},
        }
        for name, spend, top, h in (("brand", 9000, 60000, 4000), ("generic", 6000, 90000, 15000))
    ]
    tv = optimize_request()["channels"][0]
    return {"channels": [{"channel": "search", "campaigns": below}, tv], "budget": 45000, **changes}


def asked(api: Client, document: dict[str, Any]) -> CampaignsAnswer:
    answer = api.post("campaigns", document)
    assert answer.status == 200, answer.body
    return CampaignsAnswer.model_validate_json(answer.body)


def test_a_whole_answer_with_the_callers_own_spends(api: Client) -> None:
    own = [
        {
            "channel": "search",
            "campaigns": [
                {"channel": "brand", "spend": 5000},
                {"channel": "generic", "spend": 10000},
            ],
        },
        {"channel": "tv", "spend": 30000},
    ]
    found = asked(api, {"base": request(), "plan": own})
    assert found.ranked_at == "current"
    assert [row.rank for row in found.ranking] == [1, 2, 3]
    # The two have equal slopes where sqrt(top * half) / (half + x) agree: the closed form.
    root = np.sqrt([60000 * 4000, 90000 * 15000])
    best = root * (15000 + 19000) / root.sum() - [4000, 15000]
    (split,) = found.within
    assert [c.spend for c in split.campaigns] == pytest.approx(best, rel=1e-5)
    assert split.moves[0].from_campaign == "brand"
    assert split.moves[0].to_campaign == "generic"
    assert found.plans.recommended.certificate is not None
    assert found.plans.recommended.certificate.proven
    yours = [row.yours for row in found.predictions]
    assert [None if y is None else y.spend for y in yours] == [5000, 10000, 30000]
    assert found.plans.yours is not None
    assert found.plans.yours.violations == []


def test_faults_are_told_where_they_stand(api: Client) -> None:
    plan = [{"channel": "tv", "spend": 1}, {"channel": "search", "spend": 2}]
    answer = api.post("campaigns", {"base": request(), "plan": plan})
    assert answer.status == 422
    assert list(answer.errors()) == ["/plan/1/campaigns"]
    wrong = [
        {"channel": "search", "campaigns": [{"channel": "brnad", "spend": 1}]},
        {"channel": "tv", "spend": 1},
    ]
    told = api.post("campaigns", {"base": request(), "plan": wrong}).errors()
    assert told["/plan/0/campaigns/0/channel"][0] == "unknown_channel"
    assert "brand" in told["/plan/0/campaigns/0/channel"][1]
    answer = api.post("campaigns", {"base": request(budgett=1)})
    assert list(answer.errors()) == ["/base/budgett"]
    impossible = request(constraints=[{"name": "floor", "channels": ["tv"], "min_spend": 1e6}])
    answer = api.post("campaigns", {"base": impossible})
    assert answer.status == 422
    assert json.loads(answer.body)["conflicts"]


def test_a_dataset_without_campaigns_ranks_its_channels(api: Client, fitted: str) -> None:
    found = asked(api, {"base": {"dataset": fitted, "budget": 50_000}})
    assert found.within == []
    assert all(row.campaign is None for row in found.ranking)
    assert all(row.rank_interval is not None for row in found.ranking)
    assert "no_campaigns" in {warning.code for warning in found.warnings}
    assert found.curves_version is not None


@pytest.mark.slow
@pytest.mark.skipif(not DAILY.is_dir(), reason=f"the simulated campaign set is not at {DAILY}")
def test_fourteen_daily_campaigns_from_upload_to_moves(api: Client, name: str) -> None:
    """Ridge for speed; the truth says whether the moves found would have paid."""
    spec = {"model": {"kind": "ridge"}, "challengers": False}
    stored = api.put(f"datasets/{name}/spec", json.dumps(spec).encode(), "application/json")
    assert stored.status == 200, stored.body
    for part, file in (("history", "history.csv"), ("outcomes", "outcome.csv")):
        put = api.put(f"datasets/{name}/{part}", (DAILY / file).read_bytes())
        assert put.status == 200, put.body
    run = api.wait_for_run(api.send("POST", f"datasets/{name}/refit", b"").headers["location"])
    assert run["state"] in ("promoted", "kept_previous"), run
    if run["state"] != "promoted":
        version = api.get(f"datasets/{name}/curves/versions").json["versions"][0]["version"]
        done = api.send("POST", f"datasets/{name}/curves/{version}/promote", b"")
        assert done.status == 200, done.body
    curves = api.get(f"datasets/{name}/curves").json
    last = sum(curve["observed_spend"]["last"] for curve in curves["channels"])
    found = asked(api, {"base": {"dataset": name, "budget": last}})
    truth = json.loads((DAILY / "truth.json").read_text())
    arms = {arm["id"] for arm in truth["arms"]}
    assert {f"{row.channel}/{row.campaign}" for row in found.ranking} == arms
    assert {row.channel for row in found.within} == {arm.partition("/")[0] for arm in arms}
    assert all(row.rank_interval is not None for row in found.ranking)
    for row in found.within:
        assert row.gain >= 0.0
        assert sum(c.change for c in row.campaigns) == pytest.approx(0.0, abs=1e-3 * row.spend)
    assert found.plans.within is not None
    assert found.plans.within.totals.uplift == pytest.approx(sum(r.gain for r in found.within))
