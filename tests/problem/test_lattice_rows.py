"""Limits on lots are rounded to what lots can reach, and never past a plan that is allowed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from shared.curves.saturation import Exponential
from shared.curves.stack import stack
from shared.problem.lattice_rows import lattice_rows
from shared.problem.program import Program, Rows


def program(lots: list[float], matrix: list[float], lower: float, upper: float) -> Program:
    n = len(lots)
    ones = np.ones((n, 1))
    return Program(
        names=tuple(f"c{i}" for i in range(n)),
        lower=0.0 * ones,
        upper=1000.0 * ones,
        least_active=0.0 * ones,
        lower_by=("",) * n,
        upper_by=("",) * n,
        lot=np.array(lots),
        rows=Rows(np.array([matrix]), np.array([lower]), np.array([upper]), ("row",)),
        spread=np.ones((n, 1, 1)),
        carry=np.ones((n, 1, 1)),
        carry_in=0.0 * ones,
        weight=ones,
        curves=stack([Exponential(1.0, 0.01)] * n),
        scale=1000.0,
    )


def test_a_cap_and_a_floor_move_to_whole_lots() -> None:
    rows = lattice_rows(program([100.0, 250.0], [1.0, 1.0], 310.0, 733.0))
    assert (rows.lower[0], rows.upper[0]) == (350.0, 700.0)


@pytest.mark.parametrize(
    ("lots", "matrix"),
    [([100.0, 0.0], [1.0, 1.0]), ([100.0, 250.0], [1.0, 1.0 / 3.0])],
)
def test_other_rows_stay_as_they_are(lots: list[float], matrix: list[float]) -> None:
    rows = lattice_rows(program(lots, matrix, 310.0, 733.0))
    assert (rows.lower[0], rows.upper[0]) == (310.0, 733.0)


def test_a_limit_missed_by_a_hair_is_met() -> None:
    rows = lattice_rows(program([100.0, 50.0], [1.0, 1.0], -np.inf, 700.0 - 1e-5))
    assert rows.upper[0] == 700.0 - 1e-5


@pytest.mark.parametrize("seed", range(20))
def test_every_plan_on_lots_that_met_the_limits_still_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lots = rng.choice([0.1, 0.5, 2.0, 3.0, 7.0], 3).tolist()
    matrix = rng.choice([-1.0, 0.0, 0.5, 1.0, 2.0], 3).tolist()
    low, high = np.sort(rng.uniform(-20.0, 40.0, 2))
    before = program(lots, matrix, low, high)
    after = replace(before, rows=lattice_rows(before))
    for counts in itertools.product(range(6), repeat=3):
        u = (np.array(counts) * np.array(lots))[:, None]
        if low <= float(np.array(matrix) @ u[:, 0]) <= high:
            assert after.violation(u) <= 1e-12
