"""The mixed-integer programme over pieces of the curves, as one of the methods by name."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from shared.problem.canonical import Canonical
from shared.problem.program import Program, Rows
from shared.solve.named.space import Searched
from shared.solve.program.piecewise import solve_piecewise

__all__ = ["as_program", "search_pieces"]

Array = NDArray[np.float64]


def search_pieces(
    program: Program, *, gap: float, deadline: float, start: Array | None
) -> Searched | None:
    """The best plan (flat) that the programme meets on its way; None where it meets none."""
    found = solve_piecewise(program, gap=gap, deadline=deadline, start=start)
    if found.u is None:
        return None
    return Searched(
        point=found.u.ravel(),
        value=found.value,
        evaluations=found.rounds,
        note=(
            "A mixed-integer programme over straight pieces of the curves, refined around its "
            f"plans in {found.rounds} rounds."
        ),
        finished=time.perf_counter() < deadline,
    )


def as_program(canonical: Canonical) -> Program:
    """One budget over boxes in the general form: one decision and one response per channel."""
    n, budget = canonical.n, canonical.budget
    ones, column = np.ones((n, 1, 1)), (n, 1)
    rows = Rows(
        matrix=np.ones((1, n)),
        lower=np.array([budget if canonical.spend_all else -np.inf]),
        upper=np.array([budget]),
        names=("budget",),
    )
    return Program(
        names=canonical.names,
        lower=canonical.lower.reshape(column),
        upper=canonical.upper.reshape(column),
        least_active=np.zeros(column),
        lower_by=canonical.lower_by,
        upper_by=canonical.upper_by,
        lot=np.zeros(n),
        rows=rows,
        spread=ones,
        carry=ones,
        carry_in=np.zeros(column),
        weight=np.ones(column),
        curves=canonical.curves,
        draws=canonical.draws,
        scale=max(budget, 1e-300),
    )
