"""The filter against a dense normal distribution, and the drawn paths against their smoothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from shared.fit.models.time_series import Observations, filtered, paths

Floats = NDArray[np.float64]


BELIEF = np.array([[0.16, 0.2], [0.2, 0.49]])
STEP = np.array([[0.16, 0.05], [0.05, 0.49]])


def problem() -> tuple[Observations, Floats, float, float]:
    rng = np.random.default_rng(0)
    month = np.array([0, 0, 1, 1, 1, 3, 3, 4])  # one month has no row
    rows = Observations(
        month=month,
        base=rng.normal(size=(8, 2)),
        outcome=rng.normal(size=8),
        ease=np.append(rng.uniform(1.0, 3.0, 7), 0.0),
        own=np.append(np.zeros(7), 0.2),
        start=np.array([0.5, 1.0]),
        belief=BELIEF,
        step=STEP,
    )
    return rows, rng.random((1, 8, 2)), 0.3, 0.6


def dense(
    rows: Observations, levels: Floats, noise: float, walk: float
) -> tuple[Floats, Floats, Floats]:
    """Mean and covariance of the outcome, and covariance of the paths (5 months, 2) with it."""
    months = np.arange(5)
    earlier = walk**2 * np.minimum.outer(months, months)
    of_row = rows.month
    mean = levels[0] @ rows.start
    covariance = rows.base @ rows.base.T + np.diag(noise**2 * rows.ease + rows.own)
    cross = np.zeros((5, 2, 8))
    for a, b in np.ndindex(2, 2):
        between = rows.belief[a, b] + rows.step[a, b] * earlier
        covariance += np.outer(levels[0, :, a], levels[0, :, b]) * between[np.ix_(of_row, of_row)]
        cross[:, a] += between[:, of_row] * levels[0, :, b]
    return mean, covariance, cross


def test_the_likelihood_is_that_of_all_rows_together() -> None:
    rows, levels, noise, walk = problem()
    found, _, _ = filtered(rows, levels, np.array([noise]), np.array([walk]))
    mean, covariance, _ = dense(rows, levels, noise, walk)
    assert found[0] == pytest.approx(multivariate_normal(mean, covariance).logpdf(rows.outcome))


def test_drawn_paths_have_the_smoothed_mean_and_spread() -> None:
    rows, levels, noise, walk = problem()
    count = 4000
    many = np.repeat(levels, count, axis=0)
    rng = np.random.default_rng(1)
    drawn = paths(rows, many, np.full(count, noise), np.full(count, walk), rng)
    mean, covariance, cross = dense(rows, levels, noise, walk)
    gain = np.linalg.solve(covariance, rows.outcome - mean)
    for at, month in enumerate([0, 1, 3, 4]):
        for a in range(2):
            middle = rows.start[a] + cross[month, a] @ gain
            before = rows.belief[a, a] + rows.step[a, a] * walk**2 * month
            left = before - cross[month, a] @ np.linalg.solve(covariance, cross[month, a])
            assert drawn[at, :, a].mean() == pytest.approx(middle, abs=0.04)
            assert drawn[at, :, a].std() == pytest.approx(np.sqrt(left), rel=0.06)
