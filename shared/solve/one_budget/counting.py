"""How many channels are beyond a threshold: a relaxation that near-identical S-curves cannot blur.

The envelopes of S-curves that are alike all have lines of nearly one slope, so a budget that is not
a multiple of what the lines' ends cost leaves a gap that no channel's own bounds can close: put one
channel to a side, and the next takes its place. What does close it is to count. With at most (or at
least) so many channels beyond their thresholds, the best choice at a price of money is to rank the
channels by what crossing earns them, and weak duality in the price gives the bound. The multiplier
of the count lies between the last channel chosen and the first one left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.solve.one_budget.relaxation import Box, Relaxation

__all__ = ["Counted", "Limit", "relax_counted", "thresholds"]

Array = NDArray[np.float64]
_LOWEST, _HIGHEST = -700.0, 700.0


@dataclass(frozen=True, slots=True)
class Limit:
    """From ``least`` to ``most`` channels spend more than ``at`` (n,); ``inf`` is not counted."""

    at: Array
    least: int
    most: int

    def inside(self, lower: Array, upper: Array) -> tuple[Array, Array, bool] | None:
        """Bounds that the count implies, and whether it says nothing beyond them; None if empty."""
        must, can = lower > self.at, upper > self.at
        fewest, largest = int(must.sum()), int(can.sum())
        if fewest > self.most or largest < self.least:
            return None
        if fewest == self.most:
            upper = np.where(must, upper, np.minimum(upper, self.at))
        if largest == self.least:
            lower = np.where(can, np.maximum(lower, self.at), lower)
        idle = fewest >= self.least and largest <= self.most
        return lower, upper, idle or fewest == self.most or largest == self.least


@dataclass(frozen=True, slots=True)
class Counted:
    """The lowest bound found, its multipliers, and the best plans at prices on either side.

    ``over`` spends the budget or more, ``under`` the budget or less; they are the same plan where
    it is met. ``share`` of ``over`` and the rest of ``under`` meet it together.
    """

    price: float
    count_price: float
    bound: float
    over: Array
    under: Array
    share: float
    iterations: int

    def mixed(self) -> Array:
        """The spends (n,) that meet the budget between both plans."""
        return self.share * self.over + (1.0 - self.share) * self.under


@dataclass(frozen=True, slots=True)
class _Choice:
    """The best plan at one price: the bound it gives, what it spends, how fast that falls."""

    theta: float
    price: float
    count_price: float
    bound: float
    spend: Array
    total: float
    give: float


def thresholds(model: Relaxation, box: Box, channel: int, x: float) -> Array:
    """(n,) a threshold on every line of the box, all as far along as ``x`` is on its own."""
    share = (x - box.lower[channel]) / (box.end[channel] - box.lower[channel])
    bent = (box.end > box.lower) & np.isfinite(model.bend)
    return np.where(bent, box.lower + share * (box.end - box.lower), np.inf)


def relax_counted(
    model: Relaxation, box: Box, limit: Limit, guess: float, cutoff: float, accuracy: float
) -> Counted:
    """Minimise the bound over the price, until it falls to ``cutoff`` or ``accuracy`` is reached.

    The bound is convex in the price, its slope is what the best plan leaves of the budget. Newton
    on the budget inside a bracket, or where both tangents meet; with a jump at the minimum, two
    plans remain.
    """
    choose = _Chooser(model, box, limit)
    budget = model.task.budget
    theta = min(max(math.log(guess) if guess > 0.0 else 0.0, _LOWEST), _HIGHEST)
    over: _Choice | None = None
    under: _Choice | None = None
    reach, iteration = 0.05, 0
    while True:
        iteration += 1
        here = choose(theta)
        excess = here.total - budget
        if excess >= 0.0:
            over = here
        if excess <= 0.0:
            under = here
        if here.bound <= cutoff or abs(excess) <= 1e-13 * budget:
            break
        if iteration >= 200 or model.late():
            break
        step = excess / here.give if here.give > 0.0 else math.copysign(math.inf, excess)
        if over is None or under is None:
            limit_at = _HIGHEST if over is not None else _LOWEST
            if theta == limit_at:
                break
            move = step if abs(step) < 4.0 * reach else math.copysign(reach, excess)
            # A hair beyond the root, so that the next plan closes the bracket.
            theta = theta + 1.01 * move
            theta = min(max(theta, _LOWEST), _HIGHEST)
            reach *= 2.0
            continue
        # Both tangents lie under the bound; where they meet is the least it can be.
        slope = (over.total - under.total) or 1.0
        meet = over.bound - under.bound + over.price * (over.total - budget)
        meet = (meet - under.price * (under.total - budget)) / slope
        least = over.bound - (over.total - budget) * (meet - over.price)
        if min(over.bound, under.bound) - least <= accuracy:
            break
        left, right = over.theta, under.theta
        if right - left <= 4e-16 * max(abs(left), abs(right), 1.0):
            break
        trial = theta + step
        if not left < trial < right or iteration % 4 == 0:
            trial = math.log(meet) if over.price < meet < under.price else 0.5 * (left + right)
        if not left < trial < right or iteration % 8 == 0:
            trial = 0.5 * (left + right)
        theta = trial
    ends = [end for end in (over, under) if end is not None]
    best = min(ends, key=lambda end: end.bound)
    over, under = over or best, under or best
    run = over.total - under.total
    share = min(max((budget - under.total) / run, 0.0), 1.0) if run > 0.0 else 0.0
    return Counted(
        best.price, best.count_price, best.bound, over.spend, under.spend, share, iteration
    )


class _Chooser:
    """Best plans under a limit, price after price; what does not depend on it is kept."""

    def __init__(self, model: Relaxation, box: Box, limit: Limit) -> None:
        self.curves, self.budget = model.task.curves, model.task.budget
        self.lower, self.upper, self.limit = box.lower, box.upper, limit
        self.at = np.clip(limit.at, box.lower, box.upper)
        self.start, self.middle = self.curves.value(self.lower), self.curves.value(self.at)
        self.must, can = box.lower > limit.at, box.upper > limit.at
        self.free = np.flatnonzero(can & ~self.must)
        fixed = int(self.must.sum())
        self.fixed = fixed
        self.least, self.most = max(limit.least - fixed, 0), limit.most - fixed

    def __call__(self, theta: float) -> _Choice:
        """Both sides of each channel have two candidates: an end, and the concave part's best."""
        price = math.exp(theta)
        top = np.minimum(
            np.maximum(self.curves.at_slope(np.full(self.lower.size, price)), self.lower),
            self.upper,
        )
        gain = self.curves.value(top) - price * top
        start, middle = self.start - price * self.lower, self.middle - price * self.at
        beyond = top >= self.at
        low_top = np.where(beyond, middle, gain)
        low = np.maximum(start, low_top)
        low_at = np.where(start >= low_top, self.lower, np.where(beyond, self.at, top))
        better = beyond & (gain >= middle)
        high = np.where(better, gain, middle)
        chosen = self.must.copy()
        free = self.free
        lift = (high - low)[free]
        order = np.argsort(-lift, kind="stable")
        rank = lift[order]
        wanted = int(np.count_nonzero(rank > 0.0))
        count = min(max(wanted, self.least), self.most, free.size)
        chosen[free[order[:count]]] = True
        count_price = 0.0
        if count != wanted:
            last = rank[count - 1] if count > 0 else rank[0]
            following = rank[count] if count < rank.size else rank[-1]
            count_price = 0.5 * float(last + following)
        spend = np.where(chosen, np.where(better, top, self.at), low_at)
        inside = (spend == top) & (top > self.lower) & (top < self.upper)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = -1.0 / self.curves.relative_curvature(top)
        give = float(rate[inside & np.isfinite(rate)].sum())
        bound = price * self.budget + float(np.where(chosen, high, low).sum())
        return _Choice(theta, price, count_price, bound, spend, float(spend.sum()), give)
