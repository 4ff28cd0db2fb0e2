"""Curves in plain floats say what their array twins say, over all orders of magnitude."""

from __future__ import annotations

import numpy as np
import pytest

from shared.curves.saturation import Exponential, Hill, Saturation, Sigmoid

N = 200


def curves(kind: str, rng: np.random.Generator) -> Saturation:
    size, scale = 10 ** rng.uniform(-6, 9, N), 10 ** rng.uniform(-6, 9, N)
    if kind == "hill":
        shape = np.concatenate((rng.uniform(0.2, 1, N // 2), rng.uniform(1, 90, N // 2 - 1), [1.0]))
        return Hill(size, scale, shape)
    return Sigmoid(size, scale * rng.uniform(-0.2, 1, N), rng.uniform(0.5, 300, N) / scale)


@pytest.mark.parametrize("kind", ["hill", "sigmoid"])
@pytest.mark.parametrize("seed", range(3))
def test_one_by_one_is_what_all_at_once_is(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    many = curves(kind, rng)
    scale = many.parameters()["half_saturation" if kind == "hill" else "midpoint"]
    x = np.abs(scale) * 10 ** rng.uniform(-3, 2, N)
    slope = many.slope(x)
    at = many.at_slope(np.maximum(slope, 1e-300))  # more curves than are inverted one by one
    steepness = many.parameters().get("steepness", [])
    value, bent = many.value(x), many.relative_curvature(x)
    for i in range(N):
        one = many.alone(i)
        assert one is not None
        assert one.value(x[i]) == pytest.approx(value[i], rel=1e-13, abs=0.0)
        assert one.slope(x[i]) == pytest.approx(slope[i], rel=1e-12, abs=1e-300)
        size = (many.parameters()["shape"][i] / x[i]) if kind == "hill" else steepness[i]
        assert abs(one.relative_curvature(x[i]) - bent[i]) <= 1e-12 * size
        # At the inflection the inverse has a root's cusp: half the digits are all there are.
        assert one.at_slope(max(slope[i], 1e-300)) == pytest.approx(at[i], rel=2e-8)


def test_few_curves_are_inverted_as_many_are() -> None:
    rng = np.random.default_rng(3)
    many = curves("hill", rng)
    slope = many.slope(many.parameters()["half_saturation"] * rng.uniform(0.1, 5, N))
    usable = np.flatnonzero((slope > 1e-300) & np.isfinite(slope))
    whole = many.at_slope(slope)
    names = ("max_response", "half_saturation", "shape")
    for i in usable.tolist():
        few = Hill(*(np.array(many.parameters()[name])[i : i + 1] for name in names))
        assert few.at_slope(slope[i : i + 1])[0] == pytest.approx(whole[i], rel=1e-9)


def test_extremes_of_few_curves_go_the_way_of_many() -> None:
    few = Hill(np.array([1.0, 1.0, 0.0]), np.array([1.0, 2.0, 1.0]), np.array([3.0, 0.5, 3.0]))
    bends = np.asarray(few.inflection())
    assert few.at_slope(np.array([1e9, 1e-9, 1.0]))[[0, 2]] == pytest.approx(bends[[0, 2]])
    steep, flat = few.at_slope(np.array([np.inf, np.inf, np.inf])), few.at_slope(np.full(3, 1e-200))
    assert steep[0] == pytest.approx(bends[0])
    assert np.all(flat[:2] > 1e30)


def test_a_concave_family_has_no_twin() -> None:
    assert Exponential(np.ones(2), np.ones(2)).alone(0) is None
