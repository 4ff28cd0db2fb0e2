"""Profit, least spend, ROAS and CPA targets: closed forms, grids, a second method, attacks."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from problems import ALL, boxes, certified, cut, leaf, random_problem, split
from scipy.optimize import minimize
from solving import Solved, solve_aim

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, Logarithmic, Power, Sigmoid, Tabulated
from shared.errors import Infeasible, InvalidInput
from shared.plan.optimize import make_plan
from shared.problem.aim import Aim, Floor, aim_of
from shared.problem.lower import lower
from shared.problem.model import Channel, Goal, Problem, SolverOptions
from shared.problem.proof import Cut, Leaf, Node, Proof
from shared.solve.one_budget.form import OneBudget
from tests.arrays import arrays_of

OPTIONS = SolverOptions(time_limit_s=5)


def problem(*curves: object, budget: float | None = None, spend_all: bool = True, **goal: object):
    channels = tuple(Channel(f"c{i}", Response(curve)) for i, curve in enumerate(curves))
    return Problem(channels, budget, spend_all, goal=Goal(**goal))


def solve_goal(
    task: OneBudget, aim: Aim, options: SolverOptions, start: np.ndarray | None = None
) -> Solved:
    known = None if start is None else start[:, None]
    return solve_aim(task.program(), aim, options, known)


def solved(*curves: object, **given: object) -> Solved:
    task = problem(*curves, **given)
    out = solve_aim(lower(task), aim_of(task.goal), OPTIONS)
    assert out.certificate.proven
    assert out.certificate.relative_gap <= 1e-6
    return out


def aims(rng: np.random.Generator, task: OneBudget) -> list[Aim]:
    """Every kind of goal, from easy to out of reach."""
    most = task.outcome(task.upper * min(1.0, task.budget / task.upper.sum())).sum()
    average = most / task.budget
    value = float(rng.uniform(0.5, 4) / average)
    roas = Floor("target_roas", 0.0, float(average * rng.uniform(0.7, 2)), 1.0)
    target = Floor("target_outcome", float(most * rng.uniform(0.3, 1)), 0.0, 1.0)
    return [
        Aim("maximize_profit", value, 1.0),
        Aim("minimize_spend", 0.0, 1.0, (target,)),
        Aim("maximize_outcome", 1.0, 0.0, (roas,)),
        Aim("maximize_profit", value, 1.0, (roas,)),
        Aim("minimize_spend", 0.0, 1.0, (target, roas)),
    ]


def plans(rng: np.random.Generator, task: OneBudget, count: int) -> np.ndarray:
    """Plans within the bounds and the cap, of any total; many channels at an end."""
    share = rng.random((count, task.n)) ** rng.choice([0.3, 1.0, 3.0], (count, 1))
    share = np.where(rng.random((count, task.n)) < 0.3, np.round(share), share)
    out = task.lower + share * (task.upper - task.lower)
    over = np.maximum(out.sum(axis=1) / task.budget, 1.0)[:, None]
    out = np.where(over > 1.0, task.lower + (out - task.lower) / over**2, out)
    return out[out.sum(axis=1) <= task.budget]


def worths(task: OneBudget, aim: Aim, tried: np.ndarray) -> np.ndarray:
    """Worth of each plan; -inf where a floor is missed."""
    brings, costs = task.outcome(tried).sum(axis=1), tried.sum(axis=1)
    met = np.ones(len(tried), dtype=bool)
    for floor in aim.floors:
        met &= brings >= floor.constant + floor.per_money * costs
    return np.where(met, aim.value * brings - aim.cost * costs, -np.inf)


def test_free_profit_of_an_exponential_has_a_closed_form() -> None:
    # v m r exp(-r x) = 1
    out = solved(Exponential(100.0, 0.1), goal="maximize_profit", value_per_outcome=2.0)
    assert out.u[0, 0] == pytest.approx(np.log(2.0 * 100.0 * 0.1) / 0.1, rel=1e-6)


def test_free_profit_of_logarithms_without_a_ceiling() -> None:
    # v c / (s + x) = 1
    out = solved(
        Logarithmic(50.0, 2.0),
        Logarithmic(0.5, 1.0),
        goal="maximize_profit",
        value_per_outcome=3.0,
    )
    np.testing.assert_allclose(out.u[:, 0], [148.0, 0.5], rtol=1e-6)


def test_profit_under_a_cap_that_binds_is_the_outcome_problem() -> None:
    curves = (Exponential(100.0, 0.1), Hill(80.0, 10.0, 1.8))
    out = solved(
        *curves, budget=10.0, spend_all=False, goal="maximize_profit", value_per_outcome=50.0
    )
    plain = solved(*curves, budget=10.0)
    np.testing.assert_allclose(out.u, plain.u, rtol=1e-6, atol=1e-6)
    step = 1e-4
    up = solved(
        *curves, budget=10.0 + step, spend_all=False, goal="maximize_profit", value_per_outcome=50.0
    )
    slope = (up.certificate.objective - out.certificate.objective) / step
    plan = make_plan(
        problem(
            *curves, budget=10.0, spend_all=False, goal="maximize_profit", value_per_outcome=50.0
        )
    )
    assert plan.budget_price == pytest.approx(slope, rel=1e-3)


def test_profit_of_a_fixed_budget_spends_it_all() -> None:
    out = solved(Exponential(10.0, 1.0), budget=9.0, goal="maximize_profit", value_per_outcome=0.5)
    assert out.u.sum() == pytest.approx(9.0)
    assert out.certificate.objective == pytest.approx(5.0 * (1 - np.exp(-9.0)) - 9.0)


def test_worthless_outcome_is_best_left_unbought() -> None:
    out = solved(Exponential(10.0, 1.0), goal="maximize_profit", value_per_outcome=0.05)
    assert out.u[0, 0] == 0.0
    assert out.certificate.objective == 0.0


def test_least_spend_of_power_curves_has_a_closed_form() -> None:
    # a_i / (2 sqrt x_i) = 1 / theta, so x_i = (theta a_i / 2)^2 and sum a_i^2 theta / 2 = target
    out = solved(Power(3.0, 0.5), Power(4.0, 0.5), goal="minimize_spend", target_outcome=50.0)
    np.testing.assert_allclose(out.u[:, 0], [36.0, 64.0], rtol=1e-6)
    # One more outcome costs theta = 2 * target / sum a^2.
    assert out.thetas[0] == pytest.approx(4.0, rel=1e-6)


def test_roas_of_a_concave_curve_has_a_closed_form() -> None:
    # a sqrt x = r x, so x = (a / r)^2
    out = solved(Power(6.0, 0.5), goal="maximize_outcome", target_roas=1.5)
    assert out.u[0, 0] == pytest.approx(16.0, rel=1e-6)
    # d F / d r = -a^2 / r^2 = -16 is theta times the spend
    assert out.thetas[0] * out.u[0, 0] == pytest.approx(16.0, rel=1e-6)
    same = solved(Power(6.0, 0.5), goal="maximize_outcome", target_cpa=1 / 1.5)
    assert same.u[0, 0] == pytest.approx(16.0, rel=1e-6)


def test_totals_that_meet_a_roas_target_need_not_be_an_interval() -> None:
    # A cheap small channel meets the ratio at little spend, a large S-curve at much; not between.
    small, large = Exponential(3.0, 2.0), Sigmoid(40.0, 20.0, 0.8)
    out = solved(small, large, budget=40.0, spend_all=False, target_roas=1.3)
    asked = problem(small, large, budget=40.0, spend_all=False, target_roas=1.3)
    task, aim = arrays_of(asked), aim_of(asked.goal)
    totals = np.linspace(0.5, 40.0, 80)
    best = [
        max(float(task.outcome(np.array([x, s - x])).sum()) for x in np.linspace(0, s, 400))
        for s in totals
    ]
    holds = np.array(best) >= 1.3 * totals
    assert np.count_nonzero(np.diff(holds.astype(int))) >= 3
    grid = np.stack(np.meshgrid(np.linspace(0, 8, 801), np.linspace(0, 40, 1601)), -1)
    assert out.certificate.objective >= worths(task, aim, grid.reshape(-1, 2)).max() - 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_no_point_of_a_fine_grid_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    task = replace(random_problem(rng, 2, draws=4 if seed % 4 == 0 else 0), spend_all=False)
    lines = [np.linspace(a, b, 201) for a, b in zip(task.lower, task.upper, strict=True)]
    grid = np.array(list(itertools.product(*lines)))
    grid = grid[grid.sum(axis=1) <= task.budget]
    for aim in aims(rng, task):
        best = worths(task, aim, grid).max()
        try:
            out = solve_goal(task, aim, OPTIONS)
        except Infeasible:
            assert best == -np.inf or abs(best) < 1e-9
            continue
        assert out.certificate.proven
        assert out.certificate.relative_gap <= 1e-6
        assert out.certificate.objective >= best - 1e-6 * abs(best), (seed, aim)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_slsqp_from_many_starts(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    kinds = ("s_hill", "sigmoid", "exponential", "logistic")
    task = replace(random_problem(rng, 4, kinds), spend_all=False)
    for aim in aims(rng, task):
        try:
            out = solve_goal(task, aim, OPTIONS)
        except Infeasible:
            continue
        rules = [{"type": "ineq", "fun": lambda x: task.budget - x.sum()}]
        rules += [
            {
                "type": "ineq",
                "fun": lambda x, f=f: task.outcome(x).sum() - f.constant - f.per_money * x.sum(),
            }
            for f in aim.floors
        ]
        best = -np.inf
        for start in plans(rng, task, 12):
            tried = minimize(
                lambda x, aim=aim: -aim.worth(float(task.outcome(x).sum()), float(x.sum())),
                start,
                bounds=list(zip(task.lower, task.upper, strict=True)),
                constraints=rules,
                method="SLSQP",
            )
            x = np.clip(tried.x, task.lower, task.upper)
            if x.sum() <= task.budget and aim.missed(task.outcome(x).sum(), x.sum()) < 1e-9:
                best = max(best, aim.worth(float(task.outcome(x).sum()), float(x.sum())))
        assert out.certificate.upper_bound >= best - 1e-8 * abs(best)
        assert out.certificate.objective >= best - 1e-6 * abs(best)


def forged(rng: np.random.Generator, task: OneBudget, size: int) -> Proof:
    """A valid tree that no solver made."""
    nodes: list[Node] = [leaf(0.0)]
    typical = task.outcome(task.upper).sum() / task.budget
    for at in range(size):
        if at >= len(nodes):
            break
        c, pick = int(rng.integers(task.n)), rng.random()
        price = float(typical * rng.lognormal(0, 1)) if rng.random() < 0.9 else 0.0
        span = task.lower, task.upper
        if pick < 0.5:
            where = float(rng.uniform(span[0][c], span[1][c]))
            nodes[at] = split(c, where, len(nodes), len(nodes) + 1)
            nodes += [leaf(price), leaf(price)]
        elif pick < 0.8:
            chosen = np.flatnonzero(rng.random(task.n) < 0.5)
            a = rng.uniform(span[0][chosen], span[1][chosen])
            nodes[at] = cut(price, chosen, a, rng.uniform(a, span[1][chosen]), len(nodes))
            nodes.append(leaf(price))
        else:
            nodes[at] = leaf(price)
    return Proof(tuple(nodes))


def with_any_targets(rng: np.random.Generator, proof: Proof, aim: Aim) -> Proof:
    """The tree with multipliers of the floors that nobody chose, in some of its leaves."""

    def any_of(leaf: Leaf) -> Leaf:
        theta = tuple(rng.exponential(1.0, len(aim.floors)).tolist())
        return replace(leaf, theta=theta) if rng.random() < 0.7 else leaf

    def marked(node: Node) -> Node:
        if isinstance(node, Cut):
            return replace(node, leaf=any_of(node.leaf))
        return any_of(node) if isinstance(node, Leaf) else node

    return Proof(tuple(marked(node) for node in proof.nodes))


def attack(seed: int, *, solving: bool = False) -> None:
    """No plan is above a bound that no solver made; nor, ``solving``, above the answer's."""
    rng = np.random.default_rng(seed)
    draws = int(rng.integers(2, 8)) if rng.random() < 0.2 else 0
    task = random_problem(rng, int(rng.integers(1, 6)), ALL, draws)
    task = replace(task, spend_all=bool(rng.random() < 0.1))
    tried = plans(rng, task, 60)
    if task.spend_all:
        tried = tried[np.abs(tried.sum(axis=1) - task.budget) <= 1e-12 * task.budget]
    asked = list(aims(rng, task))
    chosen = asked if solving else [asked[int(rng.integers(len(asked)))]]
    for aim in chosen:
        best = worths(task, aim, tried).max(initial=-np.inf)
        proof = with_any_targets(rng, forged(rng, task, int(rng.integers(1, 10))), aim)
        made_up = certified(task, task.lower, proof, aim)
        assert best <= made_up.upper_bound, (seed, aim)
        if not solving:
            continue
        try:
            out = solve_goal(task, aim, replace(OPTIONS, gap=1e-4, time_limit_s=0.5))
        except Infeasible:
            # Only to spend nothing at all may be left.
            assert best == -np.inf or tried[worths(task, aim, tried) > -np.inf].sum() < 1e-9
            continue
        assert best <= out.certificate.upper_bound, (seed, aim)
        hair = 1e-9 * abs(made_up.upper_bound) + 1e-9
        assert out.certificate.objective <= made_up.upper_bound + hair, (seed, aim)


