"""The leakage check: it passes what a fit is made of, and names a column that peeks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.fit.design.design import Design, build_design
from shared.fit.design.leak import checked_design, looks_ahead
from shared.fit.design.wishes import Wishes, read_wishes
from shared.fit.models.registry import fit_window
from shared.fit.pipeline import fit_history
from shared.history.parse import parse
from shared.history.table import History
from tests.fit.histories import HILL, simulated

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"

FEATURES = [
    {"name": "lag", "kind": "lag", "column": "price", "periods": 3},
    {"name": "average", "kind": "moving_average", "column": "price", "window": 6},
    {"name": "spent", "kind": "cumulative", "column": "a"},
    {"name": "change", "kind": "difference", "column": "price", "periods": 2},
    {"name": "voice", "kind": "share_of_voice", "of": ["rival"]},
    {"name": "ratio", "kind": "spend_ratio", "column": "a", "of": ["b", "c"]},
    {"name": "last year", "kind": "lagged_outcome", "periods": 52},
    {"name": "next price", "kind": "lead", "column": "price", "known_ahead": True},
    {"name": "before", "kind": "lead", "column": "events"},
]
SPEC = {
    "holidays_country": "US",
    "model": {
        "time_varying_baseline": True,
        "seasonality": ["year", "month", "quarter"],
        "holidays_lead": 7,
        "holidays_lag": 3,
    },
    "features": FEATURES,
}


def full() -> History:
    rng = np.random.default_rng(7)
    history = simulated(rows=150)[0]
    events = tuple("sale" if t % 13 == 2 else "fair" if t % 31 == 0 else "" for t in range(150))
    controls = np.column_stack([rng.normal(size=150), rng.uniform(1, 2, 150) * 1e4])
    return replace(history, controls=controls, control_names=("price", "rival"), events=events)


@pytest.mark.parametrize("train", [None, 60, 137])
def test_everything_that_a_spec_can_ask_for_passes(train: int | None) -> None:
    history = full()
    wishes = read_wishes(SPEC, history)
    design = checked_design(history, wishes, train)
    assert {"lag", "voice", "last year", "next price"} <= set(design.baseline_names)
    assert design.train == (train or 150)


def peeking(history: History, train: int) -> Design:
    """A design with three mistakes: a centre over all rows, a smoothed control, a scale."""
    design = build_design(history, None, train)
    names = (*design.baseline_names, "centred on all", "smoothed", "honest")
    price = history.controls[:, 0]
    smooth = np.convolve(price, np.ones(5) / 5, mode="same")
    more = np.column_stack([price - price.mean(), smooth, price])
    lags = design.lags * history.spend[:, 0].mean()
    return replace(
        design,
        baseline=np.hstack([design.baseline, more]),
        baseline_names=names,
        baseline_groups=(*design.baseline_groups, *["controls"] * 3),
        lags=lags,
    )


def test_columns_that_peek_are_named_and_others_are_not() -> None:
    found = looks_ahead(peeking, full(), 120)
    assert [name for name, _ in found] == ["centred on all", "smoothed", "a", "b", "c"]
    assert "looks into the future" in found[0][1]


def test_a_lead_that_nobody_declared_is_caught_even_behind_the_front_door() -> None:
    history = full()
    wishes = read_wishes(SPEC, history)
    features = tuple(replace(f, known=False) for f in wishes.features if f.kind == "lead")
    with pytest.raises(InvalidInput) as caught:
        checked_design(history, replace(wishes, features=features))
    told = [fault.message for fault in caught.value.faults]
    assert len(told) == 2
    assert "'next price'" in told[0]
    assert "'before'" in told[1]


@pytest.mark.parametrize("shift", [0, 1, -3])
def test_a_control_that_is_the_outcome_refuses_the_fit(shift: int) -> None:
    history = full()
    disguised = np.roll(history.outcome, shift) * 1.17 + 5
    controls = np.column_stack([history.controls, disguised])
    history = replace(history, controls=controls, control_names=("price", "rival", "gross"))
    with pytest.raises(InvalidInput, match="'gross' is 'revenue'") as caught:
        fit_history(history, HILL, draws=20)
    assert [fault.code for fault in caught.value.faults] == ["leak"]


def test_last_years_outcome_as_a_control_is_no_leak() -> None:
    history = full()
    old = np.roll(history.outcome, 52)[:, None]
    history = replace(history, controls=old, control_names=("last year",))
    assert "last year" in checked_design(history, Wishes()).baseline_names


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data folder is not here")
@pytest.mark.parametrize(
    "path",
    [
        "robyn_weekly/dt_simulated_weekly.csv",
        "meridian_national_all_channels/data.csv",
        "eleckart_weekly/weekly.csv",
        "visible_synth/dev_daily_4ch_1y/history.csv",
        "visible_synth/dev_weekly_8ch_promo_confounded/history.csv",
    ],
)
def test_public_histories_pass(path: str) -> None:
    outcomes = (DATA / path).parent / "outcome.csv"
    parsed = parse(
        None, (DATA / path).read_bytes(), outcomes.read_bytes() if outcomes.exists() else None
    )
    design = checked_design(parsed.history, read_wishes(parsed.spec, parsed.history))
    assert design.train == len(parsed.history.dates)


@pytest.mark.parametrize("kind", ["bayesian", "ridge", "time_series"])
def test_every_kind_of_model_has_the_features_and_refuses_leaks(kind: str) -> None:
    history = full()
    spec = {**SPEC, "model": {**SPEC["model"], "kind": kind, "saturation": "exponential"}}
    fitted = fit_window(history, spec, seed=0, train=60, draws=20)
    assert {"lag", "voice", "next price"} <= set(fitted.design.baseline_names)
    assert "features" in fitted.over_time()
    outcome = np.column_stack([history.outcome, history.controls[:, 1]])
    history = replace(history, controls=outcome, control_names=("price", "rival"))
    with pytest.raises(InvalidInput, match="'price' is 'revenue'"):
        fit_window(history, {"model": {"kind": kind}}, seed=0, draws=20)
