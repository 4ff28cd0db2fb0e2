"""Counts of channels: bounds against brute force, and what a limit implies for a box."""

from __future__ import annotations

import numpy as np
import pytest
from problems import boxes, curve, random_plans

from shared.curves.saturation import Hill, Saturation
from shared.problem.region import Counted
from shared.solve.one_budget.engine import CountedBudget, relax_counted, thresholds
from shared.solve.one_budget.form import OneBudget
from shared.solve.one_budget.relaxation import Relaxation

KINDS = ("s_hill", "sigmoid", "exponential")


def relaxed(problem: OneBudget, limit: Counted, cutoff: float = -np.inf) -> CountedBudget:
    model = Relaxation(problem)
    box = model.box(problem.lower, problem.upper)
    return relax_counted(model, box, limit, 0.3, cutoff, 1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_no_plan_with_such_a_count_beats_the_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    problem = boxes([curve(rng, str(rng.choice(KINDS))) for _ in range(n)], 0.4 * n)
    at = np.where(rng.random(n) < 0.85, rng.uniform(0, 1, n) * 0.4 * n, np.inf)
    least = int(rng.integers(0, n))
    limit = Counted(at, least, int(rng.integers(least, n + 1)))
    plans = random_plans(rng, problem, 400)
    beyond = (plans > at).sum(axis=1)
    plans = plans[(beyond >= limit.least) & (beyond <= limit.most)]
    if limit.inside(problem.lower, problem.upper) is None:
        assert not len(plans)
        return
    answer = relaxed(problem, limit)
    if len(plans):
        assert problem.outcome(plans).sum(axis=1).max() <= answer.bound * (1 + 1e-12)


def test_a_bound_that_is_met_is_exact() -> None:
    # Three equal curves, two of them active: the best such plan spends half the budget on each.
    problem = boxes([Hill(1, 1, 3)] * 3, 3.0)
    at = np.full(3, 0.6)
    answer = relaxed(problem, Counted(at, 0, 2))
    assert answer.bound == pytest.approx(2 * 1.5**3 / (1 + 1.5**3), rel=1e-12)
    assert sorted(answer.mixed()) == pytest.approx([0.0, 1.5, 1.5])
    # A third would earn what it adds at that price: the multiplier is between it and the second.
    assert answer.count_price > 0.0


def test_more_channels_than_pay_have_a_negative_price() -> None:
    problem = boxes([Hill(1, 1, 3)] * 3, 1.5)
    answer = relaxed(problem, Counted(np.full(3, 0.4), 3, 3))
    assert answer.bound == pytest.approx(3 * 0.5**3 / (1 + 0.5**3), rel=0.3)
    assert answer.count_price < 0.0


def test_a_cutoff_ends_the_search_early() -> None:
    problem = boxes([Hill(1 + 0.1 * i, 1, 3) for i in range(8)], 3.0)
    limit = Counted(np.full(8, 0.6), 0, 2)
    exact = relaxed(problem, limit)
    early = relaxed(problem, limit, cutoff=1.2 * exact.bound)
    assert exact.bound <= early.bound <= 1.2 * exact.bound
    assert early.iterations < exact.iterations


def test_a_limit_narrows_the_box_it_uses_up() -> None:
    lower, upper = np.array([0.0, 0.5, 0.0]), np.array([1.0, 1.0, 0.2])
    at = np.full(3, 0.4)
    inside = Counted(at, 0, 1).inside(lower, upper)  # the second is beyond: nobody else may be
    assert inside is not None
    assert inside[1].tolist() == [0.4, 1.0, 0.2]
    inside = Counted(at, 2, 3).inside(lower, upper)  # the third cannot: both others must be
    assert inside is not None
    assert inside[0].tolist() == [0.4, 0.5, 0.0]
    assert Counted(at, 3, 3).inside(lower, upper) is None
    assert Counted(at, 0, 0).inside(lower, upper) is None


def test_thresholds_are_as_far_along_every_line() -> None:
    curves: list[Saturation] = [Hill(1, 1, 3), Hill(2, 4, 3), Hill(1, 1, 0.7)]
    problem = boxes(curves, 20.0)
    model = Relaxation(problem)
    box = model.box(problem.lower, problem.upper)
    at = thresholds(model, box, 0, 0.25 * float(box.end[0]))
    assert at[:2] == pytest.approx(0.25 * box.end[:2])
    assert at[2] == np.inf  # concave from the start: no line, no count
