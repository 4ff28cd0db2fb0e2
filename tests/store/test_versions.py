"""Curve versions and runs over both stores: written once, promoted one at a time."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from shared.curves.curveset import CurveSet
from shared.errors import NotFound, WriteConflict
from shared.store.base import BlobStore
from shared.store.datasets import Datasets
from tests.store.samples import Clock, curve_set, run_of, stored

V1 = "v20250309T021500Z-nightly-20250309"
V2 = "v20250310T021500Z-nightly-20250310"
V3 = "v20250311T021500Z-r0123456789ab"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def datasets(blobs: BlobStore, clock: Clock) -> Datasets:
    return Datasets(blobs, clock)


def with_curves(datasets: Datasets, *versions: str, dataset: str = "brand") -> None:
    datasets.put_history(dataset, b"date,tv\n", "text/csv")
    run = run_of(datasets.manifest(dataset).incarnation, dataset)
    for version in versions:
        datasets.save_curves(run, stored(version))


# -- curves ---------------------------------------------------------------------------------------


def test_a_set_comes_back_as_it_was_saved(datasets: Datasets) -> None:
    with_curves(datasets, V1)
    assert datasets.curves("brand", V1) == curve_set(version=V1)
    assert CurveSet.from_dict(curve_set().to_dict()) == curve_set()


def test_a_set_is_written_once(datasets: Datasets) -> None:
    with_curves(datasets, V1)
    run = run_of(datasets.manifest("brand").incarnation)
    other = replace(stored(V1), curve_set=curve_set(999.0, V1))
    with pytest.raises(WriteConflict):
        datasets.save_curves(run, other)
    assert datasets.curves("brand", V1) == curve_set(version=V1)


def test_versions_tell_what_is_current_and_what_was(datasets: Datasets) -> None:
    with_curves(datasets, V2, V1, V3)
    assert [v.current for v in datasets.versions("brand")] == [False, False, False]
    datasets.promote("brand", V1)
    datasets.promote("brand", V3)
    datasets.promote("brand", V1)
    listed = [entry.to_dict() for entry in datasets.versions("brand")]
    assert listed == [
        {
            "version": V3,
            "created_at": "2025-03-11T02:15:00Z",
            "run": "r0123456789ab",
            "current": False,
            "promoted": True,
        },
        {
            "version": V2,
            "created_at": "2025-03-10T02:15:00Z",
            "run": "nightly-20250310",
            "current": False,
            "promoted": False,
        },
        {
            "version": V1,
            "created_at": "2025-03-09T02:15:00Z",
            "run": "nightly-20250309",
            "current": True,
            "promoted": True,
        },
    ]
    assert datasets.curves("brand").version == V1


def test_promoting_the_current_one_changes_nothing(datasets: Datasets) -> None:
    with_curves(datasets, V1)
    datasets.promote("brand", V1)
    before = datasets.manifest("brand")
    assert datasets.promote("brand", V1) == before


def test_a_run_promotes_only_over_what_it_was_judged_against(datasets: Datasets) -> None:
    with_curves(datasets, V1, V2, V3)
    run = run_of(datasets.manifest("brand").incarnation)
    assert datasets.promote_over(run, V1, None)
    assert datasets.promote_over(run, V1, None)  # asked again: it was
    assert not datasets.promote_over(run, V2, None)
    assert datasets.promote_over(run, V2, V1)
    assert datasets.promote_over(run, V1, None)  # and was, though another is current now
    assert datasets.current("brand") == V2


def test_of_many_runs_one_promotes(datasets: Datasets) -> None:
    versions = [f"v20250309T02150{i}Z-r{i}" for i in range(6)]
    with_curves(datasets, *versions)
    run = run_of(datasets.manifest("brand").incarnation)
    promoted: list[str] = []
    start = threading.Barrier(6)

    def promote(version: str) -> None:
        start.wait()
        if datasets.promote_over(run, version, None):
            promoted.append(version)

    threads = [threading.Thread(target=promote, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert promoted == [datasets.current("brand")]


def test_a_run_of_a_deleted_dataset_promotes_nothing(datasets: Datasets) -> None:
    with_curves(datasets, V1)
    run = run_of(datasets.manifest("brand").incarnation)
    datasets.delete("brand")
    with pytest.raises(NotFound):
        datasets.promote_over(run, V1, None)
    datasets.put_spec("brand", {})
    with pytest.raises(NotFound):
        datasets.promote_over(run, V1, None)
    assert datasets.current("brand") is None


# -- runs -----------------------------------------------------------------------------------------


def test_a_run_is_kept_and_changed_by_etag(datasets: Datasets) -> None:
    datasets.put_history("brand", b"1", "text/csv")
    created = datasets.create_run(run_of(datasets.manifest("brand").incarnation))
    with pytest.raises(WriteConflict):
        datasets.create_run(run_of(created.incarnation))
    read = datasets.read_run("brand", created.run)
    assert read == created
    running = datasets.update_run(replace(read, state="running", attempt=1, stage="fit"))
    with pytest.raises(WriteConflict):
        datasets.update_run(replace(read, state="failed"))
    assert datasets.read_run("brand", created.run) == running
    with pytest.raises(WriteConflict):
        datasets.delete_run(created)
    datasets.delete_run(running)
    with pytest.raises(WriteConflict):
        datasets.update_run(running)
    with pytest.raises(NotFound):
        datasets.read_run("brand", created.run)


def test_a_caller_sees_a_run_without_who_holds_it() -> None:
    run = replace(run_of("0" * 12), holder="secret", last_error="boom", reasons=("why",))
    assert run.to_dict() == {
        "dataset": "brand",
        "run": "r0123456789ab",
        "state": "queued",
        "created_at": "2025-03-09T02:15:00.000Z",
        "started_at": None,
        "finished_at": None,
        "attempt": 0,
        "progress": {"stage": "queued", "fraction": 0.0},
        "reasons": ["why"],
        "curves_version": None,
        "history_version": "0" * 32 + ".csv",
        "unchanged": False,
        "upload": None,
        "report": None,
        "errors": [],
    }
