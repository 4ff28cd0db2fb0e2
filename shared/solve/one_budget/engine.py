"""The engine of one budget over boxes: the dual where curves are concave, else branch and bound.

The relaxation is solved by the dual on the concave envelopes; best-first search splits the channel
that is torn between both ends of its line. Plans come from taking sides on the torn channels: what
is left is concave, and the dual solves it.

Before a split, Lagrangian domain reduction cuts off spends that cannot belong to a plan worth
finding: at a price with bound D, moving one channel from its best spend to ``x`` lowers the bound
by ``g(best) - g(x)`` with ``g(x) = f(x) - price x``.

Where several alike channels stay undecided, what closes the gap is to count: with at most (or at
least) so many channels beyond their thresholds, the best choice at a price is to rank them by what
crossing earns, and weak duality gives the bound; the count's multiplier lies between the last
channel chosen and the first left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.curves.family import Single
from shared.problem.proof import Count, Cut, Leaf, Node, SplitDecision
from shared.problem.region import Counted, in_order
from shared.solve.one_budget.dual import RelaxedBudget, relax, settle
from shared.solve.one_budget.form import at_price
from shared.solve.one_budget.relaxation import Box, Relaxation
from shared.solve.search import Solution, Tree, best_first

__all__ = [
    "CountedBudget",
    "branch_and_bound",
    "reduce_box",
    "relax_counted",
    "thresholds",
]

Array = NDArray[np.float64]

_MANY = 4  # from so many undecided channels on they are counted
_FEW = 24  # so many channels are reduced faster one by one
_LOWEST, _HIGHEST = -700.0, 700.0  # ln of the prices that doubles can hold with room to spare


@dataclass(slots=True)
class _BudgetSearch:
    model: Relaxation
    gap: float
    best: Array | None = None
    value: float = -np.inf
    price: float = 0.0
    iterations: int = 0
    tree: Tree = field(default_factory=lambda: Tree([at_price(0.0)]))
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
class _OpenBudget:
    """A region still to be split, its relaxation (the envelopes', or that of a count)."""

    slot: int
    box: Box
    relaxed: RelaxedBudget | CountedBudget
    limit: Counted | None = None


def branch_and_bound(
    model: Relaxation,
    *,
    gap: float,
    starts: tuple[Array, ...] = (),
    node_limit: int = 1_000_000,
) -> Solution:
    """Solve to a relative ``gap``, or until the model's deadline; the answer is never worse than
    any of ``starts``, feasible plans (n,)."""
    task = model.task
    search = _BudgetSearch(model, gap)
    for start in starts:
        search.offer(start, 0.0)
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
        proof=search.tree.proof(),
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
    search: _BudgetSearch, slot: int, box: Box, guess: float | None, *, root: bool = False
) -> _OpenBudget | None:
    """Relax, look for plans, cut; the proof's ``slot`` is filled. None where nothing is left."""
    model, budget = search.model, search.model.task.budget
    for round_ in range(12 if root else 3):
        relaxed = relax(model, box, budget, guess=guess)
        if relaxed is None:
            search.tree.set(slot, at_price(guess or 0.0))
            return None
        search.iterations += relaxed.iterations
        search.tree.set(slot, at_price(relaxed.price))
        if relaxed.bound <= search.cutoff():
            return None
        torn = model.torn(box, relaxed.spend)
        _look(search, box, relaxed, torn)
        if relaxed.bound <= search.cutoff() or not torn:
            # Nothing torn: the relaxed plan itself was offered, and the bound is its value.
            return _refined(search, slot, box, relaxed, root=root and round_ < 4)
        if model.late():
            return _OpenBudget(slot, box, relaxed)
        narrower = reduce_box(model, box, relaxed, search.cutoff())
        if model.tables and round_ < 3:
            refine(model, box, relaxed.spend, torn)
        elif narrower is None:
            return _OpenBudget(slot, box, relaxed)
        lower, upper = narrower or (box.lower, box.upper)
        slot = cut_down(search.tree.nodes, slot, at_price(relaxed.price), box, lower, upper)
        shrunk = float(((upper - lower) / np.maximum(box.upper - box.lower, 1e-300)).min())
        box = model.box(lower, upper) if model.tables else model.narrowed(box, lower, upper)
        guess = relaxed.price
        if not root and shrunk > 0.7:
            break
    relaxed = relax(model, box, budget, guess=guess)
    if relaxed is None:
        return None
    search.tree.set(slot, at_price(relaxed.price))
    return _OpenBudget(slot, box, relaxed)


