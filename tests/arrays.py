"""Problems of one budget over boxes as arrays, for tests of what is computed from them."""

from __future__ import annotations

from dataclasses import replace

from shared.problem.lower import lower
from shared.problem.model import Goal, Problem, Risk
from shared.solve.one_budget.form import OneBudget, one_budget

__all__ = ["arrays_of"]


def arrays_of(problem: Problem) -> OneBudget:
    """The arrays of a problem, its goal and its measure of risk left aside."""
    found = one_budget(lower(replace(problem, risk=Risk(), goal=Goal())))
    assert found is not None
    return found
