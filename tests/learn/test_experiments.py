"""Experiments: published tables and figures, enumeration, closed forms, coverage simulated."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.learn.experiments import stopping, switchback
from shared.learn.experiments.geo import (
    LEAST_PAIRS,
    synthetic_control,
    time_based_regression,
    trimmed_match,
)
from shared.learn.experiments.placebo import METHODS, noise_of, placebos, power_of
from shared.learn.experiments.trials import expected_improvement, knowledge_gradient, posterior
from shared.learn.experiments.value import Candidate, choose, gain, information_value

Floats = NDArray[np.float64]


def of_test(mean: float, sd: float, error: float) -> float:
    """What a test is worth of a shift worth N(mean, sd^2) against none, in closed form."""
    s = sd * sd / np.sqrt(sd * sd + error * error)
    return float(s * gain(-abs(mean) / s))


def mixture_p(mean: Floats, rho2: float) -> float:
    """The p-value by the ratio of likelihoods itself, of running means of unit noise."""
    n = np.arange(1.0, len(mean) + 1.0)
    k = n * rho2
    ratio = np.sqrt(1.0 / (1.0 + k)) * np.exp(n * k * mean**2 / (2.0 * (1.0 + k)))
    return float((1.0 / ratio).min())


TOTALS = Path(__file__).with_name("geo_totals.csv")
"""Daily totals of both groups of google/matched_markets' example (Apache License 2.0)."""


@pytest.mark.parametrize(
    ("looks", "pocock", "fleming", "naive"),
    [
        (2, 2.178, 1.977, 0.083),
        (3, 2.289, 2.004, 0.107),
        (4, 2.361, 2.024, 0.126),
        (5, 2.413, 2.040, 0.142),
        (10, 2.555, 2.087, 0.193),
    ],
)
def test_bounds_are_the_published_tables(
    looks: int, pocock: float, fleming: float, naive: float
) -> None:
    assert stopping.bounds("pocock", looks, 0.05)[0] == pytest.approx(pocock, abs=6e-4)
    assert stopping.bounds("obrien_fleming", looks, 0.05)[-1] == pytest.approx(fleming, abs=6e-4)
    t = np.arange(1, looks + 1) / looks
    found = stopping.crossing([1.959964] * looks, t).sum()
    assert found == pytest.approx(naive, abs=6e-4)


def test_samples_and_spending_are_the_published_ones() -> None:
    t = np.arange(1, 6) / 5
    fleming, pocock = (stopping.bounds(kind, 5, 0.05) for kind in ("obrien_fleming", "pocock"))
    assert fleming == pytest.approx([4.562, 3.226, 2.634, 2.281, 2.040], abs=6e-4)
    assert stopping.inflation(fleming, t, 0.05, 0.8) == pytest.approx(1.028, abs=6e-4)
    assert stopping.inflation(pocock, t, 0.05, 0.8) == pytest.approx(1.228, abs=6e-4)
    spent = stopping.spending_bounds(t, 0.05)
    assert spent == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=6e-4)


def test_an_interval_that_always_holds_errs_as_often_as_it_may() -> None:
    rho2, runs, length = 0.01, 2000, 1000
    rng = np.random.default_rng(0)
    ever = 0
    n = np.arange(1.0, length + 1.0)
    half = stopping.any_time_half_width(n, 1.0, rho2, 0.05)
    for _ in range(runs):
        mean = np.cumsum(rng.standard_normal(length)) / n
        out = bool((np.abs(mean) > half).any())
        assert out == (mixture_p(mean, rho2) < 0.05)
        ever += out
    assert 0.01 < ever / runs < 0.06
    best = stopping.mixture_rho2(0.05, 100.0)
    ratio = float(stopping.any_time_half_width(100.0, 1.0, best, 0.05)) / (1.959964 / 10.0)
    assert ratio == pytest.approx(1.549, abs=1e-3)


def test_coins_of_a_switchback_are_the_best_of_all_designs() -> None:
    assert switchback.flips(12, 2) == [1, 5, 7, 9]
    ones = np.ones(12)
    best = switchback.variance(ones, [1, 5, 7, 9], 2)
    assert best == pytest.approx(2.56)
    assert switchback.variance(ones, [1, 4, 7, 10], 2) == pytest.approx(2.72)
    for more in itertools.combinations(range(2, 12), 3):
        assert switchback.variance(ones, [1, *more], 2) >= best - 1e-12
    eight = switchback.variance(np.ones(8), switchback.flips(8, 1), 1)
    assert eight == pytest.approx(1.959, abs=1e-3)


