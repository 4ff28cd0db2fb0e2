"""Walks over raw JSON of any shape.

Whatever has the wrong type is stepped over, not tripped over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

__all__ = [
    "Json",
    "entries",
    "named",
    "number",
    "numbers",
    "objects",
    "part",
    "periods_of",
    "texts",
]

Json = Mapping[str, Any]


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
