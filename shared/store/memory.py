"""Blobs and a queue in this process: the twin of the Azure store, for tests and small trials.

Both keep the rules of Azure Storage that the rest of the house relies on (ETags, create-only
writes, visibility and receipts) and pass the same contract tests. Nothing outlives the process.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from shared.errors import NotFound, WriteConflict
from shared.store.base import Blob, QueueMessage
from shared.store.keys import check_key, check_prefix

__all__ = ["MemoryBlobs", "MemoryQueue"]


class MemoryBlobs:
    """A ``BlobStore`` in a dictionary; safe to share between threads."""

    def __init__(self) -> None:
        self._blobs: dict[str, Blob] = {}
        self._lock = threading.Lock()
        self._writes = itertools.count(1)

    def read(self, key: str) -> Blob:
        check_key(key)
        with self._lock:
            blob = self._blobs.get(key)
        if blob is None:
            raise NotFound("There is no such blob.")
        return blob

    def create(self, key: str, data: bytes) -> str:
        check_key(key)
        with self._lock:
            if key in self._blobs:
                raise WriteConflict("The blob exists already.")
            return self._put(key, data)

    def replace(self, key: str, data: bytes, etag: str) -> str:
        check_key(key)
        with self._lock:
            blob = self._blobs.get(key)
            if blob is None or blob.etag != etag:
                raise WriteConflict("The blob changed since it was read.")
            return self._put(key, data)

    def delete(self, key: str, etag: str | None = None) -> None:
        check_key(key)
        with self._lock:
            blob = self._blobs.get(key)
            if blob is None:
                return
            if etag is not None and blob.etag != etag:
                raise WriteConflict("The blob changed since it was read.")
            del self._blobs[key]

    def keys(self, prefix: str) -> Iterator[str]:
        check_prefix(prefix)
        with self._lock:
            found = sorted(key for key in self._blobs if key.startswith(prefix))
        yield from found

    def folders(self, prefix: str) -> Iterator[str]:
        below = len(prefix)
        seen: set[str] = set()
        for key in self.keys(prefix):
            name, slash, _ = key[below:].partition("/")
            if slash and name not in seen:
                seen.add(name)
                yield name

    def ping(self) -> None:
        return None

    def _put(self, key: str, data: bytes) -> str:
        # A new ETag for every write, even of equal bytes: as Azure does.
        etag = f'"0x{next(self._writes):016X}"'
        self._blobs[key] = Blob(bytes(data), etag)
        return etag


@dataclass(frozen=True, slots=True)
class _Queued:
    message: QueueMessage
    visible_at: float


class MemoryQueue:
    """A ``Queue`` in a dictionary, with visibility time-outs and receipts.

    Parameters
    ----------
    clock
        Seconds that only grow; visibility is measured on it.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._queued: dict[str, _Queued] = {}

    def send(self, body: str, *, delay_s: int = 0) -> None:
        message = QueueMessage(id=uuid.uuid4().hex, receipt="", body=body, dequeue_count=0)
        with self._lock:
            self._queued[message.id] = _Queued(message, self._clock() + delay_s)

    def send_many(self, bodies: Iterable[str]) -> int:
        sent = 0
        for body in bodies:
            self.send(body)
            sent += 1
        return sent

    def receive(self, *, visibility_s: int, limit: int = 1) -> Sequence[QueueMessage]:
        now = self._clock()
        taken: list[QueueMessage] = []
        with self._lock:
            for queued in self._queued.values():
                if len(taken) == limit:
                    break
                if queued.visible_at <= now:
                    message = queued.message
                    taken.append(
                        replace(
                            message,
                            receipt=uuid.uuid4().hex,
                            dequeue_count=message.dequeue_count + 1,
                        )
                    )
            for message in taken:
                self._queued[message.id] = _Queued(message, now + visibility_s)
        return taken

    def delete(self, message: QueueMessage) -> None:
        with self._lock:
            self._held(message)
            del self._queued[message.id]

    def extend(self, message: QueueMessage, *, visibility_s: int) -> QueueMessage:
        with self._lock:
            self._held(message)
            renewed = replace(message, receipt=uuid.uuid4().hex)
            self._queued[message.id] = _Queued(renewed, self._clock() + visibility_s)
        return renewed

    def length(self) -> int:
        with self._lock:
            return len(self._queued)

    def _held(self, message: QueueMessage) -> None:
        queued = self._queued.get(message.id)
        if queued is None or queued.message.receipt != message.receipt:
            raise WriteConflict("The message is held by another receiver, or gone.")
