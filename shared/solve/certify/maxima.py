"""Largest values of ``f(x) - price x`` over intervals, never too small; for the certificate only.

A curve is convex up to its inflection, where the maximum is at an end, and concave from there,
where any tangent lies above: for every ``z`` in a bracket ``[a, e]`` of the maximiser

    max g <= g(z) + max(g'(z), 0) (e - z) + max(-g'(z), 0) (z - a).

So no maximiser has to be found exactly, or even well: a poor one only costs tightness. Signs of
slopes count only where they exceed their rounding error, and every value is rounded up by its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.curves.family import EPS
from shared.curves.saturation import Saturation, Tabulated
from shared.curves.stack import CurveStack

__all__ = ["closed_form_maxima", "table_maxima"]

Array = NDArray[np.float64]


def closed_form_maxima(
    curves: CurveStack, lower: Array, upper: Array, price: Array, near: Array, tolerance: Array
) -> Array:
    """Upper bounds (k, n) on the maxima over ``[lower, upper]`` (k, n) at ``price`` (k, 1).

    Parameters
    ----------
    near
        (n,) or (k, n) where to look first; only speed depends on it.
    tolerance
        (k, 1) or (k, n) how far above the maximum a bound may lie before it is improved.
    """
    k, n = lower.shape
    bend = np.broadcast_to(curves.inflection(), (k, n))
    knee = np.clip(bend, lower, upper)  # the concave part is [knee, upper]
    price = np.broadcast_to(price, (k, n))
    convex = knee > lower
    columns = np.broadcast_to(np.arange(n), (k, n)).reshape(-1)
    slack = np.broadcast_to(tolerance, (k, n)).reshape(-1)
    out = _concave(
        curves,
        None if k == 1 else columns,
        knee.reshape(-1),
        upper.reshape(-1),
        price.reshape(-1),
        np.clip(near, knee, upper).reshape(-1),
        slack,
    )
    out = out.reshape(k, n)
    if not np.any(convex):
        return out  # the concave part contains its own ends
    # The convex part has only its ends to offer.
    ends = np.maximum(_raised(curves, lower, price), _raised(curves, knee, price))
    return np.asarray(np.where(convex, np.maximum(ends, out), out))


def _concave(
    curves: CurveStack,
    columns: NDArray[np.intp] | None,
    a: Array,
    e: Array,
    price: Array,
    z: Array,
    slack: Array,
) -> Array:
    """Tangent bounds over ``[a, e]`` where the curves are concave, all arguments (m,)."""
    part = curves if columns is None else curves.take(columns)
    best = np.full(z.shape, np.inf)
    todo = np.arange(z.size)
    p = price
    # A single region's bounds are added up: what one leaves of its tolerance is another's.
    excess, enough = np.full(z.shape, np.inf), float(slack.sum()) if columns is None else -1.0
    anchor: _Tangent | None = None
    for attempt in range(120):
        here = _tangent(part, z, p)
        # Where the slope's sign is beyond doubt, z closes the bracket from its side.
        a, e = np.where(here.down > 0.0, z, a), np.where(here.up < 0.0, z, e)
        anchor = here if anchor is None else anchor.flatter(here)
        with np.errstate(invalid="ignore"):  # an infinite slope over no distance
            rise = np.where(e > anchor.at, np.maximum(anchor.up, 0.0) * (e - anchor.at), 0.0)
            fall = np.where(anchor.at > a, np.maximum(-anchor.down, 0.0) * (anchor.at - a), 0.0)
        over = (rise + fall) * (1.0 + 8.0 * EPS)
        best[todo] = np.minimum(best[todo], anchor.height + over)
        excess[todo] = np.minimum(excess[todo], over)
        left = (over > slack) & (e - a > 4.0 * EPS * e)
        if not np.any(left) or float(excess.sum()) <= enough:
            break
        z = _next(part, z, a, e, p, here, anchor, rise > fall, attempt)
        if not np.all(left):
            todo = todo[left]
            a, e, p, z, slack = a[left], e[left], p[left], z[left], slack[left]
            anchor = anchor.take(left)
            part = curves.take(todo if columns is None else columns[todo])
    return best


@dataclass(frozen=True, slots=True)
class _Tangent:
    """A point, ``f - price x`` there rounded up, and its slope with the error on either side."""

    at: Array
    height: Array
    up: Array
    down: Array

    def flatter(self, other: _Tangent) -> _Tangent:
        """Elementwise the one whose slope is nearer to 0."""
        new = np.maximum(np.abs(other.up), np.abs(other.down)) < np.maximum(
            np.abs(self.up), np.abs(self.down)
        )
        return _Tangent(
            np.where(new, other.at, self.at),
            np.where(new, other.height, self.height),
            np.where(new, other.up, self.up),
            np.where(new, other.down, self.down),
        )

    def take(self, which: NDArray[np.bool_]) -> _Tangent:
        """Some of the elements."""
        return _Tangent(self.at[which], self.height[which], self.up[which], self.down[which])


def _tangent(part: CurveStack, z: Array, price: Array) -> _Tangent:
    error = part.slope_error(z)
    slope = part.slope(z)
    known = np.isfinite(slope)
    slope = np.where(known, slope, 0.0)
    wobble = error * slope + 4.0 * EPS * (slope + price)
    up = np.where(known, slope - price + wobble, np.inf)
    down = np.where(known, slope - price - wobble, np.inf)
    return _Tangent(z, _raised(part, z, price), up, down)


def _next(
    part: CurveStack,
    z: Array,
    a: Array,
    e: Array,
    price: Array,
    here: _Tangent,
    anchor: _Tangent,
    right: NDArray[np.bool_],
    attempt: int,
) -> Array:
    """The next tangent's place: where the slope is the price, Newton towards it, or the middle."""
    # From an infinite slope at 0 a maximiser may lie closer to it than halving gets in time.
    near = 0.5 if attempt % 2 else 2.0**-16
    middle = np.where(e > 4.0 * a, np.where(a > 0.0, np.sqrt(a * e), near * e), 0.5 * (a + e))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if attempt == 0:
            # What the curves themselves say, an end included: there the tangent is all it takes.
            out = np.clip(part.at_slope(np.maximum(price, 1e-300)), a, e)
            out = np.where(np.isnan(out), middle, out)
        else:
            slope = 0.5 * (here.up + here.down) + price
            newton = z - (np.log(slope) - np.log(price)) / part.relative_curvature(z)
            out = np.where((newton > a) & (newton < e) & (attempt < 30), newton, middle)
    # The anchor's slope is 0 up to rounding: only the bracket is too wide, so close in on it.
    unsure = (anchor.up >= 0.0) & (anchor.down <= 0.0)
    share = 1.0 / 4096.0 if attempt < 60 else 0.25
    aside = anchor.at + share * np.where(right, e - anchor.at, a - anchor.at)
    return np.where(unsure, aside, out)


def table_maxima(curve: Tabulated, lower: Array, upper: Array, price: Array) -> Array:
    """Upper bounds (k,) for a piecewise linear curve: its corners and the ends decide."""
    at, height = curve.knots()
    inside = (at > lower[:, None]) & (at < upper[:, None])
    gain = np.where(inside, height - price[:, None] * at, -np.inf).max(axis=1)
    for end in (lower, upper):
        gain = np.maximum(gain, curve.value(end) - price * end)
    return np.asarray(gain + 16.0 * EPS * (curve.value(upper) + price * upper))


def _raised(curves: CurveStack, x: Array, price: Array) -> Array:
    over, cost = curves.gather(_value_over, x), price * x
    return np.asarray(over - cost + 4.0 * EPS * (over + cost))


def _value_over(curve: Saturation, x: Array) -> Array:
    """The value rounded up, but for the rounding of this very sum."""
    value = curve.value(x)
    return np.asarray(value + curve.value_error(x, value) * value)
