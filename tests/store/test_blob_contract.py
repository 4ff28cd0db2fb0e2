"""What every ``BlobStore`` promises, asked of the one in memory and of Azurite."""

from __future__ import annotations

import threading

import pytest

from shared.errors import NotFound, WriteConflict
from shared.store.base import BlobStore


def test_what_is_created_is_read_back_with_its_etag(blobs: BlobStore) -> None:
    etag = blobs.create("a/b/c.json", b"\x00\xff text")
    blob = blobs.read("a/b/c.json")
    assert blob.data == b"\x00\xff text"
    assert blob.etag == etag
    assert etag.startswith('"')
    assert etag.endswith('"')


def test_an_empty_blob_is_a_blob(blobs: BlobStore) -> None:
    blobs.create("empty", b"")
    assert blobs.read("empty").data == b""


def test_a_blob_of_several_megabytes_comes_back_whole(blobs: BlobStore) -> None:
    data = bytes(range(256)) * 4 * 1024 * 6
    blobs.create("large", data)
    assert blobs.read("large").data == data


def test_reading_nothing_is_not_found(blobs: BlobStore) -> None:
    with pytest.raises(NotFound):
        blobs.read("absent")  # not even the container is there
    blobs.create("present", b"1")
    with pytest.raises(NotFound):
        blobs.read("absent")


def test_creating_twice_conflicts_and_keeps_the_first(blobs: BlobStore) -> None:
    blobs.create("once", b"first")
    with pytest.raises(WriteConflict):
        blobs.create("once", b"second")
    assert blobs.read("once").data == b"first"


def test_replacing_needs_the_current_etag(blobs: BlobStore) -> None:
    first = blobs.create("doc", b"1")
    second = blobs.replace("doc", b"2", first)
    assert second != first
    with pytest.raises(WriteConflict):
        blobs.replace("doc", b"3", first)
    assert blobs.read("doc").data == b"2"
    assert blobs.read("doc").etag == second


def test_rewriting_equal_bytes_is_a_write_all_the_same(blobs: BlobStore) -> None:
    first = blobs.create("doc", b"same")
    assert blobs.replace("doc", b"same", first) != first


def test_replacing_nothing_conflicts(blobs: BlobStore) -> None:
    etag = blobs.create("doc", b"1")
    blobs.delete("doc")
    with pytest.raises(WriteConflict):
        blobs.replace("doc", b"2", etag)
    with pytest.raises(NotFound):
        blobs.read("doc")


def test_deleting_nothing_is_no_error(blobs: BlobStore) -> None:
    blobs.delete("absent")
    etag = blobs.create("doc", b"1")
    blobs.delete("doc")
    blobs.delete("doc")
    blobs.delete("doc", etag)


def test_deleting_with_an_old_etag_conflicts_and_deletes_nothing(blobs: BlobStore) -> None:
    first = blobs.create("doc", b"1")
    second = blobs.replace("doc", b"2", first)
    with pytest.raises(WriteConflict):
        blobs.delete("doc", first)
    assert blobs.read("doc").data == b"2"
    blobs.delete("doc", second)
    with pytest.raises(NotFound):
        blobs.read("doc")


def test_keys_come_in_order_across_pages_and_only_below_the_prefix(blobs: BlobStore) -> None:
    assert list(blobs.keys("x/")) == []
    names = ["x/a", "x/a-b", "x/a.json", "x/a/1", "x/a/2", "x/a_b", "x/b", "x/c/d/e"]
    for name in [*reversed(names), "w", "xx/y", "y/a"]:
        blobs.create(name, b"")
    assert list(blobs.keys("x/")) == names == sorted(names)
    assert list(blobs.keys("x/a/")) == ["x/a/1", "x/a/2"]
    assert len(list(blobs.keys(""))) == len(names) + 3


def test_folders_are_named_once_each_across_pages(blobs: BlobStore) -> None:
    assert list(blobs.folders("d/")) == []
    for name in ("one", "one-b", "two", "three", "four", "five"):
        for leaf in ("a", "b", "c", "d"):
            blobs.create(f"d/{name}/{leaf}", b"")
    blobs.create("d/file", b"")
    blobs.create("dd/other/x", b"")
    assert sorted(blobs.folders("d/")) == ["five", "four", "one", "one-b", "three", "two"]
    assert len(list(blobs.folders("d/"))) == 6


def test_of_many_writers_with_one_etag_exactly_one_wins(blobs: BlobStore) -> None:
    etag = blobs.create("doc", b"start")
    won: list[bytes] = []
    start = threading.Barrier(8)

    def write(data: bytes) -> None:
        start.wait()
        try:
            blobs.replace("doc", data, etag)
        except WriteConflict:
            return
        won.append(data)

    run_all([threading.Thread(target=write, args=(b"%d" % i,)) for i in range(8)])
    assert len(won) == 1
    assert blobs.read("doc").data == won[0]


def test_of_many_creators_exactly_one_wins(blobs: BlobStore) -> None:
    won: list[bytes] = []
    start = threading.Barrier(8)

    def write(data: bytes) -> None:
        start.wait()
        try:
            blobs.create("new", data)
        except WriteConflict:
            return
        won.append(data)

    run_all([threading.Thread(target=write, args=(b"%d" % i,)) for i in range(8)])
    assert len(won) == 1
    assert blobs.read("new").data == won[0]


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../x", "a/../b", ".", "a/.", "a b", "ä", "a\n", "a\\b", "a?b"]
)
def test_a_key_that_could_mean_another_is_refused(blobs: BlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="storage key"):
        blobs.create(key, b"")
    with pytest.raises(ValueError, match="storage key"):
        blobs.read(key)
    with pytest.raises(ValueError, match="storage key"):
        blobs.delete(key)


def test_ping_answers_before_anything_is_there(blobs: BlobStore) -> None:
    blobs.ping()
    assert list(blobs.keys("")) == []


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
