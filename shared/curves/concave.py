"""The families that are concave everywhere, and powers, which may rise ever faster instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from shared.curves.family import (
    CEILING,
    EPS,
    Array,
    Concave,
    Fittable,
    Parameter,
    Reaching,
    Saturation,
    within,
)

__all__ = ["Exponential", "Logarithmic", "Logistic", "Power"]


_COEFFICIENT = within("outcome", "What the whole curve is multiplied by.", at_least=0)
_RATE = within("per spend", "How fast the curve saturates, per unit of spend.", above=0)
_SCALE = within(
    "spend", "Spend at which a further unit brings half of what the first brings.", above=0
)
_EXPONENT = within(
    "number",
    "Percent of outcome per percent of spend; 1 is a line, above it returns rise.",
    above=0,
    at_most=5,
)


@dataclass(frozen=True, slots=True)
class Exponential(Concave, Fittable, Reaching):
    """Each further unit of spend wins the same share of what is left below the ceiling.

    >>> float(Exponential(100.0, 0.5).value(2.0))
    63.212055882855765
    """

    max_response: Parameter = field(metadata=CEILING)
    rate: Parameter = field(metadata=_RATE)
    family: ClassVar[str] = "exponential"
    formula: ClassVar[str] = "max_response * (1 - exp(-rate * x))"
    bounded: ClassVar[bool] = True
    forgiving: ClassVar[bool] = True

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

    def argument_error(self, x: Array) -> Array:
        return np.asarray(8.0 * EPS * self.rate * x)

    def forgiven(self, x: Array, share: Array, error: Array) -> Array:
        """Nothing is left: the log of the value rises by less than the log of its argument."""
        del share, error
        return np.zeros(np.shape(x))

    def left(self, x: ArrayLike) -> Array:
        return np.asarray(self.max_response * np.exp(-self.rate * np.asarray(x, float)))

    def bend_of_log(self, whole: Parameter) -> Parameter:
        del whole
        return self.inflection()

    def line_of_log(self, whole: Parameter) -> Power | None:
        """Where all can be reached ``exp(-rate x)`` are missed, of which the log is one."""
        return Power(self.rate, 1.0) if np.all(np.equal(self.max_response, whole)) else None

    @staticmethod
    def level(adstock: Array, half: Array, _: Array, /) -> tuple[Array, Array, Array, Array]:
        ratio = adstock / half
        fade = np.exp(-ratio)
        return -np.expm1(-ratio), fade / half, -ratio * fade, np.zeros_like(adstock)


@dataclass(frozen=True, slots=True)
class Logistic(Concave, Fittable, Reaching):
    """A logistic curve's upper half, from 0.

    Computed as ``tanh(rate x / 2)``, which loses nothing near 0 and saturates without overflow.
    """

    max_response: Parameter = field(metadata=CEILING)
    rate: Parameter = field(metadata=_RATE)
    family: ClassVar[str] = "logistic"
    formula: ClassVar[str] = "max_response * (1 - exp(-rate * x)) / (1 + exp(-rate * x))"
    bounded: ClassVar[bool] = True
    forgiving: ClassVar[bool] = True

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

    def argument_error(self, x: Array) -> Array:
        return np.asarray(8.0 * EPS * self.rate * x)

    def forgiven(self, x: Array, share: Array, error: Array) -> Array:
        """Nothing is left: the log of the value rises by less than the log of its argument."""
        del share, error
        return np.zeros(np.shape(x))

    def left(self, x: ArrayLike) -> Array:
        e = np.exp(-self.rate * np.asarray(x, float))
        return np.asarray(self.max_response * (2.0 * e / (1.0 + e)))

    def bend_of_log(self, whole: Parameter) -> Parameter:
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.where(
                np.equal(self.max_response, 0.0),
                0.0,
                self.max_response / np.subtract(whole, self.max_response),
            )
        return 0.5 * np.log1p(2.0 * odds) / self.rate

    @staticmethod
    def level(adstock: Array, half: Array, _: Array, /) -> tuple[Array, Array, Array, Array]:
        ratio = adstock / half
        value = np.tanh(0.5 * ratio)
        slope = 0.5 * (1.0 - value) * (1.0 + value)  # by the ratio
        return value, slope / half, -ratio * slope, np.zeros_like(adstock)


@dataclass(frozen=True, slots=True)
class Logarithmic(Concave, Fittable):
    """Far out each doubling of spend brings as much again."""

    coefficient: Parameter = field(metadata=_COEFFICIENT)
    scale: Parameter = field(default=1.0, metadata=_SCALE)
    family: ClassVar[str] = "logarithmic"
    formula: ClassVar[str] = "coefficient * ln(1 + x / scale)"
    bounded: ClassVar[bool] = False
    forgiving: ClassVar[bool] = False

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

    def argument_error(self, x: Array) -> Array:
        return np.zeros(np.shape(x))

    @staticmethod
    def level(adstock: Array, half: Array, _: Array, /) -> tuple[Array, Array, Array, Array]:
        whole = half + adstock
        value = np.log1p(adstock / half)
        return value, 1.0 / whole, -adstock / whole, np.zeros_like(adstock)


@dataclass(frozen=True, slots=True)
class Power(Saturation):
    """Each percent of spend brings the same percent of outcome; a straight line at exponent 1.

    Above 1 it is convex without an end, so its inflection is infinite and what ends the spend is a
    budget or a ceiling.

    >>> float(Power(2.0, 1.5).value(4.0)), Power(2.0, 1.5).inflection()
    (16.0, inf)
    """

    coefficient: Parameter = field(metadata=_COEFFICIENT)
    exponent: Parameter = field(metadata=_EXPONENT)
    family: ClassVar[str] = "power"
    formula: ClassVar[str] = "coefficient * x^exponent"
    bounded: ClassVar[bool] = False
    forgiving: ClassVar[bool] = False
    single: ClassVar[None] = None

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
        out = np.where(np.equal(self.exponent, 1.0), straight, out)
        return np.asarray(np.where(np.greater(self.exponent, 1.0), np.inf, out))

    def inflection(self) -> Parameter:
        shape = np.broadcast_shapes(np.shape(self.coefficient), np.shape(self.exponent))
        out = np.where(np.greater(self.exponent, 1.0), np.inf, np.zeros(shape))
        return out if shape else float(out)

    def bought(self, reference: Parameter, power: Parameter) -> Power:
        size = self.coefficient * reference ** (self.exponent * (1.0 - power))
        return Power(size, power * self.exponent)

    def scaled(self, input_scale: Parameter) -> Power:
        return Power(self.coefficient * input_scale**self.exponent, self.exponent)

    def argument_error(self, x: Array) -> Array:
        steep = np.maximum(self.exponent, 1.0)
        return np.asarray(8.0 * EPS * steep * np.abs(np.log(np.maximum(x, 1e-300))))
