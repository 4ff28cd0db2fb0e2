"""Goals of spend and outcome on one budget: profit, least spend, ROAS and CPA targets, exactly.

Branch and bound on concave envelopes as for one budget
(:mod:`shared.solve.one_budget.sigmoid`), where every
node is the goal itself solved on the envelopes. A price of money shows for a whole region that
``F <= height + price S``; whether such a plan can still be worth more than the best one known is a
linear programme in F and S, and so is how far ``height`` may fall before it cannot: that is what
domain reduction cuts with. With S-curves the totals that meet a ROAS target need not be an
interval; nothing here takes them for one.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.aim import Aim
from shared.problem.canonical import Canonical
from shared.problem.incumbent import incumbent
from shared.problem.model import SolverOptions
from shared.problem.proof import Leaf, Node, Proof, SplitDecision
from shared.solve.goals.aim_relaxation import AimRelaxed, relax_aim
from shared.solve.one_budget.dual import Relaxed
from shared.solve.one_budget.primal import polish, sides
from shared.solve.one_budget.reduction import reduce_box
from shared.solve.one_budget.relaxation import Box, Relaxation
from shared.solve.one_budget.splitting import at_price, cut_down, halves, refine, torn_most

__all__ = ["AimSolved", "solve_aim"]

Array = NDArray[np.float64]
_MISS = 1e-10  # relative, of a floor: what rounding may leave


@dataclass(frozen=True, slots=True)
class AimSolved:
    """The best plan found, or None where there is none, with the tree that shows how good it is.

    Attributes
    ----------
    spend
        (n,) or None. With ``finished`` and None, no plan meets the floors: proven.
    price
        Outcome gained by the last unit of money spent.
    finished
        Whether the gap was reached before the time limit.
    """

    spend: Array | None
    price: float
    proof: Proof
    nodes: int
    iterations: int
    finished: bool


@dataclass(frozen=True, slots=True)
class _Open:
    slot: int
    box: Box
    relaxed: AimRelaxed
    bound: float


@dataclass(slots=True)
class _Search:
    model: Relaxation
    aim: Aim
    gap: float
    deadline: float
    best: Array | None = None
    worth: float = -math.inf
    price: float = 0.0
    iterations: int = 0
    proof: list[Node] = field(default_factory=list)
    tried: set[bytes] = field(default_factory=set)
    twins: tuple[NDArray[np.intp], ...] = ()
    stake: float = 0.0

    def cutoff(self) -> float:
        """What a region must promise to be worth a look; -inf as long as there is no plan."""
        if self.best is None:
            return -math.inf
        return self.worth + max(0.5 * self.gap * abs(self.worth), 1e-14 * self.stake)

    def limits(self, box: Box) -> tuple[float, float]:
        """The totals that a box and the budget leave."""
        canonical = self.model.canonical
        low, high = float(box.lower.sum()), min(float(box.upper.sum()), canonical.budget)
        return (canonical.budget if canonical.spend_all else low), max(high, low)

    def bound(self, box: Box, relaxed: AimRelaxed) -> float:
        return self.aim.reach(relaxed.height, relaxed.price, *self.limits(box))

    def offer(self, spend: Array, price: float) -> bool:
        """Whether the plan meets the floors; it is kept where it is also the best."""
        brings, costs = float(self.model.value(spend).sum()), float(spend.sum())
        if self.aim.missed(brings, costs) > _MISS:
            return False
        worth = self.aim.worth(brings, costs)
        if worth > self.worth:
            self.best, self.worth, self.price = spend, worth, price
        return True

    def leaf(self, box: Box, relaxed: AimRelaxed, lower: float = 0.0) -> Leaf:
        """Multipliers that prove :meth:`bound`, or what it would be with a lower height."""
        aim, price, limits = self.aim, relaxed.price, self.limits(box)
        theta = aim.multipliers(relaxed.height - lower, price, *limits, self.cutoff())
        value, cost = aim.value + sum(theta), aim.cost
        cost += sum(t * floor.per_money for t, floor in zip(theta, aim.floors, strict=True))
        # Only a total that the budget holds has a price; the box needs none.
        held = value * price - cost
        if held > 0.0 and limits[1] < self.model.canonical.budget * (1.0 - 1e-12):
            held = 0.0
        return Leaf(np.array([held]), theta=theta)

    def slack(self, box: Box, relaxed: AimRelaxed) -> float:
        """By how much ``height`` may fall until no plan beyond the cutoff is left."""
        cutoff, limits = self.cutoff(), self.limits(box)
        large = abs(relaxed.height) + relaxed.price * limits[1]
        good, bad = 0.0, large  # reach(height - good) > cutoff >= reach(height - bad)
        if self.aim.reach(relaxed.height - bad, relaxed.price, *limits) > cutoff:
            return math.inf
        for _ in range(60):
            middle = 0.5 * (good + bad)
            if self.aim.reach(relaxed.height - middle, relaxed.price, *limits) > cutoff:
                good = middle
            else:
                bad = middle
        # Where no plan is left at all, a hair more, for multipliers of some size to prove it.
        empty = self.aim.reach(relaxed.height - bad, relaxed.price, *limits) == -math.inf
        return bad * (1.0 + 1e-3) if empty else bad


def solve_aim(
    canonical: Canonical, aim: Aim, options: SolverOptions, start: Array | None = None
) -> AimSolved:
    """Solve to ``options.gap`` within ``options.time_limit_s``; deterministic.

    Parameters
    ----------
    start
        A plan (n,) known already; where it is allowed, the answer is never worse.
    """
    began = work.now()
    model = Relaxation(canonical)
    search = _Search(model, aim, options.gap, began + 0.9 * options.time_limit_s)
    known = (incumbent(canonical, canonical.current), incumbent(canonical, start))
    starts = [plan for plan in known if plan is not None]
    most = float(model.value(canonical.upper).sum())
    search.stake = abs(aim.value * most) + aim.cost * canonical.budget
    for plan in starts:
        search.offer(plan, 0.0)
    if not canonical.spend_all:
        search.offer(canonical.lower.copy(), 0.0)
    search.proof.append(at_price(0.0))
    root = _solve(search, 0, model.box(canonical.lower, canonical.upper), None, root=True)
    heap: list[tuple[float, int, _Open]] = []
    if root is not None:
        for plan in starts:
            _offer_pattern(search, plan, search.price)
        heap.append((-root.bound, 0, root))
        search.twins = model.twins()
    nodes = 1
    while heap and work.now() < search.deadline:
        _, _, node = heapq.heappop(heap)
        if node.bound <= search.cutoff():
            heap = []
            break
        for child in _split(search, node):
            nodes += 1
            heapq.heappush(heap, (-child.bound, nodes, child))
    finished = not heap or -heap[0][0] <= search.cutoff()
    if search.best is not None:
        _offer_pattern(search, search.best, search.price, again=True)
    return AimSolved(
        spend=search.best,
        price=search.price,
        proof=Proof(tuple(search.proof)),
        nodes=nodes,
        iterations=search.iterations,
        finished=finished,
    )


def _solve(
    search: _Search, slot: int, box: Box, guess: float | None, *, root: bool = False
) -> _Open | None:
    """Relax, look for plans, cut; the proof's ``slot`` is filled. None where nothing is left."""
    model = search.model
    for round_ in range(12 if root else 3):
        relaxed = relax_aim(model, box, search.aim, guess)
        search.iterations += relaxed.iterations
        search.proof[slot] = search.leaf(box, relaxed)
        bound = search.bound(box, relaxed)
        if relaxed.spend is None or bound <= search.cutoff():
            return None
        torn = model.torn(box, relaxed.spend)
        _look(search, box, relaxed, relaxed.spend, torn)
        if bound <= search.cutoff():
            return None
        if not torn:
            if not (root and model.tables and round_ < 4):
                return _Open(slot, box, relaxed, bound) if search.best is None else None
            refine(model, box, relaxed.spend, torn)
            box = model.box(box.lower, box.upper)
            guess = relaxed.price
            continue
        narrower = None
        slack = search.slack(box, relaxed) if search.best is not None else math.inf
        if math.isfinite(slack):
            at_price = Relaxed(relaxed.price, relaxed.least, relaxed.spend, slack, 0)
            narrower = reduce_box(model, box, at_price, 0.0)
        if model.tables and round_ < 3:
            refine(model, box, relaxed.spend, torn)
        elif narrower is None:
            return _Open(slot, box, relaxed, bound)
        lower, upper = narrower or (box.lower, box.upper)
        cut = search.leaf(box, relaxed, slack if math.isfinite(slack) else 0.0)
        slot = cut_down(search.proof, slot, cut, box, lower, upper)
        shrunk = float(((upper - lower) / np.maximum(box.upper - box.lower, 1e-300)).min())
        box = model.box(lower, upper) if model.tables else model.narrowed(box, lower, upper)
        guess = relaxed.price
        if not root and shrunk > 0.7:
            break
    relaxed = relax_aim(model, box, search.aim, guess)
    search.proof[slot] = search.leaf(box, relaxed)
    bound = search.bound(box, relaxed)
    if relaxed.spend is None or bound <= search.cutoff():
        return None
    return _Open(slot, box, relaxed, bound)


