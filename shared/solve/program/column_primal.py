"""Plans of programs with one decision per arm, from the mix of values the relaxation likes.

First which side each arm is on (nothing, which lot, the concave part of its curve), by rounding or
by a small integer programme over the columns at hand; then, with the sides fixed, what is left is
concave and the same relaxation solves it exactly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import highs
from shared.problem.program import Program
from shared.solve.program.arms import ArmFunctions, Domain
from shared.solve.program.columns import Master, Mixed

__all__ = ["fixed_sides", "integer_mix", "patterns", "within_limits"]

Array = NDArray[np.float64]


def within_limits(program: Program, u: Array) -> bool:
    """Whether no limit on how many arms spend is broken."""
    return all(
        int(np.count_nonzero(u[list(limit.arms)] > 0.0)) <= limit.count for limit in program.at_most
    )


def patterns(program: Program, mixed: Mixed, domain: Domain) -> list[Array]:
    """Values (A,) that take sides: the mix rounded, each arm's favourite, its ends."""
    n = program.arms
    torn = np.bincount(mixed.arm, minlength=n) > 1
    out = [domain.nearest(mixed.u)]
    if np.any(torn):
        order = np.argsort(mixed.share, kind="stable")
        favourite = mixed.u.copy()
        favourite[mixed.arm[order]] = mixed.at[order]
        low, high = np.full(n, np.inf), np.full(n, -np.inf)
        np.minimum.at(low, mixed.arm, mixed.at)
        np.maximum.at(high, mixed.arm, mixed.at)
        out += [favourite, domain.nearest(high), domain.nearest(low)]
    return [_limited(program, mixed, pattern) for pattern in out]


def _limited(program: Program, mixed: Mixed, pattern: Array) -> Array:
    """The pattern with the arms of least activity put to 0 where too many spend."""
    out = pattern.copy()
    activity = np.bincount(
        mixed.arm, weights=mixed.share * (mixed.at > 0.0), minlength=pattern.size
    ) * (1.0 + 1e-6 * mixed.u / max(float(np.max(mixed.u, initial=0.0)), 1e-300))
    for limit in program.at_most:
        arms = np.array(limit.arms, dtype=np.intp)
        spending = arms[out[arms] > 0.0]
        order = np.argsort(-activity[spending], kind="stable")
        out[spending[order[limit.count :]]] = 0.0
    return out


def fixed_sides(functions: ArmFunctions, domain: Domain, pattern: Array) -> Domain:
    """The part of the domain on the pattern's side of every choice: concave, no choice left.

    Arms on lots, and arms on the convex part of their curve, stay where they are.
    """
    low, high = domain.low.copy(), domain.high.copy()
    bend = functions.bend()
    off = (pattern <= 0.0) & domain.zero
    choice = domain.zero & (domain.low > 0.0)
    limited = np.zeros(low.size, dtype=bool)
    for limit in functions.program.at_most:
        limited[list(limit.arms)] = True
    stay = (domain.lot > 0.0) | ((pattern < bend) & np.isfinite(bend)) | (off & (choice | limited))
    low = np.where(stay, pattern, np.maximum(low, np.where(np.isfinite(bend), bend, 0.0)))
    high = np.where(stay, pattern, high)
    zero = np.zeros(low.size, dtype=bool)
    return replace(
        domain,
        low=low,
        high=np.maximum(low, high),
        zero=zero | (stay & (pattern == 0.0)),
        lot=np.zeros(low.size),
        counted=np.zeros(low.size, dtype=bool),
    )


def integer_mix(
    master: Master, mixed: Mixed, domain: Domain, *, near: int, node_limit: int, deadline: float
) -> Array | None:
    """Values (A,) from the columns by an integer programme: whole lots, whole choices.

    ``near`` lots on either side of the mix are offered as columns. None where nothing was found.
    """
    import scipy.sparse as sparse
    from scipy.optimize import Bounds, LinearConstraint

    program, columns, n = master.program, master.columns, master.functions.n
    arms = np.flatnonzero((domain.lot > 0.0) & domain.active)
    for step in range(-near, near + 1):
        lots = np.round(mixed.u[arms] / domain.lot[arms]) + step
        at = np.clip(lots * domain.lot[arms], domain.low[arms], domain.high[arms])
        columns.add(arms, at)
    inside = (columns.at >= domain.low[columns.arm]) & (columns.at <= domain.high[columns.arm])
    inside |= domain.zero[columns.arm] & (columns.at == 0.0)
    lot = domain.lot[columns.arm]
    reach = np.abs(columns.at - mixed.u[columns.arm]) <= (near + 1.0) * lot
    inside &= (lot <= 0.0) | reach | (columns.at == 0.0)
    used = np.flatnonzero(inside)
    arm, at, gain = columns.arm[used], columns.at[used], columns.worth(program)[used] / master.money
    k, rows = used.size, program.rows
    limited = np.zeros(n, dtype=bool)
    blocks: list[Any] = []
    for limit in program.at_most:
        limited[list(limit.arms)] = True
        row, count = master.limit(limit.arms, limit.count, arm, at, domain)
        blocks.append(LinearConstraint(row[None, :], -np.inf, count))
    if program.floors:
        least = np.array([floor.constant for floor in program.floors]) / master.size
        blocks.append(LinearConstraint(master.surplus(used), least, np.inf))
    choice = domain.zero & ((domain.low > 0.0) | limited)
    whole = (domain.lot[arm] > 0.0) | (choice[arm] & (at == 0.0))
    body = master.matrix[:, arm] * at / master.row_scale[:, None]
    blocks.append(
        LinearConstraint(
            sparse.csr_array(body), rows.lower / master.row_scale, rows.upper / master.row_scale
        )
    )
    convex = sparse.csr_array((np.ones(k), (arm, np.arange(k))), shape=(n, k))
    blocks.append(LinearConstraint(convex, 1.0, 1.0))
    answer = highs.milp(
        -gain,
        deadline=deadline,
        gap=1e-7,
        nodes=node_limit,
        integrality=whole.astype(int),
        bounds=Bounds(0.0, 1.0),
        constraints=blocks,
    )
    if answer.x is None:
        return None
    share = np.where(whole, np.round(answer.x), np.maximum(answer.x, 0.0))
    u = np.bincount(arm, weights=share * at, minlength=n)
    return domain.nearest(u)
