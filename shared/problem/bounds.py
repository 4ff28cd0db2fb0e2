"""What each decision may be: its own bounds, what a budget leaves, and a ceiling where it is free.

A frequency cap needs no data beyond the curve: where ``f`` is the reach of a channel, its first
impressions reach new people, so ``f'(0)`` impressions are bought per unit of money and the average
frequency at spend x is ``f'(0) x / f(x)``. It rises with x on a concave curve, so the cap is a
ceiling on (sustained) spend per period, channel by channel.

No ceiling costs the best plan anything. Where there is a budget, no arm can have more than the
others' floors leave over. Where the budget is free, more money than its outcome can be worth never
pays, and a plan that meets an efficiency target cannot have spent more than its outcome allows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import CurveStack, DrawStack
from shared.errors import Conflict, Infeasible, InvalidInput, NotSupportedYet
from shared.problem.aim import aim_of, worth_of
from shared.problem.arms import HAIR, Arm, Bound, entries_of, own_bounds
from shared.problem.carryover import Flow
from shared.problem.model import Problem
from shared.problem.program import Rows

__all__ = [
    "arm_bounds",
    "bounds_by_period",
    "budget_ceiling",
    "free_ceiling",
    "in_decisions",
    "lot_of",
    "provisional_ceiling",
    "reach_cap",
    "tightest",
    "within_budget",
]

Array = NDArray[np.float64]
Curves = CurveStack | DrawStack
DOUBLINGS = 400
_FIRST, _ROOM = 1e-9, 1.1


def arm_bounds(arm: Arm, periods: int, cap: float | None, hair: float) -> tuple[Bound, Bound]:
    """The tightest (bound, name) on spend per period from below and above; ``inf`` for none.

    ``cap`` keeps a frequency; what bounds miss each other by up to ``hair`` counts as rounding.

    Raises
    ------
    Infeasible
        Where the two contradict each other by more than a hair.
    """
    channel = arm.channel
    low, high = own_bounds(channel)
    if periods == 1:
        if channel.min_total > low[0]:
            low = (channel.min_total, "min_total")
        if channel.max_total is not None:
            high = min(high, (channel.max_total, "max_total"), key=_first)
    return _together(arm, low, high, cap, hair, booked=channel.locked)


def bounds_by_period(
    arm: Arm, cap: float | None, periods: int
) -> tuple[list[Bound], list[Bound], Array]:
    """The same by period where some have limits of their own, and where spend is booked (T,).

    Raises
    ------
    Infeasible
        Where two bounds of one period contradict each other by more than a hair.
    """
    channel = arm.channel
    usual, entries = own_bounds(channel), entries_of(channel, periods)
    lows, highs = [], []
    for entry in entries:
        low, high = usual
        if entry is not None:
            left = entry.lets(low[0], high[0])
            low, high = (max(left[0], 0.0), low[1] if left[0] > 0.0 else ""), (left[1], high[1])
            low = low if entry.floor is None else (entry.floor, entry.floor_by)
            high = high if entry.roof is None else (entry.roof, entry.roof_by)
        booked = entry is not None and entry.booked
        low, high = _together(arm, low, high, cap, booked=channel.locked or booked)
        lows.append(low)
        highs.append(high)
    return lows, highs, np.array([entry is not None and entry.booked for entry in entries])


def _together(
    arm: Arm, low: Bound, high: Bound, cap: float | None, hair: float = 0.0, *, booked: bool
) -> tuple[Bound, Bound]:
    """Both bounds of a spend, which is 0 or its minimum if active unless it is ``booked``."""
    if cap is not None:
        high = min(high, (cap, "max_frequency"), key=_first)
    least = arm.channel.minimum_if_active
    if 0.0 < low[0] < least and not booked:
        low = (least, "minimum_if_active")
    if low[0] > high[0]:
        if low[0] - high[0] > max(hair, HAIR * max(abs(low[0]), abs(high[0]))):
            raise _apart(arm.name, low, high)
        low = (high[0], low[1])
    return low, high


def tightest(
    arm: Arm, cap: float | None, budgets: Array, planned: bool
) -> tuple[Bound, Bound, bool]:
    """What limits of some periods leave of one decision for all, and whether spend is booked.

    ``budgets`` (T,) is the money of each period for a unit of the decision: ones where it is one
    spend for all periods, else what shares are taken of.

    Raises
    ------
    Infeasible
        Where the limits of two periods contradict each other.
    """
    lows, highs, booked = bounds_by_period(arm, cap, len(budgets))
    for t in np.flatnonzero(budgets <= 0.0).tolist():
        if lows[t][0] > 0.0:
            raise _of_nothing(arm, lows[t], t, planned)
    some = np.flatnonzero(budgets > 0.0).tolist()
    if not some:
        return (0.0, ""), (0.0, ""), False
    first = max(some, key=lambda t: lows[t][0] / budgets[t])
    last = min(some, key=lambda t: highs[t][0] / budgets[t])
    low, high = lows[first][0] / budgets[first], highs[last][0] / budgets[last]
    if low > high * (1.0 + HAIR):
        missed = (low - high) * budgets[first]
        raise Infeasible(
            f"{arm.name}.{lows[first][1]} and {arm.name}.{highs[last][1]} cannot hold together "
            "where no period is decided by itself.",
            [
                _asks(f"{arm.name}.{lows[first][1]}", f"at least {lows[first][0]:,.2f}", missed),
                _asks(f"{arm.name}.{highs[last][1]}", f"at most {highs[last][0]:,.2f}", missed),
            ],
        )
    return (min(low, high), lows[first][1]), (high, highs[last][1]), bool(np.any(booked))


def _apart(name: str, low: Bound, high: Bound) -> Infeasible:
    """Two bounds on one spend that cannot hold together."""
    missed = float(low[0] - high[0])
    floor = f"{name}.{low[1]}"
    ceiling = high[1] if high[1].startswith("budget") else f"{name}.{high[1]}"
    return Infeasible(
        f"{floor} and {ceiling} cannot hold together: they miss by {missed:,.2f}.",
        [
            _asks(floor, f"at least {low[0]:,.2f}", missed),
            Conflict(ceiling, f"{ceiling} allows at most {high[0]:,.2f}.", missed),
        ],
    )


def in_decisions(
    arm: Arm, spread: Array, low: Bound, high: Bound, planned: bool
) -> tuple[Array, Array]:
    """Bounds on spend per period as bounds on a share; ``planned``: periods have own budgets."""
    budgets = spread[:, 0]
    some = budgets > 0.0
    if low[0] > 0.0 and not np.all(some):
        raise _of_nothing(arm, low, int(np.argmin(some)), planned)
    if not np.any(some):
        return np.zeros(1), np.zeros(1)
    least, most = budgets[some].min(), budgets[some].max()
    share_low, share_high = low[0] / least, high[0] / most
    if share_low > share_high * (1.0 + 1e-9):
        missed = low[0] - high[0] * least / most
        raise Infeasible(
            f"{arm.name} cannot keep {low[0]:,.2f} to {high[0]:,.2f} as one share of budgets from "
            f"{least:,.2f} to {most:,.2f}.",
            [
                _asks(f"{arm.name}.{low[1]}", f"at least {low[0]:,.2f}", missed),
                _asks(f"{arm.name}.{high[1]}", f"at most {high[0]:,.2f}", missed),
                _asks("horizon.fixed_shares", "one share for every period", missed),
            ],
        )
    return np.array([min(share_low, share_high)]), np.array([share_high])


def lot_of(arm: Arm, spread: Array) -> float:
    """Step of u at which an arm's spend is whole lots in every period; 0 for any amount.

    A share s of budgets b_t is whole lots in all periods where s is a multiple of lot / g, with g
    the largest amount that all budgets are multiples of. So the step is ``lot / g``.
    """
    lot = arm.channel.increment
    if lot <= 0.0 or spread.shape[1] > 1 or np.all(spread == 1.0):
        return lot
    budgets = spread[:, 0][spread[:, 0] > 0.0]
    if not budgets.size:
        return lot
    measure = _common_measure(budgets)
    # Less than a lot in common: one lot more somewhere is more than the whole budget elsewhere.
    if measure * (1.0 + 1e-9) < lot:
        raise InvalidInput.at(
            f"{arm.pointer}/increment",
            "no_common_lot",
            f"{arm.name}: one share of every period's budget can be whole lots of {lot:,.2f} in "
            f"each only where the budgets are multiples of them; these have {measure:,.4g} in "
            "common. Use mode time_varying, other budgets or smaller lots.",
        )
    return lot / measure


def _common_measure(amounts: Array) -> float:
    """The largest number that all ``amounts`` are whole multiples of, by Euclid's algorithm."""
    rounding = 1e-9 * float(amounts.max())
    measure = 0.0
    for amount in amounts.tolist():
        larger, smaller = max(measure, amount), min(measure, amount)
        while smaller > rounding:
            rest = larger % smaller
            # What is a hair below a multiple is one.
            larger, smaller = smaller, min(rest, smaller - rest)
        measure = larger
    return measure


