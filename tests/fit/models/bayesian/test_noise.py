"""Whitening is the inverse root of the noise's covariance; its memory and tails are found."""

from __future__ import annotations

import numpy as np
import pytest

from shared.fit.models.bayesian.noise import Whitener, degrees_of, update_noise


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_transposed_is_the_transpose_and_the_determinant_that_of_the_map(
    correlation: float,
) -> None:
    observed = np.ones(12, dtype=bool)
    observed[[0, 5]] = False
    whitener = Whitener.of(observed, np.linspace(0.2, 1.5, 10), correlation)
    matrix = whitener.apply(np.eye(10)).T  # rows of the identity -> columns of W
    np.testing.assert_allclose(whitener.transposed(np.eye(10)), matrix)
    assert whitener.log_determinant == pytest.approx(np.linalg.slogdet(matrix)[1])


def test_whitened_noise_is_white() -> None:
    rng = np.random.default_rng(0)
    noise = np.zeros((4000, 30))
    noise[:, 0] = rng.standard_normal(4000) / np.sqrt(1 - 0.49)
    for t in range(1, 30):
        noise[:, t] = 0.7 * noise[:, t - 1] + rng.standard_normal(4000)
    white = Whitener.of(np.ones(30, dtype=bool), None, 0.7).apply(noise)
    np.testing.assert_allclose(np.cov(white.T), np.eye(30), atol=0.09)


def memory_found(correlation: float, seed: int) -> float:
    residual = np.random.default_rng(seed).standard_normal(300)
    for t in range(1, 300):
        residual[t] += correlation * residual[t - 1]
    plain = Whitener.of(np.ones(300, dtype=bool), None, 0.0)
    return update_noise(residual, np.zeros(300), 1.0, plain).correlation


def test_the_memory_of_the_noise_is_found_and_bounded() -> None:
    assert np.mean([memory_found(0.0, seed) for seed in range(8)]) < 0.06
    assert np.mean([memory_found(0.5, seed) for seed in range(8)]) == pytest.approx(0.5, abs=0.06)
    assert {memory_found(0.99, seed) for seed in range(8)} == {0.85}


def test_negative_memory_and_short_tables_are_left_alone() -> None:
    alternating = np.tile([1.0, -1.0], 50) + 0.1 * np.random.default_rng(0).normal(size=100)
    plain = Whitener.of(np.ones(100, dtype=bool), None, 0.0)
    assert update_noise(alternating, np.zeros(100), 1.0, plain).correlation == 0.0
    short = Whitener.of(np.ones(12, dtype=bool), None, 0.0)
    assert update_noise(np.linspace(-1, 1, 12), np.zeros(12), 1.0, short).correlation == 0.0


def test_tails_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    assert degrees_of(rng.standard_normal(1000) ** 2) == 30.0
    assert degrees_of(rng.standard_t(3, 1000) ** 2) == 3.0


def test_weights_fall_with_the_size_of_the_residual() -> None:
    residual = np.concatenate([np.tile([0.5, -0.5], 20), [6.0]])
    plain = Whitener.of(np.ones(41, dtype=bool), None, 0.0)
    noise = update_noise(residual, np.zeros(41), 0.5, plain)
    assert noise.weights[-1] == noise.weights.min() < 0.1
    assert noise.spread == 1.0
