"""Concave envelopes of curves that are first convex, then concave.

On ``[l, u]`` that is a straight line from ``l`` to the tangent point ``w``, where ``f(w) - f(l) =
f'(w) (w - l)`` (or the chord to ``u``), then the curve itself. The line's slope is the chord's, so
that an error in ``w`` enters only in second order.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.curves.family import Single
from shared.curves.stack import CurveStack

__all__ = ["line", "lines"]

Array = NDArray[np.float64]


def lines(
    curves: CurveStack, bend: Array, lower: Array, upper: Array, deadline: float = math.inf
) -> tuple[Array, Array]:
    """End ``w`` and slope of each envelope's straight part; where there is none, ``(l, inf)``.

    All arguments are (n,); ``bend`` comes from ``curves.concave_from()``. After ``deadline``
    (``work.now``) ``w`` stays where it is: a line that is a little too low.
    """
    end, slope = lower.copy(), np.full(lower.shape, np.inf)
    bent = (lower < bend) & (lower < upper)
    if not np.any(bent):
        return end, slope
    if np.all(bent):
        return _lines(curves, bend, lower, upper, deadline)
    at = np.flatnonzero(bent)
    end[at], slope[at] = _lines(curves.take(at), bend[at], lower[at], upper[at], deadline)
    return end, slope


def line(curve: Single, bend: float, lower: float, upper: float) -> tuple[float, float]:
    """:func:`lines` for one S-shaped curve: the same Newton, without numpy's cost per call."""
    if not (lower < bend and lower < upper):
        return lower, math.inf
    start = curve.value(lower)
    end = upper
    if bend < upper and curve.value(upper) - start > curve.slope(upper) * (upper - lower):
        left, right = bend, upper
        w = min(left + 0.5 * (left - lower), 0.5 * (left + right))
        for _ in range(80):
            slope, run = curve.slope(w), w - lower
            lack = curve.value(w) - start - slope * run
            left, right = (w, right) if lack < 0.0 else (left, w)
            fall = slope * curve.relative_curvature(w) * run
            trial = w + lack / fall if fall != 0.0 else math.inf
            if not left < trial < right:
                trial = math.sqrt(left * right) if right > 4.0 * left else 0.5 * (left + right)
            moved, w = abs(trial - w), trial
            if moved <= 1e-6 * (w - bend) or moved <= 1e-9 * w:
                break
        end = w
    return end, (curve.value(end) - start) / (end - lower)


def _lines(
    curves: CurveStack, bend: Array, lower: Array, upper: Array, deadline: float
) -> tuple[Array, Array]:
    start = curves.value(lower)
    whole = (bend >= upper) | (curves.value(upper) - start <= curves.slope(upper) * (upper - lower))
    # Newton on the tangent condition, whose left side minus right side rises beyond the bend,
    # inside a bracket that shrinks at every step; bisection where Newton leaves it.
    left = np.where(whole, upper, np.minimum(bend, upper))
    right = upper.copy()
    w = np.where(whole, upper, np.minimum(left + 0.5 * (left - lower), 0.5 * (left + right)))
    for _ in range(80):
        slope = curves.slope(w)
        run = w - lower
        lack = curves.value(w) - start - slope * run
        left, right = np.where(lack < 0.0, w, left), np.where(lack >= 0.0, w, right)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = lack / (slope * curves.relative_curvature(w) * run)
        trial = w + step
        # Far apart ends are halved in the logarithm: spends can span many orders of magnitude.
        middle = np.where(right > 4.0 * left, np.sqrt(left * right), 0.5 * (left + right))
        trial = np.where((trial > left) & (trial < right), trial, middle)
        trial = np.where(whole, upper, trial)
        moved = np.abs(trial - w)
        w = trial
        if not np.any(moved > 1e-9 * w) or work.now() >= deadline:
            break
    run = w - lower
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope = (curves.value(w) - start) / run
    return w, np.where(run > 0.0, slope, np.inf)
