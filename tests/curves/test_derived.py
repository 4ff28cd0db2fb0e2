"""Curves made from a family's: with an intercept, at a price that rises, as reach counted once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.curves.curveset import Response
from shared.curves.derived import at_rising_price, counted_once, with_offset
from shared.curves.saturation import (
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
from shared.plan.optimize import make_plan
from shared.problem.model import Channel, Horizon, Problem, SolverOptions
from tests.curves.test_rounding import exactly

TABLE = Tabulated((0, 10, 20), (0, 8, 10))
N = 10.0
CURVES: list[Saturation] = [
    Exponential(6.0, 0.3),
    Logistic(6.0, 0.3),
    MichaelisMenten(6.0, 5.0),
    Hill(6.0, 5.0, 0.7),
    Hill(6.0, 5.0, 1.0),
    Hill(6.0, 5.0, 2.5),
    Sigmoid(6.0, 5.0, 0.7),
    Sigmoid(6.0, -5.0, 0.7),
    Logarithmic(3.0, 2.0),
    Power(2.0, 0.5),
    Power(0.2, 1.8),
]
ONE_TURN = [c for c in CURVES if not (isinstance(c, Sigmoid) and np.greater(c.midpoint, 0.0))]
BOUNDED = [c for c in CURVES if c.bounded]
MADE: list[Saturation] = [
    *(with_offset(c, 3.0) for c in CURVES),
    *(at_rising_price(c, 7.0, 0.3) for c in ONE_TURN),
    *(counted_once(c, N) for c in BOUNDED),
    *(counted_once(c, 6.0) for c in BOUNDED),
]
IDS = [f"{type(c).__name__}{i}" for i, c in enumerate(MADE)]


@pytest.mark.parametrize("curve", MADE, ids=IDS)
def test_slope_and_curvature_are_derivatives(curve: Saturation) -> None:
    x = np.array([0.4, 2.0, 3.7, 6.0, 12.0])
    h = 1e-5 * x
    slope = (curve.value(x + h) - curve.value(x - h)) / (2 * h)
    np.testing.assert_allclose(curve.slope(x), slope, rtol=1e-6, atol=1e-9)
    second = (curve.slope(x + h) - curve.slope(x - h)) / (2 * h)
    np.testing.assert_allclose(
        curve.relative_curvature(x) * curve.slope(x), second, rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("curve", MADE, ids=IDS)
def test_convex_then_concave_and_inverted_beyond(curve: Saturation) -> None:
    bend = float(curve.inflection())
    if bend > 0.0:
        assert np.all(np.diff(curve.slope(np.linspace(1e-9, min(bend, 60.0), 200))) >= -1e-12)
    if np.isinf(bend):
        assert np.all(np.isinf(curve.at_slope([1e-3, 1e3])))
        return
    x = bend + np.geomspace(1e-2, 40.0, 40)
    slope = curve.slope(x)
    assert np.all(np.diff(slope) <= 1e-12)
    if np.all(np.diff(slope) < 0.0):  # a line has no inverse
        np.testing.assert_allclose(curve.at_slope(slope), x, rtol=1e-7)
        steepest = float(curve.slope(bend + 1e-12))
        if np.isfinite(steepest):
            assert float(curve.at_slope(2.0 * steepest)) == pytest.approx(bend, abs=1e-9)


@pytest.mark.parametrize("curve", MADE, ids=IDS)
def test_nine_orders_of_magnitude_raise_no_warning(curve: Saturation) -> None:
    x = np.concatenate(([0.0], np.geomspace(1e-9, 1e12, 50)))
    value, slope = curve.value(x), curve.slope(x)
    assert np.all(np.diff(value) >= 0.0)
    assert np.all(value <= np.asarray(curve.supremum()) * (1 + 1e-15))
    assert not np.any(np.isnan(slope))
    assert np.all(curve.value_error(x) >= 0.0)
    assert np.all(curve.slope_error(x[1:]) >= 0.0)


@pytest.mark.parametrize("curve", MADE, ids=IDS)
def test_scaled_and_side_by_side(curve: Saturation) -> None:
    x = np.array([0.0, 0.5, 3.0, 9.0])
    np.testing.assert_allclose(curve.scaled(2.5).value(x), curve.value(2.5 * x), rtol=1e-12)
    assert type(curve.scaled(2.5)) is type(curve)
    other = curve.scaled(0.3)
    for many in (stack([curve, other, TABLE]), stack_draws([[curve], [other], [TABLE]]).one(0)):
        both = many.value(np.stack([x, x, x], axis=1))
        np.testing.assert_allclose(both.T, [c.value(x) for c in (curve, other, TABLE)], rtol=1e-14)
        assert many.concave_from()[0] == float(curve.concave_from())


def truth(curve: Saturation, x: Decimal) -> tuple[Decimal, Decimal]:
    """Value and slope by the definitions, in many digits."""
    p = {name: Decimal(v) for name, v in curve.parameters().items()}
    if "offset" in p:
        value, slope = exactly(curve.inner, x)  # type: ignore[attr-defined]
        return p["offset"] + value, slope
    if "elasticity" in p:
        power = ((1 - p["elasticity"]) * (x / p["reference"]).ln()).exp()
        value, slope = exactly(curve.inner, p["reference"] * power)  # type: ignore[attr-defined]
        return value, slope * (1 - p["elasticity"]) * p["reference"] * power / x
    value, slope = exactly(curve.inner, x)  # type: ignore[attr-defined]
    whole = p["population"]
    return -(1 - value / whole).ln(), slope / (whole - value)


def at_random(rng: np.random.Generator, kind: str) -> Saturation:
    top, half = float(10 ** rng.uniform(-4, 6)), float(10 ** rng.uniform(-4, 6))
    drawn = (
        Hill(top, half, 10 ** rng.uniform(-1, 1.5)),
        Exponential(top, 1 / half),
        Logistic(top, 1 / half),
        MichaelisMenten(top, half),
        Sigmoid(top, -half * rng.random(), 10 ** rng.uniform(-1, 1.7) / half),
        Logarithmic(top, half),
        Power(top, rng.uniform(0.1, 2.0)),
    )
    if kind == "offset":
        return with_offset(drawn[rng.integers(7)], float(10 ** rng.uniform(-6, 6)))
    if kind == "price":
        reference = float(10 ** rng.uniform(-4, 6))
        return at_rising_price(drawn[rng.choice([1, 2, 4, 5])], reference, rng.uniform(0.05, 0.9))
    return counted_once(drawn[rng.choice([0, 2, 3, 4])], top * (1 + 10 ** rng.uniform(-6, 2)))


@pytest.mark.parametrize("kind", ["offset", "price", "once"])
def test_errors_stay_within_their_bounds(kind: str) -> None:
    rng = np.random.default_rng(5)
    worst = 0.0
    with localcontext() as context:
        context.prec = 350
        for _ in range(150):
            curve = at_random(rng, kind)
            x = float(10 ** rng.uniform(-6, 8))
            value, slope = truth(curve, Decimal(x))
            for computed, right, bound in (
                (curve.value(x), value, curve.value_error(np.array(x))),
                (curve.slope(x), slope, curve.slope_error(np.array(x))),
            ):
                if right > Decimal("1e-290") and bound < 0.1:
                    error = float(abs(Decimal(float(computed)) - right) / right)
                    assert error <= float(bound), (curve, x)
                    worst = max(worst, error / float(bound))
    assert worst > 1e-3


# -- an intercept -------------------------------------------------------------------------------


def test_an_intercept_is_read_and_written_with_its_family() -> None:
    data = {"family": "hill", "max_response": 9.0, "half_saturation": 2.0, "shape": 1.5}
    curve = saturation_from_dict({**data, "offset": 4})
    assert float(curve.value(0.0)) == 4.0
    assert curve.to_dict() == {**data, "offset": 4.0}
    assert saturation_from_dict(curve.to_dict()) == curve
    assert saturation_from_dict(data) == Hill(9.0, 2.0, 1.5)
    half = curve.times(0.5)
    assert float(half.value(2.0)) == pytest.approx(0.5 * (4.0 + 4.5))
    with pytest.raises(ValueError, match="offset must be at least 0"):
        saturation_from_dict({**data, "offset": -1})
    with pytest.raises(ValueError, match="points of the curve have to say this"):
        saturation_from_dict({**TABLE.to_dict(), "offset": 1})


def test_a_draw_without_an_intercept_has_that_of_its_curve() -> None:
    saturation = {"family": "power", "coefficient": 2, "exponent": 0.5, "offset": 7}
    plain = {"coefficient": 3, "exponent": 0.4}
    read = Response.from_dict({"saturation": saturation, "draws": [plain, {**plain, "offset": 1}]})
    assert [float(draw.value(0.0)) for draw in read.draws] == [7.0, 1.0]
    assert Response.from_dict(read.to_dict()) == read
    del saturation["offset"]
    read = Response.from_dict({"saturation": saturation, "draws": [plain, {**plain, "offset": 1}]})
    assert [float(draw.value(0.0)) for draw in read.draws] == [0.0, 1.0]
    assert type(read.draws[0]) is type(read.draws[1]) is type(read.saturation)


# -- a price that rises -------------------------------------------------------------------------


@pytest.mark.parametrize("curve", ONE_TURN, ids=lambda c: c.family)
@settings(max_examples=25, deadline=None)
@given(
    reference=st.floats(1e-3, 1e3),
    elasticity=st.floats(0.0, 0.9),
    spend=st.floats(1e-3, 1e3),
    offset=st.sampled_from([0.0, 2.0]),
)
def test_money_buys_what_its_price_allows(
    curve: Saturation, reference: float, elasticity: float, spend: float, offset: float
) -> None:
    priced = at_rising_price(with_offset(curve, offset), reference, elasticity)
    media = spend / (spend / reference) ** elasticity
    assert float(priced.value(spend)) == pytest.approx(offset + float(curve.value(media)), rel=1e-9)
    at = priced.value(reference)
    assert float(at) == pytest.approx(offset + float(curve.value(reference)), rel=1e-9)


@pytest.mark.parametrize("curve", [Sigmoid(6.0, 5.0, 0.7), TABLE])
def test_a_curve_that_would_turn_twice_has_no_such_price(curve: Saturation) -> None:
    with pytest.raises(ValueError, match=curve.family):
        at_rising_price(curve, 5.0, 0.2)
    assert at_rising_price(curve, 5.0, 0.0) is curve


# -- reach --------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    spends=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=6),
    make=st.sampled_from(BOUNDED),
    room=st.sampled_from([1.0, 1.001, 2.0, 50.0]),
)
def test_people_are_counted_once(spends: list[float], make: Saturation, room: float) -> None:
    """By the rule of what is missed by all, and never more than there are."""
    population = 6.0 * room
    total = float(np.sum(counted_once(make, population).value(np.array(spends))))
    reach = -population * np.expm1(-total)
    missed = np.prod([1.0 - float(make.value(x)) / population for x in spends])
    assert reach == pytest.approx(population * (1.0 - missed), rel=1e-9, abs=1e-12)
    assert reach <= population
    assert reach <= sum(float(make.value(x)) for x in spends) * (1.0 + 1e-9)


def test_one_turn_whatever_the_ceiling() -> None:
    rng = np.random.default_rng(3)
    makes: list[Callable[[float], Saturation]] = [
        lambda top: Hill(top, 1.0, float(rng.uniform(0.3, 6.0))),
        lambda top: Logistic(top, float(rng.uniform(0.3, 6.0))),
        lambda top: Sigmoid(top, float(rng.normal()), float(rng.uniform(0.3, 6.0))),
        lambda top: MichaelisMenten(top, 1.0),
        lambda top: Exponential(top, 1.0),
    ]
    x = np.geomspace(1e-3, 8.0, 400)
    for make in makes:
        for top in (0.0, 0.01, 0.5, 0.9, 0.999):
            curve = counted_once(make(top), 1.0)
            # The sign of the second derivative, with what cancels left to rounding.
            bends = curve.relative_curvature(x) * curve.slope(x)
            before = x < float(curve.inflection())
            assert np.all(bends[before] >= -1e-9)
            assert np.all(bends[~before] <= 1e-9)


def test_what_is_missed_by_chance_alone_is_a_line() -> None:
    assert counted_once(Exponential(N, 0.3), N) == Power(0.3, 1.0)


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (Exponential(11.0, 1.0), "more people than there are"),
        (Power(1.0, 0.5), "no reach that is counted once"),
        (TABLE, "no reach that is counted once"),
        (with_offset(Exponential(1.0, 1.0), 1.0), "no reach that is counted once"),
    ],
)
def test_what_is_no_reach_is_refused(curve: Saturation, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        counted_once(curve, N)


def test_a_multiple_is_no_reach() -> None:
    with pytest.raises(TypeError, match="no multiple"):
        counted_once(Exponential(6.0, 1.0), N).times(2.0)


@pytest.mark.parametrize("seed", range(6))
def test_the_most_people_are_reached_by_the_plan_of_most_in_logarithms(seed: int) -> None:
    """Three channels over two weeks: the same search and proof, read as people."""
    rng = np.random.default_rng(seed)
    curves: list[Saturation] = [
        Exponential(rng.uniform(5.0, 10.0), 0.05),
        Logistic(rng.uniform(3.0, 9.0), 0.08),
        Hill(rng.uniform(3.0, 10.0), 20.0, rng.uniform(0.7, 2.5)),
    ]
    channels = tuple(
        Channel(name, Response(counted_once(curve, N)), max_spend=60.0)
        for name, curve in zip("abc", curves, strict=True)
    )
    options = SolverOptions(gap=1e-5, time_limit_s=5.0)
    asked = Problem(channels, budget=100.0, horizon=Horizon(2), options=options)
    plan = make_plan(asked)
    assert plan.certificate.proven
    reached, bound = (
        -N * np.expm1(-sums) for sums in (plan.best.total, plan.certificate.upper_bound)
    )
    spends = plan.best.spend
    missed = np.prod([1.0 - c.value(x) / N for c, x in zip(curves, spends, strict=True)])
    assert reached == pytest.approx(N * (1.0 - missed))
    assert reached <= bound <= N
    assert bound - reached <= 1e-4 * reached
    tries = rng.dirichlet(np.full(6, 0.5), 20_000).reshape(-1, 3, 2) * 100.0
    tries = tries[np.all(tries <= 60.0, axis=(1, 2))]
    each = [np.prod(1.0 - c.value(tries[:, i]) / N, axis=1) for i, c in enumerate(curves)]
    best = float(N * (1.0 - np.prod(each, axis=0)).max())
    assert best <= bound * (1.0 + 1e-9)
    assert reached >= 0.97 * best
