"""Tables of more than 5 MB: kept as they come, read by the worker, and told at the run."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta

import pytest

from shared.api.dataset_messages import RunAnswer, StoredAnswer
from tests.app.client import Client

SIZE = 5_000_000
JSON_ROWS = json.dumps([{"date": "2024-01-01", "note": "x" * 199}] * 50_000).encode()


def long(wrong: str = "") -> bytes:
    """Eighty channels over three years of days: spend, campaign names as platforms write them."""
    days = [date(2022, 1, 3) + timedelta(days=t) for t in range(1090)]
    lines = ["date,channel,campaign,spend"]
    lines += [
        f"{day},channel {c:02d},Brand - Search - {c:02d} - always on in all regions,{c + t % 9}"
        for t, day in enumerate(days)
        for c in range(70)
    ]
    lines[3] += wrong
    return "\n".join(lines).encode()


def test_a_large_table_is_read_by_the_worker(api: Client, name: str) -> None:
    data = long()
    assert len(data) > SIZE
    put = api.put(f"datasets/{name}/history", data)
    assert put.status == 202, put.body
    RunAnswer.model_validate_json(put.body)
    began = time.monotonic()
    assert api.get("health").status == 200
    assert time.monotonic() - began < 2.0
    run = api.wait_for_run(put.headers["location"])
    assert (run["state"], run["errors"]) == ("stored", []), run
    assert run["upload"] == {"part": "history", "how": "put"}
    report = StoredAnswer.model_validate({"dataset": name, **run["report"]})
    assert (report.rows, report.frequency, report.layout) == (1090 * 70, "day", "long")
    got = api.get(f"datasets/{name}/history")
    assert got.body == data
    assert got.headers["etag"] == report.etag


def test_what_is_wrong_in_a_large_table_is_told_and_what_was_there_stays(
    api: Client, name: str
) -> None:
    small = b"date,channel,spend\n" + b"".join(
        f"{date(2024, 1, 1) + timedelta(days=t)},tv,3\n".encode() for t in range(40)
    )
    assert api.put(f"datasets/{name}/history", small).status == 200
    put = api.put(f"datasets/{name}/history", long(wrong="x"))
    assert put.status == 202
    run = api.wait_for_run(put.headers["location"])
    assert run["state"] == "failed"
    assert [(e["pointer"], e["code"]) for e in run["errors"]] == [("/rows/4/spend", "not_a_number")]
    assert api.get(f"datasets/{name}/history").body == small


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"x" * 50_000_001, "text/csv"),
        (b"date,channel,spend\n" + b"2024-01-01,tv,3\n" * 1_000_200, "text/csv"),
        (JSON_ROWS, "text/csv"),
        (JSON_ROWS, "application/json"),
    ],
)
def test_what_is_larger_than_any_table_is_refused_at_once(
    api: Client, name: str, body: bytes, media: str
) -> None:
    assert api.put(f"datasets/{name}/history", body, media).status == 413
    assert api.get(f"datasets/{name}/history").status == 404
