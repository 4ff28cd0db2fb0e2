"""What starts functions by itself: queue messages and the clock.

The queue rules are those of the .NET host (WebJobs SDK, ``QueueProcessor``): a message is hidden
while its function runs and the hold is renewed at half time; done, it is deleted; failed, it is
released until it has been taken ``maxDequeueCount`` times, then moved to the ``-poison`` queue. A
message that was taken more often than that (its worker was killed each time) is moved without
another run. A queue that is itself a poison queue has none: its failed messages stay hidden until
their hold ends, so that they do not spin.

Two deviations, both for a quick local loop: polling backs off to a second at most, and a message
is held for a minute instead of ten, so that a killed host's message soon comes back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from local.config import HostConfig
from local.schedule import Schedule
from shared.errors import WriteConflict
from shared.store.base import Queue, QueueMessage

__all__ = ["QueueListener", "TimerRunner", "is_poison_queue"]

log = logging.getLogger("marginal.host")

_SLOWEST_POLL_S = 1.0
_FASTEST_POLL_S = 0.05
_LATE = timedelta(minutes=1)  # a timer that fires later than this is past due


def is_poison_queue(name: str) -> bool:
    return name.endswith("-poison")


class QueueListener:
    """Takes messages of one queue, one at a time, and runs a function on each.

    Parameters
    ----------
    run
        Called with each message; raises where it was not done.
    poison
        Where messages go that failed too often; None for a poison queue itself.
    hold_s
        How long a message stays hidden from others; renewed at half of it while ``run`` runs.
    """

    def __init__(
        self,
        queue: Queue,
        poison: Queue | None,
        run: Callable[[QueueMessage], None],
        config: HostConfig,
        *,
        hold_s: int = 60,
    ) -> None:
        self._queue = queue
        self._poison = poison
        self._run = run
        self._config = config
        self._hold_s = hold_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"queue {queue.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more messages; the running one is finished (see ``join``)."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        slowest = min(self._config.max_polling_s, _SLOWEST_POLL_S)
        pause = _FASTEST_POLL_S
        while not self._stop.is_set():
            try:
                messages = self._queue.receive(visibility_s=self._hold_s)
                for message in messages:
                    self._process(message)
            except Exception:
                # Storage is away or restarting: the host keeps polling, and so do we.
                log.exception("queue %s: could not be read", self._queue.name)
                messages = ()
            pause = _FASTEST_POLL_S if messages else min(pause * 2, slowest)
            if not messages:
                self._stop.wait(pause)

    def _process(self, message: QueueMessage) -> None:
        if self._poison is not None and message.dequeue_count > self._config.max_dequeue_count:
            self._move_to_poison(message)
            return
        hold = _Hold(self._queue, message, self._hold_s)
        try:
            self._run(message)
        except Exception:
            log.exception(
                "queue %s: try %d of %d failed",
                self._queue.name,
                message.dequeue_count,
                self._config.max_dequeue_count,
            )
            done = False
        else:
            done = True
        held = hold.end()
        try:
            if done:
                self._queue.delete(held)
            elif self._poison is None:
                pass  # stays hidden until its hold ends
            elif message.dequeue_count >= self._config.max_dequeue_count:
                self._move_to_poison(held)
            else:
                self._queue.extend(held, visibility_s=self._config.visibility_s)
        except WriteConflict:
            log.warning("queue %s: the hold on a message was lost", self._queue.name)

    def _move_to_poison(self, message: QueueMessage) -> None:
        if self._poison is not None:
            log.error("queue %s: a message moves to %s", self._queue.name, self._poison.name)
            self._poison.send(message.body)
            self._queue.delete(message)


class _Hold:
    """Keeps a message hidden in the background; ``end`` answers it with its newest receipt."""

    def __init__(self, queue: Queue, message: QueueMessage, hold_s: int) -> None:
        self._queue = queue
        self._message = message
        self._hold_s = hold_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="renewal", daemon=True)
        self._thread.start()

    def end(self) -> QueueMessage:
        self._ended.set()
        self._thread.join()
        return self._message

    def _renew(self) -> None:
        while not self._ended.wait(self._hold_s / 2):
            try:
                self._message = self._queue.extend(self._message, visibility_s=self._hold_s)
            except WriteConflict:
                return  # somebody else has it: the worker's own idempotence is the guard
            except Exception:
                log.exception("queue %s: a hold could not be renewed", self._queue.name)


class TimerRunner:
    """Fires one timer on its schedule, in UTC as Azure does.

    Parameters
    ----------
    run
        Called as ``run(past_due=..., last=..., following=...)``; what it raises is logged.
    """

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        run: Callable[[bool, datetime | None, datetime | None], None],
        *,
        run_on_startup: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._schedule = schedule
        self._run = run
        self._run_on_startup = run_on_startup
        self._clock = clock
        self._stop = threading.Event()
        self._last: datetime | None = None
        self._thread = threading.Thread(target=self._loop, name=f"timer {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def fire(self, *, due: datetime | None = None) -> None:
        """Run now: at its time, at start, or because somebody asked for it."""
        now = self._clock()
        past_due = due is not None and now - due > _LATE
        try:
            self._run(past_due, self._last, self._schedule.next_after(now))
        except Exception:
            log.exception("timer %s failed", self._name)
        self._last = now

    def _loop(self) -> None:
        if self._run_on_startup:
            self.fire()
        due = self._schedule.next_after(self._clock())
        while due is not None and not self._stop.is_set():
            # In steps, so that a clock set forward or a laptop woken up is noticed.
            left = (due - self._clock()).total_seconds()
            if left > 0:
                self._stop.wait(min(left, 30.0))
                continue
            self.fire(due=due)
            due = self._schedule.next_after(self._clock())
