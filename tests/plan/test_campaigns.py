"""Campaigns: the split of a channel against brute force, moves, ranks over draws, predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, MichaelisMenten, Saturation
from shared.plan.campaigns import campaigns
from shared.plan.evaluate import evaluate
from shared.problem.model import Channel, Constraint, Goal, Horizon, Problem


def scaled(curve: Saturation, factor: float) -> Saturation:
    known = curve.to_dict()
    del known["family"]
    return type(curve)(**{**known, "max_response": known["max_response"] * factor})


def campaign(
    name: str, curve: Saturation, spend: float | None, spread: float = 0.0, **more: Any
) -> Channel:
    rng = np.random.default_rng(len(name))
    draws = tuple(scaled(curve, float(s)) for s in rng.lognormal(0.0, spread, 60)) if spread else ()
    return Channel(name, Response(curve, None, draws), current_spend=spend, **more)


def channel(name: str, *below: Channel, **more: Any) -> Channel:
    return Channel(name, below[0].response, campaigns=below, **more)


def two_by_two(spread: float = 0.0, **changes: Any) -> Problem:
    """Search: an S-shaped and a concave campaign. Social: two concave ones. Radio has none."""
    search = channel(
        "search",
        campaign("brand", Hill(300.0, 30.0, 2.5), 20.0, spread),
        campaign("generic", MichaelisMenten(200.0, 25.0), 60.0, spread),
    )
    social = channel(
        "social",
        campaign("video", Exponential(150.0, 0.05), 50.0, spread),
        campaign("feed", Exponential(90.0, 0.1), 10.0, spread),
    )
    radio = campaign("radio", MichaelisMenten(80.0, 30.0), 20.0, spread)
    return replace(Problem(channels=(search, social, radio), budget=160.0), **changes)


def by_brute_force(below: tuple[Channel, ...], money: float) -> tuple[float, float]:
    """The first campaign's best spend and the most that both bring, from 400,001 splits."""
    first = np.linspace(0.0, money, 400_001)
    curves = [c.response.saturation for c in below]
    both = np.asarray(curves[0].value(first)) + np.asarray(curves[1].value(money - first))
    best = int(np.argmax(both))
    return float(first[best]), float(both[best])


def test_the_split_of_two_campaigns_is_that_of_brute_force() -> None:
    problem = two_by_two()
    found = campaigns(problem)
    assert [row["channel"] for row in found["within"]] == ["search", "social"]
    for row, above in zip(found["within"], problem.channels, strict=False):
        now = [c.current_spend or 0.0 for c in above.campaigns]
        spend, most = by_brute_force(above.campaigns, sum(now))
        before = sum(
            float(np.asarray(c.response.saturation.value(x)))
            for c, x in zip(above.campaigns, now, strict=True)
        )
        assert row["campaigns"][0]["spend"] == pytest.approx(spend, abs=1e-3 * sum(now))
        assert row["gain"] == pytest.approx(most - before, rel=1e-6)
        assert row["gain"] > 1.0
        assert row["relative_gap"] <= 1e-6
        assert sum(c["spend"] for c in row["campaigns"]) == pytest.approx(sum(now), abs=1e-9)
        # With two campaigns the one move is the whole split.
        (move,) = row["moves"]
        assert move["gain"] == pytest.approx(row["gain"], rel=1e-6)
        assert move["amount"] == pytest.approx(abs(row["campaigns"][0]["change"]), rel=1e-5)
        gives = min(row["campaigns"], key=lambda c: c["change"])
        assert move["from_campaign"] == gives["campaign"]
        assert move["gain_interval"] is None  # no draws, none invented


def test_the_four_plans_agree_with_evaluate() -> None:
    problem = two_by_two(spread=0.2)
    own = {
        "search/brand": 50.0,
        "search/generic": 30.0,
        "social/video": 30.0,
        "social/feed": 30.0,
        "radio": 20.0,
    }
    found = campaigns(problem, own)
    scored = evaluate(problem, own)
    totals = {name: plan["totals"] for name, plan in found["plans"].items()}
    assert totals["yours"] == scored["totals"]
    assert totals["recommended"]["outcome"] == pytest.approx(scored["best"]["totals"]["outcome"])
    gains = sum(row["gain"] for row in found["within"])
    assert totals["within"]["uplift"] == pytest.approx(gains)
    order = ("current", "within", "recommended")
    assert sorted(order, key=lambda name: totals[name]["outcome"]) == list(order)
    for name, plan in totals.items():
        parts = [row[name] for row in found["predictions"]]
        assert sum(part["outcome"] for part in parts) == pytest.approx(plan["outcome"])
        assert all(part["outcome_interval"] is not None for part in parts)
    assert [(row["channel"], row["campaign"]) for row in found["predictions"]] == [
        ("search", "brand"),
        ("search", "generic"),
        ("social", "video"),
        ("social", "feed"),
        ("radio", None),
    ]
    broken = campaigns(problem, {**own, "radio": 30.0})["plans"]["yours"]["violations"]
    assert [(v["name"], v["amount"]) for v in broken] == [("budget", pytest.approx(10.0))]


