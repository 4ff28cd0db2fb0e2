"""From a problem in the caller's names to the arrays of :class:`~shared.problem.program.Program`.

The modes of a plan over time differ in what is decided: spend of every period (``time_varying``),
one spend for all of them (``constant``), or one share of every period's budget (``fixed_shares``;
without ``period_budgets`` the budget is spread evenly). ``sequential`` is a sequence of problems
and is composed elsewhere; here it is lowered like ``time_varying``, which is its foresight.

A frequency cap needs no data beyond the curve: where ``f`` is the reach of a channel, its first
impressions reach new people, so ``f'(0)`` impressions are bought per unit of money and the average
frequency at spend x is ``f'(0) x / f(x)``. It rises with x on a concave curve, so the cap is a
ceiling on (sustained) spend per period, channel by channel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import stack
from shared.errors import Conflict, Infeasible, InvalidInput, NotSupportedYet
from shared.problem.aim import worth_of
from shared.problem.arms import Arm, arm_bounds, arm_draws, arms_of, current_of, members
from shared.problem.carryover import Flow, flow
from shared.problem.ceilings import budget_ceiling, free_ceiling, provisional_ceiling
from shared.problem.linear_model import solve_linear
from shared.problem.linear_rows import linear_rows
from shared.problem.model import Problem
from shared.problem.pairs import pairs_of
from shared.problem.program import AtMost, Program, Rows
from shared.problem.sums import with_sums

__all__ = ["lower"]

Array = NDArray[np.float64]


def lower(problem: Problem) -> Program:
    """The general form of any problem; risk measures other than the mean are left to the caller.

    Raises
    ------
    Infeasible
        Two bounds of one arm that contradict each other. Everything that takes more than one arm
        to contradict is left to ``shared.problem.feasibility``.
    InvalidInput
        Names that do not exist, figures that are missing, a free budget that nothing limits.
    NotSupportedYet
        A frequency cap on a curve of reach that is not concave.
    InputTooLarge
        More rules than fit into memory.
    """
    arms = arms_of(problem)
    moved = flow(problem, arms)
    rows = linear_rows(problem, arms, moved.spread[0])
    box = _box(problem, arms, moved, rows)
    return with_sums(problem, arms, _assembled(problem, arms, moved, rows, box), _lot)


def _assembled(
    problem: Problem, arms: Sequence[Arm], moved: Flow, rows: Rows, box: _Box
) -> Program:
    at_most = tuple(
        AtMost(rule.name, _arms_named(problem, arms, rule.channels), rule.max_active)
        for rule in problem.constraints
        if rule.max_active is not None
    )
    value, cost = worth_of(problem.goal)
    today = [current_of(arm.channel) for arm in arms]
    known = [spend for spend in today if spend is not None]
    periods = problem.horizon.periods
    total = float((moved.spread.sum(axis=1) * box.upper).sum())
    budget = sum(problem.period_budgets) if problem.budget is None else problem.budget
    return Program(
        names=tuple(arm.name for arm in arms),
        lower=box.lower,
        upper=box.upper,
        least_active=box.least,
        lower_by=box.lower_by,
        upper_by=box.upper_by,
        lot=box.lot,
        rows=rows,
        spread=moved.spread,
        carry=moved.carry,
        carry_in=moved.carry_in,
        weight=moved.weight,
        curves=stack([arm.channel.response.saturation for arm in arms]),
        draws=arm_draws(arms),
        at_most=at_most,
        pairs=pairs_of(problem, arms),
        value=value,
        cost=cost,
        current=np.repeat(np.array(known)[:, None], periods, axis=1)
        if len(known) == len(arms)
        else None,
        scale=budget if budget > 0.0 else max(min(total, sum(known) * periods or total), 1e-9),
    )


class _Box:
    """Boxes and discrete domains of u, filled arm by arm."""

    def __init__(self, count: int, columns: int) -> None:
        self.lower = np.zeros((count, columns))
        self.upper = np.zeros((count, columns))
        self.least = np.zeros((count, columns))
        self.lot = np.zeros(count)
        self.lower_by: tuple[str, ...] = ()
        self.upper_by: tuple[str, ...] = ()


def _box(problem: Problem, arms: Sequence[Arm], moved: Flow, rows: Rows) -> _Box:
    count, columns = len(arms), moved.spread.shape[2]
    periods = problem.horizon.periods
    box = _Box(count, columns)
    floors, roofs = [], []
    money = columns > 1 or bool(np.all(moved.spread == 1.0))  # decisions are spends themselves
    for a, arm in enumerate(arms):
        low, high = arm_bounds(arm, periods, _reach_cap(problem, arm))
        floors.append(low[1])
        roofs.append(high[1])
        if money:
            box.lower[a], box.upper[a] = low[0], high[0]
        else:
            box.lower[a], box.upper[a] = _in_decisions(
                arm, moved.spread[a], low, high, bool(problem.period_budgets)
            )
        least = arm.channel.minimum_if_active
        if least > 0.0 and not arm.channel.locked:
            per_u = moved.spread[a].sum(axis=0)
            if columns == 1:
                per_u = np.min(moved.spread[a], axis=0, where=moved.spread[a] > 0, initial=np.inf)
            box.least[a] = least / np.where(per_u > 0.0, per_u, 1.0)
        if not arm.channel.locked:
            box.lot[a] = _lot(arm, moved.spread[a])
    ceiling = budget_ceiling(rows, box.lower)
    if not np.all(np.isfinite(np.minimum(ceiling, box.upper))):
        curves = arm_draws(arms) or stack([arm.channel.response.saturation for arm in arms])
        cheap = _cheapest(problem, arms, moved, rows, box)
        free = free_ceiling(problem, arms, moved, curves, rows, box.lower, box.upper, cheap)
        ceiling = np.minimum(ceiling, free)
    ceiling = np.maximum(ceiling, box.lower)
    for a in range(count):
        if np.all(ceiling[a] < box.upper[a]):
            roofs[a] = "budget"
    box.upper = np.minimum(box.upper, ceiling)
    if not np.all(np.isfinite(box.upper)):
        raise InvalidInput.at(
            "/budget", "missing", "Without a budget or a max_spend, more money is always better."
        )
    box.lower_by, box.upper_by = tuple(floors), tuple(roofs)
    # Where a floor already asks for the minimum, or a ceiling rules it out, there is no choice.
    box.least = np.where(box.lower >= box.least, 0.0, box.least)
    out = (box.least > box.upper * (1.0 + 1e-12)) & (box.lower <= 0.0)
    box.upper, box.least = np.where(out, 0.0, box.upper), np.where(out, 0.0, box.least)
    return box


def _cheapest(problem: Problem, arms: Sequence[Arm], moved: Flow, rows: Rows, box: _Box) -> float:
    """What the cheapest allowed plan costs; its floors where no rule asks for more."""
    money = moved.spread.sum(axis=1)
    rules = rows.names or np.any(box.least) or np.any(box.lot)
    if not rules:
        return float((money * box.lower).sum())
    wide = _Box(*box.lower.shape)
    wide.lower, wide.least, wide.lot = box.lower, box.least, box.lot
    wide.upper = np.maximum(provisional_ceiling(moved, rows, box.upper), box.lower)
    wide.lower_by = wide.upper_by = ("",) * len(arms)
    wide.least = np.where(wide.least > wide.upper, 0.0, wide.least)
    program = with_sums(problem, arms, _assembled(problem, arms, moved, rows, wide), _lot)
    found = solve_linear(program, cost=program.spread.sum(axis=1))
    cheapest = box.lower if found is None else found.u[: len(arms)]
    return float((money * cheapest).sum()) * (1.0 + 1e-6)


def _in_decisions(
    arm: Arm, spread: Array, low: tuple[float, str], high: tuple[float, str], planned: bool
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
                *_conflict(f"{arm.name}.{low[1]}", f"at least {low[0]:,.2f}", missed),
                *_conflict(f"{arm.name}.{high[1]}", f"at most {high[0]:,.2f}", missed),
                *_conflict("horizon.fixed_shares", "one share for every period", missed),
            ],
        )
    return np.array([min(share_low, share_high)]), np.array([share_high])


def _lot(arm: Arm, spread: Array) -> float:
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


def _of_nothing(arm: Arm, low: tuple[float, str], period: int, planned: bool) -> Infeasible:
    """A floor in a period without any money to share."""
    floor, budget = f"{arm.name}.{low[1]}", f"budget[{period + 1}]" if planned else "budget"
    return Infeasible(
        f"{floor} asks for {low[0]:,.2f} in every period, and period {period + 1} has no budget to "
        "take a share of.",
        [
            *_conflict(floor, f"at least {low[0]:,.2f}", low[0]),
            *_conflict(budget, "nothing to be spent", low[0]),
            *_conflict("horizon.fixed_shares", "one share for every period", low[0]),
        ],
    )


def _conflict(name: str, asks: str, missed: float) -> list[Conflict]:
    return [Conflict(name, f"{name} asks for {asks}.", missed)]


def _reach_cap(problem: Problem, arm: Arm) -> float | None:
    """Largest spend per period at which the average frequency keeps its cap; None without one."""
    cap = problem.goal.max_frequency
    if cap is None:
        return None
    response = arm.channel.response
    curves = response.draws or (response.saturation,)

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


def _arms_named(problem: Problem, arms: Sequence[Arm], names: Sequence[str]) -> tuple[int, ...]:
    places, own = {channel.name: i for i, channel in enumerate(problem.channels)}, members(arms)
    for name in names:
        if name not in places:
            raise InvalidInput.at("", "unknown_channel", f"There is no channel {name!r}.")
    return tuple(a for name in names for a in own[places[name]])
