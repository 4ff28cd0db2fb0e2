"""The noise of chains: redrawn values have the distributions they should, and memory is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from shared.fit.models.bayesian.laplace import find_mode, starting_points
from shared.fit.models.bayesian.layout import log_half_normal
from shared.fit.models.bayesian.noise import DEGREES, Marginal, Noise, Whitener
from shared.fit.models.bayesian.sampler import Noises, _tailed, marginal_of, redrawn, repeated
from tests.fit.histories import HILL, fit_bayesian, simulated
from tests.fit.models.bayesian.test_laplace import model_of


def test_each_point_under_its_own_noise_is_the_same_as_alone() -> None:
    model = model_of(simulated(rows=60, channels=2)[0])
    rng = np.random.default_rng(0)
    centre, sd = model.prior_moments()
    theta = centre + 0.3 * sd * rng.standard_normal((3, model.size))
    noises = Noises(rng.gamma(2, 0.5, (3, 60)), np.array([0.0, 0.3, 0.7]), np.full(3, 5.0))
    many = marginal_of(model, noises)
    value, gradient = model.log_posterior(theta, many)
    seen = model.design.observed
    for k in range(3):
        whitener = Whitener.of(seen, noises.weights[k], float(noises.correlation[k]), every=60)
        one = Marginal.of(whitener, model.design.baseline[seen], model.design.outcome[seen])
        alone = replace(model, marginal=one)
        v, g = alone.log_posterior(theta[k : k + 1])
        np.testing.assert_allclose(value[k], v[0], rtol=1e-9)
        np.testing.assert_allclose(gradient[k], g[0], rtol=1e-6, atol=1e-7)
        moments = alone.linear_moments(theta[k : k + 1])[0][0]
        np.testing.assert_allclose(model.linear_moments(theta, many)[0][k], moments, atol=1e-8)


def test_what_is_kept_by_correlation_is_what_would_be_worked_out_anew() -> None:
    model = model_of(simulated(rows=60, channels=2)[0])
    centre, sd = model.prior_moments()
    theta = centre + 0.3 * sd * np.random.default_rng(0).standard_normal((4, model.size))
    known: dict[float, Marginal] = {}
    for correlation in ([0.3, 0.0, 0.3, 0.1], [0.1, 0.5, 0.3, 0.3]):
        noises = Noises(np.ones((4, 60)), np.array(correlation), np.full(4, np.inf))
        kept = model.log_posterior(theta, marginal_of(model, noises, known))
        anew = model.log_posterior(theta, marginal_of(model, noises))
        np.testing.assert_allclose(kept[0], anew[0], rtol=1e-12)
        np.testing.assert_allclose(kept[1], anew[1], rtol=1e-9, atol=1e-9)
    assert sorted(known) == [0.0, 0.1, 0.3, 0.5]
    # Weights make a noise its chain's own: nothing of it may be kept.
    tailed = Noises(np.full((4, 60), 2.0), np.full(4, 0.3), np.full(4, 5.0))
    kept = model.log_posterior(theta, marginal_of(model, tailed, known))
    np.testing.assert_allclose(kept[0], model.log_posterior(theta, marginal_of(model, tailed))[0])


@pytest.mark.parametrize("start", ["posterior", "far off"])
def test_tails_and_scale_moving_together_are_drawn_from_their_posterior(start: str) -> None:
    rng = np.random.default_rng(5)
    innovations = 0.4 * rng.standard_t(5, size=60)
    grid = np.linspace(-2.0, 0.5, 1501)
    scaled = innovations / np.exp(grid)[:, None]
    log_density = np.stack(
        [stats.t.logpdf(scaled, nu).sum(axis=1) - 60 * grid for nu in DEGREES]
    ) + (grid - 0.5 * np.exp(2 * grid))  # sigma is half-normal
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    count = 10_000
    place = rng.choice(density.size, size=count, p=density.ravel())
    degrees, log_sigma = np.array(DEGREES)[place // grid.size], grid[place % grid.size]
    if start == "far off":
        degrees, log_sigma = np.full(count, 30.0), np.full(count, 0.8)
    before = degrees
    square = np.broadcast_to(innovations**2, (count, 60))
    # One pass changes nothing of the posterior; from elsewhere a few come to it, with sigma drawn
    # given the weights between them, as chains do.
    for _ in range(1 if start == "posterior" else 12):
        weights, degrees, log_sigma = _tailed(square, degrees, log_sigma, rng)
        precision = rng.standard_gamma(30.0, count) / (0.5 * (weights * square).sum(axis=1))
        proposed = -0.5 * np.log(precision)
        log_ratio = log_half_normal(proposed)[0] - log_half_normal(log_sigma)[0]
        taken = np.log(rng.uniform(size=count)) < log_ratio
        log_sigma = np.where(taken, proposed, log_sigma)
    assert np.mean(degrees != before) > 0.3
    for place, nu in enumerate(DEGREES):
        chance = density[place].sum()
        assert np.mean(degrees == nu) == pytest.approx(chance, abs=4 * np.sqrt(chance / count))
        expected = float((density[place] * grid).sum() / chance)
        spread = float(np.sqrt((density[place] * (grid - expected) ** 2).sum() / chance))
        found = log_sigma[degrees == nu]
        assert found.mean() == pytest.approx(expected, abs=4 * spread / np.sqrt(found.size))
        assert found.std() == pytest.approx(spread, rel=0.08)
    largest = int(np.argmax(innovations**2))
    assert weights[:, largest].mean() < weights.mean()


@pytest.mark.parametrize(("degrees", "correlation"), [(3.0, 0.5), (30.0, 0.0)])
def test_noise_of_known_kind_is_drawn_back(degrees: float, correlation: float) -> None:
    history, _ = simulated(rows=300, channels=1, noise=1e-9)
    rng = np.random.default_rng(1)
    noise = np.zeros(300)
    for t in range(300):
        noise[t] = (correlation * noise[t - 1] if t else 0.0) + rng.standard_t(degrees)
    history = replace(history, outcome=history.outcome + 0.03 * history.outcome.mean() * noise)
    model = model_of(history)
    mode = find_mode(model, starting_points(model, 1, rng))
    theta = np.repeat(mode.theta[None], 200, axis=0)
    noises = repeated(Noise(np.ones(300), 0.1, 10.0), 200)
    for _ in range(6):
        # A point's scale follows its noise, as it would in a chain.
        under = marginal_of(model, noises)
        noises, _ = redrawn(model, theta, under, noises, rng)
        residual = model.design.outcome - model.linear_moments(theta[:1])[1][0]
        residual -= model.design.baseline @ model.linear_moments(theta[:1])[0][0]
        plain = Whitener.of(model.design.observed, None, float(noises.correlation.mean()))
        square = plain.apply(residual) ** 2 * noises.weights.mean(axis=0)
        theta[:, -1] = 0.5 * np.log(square.mean())
    assert noises.correlation.mean() == pytest.approx(correlation, abs=0.12)
    assert (np.median(noises.degrees) <= 5.0) == (degrees == 3.0)


def test_the_kind_of_noise_is_that_of_the_spec() -> None:
    history, _ = simulated(rows=60, channels=1)
    spec = {"model": {**HILL["model"], "noise": "gaussian"}}
    assert np.isinf(fit_bayesian(history, spec, seed=0, draws=20).noise.degrees)
    spec["model"]["noise"] = "student_t"
    tails = fit_bayesian(history, spec, seed=0, draws=20)
    assert np.isfinite(tails.noise.degrees)
    assert np.ptp(tails.sample.noises.weights) > 0
    outcome = history.outcome.copy()
    outcome[[20, 40]] *= 1.5
    spec["model"]["noise"] = "auto"
    assert np.isinf(fit_bayesian(history, spec, seed=0, draws=20).noise.degrees)
    spoilt = fit_bayesian(replace(history, outcome=outcome), spec, seed=0, draws=20)
    assert spoilt.noise.weights[[20, 40]].max() < 0.3
