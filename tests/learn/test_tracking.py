"""Adopted plans: judged given the spend that was executed, alarmed by cause, killed anywhere."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from shared.curves.curveset import CurveSet
from shared.errors import InvalidInput, MarginalError, NotFound, WriteConflict
from shared.history.table import History
from shared.learn.tracking import Adoption, Tracking, scale_of
from shared.store.datasets import Datasets
from shared.store.keys import ADOPTED
from shared.store.memory import MemoryBlobs
from tests.fit.refit_world import Faults, FaultyBlobs, Killed, fails_at
from tests.store.samples import curve_set

FIRST, WEEKS, START = date(2024, 1, 1), 104, date(2025, 12, 29)
PLAN = {
    "request": {"curves_version": "v1"},
    "answer": {
        "allocation": [{"channel": "tv", "spend": 30.0}],
        "totals": {"spend": 30.0, "outcome": 70.0, "uplift": 5.0},
    },
}


def spend_of(weeks: int, seed: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    return np.asarray(30.0 * np.exp(0.5 * rng.standard_normal(weeks)))


class World:
    """Two years of a brand and what came after, with errors that remember."""

    def __init__(self, weeks_after: int = 0, seed: int = 2) -> None:
        self.blobs = MemoryBlobs()
        Datasets(self.blobs).put_spec("brand", {})
        self.curves: CurveSet = curve_set(version="v1")
        self.weeks = WEEKS + weeks_after
        rng = np.random.default_rng(seed)
        self.spend = spend_of(self.weeks)
        self.spend[WEEKS:] = 30.0 * np.exp(0.3 * rng.standard_normal(weeks_after))
        e = np.zeros(self.weeks)
        for t in range(self.weeks):
            e[t] = 0.4 * e[max(t - 1, 0)] + 3.0 * rng.standard_normal()
        curve = self.curves.channels[0].response
        assert curve.adstock is not None
        # As the world before was: spend at its mean.
        stock = curve.adstock.apply(self.spend, prior=float(self.spend.mean()))
        self.media = np.asarray(curve.saturation.value(stock))
        season = 10.0 * np.sin(2 * np.pi * np.arange(self.weeks) * 7 / 365.25)
        self.base = 200.0 + season + 0.1 * np.arange(self.weeks) + e
        self.works = np.ones(self.weeks)
        self.level = np.zeros(self.weeks)
        self.plans: dict[str, Any] = {"a1": PLAN, "a2": PLAN}

    def history(self, dataset: str) -> History:
        del dataset
        return History(
            dates=tuple(FIRST + timedelta(weeks=t) for t in range(self.weeks)),
            frequency="week",
            outcome_name="revenue",
            outcome=self.base + self.works * self.media + self.level,
            channels=("tv",),
            spend=self.spend[:, None],
            control_names=(),
            controls=np.zeros((self.weeks, 0)),
            events=("",) * self.weeks,
        )

    def tracking(self, blobs: Any = None) -> Tracking:
        return Tracking(
            Datasets(blobs or self.blobs).ledgers(ADOPTED, "adopted plan"),
            lambda _, plan: self.plans.get(plan),
            self.history,
            lambda _dataset, _version: self.curves,
        )

    def adopted(self, plan: str = "a1", periods: int = 26) -> dict[str, Any]:
        asked = Adoption(start=START.isoformat(), periods=periods)
        return self.tracking().adopt("brand", plan, asked)


def codes(told: dict[str, Any]) -> list[str]:
    return [alarm["code"] for alarm in told["alarms"]]


def test_a_forecast_that_is_right_is_left_alone() -> None:
    told = World(weeks_after=20).adopted()
    assert len(told["periods"]) == 20
    assert codes(told) == []
    z = [row["z"] for row in told["periods"]]
    assert 0.5 < float(np.std(z)) < 1.6
    inside = sum(
        row["forecast_interval"][0] <= row["outcome"] <= row["forecast_interval"][1]
        for row in told["periods"]
    )
    assert inside >= 15
    assert told["calibration"]["scale"] == pytest.approx(scale_of(20, float(np.square(z).sum())))
    assert "No alarm" in told["explanation"][2]
    assert "lift test" in told["explanation"][-1]


def test_spend_that_was_not_executed_is_one_reason_and_the_forecast_follows_it() -> None:
    world = World(weeks_after=20)
    world.spend[WEEKS:] *= 0.5
    curve = world.curves.channels[0].response
    assert curve.adstock is not None
    stock = curve.adstock.apply(world.spend, prior=float(world.spend.mean()))
    world.media = np.asarray(curve.saturation.value(stock))
    told = world.adopted()
    assert codes(told) == ["spend_not_executed"]
    assert "tv" in told["alarms"][0]["message"]


def test_a_level_that_moved_is_another() -> None:
    world = World(weeks_after=26)
    world.level[WEEKS + 2 :] = -9.0
    told = world.adopted()
    assert codes(told) == ["level_off"]
    assert "below the forecast" in told["alarms"][0]["message"]


def test_a_response_that_is_gone_is_a_third() -> None:
    found = []
    for seed in range(6):
        world = World(weeks_after=26, seed=seed)
        world.works[WEEKS:] = 1.5
        world.level[WEEKS:] = -0.5 * world.media[WEEKS:].mean()  # the level is as it was
        found += codes(world.adopted())
    assert found.count("response_off") > found.count("level_off")
    assert "response_off" in found


def test_errors_widen_what_is_stated_next() -> None:
    world = World(weeks_after=20)
    world.adopted()
    calm = world.tracking().course("brand", "a1")["periods"][0]["forecast_interval"]
    world.base[WEEKS:] += 9.0 * np.random.default_rng(3).standard_normal(20)
    world.tracking().night("brand")
    summary = world.tracking().summary("brand")
    assert summary is not None
    assert summary["scale"] > 1.5
    assert summary["plans"][0]["compared"] == 20
    assert "20 of 26 periods compared" in summary["explanation"][0]
    assert "multiply the intervals" in summary["explanation"][-1]
    second = world.adopted("a2")["periods"][0]["forecast_interval"]
    assert second[1] - second[0] == pytest.approx(summary["scale"] * (calm[1] - calm[0]), rel=1e-6)


def test_more_plans_alarm_no_oftener_together() -> None:
    world = World(weeks_after=4)
    alone = world.adopted("a1")["limit"]
    world.adopted("a2")
    assert world.tracking().course("brand", "a1")["limit"] > alone


def test_a_plan_over_time_has_its_own_periods() -> None:
    world = World(weeks_after=2)
    periods = [{"spend": 10.0}, {"spend": 20.0}, {"spend": 30.0}]
    row = {"channel": "tv", "spend": 60.0, "periods": periods}
    world.plans["b"] = {**PLAN, "answer": {**PLAN["answer"], "allocation": [row]}}
    told = world.tracking().adopt("brand", "b", Adoption(start=START.isoformat()))
    assert [row["planned"] for row in told["periods"]] == [10.0, 20.0]
    summary = world.tracking().summary("brand")
    assert summary is not None
    assert summary["plans"][0]["periods"] == 3


def test_what_cannot_be_tracked_is_refused() -> None:
    world = World()
    with pytest.raises(NotFound, match="30 days"):
        world.tracking().adopt("brand", "zz", Adoption(start=START.isoformat()))
    with pytest.raises(InvalidInput) as caught:
        world.tracking().adopt("brand", "a1", Adoption(start="2024-05-01"))
    assert caught.value.faults[0].code == "too_little_history"
    with pytest.raises(InvalidInput):
        world.tracking().adopt("brand", "a1", Adoption(start="2024-13-01"))
    with pytest.raises(NotFound):
        world.tracking().course("brand", "a1")
    assert world.tracking().summary("brand") is None
    world.adopted()
    with pytest.raises(WriteConflict):
        world.tracking().adopt("brand", "a1", Adoption(start=START.isoformat(), periods=3))


def stored(world: World) -> list[bytes]:
    return [world.blobs.read(key).data for key in world.blobs.keys(f"{ADOPTED}/")]


@pytest.mark.parametrize("what", ["kill before", "kill after", "error before", "sent twice"])
@pytest.mark.parametrize("step", ["adopt", "night"])
def test_stopped_at_any_operation_and_sent_again_it_ends_the_same(step: str, what: str) -> None:
    def prepared() -> World:
        world = World(weeks_after=3)
        if step == "night":
            world.adopted(periods=8)
        return world

    def act(world: World, blobs: Any) -> None:
        if step == "adopt":
            asked = Adoption(start=START.isoformat(), periods=8)
            world.tracking(blobs).adopt("brand", "a1", asked)
        else:
            world.tracking(blobs).night("brand")

    undisturbed, faults = prepared(), Faults()
    act(undisturbed, FaultyBlobs(undisturbed.blobs, faults))
    for k in range(1, faults.count + 1):
        world = prepared()
        try:
            act(world, FaultyBlobs(world.blobs, fails_at(k, what)))
        except (Killed, MarginalError):
            assert what != "sent twice"
        act(world, world.blobs)
        assert stored(world) == stored(undisturbed), k
