"""Largest values of ``f(x) - price x`` over intervals, never too small; for the certificate only.

A curve is convex up to its inflection, where the maximum is at an end, and concave from there,
where any tangent lies above: for every ``z`` in a bracket ``[a, e]`` of the maximiser

    max g <= g(z) + max(g'(z), 0) (e - z) + max(-g'(z), 0) (z - a).

So no maximiser has to be found exactly, or even well: a poor one only costs tightness. Signs of
slopes count only where they exceed their rounding error, and every value is rounded up by its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import Tabulated
from shared.curves.stack import CurveStack
from shared.solve.rounding import EPS, relative_error

__all__ = ["closed_form_maxima", "table_maxima"]

Array = NDArray[np.float64]


def closed_form_maxima(
    curves: CurveStack, lower: Array, upper: Array, price: Array, near: Array, tolerance: Array
) -> Array:
    """Upper bounds (k, n) on the maxima over ``[lower, upper]`` (k, n) at ``price`` (k, 1).

    Parameters
    ----------
    near
        (n,) where to look first; only speed depends on it.
    tolerance
        (k, 1) how far above the maximum a bound may lie before it is improved.
    """
    k, n = lower.shape
    bend = np.broadcast_to(curves.inflection(), (k, n))
    knee = np.clip(bend, lower, upper)  # the concave part is [knee, upper]
    price = np.broadcast_to(price, (k, n))
    ends = _raised(curves, lower, price)
    convex = knee > lower
    if np.any(convex):
        ends = np.where(convex, np.maximum(ends, _raised(curves, knee, price)), ends)
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
    # The concave part contains its own ends; the convex part has only its ends to offer.
    return np.asarray(np.where(convex, np.maximum(ends, out.reshape(k, n)), out.reshape(k, n)))


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
    a, e, z = a.copy(), e.copy(), z.copy()
    aa, ee, zz, pp, ss = a, e, z, price, slack
    for attempt in range(120):
        error = part.gather(relative_error, zz)
        slope = part.slope(zz)
        wobble = error * slope + 4.0 * EPS * (slope + pp)
        with np.errstate(invalid="ignore"):
            up = np.where(np.isfinite(slope), slope - pp + wobble, np.inf)
            down = np.where(np.isfinite(slope), slope - pp - wobble, np.inf)
            height = _raise(part.value(zz), error, pp * zz)
            rise = np.maximum(up, 0.0) * (ee - zz)
            fall = np.maximum(-down, 0.0) * (zz - aa)
        over = np.where(ee > zz, rise, 0.0) + np.where(zz > aa, fall, 0.0)
        best[todo] = np.minimum(best[todo], height + over * (1.0 + 8.0 * EPS))
        aa, ee = np.where(down > 0.0, zz, aa), np.where(up < 0.0, zz, ee)
        left = (over > ss) & (ee - aa > 4.0 * EPS * ee)
        if not np.any(left):
            break
        following = _next(part, zz, aa, ee, pp, slope, up, down, attempt)
        if not np.all(left):
            todo = todo[left]
            aa, ee, pp, ss, following = aa[left], ee[left], pp[left], ss[left], following[left]
            part = curves.take(todo if columns is None else columns[todo])
        zz = following
    return best


def _next(
    part: CurveStack,
    z: Array,
    a: Array,
    e: Array,
    price: Array,
    slope: Array,
    up: Array,
    down: Array,
    attempt: int,
) -> Array:
    """Where to put the next tangent: Newton on the log of the slope, else the bracket's middle."""
    middle = np.where((e > 4.0 * a) & (a > 0.0), np.sqrt(a * e), 0.5 * (a + e))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        newton = z - (np.log(slope) - np.log(price)) / part.relative_curvature(z)
    fits = (newton > a) & (newton < e) & (attempt < 30)
    out = np.where(fits, newton, middle)
    # The slope's sign is lost in rounding: close the bracket in from either side in turn.
    unsure = (up >= 0.0) & (down <= 0.0)
    share = 1.0 / 64.0
    aside = z + share * (e - z) if attempt % 2 else z - share * (z - a)
    return np.where(unsure, aside, out)


def table_maxima(curve: Tabulated, lower: Array, upper: Array, price: Array) -> Array:
    """Upper bounds (k,) for a piecewise linear curve: its corners and the ends decide."""
    at, height = curve.knots()
    inside = (at > lower[:, None]) & (at < upper[:, None])
    gain = np.where(inside, height - price[:, None] * at, -np.inf).max(axis=1)
    for end in (lower, upper):
        gain = np.maximum(gain, curve.value(end) - price * end)
    return np.asarray(gain + 16.0 * EPS * (height[-1] + price * upper))


def _raised(curves: CurveStack, x: Array, price: Array) -> Array:
    return _raise(curves.value(x), curves.gather(relative_error, x), price * x)


def _raise(value: Array, error: Any, cost: Array) -> Array:
    return np.asarray(value - cost + error * value + 4.0 * EPS * (value + cost))
