"""What last quarter's plan would have brought: figures that add up, or the reason for none."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.curves.curveset import ChannelCurve, Response
from shared.errors import InvalidInput
from shared.fit.judge.validate import Fold
from shared.fit.pipeline import backtest
from shared.history.table import History
from shared.service import advise
from tests.fit.histories import HILL, fit_bayesian, simulated

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def case() -> tuple[History, list[Fold], dict[str, Response]]:
    history, _ = simulated(seed=3, rows=90, channels=3)
    before = fit_bayesian(history, HILL, seed=0, train=77, draws=40)
    unknown = np.zeros(13)
    fold = Fold(77, 90, unknown, unknown, unknown, unknown, unknown, unknown, True, before)
    now = fit_bayesian(history, HILL, seed=0, draws=40)
    names = [arm.name for arm in now.design.arms]
    return history, [fold], dict(zip(names, now.responses(), strict=True))


def test_the_plan_spends_the_quarters_money_within_its_limits(
    case: tuple[History, list[Fold], dict[str, Response]],
) -> None:
    history, folds, now = case
    found = backtest(history, folds, now, advise)
    json.dumps(found, allow_nan=False)
    quarter = found["last_quarter"]
    assert found["reason"] is None
    assert quarter["first"] == history.dates[77].isoformat()
    assert quarter["budget"] == pytest.approx(history.spend[77:].sum())
    assert sum(quarter["recommended"].values()) == pytest.approx(quarter["budget"])
    usual = history.spend[:77].mean(axis=0)
    share = usual * history.spend[77:].mean(axis=0).sum() / usual.sum()
    for c, name in enumerate(history.channels):
        assert quarter["done"][name] == pytest.approx(history.spend[77:, c].sum())
        ratio = quarter["recommended"][name] / 13 / share[c]
        assert 0.5 - 1e-6 <= ratio <= 1.5 + 1e-6
    assert quarter["uplift"] == pytest.approx(
        quarter["outcome_recommended"] - quarter["outcome_done"]
    )
    by_hand = sum(
        np.mean([d.value(quarter["done"][name] / 13) for d in response.draws])
        for name, response in now.items()
    )
    assert quarter["outcome_done"] == pytest.approx(13 * by_hand)
    assert 0.0 <= quarter["probability_better"] <= 1.0


def test_the_plan_is_made_of_the_old_curves_and_scored_by_the_new(
    case: tuple[History, list[Fold], dict[str, Response]],
) -> None:
    history, folds, now = case
    asked: list[Sequence[ChannelCurve]] = []

    def keep(curves: Sequence[ChannelCurve], budget: float, low: Floats, high: Floats) -> Floats:
        asked.append(curves)
        assert budget == pytest.approx(history.spend[77:].mean(axis=0).sum())
        np.testing.assert_allclose(high, 3 * low)
        return history.spend[77:].mean(axis=0)

    quarter = backtest(history, folds, now, keep)["last_quarter"]
    assert folds[0].fitted is not None
    assert [c.response for c in asked[0]] == list(folds[0].fitted.responses())
    # What was done, recommended again, is no better and no worse.
    assert quarter["uplift"] == pytest.approx(0.0)
    assert quarter["probability_better"] == 0.5


def test_reasons_where_there_is_none(
    case: tuple[History, list[Fold], dict[str, Response]],
) -> None:
    history, folds, now = case

    def fails(*question: object) -> Floats:
        assert len(question) == 4
        raise InvalidInput.at("/budget", "odd", "Nothing fits.")

    for found, said in (
        (backtest(history, [], now, advise), "Too few rows"),
        (backtest(history, folds, now, None), "No optimiser"),
        (backtest(history, folds, now, fails), "Nothing fits."),
    ):
        assert found["last_quarter"] is None
        assert said in found["reason"]
