"""The claimed power is met: tests are simulated as they are described, and counted."""

from __future__ import annotations

import numpy as np
import pytest

from shared.plan.experiment import PrecisionOfTest, contrast

RUNS = 8000


def found_in(precision: PrecisionOfTest, effect: float, periods: int, seed: int) -> float:
    """Share of simulated tests that find ``effect``, from outcomes period by period."""
    rng = np.random.default_rng(seed)
    length = 2 * periods + precision.wash
    r = precision.correlation
    noise = np.empty((RUNS, length))
    noise[:, 0] = rng.standard_normal(RUNS)
    for t in range(1, length):
        noise[:, t] = r * noise[:, t - 1] + np.sqrt(1 - r * r) * rng.standard_normal(RUNS)
    outcome = 500.0 + precision.noise * noise
    outcome[:, periods + precision.wash :] += effect
    after = outcome[:, periods + precision.wash :].mean(axis=1)
    lift = after - outcome[:, :periods].mean(axis=1)
    return float(np.mean(np.abs(lift) > precision.critical * precision.error(periods)))


CASES = [
    (PrecisionOfTest(30.0, 0.0, 0.8, 0.1, 0), 6),
    (PrecisionOfTest(30.0, 0.0, 0.9, 0.05, 3), 10),
    (PrecisionOfTest(10.0, 0.5, 0.8, 0.1, 2), 8),
    (PrecisionOfTest(10.0, -0.4, 0.7, 0.2, 1), 5),
]


@pytest.mark.parametrize(("precision", "periods"), CASES)
def test_the_power_asked_for_is_met_at_the_least_detectable_effect(
    precision: PrecisionOfTest, periods: int
) -> None:
    effect = precision.detectable(periods)
    spread = np.sqrt(precision.power * (1 - precision.power) / RUNS)
    assert found_in(precision, effect, periods, 1) == pytest.approx(
        precision.power, abs=4 * spread + 1e-3
    )


@pytest.mark.parametrize(("precision", "periods"), CASES)
def test_what_is_not_there_is_found_as_seldom_as_asked(
    precision: PrecisionOfTest, periods: int
) -> None:
    spread = np.sqrt(precision.alpha * (1 - precision.alpha) / RUNS)
    assert found_in(precision, 0.0, periods, 2) == pytest.approx(precision.alpha, abs=4 * spread)


@pytest.mark.parametrize(("precision", "periods"), CASES)
def test_the_power_at_any_effect(precision: PrecisionOfTest, periods: int) -> None:
    for seed, share in enumerate((0.3, 0.8, 1.5)):
        effect = share * precision.detectable(periods)
        claimed = float(precision.finds(effect, periods))
        spread = np.sqrt(claimed * (1 - claimed) / RUNS)
        assert found_in(precision, effect, periods, 10 + seed) == pytest.approx(
            claimed, abs=4 * spread + 1e-9
        )


def test_the_error_is_that_of_the_whole_covariance() -> None:
    precision = PrecisionOfTest(7.0, 0.6, 0.8, 0.1, 3)
    weights = contrast(9, 3)
    lag = np.abs(np.subtract.outer(np.arange(21), np.arange(21)))
    variance = 49.0 * weights @ (0.6**lag) @ weights
    assert precision.error(9) == pytest.approx(np.sqrt(variance))


def test_independent_periods_have_the_textbook_error() -> None:
    assert PrecisionOfTest(7.0, 0.0, 0.8, 0.1, 0).error(8) == pytest.approx(7.0 * np.sqrt(2 / 8))


def test_the_fewest_periods_are_enough_and_one_less_is_not() -> None:
    precision = PrecisionOfTest(30.0, 0.2, 0.8, 0.1, 1)
    for effect in (20.0, 35.0, -50.0):
        periods = precision.periods_for(effect, 200)
        assert periods is not None
        assert precision.detectable(periods) <= abs(effect)
        assert precision.detectable(periods - 1) > abs(effect) or periods == 4
    assert precision.periods_for(1.0, 50) is None
    assert precision.periods_for(0.0, 50) is None


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_the_error_of_the_whole_effect_is_that_of_simulated_tests(correlation: float) -> None:
    """All periods of the changed spend less as many times the mean of the block before them."""
    rng = np.random.default_rng(7)
    periods, wash = 5, 3
    whole = 2 * periods + wash
    noise = np.empty((20_000, whole))
    noise[:, 0] = rng.standard_normal(20_000)
    for t in range(1, whole):
        fresh = np.sqrt(1.0 - correlation**2) * rng.standard_normal(20_000)
        noise[:, t] = correlation * noise[:, t - 1] + fresh
    found = 40.0 * noise[:, periods:].sum(axis=1)
    found -= 40.0 * noise[:, :periods].mean(axis=1) * (periods + wash)
    error = PrecisionOfTest(40.0, correlation, 0.8, 0.1, wash).error_in_all(periods)
    assert np.std(found) == pytest.approx(error, rel=0.02)
