"""A table that was sent for a dataset -> what is to be stored of it, and what is said of it.

Small tables are judged while their sender waits, large ones by the queue's worker: in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.errors import NotFound
from shared.store.records import Asked, Manifest, to_json

if TYPE_CHECKING:
    from shared.history.parse import Upload
    from shared.store.datasets import Datasets

__all__ = ["Table", "judged", "spec_of", "stored_table"]

Table = bytes | list[dict[str, Any]] | dict[str, Any]
"""A table as it was sent: bytes, or JSON."""

_JSON = "application/json"


def stored_table(datasets: Datasets, manifest: Manifest | None, part: str) -> Table | None:
    """A stored history or outcomes; None where there are none."""
    document = None if manifest is None else datasets.read_input(manifest, part)
    return None if document is None else document.table()


def spec_of(datasets: Datasets, manifest: Manifest | None) -> Mapping[str, Any] | None:
    """The stored spec; None where there is none."""
    document = None if manifest is None else datasets.read_input(manifest, "spec")
    return None if document is None else json.loads(document.data)


def judged(
    datasets: Datasets, seen: Manifest | None, asked: Asked, table: Table, media: str
) -> tuple[bytes, str, dict[str, Any]]:
    """The bytes to store, their content type, and the report.

    Raises
    ------
    NotFound
        Rows to renew a history that is not there.
    InvalidInput, InputTooLarge
        A table that cannot be used, or not beside what the dataset holds.
    """
    from shared.history.parse import check_upload

    spec = spec_of(datasets, seen)
    if asked.part == "outcomes":
        # Alone first: faults of these very rows are told by their place in what was sent.
        report = check_upload(spec, None, table)
        history = stored_table(datasets, seen, "history")
        if history is not None:
            report = check_upload(spec, history, table)
        return _bytes(table), media, report.to_dict()
    found: tuple[Any, ...] = ()
    if asked.how != "put":
        from shared.history.merge import patched, with_source

        stored, media = stored_table(datasets, seen, "history"), _JSON
        if asked.how == "patch" and stored is None:
            raise NotFound("The dataset has no history yet.")
        if asked.source:
            renew = asked.how == "patch"
            table, found = with_source(spec, stored, table, asked.source, renew=renew)
        elif stored is not None:
            table, found = patched(spec, stored, table)
    report = check_upload(spec, table, stored_table(datasets, seen, "outcomes"))
    return _bytes(table), media, _with(report, found).to_dict()


def _with(report: Upload, found: tuple[Any, ...]) -> Upload:
    return replace(report, findings=(*found, *report.findings))


def _bytes(table: Table) -> bytes:
    return table if isinstance(table, bytes) else to_json(table)
