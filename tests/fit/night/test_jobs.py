"""Jobs: asked once, answered once, whatever is killed, doubled, cancelled or deleted meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.errors import NotFound
from shared.fit.night.refit import message_of
from shared.store.datasets import job_name
from shared.store.records import Run
from tests.fit.refit_world import World, fails_at, fails_at_random

KINDS = ["kill before", "kill after", "error before", "error after", "sent twice"]


@pytest.fixture
def world() -> World:
    return World()


def asked(world: World, dataset: str | None = None) -> Run:
    return world.refits.queue_job(dataset, "optimize", b"{}")


def now(world: World, job: Run) -> Run:
    return world.datasets.job(job_name(job))


def blobs_of(world: World, job: Run) -> list[str]:
    return [key.rpartition(".")[2] for key in world.blobs.keys("jobs/") if job.run in key]


def test_a_job_is_done_by_the_worker_and_its_request_is_forgotten(world: World) -> None:
    job = asked(world)
    assert (now(world, job).state, blobs_of(world, job)) == ("queued", ["json", "question"])
    world.deliver_all()
    assert world.perform.calls == [("optimize", b"{}")]
    assert now(world, job).state == "completed"
    assert world.datasets.answer(job) == (200, {"asked": 1})
    assert blobs_of(world, job) == ["answer", "json"]


def test_a_refusal_is_an_answer(world: World) -> None:
    world.perform.status = 422
    job = asked(world)
    world.deliver_all()
    assert now(world, job).state == "failed"
    assert world.datasets.answer(job) == (422, {"asked": 1})


@pytest.mark.parametrize("what", KINDS)
def test_stopped_anywhere_a_job_is_answered_once(world: World, what: str) -> None:
    """At every operation in turn; the first answer that was stored is the one that is told."""
    reached = 0
    for k in range(1, 40):
        job = asked(world)
        faults = fails_at(k, what)
        world.deliver_all(faults)
        reached += faults.count >= k
        told = world.datasets.answer(job)
        assert now(world, job).state == "completed", k
        assert told is not None, k
        # A second delivery, long after, changes nothing.
        world.queue.send(message_of(job))
        world.deliver_all()
        assert world.datasets.answer(job) == told, k
        if faults.count < k:
            break
    assert reached >= 6  # read, claim, look for an answer, question, renew, answer, finish
    assert world.poison == []


@pytest.mark.parametrize("seed", range(20))
def test_random_trouble_loses_no_job(world: World, seed: int) -> None:
    jobs = [asked(world) for _ in range(3)]
    world.deliver_all(fails_at_random(seed, 0.15), deliveries=200)
    for job in jobs:
        told, answer = now(world, job), world.datasets.answer(job)
        assert told.terminal
        assert (told.state == "completed") == (answer is not None)


def test_what_always_fails_is_given_up_with_a_reason(world: World) -> None:
    world.perform.error = RuntimeError("secret path")
    job = asked(world)
    world.deliver_all()
    ended = now(world, job)
    assert ended.state == "failed"
    assert ended.reasons == (
        "The job failed too often and was given up.",
        "The job stopped at an unexpected error (RuntimeError).",
    )
    assert len(world.perform.calls) == 3
    assert blobs_of(world, job) == ["json"]


def test_a_job_that_takes_too_long_is_ended(world: World) -> None:
    def without_end() -> None:
        while True:
            pass

    world.cap, world.perform.during = timedelta(seconds=0.05), without_end
    job = asked(world)
    world.deliver_all()
    assert now(world, job).state == "failed"
    assert "time cap" in now(world, job).reasons[0]
    assert world.datasets.answer(job) is None


def test_cancelled_before_it_begins_a_job_is_never_asked(world: World) -> None:
    job = asked(world)
    assert world.refits.cancel(job_name(job)).state == "terminated"
    world.deliver_all()
    assert world.perform.calls == []
    assert now(world, job).state == "terminated"
    assert world.refits.cancel(job_name(job)).state == "terminated"
    assert blobs_of(world, job) == ["json"]


def test_cancelled_while_it_runs_a_job_stays_so(world: World) -> None:
    job = asked(world)
    world.perform.during = lambda: world.refits.cancel(job_name(job)) and None
    world.deliver_all()
    assert (len(world.perform.calls), now(world, job).state) == (1, "terminated")


def test_a_job_that_is_done_cannot_be_cancelled(world: World) -> None:
    job = asked(world)
    world.deliver_all()
    assert world.refits.cancel(job_name(job)).state == "completed"
    assert world.datasets.answer(job) is not None


def test_an_answer_is_kept_for_seven_days(world: World) -> None:
    job = asked(world)
    world.deliver_all()
    world.clock.advance(7 * 24 * 3600 - 60)
    assert now(world, job).state == "completed"
    world.clock.advance(120)
    with pytest.raises(NotFound):
        now(world, job)


@pytest.mark.parametrize("delivered", [False, True])
def test_a_deleted_dataset_leaves_no_job(world: World, delivered: bool) -> None:
    job = asked(world, "brand")
    if delivered:
        world.deliver_all()
    world.datasets.delete("brand")
    world.deliver_all()
    with pytest.raises(NotFound):
        now(world, job)
    assert list(world.blobs.keys("jobs/")) == []
    # A dataset of the same name does not see it either.
    world.datasets.put_history("brand", b"x", "text/csv")
    with pytest.raises(NotFound):
        now(world, job)


def test_deleted_while_it_runs_a_dataset_leaves_no_answer(world: World) -> None:
    asked(world, "brand")
    world.perform.during = lambda: world.datasets.delete("brand")
    world.deliver_all()
    assert world.errors == []
    assert list(world.blobs.keys("jobs/")) == []


def test_a_job_needs_its_dataset(world: World) -> None:
    before = list(world.blobs.keys(""))
    with pytest.raises(NotFound):
        asked(world, "nobody")
    assert list(world.blobs.keys("")) == before


def test_where_the_queue_is_away_nothing_is_left(world: World) -> None:
    for k in range(1, 4):
        with pytest.raises(Exception, match="Storage"):
            world.worker(fails_at(k, "error before")).queue_job(None, "optimize", b"{}")
        assert list(world.blobs.keys("jobs/")) == []


def test_a_job_is_no_run_of_its_dataset(world: World) -> None:
    job = asked(world, "brand")
    assert world.datasets.runs("brand") == ()
    with pytest.raises(NotFound):
        world.datasets.read_run("brand", job.run)


@pytest.mark.parametrize(
    "name", ["", "x", "j0", "~~", "../x", "brand~x~j0123456789abcdef", "a~b~c~d", "INLINE~0~x"]
)
def test_other_ids_name_no_job(world: World, name: str) -> None:
    with pytest.raises(NotFound):
        world.datasets.job(name)
