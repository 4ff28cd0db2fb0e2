"""Targets over programs against the exact answer of one budget, over time, and out of reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from solving import Solved, solve_aim

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, MichaelisMenten
from shared.errors import Infeasible
from shared.problem.aim import aim_of
from shared.problem.lower import lower
from shared.problem.model import Channel, Constraint, Goal, Horizon, Problem, SolverOptions
from shared.problem.proof import Leaf, Proof, SplitDecision
from shared.solve.certify.certificate import certify

OPTIONS = SolverOptions(time_limit_s=6.0)
CURVES = (Exponential(60.0, 0.08), Hill(50.0, 12.0, 0.9), MichaelisMenten(40.0, 15.0))
GOALS = (
    Goal("minimize_spend", target_outcome=70.0),
    Goal("maximize_outcome", target_roas=2.0),
    Goal("maximize_profit", value_per_outcome=3.0, target_cpa=0.5),
)


def problem(goal: Goal, **given: object) -> Problem:
    channels = tuple(Channel(f"c{i}", Response(curve)) for i, curve in enumerate(CURVES))
    return Problem(channels, 60.0, False, goal=goal, **given)  # type: ignore[arg-type]


def run(task: Problem) -> Solved:
    out = solve_aim(lower(task), aim_of(task.goal), OPTIONS)
    assert out.certificate.proven
    assert out.certificate.objective <= out.certificate.upper_bound
    return out


def test_a_constraint_can_only_cost() -> None:
    rule = Constraint("at_least_half_c2", ("c2",), min_share=0.5)
    free = run(problem(GOALS[0]))
    held = run(problem(GOALS[0], constraints=(rule,)))
    assert -held.certificate.objective >= -free.certificate.upper_bound
    assert held.u[2].sum() >= 0.5 * held.u.sum() - 1e-6


def test_least_spend_of_a_plan_over_time_meets_its_target() -> None:
    base = problem(Goal("minimize_spend", target_outcome=150.0), horizon=Horizon(4))
    channels = tuple(
        replace(c, response=replace(c.response, adstock=Geometric(0.5))) for c in base.channels
    )
    task = replace(base, channels=channels, budget=240.0)
    program = lower(task)
    out = run(task)
    assert program.outcome(out.u) >= 150.0 * (1 - 1e-6)
    assert out.certificate.relative_gap <= 1e-4


def test_unreachable_targets_are_named() -> None:
    with pytest.raises(Infeasible, match="target_outcome") as refused:
        run(problem(Goal("minimize_spend", target_outcome=140.0)))
    assert refused.value.conflicts[0].name == "target_outcome"
    with pytest.raises(Infeasible, match="best reachable is"):
        run(
            problem(
                Goal(target_roas=20.0),
                constraints=(Constraint("some", ("c0", "c1", "c2"), min_spend=5.0),),
            )
        )


def test_targets_that_only_hold_apart_are_named_together() -> None:
    goal = Goal("maximize_outcome", target_outcome=100.0, target_roas=3.0)
    with pytest.raises(Infeasible, match="cannot be met together") as refused:
        run(problem(goal))
    assert {c.name for c in refused.value.conflicts} == {"target_outcome", "target_roas"}


def test_a_jump_at_the_target_is_split_until_no_gap_is_left() -> None:
    # One of the two S-curves is worth having at 40, not both: between them the best plan jumps.
    curves = (Hill(60.0, 15.0, 3.5), Hill(50.0, 12.0, 3.0), Exponential(20.0, 0.1))
    channels = tuple(Channel(f"c{i}", Response(curve)) for i, curve in enumerate(curves))
    rule = Constraint("pair", ("c0", "c1"), max_spend=45.0)
    goal = Goal("minimize_spend", target_outcome=62.0)
    task = Problem(channels, 60.0, False, goal=goal, constraints=(rule,))
    out = run(task)
    assert out.certificate.relative_gap <= 1e-6
    axis = np.linspace(0.0, 60.0, 241)
    c0, c1 = (np.asarray(curve.value(axis)) for curve in curves[:2])
    rest = np.maximum(62.0 - c0[:, None] - c1[None, :], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        third = np.where(rest < 20.0, -np.log1p(-rest / 20.0) / 0.1, np.inf)
    total = axis[:, None] + axis[None, :]
    third[total > 45.0] = np.inf
    grid = float((total + third).min())
    least = -out.certificate.objective
    assert -out.certificate.upper_bound <= grid
    assert grid - 0.3 <= least <= grid * (1 + 1e-9)


def test_random_plans_do_not_beat_the_bound_of_any_multiplier() -> None:
    rng = np.random.default_rng(2)
    for goal in GOALS:
        task = problem(goal)
        program, aim = lower(task), aim_of(goal)
        out = run(task)
        plans = rng.uniform(0, 1, (400, 3, 1)) * rng.uniform(0, 20, (400, 1, 1))
        worths = []
        for u in plans:
            brings, costs = program.outcome(u), float(u.sum())
            if costs <= 60.0 and aim.missed(brings, costs) == 0.0:
                worths.append(aim.worth(brings, costs))
        assert worths
        leaf = next(node for node in out.proof.nodes if isinstance(node, Leaf))
        for theta in (0.0, 0.3, 4.0):
            tried = replace(leaf, theta=(theta,))
            for nodes in ((tried,), (SplitDecision(1, 0, 7.0, 1, 2), tried, leaf)):
                found = certify(program.aimed(aim), out.u, Proof(nodes))
                assert found.upper_bound >= max(worths)
        for bad in ((-1.0,), (np.nan,), (1.0, 1.0)):
            proof = Proof((replace(leaf, theta=bad),))
            assert not certify(program.aimed(aim), out.u, proof).proven
        for forged in (
            (),
            (SplitDecision(1, 0, 7.0, 0, 0), leaf),
            (SplitDecision(1, 0, 7.0, 1, 1), leaf),
            (SplitDecision(9, 0, 7.0, 1, 2), leaf, leaf),
            (SplitDecision(1, 0, np.nan, 1, 2), leaf, leaf),
        ):
            assert not certify(program.aimed(aim), out.u, Proof(forged)).proven


def test_a_free_budget_leaves_room_for_what_the_target_allows() -> None:
    # 0.5 F' = 1 at the optimum, where the outcome is 3.2 times the spend: the target is slack.
    channels = (Channel("c0", Response(Exponential(60.0, 0.08))),)
    rule = Constraint("some", ("c0",), min_spend=1.0)
    goal = Goal("maximize_profit", value_per_outcome=0.5, target_roas=1.0)
    out = run(Problem(channels, None, False, goal=goal, constraints=(rule,)))
    assert float(out.u.sum()) == pytest.approx(np.log(2.4) / 0.08, rel=1e-3)


def test_a_free_budget_may_lose_money_to_reach_an_outcome() -> None:
    channels = (Channel("c0", Response(Exponential(60.0, 0.08))),)
    goal = Goal("maximize_profit", value_per_outcome=0.1, target_outcome=57.0)
    rule = Constraint("some", ("c0",), min_spend=1.0)
    for rules in ((), (rule,)):
        out = run(Problem(channels, None, False, goal=goal, constraints=rules))
        assert float(out.u.sum()) == pytest.approx(np.log(20.0) / 0.08, rel=1e-3)
