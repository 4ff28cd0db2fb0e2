"""Tables that wait to be read: whatever stops their reading, what was current stays, or they do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import WriteConflict
from shared.store.records import Asked, Run
from tests.fit.refit_world import Faults, World, fails_at, fails_at_random, without_times
from tests.history.forms import WEEKS

CSV = "text/csv"


def table(rows: slice = slice(None), times: float = 1.0) -> bytes:
    lines = [f"{day},{revenue},{tv * times}" for day, revenue, tv, _ in WEEKS[rows]]
    return "\n".join(["date,revenue,spend_tv", *lines]).encode()


NEW, LATE = table(times=2.0), table(slice(50, None), times=3.0)


@pytest.fixture
def world() -> World:
    made = World()
    made.datasets.put_history("brand", table(), CSV)
    return made


def sent(world: World, asked: Asked, data: bytes) -> Run:
    return world.refits.queue_upload("brand", asked, data, CSV)


def current(world: World) -> bytes:
    return world.datasets.get_history("brand").data


def test_a_table_is_current_only_when_it_was_read(world: World) -> None:
    run = sent(world, Asked("history"), NEW)
    assert (run.state, current(world)) == ("queued", table())
    world.deliver_all()
    ended = world.run(run)
    assert (ended.state, ended.errors, current(world)) == ("stored", (), NEW)
    assert ended.report is not None
    assert ended.report["rows"] == 60
    assert ended.report["etag"] == world.datasets.get_history("brand").etag
    assert json.dumps(ended.to_dict())
    assert not world.fit.calls


def test_of_a_table_that_cannot_be_used_every_fault_is_told(world: World) -> None:
    run = sent(world, Asked("history"), NEW.replace(b"2023-01-09", b"someday"))
    world.deliver_all()
    ended = world.run(run)
    assert (ended.state, current(world)) == ("failed", table())
    assert [error["pointer"] for error in ended.errors] == ["/rows/3/date"]
    assert "someday" in ended.reasons[0]


def test_a_dataset_begins_with_a_table_that_waits(world: World) -> None:
    run = world.refits.queue_upload("other", Asked("history"), NEW, CSV)
    assert world.datasets.manifest("other").inputs.history is None
    world.deliver_all()
    assert world.datasets.read_run("other", run.run).state == "stored"
    assert world.datasets.get_history("other").data == NEW


def test_what_was_put_later_is_not_replaced_by_what_was_sent_before(world: World) -> None:
    run = sent(world, Asked("history"), NEW)
    world.datasets.put_history("brand", LATE, CSV)
    world.deliver_all()
    ended = world.run(run)
    assert (ended.state, current(world)) == ("failed", LATE)
    assert "changed by somebody else" in ended.reasons[0]


def test_the_etag_is_asked_for_at_once_and_again_when_it_is_read(world: World) -> None:
    with pytest.raises(WriteConflict):
        sent(world, Asked("history", if_match='"else"'), NEW)
    etag = world.datasets.get_history("brand").etag
    run = sent(world, Asked("history", "patch", if_match=etag), LATE)
    world.datasets.put_history("brand", NEW, CSV)
    world.deliver_all()
    assert world.run(run).state == "failed"


def test_several_that_wait_are_put_together_in_turn(world: World) -> None:
    runs = [
        sent(world, Asked("history", "patch"), LATE),
        sent(world, Asked("history", "patch"), table(slice(0, 10), times=5.0)),
    ]
    world.deliver_all()
    assert [world.run(run).state for run in runs] == ["stored"] * 2
    rows = json.loads(current(world))
    factors = [float(row["spend_tv"]) / tv for row, (_, _, tv, _) in zip(rows, WEEKS, strict=True)]
    assert factors == pytest.approx([5.0] * 10 + [1.0] * 40 + [3.0] * 10)


CASES: dict[str, tuple[Asked, bytes]] = {
    "put": (Asked("history"), NEW),
    "renewed": (Asked("history", "patch"), LATE),
    "refused": (Asked("history"), b"date,revenue\nsomeday,3\n"),
}


@pytest.mark.parametrize("what", ["kill before", "kill after", "error before", "error after"])
@pytest.mark.parametrize("case", CASES)
def test_stopped_at_any_operation_it_ends_the_same(case: str, what: str) -> None:
    asked, data = CASES[case]

    def ended(faults: Faults) -> tuple[Run, dict[str, Any] | None, bytes]:
        world = World()
        world.datasets.put_history("brand", table(), CSV)
        run = sent(world, asked, data)
        world.deliver_all(faults)
        found = world.run(run)
        return without_times(found), dict(found.report or {}), current(world)

    quiet = Faults()
    whole = ended(quiet)
    assert whole[0].state == ("failed" if case == "refused" else "stored")
    for k in range(1, quiet.count + 1):
        assert ended(fails_at(k, what)) == whole, k


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_it_is_the_old_table_or_the_new_one(seed: int) -> None:
    world = World()
    world.datasets.put_history("brand", table(), CSV)
    run = sent(world, Asked("history"), NEW)
    world.deliver_all(fails_at_random(seed, 0.25), deliveries=200)
    ended = world.run(run)
    assert ended.terminal
    assert current(world) == (NEW if ended.state == "stored" else table())


@pytest.mark.parametrize("what", ["kill", "error"])
def test_sending_may_fail_at_any_operation(what: str) -> None:
    """What was current stays; a run that is there at all is told or is brought to its end."""
    from shared.errors import StorageUnavailable
    from tests.fit.refit_world import Killed

    for k in range(1, 8):
        for when in ("before", "after"):
            world = World()
            world.datasets.put_history("brand", table(), CSV)
            worker = world.worker(fails_at(k, f"{what} {when}"))
            try:
                worker.queue_upload("brand", Asked("history"), NEW, CSV)
            except (Killed, StorageUnavailable):
                assert current(world) == table()
            world.deliver_all()
            assert current(world) in (table(), NEW)
            assert not world.errors
