"""The interior point: closed forms, a second method, and bounds that close."""

from __future__ import annotations

import numpy as np
import pytest
from problems import ALL, CONCAVE, random_problem
from programs import adstock_plan, bound, grouped, program, rows

from shared.curves.saturation import Exponential, Power
from shared.problem.canonical import marginal
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.solve.dispatch import solve
from shared.solve.interior import RelaxedProgram, relax_program
from shared.solve.program_box import program_box


def relaxed(p: Program, **options: object) -> RelaxedProgram:
    return relax_program(p, program_box(p), **options)  # type: ignore[arg-type]


def test_two_powers_share_a_budget_in_closed_form() -> None:
    """sqrt: spend goes with the square of the coefficient; the budget's price is its slope."""
    p = program(
        [Power(3.0, 0.5), Power(4.0, 0.5)], [[0.0], [0.0]], [[25.0], [25.0]], rows([[1, 1]], 25, 25)
    )
    found = relaxed(p)
    assert found.status == "optimal"
    assert found.u.ravel() == pytest.approx([9.0, 16.0], rel=1e-4)
    assert found.value == pytest.approx(25.0, rel=1e-9)
    assert found.mu[0] == pytest.approx(0.5, rel=1e-5)
    assert found.nu.ravel() == pytest.approx([0.5, 0.5], rel=1e-5)


def test_profit_with_a_free_budget_spends_until_the_slope_is_the_cost() -> None:
    p = program([Exponential(10.0, 1.0)], [[0.0]], [[1e6]], rows(width=1), value=2.0, cost=1.0)
    found = relaxed(p)
    assert found.status == "optimal"
    assert found.u[0, 0] == pytest.approx(np.log(20.0), rel=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_one_budget_agrees_with_the_dual(seed: int) -> None:
    rng = np.random.default_rng(seed)
    canonical = random_problem(rng, 8, CONCAVE)
    exact = solve(canonical, SolverOptions(gap=1e-10))
    p = Program(
        names=canonical.names,
        lower=canonical.lower[:, None],
        upper=canonical.upper[:, None],
        least_active=np.zeros((8, 1)),
        lower_by=canonical.lower_by,
        upper_by=canonical.upper_by,
        lot=np.zeros(8),
        rows=rows([np.ones(8)], canonical.budget, canonical.budget),
        spread=np.ones((8, 1, 1)),
        carry=np.ones((8, 1, 1)),
        carry_in=np.zeros((8, 1)),
        weight=np.ones((8, 1)),
        curves=canonical.curves,
    )
    found = relaxed(p)
    best = p.objective(exact.spend[:, None])
    assert found.status == "optimal"
    assert found.value == pytest.approx(best, rel=1e-8)
    assert found.bound >= best * (1 - 1e-12)
    inside = (exact.spend > 1e-6) & (exact.spend < canonical.upper - 1e-6)
    assert found.mu[0] == pytest.approx(marginal(canonical, exact.spend)[inside].max(), rel=1e-4)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kinds", [CONCAVE, ALL])
def test_the_bound_of_the_multipliers_closes(seed: int, kinds: tuple[str, ...]) -> None:
    """Recomputed on a grid, hence from below: it must not be above what was promised."""
    rng = np.random.default_rng(seed)
    for p in (grouped(rng, 12, kinds), adstock_plan(rng, 3, 5, kinds)):
        found = relaxed(p)
        assert found.status == "optimal"
        assert p.violation(found.u) < 1e-9
        grid = bound(p, program_box(p), found.mu, found.nu, 400)
        assert grid <= found.bound + 1e-9 * abs(found.bound)
        assert p.objective(found.u) <= found.bound * (1 + 1e-12)
        if kinds is CONCAVE:
            assert p.objective(found.u) == pytest.approx(found.bound, rel=2e-9)
