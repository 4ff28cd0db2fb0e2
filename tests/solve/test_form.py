"""The view of one budget over boxes: which programs it takes, and what becomes of the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill
from shared.problem.lower import lower
from shared.problem.model import (
    Channel,
    Constraint,
    Goal,
    Horizon,
    Interaction,
    Problem,
    Risk,
    SolverOptions,
)
from shared.solve.certify.certificate import certify
from shared.solve.one_budget.form import one_budget
from shared.solve.solver import solve, solve_program

CURVE = Response(Hill(100.0, 20.0, 2.0), Geometric(0.4), draws=(Hill(90.0, 20.0, 2.0),) * 2)
TV, RADIO = Channel("tv", CURVE), Channel("radio", Response(Exponential(50.0, 0.05)))
PLAIN = Problem((TV, RADIO), budget=60.0)
BELOW = (Channel("a", CURVE), Channel("b", RADIO.response))


@pytest.mark.parametrize(
    "problem",
    [
        PLAIN,
        replace(PLAIN, spend_all=False),
        replace(PLAIN, channels=(replace(TV, min_total=5.0), RADIO)),
        replace(PLAIN, goal=Goal("maximize_reach")),
        replace(PLAIN, channels=(replace(TV, campaigns=BELOW), RADIO)),
        replace(PLAIN, budget=0.0),
    ],
    ids=["plain", "a cap", "a total of one period", "reach", "campaigns", "no money"],
)
def test_one_budget_over_boxes_is_taken_and_solved(problem: Problem) -> None:
    program = lower(problem)
    assert one_budget(program) is not None
    found, other = (way(program, SolverOptions()) for way in (solve, solve_program))
    proof, check = (certify(program, each.plan, each.proof) for each in (found, other))
    assert proof.proven
    assert proof.relative_gap <= 1e-6
    assert proof.objective == pytest.approx(check.objective, rel=2e-6)


@pytest.mark.parametrize(
    "problem",
    [
        replace(PLAIN, budget=None, goal=Goal("maximize_profit", value_per_outcome=2.0)),
        replace(PLAIN, goal=Goal(target_roas=0.5)),
        replace(PLAIN, risk=Risk("cvar")),
        replace(PLAIN, constraints=(Constraint("c", ("tv",), max_share=0.5),)),
        replace(PLAIN, channels=(replace(TV, increment=5.0), RADIO)),
        replace(PLAIN, channels=(replace(TV, period_weights=(2.0,)), RADIO)),
        replace(PLAIN, interactions=(Interaction(("tv", "radio"), 5.0),)),
        replace(PLAIN, horizon=Horizon(2)),
        replace(PLAIN, horizon=Horizon(2, "constant")),
    ],
)
def test_what_says_more_is_left_to_others(problem: Problem) -> None:
    assert one_budget(lower(problem)) is None


def test_bounds_that_no_plan_keeps_are_left_to_others() -> None:
    program = lower(PLAIN)
    assert one_budget(replace(program, lower=np.full((2, 1), 31.0))) is None
    assert one_budget(replace(program, upper=np.full((2, 1), 29.0))) is None
