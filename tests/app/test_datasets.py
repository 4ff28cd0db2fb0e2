"""Datasets over HTTP: what is put, what comes back, who wins a race, and what a refit leaves."""

from __future__ import annotations

import gzip
import json
from datetime import date, timedelta
from typing import Any

import pytest

from samples.simulate import Simulated
from shared.api.dataset_messages import (
    CurveSetAnswer,
    DatasetsAnswer,
    PromotedAnswer,
    RunAnswer,
    StoredAnswer,
    VersionsAnswer,
)
from tests.app.client import Answer, Client

JSON = "application/json"


def wide(rows: int = 30, **cells: str) -> bytes:
    """A weekly history; ``r4_spend_tv="x"`` replaces a cell (rows as a spreadsheet counts)."""
    header = ["date", "revenue", "spend_tv", "spend_search"]
    lines = [header]
    for i in range(rows):
        day = date(2024, 1, 1) + timedelta(weeks=i)
        lines.append([day.isoformat(), str(1000 + 7 * i % 50), str(10 + i % 7), str(20 + i % 5)])
    for where, value in cells.items():
        row, column = where[1:].split("_", 1)
        lines[int(row) - 1][header.index(column)] = value
    return "\n".join(",".join(line) for line in lines).encode() + b"\n"


def refused(answer: Answer) -> dict[str, tuple[str, str]]:
    assert answer.status == 422, answer.body
    return answer.errors()


def test_a_history_is_stored_and_comes_back_as_it_was(api: Client, name: str) -> None:
    put = api.put(f"datasets/{name}/history", wide())
    assert put.status == 200, put.body
    report = StoredAnswer.model_validate_json(put.body)
    assert (report.dataset, report.rows, report.layout) == (name, 30, "wide")
    # No spec was given: what was guessed is reported.
    assert report.roles["date"] == "date"
    assert report.roles["outcome"] == "revenue"
    assert report.frequency == "week"
    got = api.get(f"datasets/{name}/history")
    assert got.body == wide()
    assert got.media == "text/csv"
    assert got.headers["etag"] == put.headers["etag"] == report.etag


def test_records_are_as_good_as_csv(api: Client, name: str) -> None:
    rows = [
        {"date": f"2024-01-{d:02d}", "revenue": 100.0 + d, "spend_tv": 5, "spend_search": 1 + d}
        for d in range(1, 31)
    ]
    put = api.put(f"datasets/{name}/history", json.dumps(rows).encode(), JSON)
    assert put.status == 200, put.body
    assert StoredAnswer.model_validate_json(put.body).frequency == "day"
    assert api.get(f"datasets/{name}/history").json == rows


@pytest.mark.parametrize(
    ("cells", "pointer", "words"),
    [
        ({"r5_spend_tv": "abc"}, "/rows/5/spend_tv", "abc"),
        ({"r5_spend_tv": "-3"}, "/rows/5/spend_tv", "negative"),
        ({"r7_date": "yesterday"}, "/rows/7/date", "yesterday"),
        ({"r7_date": "2024-01-01"}, "/rows/7/date", "2024-01-01"),
        ({"r9_revenue": "n.a.x"}, "/rows/9/revenue", "n.a.x"),
    ],
)
def test_what_is_wrong_with_a_history_is_told_by_row_and_column(
    api: Client, name: str, cells: dict[str, str], pointer: str, words: str
) -> None:
    spec = {
        "date": "date",
        "outcome": "revenue",
        "channels": [
            {"channel": "tv", "spend": "spend_tv"},
            {"channel": "search", "spend": "spend_search"},
        ],
    }
    assert api.put(f"datasets/{name}/spec", json.dumps(spec).encode(), JSON).status == 200
    errors = refused(api.put(f"datasets/{name}/history", wide(**cells)))
    assert pointer in errors
    assert words in errors[pointer][1]
    # Nothing was stored.
    assert api.get(f"datasets/{name}/history").status == 404


def test_all_faults_of_a_history_at_once(api: Client, name: str) -> None:
    errors = refused(
        api.put(f"datasets/{name}/history", wide(r5_spend_tv="-3", r8_spend_search="x1"))
    )
    assert {"/rows/5/spend_tv", "/rows/8/spend_search"} <= set(errors)


def test_an_outcome_that_is_all_empty(api: Client, name: str) -> None:
    cells = {f"r{row}_revenue": "" for row in range(2, 32)}
    answer = api.put(f"datasets/{name}/history", wide(**cells))
    assert answer.status == 422
    assert "revenue" in answer.json["detail"]


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"[]", JSON, 422),
        (b"{}", JSON, 422),
        (b"[1]", JSON, 422),
        (b"[{]", JSON, 400),
        (b"a,b", "text/plain", 400),
        (b"a,b", "text/html", 415),
        (b"", "text/csv", 400),
        (b"\xff\xfe\x00", "text/csv", 400),
    ],
)
def test_tables_that_cannot_be_read(
    api: Client, name: str, body: bytes, media: str, status: int
) -> None:
    for part in ("history", "outcomes"):
        answer = api.put(f"datasets/{name}/{part}", body, media)
        assert answer.status == status, (part, answer.body)
        assert answer.media == "application/problem+json"


