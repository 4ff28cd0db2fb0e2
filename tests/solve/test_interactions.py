"""Interactions: brute force, a second method on known truths, and proofs that close the gap."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from searches import one_period, over_time

from shared.curves.saturation import Hill
from shared.curves.stack import stack
from shared.problem.aim import Floor
from shared.problem.model import SolverOptions
from shared.problem.program import Pair, Program, Rows
from shared.problem.proof import Leaf, Proof, with_targets
from shared.solve.certify.certificate import bound, certify
from shared.solve.engines.targets import solve_targets
from shared.solve.solver import solve_program


def paired(program: Program, seed: int, count: int, size: float) -> Program:
    """With so many interactions of either sign, sized relative to the smaller of both ceilings."""
    rng = np.random.default_rng(seed)
    arms, top = program.arms, program.supremum()
    pairs = [(i, j) for i in range(arms) for j in range(i + 1, arms)]
    rng.shuffle(pairs)
    return replace(
        program,
        pairs=tuple(
            Pair(i, j, float(rng.choice([-size, size]) * rng.uniform(0.3, 1) * min(top[[i, j]])))
            for i, j in pairs[:count]
        ),
    )


def best_on_grid(program: Program, points: int) -> float:
    budget = float(program.rows.upper[0])
    best = -np.inf
    for counts in product(range(points + 1), repeat=program.arms - 1):
        if sum(counts) <= points:
            u = np.array([*counts, points - sum(counts)], dtype=float)[:, None] * budget / points
            if np.all(u <= program.upper):
                best = max(best, program.objective(u))
    return best


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("s_shaped", [False, True])
def test_nothing_on_a_grid_is_better(seed: int, s_shaped: bool) -> None:
    arms = 2 + seed % 2
    plain = one_period(seed, arms, 25.0 * arms, s_shaped=s_shaped)
    program = paired(plain, seed, arms, 1.5 if seed < 4 else 0.3)
    solved = solve_program(program, SolverOptions(gap=1e-2, time_limit_s=20.0))
    certificate = certify(program, solved.u, solved.proof)
    grid = best_on_grid(program, 400 if arms == 2 else 60)
    assert certificate.proven
    assert certificate.upper_bound >= grid
    assert certificate.objective >= grid * (1 - 1e-3)
    assert certificate.relative_gap <= 1.2e-2


@pytest.mark.parametrize("size", [0.3, 0.6])
@pytest.mark.parametrize("seed", range(6))
def test_concave_curves_are_proven_by_one_leaf(seed: int, size: float) -> None:
    program = paired(one_period(seed, 9, 270.0, s_shaped=False), seed, 9, size)
    solved = solve_program(program, SolverOptions(gap=1e-8, time_limit_s=10.0))
    certificate = certify(program, solved.u, solved.proof)
    assert solved.finished
    assert solved.nodes == 1
    assert certificate.relative_gap <= 1e-8


@pytest.mark.parametrize("seed", range(3))
def test_s_shaped_curves_are_proven_closely(seed: int) -> None:
    program = paired(one_period(seed, 9, 270.0), seed, 9, 0.3)
    solved = solve_program(program, SolverOptions(gap=1e-7, time_limit_s=20.0))
    certificate = certify(program, solved.u, solved.proof)
    assert solved.finished
    assert certificate.relative_gap <= 1e-7


def test_an_interaction_over_several_periods_is_proven() -> None:
    plain = over_time(3, 4, 5, 400.0, s_shaped=False)
    program = paired(plain, 3, 3, 0.2)
    solved = solve_program(program, SolverOptions(gap=1e-6, time_limit_s=10.0))
    certificate = certify(program, solved.u, solved.proof)
    assert certificate.proven
    assert certificate.relative_gap <= 1e-6


def test_a_further_rule_holds_beside_interactions() -> None:
    program = paired(one_period(2, 4, 120.0, s_shaped=False, group=True), 2, 3, 0.3)
    solved = solve_program(program, SolverOptions(gap=1e-6, time_limit_s=10.0))
    certificate = certify(program, solved.u, solved.proof)
    assert certificate.proven
    assert certificate.relative_gap <= 1e-6
    assert solved.u[:2].sum() <= 0.4 * 120.0 + 1e-6


def test_synergy_draws_money_and_cannibalisation_drives_it_away() -> None:
    plain = one_period(1, 2, 60.0, s_shaped=False)
    top = float(plain.supremum().min())
    worth = [
        solve_program(replace(plain, pairs=(Pair(0, 1, size * top),)), SolverOptions()).u
        for size in (0.5, -0.5)
    ]
    alone = solve_program(plain, SolverOptions())
    outcomes = [
        replace(plain, pairs=(Pair(0, 1, size * top),)).objective(u)
        for size, u in zip((0.5, -0.5), worth, strict=True)
    ]
    assert outcomes[1] < plain.objective(alone.u) < outcomes[0]
    assert worth[1].max() >= worth[0].max() - 1e-9


@pytest.mark.parametrize("size", [2.0, 6.0])
def test_strong_interactions_leave_no_gap(size: float) -> None:
    """Several times what either arm brings alone: planes take over where curves bear no squares."""
    program = paired(one_period(2, 6, 180.0, s_shaped=False), 2, 6, size)
    solved = solve_program(program, SolverOptions(gap=1e-6, time_limit_s=20.0))
    certificate = certify(program, solved.u, solved.proof)
    assert certificate.proven
    assert certificate.relative_gap <= 1e-6


def test_an_idle_arm_beside_a_pair_does_no_harm() -> None:
    plain = one_period(2, 3, 90.0, s_shaped=False)
    curves = [Hill(200.0, 30.0, 0.8), Hill(100.0, 20.0, 1.0), Hill(0.0, 20.0, 1.0)]
    program = replace(plain, curves=stack(curves), pairs=(Pair(0, 1, 50.0),))
    solved = solve_program(program, SolverOptions(gap=1e-6, time_limit_s=10.0))
    certificate = certify(program, solved.u, solved.proof)
    assert certificate.relative_gap <= 1e-6
    assert solved.u[2, 0] == pytest.approx(0.0, abs=1e-6)


def test_pairs_without_a_budget_are_bounded_as_closely() -> None:
    """Profit: nothing but the cost of money holds the plan."""
    plain = paired(one_period(3, 4, 400.0), 3, 4, 0.5)
    rows = Rows(np.zeros((0, 4)), np.zeros(0), np.zeros(0), ())
    program = replace(plain, rows=rows, value=0.8, cost=1.0)
    solved = solve_program(program, SolverOptions(gap=1e-6, time_limit_s=20.0))
    certificate = certify(program, solved.u, solved.proof)
    assert certificate.objective > 0.0
    assert certificate.relative_gap <= 1e-6


def test_squares_of_nonsense_prove_nothing() -> None:
    program = paired(one_period(1, 3, 60.0), 1, 2, 0.5)
    u = np.full((3, 1), 20.0)
    mu, nu = np.ones(1), np.ones((3, 1))
    for centres, shares in (
        (np.full((3, 1), np.nan), np.ones((2, 1))),
        (np.ones((3, 1)), np.full((2, 1), np.inf)),
        (np.ones((2, 1)), np.ones((2, 1))),
        (np.ones((3, 1)), np.ones((3, 1))),
    ):
        leaf = Leaf(mu, nu, centres=centres, shares=shares)
        certificate = certify(program, u, Proof((leaf,)))
        assert not certificate.proven


@pytest.mark.parametrize("seed", range(20))
def test_no_random_plan_beats_squares_around_any_centre(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = paired(one_period(seed, 4, 100.0, s_shaped=seed % 2 == 0), seed, 5, 1.0)
    plans = 100.0 * rng.dirichlet(np.full(4, 0.7), 200)
    worth = [program.objective(u[:, None]) for u in plans]
    best = plans[int(np.argmax(worth))][:, None]
    for centre in (best, rng.uniform(0, 100, (4, 1))):
        leaf = Leaf(
            rng.uniform(0.3, 3, 1),
            np.zeros((4, 1)),
            centres=centre,
            shares=rng.lognormal(0, 1, (5, 1)),
        )
        certificate = certify(program, best, Proof((leaf,)))
        assert certificate.upper_bound >= max(worth)


def test_the_order_of_a_pairs_names_does_not_matter() -> None:
    plain = over_time(0, 2, 3, 30.0)
    weight = np.random.default_rng(3).uniform(0.3, 2.0, plain.weight.shape)
    u = np.full(plain.lower.shape, 4.0)
    there, back = (
        replace(plain, weight=weight, pairs=(pair,)) for pair in (Pair(0, 1, 5.0), Pair(1, 0, 5.0))
    )
    assert there.objective(u) == back.objective(u)
    np.testing.assert_allclose(
        there.pair_weight(there.pairs[0]), np.sqrt(weight[0] * weight[1]), rtol=1e-12
    )


@pytest.mark.parametrize("value", [0.0, 2.0])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_target_is_bounded_like_the_objective_that_holds_it(
    seed: int, sign: float, value: float
) -> None:
    """Beside interactions too, whose constants are outcome as well."""
    plain = one_period(seed, 3, 75.0, s_shaped=False)
    top = plain.supremum()
    target = 0.5 * plain.outcome(np.full((3, 1), 25.0))
    program = replace(
        plain,
        pairs=(Pair(0, 1, sign * 0.6 * float(min(top[:2]))),),
        value=value,
        cost=1.0,
        floors=(Floor("target_outcome", target, 0.0, target),),
    )
    for theta in (0.0, 0.2, 3.0):
        task, less = program.lifted(np.array([theta]))
        solved = solve_program(task, SolverOptions(gap=1e-3, time_limit_s=3.0))
        held = bound(task, solved.plan, solved.proof, -np.inf) - less
        own = bound(
            program,
            solved.plan,
            with_targets(solved.proof, (theta,), np.ones(program.arms)),
            -np.inf,
        )
        assert own == pytest.approx(held, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("size", [-0.6, 0.6])
@pytest.mark.parametrize("seed", range(3))
def test_the_least_spend_beside_an_interaction_is_proven(seed: int, size: float) -> None:
    plain = one_period(seed, 2, 60.0, s_shaped=seed == 2)
    target = 0.6 * plain.outcome(np.full((2, 1), 30.0))
    program = replace(
        plain,
        rows=replace(plain.rows, lower=np.array([-np.inf])),
        pairs=(Pair(0, 1, size * float(plain.supremum().min())),),
        value=0.0,
        cost=1.0,
        floors=(Floor("target_outcome", target, 0.0, target),),
    )
    solved = solve_targets(program, SolverOptions(gap=1e-4, time_limit_s=6.0), None, solve_program)
    certificate = certify(program, solved.plan, solved.proof)
    steps = np.linspace(0.0, 60.0, 121)
    plans = [np.array([[a], [b]]) for a in steps for b in steps if a + b <= 60.0]
    plans = [u for u in plans if np.all(u <= program.upper) and program.outcome(u) >= target]
    assert certificate.proven
    assert certificate.upper_bound >= max(program.objective(u) for u in plans)
    assert certificate.objective >= max(program.objective(u) for u in plans) * (1 + 1e-4)
    assert certificate.relative_gap <= 2e-4
