"""Posteriors against closed forms, exact sums over a finer grid, and published figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from shared.learn.allocators.beliefs import Cohorts, changed_at, likeliest_factor
from shared.learn.allocators.posteriors import Beta, Gamma, Grid, Normal, chances, delayed, valued
from shared.learn.allocators.split import kl_ucb
from shared.learn.uniforms import uniforms

U = np.array([0.05, 0.5, 0.95])


def test_chances_of_three_arms_are_those_of_the_integral() -> None:
    arms = [Beta(13, 189), Beta(17, 185), Beta(9, 193)]
    best, top = chances(arms)
    assert best == pytest.approx([0.211615, 0.759303, 0.029082], abs=5e-7)
    assert top - arms[1].mean == pytest.approx(0.00356345, abs=5e-9)


def test_chances_of_normal_arms_have_a_closed_form() -> None:
    best, top = chances([Normal(9.0, 0.3), Normal(9.2, 0.4)])
    apart = 0.2 / 0.5
    assert best[1] == pytest.approx(stats.norm.cdf(apart), abs=1e-9)
    expected = 9.0 + 0.5 * (apart * stats.norm.cdf(apart) + stats.norm.pdf(apart))
    assert top == pytest.approx(expected, abs=1e-7)


def test_known_arms_that_are_equal_are_equally_likely_the_best() -> None:
    best, top = chances([Normal(2.0, 0.0), Normal(2.0, 0.0), Normal(1.0, 0.0)])
    assert best == pytest.approx([0.5, 0.5, 0.0])
    assert top == pytest.approx(2.0)


def test_a_delay_is_never_a_failure() -> None:
    exact = delayed(1.0, 1.0, np.array([1000.0]), np.array([20.0]), np.array([0.5]))
    assert (exact.mean, exact.sd) == pytest.approx((0.04192, 0.00905), abs=5e-6)
    exposure = Gamma(21.0, 1.0 + 500.0)
    assert (exposure.mean, exposure.sd) == pytest.approx((0.04192, 0.00915), abs=5e-6)


def test_the_delays_posterior_is_exact_for_several_cohorts() -> None:
    n, s, seen = np.array([50.0, 80, 40]), np.array([30.0, 20, 2]), np.array([1.0, 0.6, 0.1])
    got = delayed(2.0, 3.0, n, s, seen)
    p = (np.arange(400_000) + 0.5) / 400_000
    log = (1.0 + s.sum()) * np.log(p) + 2.0 * np.log1p(-p)
    log += sum((a - b) * np.log1p(-p * f) for a, b, f in zip(n, s, seen, strict=True))
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    assert got.mean == pytest.approx(float(weight @ p), rel=1e-5)
    share = np.interp(got.quantile(U), p, np.cumsum(weight))
    assert share == pytest.approx(U, abs=1e-4)


def test_with_all_outcomes_seen_it_is_the_beta() -> None:
    n, s = np.array([50.0, 80]), np.array([3.0, 9])
    assert delayed(1.0, 1.0, n, s, np.ones(2)) == Beta(13.0, 119.0)


def test_money_is_conversions_times_their_value() -> None:
    got = valued(Beta(20.0, 180.0), 2.0, 15.0, 30.0)
    assert got.mean == pytest.approx(0.1 * 2.0 * 30.0 / 14.0)
    rng = np.random.default_rng(0)
    draws = rng.beta(20, 180, 200_000) * 2.0 / rng.gamma(15, 1 / 30, 200_000)
    assert got.quantile(U) == pytest.approx(np.quantile(draws, U), rel=0.01)
    assert got.sd == pytest.approx(draws.std(), rel=0.02)


@pytest.mark.parametrize(
    "own", [Beta(2.0, 7.0), Gamma(3.5, 20.0), Normal(0.3, 0.5), valued(Beta(4, 9), 1.0, 5.0, 2.0)]
)
def test_quantiles_invert_distribution_functions(own: Beta | Gamma | Normal | Grid) -> None:
    assert own.cdf(own.quantile(U)) == pytest.approx(U, abs=1e-9)


def test_a_normal_is_cut_off_at_nothing() -> None:
    got, known = Normal(0.3, 0.5), stats.truncnorm(-0.6, np.inf, 0.3, 0.5)
    assert (got.mean, got.sd) == pytest.approx((known.mean(), known.std()))
    assert got.quantile(U) == pytest.approx(known.ppf(U))


def test_kl_ucb_solves_its_equation() -> None:
    p, n, t = np.array([0.1, 0.5, 0.0]), np.array([10.0, 200, 5]), 1000.0
    q = kl_ucb(p, n, np.full(3, np.log(t)))
    p = np.maximum(p, 1e-12)
    apart = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert n * apart == pytest.approx(np.log(t), rel=1e-4)


def cohorts(rates: list[float], trials: float = 100.0) -> Cohorts:
    n = np.full(len(rates), trials)
    u = uniforms("test", 0, len(rates))
    s = stats.binom.ppf(u, n, np.array(rates))
    return Cohorts(np.arange(len(rates)) * 1.0, n, s, 0.0 * n, 0.0 * n)


def test_a_change_is_found_where_it_is_and_none_where_there_is_none() -> None:
    at = changed_at(cohorts([0.1] * 20 + [0.3] * 10), False, 0.01)
    assert at is not None
    assert abs(at - 20) <= 1
    found = [changed_at(cohorts([0.1 + 0.0001 * i] * 30), False, 0.05) for i in range(40)]
    assert sum(f is not None for f in found) <= 4


def test_the_discount_is_the_logs_own() -> None:
    steady = likeliest_factor([cohorts([0.2] * 60)], False)
    moving = likeliest_factor(
        [cohorts([0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.4, 0.4, 0.4, 0.4] * 5)], False
    )
    assert steady >= 0.99
    assert moving <= 0.95
