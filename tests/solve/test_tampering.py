"""Proofs that a solver made and somebody changed: never proven with a bound below a known plan."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from problems import certified, random_problem, solve
from programs import climbed, random_program
from solving import solve_aim, solve_risk

from shared.errors import Infeasible
from shared.problem.aim import Aim, Floor
from shared.problem.model import Risk, SolverOptions
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.solver import solve_program

Check = Callable[[Any], Certificate]
QUICK = SolverOptions(gap=1e-4, time_limit_s=0.2)
NUMBERS = (0.0, -1.0, 1e-300, 1e300, np.nan, np.inf, -np.inf)


def parts(item: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to every number, array and tuple of a proof."""
    if is_dataclass(item):
        for field in fields(item):
            yield from parts(getattr(item, field.name), (*path, field.name))
    elif isinstance(item, tuple):
        yield path
        for i, part in enumerate(item):
            yield from parts(part, (*path, i))
    elif isinstance(item, (float, int, np.ndarray)):
        yield path


def changed(item: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """The proof with what stands at ``path`` changed."""
    if not path:
        return change(item)
    first, rest = path[0], path[1:]
    if isinstance(item, tuple):
        inner = changed(item[first], rest, change)
        return (*item[:first], inner, *item[first + 1 :])
    return replace(item, **{first: changed(getattr(item, first), rest, change)})


@np.errstate(all="ignore")
def tampered(rng: np.random.Generator, value: Any) -> Any:
    """Another value in place of a number, an array or a tuple."""
    if isinstance(value, tuple):
        if not value:
            return value
        at = int(rng.integers(len(value)))
        kinds = [value[:at], value[at:], value[::-1], (*value, value[at]), ()]
        return kinds[int(rng.integers(len(kinds)))]
    if isinstance(value, np.ndarray):
        out = np.array(value, dtype=float)
        pick = int(rng.integers(6))
        if pick == 0:
            return out * float(rng.choice([-1.0, 0.0, 0.3, 3.0, 1e6, 1e300]))
        if pick == 1 and out.size:
            out.flat[int(rng.integers(out.size))] = float(rng.choice(NUMBERS))
            return out
        if pick == 2:
            return out[..., :-1] if out.ndim else out
        if pick == 3:
            return np.broadcast_to(out, (2, *out.shape))
        if pick == 4:
            return rng.permutation(out.ravel()).reshape(out.shape)
        if value.dtype.kind == "i":
            return value + rng.integers(-2, 3, value.shape)
        return out * rng.normal(1.0, 1.0, out.shape)
    if isinstance(value, int):
        return int(rng.choice([-1, 0, 1, value + 1, value - 1, 10**6]))
    return float(rng.choice([*NUMBERS, value * 3, -value, value * 0.3]))


def held_against(rng: np.random.Generator, proof: Any, best: float, check: Check) -> None:
    """Change the proof in one place and in several; ``best`` is what a known plan is worth."""
    places = list(parts(proof))
    for count in (1, 1, 1, 1, 2, 5):
        forged = copy.copy(proof)
        for _ in range(count):
            place = places[int(rng.integers(len(places)))]
            try:
                forged = changed(forged, place, lambda value: tampered(rng, value))
            except (IndexError, TypeError, AttributeError):
                continue  # the place went with an earlier change
        with np.errstate(all="ignore"):
            found = check(forged)
        assert not np.isnan(found.upper_bound)
        assert not np.isnan(found.relative_gap)
        if found.proven:
            assert found.upper_bound >= best - 1e-9 * max(abs(best), 1.0), (found, best)
            assert found.upper_bound >= found.objective


SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_proof_of_one_budget(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    task = random_problem(rng, int(rng.integers(2, 6)), ("s_hill", "sigmoid", "hill"))
    found = solve(task, replace(QUICK, method="branch_and_bound"))
    best = certified(task, found.spend, found.proof).objective
    held_against(rng, found.proof, best, lambda proof: certified(task, task.lower, proof))
    held_against(rng, found.proof, best, lambda proof: certified(task, found.spend, proof))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_proof_of_a_goal(seed: int) -> None:
    rng = np.random.default_rng([seed, 2])
    task = replace(random_problem(rng, 3, ("s_hill", "sigmoid", "hill")), spend_all=False)
    aim = Aim("maximize_profit", 2.0, 1.0)
    if seed % 2:
        aim = replace(aim, floors=(Floor("target_roas", 0.0, 0.3, 0.3),))
    try:
        found = solve_aim(task.program(), aim, QUICK)
    except Infeasible:
        return
    best = found.certificate.objective
    held_against(rng, found.proof, best, lambda proof: certified(task, found.u[:, 0], proof, aim))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_proof_of_a_careful_plan(seed: int) -> None:
    rng = np.random.default_rng([seed, 3])
    task = random_problem(rng, 3, ("s_hill", "hill", "exponential"), draws=5)
    kinds = ("mean_minus_sd", "cvar", "worst_case", "quantile")
    risk = Risk(kinds[seed % 4], aversion=0.7, level=0.3)
    program = task.program()
    found = solve_risk(program, Aim(), risk, QUICK)
    best = found.certificate.objective
    read = replace(program, risk=risk)
    held_against(rng, found.proof, best, lambda proof: certify(read, found.u, proof))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_proof_of_a_program(seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    program, plan = random_program(rng)
    if program.draw_weights is not None:
        program = replace(program, draw_weights=None)
    climb = climbed(rng, program, plan, 40)[-1]
    found = solve_program(program, QUICK, climb)
    best = max(program.objective(climb), program.objective(found.u))
    for u in (plan, found.u):
        held_against(rng, found.proof, best, lambda proof, u=u: certify(program, u, proof))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_proof_of_a_target_under_rules(seed: int) -> None:
    rng = np.random.default_rng([seed, 5])
    program, plan = random_program(rng)
    program = replace(program, pairs=(), draw_weights=None, value=1.0, cost=0.0)
    target = 0.8 * program.outcome(plan)
    aim = Aim("minimize_spend", 0.0, 1.0, (Floor("target_outcome", target, 0.0, target),))
    found = solve_aim(program, aim, QUICK, plan)
    best = max(found.certificate.objective, -float(program.spend(plan).sum()))
    held_against(rng, found.proof, best, lambda proof: certify(program.aimed(aim), found.u, proof))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_proof_of_a_careful_plan_under_rules(seed: int) -> None:
    rng = np.random.default_rng([seed, 6])
    program, plan = random_program(rng)
    while program.draws is None or program.pairs:
        program, plan = random_program(rng)
    program = replace(program, draw_weights=None, value=1.0, cost=0.0)
    kinds = ("mean_minus_sd", "cvar", "worst_case", "quantile")
    risk, aim = Risk(kinds[seed % 4], aversion=0.7, level=0.3), Aim()
    found = solve_risk(program, aim, risk, QUICK, plan)
    best = found.certificate.objective
    held_against(
        rng,
        found.proof,
        best,
        lambda proof: certify(replace(program, risk=risk), found.u, proof),
    )
