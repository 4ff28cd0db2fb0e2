"""The fit on the shared data sets: forecasts, known truth, and the decisions that follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from samples.simulate import simulate
from samples.truth import saturation_level
from shared.fit.pipeline import FitResult, fit_history
from shared.history.parse import parse
from shared.history.table import History
from tests.fit.decisions import Responses, regret_ratio

Floats = NDArray[np.float64]
DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the shared data sets are not at {DATA}: nothing to fit"
)


def fitted(source: bytes, spec: dict[str, Any] | None = None) -> tuple[History, FitResult]:
    parsed = parse(spec, source)
    result = fit_history(parsed.history, parsed.spec)
    json.dumps(result.curve_set.to_dict(), allow_nan=False)
    return parsed.history, result


def synthetic_truth(path: Path) -> Responses:
    """The formulas of the sets' README: hill, exp, log, times beta."""
    arms = json.loads((path / "truth.json").read_text())["arms"]

    def respond(channel: int, spend: Floats) -> Floats:
        curve = arms[channel]["curve"]
        ratio = spend / curve["k"]
        if curve["type"] == "hill":
            return np.asarray(
                curve["beta"] * ratio ** curve["slope"] / (1 + ratio ** curve["slope"])
            )
        if curve["type"] == "exp":
            return np.asarray(curve["beta"] * -np.expm1(-ratio))
        assert curve["type"] == "log"
        return np.asarray(curve["beta"] * np.log1p(ratio))

    return respond


@needs_data
@pytest.mark.parametrize(
    ("name", "most"),
    [
        pytest.param("dev_weekly_3ch_clean", 0.5, marks=pytest.mark.slow),
        ("dev_weekly_8ch_promo_confounded", 0.5),
        ("dev_daily_4ch_1y", 0.5),
    ],
)
def test_plans_lose_less_than_keeping_the_history(name: str, most: float) -> None:
    path = DATA / "visible_synth" / name
    history, result = fitted((path / "history.csv").read_bytes())
    assert result.promote, result.reasons
    ratio = regret_ratio(result.curve_set, synthetic_truth(path), history.spend.mean(axis=0))
    assert ratio < most


def test_the_sample_brand_is_fitted_and_its_plan_is_good() -> None:
    brand = simulate()
    parsed = parse(brand.spec, brand.csv.encode())
    result = fit_history(parsed.history, parsed.spec)
    assert result.promote, result.reasons

    def truth(channel: int, spend: Floats) -> Floats:
        curve = brand.truth["channels"][channel]["saturation"]
        return np.asarray(curve["max_response"] * saturation_level(curve, spend))

    assert regret_ratio(result.curve_set, truth, parsed.history.spend.mean(axis=0)) < 0.5


@needs_data
def test_robyn_beats_the_naive_forecast() -> None:
    history, result = fitted((DATA / "robyn_weekly" / "dt_simulated_weekly.csv").read_bytes())
    assert result.promote, result.reasons
    diagnostics = result.curve_set.diagnostics
    # "event2" happens once, in row 178, and doubles the outcome. No fit of the rows before the
    # first fold, which end at row 169, can know of it, nor is it asked to.
    once = [row for row, event in enumerate(history.events) if event == "event2"]
    assert once == [178]
    assert diagnostics["folds"][0]["unforeseen"] == [history.dates[178].isoformat()]
    assert diagnostics["rolling_origin"]["mape"] < 0.03
    assert diagnostics["rolling_origin"]["nrmse"] < 0.03
    assert diagnostics["holdout"]["nrmse"] < 0.03
    assert diagnostics["naive"]["nrmse"] > 0.25
    assert diagnostics["naive"]["mape"] > 0.15


@needs_data
def test_the_pymc_example_recovers_its_adstock_and_contributions() -> None:
    path = DATA / "pymc_mmm_example"
    spec = {
        "date": "date_week",
        "outcome": "y",
        "channels": [{"channel": "x1", "spend": "x1"}, {"channel": "x2", "spend": "x2"}],
        "controls": ["event_1", "event_2"],
    }
    history, result = fitted((path / "mmm_example.csv").read_bytes(), spec)
    assert result.promote, result.reasons
    truth = json.loads((path / "truth.json").read_text())
    media = result.curve_set.diagnostics["decomposition"]["media"]
    for c, name in enumerate(history.channels):
        kept = truth["adstock"][name] ** np.arange(truth["adstock"]["l_max"])
        carried = np.convolve(history.spend[:, c], kept / kept.sum())[: len(history.dates)]
        scaled = truth["saturation"]["lam"][name] * carried
        true = truth["beta"][name] * np.sum(np.tanh(scaled / 2))
        assert media[name] == pytest.approx(true, rel=0.35)
        decay = result.curve_set.channels[c].response.to_dict()["adstock"]["decay"]
        assert decay == pytest.approx(truth["adstock"][name], abs=0.12)


@needs_data
def test_the_seed_year_of_months_is_not_enough_and_says_what_would_help() -> None:
    _, result = fitted((DATA / "seed_market_lens" / "monthly_clean.csv").read_bytes())
    assert not result.promote
    assert result.curve_set.diagnostics["data"] == "not enough"
    text = " ".join(result.reasons)
    assert "12 months" in text
    assert "9 channels" in text
    assert "online_marketing and affiliates" in text


@needs_data
def test_a_year_of_spread_monthly_spend_is_not_promoted() -> None:
    channels = ("tv", "digital", "sponsorship", "sem", "radio")
    spec = {
        "date": "week_start",
        "outcome": "gmv",
        "channels": [{"channel": c, "spend": f"spend_cr_{c}"} for c in channels],
        "controls": ["nps", "discount_pct"],
    }
    _, result = fitted((DATA / "eleckart_weekly" / "weekly.csv").read_bytes(), spec)
    assert not result.promote
