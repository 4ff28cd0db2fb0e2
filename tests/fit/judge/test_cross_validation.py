"""Errors taken apart, coverage and folds, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.fit.fitted import Forecast
from shared.fit.judge.validate import (
    BLOCKS,
    Fold,
    Rival,
    blocked,
    coverage,
    cross_validation,
    errors_apart,
    standardised,
)
from tests.fit.histories import HILL, simulated


def fold(errors: list[float], half: float = 2.0) -> Fold:
    actual = np.full(len(errors), 100.0)
    mean = actual + np.array(errors)
    return Fold(
        start=0,
        stop=len(errors),
        actual=actual,
        mean=mean,
        low=mean - half,
        high=mean + 2 * half,
        naive=actual + 4.0,
        constant=actual + 3.0,
        converged=True,
        inner={"50": (mean - 0.5, mean + 0.2), "80": (mean - 1.5, mean + 1.0)},
    )


def test_bias_and_variances_add_up_to_the_mean_squared_error() -> None:
    found = errors_apart([fold([1.0, 3.0]), fold([-2.0, 0.0])])
    assert found["bias"] == pytest.approx(0.5)
    assert found["bias_share"] == pytest.approx(0.005)
    assert found["variance_between_folds"] == pytest.approx(2.25)
    assert found["variance_within_folds"] == pytest.approx(1.0)
    assert found["mse"] == pytest.approx(0.25 + 2.25 + 1.0)


def test_coverage_counts_either_side_by_its_own_half() -> None:
    # Too high forecasts leave the outcome below: the lower end counts; too low ones, the upper.
    found = coverage([fold([0.5, 1.0, 1.9, 2.1]), fold([-3.9, -1.0])])
    assert found == {
        "50": pytest.approx(1 / 6),  # the forecast's own ends, however they lie in the outer ones
        "80": pytest.approx(3 / 6),
        "90": pytest.approx(5 / 6),
    }
    np.testing.assert_allclose(standardised([fold([2.0])]), [-1.6448536])


def test_normal_forecasts_cover_what_they_say() -> None:
    rng = np.random.default_rng(0)
    actual = rng.normal(size=20_000)
    zero = np.zeros(actual.size)
    ends = Forecast(zero[:1], rng.standard_normal((40_000, 1)))
    inner = {
        str(k): (zero + low, zero + high)
        for k in (50, 80)
        for low, high in [ends.interval(k / 100)]
    }
    low, high = ends.interval(0.9)
    exact = replace(
        fold([0.0]), actual=actual, mean=zero, low=zero + low, high=zero + high, inner=inner
    )
    assert coverage([exact]) == {
        level: pytest.approx(int(level) / 100, abs=0.012) for level in ("50", "80", "90")
    }


def test_every_rival_stands_beside() -> None:
    rival = Rival(unseen=False, folds=((2, 9.0, 4.0), (2, 25.0, 4.0)))
    found = cross_validation([fold([1.0, 1.0]), fold([2.0, 2.0])], [], rival)
    assert found["blocked"] is None
    assert found["rolling"]["against"] == {
        "naive": 4.0,
        "constant": 3.0,
        "previous": {
            "rows": 4,
            "unseen": False,
            "rmse": pytest.approx(np.sqrt(17.0)),
            "rmse_of_these": 2.0,
        },
    }
    assert found["holdout"]["against"]["previous"]["rmse"] == 5.0
    assert found["holdout"]["rmse"] == 2.0
    assert cross_validation([], [], None)["rolling"] is None


def test_blocks_cover_all_rows_and_are_not_seen() -> None:
    history, _ = simulated(rows=78, channels=2)
    found = blocked(history, HILL, seed=0, choice={}, least=20)
    assert [(f.start, f.stop) for f in found] == [(0, 26), (26, 52), (52, 78)]
    assert len(found) == BLOCKS
    # What happened in a block does not reach its own forecast.
    outcome = history.outcome.copy()
    outcome[26:52] *= 2.0
    other = blocked(replace(history, outcome=outcome), HILL, seed=0, choice={}, least=20)
    np.testing.assert_array_equal(other[1].mean, found[1].mean)
    assert not np.array_equal(other[0].mean, found[0].mean)


def test_the_naive_forecast_of_a_block_is_a_year_away() -> None:
    history, _ = simulated(rows=78, channels=2)
    first, middle, last = blocked(history, HILL, seed=0, choice={}, least=20)
    np.testing.assert_array_equal(first.naive, history.outcome[52:78])
    np.testing.assert_array_equal(last.naive, history.outcome[0:26])
    known = np.concatenate([history.outcome[:26], history.outcome[52:]])
    np.testing.assert_allclose(middle.naive, known.mean())


def test_blocks_that_leave_too_little_are_left_out() -> None:
    history, _ = simulated(rows=60, channels=2)
    assert blocked(history, HILL, seed=0, choice={}, least=50) == ()
