"""Random instances: reproducible, feasible, and of the class that they are said to be."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.classes import RULES, draw, goal_of, paired, planned, risky, ruled
from benchmarks.questions import arrays_of
from shared.problem.aim import aim_of
from shared.problem.feasibility import feasible_point
from shared.problem.lower import lower
from shared.problem.model import Risk


@pytest.mark.parametrize("shape", ["concave", "S-shaped"])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_makes_feasible_programs_that_hold_it(rule: str, shape: str) -> None:
    for problem in draw(ruled(rule, 9, shape, gap=1e-4, limit_s=1.0), 3):
        program = lower(problem)
        # With lots the budget need not be spent: nothing at all is a plan, and found at once.
        plan = np.zeros_like(program.lower) if rule == "lots" else feasible_point(program)
        assert program.violation(plan) < 1e-9
        assert program.discrete == (rule in ("zero or minimum", "at most k", "lots"))
        assert (len(program.rows.names) > 1) == (rule in ("group", "share"))
        assert bool(np.any(program.curves.inflection() > 0)) == (shape == "S-shaped")


def test_the_first_instances_are_the_same_whatever_their_number() -> None:
    make = ruled("group", 6, "S-shaped", gap=1e-4, limit_s=1.0)
    assert draw(make, 4)[:2] == draw(make, 2)
    assert draw(make, 1, seed=1) != draw(make, 1, seed=2)


def test_plans_carry_over_and_shares_are_one_column() -> None:
    plan = lower(draw(planned(3, 5, "concave", gap=1e-6, limit_s=1.0), 1)[0])
    assert plan.lower.shape == (3, 5)
    assert np.all(plan.carry[:, 4, :4].sum(axis=1) > 0.0)
    shares = planned(3, 5, "concave", "fixed_shares", gap=1e-6, limit_s=1.0)
    assert lower(draw(shares, 1)[0]).lower.shape == (3, 1)


def test_interactions_are_of_curves_with_a_ceiling() -> None:
    for shape in ("concave", "S-shaped"):
        program = lower(draw(paired(6, shape, gap=1e-4, limit_s=1.0), 1)[0])
        assert len(program.pairs) == 6
        assert np.all(np.isfinite(program.supremum()))


def test_draws_surround_their_curve_and_targets_can_be_met() -> None:
    problem = draw(risky(5, 400, "S-shaped", Risk(), gap=1e-4, limit_s=1.0), 1)[0]
    task = arrays_of(problem)
    assert task.draws is not None
    x = np.full(5, task.budget / 5)
    mean, point = task.draws.mean_value(x).sum(), task.curves.value(x).sum()
    assert mean == pytest.approx(point, rel=0.2)
    for kind in ("profit", "least spend", "ROAS target"):
        problem = draw(goal_of(kind, 5, "concave", gap=1e-4, limit_s=1.0), 1)[0]
        arrays, aim = arrays_of(problem), aim_of(problem.goal)
        assert arrays.budget > 0.0
        assert len(aim.floors) == (kind != "profit")
