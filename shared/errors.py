"""Every exception that Marginal raises on purpose.

::

    MarginalError
    ├── InvalidInput            a request, spec or history that cannot be used, every fault named
    │   ├── MalformedInput      not even JSON, UTF-8 or CSV
    │   └── NotSupportedYet     well formed and in the contract, but not built yet
    ├── Infeasible              well formed, but no plan satisfies it; names the smallest conflict
    ├── InputTooLarge           more bytes, channels or depth than the service takes
    ├── UnsupportedContent      a content type that the service does not read
    ├── NotFound                no dataset, version or run of that name
    ├── WriteConflict           somebody else wrote first (a lost ETag race); nothing was changed
    └── StorageUnavailable      storage did not answer; worth another try after a while

None of them knows HTTP: ``api/http.py`` holds the one table from exception to status.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "Conflict",
    "Fault",
    "Infeasible",
    "InputTooLarge",
    "InvalidInput",
    "MalformedInput",
    "MarginalError",
    "NotFound",
    "NotSupportedYet",
    "StorageUnavailable",
    "UnsupportedContent",
    "WriteConflict",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input.

    ``pointer`` is an RFC 6901 JSON pointer into the request (``/channels/0/max_spend``); for a
    history it is ``/rows/<row>/<column>``, the row counted as a spreadsheet shows it (header = 1).
    """

    pointer: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """One member of the smallest set of constraints that cannot hold together.

    ``name`` is the caller's own (``tv.min_spend``, ``budget``, a constraint's name); ``missed_by``
    is how much money the set as a whole misses feasibility by.
    """

    name: str
    message: str
    missed_by: float


class MarginalError(Exception):
    """Base of all; ``str(error)`` is a sentence fit for a caller to read."""


class InvalidInput(MarginalError):
    """Input that cannot be used; carries every fault found, not just the first."""

    def __init__(self, faults: Iterable[Fault], detail: str | None = None) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        if detail is None:
            detail = " ".join(f.message for f in self.faults[:3]) or "The input cannot be used."
        super().__init__(detail)

    @classmethod
    def at(cls, pointer: str, code: str, message: str) -> InvalidInput:
        """The common case of a single fault."""
        return cls((Fault(pointer, code, message),))


class MalformedInput(InvalidInput):
    """Not JSON, not UTF-8, not a table: nothing in it could be located by name."""


class NotSupportedYet(InvalidInput):
    """The contract knows it; this version does not build it. Never answered by a fallback."""


class Infeasible(MarginalError):
    """No plan satisfies the request; ``conflicts`` is a smallest set that cannot hold together."""

    def __init__(self, detail: str, conflicts: Sequence[Conflict]) -> None:
        self.conflicts: tuple[Conflict, ...] = tuple(conflicts)
        super().__init__(detail)


class InputTooLarge(MarginalError):
    """Beyond a stated limit of size."""


class UnsupportedContent(MarginalError):
    """A content type that the endpoint does not read."""


class NotFound(MarginalError):
    """No such dataset, version or run."""


class WriteConflict(MarginalError):
    """The stored object changed since it was read (or exists already); nothing was written."""


class StorageUnavailable(MarginalError):
    """Storage did not answer; ``retry_after_s`` says when to try again."""

    def __init__(self, detail: str, retry_after_s: int = 5) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(detail)
