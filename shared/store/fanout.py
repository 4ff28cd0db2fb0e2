"""Several storage calls at once, in bounded batches: for thousands of small blobs or messages."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["BATCH", "batches", "each"]

BATCH = 256
_AT_ONCE = 8  # below the SDK's connection pool of 10; more would only open and drop connections

T = TypeVar("T")
U = TypeVar("U")


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Lists of up to ``size``, taken as they are asked for.

    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    rest = iter(items)
    while batch := list(itertools.islice(rest, size)):
        yield batch


def each(call: Callable[[T], U], arguments: Iterable[T]) -> Iterator[U]:
    """``map(call, arguments)`` in order, several at a time; the first error is raised."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for batch in batches(arguments):
            yield from pool.map(call, batch)