def _of_nothing(arm: Arm, low: Bound, period: int, planned: bool) -> Infeasible:
    """A floor in a period without any money to share."""
    floor, budget = f"{arm.name}.{low[1]}", f"budget[{period + 1}]" if planned else "budget"
    return Infeasible(
        f"{floor} asks for {low[0]:,.2f} in every period, and period {period + 1} has no budget to "
        "take a share of.",
        [
            _asks(floor, f"at least {low[0]:,.2f}", low[0]),
            _asks(budget, "nothing to be spent", low[0]),
            _asks("horizon.fixed_shares", "one share for every period", low[0]),
        ],
    )


def _asks(name: str, asks: str, missed: float) -> Conflict:
    return Conflict(name, f"{name} asks for {asks}.", missed)


def reach_cap(arm: Arm, cap: float) -> float | None:
    """Largest spend per period at which the average frequency keeps its cap; None for any."""
    response = arm.channel.response
    curves = response.draws or (response.saturation,)
    if arm.channel.rising is not None:
        raise NotSupportedYet.at(
            f"{arm.pointer}/price_elasticity",
            "not_supported_yet",
            f"{arm.name}: a price that rises with spend does not go with a frequency cap yet.",
        )

    def reach(x: float) -> float:
        return float(np.mean([float(curve.value(x)) for curve in curves]))

    first = float(np.mean([float(curve.slope(0.0)) for curve in curves]))
    if not np.isfinite(first) or any(np.any(np.greater(c.inflection(), 0.0)) for c in curves):
        raise NotSupportedYet.at(
            f"{arm.pointer}/response/saturation",
            "not_supported_yet",
            f"{arm.name}: a frequency cap needs a concave curve of reach with a finite slope at "
            "zero spend, which tells how many impressions a unit of money buys.",
        )
    if first <= 0.0:
        return None
    weight = 1.0 if response.adstock is None else response.adstock.total_weight()
    low, high = 0.0, 1.0 / first
    for _ in range(2_000):
        if first * high > cap * reach(high):
            break
        low, high = high, 2.0 * high
        if not np.isfinite(high):
            return None
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if first * middle <= cap * reach(middle) else (low, middle)
    return low / weight if weight > 0.0 else None


