"""Datasets over both stores: what is put is read, lost races lose nothing, deleted is deleted."""

from __future__ import annotations

import threading

import pytest

from shared.errors import InvalidInput, NotFound, UnsupportedContent, WriteConflict
from shared.store.base import BlobStore
from shared.store.datasets import Datasets
from tests.store.samples import Clock, run_of, stored

V1 = "v20250309T021500Z-nightly-20250309"
V2 = "v20250310T021500Z-nightly-20250310"
V3 = "v20250311T021500Z-r0123456789ab"

ATTACKS = [
    "",
    "A",
    "../x",
    "a/b",
    "a/../b",
    "a\\b",
    "..",
    ".",
    "-a",
    "_a",
    "a.b",
    "a b",
    "a\n",
    "a%2fb",
    "a?b",
    "ä",
    "а",  # Cyrillic
    "１",  # full-width digit
    "a\x00",
    "a" * 64,
    "a" * 5000,
]


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


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
def test_a_bad_name_reaches_nothing(datasets: Datasets, blobs: BlobStore, name: str) -> None:
    for call in (
        lambda: datasets.put_history(name, b"", "text/csv"),
        lambda: datasets.put_spec(name, {}),
        lambda: datasets.put_outcomes(name, b"", "text/csv"),
        lambda: datasets.get_history(name),
        lambda: datasets.delete(name),
        lambda: datasets.curves(name),
        lambda: datasets.versions(name),
        lambda: datasets.promote(name, V1),
        lambda: datasets.read_run(name, "r0123456789ab"),
    ):
        with pytest.raises(InvalidInput) as caught:
            call()
        assert caught.value.faults[0].pointer == "/dataset"
    assert list(blobs.keys("")) == []


@pytest.mark.parametrize("name", ["a", "0", "brand-a_b", "a" * 63])
def test_a_good_name_is_taken(datasets: Datasets, name: str) -> None:
    datasets.put_history(name, b"x", "text/csv")
    assert list(datasets.names()) == [name]


@pytest.mark.parametrize(
    "version",
    ["", "latest/..", "../other/v1", f"../../other/{V1}", V1.lower(), V1 + "/", "v1", "x" * 500],
)
def test_a_version_cannot_reach_another_dataset(datasets: Datasets, version: str) -> None:
    with_curves(datasets, V1)
    with_curves(datasets, V1, dataset="other")
    with pytest.raises(NotFound):
        datasets.curves("brand", version)
    with pytest.raises(NotFound):
        datasets.promote("brand", version)


@pytest.mark.parametrize("run", ["", "../x", "../../other/run", "R1", "r1.json", "a" * 49])
def test_a_run_cannot_reach_another_dataset(datasets: Datasets, run: str) -> None:
    datasets.put_history("brand", b"x", "text/csv")
    with pytest.raises(NotFound):
        datasets.read_run("brand", run)


# -- inputs ---------------------------------------------------------------------------------------


def test_what_is_put_is_got_with_its_type_and_etag(datasets: Datasets, clock: Clock) -> None:
    etag = datasets.put_history("brand", b"date,tv\n2025-01-06,1\n", "text/csv; charset=utf-8")
    clock.advance(60)
    datasets.put_outcomes("brand", b'[{"date": "2025-01-06"}]', "application/json")
    datasets.put_spec("brand", {"date": "date", "label": "Übung"})
    history = datasets.get_history("brand")
    assert history.data == b"date,tv\n2025-01-06,1\n"
    assert (history.content_type, history.etag) == ("text/csv", etag)
    assert datasets.get_outcomes("brand").content_type == "application/json"
    assert datasets.get_spec("brand").data == '{"date":"date","label":"Übung"}'.encode()
    manifest = datasets.manifest("brand")
    assert manifest.created_at == "2025-03-09T02:15:00.000Z"
    assert manifest.updated_at == "2025-03-09T02:16:00.000Z"


