"""Bounds on weighted sums of curves: never below the sum, and close to its maximum."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest

from shared.curves.saturation import Exponential, Hill, Power, Saturation, Sigmoid
from shared.solve.certify.mixture import Mixture


def random_mixture(rng: np.random.Generator, signed: bool) -> Mixture:
    count = int(rng.choice([1, 2, 5, 60]))  # so many bend inside the parts that are formed first
    top, half = rng.lognormal(0, 0.5, count), rng.lognormal(0, 0.5, count)
    curve: Saturation = [
        Hill(top, half, rng.uniform(1.2, 4.0, count)),
        Hill(top, half, rng.uniform(0.4, 1.0, count)),
        Sigmoid(top, half, 5.0 / half),
        Exponential(top, 1.0 / half),
        Power(top, rng.uniform(0.3, 0.9, count)),
    ][int(rng.integers(5))]
    weight = (rng.normal(0.3, 1, count) if signed else rng.uniform(0, 1, count)) / count
    carry = np.where(rng.random(count) < 0.2, 0.0, rng.uniform(0.2, 2.0, count))
    offset = rng.uniform(0, 0.5, count) * (rng.random(count) < 0.5)
    low = float(rng.choice([0.0, rng.uniform(0, 1)]))
    return Mixture(curve, weight, carry, offset, low, low + float(rng.uniform(0.1, 4)))


def total(mixture: Mixture, x: np.ndarray) -> np.ndarray:
    z = x[:, None] * mixture.carry + mixture.offset
    return np.asarray((mixture.curve.value(z) * mixture.weight).sum(axis=1))


@pytest.mark.parametrize("seed", range(60))
def test_never_below_and_nearly_reached(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mixture = random_mixture(rng, signed=bool(seed % 2))
    ends = np.sort(rng.uniform(mixture.low, mixture.high, (5, 2)), axis=1)
    ends[0] = mixture.low, mixture.high
    ends[1, 1] = ends[1, 0]
    price = rng.normal(0, 1, 5)
    size = np.abs(mixture.weight).sum() + 1e-9
    found = mixture.maxima(ends[:, 0], ends[:, 1], price, 1e-9 * size)
    for (a, b), p, bound in zip(ends, price, found, strict=True):
        x = np.unique(
            np.concatenate((np.linspace(a, b, 4001), a + (b - a) * np.geomspace(1e-12, 1, 400)))
        )
        best = float((total(mixture, x) - p * x).max())
        assert bound >= best - 1e-15 * size
        assert bound <= best + 2e-5 * size


@pytest.mark.parametrize("seed", range(40))
def test_lines_lie_above_the_sum(seed: int) -> None:
    """Everywhere on a part, wherever its terms bend."""
    rng = np.random.default_rng(seed)
    mixture = random_mixture(rng, signed=bool(seed % 2))
    ends = np.sort(rng.uniform(mixture.low, mixture.high, (20, 2)), axis=1)
    left, right = mixture._lines(ends[:, 0], ends[:, 1])
    a, b = ends[:, :1], ends[:, 1:]
    share = np.linspace(0, 1, 41)
    line = left[:, None] * (1 - share) + right[:, None] * share
    x = (a + (b - a) * share).ravel()
    below = total(mixture, x).reshape(line.shape)
    assert np.all(line >= below - 1e-14 * (1.0 + np.abs(below)))


def test_values_are_rounded_up() -> None:
    """Against forty digits."""
    weight, top, half, shape = [0.3, 0.7, -0.2], [2.0, 3.0, 1.5], [0.7, 1.3, 0.4], [1.7, 2.2, 3.1]
    mixture = Mixture(
        Hill(np.array(top), np.array(half), np.array(shape)),
        np.array(weight),
        np.ones(3),
        np.zeros(3),
        0.0,
        5.0,
    )
    with localcontext() as context:
        context.prec = 40
        for x in (1e-6, 0.3, 1.0, 4.9):
            exact = Decimal(0)
            for w, t, h, s in zip(weight, top, half, shape, strict=True):
                power, bend = Decimal(x) ** Decimal(s), Decimal(h) ** Decimal(s)
                exact += Decimal(w) * Decimal(t) * power / (bend + power)
            found = float(mixture.at(np.array([x]))[0])
            assert Decimal(found) >= exact
            assert found == pytest.approx(float(exact), rel=1e-10)
