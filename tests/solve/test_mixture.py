"""Bounds on weighted sums of curves: never below the sum, and close to its maximum."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest

from shared.curves.saturation import Exponential, Hill, Power, Saturation, Sigmoid
from shared.solve.certify.maxima import Mixture


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


TINY = [5e-99, 1e-100, 1e-12]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("half", TINY)
@pytest.mark.parametrize("family", ["hill", "hill below 1", "sigmoid", "exponential"])
def test_a_draw_far_below_the_scale_is_a_step_at_nothing(
    family: str, half: float, sign: float
) -> None:
    """Its slope at the bend would stretch every line, and its rounding every part, without end."""
    top, middle = np.full(20, 100.0), np.linspace(40.0, 60.0, 20)
    middle[3] = half
    shape = np.linspace(1.05, 2.0, 20) * (0.4 if family == "hill below 1" else 1.0)
    curve: Saturation = {
        "sigmoid": Sigmoid(top, middle, 5.0 / middle),
        "exponential": Exponential(top, 1.0 / middle),
    }.get(family, Hill(top, middle, shape))
    weight = np.full(20, 0.05)
    weight[3] *= sign
    mixture = Mixture(curve, weight, np.ones(20), np.zeros(20), 0.0, 150.0)
    low, high = np.array([0.0, 0.0, 20.0, 150.0]), np.array([150.0, 1e-3, 90.0, 150.0])
    price = np.array([0.7, 1e-3, 0.9, 0.5])
    found = mixture.maxima(low, high, price, 1e-9)
    assert mixture.marks.size < 1_000
    for a, b, p, bound in zip(low, high, price, found, strict=True):
        shares = np.geomspace(1e-14, 1, 3_000), np.linspace(0, 1, 30_000)
        x = a + (b - a) * np.concatenate(shares)
        best = float((total(mixture, x) - p * x).max())
        assert best - 1e-12 <= bound <= best + 1e-5


def test_no_tolerance_makes_a_partition_grow_without_end() -> None:
    """Below what rounding leaves open every part would matter, four times as many each round."""
    rng = np.random.default_rng(1)
    for most in (1_000, None):
        mixture = random_mixture(rng, signed=True)
        mixture.most = most or mixture.most
        ends = np.sort(rng.uniform(mixture.low, mixture.high, (500, 2)), axis=1)
        price = rng.normal(0, 1, 500)
        tight = mixture.maxima(ends[:, 0], ends[:, 1], price, 0.0)
        assert mixture.marks.size <= mixture.most
        loose = mixture.maxima(ends[:, 0], ends[:, 1], price, 1e-9)
        np.testing.assert_allclose(tight, loose, atol=1e-4)
        for (a, b), p, bound in zip(ends, price, tight, strict=True):
            x = np.linspace(a, b, 401)
            assert bound >= float((total(mixture, x) - p * x).max()) - 1e-14


def test_terms_are_formed_a_part_at_a_time() -> None:
    """Tens of thousands of draws and periods are never laid out for all parts at once."""
    sizes: list[int] = []

    class Counted(Hill):
        __slots__ = ()

        def value(self, x: np.ndarray) -> np.ndarray:
            sizes.append(np.size(x))
            return Hill.value(self, x)

    count = 30_000
    rng = np.random.default_rng(2)
    curve = Counted(rng.uniform(1, 2, count), rng.uniform(1, 2, count), rng.uniform(1, 2, count))
    args = np.full(count, 1.0 / count), np.ones(count), np.zeros(count), 0.0, 9.0
    mixture = Mixture(curve, *args)
    few = Mixture(
        Hill(*(getattr(curve, n)[:400] for n in ("max_response", "half_saturation", "shape"))),
        np.full(400, 1.0 / 400),
        np.ones(400),
        np.zeros(400),
        0.0,
        9.0,
    )
    ends = np.zeros(3), np.array([9.0, 3.0, 1.0]), np.full(3, 0.2)
    np.testing.assert_allclose(mixture.maxima(*ends, 1e-6), few.maxima(*ends, 1e-6), rtol=0.05)
    assert max(sizes) <= 1_300_000
    assert sum(sizes) < 1 << 26


def test_a_range_of_one_point() -> None:
    mixture = Mixture(Hill(2.0, 1.0, 2.0), np.ones(1), np.ones(1), np.zeros(1), 1.0, 1.0)
    point = np.ones(1)
    assert mixture.maxima(point, point, 0.5 * point, 0.0) == pytest.approx(0.5)
