"""The way back into box and rows: nearest where it settles, allowed in any case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.solve.heuristics.polyhedron import Polyhedron, centre, project_budget


def walls(rng: np.random.Generator, n: int, m: int) -> Polyhedron:
    """Random box and rows around a point, a part of the rows equalities or open on a side."""
    lower = np.where(rng.random(n) < 0.5, 0.0, rng.random(n))
    upper = lower + rng.uniform(0.1, 2.0, n)
    point = rng.uniform(lower, upper)
    matrix = rng.normal(size=(m, n)) * (rng.random((m, n)) < 0.6)
    matrix[0] = 1.0
    at = matrix @ point
    low = at - np.where(rng.random(m) < 0.4, 0.0, rng.random(m))
    high = at + np.where(rng.random(m) < 0.4, 0.0, rng.random(m))
    low = np.where(rng.random(m) < 0.3, -np.inf, low)
    return Polyhedron(lower, upper, matrix, low, high)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 8), m=st.integers(1, 5))
def test_whatever_comes_in_is_allowed(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    w = walls(rng, n, m)
    points = rng.normal(0, 10.0 ** rng.uniform(-1, 1), (20, n))
    give = rng.lognormal(0, 1, (20, n))
    for found in (w.nearest(points, give), w.towards(points)):
        assert np.all((found >= w.lower) & (found <= w.upper))
        assert np.all(w.missed(found) <= 1e-9)
    # And what is allowed already stays where it is.
    assert w.nearest(found, give) == pytest.approx(found, abs=1e-9)


def test_one_budget_is_the_projection_that_is_exact_for_it() -> None:
    rng = np.random.default_rng(4)
    lower, upper = np.append(np.zeros(6), 1.0), np.append(rng.uniform(0.5, 2.0, 6), 1.0)
    # A second row, of a coordinate that is fixed, makes it a task for the general way.
    rows, at = np.stack((np.ones(7), np.eye(7)[6])), np.array([4.0, 1.0])
    w = Polyhedron(lower, upper, rows, at, at)
    assert w.budget is None
    points, give = rng.normal(0.5, 1.0, (50, 7)), rng.lognormal(0, 1, (50, 7))
    exact = project_budget(points, lower, upper, 4.0, give)
    assert w.nearest(points, give) == pytest.approx(exact, abs=1e-9)


def test_equal_rows_are_met_at_the_nearest_point() -> None:
    # By the conditions of optimality: what is left is a combination of rows and of walls.
    rng = np.random.default_rng(8)
    w = walls(rng, 12, 3)
    at = w.matrix @ w.inside
    w = Polyhedron(w.lower, w.upper, w.matrix, at, at)
    points = w.inside + rng.normal(0, 0.3, (40, 12))
    found = w.nearest(points, np.ones(points.shape))
    settled = 0
    for x, y in zip(found, points, strict=True):
        free = (x > w.lower + 1e-12) & (x < w.upper - 1e-12)
        prices = np.linalg.lstsq(w.matrix[:, free].T, (y - x)[free], rcond=None)[0]
        rest = (y - x) - w.matrix.T @ prices
        fine = (
            np.abs(rest[free]).max(initial=0.0) < 1e-8
            and np.all(rest[x <= w.lower + 1e-12] < 1e-8)
            and np.all(rest[x >= w.upper - 1e-12] > -1e-8)
        )
        settled += fine
    assert settled >= 36


def test_a_centre_is_far_from_the_walls_and_none_where_there_is_nothing() -> None:
    row = np.ones((1, 2))
    found = centre(np.zeros(2), np.ones(2), row, np.array([1.0]), np.array([1.0]))
    assert found == pytest.approx([0.5, 0.5])
    assert centre(np.zeros(2), np.ones(2), row, np.array([3.0]), np.array([4.0])) is None
