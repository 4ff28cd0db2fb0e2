"""What a plan is worth and how far from the best it can be, rechecked from the problem alone.

No solver is imported and nothing it says is believed. From a :class:`~shared.problem.proof.Proof`
only prices and the tree's splits are read: boxes are derived from the problem's own bounds on the
way down, so that the leaves cover every feasible plan by construction, and for each of them weak
duality gives a bound from one-dimensional maxima. Everything is rounded outward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.problem.canonical import Canonical, marginal, outcome
from shared.problem.proof import Count, Cut, Proof, Split
from shared.problem.symmetry import alike, in_order
from shared.solve.majorant import Majorant
from shared.solve.maxima import closed_form_maxima, table_maxima
from shared.solve.rounding import EPS

__all__ = ["Certificate", "certify"]

Array = NDArray[np.float64]
_CELLS = 400_000  # rows times channels bounded together


@dataclass(frozen=True, slots=True)
class Certificate:
    """A plan's value beside a bound on every plan.

    Attributes
    ----------
    objective
        Expected outcome of the plan.
    upper_bound
        No feasible plan has more; ``inf`` (like both gaps) where the proof proves nothing.
    gap, relative_gap
        ``upper_bound - objective``, and that over the upper bound's size; never negative.
    proven
        Whether ``upper_bound`` is a bound on every feasible plan, and this plan is feasible.
    max_constraint_violation
        Largest violation of a bound or the budget, relative to the budget.
    kkt_residual
        Half the outcome gained by moving a unit of money between the two channels where that pays
        most, relative to the steeper slope or the average return; 0 at a stationary plan.
    """

    objective: float
    upper_bound: float
    gap: float
    relative_gap: float
    proven: bool
    max_constraint_violation: float
    kkt_residual: float


def certify(canonical: Canonical, spend: Array, proof: Proof) -> Certificate:
    """Recheck a plan (n,) and bound what any other could reach."""
    objective = math.fsum(outcome(canonical, spend).tolist())
    violation = _violation(canonical, spend)
    bound = _bound(canonical, spend, proof)
    if bound is None or not math.isfinite(bound) or not math.isfinite(objective):
        return Certificate(
            objective,
            math.inf,
            math.inf,
            math.inf,
            False,
            violation,
            _kkt(canonical, spend, objective),
        )
    gap = max(bound - objective, 0.0)
    scale = max(abs(bound), abs(objective))
    return Certificate(
        objective=objective,
        upper_bound=bound,
        gap=gap,
        relative_gap=gap / scale if scale > 0.0 else 0.0,
        proven=violation <= 1e-6,
        max_constraint_violation=violation,
        kkt_residual=_kkt(canonical, spend, objective),
    )


def _violation(canonical: Canonical, spend: Array) -> float:
    total = math.fsum(spend.tolist()) - canonical.budget
    worst = max(
        float(np.max(canonical.lower - spend, initial=0.0)),
        float(np.max(spend - canonical.upper, initial=0.0)),
        abs(total) if canonical.spend_all else total,
        0.0,
    )
    return worst / canonical.budget if canonical.budget > 0.0 else worst


def _kkt(canonical: Canonical, spend: Array, objective: float) -> float:
    """See :class:`Certificate`; a slope that is infinite at 0 is taken over a first small step."""
    gain = marginal(canonical, spend)
    tiny = 1e-9 * max(canonical.budget, 1e-300)
    if not np.all(np.isfinite(gain)):
        step = (outcome(canonical, spend + tiny) - outcome(canonical, spend)) / tiny
        gain = np.where(np.isfinite(gain), gain, step)
    # At the corner of a table less money loses the slope on the left, not that on the right.
    tables = canonical.curves.tables if canonical.draws is None else canonical.draws.tables
    loss = gain
    if tables:
        corners = [table[0] for table in tables]
        loss = gain.copy()
        loss[corners] = marginal(canonical, np.maximum(spend - tiny, 0.0))[corners]
    up = gain[spend < canonical.upper - tiny]
    down = loss[spend > canonical.lower + tiny]
    if not up.size:
        return 0.0
    cheapest = float(down.min()) if down.size else math.inf
    if not canonical.spend_all and float(spend.sum()) < canonical.budget - tiny:
        cheapest = 0.0  # unspent money earns nothing
    best = float(up.max())
    if not math.isfinite(cheapest) or best <= cheapest:
        return 0.0
    average = abs(objective) / canonical.budget if canonical.budget > 0.0 else 0.0
    return 0.5 * (best - cheapest) / max(best, average)


@dataclass(slots=True)
class _Task:
    """A region to bound: its box, a price, and for a cut the narrower box inside."""

    lower: Array
    upper: Array
    price: float
    count_price: float
    limit: _Limit | None
    inner: tuple[Array, Array] | None


@dataclass(frozen=True, slots=True)
class _Limit:
    """From ``least`` to ``most`` channels spend more than ``at`` (n,)."""

    at: Array
    least: int
    most: int

    def narrowed(self, node: Count, *, above: bool) -> _Limit:
        """With what one side of a count adds; a count of other thresholds forgets this one."""
        same = np.array_equal(self.at, node.at)
        least, most = (self.least, self.most) if same else (0, node.at.size)
        if above:
            return _Limit(node.at, max(least, node.most + 1), most)
        return _Limit(node.at, least, min(most, node.most))

    def inside(self, lower: Array, upper: Array) -> tuple[Array, Array] | None:
        """The smallest box around the plans of a box with such a count; None where there is none.

        Where the count is used up nobody else may exceed, and where it needs everybody, all must.
        """
        must, can = lower > self.at, upper > self.at
        fewest, largest = int(must.sum()), int(can.sum())
        if self.least > self.most or fewest > self.most or largest < self.least:
            return None
        if fewest == self.most:
            upper = np.where(must, upper, np.minimum(upper, self.at))
        if largest == self.least:
            lower = np.where(can, np.maximum(lower, self.at), lower)
        return lower, upper


def _bound(canonical: Canonical, spend: Array, proof: Proof) -> float | None:
    """The largest leaf bound; None where the tree is no tree or a price is no price."""
    bounder = _Bounder(canonical, spend)
    nodes, count = proof.nodes, len(proof.nodes)
    if not count:
        return None
    seen = [False] * count
    # Only plans sorted within groups of identical channels are looked at; see symmetry.py.
    twins = alike(canonical) if count > 1 else ()
    free = _Limit(np.full(canonical.n, np.inf), 0, canonical.n)
    walk: list[tuple[int, Array, Array, _Limit]] = [(0, canonical.lower, canonical.upper, free)]
    tasks: list[_Task] = []
    best = -math.inf
    while walk:
        at, lower, upper, limit = walk.pop()
        if not 0 <= at < count or seen[at]:
            return None
        seen[at] = True
        lower, upper = in_order(twins, lower, upper)
        if np.any(lower > upper) or _empty(canonical, lower, upper):
            continue
        if limit is not free:
            box = limit.inside(lower, upper)
            if box is None:
                continue
            lower, upper = box
        node = nodes[at]
        if isinstance(node, Split):
            c = node.channel
            if not 0 <= c < canonical.n or math.isnan(node.at):
                return None
            below, above = upper.copy(), lower.copy()
            below[c] = min(max(node.at, lower[c]), upper[c])
            above[c] = below[c]
            walk += [(node.below, lower, below, limit), (node.above, above, upper, limit)]
            continue
        if isinstance(node, Count):
            if node.at.shape != lower.shape or np.any(np.isnan(node.at)):
                return None
            walk += [
                (child, lower, upper, limit.narrowed(node, above=above_))
                for child, above_ in ((node.below, False), (node.above, True))
            ]
            continue
        if not math.isfinite(node.price) or node.price < 0.0 or not math.isfinite(node.count_price):
            return None
        inner = None
        if isinstance(node, Cut):
            inside = _inside(node, lower, upper)
            if inside is None:
                return None
            inner = inside
            walk.append((node.child, *inner, limit))
        counted = None if limit is free else limit
        tasks.append(_Task(lower, upper, node.price, node.count_price, counted, inner))
        if len(tasks) * canonical.n >= _CELLS:
            best = max(best, bounder.largest(tasks))
            tasks = []
    return max(best, bounder.largest(tasks))


def _empty(canonical: Canonical, lower: Array, upper: Array) -> bool:
    """Whether no plan in the box meets the budget, beyond any doubt of rounding."""
    slack = 1e-12 * canonical.budget
    if float(lower.sum()) > canonical.budget + slack:
        return True
    return canonical.spend_all and float(upper.sum()) < canonical.budget - slack


def _inside(node: Cut, lower: Array, upper: Array) -> tuple[Array, Array] | None:
    channels = node.channels
    shape = channels.shape
    if node.lower.shape != shape or node.upper.shape != shape or channels.ndim != 1:
        return None
    if np.any(channels < 0) or np.any(channels >= lower.size):
        return None
    if not (np.all(np.isfinite(node.lower)) and np.all(np.isfinite(node.upper))):
        return None
    low, high = lower.copy(), upper.copy()
    low[channels] = np.clip(node.lower, lower[channels], upper[channels])
    high[channels] = np.clip(node.upper, low[channels], upper[channels])
    return low, high


@dataclass(frozen=True, slots=True)
class _Limits:
    """Limits of k regions: thresholds (k, n), multipliers (k,), and what those cost in all (k,)."""

    at: Array
    price: Array
    cost: Array

    @classmethod
    def of(cls, tasks: list[_Task]) -> _Limits | None:
        """None where nothing is limited."""
        limits = [task.limit for task in tasks if task.limit is not None]
        if not limits:
            return None
        price = np.array([task.count_price for task in tasks])
        allowed = [b.most if p > 0.0 else b.least for b, p in zip(limits, price, strict=True)]
        return cls(np.stack([limit.at for limit in limits]), price, price * np.array(allowed))

    def take(self, rows: list[int]) -> _Limits:
        """Some of the regions."""
        return _Limits(self.at[rows], self.price[rows], self.cost[rows])


class _Bounder:
    """Lagrangian bounds of regions; keeps what it learns about means over draws."""

    def __init__(self, canonical: Canonical, spend: Array) -> None:
        self.canonical = canonical
        self.spend = spend
        n, draws = canonical.n, canonical.draws
        self.scale = max(float(np.abs(outcome(canonical, spend)).sum()), 1e-300)
        if draws is None:
            self.tables = list(canonical.curves.tables)
            tabulated = {c for c, _ in self.tables}
            self.closed = np.array([c for c in range(n) if c not in tabulated], dtype=np.intp)
            self.curves = canonical.curves.take(self.closed) if self.tables else canonical.curves
            self.means: list[tuple[int, Majorant]] = []
        else:
            self.tables = [(c, mean) for c, _, mean in draws.tables]
            tabulated = {c for c, _ in self.tables}
            self.closed = np.zeros(0, dtype=np.intp)
            self.means = [
                (c, self._majorant(c, draws.inflections()[:, c]))
                for c in range(n)
                if c not in tabulated
            ]

    def _majorant(self, channel: int, bends: Array) -> Majorant:
        assert self.canonical.draws is not None
        low, high = float(self.canonical.lower[channel]), float(self.canonical.upper[channel])
        inside = bends[(bends > low) & (bends < high)]
        marks = [np.linspace(low, high, 17), self.spend[channel : channel + 1]]
        if inside.size:
            marks.append(np.quantile(inside, np.linspace(0.0, 1.0, 9)))
        if high > low:
            marks.append(low + (high - low) * np.geomspace(1e-9, 0.05, 12))
        points = np.clip(np.concatenate(marks), low, high)
        return Majorant(self.canonical.draws.column(channel), points)

    def largest(self, tasks: list[_Task]) -> float:
        """The largest bound of the regions that end here (leaves, and what cuts cut away)."""
        plain = [task for task in tasks if task.limit is None]
        counted = [task for task in tasks if task.limit is not None]
        return max(self._largest(plain), self._largest(counted))

    def _largest(self, tasks: list[_Task]) -> float:
        if not tasks:
            return -math.inf
        lower = np.stack([task.lower for task in tasks])
        upper = np.stack([task.upper for task in tasks])
        price = np.array([task.price for task in tasks])
        limits = _Limits.of(tasks)
        scores = self.scores(lower, upper, price, limits)
        fixed = price * self.canonical.budget
        weight = np.abs(scores).sum(axis=1) + fixed
        if limits is not None:
            fixed = fixed + limits.cost
            weight += np.abs(limits.cost)
        rounding = (math.log2(scores.shape[1] + 1) + 16.0) * EPS * weight
        whole = fixed + scores.sum(axis=1) + rounding
        best = -math.inf
        cuts = [i for i, task in enumerate(tasks) if task.inner is not None]
        for i, task in enumerate(tasks):
            if task.inner is None:
                best = max(best, float(whole[i]))
        if cuts:
            inner = [task.inner for task in tasks if task.inner is not None]
            low = np.stack([pair[0] for pair in inner])
            high = np.stack([pair[1] for pair in inner])
            at, level = price[cuts], (whole + 4.0 * rounding)[cuts, None] - scores[cuts]
            within = None if limits is None else limits.take(cuts)
            for a, b, is_cut in (
                (lower[cuts], low, low > lower[cuts]),
                (high, upper[cuts], high < upper[cuts]),
            ):
                if np.any(is_cut):
                    slab = np.where(is_cut, level + self.scores(a, b, at, within), -np.inf)
                    best = max(best, float(slab.max()))
        return best

    def scores(self, lower: Array, upper: Array, price: Array, limits: _Limits | None) -> Array:
        """What each channel adds to a bound (k, n): :meth:`tops`, less the price of being counted.

        Where a channel may be on either side of its threshold, the better side.
        """
        if limits is None:
            return self.tops(lower, upper, price)
        below = self.tops(lower, np.clip(limits.at, lower, upper), price)
        below = np.where(lower <= limits.at, below, -np.inf)
        may = upper > limits.at
        if not np.any(may):
            return below
        above = self.tops(np.clip(limits.at, lower, upper), upper, price)
        charge = limits.price[:, None]
        above = np.where(
            may, above - charge + 2.0 * EPS * (np.abs(above) + np.abs(charge)), -np.inf
        )
        return np.maximum(below, above)

    def tops(self, lower: Array, upper: Array, price: Array) -> Array:
        """Upper bounds (k, n) on max over the box of f(x) - price x, channel by channel."""
        k, n = lower.shape
        out = np.empty((k, n))
        # A single region is bounded to rounding; trees are stopped at gaps far above theirs.
        tolerance = np.full((k, 1), (1e-13 if k == 1 else 1e-11) * self.scale / n)
        if self.closed.size:
            c: Any = slice(None) if self.closed.size == n else self.closed
            out[:, c] = closed_form_maxima(
                self.curves,
                lower[:, c],
                upper[:, c],
                price[:, None],
                self.spend[c],
                tolerance,
            )
        for i, table in self.tables:
            out[:, i] = table_maxima(table, lower[:, i], upper[:, i], price)
        for i, mean in self.means:
            mean.add(np.concatenate((lower[:, i], upper[:, i])))
            slack = np.full(k, 1e-9 * self.scale / n)
            out[:, i] = mean.maxima(lower[:, i], upper[:, i], price, slack)
        return out
