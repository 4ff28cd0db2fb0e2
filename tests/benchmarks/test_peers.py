"""Peers: they solve what is easy, keep every rule, and losses have the right sign."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import conic
from benchmarks.classes import draw, goal_of, planned, risky, ruled
from benchmarks.compare import (
    Case,
    ask_program,
    lost,
    many_starts,
    one_start,
    rows_of,
    solve_as_program,
)
from benchmarks.harness import EFFORT, Effort
from benchmarks.peers import (
    differential_evolution,
    question_of_aim,
    question_of_program,
    question_of_risk,
    slsqp,
)
from shared.problem.canonical import canonicalise
from shared.problem.free_budget import canonicalise_goal
from shared.problem.lower import lower
from shared.problem.model import Risk
from shared.solve.certify.program_certificate import program_violation


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
        assert program_violation(program, plan.reshape(program.lower.shape)) <= 1e-6


def test_gradients_told_to_peers_are_those_of_the_values() -> None:
    plan = draw(planned(3, 4, "S-shaped", gap=1e-4, limit_s=1.0), 1)[0]
    risk = Risk("mean_minus_sd")
    doubt = canonicalise(draw(risky(4, 30, "S-shaped", risk, gap=1e-4, limit_s=1.0), 1)[0])
    aim = canonicalise_goal(draw(goal_of("profit", 4, "S-shaped", gap=1e-4, limit_s=1.0), 1)[0])
    for question in (ask_program(plan), question_of_risk(doubt, risk), question_of_aim(*aim)):
        x = question.start(np.random.default_rng(0)) * 0.5
        slope = question.gradient(x)
        for i in range(x.size):
            step = np.zeros_like(x)
            step[i] = 1e-6 * max(x[i], 1e-3)
            rise = (question.value(x + step) - question.value(x - step)) / (2.0 * step[i])
            assert rise == pytest.approx(slope[i], rel=1e-3, abs=1e-6 * np.abs(slope).max())


def test_a_target_missed_is_no_plan() -> None:
    make = goal_of("least spend", 5, "concave", gap=1e-6, limit_s=1.0)
    question = question_of_aim(*canonicalise_goal(draw(make, 1)[0]))
    assert question.tidy(np.zeros(5)) is None
    found = slsqp(question)
    assert found is not None
    assert question.value(found) < 0.0


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


def test_a_case_is_a_row_and_one_for_each_peer() -> None:
    make = ruled("group", 5, "concave", gap=1e-6, limit_s=2.0)
    case = Case(
        "group, 5",
        make,
        3,
        1e9,  # a limit that no machine misses: a test does not measure
        make,
        solve_as_program,
        ask_program,
        (one_start(2), many_starts(1)),
    )
    ours, once, often = rows_of(case)
    assert ours.held is True
    assert "gap 1e-06 proven in 3" in ours.note
    assert (ours.timing.repeats, once.timing.repeats, often.timing.repeats) == (3, 2, 1)
    assert "2 instances: loses" in once.note
    assert once.held is None


def test_a_time_at_which_the_gap_was_not_reached_holds_no_limit() -> None:
    make = ruled("group", 5, "S-shaped", gap=0.0, limit_s=0.2)
    (ours,) = rows_of(Case("group, 5", make, 1, 100.0, make, solve_as_program, ask_program))
    assert ours.ratio is not None
    assert ours.ratio < 1.0
    assert ours.held is False
    assert "gap 0e+00 proven in 0" in ours.note


def test_losses_are_shares_of_what_we_reach_and_quick_takes_a_tenth() -> None:
    assert lost(4.0, 3.0) == 0.25
    assert lost(-4.0, -5.0) == 0.25  # the least spend: a dearer plan
    assert lost(4.0, 5.0) == -0.25
    quick = Effort(quick=True)
    assert [quick.instances(n) for n in (50, 5, 3, 2, 1, 0)] == [5, 2, 2, 2, 1, 0]
    assert quick.seconds(20.0) == 5.0
    assert (Effort().instances(50), Effort().seconds(20.0)) == (50, 20.0)
    assert EFFORT.quick is False
