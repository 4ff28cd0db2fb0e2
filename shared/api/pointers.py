"""Where a fault is, and what its name may have meant."""

from __future__ import annotations

from collections.abc import Iterable

from shared.errors import near_names

__all__ = ["MAX_FAULTS", "did_you_mean", "pointer_to"]

MAX_FAULTS = 200
"""Faults told in one answer: whoever has more of them does not read further."""


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
