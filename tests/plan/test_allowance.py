"""Time shared out among the problems of one request."""

from __future__ import annotations

import math

from shared.plan.sweep import TOTAL_S, Allowance
from tests.plan.problems import two_michaelis_menten


def test_a_problem_keeps_its_own_limit_while_there_is_enough() -> None:
    problem = two_michaelis_menten()
    allowed = Allowance(2, until=math.inf)
    assert allowed.next(problem) == problem
    assert allowed.left == 1


def test_many_problems_share_what_there_is() -> None:
    problem = two_michaelis_menten()
    allowed = Allowance(100)
    limit = allowed.next(problem).options.time_limit_s
    assert 0.0 < limit <= TOTAL_S / 100
    # Late, a problem still gets enough for a plan and a bound.
    assert 0.0 < Allowance(3, until=-math.inf).next(problem).options.time_limit_s < 1.0