def test_300_random_attacks_on_the_bound() -> None:
    for seed in range(300):
        attack(seed)


def test_random_attacks_on_solved_goals() -> None:
    for seed in range(5):
        attack(seed, solving=True)


@pytest.mark.slow
def test_10_000_random_attacks_on_the_bound() -> None:
    for seed in range(1_000, 11_000):
        attack(seed)


@pytest.mark.slow
def test_2_000_random_attacks_on_solved_goals() -> None:
    for seed in range(1_000, 3_000):
        attack(seed, solving=True)


def test_a_forged_tree_proves_nothing() -> None:
    task = boxes([Exponential(1.0, 1.0)], 1.0, spend_all=False)
    aim = Aim("maximize_profit", 2.0, 1.0)
    for nodes in (
        (),
        (leaf(np.nan),),
        (split(0, 0.5, 0, 0),),
        (split(3, 0.5, 1, 2),),
    ):
        assert not certified(task, task.lower, Proof(nodes), aim).proven


def test_a_plan_that_misses_the_target_is_not_proven() -> None:
    task = boxes([Exponential(1.0, 1.0)], 1.0, spend_all=False)
    aim = Aim("maximize_outcome", 1.0, 0.0, (Floor("target_roas", 0.0, 0.9, 0.9),))
    found = certified(task, np.array([1.0]), Proof((leaf(0.5),)), aim)
    assert not found.proven
    assert found.max_constraint_violation == pytest.approx(1 - (1 - np.exp(-1)) / 0.9, rel=1e-6)


