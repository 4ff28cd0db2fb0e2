"""Where to split a region: decisions that are on no value they may take, and envelopes that err."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.proof import SplitDecision
from shared.solve.engines.envelopes import ProgramBox, ProgramEnvelope
from shared.solve.program.interior import RelaxedProgram

__all__ = ["count_choice", "decision_split", "middle_error", "torn_decisions"]

Array = NDArray[np.float64]


def middle_error(program: Program, envelope: ProgramEnvelope, value: float) -> Array:
    """(A, H) what each envelope errs by in the middle of its line."""
    z = envelope.box.z_lower + 0.5 * envelope.length[:-1].sum(axis=0)
    return np.asarray(value * (envelope.at(z) - program.response(z)))


def decision_split(
    program: Program, box: ProgramBox, a: int, k: int, at: float, first: int
) -> tuple[SplitDecision, tuple[ProgramBox, ProgramBox]]:
    """A split of a decision; where it falls into a hole of the domain both ends move to its rim."""
    least, lot = float(program.least_active[a, k]), float(program.lot[a])
    below, above = at, at
    if lot > 0.0:
        below, above = np.floor(at / lot) * lot, np.ceil(at / lot) * lot
    if least > 0.0 and at < least:
        below, above = 0.0, max(least, above)
    return SplitDecision(a, k, at, first, first + 1), (
        box.with_decision(a, k, upper=float(below)),
        box.with_decision(a, k, lower=float(above)),
    )


def torn_decisions(
    program: Program, box: ProgramBox, relaxed: RelaxedProgram, value: float
) -> tuple[Array, Array]:
    """(A, K) what each decision that is on no value it may take is about, and where to split it."""
    u = relaxed.u
    score, at = np.zeros(u.shape), u.copy()
    if not program.discrete:
        return score, at
    worth = value * np.abs(np.einsum("ahk,ah->ak", program.carry, relaxed.nu))
    worth = np.maximum(worth, 1e-12)
    slack = 1e-7 * max(program.scale, 1e-300)
    lot = np.broadcast_to(np.where(program.lot > 0.0, program.lot, 1.0)[:, None], u.shape)
    off = np.abs(u - np.round(u / lot) * lot)
    on_lots = np.broadcast_to(program.lot[:, None] > 0.0, u.shape)
    wrong = on_lots & (off > slack) & (box.u_upper > box.u_lower)
    score = np.where(wrong, worth * off, score)
    at = np.where(wrong, (np.floor(u / lot) + 0.5) * lot, at)
    least = program.least_active
    lack = np.minimum(u, least - u)
    wrong = (least > 0.0) & (lack > slack) & (box.u_lower < least)
    score = np.where(wrong, worth * lack, score)
    at = np.where(wrong, 0.5 * least, at)
    return score, at


def count_choice(program: Program, relaxed: RelaxedProgram, on: frozenset[int]) -> int | None:
    """An arm to put on or off where more spend than may; the one in the middle of the order."""
    slack = 1e-7 * max(program.scale, 1e-300)
    total = relaxed.u.sum(axis=1)
    for limit in program.at_most:
        arms = np.array(limit.arms, dtype=np.intp)
        spends = arms[total[arms] > slack]
        if spends.size <= limit.count:
            continue
        open_ = [
            a for a in spends[np.argsort(-total[spends], kind="stable")].tolist() if a not in on
        ]
        if open_:
            left = limit.count - sum(a in on for a in arms.tolist())
            return int(open_[min(max(left, 0), len(open_) - 1)])
    return None
