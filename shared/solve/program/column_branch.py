"""Where to split an arm's values, and which arms a limit on their number tears."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.solve.program.arms import Domain
from shared.solve.program.columns import Mixed

__all__ = ["between", "count_excess"]

Array = NDArray[np.float64]


def between(domain: Domain, arm: int, u: float, low: float, high: float) -> float:
    """Where to split an arm's values: in the hole around ``u``, else at ``u`` itself."""
    if domain.zero[arm] and domain.low[arm] > 0.0 and low == 0.0:
        return 0.5 * float(domain.low[arm])
    lot = float(domain.lot[arm])
    if lot > 0.0:
        return (float(np.floor(u / lot + 1e-9)) + 0.5) * lot
    margin = 0.02 * (high - low)
    return float(np.clip(u, low + margin, high - margin))


def count_excess(program: Program, mixed: Mixed, domain: Domain) -> Array:
    """(A,) how torn each arm is between spending and not, where a limit on the number binds."""
    n = program.arms
    out = np.full(n, -np.inf)
    active = np.bincount(mixed.arm, weights=mixed.share * (mixed.at > 0.0), minlength=n)
    for limit in program.at_most:
        arms = np.array(limit.arms, dtype=np.intp)
        if active[arms].sum() < limit.count - 1e-6:
            continue
        torn = np.minimum(active[arms], 1.0 - active[arms])
        free = ~domain.counted[arms] & domain.zero[arms] & domain.active[arms]
        spread = np.where(domain.active & domain.zero, mixed.gains.active, 0.0)
        loss = np.abs(spread - np.where(spread == 0.0, 0.0, mixed.gains.zero))[arms]
        score = np.where(free & (torn > 1e-6), torn * np.maximum(loss, 1e-12), -np.inf)
        out[arms] = np.maximum(out[arms], score)
    return out
