"""The two documents that change: a dataset's manifest and a refit's run; and a stored curve set.

All are plain, frozen data with a JSON form. Times are UTC, written as RFC 3339 with milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shared.curves.curveset import CurveSet
from shared.errors import MalformedInput

__all__ = [
    "TERMINAL_STATES",
    "Asked",
    "Document",
    "Inputs",
    "Manifest",
    "Promotion",
    "Run",
    "StoredCurves",
    "VersionEntry",
    "from_stamp",
    "stamp",
    "to_json",
]

TERMINAL_STATES = frozenset(
    {"promoted", "kept_previous", "stored", "failed", "completed", "terminated"}
)

# How many promotions a manifest remembers: more than a year of nightly ones.
_PROMOTIONS_KEPT = 400


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC; a naive time is refused, for nobody knows which hour it means.

    >>> stamp(datetime(2025, 3, 9, 2, 15, tzinfo=UTC))
    '2025-03-09T02:15:00.000Z'
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_stamp(text: str) -> datetime:
    return datetime.fromisoformat(text)


def to_json(document: Any) -> bytes:
    """Compact JSON; NaN and Infinity are refused before they are stored."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Document:
    """One stored input as it was put: its bytes, what they are, and its ETag."""

    data: bytes
    content_type: str
    etag: str

    def table(self) -> bytes | list[dict[str, Any]]:
        """A table as it was sent: CSV bytes, or JSON records; ``MalformedInput`` if neither."""
        if self.content_type != "application/json":
            return self.data
        try:
            rows: list[dict[str, Any]] = json.loads(self.data)
        except ValueError:
            raise MalformedInput.at("", "malformed_json", "The stored rows are no JSON.") from None
        return rows


