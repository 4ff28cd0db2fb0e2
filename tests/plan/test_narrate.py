"""Sentences about several plans: each figure in the words is the one beside them, and is true."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.figures import number
from shared.plan.evaluate import evaluate
from shared.plan.scenarios import Variant, compare
from shared.plan.sensitivity import sensitivity
from shared.problem.model import Problem
from tests.api.features import drawn, three


def problem(**changes: Any) -> Problem:
    return problem_of(read_optimize(drawn(three(**changes))))


def by_code(sentences: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for sentence in sentences:
        found.setdefault(sentence["code"], []).append(sentence)
    return found


def mix(spends: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(("tv", "search", "radio"), spends, strict=True))


@pytest.fixture(scope="module")
def compared() -> tuple[Problem, dict[str, Any]]:
    base = problem()
    more = problem(budget=90000)
    none = problem(constraints=[{"name": "much", "channels": ["tv"], "min_spend": 5e5}])
    own = Variant("ours", base, mix((20000.0, 20000.0, 20000.0)))
    variants = [Variant("more", more), Variant("much tv", none), own]
    return base, compare(base, variants, (30000.0, 60000.0, 90000.0))


def test_a_difference_and_its_interval_are_those_of_the_draws(
    compared: tuple[Problem, dict[str, Any]],
) -> None:
    """The draws are scored again here, channel by channel, straight from the curves."""
    base, answer = compared

    def draws(rows: list[dict[str, Any]]) -> Any:
        total = np.zeros(10)
        for channel, row in zip(base.channels, rows, strict=True):
            adstock = channel.response.adstock
            carry = 1.0 if adstock is None else adstock.total_weight()
            x = np.array([row["spend"] * carry])
            total += [float(curve.value(x)[0]) for curve in channel.response.draws]
        return total

    mine = draws(answer["base"]["allocation"])
    for scenario in (answer["scenarios"][0], answer["scenarios"][2]):
        gained = draws(scenario["allocation"]) - mine
        told = scenario["difference"]
        assert told["outcome"] == pytest.approx(gained.mean(), rel=1e-9)
        expected = None if gained.size < 20 else list(np.quantile(gained, (0.05, 0.95)))
        assert told["outcome_interval"] == expected
        if told["probability_better"] is not None:
            assert told["probability_better"] == np.mean(gained > 0)


def test_every_scenario_is_told_with_its_figures(
    compared: tuple[Problem, dict[str, Any]],
) -> None:
    _, answer = compared
    said = by_code(answer["explanation"])
    more, ours = said["difference"]
    assert more["text"].startswith("more brings ")
    assert number(abs(more["data"]["outcome"])) in more["text"]
    assert f"for {number(30000.0)} more" in more["text"]
    assert ("less than the base" in ours["text"]) is (ours["data"]["outcome"] < 0.0)
    assert said["infeasible"][0]["data"]["scenario"] == "much tv"
    (regret,) = said["regret"]
    assert regret["data"]["regret"] == answer["scenarios"][2]["regret"]
    (sweep,) = said["sweep"]
    ends = sweep["data"]["ends"]
    assert [end["budget"] for end in ends] == [30000.0, 90000.0]
    assert number(ends[1]["outcome"]) in sweep["text"]


def test_a_scenario_like_the_base_brings_as_much() -> None:
    base = problem()
    answer = compare(base, [Variant("same", base)])
    (same,) = by_code(answer["explanation"])["difference"]
    assert same["text"] == "same brings as much as the base."


def test_a_frontier_is_told_from_end_to_end() -> None:
    base = problem()
    goal = replace(base.goal, value_per_outcome=0.6)
    base = replace(base, goal=goal, spend_all=False)
    answer = compare(base, [], (), ("outcome_profit", 5))
    said = by_code(answer["explanation"])
    points = [p for p in answer["frontier"]["points"] if not p["dominated"]]
    (whole,) = said["frontier"]
    assert whole["data"]["given"] == points[0]["first"] - points[-1]["first"] > 0.0
    assert whole["data"]["got"] == points[-1]["second"] - points[0]["second"] > 0.0
    (middle,) = said["frontier_middle"]
    assert 0.0 <= middle["data"]["loss_share"] <= 1.0


def test_a_plan_of_the_callers_own_is_told_against_today_and_the_best() -> None:
    base = problem()
    answer = evaluate(base, mix((60000.0, 0.0, 0.0)))
    said = by_code(answer["explanation"])
    assert number(answer["totals"]["outcome"]) in said["plan"][0]["text"]
    assert number(answer["best"]["totals"]["outcome"]) in said["best"][0]["text"]
    assert said["best_move"][0]["text"] == answer["best_move"]["text"]
    best = {row["channel"]: row["spend"] for row in answer["best"]["allocation"]}
    said = by_code(evaluate(base, best)["explanation"])
    assert said["as_good"][0]["text"] == "No plan within the limits is worth more."


def test_what_a_plan_hangs_on() -> None:
    answer = sensitivity(problem())
    said = by_code(answer["explanation"])
    swings = [s["data"]["outcome_swing"] for s in said["assumption"]]
    assert (
        swings
        == sorted((row["outcome_swing"] for row in answer["assumptions"]), reverse=True)[
            : len(swings)
        ]
    )
    for sentence in answer["explanation"]:
        assert not re.search(r"\d(?:\.\d+)?e[+-]?\d", sentence["text"])
