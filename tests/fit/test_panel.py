"""Whole fits of geos, campaigns, interactions and lift tests: what was simulated is found again."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import numpy as np
import pytest

from shared.fit.fitted import Fitted
from shared.fit.models.registry import fit_window
from shared.fit.pipeline import fit_history
from shared.history.table import History, Panel
from shared.report.page import data_section
from tests.fit.histories import HILL, Truth, simulated, table, weekly_dates
from tests.fit.models.bayesian.test_hierarchy import lift


def two_campaigns(seed: int, brand: float, sale: float) -> tuple[History, list[np.ndarray]]:
    """Campaigns of "a" with these returns over the history, in noise that hides them; curves."""
    rng = np.random.default_rng(seed)
    rows = 90
    spend = 1e4 * np.exp(0.4 * rng.normal(size=(rows, 3)))
    levels = spend / (1e4 + spend)
    tops = np.array([brand, sale, 2.0]) * spend.sum(axis=0) / levels.sum(axis=0)
    media = (levels * tops).sum(axis=1)
    outcome = 2.0 * media.mean() + media
    outcome = outcome + 0.3 * outcome.mean() * rng.normal(size=rows)
    history = table(outcome, np.stack([spend[:, :2].sum(axis=1), spend[:, 2]], axis=1))
    arms = (("a", "brand"), ("a", "sale"), ("b", ""))
    panel = Panel(("",), arms, spend[None], spend[None], outcome[None], np.zeros((1, rows, 0)))
    return replace(history, detail=panel), [spend, tops]


@pytest.mark.parametrize("kind", ["bayesian", "ridge", "time_series"])
def test_a_campaigns_lift_test_moves_it_and_its_sibling_less(kind: str) -> None:
    history, (spend, tops) = two_campaigns(seed=0, brand=6.0, sale=0.8)
    weeks, row, extra = 6, 40, 1e4
    base = spend[row : row + weeks, 0]
    gained = float(np.sum(tops[0] * ((base + extra) / (1e4 + base + extra) - base / (1e4 + base))))
    test = lift(
        history,
        row,
        weeks,
        campaign="brand",
        spend_change=weeks * extra,
        outcome_change=gained,
        standard_error=0.08 * gained,
    )
    spec = {"model": {"kind": kind, "saturation": "michaelis_menten"}}
    free = fit_window(history, spec, seed=1, draws=100).evidence()
    told = fit_window(history, {**spec, "lift_tests": [test]}, seed=1, draws=100).evidence()
    moved = [np.log(b.roi_mean / a.roi_mean) for a, b in zip(free, told, strict=True)]
    assert abs(np.log(told[0].roi_mean / 6.0)) < 0.25 < abs(np.log(free[0].roi_mean / 6.0))
    assert moved[0] > 0.5
    assert abs(moved[1]) < 0.95 * moved[0]
    ranges = [fit[0].roi_interval or (0.0, 0.0) for fit in (free, told)]
    before, after = ((high - low) / (high + low) for low, high in ranges)
    assert 0 < after < 0.7 * before


def test_a_test_of_one_campaign_is_told_and_one_of_the_wrong_sign_is_not_used() -> None:
    history, _ = two_campaigns(seed=2, brand=2.0, sale=2.0)
    tests = [lift(history, 40, campaign="sale"), lift(history, 40, outcome_change=-2e4)]
    spec = {**HILL, "lift_tests": tests}
    found = fit_history(history, spec, draws=40).curve_set
    diagnostics = found.diagnostics
    page = data_section(found)
    assert all(escape(test["text"]) in page for test in diagnostics["lift_tests"])
    assert [test["used"] for test in diagnostics["lift_tests"]] == [True, False]
    (unused,) = (w for w in diagnostics["warnings"] if w["code"] == "lift_test_unused")
    assert "more was spent and less came in" in unused["message"]
    told = diagnostics["calibration"]
    assert told["lift_tested"] == ["a/sale"]


def test_a_lift_test_moves_a_curve_and_narrows_it() -> None:
    history, truth = simulated(seed=7, rows=80, noise=0.15)
    weeks, row = 4, 40
    extra = float(history.spend[:, 0].mean())
    base = history.spend[row : row + weeks, 0]
    gained = float(np.sum(truth.response(0, base + extra) - truth.response(0, base)))
    test = lift(
        history,
        row,
        weeks,
        spend_change=weeks * extra,
        outcome_change=gained,
        standard_error=0.05 * gained,
    )
    free = fit_window(history, HILL, seed=0, draws=100)
    told = fit_window(history, {**HILL, "lift_tests": [test]}, seed=0, draws=100)
    before, after = (fit.evidence()[0].roi_interval for fit in (free, told))
    assert before is not None
    assert after is not None
    assert np.diff(np.log(after)) < np.diff(np.log(before))

    def unsure_of_the_gain(fit: Fitted) -> float:
        """Spread of what was tested: twice the mean spend against the mean spend."""
        draws = fit.responses()[0].draws
        return float(np.std(np.log([d.value(2 * extra) - d.value(extra) for d in draws])))

    assert unsure_of_the_gain(told) < 0.5 * unsure_of_the_gain(free)
    assert after[0] < truth.roi[0] < after[1]


def simulated_panel(seed: int = 0, rows: int = 104, geos: int = 3) -> tuple[Panel, Truth]:
    """The same curves per head in geos of different sizes."""
    history, truth = simulated(seed=seed, rows=rows, channels=2, noise=0.03)
    rng = np.random.default_rng(seed)
    size = np.linspace(0.5, 1.5, geos)
    spend = size[:, None, None] * history.spend * np.exp(0.4 * rng.normal(size=(geos, rows, 2)))
    level = float(np.mean(history.outcome))
    outcome = np.empty((geos, rows))
    for g in range(geos):
        carried = np.zeros((rows, 2))
        before = spend[g].mean(axis=0)
        for t in range(rows):
            before = truth.decay * before + (1 - truth.decay) * spend[g, t]
            carried[t] = before
        media = sum(truth.response(c, carried[:, c] / size[g]) for c in range(2))
        noise = 0.02 * level * rng.standard_normal(rows)
        outcome[g] = size[g] * (0.6 * level + media + noise)
    arms = (("a", ""), ("b", ""))
    names = tuple(f"region {g}" for g in range(geos))
    return Panel(names, arms, spend, spend, outcome, np.zeros((geos, rows, 0))), truth


def test_geos_pool_and_each_gets_its_curves() -> None:
    panel, truth = simulated_panel()
    history = table(panel.outcome.sum(axis=0), panel.spend.sum(axis=0))
    found = fit_history(replace(history, detail=panel), HILL, draws=100).curve_set
    names = [curve.channel for curve in found.channels]
    assert names == [f"region {g}|{c}" for g in range(3) for c in "ab"]
    size = np.linspace(0.5, 1.5, 3)
    for curve, (g, c) in zip(found.channels, np.ndindex(3, 2), strict=True):
        at = float(panel.spend[g, :, c].mean())
        true = float(size[g] * truth.response(c, at / size[g]))
        draws = [float(draw.value(at)) for draw in curve.response.draws]
        assert np.quantile(draws, 0.01) < true < np.quantile(draws, 0.99)


def test_campaigns_in_geos_each_get_curves() -> None:
    panel, _ = simulated_panel(geos=2)
    share = np.clip(0.5 + 0.3 * np.sin(np.arange(104) / 3), 0.05, 0.95)
    first, second = panel.spend[:, :, 0] * share, panel.spend[:, :, 0] * (1 - share)
    spend = np.stack([first, second, panel.spend[:, :, 1]], axis=2)
    arms = (("a", "brand"), ("a", "sale"), ("b", ""))
    history = table(panel.outcome.sum(axis=0), panel.spend.sum(axis=0))
    split = replace(panel, arms=arms, spend=spend, exposure=spend)
    found = fit_window(replace(history, detail=split), HILL, seed=0, draws=100).evidence()
    assert len(found) == 6
    for arm in found:
        assert arm.roi_interval is not None
        low, high = arm.roi_interval
        assert 0.0 < low < arm.roi_mean < high < 50.0


def test_campaigns_get_curves_of_their_own_that_lean_on_the_channel() -> None:
    history, _ = simulated(seed=3, rows=104, channels=2, noise=0.03)
    rng = np.random.default_rng(0)
    share = np.clip(0.5 + 0.3 * np.sin(np.arange(104) / 3) + 0.1 * rng.normal(size=104), 0.05, 0.95)
    parts = [history.spend[:, 0] * share, history.spend[:, 0] * (1 - share), history.spend[:, 1]]
    spend = np.stack(parts, axis=1)[None]
    arms = (("a", "brand"), ("a", "sale"), ("b", ""))
    panel = Panel(("",), arms, spend, spend, history.outcome[None], history.controls[None])
    found = fit_history(replace(history, detail=panel), HILL, draws=100).curve_set
    assert [curve.channel for curve in found.channels] == ["a/brand", "a/sale", "b"]
    brand, sale = (curve.roi.mean for curve in found.channels[:2] if curve.roi is not None)
    assert 0.4 < brand / sale < 2.5


@pytest.mark.parametrize(("strength", "low", "high"), [(0.0, -0.25, 0.25), (0.9, 0.2, 2.0)])
def test_synergy_is_found_where_it_is_and_shrunk_where_it_is_not(
    strength: float, low: float, high: float
) -> None:
    rng = np.random.default_rng(5)
    rows = 208
    spend = 1e3 * np.exp(0.6 * rng.normal(size=(rows, 2)))
    levels = spend / (1e3 + spend)
    scale = 1e4
    media = scale * (levels.sum(axis=1) + 4 * strength * levels[:, 0] * levels[:, 1])
    outcome = 5 * scale + media + 0.05 * scale * rng.standard_normal(rows)
    spec = {"model": {"interactions": [["a", "b"]], "saturation": "hill"}}
    history = table(outcome, spend, dates=weekly_dates(rows))
    (pair,) = fit_window(history, spec, seed=0, draws=100).interactions()
    assert pair["channels"] == ["a", "b"]
    assert low * scale < pair["strength"] < 4 * high * scale
    assert pair["interval"][0] < pair["strength"] < pair["interval"][1]
