"""Curve sets, each written once under its version: ``v<UTC time of its run's start>-<run>``."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import UTC, datetime

from shared.curves.curveset import CurveSet
from shared.errors import NotFound
from shared.store.base import BlobStore
from shared.store.keys import CURVES, blob_key, is_curves_version
from shared.store.records import Manifest, Run, StoredCurves, VersionEntry

__all__ = ["Versions", "version_name"]

_CACHED = 16


def version_name(started_at: datetime, run: str) -> str:
    """A version's name: sorts by time, and the same run always has the same.

    >>> version_name(datetime(2025, 3, 9, 2, 15, tzinfo=UTC), "nightly-20250309")
    'v20250309T021500Z-nightly-20250309'
    """
    return f"v{started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{run}"


class Versions:
    """The stored curve sets of all datasets, the last few kept parsed."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._parsed: OrderedDict[tuple[str, str, str], CurveSet] = OrderedDict()
        self._lock = threading.Lock()

    def create(self, place: Manifest | Run, stored: StoredCurves) -> None:
        """Write a set under its own version; a second time is a ``WriteConflict``."""
        key = _key(place.dataset, place.incarnation, stored.curve_set.version)
        self._blobs.create(key, stored.to_bytes())

    def remove(self, place: Manifest | Run, version: str) -> None:
        """Take back a set that nothing came to refer to."""
        self._blobs.delete(_key(place.dataset, place.incarnation, version))

    def find(self, place: Manifest | Run, version: str) -> StoredCurves | None:
        """A set with its gate's verdict; None where the dataset has no such version."""
        if not is_curves_version(version):
            return None
        try:
            blob = self._blobs.read(_key(place.dataset, place.incarnation, version))
        except NotFound:
            return None
        return StoredCurves.from_bytes(blob.data)

    def curve_set(self, manifest: Manifest, version: str) -> CurveSet:
        """The set alone; ``NotFound`` where the dataset has no such version."""
        cached = (manifest.dataset, manifest.incarnation, version)
        with self._lock:
            if cached in self._parsed:
                self._parsed.move_to_end(cached)
                return self._parsed[cached]
        stored = self.find(manifest, version)
        if stored is None:
            raise NotFound(f"The dataset {manifest.dataset!r} has no curves of that version.")
        with self._lock:
            self._parsed[cached] = stored.curve_set
            while len(self._parsed) > _CACHED:
                self._parsed.popitem(last=False)
        return stored.curve_set

    def entries(self, manifest: Manifest) -> tuple[VersionEntry, ...]:
        """All versions of a dataset, newest first; from their names, so that none is read."""
        prefix = f"{CURVES}/{manifest.dataset}/{manifest.incarnation}/"
        names = (key[len(prefix) :].removesuffix(".json") for key in self._blobs.keys(prefix))
        entries = [_entry(manifest, name) for name in names if is_curves_version(name)]
        return tuple(reversed(entries))


def _entry(manifest: Manifest, version: str) -> VersionEntry:
    at, _, run = version[1:].partition("-")
    return VersionEntry(
        version=version,
        created_at=f"{at[:4]}-{at[4:6]}-{at[6:8]}T{at[9:11]}:{at[11:13]}:{at[13:15]}Z",
        run=run,
        current=version == manifest.curves,
        promoted=manifest.was_promoted(version),
    )


def _key(dataset: str, incarnation: str, version: str) -> str:
    return blob_key(CURVES, dataset, incarnation, f"{version}.json")