def test_a_spec_is_stored_null_and_all(api: Client, name: str) -> None:
    spec = {"date": "date", "outcome": "revenue", "geo": None, "events": None}
    put = api.put(f"datasets/{name}/spec", json.dumps(spec).encode(), JSON)
    assert put.status == 200, put.body
    StoredAnswer.model_validate_json(put.body)
    assert api.get(f"datasets/{name}/spec").json == spec


@pytest.mark.parametrize(
    ("spec", "pointer", "words"),
    [
        ({"outcom": "revenue"}, "/outcom", "Did you mean 'outcome' or 'outcomes'?"),
        ({"frequency": "fortnight"}, "/frequency", "'two_weeks'"),
        ({"channels": [{"spend": "x"}]}, "/channels/0/channel", "required"),
        ({"channels": [{"channel": "a"}, {"channel": "a"}]}, "/channels/1/channel", "twice"),
        ({"priors": [{"channel": "tv"}]}, "/priors/0/roi_median", "required"),
        (
            {
                "lift_tests": [
                    {
                        "channel": "tv",
                        "start": "3 March",
                        "end": "2025-03-30",
                        "spend_change": 1,
                        "outcome_change": 1,
                        "standard_error": 1,
                    }
                ]
            },
            "/lift_tests/0/start",
            "a date like 2025-03-31",
        ),
        ({"date": "x", "outcome": "x"}, "/outcome", "already has a role"),
        ([], "", "must be an object"),
    ],
)
def test_what_is_wrong_with_a_spec(
    api: Client, name: str, spec: Any, pointer: str, words: str
) -> None:
    errors = refused(api.put(f"datasets/{name}/spec", json.dumps(spec).encode(), JSON))
    assert pointer in errors, errors
    assert words in errors[pointer][1]


def test_who_read_an_older_state_does_not_overwrite(api: Client, name: str) -> None:
    path = f"datasets/{name}/history"
    first = api.put(path, wide(30)).headers["etag"]
    second = api.put(path, wide(31), if_match=first)
    assert second.status == 200
    lost = api.put(path, wide(32), if_match=first)
    assert lost.status == 412
    assert lost.media == "application/problem+json"
    assert api.get(path).body == wide(31)
    assert api.put(path, wide(33), if_match="*").status == 200
    new = api.put(f"datasets/{name}/outcomes", b"date,revenue\n2024-01-01,5\n", if_match="*")
    assert new.status in (412, 422)


def test_a_dataset_is_listed_and_deleted(api: Client, name: str) -> None:
    api.put(f"datasets/{name}/history", wide())

    def listed() -> list[str]:
        found = DatasetsAnswer.model_validate_json(api.get("datasets").body)
        return [entry.dataset for entry in found.datasets]

    assert name in listed()
    gone = api.send("DELETE", f"datasets/{name}")
    assert (gone.status, gone.body) == (204, b"")
    assert name not in listed()
    assert api.get(f"datasets/{name}/history").status == 404
    assert api.send("DELETE", f"datasets/{name}").status == 404


def test_a_refit_needs_a_history(api: Client, name: str) -> None:
    api.put(f"datasets/{name}/spec", b'{"date": "date"}', JSON)
    assert api.send("POST", f"datasets/{name}/refit", b"").status == 422


def test_a_refit_leaves_a_version_that_can_be_promoted(api: Client, fitted: str) -> None:
    queued = api.send("POST", f"datasets/{fitted}/refit?force=true", b"")
    assert queued.status == 202
    run = RunAnswer.model_validate_json(queued.body)
    location = queued.headers["location"]
    assert location.endswith(f"/datasets/{fitted}/runs/{run.run}")
    ended = RunAnswer.model_validate(api.wait_for_run(location))
    assert ended.state in ("promoted", "kept_previous"), ended
    assert ended.reasons

    versions = VersionsAnswer.model_validate_json(
        api.get(f"datasets/{fitted}/curves/versions").body
    ).versions
    assert len(versions) >= 2
    assert sum(version.current for version in versions) == 1
    older = versions[-1].version
    promoted = api.send("POST", f"datasets/{fitted}/curves/{older}/promote", b"")
    assert promoted.status == 200, promoted.body
    assert PromotedAnswer.model_validate_json(promoted.body).curves_version == older

    current = api.get(f"datasets/{fitted}/curves")
    curves = CurveSetAnswer.model_validate_json(current.body)
    assert curves.version == older
    assert curves.dataset == fitted
    assert current.headers["etag"] == f'"{older}"'
    assert api.get(f"datasets/{fitted}/curves/latest").body == current.body
    assert api.get(f"datasets/{fitted}/curves/{older}").body == current.body
    counts = {len(channel.response.draws or ()) for channel in curves.channels}
    assert len(counts) == 1
    assert counts.pop() > 0


