"""The best plans of one problem at many budgets, for little more than one costs.

Tables, envelopes, and each channel's answer to a grid of prices are made once; one branch and bound
grows the trees of all budgets side by side; all plans are made stationary together. A channel is
``on`` where it spends in the last part in which its curve is concave, and ``off`` below that (a
mean over draws may be concave there at first). A node says of each channel in which of its pieces
it may spend, so its dual function over all prices is a sum of columns: nothing in the trees
evaluates a curve. A pattern that is good at one budget is tried at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.problem.proof import Cut, Node, Proof, SplitDecision
from shared.solve.one_budget.dual import relax, settle
from shared.solve.one_budget.form import OneBudget, at_price
from shared.solve.one_budget.relaxation import Relaxation

__all__ = ["Budgets", "solve_budgets"]

Array = NDArray[np.float64]


ROUNDS = 3
"""Newton steps from the grid's own accuracy to the last digits."""


@dataclass(frozen=True, slots=True, eq=False)
class Budgets:
    """Plans (K, n), nan where none was found; their proofs; sizes of their trees."""

    spend: Array
    proofs: list[Proof]
    nodes: NDArray[np.intp]


def solve_budgets(task: OneBudget, budgets: Array, gap: float, deadline: float) -> Budgets | None:
    """Plans and proofs for K budgets; None where the budgets have too little in common.

    Parameters
    ----------
    task
        The problem at the largest of the ``budgets`` (K,), each of which must lie between the sums
        of its bounds, with room on both sides.
    gap
        Relative; a budget whose tree grows too large stops before it.
    deadline
        ``work.now`` after which the tables are refined no further.
    """
    model = Relaxation(task, deadline)
    columns = _priced(model, float(budgets.min()), float(budgets.max()))
    if columns is None:
        return None
    grown = _grow(columns, task.upper, budgets, gap)
    spend, price = _stationary(model, columns, grown, budgets)
    proofs = [
        # A tree of one leaf has the plan's own price, known to more digits than the grid's.
        Proof((at_price(float(p)),)) if len(proof.nodes) == 1 and not columns.bent.any() else proof
        for proof, p in zip(grown.proofs, price.tolist(), strict=True)
    ]
    for k, x in enumerate(spend):
        if grown.found[k]:
            fixed = ~grown.pattern[k]
            floor = np.where(fixed, task.lower, columns.start)
            top = np.where(fixed, columns.rest, task.upper)
            spend[k] = settle(x, floor, top, float(budgets[k]), x - floor)
    spend[~grown.found] = np.nan
    return Budgets(spend, proofs, grown.nodes)


def _stationary(
    model: Relaxation, columns: _PriceGrid, grown: _Grown, budgets: Array
) -> tuple[Array, Array]:
    """Spends (K, n) with equal slopes in each pattern, and the slopes (K,)."""
    lower, upper = model.task.lower, model.task.upper
    on, price = grown.pattern, grown.price.copy()
    floor, top = np.where(on, columns.start, lower), np.where(on, upper, columns.rest)
    if not model.exact or model.tables:
        place = np.interp(np.log(price), np.log(columns.price), np.arange(columns.price.size))
        left = np.clip(place.astype(int), 0, columns.price.size - 2)
        share = (place - left)[:, None]
        ends = [np.where(on, columns.spend[at], columns.small[at]) for at in (left, left + 1)]
        between = (1.0 - share) * ends[0] + share * ends[1]
        return _newton(model, np.clip(between, floor, top), floor, top, budgets), price
    curves = model.task.curves
    spend = floor
    for _ in range(ROUNDS + 1):
        best = curves.at_slope(np.broadcast_to(price[:, None], on.shape))
        spend = np.clip(np.where(np.isfinite(best), best, floor), floor, top)
        inside = (spend > floor) & (spend < top)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            rate = -1.0 / curves.relative_curvature(spend)
        give = np.where(inside & np.isfinite(rate), rate, 0.0).sum(axis=1)
        excess = spend.sum(axis=1) - budgets
        step = np.where(give > 0.0, excess / np.where(give > 0.0, give, 1.0), 0.0)
        price = price * np.exp(np.clip(step, -0.5, 0.5))
        if float(np.abs(excess / budgets).max()) <= 1e-13:
            break
    return spend, price


