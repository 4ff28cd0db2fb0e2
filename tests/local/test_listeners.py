"""Queue messages and timers: visibility, poison, renewal, draining; in memory and in Azurite."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest

from local.azurite import find_azurite, running_azurite
from local.config import HostConfig
from local.host import Host, serve
from local.listeners import QueueListener, TimerRunner
from local.schedule import parse_schedule
from shared.errors import WriteConflict
from shared.store.base import Queue, QueueMessage
from shared.store.connect import connect
from shared.store.memory import MemoryQueue
from tests.local.conftest import CONFIG, SETTINGS, Small, release_when_stopping
from tests.waiting import PATIENCE_S, until


def test_a_message_is_worked_and_deleted(host: Host, small: Small) -> None:
    del host
    small.jobs.send("one")
    small.jobs.send("two")
    until(lambda: small.finished == ["one", "two"] and small.jobs.length() == 0)
    assert small.seen == [("one", 1), ("two", 1)]
    assert small.poison.length() == 0


def test_a_failing_message_is_tried_three_times_and_then_poison(host: Host, small: Small) -> None:
    del host
    small.jobs.send("bad one")
    small.jobs.send("good one")
    until(lambda: small.poisoned == ["bad one"])
    assert [s for s in small.seen if s[0] == "bad one"] == [("bad one", n) for n in (1, 2, 3)]
    assert small.finished == ["good one"]
    until(lambda: small.jobs.length() == 0 and small.poison.length() == 0)


def test_a_message_whose_workers_all_died_moves_without_another_run(small: Small) -> None:
    small.jobs.send("deadly")
    for _ in range(3):  # three workers took it and were killed
        assert small.jobs.receive(visibility_s=0)
    with hosted(small):
        until(lambda: small.poisoned == ["deadly"])
    assert small.seen == []


def test_a_worker_killed_at_its_first_try_leaves_two_more(small: Small) -> None:
    small.jobs.send("survivor")
    assert small.jobs.receive(visibility_s=0)
    with hosted(small):
        until(lambda: small.finished == ["survivor"])
    assert small.seen == [("survivor", 2)]


def test_stopping_finishes_the_running_message_and_takes_no_other(small: Small) -> None:
    with hosted(small) as host:
        small.jobs.send("slow")
        assert small.entered.wait(PATIENCE_S)
        small.jobs.send("next")
        release_when_stopping(small, host)
    assert small.finished == ["slow"]
    assert [m.body for m in small.jobs.receive(visibility_s=1, limit=9)] == ["next"]


def test_the_hold_on_a_long_message_is_renewed(small: Small) -> None:
    queue = small.jobs = Counted("jobs")
    with hosted(small, hold_s=1):
        queue.send("slow")
        assert small.entered.wait(PATIENCE_S)
        until(lambda: queue.extended >= 2)
        queue.now += 0.9  # since the message was received much longer than its hold
        assert list(queue.receive(visibility_s=1)) == []
        small.release.set()
        until(lambda: small.jobs.length() == 0)
    assert small.seen == [("slow", 1)]


def test_a_lost_hold_deletes_nothing_of_the_other_worker() -> None:
    queue, poison = MemoryQueue("jobs"), MemoryQueue("jobs-poison")
    worked = threading.Event()

    def run(message: QueueMessage) -> None:
        # Somebody else gets the message while this worker still runs.
        queue.extend(message, visibility_s=60)
        worked.set()

    listener = QueueListener(queue, poison, run, CONFIG)
    queue.send("contested")
    listener.start()
    assert worked.wait(PATIENCE_S)
    listener.stop()
    assert listener.join(PATIENCE_S)
    assert queue.length() == 1
    assert poison.length() == 0


def test_a_failed_poison_message_stays_hidden_and_does_not_spin() -> None:
    queue = Counted("jobs-poison")
    tries: list[int] = []

    def run(message: QueueMessage) -> None:
        tries.append(message.dequeue_count)
        raise ValueError(message.body)

    listener = QueueListener(queue, None, run, CONFIG)
    queue.send("hopeless")
    listener.start()
    until(lambda: bool(tries))
    looked_again(queue)
    listener.stop()
    assert listener.join(PATIENCE_S)
    assert tries == [1]
    assert queue.length() == 1


def test_a_failed_message_waits_for_the_visibility_timeout_of_the_host_file() -> None:
    queue, poison = Counted("jobs"), MemoryQueue("jobs-poison")
    tries: list[int] = []

    def run(message: QueueMessage) -> None:
        tries.append(message.dequeue_count)
        raise ValueError(message.body)

    listener = QueueListener(queue, poison, run, HostConfig(visibility_s=30, max_dequeue_count=2))
    queue.send("again")
    listener.start()
    until(lambda: tries == [1])
    looked_again(queue)
    assert tries == [1]
    queue.now += 31.0
    until(lambda: poison.length() == 1)
    listener.stop()
    assert listener.join(PATIENCE_S)
    assert tries == [1, 2]


def test_a_queue_that_cannot_be_read_is_tried_again() -> None:
    class Flaky(MemoryQueue):
        failures = 2

        def receive(self, *, visibility_s: int, limit: int = 1) -> list[QueueMessage]:
            if self.failures:
                self.failures -= 1
                raise ConnectionError("storage is restarting")
            return list(super().receive(visibility_s=visibility_s, limit=limit))

    queue = Flaky("jobs")
    queue.send("patient")
    done: list[str] = []
    listener = QueueListener(queue, MemoryQueue("p"), lambda m: done.append(m.body), CONFIG)
    listener.start()
    until(lambda: done == ["patient"])
    listener.stop()
    assert listener.join(PATIENCE_S)


def test_a_timer_fires_on_its_schedule() -> None:
    start = datetime(2025, 5, 5, 1, 59, 59, 700_000, tzinfo=UTC)
    looks = itertools.count()
    fired: list[datetime] = []
    now = start

    def clock() -> datetime:
        nonlocal now
        now = start + next(looks) * timedelta(seconds=0.3)
        return now

    runner = TimerRunner(
        "tick", parse_schedule("* * * * * *"), lambda *_: fired.append(now), clock=clock
    )
    runner.start()
    until(lambda: len(fired) >= 3)
    runner.stop()
    assert runner.join(PATIENCE_S)
    # Each at the first look in its own second, not before and not twice.
    seconds = [moment.second for moment in fired]
    assert seconds == [k % 60 for k in range(seconds[0], seconds[0] + len(fired))]


def test_a_timer_that_fires_late_is_past_due() -> None:
    # The clock jumps over 02:00, as when a laptop was asleep.
    clock = [datetime(2025, 5, 5, 1, 59, 59, 990_000, tzinfo=UTC)]
    told: list[tuple[bool, datetime | None]] = []

    def run(past_due: bool, last: datetime | None, following: datetime | None) -> None:
        del last
        told.append((past_due, following))

    runner = TimerRunner("nightly", parse_schedule("0 0 2 * * *"), run, clock=lambda: clock[0])
    runner.start()
    clock[0] = datetime(2025, 5, 5, 8, 0, tzinfo=UTC)
    until(lambda: bool(told))
    runner.stop()
    assert runner.join(PATIENCE_S)
    assert told == [(True, datetime(2025, 5, 6, 2, 0, tzinfo=UTC))]


def test_a_timer_that_fails_fires_again() -> None:
    tries: list[int] = []

    def run(past_due: bool, last: datetime | None, following: datetime | None) -> None:
        del past_due, last, following
        tries.append(1)
        raise ValueError("not this time")

    runner = TimerRunner("tick", parse_schedule("* * * * * *"), run)
    runner.start()
    until(lambda: len(tries) >= 2)
    runner.stop()
    assert runner.join(PATIENCE_S)


def test_a_timer_runs_at_start_where_asked() -> None:
    told: list[bool] = []
    runner = TimerRunner(
        "once", parse_schedule("0 0 0 1 1 *"), lambda *a: told.append(a[0]), run_on_startup=True
    )
    runner.start()
    until(lambda: told == [False])
    runner.stop()
    assert runner.join(PATIENCE_S)


@pytest.fixture(scope="module")
def stored_queue() -> Iterator[tuple[Queue, Queue]]:
    if find_azurite() is None:
        pytest.skip("Azurite is not installed: it comes by npm, and there is no Node here")
    with running_azurite() as azurite:
        connections = connect({"AzureWebJobsStorage": azurite.connection_string})
        yield connections.refits, connections.poison


@pytest.mark.azurite
def test_the_same_rules_over_a_real_queue(stored_queue: tuple[Queue, Queue]) -> None:
    queue, poison = stored_queue
    seen: list[tuple[str, int]] = []

    def run(message: QueueMessage) -> None:
        seen.append((message.body, message.dequeue_count))
        if message.body == "bad":
            raise ValueError("bad")
        time.sleep(1.2)  # longer than its hold of a second

    listener = QueueListener(queue, poison, run, CONFIG, hold_s=1)
    listener.start()
    queue.send("bad")
    until(lambda: poison.length() == 1)
    queue.send("long, ä")
    until(lambda: ("long, ä", 1) in seen and queue.length() == 0)
    listener.stop()
    assert listener.join(PATIENCE_S)
    assert seen == [("bad", 1), ("bad", 2), ("bad", 3), ("long, ä", 1)]
    moved = poison.receive(visibility_s=5)[0]
    assert moved.body == "bad"
    poison.delete(moved)
    with pytest.raises(WriteConflict):
        poison.delete(moved)


class Counted(MemoryQueue):
    """A queue whose time is told by the test, and by half a second each time a hold is renewed."""

    def __init__(self, name: str) -> None:
        self.now, self.looks, self.extended = 0.0, 0, 0
        super().__init__(name, clock=lambda: self.now)

    def receive(self, *, visibility_s: int, limit: int = 1) -> Sequence[QueueMessage]:
        self.looks += 1
        return super().receive(visibility_s=visibility_s, limit=limit)

    def extend(self, message: QueueMessage, *, visibility_s: int) -> QueueMessage:
        self.now += 0.5
        renewed = super().extend(message, visibility_s=visibility_s)
        self.extended += 1
        return renewed


def looked_again(queue: Counted) -> None:
    """Wait until the listener has asked for messages three more times."""
    enough = queue.looks + 3
    until(lambda: queue.looks >= enough)


def hosted(small: Small, hold_s: int = 60) -> AbstractContextManager[Host]:
    return serve(
        settings=SETTINGS,
        functions=small.app.get_functions(),
        config=CONFIG,
        open_queue=small.open_queue,
        hold_s=hold_s,
    )
