"""The one check of a plan that was known before: whether a problem may begin with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.repair import rounded

__all__ = ["ALLOWED", "allowed", "decisions", "incumbent", "known_plan"]

Array = NDArray[np.float64]

ALLOWED = 1e-6  # violation, relative to the money at stake, up to which a plan counts as feasible


def allowed(program: Program, u: Array, tolerance: float = 1e-8) -> bool:
    """Whether a plan (A, K) keeps to everything to ``tolerance`` of the scale; choices exactly."""
    if not program.switches.keeps(u > 0.0) or not program.violation(u) <= tolerance:
        return False
    active = (u > 0.0).any(axis=1)
    return all(int(active[list(limit.arms)].sum()) <= limit.count for limit in program.at_most)


def incumbent(program: Program, u: Array | None) -> Array | None:
    """A plan (A, K) on every bound, row and discrete rule of ``program`` to rounding.

    None where there is none, or where it breaks one by more than :data:`ALLOWED`: what was best
    for another problem (or is what is done today) bounds nothing that it is no plan for.
    """
    if u is None or u.shape != program.lower.shape or not program.violation(u) <= ALLOWED:
        return None
    return rounded(program, u)


def known_plan(program: Program) -> Array | None:
    """Today's spend as decisions (A, K); None where it is not known or not allowed."""
    current = program.current
    return None if current is None else incumbent(program, decisions(program, current))


def decisions(program: Program, spend: Array) -> Array | None:
    """Money (A, T) of the arms that spend as decisions (A, K); None where none say just that."""
    own = program.arms - len(program.sums)
    spread, spend = program.spread[:own], spend[:own]
    if spend.shape != spread.shape[:2] or not np.all(np.isfinite(spend)):
        return None
    if program.columns == 1:
        size = np.einsum("atk,atk->ak", spread, spread)
        u = np.einsum("atk,at->ak", spread, spend) / np.maximum(size, 1e-300)
    else:
        u = np.stack(
            [np.linalg.lstsq(s, m, rcond=None)[0] for s, m in zip(spread, spend, strict=True)]
        )
    off = float(np.abs(np.einsum("atk,ak->at", spread, u) - spend).max(initial=0.0))
    size_of = max(program.scale, float(np.abs(spend).max(initial=0.0)))
    return program.widened(u) if off <= 1e-9 * size_of else None
