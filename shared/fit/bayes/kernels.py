"""Saturation with its derivatives on arrays of any shape: the inner loop of the model.

Each kernel returns the saturation (a level in [0, 1) but for logarithmic, which has no ceiling) and
its derivatives by adstocked spend, log half-saturation and log shape. They are the formulas of
``curves`` once more, because a fit needs other derivatives than an optimiser does, and fast; a test
holds the two together. "Half" is each family's own scale of spend:

================  =====================================  ========================================
family            level at adstocked spend a, scale k    in ``curves``
================  =====================================  ========================================
hill              a^s / (k^s + a^s)                      half_saturation k, shape s
exponential       1 - e^(-a/k)                           rate 1/k
logistic          (1 - e^(-a/k)) / (1 + e^(-a/k))        rate 1/k
michaelis_menten  a / (k + a)                            half_saturation k
logarithmic       ln(1 + a/k)                            scale k
================  =====================================  ========================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import (
    Exponential,
    Hill,
    Logarithmic,
    Logistic,
    MichaelisMenten,
    Saturation,
)

__all__ = ["SATURATION_FAMILIES", "grouped", "hill", "saturate", "saturation_of"]

Floats = NDArray[np.float64]
Shapeless = Callable[[Floats, Floats], tuple[Floats, Floats, Floats]]
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


def _exponential(adstock: Floats, half: Floats) -> tuple[Floats, Floats, Floats]:
    ratio = adstock / half
    fade = np.exp(-ratio)
    return -np.expm1(-ratio), fade / half, -ratio * fade


def _logistic(adstock: Floats, half: Floats) -> tuple[Floats, Floats, Floats]:
    ratio = adstock / half
    value = np.tanh(0.5 * ratio)
    slope = 0.5 * (1.0 - value) * (1.0 + value)  # by the ratio
    return value, slope / half, -ratio * slope


def _michaelis_menten(adstock: Floats, half: Floats) -> tuple[Floats, Floats, Floats]:
    whole = half + adstock
    value = adstock / whole
    return value, half / whole**2, -value * (half / whole)


def _logarithmic(adstock: Floats, half: Floats) -> tuple[Floats, Floats, Floats]:
    whole = half + adstock
    return np.log1p(adstock / half), 1.0 / whole, -adstock / whole


_SHAPELESS: Mapping[str, Shapeless] = {
    "exponential": _exponential,
    "logistic": _logistic,
    "michaelis_menten": _michaelis_menten,
    "logarithmic": _logarithmic,
}
SATURATION_FAMILIES = ("hill", *_SHAPELESS)


def saturate(
    families: tuple[str, ...], adstock: Floats, half: Floats, shape: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Level and derivatives of arms (first axis), each by its own family.

    Parameters
    ----------
    families
        A of them.
    adstock
        Shape (A, ...), in units of each arm's spend scale.
    half, shape
        Broadcast against ``adstock``.
    """
    groups = grouped(families)
    if len(groups) == 1:
        return _one(families[0], adstock, half, shape)
    out = tuple(np.empty_like(adstock) for _ in range(4))
    for family, where in groups:
        values = _one(family, adstock[where], half[where], shape[where])
        for target, value in zip(out, values, strict=True):
            target[where] = value
    return out[0], out[1], out[2], out[3]


@cache
def grouped(families: tuple[str, ...]) -> tuple[tuple[str, slice | NDArray[np.int64]], ...]:
    """Each family with where it stands; everything as a slice where there is but one."""
    if len(set(families)) == 1:
        return ((families[0], slice(None)),)
    names = np.array(families)
    return tuple((family, np.flatnonzero(names == family)) for family in sorted(set(families)))


def _one(
    family: str, adstock: Floats, half: Floats, shape: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    if family == "hill":
        return hill(adstock, half, shape)
    return (*_SHAPELESS[family](adstock, half), np.zeros_like(adstock))


def saturation_of(
    family: str, top: float | Floats, half: float | Floats, shape: float | Floats
) -> Saturation:
    """The curve ``top * level`` in the form that is stored."""
    if family == "hill":
        return Hill(max_response=top, half_saturation=half, shape=shape)
    if family == "michaelis_menten":
        return MichaelisMenten(max_response=top, half_saturation=half)
    if family == "logarithmic":
        return Logarithmic(coefficient=top, scale=half)
    kind = Exponential if family == "exponential" else Logistic
    return kind(max_response=top, rate=1.0 / half)
