"""Shadow prices against problems solved again with a limit moved: every kind of limit and plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, MichaelisMenten, Tabulated
from shared.errors import Infeasible
from shared.plan.optimize import answer, make_plan
from shared.plan.plan import Plan
from shared.problem.lower import lower
from shared.problem.model import (
    Channel,
    Constraint,
    Goal,
    Horizon,
    Interaction,
    Problem,
    SolverOptions,
)

STEP = 1e-3
OPTIONS = SolverOptions(gap=1e-10)
Move = Callable[[Problem, float], Problem]


def base(**changes: Any) -> Problem:
    """Three concave channels with carryover and a budget of 120 a period."""
    channels = (
        Channel("tv", Response(MichaelisMenten(400.0, 50.0), Geometric(0.5)), current_spend=50.0),
        Channel("social", Response(Exponential(220.0, 0.02)), current_spend=40.0),
        Channel("search", Response(MichaelisMenten(300.0, 20.0)), current_spend=30.0),
    )
    return Problem(channels=channels, budget=120.0, options=OPTIONS, **changes)


def with_channel(problem: Problem, name: str, **changes: Any) -> Problem:
    return replace(
        problem,
        channels=tuple(replace(c, **changes) if c.name == name else c for c in problem.channels),
    )


def over(periods: int, **changes: Any) -> Problem:
    mode = changes.pop("mode", "time_varying")
    pace = changes.pop("pace", None)
    problem = base(horizon=Horizon(periods, mode, pace))
    return replace(problem, **({"budget": 120.0 * periods} | changes))


def rule(problem: Problem, **changes: Any) -> Problem:
    return replace(problem, constraints=(replace(problem.constraints[0], **changes),))


def more_budget(problem: Problem, step: float) -> Problem:
    assert problem.budget is not None
    return replace(problem, budget=problem.budget + step)


def moved(name: str, field: str, sign: float) -> Move:
    """Relax one field of a channel by a step of money."""

    def move(problem: Problem, step: float) -> Problem:
        (channel,) = (c for c in problem.channels if c.name == name)
        return with_channel(problem, name, **{field: getattr(channel, field) + sign * step})

    return move


def changed(name: str) -> Move:
    def move(problem: Problem, step: float) -> Problem:
        (channel,) = (c for c in problem.channels if c.name == name)
        assert channel.max_change is not None
        assert channel.current_spend is not None
        return with_channel(
            problem, name, max_change=channel.max_change + step / channel.current_spend
        )

    return move


def ruled(field: str, sign: float, size: float = 1.0) -> Move:
    """Relax one field of the first constraint; ``size`` is what a unit of money is of it."""

    def move(problem: Problem, step: float) -> Problem:
        value = getattr(problem.constraints[0], field)
        return rule(problem, **{field: value + sign * step * size})

    return move


def richer(period: int) -> Move:
    def move(problem: Problem, step: float) -> Problem:
        budgets = list(problem.period_budgets)
        budgets[period] += step
        return replace(problem, period_budgets=tuple(budgets))

    return move


def gauge(plan: Plan) -> float:
    """The objective of a plan that is proven to be the best."""
    assert plan.certificate.relative_gap < 1e-7
    return plan.certificate.objective


def check(problem: Problem, moves: dict[str, Move], rel: float = 2e-3) -> dict[str, Any]:
    """Each named price is the gain from relaxing its limit; every binding limit has a price."""
    plan = make_plan(problem)
    result = answer(plan)
    prices = {price["name"]: price["value"] for price in result["shadow_prices"]}
    here = gauge(plan)
    for name, move in moves.items():
        gain = (gauge(make_plan(move(problem, STEP))) - here) / STEP
        assert prices[name] == pytest.approx(gain, rel=rel, abs=1e-4), name
        assert abs(prices[name]) > 1e-4, f"{name} does not bind: the case shows nothing"
    for row in result["allocation"]:
        for each in (row, *row.get("campaigns", ())):
            arm = each["channel"]
            for name in each["binding"]:
                assert (
                    name == "increment"
                    or {name, f"{arm}.{name}"} & set(prices)
                    or any(p.endswith((f"/{arm}.{name}", f".{name}")) for p in prices)
                )
    assert "shadow_prices_approximate" not in {w["code"] for w in result["warnings"]}
    return result


GROUP = Constraint("online", channels=("social", "search"), max_spend=50.0)

ONE_PERIOD: dict[str, tuple[Problem, dict[str, Move]]] = {
    "a group cap": (
        base(constraints=(GROUP,)),
        {"budget": more_budget, "online": ruled("max_spend", 1.0)},
    ),
    "a group floor and a ceiling": (
        with_channel(
            base(constraints=(Constraint("brand", channels=("tv",), min_spend=80.0),)),
            "search",
            max_spend=20.0,
        ),
        {
            "budget": more_budget,
            "brand": ruled("min_spend", -1.0),
            "search.max_spend": moved("search", "max_spend", 1.0),
        },
    ),
    "a share from above": (
        base(constraints=(Constraint("search only", channels=("search",), max_share=0.2),)),
        {"search only": ruled("max_share", 1.0, 1.0 / 120.0)},
    ),
    "a share from below and a floor": (
        with_channel(
            base(constraints=(Constraint("half", channels=("tv",), min_share=0.6),)),
            "social",
            min_spend=25.0,
        ),
        {
            "half": ruled("min_share", -1.0, 1.0 / 120.0),
            "social.min_spend": moved("social", "min_spend", -1.0),
        },
    ),
    "a linear rule": (
        base(
            constraints=(
                Constraint("mix", coefficients=(("tv", 1.0), ("search", 2.0)), maximum=110.0),
            )
        ),
        {"budget": more_budget, "mix": ruled("maximum", 1.0)},
    ),
    "changes and a test reserve": (
        replace(
            with_channel(base(test_reserve=0.1, constraints=(GROUP,)), "social", max_change=0.3),
            budget=150.0,
        ),
        {
            "budget": more_budget,
            "test_reserve": lambda p, s: replace(p, test_reserve=p.test_reserve - s / 150.0),
            "online": ruled("max_spend", 1.0),
            "social.max_change": changed("social"),
        },
    ),
    "a minimum if active": (
        with_channel(base(constraints=(GROUP,)), "social", minimum_if_active=30.0),
        {
            "budget": more_budget,
            "social.minimum_if_active": moved("social", "minimum_if_active", -1),
        },
    ),
    "interactions": (
        base(interactions=(Interaction(("tv", "search"), 60.0),), constraints=(GROUP,)),
        {"budget": more_budget, "online": ruled("max_spend", 1.0)},
    ),
    "profit": (
        replace(
            base(goal=Goal("maximize_profit", value_per_outcome=0.8), constraints=(GROUP,)),
            budget=100.0,
        ),
        {"budget": more_budget, "online": ruled("max_spend", 1.0)},
    ),
}


@pytest.mark.parametrize("name", ONE_PERIOD)
def test_prices_of_one_period(name: str) -> None:
    check(*ONE_PERIOD[name])


OVER_TIME: dict[str, tuple[Problem, dict[str, Move]]] = {
    "totals and ceilings": (
        with_channel(with_channel(over(4), "search", max_total=90.0), "tv", max_spend=60.0),
        {
            "budget": more_budget,
            "search.max_total": moved("search", "max_total", 1.0),
            "tv.max_spend": moved("tv", "max_spend", 1.0),
        },
    ),
    "a group's total and a share": (
        over(
            3,
            constraints=(Constraint("online", channels=("social", "search"), min_total=230.0),),
        ),
        {"budget": more_budget, "online": ruled("min_total", -1.0)},
    ),
    "budgets by period": (
        over(3, budget=None, period_budgets=(80.0, 150.0, 100.0)),
        {f"budget[{t + 1}]": richer(t) for t in range(3)},
    ),
    "one spend for all periods": (
        with_channel(over(4, mode="constant"), "search", max_spend=25.0),
        {"budget": more_budget, "search.max_spend": moved("search", "max_spend", 1.0)},
    ),
    "fixed shares": (
        with_channel(over(4, mode="fixed_shares"), "search", max_spend=25.0),
        {"budget": more_budget, "search.max_spend": moved("search", "max_spend", 1.0)},
    ),
    "the long term": (
        with_channel(over(3, goal=Goal(long_term_weight=0.7)), "tv", max_spend=60.0),
        {"budget": more_budget, "tv.max_spend": moved("tv", "max_spend", 1.0)},
    ),
}


@pytest.mark.parametrize("name", OVER_TIME)
def test_prices_over_time(name: str) -> None:
    check(*OVER_TIME[name])


def test_each_pace_has_its_price() -> None:
    # One step of one channel is held; the gain from slack in it is told by a linear rule's price.
    problem = with_channel(over(3, pace=0.1), "tv", period_weights=(1.0, 1.0, 3.0))
    result = check(problem, {"budget": more_budget})
    paced = [p for p in result["shadow_prices"] if p["name"].startswith("pacing.")]
    assert paced
    assert all(p["value"] >= 0.0 for p in paced)
    # All paces relaxed together, to first order: each by its share of the spend before.
    tighter = replace(problem, horizon=replace(problem.horizon, max_change=0.1 + 1e-5))
    gain = (gauge(make_plan(tighter)) - gauge(make_plan(problem))) / 1e-5
    spent = {r["channel"]: [p["spend"] for p in r["periods"]] for r in result["allocation"]}
    today = {c.name: c.current_spend or 0.0 for c in problem.channels}
    told = 0.0
    for price in paced:
        channel, _, period = price["name"].removeprefix("pacing.").partition("[")
        t = int(period.rstrip("]"))
        told += price["value"] * (today[channel] if t == 1 else spent[channel][t - 2])
    assert told == pytest.approx(gain, rel=5e-3)


def campaigned() -> Problem:
    parts = (
        Channel(
            "brand", Response(MichaelisMenten(200.0, 30.0)), current_spend=30.0, min_spend=10.0
        ),
        Channel(
            "reach", Response(MichaelisMenten(150.0, 20.0)), current_spend=20.0, max_spend=12.0
        ),
    )
    tv = Channel("tv", Response(MichaelisMenten(1.0, 1.0)), campaigns=parts, max_spend=40.0)
    search = Channel("search", Response(MichaelisMenten(300.0, 40.0)), current_spend=50.0)
    return Problem(channels=(tv, search), budget=100.0, options=OPTIONS)


def test_prices_on_both_levels_of_campaigns() -> None:
    def roof(problem: Problem, step: float) -> Problem:
        brand, reach = problem.channels[0].campaigns
        parts = (brand, replace(reach, max_spend=12.0 + step))
        return with_channel(problem, "tv", campaigns=parts)

    check(
        campaigned(),
        {
            "budget": more_budget,
            "tv.max_spend": moved("tv", "max_spend", 1.0),
            "tv/reach.max_spend": roof,
        },
    )


def test_a_minimum_above_campaigns_has_its_price() -> None:
    problem = with_channel(campaigned(), "tv", max_spend=None, minimum_if_active=44.0)
    problem = with_channel(problem, "search", min_spend=0.0)
    problem = replace(problem, budget=60.0)
    floor = moved("tv", "minimum_if_active", -1.0)
    check(problem, {"budget": more_budget, "tv.minimum_if_active": floor})


def test_prices_around_a_local_best_plan_of_s_curves() -> None:
    problem = base(constraints=(GROUP,))
    problem = with_channel(problem, "social", response=Response(Hill(260.0, 30.0, 2.5)))
    problem = replace(problem, options=SolverOptions(gap=1e-8))
    check(problem, {"budget": more_budget, "online": ruled("max_spend", 1.0)})


@pytest.mark.parametrize(
    ("goal", "field", "relax"),
    [
        (Goal("minimize_spend", target_outcome=420.0), "target_outcome", -1.0),
        (Goal("maximize_outcome", target_roas=4.5), "target_roas", -1.0),
        (Goal("maximize_outcome", target_cpa=0.22), "target_cpa", 1.0),
    ],
)
def test_prices_of_targets_under_rules(goal: Goal, field: str, relax: float) -> None:
    problem = base(goal=goal, constraints=(replace(GROUP, max_spend=25.0),))
    problem = replace(problem, budget=None, options=SolverOptions(gap=1e-9))

    def move(given: Problem, step: float) -> Problem:
        asked = getattr(given.goal, field)
        return replace(given, goal=replace(given.goal, **{field: asked + relax * step * asked}))

    plan = make_plan(problem)
    prices = {p["name"]: p["value"] for p in answer(plan)["shadow_prices"]}
    asked = getattr(goal, field)
    gain = (gauge(make_plan(move(problem, STEP))) - gauge(plan)) / (STEP * asked)
    assert prices[field] == pytest.approx(gain, rel=5e-3)
    held = (gauge(make_plan(ruled("max_spend", 1.0)(problem, 1e-2))) - gauge(plan)) / 1e-2
    assert prices["online"] == pytest.approx(held, rel=5e-3)


def test_where_the_sides_differ_the_price_is_of_relaxing() -> None:
    # The floor and the group's cap say the same: lifting the cap brings something, the floor alone
    # nothing, and no set of multipliers is the only one.
    problem = with_channel(
        base(constraints=(replace(GROUP, channels=("search",), max_spend=20.0),)),
        "search",
        max_spend=20.0,
    )
    prices = {p["name"]: p["value"] for p in answer(make_plan(problem))["shadow_prices"]}
    assert prices["online"] == pytest.approx(0.0, abs=1e-6)
    assert prices["search.max_spend"] == pytest.approx(0.0, abs=1e-6)
    alone = replace(problem, constraints=())
    worth = {p["name"]: p["value"] for p in answer(make_plan(alone))["shadow_prices"]}
    assert worth["search.max_spend"] > 1.0


@pytest.mark.parametrize("problem", [OVER_TIME["the long term"][0], ONE_PERIOD["interactions"][0]])
def test_marginal_returns_are_slopes_of_the_objective(problem: Problem) -> None:
    plan = make_plan(problem)
    result = answer(plan)
    program, spend = lower(problem), plan.best.spend
    for i, row in enumerate(result["allocation"]):
        more, less = spend.copy(), spend.copy()
        share = spend[i] / spend[i].sum()
        more[i] += 1e-4 * share
        less[i] -= 1e-4 * share
        slope = (program.outcome(more) - program.outcome(less)) / 2e-4
        assert row["marginal_return"] == pytest.approx(slope, rel=1e-5)


def cornered(seed: int, rules: int) -> Problem:
    """Concave tables, whose best plans lie on corners, and one smooth curve now and then."""
    rng = np.random.default_rng(seed)
    channels = []
    for i in range(3):
        steps = np.sort(rng.uniform(0.2, 3.0, 3))[::-1]
        spend = np.cumsum([0.0, *rng.integers(5, 40, 3)])
        table = Tabulated(tuple(spend), (0.0, *np.cumsum(steps * np.diff(spend))))
        smooth = MichaelisMenten(float(rng.uniform(60.0, 120.0)), 40.0)
        curve = table if i or rng.uniform() < 0.5 else smooth
        roof = float(rng.choice(spend[1:])) if rng.uniform() < 0.4 else None
        floor = 4.0 if rng.uniform() < 0.3 else 0.0
        channels.append(Channel(f"c{i}", Response(curve), max_spend=roof, min_spend=floor))
    kinds = [
        Constraint("group", channels=("c0", "c1"), max_spend=float(rng.uniform(20.0, 60.0))),
        Constraint("floor", channels=("c1", "c2"), min_spend=float(rng.uniform(10.0, 40.0))),
    ]
    return Problem(
        channels=tuple(channels),
        budget=float(rng.choice([40.0, 55.0, sum(c.max_spend or 30.0 for c in channels)])),
        spend_all=bool(rng.uniform() < 0.5),
        options=SolverOptions(gap=1e-9),
        constraints=tuple(kinds[:rules]),
    )


def shifted(problem: Problem, name: str, step: float) -> Problem | None:
    """The problem with a limit's own number moved; None for names without one."""
    if name == "budget":
        return more_budget(problem, step)
    for i, rule in enumerate(problem.constraints):
        if rule.name == name:
            field = "max_spend" if rule.max_spend is not None else "min_spend"
            moved = replace(rule, **{field: getattr(rule, field) + step})
            rest = problem.constraints
            return replace(problem, constraints=(*rest[:i], moved, *rest[i + 1 :]))
    channel, _, field = name.partition(".")
    return moved_to(problem, channel, field, step)


def moved_to(problem: Problem, channel: str, field: str, step: float) -> Problem:
    return moved(channel, field, 1.0)(problem, step)


@pytest.mark.parametrize("rules", [0, 1, 2])
def test_both_sides_of_every_price_are_what_solving_again_says(rules: int) -> None:
    bent = 0
    for seed in range(20):
        problem, step = cornered(seed, rules), 1e-3
        try:
            plan = make_plan(problem)
        except Infeasible:
            continue
        for price in plan.prices:
            for key, way in (("value_more", 1.0), ("value_less", -1.0)):
                other = shifted(problem, price["name"], way * step)
                assert other is not None
                told = price[key]
                try:
                    gain = way * (gauge(make_plan(other)) - gauge(plan)) / step
                except Infeasible:
                    gain = None
                assert (told is None) == (gain is None), (seed, price, gain)
                if gain is not None:
                    assert told == pytest.approx(gain, rel=1e-3, abs=1e-3), (seed, price)
            more, less = price["value_more"], price["value_less"]
            bent += None not in (more, less) and abs(more - less) > 1e-2
    assert bent >= 1
