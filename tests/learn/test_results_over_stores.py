"""What a test found is written once: killed anywhere, sent twice, corrected, and raced."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from shared.errors import WriteConflict
from shared.learn.experiments.design import AskedTrial
from shared.service import Service
from shared.store.connect import Connections
from shared.store.datasets import Datasets
from shared.store.memory import MemoryBlobs, MemoryQueue
from tests.fit.refit_world import Faults, FaultyBlobs, Killed, fails_at

SPEC: dict[str, Any] = {
    "date": "date",
    "outcome": "sales",
    "channels": [{"channel": "tv", "spend": "tv"}, {"channel": "radio", "spend": "radio"}],
}
TRIAL = AskedTrial("tv", -1.0, 6)
OWN = {"channel": "radio", "start": "2024-01-01", "end": "2024-01-28"}
OWN |= {"spend_change": 40.0, "outcome_change": 60.0, "standard_error": 20.0}


def history(extra: float = 0.0) -> bytes:
    rng = np.random.default_rng(3)
    rows = ["date,sales,tv,radio"]
    for t in range(60):
        day = date(2023, 1, 2) + timedelta(weeks=t)
        off = t >= 54
        sales = 1000.0 + 10.0 * rng.standard_normal() - (80.0 + extra) * off
        rows.append(f"{day},{sales:.3f},{0.0 if off else 50.0 + rng.random():.3f},{t % 7 + 5}")
    return "\n".join(rows).encode()


def service(blobs: Any) -> Service:
    queue = MemoryQueue("q")
    return Service(lambda: Connections(blobs, queue, queue, queue, queue))


def stocked() -> MemoryBlobs:
    blobs = MemoryBlobs()
    datasets = Datasets(blobs)
    datasets.put_spec("brand", {**SPEC, "lift_tests": [OWN]})
    datasets.put_history("brand", history(), "text/csv")
    return blobs


def loop(of: Service) -> dict[str, Any]:
    """Design, and read the results, as a caller does."""
    data = of.data_of("brand", None, None, None)
    trial = replace(TRIAL, start=date(2024, 1, 15))
    experiment = of.design("brand", "off", data, trial, None)["experiment"]
    seen, design = of.experiment_of("brand", experiment)
    return of.record(seen, experiment, design, data)


def kept_in(blobs: MemoryBlobs) -> list[dict[str, Any]]:
    tests: list[dict[str, Any]] = json.loads(Datasets(blobs).get_spec("brand").data)["lift_tests"]
    return tests


def test_a_result_is_written_beside_others_and_once() -> None:
    blobs = stocked()
    first, again = loop(service(blobs)), loop(service(blobs))
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["etag"] == again["etag"]
    assert kept_in(blobs) == [OWN, first["lift_test"]]
    assert first["lift_test"]["spend_change"] < 0.0
    error = first["lift_test"]["standard_error"]
    assert abs(first["lift_test"]["outcome_change"] + 480.0) < 3.0 * error


def test_a_correction_replaces_the_result() -> None:
    blobs = stocked()
    first = loop(service(blobs))
    Datasets(blobs).put_history("brand", history(extra=20.0), "text/csv")
    second = loop(service(blobs))
    assert second["experiment"] == first["experiment"]
    assert kept_in(blobs) == [OWN, second["lift_test"]]
    assert second["lift_test"]["outcome_change"] < first["lift_test"]["outcome_change"]


@pytest.mark.parametrize("what", ["kill before", "kill after"])
def test_killed_at_every_operation_it_is_done_by_the_next_try(what: str) -> None:
    k, done = 0, False
    wanted: list[dict[str, Any]] = []
    while not done:
        k += 1
        blobs = stocked()
        try:
            loop(service(FaultyBlobs(blobs, fails_at(k, what))))
            done = True
        except Killed:
            pass
        assert kept_in(blobs) in ([OWN], [OWN, *wanted]) or not wanted
        loop(service(blobs))
        now = kept_in(blobs)
        wanted = wanted or now[1:]
        assert now == [OWN, *wanted]
    assert k > 8


def test_a_write_that_is_sent_twice_counts_once() -> None:
    blobs = stocked()
    faults = Faults(lambda _: "sent twice")
    loop(service(FaultyBlobs(blobs, faults)))
    assert len(kept_in(blobs)) == 2


def test_of_two_writers_one_loses_and_changes_nothing() -> None:
    blobs = stocked()
    of = service(blobs)
    data = of.data_of("brand", None, None, None)
    experiment = loop(of)["experiment"]
    Datasets(blobs).put_spec("brand", {**SPEC, "lift_tests": []})
    seen, design = of.experiment_of("brand", experiment)
    other = {**SPEC, "currency": "EUR", "lift_tests": [OWN]}
    Datasets(blobs).put_spec("brand", other)
    with pytest.raises(WriteConflict):
        of.record(seen, experiment, design, data)
    assert kept_in(blobs) == [OWN]


def test_a_deleted_dataset_takes_its_experiments_along() -> None:
    blobs = stocked()
    loop(service(blobs))
    Datasets(blobs).delete("brand")
    assert list(blobs.keys("experiments/")) == []
