"""Interactions under attack: other methods, and leaves from close to nonsense."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from programs import any_tree, climbed, keeps, random_program
from scipy.optimize import differential_evolution, minimize
from searches import one_period, over_time
from test_interactions import paired

from shared.problem.model import SolverOptions
from shared.problem.program import Pair, Program
from shared.solve.certify.certificate import certify
from shared.solve.solver import solve_program


def evolved(program: Program, seed: int) -> float:
    """What differential evolution reaches over a simplex, and SLSQP from there."""
    shape, budget = program.lower.shape, float(program.rows.upper[0])

    def plan(x: np.ndarray) -> np.ndarray:
        parts = x / max(float(x.sum()), 1e-12)
        return np.asarray(budget * parts).reshape(shape)

    found = differential_evolution(
        lambda x: -program.objective(plan(x)),
        [(0.0, 1.0)] * program.lower.size,
        seed=seed,
        maxiter=30,
        popsize=8,
        polish=False,
    )
    start = plan(found.x).ravel()
    polished = minimize(
        lambda x: -program.objective(np.maximum(x, 0.0).reshape(shape)),
        start,
        bounds=[(0.0, budget)] * start.size,
        constraints={"type": "eq", "fun": lambda x: x.sum() - budget},
        method="SLSQP",
    )
    u = np.maximum(polished.x, 0.0)
    return max(-float(found.fun), program.objective((u * budget / u.sum()).reshape(shape)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [0.5, 3.0])
@pytest.mark.parametrize("s_shaped", [False, True])
def test_no_other_method_finds_more(seed: int, size: float, s_shaped: bool) -> None:
    plain = one_period(seed, 5, 150.0, s_shaped=s_shaped)
    if seed == 3 and size < 1.0:
        plain = over_time(seed, 3, 2, 120.0, s_shaped=s_shaped)
    program = paired(plain, seed, 5 if plain.arms == 5 else 2, size)
    solved = solve_program(program, SolverOptions(gap=1e-4, time_limit_s=10.0))
    certificate = certify(program, solved.u, solved.proof)
    rival = evolved(program, seed)
    hair = 1e-9 * abs(rival)
    assert certificate.proven
    assert rival <= certificate.upper_bound + hair
    assert rival <= certificate.objective * (1.0 + 1e-4) + hair


def attack(seed: int) -> None:
    """Plans of a climb, under strong pairs of either sign, against any tree of any leaves."""
    rng = np.random.default_rng((9, seed))
    program, plan = random_program(rng)
    while not np.all(np.isfinite(program.supremum()) & (program.supremum() > 0.0)) or (
        program.draw_weights is not None and np.any(program.draw_weights < 0.0)
    ):
        program, plan = random_program(rng)
    top = program.supremum()
    ends = [(i, j) for i in range(program.arms) for j in range(i + 1, program.arms)]
    pairs = [
        Pair(*ends[k], float(rng.normal(0, 3) * max(top[list(ends[k])]))) for k in range(len(ends))
    ]
    program = replace(program, pairs=tuple(p for p in pairs if rng.random() < 0.7))
    assert keeps(program, plan)
    met = climbed(rng, program, plan, 8)
    best = program.objective(met[-1])
    size = int(rng.choice([0, 0, 1, 2, 5]))
    certificate = certify(program, met[-1], any_tree(rng, program, met[-1], size))
    hair = 1e-12 * max(1.0, abs(best))  # the climb keeps rows to rounding
    assert certificate.upper_bound >= best - hair, (seed, size, certificate, best)


@pytest.mark.parametrize("block", range(5))
def test_no_plan_beats_any_bound_on_pairs(block: int) -> None:
    for i in range(30):
        attack(1_000 * block + i)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_no_plan_beats_any_bound_on_pairs_ten_thousand_times(block: int) -> None:
    for i in range(100):
        attack(1_000_000 + 1_000 * block + i)
