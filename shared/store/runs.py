"""Runs of refits: one document each, changed by ETag only."""

from __future__ import annotations

import secrets
from dataclasses import replace

from shared.errors import NotFound, WriteConflict
from shared.store.base import BlobStore
from shared.store.keys import RUNS, blob_key, is_incarnation, is_run_id
from shared.store.records import Run

__all__ = ["Runs"]


class Runs:
    """The run documents of all datasets."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def create(self, run: Run) -> Run:
        """Write a new run; ``WriteConflict`` where there is one of that id."""
        new = replace(run, write=secrets.token_hex(8))
        try:
            return replace(new, etag=self._blobs.create(_key(new), new.to_bytes()))
        except WriteConflict:
            return self._own_write(new)

    def find(self, dataset: str, incarnation: str, run: str) -> Run | None:
        """The run as it stands; None where there is none, or where these can be no ids."""
        if not (is_incarnation(incarnation) and is_run_id(run)):
            return None
        try:
            blob = self._blobs.read(blob_key(RUNS, dataset, incarnation, f"{run}.json"))
        except NotFound:
            return None
        return Run.from_bytes(blob.data, blob.etag)

    def update(self, run: Run) -> Run:
        """Write a run that was read before; ``WriteConflict`` where it changed (or went) since."""
        new = replace(run, write=secrets.token_hex(8))
        try:
            return replace(new, etag=self._blobs.replace(_key(new), new.to_bytes(), run.etag))
        except WriteConflict:
            return self._own_write(new)

    def delete(self, run: Run) -> None:
        """Take back a run that was never queued; ``WriteConflict`` where it changed since."""
        self._blobs.delete(_key(run), run.etag)

    def _own_write(self, new: Run) -> Run:
        # Written, but the answer was lost and the write sent again? Then it lost against itself.
        found = self.find(new.dataset, new.incarnation, new.run)
        if found is None or found.write != new.write:
            raise WriteConflict(f"The run {new.run!r} was changed by somebody else meanwhile.")
        return found


def _key(run: Run) -> str:
    return blob_key(RUNS, run.dataset, run.incarnation, f"{run.run}.json")
