"""Short chains end where long ones do; the same generator gives the same draws."""

from __future__ import annotations

import numpy as np

from shared.fit.bayes.laplace import find_mode, laplace_draws, starting_points
from shared.fit.bayes.sampler import sample
from tests.fit.bayes.test_laplace import model_of
from tests.fit.histories import simulated


def test_short_chains_agree_with_long_ones_where_laplace_does_not() -> None:
    model = model_of(simulated(seed=2, rows=80, channels=2, noise=0.06)[0])
    mode = find_mode(model, starting_points(model, 3, np.random.default_rng(0)))
    count = 400
    short = sample(model, mode, count, np.random.default_rng(1))
    long = sample(model, mode, count, np.random.default_rng(2), trajectories=150)
    spread = long.draws.std(axis=0)
    error = (short.draws.mean(axis=0) - long.draws.mean(axis=0)) / spread
    chance = np.sqrt(2 / count)
    assert np.abs(error).max() < 3.5 * chance
    np.testing.assert_allclose(short.draws.std(axis=0) / spread, 1, atol=0.2)
    laplace = laplace_draws(mode, 20_000, np.random.default_rng(3))
    wrong = (laplace.mean(axis=0) - long.draws.mean(axis=0)) / spread
    assert np.abs(wrong).max() > np.abs(error).max()
    assert 0.7 < short.acceptance < 0.97
    assert short.drift < 6 * chance


def test_draws_average_gradients_to_zero() -> None:
    # Integration by parts: the mean of d log p / d theta over the posterior is zero.
    model = model_of(simulated(seed=3, rows=80, channels=1)[0])
    mode = find_mode(model, starting_points(model, 2, np.random.default_rng(0)))
    draws = sample(model, mode, 3000, np.random.default_rng(1)).draws
    gradient = model.log_posterior(draws)[1]
    standard = gradient.mean(axis=0) / (gradient.std(axis=0) / np.sqrt(len(draws)))
    assert np.abs(standard).max() < 4


def test_the_same_generator_gives_the_same_draws() -> None:
    model = model_of(simulated(rows=60, channels=1)[0])
    mode = find_mode(model, starting_points(model, 1, np.random.default_rng(0)))
    one = sample(model, mode, 20, np.random.default_rng(9)).draws
    two = sample(model, mode, 20, np.random.default_rng(9)).draws
    other = sample(model, mode, 20, np.random.default_rng(10)).draws
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, other)
