"""Every channel's answer to a grid of prices, computed once and shared by many budgets.

At a price a channel is worth ``f(x) - price x`` at its best spend. Budgets, bounds and boxes differ
from one question to the next; these columns do not. A channel is ``on`` where it spends in the last
part in which its curve is concave, and ``off`` below that. A mean over draws of which some are
concave may be concave at first, then convex, then concave again: off, it has a best spend too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.solve.one_budget.dual import relax
from shared.solve.one_budget.relaxation import Relaxation

__all__ = ["Priced", "priced"]

Array = NDArray[np.float64]

STEP = 0.012
"""Distance of the grid's prices, in their logarithm: what it costs a bound is of second order."""

COARSE = 0.08
"""The same where every curve is concave: Newton finds prices, and there is nothing to search."""

CLIMB = 1e-4
"""A slope that climbs by less, relative to its size, counts as falling."""

PIECES = (0.0, 0.03, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Where the convex part of a curve can be split, as shares of its length."""

WIDER = math.log(3.0)
"""How far the grid reaches beyond the prices of the smallest and the largest budget."""

WIDEST = 14.0
"""Logarithm of the largest ratio of prices on one grid: beyond, budgets have little in common."""


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """Columns over G prices for n channels.

    Attributes
    ----------
    price
        (G,) rising.
    tie
        (G,) whether a channel's best spend jumps at that very price.
    start, rest
        (n,) spend from which a channel is on; up to which one that is off is concave.
    bent
        (n,) whether a channel can be off.
    spend, on
        (G, n) the best spend from ``start``, and what it is worth.
    small, idle
        (G, n) the best spend up to ``rest``, and what it is worth.
    marks
        (m + 1, n) ends of the pieces that [lower, start] is cut into, rising to ``start``; in such
        a piece a curve is convex, so that what counts are its ends.
    worth
        (m + 1, G, n) what spending exactly a mark is worth.
    """

    price: Array
    tie: NDArray[np.bool_]
    start: Array
    rest: Array
    bent: NDArray[np.bool_]
    spend: Array
    on: Array
    small: Array
    idle: Array
    marks: Array
    worth: Array


def priced(model: Relaxation, smallest: float, largest: float) -> Priced | None:
    """The columns for all budgets from ``smallest`` to ``largest``.

    None where the prices of those budgets are too far apart, or where there is none.
    """
    lower, upper = model.task.lower, model.task.upper
    box = model.box(lower, upper)
    ends = [relax(model, box, budget) for budget in (largest, smallest)]
    prices = [0.0 if end is None else end.price for end in ends]
    if not 0.0 < prices[0] <= prices[1] < math.inf:
        return None
    low, high = (math.log(price) for price in prices)
    if high - low > WIDEST:
        return None
    start, rest = _parts(model)
    bent = start > lower
    low, high = low - WIDER, high + WIDER
    step = STEP if np.any(bent) else COARSE
    grid = np.exp(np.linspace(low, high, math.ceil((high - low) / step) + 1))
    jumps = model.ties(box) if np.any(bent) else np.zeros(0)
    jumps = jumps[(jumps > grid[0]) & (jumps < grid[-1])]
    price = np.union1d(grid, jumps)
    cost = price[:, None]
    spend = _best(model, price, start)
    on = model.value(spend) - cost * spend
    small = np.broadcast_to(lower, spend.shape)
    marks = lower + np.array(PIECES)[:, None] * (start - lower)
    worth = model.value(marks)[:, None, :] - cost * marks[:, None, :]
    idle = worth[0]
    if np.any(rest > lower):
        small = _smallest(model, price, rest)
        idle = model.value(small) - cost * small
    return Priced(
        price=price,
        tie=np.isin(price, jumps),
        start=start,
        rest=rest,
        bent=bent,
        spend=spend,
        on=on,
        small=small,
        idle=idle,
        marks=marks,
        worth=worth,
    )


def _parts(model: Relaxation) -> tuple[Array, Array]:
    """(n,) where the last concave part starts, and where a first one ends."""
    lower, upper = model.task.lower, model.task.upper
    start, rest = np.clip(model.bend, lower, upper), lower.copy()
    for i, table in model.tables:
        slope = table.slope
        if slope is None or slope.size < 2:
            continue
        # The largest climb of the slope is the bend; what wobbles beside it is left to bounds.
        climb = slope - np.minimum.accumulate(slope)
        top = int(np.argmax(climb))
        foot = int(np.argmin(slope[: top + 1]))
        bends = climb[top] > CLIMB * float(slope[foot] + slope[top])
        start[i] = table.spend[top] if bends else lower[i]
        rest[i] = table.spend[foot] if bends else lower[i]
    return start, rest


def _smallest(model: Relaxation, price: Array, rest: Array) -> Array:
    """(G, n) best spends on the first concave parts."""
    lower = model.task.lower
    out = np.broadcast_to(lower, (price.size, model.n)).copy()
    for i, table in model.tables:
        if rest[i] > lower[i]:
            hull = table.hull(float(lower[i]), float(rest[i]))
            out[:, i] = np.interp(-price, -hull.slope, hull.spend)
    return out


def _best(model: Relaxation, price: Array, start: Array) -> Array:
    """(G, n) best spends on the concave parts."""
    upper = model.task.upper
    out = np.empty((price.size, model.n))
    c = model.columns
    if model.curves.n:
        wanted = np.broadcast_to(price[:, None], (price.size, model.curves.n))
        out[:, c] = model.curves.at_slope(wanted)
    for i, table in model.tables:
        hull = table.hull(float(start[i]), float(upper[i]))
        out[:, i] = np.interp(-price, -hull.slope, hull.spend)
    return np.clip(np.where(np.isfinite(out), out, start), start, upper)
