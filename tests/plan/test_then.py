"""Spend that goes on after the horizon: by hand, against a longer plan, and at its prices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.adstock import Geometric, LagWeights
from shared.curves.curveset import Response
from shared.curves.saturation import Logarithmic, MichaelisMenten
from shared.plan.optimize import answer, make_plan
from shared.problem.aim import Goal
from shared.problem.model import Channel, Horizon, Problem, Window


def problem(then: str, periods: int = 6, **given: object) -> Problem:
    channels = (
        Channel("a", Response(MichaelisMenten(100.0, 50.0), Geometric(0.6)), current_spend=20.0),
        Channel("b", Response(MichaelisMenten(90.0, 40.0)), current_spend=20.0),
    )
    return Problem(channels, 40.0 * periods, horizon=Horizon(periods, then=then), **given)  # type: ignore[arg-type]


def test_the_end_does_not_fall_off() -> None:
    stops = make_plan(problem("stop")).best.spend
    goes_on = make_plan(problem("continue")).best.spend
    assert stops[0, -1] < 0.7 * stops[0, 2]
    assert goes_on[0, -1] > 0.95 * goes_on[0, 2]
    assert goes_on[:, -1].sum() == pytest.approx(40.0)


def test_copies_of_the_last_period_count_and_are_paid_for() -> None:
    # One lag: one copy. 10 log(1 + z) of z = x, x + y / 2 ... by a grid over both spends.
    tv = Channel("tv", Response(Logarithmic(10.0, 1.0), LagWeights((1.0, 0.5))))
    goal = Goal("maximize_profit", value_per_outcome=1.0)
    plan = make_plan(Problem((tv,), None, False, goal=goal, horizon=Horizon(2, then="continue")))
    x, y = np.meshgrid(np.linspace(0, 20, 2001), np.linspace(0, 20, 2001), indexing="ij")
    worth = 10 * (np.log1p(x) + np.log1p(y + x / 2) + np.log1p(1.5 * y)) - x - 2 * y
    at = np.unravel_index(int(worth.argmax()), worth.shape)
    assert plan.best.spend[0] == pytest.approx([x[at], y[at]], abs=0.02)
    assert plan.certificate.objective == pytest.approx(float(worth.max()), rel=1e-5)
    totals = answer(plan)["totals"]
    u, v = plan.best.spend[0]
    assert totals["outcome"] == pytest.approx(10 * (np.log1p(u) + np.log1p(v + u / 2)))
    assert totals["profit"] == pytest.approx(totals["outcome"] - u - v)


def test_without_carryover_there_is_nothing_after() -> None:
    still = replace(
        problem("continue"),
        channels=tuple(
            replace(c, response=Response(c.response.saturation))
            for c in problem("continue").channels
        ),
    )
    plan = make_plan(still)
    stops = make_plan(replace(still, horizon=Horizon(6)))
    assert plan.certificate.objective == pytest.approx(stops.certificate.objective)


@pytest.mark.parametrize("windows", [False, True])
def test_a_price_of_the_budget_counts_the_last_period_in(windows: bool) -> None:
    own = problem("continue")
    if windows:
        spans = (Window(1, 3, 120.0), Window(4, 6, 120.0))
        own = replace(own, budget=None, windows=spans)
    plan = make_plan(own)
    name = "budget[4-6]" if windows else "budget"
    (price,) = [p["value"] for p in plan.prices if p["name"] == name]
    if windows:
        more = replace(own, windows=(own.windows[0], Window(4, 6, 120.1)))
    else:
        more = replace(own, budget=240.1)
    gain = make_plan(more).certificate.objective - plan.certificate.objective
    assert price == pytest.approx(gain / 0.1, rel=1e-3)
    assert not any(p["name"].endswith(".then") for p in plan.prices)
    assert answer(plan)["then"] == "continue"
