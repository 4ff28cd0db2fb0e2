"""The batched non-negative ridge against scipy's solver and against its own sums, written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from shared.fit.models.ridge import fit_media, nonnegative, segment_sums


def test_coordinate_descent_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 40, 5))
    x[:, :, 1] = x[:, :, 0] + 0.2 * x[:, :, 1]  # nearly collinear
    y = rng.normal(size=(6, 40)) + x[:, :, 0] - x[:, :, 2]
    found = nonnegative(x.transpose(0, 2, 1) @ x, np.einsum("pra,pr->pa", x, y))
    for p in range(6):
        assert found[p] == pytest.approx(nnls(x[p], y[p])[0], abs=1e-5)
    assert (found >= 0).all()
    assert (found[:, 2] == 0).all()


def test_the_last_columns_may_have_either_sign() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(3, 40, 4))
    y = rng.normal(size=(3, 40)) - x[:, :, 1] - x[:, :, 3]
    found = nonnegative(x.transpose(0, 2, 1) @ x, np.einsum("pra,pr->pa", x, y), free=2)
    for p in range(3):
        # A free column is there twice, once with either sign.
        wide = nnls(np.hstack([x[p], -x[p][:, 2:]]), y[p])[0]
        assert found[p] == pytest.approx([*wide[:2], *(wide[2:4] - wide[4:])], abs=1e-5)
    assert (found[:, 1] == 0).all()
    assert (found[:, 3] < 0).all()


def test_ridge_equals_least_squares_of_the_augmented_rows() -> None:
    rng = np.random.default_rng(1)
    rows = np.ones(30, dtype=bool)
    base, levels = rng.normal(size=(30, 3)), rng.random((2, 2, 30))
    outcome = base @ [1.0, -2.0, 0.5] + [2.0, 1.0] @ levels[0] + 0.1 * rng.normal(size=30)
    weights = rng.uniform(0.5, 1.0, 30)
    sums = segment_sums(base, levels, outcome, weights, rows)
    penalties = np.array([[0.7, 0.1], [3.0, 8.0]]), np.array([0.2, 0.9])
    found_base, found_media = fit_media(sums, *penalties)
    for p in range(2):
        root = np.sqrt(weights)[:, None]
        columns = np.hstack([base, levels[p].T]) * root
        size = (levels[p] ** 2 @ weights) / weights.sum()
        extra = np.diag(
            np.sqrt(np.concatenate([np.full(3, penalties[1][p]), penalties[0][p] * size]))
        )
        wide = np.vstack([columns, extra])
        side = np.concatenate([outcome * root[:, 0], np.zeros(5)])
        # The baseline may be negative: each of its columns twice, once with either sign.
        both = np.hstack([wide[:, :3], -wide[:, :3], wide[:, 3:]])
        expected = nnls(both, side)[0]
        assert found_base[p] == pytest.approx(expected[:3] - expected[3:6], abs=1e-5)
        assert found_media[p] == pytest.approx(expected[6:], abs=1e-5)


def test_the_error_from_sums_is_the_error_row_by_row() -> None:
    rng = np.random.default_rng(2)
    rows = rng.random(50) < 0.7
    base, levels, outcome = rng.normal(size=(50, 4)), rng.random((3, 2, 50)), rng.normal(size=50)
    sums = segment_sums(base, levels, outcome, np.ones(50), rows)
    g, b = rng.normal(size=(3, 4)), rng.random((3, 2))
    for p in range(3):
        left = (outcome - base @ g[p] - b[p] @ levels[p])[rows]
        assert sums.squared_error(g, b)[p] == pytest.approx(float(left @ left))


def test_a_channel_that_does_nothing_on_the_rows_gets_no_coefficient() -> None:
    rng = np.random.default_rng(3)
    levels = np.zeros((1, 2, 20))
    levels[0, 0] = rng.random(20)
    sums = segment_sums(
        np.ones((20, 1)), levels, 1 + 2 * levels[0, 0], np.ones(20), np.ones(20, bool)
    )
    _, media = fit_media(sums, np.array([1e-6]), np.array([1e-6]))
    assert media[0] == pytest.approx([2.0, 0.0], abs=1e-3)
