"""Refits: their states, what they write, and what they never do twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from shared.errors import (
    Fault,
    InvalidInput,
    MalformedInput,
    NotFound,
    NotSupportedYet,
    StorageUnavailable,
)
from shared.fit.refit import Refits
from shared.fit.task import SWEEP, message_of
from tests.fit.refit_world import (
    HISTORY,
    Faults,
    Killed,
    World,
    fails_at,
    fails_at_random,
    parse_nothing,
    without_times,
)

NIGHT = date(2025, 3, 9)
KINDS = ["kill before", "kill after", "error before", "error after"]


@pytest.fixture
def world() -> World:
    return World()


# -- the ordinary course --------------------------------------------------------------------------


def test_a_refit_goes_from_queued_to_promoted(world: World) -> None:
    queued = world.refits.queue_refit("brand")
    assert queued.state == "queued"
    assert world.run(queued) == queued
    world.deliver_all()
    run = world.run(queued)
    assert run.to_dict() == {
        "dataset": "brand",
        "run": queued.run,
        "state": "promoted",
        "created_at": "2025-03-09T02:15:00.000Z",
        "started_at": "2025-03-09T02:15:00.000Z",
        "finished_at": "2025-03-09T02:15:12.000Z",
        "attempt": 1,
        "progress": {"stage": "done", "fraction": 1.0},
        "reasons": ["Better than a naive forecast."],
        "curves_version": f"v20250309T021500Z-{queued.run}",
        "history_version": queued.inputs.history,
    }
    curves = world.datasets.curves("brand")
    assert curves.version == run.curves_version
    assert curves.dataset == "brand"
    assert curves.created_at == run.started_at
    assert curves.channels[0].response.saturation.parameters()["max_response"] == 120.0
    assert world.fit.calls == [
        {"history": (HISTORY, None), "spec": {}, "seed": 0, "previous": None}
    ]


def test_progress_is_seen_while_it_runs(world: World) -> None:
    run = world.refits.queue_refit("brand")
    seen = []
    world.fit.during = lambda: seen.append(world.run(run))
    world.deliver_all()
    assert seen[0].state == "running"
    assert (seen[0].stage, seen[0].fraction) == ("fit", 0.6)
    assert seen[0].leased_at(world.clock.now + timedelta(minutes=4))
    assert not seen[0].leased_at(world.clock.now + timedelta(minutes=6))


def test_a_fit_that_fails_its_gate_is_stored_and_keeps_the_previous(world: World) -> None:
    first = world.refits.queue_refit("brand")
    world.deliver_all()
    world.fit.promote = False
    second = world.refits.queue_refit("brand")
    world.deliver_all()
    run = world.run(second)
    assert (run.state, run.reasons) == ("kept_previous", ("The fit did not converge.",))
    current = world.datasets.curves("brand")
    assert current.version == world.run(first).curves_version
    assert world.fit.calls[1]["previous"] == current
    assert [v.promoted for v in world.datasets.versions("brand")].count(False) == 1
    assert run.curves_version is not None
    world.datasets.promote("brand", run.curves_version)  # by hand, all the same
    assert world.datasets.curves("brand").version == run.curves_version


def test_a_run_fits_the_history_that_was_there_when_it_was_queued(world: World) -> None:
    world.datasets.put_spec("brand", {"date": "date"})
    world.datasets.put_outcomes("brand", b'[{"date": "2025-01-06"}]', "application/json")
    run = world.refits.queue_refit("brand")
    world.datasets.put_history("brand", b"newer", "text/csv")
    world.datasets.put_spec("brand", {"date": "day"})
    world.deliver_all()
    assert world.run(run).state == "promoted"
    assert world.fit.calls[0]["history"] == (HISTORY, [{"date": "2025-01-06"}])
    assert world.fit.calls[0]["spec"] == {"date": "date"}


def test_no_refit_without_a_dataset_or_a_history(world: World) -> None:
    with pytest.raises(NotFound):
        world.refits.queue_refit("absent")
    world.datasets.put_spec("empty", {})
    with pytest.raises(InvalidInput, match="no history to fit"):
        world.refits.queue_refit("empty")
    for name in ("../x", "a/b", "A", "", "ä", "a" * 64):
        with pytest.raises(InvalidInput):
            world.refits.queue_refit(name)
    assert world.queue.length() == 0


# -- what cannot be fitted ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reasons"),
    [
        (
            InvalidInput([Fault("/rows/7/tv", "negative", "Row 7: spend is negative.")]),
            ("Row 7: spend is negative. (at /rows/7/tv)",),
        ),
        (
            NotSupportedYet.at("/lift_tests", "not_supported_yet", "Lift tests are not read yet."),
            ("Lift tests are not read yet. (at /lift_tests)",),
        ),
        (InvalidInput([Fault("", "short", "Too short.")]), ("Too short.",)),
        (InvalidInput([], "Nothing fits."), ("Nothing fits.",)),
    ],
)
def test_faults_of_the_data_end_the_run_at_once(error: Exception, reasons: tuple[str, ...]) -> None:
    world = World(error=error)
    run = world.refits.queue_refit("brand")
    world.deliver_all()
    ended = world.run(run)
    assert (ended.state, ended.reasons, ended.attempt) == ("failed", reasons, 1)
    assert world.poison == []
    assert world.datasets.versions("brand") == ()


def test_a_hundred_faults_are_told_in_few(world: World) -> None:
    world.fit.error = InvalidInput([Fault(f"/rows/{i}", "x", "Bad.") for i in range(100)])
    run = world.refits.queue_refit("brand")
    world.deliver_all()
    reasons = world.run(run).reasons
    assert len(reasons) == 21
    assert reasons[-1] == "And 80 more."


def test_stored_rows_that_are_no_json_fail_the_run(world: World) -> None:
    world.datasets.put_history("brand", b"[{", "application/json")
    run = world.refits.queue_refit("brand")
    world.deliver_all()
    assert world.run(run).reasons == ("The stored rows are not JSON.",)


def test_an_unexpected_error_is_tried_thrice_and_then_told(world: World) -> None:
    world.fit.error = ZeroDivisionError("at /home/someone/secret.py")
    run = world.refits.queue_refit("brand")
    (message,) = world.queue.receive(visibility_s=0)
    with pytest.raises(ZeroDivisionError):
        world.refits.work(message.body)
    waiting = world.run(run)
    assert (waiting.state, waiting.attempt, waiting.holder) == ("queued", 1, "")
    world.deliver_all()
    ended = world.run(run)
    assert ended.state == "failed"
    assert ended.reasons == (
        "The refit failed too often and was given up.",
        "The fit stopped at an unexpected error (ZeroDivisionError).",
    )
    assert len(world.poison) == 1
    assert len(world.fit.calls) == 3


def test_what_fails_once_succeeds_the_second_time(world: World) -> None:
    world.fit.error = StorageUnavailable("away")
    world.fit.during = lambda: (
        None if len(world.fit.calls) < 2 else setattr(world.fit, "error", None)
    )
    run = world.refits.queue_refit("brand")
    world.deliver_all()
    assert (world.run(run).state, world.run(run).attempt) == ("promoted", 2)


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
        assert go_on.wait(10)

    world.fit.during = during
    first = threading.Thread(target=world.refits.work, args=(message.body,))
    first.start()
    assert fitting.wait(10)
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
    world.fit.during = lambda: both_fitting.wait(10) and None
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
    assert world.refits.queue_all(NIGHT) == int(again)
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


# -- poison ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"dataset": "brand"}',
        '{"dataset": "../x", "incarnation": "0123456789ab", "run": "r1"}',
        '{"dataset": "brand", "incarnation": "../../other", "run": "r1"}',
        '{"dataset": "brand", "incarnation": "0123456789ab", "run": "../r1"}',
        '{"dataset": 1, "incarnation": 2, "run": 3}',
        '{"task": "drop everything"}',
    ],
)
def test_a_message_that_is_none_of_ours_harms_nobody(world: World, body: str) -> None:
    before = list(world.blobs.keys(""))
    with pytest.raises(MalformedInput, match="names no refit"):
        world.refits.work(body)
    world.refits.poisoned(body)
    assert list(world.blobs.keys("")) == before


def test_a_poisoned_message_of_an_unknown_run_is_dropped(world: World) -> None:
    run = world.refits.queue_refit("brand")
    unknown = message_of(replace(run, run="r000000000000"))
    world.refits.work(unknown)
    world.refits.poisoned(unknown)
    world.refits.poisoned(SWEEP)
    assert world.run(run).state == "queued"


def test_a_poisoned_message_leaves_a_run_to_who_holds_it(world: World) -> None:
    run = world.refits.queue_refit("brand")
    (message,) = world.queue.receive(visibility_s=600)
    world.fit.during = lambda: world.refits.poisoned(message.body)
    world.refits.work(message.body)
    assert world.run(run).state == "promoted"
    world.queue.delete(message)
    assert world.queue.length() == 1  # asked once more, for the case that the holder dies
    world.deliver_all()
    assert len(world.fit.calls) == 1


# -- queueing that fails --------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_refit_that_could_not_be_queued_leaves_no_run(world: World, k: int) -> None:
    before = set(world.blobs.keys("runs/"))
    with pytest.raises(StorageUnavailable):
        world.worker(fails_at(k, "error before")).queue_refit("brand")
    assert set(world.blobs.keys("runs/")) == before
    assert world.queue.length() == 0


def test_a_message_whose_answer_was_lost_finds_no_run_and_ends(world: World) -> None:
    with pytest.raises(StorageUnavailable):
        world.worker(fails_at(3, "error after")).queue_refit("brand")
    assert world.queue.length() == 1
    world.deliver_all()
    assert world.fit.calls == []


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


def test_the_defaults_are_the_projects_own_parser_and_fit(world: World) -> None:
    run = world.refits.queue_refit("brand")
    Refits(world.datasets, world.queue, clock=world.clock).work(message_of(run))
    ended = world.run(run)
    assert ended.state == "failed"  # one row is no history
    assert ended.reasons
    assert parse_nothing(None, b"").spec == {}


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
