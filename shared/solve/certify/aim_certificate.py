"""Bounds on goals of spend and outcome, and on cautious outcomes, from prices and boxes alone.

Like :mod:`shared.solve.certify.certificate`, and no solver is imported here either. For every
region of a proof's tree and its price of money p, weak duality gives
``F(x) <= height + p S(x)`` with ``height`` the sum over channels of ``max f(x) - p x``; what a
plan below that line can be worth is a linear programme in the two numbers F and S
(:mod:`shared.problem.aim`), solved here with every rounding outward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.aim import Aim
from shared.problem.canonical import Canonical, outcome
from shared.problem.incumbent import ALLOWED
from shared.problem.proof import Cut, Leaf, Proof, Split
from shared.problem.symmetry import alike, in_order
from shared.solve.certify.certificate import Certificate, certify, covering, narrowed
from shared.solve.certify.maxima import closed_form_maxima, table_maxima
from shared.solve.certify.mixture import Mixture, mean_of
from shared.solve.certify.rounding import EPS

__all__ = ["certify_aim"]

Array = NDArray[np.float64]
_CELLS = 400_000  # rows times channels bounded together


def certify_aim(canonical: Canonical, aim: Aim, spend: Array, proof: Proof) -> Certificate:
    """Recheck a plan (n,) and bound what any other could be worth.

    For the least spend all values are negative spends: minus the ``upper_bound`` is the lower bound
    on what every plan that meets the target costs.
    """
    brings, costs = math.fsum(outcome(canonical, spend).tolist()), math.fsum(spend.tolist())
    worth = aim.worth(brings, costs)
    # Whatever the total is worth, moving money between channels should bring nothing more.
    kkt = certify(
        replace(canonical, budget=costs, spend_all=True), spend, Proof((Leaf(0.0),))
    ).kkt_residual
    violation = max(_violation(canonical, spend, costs), aim.missed(brings, costs))
    bound = _bound(canonical, aim, spend, proof)
    if bound is None or not math.isfinite(bound) or not math.isfinite(worth):
        inf = math.inf
        return Certificate(worth, inf, inf, inf, False, violation, kkt)
    bound = covering(bound, worth, violation)
    gap = max(bound - worth, 0.0)
    # Where the best is to do nothing the worth is 0, and so is the gap but for rounding.
    stake = abs(aim.value) * float(np.abs(outcome(canonical, canonical.upper)).sum())
    stake += aim.cost * canonical.budget
    scale = max(abs(bound), abs(worth), stake if gap <= 1e-12 * stake else 0.0)
    return Certificate(
        objective=worth,
        upper_bound=bound,
        gap=gap,
        relative_gap=gap / scale if scale > 0.0 else 0.0,
        proven=violation <= ALLOWED,
        max_constraint_violation=violation,
        kkt_residual=kkt,
    )


def _violation(canonical: Canonical, spend: Array, total: float) -> float:
    over = total - canonical.budget
    worst = max(
        float(np.max(canonical.lower - spend, initial=0.0)),
        float(np.max(spend - canonical.upper, initial=0.0)),
        abs(over) if canonical.spend_all else over,
        0.0,
    )
    return worst / canonical.budget if canonical.budget > 0.0 else worst


@dataclass(frozen=True, slots=True)
class _Region:
    """A box, its price, and for a cut the narrower box inside."""

    lower: Array
    upper: Array
    price: float
    inner: tuple[Array, Array] | None


def _bound(canonical: Canonical, aim: Aim, spend: Array, proof: Proof) -> float | None:
    """The largest worth that some region allows; None where the tree is none."""
    nodes, count = proof.nodes, len(proof.nodes)
    if not count:
        return None
    heights = _Heights(canonical, spend)
    seen = [False] * count
    twins = alike(canonical) if count > 1 else ()
    walk: list[tuple[int, Array, Array]] = [(0, canonical.lower, canonical.upper)]
    regions: list[_Region] = []
    best = -math.inf
    while walk:
        at, lower, upper = walk.pop()
        if not 0 <= at < count or seen[at]:
            return None
        seen[at] = True
        lower, upper = in_order(twins, lower, upper)
        if np.any(lower > upper):
            continue
        node = nodes[at]
        if isinstance(node, Split):
            c = node.channel
            if not 0 <= c < canonical.n or math.isnan(node.at):
                return None
            below, above = upper.copy(), lower.copy()
            below[c] = min(max(node.at, lower[c]), upper[c])
            above[c] = below[c]
            walk += [(node.below, lower, below), (node.above, above, upper)]
            continue
        if not isinstance(node, (Leaf, Cut)):
            return None
        if not math.isfinite(node.price) or node.price < 0.0:
            return None
        inner = None
        if isinstance(node, Cut):
            inner = narrowed(node, lower, upper)
            if inner is None:
                return None
            walk.append((node.child, *inner))
        regions.append(_Region(lower, upper, node.price, inner))
        if len(regions) * canonical.n >= _CELLS:
            best = max(best, _largest(heights, aim, regions))
            regions = []
    return max(best, _largest(heights, aim, regions))


def _largest(heights: _Heights, aim: Aim, regions: list[_Region]) -> float:
    if not regions:
        return -math.inf
    lower = np.stack([region.lower for region in regions])
    upper = np.stack([region.upper for region in regions])
    price = np.array([region.price for region in regions])
    tops = heights.tops(lower, upper, price)
    rounding = (math.log2(tops.shape[1] + 1) + 16.0) * EPS * np.abs(tops).sum(axis=1)
    whole = tops.sum(axis=1) + rounding
    canonical = heights.canonical
    best = -math.inf
    ends = [i for i, region in enumerate(regions) if region.inner is None]
    if ends:
        worth = _reach(canonical, aim, whole[ends], price[ends], lower[ends], upper[ends])
        best = float(worth.max())
    cuts = [i for i, region in enumerate(regions) if region.inner is not None]
    if not cuts:
        return best
    inner = [region.inner for region in regions if region.inner is not None]
    low, high = np.stack([pair[0] for pair in inner]), np.stack([pair[1] for pair in inner])
    others = (whole + 4.0 * rounding)[cuts, None] - tops[cuts]
    for a, b, is_cut in (
        (lower[cuts], low, low > lower[cuts]),
        (high, upper[cuts], high < upper[cuts]),
    ):
        if np.any(is_cut):
            slab = others + heights.tops(a, b, price[cuts])
            rows, _ = np.nonzero(is_cut)
            # The slab's own range of the total is not used: that of the region is wider.
            at = np.array(cuts)[rows]
            worth = _reach(canonical, aim, slab[is_cut], price[at], lower[at], upper[at])
            best = max(best, float(worth.max()))
    return best


def _reach(
    canonical: Canonical, aim: Aim, height: Array, price: Array, lower: Array, upper: Array
) -> Array:
    """:meth:`Aim.reach` for k regions at once, rounded outward; -inf where no plan is left."""
    slack = 1e-12 * canonical.budget
    least = lower.sum(axis=1) * (1.0 - 1e-12)
    most = np.minimum(upper.sum(axis=1) * (1.0 + 1e-12), canonical.budget + slack)
    if canonical.spend_all:
        least = np.maximum(least, canonical.budget - slack)
    room = np.ones(height.shape, dtype=bool)
    for floor in aim.floors:
        slope = price - floor.per_money
        rise = floor.constant - height
        rise -= 4.0 * EPS * (abs(floor.constant) + np.abs(height))
        limit = rise / np.where(slope == 0.0, 1.0, slope)
        wide = 8.0 * EPS * np.abs(limit)
        least = np.where(slope > 0.0, np.maximum(least, limit - wide), least)
        most = np.where(slope < 0.0, np.minimum(most, limit + wide), most)
        room &= (slope != 0.0) | (rise <= 0.0)
    room &= least <= most
    per_money = aim.value * price - aim.cost
    # Its sign may be rounding: both ends are tried, and the larger of them counts.
    low, high = np.maximum(least, 0.0), np.maximum(most, 0.0)
    worth = aim.value * height + np.maximum(per_money * low, per_money * high)
    size = aim.value * (np.abs(height) + price * high) + aim.cost * high
    return np.where(room, worth + 16.0 * EPS * size, -np.inf)


class _Heights:
    """``max f(x) - price x`` over boxes, channel by channel, never too small."""

    def __init__(self, canonical: Canonical, spend: Array) -> None:
        self.canonical = canonical
        self.spend = spend
        n, draws = canonical.n, canonical.draws
        self.scale = max(float(np.abs(outcome(canonical, canonical.upper)).sum()) / n, 1e-300)
        self.scale = max(float(np.abs(outcome(canonical, spend)).sum()), 1e-3 * self.scale)
        self.means: list[tuple[int, Mixture]] = []
        self.closed = np.zeros(0, dtype=np.intp)
        if draws is None:
            self.tables = list(canonical.curves.tables)
            tabulated = {c for c, _ in self.tables}
            self.closed = np.array([c for c in range(n) if c not in tabulated], dtype=np.intp)
            self.curves = canonical.curves.take(self.closed) if self.tables else canonical.curves
        else:
            self.tables = [(c, mean) for c, _, mean in draws.tables]
            tabulated = {c for c, _ in self.tables}
            box = list(zip(canonical.lower.tolist(), canonical.upper.tolist(), strict=True))
            self.means = [(c, mean_of(draws, c, *box[c])) for c in range(n) if c not in tabulated]

    def tops(self, lower: Array, upper: Array, price: Array) -> Array:
        """Upper bounds (k, n) on the maxima over ``[lower, upper]`` (k, n) at ``price`` (k,)."""
        k, n = lower.shape
        out = np.empty((k, n))
        tolerance = np.full((k, 1), 1e-13 * self.scale / n)
        if self.closed.size:
            c = self.closed
            out[:, c] = closed_form_maxima(
                self.curves, lower[:, c], upper[:, c], price[:, None], self.spend[c], tolerance
            )
        for i, table in self.tables:
            out[:, i] = table_maxima(table, lower[:, i], upper[:, i], price)
        for i, mean in self.means:
            out[:, i] = mean.maxima(lower[:, i], upper[:, i], price, 1e-9 * self.scale / n)
        return out