def test_the_ranking_is_by_slope_and_its_ranges_are_those_of_the_draws() -> None:
    problem = two_by_two(spread=0.3)
    found = campaigns(problem)
    slopes = [row["marginal_return"] for row in found["ranking"]]
    assert slopes == sorted(slopes, reverse=True)
    arms = [c for above in problem.channels for c in (above.campaigns or (above,))]
    each = np.array(
        [
            [
                float(np.asarray(d.slope(a.current_spend or 0.0)))
                for a in arms
                for d in (a.response.draws[s],)
            ]
            for s in range(60)
        ]
    )
    names = [(r["channel"], r["campaign"]) for r in found["predictions"]]
    for row in found["ranking"]:
        a = names.index((row["channel"], row["campaign"]))
        assert row["marginal_return"] == pytest.approx(each[:, a].mean(), rel=1e-9)
        assert row["marginal_interval"] == pytest.approx(
            np.quantile(each[:, a], [0.05, 0.95]), rel=1e-3
        )
        low, high = row["rank_interval"]
        ranks = 1 + (each > each[:, [a]]).sum(axis=1)
        assert np.mean((ranks >= low) & (ranks <= high)) >= 0.9
        assert row["average_return"] == pytest.approx(row["outcome"] / row["spend"])
    places = sorted(row["average_rank"] for row in found["ranking"])
    assert places == [1, 2, 3, 4, 5]


def test_limits_of_campaigns_hold_and_rules_of_channels_do_not_matter() -> None:
    problem = two_by_two(
        constraints=(Constraint("cap", channels=("social",), max_spend=1.0),),
        goal=Goal("maximize_profit", value_per_outcome=0.5),
        spend_all=False,
    )
    search = problem.channels[0]
    tied = (search.campaigns[0], replace(search.campaigns[1], min_spend=55.0))
    problem = replace(problem, channels=(replace(search, campaigns=tied), *problem.channels[1:]))
    found = {row["channel"]: row for row in campaigns(problem)["within"]}
    assert found["search"]["campaigns"][1]["spend"] >= 55.0 - 1e-6
    assert found["social"]["spend"] == 60.0


def test_a_split_over_time_holds_each_periods_money() -> None:
    problem = two_by_two(horizon=Horizon(periods=3), budget=480.0)
    adstocked = tuple(
        replace(c, response=replace(c.response, adstock=Geometric(0.3)))
        for c in problem.channels[1].campaigns
    )
    social = replace(problem.channels[1], campaigns=adstocked)
    problem = replace(problem, channels=(problem.channels[0], social, problem.channels[2]))
    found = campaigns(problem)
    for row, money in zip(found["within"], (240.0, 180.0), strict=True):
        assert row["spend"] == money
        assert sum(c["spend"] for c in row["campaigns"]) == pytest.approx(money, rel=1e-6)
        assert row["gain"] > 0.0
        assert row["relative_gap"] <= 1e-3


def test_what_cannot_be_told_is_missing_with_its_reason() -> None:
    search = channel(
        "search",
        campaign("brand", Hill(300.0, 30.0, 2.5), None),
        campaign("generic", MichaelisMenten(200.0, 25.0), 60.0),
    )
    found = campaigns(Problem(channels=(search,), budget=100.0))
    assert found["ranked_at"] == "recommended"
    assert found["within"] == []
    assert found["plans"]["current"] is None
    assert [w["code"] for w in found["warnings"]] == ["no_current_spend"]
    plain = Problem(channels=(campaign("tv", Hill(300.0, 30.0, 2.5), 20.0),), budget=20.0)
    assert [w["code"] for w in campaigns(plain)["warnings"]] == ["no_campaigns"]


def test_thin_evidence_within_a_channel_is_told() -> None:
    alike = channel(
        "search",
        campaign("a", MichaelisMenten(200.0, 25.0), 50.0, 0.5),
        campaign("bb", MichaelisMenten(200.0, 25.0), 40.0, 0.5),
    )
    found = campaigns(Problem(channels=(alike,), budget=90.0))
    (row,) = found["within"]
    assert 0.0 < row["probability_better"] < 0.8
    assert "evidence_too_thin_to_move" in {w["code"] for w in found["warnings"]}
    assert row["gain_interval"][0] < 0.0 < row["gain_interval"][1]


def test_no_more_than_ten_pairs_are_looked_at_and_the_best_is_among_them() -> None:
    rng = np.random.default_rng(5)
    many = [
        campaign(f"c{k}", Exponential(float(rng.uniform(50, 300)), 0.02), float(rng.uniform(5, 60)))
        for k in range(8)
    ]
    found = campaigns(Problem(channels=(channel("search", *many),), budget=400.0))
    (row,) = found["within"]
    assert row["pairs_left_out"] == 18
    assert "pairs_left_out" in {w["code"] for w in found["warnings"]}
    gains = [move["gain"] for move in row["moves"]]
    assert gains == sorted(gains, reverse=True)
    alone = []
    for i in range(8):
        for j in range(i):
            money = (many[i].current_spend or 0.0) + (many[j].current_spend or 0.0)
            _, most = by_brute_force((many[i], many[j]), money)
            before = sum(
                float(np.asarray(c.response.saturation.value(c.current_spend or 0.0)))
                for c in (many[i], many[j])
            )
            alone.append(most - before)
    assert gains[0] == pytest.approx(max(alone), rel=1e-6)
    assert row["gain"] >= gains[0] - 1e-9
