"""Branch and bound over one budget with interactions, on tables of levels of saturation.

One decision an arm, one period, one row, nothing whole: a region's dual has one multiplier and,
with every term tabulated on its range, a bound costs as much as a few sums. Tables are for the
search only: what its tree and multipliers prove is the certificate's to say.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.program_proof import ProgramLeaf, SplitDecision
from shared.solve.program.found import Tree
from shared.solve.program.program_envelope import Enveloper

__all__ = ["Plans", "Regions", "fits"]

Array = NDArray[np.float64]

_GRID = 97  # points on each arm's range
_STEPS = 60  # of the search for the multiplier
_ROUNDS = 3  # of putting the squares' centres where the relaxation is
_CLIMBS = 40  # local ascents from relaxed plans


class Plans(Protocol):
    """What a search keeps of plans."""

    value: float

    def offer(self, u: Array, mu: Array | None) -> bool:
        """Take a plan if it is better."""

    def cutoff(self) -> float:
        """What a region must promise to be worth a look."""

    def ascend(self, u: Array) -> None:
        """Look for the locally best plan around one."""

    def late(self) -> bool:
        """Whether the time is over."""


def fits(program: Program) -> bool:
    """Whether a program is one budget over boxes with interactions."""
    single = program.columns == 1 and program.weight.shape[1] == 1
    return (
        single
        and not program.discrete
        and len(program.rows.names) == 1
        and bool(np.all(program.carry > 0.0))
        and bool(np.all(program.rows.matrix >= 0.0))
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    low: Array
    high: Array
    price: float
    at: Array
    bound: float
    slot: int
    arm: int
    cut: float


@dataclass(frozen=True, slots=True, eq=False)
class _Bound:
    bound: float
    price: float
    at: Array
    term: Array
    leaf: ProgramLeaf


class Regions:
    """The search over a program that ``fits``."""

    def __init__(self, program: Program, enveloper: Enveloper, plans: Plans, tree: Tree) -> None:
        self.program, self.plans, self.tree = program, plans, tree
        self.enveloper = enveloper
        arms = program.arms
        top = program.supremum()
        self.top = np.where(np.isfinite(top) & (top > 0.0), top, 1.0)
        weight = program.weight[:, 0]
        self.own = program.value * weight * self.top
        self.sign = np.zeros((arms, arms))
        for pair in program.pairs:
            size = program.value * pair.strength * weight[pair.first]
            self.sign[pair.first, pair.second] += size
            self.sign[pair.second, pair.first] += size
        self.size = np.zeros((arms, arms))
        for pair in program.pairs:
            size = abs(program.value * pair.strength * weight[pair.first])
            self.size[pair.first, pair.second] += size
            self.size[pair.second, pair.first] += size
        self.row = program.rows.matrix[0]
        self.cost = program.cost * program.spread.sum(axis=1)[:, 0]
        self.carry, self.base = program.carry[:, 0, 0], program.carry_in[:, 0]
        self.share = np.linspace(0.0, 1.0, _GRID)
        self.climbs = 0

    def levels(self, u: Array) -> Array:
        """(A, n) levels at decisions (A, n)."""
        z = self.carry[:, None] * u + self.base[:, None]
        return self.enveloper.curve(z, np.ones((z.shape[0], 1)))[0] / self.top[:, None]

    def run(
        self, low: Array, high: Array, price: float, at: Array, limit: int
    ) -> tuple[float, int]:
        """Search the box (A,); the bound that is left, and how many regions were looked at."""
        slot = 0
        first = self.solve(low, high, price, at, slot)
        heap: list[tuple[float, int, _Region]] = []
        if first is not None:
            heapq.heappush(heap, (-first.bound, 0, first))
        nodes = 1
        while heap and not self.plans.late() and nodes < limit:
            if -heap[0][0] <= self.plans.cutoff():
                break
            _, _, node = heapq.heappop(heap)
            leaf = self.tree.nodes[node.slot]
            below = len(self.tree.nodes)
            self.tree.nodes += [leaf, leaf]
            self.tree.set(node.slot, SplitDecision(node.arm, 0, node.cut, below, below + 1))
            for side in (0, 1):
                lower, upper = node.low.copy(), node.high.copy()
                (upper if side == 0 else lower)[node.arm] = node.cut
                child = self.solve(lower, upper, node.price, node.at, below + side, node.bound)
                nodes += 1
                if child is not None:
                    heapq.heappush(heap, (-child.bound, nodes, child))
        return (-heap[0][0] if heap else self.plans.cutoff()), nodes

    def solve(
        self,
        low: Array,
        high: Array,
        price: float,
        at: Array,
        slot: int,
        ceiling: float = np.inf,
    ) -> _Region | None:
        """Bound a region, write its leaf down; None where nothing better can be there."""
        rows = self.program.rows
        if float(self.row @ low) > rows.upper[0] * (1 + 1e-12) + 1e-300:
            return None
        if float(self.row @ high) < rows.lower[0] * (1 - 1e-12):
            return None
        u = low[:, None] + self.share * (high - low)[:, None]
        level = self.levels(u)
        at = np.clip(at, low, high)
        best: _Region | None = None
        for _ in range(_ROUNDS):
            found = min(self._bounds(level, u, at, price), key=lambda one: one.bound)
            if best is None or found.bound < best.bound:
                price = found.price
                arm, cut = self._cut(found.term, u, price, found.at, low, high)
                best = _Region(low, high, price, found.at, found.bound, slot, arm, cut)
                if found.bound < ceiling:
                    self.tree.set(slot, found.leaf)
            if best.bound <= self.plans.cutoff():
                return None
            moved = float(np.abs(found.at - at).max())
            at = found.at
            if moved <= 1e-3 * float((high - low).max()):
                break
        assert best is not None
        self._look(best)
        if best.bound > ceiling:
            best = _Region(low, high, best.price, best.at, ceiling, slot, best.arm, best.cut)
        return None if best.bound <= self.plans.cutoff() else best

    def _bounds(self, level: Array, u: Array, at: Array, price: float) -> list[_Bound]:
        """Bounds by squares (shared by curvature, or by ranges) around ``at``, and by planes."""
        centre = self.levels(at[:, None])[:, 0]
        nu = np.zeros(self.program.weight.shape)
        z = (self.carry * at + self.base)[:, None]
        out = []
        width = np.maximum(level[:, -1] - level[:, 0], 1e-9)
        for v in (self._shares(level, centre, at), 1.0 / width):
            curve = (self.size @ v) / v
            slope = self.own + self.sign @ centre
            term = slope[:, None] * level + 0.5 * curve[:, None] * (level - centre[:, None]) ** 2
            term -= self.cost[:, None] * u
            # A product's own constant: counted once for each pair.
            rest = -0.5 * float(centre @ self.sign @ centre)
            price, relaxed, value = self._dual(term, u, price)
            shares = np.array([[v[p.second] / v[p.first]] for p in self.program.pairs])
            leaf = ProgramLeaf(np.array([price]), nu, None, z, shares)
            out.append(_Bound(value + rest, price, relaxed, term, leaf))
        low, high = level[:, 0], level[:, -1]
        slope, rest = self.own.copy(), 0.0
        mixes = np.zeros((len(self.program.pairs), 1))
        for i, pair in enumerate(self.program.pairs):
            a, b = pair.first, pair.second
            size = self.program.value * pair.strength * self.program.weight[a, 0]
            ends = (high[b], low[b]) if size >= 0.0 else (low[b], high[b])
            heights = [
                size * (y * centre[a] + x * centre[b] - x * y)
                for x, y in ((low[a], ends[0]), (high[a], ends[1]))
            ]
            mix = 1.0 if heights[0] < heights[1] else 0.0
            x, y = (low[a], ends[0]) if mix else (high[a], ends[1])
            slope[a] += size * y
            slope[b] += size * x
            rest -= size * x * y
            mixes[i, 0] = mix
        term = slope[:, None] * level - self.cost[:, None] * u
        price, relaxed, value = self._dual(term, u, price)
        leaf = ProgramLeaf(np.array([price]), nu, mixes)
        out.append(_Bound(value + rest, price, relaxed, term, leaf))
        return out

    def _shares(self, level: Array, centre: Array, at: Array) -> Array:
        """Weights v (A,), t = v_b / v_a, by curvature around the centre."""
        width = np.maximum(level[:, -1] - level[:, 0], 1e-9)
        z = (self.carry * at + self.base)[:, None]
        ones = np.ones(z.shape)
        _, slope, bend = self.enveloper.curve(z, ones)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            weight = self.own + self.sign @ centre
            curvature = weight * (bend / (slope * slope))[:, 0] * self.top
        good = np.isfinite(curvature) & (curvature > 0.0)
        # A range that is short forgives squares as much as curvature does.
        inside = (centre > 0.0) & good
        strength = np.where(inside, np.minimum(curvature, 1e9 * self.own), 0.02 * self.own)
        strength = np.maximum(strength, 1e-12) + 0.05 * self.own / width
        v = np.ones(centre.size)
        for _ in range(12):
            v = 0.2 * v + (self.size @ v) / strength
            v = np.maximum(v / v.max(), 1e-6)
        return v

    def _dual(self, term: Array, u: Array, price: float) -> tuple[float, Array, float]:
        """The least of ``sum max (term - price row u) + price side``: price, plan, value."""
        rows = self.program.rows
        cost = self.row[:, None] * u
        arms = np.arange(u.shape[0])

        def reply(p: float) -> tuple[float, Array, float]:
            gain = term - p * cost
            pick = gain.argmax(axis=1)
            spent = float(cost[arms, pick].sum())
            return float(gain[arms, pick].sum()), u[arms, pick], spent

        upper, lower = float(rows.upper[0]), float(rows.lower[0])
        free, plan, spent = reply(0.0)
        if lower <= spent <= upper:
            return 0.0, plan, free
        side = upper if spent > upper else lower
        sign = 1.0 if spent > upper else -1.0
        step = abs(price) if price * sign > 0.0 else float(np.ptp(term)) / max(abs(side), 1e-300)
        step = max(step, 1e-300)
        near, near_plan, near_spent = 0.0, plan, spent
        far = step
        for _ in range(200):
            value, plan, spent = reply(sign * far)
            if (spent - side) * sign <= 0.0:
                break
            near, near_plan, near_spent = far, plan, spent
            far *= 2.0
        far_plan, far_spent, far_value = plan, spent, value
        for _ in range(_STEPS):
            middle = 0.5 * (near + far)
            if middle <= near or middle >= far or far - near <= 1e-12 * far:
                break
            value, plan, spent = reply(sign * middle)
            if (spent - side) * sign <= 0.0:
                far, far_plan, far_spent, far_value = middle, plan, spent, value
            else:
                near, near_plan, near_spent = middle, plan, spent
        mix = (side - far_spent) / (near_spent - far_spent) if near_spent != far_spent else 0.0
        relaxed = far_plan + mix * (near_plan - far_plan)
        return sign * far, relaxed, far_value + sign * far * side

    def _cut(
        self, term: Array, u: Array, price: float, at: Array, low: Array, high: Array
    ) -> tuple[int, float]:
        """The arm whose term is furthest above what it is at the relaxed plan, and where to cut."""
        gain = term - price * self.row[:, None] * u
        width = high - low
        spot = np.where(width > 0.0, (at - low) / np.where(width > 0.0, width, 1.0), 0.0)
        spot = np.clip(spot, 0.0, 1.0) * (_GRID - 1)
        left = np.minimum(spot.astype(np.intp), _GRID - 2)
        arms = np.arange(at.size)
        part = spot - left
        here = (1.0 - part) * gain[arms, left] + part * gain[arms, left + 1]
        loss = np.where(width > 1e-12 * np.maximum(high, 1e-300), gain.max(axis=1) - here, -1.0)
        arm = int(loss.argmax())
        if loss[arm] <= 1e-12 * abs(self.plans.value):
            curve = self.size.sum(axis=1) * width / np.maximum(self.program.upper[:, 0], 1e-300)
            arm = int(curve.argmax())
        far = float(u[arm, int(gain[arm].argmax())])
        cut = 0.5 * (float(at[arm]) + far)
        edge = 0.1 * float(width[arm])
        if abs(far - float(at[arm])) < edge:
            cut = float(at[arm])
        return arm, float(np.clip(cut, low[arm] + edge, high[arm] - edge))

    def _look(self, region: _Region) -> None:
        plan = region.at[:, None]
        value = self.program.objective(plan)
        if value > self.plans.value:
            self.plans.offer(plan, np.array([region.price]))
        close = value > self.plans.value - 0.02 * abs(self.plans.value)
        if close and self.climbs < _CLIMBS and region.bound > self.plans.cutoff():
            self.climbs += 1
            self.plans.ascend(plan)
