"""Cautious plans: closed forms, grids, a second method, and attacks on the bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from problems import ALL, boxes, leaf, random_plans, random_problem
from scipy.optimize import linprog
from solving import Solved
from solving import solve_risk as solve_read

from shared.curves.saturation import Exponential, Power, Tabulated
from shared.problem.aim import Aim
from shared.problem.model import Risk, SolverOptions
from shared.problem.proof import Proof
from shared.problem.risk import measure, weights_at
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.one_budget.form import OneBudget

RISKS = (
    Risk("cvar", level=0.2),
    Risk("worst_case"),
    Risk("mean_minus_sd", aversion=1.0),
    Risk("quantile", level=0.25),
)
CONCAVE = ("exponential", "michaelis_menten", "logistic", "hill", "power", "logarithmic")


def worth(task: OneBudget, risk: Risk, plan: np.ndarray) -> float:
    assert task.draws is not None
    return measure(risk, task.draws.value(plan).sum(axis=1))


def solve_risk(
    task: OneBudget, risk: Risk, options: SolverOptions, start: np.ndarray | None = None
) -> Solved:
    known = None if start is None else start[:, None]
    return solve_read(task.program(), Aim(), risk, options, known)


def certify_risk(task: OneBudget, risk: Risk, spend: np.ndarray, proof: Proof) -> Certificate:
    return certify(replace(task.program(), risk=risk), spend[:, None], proof)


def run(task: OneBudget, risk: Risk, **options: float) -> Solved:
    out = solve_risk(task, risk, SolverOptions(**{"time_limit_s": 1.5, **options}))
    assert out.certificate.proven
    assert out.certificate.objective == pytest.approx(worth(task, risk, out.u[:, 0]))
    assert out.certificate.objective <= out.certificate.upper_bound
    return out


def test_worst_case_of_two_opposite_draws_splits_evenly() -> None:
    # Draw 0 favours one channel as much as draw 1 the other: the worst is best in the middle.
    draws = [[Power(4.0, 0.5), Power(1.0, 0.5)], [Power(1.0, 0.5), Power(4.0, 0.5)]]
    task = boxes([d[0] for d in draws], 8.0, draws=draws)
    out = run(task, Risk("worst_case"))
    np.testing.assert_allclose(out.u[:, 0], [4.0, 4.0], rtol=1e-4)
    assert out.certificate.objective == pytest.approx(10.0, rel=1e-7)
    np.testing.assert_allclose(out.solution.weights, [0.5, 0.5], atol=1e-4)


def test_tail_mean_of_straight_tables_is_a_linear_programme() -> None:
    rng = np.random.default_rng(3)
    n, count, level, budget = 4, 10, 0.3, 5.0
    rates = rng.uniform(0.5, 2.0, (n, count))
    draws = [[Tabulated((0.0, 10.0), (0.0, 10 * r)) for r in row] for row in rates]
    task = boxes([d[0] for d in draws], budget, upper=np.full(n, 3.0), draws=draws)
    # max eta - sum u / (level S), u_s >= eta - F_s, u_s >= 0
    cost = np.concatenate((np.zeros(n), [-1.0], np.full(count, 1 / (level * count))))
    rows = np.column_stack((-rates.T, np.ones(count), -np.eye(count)))
    bounds = [(0, 3)] * n + [(None, None)] + [(0, None)] * count
    total = np.concatenate((np.ones(n), np.zeros(count + 1)))[None, :]
    exact = linprog(cost, rows, np.zeros(count), total, [budget], bounds)
    out = run(task, Risk("cvar", level=level))
    assert out.certificate.objective == pytest.approx(-exact.fun, rel=1e-6)
    assert out.certificate.upper_bound == pytest.approx(-exact.fun, rel=2e-3)


@pytest.mark.parametrize("risk", RISKS[:3], ids=lambda r: r.measure)
@pytest.mark.parametrize("spend_all", [True, False])
def test_concave_problems_are_closed(risk: Risk, spend_all: bool) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        task = random_problem(rng, 6, CONCAVE, draws=40)
        out = run(replace(task, spend_all=spend_all), risk)
        assert out.certificate.relative_gap <= 1e-5, (seed, out.certificate)


@pytest.mark.parametrize("risk", RISKS, ids=lambda r: r.measure)
@pytest.mark.parametrize("seed", range(2))
def test_no_point_of_a_fine_grid_is_better(risk: Risk, seed: int) -> None:
    rng = np.random.default_rng(50 + seed)
    task = random_problem(rng, 2, ALL, draws=8)
    line = np.linspace(task.lower[0], task.upper[0], 401)
    grid = np.column_stack((line, task.budget - line))
    grid = grid[(grid[:, 1] >= task.lower[1]) & (grid[:, 1] <= task.upper[1])]
    best = max(worth(task, risk, plan) for plan in grid)
    out = run(task, risk)
    assert best <= out.certificate.upper_bound
    share = 0.97 if risk.measure == "quantile" else 0.98
    assert out.certificate.objective >= share * best


def attack(seed: int) -> None:
    """Honest proofs and made-up ones against random plans."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 9))
    task = random_problem(rng, int(rng.integers(1, 5)), ALL, draws=count)
    plans = random_plans(rng, task, 40)
    if not len(plans):
        return
    for risk in RISKS:
        best = max(worth(task, risk, plan) for plan in plans)
        outcomes = rng.uniform(0, 1, count)
        weights = weights_at(risk, outcomes)
        price = float(rng.lognormal(-1, 1))
        made_up = Proof((leaf(price),), weights, alone=rng.lognormal(-1, 1, (count, 1)))
        found = certify_risk(task, risk, plans[0], made_up)
        assert best <= found.upper_bound, (seed, risk)
        if seed % 6 == 0:
            out = solve_risk(task, risk, SolverOptions(time_limit_s=0.1))
            assert best <= out.certificate.upper_bound, (seed, risk)


