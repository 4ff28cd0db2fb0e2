"""Shadow prices of goals of spend and outcome over boxes, against problems solved again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.problem.model import Goal, Problem, SolverOptions
from tests.plan.test_shadow_prices import (
    Move,
    base,
    changed,
    check,
    more_budget,
    moved,
    with_channel,
)


def goal(**changes: Any) -> Problem:
    return replace(base(goal=Goal(**changes)), budget=None, spend_all=False)


BOXED: dict[str, tuple[Problem, dict[str, Move]]] = {
    "profit with a ceiling": (
        with_channel(goal(goal="maximize_profit", value_per_outcome=0.8), "tv", max_spend=60.0),
        {"tv.max_spend": moved("tv", "max_spend", 1.0)},
    ),
    "profit with all spent and a floor": (
        replace(
            with_channel(
                goal(goal="maximize_profit", value_per_outcome=0.8), "search", min_spend=45.0
            ),
            budget=100.0,
            spend_all=True,
        ),
        {"budget": more_budget, "search.min_spend": moved("search", "min_spend", -1.0)},
    ),
    "the least spend with a ceiling": (
        with_channel(goal(goal="minimize_spend", target_outcome=420.0), "search", max_spend=15.0),
        {"search.max_spend": moved("search", "max_spend", 1.0)},
    ),
    "a target with a change limit": (
        with_channel(goal(target_roas=4.0), "tv", max_change=0.05),
        {"tv.max_change": changed("tv")},
    ),
}


@pytest.mark.parametrize("name", BOXED)
def test_prices_of_goals_over_boxes(name: str) -> None:
    problem, moves = BOXED[name]
    assert problem.boxed
    check(replace(problem, options=SolverOptions(gap=1e-9)), moves)
