"""Frontiers: their ends are the problems solved apart, and no point is better in both goals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.errors import InvalidInput
from shared.plan.optimize import make_plan
from shared.plan.scenarios import KINDS, frontier
from shared.problem.model import Goal, Horizon, Problem, Risk
from tests.plan.problems import s_shaped_with_draws, two_michaelis_menten


def base(between: str) -> Problem:
    if between == "expected_worst_case":
        return s_shaped_with_draws(count=24)
    problem = two_michaelis_menten(spend_all=False, goal=Goal(value_per_outcome=0.4))
    if between == "short_long_term":
        tv, search = two_michaelis_menten().channels
        tv = replace(tv, response=replace(tv.response, adstock=Geometric(0.5)))
        return Problem((tv, search), budget=300.0, horizon=Horizon(periods=3))
    return problem


@pytest.mark.parametrize("between", list(KINDS))
def test_points_run_from_one_goal_to_the_other(between: str) -> None:
    found = frontier(base(between), between, 5)
    points = found["points"]
    first = np.array([point["first"] for point in points])
    second = np.array([point["second"] for point in points])
    assert points[0]["position"] == 0.0
    assert points[-1]["position"] == 1.0
    assert len(points) == 5
    slack = 1e-4 * np.ptp(first) + 1e-6 * abs(first).max()
    assert np.all(np.diff(first) <= slack)
    assert np.all(np.diff(second) >= -1e-4 * np.ptp(second) - 1e-6 * abs(second).max())
    assert not any(point["dominated"] for point in points[1:-1])
    assert found["warnings"] == []


def test_the_ends_are_the_problems_solved_apart() -> None:
    problem = base("outcome_profit")
    points = frontier(problem, "outcome_profit", 3)["points"]
    most = make_plan(replace(problem, goal=Goal()))
    profit = make_plan(replace(problem, goal=Goal("maximize_profit", value_per_outcome=0.4)))
    assert points[0]["first"] == pytest.approx(most.best.total, rel=1e-6)
    best = 0.4 * profit.best.total - profit.best.money
    assert points[-1]["second"] == pytest.approx(best, rel=1e-6)


def test_the_worst_case_end_is_the_worst_case_plan() -> None:
    problem = s_shaped_with_draws(count=8)
    points = frontier(problem, "expected_worst_case", 2)["points"]
    careful = make_plan(replace(problem, risk=Risk("worst_case")))
    draws = careful.best.total_draws()
    assert draws is not None
    assert points[-1]["second"] == pytest.approx(float(draws.min()), rel=1e-6)


def test_nothing_to_trade_is_said() -> None:
    problem = two_michaelis_menten(goal=Goal(value_per_outcome=5.0))  # all money must be spent
    found = frontier(problem, "outcome_profit", 7)
    assert [warning["code"] for warning in found["warnings"]] == ["frontier_is_a_point"]
    assert len(found["points"]) == 2


@pytest.mark.parametrize(
    ("between", "pointer"),
    [
        ("outcome_profit", "/base/objective/value_per_outcome"),
        ("short_long_term", "/base/horizon/periods"),
        ("expected_worst_case", "/frontier/between"),
    ],
)
def test_what_a_goal_needs_is_asked_for(between: str, pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        frontier(two_michaelis_menten(), between, 3)
    assert caught.value.faults[0].pointer == pointer
