"""S-shaped curves, one budget: branch and bound on the concave envelopes.

The relaxation is solved by the dual; at its optimum generically a single channel is torn between
both ends of its line. Best-first search splits that channel's range at the relaxed spend: on either
side the envelope is lower there. Before a split, domain reduction pins all channels whose side is
already decided, which with many channels are nearly all of them. Where several stay undecided,
their curves are alike, and what is split is how many of them are beyond that point
(:mod:`shared.solve.one_budget.counting`).

What is done is written down as a :class:`~shared.problem.proof.Proof` on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.problem.proof import Count, Node, Proof, SplitDecision
from shared.solve.one_budget.counting import Counted, Limit, relax_counted, thresholds
from shared.solve.one_budget.dual import Relaxed, relax, settle
from shared.solve.one_budget.primal import best_on_pattern, polish, sides
from shared.solve.one_budget.reduction import reduce_box
from shared.solve.one_budget.relaxation import Box, Relaxation
from shared.solve.one_budget.splitting import at_price, cut_down, halves, refine, torn_most
from shared.solve.search import Solution, best_first

__all__ = ["Solution", "branch_and_bound"]

Array = NDArray[np.float64]
_MANY = 4


@dataclass(slots=True)
class _Search:
    model: Relaxation
    gap: float
    best: Array | None = None
    value: float = -np.inf
    price: float = 0.0
    iterations: int = 0
    proof: list[Node] = field(default_factory=list)
    tried: set[bytes] = field(default_factory=set)
    twins: tuple[NDArray[np.intp], ...] = ()
    whole: Box | None = None

    def late(self) -> bool:
        """Whether the work that is allowed is done."""
        return self.model.late()

    def cutoff(self) -> float:
        """What a region must promise to be worth a look: better than the best by half the gap."""
        return self.value + 0.5 * self.gap * abs(self.value)

    def offer(self, spend: Array, price: float) -> None:
        value = float(self.model.value(spend).sum())
        if value > self.value:
            self.best, self.value, self.price = spend, value, price

    def offer_pattern(self, pattern: Array, price: float | None) -> None:
        key = ((pattern >= self.model.bend).tobytes(), pattern[pattern < self.model.bend].tobytes())
        mark = b"|".join(key)
        if mark in self.tried or (self.model.late() and self.best is not None):
            return
        self.tried.add(mark)
        better = best_on_pattern(self.model, pattern, price)
        if better is not None:
            self.offer(*better)


@dataclass(frozen=True, slots=True)
class _Open:
    """A region still to be split, its relaxation (the envelopes', or that of a count)."""

    slot: int
    box: Box
    relaxed: Relaxed | Counted
    limit: Limit | None = None


def branch_and_bound(
    model: Relaxation,
    *,
    gap: float,
    deadline: float | None = None,
    starts: tuple[Array, ...] = (),
    node_limit: int = 1_000_000,
) -> Solution:
    """Solve to a relative ``gap``, or until the deadline (the model's own where none is given).

    Parameters
    ----------
    starts
        Feasible plans (n,) to begin with; the answer is never worse than any of them.
    """
    task = model.task
    model.deadline = model.deadline if deadline is None else deadline
    search = _Search(model, gap)
    for start in starts:
        search.offer(start, 0.0)
    search.proof.append(at_price(0.0))
    search.whole = model.box(task.lower, task.upper)
    root = _solve(search, 0, search.whole, _known_price(model, starts), root=True)
    for start in starts:
        if root is None or root.relaxed.bound > search.cutoff():
            search.offer_pattern(start, search.price or None)
    search.twins = () if root is None else model.twins()
    left, nodes = best_first(
        search,
        root,
        split=lambda node: _split(search, node),
        bound_of=lambda node: node.relaxed.bound,
        node_limit=node_limit,
    )
    finished = left is None or left <= search.cutoff()
    if search.best is not None and nodes > 1 and not model.late():
        # Cutting stops within the gap; stationary to the last digit costs one more dual.
        last = best_on_pattern(model, search.best, search.price or None)
        if last is not None:
            search.offer(*last)
        polished = polish(model, search.best, task.lower, task.upper)
        search.offer(polished, search.price)
    if search.best is None:  # only where the budget is met to rounding by a single point
        search.best = task.lower
    return Solution(
        u=search.best[:, None],
        prices=np.array([search.price]),
        proof=Proof(tuple(search.proof)),
        nodes=nodes,
        iterations=search.iterations,
        finished=finished,
    )


def _known_price(model: Relaxation, starts: tuple[Array, ...]) -> float | None:
    """The slope that the channels of a given plan have in common, if it was stationary."""
    if not starts:
        return None
    spend, task = starts[-1], model.task
    inside = (spend > task.lower) & (spend < task.upper) & (spend >= model.bend)
    slopes = model.marginal(spend)
    usable = slopes[inside & np.isfinite(slopes) & (slopes > 0.0)]
    return float(np.median(usable)) if usable.size else None


def _solve(
    search: _Search, slot: int, box: Box, guess: float | None, *, root: bool = False
) -> _Open | None:
    """Relax, look for plans, cut; the proof's ``slot`` is filled. None where nothing is left."""
    model, budget = search.model, search.model.task.budget
    for round_ in range(12 if root else 3):
        relaxed = relax(model, box, budget, guess=guess)
        if relaxed is None:
            search.proof[slot] = at_price(guess or 0.0)
            return None
        search.iterations += relaxed.iterations
        search.proof[slot] = at_price(relaxed.price)
        if relaxed.bound <= search.cutoff():
            return None
        torn = model.torn(box, relaxed.spend)
        _look(search, box, relaxed, torn)
        if relaxed.bound <= search.cutoff() or not torn:
            # Nothing torn: the relaxed plan itself was offered, and the bound is its value.
            return _refined(search, slot, box, relaxed, root=root and round_ < 4)
        if model.late():
            return _Open(slot, box, relaxed)
        narrower = reduce_box(model, box, relaxed, search.cutoff())
        if model.tables and round_ < 3:
            refine(model, box, relaxed.spend, torn)
        elif narrower is None:
            return _Open(slot, box, relaxed)
        lower, upper = narrower or (box.lower, box.upper)
        slot = cut_down(search.proof, slot, at_price(relaxed.price), box, lower, upper)
        shrunk = float(((upper - lower) / np.maximum(box.upper - box.lower, 1e-300)).min())
        box = model.box(lower, upper) if model.tables else model.narrowed(box, lower, upper)
        guess = relaxed.price
        if not root and shrunk > 0.7:
            break
    relaxed = relax(model, box, budget, guess=guess)
    if relaxed is None:
        return None
    search.proof[slot] = at_price(relaxed.price)
    return _Open(slot, box, relaxed)


def _refined(search: _Search, slot: int, box: Box, relaxed: Relaxed, *, root: bool) -> _Open | None:
    """A bound that the tables state too high is taken again with more knots around the plan."""
    model = search.model
    if not root or not model.tables or relaxed.bound <= search.cutoff():
        return None
    refine(model, box, relaxed.spend, [])
    box = model.box(box.lower, box.upper)
    again = relax(model, box, model.task.budget, guess=relaxed.price)
    if again is None:
        return None
    search.proof[slot] = at_price(again.price)
    _look(search, box, again, model.torn(box, again.spend))
    return None if again.bound <= search.cutoff() else _Open(slot, box, again)


def _look(search: _Search, box: Box, relaxed: Relaxed, torn: list[int]) -> None:
    """Offer the relaxed plan, and what becomes of it with the torn channels put to a side."""
    search.offer(relaxed.spend, relaxed.price)
    if not torn and not search.model.exact:
        search.offer_pattern(relaxed.spend, relaxed.price)
    for spend in sides(search.model, box, relaxed, torn) if torn else ():
        search.offer_pattern(spend, relaxed.price)


def _split(search: _Search, node: _Open) -> list[_Open]:
    """Two children: a count of what is beyond the relaxed spend, or a single channel's range."""
    model, box, relaxed = search.model, node.box, node.relaxed
    if isinstance(relaxed, Counted):
        return _split_counted(search, node, relaxed)
    x = relaxed.spend
    torn = model.torn(box, x)
    if not torn:
        return []
    i, start, stop = torn_most(model, box, x, torn)
    margin = 0.02 * (stop - start)
    at = float(np.clip(x[i], start + margin, stop - margin))
    if i in model.pairs:
        at = model.knot_near(i, at, start, stop)
    elif not model.tables:
        assert search.whole is not None
        threshold = thresholds(model, search.whole, i, at)
        either = (box.lower < threshold) & (threshold < box.upper)
        # Few that are still undecided are told apart faster than counted.
        if np.count_nonzero(either) >= _MANY:
            return _count(search, node, relaxed, i, threshold)
    return _halves(search, node, i, at, relaxed.price)


def _count(search: _Search, node: _Open, relaxed: Relaxed, channel: int, at: Array) -> list[_Open]:
    """Few channels beyond their thresholds ``at`` (n,), or many."""
    most = int(np.count_nonzero(relaxed.spend > at))
    most -= bool(relaxed.spend[channel] > at[channel])
    slots = (len(search.proof), len(search.proof) + 1)
    search.proof += [at_price(relaxed.price)] * 2
    search.proof[node.slot] = Count(at, most, *slots)
    limits = (Limit(at, 0, most), Limit(at, most + 1, at.size))
    children = [
        _limited(search, slot, node.box, node.box.lower, node.box.upper, limit, relaxed.price)
        for slot, limit in zip(slots, limits, strict=True)
    ]
    return [child for child in children if child is not None]


def _split_counted(search: _Search, node: _Open, relaxed: Counted) -> list[_Open]:
    """The channel for which the two plans around the budget promise more than the curve holds."""
    model, box, limit = search.model, node.box, node.limit
    assert limit is not None
    x = relaxed.mixed()
    promised = relaxed.share * model.surface(relaxed.over)
    promised += (1.0 - relaxed.share) * model.surface(relaxed.under)
    i = int(np.argmax(promised - model.surface(x)))
    start, stop = sorted((float(relaxed.over[i]), float(relaxed.under[i])))
    margin = 0.02 * (stop - start)
    at = float(np.clip(x[i], start + margin, stop - margin))
    if start < limit.at[i] < stop:
        at = float(limit.at[i])
    if not box.lower[i] < at < box.upper[i]:
        return []
    return _halves(search, node, i, at, relaxed.price)


def _halves(search: _Search, node: _Open, i: int, at: float, price: float) -> list[_Open]:
    """One channel below and above a spend."""
    model, box = search.model, node.box
    if not box.lower[i] < at < box.upper[i]:
        return []
    slots = (len(search.proof), len(search.proof) + 1)
    search.proof += [at_price(price)] * 2
    search.proof[node.slot] = SplitDecision(i, 0, at, *slots)
    out = []
    for slot, part in zip(slots, halves(box, i, at, search.twins), strict=True):
        if part is None:
            continue
        lower, upper = part
        if model.tables:
            model.mark(lower, upper)
        child = _limited(search, slot, box, lower, upper, node.limit, price)
        if child is not None:
            out.append(child)
    return out


def _limited(
    search: _Search,
    slot: int,
    parent: Box,
    lower: Array,
    upper: Array,
    limit: Limit | None,
    price: float,
) -> _Open | None:
    """Relax a box under a limit, which may turn out to say no more than the bounds."""
    model, budget = search.model, search.model.task.budget
    idle = True
    if limit is not None:
        inside = limit.inside(lower, upper)
        if inside is None:
            return None
        lower, upper, idle = inside
    box = model.narrowed(parent, lower, upper)
    if limit is None or idle:
        return _solve(search, slot, box, price)
    accuracy = 0.01 * search.gap * abs(search.value)
    relaxed = relax_counted(model, box, limit, price, search.cutoff(), accuracy)
    search.iterations += relaxed.iterations
    search.proof[slot] = at_price(relaxed.price, relaxed.count_price)
    if relaxed.bound <= search.cutoff():
        return None
    search.offer(settle(relaxed.mixed(), lower, upper, budget, upper - lower), relaxed.price)
    for plan in (relaxed.over, relaxed.under):
        search.offer_pattern(plan, relaxed.price)
    return None if relaxed.bound <= search.cutoff() else _Open(slot, box, relaxed, limit)
