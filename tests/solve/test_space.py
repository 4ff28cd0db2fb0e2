"""The space of a program: exact projections, values and slopes as the program has them, choices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import ALL, boxes, random_plans, random_problem
from programs import keeps, random_program

from shared.curves.saturation import Hill, Power
from shared.solve.heuristics.polyhedron import project_budget
from shared.solve.heuristics.space import SearchSpace


def test_a_projection_by_hand() -> None:
    # Onto the simplex of side 1: (0.9, 0.5, -1) loses 0.2 twice, the last one stays at 0.
    found = project_budget(np.array([[0.9, 0.5, -1.0]]), np.zeros(3), np.ones(3), 1.0)
    assert found[0] == pytest.approx([0.7, 0.3, 0.0], abs=1e-15)
    # With the first twice as ready to move: it gives up two parts in three of the 0.4.
    give = np.array([[2.0, 1.0, 1.0]])
    found = project_budget(np.array([[0.9, 0.5, -1.0]]), np.zeros(3), np.ones(3), 1.0, give)
    assert found[0] == pytest.approx([0.9 - 0.8 / 3, 0.5 - 0.4 / 3, 0.0], abs=1e-15)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 9), weighed=st.booleans())
def test_nothing_allowed_is_nearer_than_the_projection(seed: int, n: int, weighed: bool) -> None:
    rng = np.random.default_rng(seed)
    lower = np.where(rng.random(n) < 0.5, 0.0, rng.uniform(0, 1, n))
    upper = lower + np.where(rng.random(n) < 0.2, 0.0, rng.uniform(0, 2, n))
    budget = float(lower.sum() + rng.random() * (upper - lower).sum())
    points = rng.normal(0, 10.0 ** rng.uniform(-1, 2), (4, n))
    give = rng.lognormal(0, 3, (4, n)) if weighed else None
    found = project_budget(points, lower, upper, budget, give)
    assert np.all((found >= lower) & (found <= upper))
    scale = budget + np.abs(points).max()
    assert found.sum(axis=1) == pytest.approx(np.full(4, budget), abs=1e-12 * scale)
    # Optimal by its multiplier: whatever may fall is dearer than whatever may rise.
    price = (points - found) / (1.0 if give is None else give)
    hair = 1e-12 * scale
    dearest = np.where(found < upper - hair, price, -np.inf).max(axis=1)
    cheapest = np.where(found > lower + hair, price, np.inf).min(axis=1)
    assert np.all(dearest <= cheapest + 1e-9 * (1.0 + np.abs(price).max(axis=1)))


def test_a_cap_is_only_met_where_it_is_passed() -> None:
    space = SearchSpace(boxes([Hill(1, 1, 2)] * 2, 3.0, spend_all=False).program())
    found = space.project(np.array([[0.5, 1.0], [3.0, 2.0]]))
    assert found == pytest.approx(np.array([[0.5, 1.0], [2.0, 1.0]]))


@pytest.mark.parametrize("draws", [0, 5])
def test_slopes_and_curvatures_against_finite_differences(draws: int) -> None:
    smooth = tuple(kind for kind in ALL if kind != "tabulated")
    problem = random_problem(np.random.default_rng(3), 9, smooth, draws)
    space = SearchSpace(problem.program())
    points = space.sample(np.random.default_rng(0), 6) * 0.9 + 0.05
    step = 1e-5
    for i in range(space.n):
        side = np.zeros(space.n)
        side[i] = step
        up, middle, down = (space.figures(points + k * side)[0] for k in (1, 0, -1))
        assert space.gradient(points)[:, i] == pytest.approx((up - down) / (2 * step), rel=1e-5)
        slopes = space.gradient(points + side)[:, i] - space.gradient(points - side)[:, i]
        assert space.curvature(points)[:, i] == pytest.approx(
            slopes / (2 * step), rel=1e-4, abs=1e-7
        )
        assert np.all(np.isfinite(middle))


def test_slopes_are_finite_where_curves_are_not() -> None:
    space = SearchSpace(boxes([Power(1, 0.5), Hill(1, 1, 0.3)], 10.0).program())
    corner = np.zeros((1, 2))
    assert np.all(np.isfinite(space.gradient(corner)))
    assert np.all(space.gradient(corner) > 1.0)
    assert np.all(np.isfinite(space.curvature(corner)))


@given(seed=st.integers(0, 10**6), n=st.integers(1, 12))
def test_samples_are_allowed_and_counted(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, n)
    space = SearchSpace(problem.program())
    points = np.concatenate((space.sample(rng, 10), space.known()))
    assert np.all((points >= problem.lower) & (points <= problem.upper))
    assert points.sum(axis=1) == pytest.approx(np.full(len(points), problem.budget), rel=1e-12)
    space.value(points)
    assert space.evaluations == len(points)
    plans = random_plans(rng, problem, 5)
    if len(plans):  # what is allowed stays where it is
        assert space.project(plans) == pytest.approx(plans, abs=1e-9 * problem.budget)


def space_of(seed: int) -> tuple[SearchSpace, np.ndarray]:
    program, plan = random_program(np.random.default_rng(seed))
    return SearchSpace(program, plans=(plan,)), plan


@given(seed=st.integers(0, 10**6))
def test_values_are_the_programs_own(seed: int) -> None:
    space, plan = space_of(seed)
    rng = np.random.default_rng(seed)
    points = rng.uniform(space.lower, space.upper, (5, space.n))
    own = [space.program.objective(p.reshape(plan.shape)) for p in points]
    assert space.figures(points)[0] == pytest.approx(np.array(own), rel=1e-12, abs=1e-12)
    # The plan is allowed, so it counts as what it is worth.
    assert space.value(plan.reshape(1, -1))[0] == pytest.approx(space.program.objective(plan))
    assert space.evaluations == 1


@given(seed=st.integers(0, 10**6))
def test_slopes_against_finite_differences(seed: int) -> None:
    space, _ = space_of(seed)
    if space.program.curves.tables:  # corners have no one slope
        return
    rng = np.random.default_rng(seed)
    points = space.lower + space.range * rng.uniform(0.3, 0.9, (3, space.n))
    slopes = space.gradient(points)
    step = 1e-6
    for i in range(space.n):
        side = np.zeros(space.n)
        side[i] = step
        rise = space.figures(points + side)[0] - space.figures(points - side)[0]
        assert slopes[:, i] == pytest.approx(rise / (2 * step), rel=1e-4, abs=1e-6)


@given(seed=st.integers(0, 10**6))
def test_what_counts_keeps_every_rule_but_lots(seed: int) -> None:
    space, plan = space_of(seed)
    rng = np.random.default_rng(seed)
    points = space.project(rng.uniform(-0.5, 1.5, (12, space.n)) * space.range + space.lower)
    assert np.all((points >= space.lower) & (points <= space.upper))
    values = space.value(points)
    if np.any(space.program.lot > 0):
        return
    for point, value in zip(points, values, strict=True):
        if np.isfinite(value):
            loose = space.walls.missed(point[None, :])[0]
            assert loose <= 1e-9
            assert keeps(space.program, point.reshape(plan.shape)) or loose > 0.0
