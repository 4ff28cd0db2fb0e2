"""Plans from the relaxation over boxes: take sides, then solve the concave problem that is left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.solve.engines.envelopes import Enveloper, ProgramBox, ProgramEnvelope

__all__ = ["pulses", "sides_of", "snapped"]

Array = NDArray[np.float64]
_PULSES = 24  # sizes of a spend that are tried


def snapped(program: Program, u: Array) -> Array:
    """The values the decisions may take nearest to ``u``; at most so many arms keep anything."""
    out = np.clip(u, program.lower, program.upper)
    lot = np.where(program.lot > 0.0, program.lot, 1.0)[:, None]
    out = np.where((program.lot > 0.0)[:, None], np.round(out / lot) * lot, out)
    least = program.least_active
    low = (least > 0.0) & (out < least)
    out = np.where(low, np.where(out > 0.5 * least, least, 0.0), out)
    out = np.where(out <= 1e-7 * max(program.scale, 1e-300), np.maximum(program.lower, 0.0), out)
    total = out.sum(axis=1)
    for limit in program.at_most:
        arms = np.array(limit.arms, dtype=np.intp)
        order = np.argsort(-total[arms], kind="stable")
        out[arms[order[limit.count :]]] = 0.0
    return out


def pulses(program: Program) -> list[Array]:
    """Plans (A, K) of single spends, each as large as returns most per unit of money: the best one
    alone, the best two together, and so on, twice as many from plan to plan."""
    money = program.spread.sum(axis=1)
    best: list[tuple[float, int, int, float]] = []
    least = program.response(program.adstocked(program.lower)).sum(axis=1)
    shares = np.geomspace(1e-3, 1.0, _PULSES)
    for k in range(program.columns):
        reach = program.upper[:, k] - program.lower[:, k]
        tried: list[Array] = []
        for share in shares:
            u = program.lower.copy()
            u[:, k] += share * reach
            gain = program.response(program.adstocked(u)).sum(axis=1) - least
            tried.append(gain / np.maximum(share * reach * money[:, k], 1e-300))
        returns = np.where(reach > 0.0, np.stack(tried), 0.0)
        top = np.argmax(returns, axis=0)
        best += [
            (float(returns[top[a], a]), a, k, float(shares[top[a]] * reach[a]))
            for a in range(program.arms)
        ]
    plans, plan, size = [], program.lower.copy(), 1
    for count, (_, a, k, rise) in enumerate(sorted(best, reverse=True), 1):
        plan[a, k] += rise
        if count == size or count == len(best):
            plans.append(plan.copy())
            size *= 2
    return plans


def sides_of(
    program: Program,
    enveloper: Enveloper,
    box: ProgramBox,
    u: Array,
    *,
    envelope: ProgramEnvelope | None = None,
    share: float = 0.0,
) -> ProgramBox:
    """The part of a box on a plan's side of every choice.

    Responses at or beyond their bend stay there; all others stay below it. With an ``envelope``
    those on its line are put beyond the bend from ``share`` of the line on. Decisions keep to 0, to
    at least their minimum, and to the lot they are nearest to.
    """
    z = program.adstocked(u)
    bend = np.where(np.isfinite(enveloper.bend), enveloper.bend, 0.0)[:, None]
    high_side = z >= bend
    if envelope is not None:
        line = envelope.length[:-1].sum(axis=0)
        start = envelope.box.z_lower
        high_side = z >= np.where(line > 0.0, start + share * line, bend)
    z_lower = np.where(high_side, np.maximum(box.z_lower, bend), box.z_lower)
    z_upper = np.where(high_side, box.z_upper, np.minimum(box.z_upper, bend))
    z_lower, z_upper = np.minimum(z_lower, box.z_upper), np.maximum(z_upper, box.z_lower)
    u_lower, u_upper = box.u_lower, box.u_upper
    if program.discrete:
        near = snapped(program, u)
        active = (near > 0.0).any(axis=1)
        limited = np.zeros(program.arms, dtype=bool)
        for limit in program.at_most:
            limited[list(limit.arms)] = True
        off = (limited & ~active)[:, None] | ((program.least_active > 0.0) & (near <= 0.0))
        u_upper = np.where(off, np.minimum(u_upper, 0.0), u_upper)
        on = ~off & (program.least_active > 0.0)
        u_lower = np.where(on, np.maximum(u_lower, program.least_active), u_lower)
        on_lots = np.broadcast_to((program.lot > 0.0)[:, None], near.shape)
        u_lower, u_upper = np.where(on_lots, near, u_lower), np.where(on_lots, near, u_upper)
    return ProgramBox(u_lower, np.maximum(u_lower, u_upper), z_lower, z_upper)
