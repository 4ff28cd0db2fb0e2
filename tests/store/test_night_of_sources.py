"""The night on a dataset put together of three exports, with a correction that came late."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import Any

import numpy as np
import pytest

from samples.simulate import simulate
from shared.errors import InvalidInput
from shared.service import Service
from shared.store.connect import Connections
from shared.store.memory import MemoryQueue
from shared.store.records import Asked
from tests.store.conftest import Stores

WEEKS = list(csv.DictReader(io.StringIO(simulate(seed=5, weeks=104, channels=3).csv)))
NAMES = {"meta": "spend_channel_1", "google": "spend_channel_2", "tv": "spend_channel_3"}


def spent(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([float(week[NAMES[name]]) for week in WEEKS])


def meta(rows: slice = slice(None), times: float = 1.0) -> bytes:
    """As Meta exports: a row an ad set, quoted, with a line of totals."""
    lines = ["Week,Campaign name,Amount spent (EUR),Impressions"]
    for week in WEEKS[rows]:
        money = float(week[NAMES["meta"]]) * times
        lines += [f"{week['date']},Summer,{0.25 * money:.4f},{40 * money:.0f}"]
        lines += [f"{week['date']},Brand,{0.75 * money:.4f},{90 * money:.0f}"]
    return "\n".join(lines).encode()


def google(times: float = 1.0) -> bytes:
    """As a German account exports: a title, semicolons, decimal commas, dots in dates."""
    lines = ["Kampagnenbericht", "Woche;Kampagne;Kosten"]
    for week in WEEKS:
        day = date.fromisoformat(week["date"])
        money = f"{float(week[NAMES['google']]) * times:.2f}".replace(".", ",")
        lines.append(f"{day:%d.%m.%Y};Suche;{money}")
    return "\n".join(lines).encode("utf-16")


def tv() -> bytes:
    return json.dumps(
        [{"date": w["date"], "TV spend": float(w[NAMES["tv"]])} for w in WEEKS]
    ).encode()


@pytest.fixture
def service(stores: Stores) -> Service:
    return Service(lambda: Connections(stores.blobs, stores.queue, *map(MemoryQueue, "pjk")))


def work_off(service: Service, stores: Stores) -> None:
    while messages := stores.queue.receive(visibility_s=300):
        service.work(messages[0].body)
        stores.queue.delete(messages[0])


def test_three_sources_a_late_correction_and_the_night(service: Service, stores: Stores) -> None:
    service.put_spec(
        "brand", {"currency": "EUR", "model": {"saturation": "hill", "campaigns": False}}
    )
    for name, table in {"meta": meta(), "google": google(), "tv": tv()}.items():
        report = service.put_table("brand", Asked("history", "source", name), table, "text/csv")
    assert report["read"]["spend"] == pytest.approx({n: spent(n).sum() for n in NAMES}, rel=1e-5)
    sold = "\n".join(["date,revenue", *(f"{w['date']},{w['revenue']}" for w in WEEKS)]).encode()
    service.put_table("brand", Asked("outcomes"), sold, "text/csv")

    # What Meta says of two weeks changes; the others' weeks stay, and a second time nothing does.
    late = meta(slice(50, 52), times=2.0)
    for changed in (2, 2):
        report = service.put_table("brand", Asked("history", "patch", "meta"), late, "text/csv")
        right = spent("meta")
        right[50:52] *= changed
        expected = {"meta": right.sum(), **{n: spent(n).sum() for n in ("google", "tv")}}
        assert report["read"]["spend"] == pytest.approx(expected, rel=1e-5)
    etag = report["etag"]
    with pytest.raises(InvalidInput) as caught:  # whose rows these are must be said
        service.put_table("brand", Asked("history", "patch"), tv(), "application/json")
    assert "source_missing" in {fault.code for fault in caught.value.faults}

    # A correction too large to be read at once waits, and the night fits what is current.
    run = service.queue_table(
        "brand", Asked("history", "source", "google", etag), google(1.5), "text/csv"
    )
    assert service.nightly() == 1
    work_off(service, stores)
    read = service.run("brand", run["run"])
    assert (read["state"], read["errors"]) == ("stored", [])
    assert read["report"]["read"]["spend"]["google"] == pytest.approx(1.5 * spent("google").sum())
    service.refit("brand")
    work_off(service, stores)
    curves = service.curves("brand", service.versions("brand")[0]["version"])
    assert [channel.channel for channel in curves.channels] == ["google", "meta", "tv"]
    mean = {channel.channel: channel.observed_spend.mean for channel in curves.channels}
    assert mean == pytest.approx(
        {"google": 1.5 * spent("google").mean(), "meta": right.mean(), "tv": spent("tv").mean()},
        rel=1e-5,
    )
    assert len(service.versions("brand")) == 2