def _refined(
    search: _BudgetSearch, slot: int, box: Box, relaxed: RelaxedBudget, *, root: bool
) -> _OpenBudget | None:
    """A bound that the tables state too high is taken again with more knots around the plan."""
    model = search.model
    if not root or not model.tables or relaxed.bound <= search.cutoff():
        return None
    refine(model, box, relaxed.spend, [])
    box = model.box(box.lower, box.upper)
    again = relax(model, box, model.task.budget, guess=relaxed.price)
    if again is None:
        return None
    search.tree.set(slot, at_price(again.price))
    _look(search, box, again, model.torn(box, again.spend))
    return None if again.bound <= search.cutoff() else _OpenBudget(slot, box, again)


def _look(search: _BudgetSearch, box: Box, relaxed: RelaxedBudget, torn: list[int]) -> None:
    """Offer the relaxed plan, and what becomes of it with the torn channels put to a side."""
    search.offer(relaxed.spend, relaxed.price)
    if not torn and not search.model.exact:
        search.offer_pattern(relaxed.spend, relaxed.price)
    for spend in sides(search.model, box, relaxed, torn) if torn else ():
        search.offer_pattern(spend, relaxed.price)


def _split(search: _BudgetSearch, node: _OpenBudget) -> list[_OpenBudget]:
    """Two children: a count of what is beyond the relaxed spend, or a single channel's range."""
    model, box, relaxed = search.model, node.box, node.relaxed
    if isinstance(relaxed, CountedBudget):
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


def _count(
    search: _BudgetSearch, node: _OpenBudget, relaxed: RelaxedBudget, channel: int, at: Array
) -> list[_OpenBudget]:
    """Few channels beyond their thresholds ``at`` (n,), or many."""
    most = int(np.count_nonzero(relaxed.spend > at))
    most -= bool(relaxed.spend[channel] > at[channel])
    slots = search.tree.split(node.slot, Count(at, most, 0, 0))
    limits = (Counted(at, 0, most), Counted(at, most + 1, at.size))
    children = [
        _limited(search, slot, node.box, node.box.lower, node.box.upper, limit, relaxed.price)
        for slot, limit in zip(slots, limits, strict=True)
    ]
    return [child for child in children if child is not None]


def _split_counted(
    search: _BudgetSearch, node: _OpenBudget, relaxed: CountedBudget
) -> list[_OpenBudget]:
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


def _halves(
    search: _BudgetSearch, node: _OpenBudget, i: int, at: float, price: float
) -> list[_OpenBudget]:
    """One channel below and above a spend."""
    model, box = search.model, node.box
    if not box.lower[i] < at < box.upper[i]:
        return []
    slots = search.tree.split(node.slot, SplitDecision(i, 0, at, 0, 0))
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
    search: _BudgetSearch,
    slot: int,
    parent: Box,
    lower: Array,
    upper: Array,
    limit: Counted | None,
    price: float,
) -> _OpenBudget | None:
    """Relax a box under a limit, which may turn out to say no more than the bounds."""
    model, budget = search.model, search.model.task.budget
    idle = True
    if limit is not None:
        inside = limit.inside(lower, upper)
        if inside is None:
            return None
        must, can = int((lower > limit.at).sum()), int((upper > limit.at).sum())
        idle = must == limit.most or can == limit.least
        idle |= must >= limit.least and can <= limit.most
        lower, upper = inside
    box = model.narrowed(parent, lower, upper)
    if limit is None or idle:
        return _solve(search, slot, box, price)
    accuracy = 0.01 * search.gap * abs(search.value)
    relaxed = relax_counted(model, box, limit, price, search.cutoff(), accuracy)
    search.iterations += relaxed.iterations
    search.tree.set(slot, at_price(relaxed.price, relaxed.count_price))
    if relaxed.bound <= search.cutoff():
        return None
    search.offer(settle(relaxed.mixed(), lower, upper, budget, upper - lower), relaxed.price)
    for plan in (relaxed.over, relaxed.under):
        search.offer_pattern(plan, relaxed.price)
    return None if relaxed.bound <= search.cutoff() else _OpenBudget(slot, box, relaxed, limit)


def refine(model: Relaxation, box: Box, spend: Array, torn: list[int]) -> None:
    """More knots in the tables around a plan (n,), and at the ends of lines it is torn between."""
    for i, table in model.tables:
        table.refine(float(spend[i]))
        if i in torn:
            for end in model.line_at(box, i, float(spend[i])):
                table.refine(end)


def torn_most(model: Relaxation, box: Box, x: Array, torn: list[int]) -> tuple[int, float, float]:
    """The channel whose envelope errs most at a plan (n,), and the ends of its line there."""
    excess = model.envelope_at(box, x, torn) - model.surface(x)[torn]
    i = torn[int(np.argmax(excess))]
    start, stop = model.line_at(box, i, float(x[i]))
    return i, start, stop


