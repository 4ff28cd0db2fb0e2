"""Yesterday's curves on the same rows: their media, a baseline fitted anew, a fair comparison."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.concave import Exponential
from shared.curves.curveset import ChannelCurve, CurveSet, ObservedSpend, Response
from shared.fit.design.design import build_design
from shared.fit.judge.validate import Fold, media_of, refitted, rival_of, rows_since
from shared.history.table import History
from tests.fit.histories import HILL, fit_bayesian, simulated, table

SPEND = ObservedSpend(0.0, 1.0, 2.0, 1.0)


def stored(responses: dict[str, Response], last: str, rows: int = 0) -> CurveSet:
    return CurveSet(
        dataset="d",
        version="v",
        created_at="",
        spec={},
        frequency="week",
        currency=None,
        outcome="revenue",
        channels=tuple(ChannelCurve(n, r, SPEND, None, "good") for n, r in responses.items()),
        diagnostics={"rows": {"with_outcome": rows, "last": last}},
    )


def test_a_baseline_around_true_media_forecasts_what_comes() -> None:
    rng = np.random.default_rng(0)
    spend = np.exp(rng.normal(9, 0.5, (120, 2)))
    curve = Response(Exponential(5e4, 1e-4))
    base = 1e5 + 200.0 * np.arange(120)
    outcome = base + np.asarray(curve.saturation.value(spend[:, 0])) + rng.normal(0, 500, 120)
    history = table(outcome, spend)
    media = media_of(history, {"a": curve})
    assert media.shape == (1, 120)
    np.testing.assert_allclose(media[0], curve.saturation.value(spend[:, 0]))
    design = build_design(history, None, 100)
    error = refitted(design, media)[100:] - outcome[100:]
    blind = refitted(design, np.zeros((1, 120)))[100:] - outcome[100:]
    assert np.sqrt(np.mean(error**2)) < 1500
    assert np.sqrt(np.mean(blind**2)) > 4 * np.sqrt(np.mean(error**2))


@pytest.fixture(scope="module")
def case() -> tuple[History, Fold, dict[str, Response]]:
    history, _ = simulated(seed=1, rows=90, channels=2)
    fitted = fit_bayesian(history, HILL, seed=0, train=77, draws=40)
    forecast = fitted.forecast(np.random.default_rng(0))
    mean, (low, high) = forecast.mean, forecast.interval(0.9)
    actual, flat = history.outcome[77:], np.full(13, history.outcome[:77].mean())
    fold = Fold(77, 90, actual, mean[77:], low[77:], high[77:], flat, flat, True, fitted)
    names = [arm.name for arm in fitted.design.arms]
    return history, fold, dict(zip(names, fitted.responses(), strict=True))


def test_the_same_curves_are_as_good_as_themselves(
    case: tuple[History, Fold, dict[str, Response]],
) -> None:
    history, fold, curves = case
    found = rival_of(history, [fold], stored(curves, history.dates[-1].isoformat()), curves)
    assert found is not None
    assert not found.unseen
    assert found.rows == 13
    assert found.rmse(1) == pytest.approx(found.rmse(2))


def test_rows_that_yesterday_had_not_seen_decide_by_the_folds_own_forecasts(
    case: tuple[History, Fold, dict[str, Response]],
) -> None:
    history, fold, curves = case
    seen = stored(curves, history.dates[80].isoformat())
    found = rival_of(history, [fold], seen, curves)
    assert found is not None
    assert (found.unseen, found.rows) == (True, 9)
    assert found.rmse(2) == pytest.approx(
        float(np.sqrt(np.mean((fold.mean[4:] - fold.actual[4:]) ** 2)))
    )


def test_no_rival_without_curves_folds_or_common_arms(
    case: tuple[History, Fold, dict[str, Response]],
) -> None:
    history, fold, curves = case
    before = stored(curves, history.dates[-1].isoformat())
    assert rival_of(history, [fold], None, curves) is None
    assert rival_of(history, [], before, curves) is None
    other = stored({"else": curves["a"]}, history.dates[-1].isoformat())
    assert rival_of(history, [fold], other, curves) is None


def test_new_rows_are_counted_by_date_or_else_by_number(
    case: tuple[History, Fold, dict[str, Response]],
) -> None:
    history, _, curves = case
    assert rows_since(history, stored(curves, history.dates[86].isoformat())) == 3
    by_number = replace(stored(curves, ""), diagnostics={"rows": {"with_outcome": 80}})
    assert rows_since(history, by_number) == 10
    assert rows_since(history, replace(by_number, diagnostics={})) is None
