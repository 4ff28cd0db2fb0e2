"""The split of a budget over arms: the best one under each draw of what is believed, averaged.

Where returns fall with spend each draw is solved by the optimiser's engine of one budget; where
they do not, the best arms are filled in turn. Under one draw a straight line gives all that is
free to one arm, so that the mean over draws is Thompson sampling's expected split, within limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import Power, Saturation
from shared.curves.stack import stack
from shared.errors import Conflict, Infeasible, InvalidInput
from shared.learn.allocators.beliefs import Belief, kl
from shared.learn.allocators.posteriors import Beta
from shared.learn.allocators.spec import AllocatorSpec, Arm
from shared.problem.model import SolverOptions
from shared.solve.one_budget.form import OneBudget
from shared.solve.solver import solve

__all__ = [
    "CURVE_DRAWS",
    "DRAWS",
    "Limits",
    "best_split",
    "check_room",
    "curves_of",
    "filled",
    "kl_ucb",
    "limits",
    "lots",
    "optimistic",
    "splits",
]

Array = NDArray[np.float64]

DRAWS, CURVE_DRAWS = 1024, 32
"""Draws that a split is the mean of: where arms are filled in turn, and where each is solved."""

_OPTIONS = SolverOptions(gap=1e-9, time_limit_s=5.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """Least and most money of each arm (K,), and what is to be spent of the budget."""

    lower: Array
    upper: Array
    budget: float


def limits(spec: AllocatorSpec, arms: Sequence[Arm], period: int, budget: float) -> Limits:
    """The limits of a period: floors, the share that every arm gets, ceilings, ramps of new arms.

    Raises
    ------
    Infeasible
        The floors need more than the budget.
    InvalidInput
        No arm may spend anything.
    """
    least = spec.min_share * budget
    lower = np.array([max(arm.floor, least) for arm in arms])
    short = float(lower.sum()) - budget
    if short > 1e-9 * budget:
        told = [
            Conflict(f"{arm.arm}.floor", f"{arm.arm} gets at least {low:g}.", short)
            for arm, low in zip(arms, lower.tolist(), strict=True)
            if low > 0.0
        ]
        text = f"The floors of the arms need {short:g} more than the budget of {budget:g}."
        raise Infeasible(text, told)
    first, equal = min(arm.start for arm in arms), budget / len(arms)
    upper = np.full(len(arms), budget)
    for i, arm in enumerate(arms):
        if arm.ceiling is not None:
            upper[i] = min(upper[i], arm.ceiling)
        if arm.start > first and period - arm.start < spec.ramp:
            upper[i] = min(upper[i], equal * (period - arm.start + 1) / (spec.ramp + 1))
    upper = np.maximum(upper, lower)
    if not upper.any():
        text = "Every arm that runs has a ceiling of 0: nothing can be spent."
        raise InvalidInput.at("/arms", "contradiction", text)
    return Limits(lower, upper, min(budget, float(upper.sum())))


def check_room(spec: AllocatorSpec, arms: Sequence[Arm]) -> None:
    """Raise what ``limits`` raises of the budget in any period in which an arm begins."""
    for start in sorted({arm.start for arm in arms}):
        running = [arm for arm in arms if arm.runs(start)]
        limits(spec, running, start, spec.budget)


def filled(returns: Array, within: Limits) -> Array:
    """(D, K) the best splits where money brings ``returns`` (D, K) per unit, whatever is spent."""
    order = np.argsort(-returns, axis=1, kind="stable")
    room = (within.upper - within.lower)[order]
    left = within.budget - float(within.lower.sum()) - (np.cumsum(room, axis=1) - room)
    more = np.clip(left, 0.0, room)
    out = np.zeros(returns.shape)
    np.put_along_axis(out, order, more, axis=1)
    return out + within.lower


def best_split(curves: Sequence[Saturation], within: Limits) -> Array:
    """(K,) the best split over curves that are known."""
    names = tuple(str(i) for i in range(len(curves)))
    if within.budget - float(within.lower.sum()) <= 1e-12 * within.budget:
        return within.lower
    if float(within.upper.sum()) - within.budget <= 1e-12 * within.budget:
        return within.upper
    task = OneBudget(
        names=names,
        curves=stack(curves),
        draws=None,
        current=np.full(len(curves), np.nan),
        lower=within.lower,
        upper=within.upper,
        lower_by=names,
        upper_by=names,
        budget=within.budget,
        spend_all=True,
    )
    return np.asarray(solve(task.program(), _OPTIONS).plan[:, 0])


def splits(beliefs: Sequence[Belief], sizes: Array, within: Limits) -> Array:
    """(D, K) the best split under each draw of sizes (D, K): rates per trial, or of curves."""
    if all(belief.arm.curve is None for belief in beliefs):
        return filled(sizes / np.array([belief.arm.cost for belief in beliefs]), within)
    done: dict[bytes, Array] = {}
    for row in sizes:
        if row.tobytes() not in done:
            done[row.tobytes()] = best_split(curves_of(beliefs, row), within)
    return np.array([done[row.tobytes()] for row in sizes])


def curves_of(beliefs: Sequence[Belief], sizes: Array) -> list[Saturation]:
    """Each arm's outcome over its spend, at these sizes or rates (K,)."""
    out: list[Saturation] = []
    for belief, size in zip(beliefs, np.maximum(sizes, 1e-12).tolist(), strict=True):
        arm = belief.arm
        if arm.curve is None:
            out.append(Power(coefficient=size / arm.cost, exponent=1.0))
        else:
            out.append(arm.curve.response.times(size))
    return out


def kl_ucb(mean: Array, trials: Array, budget: Array) -> Array:
    """The largest rate that so many binary trials with that mean do not rule out.

    The largest q with ``trials kl(mean, q) <= budget`` by 26 halvings (Garivier and Cappé, The
    KL-UCB algorithm for bounded stochastic bandits and beyond, 2011); ``budget`` is ln t.
    """
    low, high = mean.copy(), np.ones(mean.shape)
    for _ in range(26):
        middle = 0.5 * (low + high)
        inside = trials * kl(mean, middle) <= budget
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return 0.5 * (low + high)


def optimistic(beliefs: Sequence[Belief], rounds: float) -> Array:
    """(K,) upper confidence bounds of rates or sizes after so many trials (or periods)."""
    log = float(np.log(max(rounds, 1.0)))
    out = []
    for belief in beliefs:
        rate = belief.rate
        if isinstance(rate, Beta):
            n = max(rate.a + rate.b - 2.0, 0.0)
            p = np.array([(rate.a - 1.0) / n if n > 0.0 else 0.0])
            out.append(float(kl_ucb(np.clip(p, 0.0, 1.0), np.array([n]), np.array([log]))[0]))
        else:
            out.append(rate.mean + rate.sd * float(np.sqrt(2.0 * log)))
    return np.array(out)


def lots(spend: Array, lot: float, within: Limits) -> Array:
    """A split in whole lots, nearest to ``spend`` by largest remainders, within floors and ceilings
    as far as lots allow."""
    if lot <= 0.0:
        return spend
    whole = np.floor(spend / lot + 1e-9)
    left = round(float(np.floor(within.budget / lot + 1e-9) - whole.sum()))
    rest = spend / lot - whole
    for place in np.argsort(-rest, kind="stable").tolist() * 2:
        if left <= 0:
            break
        if (whole[place] + 1.0) * lot <= within.upper[place] + 1e-9 * within.budget:
            whole[place] += 1.0
            left -= 1
    return np.asarray(whole * lot)
