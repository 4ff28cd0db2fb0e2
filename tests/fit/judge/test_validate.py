"""Folds, naive forecasts and scores, each against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from shared.fit.design.calendar import first_season, horizon_of, season_columns
from shared.fit.judge.validate import naive_forecast, score, validate
from tests.fit.histories import HILL, fit_bayesian, simulated


def test_scores_by_hand() -> None:
    found = score(np.array([10.0, 20.0]), np.array([11.0, 18.0]), np.array([1.0, 0.0]))
    assert found.rmse == pytest.approx(np.sqrt(2.5))
    assert found.r2 == pytest.approx(1 - 5 / 50)
    assert found.nrmse == pytest.approx(np.sqrt(2.5) / 15)
    assert found.mape == pytest.approx((0.1 + 0.1) / 2)
    assert found.coverage == 0.5


def test_scores_that_do_not_exist_are_none() -> None:
    flat = score(np.array([5.0, 5.0]), np.array([5.0, 6.0]))
    assert flat.r2 is None
    nothing = score(np.zeros(3), np.ones(3))
    assert nothing.nrmse is None
    assert nothing.mape is None


def test_mape_leaves_out_rows_near_zero() -> None:
    assert score(np.array([100.0, 1e-9]), np.array([110.0, 1.0])).mape == pytest.approx(0.1)


def test_naive_repeats_last_year() -> None:
    outcome = np.arange(120.0)
    np.testing.assert_array_equal(naive_forecast(outcome, 100, 104, "week"), [48, 49, 50, 51])
    # Further than a year ahead it repeats the same year, never a row it has not seen.
    np.testing.assert_array_equal(naive_forecast(outcome, 52, 106, "week")[-2:], [0, 1])


def test_naive_without_a_year_repeats_the_weekday_or_the_last_value() -> None:
    outcome = np.arange(60.0)
    np.testing.assert_array_equal(naive_forecast(outcome, 40, 43, "week"), [39, 39, 39])
    np.testing.assert_array_equal(naive_forecast(outcome, 40, 49, "day")[:8], [*range(33, 40), 33])


def test_naive_falls_back_where_last_year_has_a_gap() -> None:
    outcome = np.arange(60.0)
    outcome[3] = np.nan
    np.testing.assert_array_equal(naive_forecast(outcome, 54, 56, "week"), [2, 53])


def test_folds_do_not_overlap_and_end_with_the_history() -> None:
    history, _ = simulated(rows=120)
    folds = validate(history, HILL, seed=0, choice={}, least=30)
    assert [(f.start, f.stop) for f in folds] == [(94, 107), (107, 120)]
    assert all(f.converged for f in folds)
    assert [len(f.actual) for f in folds] == [13, 13]
    assert horizon_of(30, "week") == 6
    assert horizon_of(3, "month") == 1


@pytest.mark.parametrize(("rows", "frequency"), [(365, "day"), (52, "week"), (14, "month")])
def test_folds_of_about_a_year_leave_enough_to_know_its_seasons(rows: int, frequency: str) -> None:
    """A year of days fell a season short in its first fold, and was refused for its forecasts."""
    dates = [date(2022, 1, 1) + timedelta(days=day) for day in range(rows)]
    left = rows - 2 * horizon_of(rows, frequency)
    assert left >= first_season(frequency)
    assert season_columns(dates, left, frequency, ("year",))
    assert not season_columns(dates, first_season(frequency) - 1, frequency, ("year",))
    assert horizon_of(2 * rows, frequency) > horizon_of(rows, frequency)


def test_an_event_never_met_is_not_held_against_a_fold() -> None:
    history, _ = simulated(seed=2, rows=120)
    outcome, events = history.outcome.copy(), [""] * 120
    for row, label, factor in ((30, "sale", 1.4), (60, "sale", 1.4), (100, "sale", 1.4)):
        outcome[row] *= factor
        events[row] = label
    outcome[110] *= 3.0
    events[110] = "fire"
    changed = replace(history, outcome=outcome, events=tuple(events))
    one, two = validate(changed, HILL, seed=0, choice={}, least=40)
    assert [fold.unforeseen for fold in (one, two)] == [(), (110,)]
    # A sale was met before, and is judged; the fire is left out of what everybody is judged on.
    assert 100 in one.rows(outcome)
    assert 110 not in two.rows(outcome)
    assert {len(two.actual), len(two.mean), len(two.naive), len(two.inner["50"][0])} == {12}
    assert (score(two.actual, two.mean).nrmse or 1.0) < 0.1
    # What lasts is no accident: a forecast has to stand it.
    lasting = replace(changed, events=tuple("strike" if t > 107 else "" for t in range(120)))
    assert all(f.unforeseen == () for f in validate(lasting, HILL, seed=0, choice={}, least=40))


def test_folds_that_leave_too_little_are_left_out() -> None:
    history, _ = simulated(rows=60)
    assert len(validate(history, HILL, seed=0, choice={}, least=40)) == 1
    assert validate(history, HILL, seed=0, choice={}, least=60) == ()


def test_forecasts_of_unseen_rows_are_good_and_their_intervals_honest() -> None:
    inside, r2 = [], []
    for seed in range(4):
        history, _ = simulated(seed=seed, rows=130, noise=0.03)
        posterior = fit_bayesian(history, HILL, seed=0, train=104, draws=100)
        forecast = posterior.forecast(np.random.default_rng(0))
        mean, (low, high) = forecast.mean, forecast.interval(0.9)
        actual = history.outcome[104:]
        inside.append(np.mean((low[104:] <= actual) & (actual <= high[104:])))
        r2.append(score(actual, mean[104:]).r2)
    assert 0.78 <= float(np.mean(inside)) <= 1.0
    assert float(np.mean(r2)) > 0.7


def test_what_comes_after_the_split_is_not_used() -> None:
    history, _ = simulated(rows=90)
    outcome = history.outcome.copy()
    outcome[70:] *= 3
    one = fit_bayesian(history, HILL, seed=0, train=70, draws=20)
    two = fit_bayesian(
        replace(history, outcome=outcome),
        HILL,
        seed=0,
        train=70,
        draws=20,
    )
    np.testing.assert_array_equal(one.draws, two.draws)
