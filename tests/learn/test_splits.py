"""Splits: the optimiser's where curves are known, within limits, and never all to one arm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.errors import Infeasible, InvalidInput
from shared.learn.allocators.decision import decide
from shared.learn.allocators.spec import spec_faults
from shared.learn.allocators.split import Limits, filled, lots
from tests.learn.worlds import SCALES, SIZES, curved, event, spec


def spends(told: dict[str, Any]) -> list[float]:
    return [row["spend"] for row in told["arms"]]


def value(plan: list[float]) -> float:
    each = zip(SIZES, SCALES, plan, strict=True)
    return float(sum(a * (1.0 - np.exp(-x / k)) for a, k, x in each))


@pytest.mark.parametrize("kind", ["thompson", "ucb"])
def test_known_curves_are_split_as_the_optimiser_does(kind: str) -> None:
    asked = curved(0.0, kind=kind)
    told = decide(asked, asked.arms, [], 0, 100.0)
    assert spends(told) == pytest.approx([39.176, 23.497, 25.849, 11.479], abs=5e-4)
    assert value(spends(told)) == pytest.approx(171.0086, abs=5e-5)
    assert [row["return"] for row in told["arms"]] == pytest.approx([1.126609] * 4, rel=1e-6)
    assert told["expected_regret"] == pytest.approx(0.0, abs=1e-9)


def test_straight_arms_are_filled_in_turn_within_limits() -> None:
    within = Limits(np.array([1.0, 0, 2]), np.array([10.0, 4, 10]), 10.0)
    got = filled(np.array([[1.0, 3, 2], [3, 2, 1], [1, 1, 1]]), within)
    assert got.tolist() == [[1, 4, 5], [8, 0, 2], [8, 0, 2]]


def test_the_share_of_an_arm_is_its_chance_to_be_the_best() -> None:
    asked = spec(arms=[{"arm": a} for a in "abc"])
    events = [event(0, "a", 0, 200, 12), event(1, "b", 0, 200, 16), event(2, "c", 0, 200, 8)]
    told = decide(asked, asked.arms, events, 1, 1000.0)
    best = [row["probability_best"] for row in told["arms"]]
    assert best == pytest.approx([0.211615, 0.759303, 0.029082], abs=5e-7)
    assert [row["share"] for row in told["arms"]] == pytest.approx(best, abs=0.04)
    # By the integral, for this split: what the best brings less what the arms do.
    means = np.array([13, 17, 9]) / 202
    regret = 1000 * (0.00356345 + 17 / 202 - float(means @ [row["share"] for row in told["arms"]]))
    assert told["expected_regret"] == pytest.approx(regret, abs=1e-4)


def test_costs_count_outcomes_for_money() -> None:
    asked = spec(arms=[{"arm": "a", "cost": 3.0}, {"arm": "b"}])
    events = [event(0, "a", 0, 5000, 500), event(1, "b", 0, 5000, 250)]
    told = decide(asked, asked.arms, events, 1, 1000.0)
    assert spends(told) == [0.0, 1000.0]


def test_floors_ceilings_shares_and_lots_come_first() -> None:
    arms = [{"arm": "a", "floor": 155.0}, {"arm": "b", "ceiling": 600.0}, {"arm": "c"}]
    asked = spec(arms=arms, min_share=0.05, lot=10.0)
    events = [event(0, "a", 0, 5000, 50), event(1, "b", 0, 5000, 500), event(2, "c", 0, 5000, 100)]
    told = decide(asked, asked.arms, events, 1, 1000.0)
    assert spends(told)[1:] == [600.0, 240.0]  # 155 is nearest to 160 that the budget leaves
    assert sum(spends(told)) == 1000.0
    assert [row["share"] for row in told["arms"]] == [0.16, 0.6, 0.24]


def test_floors_beyond_the_budget_are_refused() -> None:
    asked = spec(arms=[{"arm": "a", "floor": 600.0}, {"arm": "b", "floor": 500.0}])
    with pytest.raises(Infeasible) as caught:
        decide(asked, asked.arms, [], 0, 1000.0)
    assert [c.name for c in caught.value.conflicts] == ["a.floor", "b.floor"]


def test_ceilings_below_the_budget_leave_money() -> None:
    asked = spec(arms=[{"arm": "a", "ceiling": 100.0}, {"arm": "b", "ceiling": 200.0}])
    told = decide(asked, asked.arms, [], 0, 1000.0)
    assert (told["spent"], spends(told)) == (300.0, [100.0, 200.0])
    assert "budget_not_spent" in [w["code"] for w in told["warnings"]]


def test_a_new_arm_is_believed_to_be_like_its_siblings_and_comes_in_on_a_ramp() -> None:
    asked = spec(arms=[{"arm": "a"}, {"arm": "b"}, {"arm": "late", "start": 10}])
    events = [event(0, "a", 0, 10_000, 300), event(1, "b", 0, 10_000, 290)]
    first = decide(asked, asked.arms, events, 10, 1000.0)
    late = next(row for row in first["arms"] if row["arm"] == "late")
    assert late["share"] <= 1 / 3 / 4 + 1e-9
    assert late["rate"] == pytest.approx(0.0296, abs=0.001)
    assert late["probability_best"] < 0.6  # a flat prior's mean is a half
    assert len(decide(asked, asked.arms, events, 9, 1000.0)["arms"]) == 2


def test_an_arm_that_ended_gets_nothing_and_without_arms_there_is_no_split() -> None:
    asked = spec(arms=[{"arm": "a", "end": 3}, {"arm": "b", "end": 5}])
    assert [r["arm"] for r in decide(asked, asked.arms, [], 4, 1000.0)["arms"]] == ["b"]
    with pytest.raises(InvalidInput, match="No arm runs in period 6"):
        decide(asked, asked.arms, [], 6, 1000.0)


def test_greedy_keeps_trying_the_others() -> None:
    asked = spec(kind="epsilon_greedy", epsilon=0.2)
    events = [event(0, "a", 0, 1000, 80), event(1, "b", 0, 1000, 20)]
    assert spends(decide(asked, asked.arms, events, 1, 1000.0)) == pytest.approx([900.0, 100.0])


def test_ucb_takes_the_arm_that_could_be_the_best() -> None:
    asked = spec(kind="ucb")
    events = [event(0, "a", 0, 1000, 80), event(1, "b", 0, 10, 0)]
    told = decide(asked, asked.arms, events, 1, 1000.0)
    assert spends(told) == [0.0, 1000.0]
    assert "index_in_batches" in [w["code"] for w in told["warnings"]]


def test_delays_of_arms_are_their_own() -> None:
    arms = [{"arm": "slow", "delay": {"mean": 10.0}}, {"arm": "fast", "delay": {"mean": 1.0}}]
    asked = spec(arms=arms)
    events = [event(0, "slow", 0, 1000, 4), event(1, "fast", 0, 1000, 30)]
    told = decide(asked, asked.arms, events, 1, 1000.0)
    slow, fast = told["arms"][0], told["arms"][1]
    assert (slow["arm"], fast["arm"]) == ("slow", "fast")
    assert slow["seen"] == pytest.approx(1.0 - np.exp(-0.1))
    assert slow["rate"] == pytest.approx(5 / (1000 * slow["seen"] + 1), rel=0.02)
    assert "outcomes_too_late" in [w["code"] for w in told["warnings"]]
    # Later outcomes of the same trials update the past.
    more = [*events, event(2, "slow", 0, 0, 40, lag=5)]
    assert decide(asked, asked.arms, more, 6, 1000.0)["arms"][0]["outcomes"] == 44
    assert decide(asked, asked.arms, more, 5, 1000.0)["arms"][0]["outcomes"] == 4


def test_discounts_forget_towards_the_prior() -> None:
    asked = spec(drift={"method": "discount", "factor": 0.5})
    events = [event(0, "a", 0, 64, 32), event(1, "b", 3, 8, 4)]
    rows = decide(asked, asked.arms, events, 4, 1000.0)["arms"]
    assert rows[0]["rate"] == pytest.approx((1 + 32 / 8) / (2 + 64 / 8))
    assert rows[1]["rate"] == pytest.approx(5 / 10)


def test_counts_that_scatter_more_than_counts_do_are_believed_less() -> None:
    asked = spec(outcome="count")
    calm = [event(i, "a", i, 100, 10) for i in range(6)]
    wild = [event(i, "a", i, 100, s) for i, s in enumerate((0, 30, 2, 25, 1, 2))]
    widths = []
    for events in (calm, wild):
        low, high = decide(asked, asked.arms, events, 6, 1000.0)["arms"][0]["return_interval"]
        widths.append(high - low)
    assert widths[1] > 2.5 * widths[0]


def test_contexts_are_split_each_on_its_own() -> None:
    features = [{"feature": "device", "values": ["mobile", "desktop"]}]
    asked = spec(kind="contextual", features=features)
    events = []
    for i, (arm, device, wins) in enumerate(
        [("a", "mobile", 90), ("a", "desktop", 10), ("b", "mobile", 20), ("b", "desktop", 60)]
    ):
        events.append(event(i, arm, 0, 1000, wins, context={"device": device}))
    told = decide(asked, asked.arms, events, 1, 1000.0, {"device": "tv"})
    shares = {
        row["context"]["device"]: {arm["arm"]: arm["share"] for arm in row["arms"]}
        for row in told["contexts"]
    }
    assert shares["mobile"]["a"] > 0.99
    assert shares["desktop"]["b"] > 0.99
    assert 0.0 < shares["tv"]["a"] < 1.0
    assert sum(spends(told)) == pytest.approx(1000.0)


def test_contexts_count_what_has_not_come_yet_as_no_failure() -> None:
    features = [{"feature": "device", "values": ["mobile"]}]
    arms = [{"arm": "late", "delay": {"shares": [0.1, 0.9]}}, {"arm": "now"}]
    asked = spec(kind="contextual", features=features, arms=arms)
    mobile = {"device": "mobile"}
    events = [
        event(0, "late", 0, 10_000, 100, context=mobile),
        event(1, "now", 0, 10_000, 300, context=mobile),
    ]
    told = decide(asked, asked.arms, events, 1, 1000.0)
    rates = {row["arm"]: row["rate"] for row in told["arms"]}
    assert rates["late"] == pytest.approx(0.1, rel=0.01)
    assert told["arms"][0]["probability_best"] > 0.99


def test_contradictions_are_told_all_at_once() -> None:
    asked = curved(
        0.5,
        outcome="binary",
        kind="contextual",
        drift={"method": "change_points"},
        delay={"mean": 1.0, "shares": [0.5]},
    )
    found = {(f.pointer, f.code) for f in spec_faults(asked) if "arms/1" not in f.pointer}
    assert {f for f in found if not f[0].startswith("/arms")} == {
        ("/features", "required"),
        ("/drift/method", "contradiction"),
        ("/min_share", "required"),
        ("/delay", "contradiction"),
    }
    assert {f for f in found if f[0].startswith("/arms/0/")} == {("/arms/0/curve", "contradiction")}
    plain = {"arm": "a", "prior": {"mean": 2.0, "trials": 1.0}, "end": 1, "start": 2}
    own = spec(arms=[plain, {"arm": "b", "cost": 2.0, "channel": "tv"}])
    assert {(f.pointer, f.code) for f in spec_faults(own)} == {
        ("/arms/0/end", "contradiction"),
        ("/arms/0/prior", "out_of_range"),
        ("/arms/1/cost", "contradiction"),
        ("/arms/1/channel", "contradiction"),
    }


def test_lots_keep_the_budget_and_the_ceilings() -> None:
    within = Limits(np.zeros(3), np.array([20.0, 100, 100]), 100.0)
    got = lots(np.array([19.9, 40.05, 40.05]), 10.0, within)
    assert got.tolist() == [20.0, 40.0, 40.0]
