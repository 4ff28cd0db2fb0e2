"""One budget in many draws at once, beside the solver of one problem and beside all plans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from problems import solve

from benchmarks.classes import draw, risky
from shared.problem.model import Risk, SolverOptions
from shared.solve.one_budget.draws import best_in_draws
from shared.solve.one_budget.form import OneBudget
from tests.arrays import arrays_of

GAP = 1e-3
COUNT = 12


def drawn(n: int, shape: str) -> list[OneBudget]:
    make = risky(n, COUNT, shape, Risk(), gap=1e-6, limit_s=60.0)
    return [arrays_of(problem) for problem in draw(make, 3, seed=7)]


def alone(task: OneBudget, number: int) -> OneBudget:
    assert task.draws is not None
    none = np.full(task.n, np.nan)
    return replace(task, curves=task.draws.one(number), draws=None, current=none)


def plans_of(task: OneBudget) -> list[np.ndarray | None]:
    price = solve(task, SolverOptions(gap=1e-4)).prices[0]
    return best_in_draws(task, list(range(COUNT)), GAP, price)


@pytest.mark.parametrize("shape", ["concave", "S-shaped"])
@pytest.mark.parametrize("n", [2, 5, 9, 30])
def test_each_plan_is_within_the_gap_of_its_draws_own_best(n: int, shape: str) -> None:
    met = 0
    for task in drawn(n, shape):
        for number, plan in enumerate(plans_of(task)):
            if plan is None:
                continue
            met += 1
            one = alone(task, number)
            best = one.outcome(solve(one, SolverOptions(gap=1e-9)).spend).sum()
            assert float(one.outcome(plan).sum()) >= best * (1.0 - GAP)
            assert float(plan.sum()) == pytest.approx(one.budget, rel=1e-12)
            assert np.all(plan >= one.lower)
            assert np.all(plan <= one.upper)
    assert met >= (30 if n > 2 else 24)


def test_bounds_are_kept() -> None:
    for task in drawn(6, "S-shaped"):
        share = task.budget / 6
        lower = np.where(np.arange(6) % 2, 0.3 * share, 0.0)
        upper = np.where(np.arange(6) % 3, 2.5 * share, 0.8 * share)
        held = replace(task, lower=lower, upper=upper)
        for number, plan in enumerate(plans_of(held)):
            if plan is not None:
                one = alone(held, number)
                best = one.outcome(solve(one, SolverOptions(gap=1e-9)).spend).sum()
                assert float(one.outcome(plan).sum()) >= best * (1.0 - GAP)
                assert np.all(plan >= lower)
                assert np.all(plan <= upper)


def test_two_channels_beside_every_plan() -> None:
    for task in drawn(2, "S-shaped"):
        share = np.linspace(0.0, 1.0, 4001)
        every = task.budget * np.stack((share, 1.0 - share), axis=1)
        for number, plan in enumerate(plans_of(task)):
            if plan is not None:
                curves = alone(task, number).curves
                best = float(curves.value(every).sum(axis=1).max())
                assert float(curves.value(plan).sum()) >= best * (1.0 - GAP)


def test_without_a_budget_that_binds_it_is_left_to_others() -> None:
    task = drawn(3, "S-shaped")[0]
    ample = replace(task, upper=np.full(3, task.budget / 4.0))
    assert best_in_draws(ample, [0, 1], GAP, 1.0) == [None, None]
    assert best_in_draws(replace(task, draws=None), [0], GAP, 1.0) == [None]
