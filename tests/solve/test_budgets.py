"""Many budgets at once: each plan and each bound as if it were the only one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from problems import certified, leaf, solve

from shared.curves.saturation import Hill, Power, Saturation, Sigmoid
from shared.curves.stack import stack, stack_draws
from shared.problem.model import SolverOptions
from shared.problem.proof import Proof
from shared.solve.certify.certificate import Certificate, certify_all
from shared.solve.one_budget.budgets import Budgets, solve_budgets
from shared.solve.one_budget.form import OneBudget

GAP = 1e-4


def _boxes(curves: list[Saturation], draws: Any, budget: float, **changes: Any) -> OneBudget:
    n = len(curves)
    plain = OneBudget(
        names=tuple(f"c{i}" for i in range(n)),
        curves=stack(curves),
        draws=None if draws is None else stack_draws(draws),
        current=np.full(n, np.nan),
        lower=np.zeros(n),
        upper=np.full(n, budget),
        lower_by=("",) * n,
        upper_by=("budget",) * n,
        budget=budget,
        spend_all=True,
    )
    return replace(plain, **changes)


def certify_budgets(
    each: list[OneBudget], spend: np.ndarray, proofs: list[Proof], accuracy: float
) -> list[Certificate]:
    return certify_all([one.program() for one in each], list(spend[:, :, None]), proofs, accuracy)


def _random(kind: str, seed: int, n: int = 6) -> OneBudget:
    """Curves of a kind at the largest budget, 15 a channel; some with floors and ceilings."""
    rng = np.random.default_rng(seed)
    curves: list[Saturation] = []
    for _ in range(n):
        top, half = rng.uniform(50.0, 400.0), rng.uniform(3.0, 40.0)
        if kind == "sigmoid":
            curves.append(Sigmoid(top, half, rng.uniform(2.0, 8.0) / half))
        else:
            shape = rng.uniform(0.6, 1.0) if kind == "concave" else rng.uniform(0.7, 3.0)
            curves.append(Hill(top, half, shape))
    draws = None
    if kind == "draws":
        draws = [
            [
                Hill(
                    c.max_response * float(np.exp(0.2 * rng.normal())),  # type: ignore[attr-defined]
                    c.half_saturation * float(np.exp(0.3 * rng.normal())),  # type: ignore[attr-defined]
                    c.shape * float(np.exp(0.15 * rng.normal())),  # type: ignore[attr-defined]
                )
                for _ in range(40)
            ]
            for c in curves
        ]
    budget = 15.0 * n
    lower = np.where(rng.random(n) < 0.3, rng.uniform(0.0, 3.0, n), 0.0)
    upper = np.where(rng.random(n) < 0.3, rng.uniform(20.0, 50.0, n), budget)
    return _boxes(curves, draws, budget, lower=lower, upper=np.maximum(upper, lower))


def _each(task: OneBudget, budgets: np.ndarray) -> list[OneBudget]:
    room = budgets[:, None] - task.lower.sum() + task.lower
    return [
        replace(task, budget=float(b), upper=np.minimum(task.upper, r))
        for b, r in zip(budgets, room, strict=True)
    ]


def _solved(task: OneBudget, budgets: np.ndarray) -> Budgets:
    found = solve_budgets(task, budgets, GAP, math.inf)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["concave", "s_shaped", "sigmoid", "draws"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_budget_is_what_a_solve_of_its_own_gives(kind: str, seed: int) -> None:
    task = _random(kind, seed)
    budgets = np.linspace(0.4, 1.0, 13) * task.budget
    found = _solved(task, budgets)
    each = _each(task, budgets)
    assert not np.isnan(found.spend).any()
    assert found.spend.sum(axis=1) == pytest.approx(budgets, rel=1e-13)
    proven = certify_budgets(each, found.spend, found.proofs, 0.05 * GAP)
    wide = 0
    for one, spend, proof, bounded in zip(each, found.spend, found.proofs, proven, strict=True):
        assert np.all(spend >= one.lower)
        assert np.all(spend <= one.upper * (1 + 1e-12))
        alone = solve(one, SolverOptions(gap=1e-6))
        best = float(one.outcome(alone.spend).sum())
        assert bounded.proven
        assert bounded.max_constraint_violation <= 1e-12
        assert bounded.upper_bound >= best
        assert bounded.objective == pytest.approx(float(one.outcome(spend).sum()), rel=1e-14)
        # Bounded together or alone, a proof says the same to the accuracy that was asked for.
        single = certified(one, spend, proof)
        assert bounded.upper_bound == pytest.approx(single.upper_bound, rel=GAP)
        wide += bounded.relative_gap > GAP
        if bounded.relative_gap <= GAP:
            assert bounded.objective >= best * (1.0 - GAP)
    assert wide <= (0 if kind == "concave" else len(each) // 2)


def test_concave_plans_are_stationary_to_the_last_digits() -> None:
    task = _random("concave", 5)
    budgets = np.linspace(0.3, 1.0, 9) * task.budget
    found = _solved(task, budgets)
    each = _each(task, budgets)
    proven = certify_budgets(each, found.spend, found.proofs, 0.05 * GAP)
    assert max(bounded.relative_gap for bounded in proven) < 1e-11
    for one, spend, proof in zip(each, found.spend, found.proofs, strict=True):
        assert certified(one, spend, proof).kkt_residual < 1e-9


def test_budgets_whose_prices_are_worlds_apart_are_left_to_others() -> None:
    saturated = _boxes([Sigmoid(10.0, 1.0, 5.0), Sigmoid(20.0, 1.0, 4.0)], None, 1e3)
    assert solve_budgets(saturated, np.array([1.0, 10.0, 1e3]), GAP, math.inf) is None


def test_straight_lines_leave_a_plan_or_none_but_no_false_bound() -> None:
    task = _boxes([Power(2.0, 1.0), Hill(50.0, 10.0, 2.0), Power(1.0, 1.0)], None, 60.0)
    budgets = np.array([20.0, 40.0, 60.0])
    found = solve_budgets(task, budgets, GAP, math.inf)
    if found is None:
        return
    each = _each(task, budgets)
    known = ~np.isnan(found.spend).any(axis=1)
    spend = np.where(known[:, None], found.spend, 0.0)
    for one, bounded in zip(each, certify_budgets(each, spend, found.proofs, GAP), strict=True):
        best = float(one.outcome(solve(one, SolverOptions()).spend).sum())
        assert bounded.upper_bound >= best * (1 - 1e-12)


def test_a_false_proof_costs_its_own_budget_only() -> None:
    task = _random("s_shaped", 3)
    budgets = np.linspace(0.5, 1.0, 4) * task.budget
    found = _solved(task, budgets)
    each = _each(task, budgets)
    good = certify_budgets(each, found.spend, found.proofs, GAP)
    false = [found.proofs[0], Proof(()), Proof((leaf(np.nan),)), found.proofs[3]]
    said = certify_budgets(each, found.spend, false, GAP)
    assert [bounded.proven for bounded in said] == [True, False, False, True]
    for k in (0, 3):
        assert said[k].upper_bound == pytest.approx(good[k].upper_bound, rel=GAP)
    # A plan that breaks its budget is no plan of it, however good.
    spend = found.spend.copy()
    spend[0] *= 1.01
    assert not certify_budgets(each, spend, found.proofs, GAP)[0].proven
