"""Cautious plans end to end: better by their own measure, and told as what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.errors import NotSupportedYet
from shared.plan.optimize import answer, make_plan
from shared.problem.canonical import canonicalise
from shared.problem.model import Constraint, Risk, SolverOptions
from shared.problem.risk import measure
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
    canonical = canonicalise(plain)
    assert canonical.draws is not None
    expected = make_plan(plain)
    at = measure(risk, canonical.draws.value(expected.best.spend[:, 0]).sum(axis=1))
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


def test_caution_over_constraints_is_refused_not_ignored() -> None:
    rule = Constraint("both", ("tv", "social"), max_spend=80.0)
    problem = replace(s_shaped_with_draws(), risk=RISKS[1], constraints=(rule,))
    with pytest.raises(NotSupportedYet) as refused:
        make_plan(problem)
    assert refused.value.faults[0].pointer == "/risk/measure"
