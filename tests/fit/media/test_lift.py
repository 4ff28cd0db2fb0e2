"""What a model says that a test changed is the difference of two worlds, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.fit.design.design import build_design
from shared.fit.media.interactions import arm_pairs
from shared.fit.media.lift import _moved, read_lifts
from shared.fit.media.search import space_of
from shared.fit.models.bayesian.layout import Choice
from shared.history.table import History
from tests.fit.histories import simulated
from tests.fit.models.bayesian.test_hierarchy import lift, model_of, with_panel

Floats = NDArray[np.float64]
ROW, WEEKS = 30, 6


@pytest.mark.parametrize("by", [-800.0, -250.0, -30.0, 0.0, 400.0])
def test_a_change_is_spread_evenly_and_kept_in_all(by: float) -> None:
    rng = np.random.default_rng(3)
    spend = rng.uniform(0.0, 100.0, (3, 8)) * (rng.random((3, 8)) > 0.3)
    share = np.array([1.0, 2.0, 5.0])
    moved = _moved(spend, by, share)
    assert moved.min() >= 0.0
    assert moved.sum() == pytest.approx(spend.sum() + by)
    # By bisection: every cell loses the same times its share, or all that it has.
    part = np.repeat(share[:, None], 8, axis=1) / 8.0 / share.sum()
    low, high = -1e6, 1e6
    for _ in range(200):
        middle = 0.5 * (low + high)
        more = np.maximum(spend + middle * part, 0.0).sum() > spend.sum() + by
        low, high = (low, middle) if more else (middle, high)
    np.testing.assert_allclose(moved, np.maximum(spend + low * part, 0.0), atol=1e-9)


def test_no_more_can_go_than_there_is() -> None:
    assert not _moved(np.array([[3.0, 0.0]]), -4.0, np.ones(1)).any()


def worlds(history: History, **said: Any) -> tuple[dict[str, Any], History, History]:
    """A test, and the history as it was done and as it would have been: spend by hand."""
    panel = history.panel()
    weeks = said.pop("bursts", range(WEEKS))
    rows = [ROW + k for k in weeks]
    if len(rows) < WEEKS:
        ends = [(history.dates[row], history.dates[row] + timedelta(6)) for row in rows]
        said["bursts"] = [{"start": a.isoformat(), "end": b.isoformat()} for a, b in ends]
    until = history.dates[ROW + WEEKS - 1 + said.pop("cool_down", 0)] + timedelta(6)
    said["measured_until"] = until.isoformat()
    chosen = [
        (g, m)
        for g, geo in enumerate(panel.geos)
        for m, (channel, campaign) in enumerate(panel.arms)
        if channel == "a"
        and said.get("geo") in (None, geo)
        and said.get("campaign") in (None, campaign)
    ]
    # Small enough that no cell is emptied: then every arm's part is even.
    whole = sum(panel.spend[g, :, m].mean() for g, m in chosen)
    change = 0.2 * min(panel.spend[g, rows, m].min() for g, m in chosen) * len(rows)
    other = panel.spend.copy()
    for g, m in chosen:
        each = change * panel.spend[g, :, m].mean() / whole / len(rows)
        other[g, rows, m] += -each if said["in_history"] else each
    moved = replace(history, detail=replace(panel, spend=other, exposure=other))
    test = lift(history, ROW, WEEKS, spend_change=change, **said)
    done, undone = (history, moved) if said["in_history"] else (moved, history)
    return test, done, undone


def exposures(history: History, of: History) -> Floats:
    """Lags of a history in the scales of another, and with its spend before the first row."""
    design, base = build_design(history, None), build_design(of, None)
    lags = design.lags * (design.spend_scale / base.spend_scale)[:, None, None]
    before = np.arange(lags.shape[2])[None, :] > np.arange(lags.shape[1])[:, None]
    return np.where(before, base.lags, lags)


CASES = [
    {"in_history": True, "cool_down": 3},
    {"in_history": False, "bursts": (0, 1, 4)},
    {"in_history": True, "bursts": (0, 3), "cool_down": 2},
    {"in_history": True},
    {"in_history": False},
    {"in_history": True, "geo": "g1"},
    {"in_history": True, "campaign": "brand"},
    {"in_history": False, "campaign": "sale", "geo": "g0"},
]


@pytest.mark.parametrize("said", CASES)
def test_the_bayesian_models_difference_is_that_of_two_worlds(said: dict[str, Any]) -> None:
    history = simulated(rows=60, channels=3)[0]
    split = {"geo", "campaign"} & said.keys()
    history = with_panel(history) if split else replace(history, detail=history.panel())
    test, done, undone = worlds(history, **said)
    model = model_of(history, Choice.same(3, "hill"), spec={"lift_tests": [test]}, pairs=((0, 1),))
    theta = model.prior_moments()[0][None].copy()
    theta[:, model.layout.pairs] = 0.7
    theta[:, model.layout.error[model.layout.error >= 0]] = 0.0
    (found,) = model.lifted(theta)
    totals = []
    for world in (done, undone):
        saturated = model.arms.forward(theta, exposures(world, history)).saturated[:, 0]
        money = model.coefficients(theta)[0][:, None] * saturated
        strength = model.unpack(theta).strength[0, 0]
        joint = [
            strength * model.design.outcome_scale[model.geo[i]] * saturated[i] * saturated[j]
            for i, j in model.pairs[0]
        ]
        outcome = money.sum(axis=0) + np.sum(joint, axis=0)
        totals.append(outcome[ROW : ROW + WEEKS + said.get("cool_down", 0)].sum())
    assert abs(totals[0] - totals[1]) > 1.0
    assert found[1][0] == pytest.approx(totals[0] - totals[1], rel=1e-6)


@pytest.mark.parametrize("said", CASES)
def test_the_regressions_rows_are_the_difference_of_two_worlds(said: dict[str, Any]) -> None:
    history = simulated(rows=60, channels=3)[0]
    history = with_panel(history)
    test, done, undone = worlds(history, **said)
    design = build_design(history, None)
    pairs = arm_pairs(design, [(0, 1)])
    (one,) = read_lifts({"lift_tests": [test]}, history, design)
    space = space_of(design, ["hill"] * 3, ["geometric"] * 3, [])
    point = space.natural(np.random.default_rng(0).random((2, space.size)))
    row = one.row(space.levels(point, design, one.lags), design, pairs)
    coefficients = np.linspace(0.5, 1.5, row.shape[1])
    totals = []
    for world in (done, undone):
        levels = space.levels(point, design, exposures(world, history))
        scale = design.outcome_scale[design.geo_of_arm]
        outcome = (levels * (scale * coefficients[: len(scale)])[:, None]).sum(axis=1)
        for i, j in pairs[0]:
            outcome += coefficients[-1] * scale[i] * levels[:, i] * levels[:, j]
        totals.append(outcome[:, ROW : ROW + WEEKS + said.get("cool_down", 0)].sum(axis=1))
    np.testing.assert_allclose(row @ coefficients, totals[0] - totals[1], rtol=1e-6)


def test_a_test_from_before_the_history_changes_what_the_first_rows_spent() -> None:
    history = simulated(rows=60, channels=2)[0]
    test = lift(history, 0, start="2020-10-05", end="2020-10-25", spend_change=3e3)
    design = build_design(history, None)
    (one,) = read_lifts({"lift_tests": [test]}, history, design)
    assert one.test.periods == 3
    padding = design.lags[0, 0, -1]
    more = 1e3 / design.spend_scale[0]
    np.testing.assert_allclose(one.lags[0, 3:], padding)
    np.testing.assert_allclose(one.lags[0, 0, :2], [padding + more, padding])
    np.testing.assert_allclose(one.lags[0, 2, :4], padding + more * np.array([1, 1, 1, 0]))
    np.testing.assert_allclose(one.lags[1, :3], one.lags[1, 3:])
    assert one.last == 0


def test_a_test_across_the_first_row_keeps_the_rows_that_are_there() -> None:
    history = simulated(rows=60, channels=2)[0]
    first = history.dates[0].isoformat()
    test = lift(history, 0, start="2020-12-21", end="2021-01-17", spend_change=-4e3)
    test |= {"in_history": True, "outcome_change": -2e4}
    design = build_design(history, None)
    (one,) = read_lifts({"lift_tests": [test]}, history, design)
    assert first == "2021-01-04"
    assert (one.test.first, one.test.last) == (-2, 1)
    np.testing.assert_allclose(one.lags[0, 2:4], design.lags[0, :2])
    more = 1e3 / design.spend_scale[0]
    np.testing.assert_allclose(one.lags[0, 4:, 0], one.lags[0, :4, 0] + more)


def test_a_lift_test_measures_the_return_without_the_systematic_error() -> None:
    history = simulated(rows=60, channels=3)[0]
    test = lift(history, ROW, WEEKS, spend_change=3e3)
    model = model_of(history, Choice.same(3, "hill"), spec={"lift_tests": [test]})
    (place,) = model.layout.error[model.layout.error >= 0].tolist()
    theta = model.prior_moments()[0][None].copy()
    theta[:, place] = 0.0
    other = theta.copy()
    other[:, place] = np.log(2.0)
    assert model.lifted(theta)[0][1] == pytest.approx(2.0 * model.lifted(other)[0][1])
    np.testing.assert_array_equal(model.signal(theta), model.signal(other))
    # The gradient of all coordinates, by differences.
    rng = np.random.default_rng(6)
    centre, sd = model.prior_moments()
    at = centre + 0.3 * sd * rng.standard_normal((2, model.size))
    value, gradient = model.log_posterior(at)
    for k in range(model.size):
        step = np.zeros(model.size)
        step[k] = 1e-5
        slope = (model.log_posterior(at + step)[0] - model.log_posterior(at - step)[0]) / 2e-5
        np.testing.assert_allclose(
            gradient[:, k], slope, rtol=1e-4, atol=1e-4 * np.abs(value).max()
        )
