"""Lagrangian domain reduction: cut off spends that cannot belong to a plan worth finding.

At a price with bound D, moving one channel from its best spend to ``x`` lowers the bound by
``g(best) - g(x)`` with ``g(x) = f(x) - price x``. Wherever that brings the bound under the cutoff,
``x`` can go. Only channels that are not yet concave on their range are looked at: narrowing the
others changes no envelope.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.curves.family import Single
from shared.solve.one_budget.dual import Relaxed
from shared.solve.one_budget.relaxation import Box, Relaxation

__all__ = ["reduce_box"]

Array = NDArray[np.float64]
_FEW = 24  # so many channels are reduced faster one by one


def reduce_box(
    model: Relaxation, box: Box, relaxed: Relaxed, cutoff: float
) -> tuple[Array, Array] | None:
    """Narrower bounds (n,), (n,); None where nothing was gained.

    Everything cut away is bounded by ``cutoff`` at the relaxation's own price, up to rounding.
    """
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
