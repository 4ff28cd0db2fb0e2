"""How far floating point can be off when a curve is evaluated; used by the certificate only.

First-order error analysis of the formulas in ``shared.curves`` with every constant rounded up: an
elementary function is taken to be right to 4 units in the last place, and an argument's relative
error is carried through (``exp(y)`` turns an absolute error in ``y`` into a relative one).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import Exponential, Hill, Logistic, Power, Saturation, Sigmoid

__all__ = ["EPS", "relative_error"]

Array = NDArray[np.float64]
EPS = 2.220446049250313e-16


def relative_error(curve: Saturation, x: Array) -> Array:
    """A bound on the relative error of ``curve.value(x)`` and ``curve.slope(x)``."""
    base = 32.0 * EPS
    if isinstance(curve, Hill):
        log_x = np.abs(np.log(np.maximum(x, 1e-300)))
        span = log_x + np.abs(np.log(curve.half_saturation)) + 1.0
        return np.asarray(base + 8.0 * EPS * (1.0 + np.asarray(curve.shape)) * span)
    if isinstance(curve, (Exponential, Logistic)):
        return np.asarray(base + 8.0 * EPS * curve.rate * x)
    if isinstance(curve, Sigmoid):
        return np.asarray(base + 16.0 * EPS * curve.steepness * (x + np.abs(curve.midpoint)))
    if isinstance(curve, Power):
        return np.asarray(base + 8.0 * EPS * np.abs(np.log(np.maximum(x, 1e-300))))
    return np.full(np.shape(x), base)
