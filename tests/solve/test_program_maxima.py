"""One-dimensional maxima against dense grids: every family, any signs, draws of any weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from programs import random_program

from shared.problem.program import Program
from shared.problem.region import root_region
from shared.solve.certify.maxima import ArmMaxima


def case(seed: int) -> tuple[np.random.Generator, Program, ArmMaxima, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    program, _ = random_program(rng)
    root = root_region(program)
    assert root is not None
    return (
        rng,
        program,
        ArmMaxima(program, root.z_lower, root.z_upper, 1.0),
        root.z_lower,
        root.z_upper,
    )


def mean(program: Program, arm: int, z: np.ndarray) -> np.ndarray:
    """The arm's (weighed mean) response, by the program's own formula."""
    points = np.zeros((program.arms, z.size))
    points[arm] = z
    return np.asarray(replace(program, weight=np.ones_like(points)).response(points)[arm])


@pytest.mark.parametrize("seed", range(80))
def test_tops_against_a_grid(seed: int) -> None:
    rng, program, maxima, low, high = case(seed)
    a, b = np.sort(rng.uniform(low, high, (2, *low.shape)), axis=0)
    a = np.where(rng.random(a.shape) < 0.2, low, a)
    b = np.where(rng.random(a.shape) < 0.1, a, b)
    weight = np.where(rng.random(a.shape) < 0.1, 0.0, rng.normal(0, 1, a.shape))
    price = np.where(rng.random(a.shape) < 0.1, 0.0, rng.normal(0, 1, a.shape))
    found = maxima.tops(weight, price, a, b)
    for arm, h in np.ndindex(*a.shape):
        z = np.linspace(a[arm, h], b[arm, h], 1001)
        value = weight[arm, h] * mean(program, arm, z) - price[arm, h] * z
        size = 1.0 + np.abs(value).max()
        assert found[arm, h] >= value.max() - 1e-14 * size
        assert found[arm, h] <= value.max() + 2e-2 * size  # the grid's own coarseness


@pytest.mark.parametrize("seed", range(80))
def test_values_lie_between_their_roundings(seed: int) -> None:
    rng, program, maxima, low, high = case(seed)
    z = rng.uniform(low, high)
    over, under = maxima.value_over(z), maxima.value_under(z)
    for arm in range(program.arms):
        value = mean(program, arm, z[arm])
        assert np.all(under[arm] <= value)
        assert np.all(over[arm] >= value)
        np.testing.assert_allclose(over[arm], under[arm], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("seed", range(80))
def test_sums_over_periods_against_a_grid(seed: int) -> None:
    rng, program, maxima, _, _ = case(seed)
    if program.columns > 1:
        return
    for arm in range(program.arms):
        low, high = np.sort(rng.uniform(0, program.upper[arm, 0], 2))
        weight, price = rng.normal(0.3, 1, program.carry.shape[1]), float(rng.normal())
        u = np.linspace(low, high, 1001)
        z = u[:, None] * program.carry[arm, :, 0] + program.carry_in[arm]
        value = mean(program, arm, z.ravel()).reshape(z.shape) @ weight - price * u
        size = 1.0 + np.abs(value).max()
        ask = np.array([price]), np.array([low]), np.array([high])
        found = maxima.along(arm, weight, *ask)[0]
        loose = maxima.along(arm, weight, *ask, loose=True)[0]
        assert loose >= value.max() - 1e-14 * size
        assert value.max() - 1e-14 * size <= found <= value.max() + 2e-2 * size
        if program.lot[arm] > 0.0:
            lot = program.lot[arm]
            u = lot * np.arange(5)
            z = u[:, None] * program.carry[arm, :, 0] + program.carry_in[arm]
            value = mean(program, arm, z.ravel()).reshape(z.shape) @ weight - price * u
            zero, end = np.zeros(2), np.array([4 * lot, 1e5 * lot])
            lots, many = maxima.over_lots(arm, weight, np.full(2, price), zero, end)
            assert value.max() - 1e-14 * size <= lots <= value.max() + 1e-11 * size
            assert many == np.inf
