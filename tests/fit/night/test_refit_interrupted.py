"""Refits stopped at any line, delivered twice, taken over, or without their dataset."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date

import pytest

from shared.errors import (
    Fault,
    InvalidInput,
)
from shared.fit.night.refit import message_of
from tests.fit.refit_world import (
    HISTORY,
    Faults,
    Killed,
    World,
    fails_at,
    fails_at_random,
    run_all,
    without_times,
)
from tests.waiting import PATIENCE_S

KINDS = ["kill before", "kill after", "error before", "error after"]


@pytest.fixture
def world() -> World:
    return World()


# -- killed, delivered twice, taken over ----------------------------------------------------------


def nothing_before(world: World) -> None:
    assert world.datasets.current("brand") is None


def with_curves_before(world: World) -> None:
    world.refits.queue_refit("brand")
    world.deliver_all()
    world.clock.advance(3600)
    world.fit.calls.clear()


@pytest.mark.parametrize("what", [*KINDS, "sent twice"])
@pytest.mark.parametrize("prepare", [nothing_before, with_curves_before])
@pytest.mark.parametrize(
    "fit",
    [
        {},
        {"promote": False},
        {"error": InvalidInput([Fault("/rows/2", "x", "Bad row.")])},
    ],
    ids=["promoted", "kept_previous", "failed"],
)
def test_stopped_at_any_operation_it_ends_the_same(
    what: str, prepare: Callable[[World], None], fit: dict[str, object]
) -> None:
    def ended(faults: Faults) -> tuple[World, object]:
        world = World()
        prepare(world)
        for name, value in fit.items():
            setattr(world.fit, name, value)
        before = world.datasets.current("brand")
        queued = world.refits.queue_refit("brand")
        world.deliver_all(faults)
        run = world.run(queued)
        promoted = run.state == "promoted"
        assert world.datasets.get_history("brand").data == HISTORY
        assert world.datasets.current("brand") == (run.curves_version if promoted else before)
        versions = world.datasets.versions("brand")
        assert len(versions) == (before is not None) + (run.curves_version is not None)
        for entry in versions:
            assert world.datasets.curves("brand", entry.version).version == entry.version
        assert world.poison == []
        log = world.datasets.manifest("brand").promotions
        assert len({entry.version for entry in log}) == len(log)
        return world, without_times(run)

    undisturbed = Faults()
    _, expected = ended(undisturbed)
    assert undisturbed.count >= 8
    for k in range(1, undisturbed.count + 1):
        world, state = ended(fails_at(k, what))
        assert state == expected, k
        assert what != "sent twice" or world.errors == []
        # Fitted once more at most, and not at all once its set was stored.
        assert len(world.fit.calls) <= 2


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_a_run_ends_and_tells_the_truth(seed: int) -> None:
    world = World()
    runs = [world.refits.queue_refit("brand"), world.refits.queue_refit("brand")]
    world.deliver_all(fails_at_random(seed, share=0.15), deliveries=200)
    manifest = world.datasets.manifest("brand")
    stored = {entry.version for entry in world.datasets.versions("brand")}
    for queued in runs:
        run = world.run(queued)
        assert run.terminal
        assert run.reasons
        promoted = [p.version for p in manifest.promotions if p.version.endswith(queued.run)]
        assert promoted == ([run.curves_version] if run.state == "promoted" else [])
    assert manifest.curves is None or manifest.curves in stored
    assert world.datasets.get_history("brand").data == HISTORY


@pytest.mark.parametrize(
    ("hides_s", "attempts", "reason"),
    [
        (600, 3, "The refit failed too often and was given up."),
        # Seen again while the dead worker's lease runs, it is put back: that counts no failure.
        (60, 6, "The refit was begun 6 times and never ended."),
    ],
)
def test_a_run_that_kills_every_worker_is_given_up(
    world: World, hides_s: int, attempts: int, reason: str
) -> None:
    def out_of_memory() -> None:
        raise Killed

    world.fit.during = out_of_memory
    run = world.refits.queue_refit("brand")
    world.deliver_all(hides_s=hides_s)
    ended = world.run(run)
    assert (ended.state, ended.reasons, ended.attempt) == ("failed", (reason,), attempts)
    assert len(world.fit.calls) == attempts


def test_a_message_delivered_again_after_the_end_does_nothing(world: World) -> None:
    run = world.refits.queue_refit("brand")
    world.deliver_all()
    before = world.run(run)
    world.refits.work(message_of(run))
    world.refits.poisoned(message_of(run))
    assert world.run(run) == before
    assert len(world.fit.calls) == 1
    assert world.queue.length() == 0


def test_delivered_twice_at_once_it_is_fitted_once(world: World) -> None:
    run = world.refits.queue_refit("brand")
    (message,) = world.queue.receive(visibility_s=600)
    fitting, go_on = threading.Event(), threading.Event()

    def during() -> None:
        fitting.set()
        assert go_on.wait(PATIENCE_S)

    world.fit.during = during
    first = threading.Thread(target=world.refits.work, args=(message.body,))
    first.start()
    assert fitting.wait(PATIENCE_S)
    world.worker(Faults()).work(message.body)  # comes back at once
    assert world.run(run).state == "running"
    assert list(world.queue.receive(visibility_s=0)) == []  # put back, for later
    assert world.queue.length() == 2
    go_on.set()
    first.join()
    world.queue.delete(message)
    world.deliver_all()
    assert world.run(run).state == "promoted"
    assert len(world.fit.calls) == 1
    assert world.queue.length() == 0


def test_many_workers_at_one_message_fit_once() -> None:
    for _ in range(5):
        world = World()
        run = world.refits.queue_refit("brand")
        (message,) = world.queue.receive(visibility_s=600)
        start = threading.Barrier(6)

        def work(world: World = world, body: str = message.body, start: threading.Barrier = start):
            start.wait()
            world.worker(Faults()).work(body)

        run_all([threading.Thread(target=work) for _ in range(6)])
        world.queue.delete(message)
        world.deliver_all()
        assert world.run(run).state == "promoted"
        assert len(world.fit.calls) == 1


def test_a_worker_that_lost_its_lease_stops_and_writes_nothing(world: World) -> None:
    run = world.refits.queue_refit("brand")
    (message,) = world.queue.receive(visibility_s=600)
    other = world.worker(Faults())

    def slept() -> None:
        world.fit.during = lambda: None
        world.fit.max_response = 80.0
        world.clock.advance(400)
        other.work(message.body)
        world.fit.max_response = 999.0

    world.fit.during = slept
    world.refits.work(message.body)
    ended = world.run(run)
    assert (ended.state, ended.attempt) == ("promoted", 2)
    assert len(world.datasets.versions("brand")) == 1
    curves = world.datasets.curves("brand")
    assert curves.channels[0].response.saturation.parameters()["max_response"] == 80.0


def test_who_lost_its_lease_at_the_end_of_the_fit_stores_nothing(world: World) -> None:
    run = world.refits.queue_refit("brand")
    world.fit.at_end = lambda: world.steal(run)
    world.refits.work(message_of(run))
    assert world.datasets.versions("brand") == ()
    assert (world.run(run).state, world.run(run).holder) == ("running", "another")


def test_who_lost_its_lease_after_storing_promotes_nothing(world: World) -> None:
    run = world.refits.queue_refit("brand")
    faults = Faults()

    def decide(_: int) -> str:
        if world.datasets.versions("brand") and world.run(run).holder != "another":
            world.steal(run)
        return ""

    faults.decide = decide
    world.worker(faults).work(message_of(run))
    assert len(world.datasets.versions("brand")) == 1
    assert world.datasets.current("brand") is None
    assert (world.run(run).state, world.run(run).holder) == ("running", "another")


def test_a_lease_that_ran_out_but_nobody_took_is_still_good(world: World) -> None:
    run = world.refits.queue_refit("brand")
    world.fit.during = lambda: world.clock.advance(400)
    world.deliver_all()
    assert (world.run(run).state, world.run(run).attempt) == ("promoted", 1)


# -- several runs of one dataset ------------------------------------------------------------------


def test_two_runs_at_once_do_not_both_promote(world: World) -> None:
    runs = [world.refits.queue_refit("brand"), world.refits.queue_refit("brand")]
    both_fitting = threading.Barrier(2)
    world.fit.during = lambda: both_fitting.wait(PATIENCE_S) and None
    run_all(
        [
            threading.Thread(target=world.worker(Faults()).work, args=(message_of(run),))
            for run in runs
        ]
    )
    states = sorted(world.run(run).state for run in runs)
    assert states == ["kept_previous", "promoted"]
    for run in map(world.run, runs):
        if run.state == "promoted":
            assert world.datasets.current("brand") == run.curves_version
        else:
            assert run.reasons[0].startswith("Other curves were made the current ones")
    assert len(world.datasets.versions("brand")) == 2
    assert len(world.datasets.manifest("brand").promotions) == 1


def test_a_roll_back_during_a_run_is_respected(world: World) -> None:
    for _ in range(2):
        world.refits.queue_refit("brand")
        world.deliver_all()
        world.clock.advance(60)
    newest, oldest = world.datasets.versions("brand")
    assert newest.current
    run = world.refits.queue_refit("brand")
    world.fit.during = lambda: world.datasets.promote("brand", oldest.version) and None
    world.deliver_all()
    assert world.run(run).state == "kept_previous"
    assert world.datasets.current("brand") == oldest.version


def test_an_earlier_refit_that_comes_late_does_not_replace_a_later_one(world: World) -> None:
    early = world.refits.queue_refit("brand")
    world.clock.advance(60)
    world.datasets.put_history("brand", b"newer", "text/csv")
    late = world.refits.queue_refit("brand")
    world.refits.work(message_of(late))
    world.refits.work(message_of(early))
    assert world.run(late).state == "promoted"
    assert world.run(early).state == "kept_previous"
    assert world.run(early).reasons[0].startswith("A refit that was queued later")
    assert world.datasets.current("brand") == world.run(late).curves_version


# -- deleted meanwhile ----------------------------------------------------------------------------


def test_a_refit_of_a_deleted_dataset_ends_quietly(world: World) -> None:
    world.refits.queue_refit("brand")
    world.datasets.delete("brand")
    world.deliver_all()
    assert world.fit.calls == []
    assert world.poison == []


@pytest.mark.parametrize("again", [False, True])
def test_a_dataset_deleted_during_its_refit_stays_deleted(world: World, again: bool) -> None:
    def delete() -> None:
        world.datasets.delete("brand")
        if again:
            world.datasets.put_history("brand", b"another", "text/csv")

    world.fit.during = delete
    world.refits.queue_refit("brand")
    world.deliver_all()
    assert world.poison == []
    if again:
        assert world.datasets.current("brand") is None
        assert world.datasets.versions("brand") == ()
    else:
        assert list(world.datasets.names()) == []
    world.clock.advance(7200)
    assert world.refits.queue_all(date(2025, 3, 9)) == int(again)
    world.fit.during = lambda: None
    world.deliver_all()
    left = [key for key in world.blobs.keys("") if "/brand/" in key]
    assert (left == []) is not again


def test_deleted_at_any_operation_it_ends_quietly() -> None:
    for k in range(1, 13):
        world = World()
        world.refits.queue_refit("brand")
        faults = Faults()

        def decide(count: int, k: int = k, world: World = world) -> str:
            if count == k:
                world.datasets.delete("brand")
            return ""

        faults.decide = decide
        world.deliver_all(faults)
        assert world.poison == []
        assert world.errors == []
        if faults.count >= k:
            assert list(world.datasets.names()) == []
