"""Refits: their states, what they write, and how they fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import (
    Fault,
    InvalidInput,
    MalformedInput,
    NotFound,
    NotSupportedYet,
    StorageUnavailable,
)
from shared.fit.night.refit import SWEEP, Refits, message_of
from tests.fit.refit_world import (
    HISTORY,
    World,
    fails_at,
    parse_nothing,
)


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
        "unchanged": False,
        "upload": None,
        "report": None,
        "errors": [],
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
    assert world.run(run).reasons == ("The stored rows are no JSON.",)


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


def test_the_defaults_are_the_projects_own_parser_and_fit(world: World) -> None:
    run = world.refits.queue_refit("brand")
    Refits(world.datasets, world.queue, clock=world.clock).work(message_of(run))
    ended = world.run(run)
    assert ended.state == "failed"  # one row is no history
    assert ended.reasons
    assert parse_nothing(None, b"").spec == {}