def test_a_switchback_is_unbiased_with_carryover() -> None:
    """Over all coins, the estimate of an outcome that carries on is the full effect."""
    at, lasting, base = switchback.flips(12, 2), 2, np.linspace(5.0, 9.0, 12)
    stretch = np.searchsorted(np.array(at), np.arange(1, 13), side="right") - 1
    found = []
    for coins in itertools.product((False, True), repeat=len(at)):
        on = np.array(coins)[stretch]
        lags = np.convolve(on, [3.0, 2.0, 1.0])[:12]
        found.append(switchback.estimate(base + lags, on, at, lasting))
    assert np.mean(found) == pytest.approx(6.0)


def test_time_based_regression_is_its_authors_example() -> None:
    with TOTALS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    treated, control, cost = (
        np.array([float(row[key]) for row in rows]) for key in ("treated", "control", "cost")
    )
    found = time_based_regression(treated, control, 42, memory=False)
    assert found.value == pytest.approx(147_337.12, abs=0.01)
    assert float(cost[42:].sum()) == pytest.approx(50_000.0)
    assert found.value / 50_000 == pytest.approx(2.946742, abs=1e-6)
    assert (found.value - found.interval(0.8)[0]) / 50_000 == pytest.approx(0.120548, abs=1e-6)
    longer = time_based_regression(treated, control, 42)
    assert longer.error > 1.2 * found.error  # its days follow each other


def following(rng: np.random.Generator, count: int, r: float) -> Floats:
    e = rng.standard_normal(count)
    for t in range(1, count):
        e[t] = r * e[t - 1] + np.sqrt(1.0 - r * r) * e[t]
    return e


@pytest.mark.parametrize(("r", "plain"), [(0.0, 0.90), (0.5, 0.69)])
def test_intervals_of_errors_that_remember_hold_what_they_say(r: float, plain: float) -> None:
    rng, runs = np.random.default_rng(7), 600
    held = np.zeros(2)
    for _ in range(runs):
        x = 100.0 + 10.0 * rng.standard_normal(88)
        y = 20.0 + 0.9 * x + following(rng, 88, r)
        for k, memory in enumerate((False, True)):
            low, high = time_based_regression(y, x, 60, memory=memory).interval(0.9)
            held[k] += low <= 0.0 <= high
    assert held[0] / runs == pytest.approx(plain, abs=0.06)
    assert held[1] / runs == pytest.approx(0.90, abs=0.045)


def test_trimmed_match_is_its_authors_example() -> None:
    outcome, spend = np.array([1.0, 10.0, 3.0, 8.0]), np.array([1.0, 5.0, 2.0, 5.0])
    value, error, (low, high) = trimmed_match(outcome, spend, 0.0, 0.9)
    assert (value, error) == pytest.approx((1.692, 0.138), abs=1e-3)
    assert (low, high) == pytest.approx((1.250, 1.905), abs=1e-3)
    value, error, (low, high) = trimmed_match(outcome, spend, 0.25, 0.9)
    assert (value, error) == pytest.approx((1.571, 0.041), abs=1e-3)
    assert (low, high) == pytest.approx((-29.374, 1.619), abs=1e-3)
    assert LEAST_PAIRS == 10


def test_a_synthetic_control_is_exact_where_weights_are() -> None:
    rng = np.random.default_rng(1)
    controls = 50.0 + np.cumsum(rng.standard_normal((6, 50)), axis=1)
    treated = 0.7 * controls[1] + 0.3 * controls[4]
    treated[40:] += 2.0
    effect, weights = synthetic_control(treated, controls, 40)
    assert effect == pytest.approx(20.0, rel=0.02)
    assert weights == pytest.approx([0.0, 0.7, 0.0, 0.0, 0.3, 0.0], abs=0.02)


def panel(rng: np.random.Generator, periods: int) -> Floats:
    common = np.cumsum(rng.standard_normal(periods))
    size = rng.uniform(50.0, 200.0, (20, 1))
    load = rng.uniform(0.8, 1.2, (20, 1))
    own = 0.03 * rng.standard_normal((20, periods))
    return np.asarray(size * (1.0 + 0.01 * load * common + own))


