"""Diagnostics: complete, JSON-ready, and warnings that name the channels they are about."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from shared.fit.pipeline import FitResult, fit_history
from shared.history.table import Finding
from tests.fit.histories import simulated


@pytest.fixture(scope="module")
def result() -> FitResult:
    history, _ = simulated(rows=70, channels=2)
    outcome = history.outcome.copy()
    outcome[33] *= 2.0
    noted = Finding("late_start", "tv starts in week 12.", {"channel": "tv"})
    return fit_history(replace(history, outcome=outcome, findings=(noted,)), {}, draws=40)


def test_every_part_is_there(result: FitResult) -> None:
    diagnostics = result.curve_set.diagnostics
    assert set(diagnostics) >= {
        "data",
        "promote",
        "reasons",
        "fit",
        "holdout",
        "rolling_origin",
        "naive",
        "folds",
        "convergence",
        "model",
        "noise",
        "priors",
        "channels",
        "collinear",
        "decomposition",
        "change_since_previous",
        "cross_validation",
        "backtest",
        "stability",
        "calibration",
        "challengers",
        "over_time",
        "findings",
        "warnings",
    }
    json.dumps(diagnostics, allow_nan=False)
    assert diagnostics["change_since_previous"] is None
    assert diagnostics["promote"] == result.promote
    assert diagnostics["reasons"] == list(result.reasons)


def test_prior_stands_beside_posterior(result: FitResult) -> None:
    for channel in result.curve_set.diagnostics["channels"]:
        low, middle, high = channel["prior_roi"]
        assert middle == pytest.approx(np.exp(0.2))
        assert low < middle < high
        assert channel["posterior_roi"][0] <= channel["posterior_roi"][1]
        assert 0 <= channel["contraction"] <= 1
        assert channel["adstock"]["family"] == "geometric"
        assert 0 < channel["adstock"]["decay"][0] < channel["adstock"]["decay"][2] < 1


def test_findings_of_the_history_are_carried_along(result: FitResult) -> None:
    assert result.curve_set.diagnostics["findings"] == [
        {"code": "late_start", "message": "tv starts in week 12."}
    ]


def test_an_outlier_is_named_by_its_date(result: FitResult) -> None:
    history, _ = simulated(rows=70, channels=2)
    day = history.dates[33].isoformat()
    assert day in result.curve_set.diagnostics["noise"]["outliers"]
    messages = {w["code"]: w["message"] for w in result.curve_set.diagnostics["warnings"]}
    assert day in messages["outliers"]


def test_the_baseline_is_what_media_leave(result: FitResult) -> None:
    baseline = result.curve_set.baseline
    media = result.curve_set.diagnostics["decomposition"]["media"]
    total = baseline["mean"] * 70 + sum(media.values())
    assert baseline["share"] == pytest.approx(baseline["mean"] * 70 / total)
    assert sum(baseline["totals"].values()) == pytest.approx(baseline["mean"] * 70)


def test_the_parts_over_time_add_up_to_what_was_fitted(result: FitResult) -> None:
    told = result.curve_set.diagnostics["over_time"]
    history, _ = simulated(rows=70, channels=2)
    assert told["dates"] == [day.isoformat() for day in history.dates]
    assert {len(told[key]) for key in ("actual", "fitted", "low", "high")} == {70}
    total = np.sum(list(told["parts"].values()), axis=0)
    np.testing.assert_allclose(total, told["fitted"], rtol=0.02)
    assert all(low < high for low, high in zip(told["low"], told["high"], strict=True))
    assert told["actual"][33] == pytest.approx(2.0 * history.outcome[33])


def test_stored_returns_are_told_without_the_error_of_a_regression(result: FitResult) -> None:
    diagnostics = result.curve_set.diagnostics
    calibration = diagnostics["calibration"]
    assert calibration["error_ratio"] >= 1.0
    assert [row["role"] for row in diagnostics["priors"]["systematic"]] == ["demand_creation"] * 2
    for curve, own, moved in zip(
        result.curve_set.channels, diagnostics["channels"], calibration["channels"], strict=True
    ):
        assert curve.roi is not None
        assert curve.roi.interval is not None
        low, _, high = own["posterior_roi"]
        assert curve.roi.interval == pytest.approx((low, high))
        # Wider than what the regression sees of it.
        assert moved["spread"] > 1.0
        assert moved["return_factor"] > 0.0


def test_without_an_optimiser_and_unasked_nothing_is_invented(result: FitResult) -> None:
    diagnostics = result.curve_set.diagnostics
    assert diagnostics["challengers"] is None
    assert diagnostics["backtest"]["last_quarter"] is None
    assert diagnostics["backtest"]["reason"] == "No optimiser was at hand."
