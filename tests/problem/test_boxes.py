"""Bounds, conflicts by name, carryover folding, draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill
from shared.errors import Infeasible, InvalidInput
from shared.problem.lower import lower
from shared.problem.model import Channel, Problem
from tests.arrays import arrays_of

CURVE = Response(Exponential(100.0, 0.01))


def problem(*channels: Channel, budget: float = 100.0, spend_all: bool = True) -> Problem:
    return Problem(channels=channels, budget=budget, spend_all=spend_all)


def conflict(*channels: Channel, budget: float = 100.0, spend_all: bool = True) -> Infeasible:
    with pytest.raises(Infeasible) as caught:
        lower(problem(*channels, budget=budget, spend_all=spend_all))
    return caught.value


def test_every_source_of_a_bound_is_named() -> None:
    c = arrays_of(
        problem(
            Channel("free", CURVE),
            Channel("both", CURVE, min_spend=10, max_spend=40),
            Channel("change", CURVE, current_spend=20, max_change=0.25, min_spend=1, max_spend=90),
            Channel("fixed", CURVE, current_spend=7, locked=True, max_change=0.5),
            Channel("wide", CURVE, max_spend=1e9),
        )
    )
    np.testing.assert_allclose(c.lower, [0, 10, 15, 7, 0])
    # The floors of 10, 15 and 7 leave 68 for whoever asks for no less than 0.
    np.testing.assert_allclose(c.upper, [68, 40, 25, 7, 68])
    assert c.lower_by == ("", "min_spend", "max_change", "locked", "")
    assert c.upper_by == ("budget", "max_spend", "max_change", "locked", "budget")


def test_a_channel_seen_at_zero_with_a_change_limit_stays_at_zero() -> None:
    c = arrays_of(
        problem(Channel("a", CURVE, current_spend=0, max_change=0.5), Channel("b", CURVE))
    )
    assert (c.lower[0], c.upper[0], c.upper_by[0]) == (0.0, 0.0, "max_change")


def test_carryover_of_sustained_spend_is_folded_in() -> None:
    response = Response(Hill(50, 30, 1.7), Geometric(0.5), draws=(Hill(50, 30, 1.7),) * 3)
    c = arrays_of(problem(Channel("tv", response)))
    x = np.array([20.0])
    want = Hill(50, 30, 1.7).value(40.0)
    np.testing.assert_allclose(c.curves.value(x), want)
    np.testing.assert_allclose(c.outcome(x), want)
    draws = None if c.draws is None else c.draws.value(x)
    assert draws is not None
    np.testing.assert_allclose(draws, np.full((3, 1), want))


def test_the_objective_is_the_mean_over_draws_and_a_known_channel_has_equal_draws() -> None:
    drawn = Response(Exponential(99, 0.5), draws=(Exponential(10, 0.1), Exponential(30, 0.1)))
    c = arrays_of(problem(Channel("a", drawn), Channel("b", CURVE)))
    x = np.array([10.0, 20.0])
    np.testing.assert_allclose(
        c.outcome(x), [Exponential(20, 0.1).value(10), Exponential(100, 0.01).value(20)]
    )
    h = 1e-5
    slope = (c.outcome(x + h) - c.outcome(x - h)) / (2 * h)
    np.testing.assert_allclose(c.marginal(x), slope, rtol=1e-6)


def test_unequal_draws_and_missing_current_spend_are_all_reported() -> None:
    two = Response(Exponential(1, 1), draws=(Exponential(1, 1),) * 2)
    three = Response(Exponential(1, 1), draws=(Exponential(1, 1),) * 3)
    with pytest.raises(InvalidInput) as caught:
        lower(problem(Channel("a", two, locked=True), Channel("b", three, max_change=0.1)))
    assert {f.pointer for f in caught.value.faults} == {
        "/channels/0/locked",
        "/channels/1/max_change",
        "/channels/0/response/draws",
    }


@pytest.mark.parametrize(
    ("channel", "names", "missed"),
    [
        (Channel("tv", CURVE, min_spend=30, max_spend=20), ["tv.min_spend", "tv.max_spend"], 10),
        (
            Channel("tv", CURVE, min_spend=30, current_spend=20, max_change=0.1),
            ["tv.min_spend", "tv.max_change"],
            8,
        ),
        (
            Channel("tv", CURVE, max_spend=10, current_spend=20, max_change=0.1),
            ["tv.max_change", "tv.max_spend"],
            8,
        ),
        (
            Channel("tv", CURVE, max_spend=10, current_spend=20, locked=True),
            ["tv.locked", "tv.max_spend"],
            10,
        ),
        (
            Channel("tv", CURVE, min_spend=25, current_spend=20, locked=True),
            ["tv.min_spend", "tv.locked"],
            5,
        ),
        (Channel("tv", CURVE, current_spend=130, locked=True), ["tv.locked", "budget"], 30),
        (Channel("tv", CURVE, min_spend=101), ["tv.min_spend", "budget"], 1),
    ],
)
def test_a_channel_at_odds_with_itself(channel: Channel, names: list[str], missed: float) -> None:
    error = conflict(channel, Channel("other", CURVE))
    assert [c.name for c in error.conflicts] == names
    assert [c.missed_by for c in error.conflicts] == pytest.approx([missed] * len(names))


def test_floors_beyond_the_budget_name_the_fewest_that_conflict() -> None:
    error = conflict(
        Channel("a", CURVE, min_spend=10),
        Channel("b", CURVE, min_spend=70),
        Channel("c", CURVE, current_spend=50, locked=True),
        Channel("d", CURVE, min_spend=5),
    )
    assert [c.name for c in error.conflicts] == ["b.min_spend", "c.locked", "budget"]
    assert error.conflicts[0].missed_by == pytest.approx(20.0)
    assert "135.00" in str(error)


def test_ceilings_below_a_budget_that_is_to_be_spent() -> None:
    channels = (Channel("a", CURVE, max_spend=10), Channel("b", CURVE, max_spend=70))
    error = conflict(*channels)
    assert [c.name for c in error.conflicts] == ["budget", "a.max_spend", "b.max_spend"]
    assert error.conflicts[0].missed_by == pytest.approx(20.0)
    assert arrays_of(problem(*channels, spend_all=False)).upper.sum() == 80


def test_a_miss_by_a_hair_is_rounding_not_a_conflict() -> None:
    third = 100 / 3
    c = arrays_of(problem(*(Channel(k, CURVE, min_spend=third * (1 + 1e-12)) for k in "abc")))
    assert c.lower.sum() == pytest.approx(100, abs=1e-9)
    c = arrays_of(problem(*(Channel(k, CURVE, max_spend=third * (1 - 1e-12)) for k in "abc")))
    assert c.upper.sum() == pytest.approx(100, abs=1e-9)
    c = arrays_of(
        problem(Channel("a", CURVE, min_spend=50.00000001, max_spend=50), Channel("b", CURVE))
    )
    assert c.lower[0] == c.upper[0] == 50
    conflict(*(Channel(k, CURVE, min_spend=third * (1 + 1e-7)) for k in "abc"))


def test_a_default_ceiling_gives_way_to_a_stated_floor() -> None:
    channel = Channel("a", CURVE, min_spend=30, max_spend=20, max_spend_is_default=True)
    assert arrays_of(problem(channel, Channel("b", CURVE))).upper[0] == 30
    locked = replace(channel, min_spend=0.0, locked=True, current_spend=25)
    assert arrays_of(problem(locked, Channel("b", CURVE))).upper[0] == 25


def test_a_budget_of_zero_is_a_plan() -> None:
    c = arrays_of(problem(Channel("a", CURVE), Channel("b", CURVE), budget=0.0))
    assert c.upper.tolist() == [0, 0]
