"""The nearest plan that keeps every rule to rounding: what a solver's answer becomes at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.linear_model import solve_linear
from shared.problem.program import Program

__all__ = ["repair", "rounded"]

Array = NDArray[np.float64]
MISS = 1e-10  # of the money at stake, by which a row may be missed
ROUNDS = 40
_MOVED = 2_000  # decisions on lots that are moved one by one
_MOVES = 400
_PAIRED = 128
LARGEST = 4_000  # decisions up to which HiGHS is asked where shifting money does not do it


def repair(program: Program, u: Array, deadline: float = np.inf) -> Array | None:
    """The plan (A, K) on its boxes, minima, lots, counts and switches, and on every row to 1e-9.

    Money moves as little as possible and stays away from decisions at an end; where that does not
    do, a (mixed-integer) linear problem finds the nearest plan, until ``deadline`` (of
    ``work.now``). None where there is none near.
    """
    if u.shape != program.lower.shape or not np.all(np.isfinite(u)):
        return None
    plan = rounded(program, u)
    if plan is not None or u.size > LARGEST:
        return plan
    found = solve_linear(program, near=u, deadline=deadline)
    return None if found is None else _settled(program, found.u)


def rounded(program: Program, u: Array) -> Array | None:
    """The same without linear problems: each choice as ``u`` has it nearly, then lot by lot."""
    plan = _settled(program, u)
    if plan is not None or not np.any(program.lot > 0.0):
        return plan
    lots = _by_lots(program, u)
    return None if lots is None else _settled(program, lots)


def _settled(program: Program, u: Array) -> Array | None:
    low, high, start = _pattern(program, u)
    plan = _onto_rows(program, start, low, high)
    return plan if plan is None or program.switches.keeps(plan > 0.0) else None


def _by_lots(program: Program, u: Array) -> Array | None:
    """Add and take away lots, one or a pair at a time, while rows are missed by less for it.

    What decisions without lots can still make up for is left to them.
    """
    low, high, start = _pattern(program, u)
    lot = np.broadcast_to(program.lot[:, None], u.shape).ravel()
    some = np.flatnonzero((lot > 0.0) & (start.ravel() > 0.0) | (lot > 0.0) & _free(program))
    if not some.size or some.size > _MOVED:
        return None
    x, size = start.ravel().copy(), lot[some]
    floor = np.maximum(program.lower, program.least_active).ravel()[some]
    roof = program.upper.ravel()[some]
    moving = (lot <= 0.0) & (high.ravel() > low.ravel())
    matrix, under, over = program.rows.matrix, program.rows.lower, program.rows.upper
    scale = np.maximum(np.abs(matrix).max(axis=1, initial=0.0), 1e-300)
    # By how much the other decisions can raise and lower each row.
    up, down = (high.ravel() - x)[moving], (low.ravel() - x)[moving]
    part = matrix[:, moving]
    rise = (np.maximum(part, 0.0) @ up + np.minimum(part, 0.0) @ down) / scale
    fall = (np.minimum(part, 0.0) @ up + np.maximum(part, 0.0) @ down) / scale
    step = matrix[:, some] * size / scale[:, None]
    below, above = under / scale - rise, over / scale - fall

    def missed(at: Array) -> Array:
        """(...,) what rows (m, ...) are missed by in all."""
        shape = (-1, *(1,) * (at.ndim - 1))
        lack = np.maximum(below.reshape(shape) - at, 0.0)
        return np.asarray((lack + np.maximum(at - above.reshape(shape), 0.0)).sum(axis=0))

    at = matrix @ x / scale
    tiny = 1e-9 * max(program.scale, 1e-300)
    for _ in range(_MOVES):
        now = float(missed(at))
        if now <= tiny:
            return x.reshape(u.shape)
        may = np.concatenate((x[some] + size <= roof + tiny, x[some] - size >= floor - tiny))
        moves = np.concatenate((step, -step), axis=1)
        after = np.where(may, missed(at[:, None] + moves), np.inf)
        best = int(np.argmin(after))
        chosen = [best]
        if after[best] >= now - tiny:
            few = np.argsort(after, kind="stable")[:_PAIRED]
            both = missed(at[:, None, None] + moves[:, few, None] + moves[:, None, few])
            both = np.where(may[few][:, None] & may[few], both, np.inf)
            np.fill_diagonal(both, np.inf)
            first, second = np.unravel_index(int(np.argmin(both)), both.shape)
            if both[first, second] >= now - tiny:
                return None
            chosen = [int(few[first]), int(few[second])]
        for move in chosen:
            arm, sign = move % some.size, 1.0 if move < some.size else -1.0
            x[some[arm]] = np.round(x[some[arm]] / size[arm] + sign) * size[arm]
        at = matrix @ x / scale
    return None


def _free(program: Program) -> NDArray[np.bool_]:
    """(A K,) decisions that may take any number of lots, whether they spend now or not."""
    free = program.least_active <= 0.0
    for rule in program.at_most:
        free[list(rule.arms)] = False
    return np.asarray(free.ravel())


def _pattern(program: Program, u: Array) -> tuple[Array, Array, Array]:
    """The box that remains once each zero, lot and active arm is settled as ``u`` has it."""
    low, high = program.lower.copy(), program.upper.copy()
    plan = np.clip(u, low, high)
    least, lot = program.least_active, program.lot[:, None]
    idle = (least > 0.0) & (plan < 0.5 * least) & (low <= 0.0)
    gone = np.zeros(program.arms, dtype=bool)
    for rule in program.at_most:
        arms = np.array(list(dict.fromkeys(rule.arms)), dtype=np.intp)
        spent = (plan * program.money_per_unit() * ~idle).sum(axis=1)[arms]
        order = np.argsort(-spent, kind="stable")
        gone[arms[order[rule.count :]]] = True
        gone[arms[spent <= 1e-9 * program.scale]] = True
    idle |= gone[:, None]
    if program.switches:
        on = program.pattern(plan, upper=np.where(gone[:, None], 0.0, high))
        idle = idle if on is None else np.where(program.switched, ~on, idle)
    high = np.where(idle, 0.0, high)
    low = np.where(idle, 0.0, np.where(least > 0.0, np.maximum(low, least), low))
    plan = np.clip(plan, low, np.maximum(high, low))
    some = lot > 0.0
    size = np.where(some, lot, 1.0)
    count = np.clip(np.round(plan / size), np.ceil(low / size - 1e-9), np.floor(high / size + 1e-9))
    fixed = np.where(some, count * size, plan)
    return np.where(some, fixed, low), np.where(some, fixed, high), fixed


def _onto_rows(program: Program, plan: Array, low: Array, high: Array) -> Array | None:
    """Move money inside the box until every row holds; None where it will not."""
    if np.any(low > high) or np.any(low < program.lower) or np.any(high > program.upper):
        return None
    matrix, under, over = program.rows.matrix, program.rows.lower, program.rows.upper
    x, a, b = plan.ravel().copy(), low.ravel(), high.ravel()
    sizes = np.maximum(np.abs(matrix).max(axis=1, initial=0.0), 1e-300)
    allowed = MISS * np.maximum(program.scale * np.minimum(sizes, 1.0), 1e-300)
    reach = np.maximum(b - a, 0.0)
    for attempt in range(ROUNDS):
        at = matrix @ x
        miss = np.where(at > over, over - at, np.where(at < under, under - at, 0.0))
        wrong = np.abs(miss) > allowed * (0.01 if attempt < ROUNDS - 1 else 1.0)
        if not np.any(wrong):
            return x.reshape(plan.shape)
        # Rows that hold with equality have to stay where they are while others are mended.
        keep = wrong | ((under == over) & (sizes > 1e-300))
        part, wanted = matrix[keep], miss[keep]
        room = np.minimum(x - a, b - x)
        if attempt % 4 == 1:
            room = reach
        elif attempt % 4 >= 2:
            pull = part.T @ wanted
            room = np.where(pull > 0.0, b - x, np.where(pull < 0.0, x - a, room))
        scaled = part * np.maximum(room, 0.0)
        step = np.maximum(room, 0.0) * (
            part.T @ np.linalg.lstsq(scaled @ part.T, wanted, rcond=1e-13)[0]
        )
        x = np.clip(x + step, a, b)
    return None
