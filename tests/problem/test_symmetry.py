"""Which channels count as alike, and what sorting them does to a box."""

from __future__ import annotations

import numpy as np

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, Power
from shared.problem.lower import lower
from shared.problem.model import Channel, Problem
from shared.problem.region import alike, in_order

CURVE, OTHER = Response(Hill(9, 30, 2)), Response(Exponential(9, 0.1))


def groups(*channels: Channel) -> list[list[int]]:
    program = lower(Problem(channels=channels, budget=100.0))
    return sorted(group.tolist() for group in alike(program))


def test_only_equal_curves_with_equal_bounds_are_alike() -> None:
    assert groups(
        Channel("a", CURVE),
        Channel("b", OTHER),
        Channel("c", CURVE),
        Channel("d", CURVE, max_spend=50),
        Channel("e", OTHER),
        Channel("f", Response(Power(1, 0.5))),
        Channel("g", Response(Hill(9, 30, 2.0000001))),
        Channel("h", CURVE),
    ) == [[0, 2, 7], [1, 4]]


def test_draws_must_be_equal_too() -> None:
    one = Response(Hill(9, 30, 2), draws=(Hill(9, 30, 2), Hill(8, 30, 2)))
    two = Response(Hill(9, 30, 2), draws=(Hill(8, 30, 2), Hill(9, 30, 2)))
    assert groups(Channel("a", one), Channel("b", two), Channel("c", one)) == [[0, 2]]


def test_a_ceiling_tells_channels_apart() -> None:
    assert groups(
        Channel("a", CURVE, max_outcome=5.0), Channel("b", CURVE), Channel("c", CURVE)
    ) == [[1, 2]]


def test_in_order_keeps_every_sorted_plan_of_a_box() -> None:
    rng = np.random.default_rng(0)
    twins = (np.array([0, 2, 3]),)
    for _ in range(200):
        lower = rng.uniform(0, 0.5, 4)
        upper = lower + rng.uniform(0, 1, 4)
        low, high = in_order(twins, lower, upper)
        plans = rng.uniform(lower, upper, (300, 4))
        plans[:, twins[0]] = -np.sort(-plans[:, twins[0]], axis=1)
        inside = np.all((plans >= lower) & (plans <= upper), axis=1)
        kept = np.all((plans >= low) & (plans <= high), axis=1)
        assert np.array_equal(inside, inside & kept)
        assert np.all(low >= lower)
        assert np.all(high <= upper)
        assert high[1] == upper[1]
