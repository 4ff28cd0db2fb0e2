"""Curves by analogy: another channel's, at another size, less sure."""

from __future__ import annotations

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response, by_analogy
from shared.curves.saturation import (
    Exponential,
    Hill,
    Logarithmic,
    Power,
    Saturation,
    Sigmoid,
    Tabulated,
)

CURVES: list[Saturation] = [
    Hill(100.0, 20.0, 1.8),
    Exponential(50.0, 0.1),
    Sigmoid(80.0, 15.0, 0.4),
    Logarithmic(30.0, 5.0),
    Power(3.0, 0.5),
    Tabulated((0.0, 10.0, 40.0), (0.0, 30.0, 50.0)),
]


@pytest.mark.parametrize("curve", CURVES, ids=lambda c: c.family)
def test_size_keeps_the_return_and_moves_the_end(curve: Saturation) -> None:
    half = by_analogy(Response(curve), "new", scale=0.5, uncertainty=1.0, draws=3, seed=0)
    x = np.array([1.0, 5.0, 30.0])
    assert half.saturation.value(x) == pytest.approx(0.5 * np.asarray(curve.value(2.0 * x)))
    # Sure of the analogy: every draw is the curve itself.
    assert all(d.value(x) == pytest.approx(half.saturation.value(x)) for d in half.draws)
    assert curve.times(3.0).value(x) == pytest.approx(3.0 * np.asarray(curve.value(x)))


def test_ninety_percent_of_the_draws_are_within_the_factor() -> None:
    known = Response(Hill(100.0, 20.0, 1.0), Geometric(0.4))
    found = by_analogy(known, "podcast", scale=1.0, uncertainty=2.0, draws=4000, seed=3)
    assert found.adstock == known.adstock
    first = np.array([float(d.slope(np.array([0.0]))[0]) for d in found.draws]) / 5.0
    size = np.array([d.half_saturation for d in found.draws]) / 20.0  # type: ignore[attr-defined]
    assert first.mean() == pytest.approx(1.0)  # less sure is not better
    middle = first / np.median(first)
    assert np.mean((middle > 0.5) & (middle < 2.0)) == pytest.approx(0.9, abs=0.02)
    assert np.mean((size > 0.5) & (size < 2.0)) == pytest.approx(0.9, abs=0.02)
    assert abs(np.corrcoef(np.log(first), np.log(size))[0, 1]) < 0.05


def test_draws_stay_with_those_of_the_channel_it_is_like() -> None:
    draws = tuple(Hill(100.0 * (1 + s), 20.0, 1.0) for s in range(5))
    known = Response(Hill(100.0, 20.0, 1.0), None, draws)
    found = by_analogy(known, "podcast", scale=0.5, uncertainty=1.0, draws=5, seed=0)
    tops = [d.max_response for d in found.draws]  # type: ignore[attr-defined]
    assert tops == pytest.approx([50.0, 100.0, 150.0, 200.0, 250.0])


def test_the_seed_and_the_name_decide() -> None:
    known = Response(Hill(100.0, 20.0, 1.0))

    def made(name: str, seed: int) -> Response:
        return by_analogy(known, name, scale=1.0, uncertainty=2.0, draws=10, seed=seed)

    assert made("a", 1) == made("a", 1)
    assert made("a", 1) != made("a", 2)
    assert made("a", 1) != made("b", 1)
