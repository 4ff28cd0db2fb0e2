"""Envelopes against the convex hull of a fine grid."""

from __future__ import annotations

import numpy as np
import pytest

from shared.curves.saturation import Exponential, Hill, Power, Saturation, Sigmoid
from shared.curves.stack import stack
from shared.solve.one_budget.envelope import lines


def one(curve: Saturation, lower: float, upper: float) -> tuple[float, float]:
    curves = stack([curve])
    end, slope = lines(curves, curves.concave_from(), np.array([lower]), np.array([upper]))
    return float(end[0]), float(slope[0])


def test_the_tangent_from_zero_to_a_hill_in_closed_form() -> None:
    # f(w) = w f'(w) gives (w / half)^shape = shape - 1.
    end, slope = one(Hill(10, 3, 2.5), 0, 100)
    assert end == pytest.approx(3 * 1.5 ** (1 / 2.5), rel=1e-8)
    assert slope == pytest.approx(float(Hill(10, 3, 2.5).slope(end)), rel=1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_the_line_is_the_hulls_first_edge(seed: int) -> None:
    rng = np.random.default_rng(seed)
    half = float(10 ** rng.uniform(-3, 5))
    curve: Saturation = (
        Hill(1, half, rng.uniform(1.05, 6))
        if seed % 2
        else Sigmoid(1, half, rng.uniform(1, 20) / half)
    )
    low = float(rng.choice([0, rng.uniform(0, 1)]) * curve.inflection())
    high = low + float(half * 10 ** rng.uniform(-1, 1.5))
    end, slope = one(curve, low, high)
    x = np.linspace(low, high, 20001)[1:]
    chords = (curve.value(x) - curve.value(low)) / (x - low)
    assert slope >= chords.max() * (1 - 1e-12)
    assert slope <= chords.max() * (1 + 1e-5)
    assert low < end <= high


def test_without_a_convex_part_there_is_no_line() -> None:
    assert one(Exponential(1, 1), 0.0, 5.0) == (0.0, np.inf)
    assert one(Hill(1, 1, 3), 2.0, 5.0) == (2.0, np.inf)
    assert one(Hill(1, 1, 3), 0.5, 0.5) == (0.5, np.inf)


def test_where_the_tangent_lies_beyond_the_line_is_the_chord() -> None:
    curve = Hill(1, 1, 3)
    end, slope = one(curve, 0.0, 0.6)
    assert (end, slope) == (0.6, pytest.approx(float(curve.value(0.6)) / 0.6))
    assert slope != pytest.approx(float(curve.slope(0.6)), rel=0.1)


def test_straight_lines_and_curves_without_effect_never_bend() -> None:
    curves = stack([Power(2, 1.0), Power(2, 0.5), Hill(0, 1, 2), Hill(1, 1, 1), Power(0, 0.5)])
    assert curves.concave_from().tolist() == [np.inf, 0.0, np.inf, 0.0, np.inf]
