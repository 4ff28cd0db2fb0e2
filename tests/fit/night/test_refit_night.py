"""The night: every dataset is queued once, however often the timer fires or is cut short."""

from __future__ import annotations

import json
import threading
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from shared.errors import (
    StorageUnavailable,
)
from tests.fit.refit_world import (
    HISTORY,
    Faults,
    World,
    fails_at,
    run_all,
)

NIGHT = date(2025, 3, 9)
KINDS = ["kill before", "kill after", "error before", "error after"]


@pytest.fixture
def world() -> World:
    return World()


# -- the night ------------------------------------------------------------------------------------


def test_a_night_queues_every_dataset_with_a_history_once(world: World) -> None:
    world.datasets.put_history("other", HISTORY, "text/csv")
    world.datasets.put_spec("empty", {})
    assert world.refits.queue_all(NIGHT) == 2
    assert world.refits.queue_all(NIGHT) == 0  # the timer fired twice
    assert world.queue.length() == 2
    world.deliver_all()
    assert world.refits.queue_all(NIGHT) == 0
    run = world.datasets.read_run("other", "nightly-20250309")
    assert run.state == "promoted"
    assert world.refits.queue_all(date(2025, 3, 10)) == 2


def test_the_day_of_a_night_counts_in_utc(world: World) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        world.refits.queue_all(datetime(2025, 3, 9, 2, 0))  # noqa: DTZ001 - that is the point
    new_york = timezone(timedelta(hours=-5))
    assert world.refits.queue_all(datetime(2025, 3, 8, 23, 0, tzinfo=new_york)) == 1
    assert world.refits.queue_all(datetime(2025, 3, 9, 23, 0, tzinfo=UTC)) == 0
    assert world.datasets.read_run("brand", "nightly-20250309").state == "queued"


def test_two_timers_at_once_queue_once(world: World) -> None:
    for i in range(20):
        world.datasets.put_history(f"brand-{i}", HISTORY, "text/csv")
    counts: list[int] = []
    start = threading.Barrier(3)

    def fire() -> None:
        start.wait()
        counts.append(world.worker(Faults()).queue_all(NIGHT))

    run_all([threading.Thread(target=fire) for _ in range(3)])
    assert sum(counts) == world.queue.length() == 21


def test_three_thousand_datasets_are_queued(world: World) -> None:
    for i in range(2999):
        world.datasets.put_history(f"brand-{i}", b"same", "text/csv")
    assert world.refits.queue_all(NIGHT) == 3000
    assert world.queue.length() == 3000
    bodies = {m.body for m in world.queue.receive(visibility_s=60, limit=4000)}
    assert len({json.loads(body)["dataset"] for body in bodies}) == 3000
    assert world.refits.queue_all(NIGHT) == 0


def test_a_night_whose_messages_could_not_be_sent_can_begin_again_at_once(world: World) -> None:
    # Operations: the list, the manifest, the run, the message.
    with pytest.raises(StorageUnavailable):
        world.worker(fails_at(4, "error before")).queue_all(NIGHT)
    assert world.queue.length() == 0
    assert list(world.blobs.keys("runs/")) == []
    assert world.refits.queue_all(NIGHT) == 1


@pytest.mark.parametrize("what", KINDS)
def test_a_night_that_was_cut_short_is_made_up_for(what: str) -> None:
    for k in range(1, 14):
        world = World()
        for name in ("two", "three"):
            world.datasets.put_history(name, HISTORY, "text/csv")
        try:
            world.worker(fails_at(k, what)).queue_all(NIGHT)
        except BaseException:  # killed, or an error
            world.clock.advance(1801)
            world.worker(Faults()).queue_all(NIGHT)
        world.deliver_all()
        for name in ("brand", "two", "three"):
            assert world.datasets.read_run(name, "nightly-20250309").state == "promoted", (k, name)
        assert len(world.fit.calls) == 3
