"""A small world for refits: a store that can be made to fail, a host for the queue, a cheap fit."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from shared.curves.curveset import CurveSet
from shared.errors import StorageUnavailable, WriteConflict
from shared.fit.night.refit import Refits
from shared.fit.pipeline import FitResult
from shared.store.base import Blob, QueueMessage
from shared.store.datasets import Datasets
from shared.store.memory import MemoryBlobs, MemoryQueue
from shared.store.records import Run, stamp
from tests.store.samples import Clock, curve_set

HISTORY = b"date,revenue,tv\n2025-01-06,10,1\n"
HOST_HIDES_S = 600  # how long the host keeps a message from others while it works on it
MOST_DELIVERIES = 3


class Killed(BaseException):
    """The process ended here: nothing after this line happened."""


@dataclass
class Faults:
    """Decides, for every storage and queue operation in turn, whether it goes wrong, and how."""

    decide: Callable[[int], str] = lambda _: ""
    count: int = 0
    dead: bool = False

    def around(self, operation: Callable[[], Any], *, guarded: bool = False) -> Any:
        if self.dead:
            raise Killed
        self.count += 1
        what = self.decide(self.count)
        if what == "":
            return operation()
        if what == "sent twice":
            # The answer was lost and the SDK sent it again: a guarded write loses against itself.
            result = operation()
            if guarded:
                raise WriteConflict("The stored object was changed by somebody else.")
            return result
        kind, when = what.split()
        result = operation() if when == "after" else None
        del result  # whatever it was, its answer is lost
        if kind == "kill":
            self.dead = True
            raise Killed
        raise StorageUnavailable("Storage did not answer in time.")


@dataclass
class FaultyBlobs:
    inner: MemoryBlobs
    faults: Faults

    def read(self, key: str) -> Blob:
        return self.faults.around(lambda: self.inner.read(key))

    def create(self, key: str, data: bytes) -> str:
        return self.faults.around(lambda: self.inner.create(key, data), guarded=True)

    def replace(self, key: str, data: bytes, etag: str) -> str:
        return self.faults.around(lambda: self.inner.replace(key, data, etag), guarded=True)

    def delete(self, key: str, etag: str | None = None) -> None:
        self.faults.around(lambda: self.inner.delete(key, etag))

    def keys(self, prefix: str) -> Iterator[str]:
        return self.faults.around(lambda: self.inner.keys(prefix))

    def folders(self, prefix: str) -> Iterator[str]:
        return self.faults.around(lambda: self.inner.folders(prefix))

    def ping(self) -> None:
        self.faults.around(self.inner.ping)


@dataclass
class FaultyQueue:
    """What the app sends through; the host receives from ``inner`` itself."""

    inner: MemoryQueue
    faults: Faults
    name: str = "refits"

    def send(self, body: str, *, delay_s: int = 0) -> None:
        self.faults.around(lambda: self.inner.send(body, delay_s=delay_s))

    def send_many(self, bodies: Iterable[str]) -> int:
        sent = 0
        for body in bodies:
            self.send(body)
            sent += 1
        return sent

    def receive(self, *, visibility_s: int, limit: int = 1) -> Sequence[QueueMessage]:
        return self.inner.receive(visibility_s=visibility_s, limit=limit)

    def delete(self, message: QueueMessage) -> None:
        self.inner.delete(message)

    def extend(self, message: QueueMessage, *, visibility_s: int) -> QueueMessage:
        return self.inner.extend(message, visibility_s=visibility_s)

    def length(self) -> int:
        return self.inner.length()


def parse_nothing(
    spec: Mapping[str, Any] | None, history: Any, outcomes: Any = None
) -> SimpleNamespace:
    """Passes the bytes on: these tests are about runs, not about tables."""
    return SimpleNamespace(history=(history, outcomes), spec=spec or {}, findings=())


@dataclass
class CheapFit:
    """Takes twelve seconds of the world's clock and answers the same set every time."""

    clock: Clock
    promote: bool = True
    error: Exception | None = None
    during: Callable[[], None] = lambda: None
    at_end: Callable[[], None] = lambda: None
    max_response: float = 120.0
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __call__(
        self,
        history: Any,
        spec: Mapping[str, Any],
        *,
        seed: int = 0,
        previous: CurveSet | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> FitResult:
        self.calls.append({"history": history, "spec": spec, "seed": seed, "previous": previous})
        assert progress is not None
        for fraction in (0.3, 0.6):
            self.clock.advance(6)
            progress("fit", fraction)
        self.during()
        progress("validate", 0.9)
        self.at_end()
        if self.error is not None:
            raise self.error
        reason = "Better than a naive forecast." if self.promote else "The fit did not converge."
        return FitResult(curve_set(self.max_response), self.promote, (reason,))


@dataclass
class Performed:
    """Answers each job with how often it was asked, so that no two answers are the same."""

    status: int = 200
    error: Exception | None = None
    during: Callable[[], None] = lambda: None
    calls: list[tuple[str, bytes]] = field(default_factory=list)

    def __call__(self, question: str, body: bytes, seconds: float) -> tuple[int, Any]:
        assert seconds > 0
        self.calls.append((question, body))
        self.during()
        if self.error is not None:
            raise self.error
        return self.status, {"asked": len(self.calls)}


class World:
    """One dataset ``brand`` with a history, its queue and its workers."""

    def __init__(self, **fit: Any) -> None:
        self.clock = Clock()
        self.blobs = MemoryBlobs()
        self.queue = MemoryQueue("refits", self.clock.seconds)
        self.poison: list[str] = []
        self.errors: list[Exception] = []
        self.fit = CheapFit(self.clock, **fit)
        self.cap: timedelta | None = None
        self.perform = Performed()
        # Another version at every look: each refit of the same history is made.
        looks = itertools.count()
        self.code: Callable[[], str] = lambda: str(next(looks))
        self.datasets = Datasets(self.blobs, self.clock)
        self.datasets.put_history("brand", HISTORY, "text/csv")
        self.refits = self.worker(Faults())

    def worker(self, faults: Faults) -> Refits:
        """A process of its own over the same storage."""
        return Refits(
            Datasets(FaultyBlobs(self.blobs, faults), self.clock),
            FaultyQueue(self.queue, faults),
            clock=self.clock,
            fit=self.fit,
            parse=parse_nothing,  # type: ignore[arg-type]
            cap=self.cap,
            code=self.code,
            perform=self.perform,
        )

    def run(self, run: Run) -> Run:
        return self.datasets.read_run("brand", run.run)

    def steal(self, run: Run) -> None:
        """Another worker claims the run, as if its lease had run out."""
        until = stamp(self.clock.now + timedelta(seconds=300))
        self.datasets.update_run(replace(self.run(run), holder="another", lease_until=until))

    def deliver_all(
        self,
        faults: Faults | None = None,
        deliveries: int = 60,
        hides_s: int = HOST_HIDES_S,
    ) -> None:
        """Deliver until the queue is empty, as the host does: again after a failure, at once; again
        after a kill, when the message is seen again; to the poison handler after three times."""
        faults = faults or Faults()
        worker = self.worker(faults)
        for _ in range(deliveries):
            while not (messages := self.queue.receive(visibility_s=hides_s)):
                if self.queue.length() == 0:
                    return
                self.clock.advance(30)
            message = messages[0]
            given_up = message.dequeue_count > MOST_DELIVERIES
            try:
                if given_up:
                    worker.poisoned(message.body)
                    self.poison.append(message.body)
                else:
                    worker.work(message.body)
            except Killed:
                faults.dead = False
                worker = self.worker(faults)
            except Exception as error:
                self.errors.append(error)
                self.queue.extend(message, visibility_s=0)
            else:
                self.queue.delete(message)
        raise AssertionError(f"after {deliveries} deliveries the queue is not empty")


def fails_at(k: int, what: str) -> Faults:
    return Faults(lambda count: what if count == k else "")


def fails_at_random(seed: int, share: float) -> Faults:
    rng = random.Random(seed)
    kinds = ["kill before", "kill after", "error before", "error after"]
    return Faults(lambda _: rng.choice(kinds) if rng.random() < share else "")


def without_times(run: Run) -> Run:
    """What must be the same however often a run was interrupted."""
    return replace(
        run,
        incarnation="",
        created_at="",
        started_at=None,
        finished_at=None,
        attempt=0,
        last_error=None,
        curves_version=None if run.curves_version is None else "set",
        run="",
        write="",
        etag="",
    )


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
