"""The Gaussian process against cases small enough to do by hand, and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared.solve.named.gaussian_process import expected_improvement, fit, matern


def test_the_kernel_at_known_distances() -> None:
    assert float(matern(np.array(0.0))) == 1.0
    root = math.sqrt(5.0)
    assert float(matern(np.array(2.0))) == pytest.approx(
        (1 + 2 * root + 20 / 3) * math.exp(-2 * root), rel=1e-14
    )


def test_two_points_by_hand() -> None:
    points, values = np.array([[0.2], [0.7]]), np.array([-1.0, 1.0])
    process = fit(points, values)
    rho = float(matern(np.array(0.5 / process.length)))
    near = float(matern(np.array(0.1 / process.length)))
    far = float(matern(np.array(0.4 / process.length)))
    # Values -1 and 1 about a mean of 0: the inverse of [[1, rho], [rho, 1]] times them is
    # (-1, 1) / (1 - rho); the likeliest variance is their product with the values, over 2.
    mean, deviation = process.predict(np.array([[0.3]]))
    variance = 1.0 / (1.0 - rho)
    assert process.variance == pytest.approx(variance, rel=1e-6)
    assert mean[0] == pytest.approx((far - near) / (1 - rho), rel=1e-6)
    left = (near**2 - 2 * rho * near * far + far**2) / (1 - rho**2)
    assert deviation[0] == pytest.approx(math.sqrt(variance * (1 - left)), rel=1e-5)
    evidence = -math.log(variance) - 0.5 * math.log(1 - rho**2)
    assert process.evidence == pytest.approx(evidence, rel=1e-6)


def test_it_passes_through_what_it_was_told_and_doubts_the_rest() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((12, 3))
    values = np.sin(3 * points).sum(axis=1)
    process = fit(points, values)
    mean, deviation = process.predict(points)
    assert mean == pytest.approx(values, abs=1e-5)
    assert np.all(deviation < 1e-2)
    assert process.predict(np.full((1, 3), 9.0))[1][0] > 10 * deviation.max()


def test_the_evidence_finds_that_channels_do_not_interact() -> None:
    rng = np.random.default_rng(1)
    points = rng.random((40, 5))
    alone = fit(points, np.sin(4 * points).sum(axis=1))
    assert alone.additive
    together = fit(points, np.sin(4 * points.sum(axis=1)))
    assert not together.additive


def test_points_on_top_of_each_other_do_no_harm() -> None:
    points = np.array([[0.5, 0.5]] * 6 + [[0.1, 0.9]])
    process = fit(points, np.array([1.0] * 6 + [2.0]))
    mean, deviation = process.predict(points)
    assert np.all(np.isfinite(mean))
    assert np.all(np.isfinite(deviation))
    assert mean == pytest.approx([1.0] * 6 + [2.0], abs=1e-3)


def test_expected_improvement_against_simulation() -> None:
    mean, deviation = np.array([0.3, -1.0, 2.0, 1.5]), np.array([1.0, 0.5, 0.0, 0.2])
    found = expected_improvement(mean, deviation, 1.0)
    drawn = np.random.default_rng(0).normal(mean, deviation, (400_000, 4))
    simulated = np.maximum(drawn - 1.0, 0.0).mean(axis=0)
    assert found == pytest.approx(simulated, abs=3e-3)
    assert found[2] == 1.0