def test_what_was_not_put_is_not_found(datasets: Datasets) -> None:
    for get in (datasets.get_spec, datasets.get_history, datasets.get_outcomes, datasets.curves):
        with pytest.raises(NotFound, match="no dataset"):
            get("brand")
    datasets.put_spec("brand", {})
    with pytest.raises(NotFound, match="no history yet"):
        datasets.get_history("brand")
    with pytest.raises(NotFound, match="no fitted curves yet"):
        datasets.curves("brand")
    assert datasets.current("brand") is None


def test_only_tables_are_taken(datasets: Datasets, blobs: BlobStore) -> None:
    with pytest.raises(UnsupportedContent):
        datasets.put_history("brand", b"", "application/vnd.ms-excel")
    assert list(blobs.keys("")) == []


def test_nan_is_never_stored(datasets: Datasets) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        datasets.put_spec("brand", {"x": float("nan")})
    assert datasets.find("brand") is None


def test_putting_the_same_again_changes_nothing(datasets: Datasets, clock: Clock) -> None:
    etag = datasets.put_history("brand", b"x", "text/csv")
    before = datasets.manifest("brand")
    clock.advance(60)
    assert datasets.put_history("brand", b"x", "text/csv", if_match=etag) == etag
    assert datasets.manifest("brand") == before


def test_an_earlier_version_may_come_back(datasets: Datasets) -> None:
    first = datasets.put_history("brand", b"1", "text/csv")
    datasets.put_history("brand", b"2", "text/csv")
    assert datasets.put_history("brand", b"1", "text/csv") == first
    assert datasets.get_history("brand").data == b"1"


def test_if_match_guards_its_own_part_only(datasets: Datasets) -> None:
    with pytest.raises(WriteConflict):
        datasets.put_history("brand", b"1", "text/csv", if_match="*")
    first = datasets.put_history("brand", b"1", "text/csv")
    datasets.put_spec("brand", {"date": "date"})
    second = datasets.put_history("brand", b"2", "text/csv", if_match=first)
    with pytest.raises(WriteConflict, match="If-Match"):
        datasets.put_history("brand", b"3", "text/csv", if_match=first)
    assert datasets.get_history("brand").etag == second
    datasets.put_history("brand", b"3", "text/csv", if_match="*")


def test_what_was_checked_against_an_old_spec_is_not_stored(datasets: Datasets) -> None:
    datasets.put_spec("brand", {"outcome": "revenue"})
    seen = datasets.manifest("brand")
    datasets.put_spec("brand", {"outcome": "orders"})
    with pytest.raises(WriteConflict):
        datasets.put_history("brand", b"1", "text/csv", seen=seen)
    with pytest.raises(NotFound):
        datasets.get_history("brand")


def test_an_upload_never_lands_in_a_dataset_made_anew(datasets: Datasets) -> None:
    datasets.put_spec("brand", {"outcome": "revenue"})
    seen = datasets.manifest("brand")
    datasets.delete("brand")
    datasets.put_spec("brand", {"outcome": "revenue"})  # the same, but another dataset
    with pytest.raises(WriteConflict):
        datasets.put_history("brand", b"1", "text/csv", seen=seen)
    with pytest.raises(NotFound):
        datasets.get_history("brand")


def test_a_promotion_meanwhile_does_not_cost_an_upload(datasets: Datasets) -> None:
    with_curves(datasets, V1)
    seen = datasets.manifest("brand")
    datasets.promote("brand", V1)
    datasets.put_history("brand", b"new", "text/csv", seen=seen)
    assert datasets.get_history("brand").data == b"new"
    assert datasets.current("brand") == V1