def within_budget(
    names: Sequence[str],
    lower: Array,
    upper: Array,
    lower_by: Sequence[str],
    upper_by: Sequence[str],
    rows: Rows,
) -> tuple[Array, Array]:
    """Bounds (A,) that one budget and nothing else ties, misses by a hair evened out.

    Raises
    ------
    Infeasible
        With the smallest set of bounds that the budget cannot meet, and by how much money.
    """
    budget, spend_all = float(rows.upper[0]), bool(np.isfinite(rows.lower[0]))
    hair = HAIR * budget
    over = np.flatnonzero(lower - budget > np.maximum(hair, HAIR * lower))
    if over.size:
        a = int(over[0])
        raise _apart(names[a], (float(lower[a]), lower_by[a]), (budget, "budget"))
    least, most = float(lower.sum()), float(np.minimum(upper, budget).sum())
    if least > budget + hair:
        raise _too_much(names, lower, lower_by, budget)
    if spend_all and most < budget - hair:
        missed = budget - most
        conflicts = [Conflict("budget", f"The budget of {budget:,.2f} is to be spent.", missed)]
        conflicts += [
            Conflict(f"{name}.{by}", f"{name}.{by} allows at most {end:,.2f}.", missed)
            for name, by, end in zip(names, upper_by, upper.tolist(), strict=True)
        ]
        raise Infeasible(
            f"The most that the channels allow, {most:,.2f}, falls short of the budget of "
            f"{budget:,.2f} by {missed:,.2f}; spend_all false would leave the rest unspent.",
            conflicts,
        )
    if least > budget:
        lower = lower * (budget / least)
    elif spend_all and most < budget:
        upper = upper * (budget / most)
    return lower, upper


