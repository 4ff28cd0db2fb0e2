"""What every family states holds together, and a new one is all there with its class alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import lambertw

from shared.api.curve_messages import FAMILIES as MESSAGES
from shared.api.curve_messages import message_of
from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.family import (
    CEILING,
    EPS,
    HALF,
    Array,
    Concave,
    Fittable,
    Parameter,
    Saturation,
    within,
)
from shared.curves.saturation import FAMILIES, Hill, Power, fittable, saturation_from_dict
from shared.fit.models.registry import fit_window
from shared.plan.optimize import answer, make_plan
from shared.problem.model import Channel, Horizon, Problem
from shared.shapes import validated
from tests.fit.histories import simulated

# -- two families that nobody else has heard of -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Arctan(Concave, Fittable):
    """``max_response * 2 / pi * arctan(x / half_saturation)``."""

    max_response: Parameter = field(metadata=CEILING)
    half_saturation: Parameter = field(metadata=HALF)
    family: ClassVar[str] = "arctan"
    formula: ClassVar[str] = "max_response * 2 / pi * arctan(x / half_saturation)"
    bounded: ClassVar[bool] = True
    forgiving: ClassVar[bool] = False

    def value(self, x: ArrayLike) -> Array:
        part = np.arctan(np.asarray(x, float) / self.half_saturation)
        return np.asarray(self.max_response * (2.0 / np.pi) * part)

    def slope(self, x: ArrayLike) -> Array:
        ratio = np.asarray(x, float) / self.half_saturation
        height = self.max_response * (2.0 / np.pi) / self.half_saturation
        return np.asarray(height / (1.0 + ratio * ratio))

    def relative_curvature(self, x: ArrayLike) -> Array:
        x = np.asarray(x, float)
        return np.asarray(-2.0 * x / (np.square(self.half_saturation) + x * x))

    def at_slope(self, slope: ArrayLike) -> Array:
        height = self.max_response * (2.0 / np.pi) / self.half_saturation
        with np.errstate(divide="ignore", over="ignore"):
            square = np.maximum(height / np.asarray(slope, float) - 1.0, 0.0)
        return np.asarray(self.half_saturation * np.sqrt(square))

    def argument_error(self, x: Array) -> Array:
        return np.zeros(np.shape(x))

    @staticmethod
    def level(adstock: Array, half: Array, _: Array, /) -> tuple[Array, Array, Array, Array]:
        ratio = adstock / half
        slope = 2.0 / np.pi / (1.0 + ratio * ratio)
        level = 2.0 / np.pi * np.arctan(ratio)
        return level, slope / half, -ratio * slope, np.zeros_like(adstock)


@dataclass(frozen=True, slots=True)
class Rayleigh(Saturation):
    """``max_response * (1 - exp(-(x / scale)^2))``: S-shaped, no twin in plain floats."""

    max_response: Parameter = field(metadata=CEILING)
    scale: Parameter = field(
        default=1.0, metadata=within("spend", "Its own unit of spend.", above=0.0)
    )
    family: ClassVar[str] = "rayleigh"
    formula: ClassVar[str] = "max_response * (1 - exp(-(x / scale)^2))"
    bounded: ClassVar[bool] = True
    forgiving: ClassVar[bool] = False
    single: ClassVar[None] = None

    def value(self, x: ArrayLike) -> Array:
        ratio = np.asarray(x, float) / self.scale
        return np.asarray(-self.max_response * np.expm1(-ratio * ratio))

    def slope(self, x: ArrayLike) -> Array:
        ratio = np.asarray(x, float) / self.scale
        return np.asarray(2.0 * self.max_response / self.scale * ratio * np.exp(-ratio * ratio))

    def relative_curvature(self, x: ArrayLike) -> Array:
        x = np.asarray(x, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1.0 / x - 2.0 * x / np.square(self.scale))

    def at_slope(self, slope: ArrayLike) -> Array:
        # With u = (x / scale)^2: u e^(-2u) = c, so -2u is Lambert's W of -2c, the lower branch.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            c = np.square(np.asarray(slope, float) * self.scale / (2.0 * self.max_response))
            u = -0.5 * lambertw(-2.0 * np.minimum(c, 0.5 / math.e), -1).real
        return np.asarray(np.maximum(np.sqrt(u) * self.scale, self.inflection()))

    def inflection(self) -> Parameter:
        return np.sqrt(0.5) * self.scale + 0.0 * self.max_response

    def argument_error(self, x: Array) -> Array:
        return np.asarray(8.0 * EPS * np.square(x / self.scale))


@pytest.fixture
def newcomers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both registered: all that is done to add them."""
    for family in (Arctan, Rayleigh):
        monkeypatch.setitem(FAMILIES, family.family, family)


