"""Plans against brute force, against each other, and in the corners where solvers break."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from problems import (
    ALL,
    CONCAVE,
    boxes,
    certified,
    curve,
    on_grid,
    random_plans,
    random_problem,
    solve,
    twins,
)

from shared import work
from shared.curves.saturation import (
    Exponential,
    Hill,
    Logistic,
    Power,
    Saturation,
    Sigmoid,
    Tabulated,
)
from shared.curves.stack import CurveStack, Group
from shared.errors import InvalidInput
from shared.problem.model import SolverOptions
from shared.solve.certify.certificate import Certificate
from shared.solve.one_budget.form import OneBudget
from shared.solve.search import Solution

Array = NDArray[np.float64]
TIGHT = SolverOptions(gap=1e-9, time_limit_s=30.0)
seeds = st.integers(0, 2**32 - 1)


def solved(problem: OneBudget, options: SolverOptions = TIGHT) -> tuple[Solution, Certificate]:
    """Solve, recheck, and insist on what every answer must keep."""
    answer = solve(problem, options)
    check = certified(problem, answer.spend, answer.proof)
    total = math.fsum(answer.spend)
    if problem.spend_all:
        assert abs(total - problem.budget) <= 1e-12 * max(problem.budget, 1e-300)
    assert check.max_constraint_violation <= 1e-12
    assert check.proven
    assert check.upper_bound >= check.objective
    return answer, check


def best(problem: OneBudget) -> float:
    check = solved(problem)[1]
    assert check.relative_gap <= 1e-9
    return check.objective


@pytest.mark.parametrize("seed", range(40))
def test_no_grid_beats_the_plan(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, int(rng.integers(2, 7)))
    value = best(problem)
    grid = on_grid(problem, 120)
    assert grid <= value * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_no_grid_beats_the_mean_plan_over_draws(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    problem = random_problem(rng, 4, draws=15)
    _, check = solved(problem, SolverOptions(gap=1e-6))
    assert check.relative_gap <= 1e-6
    assert on_grid(problem, 80) <= check.objective * (1 + 1e-6)


def test_grids_come_close_to_the_plan() -> None:
    # The other direction: the claimed value is one that a fine grid nearly reaches.
    rng = np.random.default_rng(7)
    for _ in range(5):
        problem = random_problem(rng, 3, ("s_hill", "sigmoid", "exponential"))
        free = replace(problem, lower=np.zeros(3), upper=np.full(3, problem.budget))
        assert on_grid(free, 600) >= best(free) * (1 - 1e-3)


def test_the_closed_form_of_square_roots() -> None:
    # max sum c_i sqrt(x_i) with sum x = B: x_i = B c_i^2 / sum c^2, value sqrt(B sum c^2).
    c = np.array([1.0, 2.0, 3.0, 0.1])
    problem = boxes([Power(v, 0.5) for v in c], 7.0)
    answer, check = solved(problem)
    np.testing.assert_allclose(answer.spend, 7 * c**2 / (c**2).sum(), rtol=1e-12)
    assert check.objective == pytest.approx(math.sqrt(7 * (c**2).sum()), rel=1e-14)
    assert answer.prices[0] == pytest.approx(0.5 * math.sqrt((c**2).sum() / 7), rel=1e-12)
    assert answer.method == "lagrangian"


@pytest.mark.parametrize("n", [1, 10, 1000])
def test_concave_problems_close_to_rounding(n: int) -> None:
    rng = np.random.default_rng(n)
    problem = random_problem(rng, n, CONCAVE)
    answer, check = solved(problem)
    assert answer.method == "lagrangian"
    assert check.relative_gap <= 1e-12
    assert check.kkt_residual <= 1e-9


def test_many_s_shaped_channels_close_to_the_gap_asked_for() -> None:
    problem = random_problem(np.random.default_rng(3), 300, ("s_hill", "sigmoid"))
    answer, check = solved(problem)
    assert answer.method == "branch_and_bound"
    assert check.relative_gap <= 1e-9


def test_mean_over_concave_draws_is_stationary() -> None:
    rng = np.random.default_rng(5)
    problem = random_problem(rng, 8, ("hill", "exponential", "logistic"), draws=50)
    answer, check = solved(problem, SolverOptions(gap=1e-6))
    assert answer.method == "lagrangian"
    assert check.relative_gap <= 1e-8
    assert check.kkt_residual <= 1e-9


# -- properties ------------------------------------------------------------------------------


@given(seeds)
def test_changing_the_units_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = ("s_hill", "sigmoid", "exponential", "tabulated")
    curves = [curve(rng, str(rng.choice(kinds))) for _ in range(4)]
    budget, money = float(rng.uniform(0.5, 3)), float(10 ** rng.uniform(-6, 9))
    other = boxes([c.scaled(1 / money) for c in curves], budget * money)
    assert best(other) == pytest.approx(best(boxes(curves, budget)), rel=2e-9)


@given(seeds)
def test_the_order_of_channels_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    curves = [curve(rng, str(rng.choice(ALL))) for _ in range(5)]
    order = rng.permutation(5)
    budget = float(rng.uniform(0.5, 4))
    one, other = boxes(curves, budget), boxes([curves[i] for i in order], budget)
    assert best(one) == pytest.approx(best(other), rel=2e-9)


@given(seeds)
def test_more_budget_and_looser_bounds_never_hurt(seed: int) -> None:
    rng = np.random.default_rng(seed)
    curves = [curve(rng, str(rng.choice(ALL))) for _ in range(4)]
    budget = float(rng.uniform(0.5, 3))
    lower = rng.uniform(0, 0.2, 4) * budget
    upper = lower + rng.uniform(0.3, 0.9, 4) * budget
    value = best(boxes(curves, budget, lower=lower, upper=upper))
    assert best(boxes(curves, budget, lower=0.5 * lower, upper=upper)) >= value * (1 - 2e-9)
    assert best(boxes(curves, budget, lower=lower, upper=1.2 * upper)) >= value * (1 - 2e-9)
    richer = boxes(curves, 1.1 * budget, lower=lower, upper=np.minimum(upper, budget) * 1.1)
    assert best(richer) >= value * (1 - 2e-9)
    capped = boxes(curves, budget, lower=lower, upper=upper, spend_all=False)
    assert best(capped) == pytest.approx(value, rel=2e-9)


@given(seeds)
def test_splitting_a_concave_channel_into_halves_changes_nothing(seed: int) -> None:
    # f(x) = 2 h(x / 2) with h = f(2 .) / 2: two halves at x/2 each do what the whole does at x.
    rng = np.random.default_rng(seed)
    whole: Saturation = Exponential(float(rng.uniform(0.5, 3)), float(rng.uniform(0.3, 3)))
    half = Exponential(whole.parameters()["max_response"] / 2, whole.parameters()["rate"] * 2)
    rest = [curve(rng, str(rng.choice(ALL))) for _ in range(3)]
    budget = float(rng.uniform(0.5, 3))
    assert best(boxes([half, half, *rest], budget)) == pytest.approx(
        best(boxes([whole, *rest], budget)), rel=2e-9
    )


@given(seeds)
def test_the_price_is_the_derivative_of_the_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    curves = [curve(rng, str(rng.choice(CONCAVE[1:5]))) for _ in range(4)]
    budget = float(rng.uniform(0.5, 3))
    h = 1e-4 * budget
    price = solved(boxes(curves, budget))[0].prices[0]
    slope = (best(boxes(curves, budget + h)) - best(boxes(curves, budget - h))) / (2 * h)
    assert price == pytest.approx(slope, rel=1e-5)


# -- corners ---------------------------------------------------------------------------------

CORNERS: dict[str, OneBudget] = {
    "ties of straight lines": boxes([Power(2, 1), Power(2, 1), Power(1, 1)], 3, upper=[2, 2, 9]),
    "no money": boxes([Hill(1, 1, 0.5), Hill(1, 1, 2)], 0.0),
    "more than all can use": boxes([Exponential(1, 1), Exponential(2, 1)], 1e6),
    "nine orders of magnitude": boxes(
        [Hill(1e9, 1e6, 1.5), Hill(1, 1e-3, 2.5), Exponential(1e4, 1e-2), Sigmoid(1e-3, 1e3, 0.01)],
        1e6,
    ),
    "infinite slopes at zero": boxes([Hill(1, 1, 0.3), Power(1, 0.2), Hill(5, 1e9, 0.5)], 1.0),
    "flat tails": boxes([Logistic(1, 100), Logistic(1, 200), Sigmoid(1, 0.1, 300)], 50.0),
    "identical S-curves": boxes([Hill(1, 1, 3)] * 5, 1.85),
    "one channel": boxes([Hill(1, 1, 3)], 3.0),
    "everything locked": boxes([Hill(1, 1, 3), Hill(1, 1, 2)], 3.0, lower=[1, 2], upper=[1, 2]),
    "no effect at all": boxes([Hill(0, 1, 3), Exponential(0, 1)], 3.0),
    "some without effect": boxes([Hill(0, 1, 3), Exponential(1, 1), Power(0, 0.5)], 3.0),
    "tables": boxes(
        [Tabulated((0, 1, 2), (0, 0, 5)), Tabulated((0, 1, 2), (0, 3, 5)), Power(1, 1)], 3.0
    ),
    "nearly steps": boxes([Hill(1, 1, 80), Sigmoid(1.1, 1.2, 800), Exponential(0.5, 0.5)], 1.5),
    "tiny units": boxes([Hill(1e-9, 1e-9, 2), Hill(2e-9, 1e-9, 3)], 1e-9),
    "far below every bend": boxes([Hill(1, 1e6, 3), Sigmoid(2, 1e6, 1e-4)], 1.0),
}


@pytest.mark.parametrize("name", CORNERS)
def test_corners(name: str) -> None:
    problem = CORNERS[name]
    _, check = solved(problem, SolverOptions(gap=1e-6, time_limit_s=30.0))
    assert check.relative_gap <= 1e-6
    rng = np.random.default_rng(0)
    plans = random_plans(rng, problem, 200)
    if len(plans):
        assert problem.outcome(plans).sum(axis=1).max() <= check.upper_bound
    assert on_grid(problem, 60) <= check.objective * (1 + 1e-6) + 1e-300


def test_ties_are_filled_in_order() -> None:
    answer, _ = solved(CORNERS["ties of straight lines"])
    assert answer.spend.tolist() == [2.0, 1.0, 0.0]


def test_a_cap_leaves_money_where_nothing_is_gained_by_it() -> None:
    table = Tabulated((0, 1, 2), (0, 3, 3))
    capped = boxes([table, table], 30.0, upper=[10, 10], spend_all=False)
    assert solved(capped)[0].spend.tolist() == [1.0, 1.0]
    assert solved(boxes([table, table], 30.0))[0].spend.sum() == 30.0
    open_ended = boxes([Exponential(1, 1)], 9.0, upper=[5.0], spend_all=False)
    answer, check = solved(open_ended)
    assert answer.spend.tolist() == [5.0]
    assert answer.prices[0] == 0.0
    assert check.gap <= 1e-12


@pytest.mark.parametrize("seed", range(10))
def test_never_worse_than_the_current_plan(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 12, ("s_hill", "sigmoid"))
    plan = max(random_plans(rng, problem, 50), key=lambda x: problem.outcome(x).sum())
    current = replace(problem, current=plan)
    hurried = SolverOptions(gap=1e-9, time_limit_s=1e-6)
    answer = solve(current, hurried)
    check = certified(current, answer.spend, answer.proof)
    assert check.objective >= problem.outcome(plan).sum() * (1 - 1e-12)
    assert check.proven


def test_the_time_limit_is_kept_with_the_best_plan_and_an_honest_gap() -> None:
    # Means over draws of curves that are alike: tables, which no count of channels tells apart.
    rng = np.random.default_rng(3)
    curves = [Hill(1 + 1e-5 * i, 1, 3) for i in range(30)]
    z = np.exp(0.3 * rng.standard_normal((100, 2)))
    draws: list[list[Saturation]] = [[Hill(c.max_response * a, b, 3) for a, b in z] for c in curves]
    problem = boxes(list(curves), 0.37 * 30, draws=draws)
    began = work.now()
    answer = solve(problem, SolverOptions(gap=1e-7, time_limit_s=0.1))
    assert work.now() - began <= 0.1
    check = certified(problem, answer.spend, answer.proof)
    assert check.proven
    assert 1e-7 < check.relative_gap < 0.1
    assert "time limit" in answer.why


def test_what_a_process_does_once_is_on_nobody_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(work, "clock", lambda: seconds[0])
    with work.limited(1.0):
        with work.untimed():
            seconds[0] += 5.0  # libraries are loaded
        assert work.now() < work.END
        assert work.seconds_left() == 1.0
        seconds[0] += 1.5
        assert work.now() == work.END
    assert work.out_of_time()


def test_a_root_that_is_slow_keeps_the_time_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # As with very many channels, where one pass over all curves takes a while: here 5 ms each.

    def slow(through: Callable[..., Array]) -> Callable[..., Array]:
        def passing(*curves: Any) -> Array:
            work.charge(0.005)
            return through(*curves)

        return passing

    for name in ("gather", "_parameters"):
        monkeypatch.setattr(CurveStack, name, slow(getattr(CurveStack, name)))
    rng = np.random.default_rng(4)
    n = 300
    top, half = rng.lognormal(0, 0.7, n), rng.lognormal(0, 0.7, n)
    problem = boxes([Hill(1, 1, 2)], 0.3 * n)
    curves = CurveStack(n, (Group(slice(None), Hill(top, half, rng.uniform(1.2, 4, n))),))
    problem = replace(
        problem,
        names=tuple(map(str, range(n))),
        curves=curves,
        current=np.full(n, np.nan),
        lower=np.zeros(n),
        upper=np.full(n, problem.budget),
        lower_by=("",) * n,
        upper_by=("budget",) * n,
    )
    began = work.now()
    answer = solve(problem, SolverOptions(gap=1e-9, time_limit_s=0.2))
    assert work.now() - began <= 0.22
    check = certified(problem, answer.spend, answer.proof)
    assert check.proven
    assert check.relative_gap < 1.0


@pytest.mark.parametrize("n", [10, 20, 50, 100, 1000])
def test_s_curves_alike_to_a_percent_are_no_maze_either(n: int) -> None:
    rng = np.random.default_rng(n)
    for kind in ("hill", "sigmoid", "hill"):
        a, b, c = np.exp(0.01 * rng.standard_normal((3, n)))
        curves: list[Saturation] = [
            Hill(x, y, 3.0 * z) if kind == "hill" else Sigmoid(x, y, 6.0 * z)
            for x, y, z in zip(a, b, c, strict=True)
        ]
        problem = boxes(curves, float(rng.uniform(0.1, 0.6)) * n)
        answer, check = solved(problem, SolverOptions(gap=1e-4))
        assert check.relative_gap <= 1e-4
        assert answer.nodes <= 60


@pytest.mark.parametrize("seed", range(12))
def test_no_grid_beats_the_plan_among_identical_channels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = twins(rng, int(rng.integers(3, 7)), draws=5 if seed % 3 == 0 else 0)
    value = solved(problem, SolverOptions(gap=1e-7))[1].objective
    assert on_grid(problem, 120) <= value * (1 + 1e-7)


@pytest.mark.parametrize("n", [10, 100, 1000])
def test_identical_s_curves_are_no_maze(n: int) -> None:
    answer, check = solved(boxes([Hill(1, 1, 3)] * n, 0.37 * n), SolverOptions(gap=1e-6))
    assert check.relative_gap <= 1e-6
    assert answer.nodes <= 20


def test_the_same_question_gets_the_same_answer() -> None:
    problem = random_problem(np.random.default_rng(9), 30)
    one, two = solve(problem, TIGHT), solve(problem, TIGHT)
    assert one.spend.tobytes() == two.spend.tobytes()
    assert (one.nodes, one.iterations) == (two.nodes, two.iterations)


def test_a_current_plan_off_by_rounding_is_put_on_the_budget() -> None:
    # Nothing beats it, so it is what comes back: with the sum that was asked for.
    plan = np.array([4e7, 6e7 + 0.04])
    problem = boxes(
        [Power(1, 1), Power(1, 1)], 1e8, lower=plan - 0.1, upper=plan + 0.1, current=plan
    )
    answer, _ = solved(problem)
    assert abs(math.fsum(answer.spend) - 1e8) < 0.005


def test_a_given_start_is_never_lost() -> None:
    problem = random_problem(np.random.default_rng(2), 12, ("s_hill",))
    good = solve(problem, TIGHT).spend
    again = solve(problem, SolverOptions(time_limit_s=1e-6), start=good)
    assert problem.outcome(again.spend).sum() >= problem.outcome(good).sum() * (1 - 1e-12)


def test_methods_by_name() -> None:
    with pytest.raises(InvalidInput, match="no method 'magic'"):
        solve(CORNERS["tables"], SolverOptions(method="magic"))
    problem = random_problem(np.random.default_rng(1), 6, ("s_hill",))
    dual = solve(problem, SolverOptions(method="lagrangian"))
    assert (dual.method, dual.nodes) == ("lagrangian", 1)
    assert certified(problem, dual.spend, dual.proof).proven
    assert solve(problem, SolverOptions(method="branch_and_bound")).method == "branch_and_bound"
