"""Deciding period by period: each step against a grid, the budget kept, foresight never worse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.plan.sequential import decide_in_turn, step
from shared.problem.lower import lower
from shared.problem.model import Horizon, Problem
from shared.problem.program import Program
from tests.plan.problems import two_michaelis_menten


def best_on_a_grid(program: Program) -> np.ndarray:
    """Two arms and one budget row that is an equality: try every split."""
    total = program.rows.upper[list(program.rows.names).index("budget")]
    first = np.linspace(0.0, total, 4001)
    worth = [program.outcome(np.array([[x], [total - x]])) for x in first]
    x = first[int(np.argmax(worth))]
    return np.array([[x], [total - x]])


def over_time(**changes: object) -> Problem:
    base = two_michaelis_menten()
    tv = replace(base.channels[0].response, adstock=Geometric(0.6))
    channels = (replace(base.channels[0], response=tv), base.channels[1])
    return replace(base, channels=channels, budget=300.0, horizon=Horizon(periods=3), **changes)


def test_each_period_gets_an_even_part_of_what_is_left() -> None:
    spent = decide_in_turn(lower(over_time()), best_on_a_grid)
    assert spent.sum(axis=0) == pytest.approx([100.0, 100.0, 100.0])


def test_what_was_spent_before_comes_in_as_carryover() -> None:
    program = lower(over_time())
    spent = np.array([[80.0, 0.0, 0.0], [20.0, 0.0, 0.0]])
    second = step(program, 1, spent)
    assert second.carry_in[:, 0] == pytest.approx([0.6 * 80.0, 0.0])
    assert second.adstocked(np.array([[10.0], [5.0]]))[:, 0] == pytest.approx([58.0, 5.0])


def test_the_steps_values_add_up_to_the_plans() -> None:
    program = lower(over_time())
    spent = decide_in_turn(program, best_on_a_grid)
    steps = [step(program, t, spent).outcome(spent[:, t : t + 1]) for t in range(3)]
    assert sum(steps) == pytest.approx(program.outcome(spent))


def test_later_periods_spend_less_where_carryover_does_the_work() -> None:
    spent = decide_in_turn(lower(over_time()), best_on_a_grid)
    assert spent[0, 0] > spent[0, 1] > spent[0, 2]
