"""Heuristics on general programs: every rule kept, never above the bound, never worse."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from problems import curve, shaken
from programs import random_program

from shared import work
from shared.curves.stack import stack, stack_draws
from shared.problem.aim import Aim, Floor
from shared.problem.model import Risk, SolverOptions
from shared.problem.program import AtMost, Pair, Program, Rows
from shared.problem.risk_program import objective
from shared.solve.certify.certificate import certify
from shared.solve.heuristics.heuristic import BY_NAME, Heuristic, heuristic
from shared.solve.heuristics.space import SearchSpace
from shared.solve.solver import solve_program

QUICK = ("gradient", "slsqp", "piecewise")
TOLERANCE = {
    "gradient": 1e-6,
    "slsqp": 1e-6,
    "genetic": 1e-5,
    "particle_swarm": 1e-5,
    "bayesian": 1e-4,
    "piecewise": 1e-5,
}
"""Relative loss on a concave plan of three channels over two periods."""


def asked(method: str, seed: int = 0) -> SolverOptions:
    return SolverOptions(method=method, seed=seed, time_limit_s=60.0)


def searched(
    program: Program, method: str, start: np.ndarray | None = None, seconds: float = 60.0
) -> Heuristic:
    deadline = work.now() + seconds
    return heuristic(program, asked(method), start, deadline=deadline)


def over_time(kind: str) -> Program:
    """Three channels, two periods, carryover, a budget, and a floor of the first two together."""
    rng = np.random.default_rng(6)
    arms, periods = 3, 2
    carry = np.array([[[1.0, 0.0], [decay, 1.0]] for decay in (0.2, 0.5, 0.7)])
    budget = np.ones((1, arms * periods))
    pair = np.repeat([[1.0, 1.0, 0.0]], periods, axis=1).reshape(periods, arms).T.reshape(1, -1)
    return Program(
        names=("a", "b", "c"),
        lower=np.zeros((arms, periods)),
        upper=np.full((arms, periods), 2.0),
        least_active=np.zeros((arms, periods)),
        lower_by=("",) * arms,
        upper_by=("max_spend",) * arms,
        lot=np.zeros(arms),
        rows=Rows(
            np.concatenate((budget, pair)),
            np.array([4.0, 2.0]),
            np.array([4.0, np.inf]),
            ("budget", "pair"),
        ),
        spread=np.broadcast_to(np.eye(periods), (arms, periods, periods)).copy(),
        carry=carry,
        carry_in=np.zeros((arms, periods)),
        weight=np.ones((arms, periods)),
        curves=stack([curve(rng, kind) for _ in range(arms)]),
        scale=4.0,
    )


@pytest.mark.parametrize("method", BY_NAME)
def test_a_concave_plan_over_time_is_solved_to_the_stated_tolerance(method: str) -> None:
    program = over_time("exponential")
    best = program.objective(solve_program(program, SolverOptions()).u)
    solved = solve_program(program, asked(method))
    found = certify(program, solved.u, solved.proof)
    assert found.proven
    assert found.max_constraint_violation <= 1e-9
    assert best * (1 - TOLERANCE[method]) <= found.objective <= found.upper_bound
    assert found.relative_gap <= TOLERANCE[method] + 1e-6
    assert solved.method == method
    assert solved.why.startswith("Asked for by name.")


@pytest.mark.parametrize("method", BY_NAME)
def test_the_same_seed_gives_the_same_plan(method: str) -> None:
    program = over_time("s_hill")
    one, two = (solve_program(program, asked(method, 4)) for _ in range(2))
    assert one.u.tobytes() == two.u.tobytes()
    assert (one.iterations, one.nodes, one.why) == (two.iterations, two.nodes, two.why)


@pytest.mark.parametrize("method", QUICK)
@pytest.mark.parametrize("seed", range(3))
def test_any_program_keeps_its_rules_and_its_bound(method: str, seed: int) -> None:
    program, plan = random_program(np.random.default_rng(seed))
    solved = solve_program(program, SolverOptions(method=method, time_limit_s=4.0), plan)
    found = certify(program, solved.u, solved.proof)
    assert found.max_constraint_violation <= 1e-6
    assert found.objective <= found.upper_bound
    assert found.objective >= program.objective(plan) - 1e-12


@pytest.mark.parametrize("method", BY_NAME)
def test_a_plan_that_is_the_only_one(method: str) -> None:
    program = over_time("exponential")
    locked = np.array([[1.0, 0.5], [0.5, 0.5], [0.5, 1.0]])
    only = Program(
        **{
            **{name: getattr(program, name) for name in Program.__slots__},
            "lower": locked,
            "upper": locked,
        }
    )
    assert solve_program(only, asked(method)).u == pytest.approx(locked, abs=1e-12)


def s_shaped(seed: int, floors: tuple[Floor, ...], value: float, cost: float) -> Program:
    """Four channels over two periods, half of them S-shaped, under a total budget and targets."""
    rng = np.random.default_rng(seed)
    carry = np.array([[[1.0, 0.0], [decay, 1.0]] for decay in (0.1, 0.3, 0.5, 0.7)])
    kinds = ("s_hill", "hill", "sigmoid", "exponential")
    free = replace(
        over_time("hill"),
        names=("a", "b", "c", "d"),
        lower=np.zeros((4, 2)),
        upper=np.full((4, 2), 2.0),
        least_active=np.zeros((4, 2)),
        lower_by=("",) * 4,
        upper_by=("max_spend",) * 4,
        lot=np.zeros(4),
        rows=Rows(np.ones((1, 8)), np.array([-np.inf]), np.array([5.0]), ("budget",)),
        spread=np.broadcast_to(np.eye(2), (4, 2, 2)).copy(),
        carry=carry,
        carry_in=np.zeros((4, 2)),
        weight=np.ones((4, 2)),
        curves=stack([curve(rng, kind) for kind in kinds]),
    )
    return replace(free, value=value, cost=cost, floors=floors)


@pytest.mark.parametrize("name", ["target_outcome", "target_roas"])
def test_targets_are_met_and_methods_agree_on_what_is_best(name: str) -> None:
    free = s_shaped(1, (), 1.0, 0.0)
    even = free.outcome(np.full((4, 2), 0.5))
    if name == "target_outcome":
        aim = Aim(value=0.0, cost=1.0, floors=(Floor(name, 1.1 * even, 0.0, 1.1 * even),))
    else:
        aim = Aim(floors=(Floor(name, 0.0, 0.9 * even / 4.0, 0.9 * even / 4.0),))
    reached = []
    for method in [name for name in BY_NAME if name != "bayesian"]:
        # Nothing told of multipliers and no plan known: penalties find their size by themselves.
        found = searched(free.aimed(aim), method)
        brings, costs = free.outcome(found.u), float(free.spend(found.u).sum())
        assert aim.missed(brings, costs) <= 1e-9
        assert free.violation(found.u) <= 1e-9
        reached.append(aim.worth(brings, costs))
    assert min(reached) >= max(reached) - 0.02 * abs(max(reached))


@pytest.mark.parametrize("measure", ["mean_minus_sd", "quantile", "cvar", "worst_case"])
@pytest.mark.parametrize("floor", [False, True])
def test_slopes_under_a_measure_and_a_target_against_finite_differences(
    measure: str, floor: bool
) -> None:
    rng = np.random.default_rng(1)
    kinds = ("s_hill", "hill", "sigmoid", "exponential")
    each = [curve(rng, kind) for kind in kinds]
    draws = stack_draws([[shaken(rng, one) for _ in range(9)] for one in each])
    program = replace(
        s_shaped(0, (Floor("target_outcome", 50.0, 0.0, 50.0),) * floor, float(not floor), 1.0),
        curves=stack(each),
        draws=draws,
        pairs=(Pair(0, 2, 0.3),),
        risk=Risk(measure, level=0.3),
    )
    space = SearchSpace(program, penalties=[2.0] * floor)
    points = rng.uniform(0.3, 0.6, (3, space.n))
    slopes, step = space.gradient(points), 1e-6
    for i in range(space.n):
        side = np.zeros(space.n)
        side[i] = step
        rise = space.value(points + side) - space.value(points - side)
        assert slopes[:, i] == pytest.approx(rise / (2 * step), rel=1e-5, abs=1e-7)
    own = [objective(program, p.reshape(4, 2)) for p in points]
    assert space.figures(points)[0] == pytest.approx(np.array(own), rel=1e-12)


def test_a_start_that_breaks_a_row_is_moved_and_counts() -> None:
    program = over_time("s_hill")
    best = solve_program(program, SolverOptions()).u
    found = searched(program, "gradient", 1.05 * best, seconds=0.0)
    assert not found.finished
    assert program.violation(found.u) <= 1e-9
    assert program.objective(found.u) >= 0.99 * program.objective(best)


@pytest.mark.parametrize("method", ["gradient", "slsqp", "genetic", "particle_swarm"])
def test_the_best_two_of_four_are_found_and_filled_as_one_by_one_they_would_be(method: str) -> None:
    program = replace(s_shaped(3, (), 1.0, 0.0), at_most=(AtMost("few", (0, 1, 2, 3), 2),))
    reached = program.objective(searched(program, method).u)
    best = -np.inf
    for kept in combinations(range(4), 2):
        upper = np.where(np.isin(np.arange(4), kept)[:, None], program.upper, 0.0)
        pair = replace(program, at_most=(), upper=upper)
        best = max(best, program.objective(searched(pair, "slsqp").u))
    assert reached == pytest.approx(best, rel=1e-4)
