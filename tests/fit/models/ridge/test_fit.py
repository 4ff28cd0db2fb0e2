"""The ridge kind through the whole pipeline: recovery, decisions, the gate, refresh, rough data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.curves.curveset import CurveSet
from shared.errors import InvalidInput
from shared.fit.models.registry import fit_window
from shared.fit.pipeline import FitResult, fit_history
from shared.history.table import History
from tests.fit.decisions import regret_ratio
from tests.fit.histories import simulated, table

RIDGE: dict[str, Any] = {"model": {"kind": "ridge"}}
HISTORY = simulated(seed=1, rows=143, channels=3)[0]


@pytest.fixture(scope="module")
def good() -> FitResult:
    return fit_history(first_rows(HISTORY, 130), RIDGE, draws=100)


def test_it_is_judged_by_the_same_gate_and_stored_the_same_way(good: FitResult) -> None:
    assert good.promote, good.reasons
    stored = json.loads(json.dumps(good.curve_set.to_dict(), allow_nan=False))
    assert CurveSet.from_dict(stored).to_dict() == good.curve_set.to_dict()
    diagnostics = good.curve_set.diagnostics
    assert diagnostics["model"]["kind"] == "ridge"
    assert diagnostics["rolling_origin"]["rmse"] < diagnostics["naive"]["rmse"]
    assert diagnostics["fit"]["coverage_90"] > 0.8
    assert {len(c.response.draws) for c in good.curve_set.channels} == {100}


def test_the_candidates_are_a_front(good: FitResult) -> None:
    model = good.curve_set.diagnostics["model"]
    shown = model["candidates"]
    errors = [c["error"] for c in shown]
    distances = [c["decomposition_distance"] for c in shown]
    assert errors == sorted(errors)
    assert distances == sorted(distances, reverse=True)
    assert len(shown) > 1
    # What is selected gives up little error and is nearer to the shares of spend.
    assert model["error"] <= 1.25 * errors[0]
    assert model["decomposition_distance"] <= distances[0]


def test_decomposition_adds_up_to_the_outcome(good: FitResult) -> None:
    parts = good.curve_set.diagnostics["decomposition"]
    total = sum(parts["baseline"].values()) + sum(parts["media"].values())
    assert total == pytest.approx(parts["outcome"], rel=0.01)


def test_returns_are_recovered_and_plans_beat_keeping_the_history() -> None:
    inside, errors, ratios = [], [], []
    for seed in range(3):
        history, truth = simulated(seed=seed, rows=130, channels=3, noise=0.02)
        fitted = fit_window(history, RIDGE, seed=0, draws=60)
        for item, roi in zip(fitted.evidence(), truth.roi, strict=True):
            assert item.roi_interval is not None
            inside.append(item.roi_interval[0] <= roi <= item.roi_interval[1])
            errors.append(abs(np.log(item.roi_mean / roi)))
        channels = tuple(
            replace(channel, response=response)
            for channel, response in zip(
                _shell(history.channels).channels, fitted.responses(), strict=True
            )
        )
        curves = replace(_shell(history.channels), channels=channels)
        ratios.append(regret_ratio(curves, truth.response, history.spend.mean(axis=0)))
    assert np.mean(inside) >= 0.6
    assert np.median(errors) < 0.35
    assert np.median(ratios) < 0.6


def _shell(channels: tuple[str, ...]) -> CurveSet:
    """A curve set of these channels, to put responses into."""
    of_all = {
        "saturation": {"family": "exponential", "max_response": 1.0, "rate": 1.0},
        "adstock": None,
    }
    spend = {"min": 0.0, "mean": 1.0, "max": 1.0, "last": 1.0}
    return CurveSet.from_dict(
        {
            "dataset": "",
            "version": "",
            "created_at": "",
            "spec": {},
            "frequency": "week",
            "currency": None,
            "outcome": "revenue",
            "channels": [
                {
                    "channel": name,
                    "response": of_all,
                    "observed_spend": spend,
                    "roi": None,
                    "verdict": "good",
                }
                for name in channels
            ],
        }
    )


def test_a_history_without_any_effect_is_kept_out() -> None:
    rng = np.random.default_rng(3)
    spend = 1e4 * np.exp(0.5 * rng.normal(size=(104, 3)))
    outcome = 1e5 * (1 + 0.05 * rng.normal(size=104))
    assert not fit_history(table(outcome, spend), RIDGE, draws=40).promote


def test_a_refresh_keeps_near_the_curves_in_use_and_says_so(good: FitResult) -> None:
    before = good.curve_set
    again = fit_history(HISTORY, RIDGE, draws=20, previous=before)
    model = again.curve_set.diagnostics["model"]
    assert model["refresh"]["channels"] == ["a", "b", "c"]
    assert model["refresh"]["freedom"] == pytest.approx(0.1)
    fresh = good.curve_set.diagnostics
    assert fresh["model"]["refresh"] is None
    points = again.curve_set.diagnostics["convergence"]["points"]
    assert points < 0.7 * fresh["convergence"]["points"]
    for old, now in zip(before.channels, again.curve_set.channels, strict=True):
        assert old.roi is not None
        assert now.roi is not None
        assert now.roi.mean == pytest.approx(old.roi.mean, rel=0.4)


def first_rows(history: History, rows: int) -> History:
    """The history as it was ``rows`` periods in."""
    return replace(
        history,
        dates=history.dates[:rows],
        outcome=history.outcome[:rows],
        spend=history.spend[:rows],
        controls=history.controls[:rows],
        events=history.events[:rows],
    )


def test_curves_of_another_kind_narrow_nothing(good: FitResult) -> None:
    other = dict(good.curve_set.diagnostics)
    other["model"] = {**other["model"], "kind": "bayesian"}
    previous = replace(good.curve_set, diagnostics=other)
    fitted = fit_window(HISTORY, RIDGE, seed=0, draws=40, previous=previous)
    assert fitted.diagnostics()["model"]["refresh"] is None


def test_lift_tests_and_stated_returns_pull() -> None:
    history, truth = simulated(seed=4, rows=80, channels=3, noise=0.08)
    spec: dict[str, Any] = dict(RIDGE)
    spec["priors"] = [{"channel": "a", "roi_median": float(truth.roi[0]), "roi_sd_log": 0.05}]
    day = history.dates[40].isoformat()
    spec["lift_tests"] = [
        {
            "channel": "b",
            "start": day,
            "end": history.dates[47].isoformat(),
            "spend_change": -float(history.spend[40:48, 1].sum()),
            "outcome_change": -float(truth.roi[1] * history.spend[40:48, 1].sum()),
            "standard_error": float(0.05 * truth.roi[1] * history.spend[40:48, 1].sum()),
            "in_history": False,
        }
    ]
    told = fit_window(history, spec, seed=0, draws=100).evidence()
    assert told[0].roi_mean == pytest.approx(float(truth.roi[0]), rel=0.15)
    assert told[1].roi_mean == pytest.approx(float(truth.roi[1]), rel=0.5)
    assert told[0].prior_given
    spec["lift_tests"][0]["channel"] = "post"
    with pytest.raises(InvalidInput) as caught:
        fit_window(history, spec, seed=0, draws=40)
    assert caught.value.faults[0].pointer == "/lift_tests/0/channel"


@pytest.mark.parametrize(
    ("saturation", "adstock"),
    [("exponential", "delayed"), ("michaelis_menten", "weibull_pdf"), ("hill", "weibull_cdf")],
)
def test_other_families(saturation: str, adstock: str) -> None:
    history, _ = simulated(seed=2, rows=90, channels=2)
    spec = {"model": {"kind": "ridge", "saturation": saturation, "adstock": adstock}}
    fitted = fit_window(history, spec, seed=0, draws=40)
    for response in fitted.responses():
        assert response.saturation.family == saturation
        assert response.adstock is not None
        assert response.adstock.family == adstock


def test_rough_data_do_not_break_it() -> None:
    history, _ = simulated(seed=5, rows=70, channels=3)
    spend, outcome = history.spend.copy(), history.outcome.copy()
    spend[:, 2] = 0.0  # never used
    spend[:60, 1] = 0.0  # a late start
    spend[:, 0] = 1e4  # never varied
    outcome[[3, 30, 31]] = np.nan
    outcome[20] *= 8.0
    result = fit_history(replace(history, spend=spend, outcome=outcome), RIDGE, draws=40)
    json.dumps(result.curve_set.to_dict(), allow_nan=False)
    assert [c.verdict for c in result.curve_set.channels][2] == "unspent"
    assert history.dates[20].isoformat() in result.curve_set.diagnostics["noise"]["outliers"]
