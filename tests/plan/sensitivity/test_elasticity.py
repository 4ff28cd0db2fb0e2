"""Elasticities against closed forms and against problems solved again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared import work
from shared.curves.adstock import Geometric, LagWeights
from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, Logarithmic, Tabulated
from shared.plan.information import Parameter, moved, parameters_of, spread_of
from shared.plan.optimize import make_plan
from shared.plan.sensitivity import by_derivative, by_solving
from shared.problem.model import Channel, Constraint, Problem, SolverOptions
from tests.arrays import arrays_of

TIGHT = SolverOptions(gap=1e-10)


def logs(*coefficients: float, **limits: float) -> Problem:
    """c ln(1 + x): the best spends are (B + n) c / sum c - 1."""
    channels = tuple(
        Channel(name, Response(Logarithmic(coefficient=c)))
        for name, c in zip("abc", coefficients, strict=False)
    )
    return Problem(channels, budget=97.0, options=TIGHT, **limits)


def found(problem: Problem, arm: str, name: str) -> tuple[np.ndarray, float]:
    plan = make_plan(problem)
    parameters = list(parameters_of(problem))
    for item in by_derivative(plan, arrays_of(plan.problem), parameters):
        if (item.parameter.arm, item.parameter.name) == (arm, name):
            assert item.spend is not None
            assert item.outcome is not None
            return item.spend, item.outcome
    raise AssertionError(name)


def test_logarithms_have_a_closed_form() -> None:
    c = np.array([20.0, 30.0, 50.0])
    spend, outcome = found(logs(*c), "a", "coefficient")
    x = 100.0 * c / 100.0 - 1.0
    expected = np.array([100.0 * (1 / 100.0 - c[0] / 100.0**2), *(-100.0 * c[1:] / 100.0**2)])
    np.testing.assert_allclose(spend, expected * c[0] / x, rtol=1e-5)
    best = float((c * np.log(c)).sum())
    assert outcome == pytest.approx(c[0] * np.log(c[0]) / best, rel=1e-6)


def mixed(draws: bool = False, **limits: object) -> Problem:
    def response(curve: Hill | Exponential) -> Response:
        rng = np.random.default_rng(1)
        several = tuple(
            replace(curve, max_response=curve.max_response * float(f))
            for f in np.exp(0.3 * rng.normal(size=30))
        )
        return Response(curve, Geometric(0.4), several if draws else ())

    channels = (
        Channel("tv", response(Hill(900.0, 60.0, 1.8))),
        Channel("search", response(Exponential(500.0, 0.03))),
        Channel("social", response(Hill(300.0, 20.0, 0.9)), max_spend=30.0),
    )
    return replace(Problem(channels, budget=120.0, options=TIGHT), **limits)


@pytest.mark.parametrize("draws", [False, True])
@pytest.mark.parametrize("spend_all", [True, False])
def test_derivatives_equal_differences_of_problems_solved_again(
    draws: bool, spend_all: bool
) -> None:
    problem = mixed(draws, spend_all=spend_all)
    plan = make_plan(problem)
    parameters = list(parameters_of(problem))
    assert {p.name for p in parameters} >= {"max_response", "shape", "rate", "decay"}
    exact = by_derivative(plan, arrays_of(plan.problem), parameters)
    again = by_solving(plan, parameters, work.now() + 60.0)
    for one, two in zip(exact, again, strict=True):
        assert one.spend is not None
        assert two.spend is not None
        np.testing.assert_allclose(one.spend, two.spend, atol=4e-3)
        assert one.outcome == pytest.approx(two.outcome, abs=2e-4)


def test_a_channel_at_its_limit_does_not_move() -> None:
    problem = mixed()
    held = replace(problem.channels[2], max_spend=5.0)
    problem = replace(problem, channels=(*problem.channels[:2], held))
    spend, outcome = found(problem, "social", "max_response")
    np.testing.assert_array_equal(spend, 0.0)
    assert outcome > 0.0


def test_problems_with_rules_are_solved_again() -> None:
    rule = Constraint("pair", channels=("tv", "search"), max_spend=100.0)
    problem = mixed(constraints=(rule,))
    assert not problem.separable
    plan = make_plan(problem)
    parameters = [p for p in parameters_of(problem) if p.name == "max_response"]
    rows = by_solving(plan, parameters, work.now() + 60.0)
    total = 0.0
    for row in rows:
        assert row.outcome is not None
        total += row.outcome
    assert total == pytest.approx(1.0, abs=1e-5)  # all ceilings up one per cent: so is the outcome


def test_out_of_time_is_null_and_not_a_number() -> None:
    problem = mixed()
    plan = make_plan(problem)
    rows = by_solving(plan, list(parameters_of(problem)), work.now() - 1.0)
    assert all(row.spend is None and row.outcome is None for row in rows)


def test_a_move_that_a_curve_does_not_allow_is_null() -> None:
    late = Channel("a", Response(Exponential(10.0, 0.1), Geometric(0.99995)))
    problem = Problem((late, Channel("b", Response(Exponential(9.0, 0.1)))), budget=10.0)
    rows = {
        r.parameter.name: r
        for r in by_derivative(make_plan(problem), arrays_of(problem), [*parameters_of(problem)])
    }
    assert rows["decay"].outcome is None


def test_a_tabulated_curve_moves_as_a_whole() -> None:
    curve = Tabulated(spend=[0.0, 10.0, 30.0], response=[0.0, 8.0, 14.0])
    problem = Problem((Channel("a", Response(curve)),), budget=10.0)
    parameters = {p.name: p for p in parameters_of(problem)}
    assert parameters["response"].value is None
    doubled = moved(problem, parameters["response"], 2.0).channels[0].response.saturation
    assert float(doubled.value(10.0)) == pytest.approx(16.0)


def lagged(values: tuple[float, ...], *, normalised: bool = False) -> Problem:
    slow = Response(Exponential(100.0, 0.02), LagWeights(values, normalised))
    return Problem(
        (Channel("a", slow), Channel("b", Response(Exponential(100.0, 0.02)))),
        budget=100.0,
        options=TIGHT,
    )


def test_every_lag_weight_moves_alone() -> None:
    problem = lagged((1.0, 0.0, 0.5))
    parameters = [p for p in parameters_of(problem) if p.part == "adstock"]
    assert [(p.name, p.value) for p in parameters] == [("values[0]", 1.0), ("values[2]", 0.5)]
    plan = make_plan(problem)
    exact = by_derivative(plan, arrays_of(plan.problem), parameters)
    again = by_solving(plan, parameters, work.now() + 60.0)
    for one, two in zip(exact, again, strict=True):
        assert one.outcome == pytest.approx(two.outcome, abs=1e-4)
    # What counts is their sum, of which the first is two thirds.
    first, third = (row.outcome or 0.0 for row in exact)
    assert first == pytest.approx(2.0 * third, rel=1e-6)
    assert first > 0.0


def test_a_normalised_lag_weight_moves_nothing_that_is_sustained() -> None:
    problem = lagged((1.0, 0.5), normalised=True)
    parameters = [p for p in parameters_of(problem) if p.part == "adstock"]
    for row in by_derivative(make_plan(problem), arrays_of(problem), parameters):
        assert row.outcome == pytest.approx(0.0, abs=1e-9)


def test_the_spread_is_that_of_the_draws() -> None:
    problem = mixed(draws=True)
    top, shape = (Parameter("tv", "saturation", n, 1.0) for n in ("max_response", "shape"))
    values = [d.parameters()["max_response"] for d in problem.channels[0].response.draws]
    assert spread_of(problem, top) == (pytest.approx(np.std(values) / np.mean(values)), "draws")
    assert spread_of(problem, shape) == (0.1, "assumed")