def _newton(model: Relaxation, spend: Array, floor: Array, top: Array, budgets: Array) -> Array:
    """Newton on the true slopes of the free channels, the budgets kept: for means over draws."""
    for _ in range(ROUNDS):
        at = np.where(spend > 0.0, spend, 1e-9 * budgets[:, None])
        slope, bend = model.marginal(at), model.curvature(at)
        free = (spend > floor) & (spend < top) & (bend < 0.0) & np.isfinite(bend)
        give = np.where(free, -1.0 / np.where(free, bend, 1.0), 0.0)
        total = give.sum(axis=1, keepdims=True)
        usable = np.where(total > 0.0, total, 1.0)
        left = budgets[:, None] - spend.sum(axis=1, keepdims=True)
        price = ((slope * give).sum(axis=1, keepdims=True) - left) / usable
        # No step beyond half the way to a bound: the next one decides whether it is met.
        step = np.clip((slope - price) * give, 0.5 * (floor - spend), 0.5 * (top - spend))
        spend = np.clip(spend + step, floor, top)
    return spend


Whole = NDArray[np.intp]
Mask = NDArray[np.bool_]

LEVELS = 40
"""Depth of the trees; what is still open then is left to a search of its own."""

NODES = 60
"""Nodes a budget, on the mean."""


@dataclass(frozen=True, slots=True, eq=False)
class _Grown:
    """For each of K budgets: the best pattern (K, n), its price (K,), whether one met the budget,
    the tree that shows it and its size."""

    pattern: Mask
    price: Array
    found: Mask
    proofs: list[Proof]
    nodes: Whole


@dataclass(slots=True)
class _SweepSearch:
    columns: _PriceGrid
    budgets: Array
    value: Array
    pattern: Mask
    price: Array
    tried: set[bytes] = field(default_factory=set)

    def attempt(self, patterns: Mask) -> None:
        """What each pattern is worth at every budget; the best are kept."""
        c = self.columns
        fresh = [p for p in np.unique(patterns, axis=0) if p.tobytes() not in self.tried]
        if not fresh:
            return
        self.tried.update(p.tobytes() for p in fresh)
        on = np.array(fresh)
        spent = on @ c.spend.T + ~on @ c.small.T
        worth = on @ c.on.T + ~on @ c.idle.T
        for k, mask in enumerate(fresh):
            # Spends fall as the price rises: the first price at which no more than B is spent.
            at = np.searchsorted(-spent[k], -self.budgets, side="left")
            inside = (at > 0) & (at < c.price.size)
            right = np.clip(at, 1, c.price.size - 1)
            left = right - 1
            dual = [worth[k, g] + c.price[g] * self.budgets for g in (left, right)]
            value = np.where(inside, np.minimum(*dual), -np.inf)
            better = value > self.value
            if np.any(better):
                over, under = spent[k, left], spent[k, right]
                share = (over - self.budgets) / np.maximum(over - under, 1e-300)
                rise = np.log(c.price[right] / c.price[left])
                price = c.price[left] * np.exp(np.clip(share, 0.0, 1.0) * rise)
                self.value = np.where(better, value, self.value)
                self.price = np.where(better, price, self.price)
                self.pattern[better] = mask


@dataclass(slots=True)
class _Front:
    """Open nodes: whose they are, where in that tree, and the first and last piece (M, n) of each
    channel; the last piece of all is that in which it is on."""

    owner: Whole
    slot: list[int]
    first: Whole
    last: Whole

    def take(self, which: Whole) -> _Front:
        """Some of the nodes."""
        slot = [self.slot[m] for m in which.tolist()]
        return _Front(self.owner[which], slot, self.first[which], self.last[which])


def _grow(columns: _PriceGrid, upper: Array, budgets: Array, gap: float) -> _Grown:
    """Patterns and trees for K budgets to half of the relative ``gap``, as far as a tree goes.

    ``upper`` (n,) are the bounds at the largest budget.
    """
    count, n = budgets.size, upper.size
    search = _SweepSearch(
        columns,
        budgets,
        np.full(count, -np.inf),
        np.zeros((count, n), dtype=bool),
        np.full(count, columns.price[0]),
    )
    if not columns.bent.any():  # nothing to decide: the price of each budget says it all
        search.attempt(np.ones((1, n), dtype=bool))
        proofs = [Proof((at_price(price),)) for price in search.price.tolist()]
        found = np.isfinite(search.value)
        return _Grown(search.pattern, search.price, found, proofs, np.ones(count, dtype=np.intp))
    pieces = columns.marks.shape[0]
    first = np.where(columns.bent, 0, pieces - 1)
    front = _Front(
        np.arange(count),
        [0] * count,
        np.broadcast_to(first, (count, n)).copy(),
        np.full((count, n), pieces - 1),
    )
    trees: list[list[Node]] = [[at_price(float(columns.price[0]))] for _ in range(count)]
    for _ in range(LEVELS):
        front = front.take(_possible(search, front, upper))
        if not front.owner.size or sum(map(len, trees)) > NODES * count:
            break
        front = _level(search, front, trees, upper, gap)
    return _Grown(
        pattern=search.pattern,
        price=search.price,
        found=np.isfinite(search.value),
        proofs=[Proof(tuple(tree)) for tree in trees],
        nodes=np.array([len(tree) for tree in trees], dtype=np.intp),
    )