def cut_down(proof: list[Node], slot: int, leaf: Leaf, box: Box, lower: Array, upper: Array) -> int:
    """Write a box that prices cut down to ``lower .. upper`` (n,) into a proof; its new slot."""
    changed = np.flatnonzero((lower > box.lower) | (upper < box.upper))
    if not changed.size:
        return slot
    proof.append(proof[slot])
    child = len(proof) - 1
    proof[slot] = Cut(leaf, changed, lower[changed], upper[changed], child)
    return child


def halves(
    box: Box, i: int, at: float, twins: tuple[NDArray[np.intp], ...]
) -> Iterator[tuple[Array, Array] | None]:
    """Bounds (n,) with channel ``i`` below and above a spend, alike channels in order; None for a
    part that holds no plan."""
    for below in (True, False):
        lower, upper = box.lower, box.upper
        if below:
            upper = upper.copy()
            upper[i] = at
        else:
            lower = lower.copy()
            lower[i] = at
        lower, upper = in_order(twins, lower, upper)
        yield None if np.any(lower > upper) else (lower, upper)


@dataclass(frozen=True, slots=True)
class CountedBudget:
    """The lowest bound found, its multipliers, and the best plans at prices on either side:
    ``over`` spends the budget or more, ``under`` that or less; ``share`` of ``over`` and the rest
    of ``under`` meet it together."""

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
    model: Relaxation, box: Box, limit: Counted, guess: float, cutoff: float, accuracy: float
) -> CountedBudget:
    """Minimise the bound over the price, until it falls to ``cutoff`` or ``accuracy`` is reached.

    It is convex in the price, its slope is what the best plan leaves of the budget: Newton on that
    inside a bracket, or where both tangents meet; with a jump at the minimum, two plans remain.
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
    return CountedBudget(
        best.price, best.count_price, best.bound, over.spend, under.spend, share, iteration
    )


class _Chooser:
    """Best plans under a limit, price after price; what does not depend on it is kept."""

    def __init__(self, model: Relaxation, box: Box, limit: Counted) -> None:
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


def sides(model: Relaxation, box: Box, relaxed: RelaxedBudget, torn: list[int]) -> Iterator[Array]:
    """The relaxed spends with all torn channels put to the start, then the end of their lines."""
    for end in (False, True):
        spend = relaxed.spend.copy()
        for i in torn:
            start, stop = model.line_at(box, i, float(spend[i]))
            spend[i] = stop if end else start
        yield spend


def best_on_pattern(
    model: Relaxation, pattern: Array, guess: float | None
) -> tuple[Array, float] | None:
    """The best plan and its price where channels beyond their bend are free on the concave part and
    all others stay at ``pattern`` (n,). None where the budget cannot be met that way."""
    task = model.task
    free = (pattern >= model.bend) | ~np.isfinite(model.bend)
    concave = np.where(np.isfinite(model.bend), np.maximum(model.bend, task.lower), 0.0)
    concave = np.maximum(concave, task.lower)
    lower = np.where(free, np.minimum(concave, task.upper), pattern)
    upper = np.where(free, task.upper, pattern)
    for i, table in model.tables:
        table.add(np.array([lower[i], upper[i]]))
    relaxed = relax(model, model.box(lower, upper), task.budget, guess=guess)
    if relaxed is None:
        return None
    if model.exact:
        return relaxed.spend, relaxed.price
    return polish(model, relaxed.spend, lower, upper), relaxed.price


def polish(model: Relaxation, spend: Array, lower: Array, upper: Array) -> Array:
    """Newton on the true slopes of the free channels, the budget kept; only ever improves. For
    means over draws, whose tables are not exact, and for plans with a channel on its convex
    part."""
    budget = model.task.budget
    best, best_value = spend, float(model.value(spend).sum())
    target = float(spend.sum()) if not model.task.spend_all else budget
    for _ in range(5):
        at = np.where(spend > 0.0, spend, 1e-9 * budget)  # not free there, whatever it says
        slope, bend = model.marginal(at), model.curvature(at)
        free = (spend > lower) & (spend < upper) & (bend != 0.0) & np.isfinite(bend)
        if np.count_nonzero(free) < 2:
            break
        give = np.where(free, -1.0 / np.where(free, bend, 1.0), 0.0)
        total = float(give.sum())
        if total == 0.0:
            break
        price = float((slope[free] * give[free]).sum()) / total
        # No step beyond half the way to a bound: the next one decides whether it is met.
        step = np.where(free, (slope - price) * give, 0.0)
        step = np.clip(step, 0.5 * (lower - spend), 0.5 * (upper - spend))
        moved = settle(spend + step, lower, upper, target, np.abs(give))
        value = float(model.value(moved).sum())
        small = float(np.abs(moved - spend).max()) <= 1e-12 * budget
        spend = moved
        if value > best_value:
            best, best_value = moved, value
        if small:
            break
    return best


def reduce_box(
    model: Relaxation, box: Box, relaxed: RelaxedBudget, cutoff: float
) -> tuple[Array, Array] | None:
    """Narrower bounds (n,), (n,), or None; what is cut away is bounded by ``cutoff`` at the
    relaxation's own price, up to rounding."""
    slack = relaxed.bound - cutoff
    price, best = relaxed.price, relaxed.least
    lower, upper = box.lower.copy(), box.upper.copy()
    open_ = (box.lower < model.bend) & np.isfinite(model.bend) & (box.lower < box.upper)
    for (i, table), hull in zip(model.tables, box.hulls, strict=True):
        if open_[i] and len(hull.spend):
            level = table.at(float(best[i])) - price * float(best[i]) - slack
            low, high = float(lower[i]), float(upper[i])
            lower[i], upper[i] = table.keep(low, high, price, level)
        open_[i] = False
    at = np.flatnonzero(open_)
    if at.size:
        lower[at], upper[at] = _closed(model, box, price, best, slack, at)
    narrower = (lower > box.lower) | (upper < box.upper)
    return (lower, upper) if np.any(narrower) else None


