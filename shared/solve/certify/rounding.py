"""How far floating point can be off when a curve is evaluated; used by the certificate only.

First-order error analysis of the formulas in ``shared.curves`` with every constant rounded up: an
elementary function is taken to be right to 4 units in the last place, and an argument's relative
error is carried through (``exp(y)`` turns an absolute error in ``y`` into a relative one).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import Exponential, Hill, Logistic, Power, Saturation, Sigmoid

__all__ = ["EPS", "slope_error", "value_error"]

Array = NDArray[np.float64]
EPS = 2.220446049250313e-16
_BASE = 32.0 * EPS


def slope_error(curve: Saturation, x: Array) -> Array:
    """A bound on the relative error of ``curve.slope(x)``."""
    return _BASE + _argument_error(curve, x)


def value_error(curve: Saturation, x: Array, value: Array | None = None) -> Array:
    """A bound on the relative error of ``curve.value(x)``, which is ``value`` where that is known:
    the truth lies between ``value (1 - error)`` and ``value (1 + error)``.

    A bounded curve forgives errors of its argument as it saturates: the derivative of the log of a
    logistic is one minus the logistic, and that of ``1 - exp(-y)``, times y, is less than one. And
    whatever the argument, the truth is neither below nothing nor above the ceiling.
    """
    error = _argument_error(curve, x)
    if isinstance(curve, (Hill, Sigmoid)):
        top = np.maximum(curve.max_response, 1e-300)
        known = curve.value(x) if value is None else value
        share = np.minimum(known / top, 1.0)
        missing = np.minimum(1.0 - share + _BASE, 1.0)
        if isinstance(curve, Sigmoid):  # its argument may be steep beyond all digits
            past = curve.steepness * (x - curve.midpoint) - error
            missing = np.minimum(missing, np.exp(-np.maximum(past, 0.0)))
        with np.errstate(divide="ignore"):
            furthest = np.maximum(1.0 / share - 1.0, 1.0)
        return np.asarray(_BASE + np.minimum(error * missing, furthest))
    if isinstance(curve, (Exponential, Logistic)):
        return np.full(np.shape(error), _BASE)
    return _BASE + error


def _argument_error(curve: Saturation, x: Array) -> Array:
    """How much a relative error in the exponents' arguments can add."""
    if isinstance(curve, Hill):
        log_x = np.abs(np.log(np.maximum(x, 1e-300)))
        span = log_x + np.abs(np.log(curve.half_saturation)) + 1.0
        return np.asarray(8.0 * EPS * (1.0 + np.asarray(curve.shape)) * span)
    if isinstance(curve, (Exponential, Logistic)):
        return np.asarray(8.0 * EPS * curve.rate * x)
    if isinstance(curve, Sigmoid):
        return np.asarray(16.0 * EPS * curve.steepness * (x + np.abs(curve.midpoint)))
    if isinstance(curve, Power):
        return np.asarray(8.0 * EPS * np.abs(np.log(np.maximum(x, 1e-300))))
    return np.zeros(np.shape(x))
