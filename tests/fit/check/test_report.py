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
