"""From a history to a judged curve set: recovery of known truth, the gate, and rough data."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from shared.curves.curveset import CurveSet
from shared.errors import InvalidInput, NotSupportedYet
from shared.fit.pipeline import FitResult, fit_history
from tests.fit.histories import simulated, table, weekly_dates


@pytest.fixture(scope="module")
def good() -> FitResult:
    return fit_history(simulated(seed=1, rows=156, channels=3)[0], {"currency": "EUR"})


def strict_json(result: FitResult) -> dict[str, Any]:
    """The set as it would be stored; NaN or Infinity anywhere raises."""
    found = json.loads(json.dumps(result.curve_set.to_dict(), allow_nan=False))
    assert isinstance(found, dict)
    return found


def test_a_good_history_is_promoted_with_what_was_checked(good: FitResult) -> None:
    assert good.promote, good.reasons
    assert "seasonal naive" in good.reasons[0]
    diagnostics = good.curve_set.diagnostics
    assert diagnostics["data"] == "enough"
    assert diagnostics["convergence"]["converged"]
    assert diagnostics["rolling_origin"]["rmse"] < diagnostics["naive"]["rmse"]
    assert diagnostics["rolling_origin"]["rows"] == 39
    assert 0.8 <= diagnostics["fit"]["coverage_90"] <= 1.0
    assert {c.verdict for c in good.curve_set.channels} <= {"good", "weak"}


def test_the_stored_form_round_trips(good: FitResult) -> None:
    stored = strict_json(good)
    assert CurveSet.from_dict(stored).to_dict() == good.curve_set.to_dict()
    assert {len(c["response"]["draws"]) for c in stored["channels"]} == {200}
    for channel in stored["channels"]:
        assert channel["response"]["adstock"]["normalised"] is True


@pytest.mark.parametrize("seeds", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_returns_and_curves_are_recovered(seeds: int) -> None:
    inside, errors = [], []
    for seed in range(seeds):
        history, truth = simulated(seed=seed, rows=156, noise=0.015)
        result = fit_history(history, {}, draws=100)
        for c, channel in enumerate(result.curve_set.channels):
            assert channel.roi is not None
            assert channel.roi.interval is not None
            low, high = channel.roi.interval
            inside.append(low <= truth.roi[c] <= high)
            mean = history.spend[:, c].mean()
            for at in (0.6 * mean, 1.4 * mean):
                fitted = float(np.mean([d.value(at) for d in channel.response.draws]))
                errors.append(abs(np.log(fitted / float(truth.response(c, at)))))
    assert np.mean(inside) >= 0.7
    assert np.median(errors) < 0.3


def test_the_point_curve_agrees_with_the_draws_at_the_mean_spend(good: FitResult) -> None:
    for channel in good.curve_set.channels:
        at = channel.observed_spend.mean
        mean = float(np.mean([draw.value(at) for draw in channel.response.draws]))
        assert float(channel.response.saturation.value(at)) == pytest.approx(mean, rel=1e-9)


def test_decomposition_adds_up_to_the_outcome(good: FitResult) -> None:
    parts = good.curve_set.diagnostics["decomposition"]
    total = sum(parts["baseline"].values()) + sum(parts["media"].values())
    assert total == pytest.approx(parts["outcome"], rel=0.01)
    assert good.curve_set.baseline["share"] == pytest.approx(
        sum(parts["baseline"].values()) / total
    )


def test_the_same_seed_gives_the_same_set_and_another_seed_other_draws() -> None:
    history, _ = simulated(rows=70, channels=2)
    one, two = (fit_history(history, {}, seed=5, draws=40) for _ in range(2))
    assert one.curve_set.to_dict() == two.curve_set.to_dict()
    assert one.reasons == two.reasons
    other = fit_history(history, {}, seed=6, draws=40)
    assert other.curve_set.to_dict() != one.curve_set.to_dict()


def test_progress_is_told_and_ends_at_one() -> None:
    told: list[tuple[str, float]] = []
    fit_history(
        simulated(rows=60)[0],
        {},
        draws=20,
        progress=lambda stage, share: told.append((stage, share)),
    )
    assert told[-1] == ("judge", 1.0)
    assert [share for _, share in told] == sorted(share for _, share in told)


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_noise_is_not_promoted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spend = np.exp(rng.normal(10, 0.5, (130, 3)))
    result = fit_history(table(4e5 * (1 + 0.1 * rng.normal(size=130)), spend), {}, draws=40)
    assert not result.promote
    assert any("does not show that any channel has an effect" in r for r in result.reasons)


def test_a_wandering_outcome_is_not_promoted() -> None:
    rng = np.random.default_rng(1)
    spend = np.exp(rng.normal(10, 0.5, (130, 3)))
    outcome = 4e5 * np.exp(0.06 * np.cumsum(rng.normal(size=130)))
    assert not fit_history(table(outcome, spend), {}, draws=40).promote


def test_a_channel_without_spend_stays_and_says_so() -> None:
    history, _ = simulated(seed=1)
    spend = np.column_stack([history.spend, np.zeros(156)])
    result = fit_history(replace(history, spend=spend, channels=("a", "b", "c", "d")), {}, draws=40)
    last = result.curve_set.channels[-1]
    assert (last.channel, last.verdict, last.roi) == ("d", "unspent", None)
    assert last.observed_spend.max == 0
    assert len(last.response.draws) == 40
    assert result.promote
    strict_json(result)
    codes = {w["code"]: w["message"] for w in result.curve_set.diagnostics["warnings"]}
    assert "d" in codes["unspent_channel"]


def test_constant_spend_is_named() -> None:
    history, _ = simulated(seed=2)
    spend = history.spend.copy()
    spend[:, 1] = 12_000.0
    result = fit_history(replace(history, spend=spend), {}, draws=40)
    codes = {w["code"]: w["message"] for w in result.curve_set.diagnostics["warnings"]}
    assert "b" in codes["constant_spend"]
    assert result.curve_set.channels[1].verdict in {"prior", "weak"}
    strict_json(result)


def test_twins_are_named_as_collinear() -> None:
    history, _ = simulated(seed=2)
    spend = np.column_stack([history.spend, history.spend[:, 0] * 0.5])
    result = fit_history(replace(history, spend=spend, channels=("a", "b", "c", "d")), {}, draws=40)
    groups = [set(g["channels"]) for g in result.curve_set.diagnostics["collinear"]]
    assert any({"a", "d"} <= group for group in groups)


def test_outliers_do_not_move_the_returns_much(good: FitResult) -> None:
    history, _ = simulated(seed=1)
    outcome = history.outcome.copy()
    hit = [31, 64, 99]
    outcome[hit] *= np.array([1.8, 0.4, 1.7])
    dirty = fit_history(replace(history, outcome=outcome), {}, draws=100)
    named = dirty.curve_set.diagnostics["noise"]["outliers"]
    assert {history.dates[t].isoformat() for t in hit} <= set(named)
    for one, two in zip(good.curve_set.channels, dirty.curve_set.channels, strict=True):
        assert one.roi is not None
        assert two.roi is not None
        assert two.roi.mean == pytest.approx(one.roi.mean, rel=0.3)


def test_a_late_start_and_missing_outcomes_are_fitted() -> None:
    history, _ = simulated(seed=4)
    outcome, spend = history.outcome.copy(), history.spend.copy()
    outcome[10:16] = np.nan
    outcome[150:] = np.nan
    spend[:70, 2] = 0.0
    result = fit_history(replace(history, outcome=outcome, spend=spend), {}, draws=40)
    assert result.curve_set.diagnostics["rows"] == {
        "periods": 156,
        "with_outcome": 144,
        "first": history.dates[0].isoformat(),
        "last": history.dates[149].isoformat(),
    }
    assert result.curve_set.diagnostics["holdout"]["rows"] == 7
    strict_json(result)


def test_twelve_months_of_nine_channels_are_fitted_but_not_trusted() -> None:
    rng = np.random.default_rng(0)
    spend = np.exp(rng.normal(2, 0.6, (12, 9)))
    spend[:, 1] = 2 * spend[:, 0]
    history = table(
        40 + spend.sum(axis=1) * 0.3 + rng.normal(size=12),
        spend,
        dates=[date(2023, m, 1) for m in range(1, 13)],
        frequency="month",
    )
    result = fit_history(history, {}, draws=40)
    assert not result.promote
    assert result.curve_set.diagnostics["data"] == "not enough"
    assert result.curve_set.diagnostics["holdout"] is None
    assert {c.verdict for c in result.curve_set.channels} <= {"weak", "prior"}
    text = " ".join(result.reasons)
    assert "12 months" in text
    assert "About 36 more months" in text
    assert "a and b" in text
    strict_json(result)


def test_too_few_rows_to_fit_at_all() -> None:
    history, _ = simulated(rows=7)
    with pytest.raises(InvalidInput, match="7 weeks") as caught:
        fit_history(history, {})
    assert caught.value.faults[0].code == "too_few_rows"


def test_a_kind_of_model_that_is_not_built_is_refused() -> None:
    with pytest.raises(NotSupportedYet):
        fit_history(simulated(rows=60)[0], {"model": {"kind": "oracle"}})


def test_an_outcome_that_is_not_money_gets_a_prior_on_its_own_scale() -> None:
    history, truth = simulated(seed=5)
    counts = replace(history, outcome=np.round(history.outcome / 80), outcome_name="orders")
    result = fit_history(counts, {}, draws=100)
    assert result.curve_set.diagnostics["priors"]["basis"] == "share"
    assert any(w["code"] == "prior_by_share" for w in result.curve_set.diagnostics["warnings"])
    for c, channel in enumerate(result.curve_set.channels):
        assert channel.roi is not None
        assert channel.roi.mean == pytest.approx(truth.roi[c] / 80, rel=0.6)


def test_the_change_from_the_curves_in_use_is_reported(good: FitResult) -> None:
    history, _ = simulated(seed=1, rows=156, channels=3)
    again = fit_history(history, {}, previous=good.curve_set, draws=40)
    change = again.curve_set.diagnostics["change_since_previous"]
    assert set(change) == {"a", "b", "c"}
    for ratio in change.values():
        assert ratio == pytest.approx(1.0, abs=0.25)


def test_the_saturation_asked_for_is_used() -> None:
    history, _ = simulated(rows=60, channels=2)
    result = fit_history(history, {"model": {"saturation": "exponential"}}, draws=20)
    assert {c.response.saturation.family for c in result.curve_set.channels} == {"exponential"}


def test_a_clear_s_shape_chooses_hill_and_keeps_its_shape() -> None:
    history, _ = simulated(seed=6, rows=208, channels=2, noise=0.01, shape=2.6)
    result = fit_history(history, {}, draws=60)
    assert result.curve_set.diagnostics["model"]["saturation"] == "hill"
    for channel in result.curve_set.channels:
        assert np.median([d.shape for d in channel.response.draws]) > 1.5


def test_a_month_long_daily_history_is_fitted() -> None:
    rng = np.random.default_rng(0)
    spend = np.exp(rng.normal(7, 0.4, (35, 2)))
    history = table(
        1e4 + spend.sum(axis=1) + 100 * rng.normal(size=35),
        spend,
        dates=weekly_dates(35, days=1),
        frequency="day",
    )
    result = fit_history(history, {}, draws=20)
    assert not result.promote
    assert "35 days" in result.reasons[0]
    strict_json(result)


def test_known_returns_narrow_the_answer() -> None:
    history, _ = simulated(seed=7, rows=60, noise=0.1)
    free = fit_history(history, {}, draws=100)
    told = fit_history(
        history,
        {"priors": [{"channel": "a", "roi_median": 2.0, "roi_sd_log": 0.1}]},
        draws=100,
    )
    widths = []
    for result in (free, told):
        roi = result.curve_set.channels[0].roi
        assert roi is not None
        assert roi.interval is not None
        widths.append(np.log(roi.interval[1] / roi.interval[0]))
    assert widths[1] < 0.5 * widths[0]
    assert told.curve_set.diagnostics["channels"][0]["prior_given"] is True
