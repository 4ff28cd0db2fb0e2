"""Methods by name: allowed plans, honest gaps, same seed same plan, and how near they get."""

from __future__ import annotations

import math

import numpy as np
import pytest
from problems import ALL, CONCAVE, boxes, certified, random_problem, solve

from shared.curves.saturation import Hill, Power, Tabulated
from shared.problem.model import SolverOptions
from shared.solve.heuristics.heuristic import BY_NAME, SEARCHES
from shared.solve.heuristics.space import SearchSpace
from shared.solve.one_budget.form import OneBudget
from shared.solve.search import Solution

TOLERANCE = {
    "gradient": 1e-9,
    "slsqp": 1e-6,
    "genetic": 1e-6,
    "particle_swarm": 1e-6,
    "bayesian": 1e-4,
    "piecewise": 2e-6,
}
"""Relative loss that each method may leave on concave problems of up to six channels."""


def asked(method: str, seed: int = 0, time_limit_s: float = 10.0) -> SolverOptions:
    return SolverOptions(method=method, seed=seed, time_limit_s=time_limit_s)


def worth(problem: OneBudget, solved: Solution) -> float:
    return float(problem.outcome(solved.spend).sum())


def check(problem: OneBudget, solved: Solution) -> float:
    """Constraints hold, the plan is never above its bound; the certified relative gap."""
    assert np.all(solved.spend >= problem.lower)
    assert np.all(solved.spend <= problem.upper)
    total = math.fsum(solved.spend)
    assert total <= problem.budget * (1 + 1e-15)
    if problem.spend_all:
        assert total == pytest.approx(problem.budget, rel=1e-15, abs=1e-300)
    found = certified(problem, solved.spend, solved.proof)
    assert found.proven
    assert found.objective <= found.upper_bound
    return found.relative_gap


@pytest.mark.parametrize("method", BY_NAME)
@pytest.mark.parametrize("seed", [0, pytest.param(3, marks=pytest.mark.slow)])
def test_concave_problems_are_solved_to_the_stated_tolerance(method: str, seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed), 2 + seed, CONCAVE)
    best = worth(problem, solve(problem, SolverOptions()))
    solved = solve(problem, asked(method))
    gap = check(problem, solved)
    assert worth(problem, solved) >= best * (1 - TOLERANCE[method])
    assert gap <= TOLERANCE[method] + 1e-6
    assert (solved.method, solved.why[:18]) == (method, "Asked for by name.")
    assert solved.iterations >= 1


@pytest.mark.parametrize("method", BY_NAME)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_s_shaped_problems_are_never_above_the_bound(method: str, seed: int) -> None:
    problem = random_problem(np.random.default_rng(100 + seed), 8, ALL, draws=6 * (seed % 2))
    solved = solve(problem, asked(method, seed))
    check(problem, solved)
    assert worth(problem, solved) <= worth(problem, solve(problem, SolverOptions())) * (1 + 1e-6)


@pytest.mark.parametrize("method", BY_NAME)
def test_a_gap_that_is_left_is_stated(method: str) -> None:
    # Many alike S-curves and money for some: no search by points finds its way to the last percent.
    rng = np.random.default_rng(5)
    problem = boxes([Hill(1.0 + 0.2 * rng.random(), 1.0, 4.0) for _ in range(20)], 10.0)
    best = worth(problem, solve(problem, SolverOptions()))
    solved = solve(problem, asked(method, time_limit_s=1.0))
    gap = check(problem, solved)
    assert gap >= (best - worth(problem, solved)) / best * (1 - 1e-9)


@pytest.mark.parametrize("method", BY_NAME)
def test_the_current_plan_and_a_start_are_never_lost(method: str) -> None:
    problem = random_problem(np.random.default_rng(2), 12, ("s_hill",))
    best = solve(problem, SolverOptions()).spend
    hurried = solve(problem, asked(method, time_limit_s=1e-6), start=best)
    assert worth(problem, hurried) >= float(problem.outcome(best).sum()) * (1 - 1e-12)
    check(problem, hurried)
    assert "time limit" in hurried.why
    kept = boxes([Hill(1, 1, 3.0), Hill(1, 1, 3.0), Power(0.1, 0.5)], 3.0, current=[1.5, 1.5, 0.0])
    assert worth(kept, solve(kept, asked(method))) >= kept.outcome(kept.current).sum()


CORNERS = {
    "one channel": boxes([Hill(1, 1, 0.5)], 2.0),
    "no budget": boxes([Hill(1, 1, 2), Power(1, 0.5)], 0.0),
    "all locked": boxes([Power(1, 0.5), Power(2, 0.5)], 3.0, lower=[1, 2], upper=[1, 2]),
    "one locked": boxes([Power(1, 0.5)] * 3, 3.0, lower=[1, 0, 0], upper=[1, 3, 3]),
    "a cap": boxes([Hill(1, 1, 2)] * 2, 9.0, upper=[2, 3], spend_all=False),
    "nine orders": boxes([Power(1e-6, 0.5), Power(1e3, 0.5), Power(1.0, 0.9)], 1e9),
    "steep at zero": boxes([Hill(1, 1e-9, 0.5), Hill(1, 1, 0.4), Hill(1, 1e6, 0.9)], 10.0),
    "flat tails": boxes([Hill(1, 1e-6, 8.0)] * 3, 1e6),
    "tables": boxes([Tabulated((0, 1, 2), (0, 3, 4)), Tabulated((0, 4), (0, 8))], 4.0),
}


@pytest.mark.parametrize("method", BY_NAME)
@pytest.mark.parametrize("name", CORNERS)
def test_corners(method: str, name: str) -> None:
    problem = CORNERS[name]
    check(problem, solve(problem, asked(method)))


@pytest.mark.parametrize("method", SEARCHES)
def test_effort_is_bounded_by_evaluations_and_the_clock_only_cuts_it_short(method: str) -> None:
    program = random_problem(np.random.default_rng(9), 10, ("s_hill", "exponential")).program()
    free, hurried = SearchSpace(program), SearchSpace(program, -math.inf)
    found, cut = SEARCHES[method](free, 1), SEARCHES[method](hurried, 1)
    assert found.finished
    assert free.evaluations <= (100 if method == "bayesian" else 60_000)
    assert not cut.finished
    assert hurried.evaluations < free.evaluations
    assert free.value(cut.point[None, :])[0] <= free.value(found.point[None, :])[0]


@pytest.mark.parametrize("method", ["genetic", "particle_swarm", "bayesian"])
def test_another_seed_is_another_search(method: str) -> None:
    program = random_problem(np.random.default_rng(11), 10, ("s_hill",)).program()
    one, two = (SEARCHES[method](SearchSpace(program), seed) for seed in (0, 1))
    assert one.point.tobytes() != two.point.tobytes()
