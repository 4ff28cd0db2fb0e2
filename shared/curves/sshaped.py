"""The families that can be S-shaped: a convex start, an inflection, then diminishing returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from shared.curves.family import Array, Parameter, Saturation, checked
from shared.curves.single import SingleSigmoid, few_rows, hill_at_slope

__all__ = ["Hill", "Sigmoid"]

_LN2 = 0.6931471805599453


def _expit(z: Array) -> Array:
    e = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0.0, 1.0, e) / (1.0 + e))


@dataclass(frozen=True, slots=True)
class Hill(Saturation):
    """``max_response * x^shape / (half_saturation^shape + x^shape)``; S-shaped where shape > 1.

    Everything is computed from ``t = shape * ln(x / half_saturation)``: no power of a large number
    is ever formed, so nine orders of magnitude between spend and half-saturation are harmless.

    >>> float(Hill(100.0, 30.0, 2.0).value(30.0))
    50.0
    """

    max_response: Parameter
    half_saturation: Parameter
    shape: Parameter
    family: ClassVar[str] = "hill"

    def __post_init__(self) -> None:
        checked(self, "max_response", at_least=0)
        checked(self, "half_saturation", above=0)
        checked(self, "shape", above=0)

    def _log_ratio(self, x: ArrayLike) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.asarray(x, float)) - np.log(self.half_saturation))

    def value(self, x: ArrayLike) -> Array:
        return np.asarray(self.max_response * _expit(self.shape * self._log_ratio(x)))

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
        saturated = _expit(self.shape * self._log_ratio(x))
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
        few = self._few_at_slope(np.asarray(slope, float))
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

    def _few_at_slope(self, slope: Array) -> Array | None:
        """The same one by one, faster for few curves; None for many, and where it is extreme."""
        rows = few_rows(slope, self.max_response, self.half_saturation, self.shape)
        if rows is None:
            return None
        return np.array([hill_at_slope(a, h, s, p) for p, a, h, s in rows]).reshape(slope.shape)

    def inflection(self) -> Parameter:
        s = np.asarray(self.shape, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            out = self.half_saturation * np.exp(np.log((s - 1.0) / (s + 1.0)) / s)
        out = np.where(s > 1.0, out, 0.0)
        return out if out.ndim else float(out)

    def supremum(self) -> Parameter:
        return self.max_response

    def scaled(self, input_scale: Parameter) -> Hill:
        return Hill(self.max_response, self.half_saturation / input_scale, self.shape)


@dataclass(frozen=True, slots=True)
class Sigmoid(Saturation):
    """``max_response * (L(x) - L(0)) / (1 - L(0))``, L a logistic about ``midpoint``.

    ``L(x) = 1 / (1 + exp(-steepness * (x - midpoint)))``. The difference and the quotient cancel
    digits where ``L(0)`` is near 0 or 1; algebraically the same and free of cancellation is
    ``max_response * (1 - exp(-steepness x)) * L(x)``.
    """

    max_response: Parameter
    midpoint: Parameter
    steepness: Parameter
    family: ClassVar[str] = "sigmoid"

    def __post_init__(self) -> None:
        checked(self, "max_response", at_least=0)
        checked(self, "midpoint")
        checked(self, "steepness", above=0)

    def _argument(self, x: ArrayLike) -> Array:
        return np.asarray(self.steepness * (np.asarray(x, float) - self.midpoint))

    def value(self, x: ArrayLike) -> Array:
        rise = -np.expm1(-self.steepness * np.asarray(x, float))
        return np.asarray(self.max_response * rise * _expit(self._argument(x)))

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
        rows = few_rows(np.asarray(slope, float), self.max_response, self.midpoint, self.steepness)
        if rows is not None:
            found = [SingleSigmoid(a, m, k).at_slope(p) for p, a, m, k in rows]
            return np.array(found).reshape(np.shape(slope))
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

    def supremum(self) -> Parameter:
        return self.max_response

    def scaled(self, input_scale: Parameter) -> Sigmoid:
        return Sigmoid(self.max_response, self.midpoint / input_scale, self.steepness * input_scale)
