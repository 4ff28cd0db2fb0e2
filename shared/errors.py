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
from itertools import islice

__all__ = [
    "MAX_FAULTS",
    "Conflict",
    "Fault",
    "Infeasible",
    "InputTooLarge",
    "InvalidInput",
    "MalformedInput",
    "MarginalError",
    "NotFound",
    "NotSupportedYet",
    "PreconditionFailed",
    "StorageUnavailable",
    "TakesTooLong",
    "UnsupportedContent",
    "WriteConflict",
    "did_you_mean",
    "near_names",
    "pointer_to",
]

MAX_FAULTS = 200
"""Faults told in one answer: whoever has more of them does not read further."""

_LETTERS, _COMPARED, _KNOWN = 64, 50, 1000
"""Letters of a name, and names of so many known ones, that a suggestion is looked for among."""


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


class PreconditionFailed(WriteConflict):
    """What is stored is not what the writer said it rests on (If-Match); nothing was written."""


class TakesTooLong(MarginalError):
    """The answer is not there when nobody can wait for it any longer."""


class StorageUnavailable(MarginalError):
    """Storage did not answer; ``retry_after_s`` says when to try again."""

    def __init__(self, detail: str, retry_after_s: int = 5) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(detail)


def near_names(wanted: str, known: Iterable[str]) -> list[str]:
    """The known names that ``wanted`` may have meant, at most two, the nearest first.

    Near are names that share most of their letters, in order: twice the longest common subsequence
    over the letters of both, at least .6 and hardly less than that of the nearest. Its length comes
    from Hyyrö, Bit-parallel LCS-length computation revisited (2004): a word of bits a letter,
    whatever the names are like. Of very many names those with the same first letter are compared.

    >>> near_names("max_spent", ["min_spend", "max_spend", "locked"])
    ['max_spend']
    """
    asked = wanted[:_LETTERS].casefold()
    places: dict[str, int] = {}
    for place, letter in enumerate(asked):
        places[letter] = places.get(letter, 0) | 1 << place
    everywhere = (1 << len(asked)) - 1
    maybe: list[tuple[str, int, str]] = []
    for name in islice(known, _KNOWN):
        other = name[:_LETTERS].casefold()
        if min(len(asked), len(other)) >= 0.3 * (len(asked) + len(other)) > 0:
            maybe.append((other, len(asked) + len(other), name))
    maybe.sort(key=lambda item: item[0][:1] != asked[:1])
    near: list[tuple[float, str]] = []
    for other, letters, name in maybe[:_COMPARED]:
        left = everywhere
        for letter in other:
            here = left & places.get(letter, 0)
            left = ((left + here) | (left - here)) & everywhere
        share = 2 * (len(asked) - left.bit_count()) / letters
        if share >= 0.6:
            near.append((share, name))
    near.sort(key=lambda pair: -pair[0])
    return [name for share, name in near if share >= near[0][0] - 0.15][:2]


def pointer_to(*tokens: str | int) -> str:
    """An RFC 6901 JSON pointer.

    >>> pointer_to("channels", 0, "a/b~c")
    '/channels/0/a~1b~0c'
    """
    return "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in tokens)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion to append to a message, or nothing.

    >>> did_you_mean("max_spent", ["min_spend", "max_spend", "locked"])
    " Did you mean 'max_spend'?"
    >>> did_you_mean("zebra", ["tv"])
    ''
    """
    close = near_names(name, known)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
