"""Where a fault is, what its name may have meant, and walks over raw JSON of any shape.

Whatever has the wrong type is stepped over, not tripped over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from shared.errors import near_names

__all__ = [
    "MAX_FAULTS",
    "Json",
    "did_you_mean",
    "entries",
    "named",
    "number",
    "numbers",
    "objects",
    "part",
    "periods_of",
    "pointer_to",
    "texts",
]

MAX_FAULTS = 200
"""Faults told in one answer: whoever has more of them does not read further."""

Json = Mapping[str, Any]


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


def named(items: Any) -> Iterator[tuple[int, str, Json]]:
    """Those entries of a list that are objects with a ``channel`` name: index, name, object."""
    for i, item in objects(items):
        if isinstance(item.get("channel"), str):
            yield i, item["channel"], item


def objects(value: Any) -> Iterator[tuple[int, Json]]:
    """Those entries of a list that are objects."""
    for i, item in entries(value):
        if isinstance(item, dict):
            yield i, item


def texts(value: Any) -> Iterator[tuple[int, str]]:
    """Those entries of a list that are text."""
    for i, item in entries(value):
        if isinstance(item, str):
            yield i, item


def entries(value: Any) -> Iterator[tuple[int, Any]]:
    """Entries of a list with their places; none of anything else."""
    return enumerate(value if isinstance(value, list) else ())


def number(item: Json, key: str) -> float | None:
    """A field that is a number, else None."""
    value = item.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def numbers(value: Any) -> TypeGuard[list[float]]:
    """Whether this is a list of numbers."""
    return isinstance(value, list) and all(type(x) in (int, float) for x in value)


def part(raw: Json, key: str) -> Json:
    """A field that is an object, else an empty one."""
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def periods_of(raw: Json) -> int | None:
    """How many periods a request plans; None where it does not say so in a way that can be read."""
    periods = part(raw, "horizon").get("periods")
    if periods is None:
        return 1
    if isinstance(periods, bool) or not isinstance(periods, int | float) or periods < 1:
        return None
    return int(periods) if periods == int(periods) else None
