"""Spend that nothing tells from none, taken away before a plan is certified."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.repair import rounded
from shared.problem.risk_program import objective
from shared.solve.certify.certificate import Certificate, violation

__all__ = ["swept"]

Floats = NDArray[np.float64]

SMALL = 1e-4  # of the money at stake over the decisions that share it: what may be a crumb
MISSED = 1e-8  # violation up to which a plan is one without its crumbs: what any search allows
UNSEEN = 1e-6  # of the objective: what no crumb costs more than, however large a gap is asked for


def swept(program: Program, u: Floats, certificate: Certificate, gap: float) -> Floats | None:
    """The plan (A, K) without its crumbs, every rule kept; None where it has none.

    Spend is a crumb where the certificate's gap cannot tell the plan from one without it: what is
    freed goes where the rules allow, and the objective loses less than is left of the gap that was
    asked for. Of what costs too much together, the largest stays.
    """
    own = np.arange(program.arms)[:, None] < program.arms - len(program.sums)
    money = u * program.money_per_unit()
    between = own & (u > 0.0) & (u < program.least_active)
    small = SMALL * program.scale / max(int(np.sum(own & (u > 0.0))), 1)
    some = own & (u > 0.0) & (program.lower <= 0.0) & (money <= small)
    if not np.any(some | between):
        return None
    size = max(abs(certificate.objective), abs(certificate.upper_bound))
    size = size if np.isfinite(size) else abs(certificate.objective)
    left = gap * size - certificate.gap
    left = min(UNSEEN * size, gap * size, left if left >= 0.0 else np.inf)
    cells = np.flatnonzero(some | between)
    cells = cells[np.argsort(money.ravel()[cells], kind="stable")]
    missed = max(certificate.max_constraint_violation, MISSED)
    while cells.size:
        gone = np.zeros(u.size, dtype=bool)
        gone[cells] = True
        clean = _without(program, u, gone.reshape(u.shape))
        if (
            clean is not None
            and violation(program, clean) <= missed
            and certificate.objective - objective(program, clean) <= left
        ):
            return clean
        cells = cells[: cells.size // 2]
    return None


def _without(program: Program, u: Floats, gone: NDArray[np.bool_]) -> Floats | None:
    """The nearest plan that spends nothing in the cells ``gone``; None where there is none."""
    upper = np.where(gone & (program.lower <= 0.0), 0.0, program.upper)
    return rounded(replace(program, upper=upper), np.where(gone, 0.0, u))
