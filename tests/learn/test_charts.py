"""Control charts: run lengths of the textbook, and limits that alarm as often as they may."""

from __future__ import annotations

import numpy as np
import pytest

from shared.learn.charts import alarms_at, cusum, fitted, limit, whitened


@pytest.mark.parametrize(("h", "shift", "length"), [(4.0, 0.0, 167.7), (5.0, 0.0, 465.4)])
def test_run_lengths_of_independent_errors(h: float, shift: float, length: float) -> None:
    z = np.random.default_rng(1).standard_normal((1000, 1500)) + shift
    alarms = int((cusum(z, h)[2] != 0).sum())
    assert z.size / alarms == pytest.approx(length, rel=3.5 / alarms**0.5)


def test_a_shift_is_found_in_ten_periods() -> None:
    z = np.random.default_rng(2).standard_normal((2000, 60)) + 1.0
    alarms = cusum(z, 5.0)[2]
    first = (alarms != 0).argmax(axis=1) + 1
    assert first.mean() == pytest.approx(10.38, abs=0.4)
    assert set(np.unique(alarms)) <= {0, 1}


def test_a_missing_period_changes_no_sum() -> None:
    z = np.array([1.5, np.nan, 1.5, -3.0])
    ups, downs, alarms = cusum(z, 1.9)
    assert ups.tolist() == [1.0, 1.0, 2.0, 0.0]
    assert downs.tolist() == [0.0, 0.0, 0.0, 2.5]
    assert alarms.tolist() == [0, 0, 1, -1]


def test_errors_that_remember_are_whitened() -> None:
    rng = np.random.default_rng(3)
    n = 4000
    e = np.zeros(n)
    for t in range(1, n):
        e[t] = 0.6 * e[t - 1] + 2.0 * rng.standard_normal()
    x = np.stack((np.ones(n), np.arange(n) / n), axis=1)
    coefficients, memory, size = fitted(x, e + x @ [5.0, 3.0])
    assert coefficients == pytest.approx([5.0, 3.0], abs=0.6)
    assert (memory, size) == pytest.approx((0.6, 2.0), abs=0.05)
    z = whitened(e[1:], e[0], 0.6, 2.0)
    assert z == pytest.approx((e[1:] - 0.6 * e[:-1]) / 2.0)
    after = whitened(np.array([1.0, np.nan, 3.0]), np.nan, 0.6, 2.0)
    assert after[[0, 2]] == pytest.approx(np.array([1.0, 3.0]) / 2.0 * 0.8)
    assert np.isnan(after[1])


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_right_models_alarm_as_often_as_they_may(memory: float) -> None:
    n, m, most = 60, 52, 2.0
    x = np.stack((np.ones(n + m), np.arange(n + m) / n), axis=1)
    h = limit(x[:n], x[n:], memory, most)
    rng = np.random.default_rng(4)
    e = np.zeros((600, n + m + 50))
    for t in range(1, e.shape[1]):
        e[:, t] = memory * e[:, t - 1] + rng.standard_normal(600)
    e = e[:, 50:]
    coefficients, own, size = fitted(x[:n], e[:, :n])
    errors = e - coefficients @ x.T
    z = whitened(errors[:, n:], errors[:, n - 1], own, size)
    each = (cusum(z, h)[2] != 0).sum(axis=1)
    error = each.std() * (1 / 600 + 1 / 400) ** 0.5
    assert alarms_at(z, h) == pytest.approx(most, abs=3 * error)
    # The limit of independent errors of known size would alarm oftener.
    assert alarms_at(z, limit(x[:n], x[n:], memory, most) * 0.7) > most
