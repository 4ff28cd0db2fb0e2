"""How far rounding can put a curve off, against 350 decimal digits."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest

from shared.curves.saturation import (
    FAMILIES,
    Exponential,
    Hill,
    Logarithmic,
    Logistic,
    MichaelisMenten,
    Power,
    Saturation,
    Sigmoid,
    Tabulated,
)


def exactly(curve: Saturation, x: Decimal) -> tuple[Decimal, Decimal]:
    """Value and slope by the textbook formulas; digits enough that nothing cancels."""
    if isinstance(curve, Tabulated):
        return along(curve, x)
    p = {name: Decimal(v) for name, v in curve.parameters().items()}
    top = p.get("max_response", Decimal(1))
    match curve.family:
        case "hill":
            s, k = p["shape"], p["half_saturation"]
            r = (s * (x / k).ln()).exp()
            return top * r / (1 + r), top * s * r / x / (1 + r) ** 2
        case "exponential":
            e = (-p["rate"] * x).exp()
            return top * (1 - e), top * p["rate"] * e
        case "logistic":
            e = (-p["rate"] * x).exp()
            return top * (1 - e) / (1 + e), 2 * top * p["rate"] * e / (1 + e) ** 2
        case "michaelis_menten":
            k = p["half_saturation"]
            return top * x / (k + x), top * k / (k + x) ** 2
        case "sigmoid":
            k, m = p["steepness"], p["midpoint"]
            level, start = 1 / (1 + (-k * (x - m)).exp()), 1 / (1 + (k * m).exp())
            scale = top / (1 - start)
            return scale * (level - start), scale * k * level * (1 - level)
        case "logarithmic":
            return p["coefficient"] * (1 + x / p["scale"]).ln(), p["coefficient"] / (p["scale"] + x)
        case "power":
            value = p["coefficient"] * (p["exponent"] * x.ln()).exp()
            return value, p["exponent"] * value / x
    raise AssertionError(curve.family)


def along(curve: Tabulated, x: Decimal) -> tuple[Decimal, Decimal]:
    """Value and slope between the points around ``x``."""
    points = [(Decimal(a), Decimal(b)) for a, b in zip(curve.spend, curve.response, strict=True)]
    points = [(Decimal(0), Decimal(0)), *points]
    if x >= points[-1][0]:
        return points[-1][1], Decimal(0)
    (a, low), (b, high) = next((p, q) for p, q in pairwise(points) if p[0] <= x < q[0])
    slope = (high - low) / (b - a)
    return low + slope * (x - a), slope


def curve(rng: np.random.Generator, family: str) -> Saturation:
    top, half = float(10 ** rng.uniform(-4, 6)), float(10 ** rng.uniform(-4, 6))
    match family:
        case "hill":
            return Hill(top, half, 10 ** rng.uniform(-1, 1.5))
        case "exponential":
            return Exponential(top, 1 / half)
        case "logistic":
            return Logistic(top, 1 / half)
        case "michaelis_menten":
            return MichaelisMenten(top, half)
        case "sigmoid":
            return Sigmoid(top, half * rng.normal(), 10 ** rng.uniform(-1, 1.7) / half)
        case "logarithmic":
            return Logarithmic(top, half)
        case "power":
            return Power(top, rng.uniform(0.05, 2.0))
        case "tabulated":
            steps, rises = 10 ** rng.uniform(-4, 6, (2, 6))
            return Tabulated(tuple(half + np.cumsum(steps)), tuple(top + np.cumsum(rises)))
    raise AssertionError(family)


@pytest.mark.parametrize("family", FAMILIES)
def test_errors_stay_within_their_bounds(family: str) -> None:
    rng = np.random.default_rng(11)
    worst = 0.0
    with localcontext() as context:
        context.prec = 350
        for _ in range(150):
            c = curve(rng, family)
            x = float(10 ** rng.uniform(-6, 8))
            value, slope = exactly(c, Decimal(x))
            for computed, truth, bound in (
                (c.value(x), value, c.value_error(np.array(x))),
                (c.slope(x), slope, c.slope_error(np.array(x))),
            ):
                if truth > Decimal("1e-290"):
                    error = float(abs(Decimal(float(computed)) - truth) / truth)
                    assert error <= float(bound), (c, x)
                    worst = max(worst, error / float(bound))
    # A bound that nothing comes near would hide a mistake in either.
    assert worst > 1e-3


def test_steep_beyond_all_digits_is_a_step() -> None:
    """No error reaches below nothing or above the ceiling; away from the step there is none."""
    for steepness in (1e6, 1e12, 1e18, 1e100):
        for middle in (-3.0, 0.0, 5e-99, 1.0, 7.0):
            curve = Sigmoid(2.0, middle, steepness)
            x = np.array([0.0, 1e-9, 0.5, 1.0, 7.0 * (1 - 1e-16), 7.0, 50.0])
            value = curve.value(x)
            error = curve.value_error(x)
            assert np.all(value * (1.0 + error) <= 2.0 * (1.0 + 1e-12))
            far = np.abs(x - middle) * steepness > 1e-9 * steepness * max(abs(middle), 1e-3) + 50
            assert np.all(error[far & (x > middle)] < 1e-12)
