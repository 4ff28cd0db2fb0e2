"""One decision per arm over many periods: against grids, and against the search by boxes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from plans import geometric, program, rows

from shared.curves.saturation import Hill, Saturation, Sigmoid
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Leaf
from shared.solve.certify.certificate import certify
from shared.solve.engines.boxes import search_boxes
from shared.solve.engines.one_share import search_shares, shares_one_budget
from shared.solve.solver import solve_program


def drawn(rng: np.random.Generator, n: int, periods: int, *, exact: bool = True) -> Program:
    """S-shaped arms of one share each, with seasons and spend from before the plan."""
    curves: list[Saturation] = []
    for i in range(n):
        top, half = rng.lognormal(0, 0.5, 2).tolist()
        shape = float(rng.uniform(1.5, 4.0))
        curves.append(Hill(top, half, shape) if i % 2 else Sigmoid(top, half, 2 * shape / half))
    decays = rng.uniform(0.1, 0.8, n)
    budgets = rng.uniform(0.5, 1.5, periods) * 0.4 * n
    past = rng.uniform(0.0, 0.5, (n, 1)) * decays[:, None] ** np.arange(1, periods + 1)
    total = float(budgets.sum())
    return program(
        curves,
        np.zeros((n, 1)),
        np.ones((n, 1)),
        rows(np.full((1, n), total), [total if exact else -np.inf], [total]),
        carry=geometric(periods, decays) @ budgets[None, :, None],
        carry_in=past,
        weight=rng.uniform(0.5, 1.5, (n, periods)),
        spread=np.broadcast_to(budgets[:, None], (n, periods, 1)),
    )


@pytest.mark.parametrize("seed", range(6))
def test_no_grid_point_beats_the_plan_or_its_bound(seed: int) -> None:
    rng = np.random.default_rng((71, seed))
    p = drawn(rng, 3, 8, exact=seed % 2 == 0)
    found = solve_program(p, SolverOptions(gap=1e-7, time_limit_s=20.0))
    checked = certify(p, found.u, found.proof)
    assert checked.proven
    assert checked.relative_gap <= 1e-7
    steps = np.linspace(0.0, 1.0, 101)
    best = -math.inf
    for a, b in itertools.product(steps, steps):
        if a + b <= 1.0:
            best = max(best, p.objective(np.array([[a], [b], [max(1.0 - a - b, 0.0)]])))
    assert best <= checked.upper_bound
    assert best <= checked.objective * (1 + 1e-7)
    # Around the plan found the grid is as fine as its steps: it comes near.
    assert checked.objective - best < 0.02 * checked.objective


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_search_by_boxes(seed: int) -> None:
    rng = np.random.default_rng((72, seed))
    p = drawn(rng, 6, 10)
    p.upper[:] = rng.uniform(0.2, 0.9, (6, 1))
    p.lower[:2] = 0.05
    assert shares_one_budget(p)
    ours = search_shares(p, gap=1e-7, deadline=math.inf)
    other = search_boxes(p, gap=1e-5, deadline=math.inf)
    assert ours is not None
    assert ours.u is not None
    assert other.u is not None
    mine = certify(p, ours.u, ours.proof)
    theirs = certify(p, other.u, other.proof)
    assert mine.proven
    assert theirs.proven
    assert mine.relative_gap <= 1e-7
    assert mine.objective >= theirs.objective * (1 - 1e-7)
    assert mine.upper_bound >= theirs.objective
    assert theirs.upper_bound >= mine.objective


def test_a_given_plan_is_never_made_worse_however_short_the_time() -> None:
    p = drawn(np.random.default_rng(73), 8, 12)
    best = search_shares(p, gap=1e-7, deadline=math.inf)
    assert best is not None
    assert best.u is not None
    hurried = search_shares(p, gap=1e-7, deadline=-math.inf, starts=(best.u,))
    assert hurried is not None
    assert hurried.u is not None
    assert p.objective(hurried.u) >= p.objective(best.u) * (1 - 1e-12)
    checked = certify(p, hurried.u, hurried.proof)
    assert checked.upper_bound >= p.objective(best.u)


def test_arms_that_differ_only_in_their_carryover_are_no_twins() -> None:
    """In a box search of one budget twins are kept in order: here that would cut off the best."""
    curve = Sigmoid(1.0, 1.0, 6.0)
    periods = 6
    carry = np.ones((3, periods, 1))
    carry[0] *= 0.2  # the first arm gets the least for its money
    total = 1.2 * periods
    p = program(
        [curve] * 3,
        np.zeros((3, 1)),
        np.ones((3, 1)),
        rows(np.full((1, 3), total), [total], [total]),
        carry=1.2 * carry,
        spread=np.full((3, periods, 1), 1.2),
    )
    found = search_shares(p, gap=1e-9, deadline=math.inf)
    assert found is not None
    assert found.u is not None
    assert found.u[0, 0] < 1e-6
    assert certify(p, found.u, found.proof).relative_gap <= 1e-8


def test_concave_arms_among_them_are_priced_period_by_period() -> None:
    rng = np.random.default_rng(74)
    p = drawn(rng, 6, 10)
    hill = next(g.curve for g in p.curves.groups if isinstance(g.curve, Hill))
    hill.shape[:] = 0.8
    found = search_shares(p, gap=1e-7, deadline=math.inf)
    assert found is not None
    assert found.u is not None
    checked = certify(p, found.u, found.proof)
    assert checked.proven
    assert checked.relative_gap <= 1e-7
    leaves = [node for node in found.proof.nodes if isinstance(node, Leaf)]
    assert all(np.all(np.isfinite(leaf.nu)) for leaf in leaves)


def test_left_to_others_where_the_budget_leaves_no_room() -> None:
    p = drawn(np.random.default_rng(75), 4, 5)
    p.lower[:] = 0.25
    assert search_shares(p, gap=1e-6, deadline=math.inf) is None
    found = solve_program(p, SolverOptions(gap=1e-6, time_limit_s=5.0))
    assert found.u[:, 0] == pytest.approx([0.25] * 4)


def test_anything_but_one_budget_is_left_to_others() -> None:
    p = drawn(np.random.default_rng(76), 4, 5)
    assert shares_one_budget(p)
    p.rows.matrix[0, 0] *= 2.0  # dearer than the rest
    assert not shares_one_budget(p)
