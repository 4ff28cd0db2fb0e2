"""Modes are maxima, evidence is an integral, and outliers are found and lose their weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate

from shared.fit.design.design import build_design
from shared.fit.media.priors import return_prior
from shared.fit.models.bayesian.laplace import (
    find_mode,
    fit_noise,
    laplace_draws,
    null_evidence,
    starting_points,
)
from shared.fit.models.bayesian.layout import Choice
from shared.fit.models.bayesian.model import MediaModel, build_model
from shared.fit.models.bayesian.noise import Noise
from shared.history.table import History
from tests.fit.histories import simulated


def model_of(history: History, hill: bool = True) -> MediaModel:
    design = build_design(history, None)
    total = float(np.nansum(history.outcome))
    prior = return_prior({}, "revenue", history.channels, history.spend.sum(), total)
    choice = Choice.same(len(history.channels), "hill" if hill else "exponential")
    return build_model(design, prior, choice)


def under(model: MediaModel) -> Callable[[Noise], MediaModel]:
    """The same model under another noise."""
    choice = model.layout.choice
    return lambda noise: build_model(
        model.design, model.returns, choice, noise.weights, noise.correlation
    )


def test_the_mode_is_a_maximum_that_every_start_finds() -> None:
    model = model_of(simulated()[0])
    starts = starting_points(model, 5, np.random.default_rng(0))
    mode = find_mode(model, starts)
    assert mode.converged
    assert mode.agreeing == mode.starts == 5
    gradient = model.log_posterior(mode.theta[None])[1][0]
    _, sd = model.prior_moments()
    np.testing.assert_allclose(gradient * sd, 0, atol=1e-3)
    near = mode.theta + 0.02 * sd * np.random.default_rng(1).standard_normal((200, model.size))
    assert (model.log_posterior(near)[0] < mode.value).all()


def test_draws_have_the_inverse_hessian_as_covariance() -> None:
    model = model_of(simulated(channels=1)[0])
    mode = find_mode(model, starting_points(model, 2, np.random.default_rng(0)))
    draws = laplace_draws(mode, 60_000, np.random.default_rng(0))
    step = 1e-4 * np.eye(model.size)
    up, down = model.log_posterior(mode.theta + step)[1], model.log_posterior(mode.theta - step)[1]
    covariance = np.linalg.inv(-(up - down) / 2e-4)
    np.testing.assert_allclose(np.cov(draws.T), covariance, rtol=0.1, atol=0.003)


def test_the_evidence_without_media_is_the_integral_over_sigma() -> None:
    model = model_of(simulated(rows=60)[0])

    def density(log_sigma: float) -> float:
        return float(np.exp(model.log_null(np.array([log_sigma]))[0][0] - peak))

    grid = np.linspace(-3, 2, 400)
    peak = float(model.log_null(grid)[0].max())
    area = integrate.quad(density, -6, 2.5, points=[float(grid[model.log_null(grid)[0].argmax()])])
    assert null_evidence(model) == pytest.approx(peak + np.log(area[0]), abs=1e-3)


def test_the_evidence_of_one_channel_is_near_the_integral_by_importance_sampling() -> None:
    model = model_of(simulated(channels=1, noise=0.05)[0])
    mode = find_mode(model, starting_points(model, 2, np.random.default_rng(0)))
    rng = np.random.default_rng(1)
    # A wider proposal than the Laplace approximation: Student-t with 5 degrees of freedom.
    count, size = 40_000, model.size
    z = rng.standard_normal((count, size)) / np.sqrt(rng.chisquare(5, (count, 1)) / 5)
    points = mode.theta + z @ mode.root.T
    from scipy.stats import multivariate_t

    log_q = multivariate_t(shape=np.eye(size), df=5).logpdf(z)
    log_q -= np.linalg.slogdet(mode.root)[1]
    log_w = model.log_posterior(points)[0] - log_q
    evidence = float(log_w.max() + np.log(np.mean(np.exp(log_w - log_w.max()))))
    assert mode.log_evidence == pytest.approx(evidence, abs=0.6)


def test_outliers_lose_their_weight_and_clean_data_keep_theirs() -> None:
    history, _ = simulated(seed=4, noise=0.02)
    model = model_of(history)
    start = starting_points(model, 1, np.random.default_rng(0))[0]
    clean, _ = fit_noise(under(model), start, 156)
    assert clean.weights.min() > 0.4
    outcome = history.outcome.copy()
    hit = [20, 77, 130]
    outcome[hit] *= 1.6
    noise, _ = fit_noise(under(model_of(replace(history, outcome=outcome))), start, 156)
    assert set(np.argsort(noise.weights)[:3].tolist()) == set(hit)
    assert noise.weights[hit].max() < 0.15
    assert noise.degrees < clean.degrees


def test_a_start_far_out_is_brought_back() -> None:
    model = model_of(simulated()[0])
    centre, sd = model.prior_moments()
    mode = find_mode(model, np.stack([centre + 9 * sd, centre]))
    assert np.isfinite(mode.value)
    assert mode.converged
