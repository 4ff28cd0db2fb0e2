"""Branch and bound over at most one budget with interactions, on tables of levels of saturation.

One decision an arm, one period, at most one row, nothing whole: a region's dual has one multiplier
and, with every term tabulated on its range, a bound costs as much as a few sums. Tables are for the
search only: what its tree and multipliers prove is the certificate's to say, so every region that
the tables would close is asked of the certificate's own bound, and split where that is not enough.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.proof import Leaf, SplitDecision
from shared.problem.region import Region
from shared.solve.program.interaction_bounds import Relaxed, relax_levels
from shared.solve.program.interaction_newton import Levels
from shared.solve.search import Tree

__all__ = ["Plans", "Regions", "fits"]

Array = NDArray[np.float64]

_ROUNDS = 3  # of putting the squares' centres where the relaxation is
_CLIMBS = 200  # local ascents from relaxed plans


class Plans(Protocol):
    """What a search keeps of plans."""

    best: Array | None
    value: float

    def offer(self, u: Array, mu: Array | None) -> bool:
        """Take a plan if it is better."""

    def cutoff(self) -> float:
        """What a region must promise to be worth a look."""

    def late(self) -> bool:
        """Whether the time is over."""


def fits(program: Program) -> bool:
    """Whether a program is one budget over boxes with interactions of curves without corners."""
    single = program.columns == 1 and program.weight.shape[1] == 1
    cornered = program.curves.tables or (program.draws is not None and program.draws.tables)
    return (
        single
        and not cornered
        and not program.discrete
        and len(program.rows.names) <= 1
        and bool(np.all(program.carry > 0.0))
        and bool(np.all(program.rows.matrix >= 0.0))
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    low: Array
    high: Array
    found: Relaxed
    bound: float
    slot: int
    # What the proof says of it; its parent's leaf where that is better than its own.
    leaf: Leaf


class Regions:
    """The search over a program that ``fits``; ``ask`` is the certificate's bound of a leaf."""

    def __init__(
        self,
        levels: Levels,
        plans: Plans,
        tree: Tree,
        ask: Callable[[Leaf, Region], float],
    ) -> None:
        self.levels, self.plans, self.tree, self.ask = levels, plans, tree, ask
        self.price = 0.0
        self.climbs = 0

    def climb(self, u: Array, low: Array, high: Array) -> None:
        """Look for the locally best plan of a box around one that keeps the row."""
        plan, price = self.levels.climb(u, low, high)
        if self.plans.offer(plan[:, None], self.levels.prices(price)):
            self.price = price

    def run(self, low: Array, high: Array, limit: int) -> tuple[float, int]:
        """Search the box (A,); the bound that is left, and how many regions were looked at."""
        first = self.solve(low, high, 0, None)
        heap: list[tuple[float, int, _Region]] = []
        if first is not None:
            heapq.heappush(heap, (-first.bound, 0, first))
        nodes = 1
        while heap and not self.plans.late() and nodes < limit:
            if -heap[0][0] <= self.plans.cutoff():
                break
            _, _, node = heapq.heappop(heap)
            below = len(self.tree.nodes)
            self.tree.nodes += [node.leaf, node.leaf]
            arm, cut = self._cut(node)
            self.tree.set(node.slot, SplitDecision(arm, 0, cut, below, below + 1))
            for side in (0, 1):
                lower, upper = node.low.copy(), node.high.copy()
                (upper if side == 0 else lower)[arm] = cut
                child = self.solve(lower, upper, below + side, node)
                nodes += 1
                if child is not None:
                    heapq.heappush(heap, (-child.bound, nodes, child))
        return (-heap[0][0] if heap else self.plans.cutoff()), nodes

    def solve(self, low: Array, high: Array, slot: int, parent: _Region | None) -> _Region | None:
        """Bound a region, write its leaf down; None where nothing better can be there."""
        row = self.levels.row
        if float(row @ low) > self.levels.cap * (1 + 1e-12) + 1e-300:
            return None
        if float(row @ high) < self.levels.floor * (1 - 1e-12):
            return None
        low, high, slot = self._narrowed(low, high, slot)
        found = self._bounded(low, high, parent)
        self._look(found)
        bound, leaf = found.bound, found.leaf
        if parent is not None and parent.bound < bound:
            bound, leaf = parent.bound, parent.leaf
        self.tree.set(slot, leaf)
        if bound <= self.plans.cutoff():
            bound = min(self.ask(leaf, self._region(low, high)), np.inf)
            if bound <= self.plans.cutoff():
                return None
        return _Region(low, high, found, bound, slot, leaf)

    def _bounded(self, low: Array, high: Array, parent: _Region | None) -> Relaxed:
        """The least bound met around the best plan, and around where the relaxation is."""
        price = self.price if parent is None else parent.found.price
        known = [] if self.plans.best is None else [(self.plans.best[:, 0], self.price)]
        at = 0.5 * (low + high) if parent is None else np.clip(parent.found.at, low, high)
        best: Relaxed | None = None
        for turn in range(_ROUNDS):
            centres = [(at, price), *known] if turn == 0 else [(at, price)]
            found = relax_levels(self.levels, low, high, centres, price, self.plans.cutoff())
            if best is None or found.bound < best.bound:
                best = found
            if best.bound <= self.plans.cutoff():
                break
            moved = float(np.abs(found.at - at).max())
            at, price = found.at, found.price
            if moved <= 1e-3 * float((high - low).max()):
                break
        assert best is not None
        return best

    def _narrowed(self, low: Array, high: Array, slot: int) -> tuple[Array, Array, int]:
        """What the row leaves of a box, by splits whose other side holds no plan."""
        row, cap, floor = self.levels.row, self.levels.cap, self.levels.floor
        low, high = low.copy(), high.copy()
        for arm in np.flatnonzero(row > 0.0).tolist():
            left = cap - (float(row @ low) - row[arm] * low[arm])
            most = left / row[arm] * (1.0 + 1e-9)
            need = floor - (float(row @ high) - row[arm] * high[arm])
            least = need / row[arm] * (1.0 - 1e-9)
            width = high[arm] - low[arm]
            if low[arm] < most < high[arm] - 0.02 * width:
                high[arm], slot = most, self._without(arm, float(most), slot, 0)
            if high[arm] > least > low[arm] + 0.02 * width:
                low[arm], slot = least, self._without(arm, float(least), slot, 1)
        return low, high, slot

    def _without(self, arm: int, cut: float, slot: int, side: int) -> int:
        """Where the side of a split goes on whose other side is empty."""
        leaf, below = self.tree.nodes[slot], len(self.tree.nodes)
        self.tree.nodes += [leaf, leaf]
        self.tree.set(slot, SplitDecision(arm, 0, cut, below, below + 1))
        return below + side

    def _region(self, low: Array, high: Array) -> Region:
        carry, base = self.levels.carry, self.levels.base
        ends = [(carry * u + base)[:, None] for u in (low, high)]
        active = np.where(low > 0.0, 1, np.where(high <= 0.0, -1, 0)).astype(np.int8)
        return Region(low[:, None], high[:, None], ends[0], ends[1], active)

    def _cut(self, node: _Region) -> tuple[int, float]:
        """The arm whose term is furthest above what it is at the relaxed plan, and where to cut."""
        found, low, high = node.found, node.low, node.high
        width, arms = high - low, np.arange(low.size)
        at = np.clip(found.at, low, high)
        here = np.array([np.interp(at[a], found.u[a], found.gain[a]) for a in arms])
        some = width > 1e-9 * np.maximum(self.levels.program.upper[:, 0], 1e-300)
        loss = np.where(some, found.gain.max(axis=1) - here, -1.0)
        arm = int(loss.argmax())
        if loss[arm] <= 1e-9 * abs(self.plans.value):
            ends = self.levels.at(np.stack((low, high), axis=1))
            reach = ends[:, 1] - ends[:, 0]
            arm = int(np.where(some, reach * (self.levels.sizes @ reach), -1.0).argmax())
        far = float(found.u[arm, int(found.gain[arm].argmax())])
        cut, edge = 0.5 * (float(at[arm]) + far), 0.1 * float(width[arm])
        if abs(far - float(at[arm])) < edge:
            cut = float(at[arm])
        cut = float(np.clip(cut, low[arm] + edge, high[arm] - edge))
        # Not through the best plan: around it squares are tight, beside it they are not.
        if self.plans.best is not None:
            best = float(self.plans.best[arm, 0])
            if abs(best - cut) < 0.5 * edge:
                cut = best + 0.5 * edge if best + edge < high[arm] else best - 0.5 * edge
        return arm, cut

    def _look(self, found: Relaxed) -> None:
        at, before = found.at, self.plans.value
        value = self.levels.worth(at)
        if value > before:
            self.plans.offer(at[:, None], self.levels.prices(found.price))
        close = value > before - 0.05 * abs(before)
        if close and self.climbs < _CLIMBS and found.bound > self.plans.cutoff():
            self.climbs += 1
            root = self.levels.program
            self.climb(at, root.lower[:, 0], root.upper[:, 0])
