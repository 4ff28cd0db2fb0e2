"""A finite ceiling for every decision, none of which costs the best plan anything.

Where there is a budget, no arm can have more than the others' floors leave over. Where the budget
is free, more money than its outcome can be worth never pays, and a plan that meets an efficiency
target cannot have spent more than its outcome allows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import CurveStack, DrawStack
from shared.problem.aim import aim_of, worth_of
from shared.problem.arms import Arm
from shared.problem.carryover import Flow
from shared.problem.model import Problem
from shared.problem.program import Rows

__all__ = ["budget_ceiling", "free_ceiling", "provisional_ceiling"]

Array = NDArray[np.float64]
Curves = CurveStack | DrawStack
DOUBLINGS = 400
_FIRST, _ROOM = 1e-9, 1.1


def budget_ceiling(rows: Rows, lower: Array) -> Array:
    """(A, K) the most that the rows named as budgets leave for each decision."""
    out = np.full(lower.shape, np.inf)
    for i, name in enumerate(rows.names):
        if name == "budget" or name.startswith("budget["):
            row = rows.matrix[i].reshape(lower.shape)
            left = max(float(rows.upper[i]) - float((row * lower).sum()), 0.0)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                room = np.where(row > 0.0, lower + left / row, np.inf)
            out = np.minimum(out, room)
    return out


def provisional_ceiling(flow: Flow, rows: Rows, box: Array) -> Array:
    """(A, K) more than the cheapest plan that keeps all rows could need; for finding that plan."""
    sides = np.concatenate((rows.lower, rows.upper))
    asked = np.abs(sides[np.isfinite(sides)]).max(initial=1.0)
    sizes = np.abs(rows.matrix[rows.matrix != 0.0])
    most = 1e3 * max(float(asked), float(box[np.isfinite(box)].max(initial=1.0)))
    per_u = np.where(flow.spread.sum(axis=1) > 0.0, flow.spread.sum(axis=1), 1.0)
    return np.asarray(np.minimum(box, most / np.minimum(per_u, sizes.min(initial=1.0))))


def free_ceiling(
    problem: Problem,
    arms: Sequence[Arm],
    flow: Flow,
    curves: Curves,
    rows: Rows,
    lower: Array,
    upper: Array,
    cheapest: float,
) -> Array:
    """(A, K) ceilings for a free budget; ``inf`` where more money would always be better.

    ``upper`` are those that there are already; ``cheapest`` is what some allowed plan costs.
    """
    per_u = flow.spread.sum(axis=1)
    goal = problem.goal
    most = _adstocked(flow, upper)
    ratios = [1.0 / floor.per_money for floor in aim_of(goal).floors if floor.per_money > 0.0]
    # A plan that meets an efficiency target cannot have spent more than its outcome allows.
    limits = [_break_even(problem, flow, curves, per_u, most, ratio, 0.0) for ratio in ratios]
    value, cost = worth_of(goal)
    known = cheapest
    if goal.target_outcome is not None:
        known = max(known, _enough(problem, arms, flow, curves, lower))
    if cost > 0.0 and not np.isfinite(min(limits, default=np.inf)):
        # The best plan loses at most what a plan costs that is allowed and meets the target.
        limits.append(_break_even(problem, flow, curves, per_u, most, value / cost, known))
    # Room for each target alone: that they cannot be met together is for the search to say.
    limit = max(min(limits, default=np.inf), _ROOM * known)
    own = _own_limits(problem, flow, curves, rows, lower, per_u)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.minimum(np.where(per_u > 0.0, limit / per_u, 0.0), own)


def _adstocked(flow: Flow, upper: Array) -> Array:
    """(A, H) the most that can be reached; inf where spend has no ceiling."""
    with np.errstate(invalid="ignore"):
        each = np.where(flow.carry > 0.0, flow.carry * upper[:, None, :], 0.0)
    return np.asarray(each.sum(axis=2) + flow.carry_in)


def _break_even(
    problem: Problem,
    flow: Flow,
    curves: Curves,
    per_u: Array,
    most: Array,
    worth: float,
    floor: float,
) -> float:
    """A total that is more than its outcome, however it is spread, could be worth; inf if none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        per_money = np.where(per_u[:, None, :] > 0.0, flow.carry / per_u[:, None, :], 0.0)
    strongest = per_money.max(axis=2)
    synergy = sum(max(pair.strength, 0.0) for pair in problem.interactions)
    extra = synergy * float(flow.weight.max(axis=0).sum())
    total = max(floor, _FIRST)
    if worth == 0.0:
        return total
    for _ in range(DOUBLINGS):
        brings = _most(curves, strongest * total + flow.carry_in, most)
        best = float(np.where(flow.weight > 0.0, flow.weight * brings, 0.0).sum())
        if total >= worth * (best + extra) + floor:
            return _ROOM * total  # so that no plan is held by it
        total *= 2.0
    return np.inf


