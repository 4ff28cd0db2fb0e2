"""Uphill from several starts at once: Broyden, Fletcher, Goldfarb and Shanno's method.

As Nocedal and Wright (Numerical Optimization, 2006, chapter 6) describe it: the inverse Hessian is
learnt from the gradients met on the way (their equation 6.17, begun from 6.20), each step is
shortened until it gains enough (Armijo), and a pair of points without curvature teaches nothing.
Coordinates at the wall of a box whose gradient points outwards are held there.

All starts take their steps together, so that a batch of points costs little more than one. A few
dozen lines of our own, because importing an optimiser takes longer than all the searches of a fit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["climb"]

Floats = NDArray[np.float64]
_ENOUGH = 1e-4  # share of the gain that the slope promises
_LONGEST = 1.0  # largest move of a coordinate in one step
_SHORTENED = 12
_STEPS = 400


def climb(
    density: Callable[[Floats], tuple[Floats, Floats]],
    starts: Floats,
    *,
    far: float,
    close: float,
    inverse: Floats | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Local maxima from ``starts`` (S, size) within [-far, far] for every coordinate.

    Parameters
    ----------
    density
        Value (K,) and gradient (K, size) at points (K, size), in coordinates of about unit scale.
    close
        Newton's decrement (about how far the value is from its maximum) that ends a search.
    inverse
        (S, size, size) inverse Hessians of -density to begin with, as returned by a search nearby.

    Returns
    -------
    tuple
        Points (S, size), their values (S,) and the inverse Hessians learnt.
    """
    count, size = starts.shape
    x = np.clip(starts, -far, far)
    value, gradient = density(x)
    fresh = np.full(count, inverse is None)
    metric = np.tile(np.eye(size), (count, 1, 1)) if inverse is None else inverse.copy()
    live = np.isfinite(value)
    for _ in range(_STEPS):
        at = np.flatnonzero(live)
        if not at.size:
            break
        here, up = x[at], gradient[at]
        held = ((here >= far) & (up > 0.0)) | ((here <= -far) & (up < 0.0))
        slope = np.where(held, 0.0, up)
        step = np.where(held, 0.0, np.matmul(metric[at], slope[:, :, None])[:, :, 0])
        promised = (step * slope).sum(axis=1)
        done = ~(promised > 2.0 * close)
        live[at[done]] = False
        at, here, slope, step = at[~done], here[~done], slope[~done], step[~done]
        if not at.size:
            break
        longest = np.abs(step).max(axis=1)
        step *= np.minimum(1.0, _LONGEST / longest)[:, None]
        found, there, high, steep = _along(density, here, value[at], slope, step, far)
        # Nowhere up along a metric that was learnt: forget it once; then this is the top.
        lost = at[~found]
        live[lost[fresh[lost]]] = False
        metric[lost], fresh[lost] = np.eye(size), True
        at, moved = at[found], there[found] - here[found]
        bend = gradient[at] - steep[found]
        _learn(metric, fresh, at, moved, bend)
        x[at], value[at], gradient[at] = there[found], high[found], steep[found]
    return x, value, metric


def _along(
    density: Callable[[Floats], tuple[Floats, Floats]],
    here: Floats,
    value: Floats,
    slope: Floats,
    step: Floats,
    far: float,
) -> tuple[NDArray[np.bool_], Floats, Floats, Floats]:
    """The first point of each step, ever shorter, that gains enough: whether, where, how high."""
    there, high, steep = here.copy(), value.copy(), np.zeros_like(here)
    share = np.ones(len(here))
    found = np.zeros(len(here), dtype=bool)
    for _ in range(_SHORTENED):
        left = np.flatnonzero(~found)
        trial = np.clip(here[left] + share[left, None] * step[left], -far, far)
        reached, gradient = density(trial)
        hoped = (slope[left] * (trial - here[left])).sum(axis=1)
        with np.errstate(invalid="ignore"):
            gained = reached - value[left]
            # The parabola through both values and the slope has its top here.
            shorter = 0.5 * share[left] * hoped / np.maximum(hoped - gained, 1e-300)
        good = np.isfinite(reached) & (gained >= _ENOUGH * hoped)
        taken = left[good]
        found[taken] = True
        there[taken], high[taken], steep[taken] = trial[good], reached[good], gradient[good]
        if good.all():
            break
        between = np.where(np.isfinite(shorter), shorter, 0.0)
        share[left] = np.clip(between, 0.1 * share[left], 0.5 * share[left])
    return found, there, high, steep


def _learn(
    metric: Floats, fresh: NDArray[np.bool_], at: NDArray[np.int64], moved: Floats, bend: Floats
) -> None:
    """Correct the inverse Hessians ``metric[at]`` by a move and the change of slope along it."""
    curvature = (moved * bend).sum(axis=1)
    scale = np.linalg.norm(moved, axis=1) * np.linalg.norm(bend, axis=1)
    able = curvature > 1e-8 * scale
    at, moved, bend, curvature = at[able], moved[able], bend[able], curvature[able]
    if not at.size:
        return
    size = moved.shape[1]
    new = fresh[at]
    first = curvature / (bend**2).sum(axis=1)
    metric[at[new]] = first[new, None, None] * np.eye(size)
    fresh[at] = False
    turned = np.matmul(metric[at], bend[:, :, None])[:, :, 0]
    across = turned[:, :, None] * moved[:, None, :]
    length = 1.0 + (bend * turned).sum(axis=1) / curvature
    outer = moved[:, :, None] * moved[:, None, :] * length[:, None, None]
    metric[at] += (outer - across - across.transpose(0, 2, 1)) / curvature[:, None, None]
