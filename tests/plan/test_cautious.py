"""Cautious plans end to end: better by their own measure, and told as what they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.plan.optimize import answer, make_plan
from shared.plan.plan import Plan
from shared.plan.yardstick import violations, yardstick
from shared.problem.model import (
    Constraint,
    Goal,
    Horizon,
    Interaction,
    Risk,
    SolverOptions,
)
from shared.problem.risk import measure
from shared.solve.heuristics.heuristic import BY_NAME
from tests.arrays import arrays_of
from tests.plan.problems import s_shaped_with_draws

RISKS = (
    Risk("mean_minus_sd", aversion=1.0),
    Risk("cvar", level=0.2),
    Risk("worst_case"),
    Risk("quantile", level=0.1),
)


@pytest.mark.parametrize("risk", RISKS, ids=lambda r: r.measure)
def test_a_cautious_plan_beats_the_expected_one_by_its_measure(risk: Risk) -> None:
    plain = s_shaped_with_draws()
    problem = replace(plain, risk=risk, options=SolverOptions(gap=1e-4, time_limit_s=3.0))
    task = arrays_of(plain)
    assert task.draws is not None
    expected = make_plan(plain)
    at = measure(risk, task.draws.value(expected.best.spend[:, 0]).sum(axis=1))
    found = answer(make_plan(problem))
    proof = found["certificate"]
    assert proof["proven"]
    assert at * (1 - 1e-9) <= proof["objective"] <= proof["upper_bound"]
    assert proof["objective"] < found["totals"]["outcome"]
    assert found["totals"]["outcome"] <= expected.certificate.upper_bound * (1 + 1e-9)
    assert found["totals"]["spend"] == pytest.approx(100.0, abs=0.005)
    assert any(
        "draw" in line["text"] or "deviation" in line["text"] for line in found["explanation"]
    )


def test_the_budget_price_agrees_with_a_solved_difference() -> None:
    risk = Risk("mean_minus_sd", aversion=0.5)
    problem = replace(s_shaped_with_draws(), risk=risk)
    here = make_plan(problem)
    more = make_plan(replace(problem, budget=100.1))
    gained = (more.certificate.objective - here.certificate.objective) / 0.1
    assert here.budget_price == pytest.approx(gained, rel=1e-2)
    assert np.all(np.isfinite(here.best.spend))


CHANGES: dict[str, dict[str, Any]] = {
    "rule": {"constraints": (Constraint("both", ("tv", "social"), max_spend=60.0),)},
    "profit": {"goal": Goal("maximize_profit", value_per_outcome=0.5)},
    "roas": {"goal": Goal("maximize_outcome", target_roas=8.05), "spend_all": False},
    "least_spend": {"goal": Goal("minimize_spend", target_outcome=600.0)},
    "interaction": {"interactions": (Interaction(("tv", "social"), 100.0),)},
    "time_varying": {"horizon": Horizon(2), "budget": 200.0},
    "constant": {"horizon": Horizon(2, "constant"), "budget": 200.0},
    "fixed_shares": {"horizon": Horizon(2, "fixed_shares"), "budget": 200.0},
    "sequential": {"horizon": Horizon(2, "sequential"), "budget": 200.0},
}
SOME = [
    pytest.param(name, risk, marks=() if (i + j) % 4 == 0 else pytest.mark.slow)
    for i, name in enumerate(CHANGES)
    for j, risk in enumerate(RISKS)
]
"""All measures of all problems under ``-m slow``, each problem by one of them otherwise."""

QUICK = SolverOptions(gap=1e-4, time_limit_s=1.0)


@pytest.mark.parametrize(("name", "risk"), SOME, ids=lambda p: p if isinstance(p, str) else "")
def test_every_problem_is_read_by_the_measure(name: str, risk: Risk) -> None:
    """No worse than the expected plan by the measure, within the rules, below the bound."""
    problem = replace(s_shaped_with_draws(20), risk=risk, options=QUICK, **CHANGES[name])
    found = make_plan(problem)
    measured = yardstick(problem)
    assert violations(measured, found.best.spend) == []
    reached = measured.objective(found.best.spend)
    assert found.certificate.proven
    assert found.certificate.objective == pytest.approx(reached, rel=1e-9)
    assert reached <= found.certificate.upper_bound
    if name not in ("sequential", "least_spend"):
        plain = make_plan(replace(problem, risk=Risk()))
        # Rounding of a budget, and of a target met to a hair, is all that may be lost.
        assert reached >= measured.objective(plain.best.spend) * (1 - 1e-6)


def test_least_spend_under_a_measure_costs_more_than_in_expectation() -> None:
    changes = CHANGES["least_spend"]
    problem = replace(s_shaped_with_draws(20), risk=RISKS[2], options=QUICK, **changes)
    found, plain = make_plan(problem), make_plan(replace(problem, risk=Risk()))
    assert found.best.draws is not None
    assert float(found.best.draws.sum(axis=(1, 2)).min()) >= 600.0 * (1 - 1e-8)
    assert float(found.best.spend.sum()) > float(plain.best.spend.sum())


@pytest.fixture(scope="module")
def exact() -> Plan:
    """The plan that methods by name are held to."""
    return make_plan(replace(s_shaped_with_draws(12), risk=RISKS[1], options=QUICK))


@pytest.mark.parametrize("method", BY_NAME)
def test_a_method_by_name_searches_the_measure(method: str, exact: Plan) -> None:
    options = SolverOptions(method=method, gap=1e-4, time_limit_s=1.0, seed=3)
    problem = replace(exact.problem, options=options)
    found = make_plan(problem)
    measured = yardstick(problem)
    assert found.search.method == method
    assert found.certificate.proven
    assert violations(measured, found.best.spend) == []
    reached = measured.objective(found.best.spend)
    assert found.certificate.objective == pytest.approx(reached, rel=1e-9)
    assert reached <= min(found.certificate.upper_bound, exact.certificate.upper_bound) * (1 + 1e-9)
    assert reached >= 0.9 * exact.certificate.objective
    assert found.current is not None
    assert reached >= measured.objective(found.current.spend) * (1 - 1e-9)
