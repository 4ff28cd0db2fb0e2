"""What solving a general program comes back with, and the plan that is known before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.problem.incumbent import incumbent
from shared.problem.program import Program
from shared.problem.proof import Proof

__all__ = ["SolvedProgram", "decisions", "known_plan"]

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
        For :func:`shared.solve.certify.certificate.certify`.
    row_prices
        (m,) objective gained by one more unit on the row's binding side: positive where its upper
        side binds, negative where its lower does, 0 elsewhere; choices kept as they are.
    thetas
        What the objective gains when each target is relaxed by one outcome.
    finished
        Whether the gap was reached, by the search's own account.
    """

    u: Array
    method: str
    why: str
    iterations: int
    nodes: int
    proof: Proof
    row_prices: Array
    finished: bool
    thetas: tuple[float, ...] = ()


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
