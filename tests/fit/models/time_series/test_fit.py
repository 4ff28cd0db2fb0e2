"""The time-series kind: drifting effects are followed, plans are good, the gate is the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet
from shared.errors import InvalidInput
from shared.fit.models.registry import fit_window
from shared.fit.pipeline import FitResult, fit_history
from shared.history.table import History
from tests.fit.decisions import best_plan
from tests.fit.histories import simulated, table
from tests.fit.models.ridge.test_pooling import campaigns

Floats = NDArray[np.float64]
SERIES: dict[str, Any] = {"model": {"kind": "time_series"}}


@pytest.fixture(scope="module")
def good() -> FitResult:
    return fit_history(simulated(seed=1, rows=110, channels=3)[0], SERIES, draws=60)


def drifting(seed: int, rows: int = 130, until: int = 130) -> tuple[History, Floats]:
    """Two exponential channels; the first one's strength falls to a third, the second's stays."""
    rng = np.random.default_rng(seed)
    spend = 1e4 * np.exp(0.6 * rng.normal(size=(rows, 2)))
    carried = spend.copy()
    carried[0] = spend.mean(axis=0)
    for t in range(1, rows):
        carried[t] = 0.7 * spend[t] + 0.3 * carried[t - 1]
    level = -np.expm1(-carried / 1.5e4)
    strength = np.stack(
        [np.interp(np.arange(rows), [0, until], [6e4, 2e4]), np.full(rows, 4e4)], axis=1
    )
    outcome = 5e4 + (strength * level).sum(axis=1) + 1500 * rng.normal(size=rows)
    return table(outcome, spend), strength * level


def test_it_is_judged_by_the_same_gate_and_stored_the_same_way(good: FitResult) -> None:
    assert good.promote, good.reasons
    stored = json.loads(json.dumps(good.curve_set.to_dict(), allow_nan=False))
    assert CurveSet.from_dict(stored).to_dict() == good.curve_set.to_dict()
    diagnostics = good.curve_set.diagnostics
    assert diagnostics["model"]["kind"] == "time_series"
    assert diagnostics["rolling_origin"]["rmse"] < diagnostics["naive"]["rmse"]
    assert diagnostics["fit"]["coverage_90"] > 0.8
    assert {c.response.saturation.family for c in good.curve_set.channels} == {"exponential"}
    parts = diagnostics["decomposition"]
    total = sum(parts["baseline"].values()) + sum(parts["media"].values())
    assert total == pytest.approx(parts["outcome"], rel=0.01)


def test_an_effect_that_fades_is_seen_fading() -> None:
    history, truth = drifting(0)
    fitted = fit_window(history, SERIES, seed=0, draws=60)
    over_time = fitted.over_time()
    fading, steady = over_time["media:a"], over_time["media:b"]
    # A curve fitted once for all time would have the middle strength everywhere.
    for part in (slice(0, 40), slice(90, 130)):
        assert fading[part].mean() == pytest.approx(truth[part, 0].mean(), rel=0.25)
    assert fading[:40].mean() > 1.6 * fading[90:].mean()
    assert steady[:40].mean() < 1.4 * steady[90:].mean()
    # The curve is what the channel does now.
    now = fitted.responses()[0]
    at = np.array([1e4])
    mean = float(np.mean([draw.value(at) for draw in now.draws]))
    assert mean == pytest.approx(2.1e4 * -np.expm1(-1e4 / 1.5e4), rel=0.35)
    months = fitted.diagnostics()["model"]["strength"][0]["by_month"]
    assert months[-1] < 0.6 * months[0]


def test_its_forecasts_follow_a_change_that_a_fixed_curve_cannot() -> None:
    errors: dict[str, list[float]] = {"time_series": [], "ridge": []}
    for seed in range(2):
        history, _ = drifting(seed + 5, rows=100, until=60)
        for kind, found in errors.items():
            spec = {"model": {"kind": kind, "saturation": "exponential"}}
            fitted = fit_window(history, spec, seed=0, train=84, draws=60)
            mean = fitted.forecast(np.random.default_rng(0)).mean
            found.append(float(np.sqrt(np.mean((mean - history.outcome)[84:] ** 2))))
    assert np.mean(errors["time_series"]) < 0.6 * np.mean(errors["ridge"])


def test_returns_are_recovered_and_plans_beat_keeping_the_history() -> None:
    inside, ratios = [], []
    for seed in range(2):
        history, truth = simulated(seed=seed + 1, rows=104, channels=3, noise=0.02)
        fitted = fit_window(history, SERIES, seed=0, draws=60)
        for item, roi in zip(fitted.evidence(), truth.roi, strict=True):
            assert item.roi_interval is not None
            inside.append(item.roi_interval[0] <= roi <= item.roi_interval[1])
        responses, mean = fitted.responses(), history.spend.mean(axis=0)

        def expected(channel: int, spend: Floats, found: Any = responses) -> Floats:
            return np.mean([draw.value(spend) for draw in found[channel].draws], axis=0)

        def total(plan: Floats, real: Any = truth) -> float:
            return float(sum(real.response(c, x) for c, x in enumerate(plan)))

        best = total(best_plan(truth.response, mean))
        ratios.append((best - total(best_plan(expected, mean))) / (best - total(mean)))
    assert np.mean(inside) >= 0.6
    assert np.median(ratios) < 0.6


def test_a_history_without_any_effect_is_kept_out() -> None:
    rng = np.random.default_rng(3)
    spend = 1e4 * np.exp(0.5 * rng.normal(size=(104, 3)))
    outcome = 1e5 * (1 + 0.05 * rng.normal(size=104))
    fitted = fit_window(table(outcome, spend), SERIES, seed=0, draws=20)
    # The gate asks for a log evidence of 3.
    assert fitted.media_evidence is not None
    assert fitted.media_evidence < 3.0


def test_the_same_seed_gives_the_same_curves() -> None:
    history = simulated(seed=2, rows=60, channels=2)[0]
    one, two = (fit_window(history, SERIES, seed=4, draws=30).responses() for _ in range(2))
    assert one == two


def test_a_lift_test_pulls_and_a_wrong_one_is_named() -> None:
    history, truth = simulated(seed=4, rows=70, channels=2, noise=0.08)
    cut = float(history.spend[40:48, 0].sum())
    test: dict[str, Any] = {
        "channel": "a",
        "start": history.dates[40].isoformat(),
        "end": history.dates[47].isoformat(),
        "spend_change": -cut,
        "outcome_change": -3.0 * float(truth.roi[0]) * cut,
        "standard_error": 0.05 * float(truth.roi[0]) * cut,
        "in_history": False,
    }
    without = fit_window(history, SERIES, seed=0, draws=40).evidence()[0]
    told = fit_window(history, {**SERIES, "lift_tests": [test]}, seed=0, draws=40).evidence()[0]
    assert told.roi_mean > 1.5 * without.roi_mean
    wrong = {**SERIES, "lift_tests": [test, {**test, "channel": "post"}]}
    with pytest.raises(InvalidInput) as caught:
        fit_window(history, wrong, seed=0, draws=40)
    assert [fault.pointer for fault in caught.value.faults] == ["/lift_tests/1/channel"]


def test_rough_data_do_not_break_it() -> None:
    history, _ = simulated(seed=5, rows=70, channels=3)
    spend, outcome = history.spend.copy(), history.outcome.copy()
    spend[:, 2] = 0.0  # never used
    spend[:60, 1] = 0.0  # a late start
    spend[:, 0] = 1e4  # never varied
    outcome[[3, 30, 31]] = np.nan
    outcome[20] *= 8.0
    result = fit_history(replace(history, spend=spend, outcome=outcome), SERIES, draws=40)
    json.dumps(result.curve_set.to_dict(), allow_nan=False)
    assert [c.verdict for c in result.curve_set.channels][2] == "unspent"
    assert history.dates[20].isoformat() in result.curve_set.diagnostics["noise"]["outliers"]


def test_campaigns_lean_on_their_channel() -> None:
    """What siblings return hardly differs where the rows cannot tell; a channel is still learnt."""
    returns = np.array([2.0, 2.4, 1.7, 2.1])
    history = campaigns(1, returns)
    found = np.array([item.roi_mean for item in fit_window(history, SERIES, seed=0).evidence()[:4]])
    panel = history.panel()
    names = tuple(f"{channel} {campaign}" for channel, campaign in panel.arms)
    lone = replace(history, channels=names, spend=panel.spend[0], detail=None)
    alone = np.array([item.roi_mean for item in fit_window(lone, SERIES, seed=0).evidence()[:4]])
    assert np.std(np.log(found / returns)) < 0.7 * np.std(np.log(alone / returns))
    assert abs(np.log(found.mean() / 2.05)) < 0.4
