"""Many budgets of one problem at once: one branch and bound, whose trees grow side by side.

All budgets share the columns of :mod:`shared.solve.one_budget.priced`. A node says of each channel
in which of its pieces it may spend, so its dual function over all prices is a sum of columns. A
pattern (which channels are on) that is good at one budget is tried at all. Nothing here evaluates
a curve.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.problem.proof import Cut, Node, Proof, SplitDecision
from shared.solve.one_budget.priced import Priced
from shared.solve.one_budget.splitting import at_price

__all__ = ["Grown", "grow"]

Array = NDArray[np.float64]
Whole = NDArray[np.intp]
Mask = NDArray[np.bool_]

LEVELS = 40
"""Depth of the trees; what is still open then is left to a search of its own."""

NODES = 60
"""Nodes a budget, on the mean."""


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """For each of K budgets: the best pattern (K, n), its price (K,), and the tree that shows it.

    ``found`` (K,) tells where a pattern met the budget, ``nodes`` (K,) how large the trees are.
    """

    pattern: Mask
    price: Array
    found: Mask
    proofs: list[Proof]
    nodes: Whole


@dataclass(slots=True)
class _Search:
    columns: Priced
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


def grow(columns: Priced, upper: Array, budgets: Array, gap: float) -> Grown:
    """Patterns and trees for K budgets to half of the relative ``gap``, as far as a tree goes.

    ``upper`` (n,) are the bounds at the largest budget.
    """
    count, n = budgets.size, upper.size
    search = _Search(
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
        return Grown(search.pattern, search.price, found, proofs, np.ones(count, dtype=np.intp))
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
    return Grown(
        pattern=search.pattern,
        price=search.price,
        found=np.isfinite(search.value),
        proofs=[Proof(tuple(tree)) for tree in trees],
        nodes=np.array([len(tree) for tree in trees], dtype=np.intp),
    )


def _level(
    search: _Search, front: _Front, trees: list[list[Node]], upper: Array, gap: float
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


def _possible(search: _Search, front: _Front, upper: Array) -> Whole:
    """Which nodes hold a plan that meets their budget."""
    least, most = _ends(search.columns, front, upper)
    budget = search.budgets[front.owner]
    fits = (least.sum(axis=1) <= budget * (1.0 + 1e-12)) & (
        most.sum(axis=1) >= budget * (1.0 - 1e-12)
    )
    return np.flatnonzero(fits)


def _ends(c: Priced, front: _Front, upper: Array) -> tuple[Array, Array]:
    """(M, n) least and largest spends of the nodes."""
    columns, top = np.arange(upper.size), c.marks.shape[0] - 1
    most = c.marks[np.minimum(front.last + 1, top), columns]
    return c.marks[front.first, columns], np.where(front.last == top, upper, most)


def _best(c: Priced, front: _Front, at: Whole) -> Array:
    """(M, n) what each channel's best spend in its pieces is worth at prices ``at`` (M,)."""
    columns, top = np.arange(c.marks.shape[1]), c.marks.shape[0] - 1
    place = at[:, None]
    low = np.where(front.first == 0, c.idle[at], c.worth[front.first, place, columns])
    end = c.worth[np.minimum(front.last + 1, top), place, columns]
    return np.maximum(low, np.where(front.last == top, c.on[at], end))


def _spends(c: Priced, front: _Front, at: Whole) -> Array:
    """(M, n) the spends that :func:`_best` speaks of."""
    columns, top = np.arange(c.marks.shape[1]), c.marks.shape[0] - 1
    place = at[:, None]
    low = np.where(front.first == 0, c.idle[at], c.worth[front.first, place, columns])
    start = np.where(front.first == 0, c.small[at], c.marks[front.first, columns])
    last = np.minimum(front.last + 1, top)
    on = front.last == top
    high = np.where(on, c.on[at], c.worth[last, place, columns])
    return np.where(high > low, np.where(on, c.spend[at], c.marks[last, columns]), start)


def _narrow(c: Priced, front: _Front, at: Whole, slack: Array) -> None:
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


def _bounds(search: _Search, front: _Front) -> tuple[Array, Whole, Array]:
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
