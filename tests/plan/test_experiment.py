"""Test designs: what they promise is what the curves and the power analysis give."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.plan.conditions import price_of_money
from shared.plan.experiment import AskedTest, PrecisionOfTest, experiment
from shared.plan.information import value_of_information
from shared.plan.optimize import make_plan
from shared.problem.model import Goal, Horizon, Problem
from tests.arrays import arrays_of
from tests.plan.problems import s_shaped_with_draws, two_michaelis_menten


def test_the_channel_worth_most_to_know_comes_first() -> None:
    problem = s_shaped_with_draws()
    found = experiment(problem, AskedTest(20.0))
    worth = value_of_information(arrays_of(problem))
    assert worth is not None
    best = problem.channels[int(np.argmax(worth.channels))].name
    assert found["first"] == best == found["designs"][0]["channel"]
    assert found["designs"][0]["value_of_information"] == pytest.approx(worth.channels.max())


def test_the_expected_lift_is_that_of_the_curves_and_of_every_draw() -> None:
    problem = s_shaped_with_draws()
    for design in experiment(problem, AskedTest(20.0))["designs"]:
        (channel,) = (c for c in problem.channels if c.name == design["channel"])
        lifts = np.array(
            [
                float(draw.value(design["test_spend"]) - draw.value(design["current_spend"]))
                for draw in channel.response.draws
            ]
        )
        assert design["expected_lift"] == pytest.approx(lifts.mean())
        assert design["expected_lift_interval"] == pytest.approx(np.quantile(lifts, [0.05, 0.95]))


def test_a_design_that_detects_meets_its_power_in_simulated_tests() -> None:
    rng = np.random.default_rng(4)
    for design in experiment(s_shaped_with_draws(), AskedTest(150.0, power=0.8))["designs"]:
        if not design["detects"]:
            continue
        n = design["periods"]
        noise = 150.0 * rng.standard_normal((6000, 2, n)).mean(axis=2)
        lift = design["expected_lift"] + noise[:, 1] - noise[:, 0]
        found = float(np.mean(np.abs(lift) > 1.6448536 * design["standard_error"]))
        assert found == pytest.approx(design["power"], abs=0.02)
        assert found >= 0.8 - 0.02


def test_a_smaller_change_than_the_one_chosen_would_not_be_found() -> None:
    problem = two_michaelis_menten()
    (design,) = experiment(problem, AskedTest(25.0, channels=("search",)))["designs"]
    assert design["detects"]
    assert (
        abs(design["spend_change_per_period"]) > 10.2
    )  # more than recommended, for less is not seen
    precision = PrecisionOfTest(25.0, 0.0, 0.8, 0.1, 0)
    recommended = design["recommended_spend"] - design["current_spend"]
    curve = problem.channels[1].response.saturation
    lift = float(curve.value(30.0 + recommended) - curve.value(30.0))
    assert precision.periods_for(lift, 13) is None


def test_noise_that_drowns_everything_is_said_so() -> None:
    design = experiment(two_michaelis_menten(), AskedTest(5000.0))["designs"][0]
    assert not design["detects"]
    assert not design["settles"]
    assert design["minimum_detectable_lift"] > abs(design["expected_lift"])
    assert {s["code"] for s in design["explanation"]} == {
        "test",
        "too_small",
        "cannot_settle",
        "lift_test",
    }


def test_break_even_is_what_the_money_brings_elsewhere() -> None:
    problem = two_michaelis_menten()
    plan = make_plan(problem)
    price = price_of_money(plan)
    assert price == pytest.approx(plan.budget_price)
    for design in experiment(problem, AskedTest(1.0))["designs"]:
        assert design["break_even_lift"] == pytest.approx(price * design["spend_change_per_period"])
        # At the recommended spend itself the shift pays: both curves are concave.
        assert design["expected_lift"] > design["break_even_lift"]
        assert design["outcome_lost"] == 0.0


def test_the_price_of_money_does_not_depend_on_the_goal() -> None:
    goal = Goal("maximize_profit", value_per_outcome=0.5)
    free = Problem(two_michaelis_menten().channels, None, spend_all=False, goal=goal)
    assert price_of_money(make_plan(free)) == pytest.approx(2.0, rel=1e-6)


def test_carryover_settles_before_a_block_counts() -> None:
    found = experiment(s_shaped_with_draws(), AskedTest(20.0, channels=("tv",)))
    # 0.4^k is left after k periods: a tenth after the third one has begun.
    assert found["designs"][0]["wash_in_periods"] == 2


def test_a_plan_over_time_is_no_base() -> None:
    with pytest.raises(InvalidInput):
        experiment(two_michaelis_menten(horizon=Horizon(3)), AskedTest(1.0))


def test_a_design_is_a_lift_test_of_all_its_changed_periods() -> None:
    problem = replace(s_shaped_with_draws(), frequency="month")
    found = experiment(problem, AskedTest(20.0, channels=("tv",), start=date(2025, 11, 1)))
    (design,) = found["designs"]
    test = design["lift_test"]
    changed = design["periods"] + design["wash_in_periods"]
    assert (design["periods"], changed) == (4, 6)
    assert test == {
        "channel": "tv",
        "campaign": None,
        "geo": None,
        "geos": None,
        "experiment": None,
        "start": "2025-11-01",
        "end": "2026-04-30",
        "spend_change": pytest.approx(6 * design["spend_change_per_period"]),
        "outcome_change": None,
        "standard_error": pytest.approx(20.0 * np.sqrt(6 + 6 * 6 / 4)),
        "measured_until": None,
        "bursts": None,
        "in_history": True,
    }
    (told,) = (s for s in design["explanation"] if s["code"] == "lift_test")
    assert "less 1.5 times what came in in the 4 periods before" in told["text"]
    undated = experiment(problem, AskedTest(20.0, channels=("tv",)))["designs"][0]["lift_test"]
    assert (undated["start"], undated["end"]) == (None, None)