def _level(
    search: _SweepSearch, front: _Front, trees: list[list[Node]], upper: Array, gap: float
) -> _Front:
    """Bound all open nodes, look for plans, cut and split; the nodes to look at next."""
    c = search.columns
    top = c.marks.shape[0] - 1
    dual, at, price = _bounds(search, front)
    for owner, slot, p in zip(front.owner.tolist(), front.slot, price.tolist(), strict=True):
        trees[owner][slot] = at_price(p)
    spends = [_spends(c, front, np.clip(at + k, 0, c.price.size - 1)) for k in (-1, 1)]
    jump = spends[0] - spends[1]
    torn = np.argmax(np.where(front.first < front.last, jump, -1.0), axis=1)
    rows = np.arange(front.owner.size)
    pattern = (front.last == top) & (_best(c, front, at) == c.on[at])
    other = pattern.copy()
    other[rows, torn] ^= True
    search.attempt(np.concatenate((pattern, other)))
    known = np.isfinite(search.value)
    cutoff = search.value + np.where(known, 0.5 * gap * np.abs(search.value), 0.0)
    slack = dual - cutoff[front.owner]
    kept = np.flatnonzero((slack > 0.0) & (front.first < front.last).any(axis=1))
    cut = front.take(kept)
    before = (cut.first.copy(), cut.last.copy())
    _narrow(c, cut, at[kept], slack[kept])
    # Where the relaxed spend of the torn channel lies: what the others leave of the budget.
    rest = spends[1][kept].sum(axis=1)
    middle = spends[1][kept, torn[kept]] + np.maximum(search.budgets[cut.owner] - rest, 0.0)
    out = _Front(cut.owner[:0], [], cut.first[:0], cut.last[:0])
    firsts, lasts, owners = [], [], []
    for m, (owner, slot) in enumerate(zip(cut.owner.tolist(), cut.slot, strict=True)):
        tree, i, p = trees[owner], int(torn[kept[m]]), float(price[kept[m]])
        less = np.flatnonzero((cut.first[m] > before[0][m]) | (cut.last[m] < before[1][m]))
        if less.size:
            low = c.marks[cut.first[m, less], less]
            ends = c.marks[np.minimum(cut.last[m, less] + 1, top), less]
            high = np.where(cut.last[m, less] == top, upper[less], ends)
            tree.append(at_price(p))
            tree[slot] = Cut(at_price(p), less, low, high, len(tree) - 1)
            slot = len(tree) - 1
        a, b = int(cut.first[m, i]), int(cut.last[m, i])
        parts = [(a, b)]
        if a < b and (i not in less or less.size == 1):
            inner = c.marks[a + 1 : b + 1, i]
            # First whether it is on at all, then where below.
            s = b if b == top else a + 1 + int(np.argmin(np.abs(inner - middle[m])))
            parts = [(a, s - 1), (s, b)]
            tree += [at_price(p)] * 2
            tree[slot] = SplitDecision(i, 0, float(c.marks[s, i]), len(tree) - 2, len(tree) - 1)
        elif not less.size:
            continue
        for k, (one, two) in enumerate(parts):
            first, last = cut.first[m].copy(), cut.last[m].copy()
            first[i], last[i] = one, two
            firsts.append(first)
            lasts.append(last)
            owners.append(owner)
            out.slot.append(slot if len(parts) == 1 else len(tree) - 2 + k)
    shape = (len(owners), upper.size)
    out.owner = np.array(owners, dtype=np.intp)
    out.first = np.array(firsts, dtype=np.intp).reshape(shape)
    out.last = np.array(lasts, dtype=np.intp).reshape(shape)
    return out


def _possible(search: _SweepSearch, front: _Front, upper: Array) -> Whole:
    """Which nodes hold a plan that meets their budget."""
    least, most = _ends(search.columns, front, upper)
    budget = search.budgets[front.owner]
    fits = (least.sum(axis=1) <= budget * (1.0 + 1e-12)) & (
        most.sum(axis=1) >= budget * (1.0 - 1e-12)
    )
    return np.flatnonzero(fits)


def _ends(c: _PriceGrid, front: _Front, upper: Array) -> tuple[Array, Array]:
    """(M, n) least and largest spends of the nodes."""
    columns, top = np.arange(upper.size), c.marks.shape[0] - 1
    most = c.marks[np.minimum(front.last + 1, top), columns]
    return c.marks[front.first, columns], np.where(front.last == top, upper, most)


