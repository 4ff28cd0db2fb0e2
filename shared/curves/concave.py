"""The families that are concave everywhere: diminishing returns from the first unit of money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from shared.curves.family import Array, Parameter, Saturation, checked

__all__ = ["Exponential", "Logarithmic", "Logistic", "MichaelisMenten", "Power"]


def _zeros(*like: Parameter) -> Parameter:
    shape = np.broadcast_shapes(*(np.shape(a) for a in like))
    return np.zeros(shape) if shape else 0.0


@dataclass(frozen=True, slots=True)
class Exponential(Saturation):
    """``max_response * (1 - exp(-rate * x))``.

    >>> float(Exponential(100.0, 0.5).value(2.0))
    63.212055882855765
    """

    max_response: Parameter
    rate: Parameter
    family: ClassVar[str] = "exponential"

    def __post_init__(self) -> None:
        checked(self, "max_response", at_least=0)
        checked(self, "rate", above=0)

    def value(self, x: ArrayLike) -> Array:
        return np.asarray(-self.max_response * np.expm1(-self.rate * np.asarray(x, float)))

    def slope(self, x: ArrayLike) -> Array:
        return np.asarray(self.max_response * self.rate * np.exp(-self.rate * np.asarray(x, float)))

    def relative_curvature(self, x: ArrayLike) -> Array:
        return np.asarray(-self.rate + 0.0 * np.asarray(x, float))

    def at_slope(self, slope: ArrayLike) -> Array:
        # Logs apart: the quotient overflows at the slopes far out on a flat tail.
        with np.errstate(divide="ignore"):
            steeper = np.log(self.max_response * self.rate) - np.log(np.asarray(slope, float))
        return np.asarray(np.maximum(steeper, 0.0) / self.rate)

    def inflection(self) -> Parameter:
        return _zeros(self.max_response, self.rate)

    def supremum(self) -> Parameter:
        return self.max_response

    def scaled(self, input_scale: Parameter) -> Exponential:
        return Exponential(self.max_response, self.rate * input_scale)


@dataclass(frozen=True, slots=True)
class Logistic(Saturation):
    """``max_response * (1 - exp(-rate x)) / (1 + exp(-rate x))``: a logistic's upper half, from 0.

    Computed as ``tanh(rate x / 2)``, which loses nothing near 0 and saturates without overflow.
    """

    max_response: Parameter
    rate: Parameter
    family: ClassVar[str] = "logistic"

    def __post_init__(self) -> None:
        checked(self, "max_response", at_least=0)
        checked(self, "rate", above=0)

    def value(self, x: ArrayLike) -> Array:
        return np.asarray(self.max_response * np.tanh(0.5 * self.rate * np.asarray(x, float)))

    def slope(self, x: ArrayLike) -> Array:
        e = np.exp(-self.rate * np.asarray(x, float))
        return np.asarray(2.0 * self.max_response * self.rate * e / (1.0 + e) ** 2)

    def relative_curvature(self, x: ArrayLike) -> Array:
        return np.asarray(-self.rate * np.tanh(0.5 * self.rate * np.asarray(x, float)))

    def at_slope(self, slope: ArrayLike) -> Array:
        # cosh^2(rate x / 2) = max rate / (2 slope), and cosh^2(y) = 1 + sinh^2(y): the arcsinh form
        # keeps its digits where the curve is nearly straight.
        # Far out arcsinh(y) is ln(2 y), which needs no quotient that could overflow.
        with np.errstate(over="ignore", divide="ignore"):
            half = np.log(0.5 * self.max_response * self.rate) - np.log(np.asarray(slope, float))
            excess = np.expm1(np.minimum(half, 80.0))
        near = np.arcsinh(np.sqrt(np.maximum(excess, 0.0)))
        return np.asarray(2.0 * np.where(half < 80.0, near, 0.5 * half + np.log(2.0)) / self.rate)

    def inflection(self) -> Parameter:
        return _zeros(self.max_response, self.rate)

    def supremum(self) -> Parameter:
        return self.max_response

    def scaled(self, input_scale: Parameter) -> Logistic:
        return Logistic(self.max_response, self.rate * input_scale)


@dataclass(frozen=True, slots=True)
class MichaelisMenten(Saturation):
    """``max_response * x / (half_saturation + x)``.

    >>> float(MichaelisMenten(100.0, 20.0).value(20.0))
    50.0
    """

    max_response: Parameter
    half_saturation: Parameter
    family: ClassVar[str] = "michaelis_menten"

    def __post_init__(self) -> None:
        checked(self, "max_response", at_least=0)
        checked(self, "half_saturation", above=0)

    def value(self, x: ArrayLike) -> Array:
        x = np.asarray(x, float)
        return np.asarray(self.max_response * (x / (self.half_saturation + x)))

    def slope(self, x: ArrayLike) -> Array:
        total = self.half_saturation + np.asarray(x, float)
        return np.asarray(self.max_response / total * (self.half_saturation / total))

    def relative_curvature(self, x: ArrayLike) -> Array:
        return np.asarray(-2.0 / (self.half_saturation + np.asarray(x, float)))

    def at_slope(self, slope: ArrayLike) -> Array:
        half = self.half_saturation
        with np.errstate(over="ignore", divide="ignore"):
            ratio = np.sqrt(self.max_response / half / np.asarray(slope, float))
        return np.asarray(np.maximum(ratio - 1.0, 0.0) * half)

    def inflection(self) -> Parameter:
        return _zeros(self.max_response, self.half_saturation)

    def supremum(self) -> Parameter:
        return self.max_response

    def scaled(self, input_scale: Parameter) -> MichaelisMenten:
        return MichaelisMenten(self.max_response, self.half_saturation / input_scale)


@dataclass(frozen=True, slots=True)
class Logarithmic(Saturation):
    """``coefficient * ln(1 + x / scale)``; grows without limit."""

    coefficient: Parameter
    scale: Parameter = 1.0
    family: ClassVar[str] = "logarithmic"

    def __post_init__(self) -> None:
        checked(self, "coefficient", at_least=0)
        checked(self, "scale", above=0)

    def value(self, x: ArrayLike) -> Array:
        return np.asarray(self.coefficient * np.log1p(np.asarray(x, float) / self.scale))

    def slope(self, x: ArrayLike) -> Array:
        return np.asarray(self.coefficient / (self.scale + np.asarray(x, float)))

    def relative_curvature(self, x: ArrayLike) -> Array:
        return np.asarray(-1.0 / (self.scale + np.asarray(x, float)))

    def at_slope(self, slope: ArrayLike) -> Array:
        with np.errstate(over="ignore", divide="ignore"):
            return np.asarray(
                np.maximum(self.coefficient / np.asarray(slope, float) - self.scale, 0.0)
            )

    def inflection(self) -> Parameter:
        return _zeros(self.coefficient, self.scale)

    def supremum(self) -> Parameter:
        return _zeros(self.coefficient, self.scale) + np.inf

    def scaled(self, input_scale: Parameter) -> Logarithmic:
        return Logarithmic(self.coefficient, self.scale / input_scale)


@dataclass(frozen=True, slots=True)
class Power(Saturation):
    """``coefficient * x ** exponent`` with the exponent in (0, 1]; a straight line at 1."""

    coefficient: Parameter
    exponent: Parameter
    family: ClassVar[str] = "power"

    def __post_init__(self) -> None:
        checked(self, "coefficient", at_least=0)
        checked(self, "exponent", above=0, at_most=1)

    def value(self, x: ArrayLike) -> Array:
        return np.asarray(self.coefficient * np.asarray(x, float) ** self.exponent)

    def slope(self, x: ArrayLike) -> Array:
        x = np.asarray(x, float)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            out = self.coefficient * self.exponent * x ** (np.asarray(self.exponent) - 1.0)
        return np.asarray(np.where(np.equal(self.coefficient, 0.0), 0.0, out))

    def relative_curvature(self, x: ArrayLike) -> Array:
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return np.asarray((self.exponent - 1.0) / np.asarray(x, float))

    def at_slope(self, slope: ArrayLike) -> Array:
        """As for every curve; a straight line is nowhere curved: 0 or ``inf``, 0 where equal."""
        slope = np.asarray(slope, float)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            log_ratio = np.log(np.asarray(self.coefficient * self.exponent)) - np.log(slope)
            out = np.exp(log_ratio / (1.0 - np.asarray(self.exponent)))
        straight = np.where(log_ratio > 0.0, np.inf, 0.0)
        return np.asarray(np.where(np.equal(self.exponent, 1.0), straight, out))

    def inflection(self) -> Parameter:
        return _zeros(self.coefficient, self.exponent)

    def supremum(self) -> Parameter:
        return _zeros(self.coefficient, self.exponent) + np.inf

    def scaled(self, input_scale: Parameter) -> Power:
        return Power(self.coefficient * input_scale**self.exponent, self.exponent)
