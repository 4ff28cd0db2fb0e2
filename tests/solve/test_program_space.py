"""A general program as a space: values and slopes against the program's own, choices kept."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import keeps, random_program

from shared.solve.named.program_space import ProgramSpace, program_space


def space_of(seed: int) -> tuple[ProgramSpace, np.ndarray]:
    program, plan = random_program(np.random.default_rng(seed))
    found = program_space(program, math.inf, (plan,))
    assert found is not None
    return found, plan


@given(seed=st.integers(0, 10**6))
def test_values_are_the_programs_own(seed: int) -> None:
    space, plan = space_of(seed)
    rng = np.random.default_rng(seed)
    points = rng.uniform(space.lower, space.upper, (5, space.n))
    own = [space.program.objective(p.reshape(plan.shape)) for p in points]
    assert space.unchecked(points) == pytest.approx(np.array(own), rel=1e-12, abs=1e-12)
    # The plan is allowed, so it counts as what it is worth.
    assert space.value(plan.reshape(1, -1))[0] == pytest.approx(space.program.objective(plan))
    assert space.evaluations == 6


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
        rise = space.unchecked(points + side) - space.unchecked(points - side)
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
