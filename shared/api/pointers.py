"""Where a fault is, and what its name may have meant: plain text, nothing to import."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

__all__ = ["MAX_FAULTS", "did_you_mean", "pointer_to"]

MAX_FAULTS = 200
"""Faults told in one answer: whoever has more of them does not read further."""

SUGGESTED_FROM = 300
"""Names that a suggestion is looked for among; more would take long and help nobody."""


def pointer_to(*tokens: str | int) -> str:
    """An RFC 6901 JSON pointer.

    >>> pointer_to("channels", 0, "a/b~c")
    '/channels/0/a~1b~0c'
    """
    return "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in tokens)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion to append to a message, or nothing.

    >>> did_you_mean("max_spent", ["min_spend", "max_spend", "locked"])
    " Did you mean 'max_spend' or 'min_spend'?"
    >>> did_you_mean("zebra", ["tv"])
    ''
    """
    from difflib import get_close_matches  # only a request with a fault needs it

    by_folded = {candidate.casefold(): candidate for candidate in islice(known, SUGGESTED_FROM)}
    close = get_close_matches(name.casefold()[:200], by_folded, n=2, cutoff=0.6)
    if not close:
        return ""
    return f" Did you mean {' or '.join(repr(by_folded[c]) for c in close)}?"
