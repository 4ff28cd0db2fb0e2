"""What is cut away must really be below the cutoff."""

from __future__ import annotations

import numpy as np
import pytest
from problems import random_plans, random_problem

from shared.solve.one_budget.dual import relax
from shared.solve.one_budget.engine import reduce_box
from shared.solve.one_budget.relaxation import Relaxation


@pytest.mark.parametrize("seed", range(25))
def test_no_plan_above_the_cutoff_is_cut_away(seed: int) -> None:
    rng = np.random.default_rng(seed)
    draws = 8 if seed % 5 == 0 else 0
    problem = random_problem(rng, 5, ("s_hill", "sigmoid", "tabulated", "exponential"), draws)
    model = Relaxation(problem)
    box = model.box(problem.lower, problem.upper)
    relaxed = relax(model, box, problem.budget)
    assert relaxed is not None
    plans = random_plans(rng, problem, 400)
    values = problem.outcome(plans).sum(axis=1)
    cutoff = float(np.quantile(values, 0.9))
    narrower = reduce_box(model, box, relaxed, cutoff)
    if narrower is None:
        return
    lower, upper = narrower
    hair = 1e-9 * problem.budget
    outside = np.any((plans < lower - hair) | (plans > upper + hair), axis=1)
    assert np.all(values[outside] <= cutoff * (1 + 1e-6))


def test_a_good_cutoff_pins_nearly_all_channels() -> None:
    problem = random_problem(np.random.default_rng(0), 200, ("s_hill", "sigmoid"))
    model = Relaxation(problem)
    box = model.box(problem.lower, problem.upper)
    relaxed = relax(model, box, problem.budget)
    assert relaxed is not None
    narrower = reduce_box(model, box, relaxed, relaxed.bound * (1 - 1e-5))
    assert narrower is not None
    lower, upper = narrower
    undecided = (lower < model.bend) & (upper > model.bend)
    assert np.count_nonzero(undecided) <= 10
