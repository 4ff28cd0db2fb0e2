"""The log posterior against a dense Gaussian, closed-form priors and finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from shared.fit.design.design import build_design
from shared.fit.media.priors import (
    HALF_SD,
    SHAPE_BETWEEN,
    SHAPE_LEVEL,
    SHAPE_MEAN,
    return_prior,
)
from shared.fit.models.bayesian.layout import Choice
from shared.fit.models.bayesian.model import MediaModel, build_model
from tests.fit.histories import simulated

Floats = NDArray[np.float64]


def model_of(
    hill: list[bool],
    weights: Floats | None = None,
    gaps: bool = False,
    correlation: float = 0.0,
) -> MediaModel:
    history, _ = simulated(rows=70, channels=len(hill))
    if gaps:
        history.outcome[[4, 33]] = np.nan
    design = build_design(history, None)
    seen = history.outcome[design.observed]
    prior = return_prior({}, "revenue", history.channels, history.spend.sum(), float(seen.sum()))
    families = tuple("hill" if yes else "exponential" for yes in hill)
    choice = Choice(families, ("geometric",) * len(hill))
    return build_model(design, prior, choice, weights, correlation)


def points(model: MediaModel, count: int = 4, seed: int = 0) -> Floats:
    centre, sd = model.prior_moments()
    return centre + 0.6 * sd * np.random.default_rng(seed).standard_normal((count, model.size))


@pytest.mark.parametrize("hill", [[True] * 3, [False] * 3, [True, False, True]])
@pytest.mark.parametrize("gaps", [False, True])
def test_gradient_matches_central_differences(hill: list[bool], gaps: bool) -> None:
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.2, 1.5, 68 if gaps else 70)
    model = model_of(hill, weights, gaps, correlation=0.4)
    theta = points(model)
    _, gradient = model.log_posterior(theta)
    for j in range(model.size):
        move = np.zeros(model.size)
        move[j] = 1e-5
        up, down = model.log_posterior(theta + move)[0], model.log_posterior(theta - move)[0]
        np.testing.assert_allclose(gradient[:, j], (up - down) / 2e-5, rtol=2e-5, atol=2e-4)


def autoregressive_covariance(
    observed: NDArray[np.bool_], weights: Floats, correlation: float
) -> Floats:
    """Row by row from e_t = phi e_t-1 + u_t, beginning anew after each gap."""
    rows = np.flatnonzero(observed)
    loading = np.zeros((rows.size, rows.size))  # e = loading @ u
    variance = 1.0 / weights
    for i, row in enumerate(rows):
        loading[i, i] = 1.0
        if i and rows[i - 1] == row - 1:
            loading[i] += correlation * loading[i - 1]
        else:
            variance[i] /= 1 - correlation**2
    return (loading * variance) @ loading.T


@pytest.mark.parametrize("correlation", [0.0, 0.55])
def test_value_is_the_dense_gaussian_with_the_linear_part_integrated_out(
    correlation: float,
) -> None:
    rng = np.random.default_rng(2)
    weights = rng.uniform(0.3, 1.4, 68)
    model = model_of([True, False, True], weights, gaps=True, correlation=correlation)
    noise = autoregressive_covariance(model.design.observed, weights, correlation)
    design, c = model.design, model.channels
    for theta in points(model, 3):
        p = model.unpack(theta[None])
        media = model.media(theta[None]).sum(axis=0)[0, design.observed]
        z = design.baseline[design.observed]
        covariance = z @ z.T + p.sigma[0] ** 2 * noise
        likelihood = stats.multivariate_normal.logpdf(
            design.outcome[design.observed], media, covariance
        )
        decay, hills = p.first[0], int((model.layout.shape >= 0).sum())
        prior = stats.multivariate_normal.logpdf(theta[:c], *model.returns.seen)
        prior += (stats.beta.logpdf(decay, 2, 3) + np.log(decay * (1 - decay))).sum()
        prior += stats.norm.logpdf(theta[2 * c : 3 * c], 0, HALF_SD).sum()
        alike = SHAPE_LEVEL**2 + SHAPE_BETWEEN**2 * np.eye(hills)
        centre = np.full(hills, SHAPE_MEAN)
        shapes = theta[3 * c : 3 * c + hills]
        prior += stats.multivariate_normal.logpdf(shapes, centre, alike)
        prior += stats.halfnorm.logpdf(p.sigma[0]) + theta[-1] - (0.02 / p.sigma[0]) ** 2
        assert model.log_posterior(theta[None])[0][0] == pytest.approx(likelihood + prior, rel=1e-9)


def test_media_add_up_to_the_return_times_the_spend() -> None:
    model = model_of([True, False, True])
    theta = points(model, 2)
    media = model.media(theta).sum(axis=2).T * model.design.outcome_scale
    spent = model.design.mean_spend * model.design.train
    np.testing.assert_allclose(media, model.unpack(theta).roi * spent, rtol=1e-10)


def test_many_points_at_once_are_the_points_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of([True, False, True])
    theta = points(model, 7)
    value, gradient = model.log_posterior(theta)
    monkeypatch.setattr("shared.fit.models.bayesian.model._CACHED", 1)
    one_by_one, gradients = model.log_posterior(theta)
    np.testing.assert_allclose(value, one_by_one, rtol=1e-12)
    np.testing.assert_allclose(gradient, gradients, rtol=1e-8, atol=1e-9)


def test_linear_draws_have_the_posterior_mean_and_covariance() -> None:
    model = model_of([True, True])
    theta = points(model, 1)
    z = model.design.baseline[model.design.observed]
    sigma = float(np.exp(theta[0, -1]))
    residual = model.design.outcome - model.media(theta).sum(axis=0)[0]
    precision = np.eye(z.shape[1]) + z.T @ z / sigma**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ (z.T @ residual) / sigma**2
    np.testing.assert_allclose(model.linear_moments(theta)[0][0], mean, rtol=1e-8, atol=1e-10)
    draws, _ = model.linear_draws(np.repeat(theta, 20_000, axis=0), np.random.default_rng(0))
    spread = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((draws.mean(axis=0) - mean) / spread, 0, atol=0.04)
    np.testing.assert_allclose(draws.std(axis=0) / spread, 1, atol=0.03)


def test_more_columns_than_rows_keep_the_prior_where_the_rows_are_silent() -> None:
    model = model_of([True])
    wide = np.concatenate(
        [model.design.baseline, np.random.default_rng(0).normal(size=(70, 90))], 1
    )
    design = replace(model.design, baseline=wide)
    model = build_model(design, model.returns, model.layout.choice)
    theta = np.repeat(points(model, 1), 4000, axis=0)
    draws, _ = model.linear_draws(theta, np.random.default_rng(0))
    silent = np.linalg.svd(wide)[2][-1]  # orthogonal to every row
    assert float((draws @ silent).std()) == pytest.approx(1.0, abs=0.05)


def test_the_model_without_media_has_its_own_gradient() -> None:
    model = model_of([True, True])
    at = np.array([-1.2, 0.1])
    value, gradient = model.log_null(at)
    up, down = model.log_null(at + 1e-6)[0], model.log_null(at - 1e-6)[0]
    np.testing.assert_allclose(gradient, (up - down) / 2e-6, rtol=1e-5)
    assert value.shape == (2,)
