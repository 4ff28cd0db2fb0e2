"""R-hat and effective sample size on chains whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from shared.fit.models.bayesian.sampler import bulk_ess, normal_quantile, r_hat


def chains(correlation: float, draws: int = 1000, count: int = 8, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = rng.standard_normal((draws, count, 2))
    for t in range(1, draws):
        out[t] = correlation * out[t - 1] + np.sqrt(1 - correlation**2) * out[t]
    return out


def test_independent_draws_count_in_full() -> None:
    drawn = chains(0.0)
    assert r_hat(drawn).max() < 1.01
    assert bulk_ess(drawn) == pytest.approx(8000, rel=0.15)


@pytest.mark.parametrize("correlation", [0.5, 0.8, -0.4])
def test_dependent_draws_count_by_their_correlation(correlation: float) -> None:
    expected = 8000 * (1 - correlation) / (1 + correlation)
    assert bulk_ess(chains(correlation, seed=3)) == pytest.approx(expected, rel=0.25)


def test_heavy_tails_and_scale_do_not_matter() -> None:
    drawn = chains(0.5)
    np.testing.assert_allclose(bulk_ess(drawn), bulk_ess(1e6 * np.exp(3 * drawn)), rtol=1e-9)


def test_one_chain_elsewhere_is_seen() -> None:
    drawn = chains(0.0, draws=100)
    drawn[:, 0, 1] += 2.0
    assert r_hat(drawn)[0] < 1.02
    assert r_hat(drawn)[1] > 1.05


def test_one_chain_wider_than_the_others_is_seen_by_the_folded_one() -> None:
    drawn = chains(0.0, draws=200)
    drawn[:, 0, 1] *= 4.0
    assert r_hat(drawn)[1] > 1.05


def test_a_trend_within_each_chain_is_seen() -> None:
    drawn = chains(0.0, draws=200)
    drawn[:, :, 1] += np.linspace(0.0, 2.0, 200)[:, None]
    assert r_hat(drawn)[1] > 1.05


def test_normal_quantiles_have_seven_digits_far_into_both_tails() -> None:
    low = 10.0 ** -np.arange(1.0, 60.0, 0.7)
    share = np.concatenate([np.linspace(0.001, 0.999, 1000), low, 1.0 - low[:20]])
    np.testing.assert_allclose(normal_quantile(share), special.ndtri(share), rtol=5e-7)
    assert normal_quantile(np.array([0.5])) == 0.0
