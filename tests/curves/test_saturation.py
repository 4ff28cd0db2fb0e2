"""Saturation curves against closed forms, finite differences and their own inverses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared.curves.curveset import Response
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
    saturation_from_dict,
)
from shared.curves.stack import stack, stack_draws
from shared.curves.tabulated import mean_table

SMOOTH = [
    Hill(100, 3, 0.5),
    Hill(100, 3, 1),
    Hill(100, 3, 2.5),
    Hill(100, 3, 11.0),
    Exponential(10, 0.1),
    Logistic(10, 0.1),
    MichaelisMenten(10, 3),
    Sigmoid(10, 5, 0.7),
    Sigmoid(10, -5, 0.7),
    Logarithmic(4),
    Logarithmic(4, 25),
    Power(3, 0.5),
]
TABLE = Tabulated((0, 10, 20, 40), (0, 1, 6, 8))
ids = [f"{c.family}{i}" for i, c in enumerate(SMOOTH)]


def by_formula(curve: Saturation, x: float) -> float:
    p = curve.parameters()
    match curve.family:
        case "hill":
            top = p["max_response"] * x ** p["shape"]
            return top / (p["half_saturation"] ** p["shape"] + x ** p["shape"])
        case "exponential":
            return p["max_response"] * (1 - math.exp(-p["rate"] * x))
        case "logistic":
            e = math.exp(-p["rate"] * x)
            return p["max_response"] * (1 - e) / (1 + e)
        case "michaelis_menten":
            return p["max_response"] * x / (p["half_saturation"] + x)
        case "sigmoid":

            def level(v: float) -> float:
                return 1 / (1 + math.exp(-p["steepness"] * (v - p["midpoint"])))

            return p["max_response"] * (level(x) - level(0)) / (1 - level(0))
        case "logarithmic":
            return p["coefficient"] * math.log(1 + x / p["scale"])
        case "power":
            return p["coefficient"] * x ** p["exponent"]
    raise AssertionError(curve.family)


@pytest.mark.parametrize("curve", SMOOTH, ids=ids)
def test_value_is_the_contracts_formula(curve: Saturation) -> None:
    for x in (0.0, 0.3, 2.0, 5.0, 17.0, 60.0):
        assert float(curve.value(x)) == pytest.approx(by_formula(curve, x), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("curve", SMOOTH, ids=ids)
def test_slope_and_curvature_are_derivatives(curve: Saturation) -> None:
    x = np.array([0.4, 2.0, 3.7, 6.0, 12.0])
    h = 1e-5 * x
    slope = (curve.value(x + h) - curve.value(x - h)) / (2 * h)
    np.testing.assert_allclose(curve.slope(x), slope, rtol=1e-6, atol=1e-9)
    second = (curve.slope(x + h) - curve.slope(x - h)) / (2 * h)
    np.testing.assert_allclose(
        curve.relative_curvature(x) * curve.slope(x), second, rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("curve", SMOOTH, ids=ids)
def test_at_slope_inverts_the_slope_beyond_the_inflection(curve: Saturation) -> None:
    x = float(curve.inflection()) + np.geomspace(1e-3, 60.0, 40)
    np.testing.assert_allclose(curve.at_slope(curve.slope(x)), x, rtol=1e-6)
    steepest = curve.slope(np.array(float(curve.inflection()) + 1e-12))
    if np.isfinite(steepest):
        assert float(curve.at_slope(2 * steepest)) == pytest.approx(curve.inflection(), abs=1e-5)


@pytest.mark.parametrize("curve", SMOOTH, ids=ids)
def test_convex_before_and_concave_after_the_inflection(curve: Saturation) -> None:
    bend = float(curve.inflection())
    after = curve.slope(bend + np.linspace(1e-9, 30, 200))
    assert np.all(np.diff(after) <= 1e-12)
    if bend > 0:
        before = curve.slope(np.linspace(0, bend, 200))
        assert np.all(np.diff(before) >= -1e-12)


@pytest.mark.parametrize("curve", SMOOTH, ids=ids)
def test_nine_orders_of_magnitude_raise_no_warning(curve: Saturation) -> None:
    x = np.concatenate(([0.0], np.geomspace(1e-9, 1e12, 50)))
    value, slope = curve.value(x), curve.slope(x)
    assert np.all(np.isfinite(value))
    assert np.all(np.diff(value) >= 0)
    assert np.all(value <= np.asarray(curve.supremum()) * (1 + 1e-15))
    assert not np.any(np.isnan(slope))
    assert np.all(np.isfinite(curve.at_slope(np.geomspace(1e-12, 1e12, 50))))


@pytest.mark.parametrize("curve", [*SMOOTH, TABLE], ids=[*ids, "tabulated"])
def test_scaled_folds_a_factor_into_the_same_family(curve: Saturation) -> None:
    x = np.array([0.0, 0.5, 3.0, 9.0])
    scaled = curve.scaled(2.5)
    assert type(scaled) is type(curve)
    np.testing.assert_allclose(scaled.value(x), curve.value(2.5 * x), rtol=1e-13)


@pytest.mark.parametrize("curve", [*SMOOTH, TABLE], ids=[*ids, "tabulated"])
def test_a_curve_survives_json(curve: Saturation) -> None:
    assert saturation_from_dict(curve.to_dict()) == curve
    assert Response.from_dict(Response(curve, draws=(curve,)).to_dict()).draws == (curve,)


def test_slopes_at_zero_spend() -> None:
    assert float(Hill(100, 3, 0.5).slope(0.0)) == np.inf
    assert float(Hill(100, 4, 1.0).slope(0.0)) == 25.0
    assert float(Hill(100, 3, 2.0).slope(0.0)) == 0.0
    assert float(Power(2, 0.5).slope(0.0)) == np.inf
    assert float(Power(2, 1.0).slope(0.0)) == 2.0


def test_a_power_above_one_is_convex_throughout() -> None:
    many = Power([3.0, 3.0, 3.0, 0.0], [0.5, 1.0, 2.5, 2.5])
    assert np.asarray(many.inflection()).tolist() == [0.0, 0.0, np.inf, np.inf]
    concave, line, convex, none = many.concave_from()
    assert concave == 0.0
    assert line == none == np.inf
    assert 1e200 < convex < np.inf
    steep = Power(0.2, 1.7)
    x, h = np.array([0.4, 2.0, 12.0]), 1e-5
    assert np.all(np.diff(steep.slope(np.linspace(0.0, 30.0, 200))) > 0.0)
    np.testing.assert_allclose(
        steep.slope(x), (steep.value(x + h) - steep.value(x - h)) / (2 * h), rtol=1e-6
    )
    np.testing.assert_allclose(steep.value(x), [by_formula(steep, v) for v in x], rtol=1e-13)
    np.testing.assert_allclose(steep.scaled(3.0).value(x), steep.value(3.0 * x), rtol=1e-13)
    assert np.all(np.isinf(steep.at_slope([1e-3, 1.0, 1e3])))
    assert float(steep.slope(0.0)) == 0.0
    assert float(steep.supremum()) == np.inf


def test_flat_tails_keep_their_digits() -> None:
    # 1 - tanh(y) ~ 2 e^(-2y): the slope far out is known in closed form to full precision.
    assert float(Logistic(1.0, 1.0).slope(600.0)) == pytest.approx(2 * math.exp(-600), rel=1e-13)
    assert float(Sigmoid(1.0, 5.0, 1.0).value(1e-12)) == pytest.approx(
        1e-12 / (1 + math.exp(5)), rel=1e-11
    )


def test_a_sigmoid_far_left_of_zero_does_not_overflow() -> None:
    curve = Sigmoid(5.0, -2000.0, 1.0)
    np.testing.assert_allclose(curve.value([0.0, 1.0]), [0.0, 5 * -math.expm1(-1)], rtol=1e-12)
    np.testing.assert_allclose(curve.slope([0.0, 1.0]), [5.0, 5 * math.exp(-1)], rtol=1e-12)
    np.testing.assert_allclose(curve.at_slope(curve.slope([0.5, 1.0])), [0.5, 1.0], rtol=1e-9)


def test_a_table_is_linear_between_points_and_constant_after() -> None:
    np.testing.assert_allclose(TABLE.value([0, 5, 15, 30, 99]), [0, 0.5, 3.5, 7, 8])
    np.testing.assert_allclose(TABLE.slope([0, 5, 10, 30, 40, 99]), [0.1, 0.1, 0.5, 0.1, 0, 0])
    assert TABLE.inflection() == 10.0
    np.testing.assert_allclose(TABLE.at_slope([0.3, 0.05, 2.0]), [20, 40, 10])
    assert Tabulated((5, 10), (10, 12)).value(2.5) == 5.0


def test_the_mean_of_tables_is_exact() -> None:
    other = Tabulated((0, 15, 50), (0, 9, 9))
    x = np.linspace(0, 60, 241)
    np.testing.assert_allclose(
        mean_table([TABLE, other]).value(x), (TABLE.value(x) + other.value(x)) / 2, atol=1e-14
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"family": "hill", "max_response": 1, "half_saturation": 0, "shape": 1}, "greater than 0"),
        ({"family": "hill", "max_response": -1, "half_saturation": 2, "shape": 1}, "at least 0"),
        ({"family": "hill", "max_response": 1, "half_saturation": 2}, "shape is missing"),
        ({"family": "hill", "max_response": 1, "half_saturation": 2, "shape": "x"}, "a number"),
        ({"family": "power", "coefficient": 1, "exponent": 5.2}, "at most 5"),
        ({"family": "exponential", "max_response": 1, "rate": float("nan")}, "finite"),
        ({"family": "exponential", "max_response": 1, "rate": 1, "k": 2}, "unknown parameter 'k'"),
        ({"family": "cubic"}, "Unknown saturation family 'cubic'"),
        ({"family": "tabulated", "spend": [0, 1, 1], "response": [0, 1, 2]}, "must increase"),
        ({"family": "tabulated", "spend": [0, 1], "response": [2, 1]}, "must not fall"),
        ({"family": "tabulated", "spend": [0], "response": [0]}, "two points"),
        ({"family": "tabulated", "spend": [0, 1], "response": [0]}, "equally long"),
        ({"family": "tabulated", "spend": 3, "response": [0]}, "list of numbers"),
    ],
)
def test_bad_parameters_are_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        saturation_from_dict(data)


def test_the_family_names_are_the_contracts() -> None:
    assert set(FAMILIES) == {
        "hill",
        "exponential",
        "logistic",
        "michaelis_menten",
        "sigmoid",
        "logarithmic",
        "power",
        "tabulated",
    }


def test_a_stack_is_its_curves_side_by_side() -> None:
    curves = [*SMOOTH, TABLE, *SMOOTH[:3]]
    many = stack(curves)
    x = np.random.default_rng(0).uniform(0.1, 40, (5, len(curves)))
    for name in ("value", "slope", "relative_curvature"):
        want = np.stack([getattr(c, name)(x[:, i]) for i, c in enumerate(curves)], axis=1)
        np.testing.assert_allclose(getattr(many, name)(x), want, rtol=1e-14)
        np.testing.assert_allclose(getattr(many, name)(x[0]), want[0], rtol=1e-14)
    np.testing.assert_allclose(many.inflection(), [c.inflection() for c in curves])
    np.testing.assert_allclose(many.supremum(), [c.supremum() for c in curves])
    columns = [12, 3, 0, 14]
    np.testing.assert_allclose(
        many.take(columns).value(x[0, columns]), many.value(x[0])[columns], rtol=1e-14
    )


def test_draws_keep_their_order_and_average() -> None:
    rng = np.random.default_rng(1)
    hills = [[Hill(*rng.uniform(1, 3, 3)) for _ in range(4)] for _ in range(2)]
    tables = [Tabulated((0, 10, 20), (0, v, 6)) for v in rng.uniform(0, 6, 4)]
    rates = [Exponential(3, v) for v in rng.uniform(0.1, 1, 4)]
    many = stack_draws([hills[0], tables, rates, hills[1]])
    x = np.array([2.0, 7.0, 1.0, 0.5])
    want = np.array(
        [
            [c.value(v) for c, v in zip(row, x, strict=True)]
            for row in zip(hills[0], tables, rates, hills[1], strict=True)
        ]
    )
    np.testing.assert_allclose(many.value(x), want, rtol=1e-14)
    np.testing.assert_allclose(many.mean_value(x), want.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(
        many.mean_value(np.stack([x, 2 * x]))[0], want.mean(axis=0), rtol=1e-13
    )
    h = 1e-5
    np.testing.assert_allclose(
        many.mean_slope(x), (many.mean_value(x + h) - many.mean_value(x - h)) / (2 * h), rtol=1e-6
    )
    np.testing.assert_allclose(many.column(3).value(0.5), want[:, 3], rtol=1e-14)


def test_draws_must_belong_together() -> None:
    with pytest.raises(ValueError, match="equally many"):
        stack_draws([[Power(1, 0.5)], [Power(1, 0.5)] * 2])
    with pytest.raises(ValueError, match="one family"):
        stack_draws([[Power(1, 0.5), Logarithmic(1)]])