def _look(search: _Search, box: Box, relaxed: AimRelaxed, spend: Array, torn: list[int]) -> None:
    """Offer the relaxed plan, and what becomes of it with the torn channels put to a side."""
    met = search.offer(spend, relaxed.price)
    if not torn:
        if not met or search.model.canonical.draws is not None:
            _offer_pattern(search, spend, relaxed.price)
        return
    plain = Relaxed(relaxed.price, relaxed.least, spend, 0.0, 0)
    for plan in sides(search.model, box, plain, torn):
        _offer_pattern(search, plan, relaxed.price)


def _offer_pattern(search: _Search, pattern: Array, price: float, *, again: bool = False) -> None:
    """The best plan in which channels keep the side of the bend they are on."""
    model, canonical = search.model, search.model.canonical
    key = (pattern >= model.bend).tobytes() + b"|" + pattern[pattern < model.bend].tobytes()
    if key in search.tried and not again:
        return
    search.tried.add(key)
    free = (pattern >= model.bend) | ~np.isfinite(model.bend)
    concave = np.where(np.isfinite(model.bend), np.maximum(model.bend, canonical.lower), 0.0)
    concave = np.maximum(concave, canonical.lower)
    lower = np.where(free, np.minimum(concave, canonical.upper), pattern)
    upper = np.where(free, canonical.upper, pattern)
    model.mark(lower, upper)
    box = model.box(lower, upper)
    aim = search.aim
    for _ in range(4):
        relaxed = relax_aim(model, box, aim, price or None)
        search.iterations += relaxed.iterations
        if relaxed.spend is None:
            return
        met = search.offer(relaxed.spend, relaxed.price)
        plan = relaxed.spend
        if canonical.draws is not None:
            plan = polish(model, plan, lower, upper)
            met = search.offer(plan, relaxed.price) or met
        if met:
            return
        aim = _beyond(aim, search.aim, float(model.value(plan).sum()), float(plan.sum()))


