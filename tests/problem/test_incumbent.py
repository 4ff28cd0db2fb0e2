"""A plan known before counts only where it keeps every limit of the problem at hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential
from shared.problem.incumbent import ALLOWED, decisions, incumbent, known_plan
from shared.problem.lower import lower
from shared.problem.model import Channel, Constraint, Horizon, Problem

CURVE = Response(Exponential(100.0, 0.01))
MANY = 1e6
NAMES = ("a", "b", "c")


def problem(*channels: Channel, budget: float = 100.0, **more: Any) -> Problem:
    return Problem(channels=channels, budget=budget, **more)


def three(**more: Any) -> tuple[Channel, ...]:
    return tuple(Channel(name, CURVE, **more) for name in NAMES)


def test_todays_plan_counts_only_where_it_is_allowed() -> None:
    a, b = Channel("a", CURVE, current_spend=40), Channel("b", CURVE, current_spend=60)

    def today(*channels: Channel, **more: Any) -> list[float] | None:
        found = known_plan(lower(problem(*channels, **more)))
        return None if found is None else found[:, 0].tolist()

    assert today(a, b) == [40, 60]
    assert today(a, b, budget=101) is None
    assert today(a, b, budget=99) is None
    assert today(a, b, budget=101, spend_all=False) == [40, 60]
    assert today(a, replace(b, max_spend=50)) is None
    assert today(replace(a, min_spend=45), b) is None
    assert today(a, replace(b, current_spend=None)) is None


RULES: dict[str, tuple[Problem, list[float], list[float]]] = {
    # The problem of three channels, a plan that keeps it, and one that does not.
    "budget": (problem(*three(increment=1.0), budget=MANY), [MANY, 0, 0], [MANY, 2, 0]),
    "lots": (problem(*three(increment=MANY / 4), budget=MANY), [MANY, 0, 0], [MANY - 2, 2, 0]),
    "minima": (
        problem(*three(minimum_if_active=MANY / 5), budget=MANY),
        [MANY, 0, 0],
        [MANY - 2, 2, 0],
    ),
    "count": (
        problem(*three(), budget=MANY, constraints=(Constraint("k", NAMES, max_active=1),)),
        [0, MANY, 0],
        [0, MANY - 2, 2],
    ),
    "group": (
        problem(*three(), budget=MANY, constraints=(Constraint("g", ("a", "b"), max_share=0.5),)),
        [MANY / 2, 0, MANY / 2],
        [MANY / 2 + 2, 0, MANY / 2 - 2],
    ),
    "ceiling": (
        problem(*three(max_spend=MANY / 2, minimum_if_active=1.0), budget=MANY),
        [MANY / 2, MANY / 2, 0],
        [MANY / 2 + 2, MANY / 2 - 2, 0],
    ),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("mode", ["one", "time_varying", "constant", "fixed_shares"])
def test_a_plan_that_breaks_a_rule_by_twice_what_is_allowed_is_none(rule: str, mode: str) -> None:
    task, kept, broken = RULES[rule]
    periods = 1
    if mode != "one":
        task = replace(task, horizon=Horizon(4, mode=mode), budget=4 * MANY)
        periods = 4
    program = lower(task)

    def known(spend: list[float]) -> np.ndarray | None:
        money = np.repeat(np.array(spend, float)[:, None], periods, axis=1)
        u = decisions(program, money)
        assert u is not None
        found = incumbent(program, u)
        return None if found is None else program.spend(found)[:3]

    assert program.scale == periods * MANY
    found = known(kept)
    assert found is not None
    np.testing.assert_allclose(found, np.array(kept)[:, None].repeat(periods, 1), atol=1e-9 * MANY)
    worse = [x + (y - x) * periods for x, y in zip(kept, broken, strict=True)]
    assert known(worse) is None


@pytest.mark.parametrize("rule", RULES)
def test_what_a_plan_misses_by_rounding_is_made_up_for(rule: str) -> None:
    task, kept, broken = RULES[rule]
    program = lower(task)
    near = np.array(kept) + 0.2 * (np.array(broken) - np.array(kept))
    assert 1e-9 < program.violation(near[:, None]) < ALLOWED
    found = incumbent(program, near[:, None])
    assert found is not None
    assert program.violation(found) <= 1e-10


def test_what_is_no_plan_of_the_problem_is_none() -> None:
    one = lower(problem(*three()))
    assert incumbent(one, None) is None
    assert incumbent(one, np.array([[50.0], [50.0]])) is None
    assert incumbent(one, np.array([[50.0], [50.0], [np.nan]])) is None
    over_time = lower(problem(*three(), horizon=Horizon(2, mode="constant")))
    assert decisions(over_time, np.array([[10.0, 20.0], [20.0, 20.0], [10.0, 20.0]])) is None
    assert decisions(over_time, np.full((3, 3), 10.0)) is None
