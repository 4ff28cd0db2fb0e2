"""One budget in many draws at once: the best plan of each, where curves are known to be its own.

All draws stand side by side as the columns of one stack, priced on a grid. A channel is off (at an
end of its convex part) or on (in its concave part), and a pattern of those is worth the least of
its dual over prices. Channels that the gap at the best price leaves no choice are fixed, all
patterns of the others are tried; the largest bound tells how good the best is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import CurveStack, DrawStack, Group
from shared.solve.one_budget.dual import settle
from shared.solve.one_budget.form import OneBudget

__all__ = ["best_in_draws"]

Array = NDArray[np.float64]

_COARSE = np.exp(np.linspace(-3.0, 3.0, 13))
_FINE = np.exp(0.35 * np.sinh(np.linspace(-2.5, 2.5, 45)))
_MARKS = np.concatenate(([0.0], np.geomspace(0.02, 1.0, 24)))
"""Ends of the pieces of a convex part, as shares of it."""
_UNDECIDED, _NODES, _ROUNDS = 8, 600, 30
_STEPS = 12  # of the search for the price that spends the budget


def best_in_draws(
    task: OneBudget, draws: list[int], gap: float, price: float
) -> list[Array | None]:
    """For each draw a plan (n,) proven to a relative ``gap``; None where that takes a search.
    Prices are looked for around ``price``, that of the budget in the mean."""
    stacked = task.draws
    lower, upper, budget = task.lower, task.upper, task.budget
    nothing: list[Array | None] = [None] * len(draws)
    if stacked is None or stacked.tables or not 0.0 < price < np.inf:
        return nothing
    if not float(lower.sum()) < budget < float(upper.sum()):
        return nothing
    sides = _Sides(_beside(stacked, draws), lower, upper, len(draws))
    rows = np.arange(len(draws))
    prices = price * _COARSE[:, None] * np.ones(rows.size)
    spend, on, marks = sides.at(prices)
    if not sides.bent.any():  # the price that spends the budget says it all
        after = np.clip((spend.sum(axis=2) > budget).sum(axis=0), 1, len(prices) - 1)
        every = np.ones(sides.shape, dtype=bool)
        ends = prices[after - 1, rows], prices[after, rows]
        plans = sides.spending(every, *ends, budget, every[:, 0])
        near = np.abs(plans.sum(axis=1) - budget) <= 1e-3 * budget
        fine = (sides.curved & near).tolist()
        return [
            settle(plan, lower, upper, budget, plan) if own else None
            for plan, own in zip(plans, fine, strict=True)
        ]
    prices = prices[sides.dual(prices, on, marks, budget).argmin(axis=0), rows] * _FINE[:, None]
    spend, on, marks = sides.at(prices)
    pick = sides.dual(prices, on, marks, budget).argmin(axis=0)
    torn, brings = sides.torn(prices, spend, on, budget)
    length = (sides.start - lower) / budget
    found = [
        _pattern(
            on[:, r],
            marks[:, :, r],
            prices[:, r] * budget,
            length[r],
            at_,
            sides.bent[r],
            brings[r],
            gap,
        )
        for r, at_ in enumerate(pick.tolist())
    ]
    patterns, bounds = np.array([each[0] for each in found]), np.array([each[1] for each in found])
    places = np.array([each[2] for each in found])
    ends = prices[np.maximum(places - 1, 0), rows], prices[np.maximum(places, 0) + 1, rows]
    plans = sides.spending(patterns, *ends, budget, places >= 0)
    for r in np.flatnonzero(places >= 0).tolist():
        plans[r] = settle(plans[r], lower, upper, budget, np.where(patterns[r], plans[r], 0.0))
    value = sides.value(plans).sum(axis=1)
    better = (brings > value) | (places < 0)
    plans, value = np.where(better[:, None], torn, plans), np.where(better, brings, value)
    good = sides.curved & (bounds <= value + gap * np.abs(value))
    return [plan if fine else None for plan, fine in zip(plans, good.tolist(), strict=True)]


class _Sides:
    """Channels (R, n) of all draws, with where they are ``bent``; ``curved`` (R,) where none is a
    straight line."""

    def __init__(self, curves: CurveStack, lower: Array, upper: Array, count: int) -> None:
        self.curves, self.lower, self.upper = curves, lower, upper
        self.shape = count, lower.size
        bend = curves.concave_from().reshape(self.shape)
        self.curved = np.isfinite(bend).all(axis=1)
        self.start = np.clip(np.where(np.isfinite(bend), bend, 0.0), lower, upper)
        self.bent = self.start > lower
        self.marks = lower + _MARKS[:, None, None] * (self.start - lower)
        self.worth = self.value(self.marks)

    def value(self, x: Array) -> Array:
        """Of spends (..., R, n)."""
        return np.asarray(self.curves.value(x.reshape(*x.shape[:-2], -1)).reshape(x.shape))

    def dual(self, prices: Array, on: Array, marks: Array, budget: float) -> Array:
        """(G, R) no plan is worth more."""
        off = np.maximum(marks[0], marks[-1])
        best = np.where(self.bent, np.maximum(on, off), on)
        return np.asarray(prices * budget + best.sum(axis=2))

    def torn(self, prices: Array, spend: Array, on: Array, budget: float) -> tuple[Array, Array]:
        """(R, n) the best plans met, and (R,) what they bring, where one channel takes what all the
        others leave at some price; it may be anywhere in its curve then."""
        low = self.worth[0] - prices[:, :, None] * self.lower
        each = np.where(on >= low, spend, self.lower)
        brought = np.maximum(on, low) + prices[:, :, None] * each
        rest = budget - (each.sum(axis=2, keepdims=True) - each)
        inside = (rest >= self.lower) & (rest <= self.upper)
        total = brought.sum(axis=2, keepdims=True) - brought
        total = np.where(inside, total + self.value(np.where(inside, rest, self.lower)), -np.inf)
        rows = np.arange(len(self.curved))
        flat = np.moveaxis(total, 1, 0).reshape(rows.size, -1)
        at, channel = np.divmod(flat.argmax(axis=1), self.lower.size)
        plans = each[at, rows]
        plans[rows, channel] = rest[at, rows, channel]
        return plans, flat.max(axis=1)

    def best(self, prices: Array) -> Array:
        """(..., R, n) the best spends of channels that are on."""
        wide = np.repeat(prices[..., None], self.shape[1], axis=-1)
        x = self.curves.at_slope(wide.reshape(*prices.shape[:-1], -1)).reshape(wide.shape)
        return np.clip(np.where(np.isfinite(x), x, self.upper), self.start, self.upper)

    def at(self, prices: Array) -> tuple[Array, Array, Array]:
        """Spends (G, R, n) of channels that are on, what they are worth, and (M, G, R, n) what the
        marks are, at prices (G, R)."""
        x, cost = self.best(prices), prices[:, :, None]
        marks = self.worth[:, None] - cost * self.marks[:, None]
        return x, self.value(x) - cost * x, marks

    def spending(
        self,
        on: NDArray[np.bool_],
        low: Array,
        high: Array,
        budget: float,
        wanted: NDArray[np.bool_],
    ) -> Array:
        """(R, n) the plans of patterns, ``wanted`` (R,) ones, that spend the budget at a price from
        ``low`` to ``high`` (R,)."""
        ends = np.where(on, self.best(np.stack((low, high))), self.lower).sum(axis=2) - budget
        (over, under), plans = ends, np.zeros(self.shape)
        for _ in range(_STEPS):
            # Spends over prices are nearly straight in logarithms; a step stays well inside.
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.clip(over / (over - under), 0.01, 0.99)
                price = low * (high / low) ** np.where(np.isfinite(share), share, 0.5)
            plans = np.where(on, self.best(price[None])[0], self.lower)
            left = plans.sum(axis=1) - budget
            if np.all((np.abs(left) <= 1e-6 * budget) | ~wanted):
                break
            more = left > 0.0
            low, over = np.where(more, price, low), np.where(more, left, over)
            high, under = np.where(more, high, price), np.where(more, under, left)
        return plans


def _pattern(
    on: Array,
    marks: Array,
    money: Array,
    length: Array,
    at: int,
    bent: NDArray[np.bool_],
    least: float,
    gap: float,
) -> tuple[NDArray[np.bool_], float, int]:
    """Which channels (n,) are best on, a bound for all plans, and the place of the price (-1 where
    no pattern beats ``least``, what some plan is known to bring).

    ``on`` (G, n) and ``marks`` (M, G, n) are what channels are worth on, and at marks below
    that.
    """
    off = np.maximum(marks[0], marks[-1])
    lead = on - off
    chosen = (lead[at] >= 0.0) | ~bent
    flips = np.concatenate((chosen[None], chosen ^ np.eye(bent.size, dtype=bool)[bent]))
    best, found, value = chosen, -1, least
    own, places, worth = _duals(flips, on, marks[0], money)
    if worth[own] > value:
        best, found, value = flips[own], int(places[own]), float(worth[own])
    top = money + np.where(bent, np.maximum(on, off), on).sum(axis=1)
    bound = float(top[at])
    open_ = np.flatnonzero(bent & (np.abs(lead[at]) < bound - value))
    if bound <= value + 0.5 * gap * abs(value) or open_.size > _UNDECIDED:
        return best, bound, found
    # Of a channel that is surely off only the first part of the convex piece may still count.
    near = marks[:, at] >= off[at] - (bound - value)
    end = np.minimum(len(marks) - near[::-1].argmax(axis=0), len(marks) - 1)
    idle = np.maximum(marks[0], np.take_along_axis(marks, end[None, None], axis=0)[0])
    sure = np.delete(np.where(chosen, on, idle), open_, axis=1).sum(axis=1) + money
    nodes = (np.arange(1 << open_.size)[:, None] >> np.arange(open_.size)) % 2 - 1
    own, places, worth = _duals(nodes < 0, on[:, open_], marks[0][:, open_], sure)
    if worth[own] > value:
        best, found, value = chosen.copy(), int(places[own]), float(worth[own])
        best[open_] = nodes[own] < 0
    enough = value + 0.5 * gap * abs(value)
    ends, last = marks[:, :, open_], len(marks) - 1
    each, low = np.arange(open_.size), np.where(nodes < 0, last, 0)
    high, shut = np.full(nodes.shape, last), -np.inf
    for _ in range(_ROUNDS):
        # What counts in a piece of a convex part are its ends; on is the piece after the last.
        left, right = ends[low, :, each], ends[high, :, each]
        worth = np.where((low == last)[:, :, None], on[:, open_].T, np.maximum(left, right))
        duals = sure + worth.sum(axis=1)
        places = duals.argmin(axis=1)
        tops = duals[np.arange(len(duals)), places]
        kept = np.flatnonzero(tops > enough)
        bound = max(float(tops[kept].max(initial=enough)), shut)
        if not kept.size or kept.size > _NODES or not open_.size:
            break
        # The channel to split is one whose ends are as good at the node's price, and far apart.
        tie = np.abs((left - right)[kept[:, None], each, places[kept, None]])
        low, high = low[kept], high[kept]
        wide = (_MARKS[high] - _MARKS[low]) * money[places[kept], None] * length[open_]
        score = np.where(high - low > 1, wide - 2.0 * tie, -np.inf)
        pick = score.argmax(axis=1)
        rows = np.arange(kept.size)
        open_nodes = np.isfinite(score[rows, pick])
        shut = max(shut, float(tops[kept][~open_nodes].max(initial=-np.inf)))
        low, high, pick = low[open_nodes], high[open_nodes], pick[open_nodes]
        rows = np.arange(len(low))
        middle = (low[rows, pick] + high[rows, pick]) // 2
        low, high = np.concatenate((low, low)), np.concatenate((high, high))
        high[rows, pick] = middle
        low[rows + len(rows), pick] = middle
    return best, bound, found


def _duals(
    patterns: NDArray[np.bool_], on: Array, off: Array, rest: Array
) -> tuple[int, NDArray[np.intp], Array]:
    """The best of patterns (k, n), the places (k,) of their prices, and what they are worth."""
    dual = rest + off.sum(axis=1) + patterns @ (on - off).T
    places = dual.argmin(axis=1)
    worth = dual[np.arange(len(dual)), places]
    # At an end of the grid a pattern cannot spend the budget.
    worth = np.where((places > 0) & (places < rest.size - 1), worth, -np.inf)
    return int(worth.argmax()), places, worth


def _beside(draws: DrawStack, picked: list[int]) -> CurveStack:
    """Channel ``i`` of the r-th draw picked is column ``r n + i``."""
    groups = []
    for group in draws.groups:
        own = np.arange(draws.n)[group.columns]
        columns = (np.arange(len(picked))[:, None] * draws.n + own).ravel()
        curve = group.curve.each(lambda p: np.ascontiguousarray(p[picked]).ravel())
        groups.append(Group(columns if own.size < draws.n else slice(None), curve))
    return CurveStack(len(picked) * draws.n, tuple(groups))
