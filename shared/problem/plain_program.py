"""One budget over boxes: the form in which the dual solves it, and that of everything else."""

from __future__ import annotations

import numpy as np

from shared.problem.canonical import Canonical
from shared.problem.program import Program, Rows

__all__ = ["as_canonical", "as_program"]


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
        current=None if np.isnan(canonical.current).any() else canonical.current.reshape(column),
        scale=max(budget, 1e-300),
    )


def as_canonical(program: Program) -> Canonical | None:
    """The arrays of one budget over boxes; None where a program says more than that.

    Spend sustained at ``carry`` is folded into the curves.
    """
    rows = program.rows
    one = program.columns == 1 and program.weight.shape[1] == 1 and len(rows.names) == 1
    if not one or program.discrete or program.pairs or program.sums:
        return None
    budget, least = float(rows.upper[0]), float(rows.lower[0])
    carry = program.carry[:, 0, 0]
    plain = (
        np.all(rows.matrix == 1.0)
        and np.all(program.spread == 1.0)
        and np.all(program.weight == 1.0)
        and np.all(program.carry_in == 0.0)
        and np.all(carry > 0.0)
        and 0.0 < budget < np.inf
        and least in (budget, -np.inf)
        and program.draw_weights is None
    )
    if not plain:
        return None
    folded = bool(np.any(carry != 1.0))
    draws, current = program.draws, program.current
    lower = program.lower[:, 0]
    return Canonical(
        names=program.names,
        curves=program.curves.scaled(carry) if folded else program.curves,
        draws=draws.scaled(carry) if folded and draws is not None else draws,
        current=np.full(program.arms, np.nan) if current is None else current[:, 0],
        lower=lower,
        # No arm can have more than the others' floors leave over.
        upper=np.minimum(program.upper[:, 0], lower + max(budget - float(lower.sum()), 0.0)),
        lower_by=program.lower_by,
        upper_by=program.upper_by,
        budget=budget,
        spend_all=least == budget,
    )
