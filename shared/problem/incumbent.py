"""The one check of a plan that was known before: whether a problem may begin with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.canonical import Canonical
from shared.problem.plain_program import as_program
from shared.problem.program import Program
from shared.problem.repair import rounded

__all__ = ["ALLOWED", "incumbent"]

Array = NDArray[np.float64]

ALLOWED = 1e-6
"""Violation, relative to the money at stake, up to which a plan counts as feasible."""


def incumbent(task: Program | Canonical, plan: Array | None) -> Array | None:
    """A plan, (A, K) or (n,), on every bound, row and discrete rule of ``task`` to rounding.

    None where there is none, or where it breaks one by more than :data:`ALLOWED`: what was best
    for another problem (or is what is done today) bounds nothing that it is no plan for.
    """
    if plan is None or plan.shape != task.lower.shape:
        return None
    program = as_program(task) if isinstance(task, Canonical) else task
    u = plan.reshape(program.lower.shape)
    if not program.violation(u) <= ALLOWED:
        return None
    kept = rounded(program, u)
    return None if kept is None else kept.reshape(plan.shape)