def test_of_many_uploads_from_one_state_one_wins_and_is_whole(datasets: Datasets) -> None:
    datasets.put_spec("brand", {})
    seen = datasets.manifest("brand")
    won: list[bytes] = []
    lost: list[bytes] = []
    start = threading.Barrier(6)

    def put(data: bytes) -> None:
        start.wait()
        try:
            datasets.put_history("brand", data, "text/csv", seen=seen)
        except WriteConflict:
            lost.append(data)
        else:
            won.append(data)

    threads = [threading.Thread(target=put, args=(b"%d" % i * 1000,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)
    assert datasets.get_history("brand").data == won[0]


def test_of_two_that_make_a_dataset_one_wins(datasets: Datasets) -> None:
    won = []
    start = threading.Barrier(4)

    def put(data: bytes) -> None:
        start.wait()
        try:
            datasets.put_history("brand", data, "text/csv")
        except WriteConflict:
            return
        won.append(data)

    threads = [threading.Thread(target=put, args=(b"%d" % i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One after the other, several may win: then the last of them is stored.
    assert datasets.get_history("brand").data in won


# -- listing and deleting -------------------------------------------------------------------------


def test_datasets_are_listed_across_pages(datasets: Datasets) -> None:
    assert datasets.list() == ()
    names = [f"brand-{i}" for i in range(11)]
    for name in names:
        datasets.put_spec(name, {})
    assert sorted(datasets.names()) == sorted(names)
    assert sorted(m.dataset for m in datasets.list()) == sorted(names)


def test_a_deleted_dataset_leaves_nothing_and_its_neighbours_everything(
    datasets: Datasets, blobs: BlobStore, clock: Clock
) -> None:
    with_curves(datasets, V1)
    datasets.create_run(run_of(datasets.manifest("brand").incarnation))
    with_curves(datasets, V1, dataset="brand-2")
    with_curves(datasets, V1, dataset="bran")
    datasets.delete("brand")
    with pytest.raises(NotFound):
        datasets.get_history("brand")
    with pytest.raises(NotFound):
        datasets.delete("brand")
    assert sorted(datasets.names()) == ["bran", "brand-2"]
    assert len(datasets.versions("brand-2")) == len(datasets.versions("bran")) == 1
    clock.advance(2 * 3600)
    assert datasets.has_deleted()
    assert datasets.sweep_deleted() == 1
    assert not datasets.has_deleted()
    assert [key for key in blobs.keys("") if "/brand/" in key] == []


def test_a_recreated_dataset_sees_nothing_of_the_old_one(datasets: Datasets) -> None:
    with_curves(datasets, V1)
    datasets.create_run(run_of(datasets.manifest("brand").incarnation))
    datasets.promote("brand", V1)
    datasets.curves("brand")  # kept parsed
    datasets.delete("brand")
    datasets.put_spec("brand", {})
    assert datasets.versions("brand") == ()
    for get in (
        lambda: datasets.curves("brand"),
        lambda: datasets.curves("brand", V1),
        lambda: datasets.get_history("brand"),
        lambda: datasets.read_run("brand", "r0123456789ab"),
    ):
        with pytest.raises(NotFound):
            get()


def test_an_upload_that_outlives_its_dataset_is_lost_and_swept(
    datasets: Datasets, blobs: BlobStore, clock: Clock
) -> None:
    datasets.put_spec("brand", {})
    seen = datasets.manifest("brand")
    datasets.delete("brand")
    with pytest.raises(WriteConflict):
        datasets.put_history("brand", b"late", "text/csv", seen=seen)
    assert datasets.find("brand") is None
    assert list(blobs.keys("inputs/brand/")) != []
    clock.advance(2 * 3600)
    datasets.sweep_deleted()
    assert list(blobs.keys("")) == []


def test_sweeping_spares_a_dataset_whose_deletion_never_happened(
    datasets: Datasets, blobs: BlobStore, clock: Clock
) -> None:
    datasets.put_history("brand", b"1", "text/csv")
    incarnation = datasets.manifest("brand").incarnation
    blobs.create(f"deleted/brand/{incarnation}.json", b'{"deleted_at":"2025-03-09T02:15:00.000Z"}')
    clock.advance(2 * 3600)
    assert datasets.sweep_deleted() == 0
    assert datasets.get_history("brand").data == b"1"
    datasets.delete("brand")
    datasets.sweep_deleted()
    assert list(blobs.keys("")) == []