def _too_much(
    names: Sequence[str], lower: Array, lower_by: Sequence[str], budget: float
) -> Infeasible:
    """The fewest floors that already exceed a budget, which are the largest ones."""
    hair, least = HAIR * budget, float(lower.sum())
    order = np.argsort(-lower, kind="stable")
    count = int(np.searchsorted(np.cumsum(lower[order]), budget + hair, side="right")) + 1
    chosen = sorted(order[:count].tolist())
    asked = float(lower[chosen].sum())
    missed = asked - budget
    conflicts = [
        _asks(f"{names[a]}.{lower_by[a]}", f"at least {lower[a]:,.2f}", missed) for a in chosen
    ]
    few = " and ".join(conflict.name for conflict in conflicts[:3])
    few = few if count <= 3 else f"{few} and {count - 3} more"
    conflicts.append(Conflict("budget", f"The budget is {budget:,.2f}.", missed))
    return Infeasible(
        f"{few} ask{'s' * (count == 1)} for at least {asked:,.2f}, and the budget is "
        f"{budget:,.2f}: they miss by {missed:,.2f}."
        + (f" All channels ask for {least:,.2f}." if least > asked else ""),
        conflicts,
    )


def budget_ceiling(rows: Rows, lower: Array, *, every: bool = False) -> Array:
    """(A, K) the most that the rows named as budgets leave for each decision; ``every``: and all
    other rows that only add up."""
    out = np.full(lower.shape, np.inf)
    for i, name in enumerate(rows.names):
        row = rows.matrix[i].reshape(lower.shape)
        adds_up = every and bool(np.all(row >= 0.0))
        if adds_up or name == "budget" or name.startswith("budget["):
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
    most = _adstocked(flow, np.minimum(upper, budget_ceiling(rows, lower, every=True)))
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
        each = np.where(flow.carry > 0.0, flow.carry * flow.media(upper)[:, None, :], 0.0)
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
        per_u = flow.media(per_u)
        per_money = np.where(per_u[:, None, :] > 0.0, flow.carry / per_u[:, None, :], 0.0)
    # Where media get dearer, even parts of the money buy most.
    strongest = per_money.max(axis=2)
    if flow.power is not None:
        strongest = strongest * per_u.shape[1] ** (1.0 - flow.power[:, None])
    synergy = sum(max(pair.strength, 0.0) for pair in problem.interactions)
    extra = synergy * float(flow.weight.max(axis=0).sum())
    total = max(floor, _FIRST)
    if worth == 0.0:
        return total
    for _ in range(DOUBLINGS):
        bought = flow.media(np.full((len(per_u), 1), total))
        brings = _most(curves, strongest * bought + flow.carry_in, most)
        best = float(np.where(flow.weight > 0.0, flow.weight * brings, 0.0).sum())
        if total >= worth * (best + extra) + floor:
            return _ROOM * total  # so that no plan is held by it
        total *= 2.0
    return np.inf


def _most(curves: Curves, z: Array, most: Array) -> Array:
    """(A, H) outcomes, each at most concave in z: S-shaped curves at their ceilings, and what is
    convex without one at the ``most`` that can be reached."""
    points = np.ascontiguousarray(z.T)
    value, bends = curves.mean_value, (curves.inflections().max(axis=0) > 0.0)[:, None]
    tops = np.broadcast_to(curves.mean_supremum()[:, None], z.shape)
    endless = ~np.isfinite(tops) & bends & np.isfinite(most)
    if np.any(endless):
        ends = value(np.ascontiguousarray(np.where(endless, most, 0.0).T)).T
        tops = np.where(endless, ends, tops)
    return np.asarray(np.where(bends, tops, value(points).T))


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
    top = curves.mean_supremum()
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
        z = np.einsum("ahk,ak->ah", flow.carry, flow.media(u)) + flow.carry_in
        value = curves.mean_value(np.ascontiguousarray(z.T))
        total = float((flow.spread.sum(axis=1) * u).sum())
        if float((flow.weight * value.T).sum()) >= target or not np.isfinite(total):
            break
        if spend > 1e15 * max(1.0, target) or np.all(spend >= np.array(caps)):
            break
        spend *= 2.0
    return 10.0 * total if coupled else total


def _first(bound: Bound) -> float:
    return bound[0]
