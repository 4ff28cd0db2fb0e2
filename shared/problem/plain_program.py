"""One budget over boxes in the form of everything else."""

from __future__ import annotations

import numpy as np

from shared.problem.canonical import Canonical
from shared.problem.program import Program, Rows

__all__ = ["as_program"]


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
