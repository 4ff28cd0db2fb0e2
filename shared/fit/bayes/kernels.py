"""Saturation with its derivatives on arrays of any shape: the inner loop of the model.

Each kernel returns the saturation in [0, 1) and its derivatives by adstocked spend, log half-
saturation and log shape. They are the formulas of ``curves`` once more, because a fit needs other
derivatives than an optimiser does, and fast; a test holds the two together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["exponential", "hill"]

Floats = NDArray[np.float64]
_TINY = 1e-30  # spend of zero: its logarithm must exist


def hill(adstock: Floats, half: Floats, shape: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """a^s / (k^s + a^s) as 1 / (1 + e^-q) with q = s log(a / k): no power can overflow."""
    a = np.maximum(adstock, _TINY)
    logit = np.log(a)
    logit -= np.log(half)
    logit *= shape
    value = np.multiply(logit, 0.5)
    np.tanh(value, out=value)
    value *= 0.5
    value += 0.5
    by_half = value - 1.0  # in place from here on: these arrays are most of the model's time
    by_half *= value
    by_shape = logit
    by_shape *= by_half
    np.negative(by_shape, out=by_shape)
    by_half *= shape
    np.divide(by_half, a, out=a)
    return value, np.negative(a, out=a), by_half, by_shape


def exponential(adstock: Floats, half: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """1 - e^(-a / k); it has no shape, so that derivative is zero."""
    ratio = adstock / half
    fade = np.exp(-ratio)
    return -np.expm1(-ratio), fade / half, -ratio * fade, np.zeros_like(adstock)
