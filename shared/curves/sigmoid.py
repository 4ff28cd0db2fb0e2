"""Sigmoid: a logistic curve that starts at zero, S-shaped where its midpoint is above zero."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from shared.curves.family import (
    CEILING,
    EPS,
    Array,
    Parameter,
    Reaching,
    Saturation,
    expit,
    within,
)

__all__ = ["Sigmoid", "SingleSigmoid"]


@dataclass(slots=True)
class SingleSigmoid:
    """:class:`Sigmoid` in plain floats, where the derivations are."""

    max_response: float
    midpoint: float
    steepness: float

    def value(self, x: float) -> float:
        rise = -math.expm1(-self.steepness * x)
        z = self.steepness * (x - self.midpoint)
        e = math.exp(-abs(z))
        return self.max_response * rise * ((1.0 if z >= 0.0 else e) / (1.0 + e))

    def slope(self, x: float) -> float:
        z = abs(self.steepness * (x - self.midpoint))
        offset = self.steepness * self.midpoint
        e = math.exp(-z)
        lifted = e + math.exp(min(-z - offset, 0.0))
        return self.max_response * self.steepness * lifted / (1.0 + e) ** 2

    def relative_curvature(self, x: float) -> float:
        return -self.steepness * math.tanh(0.5 * self.steepness * (x - self.midpoint))

    def at_slope(self, slope: float) -> float:
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


@dataclass(frozen=True, slots=True)
class Sigmoid(Reaching):
    """A logistic L about ``midpoint``, moved to start at zero and stretched to end at its ceiling.

    The difference and the quotient of its formula cancel digits where ``L(0)`` is near 0 or 1;
    algebraically the same and free of cancellation is
    ``max_response * (1 - exp(-steepness x)) * L(x)``.
    """

    max_response: Parameter = field(metadata=CEILING)
    midpoint: Parameter = field(
        metadata=within(
            "spend", "Spend at which returns begin to diminish; at once where it is below 0."
        )
    )
    steepness: Parameter = field(
        metadata=within(
            "per spend", "How steep the curve is about its midpoint, per unit of spend.", above=0
        )
    )
    family: ClassVar[str] = "sigmoid"
    formula: ClassVar[str] = (
        "max_response * (L(x) - L(0)) / (1 - L(0)); L(x) = 1 / (1 + e^(steepness * (midpoint - x)))"
    )
    bounded: ClassVar[bool] = True
    forgiving: ClassVar[bool] = True
    single: ClassVar[type[SingleSigmoid]] = SingleSigmoid

    def _argument(self, x: ArrayLike) -> Array:
        return np.asarray(self.steepness * (np.asarray(x, float) - self.midpoint))

    def value(self, x: ArrayLike) -> Array:
        rise = -np.expm1(-self.steepness * np.asarray(x, float))
        return np.asarray(self.max_response * rise * expit(self._argument(x)))

    def slope(self, x: ArrayLike) -> Array:
        # max k (1 + e^-a) L (1 - L) with a = k midpoint, as exponentials of nothing positive.
        z = np.abs(self._argument(x))
        offset = self.steepness * self.midpoint
        e = np.exp(-z)
        return np.asarray(
            self.max_response
            * self.steepness
            * (e + np.exp(np.minimum(-z - offset, 0.0)))
            / (1.0 + e) ** 2
        )

    def relative_curvature(self, x: ArrayLike) -> Array:
        return np.asarray(-self.steepness * np.tanh(0.5 * self._argument(x)))

    def at_slope(self, slope: ArrayLike) -> Array:
        few = self.one_by_one(np.asarray(slope, float))
        if few is not None:
            return few
        k = self.steepness
        # L (1 - L) = slope / (max k (1 + e^-a)); the smaller root of the quadratic is 1 - L.
        offset = np.asarray(k * self.midpoint)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            log_scale = np.log(self.max_response * k) + np.logaddexp(0.0, -offset)
            log_product = np.log(np.asarray(slope, float)) - log_scale
            product = np.exp(np.minimum(log_product, 0.0))
            root = np.sqrt(np.maximum(1.0 - 4.0 * product, 0.0))
            # ln(L / (1 - L)) with 1 - L = 2 product / (1 + root) and L = (1 + root) / 2
            x = self.midpoint + (2.0 * np.log(0.5 * (1.0 + root)) - log_product) / k
        x = np.where(product >= 0.25, self.midpoint, x)
        return np.asarray(np.maximum(x, self.inflection()))

    def inflection(self) -> Parameter:
        shape = np.broadcast_shapes(
            np.shape(self.max_response), np.shape(self.midpoint), np.shape(self.steepness)
        )
        out = np.broadcast_to(np.maximum(self.midpoint, 0.0), shape)
        return np.array(out) if shape else float(out)

    def left(self, x: ArrayLike) -> Array:
        above = np.exp(-self.steepness * np.asarray(x, float))
        beyond = self._argument(x)
        return np.asarray(self.max_response * (expit(-beyond) + above * expit(beyond)))

    def bend_of_log(self, whole: Parameter) -> Parameter:
        """Where ``top L^2 - 2 rest L + rest`` is 0, ``rest = whole (1 - L(0)) + top L(0)``."""
        top, start = self.max_response, expit(np.asarray(self.steepness * self.midpoint))
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.where(np.equal(top, 0.0), 0.0, top / (np.subtract(whole, top) * start))
        return np.maximum(self.midpoint + 0.5 * np.log1p(odds) / self.steepness, 0.0)

    def argument_error(self, x: Array) -> Array:
        return np.asarray(16.0 * EPS * self.steepness * (x + np.abs(self.midpoint)))

    def forgiven(self, x: Array, share: Array, error: Array) -> Array:
        """Its argument may be steep beyond all digits: past the step there is nothing to lose."""
        past = self.steepness * (x - self.midpoint) - error
        return np.minimum(
            Saturation.forgiven(self, x, share, error), np.exp(-np.maximum(past, 0.0))
        )
