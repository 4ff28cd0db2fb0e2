"""Datasets with campaigns, interactions and draws as parts of one problem."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import saturation_from_dict
from shared.plan.optimize import make_plan
from shared.plan.portfolio import Part, merged, portfolio
from shared.problem.model import Channel, Interaction, Problem


def channel(name: str, most: float, half: float, draws: int = 0) -> Channel:
    curve = {"family": "hill", "max_response": most, "half_saturation": half, "shape": 1.0}
    factors = np.linspace(0.5, 1.5, draws)
    sampled = tuple(
        saturation_from_dict({**curve, "max_response": most * f}) for f in factors.tolist()
    )
    response = Response(saturation_from_dict(curve), None, sampled)
    return Channel(name, response, current_spend=30.0, max_spend=200.0)


def brand(dataset: str, most: float, weight: float, draws: int = 0) -> Part:
    """Two channels, the second of two campaigns, that work together."""
    below = (channel("a", most, 20.0, draws), channel("b", most / 3.0, 40.0, draws))
    radio = Channel("radio", below[0].response, current_spend=60.0, campaigns=below)
    pairs = (Interaction(("tv", "radio"), 40.0), Interaction(("tv", "radio/b"), -10.0))
    channels = (channel("tv", 300.0, 50.0, draws), radio)
    return Part(dataset, Problem(channels, 90.0, interactions=pairs), weight=weight)


@pytest.mark.parametrize("draws", [0, 20])
def test_each_part_is_the_best_plan_of_its_own_problem_for_its_money(draws: int) -> None:
    parts = [brand("de", 200.0, 1.0, draws), brand("at", 90.0, 2.5, draws // 2)]
    found = portfolio(merged(parts, 250.0, spend_all=True, unit="units of value"), parts)
    assert found["status"] == "optimal"
    assert sum(d["totals"]["spend"] for d in found["datasets"]) == pytest.approx(250.0)
    for part, told in zip(parts, found["datasets"], strict=True):
        alone = make_plan(replace(part.problem, budget=told["totals"]["spend"]))
        assert told["unweighted_outcome"] == pytest.approx(alone.best.total, rel=1e-5)
        assert alone.current is not None
        today = part.weight * alone.current.total
        assert told["totals"]["current_outcome"] == pytest.approx(today, rel=1e-9)
        assert [c["channel"] for c in told["allocation"][1]["campaigns"]] == ["a", "b"]
    whole = found["totals"]
    for name in ("outcome", "uplift", "current_spend"):
        sums = sum(told["totals"][name] for told in found["datasets"])
        assert sums == pytest.approx(whole[name], rel=1e-9)


def test_no_split_of_the_money_between_two_parts_brings_more_than_the_bound() -> None:
    parts = [brand("de", 200.0, 1.0), brand("at", 90.0, 2.5)]
    found = portfolio(merged(parts, 250.0, spend_all=True, unit=None), parts)

    def brings(first: float) -> float:
        plans = [
            make_plan(replace(part.problem, budget=money)).best.total * part.weight
            for part, money in zip(parts, (first, 250.0 - first), strict=True)
        ]
        return sum(plans)

    best = max(brings(first) for first in np.linspace(0.0, 250.0, 26).tolist())
    assert best <= found["certificate"]["upper_bound"]
    assert best == pytest.approx(found["totals"]["outcome"], rel=1e-2)
    assert best <= found["totals"]["outcome"] * (1.0 + 1e-6)
