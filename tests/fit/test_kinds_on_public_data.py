"""Ridge and time series on the shared sets: forecasts, and plans judged by known truth.

Robyn publishes no table of returns for its demonstration data (its search ends in a page that each
user makes), so what is held against it there is what can be: forecasts of weeks not seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fit.decisions import regret_ratio
from tests.fit.test_public_data import DATA, fitted, needs_data, synthetic_truth

KINDS = ["ridge", "time_series"]


def asked(kind: str) -> dict[str, Any]:
    return {"model": {"kind": kind}}


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_robyns_demonstration_is_forecast_better_than_by_last_year(kind: str) -> None:
    _, result = fitted(
        (DATA / "robyn_weekly" / "dt_simulated_weekly.csv").read_bytes(), asked(kind)
    )
    assert result.promote, result.reasons
    diagnostics = result.curve_set.diagnostics
    assert diagnostics["rolling_origin"]["nrmse"] < 0.75 * diagnostics["naive"]["nrmse"]


@needs_data
@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_year_of_months_is_not_enough_for_any_kind(kind: str) -> None:
    source = (DATA / "seed_market_lens" / "monthly_clean.csv").read_bytes()
    _, result = fitted(source, asked(kind))
    assert not result.promote
    assert result.curve_set.diagnostics["data"] == "not enough"


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["dev_weekly_3ch_clean", "dev_weekly_8ch_promo_confounded", "dev_daily_4ch_1y"]
)
def test_plans_lose_less_than_keeping_the_history(name: str, kind: str) -> None:
    path: Path = DATA / "visible_synth" / name
    history, result = fitted((path / "history.csv").read_bytes(), asked(kind))
    ratio = regret_ratio(result.curve_set, synthetic_truth(path), history.spend.mean(axis=0))
    assert ratio < 0.8
