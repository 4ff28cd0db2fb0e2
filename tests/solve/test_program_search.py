"""The search for programs, beside brute force, a second method, and what any answer must keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from searches import best_on_grid, one_period, over_time

from shared import work
from shared.errors import Infeasible
from shared.problem.incumbent import allowed, known_plan
from shared.problem.model import SolverOptions
from shared.problem.program import Program, Rows
from shared.solve.certify.certificate import certify
from shared.solve.engines.piecewise import solve_piecewise
from shared.solve.search import Solution
from shared.solve.solver import solve_program

FEATURES = {
    "plain": {},
    "group": {"group": True},
    "share": {"share": True},
    "minimum": {"least": 25.0},
    "lots": {"lot": 10.0},
    "count": {"most": 2},
    "minimum and count": {"least": 25.0, "most": 2},
    "lots and minimum": {"lot": 10.0, "least": 25.0},
    "group and lots": {"group": True, "lot": 5.0},
}


def solved(program: Program, gap: float = 1e-6, seconds: float = 10.0) -> Solution:
    return solve_program(program, SolverOptions(gap=gap, time_limit_s=seconds))


@pytest.mark.parametrize("s_shaped", [True, False])
@pytest.mark.parametrize("feature", FEATURES)
def test_no_point_of_a_grid_is_better_and_the_proof_holds(feature: str, s_shaped: bool) -> None:
    program = one_period(3, 4, 100.0, s_shaped=s_shaped, **FEATURES[feature])
    found = solved(program)
    checked = certify(program, found.u, found.proof)
    assert allowed(program, found.u)
    assert checked.proven
    assert checked.relative_gap <= 1.5e-6
    grid = best_on_grid(program, 100.0, 20, lambda u: allowed(program, u))
    assert np.isfinite(grid)
    assert checked.objective >= grid * (1.0 - 1e-6)
    assert checked.upper_bound >= grid


@pytest.mark.parametrize("seed", range(3))
def test_lots_are_solved_as_by_a_dynamic_programme(seed: int) -> None:
    lot, count = 2.0, 60
    program = one_period(seed, 8, lot * count, lot=lot)
    amounts = np.arange(count + 1) * lot
    values = program.curves.value(np.tile(amounts[:, None], (1, 8)))
    best = np.full(count + 1, -np.inf)
    best[0] = 0.0
    for arm in range(8):
        best = np.array(
            [max(best[k - j] + values[j, arm] for j in range(k + 1)) for k in range(count + 1)]
        )
    found = solved(program, gap=1e-5)
    assert program.objective(found.u) == pytest.approx(best[count], rel=1e-5)
    assert certify(program, found.u, found.proof).upper_bound >= best[count] * (1 - 1e-12)


@pytest.mark.parametrize("s_shaped", [True, False])
def test_a_plan_with_carryover_beats_a_grid(s_shaped: bool) -> None:
    program = over_time(5, 2, 3, 120.0, s_shaped=s_shaped)
    found = solved(program)
    checked = certify(program, found.u, found.proof)
    assert checked.proven
    assert checked.relative_gap <= 1.5e-6
    grid = best_on_grid(program, 120.0, 12, lambda u: allowed(program, u))
    assert grid * (1.0 - 1e-6) <= checked.objective <= checked.upper_bound


@pytest.mark.parametrize("feature", ["group", "minimum", "lots", "count"])
def test_the_integer_programme_and_the_search_agree(feature: str) -> None:
    program = one_period(8, 6, 150.0, **FEATURES[feature])
    found = solved(program)
    other = solve_piecewise(program, gap=1e-5, deadline=work.now() + 5.0)
    bound = certify(program, found.u, found.proof).upper_bound
    assert other.u is not None
    assert allowed(program, other.u)
    assert other.value <= bound
    assert other.value >= program.objective(found.u) * (1.0 - 1e-4)


def test_the_integer_programme_plans_over_time() -> None:
    program = over_time(2, 3, 4, 240.0)
    found = solved(program, gap=1e-4)
    other = solve_piecewise(program, gap=1e-3, deadline=work.now() + 5.0)
    bound = certify(program, found.u, found.proof).upper_bound
    assert other.u is not None
    assert bound * (1.0 - 2e-3) <= other.value <= bound


@pytest.mark.parametrize("feature", ["group", "share", "minimum", "lots", "count"])
def test_leaving_out_a_rule_never_hurts(feature: str) -> None:
    held = one_period(11, 6, 120.0, **FEATURES[feature])
    free = one_period(11, 6, 120.0)
    with_rule, without = solved(held), solved(free)
    assert free.objective(without.u) >= held.objective(with_rule.u) * (1.0 - 2e-6)


def test_the_order_of_arms_does_not_matter() -> None:
    program = one_period(4, 6, 120.0, least=15.0, share=False, group=False)
    order = np.array([3, 1, 5, 0, 4, 2])
    moved = replace(program, curves=program.curves.take(order))
    first, second = solved(program), solved(moved)
    assert program.objective(first.u) == pytest.approx(moved.objective(second.u), rel=2e-6)


def test_prices_are_what_a_larger_budget_brings() -> None:
    program = one_period(1, 5, 150.0, group=True)
    found = solved(program, gap=1e-9)
    step = 0.01
    rows = program.rows
    shift = np.array([step, 0.0])
    more = replace(
        program, rows=Rows(rows.matrix, rows.lower + shift, rows.upper + shift, rows.names)
    )
    gained = more.objective(solved(more, gap=1e-9).u) - program.objective(found.u)
    assert gained / step == pytest.approx(found.prices[0], rel=1e-2)


def test_todays_plan_is_never_lost() -> None:
    program = one_period(7, 6, 120.0)
    current = np.array([[60.0], [60.0], [0.0], [0.0], [0.0], [0.0]])
    program = replace(program, current=current)
    known = known_plan(program)
    assert known is not None
    found = solve_program(program, SolverOptions(time_limit_s=0.01))
    assert program.objective(found.u) >= program.objective(known)


def test_what_cannot_be_met_is_named() -> None:
    program = one_period(1, 3, 100.0, least=60.0, most=1)
    program = replace(program, upper=np.full((3, 1), 80.0))
    with pytest.raises(Infeasible):
        solved(program)


def test_the_time_limit_is_kept() -> None:
    program = one_period(2, 60, 1000.0, lot=8.0, least=20.0, most=15)
    began = work.now()
    found = solve_program(program, SolverOptions(gap=1e-12, time_limit_s=1.0))
    assert work.now() - began <= 1.0
    checked = certify(program, found.u, found.proof)
    assert checked.proven
    assert np.isfinite(checked.upper_bound)


def test_the_same_problem_has_the_same_answer() -> None:
    program = one_period(9, 8, 160.0, least=20.0)
    assert np.array_equal(solved(program).u, solved(program).u)


@pytest.mark.parametrize("seed", range(6))
def test_a_gap_that_the_search_calls_closed_is_closed_in_its_proof(seed: int) -> None:
    """Cuts once took the hole below a minimum for spend that is allowed, and cut away too much."""
    program = one_period(seed, 20, 1_000.0, least=60.0)
    found = solved(program)
    checked = certify(program, found.u, found.proof)
    assert found.finished
    assert checked.proven
    assert checked.relative_gap <= 1e-6
