"""Draws made less sure: the map by hand, its limits, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.concave import Exponential
from shared.curves.curveset import Response
from shared.fit.check.calibration import (
    SYSTEMATIC,
    Calibration,
    calibrated,
    calibration_of,
    error_ratio,
)
from shared.fit.check.validate import Fold
from shared.fit.fitted import ChannelEvidence
from tests.fit.check.test_cross_validation import fold

Z = 1.6448536


def evidence(mean: float, sd: float, prior: tuple[float, float] | None) -> ChannelEvidence:
    """An arm whose log return is Normal(mean, sd), with such a prior."""
    low, high = np.exp([mean - Z * sd, mean + Z * sd])
    around = None
    if prior is not None:
        m, s = prior
        around = (
            float(np.exp(m - Z * s)),
            float(np.exp(m)),
            float(np.exp(m + Z * s)),
        )
    return ChannelEvidence(
        verdict="good",
        contraction=0.9,
        roi_mean=float(np.exp(mean + sd**2 / 2)),
        roi_interval=(float(low), float(high)),
        prior_roi=around,
        prior_given=False,
        saturation="exponential",
        adstock="geometric",
        carryover={},
        half_saturation=None,
        shape=None,
    )


def test_the_map_by_hand() -> None:
    # The data say N(1.5, 0.3) of a log return; the prior N(0.2, 0.9): the posterior of both.
    precision = 1 / 0.9**2 + 1 / 0.3**2
    mean = (0.2 / 0.9**2 + 1.5 / 0.3**2) / precision
    found = calibration_of(evidence(mean, precision**-0.5, (0.2, 0.9)), 1.2, tested=False)
    weight = 1 / (1.2**2 * 0.3**2 + SYSTEMATIC**2)
    after = 1 / (1 / 0.9**2 + weight)
    assert found.shift == pytest.approx(after * (0.2 / 0.9**2 + 1.5 * weight) - mean)
    assert found.spread == pytest.approx(np.sqrt(after * precision))
    assert found.spread > 1.2
    assert found.shift < -0.05  # towards the prior


def test_what_is_left_alone() -> None:
    as_is = Calibration(0.0, 1.0)
    assert calibration_of(evidence(1.0, 0.2, (0.2, 0.9)), 2.0, tested=True) == as_is
    assert calibration_of(evidence(0.2, 0.9, (0.2, 0.9)), 2.0, tested=False) == as_is
    no_interval = replace(evidence(1.0, 0.2, None), roi_interval=None)
    assert calibration_of(no_interval, 2.0, tested=False) == as_is


def test_a_model_without_priors_is_spread_and_not_moved() -> None:
    found = calibration_of(evidence(1.0, 0.2, None), 1.0, tested=False)
    assert found.shift == 0.0
    assert found.spread * 0.2 == pytest.approx(np.hypot(0.2, SYSTEMATIC))


def test_draws_and_return_move_alike_and_the_point_curve_follows_their_mean() -> None:
    rng = np.random.default_rng(3)
    logs = rng.normal(1.0, 0.2, 4000)
    at = 50.0
    unit = float(Exponential(1.0, 0.01).value(at))
    draws = tuple(Exponential(float(np.exp(z)) * at / unit, 0.01) for z in logs)
    response = Response(Exponential(float(np.mean(np.exp(logs))) * at / unit, 0.01), None, draws)
    moves = Calibration(-0.3, 2.0)
    found, roi = calibrated(response, evidence(1.0, 0.2, None), at, moves)
    returns = np.array([float(draw.value(at)) / at for draw in found.draws])
    assert roi.interval is not None
    np.testing.assert_allclose(np.quantile(returns, [0.05, 0.95]), roi.interval, rtol=0.03)
    assert float(np.mean(returns)) == pytest.approx(roi.mean, rel=0.02)
    assert float(found.saturation.value(at)) == pytest.approx(float(np.mean(returns)) * at)
    # The order of the draws is kept: joint draws stay joint.
    np.testing.assert_array_equal(np.argsort(returns), np.argsort(logs))


def test_a_curve_that_is_unsure_at_the_mean_spend_does_not_explode() -> None:
    """Spend in bursts: the return over the history is known, the curve between bursts is not."""
    logs = np.random.default_rng(4).normal(1.0, 1.8, 4000)
    draws = tuple(Exponential(float(np.exp(z)), 0.01) for z in logs)
    response = Response(Exponential(10.0, 0.01), None, draws)
    found, _ = calibrated(response, evidence(1.0, 0.3, None), 50.0, Calibration(0.0, 2.0))
    widened = np.log([draw.parameters()["max_response"] for draw in found.draws])
    assert float(np.std(widened)) == pytest.approx(float(np.std(logs)) + 0.3, rel=0.01)


def test_nothing_to_do_changes_nothing() -> None:
    response = Response(Exponential(3.0, 0.1), None, (Exponential(2.0, 0.1),))
    item = evidence(1.0, 0.2, None)
    found, roi = calibrated(response, item, 5.0, Calibration(0.0, 1.0))
    assert found is response
    assert (roi.mean, roi.interval) == (item.roi_mean, item.roi_interval)


def test_errors_beyond_the_intervals_are_counted_and_small_ones_are_not() -> None:
    narrow: Fold = fold([4.0, -8.0] * 15)  # twice the 90 % half-widths
    assert error_ratio([narrow]) == pytest.approx(np.sqrt((30 + 30 * 9) / 60))
    assert error_ratio([fold([0.1] * 30)]) == 1.0
    assert error_ratio([]) == 1.0
