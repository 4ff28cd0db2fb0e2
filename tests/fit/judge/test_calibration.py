"""Draws made less sure: the map by hand, by a second method, its limits, and what stays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.curves.concave import Exponential
from shared.curves.curveset import Response
from shared.fit.fitted import ChannelEvidence, LogReturns
from shared.fit.judge.calibration import (
    SYSTEMATIC,
    Calibration,
    calibrate,
    calibrated,
    error_ratio,
    told,
)
from shared.fit.judge.validate import Fold
from tests.fit.judge.test_cross_validation import fold

Floats = NDArray[np.float64]


def exactly(mean: Floats, covariance: Floats, count: int = 4000) -> Floats:
    """Draws (count, A) that have just this mean and covariance."""
    z = np.random.default_rng(0).standard_normal((count, mean.size))
    z -= z.mean(axis=0)
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T).reshape(mean.size, -1))).T
    return np.asarray(mean + z @ np.linalg.cholesky(covariance).T)


def evidence() -> ChannelEvidence:
    return ChannelEvidence(
        verdict="good",
        contraction=0.9,
        roi_mean=3.0,
        roi_interval=(2.0, 4.0),
        prior_roi=None,
        prior_given=False,
        saturation="exponential",
        adstock="geometric",
        carryover={},
        half_saturation=None,
        shape=None,
    )


def test_a_model_with_an_error_of_its_own_says_where_its_draws_go() -> None:
    draws = exactly(np.array([1.0, 0.5]), 0.04 * np.eye(2))
    found = calibrate(LogReturns(draws, draws - 0.3), 2.0, [True, False])
    np.testing.assert_allclose(found.factors(1), np.exp(-0.3))
    np.testing.assert_array_equal(found.before, draws)


def test_an_arm_with_a_lift_test_keeps_its_draws() -> None:
    draws = exactly(np.array([1.0, 0.5]), 0.04 * np.eye(2))
    tested = calibrate(LogReturns(draws), 2.0, [True, False])
    np.testing.assert_array_equal(tested.after[:, 0], draws[:, 0])
    assert tested.after[:, 1].std() > 1.5 * draws[:, 1].std()


def test_a_model_without_priors_is_spread_and_not_moved() -> None:
    draws = exactly(np.array([1.0, 2.0]), np.diag([0.04, 0.01]))
    found = calibrate(LogReturns(draws), 1.0, [False, False])
    np.testing.assert_allclose(found.after.mean(axis=0), [1.0, 2.0])
    expected = np.hypot([0.2, 0.1], SYSTEMATIC)
    np.testing.assert_allclose(found.after.std(axis=0), expected, rtol=1e-3)


def test_an_arm_that_returns_nothing_in_some_draw_stays_as_it_is() -> None:
    draws = exactly(np.array([1.0, 2.0]), 0.04 * np.eye(2))
    draws[3, 0] = -np.inf
    found = calibrate(LogReturns(draws), 1.5, [False, False])
    np.testing.assert_array_equal(found.after[:, 0], draws[:, 0])
    assert np.isfinite(found.after[:, 1]).all()
    rows = told(["a", "b"], found, 1.5, [])["channels"]
    assert rows[0]["return_factor"] is None
    assert rows[1]["spread"] > 1.4


def test_curve_and_return_move_alike_and_the_point_curve_follows_their_mean() -> None:
    logs = np.random.default_rng(3).normal(1.0, 0.2, 4000)
    at = 50.0
    unit = float(Exponential(1.0, 0.01).value(at))
    draws = tuple(Exponential(float(np.exp(z)) * at / unit, 0.01) for z in logs)
    response = Response(Exponential(float(np.mean(np.exp(logs))) * at / unit, 0.01), None, draws)
    moves = calibrate(LogReturns(logs[:, None]), 2.0, [False])
    found, roi = calibrated(response, evidence(), at, moves, 0)
    returns = np.array([float(draw.value(at)) / at for draw in found.draws])
    np.testing.assert_allclose(np.log(returns), moves.after[:, 0], rtol=1e-9)
    assert roi.interval == pytest.approx(tuple(np.quantile(returns, [0.05, 0.95])))
    assert roi.mean == pytest.approx(float(np.mean(returns)))
    assert float(found.saturation.value(at)) == pytest.approx(float(np.mean(returns)) * at)
    # The order of the draws is kept: joint draws stay joint.
    np.testing.assert_array_equal(np.argsort(returns), np.argsort(logs))


def test_nothing_to_do_changes_nothing() -> None:
    response = Response(Exponential(3.0, 0.1), None, (Exponential(2.0, 0.1),))
    item, same = evidence(), np.zeros((1, 1))
    for moves in (None, Calibration(same, same)):
        found, roi = calibrated(response, item, 5.0, moves, 0)
        assert found is response
        assert (roi.mean, roi.interval) == (item.roi_mean, item.roi_interval)


def test_errors_beyond_the_intervals_are_counted_and_small_ones_are_not() -> None:
    narrow: Fold = fold([4.0, -8.0] * 15)  # twice the 90 % half-widths
    assert error_ratio([narrow]) == pytest.approx(np.sqrt((30 + 30 * 9) / 60))
    assert error_ratio([fold([0.1] * 30)]) == 1.0
    assert error_ratio([]) == 1.0
