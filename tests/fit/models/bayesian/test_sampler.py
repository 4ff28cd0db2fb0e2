"""Chains that agree, stop when they do, and are draws of the posterior, its noise included."""

from __future__ import annotations

import numpy as np

from shared.fit.models.bayesian.laplace import find_mode, laplace_draws, starting_points
from shared.fit.models.bayesian.noise import Noise
from shared.fit.models.bayesian.sampler import Agreement, sample
from tests.fit.histories import simulated
from tests.fit.models.bayesian.test_laplace import model_of


def test_chains_end_where_long_ones_do_and_laplace_does_not() -> None:
    model = model_of(simulated(seed=2, rows=80, channels=2, noise=0.06)[0])
    mode = find_mode(model, starting_points(model, 3, np.random.default_rng(0)))
    found = sample(model, mode, 800, np.random.default_rng(1))
    long = sample(
        model,
        mode,
        4000,
        np.random.default_rng(2),
        goal=Agreement(r_hat=1.001, blocks=15, block=40),
    )
    spread = long.draws.std(axis=0)
    error = (found.draws.mean(axis=0) - long.draws.mean(axis=0)) / spread
    assert np.abs(error).max() < 4 * np.sqrt(1 / found.ess)
    np.testing.assert_allclose(found.draws.std(axis=0) / spread, 1, atol=0.2)
    laplace = laplace_draws(mode, 20_000, np.random.default_rng(3))
    wrong = (laplace.mean(axis=0) - long.draws.mean(axis=0)) / spread
    assert np.abs(wrong).max() > np.abs(error).max()
    assert found.reached
    assert found.r_hat <= 1.02
    assert found.ess >= 400
    assert found.divergences == 0


def test_draws_average_gradients_to_zero() -> None:
    # Integration by parts: the mean of d log p / d theta over the posterior is zero.
    model = model_of(simulated(seed=3, rows=80, channels=1)[0])
    mode = find_mode(model, starting_points(model, 2, np.random.default_rng(0)))
    found = sample(model, mode, 1500, np.random.default_rng(1))
    gradient = model.log_posterior(found.draws)[1]
    standard = gradient.mean(axis=0) / (gradient.std(axis=0) / np.sqrt(len(gradient)))
    assert np.abs(standard).max() < 4.5


def test_the_same_generator_gives_the_same_draws() -> None:
    model = model_of(simulated(rows=60, channels=1)[0])
    mode = find_mode(model, starting_points(model, 1, np.random.default_rng(0)))
    noise = Noise(np.ones(60), 0.2, 5.0)
    one, two, other = (
        sample(
            model, mode, 20, np.random.default_rng(k), noise=noise, goal=Agreement(blocks=2)
        ).draws
        for k in (9, 9, 10)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)


def test_a_goal_out_of_reach_is_said_to_be_missed() -> None:
    model = model_of(simulated(rows=60, channels=1)[0])
    mode = find_mode(model, starting_points(model, 1, np.random.default_rng(0)))
    found = sample(
        model, mode, 50, np.random.default_rng(0), goal=Agreement(ess=1e9, block=10, blocks=2)
    )
    assert not found.reached
    assert found.trajectories == 20
    assert found.draws.shape[0] == 50
    assert np.isfinite(found.r_hat)
