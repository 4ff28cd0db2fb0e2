"""One budget, concave envelopes: the price of money at which the best spends add up to the budget.

The root is found in the logarithm of the price by Newton inside a bracket; where straight parts
lie in the bracket, the nearest one is tried, so that a price that sits exactly on one is hit
exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.solve.one_budget.relaxation import BestSpends, Box, Relaxation

__all__ = ["RelaxedBudget", "fill", "relax", "settle"]

Array = NDArray[np.float64]
_LOWEST, _HIGHEST = -700.0, 700.0  # ln of the prices that doubles can hold with room to spare


@dataclass(frozen=True, slots=True)
class RelaxedBudget:
    """Solution of the relaxation: a price, its least best spends, spends that fit the budget, and
    the Lagrangian bound of the price."""

    price: float
    least: Array
    spend: Array
    bound: float
    iterations: int


def relax(
    model: Relaxation, box: Box, budget: float, *, guess: float | None = None
) -> RelaxedBudget | None:
    """Maximise the envelopes over the box and the budget; None where the box cannot meet it."""
    spend_all = model.task.spend_all
    hair = 1e-12 * max(budget, 1e-300)
    low, high = float(box.lower.sum()), float(box.upper.sum())
    if low > budget + hair or (spend_all and high < budget - hair):
        return None
    if high <= budget + hair:
        spend = box.upper.copy()
        if not spend_all:  # nothing is gained on a flat end: leave that money unspent
            for (i, _), hull in zip(model.tables, box.hulls, strict=True):
                spend[i] = hull.respond(0.0)[0]
        return RelaxedBudget(0.0, box.upper, spend, float(model.surface(box.upper).sum()), 1)
    if low >= budget - hair:
        price = _steepest(model, box)
        least = model.respond(box, price).least
        return RelaxedBudget(price, least, box.lower, _bound(model, price, budget, least), 1)
    price, best, iterations = _root(model, box, budget, guess)
    most = box.upper if price == 0.0 else best.most
    spend = fill(best.least, most, budget)
    # What is left is rounding, and a Newton step of second order along the channels that give.
    spend = settle(spend, box.lower, box.upper, budget, best.give)
    return RelaxedBudget(
        price, best.least, spend, _bound(model, price, budget, best.least), iterations
    )


def fill(least: Array, most: Array, budget: float) -> Array:
    """Raise ``least`` towards ``most``, channel by channel in order, until the budget is spent."""
    room = most - least
    left = budget - float(least.sum())
    if left <= 0.0 or not np.any(room > 0.0):
        return least
    before = np.cumsum(room) - room
    return np.asarray(least + np.clip(left - before, 0.0, room))


def settle(spend: Array, lower: Array, upper: Array, budget: float, give: Array) -> Array:
    """Spread a small difference to the budget over the channels that ``give``, then over any; exact
    to a few units in the last place, bounds kept."""
    for weight in (give, spend - lower, np.ones_like(spend)):
        for _ in range(4):
            left = budget - _sum(spend)
            if abs(left) <= 4e-16 * budget:
                return spend
            room = (upper - spend) if left > 0.0 else (spend - lower)
            free = np.where((room > 0.0) & (weight > 0.0), weight, 0.0)
            total = float(free.sum())
            if total <= 0.0:
                break
            step = np.minimum(abs(left) * (free / total), room)
            spend = np.clip(spend + math.copysign(1.0, left) * step, lower, upper)
    return spend


def _sum(x: Array) -> float:
    return math.fsum(x.tolist()) if x.size <= 20_000 else float(x.sum())


def _bound(model: Relaxation, price: float, budget: float, least: Array) -> float:
    return price * budget + float((model.surface(least) - price * least).sum())


def _root(
    model: Relaxation, box: Box, budget: float, guess: float | None
) -> tuple[float, BestSpends, int]:
    """The price with least <= budget <= most; 0 where even tiny prices leave money unspent."""
    ties = np.zeros(0) if model.late() else model.ties(box)
    theta = math.log(guess) if guess is not None and guess > 0.0 else _start(model, box, budget)
    theta = min(max(theta, _LOWEST), _HIGHEST)
    # A guess is often a tie itself: kept as it is, not sent through the logarithm.
    price = guess if guess is not None and guess > 0.0 else math.exp(theta)
    too_low, too_high = 0.0, math.inf  # the bracket again, as prices: ties are met exactly
    left, right = -math.inf, math.inf  # spends exceed the budget at left, fall short at right
    reach, halve, iteration = 1.0, False, 0
    none = np.zeros(model.n)
    ample, short = BestSpends(box.upper, box.upper, none), BestSpends(box.lower, box.lower, none)
    while True:
        iteration += 1
        best = model.respond(box, price)
        least, most = float(best.least.sum()), float(best.most.sum())
        if least <= budget <= most:
            return price, best, iteration
        if least > budget:
            left, too_low, excess, ample = theta, price, least - budget, best
        else:
            right, too_high, excess, short = theta, price, most - budget, best
        if theta <= _LOWEST and excess < 0.0:
            return 0.0, best, iteration
        give = float(best.give.sum())
        step = math.copysign(math.inf, excess)
        if give > 0.0:
            # Newton on the log of the total: far out some channel's power law is all there is.
            total = budget + excess
            step = total * math.log(total / budget) / give if total > 0.0 else excess / give
        first = int(np.searchsorted(ties, too_low, side="right"))
        last = int(np.searchsorted(ties, too_high, side="left"))
        bracketed = math.isfinite(left) and math.isfinite(right)
        # Newton squares what is left; the last step in the spends is the caller's, who settles
        # the budget along what gives.
        settled = abs(excess) <= 1e-8 * budget and abs(step) <= 1e-8
        closed = bracketed and right - left <= 4e-16 * max(abs(left), abs(right), 1.0)
        if first == last and settled:
            return price * math.exp(step), best, iteration
        late = model.late()
        if (first == last and closed) or iteration >= 300 or late:
            # A jump that no straight part explains: curves flat to the last digit. Either side
            # is a best response to rounding, so what lies between them is filled like a tie.
            # (Or the time is up: any price gives a bound, and what lies between is a plan.)
            most_there = np.maximum(ample.least, short.least)
            return price, BestSpends(short.least, most_there, best.give), iteration
        if bracketed:
            inside = left < theta + step < right and iteration < 40
            trial = theta + step if inside else 0.5 * (left + right)
        else:
            # One side is unknown: go there, by Newton or in growing strides.
            stride = math.copysign(reach, excess)
            trial = theta + (step if abs(step) < 4.0 * reach else stride)
            reach *= 2.0
        trial = min(max(trial, _LOWEST), _HIGHEST)
        theta, price = trial, math.exp(trial)
        if first < last:
            # The straight part nearest to the trial; every other time the middle one.
            at = int(np.clip(np.searchsorted(ties, price), first, last - 1))
            if at > first and price - ties[at - 1] < ties[at] - price:
                at -= 1
            if bracketed and halve:
                at = (first + last) // 2
            tie = math.log(ties[at])
            if bracketed or last - first == 1 or abs(tie - trial) < 0.5 * abs(step):
                theta, price, halve = tie, float(ties[at]), not halve


def _steepest(model: Relaxation, box: Box) -> float:
    """A price at which nobody spends more than the least (where slopes are finite)."""
    slopes = np.where(np.isfinite(box.slope), box.slope, model.marginal(box.lower))
    slopes = np.concatenate([slopes, [hull.slope[0] for hull in box.hulls]])
    usable = slopes[np.isfinite(slopes)]
    return float(usable.max()) if usable.size else 0.0


def _start(model: Relaxation, box: Box, budget: float) -> float:
    """The log of the slope in the middle, at a point between the bounds that spends the budget."""
    low, high = float(box.lower.sum()), float(box.upper.sum())
    share = (budget - low) / (high - low)
    x = box.lower + share * (box.upper - box.lower)
    x = np.where(x < box.end, box.end, x)
    slopes = model.marginal(x)
    usable = slopes[np.isfinite(slopes) & (slopes > 0.0) & (box.upper > box.lower)]
    return math.log(float(np.median(usable))) if usable.size else 0.0
