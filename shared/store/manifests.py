"""A dataset's manifest: found, made, changed and deleted, always by ETag.

Every write carries a token of its own. A write may reach storage though its answer was lost, and be
sent again; it then loses against itself, and the token in what is read back tells so.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from shared.errors import NotFound, StorageUnavailable, WriteConflict
from shared.store.base import BlobStore
from shared.store.keys import DATASETS, blob_key, check_dataset_name, is_dataset_name
from shared.store.records import Manifest, stamp

__all__ = ["Clock", "Manifests", "utc_now"]

Clock = Callable[[], datetime]

_ATTEMPTS = 10


def utc_now() -> datetime:
    return datetime.now(UTC)


class Manifests:
    """One mutable document a dataset; a dataset exists exactly while it has one."""

    def __init__(self, blobs: BlobStore, clock: Clock = utc_now) -> None:
        self._blobs = blobs
        self._clock = clock

    def find(self, dataset: str) -> Manifest | None:
        check_dataset_name(dataset)
        try:
            blob = self._blobs.read(_key(dataset))
        except NotFound:
            return None
        return Manifest.from_bytes(blob.data, blob.etag)

    def get(self, dataset: str) -> Manifest:
        manifest = self.find(dataset)
        if manifest is None:
            raise NotFound(f"There is no dataset {dataset!r}.")
        return manifest

    def names(self) -> Iterator[str]:
        """Names of all datasets, fetched page by page."""
        return filter(is_dataset_name, self._blobs.folders(f"{DATASETS}/"))

    def blank(self, dataset: str) -> Manifest:
        """What a dataset starts from; nothing is written yet."""
        now = stamp(self._clock())
        return Manifest(
            dataset=check_dataset_name(dataset),
            incarnation=secrets.token_hex(6),
            created_at=now,
            updated_at=now,
        )

    def flip(
        self,
        seen: Manifest,
        change: Callable[[Manifest], Manifest],
        still_holds: Callable[[Manifest], bool],
    ) -> Manifest:
        """Write ``change(seen)`` while the manifest is still ``seen``, but for what does not count.

        Parameters
        ----------
        seen
            As read before, or from ``blank`` for a dataset that is not there yet.
        change
            Applied to whatever the manifest is by then.
        still_holds
            Asked of a manifest that somebody else wrote meanwhile: whether ``change`` may be
            applied on top of it.

        Raises
        ------
        WriteConflict
            Where it may not, or the dataset was deleted or made anew; nothing was changed.
        StorageUnavailable
            Where others keep writing.
        """
        token = secrets.token_hex(8)
        for _ in range(_ATTEMPTS):
            new = replace(change(seen), updated_at=stamp(self._clock()), write=token)
            key = _key(new.dataset)
            try:
                if seen.etag:
                    etag = self._blobs.replace(key, new.to_bytes(), seen.etag)
                else:
                    etag = self._blobs.create(key, new.to_bytes())
                return replace(new, etag=etag)
            except WriteConflict:
                now = self.find(new.dataset)
            if now is not None and now.write == token:
                return now
            if now is None or now.incarnation != seen.incarnation or not still_holds(now):
                raise WriteConflict(
                    f"The dataset {new.dataset!r} was changed by somebody else meanwhile; "
                    "nothing was written. Read it again and repeat."
                )
            seen = now
        raise StorageUnavailable(f"The dataset {seen.dataset!r} is being written by many at once.")

    def remove(self, seen: Manifest) -> None:
        """Delete the manifest, whatever it says by now, but never that of a later incarnation."""
        for _ in range(_ATTEMPTS):
            try:
                self._blobs.delete(_key(seen.dataset), seen.etag)
                return
            except WriteConflict:
                now = self.find(seen.dataset)
            if now is None or now.incarnation != seen.incarnation:
                return
            seen = now
        raise StorageUnavailable(f"The dataset {seen.dataset!r} is being written by many at once.")


def _key(dataset: str) -> str:
    return blob_key(DATASETS, dataset, "manifest.json")
