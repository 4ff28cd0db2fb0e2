"""Challengers: what they find that is there, and do not find where it is not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.fit.judge.rivals import Predictors, challenge, columns_of, pair_strengths
from shared.fit.judge.validate import Fold
from shared.history.table import History
from tests.fit.histories import table

Floats = NDArray[np.float64]
ROWS = 150


def spends(seed: int) -> Floats:
    return np.asarray(np.exp(np.random.default_rng(seed).normal(9.0, 0.6, (ROWS, 3))))


def folds_of(history: History, forecast: Floats) -> list[Fold]:
    return [
        Fold(
            start=start,
            stop=start + 20,
            actual=history.outcome[start : start + 20],
            mean=forecast[start : start + 20],
            low=forecast[start : start + 20] - 1.0,
            high=forecast[start : start + 20] + 1.0,
            naive=forecast[start : start + 20],
            constant=forecast[start : start + 20],
            converged=True,
        )
        for start in (110, 130)
    ]


def levels(spend: Floats) -> Floats:
    return np.asarray(np.log1p(spend / spend.mean(axis=0)))


def test_a_shape_that_the_model_misses_and_a_pair_are_found() -> None:
    spend = spends(0)
    z = levels(spend)
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    signal = 50.0 + 5.0 * z[:, 0] + 4.0 * z[:, 1] + 4.0 * z[:, 0] * z[:, 1]
    history = table(signal + np.random.default_rng(1).normal(size=ROWS), spend)
    additive = np.column_stack([np.ones(ROWS), z])
    forecast = additive @ np.linalg.lstsq(additive[:110], history.outcome[:110], rcond=None)[0]
    found = challenge(history, folds_of(history, forecast - 3.0), seed=0)
    json.dumps(found, allow_nan=False)
    assert found["missed_nonlinearity"]
    assert [set(pair["channels"]) for pair in found["interactions"]] == [{"a", "b"}]
    assert any("less error" in sentence for sentence in found["findings"])
    assert any("model.interactions" in sentence for sentence in found["findings"])
    for model in found["models"]:
        importance = model["importance"]
        assert min(importance["a"], importance["b"]) > 5 * max(importance["c"], 0.005)


def test_an_additive_world_and_a_good_model_raise_nothing() -> None:
    spend = spends(2)
    z = levels(spend)
    signal = 50.0 + 12.0 * z[:, 0] + 8.0 * z[:, 1]
    history = table(signal + np.random.default_rng(3).normal(size=ROWS), spend)
    found = challenge(history, folds_of(history, signal), seed=0)
    assert not found["missed_nonlinearity"]
    assert found["interactions"] == []
    assert found["findings"] == []
    assert all(model["against_model"] > 1.0 for model in found["models"])


def test_h_of_a_product_and_of_a_sum_by_hand() -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(size=(40, 2))
    points -= points.mean(axis=0)
    columns = Predictors(points, ("a", "b"))
    product = pair_strengths(lambda x: x[:, 0] * x[:, 1], points, columns, ("a", "b"))
    both = points[:, 0] * points[:, 1]
    # Centred inputs have no effect of their own in a product: all of it is interaction.
    assert product["a", "b"][1] == pytest.approx(1.0)
    assert product["a", "b"][0] == pytest.approx(float(np.var(both)))
    added = pair_strengths(lambda x: x[:, 0] ** 2 + x[:, 1], points, columns, ("a", "b"))
    assert added["a", "b"][1] == pytest.approx(0.0, abs=1e-12)


def test_inputs_do_not_look_ahead() -> None:
    spend = spends(5)
    history = table(np.arange(float(ROWS)), spend)
    later = spend.copy()
    later[100:] *= 3.0
    before, after = columns_of(history), columns_of(table(history.outcome, later))
    assert before.of == after.of
    for place, name in enumerate(before.of):
        if name not in "abc":
            np.testing.assert_array_equal(before.values[:100, place], after.values[:100, place])
            continue
        # Only the scale, the mean of all spend, may differ: the order of the past stays.
        np.testing.assert_array_equal(
            np.argsort(before.values[:100, place]), np.argsort(after.values[:100, place])
        )


def test_no_folds_no_contest() -> None:
    found = challenge(table(np.arange(float(ROWS)), spends(6)), [], seed=0)
    assert found["models"] == []
    assert found["reason"]
