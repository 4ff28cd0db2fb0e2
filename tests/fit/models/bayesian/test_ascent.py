"""The climber finds tops it can be checked on, within its box, from every start at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from shared.fit.models.bayesian.laplace import climb

Floats = NDArray[np.float64]


def rosenbrock(x: Floats) -> tuple[Floats, Floats]:
    """The curved valley in four dimensions, upside down; its top of 0 is at (1, 1, 1, 1)."""
    value = np.array([-optimize.rosen(row) for row in x])
    return value, np.array([-optimize.rosen_der(row) for row in x])


def bowl(scale: Floats, top: Floats) -> Callable[[Floats], tuple[Floats, Floats]]:
    return lambda x: (-0.5 * (scale * (x - top) ** 2).sum(axis=1), -scale * (x - top))


def test_every_start_reaches_the_top_of_a_curved_valley() -> None:
    starts = np.random.default_rng(0).uniform(-2, 2, size=(6, 4))
    points, values, _ = climb(rosenbrock, starts, far=5.0, close=1e-10)
    at_top = values > -1e-6
    # The other maximum of this function in four dimensions is near (-0.78, 0.61, 0.38, 0.15).
    np.testing.assert_allclose(points[at_top], 1.0, atol=1e-3)
    np.testing.assert_allclose(values[~at_top], -3.7014, atol=1e-3)
    assert at_top.sum() >= 3


def test_starts_together_end_where_each_ends_alone() -> None:
    starts = np.random.default_rng(1).uniform(-2, 2, size=(4, 4))
    together, _, _ = climb(rosenbrock, starts, far=5.0, close=1e-8)
    alone = [climb(rosenbrock, start[None], far=5.0, close=1e-8)[0][0] for start in starts]
    np.testing.assert_allclose(together, alone, atol=1e-12)


@pytest.mark.parametrize("condition", [1.0, 1e4])
def test_the_metric_learnt_is_the_inverse_curvature(condition: float) -> None:
    scale = np.geomspace(1.0, condition, 5)
    density = bowl(scale, np.linspace(-1, 1, 5))
    points, _, metric = climb(density, np.full((1, 5), 3.0), far=5.0, close=1e-14)
    np.testing.assert_allclose(points[0], np.linspace(-1, 1, 5), atol=1e-5)
    slope = -scale * (points[0] + 0.01 - np.linspace(-1, 1, 5))
    np.testing.assert_allclose(metric[0] @ slope, -0.01, rtol=0.3)


def test_a_top_outside_the_box_ends_on_its_wall() -> None:
    density = bowl(np.array([1.0, 4.0, 2.0]), np.array([8.0, 1.0, -9.0]))
    points, _, _ = climb(density, np.zeros((2, 3)), far=5.0, close=1e-10)
    np.testing.assert_allclose(points, [[5.0, 1.0, -5.0]] * 2, atol=1e-4)


def test_an_impossible_start_does_not_hold_the_others_up() -> None:
    def density(x: Floats) -> tuple[Floats, Floats]:
        value = -0.5 * ((x - 1.0) ** 2).sum(axis=1)
        return np.where(x[:, 0] < -3.0, -np.inf, value), 1.0 - x

    points, values, _ = climb(density, np.array([[-4.0, 0.0], [0.0, 0.0]]), far=5.0, close=1e-10)
    assert values[0] == -np.inf
    np.testing.assert_allclose(points[1], 1.0, atol=1e-5)


def test_a_good_metric_from_nearby_saves_steps() -> None:
    calls: list[int] = []
    scale = np.geomspace(1.0, 1e3, 8)

    def density(x: Floats) -> tuple[Floats, Floats]:
        calls.append(len(x))
        return -0.5 * (scale * x**2).sum(axis=1), -scale * x

    start = np.full((1, 8), 0.5)
    climb(density, start, far=5.0, close=1e-9)
    without = len(calls)
    calls.clear()
    points, _, _ = climb(density, start, far=5.0, close=1e-9, inverse=np.diag(1.0 / scale)[None])
    np.testing.assert_allclose(points, 0.0, atol=1e-9)
    assert len(calls) == 2 < without