def test_random_attacks_on_the_bound() -> None:
    for seed in range(15):
        attack(seed)


@pytest.mark.slow
def test_2_000_random_attacks_on_the_bound() -> None:
    for seed in range(1_000, 3_000):
        attack(seed)


def test_forged_weights_prove_nothing() -> None:
    draws = [[Exponential(t, 1.0) for t in (1.0, 2.0)], [Exponential(t, 1.0) for t in (2.0, 1.0)]]
    task = boxes([d[0] for d in draws], 1.0, draws=draws)
    spend = np.array([0.5, 0.5])
    for weights in ([0.0, 0.5], [1.5, -0.5], [np.nan, 1.0], [1.0]):
        for risk in RISKS[:3]:
            found = certify_risk(task, risk, spend, Proof((leaf(0.5),), np.array(weights)))
            assert not found.proven
            assert np.isinf(found.upper_bound)


def test_aversion_zero_is_the_expected_outcome() -> None:
    task = random_problem(np.random.default_rng(1), 4, CONCAVE, draws=10)
    cautious = run(task, Risk("mean_minus_sd", aversion=0.0))
    expected = run(task, Risk("expected"))
    assert cautious.certificate.objective == pytest.approx(expected.certificate.objective, rel=1e-6)


def test_a_known_plan_is_never_made_worse() -> None:
    rng = np.random.default_rng(9)
    task = random_problem(rng, 4, ("s_hill", "sigmoid"), draws=12)
    for risk in RISKS:
        for start in random_plans(rng, task, 2):
            out = solve_risk(task, risk, SolverOptions(time_limit_s=0.05), start)
            assert out.certificate.objective >= worth(task, risk, start) - 1e-12


def test_exchanges_leave_a_local_peak_of_a_worst_case() -> None:
    """The ascent ends nearly five percent below what exchanges between channels reach."""
    task = random_problem(np.random.default_rng(2), 8, ("hill", "s_hill", "sigmoid"), draws=100)
    program, risk = task.program(), Risk("worst_case")
    found = solve_risk(task, risk, SolverOptions(time_limit_s=4.0, gap=1e-5))
    pairs = [(i, j) for i in range(task.n) for j in range(task.n) if i != j]
    for share in (0.1, 0.03, 0.01):
        for i, j in pairs:
            moved = found.u[:, 0].copy()
            by = min(share * task.budget, moved[i] - task.lower[i], task.upper[j] - moved[j])
            moved[i], moved[j] = moved[i] - by, moved[j] + by
            assert worth(task, risk, moved) <= found.certificate.objective * (1 + 1e-3)
    assert program.violation(found.u) <= 1e-9


@pytest.mark.parametrize("risk", RISKS, ids=lambda r: r.measure)
@pytest.mark.parametrize("spend_all", [True, False])
@pytest.mark.parametrize("room", [0.0, 1e-15])
@pytest.mark.parametrize("side", ["floors", "ceilings"])
def test_limits_that_leave_one_plan_or_hardly_more(
    risk: Risk, spend_all: bool, room: float, side: str
) -> None:
    rng = np.random.default_rng(5)
    free = random_problem(rng, 3, CONCAVE, draws=6)
    only = free.budget * np.array([0.2, 0.3, 0.5])
    low = only * (1.0 - room) if side == "floors" else np.zeros(3)
    high = only * (1.0 + room) if side == "ceilings" else np.full(3, free.budget)
    task = replace(free, lower=low, upper=high, spend_all=spend_all)
    out = run(task, risk)
    assert out.certificate.max_constraint_violation <= 1e-9
    np.testing.assert_allclose(out.u[:, 0], only, rtol=1e-5)


@pytest.mark.parametrize("risk", RISKS, ids=lambda r: r.measure)
def test_a_plan_of_another_budget_is_no_plan_of_this_one(risk: Risk) -> None:
    task = random_problem(np.random.default_rng(8), 3, CONCAVE, draws=6)
    options = SolverOptions(time_limit_s=0.5)
    alone = solve_risk(task, risk, options)
    for start in (1.3 * alone.u[:, 0], 0.7 * alone.u[:, 0], np.roll(alone.u[:, 0], 1) + 0.1):
        found = solve_risk(task, risk, options, start).certificate
        assert found.max_constraint_violation <= 1e-9
        assert found.objective <= alone.certificate.upper_bound * (1.0 + 1e-9)
        assert found.objective >= alone.certificate.objective * (1.0 - 1e-6)