def channel(name: str, curve: Saturation, *draws: Saturation, **more: Any) -> Channel:
    return Channel(name, Response(curve, more.pop("adstock", None), draws), **more)


def three(count: int = 0) -> Problem:
    """An S-shaped newcomer, a concave one and a Hill curve, with ``count`` draws each."""
    rng = np.random.default_rng(5)
    curves = (Rayleigh(90.0, 30.0), Arctan(60.0, 12.0), Hill(70.0, 20.0, 1.6))
    return Problem(
        channels=tuple(
            channel(
                name,
                curve,
                *(curve.times(s).scaled(1.0 / s) for s in rng.lognormal(0.0, 0.2, count)),
                current_spend=20.0,
            )
            for name, curve in zip("abc", curves, strict=True)
        ),
        budget=70.0,
    )


def best_of_a_grid(problem: Problem) -> float:
    """The most that any plan on a grid of 0.5 % of the budget brings, in the mean over draws."""
    share = np.linspace(0.0, 1.0, 201)
    a, b = (grid.reshape(-1) for grid in np.meshgrid(share, share))
    inside = a + b <= 1.0
    spends = problem.budget * np.stack([a, b, 1.0 - a - b])[:, inside].clip(min=0.0)
    total = np.zeros(spends.shape[1])
    for each, spend in zip(problem.channels, spends, strict=True):
        response = each.response
        curves = response.draws or (response.saturation,)
        total += np.mean([curve.value(spend) for curve in curves], axis=0)
    return float(total.max())


@pytest.mark.usefixtures("newcomers")
@pytest.mark.parametrize("draws", [0, 12])
def test_a_new_family_is_optimised_and_proven(draws: int) -> None:
    problem = three(draws)
    result = answer(make_plan(problem))
    found, certificate = result["totals"]["outcome"], result["certificate"]
    assert certificate["proven"] is True
    assert certificate["relative_gap"] <= 1e-6
    best = best_of_a_grid(problem)
    assert best <= certificate["upper_bound"] * (1.0 + 1e-12)
    assert found >= best
    assert found <= 1.001 * best  # no other optimum than that of the grid


@pytest.mark.usefixtures("newcomers")
def test_a_new_family_is_planned_over_time() -> None:
    carried = Geometric(0.5, normalised=True)
    one = three()
    problem = replace(
        one,
        channels=tuple(
            replace(c, response=replace(c.response, adstock=carried), max_spend=60.0)
            for c in one.channels
        ),
        horizon=Horizon(periods=2, mode="time_varying"),
        budget=140.0,
    )
    result = answer(make_plan(problem))
    assert result["certificate"]["proven"] is True
    bound = result["certificate"]["upper_bound"]

    def lost(spends: Array) -> float:
        total = 0.0
        for c, (first, second) in zip(problem.channels, spends.reshape(3, 2), strict=True):
            curve = c.response.saturation
            total += float(curve.value(0.5 * first) + curve.value(0.5 * second + 0.25 * first))
        return -total

    rng = np.random.default_rng(2)
    rule = {"type": "eq", "fun": lambda u: u.sum() - 140.0}
    starts = [60.0 * rng.random(6) for _ in range(10)]
    ends = [
        minimize(lost, s, bounds=[(0.0, 60.0)] * 6, constraints=[rule], method="SLSQP")
        for s in starts
    ]
    best = max(-end.fun for end in ends if abs(end.x.sum() - 140.0) < 1e-6)
    assert best <= bound * (1.0 + 1e-9)
    assert result["totals"]["outcome"] >= best * (1.0 - 1e-6)