def test_unreachable_targets_are_named_with_the_best_that_is() -> None:
    with pytest.raises(Infeasible, match="best reachable is 2") as roas:
        solved(Exponential(10.0, 0.2), goal="maximize_outcome", target_roas=2.5)
    assert roas.value.conflicts[0].name == "target_roas"
    with pytest.raises(Infeasible, match="best reachable is 10") as target:
        solved(Exponential(10.0, 0.2), goal="minimize_spend", target_outcome=11.0)
    assert target.value.conflicts[0].name == "target_outcome"
    with pytest.raises(Infeasible) as capped:
        solved(Exponential(10.0, 0.2), goal="minimize_spend", target_outcome=9.0, budget=5.0)
    assert [c.name for c in capped.value.conflicts] == ["target_outcome", "budget"]
    assert capped.value.conflicts[0].missed_by == pytest.approx(9 - 10 * (1 - np.exp(-1)))
    with pytest.raises(Infeasible, match="together") as both:
        solved(Exponential(10.0, 0.2), goal="minimize_spend", target_outcome=8.0, target_roas=1.5)
    assert [c.name for c in both.value.conflicts] == ["target_outcome", "target_roas"]


def test_goals_say_what_they_lack() -> None:
    for goal, lacks in (
        (Goal("maximize_profit"), "value_per_outcome"),
        (Goal("minimize_spend"), "target_outcome"),
        (Goal(target_roas=0.0), "target_roas"),
    ):
        with pytest.raises(InvalidInput) as refused:
            aim_of(goal)
        assert refused.value.faults[0].pointer == f"/objective/{lacks}"
    for curve in (Exponential(1.0, 1.0), Power(2.0, 1.0)):
        goal = (
            {}
            if isinstance(curve, Exponential)
            else {"goal": "maximize_profit", "value_per_outcome": 1.0}
        )
        with pytest.raises(InvalidInput) as refused:
            lower(problem(curve, **goal))
        assert refused.value.faults[0].pointer == "/budget"


@pytest.mark.parametrize("scale", [1e-6, 1e7])
def test_nothing_depends_on_the_currency(scale: float) -> None:
    curves = (Hill(50.0, 4.0, 2.2), Exponential(30.0, 0.3), Tabulated((0.0, 2.0, 5.0), (0, 9, 13)))
    goal = {"goal": "maximize_profit", "value_per_outcome": 1.0, "target_roas": 3.0}
    one = solved(*curves, **goal)
    goal = {**goal, "value_per_outcome": scale}
    other = solved(*(c.scaled(1 / scale) for c in curves), **goal)
    np.testing.assert_allclose(other.u, scale * one.u, rtol=1e-6)


def test_a_known_plan_is_never_made_worse() -> None:
    rng = np.random.default_rng(5)
    task = replace(random_problem(rng, 5, ("s_hill", "sigmoid")), spend_all=False)
    for aim in aims(rng, task)[:1]:
        for start in plans(rng, task, 5):
            out = solve_goal(task, aim, SolverOptions(time_limit_s=1e-3), start)
            worth = aim.worth(float(task.outcome(start).sum()), float(start.sum()))
            assert out.certificate.objective >= worth - 1e-12
