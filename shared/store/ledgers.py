"""Ledgers: JSON documents of a dataset, each changed by one writer at a time, by its ETag.

A change is a function of what is stored, applied again where somebody else wrote first. It must do
nothing the second time: then a write whose answer was lost, and that is sent again, does no harm.
A ledger's bytes follow from its content alone. Notes are kept beside it, each written once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from shared.errors import InputTooLarge, NotFound, StorageUnavailable, WriteConflict
from shared.store.base import BlobStore, each
from shared.store.keys import blob_key, is_run_id
from shared.store.records import Manifest

__all__ = ["Ledgers"]

_ATTEMPTS = 10
_MOST_BYTES = 32_000_000

Document = dict[str, Any]


class Ledgers:
    """The ledgers of one room of storage, such as ``allocators``.

    Parameters
    ----------
    place
        Gives a dataset's manifest; ``NotFound`` where there is none.
    what
        One of them, as a sentence calls it.
    """

    def __init__(
        self, blobs: BlobStore, place: Callable[[str], Manifest], room: str, what: str
    ) -> None:
        self._blobs, self._place, self._room, self._what = blobs, place, room, what

    def names(self, dataset: str) -> Iterator[str]:
        """The names of a dataset's ledgers, in order."""
        prefix = f"{self._room}/{dataset}/{self._place(dataset).incarnation}/"
        below = (key[len(prefix) :] for key in self._blobs.keys(prefix))
        return (name.removesuffix(".json") for name in below if "/" not in name)

    def read(self, dataset: str, name: str) -> Document:
        """What a ledger says; ``NotFound`` where there is none."""
        return self._read(dataset, name)[0]

    def create(self, dataset: str, name: str, document: Document) -> Document:
        """Write a new ledger; the one that is there already where it begins with the same."""
        key, data = self._key(dataset, name), _bytes(document)
        try:
            self._blobs.create(key, data)
        except WriteConflict:
            found: Document = json.loads(self._blobs.read(key).data)
            if found.get("spec") != document.get("spec"):
                raise WriteConflict(
                    f"There is another {self._what} {name!r} already; nothing was written. "
                    "Delete it first, or give the new one another name."
                ) from None
            return found
        return document

    def change(
        self, dataset: str, name: str, change: Callable[[Document], Document | None]
    ) -> Document:
        """Write ``change`` of what is stored (None: nothing is to be written); what it is then."""
        for _ in range(_ATTEMPTS):
            found, etag = self._read(dataset, name)
            new = change(found)
            if new is None:
                return found
            try:
                self._blobs.replace(self._key(dataset, name), _bytes(new), etag)
                return new
            except WriteConflict:
                continue
        raise StorageUnavailable(f"The {self._what} {name!r} is being written by many at once.")

    def delete(self, dataset: str, name: str) -> None:
        """Delete a ledger after its notes; ``NotFound`` where there is none."""
        self._read(dataset, name)
        for _ in each(self._blobs.delete, self._notes(dataset, name)):
            pass
        self._blobs.delete(self._key(dataset, name))

    def note(self, dataset: str, name: str, word: str, document: Document) -> None:
        """Keep a note beside a ledger; the first of a word stays."""
        key = f"{self._key(dataset, name).removesuffix('.json')}/{word}.json"
        with suppress(WriteConflict):  # the same, sent again
            self._blobs.create(key, _bytes(document))

    def notes(self, dataset: str, name: str, most: int) -> list[Document]:
        """The last notes beside a ledger, by their words' order."""
        keys = list(self._notes(dataset, name))[-most:]
        return [json.loads(blob.data) for blob in each(self._blobs.read, keys)]

    def _notes(self, dataset: str, name: str) -> Iterator[str]:
        return self._blobs.keys(f"{self._key(dataset, name).removesuffix('.json')}/")

    def _read(self, dataset: str, name: str) -> tuple[Document, str]:
        try:
            blob = self._blobs.read(self._key(dataset, name))
        except NotFound:
            raise self._none(dataset, name) from None
        document: Document = json.loads(blob.data)
        return document, blob.etag

    def _key(self, dataset: str, name: str) -> str:
        manifest = self._place(dataset)
        if not is_run_id(name):
            raise self._none(dataset, name)
        return blob_key(self._room, dataset, manifest.incarnation, f"{name}.json")

    def _none(self, dataset: str, name: str) -> NotFound:
        return NotFound(f"The dataset {dataset!r} has no {self._what} {name[:60]!r}.")


def _bytes(document: Document) -> bytes:
    text = json.dumps(
        document, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    data = text.encode()
    if len(data) > _MOST_BYTES:
        raise InputTooLarge(
            f"More than {_MOST_BYTES // 1_000_000} MB would be kept in one place; begin a new one."
        )
    return data