def _closed(
    model: Relaxation, box: Box, price: float, best: Array, slack: float, at: NDArray[np.intp]
) -> tuple[Array, Array]:
    if at.size <= _FEW:
        few = [model.single(i) for i in at.tolist()]
        plain = [curve for curve in few if curve is not None]
        if len(plain) == len(few):
            return _few(model, box, price, best, slack, list(zip(at.tolist(), plain, strict=True)))
    curves = model.task.curves.take(at)
    low, high, x, bend = box.lower[at], box.upper[at], best[at], model.bend[at]

    def gain(spend: Array) -> Array:
        return np.asarray(curves.value(spend) - price * spend)

    level = gain(x) - slack
    # The other hill of g: on an S-curve g falls, then rises to this point, then falls for good.
    hill = np.clip(curves.at_slope(np.full(at.size, price)), np.minimum(bend, high), high)
    off = x <= low
    # g crosses the level once between a spend that is cut (end a) and one that is kept (end b).
    cut_low = ~off & (gain(low) < level)
    new_low = _crossing(gain, level, np.where(cut_low, low, x), x)
    second = gain(hill) < level
    cut_high = off & (second | (gain(high) < level))
    far = np.where(second, hill, high)
    near = np.where(second, low, hill)
    new_high = _crossing(gain, level, np.where(cut_high, far, near), near)
    return np.where(cut_low, new_low, low), np.where(cut_high, new_high, high)


def _few(
    model: Relaxation,
    box: Box,
    price: float,
    best: Array,
    slack: float,
    channels: list[tuple[int, Single]],
) -> tuple[Array, Array]:
    """:func:`_closed` channel by channel, which for few of them is faster."""
    low, high = np.empty(len(channels)), np.empty(len(channels))
    for k, (i, curve) in enumerate(channels):
        a, b, x = float(box.lower[i]), float(box.upper[i]), float(best[i])
        low[k], high[k] = a, b
        level = curve.value(x) - price * x - slack
        if x > a:
            if curve.value(a) - price * a < level:
                low[k] = _cut_to(curve, price, level, a, x)
            continue
        hill = b
        if 0.0 < price < math.inf:
            hill = min(max(curve.at_slope(price), min(float(model.bend[i]), b)), b)
        if curve.value(hill) - price * hill < level:
            high[k] = _cut_to(curve, price, level, hill, a)
        elif curve.value(b) - price * b < level:
            high[k] = _cut_to(curve, price, level, b, hill)
    return low, high


def _cut_to(curve: Single, price: float, level: float, cut: float, kept: float) -> float:
    for _ in range(12):
        small, large = min(cut, kept), max(cut, kept)
        wide = large > 4.0 * small > 0.0
        middle = math.sqrt(small * large) if wide else 0.5 * (cut + kept)
        if curve.value(middle) - price * middle < level:
            cut = middle
        else:
            kept = middle
    return cut


def _crossing(gain: Callable[[Array], Array], level: Array, cut: Array, kept: Array) -> Array:
    """The last spend seen on the side that is cut, by bisection towards the side that is kept."""
    a, b = cut, kept
    for _ in range(12):
        small, large = np.minimum(a, b), np.maximum(a, b)
        middle = np.where(
            (large > 4.0 * small) & (small > 0.0), np.sqrt(small * large), 0.5 * (a + b)
        )
        outside = gain(middle) < level
        a, b = np.where(outside, middle, a), np.where(outside, b, middle)
    return a