@dataclass(frozen=True, slots=True)
class Inputs:
    """Versions (by content) of what a fit starts from; None where nothing was put yet."""

    spec: str | None = None
    history: str | None = None
    outcomes: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        return {"spec": self.spec, "history": self.history, "outcomes": self.outcomes}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done with a table that was sent.

    Attributes
    ----------
    part
        ``"history"`` or ``"outcomes"``.
    how
        ``"put"`` in place of what is there; ``"patch"``: its dates renewed; ``"source"``: one of
        several tables.
    source
        The name of that one of several, whose dates alone a ``"patch"`` renews then.
    if_match
        The ETag that the part must have; None for any.
    version
        Of the table as it came, where it waits to be read.
    result
        The version that it becomes, known once it was read.
    """

    part: str
    how: str = "put"
    source: str = ""
    if_match: str | None = None
    version: str = ""
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """One entry of a dataset's log: this version became the current one."""

    version: str
    at: str
    key: str | None = None  # by which the same request is known when it is sent again


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that a dataset is at this moment; ``etag`` is that of the document itself."""

    dataset: str
    incarnation: str
    created_at: str
    updated_at: str
    inputs: Inputs = Inputs()
    curves: str | None = None
    promotions: tuple[Promotion, ...] = ()
    write: str = ""
    etag: str = ""

    def was_promoted(self, version: str) -> bool:
        return any(entry.version == version for entry in self.promotions)

    def with_curves(self, version: str, at: str, key: str | None = None) -> Manifest:
        """The manifest with ``version`` current, and so logged."""
        log = (*self.promotions, Promotion(version, at, key))[-_PROMOTIONS_KEPT:]
        return replace(self, curves=version, promotions=log)

    def to_bytes(self) -> bytes:
        return to_json(
            {
                "dataset": self.dataset,
                "incarnation": self.incarnation,
                "created_at": self.created_at,
                "updated_at": self.updated_at,
                "inputs": self.inputs.to_dict(),
                "curves": self.curves,
                "promotions": [
                    [entry.version, entry.at, *([entry.key] if entry.key else [])]
                    for entry in self.promotions
                ],
                "write": self.write,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, etag: str) -> Manifest:
        document = json.loads(data)
        return cls(
            dataset=document["dataset"],
            incarnation=document["incarnation"],
            created_at=document["created_at"],
            updated_at=document["updated_at"],
            inputs=Inputs(**document["inputs"]),
            curves=document["curves"],
            promotions=tuple(Promotion(*entry) for entry in document["promotions"]),
            write=document["write"],
            etag=etag,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """A refit, the reading of a large table, or a job, from the queue to its end.

    ``inputs`` were pinned when it was queued; ``force`` asks for a fit though nothing changed, and
    ``unchanged`` says that for that reason none was made. ``holder`` works on it until
    ``lease_until``, unless it says otherwise before; both are empty where nobody does.
    ``curves_version`` is the set that this run wrote, promoted or not. ``upload`` is the table that
    is to be read in place of a fit; ``report`` is then what an upload is answered, ``errors`` what
    was wrong with it. ``question`` is the name of the endpoint that a job asks.
    """

    dataset: str
    incarnation: str
    run: str
    state: str
    created_at: str
    inputs: Inputs
    started_at: str | None = None
    finished_at: str | None = None
    attempt: int = 0
    stage: str = "queued"
    fraction: float = 0.0
    reasons: tuple[str, ...] = ()
    last_error: str | None = None
    curves_version: str | None = None
    holder: str = ""
    lease_until: str = ""
    force: bool = False
    unchanged: bool = False
    upload: Asked | None = None
    report: Mapping[str, Any] | None = None
    errors: tuple[Mapping[str, str], ...] = ()
    question: str | None = None
    write: str = ""
    etag: str = ""

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL_STATES

    def leased_at(self, now: datetime) -> bool:
        """Whether somebody holds it at ``now``."""
        return bool(self.holder) and now < from_stamp(self.lease_until)

    def to_dict(self) -> dict[str, Any]:
        """What a caller sees; who holds it, and storage's own words, stay inside."""
        return {
            "dataset": self.dataset,
            "run": self.run,
            "state": self.state,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "attempt": self.attempt,
            "progress": {"stage": self.stage, "fraction": self.fraction},
            "reasons": list(self.reasons),
            "curves_version": self.curves_version,
            "history_version": self.inputs.history,
            "unchanged": self.unchanged,
            "upload": self.upload and {"part": self.upload.part, "how": self.upload.how},
            "report": self.report,
            "errors": list(self.errors),
        }

    def to_bytes(self) -> bytes:
        return to_json(
            {
                "dataset": self.dataset,
                "incarnation": self.incarnation,
                "run": self.run,
                "state": self.state,
                "created_at": self.created_at,
                "inputs": self.inputs.to_dict(),
                "started_at": self.started_at,
                "finished_at": self.finished_at,
                "attempt": self.attempt,
                "stage": self.stage,
                "fraction": self.fraction,
                "reasons": list(self.reasons),
                "last_error": self.last_error,
                "curves_version": self.curves_version,
                "holder": self.holder,
                "lease_until": self.lease_until,
                "force": self.force,
                "unchanged": self.unchanged,
                "upload": self.upload and asdict(self.upload),
                "report": self.report,
                "errors": list(self.errors),
                "question": self.question,
                "write": self.write,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, etag: str) -> Run:
        document = json.loads(data)
        document["inputs"] = Inputs(**document["inputs"])
        document["reasons"] = tuple(document["reasons"])
        document["errors"] = tuple(document.get("errors") or ())
        document["upload"] = Asked(**document["upload"]) if document.get("upload") else None
        return cls(**document, etag=etag)


@dataclass(frozen=True, slots=True)
class StoredCurves:
    """A curve set as it is stored: with the gate's verdict and with what it was judged against.

    ``based_on`` is the version that was current when the fit began; a set is promoted only while
    that is still so. ``fitted_from`` stands for all that the fit follows from; None of what was not
    fitted here.
    """

    curve_set: CurveSet
    run: str
    queued_at: str
    promote: bool
    reasons: tuple[str, ...]
    based_on: str | None
    fitted_from: str | None = None

    def to_bytes(self) -> bytes:
        return to_json(
            {
                "curve_set": self.curve_set.to_dict(),
                "run": self.run,
                "queued_at": self.queued_at,
                "promote": self.promote,
                "reasons": list(self.reasons),
                "based_on": self.based_on,
                "fitted_from": self.fitted_from,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> StoredCurves:
        document = json.loads(data)
        return cls(
            curve_set=CurveSet.from_dict(document["curve_set"]),
            run=document["run"],
            queued_at=document["queued_at"],
            promote=document["promote"],
            reasons=tuple(document["reasons"]),
            based_on=document["based_on"],
            fitted_from=document.get("fitted_from"),
        )


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One line of a dataset's list of curve versions."""

    version: str
    created_at: str
    run: str
    current: bool
    promoted: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "created_at": self.created_at,
            "run": self.run,
            "current": self.current,
            "promoted": self.promoted,
        }
