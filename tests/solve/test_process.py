"""The Gaussian process against cases small enough to do by hand, and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.gaussian_process.kernels import Matern

from shared.solve.heuristics.process import Additive, Process


def matern(distance: float) -> float:
    """Correlation at a distance in lengths (Rasmussen and Williams, 2006, equation 4.17)."""
    r = math.sqrt(5.0) * distance
    return (1.0 + r + r * r / 3.0) * math.exp(-r)


def test_the_additive_kernel_is_the_mean_of_kernels_of_one_coordinate() -> None:
    one, two = np.array([[0.2, 0.5]]), np.array([[0.5, 0.5], [0.2, 0.9]])
    found = Additive(0.3, nu=2.5)(one, two)
    assert found[0] == pytest.approx([(matern(1.0) + 1.0) / 2, (1.0 + matern(4 / 3)) / 2])
    assert Additive(0.3, nu=2.5)(one[:, :1], two[:, :1]) == pytest.approx(
        Matern(0.3, nu=2.5)(one[:, :1], two[:, :1])
    )


def test_two_points_by_hand() -> None:
    process = Process(np.array([[0.2], [0.7]]), np.array([-1.0, 1.0]))
    length = process.kernel.length_scale
    rho, near, far = (matern(d / length) for d in (0.5, 0.1, 0.4))
    # Values -1 and 1 about a mean of 0: the inverse of [[1, rho], [rho, 1]] times them is
    # (-1, 1) / (1 - rho); the likeliest variance is their product with the values, over 2.
    variance = 1.0 / (1.0 - rho)
    assert process.spread**2 == pytest.approx(variance, rel=1e-6)
    mean = (far - near) / (1 - rho)
    left = (near**2 - 2 * rho * near * far + far**2) / (1 - rho**2)
    deviation = math.sqrt(variance * (1 - left))
    z = (mean - 1.0) / deviation
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    gain = (mean - 1.0) * 0.5 * math.erfc(-z / math.sqrt(2)) + deviation * density
    assert process.improvement(np.array([[0.3]]))[0] == pytest.approx(gain, rel=1e-5)


def test_the_evidence_finds_that_channels_do_not_interact() -> None:
    rng = np.random.default_rng(1)
    points = rng.random((40, 5))
    assert isinstance(Process(points, np.sin(4 * points).sum(axis=1)).kernel, Additive)
    together = Process(points, np.sin(4 * points.sum(axis=1)))
    assert not isinstance(together.kernel, Additive)


def test_points_on_top_of_each_other_do_no_harm() -> None:
    points = np.array([[0.5, 0.5]] * 6 + [[0.1, 0.9]])
    process = Process(points, np.array([1.0] * 6 + [2.0]))
    gain = process.improvement(np.concatenate((points, [[0.3, 0.7]])))
    assert np.all(np.isfinite(gain))
    assert gain[:7] == pytest.approx(0.0, abs=1e-3)
    assert gain[7] > gain[0]


def test_expected_improvement_against_simulation() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((6, 2))
    process = Process(points, np.sin(5 * points).sum(axis=1))
    asked = rng.random((4, 2))
    mean, deviation = process.model.predict(asked, return_std=True)
    drawn = rng.normal(mean, process.spread * deviation, (400_000, 4))
    simulated = np.maximum(drawn - process.level, 0.0).mean(axis=0)
    assert process.improvement(asked) == pytest.approx(simulated, abs=3e-3)
