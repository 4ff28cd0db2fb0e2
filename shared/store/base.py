"""What the rest of the house may ask of storage: blobs with ETags, and one queue.

Two implementations, ``blobs.py``/``queues.py`` (Azure SDK) and ``memory.py``, pass one contract
test suite. Everything is whole-blob: a reader sees all of a write or nothing of it.

``each`` makes several calls at once, in bounded ``batches``: for thousands of small blobs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

__all__ = ["Blob", "BlobStore", "Queue", "QueueMessage", "batches", "each"]

_BATCH = 256
_AT_ONCE = 8  # below the SDK's connection pool of 10; more would only open and drop connections

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of a blob and the ETag that they had when they were read."""

    data: bytes
    etag: str


class BlobStore(Protocol):
    """Blobs under ``/``-separated keys in one container."""

    def read(self, key: str) -> Blob:
        """Raise ``NotFound`` where there is no such blob."""

    def create(self, key: str, data: bytes) -> str:
        """Write a new blob and return its ETag; raise ``WriteConflict`` where it exists."""

    def replace(self, key: str, data: bytes, etag: str) -> str:
        """Overwrite the blob that still has ``etag``; else raise ``WriteConflict``."""

    def delete(self, key: str, etag: str | None = None) -> None:
        """Delete (only while it has ``etag``, if given); deleting nothing is no error."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that start with ``prefix``, in lexicographic order, fetched page by page."""

    def folders(self, prefix: str) -> Iterator[str]:
        """Names directly below ``prefix`` (which ends in ``/``) that have blobs below them."""

    def ping(self) -> None:
        """Raise ``StorageUnavailable`` where storage does not answer."""


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A received message: whoever holds ``receipt`` may delete it until it is visible again."""

    id: str
    receipt: str
    body: str
    dequeue_count: int


class Queue(Protocol):
    """An at-least-once queue of text messages with Azure Storage's visibility rules."""

    name: str

    def send(self, body: str, *, delay_s: int = 0) -> None:
        """Enqueue one message, invisible for ``delay_s``."""

    def send_many(self, bodies: Iterable[str]) -> int:
        """Enqueue several at once (concurrently where the transport allows); how many were sent."""

    def receive(self, *, visibility_s: int, limit: int = 1) -> Sequence[QueueMessage]:
        """Take up to ``limit`` visible messages and hide them for ``visibility_s``."""

    def delete(self, message: QueueMessage) -> None:
        """Delete a held message; ``WriteConflict`` where the receipt no longer holds."""

    def extend(self, message: QueueMessage, *, visibility_s: int) -> QueueMessage:
        """Hide a held message for longer; answers it with its new receipt."""

    def length(self) -> int:
        """About how many messages there are, visible or not."""


def batches(items: Iterable[T], size: int = _BATCH) -> Iterator[list[T]]:
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
