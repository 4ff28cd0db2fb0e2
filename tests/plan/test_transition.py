"""Steps to the recommended plan: within reach, the best there, measured with carryover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, MichaelisMenten
from shared.errors import InvalidInput
from shared.plan.optimize import make_plan
from shared.plan.transition import transition
from shared.plan.yardstick import yardstick
from shared.problem.model import Channel, Constraint, Goal, Horizon, Problem, Risk
from tests.plan.problems import closed_form, s_shaped_with_draws, two_michaelis_menten


def spends(found: dict) -> np.ndarray:  # type: ignore[type-arg]
    """(periods, A)"""
    return np.array([[row["spend"] for row in step["channels"]] for step in found["steps"]])


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("problem", [two_michaelis_menten(), s_shaped_with_draws()])
def test_no_step_goes_further_than_it_may(problem: Problem, share: float) -> None:
    found = transition(problem, share, 6)
    now = np.array([channel.current_spend for channel in problem.channels], dtype=float)
    for step in spends(found):
        assert np.all(np.abs(step - now) <= share * now + 1e-6)
        assert step.sum() == pytest.approx(100.0)
        now = step


def test_each_step_is_the_best_within_reach() -> None:
    problem = two_michaelis_menten()
    found = transition(problem, 0.05, 4)
    now = np.array([70.0, 30.0])
    measure = yardstick(problem)
    for step in spends(found):
        tv = np.linspace(now[0] * 0.95, now[0] * 1.05, 2001)
        search = 100.0 - tv
        near = np.abs(search - now[1]) <= 0.05 * now[1] + 1e-12
        best = max(
            measure.objective(np.array([[a], [b]]))
            for a, b in zip(tv[near], search[near], strict=True)
        )
        assert measure.objective(step[:, None]) >= best - 1e-6
        now = step


def test_concave_steps_arrive_at_the_recommended_plan_and_stay() -> None:
    found = transition(two_michaelis_menten(), 0.1, 12)
    assert found["path"] == "best_steps"
    assert spends(found)[-1] == pytest.approx(closed_form(), rel=1e-5)
    assert found["arrives_in"] is not None
    before = found["steps"][found["arrives_in"] - 1]["reached_share"]
    assert before >= 0.99
    assert found["reached_share"] == pytest.approx(1.0)
    shares = [step["reached_share"] for step in found["steps"]]
    assert shares == sorted(shares)
    assert all(row["there"] for row in found["steps"][-1]["channels"])


def test_what_a_period_brings_has_the_carryover_of_what_went_before() -> None:
    slow = Response(MichaelisMenten(400.0, 50.0), Geometric(0.6, normalised=True))
    quick = Response(MichaelisMenten(300.0, 20.0))
    channels = (Channel("tv", slow, current_spend=80.0), Channel("search", quick, 20.0))
    problem = Problem(channels, 100.0)
    found = transition(problem, 0.1, 6)
    level = 80.0
    for step in found["steps"]:
        tv, search = (row["spend"] for row in step["channels"])
        level = 0.4 * tv + 0.6 * level
        expected = 400 * level / (50 + level) + 300 * search / (20 + search)
        assert step["outcome"] == pytest.approx(expected, rel=1e-7)
    now = 400 * 80 / 130 + 300 * 20 / 40
    full = make_plan(problem).best.total
    late = [s["outcome"] - now >= 0.99 * (full - now) for s in found["steps"]]
    assert found["outcome_arrives_in"] == (late.index(True) + 1 if any(late) else None)
    assert found["current"]["outcome"] == pytest.approx(now)
    brought = sum(step["outcome"] - now for step in found["steps"])
    assert found["outcome_gained"] == pytest.approx(brought)


def test_a_hill_of_its_own_is_not_the_end_of_the_way() -> None:
    bend = Response(Hill(900.0, 60.0, 4.0))
    channels = (
        Channel("tv", bend, current_spend=10.0),
        Channel("search", Response(MichaelisMenten(300.0, 60.0)), current_spend=90.0),
    )
    found = transition(Problem(channels, 100.0), 0.3, 14)
    assert found["path"] == "straight"
    assert found["reached_share"] == pytest.approx(1.0, abs=1e-3)
    assert found["steps"][0]["reached_share"] < 0.0  # through the valley


def test_the_budget_is_approached_as_fast_as_it_may() -> None:
    found = transition(two_michaelis_menten(budget=150.0), 0.1, 6)
    totals = spends(found).sum(axis=1)
    assert totals[0] == pytest.approx(110.0)
    assert totals[-1] == pytest.approx(150.0)
    assert {w["code"] for w in found["warnings"]} == {"limits_not_yet_met"}


def test_a_limit_that_today_breaks_is_named_until_it_is_met() -> None:
    rule = Constraint("cap", channels=("tv",), max_spend=50.0)
    found = transition(replace(two_michaelis_menten(), constraints=(rule,)), 0.1, 6)
    assert spends(found)[-1][0] == pytest.approx(50.0)
    told = [w["message"] for w in found["warnings"] if w["code"] == "limits_not_yet_met"]
    assert "cap" in told[0]
    assert "steps_break_limits" in {w["code"] for w in found["warnings"]}


def test_an_arm_without_money_gets_in() -> None:
    first, second = two_michaelis_menten().channels
    channels = (replace(first, current_spend=100.0), replace(second, current_spend=0.0))
    problem = replace(two_michaelis_menten(), channels=channels)
    found = transition(problem, 0.25, 10)
    steps = spends(found)
    assert steps[0][1] == pytest.approx(0.25 * closed_form()[1], rel=1e-4)
    assert found["reached_share"] > 0.9


def test_less_money_for_the_same_target() -> None:
    goal = Goal("minimize_spend", target_outcome=350.0)
    problem = Problem(two_michaelis_menten().channels, None, spend_all=False, goal=goal)
    found = transition(problem, 0.1, 12)
    assert found["steps"][-1]["spend"] == pytest.approx(make_plan(problem).best.money, rel=1e-3)
    assert found["gain"] == pytest.approx(100.0 - make_plan(problem).best.money, rel=1e-6)
    said = {sentence["code"]: sentence for sentence in found["explanation"]}
    assert "save" in found["explanation"][0]["text"]
    saved = 12 * 100.0 - sum(step["spend"] for step in found["steps"])
    assert said["gained_on_the_way"]["data"]["spend"] == pytest.approx(-saved)
    assert " less than today's plan would and spend " in said["gained_on_the_way"]["text"]


def test_the_best_plan_has_no_way_to_go() -> None:
    tv, search = closed_form()
    first, second = two_michaelis_menten().channels
    channels = (replace(first, current_spend=tv), replace(second, current_spend=search))
    found = transition(replace(two_michaelis_menten(), channels=channels), 0.1, 3)
    assert [sentence["code"] for sentence in found["explanation"]] == ["keep"]
    assert found["reached_share"] is None


def test_a_plan_over_time_is_no_base() -> None:
    with pytest.raises(InvalidInput):
        transition(two_michaelis_menten(horizon=Horizon(3)), 0.1, 3)


def in_lots(lot: float, a: float, b: float) -> Problem:
    """Two equal channels on Exponential curves: half the money each is best."""
    curve = Response(Exponential(100.0, 0.02))
    channels = (
        Channel("a", curve, current_spend=a, increment=lot),
        Channel("b", curve, current_spend=b, increment=lot),
    )
    return Problem(channels, a + b)


@pytest.mark.parametrize(("lot", "share"), [(20.0, 0.1), (20.0, 0.3), (1.0, 0.1), (5.0, 0.5)])
def test_lots_move_no_further_than_they_may(lot: float, share: float) -> None:
    problem = in_lots(lot, 60.0, 20.0)
    found = transition(problem, share, 3)
    now = np.array([60.0, 20.0])
    for step in spends(found):
        assert np.all(np.abs(step - now) <= share * now + 1e-9)
        assert step / lot == pytest.approx(np.round(step / lot))
        assert step.sum() == pytest.approx(80.0)
        now = step
    held = [w["message"] for w in found["warnings"] if w["code"] == "lots_forbid_steps"]
    assert bool(held) == (lot == 20.0)
    assert all("a" in text and "b" in text for text in held)
    assert (found["reached_share"] == 0.0) == (lot == 20.0)


def test_what_is_not_in_lots_yet_goes_to_the_nearest_within_reach() -> None:
    found = transition(in_lots(10.0, 63.0, 17.0), 0.2, 4)
    steps = spends(found)
    assert steps[0] == pytest.approx([60.0, 20.0])
    assert {w["code"] for w in found["warnings"]} == {"lots_forbid_steps"}
    far = transition(in_lots(40.0, 63.0, 17.0), 0.2, 4)
    assert spends(far) == pytest.approx(np.tile([63.0, 17.0], (4, 1)))
    assert {w["code"] for w in far["warnings"]} >= {"lots_forbid_steps", "limits_not_yet_met"}


def test_a_cautious_step_leaves_a_budget_that_today_exceeds() -> None:
    def drawn(top: float, spread: float) -> Response:
        draws = tuple(Exponential(top * (1.0 + s), 0.02) for s in (-spread, spread))
        return Response(Exponential(top, 0.02), draws=draws)

    channels = (
        Channel("a", drawn(100.0, 0.1), current_spend=80.0),
        Channel("b", drawn(80.0, 0.125), current_spend=60.0),
    )
    problem = Problem(channels, 100.0, risk=Risk("cvar"))
    totals = spends(transition(problem, 0.1, 5)).sum(axis=1)
    assert totals == pytest.approx([126.0, 113.4, 102.06, 100.0, 100.0])
    # One step has a single plan within reach: every channel at its ceiling.
    low = tuple(replace(c, current_spend=s) for c, s in zip(channels, (30.0, 40.0), strict=True))
    assert spends(transition(replace(problem, channels=low), 0.1, 1)) == pytest.approx(
        np.array([[33.0, 44.0]])
    )
