"""Bounds on every plan of a region: a box, a price of money, perhaps a count and its own price.

For the certificate only. Weak duality turns one-dimensional maxima into bounds, all rounded
outward; see :mod:`shared.problem.proof`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.problem.canonical import Canonical
from shared.problem.proof import Count
from shared.solve.certify.maxima import closed_form_maxima, table_maxima
from shared.solve.certify.mixture import Mixture, mean_of
from shared.solve.certify.rounding import EPS

__all__ = ["Bounder", "Limit", "Region"]

Array = NDArray[np.float64]


@dataclass(slots=True)
class Region:
    """A region to bound: its box, a price, for a cut the narrower box inside, and its budget."""

    lower: Array
    upper: Array
    price: float
    count_price: float
    limit: Limit | None
    inner: tuple[Array, Array] | None
    budget: float


@dataclass(frozen=True, slots=True)
class Limit:
    """From ``least`` to ``most`` channels spend more than ``at`` (n,)."""

    at: Array
    least: int
    most: int

    def narrowed(self, node: Count, *, above: bool) -> Limit:
        """With what one side of a count adds; a count of other thresholds forgets this one."""
        same = np.array_equal(self.at, node.at)
        least, most = (self.least, self.most) if same else (0, node.at.size)
        if above:
            return Limit(node.at, max(least, node.most + 1), most)
        return Limit(node.at, least, min(most, node.most))

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


@dataclass(frozen=True, slots=True)
class _Limits:
    """Limits of k regions: thresholds (k, n), multipliers (k,), and what those cost in all (k,)."""

    at: Array
    price: Array
    cost: Array

    @classmethod
    def of(cls, regions: list[Region]) -> _Limits | None:
        """None where nothing is limited."""
        limits = [region.limit for region in regions if region.limit is not None]
        if not limits:
            return None
        price = np.array([region.count_price for region in regions])
        allowed = [b.most if p > 0.0 else b.least for b, p in zip(limits, price, strict=True)]
        return cls(np.stack([limit.at for limit in limits]), price, price * np.array(allowed))

    def take(self, rows: list[int]) -> _Limits:
        """Some of the regions."""
        return _Limits(self.at[rows], self.price[rows], self.cost[rows])


class Bounder:
    """Lagrangian bounds of regions; keeps what it learns about means over draws.

    ``spend`` (n,) is where to look first, ``size`` what it brings: what is a tiny part of that is
    too small to matter. ``accuracy``, of that size: how far above the truth bounds on means over
    draws may lie in all.
    """

    def __init__(
        self, canonical: Canonical, spend: Array, size: float, accuracy: float = 1e-9
    ) -> None:
        self.canonical = canonical
        self.accuracy = accuracy
        self.spend = spend
        n, draws = canonical.n, canonical.draws
        self.scale = max(abs(size), 1e-300)
        if draws is None:
            self.tables = list(canonical.curves.tables)
            tabulated = {c for c, _ in self.tables}
            self.closed = np.delete(np.arange(n), sorted(tabulated))
            self.curves = canonical.curves.take(self.closed) if self.tables else canonical.curves
            self.means: list[tuple[int, Mixture]] = []
        else:
            self.tables = [(c, mean) for c, _, mean in draws.tables]
            tabulated = {c for c, _ in self.tables}
            self.closed = np.zeros(0, dtype=np.intp)
            box = list(zip(canonical.lower.tolist(), canonical.upper.tolist(), strict=True))
            self.means = [(c, mean_of(draws, c, *box[c])) for c in range(n) if c not in tabulated]

    def largest(self, regions: list[Region]) -> float:
        """The largest bound of the regions that end here (leaves, and what cuts cut away)."""
        return float(self.bounds(regions).max(initial=-math.inf))

    def bounds(self, regions: list[Region]) -> Array:
        """The bound of each region that ends here; of a cut, of all that it cuts away."""
        out = np.empty(len(regions))
        for counted in (False, True):
            rows = [i for i, r in enumerate(regions) if (r.limit is not None) is counted]
            out[rows] = self._bounds([regions[i] for i in rows])
        return out

    def _bounds(self, regions: list[Region]) -> Array:
        if not regions:
            return np.zeros(0)
        lower = np.stack([region.lower for region in regions])
        upper = np.stack([region.upper for region in regions])
        price = np.array([region.price for region in regions])
        limits = _Limits.of(regions)
        scores = self.scores(lower, upper, price, limits)
        fixed = price * np.array([region.budget for region in regions])
        weight = np.abs(scores).sum(axis=1) + fixed
        if limits is not None:
            fixed = fixed + limits.cost
            weight += np.abs(limits.cost)
        rounding = (math.log2(scores.shape[1] + 1) + 16.0) * EPS * weight
        whole = fixed + scores.sum(axis=1) + rounding
        out = whole.copy()
        cuts = [i for i, region in enumerate(regions) if region.inner is not None]
        if cuts:
            inner = [region.inner for region in regions if region.inner is not None]
            low = np.stack([pair[0] for pair in inner])
            high = np.stack([pair[1] for pair in inner])
            at, level = price[cuts], (whole + 4.0 * rounding)[cuts, None] - scores[cuts]
            within = None if limits is None else limits.take(cuts)
            out[cuts] = -np.inf
            for a, b, is_cut in (
                (lower[cuts], low, low > lower[cuts]),
                (high, upper[cuts], high < upper[cuts]),
            ):
                if np.any(is_cut):
                    slab = np.where(is_cut, level + self.scores(a, b, at, within), -np.inf)
                    out[cuts] = np.maximum(out[cuts], slab.max(axis=1))
        # Comparisons would pass over what is no number.
        return np.where(np.isnan(scores).any(axis=1) | np.isnan(out), np.inf, out)

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
            slack = self.accuracy * self.scale / n
            out[:, i] = mean.maxima(lower[:, i], upper[:, i], price, slack)
        return out