@pytest.mark.usefixtures("newcomers")
def test_a_new_family_is_fitted() -> None:
    history, _ = simulated(rows=60, channels=2)
    fitted = fit_window(history, {"model": {"saturation": "arctan"}}, seed=1, draws=40)
    for response in fitted.responses():
        assert isinstance(response.saturation, Arctan)
        assert {type(draw) for draw in response.draws} == {Arctan}
    spend = float(history.spend[:, 0].mean())
    mean = np.mean([draw.value(spend) for draw in fitted.responses()[0].draws])
    assert float(fitted.responses()[0].saturation.value(spend)) == pytest.approx(mean)


@pytest.mark.usefixtures("newcomers")
def test_a_new_family_is_stored_and_read() -> None:
    curve = saturation_from_dict({"family": "rayleigh", "max_response": 2})
    assert curve == Rayleigh(2.0, 1.0)
    assert Response.from_dict(Response(curve, draws=(curve,)).to_dict()).draws == (curve,)
    with pytest.raises(ValueError, match="half_saturation must be greater than 0"):
        saturation_from_dict({"family": "arctan", "max_response": 1, "half_saturation": 0})


def test_a_request_of_a_new_family_is_checked_by_its_ranges() -> None:
    model = message_of(Rayleigh)
    whole, none = validated(model, {"family": "rayleigh", "max_response": 2})
    assert whole is not None
    assert whole.scale == 1.0  # type: ignore[attr-defined]
    assert none == []
    _, faults = validated(model, {"family": "rayleigh", "max_response": -1, "scale": 0, "k": 1})
    assert {fault.pointer for fault in faults} == {"/max_response", "/scale", "/k"}
    schema = model.model_json_schema()
    assert schema["description"] == f"{Rayleigh.formula}."
    assert schema["properties"]["scale"]["description"] == "Its own unit of spend."


# -- what is left unsaid ----------------------------------------------------------------------

