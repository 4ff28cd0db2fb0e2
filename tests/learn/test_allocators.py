"""Allocators over storage: a function of the set of events, whatever happens on the way there."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import Infeasible, InvalidInput, MarginalError, NotFound, WriteConflict
from shared.learn.allocators.allocators import Allocators
from shared.learn.allocators.spec import AllocatorSpec, Observations
from shared.store.datasets import Datasets
from shared.store.keys import ALLOCATORS
from shared.store.memory import MemoryBlobs
from tests.fit.refit_world import Faults, FaultyBlobs, Killed, fails_at
from tests.learn.worlds import spec
from tests.store.samples import curve_set
from tests.store.test_races import Racing

Batch = list[dict[str, Any]]


class World:
    """A dataset with an allocator, in memory."""

    def __init__(self, asked: AllocatorSpec | None = None) -> None:
        self.blobs = MemoryBlobs()
        Datasets(self.blobs).put_spec("brand", {})
        self.spec = asked or spec(delay={"mean": 2.0})
        self.allocators().create("brand", self.spec)

    def allocators(self, blobs: Any = None) -> Allocators:
        datasets = Datasets(blobs or self.blobs)
        return Allocators(
            datasets.ledgers(ALLOCATORS, "allocator"), lambda _: curve_set(version="v1")
        )

    def observe(self, *events: dict[str, Any], blobs: Any = None) -> dict[str, Any]:
        told = Observations.model_validate({"events": list(events)})
        return self.allocators(blobs).observe("brand", "test", told)

    def bytes(self) -> list[bytes]:
        """The ledger, and the splits beside it."""
        keys = sorted(self.blobs.keys(f"{ALLOCATORS}/brand/"), key=lambda key: (len(key), key))
        return [self.blobs.read(key).data for key in keys]

    def ledger(self) -> dict[str, Any]:
        return json.loads(self.bytes()[0])  # type: ignore[no-any-return]

    def decisions(self) -> dict[str, Any]:
        found = self.allocators().get("brand", "test")["decisions"]
        return {row["decision"]: row for row in found}


def events() -> Batch:
    rng = random.Random(5)
    out = []
    for period in range(6):
        for arm in "ab":
            name = f"{arm}{period}"
            trials = rng.randrange(50, 200)
            out.append({"id": name, "arm": arm, "period": period, "trials": trials, "outcomes": 3})
            out.append(
                {"id": f"{name}-late", "arm": arm, "period": period, "lag": 2, "outcomes": 1}
            )
    return out


CORRECTED = {"id": "a3", "version": 2, "arm": "a", "period": 3, "trials": 120, "outcomes": 9}


def test_batches_shuffled_doubled_split_and_corrected_leave_the_same_bytes() -> None:
    plain = World()
    plain.observe(*events())
    plain.observe(CORRECTED)
    plain.allocators().next("brand", "test")
    for seed in range(12):
        rng = random.Random(seed)
        told = [*events(), CORRECTED, *rng.sample(events(), 8)]
        rng.shuffle(told)
        # A correction may come before what it corrects.
        world = World()
        while told:
            cut = rng.randrange(1, 9)
            world.observe(*told[:cut])
            del told[:cut]
        world.allocators().next("brand", "test")
        assert world.bytes() == plain.bytes()


def test_the_same_split_is_answered_again_and_stored_once() -> None:
    world = World()
    world.observe(*events())
    first = world.allocators().next("brand", "test")
    assert world.allocators().next("brand", "test") == first
    kept = world.decisions()
    assert list(kept) == [first["decision"]]
    assert kept[first["decision"]]["shares"] == {r["arm"]: r["share"] for r in first["arms"]}
    # Of a past period nothing is known that came later.
    past = world.allocators().next("brand", "test", period=3)
    world.observe({"id": "new", "arm": "a", "period": 7, "trials": 10})
    assert world.allocators().next("brand", "test", period=3) == past
    assert world.allocators().next("brand", "test")["decision"] not in kept


def test_what_is_corrected_needs_a_higher_version() -> None:
    world = World()
    world.observe(*events())
    before = world.bytes()
    with pytest.raises(InvalidInput) as caught:
        world.observe({**CORRECTED, "version": 1})
    assert [(f.pointer, f.code) for f in caught.value.faults] == [
        ("/events/0/version", "other_figures")
    ]
    assert world.bytes() == before
    counts = world.observe(CORRECTED, CORRECTED, events()[0])
    assert (counts["added"], counts["corrected"], counts["repeated"]) == (0, 1, 2)


def test_a_batch_with_a_fault_adds_nothing() -> None:
    world = World()
    before = world.bytes()
    bad = [
        {"id": "1", "arm": "a", "period": 0, "trials": 1},
        {"id": "2", "arm": "c", "period": 0},
        {"id": "3", "arm": "a", "period": 0, "context": {"x": 1}, "value": 3.0},
    ]
    with pytest.raises(InvalidInput) as caught:
        world.observe(*bad)
    assert [(f.pointer, f.code) for f in caught.value.faults] == [
        ("/events/1/arm", "unknown_arm"),
        ("/events/2/value", "contradiction"),
        ("/events/2/context", "unknown_feature"),
    ]
    assert world.bytes() == before


def test_arms_come_and_change_at_any_time() -> None:
    world = World()
    new = {"arm": "c", "start": 4}
    told = Observations.model_validate(
        {"arms": [new], "events": [{"id": "c4", "arm": "c", "period": 4, "trials": 5}]}
    )
    for _ in range(2):
        world.allocators().observe("brand", "test", told)
    assert [arm["arm"] for arm in world.allocators().get("brand", "test")["arms"]] == list("abc")
    with pytest.raises(InvalidInput, match="known otherwise"):
        world.allocators().observe(
            "brand", "test", Observations.model_validate({"arms": [{**new, "end": 9}]})
        )
    world.allocators().observe(
        "brand", "test", Observations.model_validate({"arms": [{**new, "end": 9, "version": 2}]})
    )
    assert world.allocators().get("brand", "test")["arms"][2]["end"] == 9


def test_floors_have_to_fit_the_budget_where_arms_run_together() -> None:
    arms = [{"arm": "a", "floor": 600.0, "end": 4}, {"arm": "b", "floor": 700.0, "start": 5}]
    world = World(spec(arms=arms))
    more = Observations.model_validate({"arms": [{"arm": "c", "floor": 500.0, "start": 2}]})
    with pytest.raises(Infeasible) as caught:
        world.allocators().observe("brand", "test", more)
    assert {c.name for c in caught.value.conflicts} == {"a.floor", "c.floor"}
    assert set(world.ledger()["arms"]) == {"a", "b"}


def test_arms_of_a_channel_share_its_curve_as_a_prior() -> None:
    arms = [{"arm": "x", "channel": "tv"}, {"arm": "y", "channel": "tv"}]
    asked = spec(outcome="count", arms=arms, budget=30.0)
    world = World(asked)
    tv = curve_set(version="v1").channels[0].response
    curve = world.ledger()["arms"]["x"]["curve"]
    assert curve["carryover"] == pytest.approx(0.5)
    told = world.allocators().next("brand", "test")
    assert [row["spend"] for row in told["arms"]] == pytest.approx([15.0, 15.0], abs=3.0)
    assert "carryover_beyond_period" in [w["code"] for w in told["warnings"]]
    both = sum(row["return"] for row in told["arms"]) / 2
    steady = tv.saturation.scaled(2.0)  # a geometric carryover of a half doubles spend
    assert both == pytest.approx(float(steady.slope(30.0)), rel=0.2)
    with pytest.raises(InvalidInput) as caught:
        World(spec(outcome="count", arms=[{"arm": "x"}, {"arm": "y", "channel": "radio"}]))
    assert [(f.pointer, f.code) for f in caught.value.faults] == [
        ("/arms/1/channel", "unknown_channel")
    ]


def test_an_allocator_is_made_once() -> None:
    world = World()
    world.observe(*events())
    before = world.bytes()
    made = world.allocators().create("brand", world.spec)
    assert made["events"] == len(events())
    assert world.bytes() == before
    with pytest.raises(WriteConflict):
        world.allocators().create("brand", spec(budget=5.0))
    assert [a["allocator"] for a in world.allocators().every("brand")] == ["test"]
    world.allocators().delete("brand", "test")
    with pytest.raises(NotFound):
        world.allocators().get("brand", "test")
    with pytest.raises(NotFound):
        world.allocators().get("brand", "../x")


def test_a_deleted_dataset_takes_its_allocators_along() -> None:
    world = World()
    Datasets(world.blobs).delete("brand")
    assert list(world.blobs.keys(f"{ALLOCATORS}/")) == []


def test_the_night_writes_down_the_next_split() -> None:
    world = World()
    assert world.allocators().night("brand") == 0
    world.observe(*events())
    assert world.allocators().night("brand") == 1
    assert world.allocators().next("brand", "test")["decision"] in world.decisions()


# -- killed, delivered twice, raced ---------------------------------------------------------------

STEPS: dict[str, Callable[[World, Any], object]] = {
    "create": lambda w, blobs: w.allocators(blobs).create("brand", w.spec),
    "observe": lambda w, blobs: w.observe(*events(), CORRECTED, blobs=blobs),
    "next": lambda w, blobs: w.allocators(blobs).next("brand", "test"),
}


def prepared(step: str) -> World:
    world = World()
    if step == "create":
        world.allocators().delete("brand", "test")
    if step == "next":
        world.observe(*events())
    return world


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "what", ["kill before", "kill after", "error before", "error after", "sent twice"]
)
def test_stopped_at_any_operation_and_sent_again_it_ends_the_same(step: str, what: str) -> None:
    undisturbed, faults = prepared(step), Faults()
    STEPS[step](undisturbed, FaultyBlobs(undisturbed.blobs, faults))
    assert faults.count >= 3
    for k in range(1, faults.count + 1):
        world = prepared(step)
        try:
            STEPS[step](world, FaultyBlobs(world.blobs, fails_at(k, what)))
        except (Killed, MarginalError):
            assert what != "sent twice"
        STEPS[step](world, world.blobs)  # the caller sends it again
        STEPS[step](world, world.blobs)
        assert world.bytes() == undisturbed.bytes(), k


def test_two_writers_at_once_lose_nothing() -> None:
    world, told = World(), events()
    racing = Racing(world.blobs)
    racing.rivals = [
        lambda: world.observe(*told[:8]),
        lambda: world.allocators().next("brand", "test"),
        lambda: world.observe(*told[8:12]),
    ]
    world.observe(*told[6:], blobs=racing)
    alone = World()
    alone.observe(*told[:8])
    alone.allocators().next("brand", "test")
    alone.observe(*told)
    assert world.bytes() == alone.bytes()


def test_a_split_is_of_what_was_known_when_it_was_begun() -> None:
    world, told = World(), events()
    before = world.allocators().next("brand", "test", period=10)
    world.observe(*told)
    after = world.allocators().next("brand", "test", period=10)
    assert after["decision"] != before["decision"]
    assert set(world.decisions()) == {before["decision"], after["decision"]}
    assert sum(row["trials"] for row in after["arms"]) == sum(e.get("trials", 0) for e in told)


def test_a_deleted_allocator_takes_its_splits_along() -> None:
    world = World()
    world.allocators().next("brand", "test")
    world.allocators().delete("brand", "test")
    assert list(world.blobs.keys(f"{ALLOCATORS}/")) == []
