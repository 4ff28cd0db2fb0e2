"""What solving a general program comes back with, and the plan that is known before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.program_proof import ProgramProof
from shared.solve.program.box_primal import allowed

__all__ = ["SolvedProgram", "known_plan"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SolvedProgram:
    """A plan with what is needed to check and explain it.

    Attributes
    ----------
    u
        (A, K) decisions.
    method, why
        What was run and the reason, a sentence.
    iterations, nodes
        Steps of the relaxations (linear programmes, or Newton steps), and regions looked at.
    proof
        For :func:`shared.solve.certify.program_certificate.certify_program`.
    row_prices
        (m,) objective gained by one more unit on the row's binding side: positive where its upper
        side binds, negative where its lower does, 0 elsewhere; choices kept as they are.
    finished
        Whether the gap was reached, by the search's own account.
    """

    u: Array
    method: str
    why: str
    iterations: int
    nodes: int
    proof: ProgramProof
    row_prices: Array
    solve_ms: float
    finished: bool


def known_plan(program: Program) -> Array | None:
    """Today's spend as decisions (A, K); None where it is not known or cannot be written so."""
    current = program.current
    if current is None or not np.all(np.isfinite(current)):
        return None
    size = np.einsum("atk,atk->ak", program.spread, program.spread)
    if program.columns == 1:
        u = np.einsum("atk,at->ak", program.spread, current) / np.maximum(size, 1e-300)
    else:
        u = np.stack(
            [
                np.linalg.lstsq(spread, spend, rcond=None)[0]
                for spread, spend in zip(program.spread, current, strict=True)
            ]
        )
    u = program.widened(u)
    off = float(np.abs(program.spend(u) - current).max(initial=0.0))
    if off > 1e-9 * max(program.scale, float(np.abs(current).max(initial=0.0)), 1e-300):
        return None
    u = np.clip(u, program.lower, program.upper)
    return u if allowed(program, u) else None