def _best(c: _PriceGrid, front: _Front, at: Whole) -> Array:
    """(M, n) what each channel's best spend in its pieces is worth at prices ``at`` (M,)."""
    columns, top = np.arange(c.marks.shape[1]), c.marks.shape[0] - 1
    place = at[:, None]
    low = np.where(front.first == 0, c.idle[at], c.worth[front.first, place, columns])
    end = c.worth[np.minimum(front.last + 1, top), place, columns]
    return np.maximum(low, np.where(front.last == top, c.on[at], end))


def _spends(c: _PriceGrid, front: _Front, at: Whole) -> Array:
    """(M, n) the spends that :func:`_best` speaks of."""
    columns, top = np.arange(c.marks.shape[1]), c.marks.shape[0] - 1
    place = at[:, None]
    low = np.where(front.first == 0, c.idle[at], c.worth[front.first, place, columns])
    start = np.where(front.first == 0, c.small[at], c.marks[front.first, columns])
    last = np.minimum(front.last + 1, top)
    on = front.last == top
    high = np.where(on, c.on[at], c.worth[last, place, columns])
    return np.where(high > low, np.where(on, c.spend[at], c.marks[last, columns]), start)


def _narrow(c: _PriceGrid, front: _Front, at: Whole, slack: Array) -> None:
    """Leave out pieces at either end in which no plan beats the best one by half the gap."""
    columns, top = np.arange(c.marks.shape[1]), c.marks.shape[0] - 1
    level = _best(c, front, at) - slack[:, None]
    place = at[:, None]
    for _ in range(top):
        first = np.where(front.first == 0, c.idle[at], c.worth[front.first, place, columns])
        piece = np.maximum(first, c.worth[np.minimum(front.first + 1, top), place, columns])
        front.first += (front.first < front.last) & (piece <= level)
        end = np.minimum(front.last + 1, top)
        inner = np.where(front.last == 0, c.idle[at], c.worth[front.last, place, columns])
        piece = np.maximum(inner, c.worth[end, place, columns])
        piece = np.where(front.last == top, c.on[at], piece)
        front.last -= (front.first < front.last) & (piece <= level)


def _bounds(search: _SweepSearch, front: _Front) -> tuple[Array, Whole, Array]:
    """Each node's bound at the best price of the grid, that price's place, and a closer price."""
    c = search.columns
    nodes, n = front.first.shape
    dual = c.price * search.budgets[front.owner][:, None]
    top = c.marks.shape[0] - 1
    # Channel by channel, what each kind of node can have there: few kinds, many nodes.
    for i in range(n):
        kinds, which = np.unique(
            front.first[:, i] * (top + 1) + front.last[:, i], return_inverse=True
        )
        rows = []
        for kind in kinds.tolist():
            a, b = divmod(kind, top + 1)
            low = c.idle[:, i] if a == 0 else c.worth[a, :, i]
            rows.append(np.maximum(low, c.on[:, i] if b == top else c.worth[b + 1, :, i]))
        dual += np.array(rows)[which] if len(rows) > 1 else rows[0]
    at = np.argmin(dual, axis=1)
    every, last = np.arange(nodes), c.price.size - 1
    bound = dual[every, at]
    # The vertex of the parabola through three neighbours; at a tie the function has a corner.
    left, right = np.maximum(at - 1, 0), np.minimum(at + 1, last)
    log = np.log(c.price)
    before, after = log[at] - log[left], log[right] - log[at]
    down, up = bound - dual[every, left], dual[every, right] - bound
    with np.errstate(divide="ignore", invalid="ignore"):
        fall, rise = down / before, up / after
        step = -0.5 * (fall * after + rise * before) / (rise - fall)
    smooth = ~c.tie[at] & (at > 0) & (at < last) & np.isfinite(step)
    step = np.where(smooth, np.clip(step, -before, after), 0.0)
    return bound, at, c.price[at] * np.exp(step)


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
class _PriceGrid:
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


def _priced(model: Relaxation, smallest: float, largest: float) -> _PriceGrid | None:
    """The columns for all budgets from ``smallest`` to ``largest``; None where their prices are too
    far apart, or there is none."""
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
    spend = _best_spends(model, price, start)
    on = model.value(spend) - cost * spend
    small = np.broadcast_to(lower, spend.shape)
    marks = lower + np.array(PIECES)[:, None] * (start - lower)
    worth = model.value(marks)[:, None, :] - cost * marks[:, None, :]
    idle = worth[0]
    if np.any(rest > lower):
        small = _smallest(model, price, rest)
        idle = model.value(small) - cost * small
    return _PriceGrid(
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


def _best_spends(model: Relaxation, price: Array, start: Array) -> Array:
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
