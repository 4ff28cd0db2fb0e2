"""Races in the one place where they are decided, made to happen at will."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from shared.errors import NotFound, StorageUnavailable, WriteConflict
from shared.store.datasets import Datasets
from shared.store.memory import MemoryBlobs
from tests.fit.refit_world import Faults, FaultyBlobs, fails_at
from tests.store.samples import Clock, run_of, stored

V1 = "v20250309T021500Z-nightly-20250309"
V2 = "v20250310T021500Z-nightly-20250310"


@dataclass
class Racing:
    """Blobs where somebody else gets in just before each of the next replacements."""

    inner: MemoryBlobs
    rivals: list[Callable[[], object]] = field(default_factory=list)

    def replace(self, key: str, data: bytes, etag: str) -> str:
        if self.rivals:
            self.rivals.pop(0)()
        return self.inner.replace(key, data, etag)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


@pytest.fixture
def racing() -> Racing:
    return Racing(MemoryBlobs())


@pytest.fixture
def mine(racing: Racing) -> Datasets:
    return Datasets(racing, Clock())  # type: ignore[arg-type]


@pytest.fixture
def theirs(racing: Racing) -> Datasets:
    datasets = Datasets(racing.inner, Clock())
    datasets.put_history("brand", b"1", "text/csv")
    run = run_of(datasets.manifest("brand").incarnation)
    for version in (V1, V2):
        datasets.save_curves(run, stored(version))
    return datasets


def test_a_rivals_promotion_in_the_last_moment_wins(
    racing: Racing, mine: Datasets, theirs: Datasets
) -> None:
    run = run_of(theirs.manifest("brand").incarnation)
    racing.rivals = [lambda: theirs.promote("brand", V1)]
    assert not mine.promote_over(run, V2, None)
    assert theirs.current("brand") == V1


def test_a_rival_that_promotes_the_same_set_is_no_rival(
    racing: Racing, mine: Datasets, theirs: Datasets
) -> None:
    run = run_of(theirs.manifest("brand").incarnation)
    racing.rivals = [lambda: theirs.promote("brand", V1)]
    assert mine.promote_over(run, V1, None)
    assert [p.version for p in theirs.manifest("brand").promotions] == [V1]


def test_an_upload_in_the_last_moment_stops_no_promotion(
    racing: Racing, mine: Datasets, theirs: Datasets
) -> None:
    run = run_of(theirs.manifest("brand").incarnation)
    racing.rivals = [lambda: theirs.put_history("brand", b"2", "text/csv")]
    assert mine.promote_over(run, V1, None)
    assert theirs.current("brand") == V1
    assert theirs.get_history("brand").data == b"2"


def test_an_upload_in_the_last_moment_beats_an_upload(
    racing: Racing, mine: Datasets, theirs: Datasets
) -> None:
    racing.rivals = [lambda: theirs.put_spec("brand", {"date": "day"})]
    with pytest.raises(WriteConflict, match="nothing was written"):
        mine.put_history("brand", b"2", "text/csv")
    assert theirs.get_history("brand").data == b"1"


def test_a_deletion_in_the_last_moment_beats_all(
    racing: Racing, mine: Datasets, theirs: Datasets
) -> None:
    run = run_of(theirs.manifest("brand").incarnation)
    racing.rivals = [lambda: theirs.delete("brand")]
    with pytest.raises(NotFound):
        mine.promote_over(run, V1, None)
    theirs.put_spec("brand", {})
    racing.rivals = [lambda: theirs.delete("brand")]
    with pytest.raises(WriteConflict):
        mine.put_history("brand", b"2", "text/csv")
    assert theirs.find("brand") is None


def test_rivals_without_end_are_told_as_trouble(
    racing: Racing, mine: Datasets, theirs: Datasets
) -> None:
    def promote() -> None:
        theirs.promote("brand", V2 if theirs.current("brand") == V1 else V1)

    racing.rivals = [promote] * 50
    with pytest.raises(StorageUnavailable, match="many at once"):
        mine.put_history("brand", b"2", "text/csv")
    assert theirs.get_history("brand").data == b"1"


def test_a_deletion_goes_through_whatever_is_written_meanwhile() -> None:
    blobs = MemoryBlobs()
    theirs = Datasets(blobs, Clock())
    theirs.put_history("brand", b"1", "text/csv")
    faults = Faults()

    def decide(count: int) -> str:
        if count == 3:  # the manifest was read, the note left
            theirs.put_history("brand", b"2", "text/csv")
        return ""

    faults.decide = decide
    Datasets(FaultyBlobs(blobs, faults), Clock()).delete("brand")
    assert theirs.find("brand") is None
    assert list(blobs.keys("inputs/")) == []


@pytest.mark.parametrize("k", range(1, 13))
def test_a_write_whose_answer_was_lost_is_known_as_ones_own(k: int) -> None:
    blobs = MemoryBlobs()
    datasets = Datasets(FaultyBlobs(blobs, fails_at(k, "sent twice")), Clock())
    etag = datasets.put_history("brand", b"1", "text/csv")
    datasets.put_spec("brand", {"date": "date"})
    run = datasets.create_run(run_of(datasets.manifest("brand").incarnation))
    assert datasets.update_run(run).write != run.write
    assert datasets.get_history("brand").etag == etag
    datasets.delete("brand")
    assert list(blobs.keys("inputs/")) == list(blobs.keys("runs/")) == []


@pytest.mark.parametrize("what", ["kill before", "kill after"])
def test_a_deletion_cut_short_leaves_the_dataset_whole_or_nothing(what: str) -> None:
    for k in range(1, 12):
        blobs, clock = MemoryBlobs(), Clock()
        datasets = Datasets(blobs, clock)
        datasets.put_history("brand", b"1", "text/csv")
        datasets.save_curves(run_of(datasets.manifest("brand").incarnation), stored(V1))
        try:
            Datasets(FaultyBlobs(blobs, fails_at(k, what)), clock).delete("brand")
        except BaseException:  # killed there
            clock.advance(7200)
            datasets.sweep_deleted()
        if datasets.find("brand") is None:
            clock.advance(7200)
            datasets.sweep_deleted()
            assert list(blobs.keys("")) == []
        else:
            assert datasets.get_history("brand").data == b"1"
            assert [entry.version for entry in datasets.versions("brand")] == [V1]


@pytest.mark.parametrize("what", ["kill before", "kill after"])
def test_an_upload_cut_short_leaves_the_old_state_or_the_new(what: str) -> None:
    for k in range(1, 6):
        blobs = MemoryBlobs()
        datasets = Datasets(blobs, Clock())
        datasets.put_history("brand", b"1", "text/csv")
        before = datasets.manifest("brand")
        try:
            Datasets(FaultyBlobs(blobs, fails_at(k, what)), Clock()).put_history(
                "brand", b"2", "application/json"
            )
        except BaseException:  # killed there
            if datasets.manifest("brand") == before:
                assert datasets.get_history("brand").data == b"1"
                datasets.put_history("brand", b"2", "application/json")
        assert datasets.get_history("brand").data == b"2"
        assert datasets.get_history("brand").content_type == "application/json"
