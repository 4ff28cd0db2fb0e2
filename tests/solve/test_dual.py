"""The dual by itself: prices, ties, sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from problems import CONCAVE, boxes, random_problem

from shared.curves.saturation import Exponential, Hill, Power
from shared.solve.one_budget.dual import fill, relax, settle
from shared.solve.one_budget.relaxation import Relaxation


@pytest.mark.parametrize("seed", range(20))
def test_the_price_clears_the_budget(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, int(rng.integers(2, 40)), (*CONCAVE, "s_hill", "sigmoid"))
    model = Relaxation(problem)
    box = model.box(problem.lower, problem.upper)
    found = relax(model, box, problem.budget)
    assert found is not None
    answer = model.respond(box, found.price)
    slack = 1e-9 * problem.budget
    assert answer.least.sum() <= problem.budget + slack
    assert answer.most.sum() >= problem.budget - slack
    assert math.fsum(found.spend) == pytest.approx(problem.budget, rel=1e-14)
    # The bound of weak duality is the envelope's value at the relaxed plan: no gap here.
    torn = model.torn(box, found.spend)
    value = model.surface(found.spend)
    value[torn] = model.envelope_at(box, found.spend, torn)
    assert found.bound == pytest.approx(value.sum(), rel=1e-9)


def test_any_guess_leads_to_the_same_price() -> None:
    problem = random_problem(np.random.default_rng(1), 15, CONCAVE)
    model = Relaxation(problem)
    box = model.box(problem.lower, problem.upper)
    prices = [relax(model, box, problem.budget, guess=g) for g in (None, 1e-12, 1.0, 1e12)]
    assert all(p is not None for p in prices)
    np.testing.assert_allclose([p.price for p in prices if p], prices[0].price, rtol=1e-11)  # type: ignore[union-attr]


def test_a_budget_out_of_reach_of_the_box() -> None:
    problem = boxes([Exponential(1, 1), Exponential(2, 1)], 2.0)
    model = Relaxation(problem)
    assert relax(model, model.box(np.zeros(2), np.full(2, 0.5)), 2.0) is None
    assert relax(model, model.box(np.full(2, 1.5), np.full(2, 2.0)), 2.0) is None


def test_a_price_exactly_on_a_tie_is_met_exactly() -> None:
    problem = boxes([Hill(1, 1, 3), Hill(1, 1, 3), Power(0.1, 0.5)], 1.0)
    model = Relaxation(problem)
    box = model.box(problem.lower, problem.upper)
    found = relax(model, box, 1.0)
    assert found is not None
    assert found.price == box.slope[0]
    assert model.torn(box, found.spend) == [0]


def test_fill_and_settle_keep_bounds_and_sums() -> None:
    assert fill(np.zeros(3), np.array([1.0, 2.0, 3.0]), 2.5).tolist() == [1.0, 1.5, 0.0]
    assert fill(np.ones(2), np.ones(2), 3.0).tolist() == [1.0, 1.0]
    rng = np.random.default_rng(0)
    low, high = np.zeros(50), rng.uniform(0.5, 2, 50)
    spend = rng.uniform(low, high)
    for target in (0.9 * spend.sum(), 1.1 * spend.sum(), high.sum()):
        out = settle(spend, low, high, float(target), rng.uniform(0, 1, 50))
        assert math.fsum(out) == pytest.approx(target, rel=1e-15)
        assert np.all(out >= low)
        assert np.all(out <= high)