def test_fit_answers_a_curve_set_and_is_reproducible(api: Client, history: Simulated) -> None:
    raw = {"spec": history.spec, "history_csv": history.csv, "seed": 5}
    answer = api.post("fit", raw)
    assert answer.status == 200, answer.body[:500]
    curves = CurveSetAnswer.model_validate_json(answer.body)
    assert [c.channel for c in curves.channels] == [c["channel"] for c in history.spec["channels"]]
    assert api.post("fit", raw).body == answer.body


def test_faults_of_a_fit(api: Client, history: Simulated) -> None:
    errors = refused(api.post("fit", {"spec": {"geoo": 1}, "seed": -1}))
    assert {pointer: code for pointer, (code, _) in errors.items()} == {
        "/spec/geoo": "unknown_field",
        "/history_csv": "required",
        "/seed": "out_of_range",
    }
    raw = {"spec": history.spec, "history_csv": wide(r5_spend_tv="x").decode()}
    assert api.post("fit", raw).status == 422


def test_faults_of_a_fit_point_into_its_request(api: Client, history: Simulated) -> None:
    def places(**request: Any) -> set[str]:
        return set(refused(api.post("fit", request)))

    bad = wide(r5_spend_tv="x").decode()
    assert places(history_csv=bad) == {"/history_csv/rows/5/spend_tv"}
    long = "date,channel,spend\n2024-01-01,tv,1\n2024-01-08,tv,2\n"
    outcomes = "date,revenue\n2024-01-01,x\n2024-01-08,6\n"
    assert places(history_csv=long, outcomes_csv=outcomes) == {"/outcomes_csv/rows/2/revenue"}
    assert places(history_csv=long) == {"/outcomes_csv"}
    spec = {**history.spec, "outcome": "nope"}
    assert places(history_csv=history.csv, spec=spec) == {"/spec/outcome"}
    flat = "date,revenue,spend_tv\n" + "".join(f"2024-{m:02d}-01,1,2\n" for m in range(1, 13))
    assert places(history_csv=flat) == {"/spec/outcome"}


def test_tables_in_what_browsers_send_them_as(api: Client, name: str) -> None:
    """The content decides; packed or not, and whatever the type says."""
    table = wide()
    told = api.put(f"datasets/{name}/history", table).json
    for media in ("text/plain", "application/vnd.ms-excel", "application/octet-stream"):
        assert api.put(f"datasets/{name}/history", table, media).json["etag"] == told["etag"]
    packed = api.put(f"datasets/{name}/history", gzip.compress(table), content_encoding="gzip")
    assert packed.json["etag"] == told["etag"]
    assert api.get(f"datasets/{name}/history").body == table
    assert told["read"]["rows"] == told["rows"]
    assert set(told["read"]["spend"]) == {"tv", "search"}


def test_rows_are_renewed_by_their_dates(api: Client, name: str) -> None:
    put = api.put(f"datasets/{name}/history", wide()).json
    missing = api.send(
        "PATCH", "datasets/nobody/history", b"date,a\n", {"content-type": "text/csv"}
    )
    assert missing.status == 404
    header, *rows = wide().decode().splitlines()
    last = ",".join([rows[-1].split(",")[0], *(["7"] * header.count(","))])
    media = {"content-type": "text/csv"}
    body = f"{header}\n{last}\n".encode()
    patched = api.send("PATCH", f"datasets/{name}/history", body, media)
    assert patched.status == 200, patched.body
    StoredAnswer.model_validate_json(patched.body)
    assert (patched.json["rows"], patched.json["last"]) == (put["rows"], put["last"])
    told = {f["code"]: f["data"] for f in patched.json["findings"]}
    assert told["history_patched"]["changed"] == [put["last"]]
    again = api.send("PATCH", f"datasets/{name}/history", body, media)
    assert again.json["etag"] == patched.json["etag"]
    late = {**media, "if-match": put["etag"]}
    assert api.send("PATCH", f"datasets/{name}/history", body, late).status == 412


def test_a_history_of_several_sources(api: Client, name: str) -> None:
    """Each replaceable alone; a history that was put whole takes none."""
    days = [date(2024, 1, 1) + timedelta(weeks=t) for t in range(20)]
    for source, money in (("meta", 10), ("google", 30), ("meta", 20)):
        body = "Day,Campaign,Cost\n" + "".join(f"{day},Brand,{money}\n" for day in days)
        put = api.put(f"datasets/{name}/history?source={source}", body.encode())
        assert put.status == 200, put.body
    assert put.json["read"]["spend"] == {"google": 600.0, "meta": 400.0}
    api.put(f"datasets/{name}/history", wide())
    assert api.put(f"datasets/{name}/history?source=meta", body.encode()).status == 422