@pytest.mark.parametrize("method", METHODS)
def test_placebos_say_how_often_an_effect_is_found(method: str) -> None:
    null = placebos(panel(np.random.default_rng(3), 90), 6, 8, method, 0)
    none, some, large = (power_of(null, effect, 0.1) for effect in (0.0, 0.02, 0.2))
    assert none["power"] <= 0.15
    assert none["power"] <= some["power"] <= large["power"]
    assert large["power"] > 0.9
    assert null.apart < null.windows + 1
    assert none["error"] > 0.0


def test_noise_is_what_a_line_leaves() -> None:
    rng = np.random.default_rng(2)
    found = noise_of(np.arange(4000.0) + 3.0 * following(rng, 4000, 0.5))
    assert found.sd == pytest.approx(3.0, rel=0.05)
    assert found.correlation == pytest.approx(0.5, abs=0.04)


def test_values_of_information_are_the_closed_forms() -> None:
    assert of_test(-20.0, 60.0, 0.0) == pytest.approx(15.2542, abs=1e-4)
    assert of_test(-20.0, 60.0, 40.0) == pytest.approx(11.4936, abs=1e-4)
    assert of_test(-20.0, 60.0, 120.0) == pytest.approx(3.5479, abs=1e-4)
    rng = np.random.default_rng(1)
    worth = rng.normal(-20.0, 60.0, 4000)
    profits = np.vstack([np.zeros(4000), worth])
    for error, value in ((40.0, 11.4936), (120.0, 3.5479)):
        found = information_value(profits, [Candidate("a", worth, error, 0.0, 1)], 0)
        assert found == pytest.approx(value, abs=0.6)


def test_a_second_test_of_the_same_is_worth_less_and_cost_decides() -> None:
    rng = np.random.default_rng(1)
    worth = rng.normal(-20.0, 60.0, 2000)
    profits = np.vstack([np.zeros(2000), worth])
    twins = [Candidate(name, worth, 20.0, 4.0, 10) for name in "ab"]
    (one,) = choose(profits, twins, 40, 1.0, 0)
    assert one.value > 10.0
    cheap = [Candidate(name, worth, 40.0, 0.1, 10) for name in "ab"]
    both = choose(profits, cheap, 40, 1.0, 0)
    assert [chosen.first for chosen in both] == [1, 11]
    assert both[1].value < 0.3 * both[0].value
    assert len(choose(profits, cheap, 15, 1.0, 0)) == 1  # time for one


def test_gradients_of_knowledge_are_the_published_ones() -> None:
    mean, sd = np.array([1.0, 0.8]), np.array([0.3, 0.5])
    improved = expected_improvement(mean, sd)
    assert improved == pytest.approx([0.119683, 0.115219], abs=1e-6)
    apart = knowledge_gradient(mean, np.diag(sd**2), 0.4)
    assert apart == pytest.approx([0.012083, 0.075761], abs=1e-6)
    shared = 0.8 * 0.15
    near = knowledge_gradient(mean, np.array([[0.09, shared], [shared, 0.25]]), 0.4)
    assert near == pytest.approx([0.0000067, 0.017401], abs=1e-6)


def test_a_gradient_of_many_is_the_mean_of_the_largest_line() -> None:
    rng = np.random.default_rng(4)
    root = rng.standard_normal((7, 7))
    mean, covariance = rng.standard_normal(7), root @ root.T
    found = knowledge_gradient(mean, covariance, 0.5)
    x = np.linspace(-9.0, 9.0, 100_001)
    w = np.exp(-0.5 * x * x)
    for i in range(7):
        b = covariance[:, i] / np.sqrt(covariance[i, i] + 0.25)
        lines = (mean[:, None] + b[:, None] * x).max(axis=0)
        assert found[i] == pytest.approx(lines @ w / w.sum() - mean.max(), abs=1e-6)


def test_a_process_knows_its_errors_apart_from_its_spread() -> None:
    x = np.linspace(0.0, 10.0, 7)[:, None]
    y = np.sin(x[:, 0])
    told: dict[str, Any] = {}
    for error in (1e-6, 0.3):
        mean, covariance = posterior(x, y, np.full(7, error), x, 0)
        told[str(error)] = np.sqrt(np.diag(covariance))
        assert mean == pytest.approx(y, abs=0.5)
    assert told["1e-06"].max() < 1e-2
    assert told["0.3"].max() < 0.3 + 1e-9  # of the function: less than a trial's own error
