"""Bounds of goals with targets over programs against grids of plans, by goal, rule and target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from solving import solve_aim

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, Saturation, Sigmoid
from shared.errors import Infeasible
from shared.problem.aim import Aim, aim_of
from shared.problem.lower import lower
from shared.problem.model import Channel, Constraint, Goal, Problem, SolverOptions, Weights
from shared.problem.program import Program
from shared.problem.proof import Leaf, Node, Proof, SplitDecision
from shared.solve.certify.certificate import certify

MOST = 40.0


def curve(rng: np.random.Generator) -> Saturation:
    most = float(rng.uniform(20.0, 80.0))
    kind = rng.integers(0, 3)
    if kind == 0:
        return Hill(most, float(rng.uniform(5.0, 25.0)), float(rng.uniform(1.2, 4.0)))
    if kind == 1:
        return Sigmoid(most, float(rng.uniform(8.0, 20.0)), float(rng.uniform(0.2, 0.6)))
    return Exponential(most, float(rng.uniform(0.03, 0.15)))


def goal(rng: np.random.Generator) -> Goal:
    value = float(rng.uniform(0.6, 3.0))
    outcome = float(rng.uniform(15.0, 80.0))
    ratio = float(rng.uniform(0.8, 3.2))
    goals = (
        Goal("minimize_spend", target_outcome=outcome),
        Goal("minimize_spend", target_outcome=outcome, target_roas=ratio),
        Goal(target_roas=ratio),
        Goal(target_cpa=1.0 / ratio, target_outcome=outcome),
        Goal("maximize_profit", value_per_outcome=value, target_roas=value * ratio, target_cpa=0.7),
        Goal("maximize_profit", value_per_outcome=value, target_outcome=outcome),
        Goal("weighted_sum", value, outcome, weights=Weights(0.5, 1.0, 0.2)),
    )
    return goals[int(rng.integers(len(goals)))]


def problem(rng: np.random.Generator, count: int) -> Problem:
    names = tuple(f"c{i}" for i in range(count))
    channels = [Channel(name, Response(curve(rng)), max_spend=MOST) for name in names]
    rules: tuple[Constraint, ...] = ()
    kind = rng.integers(0, 6)
    if kind == 0:
        rules = (Constraint("share", names[:1], min_share=float(rng.uniform(0.1, 0.6))),)
    elif kind == 1:
        rules = (Constraint("group", names[:2], max_spend=float(rng.uniform(10.0, 40.0))),)
    elif kind == 2:
        rules = (Constraint("active", names, max_active=count - 1),)
    elif kind == 3:
        terms = ((names[0], 1.0), (names[1], -float(rng.uniform(0.5, 2.0))))
        rules = (Constraint("linear", coefficients=terms, maximum=0.0),)
    elif kind == 4:
        channels = [replace(channel, minimum_if_active=8.0) for channel in channels]
    else:
        channels = [replace(channel, increment=2.0) for channel in channels]
    return Problem(tuple(channels), 60.0, False, goal=goal(rng), constraints=rules)


def grid(program: Program, aim: Aim, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Worth and money of every allowed plan of a grid that meets the floors."""
    axis = np.linspace(0.0, MOST, points)
    u = np.stack(np.meshgrid(*[axis] * program.arms, indexing="ij"), -1).reshape(-1, program.arms)
    rows = u @ program.rows.matrix.T
    keep = np.all((rows <= program.rows.upper) & (rows >= program.rows.lower), axis=1)
    keep &= np.all((u == 0.0) | (u >= program.least_active[:, 0]), axis=1)
    lot = np.where(program.lot > 0.0, program.lot, 1e-9)
    keep &= np.all((program.lot == 0.0) | (u == np.round(u / lot) * lot), axis=1)
    for rule in program.at_most:
        keep &= (u[:, list(rule.arms)] > 0.0).sum(axis=1) <= rule.count
    brings = program.curves.value(u).sum(axis=1)
    costs = u.sum(axis=1)
    for floor in aim.floors:
        keep &= brings >= floor.constant + floor.per_money * costs
    return (aim.value * brings - aim.cost * costs)[keep], costs[keep]


def forged(rng: np.random.Generator, program: Program, aim: Aim) -> Proof:
    """A proof that no solver made: any multipliers, any splits."""
    nodes: list[Node] = []

    def leaf() -> Leaf:
        theta = tuple(float(t) for t in rng.exponential(1.0, len(aim.floors)))
        mu = rng.normal(size=len(program.rows.names))
        return Leaf(mu, rng.random(program.carry_in.shape), theta)

    nodes.append(leaf())
    for _ in range(int(rng.integers(0, 3))):
        ends = [i for i, node in enumerate(nodes) if isinstance(node, Leaf)]
        at = ends[int(rng.integers(len(ends)))]
        arm, where = int(rng.integers(program.arms)), float(rng.uniform(-1.0, MOST + 1.0))
        nodes[at] = SplitDecision(arm, 0, where, len(nodes), len(nodes) + 1)
        nodes += [leaf(), leaf()]
    return Proof(tuple(nodes))


def attack(seed: int) -> None:
    """No plan of a grid is above the bound of any proof, whoever made it."""
    rng = np.random.default_rng(seed)
    task = problem(rng, 2 if rng.random() < 0.8 else 3)
    program, aim = lower(task), aim_of(task.goal)
    worths, _ = grid(program, aim, 41 if program.arms == 2 else 21)
    best = float(worths.max(initial=-np.inf))
    u = 0.5 * (program.lower + program.upper)
    bound = certify(program.aimed(aim), u, forged(rng, program, aim)).upper_bound
    assert best <= bound * (1 + 1e-15 * np.sign(bound)), (seed, task.goal)


def solve(seed: int) -> None:
    """The answer is no worse than any plan of a grid, its bound above all; 422 only if none is."""
    rng = np.random.default_rng(seed)
    task = problem(rng, 2 if rng.random() < 0.8 else 3)
    program, aim = lower(task), aim_of(task.goal)
    worths, costs = grid(program, aim, 81 if program.arms == 2 else 41)
    try:
        found = solve_aim(program, aim, SolverOptions(gap=1e-5, time_limit_s=5.0))
    except Infeasible as refused:
        said = str(refused)
    else:
        said = ""
    if said:
        # Nothing at all may be left where an efficiency is asked for: it is no plan.
        assert "time limit" in said or not np.any(costs > 0.0), (seed, task.goal)
        return
    certificate = found.certificate
    assert certificate.proven, seed
    best = float(worths.max(initial=-np.inf))
    assert best <= certificate.upper_bound + 1e-12 * abs(best), (seed, task.goal)
    if certificate.relative_gap <= 1e-5:
        assert certificate.objective >= best - 2e-5 * abs(best) - 1e-9, (seed, task.goal)


def test_300_random_attacks_on_the_bound() -> None:
    for seed in range(300):
        attack(seed)


def test_no_plan_of_a_grid_beats_the_answer() -> None:
    for seed in range(6):
        solve(seed)


@pytest.mark.slow
def test_10_000_random_attacks_on_the_bound() -> None:
    for seed in range(1_000, 11_000):
        attack(seed)


@pytest.mark.slow
def test_no_plan_of_a_grid_beats_300_answers() -> None:
    for seed in range(1_000, 1_300):
        solve(seed)