def _most(curves: Curves, z: Array, most: Array) -> Array:
    """(A, H) outcomes, each at most concave in z: S-shaped curves at their ceilings, and what is
    convex without one at the ``most`` that can be reached."""
    points = np.ascontiguousarray(z.T)
    if isinstance(curves, CurveStack):
        value, top, bend = curves.value, curves.supremum(), curves.inflection()
    else:
        value, top, bend = (
            curves.mean_value,
            curves.mean_supremum(),
            curves.inflections().max(axis=0),
        )
    tops = np.broadcast_to(top[:, None], z.shape)
    endless = ~np.isfinite(tops) & (bend > 0.0)[:, None] & np.isfinite(most)
    if np.any(endless):
        ends = value(np.ascontiguousarray(np.where(endless, most, 0.0).T)).T
        tops = np.where(endless, ends, tops)
    return np.asarray(np.where((bend > 0.0)[:, None], tops, value(points).T))


def _own_limits(
    problem: Problem, flow: Flow, curves: Curves, rows: Rows, lower: Array, per_u: Array
) -> Array:
    """Where nothing couples the arms, each one's own break-even, which is much tighter."""
    out = np.full(lower.shape, np.inf)
    value, cost = worth_of(problem.goal)
    if not (value > 0.0 and cost > 0.0) or problem.goal.target_outcome is not None:
        return out
    value /= cost
    if problem.goal.target_roas is not None or problem.goal.target_cpa is not None:
        return out
    if rows.names or problem.interactions:
        return out
    top = curves.supremum() if isinstance(curves, CurveStack) else curves.mean_supremum()
    later = (flow.carry > 0.0) * flow.weight[:, :, None]
    gain = value * np.where(np.isfinite(top), top, np.inf)[:, None] * later.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(per_u > 0.0, lower + gain / per_u, 0.0)


def _enough(
    problem: Problem, arms: Sequence[Arm], flow: Flow, curves: Curves, lower: Array
) -> float:
    """What it costs to reach the target by the same spend on every arm, their ceilings kept.

    Where rules couple the arms this plan need not be allowed: then ten times as much.
    """
    target = problem.goal.target_outcome
    assert target is not None
    caps = [np.inf if (m := arm.channel.max_spend) is None else m for arm in arms]
    spend = np.array([arm.channel.current_spend or 1.0 for arm in arms]).mean()
    coupled = bool(problem.constraints or problem.interactions or problem.horizon.max_change)
    per_u = flow.spread.max(axis=1)
    total = 0.0
    for _ in range(DOUBLINGS):
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.where(per_u > 0.0, np.minimum(spend, np.array(caps))[:, None] / per_u, 0.0)
        u = np.maximum(u, lower)
        z = np.einsum("ahk,ak->ah", flow.carry, u) + flow.carry_in
        points = np.ascontiguousarray(z.T)
        value = (
            curves.value(points) if isinstance(curves, CurveStack) else curves.mean_value(points)
        )
        total = float((flow.spread.sum(axis=1) * u).sum())
        if float((flow.weight * value.T).sum()) >= target or not np.isfinite(total):
            break
        if spend > 1e15 * max(1.0, target) or np.all(spend >= np.array(caps)):
            break
        spend *= 2.0
    return 10.0 * total if coupled else total
