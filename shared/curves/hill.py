"""Hill: S-shaped where its shape is above one, diminishing returns from the start elsewhere; at
shape one also under the name of Michaelis and Menten."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from shared.curves.family import (
    CEILING,
    EPS,
    HALF,
    Array,
    Concave,
    Fittable,
    Parameter,
    Reaching,
    expit,
    within,
)

__all__ = ["Hill", "MichaelisMenten", "SingleHill"]

_LN2 = 0.6931471805599453
_MOST = 709.0  # exp of more overflows
_TINY = 1e-30  # spend of zero: its logarithm must exist


@dataclass(slots=True)
class SingleHill:
    """:class:`Hill` in plain floats, where the derivations are."""

    max_response: float
    half_saturation: float
    shape: float

    def _saturated(self, x: float) -> float:
        z = self.shape * (math.log(x) - math.log(self.half_saturation))
        e = math.exp(-abs(z))
        return (1.0 if z >= 0.0 else e) / (1.0 + e)

    def value(self, x: float) -> float:
        return 0.0 if x <= 0.0 else self.max_response * self._saturated(x)

    def slope(self, x: float) -> float:
        log_ratio = math.log(x) - math.log(self.half_saturation)
        height = self.max_response * self.shape / self.half_saturation
        fall = -abs(self.shape * log_ratio)
        return height * math.exp(min(fall - log_ratio, _MOST)) / (1.0 + math.exp(fall)) ** 2

    def relative_curvature(self, x: float) -> float:
        return (self.shape - 1.0 - 2.0 * self.shape * self._saturated(x)) / x

    def at_slope(self, slope: float) -> float:
        top, half, shape = self.max_response, self.half_saturation, self.shape
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


@dataclass(frozen=True, slots=True)
class Hill(Fittable, Reaching):
    """Half its ceiling at ``half_saturation``, which it nears the faster the higher its shape.

    Everything is computed from ``t = shape * ln(x / half_saturation)``: no power of a large number
    is ever formed, so nine orders of magnitude between spend and half-saturation are harmless.

    >>> float(Hill(100.0, 30.0, 2.0).value(30.0))
    50.0
    """

    max_response: Parameter = field(metadata=CEILING)
    half_saturation: Parameter = field(metadata=HALF)
    shape: Parameter = field(
        metadata=within("number", "Above 1 the curve is S-shaped.", above=0, most=100)
    )
    family: ClassVar[str] = "hill"
    formula: ClassVar[str] = "max_response * x^shape / (half_saturation^shape + x^shape)"
    bounded: ClassVar[bool] = True
    forgiving: ClassVar[bool] = True
    single: ClassVar[type[SingleHill]] = SingleHill

    def _log_ratio(self, x: ArrayLike) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.asarray(x, float)) - np.log(self.half_saturation))

    def value(self, x: ArrayLike) -> Array:
        return np.asarray(self.max_response * expit(self.shape * self._log_ratio(x)))

    def slope(self, x: ArrayLike) -> Array:
        log_ratio = self._log_ratio(x)
        height = self.max_response * self.shape / self.half_saturation
        with np.errstate(over="ignore", invalid="ignore"):
            fall = -np.abs(self.shape * log_ratio)
            out = height * np.exp(fall - log_ratio) / (1.0 + np.exp(fall)) ** 2
        at_zero = np.isneginf(log_ratio)
        if not np.any(at_zero):
            return np.asarray(out)
        steep = np.where(np.less(self.shape, 1.0) & np.greater(self.max_response, 0.0), np.inf, 0.0)
        limit = np.where(np.equal(self.shape, 1.0), height, steep)
        return np.asarray(np.where(at_zero, limit, out))

    def relative_curvature(self, x: ArrayLike) -> Array:
        saturated = expit(self.shape * self._log_ratio(x))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.asarray(
                (self.shape - 1.0 - 2.0 * self.shape * saturated) / np.asarray(x, float)
            )

    def at_slope(self, slope: ArrayLike) -> Array:
        r"""Newton in log space, from an analytic start on the root's right.

        With ``t = ln(x / half)``, ``ln slope = ln(max shape / half) + h(t)`` and
        ``h(t) = (shape - 1) t - 2 ln(1 + e^(shape t))``, which is concave, and falls beyond the
        inflection. Newton from the right of the root of a concave falling function stays on the
        right and converges monotonically, so it needs no safeguard. Three straight lines above
        ``h`` (its two asymptotes and the tangent of the soft maximum at 0) give the start.
        """
        few = self.one_by_one(np.asarray(slope, float))
        if few is not None:
            return few
        s = np.asarray(self.shape, float)
        bent = s > 1.0
        some_bent = bool(np.any(bent))
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            target = (
                np.log(np.asarray(slope, float))
                - np.log(self.max_response * s)
                + np.log(self.half_saturation)
            )
            start = -target - 2.0 * _LN2
            start = np.minimum(start, np.where(target < 0.0, -target / (s + 1.0), np.inf))
            shallow = np.where((s < 1.0) & (target > 0.0), -target / (1.0 - s), np.inf)
            t = np.minimum(start, shallow)
            low = np.asarray(-np.inf)
            if some_bent:
                low = np.where(bent, np.log((s - 1.0) / (s + 1.0)) / s, -np.inf)
                t = np.maximum(t, low)
                # Nowhere that steep: the answer is the inflection, nothing is to be iterated.
                at_low = np.exp(-np.abs(s * low))
                peak = (s - 1.0) * low - 2.0 * np.log1p(at_low)
                t = np.where(bent & (target >= peak), low, t)
                # Just under the steepest point the root is nearly double, Newton would only halve.
                # There h <= peak - (s^2 - 1)/4 (t - low)^2 as far as -low: one more start on the
                # right.
                parabola = low + 2.0 * np.sqrt(np.maximum(peak - target, 0.0) / (s * s - 1.0))
                t = np.where(bent & (parabola <= -low), np.minimum(t, parabola), t)
            t = np.where(s == 1.0, -1e3, t)  # solved in closed form below
            for _ in range(40):
                e = np.exp(-np.abs(s * t))
                q = np.where(t >= 0.0, 1.0, e) / (1.0 + e)
                fall = s - 1.0 - 2.0 * s * q
                h = (s - 1.0) * t - 2.0 * (np.maximum(s * t, 0.0) + np.log1p(e))
                step = np.where(fall < 0.0, (h - target) / fall, 0.0)
                # Rounding may turn the last steps round; anything but a step left is convergence.
                following = np.where(step > 0.0, np.maximum(t - step, low), t)
                moved = t - following
                t = following
                # Newton squares the error (over the distance to the bend): this step was the last.
                reach = np.where(bent, t - low, 1.0) if some_bent else 1.0
                if not np.any(moved * moved > 1e-17 * reach):
                    break
            x = self.half_saturation * np.exp(t)
            if np.any(s == 1.0):  # Michaelis-Menten: in closed form, and better so near 0
                root = np.maximum(np.exp(-0.5 * target) - 1.0, 0.0)
                x = np.where(s == 1.0, self.half_saturation * root, x)
        least = self.inflection() if some_bent else 0.0
        return np.asarray(np.maximum(np.where(np.isnan(x), 0.0, x), least))

    def inflection(self) -> Parameter:
        s = np.asarray(self.shape, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            out = self.half_saturation * np.exp(np.log((s - 1.0) / (s + 1.0)) / s)
        out = np.where(s > 1.0, out, 0.0)
        return out if out.ndim else float(out)

    def argument_error(self, x: Array) -> Array:
        log_x = np.abs(np.log(np.maximum(x, 1e-300)))
        span = log_x + np.abs(np.log(self.half_saturation)) + 1.0
        return np.asarray(8.0 * EPS * (1.0 + np.asarray(self.shape)) * span)

    def bought(self, reference: Parameter, power: Parameter) -> Hill:
        half = reference * (self.half_saturation / reference) ** (1.0 / power)
        return Hill(self.max_response, half, power * self.shape)

    def left(self, x: ArrayLike) -> Array:
        return np.asarray(self.max_response * expit(-self.shape * self._log_ratio(x)))

    def bend_of_log(self, whole: Parameter) -> Parameter:
        """At the smaller root q, the share of the ceiling, of
        ``s top q^2 - (2 s whole - top) q + (s - 1) whole``."""
        s, top = np.asarray(self.shape, float), np.asarray(self.max_response, float)
        linear = 2.0 * s * whole - top
        root = np.sqrt(4.0 * s * s * whole * (whole - top) + top * top)
        q = 2.0 * whole * np.maximum(s - 1.0, 0.0) / (linear + root)
        return np.asarray(self.half_saturation * (q / (1.0 - q)) ** (1.0 / s))

    @staticmethod
    def level(adstock: Array, half: Array, shape: Array, /) -> tuple[Array, Array, Array, Array]:
        """``1 / (1 + e^-q)`` with ``q = shape log(a / half)``: no power can overflow."""
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


@dataclass(frozen=True, slots=True)
class MichaelisMenten(Concave, Fittable, Reaching):
    """A Hill curve of shape one.

    >>> float(MichaelisMenten(100.0, 20.0).value(20.0))
    50.0
    """

    max_response: Parameter = field(metadata=CEILING)
    half_saturation: Parameter = field(metadata=HALF)
    family: ClassVar[str] = "michaelis_menten"
    formula: ClassVar[str] = "max_response * x / (half_saturation + x)"
    bounded: ClassVar[bool] = True
    forgiving: ClassVar[bool] = False

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

    def argument_error(self, x: Array) -> Array:
        return np.zeros(np.shape(x))

    def left(self, x: ArrayLike) -> Array:
        half = self.half_saturation
        return np.asarray(self.max_response * (half / (half + np.asarray(x, float))))

    def bend_of_log(self, whole: Parameter) -> Parameter:
        del whole
        return self.inflection()

    def bought(self, reference: Parameter, power: Parameter) -> Hill:
        return Hill(self.max_response, self.half_saturation, 1.0).bought(reference, power)

    @staticmethod
    def level(adstock: Array, half: Array, _: Array, /) -> tuple[Array, Array, Array, Array]:
        whole = half + adstock
        value = adstock / whole
        return value, half / whole**2, -value * (half / whole), np.zeros_like(adstock)
