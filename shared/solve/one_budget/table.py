"""Any one-dimensional curve as knots: tabulated curves exactly, a mean over draws closely.

The solver may be slightly wrong here: the certificate recomputes every bound from the curves.
Knots carry the true value and slope; between them the slope is taken for linear, an error of
third order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import Tabulated

__all__ = ["CLOSE", "CurveTable", "Hull", "table_of_function", "table_of_points", "upper_hull"]

Array = NDArray[np.float64]

CLOSE = 3e-8
"""Error of a table between its knots, relative to its rise, that is not worth another knot."""
Both = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class Hull:
    """A concave envelope as the falling polyline of its slope: ``spend`` (k,) does not fall,
    ``slope`` (k,) does not rise. A stretch with one slope is a straight part, a jump at one spend a
    corner."""

    spend: Array
    slope: Array

    def respond(self, price: float) -> tuple[float, float, float]:
        """Least and largest maximiser of envelope - price x, and ``-dx / d ln price``."""
        x, p = self.spend, self.slope
        falling = -p
        first = int(np.searchsorted(falling, -price, side="left"))  # slopes before are steeper
        after = int(np.searchsorted(falling, -price, side="right"))  # from here on less steep
        if first < after:
            return float(x[first]), float(x[after - 1]), 0.0
        if first == 0:
            return float(x[0]), float(x[0]), 0.0
        if first == len(p):
            return float(x[-1]), float(x[-1]), 0.0
        run, fall = x[first] - x[first - 1], p[first - 1] - p[first]
        at = float(x[first - 1] + run * ((p[first - 1] - price) / fall))
        return at, at, float(run / fall) * price

    def ties(self) -> Array:
        """The slopes of the straight parts."""
        flat = (np.diff(self.spend) > 0.0) & (np.diff(self.slope) == 0.0)
        return np.unique(self.slope[:-1][flat])

    def straight_at(self, x: float) -> tuple[float, float] | None:
        """The ends of the straight part strictly around ``x``, if there is one."""
        i = int(np.searchsorted(self.spend, x, side="left"))
        if 0 < i < len(self.spend) and self.spend[i] > x and self.slope[i] == self.slope[i - 1]:
            return float(self.spend[i - 1]), float(self.spend[i])
        return None


@dataclass(slots=True)
class CurveTable:
    """Knots of one curve: ``spend``, ``value`` (k,), ``slope`` (k,) or None for straight pieces;
    ``evaluate`` gives the true value and slope anywhere."""

    spend: Array
    value: Array
    slope: Array | None
    evaluate: Both

    def add(self, points: Array) -> None:
        """Add knots (those there already are left out)."""
        new = np.setdiff1d(points[(points > self.spend[0]) & (points < self.spend[-1])], self.spend)
        if not new.size:
            return
        value, slope = self.evaluate(new)
        order = np.argsort(np.concatenate((self.spend, new)), kind="stable")
        self.spend = np.concatenate((self.spend, new))[order]
        self.value = np.maximum.accumulate(np.concatenate((self.value, value))[order])
        if self.slope is not None:
            self.slope = np.concatenate((self.slope, slope))[order]

    def refine(self, x: float) -> None:
        """Eight knots in each of the two intervals that touch the knot nearest to ``x``."""
        if self.slope is None or len(self.spend) < 3:  # a channel that may not move has one knot
            return
        i = int(np.clip(np.searchsorted(self.spend, x), 1, len(self.spend) - 2))
        left, right = self.spend[i - 1], self.spend[i + 1]
        self.add(np.linspace(left, right, 18)[1:-1])

    def knots(self, lower: float, upper: float) -> tuple[Array, Array, Array | None]:
        """Spend, value and slope of the knots in ``[lower, upper]``, both of which are knots."""
        a = int(np.searchsorted(self.spend, lower, side="left"))
        b = int(np.searchsorted(self.spend, upper, side="right"))
        slope = None if self.slope is None else self.slope[a:b]
        return self.spend[a:b], self.value[a:b], slope

    def at(self, x: float) -> float:
        """The value at ``x``, between knots by the integral of the linear slope."""
        i = int(np.clip(np.searchsorted(self.spend, x, side="right") - 1, 0, len(self.spend) - 2))
        h = float(self.spend[i + 1] - self.spend[i])
        if h <= 0.0:  # a channel that may not move has one knot
            return float(self.value[i])
        share = (x - float(self.spend[i])) / h
        rise = float(self.value[i + 1] - self.value[i])
        if self.slope is None:
            return float(self.value[i]) + rise * share
        # The parabola that bends as the slopes say and still meets both values.
        bend = 0.5 * h * float(self.slope[i] - self.slope[i + 1])
        return float(self.value[i]) + share * (rise + bend * (1.0 - share))

    def hull(self, lower: float, upper: float) -> Hull:
        """The concave envelope on ``[lower, upper]``."""
        x, y, p = self.knots(lower, upper)
        if len(x) == 1:
            return Hull(np.array([x[0]]), np.array([0.0]))
        corners = upper_hull(x, y)
        cx, cy = x[corners], y[corners]
        chord = np.diff(cy) / np.diff(cx)
        left, right = chord.copy(), chord.copy()
        if p is not None:
            # Between neighbouring knots the curve itself is the envelope. Its slopes are kept
            # between those of the chords around, so that the polyline falls despite rounding.
            near = np.diff(corners) == 1
            before = np.concatenate(([np.inf], chord[:-1]))
            after = np.concatenate((chord[1:], [0.0]))
            first, last = p[corners[:-1]], p[corners[1:]]
            left = np.where(near, np.clip(first, chord, before), chord)
            right = np.where(near, np.minimum(np.clip(last, after, np.inf), chord), chord)
        return Hull(np.repeat(cx, 2)[1:-1], np.stack((left, right), axis=1).reshape(-1))

    def keep(self, lower: float, upper: float, price: float, level: float) -> tuple[float, float]:
        """The smallest knots around all spends in the box where value - price x may reach level."""
        x, y, p = self.knots(lower, upper)
        if len(x) == 1:
            return lower, upper
        gain = y - price * x
        top = np.maximum(gain[:-1], gain[1:])
        if p is not None:
            bulge = np.abs(np.diff(p)) * np.diff(x) / 8.0
            top = top + np.minimum(bulge, np.abs(np.diff(gain)) + price * np.diff(x))
        kept = np.flatnonzero(top >= level)
        if not kept.size:
            return lower, upper
        return float(x[kept[0]]), float(x[kept[-1] + 1])


def table_of_points(curve: Tabulated, lower: float, upper: float) -> CurveTable:
    """A tabulated curve on ``[lower, upper]``, exactly."""
    at = curve.knots()[0]
    x = np.unique(np.concatenate(([lower, upper], at[(at > lower) & (at < upper)])))

    def both(points: Array) -> tuple[Array, Array]:
        return curve.value(points), curve.slope(points)

    return CurveTable(x, curve.value(x), None, both)


def table_of_function(
    both: Both,
    lower: float,
    upper: float,
    landmarks: Array,
    rounds: int = 6,
    *,
    close: float = CLOSE,
) -> CurveTable:
    """A smooth curve on ``[lower, upper]``, knots where the slope is not yet linear between them:
    the trapezium rule on the slopes against the true rise is the error, at most ``close`` of the
    rise."""
    if lower >= upper:
        x = np.array([lower])
        return CurveTable(x, *both(x), both)
    width = upper - lower
    inside = landmarks[(landmarks > lower) & (landmarks < upper)]
    x = np.unique(
        np.concatenate(
            (
                np.linspace(lower, upper, 25),
                lower + width * np.geomspace(1e-9, 0.5, 28),
                np.quantile(inside, np.linspace(0, 1, 9)) if inside.size else inside,
            )
        )
    )
    value, slope = both(x)
    # An infinite slope (Hill with shape < 1 at zero) is only ever met in the first, tiny interval.
    slope = np.where(np.isfinite(slope), slope, 4.0 * (value[1] - value[0]) / (x[1] - x[0]))
    table = CurveTable(x, np.maximum.accumulate(value), slope, both)
    for _ in range(rounds):
        x, y, p = table.spend, table.value, table.slope
        if p is None:
            break
        h = np.diff(x)
        error = np.abs(np.diff(y) - 0.5 * h * (p[:-1] + p[1:]))
        coarse = (error > close * (y[-1] - y[0])) & (h > 1e-9 * width)
        if not np.any(coarse) or len(x) > 1500:
            break
        a, b = x[:-1][coarse], x[1:][coarse]
        table.add(np.concatenate((a + (b - a) / 3.0, a + 2.0 * (b - a) / 3.0)))
    return table


def upper_hull(x: Array, y: Array) -> NDArray[np.intp]:
    """Indices of the corners of the upper convex hull (Andrew's monotone chain)."""
    xs, ys = x.tolist(), y.tolist()
    out: list[int] = []
    for i in range(len(xs)):
        while len(out) >= 2:
            a, b = out[-2], out[-1]
            if (ys[b] - ys[a]) * (xs[i] - xs[b]) > (ys[i] - ys[b]) * (xs[b] - xs[a]):
                break
            out.pop()
        out.append(i)
    return np.array(out, dtype=np.intp)
