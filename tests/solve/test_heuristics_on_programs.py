"""Methods by name on general programs: every rule kept, never above the bound, never worse."""

from __future__ import annotations

import numpy as np
import pytest
from problems import curve
from programs import random_program

from shared.curves.stack import stack
from shared.problem.model import SolverOptions
from shared.problem.program import Program, Rows
from shared.solve.certify.certificate import certify
from shared.solve.heuristics.heuristic import BY_NAME
from shared.solve.program.program_search import solve_program

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
    assert one.iterations == two.iterations


@pytest.mark.parametrize("method", QUICK)
@pytest.mark.parametrize("seed", range(8))
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
