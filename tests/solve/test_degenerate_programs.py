"""The degenerate cases of one budget, each under every kind of rule, without a warning."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, Logistic, Power, Saturation, Sigmoid
from shared.errors import Infeasible
from shared.problem.lower import lower
from shared.problem.model import Channel, Constraint, Problem, SolverOptions
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.solver import solve_program

RULES = ("cap", "floor", "share", "change", "minimum", "count", "lots", "linear")


def problem_of(curves: list[Saturation], budget: float, rule: str) -> Problem:
    """One budget over some curves, and a rule that binds where money is spread evenly."""
    n = len(curves)
    each = budget / n
    channels = tuple(Channel(f"c{i}", Response(curve)) for i, curve in enumerate(curves))
    names = tuple(c.name for c in channels)
    few = names[: max(n // 2, 1)]
    constraints: tuple[Constraint, ...] = ()
    if rule == "change":
        channels = tuple(replace(c, current_spend=each, max_change=0.3) for c in channels)
    elif rule == "minimum":
        channels = tuple(replace(c, minimum_if_active=1.5 * each) for c in channels)
    elif rule == "lots":
        channels = tuple(replace(c, increment=0.5 * each) for c in channels)
    elif rule == "cap":
        constraints = (Constraint("some", few, max_spend=0.4 * budget),)
    elif rule == "floor":
        constraints = (Constraint("some", few, min_spend=0.6 * budget),)
    elif rule == "share":
        constraints = (Constraint("some", few, min_share=0.6),)
    elif rule == "count":
        constraints = (Constraint("some", names, max_active=max(n // 2, 1)),)
    elif rule == "linear":
        weights = tuple((name, 1.0 + i) for i, name in enumerate(names))
        constraints = (Constraint("some", coefficients=weights, maximum=0.9 * budget * n / 2),)
    options = SolverOptions(gap=1e-6, time_limit_s=20.0)
    return Problem(channels, budget, constraints=constraints, options=options)


def answered(problem: Problem, gap: float = 2e-6) -> tuple[np.ndarray, Certificate]:
    """A plan that keeps all rules, proven best to ``gap``, come by without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program = lower(problem)
        found = solve_program(program, problem.options)
        check = certify(program, found.u, found.proof)
    assert np.all(np.isfinite(found.u))
    assert np.all(np.isfinite(found.prices))
    assert check.proven
    assert check.max_constraint_violation <= 1e-8
    assert np.isfinite(check.objective)
    assert check.upper_bound >= check.objective
    assert check.relative_gap <= gap
    return found.u, check


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("curve", [Hill(100.0, 10.0, 3.0), Hill(100.0, 10.0, 1.0)])
def test_ties(curve: Hill, rule: str) -> None:
    """Four equal channels: no plan of a grid is better."""
    problem = problem_of([curve] * 4, 40.0, rule)
    _, check = answered(problem)
    program = lower(problem)
    for way in np.ndindex(9, 9, 9):
        u = 5.0 * np.array([[*way, 8 - sum(way)]], dtype=float).T
        if u.min() >= 0.0 and program.violation(u) <= 1e-9:
            assert program.objective(u) <= check.objective * (1.0 + 2e-6)


@pytest.mark.parametrize("rule", RULES)
def test_no_money_at_all(rule: str) -> None:
    curves: list[Saturation] = [Hill(100.0, 10.0, 3.0), Power(3.0, 0.5), Exponential(50.0, 0.1)]
    problem = replace(problem_of(curves, 30.0, rule), budget=0.0)
    if rule == "floor" or rule == "change":
        with pytest.raises(Infeasible) as told:
            answered(problem)
        assert any(("budget" in c.name) for c in told.value.conflicts)
        return
    u, check = answered(problem)
    assert np.all(u == 0.0)
    assert check.objective == 0.0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("spend_all", [True, False])
def test_more_money_than_anything_can_use(rule: str, spend_all: bool) -> None:
    """Every curve saturates long before its share of the budget is spent."""
    curves = [Hill(100.0, 1e-3, 3.0), Logistic(80.0, 50.0), Sigmoid(60.0, 0.01, 900.0)]
    problem = replace(problem_of([*curves, curves[0]], 4e4, rule), spend_all=spend_all)
    _, check = answered(problem)
    assert check.objective > 0.99 * (200.0 - (60.0 if rule == "count" else 0.0)) * 0.5


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("money", [1e-6, 1e9])
def test_nine_orders_of_magnitude(rule: str, money: float) -> None:
    """Channels whose sizes differ by 1e9, in any currency."""
    scales = 10.0 ** np.linspace(-4.5, 4.5, 6)
    curves: list[Saturation] = [
        Hill(float(s), float(money * s), 2.5 if i % 2 else 0.8) for i, s in enumerate(scales)
    ]
    answered(problem_of(curves, float(0.5 * money * scales.sum()), rule))


@pytest.mark.parametrize("rule", RULES)
def test_infinite_slope_at_zero(rule: str) -> None:
    curves = [Power(3.0, 0.3), Hill(20.0, 50.0, 0.4), Power(1e-4, 0.9), Hill(20.0, 5.0, 0.7)]
    answered(problem_of(list(curves), 100.0, rule))


@pytest.mark.parametrize("rule", RULES)
def test_flat_tails(rule: str) -> None:
    """Curves that are flat to rounding at both ends of what may be spent."""
    curves = [Sigmoid(50.0, 40.0, 5.0), Hill(70.0, 30.0, 40.0), Logistic(30.0, 10.0)]
    answered(problem_of([*curves, curves[1]], 100.0, rule))


@pytest.mark.parametrize("over", [1e-3, 1e-5])
def test_infeasible_by_a_hair_is_named(over: float) -> None:
    problem = problem_of([Hill(100.0, 10.0, 2.0)] * 4, 100.0, "plain")
    rules = (
        Constraint("first", ("c0", "c1"), min_spend=60.0),
        Constraint("second", ("c2", "c3"), min_spend=40.0 * (1.0 + over)),
    )
    with pytest.raises(Infeasible) as told:
        answered(replace(problem, constraints=rules))
    assert {c.name for c in told.value.conflicts} == {"budget", "first", "second"}


def test_feasible_without_a_hair_to_spare() -> None:
    """Floors that leave one way to divide the money between the groups."""
    problem = problem_of([Hill(100.0, 10.0, 2.0)] * 4, 100.0, "plain")
    rules = (
        Constraint("first", ("c0", "c1"), min_spend=60.0),
        Constraint("second", ("c2", "c3"), min_spend=40.0),
    )
    u, _ = answered(replace(problem, constraints=rules))
    assert u[:2].sum() == pytest.approx(60.0, abs=1e-6)
