"""Peers: they solve what is easy, keep every rule, and losses have the right sign."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import conic
from benchmarks.classes import draw, goal_of, planned, risky, ruled
from benchmarks.compare import lost
from benchmarks.peers import differential_evolution, slsqp
from benchmarks.problems import alike, concave, identical, s_shaped
from benchmarks.programs import ask_program, solve_as_program
from benchmarks.questions import (
    arrays_of,
    question_of_aim,
    question_of_budget,
    question_of_program,
    question_of_risk,
)
from shared.problem.aim import aim_of
from shared.problem.lower import lower
from shared.problem.model import Risk


def test_slsqp_finds_the_optimum_of_a_concave_program_under_groups() -> None:
    problem = draw(ruled("group", 6, "concave", gap=1e-9, limit_s=30.0), 1)[0]
    question = ask_program(problem)
    best = solve_as_program(problem).certificate
    for starts in (1, 3):
        plan = slsqp(question, starts=starts)
        assert plan is not None
        assert abs(lost(best.objective, question.value(plan))) < 1e-6


@pytest.mark.parametrize("rule", ["zero or minimum", "at most k", "lots", "share"])
def test_plans_of_peers_keep_rules_that_they_do_not_know(rule: str) -> None:
    program = lower(draw(ruled(rule, 5, "S-shaped", gap=1e-4, limit_s=1.0), 1)[0])
    question = question_of_program(program)
    for plan in (slsqp(question), differential_evolution(question, seconds=0.2)):
        assert plan is not None
        assert program.violation(plan.reshape(program.lower.shape)) <= 1e-6


def test_gradients_told_to_peers_are_those_of_the_values() -> None:
    plan = draw(planned(3, 4, "S-shaped", gap=1e-4, limit_s=1.0), 1)[0]
    risk = Risk("mean_minus_sd")
    doubt = arrays_of(draw(risky(4, 30, "S-shaped", risk, gap=1e-4, limit_s=1.0), 1)[0])
    profit = draw(goal_of("profit", 4, "S-shaped", gap=1e-4, limit_s=1.0), 1)[0]
    flat = question_of_budget(s_shaped(np.random.default_rng(3), 5))
    for question in (
        ask_program(plan),
        question_of_risk(doubt, risk),
        question_of_aim(arrays_of(profit), aim_of(profit.goal)),
        flat,
    ):
        x = question.start(np.random.default_rng(0)) * 0.5
        slope = question.gradient(x)
        for i in range(x.size):
            step = np.zeros_like(x)
            step[i] = 1e-6 * max(x[i], 1e-3)
            rise = (question.value(x + step) - question.value(x - step)) / (2.0 * step[i])
            assert rise == pytest.approx(slope[i], rel=1e-3, abs=1e-6 * np.abs(slope).max())


@pytest.mark.parametrize("starts", [1, 50])
def test_peers_stop_at_their_time_with_what_they_have(starts: int) -> None:
    problem = s_shaped(np.random.default_rng(1), 200)
    question = question_of_budget(problem)
    for plan in (
        slsqp(question, starts=starts, seconds=0.05),
        differential_evolution(question, seconds=0.05),
    ):
        assert plan is not None
        assert plan.sum() == pytest.approx(problem.budget)
        assert np.all(plan >= 0.0)
    once = slsqp(question, seconds=0.05)
    assert once is not None
    assert question.value(once) >= question.value(question.even)  # stopped, it still has its start


def test_evolution_comes_near_the_optimum_of_a_small_problem() -> None:
    question = question_of_budget(concave(np.random.default_rng(5), 3))
    best, plan = slsqp(question), differential_evolution(question, seconds=5.0)
    assert best is not None
    assert plan is not None
    assert abs(lost(question.value(best), question.value(plan))) < 1e-3


def test_curves_alike_differ_by_a_hundredth_and_identical_ones_not() -> None:
    rng = np.random.default_rng(2)
    for make, spread in ((alike, 0.01), (identical, 0.0)):
        problem = make(rng, 400)
        value = problem.curves.value(np.full(400, 1e6))
        assert float(np.std(np.log(value))) == pytest.approx(spread, rel=0.2)


def test_a_target_missed_is_no_plan() -> None:
    make = goal_of("least spend", 5, "concave", gap=1e-6, limit_s=1.0)
    problem = draw(make, 1)[0]
    question = question_of_aim(arrays_of(problem), aim_of(problem.goal))
    assert question.tidy(np.zeros(5)) is None
    found, evolved = slsqp(question), differential_evolution(question, seconds=60.0)
    assert found is not None
    assert question.value(found) < 0.0
    assert evolved is not None
    assert abs(lost(question.value(found), question.value(evolved))) < 0.1


@pytest.mark.skipif(not conic.installed(), reason="cvxpy or Clarabel is not installed")
@pytest.mark.parametrize("mode", ["time_varying", "fixed_shares"])
def test_the_conic_peer_agrees_on_concave_plans(mode: str) -> None:
    problem = draw(planned(4, 5, "concave", mode, gap=1e-9, limit_s=5.0), 1)[0]
    question = ask_program(problem)
    found = conic.clarabel(problem, lower(problem))
    assert found is not None
    plan = question.tidy(found.ravel())
    assert plan is not None
    best = solve_as_program(problem).certificate.objective
    assert abs(lost(best, question.value(plan))) < 1e-5
