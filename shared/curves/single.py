"""S-shaped curves one at a time, in plain floats: numpy's fixed cost per call is what a search over
few channels would otherwise consist of.

The formulas are those of ``shared.curves.sshaped``, whose docstrings have their derivation; tests
hold the two together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from shared.curves.family import Array, Parameter, Saturation

__all__ = ["Single", "SingleHill", "SingleSigmoid", "few_rows", "hill_at_slope", "single"]

_LN2 = 0.6931471805599453
_FEW = 16  # so many curves are inverted faster one by one
_MOST = 709.0  # exp of more overflows


def _expit(z: float) -> float:
    if z >= 0.0:
        return 1.0 / (1.0 + math.exp(-z))
    e = math.exp(z)
    return e / (1.0 + e)


@dataclass(frozen=True, slots=True)
class SingleHill:
    """``max_response * x^shape / (half_saturation^shape + x^shape)`` with plain floats."""

    max_response: float
    half_saturation: float
    shape: float

    def value(self, x: float) -> float:
        """Outcome at ``x >= 0``."""
        if x <= 0.0:
            return 0.0
        return self.max_response * _expit(
            self.shape * (math.log(x) - math.log(self.half_saturation))
        )

    def slope(self, x: float) -> float:
        """Outcome gained per further unit at ``x > 0``."""
        log_ratio = math.log(x) - math.log(self.half_saturation)
        height = self.max_response * self.shape / self.half_saturation
        fall = -abs(self.shape * log_ratio)
        return height * math.exp(min(fall - log_ratio, _MOST)) / (1.0 + math.exp(fall)) ** 2

    def relative_curvature(self, x: float) -> float:
        """``f'' / f'`` at ``x > 0``."""
        saturated = _expit(self.shape * (math.log(x) - math.log(self.half_saturation)))
        return (self.shape - 1.0 - 2.0 * self.shape * saturated) / x

    def at_slope(self, slope: float) -> float:
        """Spend at or above the inflection with that slope, which is positive and finite."""
        return hill_at_slope(self.max_response, self.half_saturation, self.shape, slope)


@dataclass(frozen=True, slots=True)
class SingleSigmoid:
    """``max_response * (1 - exp(-steepness x)) * L(x)``, L a logistic about ``midpoint``."""

    max_response: float
    midpoint: float
    steepness: float

    def value(self, x: float) -> float:
        """Outcome at ``x >= 0``."""
        rise = -math.expm1(-self.steepness * x)
        return self.max_response * rise * _expit(self.steepness * (x - self.midpoint))

    def slope(self, x: float) -> float:
        """Outcome gained per further unit at ``x``."""
        z = abs(self.steepness * (x - self.midpoint))
        offset = self.steepness * self.midpoint
        e = math.exp(-z)
        lifted = e + math.exp(min(-z - offset, 0.0))
        return self.max_response * self.steepness * lifted / (1.0 + e) ** 2

    def relative_curvature(self, x: float) -> float:
        """``f'' / f'`` at ``x``."""
        return -self.steepness * math.tanh(0.5 * self.steepness * (x - self.midpoint))

    def at_slope(self, slope: float) -> float:
        """Spend at or above the inflection with that slope, which is positive and finite."""
        bend = max(self.midpoint, 0.0)
        if self.max_response <= 0.0:
            return bend
        k, offset = self.steepness, self.steepness * self.midpoint
        softened = max(-offset, 0.0) + math.log1p(math.exp(-abs(offset)))
        log_product = math.log(slope) - math.log(self.max_response * k) - softened
        product = math.exp(min(log_product, 0.0))
        if product >= 0.25:
            return bend
        root = math.sqrt(max(1.0 - 4.0 * product, 0.0))
        return max(self.midpoint + (2.0 * math.log(0.5 * (1.0 + root)) - log_product) / k, bend)


Single = SingleHill | SingleSigmoid


def single(curve: Saturation, place: int) -> Single | None:
    """One of the curves that an object with array parameters stands for; None where never S-shaped.

    >>> from shared.curves.sshaped import Hill
    >>> import numpy as np
    >>> single(Hill(np.array([1.0, 100.0]), np.array([1.0, 30.0]), np.array([3.0, 2.0])), 1)
    SingleHill(max_response=100.0, half_saturation=30.0, shape=2.0)
    """
    families: dict[str, type[Single]] = {"hill": SingleHill, "sigmoid": SingleSigmoid}
    cls = families.get(curve.family)
    if cls is None:
        return None
    return cls(*(float(getattr(curve, item.name)[place]) for item in fields(cls)))


def few_rows(slope: Array, *parameters: Parameter) -> list[tuple[float, ...]] | None:
    """Slopes and parameters one curve a row; None where arrays are the better way.

    That is where there are many, where shapes differ, and where slopes are 0 or infinite.
    """
    if slope.size > _FEW or any(np.shape(raw) != slope.shape for raw in parameters):
        return None
    flat = slope.reshape(-1).tolist()
    if not all(0.0 < p < math.inf for p in flat):
        return None
    return list(zip(flat, *(np.reshape(raw, -1).tolist() for raw in parameters), strict=True))


def hill_at_slope(top: float, half: float, shape: float, slope: float) -> float:
    """``Hill.at_slope`` for one curve: monotone Newton in log space."""
    convex = shape > 1.0
    low = math.log((shape - 1.0) / (shape + 1.0)) / shape if convex else -math.inf
    bend = half * math.exp(low) if convex else 0.0
    if top * shape <= 0.0:
        return bend
    target = math.log(slope) - math.log(top * shape) + math.log(half)
    if shape == 1.0:
        return half * max(math.exp(min(-0.5 * target, _MOST)) - 1.0, 0.0)
    t = -target - 2.0 * _LN2
    if target < 0.0:
        t = min(t, -target / (shape + 1.0))
    if convex:
        peak = (shape - 1.0) * low - 2.0 * math.log1p(math.exp(shape * low))
        if target >= peak:
            return bend
        t = max(t, low)
        parabola = low + 2.0 * math.sqrt((peak - target) / (shape * shape - 1.0))
        if parabola <= -low:
            t = min(t, parabola)
    elif target > 0.0:
        t = min(t, -target / (1.0 - shape))
    for _ in range(40):
        e = math.exp(-abs(shape * t))
        q = (1.0 if t >= 0.0 else e) / (1.0 + e)
        fall = shape - 1.0 - 2.0 * shape * q
        height = (shape - 1.0) * t - 2.0 * (max(shape * t, 0.0) + math.log1p(e))
        step = (height - target) / fall if fall < 0.0 else 0.0
        following = max(t - step, low) if step > 0.0 else t
        moved, t = t - following, following
        if moved * moved <= 1e-17 * (t - low if convex else 1.0):
            break
    return max(half * math.exp(min(t, _MOST)), bend)
