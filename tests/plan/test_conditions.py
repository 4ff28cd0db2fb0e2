"""What it would take to change the answer, held against solving with the curve made so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, MichaelisMenten
from shared.plan.optimize import answer, make_plan
from shared.problem.model import Channel, Constraint, Goal, Problem
from tests.plan.problems import s_shaped_with_draws, two_michaelis_menten


def told(problem: Problem, code: str) -> list[dict[str, Any]]:
    return [s["data"] for s in answer(make_plan(problem))["explanation"] if s["code"] == code]


def times(problem: Problem, name: str, factor: float) -> Problem:
    """The problem with one channel's curve (and its draws) multiplied."""

    def made(curve: Any) -> Any:
        return replace(curve, max_response=curve.max_response * factor)

    channels = tuple(
        replace(
            c,
            response=replace(
                c.response,
                saturation=made(c.response.saturation),
                draws=tuple(made(d) for d in c.response.draws),
            ),
        )
        if c.name == name
        else c
        for c in problem.channels
    )
    return replace(problem, channels=channels)


def spend_of(problem: Problem, name: str) -> float:
    plan = make_plan(problem)
    return float(plan.best.spend[[c.name for c in problem.channels].index(name), 0])


def poor_third(goal: Goal | None = None, budget: float | None = 60.0) -> Problem:
    """Concave; the third channel is not worth it."""
    channels = (
        *two_michaelis_menten().channels,
        Channel("radio", Response(Exponential(50.0, 0.02)), current_spend=10.0),
    )
    return Problem(channels, budget, spend_all=budget is not None, goal=goal or Goal())


GOALS = [
    (None, 60.0),
    (Goal("maximize_profit", value_per_outcome=0.4), None),
    (Goal("minimize_spend", target_outcome=300.0), None),
]


@pytest.mark.parametrize(("goal", "budget"), GOALS)
def test_a_channel_enters_at_its_factor_and_not_before(
    goal: Goal | None, budget: float | None
) -> None:
    problem = poor_third(goal, budget)
    (entry,) = told(problem, "entry")
    assert entry["channel"] == "radio"
    assert entry["exact"]
    assert entry["factor"] > 1.0
    assert spend_of(times(problem, "radio", 0.998 * entry["factor"]), "radio") < 1e-3
    assert spend_of(times(problem, "radio", 1.002 * entry["factor"]), "radio") > 1e-3


def test_a_floor_is_left_at_its_factor() -> None:
    problem = poor_third()
    channels = (*problem.channels[:2], replace(problem.channels[2], min_spend=5.0))
    problem = replace(problem, channels=channels)
    (entry,) = told(problem, "entry")
    assert entry["spend"] == pytest.approx(5.0)
    assert spend_of(times(problem, "radio", 0.998 * entry["factor"]), "radio") < 5.001
    assert spend_of(times(problem, "radio", 1.002 * entry["factor"]), "radio") > 5.001


def test_with_a_bend_less_is_surely_not_enough() -> None:
    rest = two_michaelis_menten().channels
    problem = Problem((*rest, Channel("tv2", Response(Hill(150.0, 60.0, 3.0)))), 80.0)
    (entry,) = told(problem, "entry")
    assert not entry["exact"]
    # The tangent from the origin of a Hill curve of shape 3 touches where x^3 = 2 half^3.
    touch = 60.0 * 2 ** (1 / 3)
    steepest = 150.0 * (2 / 3) / touch
    assert entry["best_return"] == pytest.approx(steepest, rel=1e-3)
    assert spend_of(times(problem, "tv2", 0.995 * entry["factor"]), "tv2") == 0.0
    assert spend_of(times(problem, "tv2", 2.0 * entry["factor"]), "tv2") > 1.0


def test_a_ceiling_holds_down_to_its_factor() -> None:
    first, second = two_michaelis_menten().channels
    problem = Problem((first, replace(second, max_spend=20.0)), 100.0)
    (slack,) = told(problem, "slack")
    assert slack["channel"] == "search"
    assert spend_of(times(problem, "search", slack["factor"] * 1.002), "search") == pytest.approx(
        20.0
    )
    assert spend_of(times(problem, "search", slack["factor"] * 0.995), "search") < 19.999


@pytest.mark.parametrize("seed", range(8))
def test_the_gain_is_lost_at_its_factor(seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels = []
    for i in range(5):
        curve = MichaelisMenten(float(rng.uniform(100, 900)), float(rng.uniform(10, 80)))
        draws = tuple(
            MichaelisMenten(curve.max_response * float(f), curve.half_saturation)
            for f in rng.lognormal(0, 0.3, 25)
        )
        response = Response(curve, None, draws if seed % 2 else ())
        channels.append(Channel(f"c{i}", response, float(rng.uniform(5, 40))))
    budget = float(sum(c.current_spend or 0.0 for c in channels))
    problem = Problem(tuple(channels), budget)
    (loss,) = told(problem, "loss")
    now = next(c.current_spend for c in channels if c.name == loss["channel"])
    assert 0.0 < loss["factor"] < 1.0
    then = spend_of(times(problem, loss["channel"], loss["factor"]), loss["channel"])
    assert then == pytest.approx(now, rel=1e-4)


def test_the_gain_of_a_free_budget_is_lost_where_its_slope_meets_the_price() -> None:
    first, second = two_michaelis_menten().channels
    goal = Goal("maximize_profit", value_per_outcome=0.6)
    channels = (replace(first, current_spend=40.0), replace(second, current_spend=10.0))
    problem = Problem(channels, None, spend_all=False, goal=goal)
    (loss,) = told(problem, "loss")
    now = next(c.current_spend for c in channels if c.name == loss["channel"])
    then = spend_of(times(problem, loss["channel"], loss["factor"]), loss["channel"])
    assert then == pytest.approx(now, rel=1e-4)


def test_where_limits_tie_channels_nothing_is_claimed() -> None:
    rule = Constraint("pair", channels=("tv", "radio"), max_spend=20.0)
    problem = replace(poor_third(), constraints=(rule,))
    assert not told(problem, "entry")
    assert not told(problem, "loss")


def test_doubts_are_named_with_their_figures() -> None:
    problem = s_shaped_with_draws()
    channels = (replace(problem.channels[0], verdict="weak"), *problem.channels[1:])
    problem = replace(problem, channels=channels)
    assert told(problem, "unsure_curve") == [{"channel": "tv", "verdict": "weak"}]
    (beyond,) = told(problem, "extrapolates")
    assert beyond["observed_max"] == 60.0
    assert beyond["spend"] > 60.0
    assert not told(s_shaped_with_draws(), "unsure_curve")
