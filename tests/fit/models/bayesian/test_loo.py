"""Leaving rows out by importance, against leaving them out in earnest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from shared.fit.models.bayesian.families import leave_one_out, pareto_fit


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9])
def test_pareto_shapes_are_found(shape: float) -> None:
    values = stats.genpareto.rvs(shape, scale=2.0, size=4000, random_state=0)
    k, scale = pareto_fit(np.sort(values))
    assert k == pytest.approx(shape, abs=0.06)
    assert scale == pytest.approx(2.0, rel=0.1)


def test_several_tails_at_once_are_each_fitted_as_if_alone() -> None:
    rng = np.random.default_rng(0)
    values = np.sort(rng.pareto([0.8, 1.5, 3.0], size=(200, 3)), axis=0)
    together = np.array(pareto_fit(values))
    alone = [pareto_fit(values[:, column]) for column in range(3)]
    np.testing.assert_allclose(together.T, alone, rtol=1e-12)


def test_a_row_that_all_draws_agree_on_needs_no_smoothing() -> None:
    log_likelihood = np.random.default_rng(0).normal(size=(200, 3))
    log_likelihood[:, 1] = -2.5
    found = leave_one_out(log_likelihood)
    assert found.rows[1] == pytest.approx(-2.5)
    assert np.isfinite(found.rows).all()


def normal_mean(outliers: int) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihood of rows under draws of a normal mean, and the exact log predictive densities.

    Unit variance and a flat prior: without row t the mean is N(mean of the others, 1 / (n - 1)).
    """
    rng = np.random.default_rng(3)
    y = rng.normal(size=30)
    y[:outliers] += 6.0
    draws = y.mean() + rng.normal(size=4000) / np.sqrt(y.size)
    others = (y.sum() - y) / (y.size - 1)
    exact = stats.norm.logpdf(y, others, np.sqrt(1 + 1 / (y.size - 1)))
    return stats.norm.logpdf(y, draws[:, None], 1.0), exact


def test_rows_left_out_have_their_exact_density() -> None:
    log_likelihood, exact = normal_mean(0)
    found = leave_one_out(log_likelihood)
    np.testing.assert_allclose(found.rows, exact, atol=0.02)
    assert found.total == pytest.approx(exact.sum(), abs=0.1)
    assert found.reliable == 1.0


def test_an_outlier_is_penalised_more_than_its_fit_shows() -> None:
    log_likelihood, exact = normal_mean(1)
    found = leave_one_out(log_likelihood)
    assert found.rows[0] == pytest.approx(exact[0], abs=0.3)
    assert log_likelihood[:, 0].mean() > exact[0] + 0.5
