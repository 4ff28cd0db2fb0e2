"""Lists by pages, what a dataset has, curves in part, and requests that are sent twice."""

from __future__ import annotations

import gzip
import json

import pytest

from shared.api.dataset_messages import DatasetDetail, DatasetsAnswer, RunsAnswer, VersionsAnswer
from tests.app.client import Client


def test_datasets_come_by_pages(api: Client, name: str) -> None:
    names = sorted(f"{name}-{i}" for i in range(3))
    for each in names:
        assert api.put(f"datasets/{each}/spec", b"{}", "application/json").status == 200
    try:
        found: list[str] = []
        cursor = f"&cursor={name}"
        while True:
            page = DatasetsAnswer.model_validate_json(api.get(f"datasets?limit=2{cursor}").body)
            assert len(page.datasets) <= 2
            found += [entry.dataset for entry in page.datasets]
            if page.next_cursor is None or found[-1] > names[-1]:
                break
            assert page.next_cursor == found[-1]
            cursor = f"&cursor={page.next_cursor}"
        assert [each for each in found if each.startswith(f"{name}-")] == names
        assert len(found) == len(set(found))
    finally:
        for each in names:
            api.send("DELETE", f"datasets/{each}")


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "9" * 30])
def test_a_limit_that_is_none(api: Client, limit: str) -> None:
    assert api.get(f"datasets?limit={limit}").errors()["/limit"][0] == "out_of_range"


def test_what_a_fitted_dataset_has(api: Client, fitted: str) -> None:
    found = DatasetDetail.model_validate_json(api.get(f"datasets/{fitted}").body)
    curves = api.get(f"datasets/{fitted}/curves?draws=false").json
    spent = {c["channel"]: c["observed_spend"]["last"] for c in curves["channels"]}
    told = {channel.channel: channel.current_spend for channel in found.channels}
    assert told == pytest.approx(spent)
    assert found.frequency == curves["frequency"]
    assert found.today is not None
    assert found.today.periods == 13
    runs = RunsAnswer.model_validate_json(api.get(f"datasets/{fitted}/runs").body).runs
    assert runs[0] == found.last_run
    assert "promoted" in {run.state for run in runs}
    latest = RunsAnswer.model_validate_json(api.get(f"datasets/{fitted}/runs?limit=1").body)
    assert latest.runs == runs[:1]
    kept = VersionsAnswer.model_validate_json(api.get(f"datasets/{fitted}/curves/versions").body)
    assert [each.version for each in kept.versions if each.current] == [curves["version"]]
    one = api.get(f"datasets/{fitted}/curves/versions?limit=1")
    assert VersionsAnswer.model_validate_json(one.body).versions == kept.versions[:1]


def test_a_dataset_without_curves_has_what_its_history_tells(api: Client, name: str) -> None:
    rows = "".join(f"2024-{1 + i // 28:02}-{1 + i % 28:02},{i + 1},{9 + i}\n" for i in range(60))
    assert (
        api.put(f"datasets/{name}/history", f"date,revenue,spend_tv\n{rows}".encode()).status == 200
    )
    found = DatasetDetail.model_validate_json(api.get(f"datasets/{name}").body)
    assert [channel.channel for channel in found.channels] == ["tv"]
    assert found.channels[0].current_spend is None
    assert (found.first, found.last_run, found.curves_version) == ("2024-01-01", None, None)
    assert api.get("datasets/no-such-dataset").status == 404


def test_curves_in_part(api: Client, fitted: str) -> None:
    whole = api.get(f"datasets/{fitted}/curves")
    light = api.get(f"datasets/{fitted}/curves?draws=false")
    assert len(light.body) < len(whole.body) / 2
    for one, other in zip(whole.json["channels"], light.json["channels"], strict=True):
        assert one["response"].pop("draws")
        assert one == other
    part = api.get(f"datasets/{fitted}/curves?fields=frequency,outcome")
    assert list(part.json) == ["frequency", "outcome"]
    wrong = api.get(f"datasets/{fitted}/curves?fields=frequncy")
    assert "Did you mean 'frequency'?" in wrong.errors()["/fields"][1]
    packed = api.send("GET", f"datasets/{fitted}/curves", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.body)) == api.get(f"datasets/{fitted}/curves").json


def test_a_refit_that_is_sent_twice_is_one_run(api: Client, fitted: str) -> None:
    def refit(key: str) -> str:
        answer = api.send("POST", f"datasets/{fitted}/refit", b"", {"idempotency-key": key})
        assert answer.status == 202, answer.body
        assert answer.headers["retry-after"] == "5"
        return str(answer.json["run"])

    once = refit("monday")
    assert refit("monday") == once
    other = refit("tuesday")
    assert other != once
    for run in (once, other):
        api.wait_for_run(f"datasets/{fitted}/runs/{run}")
    assert refit("monday") == once  # ended, and still the same
    bad = api.send("POST", f"datasets/{fitted}/refit", b"", {"idempotency-key": "a b"})
    assert bad.status == 422


CURVES = {
    "format": "table",
    "table_csv": "channel,spend,response\ntv,0,0\ntv,20,31\n",
    "channels": [{"channel": "tv", "current_spend": 24}],
    "promote": True,
}


def test_a_promotion_that_is_sent_twice_undoes_nothing(api: Client, name: str) -> None:
    first, second = (api.post(f"datasets/{name}/curves", CURVES).json["version"] for _ in range(2))

    def promote(version: str, key: str) -> str:
        path = f"datasets/{name}/curves/{version}/promote"
        return str(api.send("POST", path, b"", {"idempotency-key": key}).json["curves_version"])

    assert promote(first, "back") == first
    assert promote(second, "forth") == second
    assert promote(first, "back") == second  # it was done, and something came after it
    assert promote(first, "again") == first