def _beyond(aim: Aim, asked: Aim, brings: float, costs: float) -> Aim:
    """Floors raised by what a plan misses of them: tables err a little about means over draws."""
    floors = []
    for now, floor in zip(aim.floors, asked.floors, strict=True):
        short = floor.constant + floor.per_money * costs - brings
        raised = now.constant + (1.0 + 1e-6) * short if short > 0.0 else now.constant
        floors.append(replace(now, constant=raised))
    return replace(aim, floors=tuple(floors))


def _split(search: _Search, node: _Open) -> list[_Open]:
    """Two children around the relaxed spend of the channel whose envelope errs most there."""
    model, box, x = search.model, node.box, node.relaxed.spend
    assert x is not None
    torn = model.torn(box, x)
    if torn:
        i, start, stop = torn_most(model, box, x, torn)
    else:
        # Nothing errs, yet no plan was accepted: rounding at a floor. Halve what is widest.
        i = int(np.argmax(box.upper - box.lower))
        start, stop = float(box.lower[i]), float(box.upper[i])
    margin = 0.02 * (stop - start)
    at = float(np.clip(x[i], start + margin, stop - margin))
    if i in model.pairs:
        at = model.knot_near(i, at, start, stop)
    if not box.lower[i] < at < box.upper[i]:
        return []
    slots = (len(search.proof), len(search.proof) + 1)
    search.proof += [search.leaf(box, node.relaxed)] * 2
    search.proof[node.slot] = SplitDecision(i, 0, at, *slots)
    out = []
    for slot, part in zip(slots, halves(box, i, at, search.twins), strict=True):
        if part is None:
            continue
        lower, upper = part
        if model.tables:
            model.mark(lower, upper)
        child = _solve(search, slot, model.narrowed(box, lower, upper), node.relaxed.price)
        if child is not None:
            out.append(child)
    return out
