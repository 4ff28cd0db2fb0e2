"""A long fit: its lease is kept, its time has an end, and what has not changed is not fitted."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from shared.fit.night.refit import Lease, claimed, code_version
from shared.watch import TimeUp, Watch
from tests.fit.refit_world import World
from tests.waiting import PATIENCE_S

LEASE = timedelta(minutes=5)
NEVER = timedelta(hours=1)
AT_ONCE = timedelta(seconds=0.01)


@pytest.fixture
def world() -> World:
    return World()


def held(world: World) -> Lease:
    """The lease of a worker that begins a run now."""
    run = world.refits.queue_refit("brand")
    mine = world.datasets.update_run(claimed(run, "me", world.clock(), LEASE))
    return Lease(world.datasets, mine, world.clock, LEASE)


def until_stopped() -> Iterator[None]:
    """Steps without an end; only an exception from outside gets out of them."""
    while True:
        yield


def test_a_stage_that_takes_longer_than_a_lease_keeps_it(world: World) -> None:
    lease = held(world)
    renewed = threading.Event()
    update = world.datasets.update_run

    def told(run: object) -> object:
        found = update(run)  # type: ignore[arg-type]
        renewed.set()
        return found

    world.datasets.update_run = told  # type: ignore[method-assign, assignment]
    world.clock.advance(280)
    with Watch(lease.held, None, AT_ONCE):
        assert renewed.wait(PATIENCE_S)
        world.clock.advance(280)
        assert world.run(lease.run).leased_at(world.clock.now)
    assert (lease.run.stage, lease.run.state) == ("start", "running")


def test_at_the_cap_the_fit_is_interrupted_wherever_it_is(world: World) -> None:
    with pytest.raises(TimeUp), Watch(held(world).held, AT_ONCE, NEVER):
        for _ in until_stopped():
            pass


def test_a_fit_that_ends_in_time_is_left_alone(world: World) -> None:
    for _ in range(200):
        with Watch(held(world).held, NEVER, NEVER):
            pass
    assert all(t.name != "watch" for t in threading.enumerate())


def test_a_fit_that_ends_just_at_its_cap_lets_nothing_out_later(world: World) -> None:
    lease = held(world)
    for turn in range(300):
        try:
            with Watch(lease.held, timedelta(seconds=1e-5 * (turn % 30)), NEVER):
                sum(range(2000))
        except TimeUp:
            continue
        # Were it still to come, it would come within these steps.
        for _ in range(100):
            sum(range(10))


def test_a_lost_lease_ends_the_fit(world: World) -> None:
    lease = held(world)
    world.steal(lease.run)
    world.clock.advance(60)
    with pytest.raises(TimeUp), Watch(lease.held, None, AT_ONCE):
        for _ in until_stopped():
            pass


def test_a_run_ends_at_its_cap_with_the_reason_and_keeps_what_was(world: World) -> None:
    first = world.refits.queue_refit("brand")
    world.deliver_all()
    reached: list[bool] = []

    def during() -> None:
        reached.append(True)
        for _ in until_stopped():
            pass

    world.fit.during = during
    # On a busy machine a short cap may come before the fit: then a longer one.
    for cap in (0.05, 0.5, 5.0, 50.0):
        world.cap = timedelta(seconds=cap)
        run = world.refits.queue_refit("brand")
        world.deliver_all()
        if reached:
            break
    ended = world.run(run)
    assert ended.state == "kept_previous"
    assert "time cap" in ended.reasons[0]
    assert "'fit'" in ended.reasons[0]
    assert (ended.attempt, ended.curves_version, ended.holder) == (1, None, "")
    assert world.datasets.curves("brand").version == world.run(first).curves_version
    assert world.errors == []
    # The next one is made as if nothing had been.
    world.cap, world.fit.during = None, lambda: None
    again = world.refits.queue_refit("brand")
    world.deliver_all()
    assert world.run(again).state == "promoted"


def test_cut_off_in_the_midst_of_a_write_the_run_still_ends(world: World) -> None:
    """The write went through, and its answer never came: the run is read anew."""
    world.cap = timedelta(seconds=0.05)

    def write_and_wait() -> None:
        (run,) = [world.datasets.read_run("brand", queued.run)]
        world.datasets.update_run(run)
        for _ in until_stopped():
            pass

    world.fit.during = write_and_wait
    queued = world.refits.queue_refit("brand")
    world.deliver_all()
    assert world.run(queued).state == "kept_previous"


# -- what has not changed -------------------------------------------------------------------------


def test_what_has_not_changed_is_not_fitted_again(world: World) -> None:
    world.code = lambda: "one"
    first = world.refits.queue_refit("brand")
    world.deliver_all()
    for night in range(2):
        world.refits.queue_all(date(2025, 3, 9 + night))
        world.deliver_all()
        run = world.datasets.read_run("brand", f"nightly-{20250309 + night}")
        assert (run.state, run.unchanged) == ("kept_previous", True)
        assert run.reasons[0].startswith("Unchanged")
        assert run.to_dict()["unchanged"] is True
    assert len(world.fit.calls) == 1
    assert len(world.datasets.versions("brand")) == 1
    assert world.datasets.curves("brand").version == world.run(first).curves_version


@pytest.mark.parametrize("what", ["history", "spec", "outcomes", "code", "force"])
def test_whatever_a_fit_follows_from_makes_it_fit_again(world: World, what: str) -> None:
    world.code = lambda: "one"
    world.refits.queue_refit("brand")
    world.deliver_all()
    if what == "history":
        world.datasets.put_history("brand", b"another", "text/csv")
    elif what == "spec":
        world.datasets.put_spec("brand", {"date": "date"})
    elif what == "outcomes":
        world.datasets.put_outcomes("brand", b"date,revenue\n", "text/csv")
    elif what == "code":
        world.code = lambda: "two"
    world.clock.advance(60)
    run = world.refits.queue_refit("brand", force=what == "force")
    world.deliver_all()
    assert (world.run(run).state, world.run(run).unchanged) == ("promoted", False)
    assert len(world.fit.calls) == 2


def test_a_fit_that_failed_its_gate_is_not_made_again_either(world: World) -> None:
    world.code, world.fit.promote = (lambda: "one"), False
    world.refits.queue_refit("brand")
    world.deliver_all()
    run = world.refits.queue_refit("brand")
    world.deliver_all()
    assert world.run(run).unchanged
    assert len(world.fit.calls) == 1


def test_a_roll_back_stays_though_the_nights_go_on(world: World) -> None:
    world.code = lambda: "one"
    first = world.refits.queue_refit("brand")
    world.deliver_all()
    world.clock.advance(60)
    second = world.refits.queue_refit("brand", force=True)
    world.deliver_all()
    old, new = (world.run(r).curves_version for r in (first, second))
    assert old is not None
    world.datasets.promote("brand", old)
    world.refits.queue_all(date(2025, 3, 10))
    world.deliver_all()
    assert world.datasets.curves("brand").version == old != new


def test_a_fit_that_lost_to_others_may_try_again(world: World) -> None:
    """Good enough, but other curves had become current while it ran."""
    world.code = lambda: "one"
    old = world.refits.queue_refit("brand")
    world.deliver_all()
    before = world.run(old).curves_version
    assert before is not None
    world.clock.advance(60)
    other = world.refits.queue_refit("brand", force=True)
    world.deliver_all()
    assert world.run(other).state == "promoted"
    world.datasets.put_history("brand", b"newer", "text/csv")
    world.fit.at_end = lambda: world.datasets.promote("brand", before) and None
    world.clock.advance(60)
    lost = world.refits.queue_refit("brand")
    world.deliver_all()
    assert world.run(lost).state == "kept_previous"
    world.fit.at_end = lambda: None
    world.clock.advance(60)
    again = world.refits.queue_refit("brand")
    world.deliver_all()
    assert (world.run(again).state, world.run(again).unchanged) == ("promoted", False)


def test_every_stage_is_told_however_short_the_one_before(world: World) -> None:
    lease = held(world)
    seen = []
    for stage in ("fit", "validate", "judge"):
        lease.progress(stage, 0.5)
        seen.append(world.run(lease.run).stage)
    assert seen == ["fit", "validate", "judge"]
    written = lease.run.etag
    lease.progress("judge", 0.6)  # within a stage storage hears of it now and then only
    assert lease.run.etag == written


def test_the_code_counts_by_its_sources() -> None:
    word = code_version()
    assert len(word) == 16
    # Were no source found, it would be the hash of nothing.
    assert word != hashlib.sha256().hexdigest()[:16]
