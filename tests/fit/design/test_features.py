"""Features: nothing looks ahead, nothing is invented before the first row, labels are counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.fit.design.design import LAGS, build_design, lagged
from tests.fit.histories import simulated, table, weekly_dates


def test_the_future_changes_nothing_of_the_past() -> None:
    history, _ = simulated(rows=120)
    rng = np.random.default_rng(3)
    controls = rng.normal(size=(120, 2))
    events = ["sale" if t % 17 == 3 else "" for t in range(120)]
    train = 90
    history = replace(history, controls=controls, control_names=("x", "y"), events=tuple(events))
    outcome, spend, future = history.outcome.copy(), history.spend.copy(), controls.copy()
    outcome[train:] *= 50
    spend[train:] *= 9
    future[train:] += 100
    changed = replace(
        history,
        outcome=outcome,
        spend=spend,
        controls=future,
        events=(*events[:train], *(("gala",) * 30)),
    )
    one = build_design(history, "US", train)
    two = build_design(changed, "US", train)
    np.testing.assert_array_equal(one.lags[:, :train], two.lags[:, :train])
    np.testing.assert_array_equal(one.baseline[:train], two.baseline[:train])
    np.testing.assert_array_equal(one.outcome[:train], two.outcome[:train])
    assert one.baseline_names == two.baseline_names
    assert (one.outcome_scale, one.outcome_centre) == (two.outcome_scale, two.outcome_centre)
    assert not one.observed[train:].any()


def test_lags_line_up_and_the_time_before_holds_the_padding() -> None:
    out = lagged(np.array([[1.0], [2.0], [3.0]]), 3, np.array([9.0]))
    np.testing.assert_array_equal(out[0], [[1, 9, 9], [2, 1, 9], [3, 2, 1]])


def test_padding_is_the_mean_of_the_first_weeks_not_zero() -> None:
    history, _ = simulated()
    design = build_design(history, None)
    first = history.spend[:6].mean(axis=0) / design.spend_scale
    np.testing.assert_allclose(design.lags[:, 0, 1], first)
    assert design.lags.shape[2] == LAGS["week"]


def test_scales_are_the_non_zero_mean_and_the_sd() -> None:
    rng = np.random.default_rng(0)
    spend = np.where(np.arange(60)[:, None] % 2 == 0, rng.uniform(1, 2, (60, 1)), 0.0)
    outcome = rng.normal(100, 7, 60)
    outcome[5] = np.nan
    design = build_design(table(outcome, spend), None)
    np.testing.assert_allclose(design.spend_scale, spend[::2].mean())
    np.testing.assert_allclose(design.mean_spend, spend.mean())
    assert design.outcome_scale == pytest.approx(np.nanstd(outcome))
    assert not design.observed[5]
    assert design.observed.sum() == 59


def test_labels_seen_twice_are_dummies_and_those_seen_once_share_one() -> None:
    rng = np.random.default_rng(1)
    events = [""] * 40
    events[3] = events[30] = "sale"
    events[8], events[20] = "strike", "storm"
    history = table(rng.normal(size=40), rng.uniform(1, 2, (40, 1)), events=events)
    design = build_design(history, None)
    by_name = dict(zip(design.baseline_names, design.baseline.T, strict=True))
    assert np.flatnonzero(by_name["sale"]).tolist() == [3, 30]
    assert np.flatnonzero(by_name["other events"]).tolist() == [8, 20]
    assert "strike" not in by_name


def test_days_have_weekdays_and_weeks_have_none() -> None:
    rng = np.random.default_rng(2)
    daily = table(
        rng.normal(size=120),
        rng.uniform(1, 2, (120, 1)),
        dates=weekly_dates(120, days=1),
        frequency="day",
    )
    names = build_design(daily, None).baseline_names
    assert "Mon" in names
    assert "Sun" in names
    weekly = table(rng.normal(size=120), rng.uniform(1, 2, (120, 1)))
    assert "Mon" not in build_design(weekly, None).baseline_names
    assert "year sin 4" in build_design(weekly, None).baseline_names


def test_holidays_fall_into_their_weeks() -> None:
    history, _ = simulated(rows=156)
    design = build_design(history, "US")
    by_name = dict(zip(design.baseline_names, design.baseline.T, strict=True))
    weeks = np.flatnonzero(by_name["Independence Day"])
    # 4 July 2021 was a Sunday, observed on the Monday: the last day of a week and the next one.
    starts = [history.dates[week] for week in weeks]
    assert starts == [date(2021, 6, 28), date(2021, 7, 5), date(2022, 7, 4), date(2023, 7, 3)]


def test_months_count_public_holidays() -> None:
    rng = np.random.default_rng(2)
    dates = [date(2021 + m // 12, m % 12 + 1, 1) for m in range(30)]
    history = table(rng.normal(size=30), rng.uniform(1, 2, (30, 1)), dates=dates, frequency="month")
    design = build_design(history, "DE")
    column = design.baseline[:, design.baseline_names.index("public holidays")]
    # Germany has two holidays in December and none in February.
    assert column[11] > column[1]


def test_an_unknown_country_is_named() -> None:
    history, _ = simulated(rows=40)
    with pytest.raises(InvalidInput) as caught:
        build_design(history, "Atlantis")
    assert caught.value.faults[0].pointer == "/holidays_country"


def test_no_spend_and_a_flat_outcome_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidInput, match="nothing to fit"):
        build_design(table(rng.normal(size=30), np.zeros((30, 2))), None)
    with pytest.raises(InvalidInput, match="never varies"):
        build_design(table(np.full(30, 7.0), rng.uniform(1, 2, (30, 2))), None)