SAID: dict[str, Any] = {
    "family": "said",
    "formula": "x",
    "bounded": True,
    "forgiving": False,
    "single": None,
    **dict.fromkeys(
        (
            "value",
            "slope",
            "relative_curvature",
            "at_slope",
            "inflection",
            "argument_error",
            "level",
        ),
        lambda *_: None,
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_family_that_leaves_something_unsaid_cannot_be_defined(name: str) -> None:
    assert Fittable.__abstractmethods__ < set(SAID)
    type(Fittable)("Complete", (Fittable,), dict(SAID))
    lacking = {key: said for key, said in SAID.items() if key != name}
    with pytest.raises(TypeError, match=rf"Lacking does not state {name}\."):
        type(Fittable)("Lacking", (Fittable,), lacking)


@pytest.mark.parametrize(
    "parameters",
    [
        {"top": {}, "scale": HALF},  # no range
        {"scale": HALF},  # nothing in units of outcome
        {"top": CEILING, "other": CEILING, "scale": HALF},
        {"top": CEILING},  # so in what units is spend?
    ],
)
def test_parameters_without_units_are_refused(parameters: dict[str, Any]) -> None:
    def lacking() -> Any:
        body = {name: field(metadata=given) for name, given in parameters.items()}
        kinds = {"__annotations__": dict.fromkeys(body, "Parameter")}
        return type(Fittable)("Lacking", (Fittable,), {**SAID, **body, **kinds})

    refused = pytest.raises(TypeError, match="Lacking does not state its parameters' units")
    with refused:
        dataclass(frozen=True, slots=True)(lacking())
    without_slots = dataclass(frozen=True)(lacking())
    with refused:
        without_slots(*(1.0 for _ in parameters))


# -- every family there is --------------------------------------------------------------------

EVERY = {**FAMILIES, "arctan": Arctan, "rayleigh": Rayleigh}
DRAWN = {**fittable(), "arctan": Arctan}
SPEND = np.array([[0.0, 1e-12, 0.03, 0.4, 1.0, 2.5, 40.0, 1e6]])


def example(family: type[Saturation]) -> Saturation:
    if not family.closed_form():
        return family([0.0, 1.0, 3.0], [0.0, 2.0, 3.0])  # type: ignore[call-arg]
    given = dict.fromkeys(family.ranges(), 1.3)
    if family is Power:  # the one that is not concave at last, whatever its exponent
        given["exponent"] = 0.7
    return family(**given)


@pytest.mark.parametrize("family", EVERY.values(), ids=EVERY)
def test_a_family_is_as_it_states(family: type[Saturation]) -> None:
    curve = example(family)
    assert family.bounded == math.isfinite(float(curve.supremum()))
    x = np.array([0.2, 1.0, 2.0, 50.0])
    np.testing.assert_allclose(curve.times(3.0).value(x), 3.0 * curve.value(x), rtol=1e-14)
    np.testing.assert_allclose(curve.scaled(3.0).value(x), curve.value(3.0 * x), rtol=1e-13)
    assert float(np.max(curve.times(0.0).size())) == 0.0
    assert float(curve.times(0.0).concave_from()) == np.inf
    if family.bounded:
        assert float(curve.value(1e9)) == pytest.approx(float(curve.supremum()))
    if issubclass(family, Concave):
        assert np.all(np.diff(curve.slope(np.linspace(1e-3, 20.0, 200))) < 0.0)
    if family.closed_form():
        assert float(curve.concave_from()) == float(curve.inflection())
        assert np.all(curve.relative_curvature(float(curve.inflection()) + x) < 0.0)
        many = curve.each(lambda p: np.array([p, p]))
        np.testing.assert_array_equal(many.value(x[:2]), curve.value(x[:2]))
        np.testing.assert_array_equal(many.inflection(), [curve.inflection()] * 2)
        np.testing.assert_array_equal(many.supremum(), [curve.supremum()] * 2)
        np.testing.assert_array_equal(many.concave_from(), [curve.concave_from()] * 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_request_has_the_parameters_of_the_family(family: str) -> None:
    stated, message = FAMILIES[family].ranges(), MESSAGES[family].model_json_schema()
    offset = ["offset"] if FAMILIES[family].closed_form() else []
    assert list(message["properties"]) == ["family", *stated, *offset]
    assert list(FAMILIES) == list(MESSAGES)
    for name, allowed in stated.items():
        said = message["properties"][name]
        assert said["description"] == allowed.text
        number = said if allowed.count is None else said["items"]
        assert number.get("exclusiveMinimum") == allowed.above
        if allowed.at_least is not None:
            assert number["minimum"] == allowed.at_least
        assert number["maximum"] == allowed.most


# -- what a fit asks of a family --------------------------------------------------------------


@pytest.mark.parametrize("shape", [0.4, 1.0, 2.7, 9.0])
@pytest.mark.parametrize("family", DRAWN.values(), ids=DRAWN)
def test_the_level_is_the_curve_of_size_one(family: type[Fittable], shape: float) -> None:
    level = family.level(SPEND, np.array([[0.7]]), np.array([[shape]]))[0]
    curve = family.of_level(1.0, 0.7, shape)
    np.testing.assert_allclose(level[0], curve.value(SPEND[0]), rtol=1e-10, atol=1e-11)
    many = family.of_level(np.full(2, 3.0), np.full(2, 0.7), np.full(2, shape))
    np.testing.assert_allclose(many.value(1.0), 3.0 * curve.value([1.0, 1.0]), rtol=1e-14)


@pytest.mark.parametrize("family", DRAWN.values(), ids=DRAWN)
def test_derivatives_of_the_level_match_central_differences(family: type[Fittable]) -> None:
    a, half, shape = np.array([[0.02, 0.6, 1.7, 5.0]]), np.array([[0.9]]), np.array([[1.4]])
    _, by_a, by_half, by_shape = family.level(a, half, shape)
    h = 1e-6
    up, down = np.exp(h), np.exp(-h)

    def level(a: Array, half: Array, shape: Array) -> Array:
        return family.level(a, half, shape)[0]

    numeric_a = (level(a + h, half, shape) - level(a - h, half, shape)) / (2 * h)
    numeric_half = (level(a, half * up, shape) - level(a, half * down, shape)) / (2 * h)
    numeric_shape = (level(a, half, shape * up) - level(a, half, shape * down)) / (2 * h)
    np.testing.assert_allclose(by_a, numeric_a, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(by_half, numeric_half, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(by_shape, numeric_shape, rtol=1e-6, atol=1e-9)
    assert family.shaped() == bool(np.any(by_shape != 0.0))


@pytest.mark.parametrize("family", DRAWN.values(), ids=DRAWN)
def test_zero_spend_has_a_finite_level_and_derivatives(family: type[Fittable]) -> None:
    for part in family.level(np.zeros((1, 3)), np.array([[1.0]]), np.array([[0.3]])):
        assert np.isfinite(part).all()
