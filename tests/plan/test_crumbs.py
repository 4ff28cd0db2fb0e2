"""Spend that nothing tells from none is none, and what is worth something stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Hill, MichaelisMenten, Power
from shared.plan.optimize import make_plan
from shared.plan.scenarios import compare
from shared.problem.model import Channel, Constraint, Goal, Horizon, Problem

BIG = Channel("big", Response(MichaelisMenten(900.0, 40_000.0)))
OTHER = Channel("other", Response(Hill(700.0, 30_000.0, 1.4)))


def steep(coefficient: float, **given: Any) -> Channel:
    """Infinitely steep at nothing: its best spend is never nothing, however small."""
    return Channel("steep", Response(Power(coefficient, 0.5)), **given)


QUESTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "profit": {"goal": Goal("maximize_profit", value_per_outcome=200.0), "spend_all": False},
    "target": {"goal": Goal("minimize_spend", target_outcome=900.0), "budget": None},
    "rule": {"constraints": (Constraint("r", ("big", "steep"), max_share=0.6),)},
    "over time": {"horizon": Horizon(2), "budget": 200_000.0},
    "in turn": {"horizon": Horizon(2, "sequential"), "budget": 200_000.0},
    "constant": {"horizon": Horizon(2, "constant"), "budget": 200_000.0},
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_crumb_is_swept_and_the_plan_stays_as_good(name: str) -> None:
    problem = replace(Problem((BIG, OTHER, steep(1e-5)), 100_000.0), **QUESTIONS[name])
    plan = make_plan(problem)
    assert np.all(plan.best.spend[2] == 0.0)
    proof = plan.certificate
    assert proof.max_constraint_violation <= 1e-6
    if name != "in turn":
        assert proof.relative_gap <= 1e-5
    if problem.spend_all and problem.budget:
        assert plan.best.money == pytest.approx(problem.budget, rel=1e-9)


@pytest.mark.parametrize("name", QUESTIONS)
def test_little_money_that_brings_something_stays(name: str) -> None:
    problem = replace(Problem((BIG, OTHER, steep(0.05)), 100_000.0), **QUESTIONS[name])
    spend = make_plan(problem).best.spend[2]
    assert np.all(spend > 0.0)
    assert np.all(spend < 1e-3 * 100_000.0)


def test_a_sweep_has_no_crumbs_either() -> None:
    problem = Problem((BIG, OTHER, steep(1e-5)), 100_000.0)
    found = compare(problem, (), [60_000.0 + 5_000.0 * i for i in range(12)])
    for row in found["sweep"]:
        spends = [arm["spend"] for arm in row["allocation"]]
        assert spends[2] == 0.0
        assert sum(spends) == pytest.approx(row["budget"], rel=1e-9)
        assert row["relative_gap"] <= 1e-6


def test_nothing_stands_between_nothing_and_a_minimum() -> None:
    for least in (500.0, 5_000.0, 30_000.0):
        channels = (BIG, replace(OTHER, minimum_if_active=least), steep(0.4, minimum_if_active=9.0))
        for budget in np.linspace(1_000.0, 90_000.0, 12).tolist():
            spend = make_plan(Problem(channels, budget)).best.spend[:, 0]
            for x, minimum in zip(spend[1:].tolist(), (least, 9.0), strict=True):
                assert x == 0.0 or x >= minimum * (1.0 - 1e-12)
