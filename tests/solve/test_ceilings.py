"""Outcome beyond a ceiling is worth nothing: closed forms, grids, SLSQP, tampered multipliers."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Hill, Logarithmic
from shared.plan.optimize import Plan, answer, make_plan
from shared.problem.aim import Goal
from shared.problem.lower import lower
from shared.problem.model import Channel, Constraint, Horizon, Interaction, Problem
from shared.problem.proof import Leaf, Proof, SplitDecision
from shared.solve.certify.certificate import bound


def log(name: str, size: float, **given: Any) -> Channel:
    return Channel(name, Response(Logarithmic(size, 1.0)), **given)


def hill(name: str, top: float, half: float, shape: float = 1.0, **given: Any) -> Channel:
    return Channel(name, Response(Hill(top, half, shape), Geometric(0.4)), **given)


def solved(problem: Problem, gap: float = 1e-5) -> Plan:
    plan = make_plan(problem)
    assert plan.certificate.proven
    assert plan.certificate.relative_gap <= gap
    return plan


def price(plan: Plan, name: str) -> float:
    return next((p["value"] for p in plan.prices if p["name"] == name), 0.0)


def test_a_ceiling_on_a_log_curve_ends_its_spend_where_it_is_reached() -> None:
    # 10 log(1 + x) = 15 at x = e^1.5 - 1, and the rest goes to the other: its slope is the price.
    problem = Problem((log("a", 10.0, max_outcome=15.0), log("b", 8.0)), 20.0)
    plan = solved(problem)
    x = np.exp(1.5) - 1.0
    assert plan.best.spend[:, 0] == pytest.approx([x, 20.0 - x], rel=1e-4)
    own, other = 10.0 / (1.0 + x), 8.0 / (21.0 - x)
    assert price(plan, "budget") == pytest.approx(other, rel=1e-3)
    # m f'(x) is the price of money, and one more outcome of the ceiling is worth 1 - m.
    assert price(plan, "a.max_outcome") == pytest.approx(1.0 - other / own, rel=1e-3)
    more = solved(replace(problem, channels=(log("a", 10.0, max_outcome=15.1), log("b", 8.0))))
    gain = (more.certificate.objective - plan.certificate.objective) / 0.1
    assert gain == pytest.approx(price(plan, "a.max_outcome"), rel=1e-2)


def test_profit_stops_at_the_ceiling_of_all() -> None:
    # Without the ceiling slopes are 1 / 2; with it 10 log(1 + x) + 8 log(1 + y) = 40.
    goal = Goal("maximize_profit", value_per_outcome=2.0, max_outcome=40.0)
    plan = solved(Problem((log("a", 10.0), log("b", 8.0)), None, spend_all=False, goal=goal))
    x, y = plan.best.spend[:, 0]
    assert (1 + x) / (1 + y) == pytest.approx(10 / 8, rel=1e-4)
    assert plan.best.total == pytest.approx(40.0, rel=1e-5)
    assert plan.certificate.objective == pytest.approx(80.0 - x - y, rel=1e-6)


def test_money_that_must_be_spent_is_spent_and_its_outcome_is_lost() -> None:
    goal = Goal(max_outcome=30.0)
    pair = (log("a", 10.0), log("b", 8.0))
    plan = solved(Problem(pair, 40.0, goal=goal))
    assert plan.best.money == pytest.approx(40.0)
    assert plan.certificate.objective == pytest.approx(30.0)
    told = answer(plan)
    totals = told["totals"]
    assert totals["outcome"] - totals["outcome_lost"] == pytest.approx(30.0)
    (said,) = [s for s in told["explanation"] if s["code"] == "ceiling"]
    assert said["data"]["lost"] == pytest.approx(totals["outcome_lost"])
    # Where it need not be spent, the least that reaches the ceiling is.
    lean = solved(Problem(pair, 40.0, spend_all=False, goal=goal))
    least = Goal("minimize_spend", target_outcome=30.0)
    reached = make_plan(Problem(pair, 40.0, spend_all=False, goal=least))
    assert lean.best.money == pytest.approx(reached.best.money, rel=1e-6)


def test_a_ceiling_that_is_not_reached_changes_nothing() -> None:
    pair = (hill("a", 100.0, 40.0), hill("b", 80.0, 30.0))
    free = solved(Problem(pair, 90.0, horizon=Horizon(3)))
    held = solved(Problem(pair, 90.0, horizon=Horizon(3), goal=Goal(max_outcome=1e6)))
    assert held.best.spend == pytest.approx(free.best.spend, rel=1e-4, abs=1e-4)
    assert not [s for s in answer(held)["explanation"] if s["code"] == "ceiling"]


@pytest.mark.parametrize("shape", [1.0, 2.5])
def test_no_plan_of_a_grid_is_better(shape: float) -> None:
    channels = (
        hill("a", 100.0, 40.0, shape, max_outcome=40.0),
        hill("b", 80.0, 30.0, shape),
        hill("c", 60.0, 20.0, shape, increment=5.0),
    )
    rule = Constraint("g", channels=("a", "b"), max_outcome=85.0)
    problem = Problem(channels, 100.0, constraints=(rule,))
    plan, program = solved(problem), lower(problem)
    best = max(
        program.objective(np.array([[a], [b], [100.0 - a - b]]))
        for a, b in itertools.product(np.arange(0.0, 101.0, 2.5), repeat=2)
        if a + b <= 100.0 and (100.0 - a - b) % 5.0 == 0.0
    )
    assert plan.certificate.objective >= best - 1e-4
    assert plan.certificate.objective <= best * 1.02


def test_several_ceilings_over_periods_agree_with_slsqp() -> None:
    tops, halves = np.array([100.0, 80.0, 60.0, 90.0]), np.array([40.0, 30.0, 20.0, 60.0])
    most = np.array([150.0, 120.0, np.inf, np.inf])
    channels = tuple(
        hill(f"c{i}", tops[i], halves[i], max_outcome=None if np.isinf(most[i]) else most[i])
        for i in range(4)
    )
    plan = solved(Problem(channels, 400.0, horizon=Horizon(3)))
    lag = np.array([[0.4 ** (t - s) if t >= s else 0.0 for s in range(3)] for t in range(3)])

    def outcome(x: np.ndarray) -> np.ndarray:
        z = x.reshape(4, 3) @ lag.T
        return np.asarray((tops[:, None] * z / (halves[:, None] + z)).sum(axis=1))

    # The most of t, with t no more than what comes and what counts.
    def short(v: np.ndarray) -> np.ndarray:
        return np.append(outcome(v[:12]) - v[12:], 400.0 - v[:12].sum())

    start = np.append(np.full(12, 33.0), np.minimum(outcome(np.full(12, 33.0)), most) - 1.0)
    bounds = [(0.0, None)] * 12 + [(0.0, None if np.isinf(m) else m) for m in most]
    rules = {"type": "ineq", "fun": short}
    found = minimize(
        lambda v: -v[12:].sum(),
        start,
        bounds=bounds,
        constraints=rules,
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-10},
    )
    assert plan.certificate.objective == pytest.approx(-found.fun, rel=1e-5)


def test_ceilings_beside_interactions_are_bounded_by_what_half_of_them_brings() -> None:
    channels = (hill("a", 100.0, 40.0, max_outcome=50.0), hill("b", 80.0, 30.0))
    pair = (Interaction(("a", "b"), 20.0),)
    problem = Problem(channels, 100.0, interactions=pair)
    plan, program = solved(problem), lower(problem)
    grid = [program.objective(np.array([[x], [100.0 - x]])) for x in np.linspace(0, 100, 2001)]
    assert plan.certificate.objective == pytest.approx(max(grid), rel=1e-5)


def test_multipliers_of_ceilings_are_checked() -> None:
    problem = Problem((log("a", 10.0, max_outcome=5.0), log("b", 8.0)), 20.0, goal=Goal())
    program = lower(problem)
    u = np.array([[10.0], [10.0]])
    for m in (0.0, 0.3, 1.0):
        task, less = program.lifted((m,))
        assert task.objective(u) - less >= program.objective(u) - 1e-9
    for wrong in ((1.5,), (-0.1,), (0.1, 0.1), (float("nan"),)):
        with pytest.raises(ValueError, match=r"multiplier|Ceilings"):
            program.lift(wrong)


def test_a_bound_of_parts_holds_where_only_a_ceiling_tells_two_channels_apart() -> None:
    """By their curves a plan with more on the second is one with more on the first: not here."""
    capped = log("a", 10.0, max_outcome=5.0)
    problem = Problem((capped, log("b", 10.0)), 20.0, spend_all=False)
    best, program = solved(problem), lower(problem)
    assert best.best.spend[1, 0] > 15.0
    below, above = (Leaf(np.array([price]), None, (1.0,)) for price in (0.0, 10.0 / 13.0))
    halves = Proof((SplitDecision(1, 0, 12.0, 1, 2), below, above))
    assert bound(program, best.best.spend, halves, -np.inf) >= best.certificate.objective
