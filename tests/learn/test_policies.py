"""Policies: published values, brute force over every plan, learners, and who is exact."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import comb
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.curves.adstock import Delayed, Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Hill
from shared.errors import InvalidInput, NotSupportedYet
from shared.learn.policies.answer import policies
from shared.learn.policies.decisions import Decisions, constant, follow, myopic, solve
from shared.learn.policies.learners import fitted_q, q_learning
from shared.learn.policies.spending import Asked, Market, Spending, check, spending_of
from shared.problem.model import Channel, Goal, Horizon, Problem

OPTIMUM = [
    *(11.398520, 11.979197, 12.573789, 13.141212, 13.740350, 14.313290, 14.904991, 15.457000),
    *(15.975211, 16.463345, 16.923980, 17.359214, 17.770968),
]
START = np.eye(13)[0]


def kept_by_chance() -> Decisions:
    """Goodwill 0 to 12, of which a binomial part of .6 stays; spend 0 to 4; discount .9."""
    after, chance = np.zeros((13, 5, 13), dtype=np.int64), np.zeros((13, 5, 13))
    for g, u in itertools.product(range(13), range(5)):
        for k in range(g + 1):
            after[g, u, k] = min(12, k + u)
            chance[g, u, k] = comb(g, k) * 0.6**k * 0.4 ** (g - k)
    g = np.arange(13.0)
    return Decisions(
        after=after,
        chance=chance,
        allowed=np.ones((13, 5), dtype=bool),
        spend=np.arange(5.0),
        brings=(6.0 * g / (g + 4.0))[None],
        place=np.arange(13),
        factor=np.ones(13),
        gain=np.ones(1),
        pays=np.ones(1),
        end=np.zeros(13),
        discount=0.9,
        endless=True,
    )


def problem(periods: int = 4, budget: float | None = None, **more: Any) -> Problem:
    """One concave channel with carryover."""
    channel = Channel(
        "tv", Response(Hill(300.0, 40.0, 1.0), Geometric(0.5)), 10.0, max_spend=60.0, **more
    )
    goal = Goal(goal="maximize_profit", value_per_outcome=1.0)
    return Problem((channel,), budget, spend_all=False, goal=goal, horizon=Horizon(periods))


def gap(decisions: Decisions, start: NDArray[np.float64], value: float) -> float:
    """The share of the gap between the best constant spend and the optimum."""
    best = follow(decisions, solve(decisions).rule, start).value
    each = [follow(decisions, constant(decisions, a), start) for a in range(decisions.actions)]
    base = max(one.value for one in each)
    return (value - base) / (best - base)


def test_the_optimum_is_the_published_one() -> None:
    decisions = kept_by_chance()
    solved = solve(decisions)
    assert solved.value[0] == pytest.approx(OPTIMUM, abs=1e-6)
    assert solved.policy[0].tolist() == [3, 3, 2, 1, 1] + [0] * 8
    assert follow(decisions, solved.rule, START).value == pytest.approx(OPTIMUM[0], abs=1e-6)
    assert follow(decisions, myopic(decisions), START).value == pytest.approx(5.441176, abs=1e-6)
    two = follow(decisions, constant(decisions, 2), START).value
    assert two == pytest.approx(10.2711, abs=1e-4)


def test_rules_learnt_for_ever_come_near_the_optimum() -> None:
    decisions = kept_by_chance()
    table = follow(decisions, q_learning(decisions, START, 50_000, 0).rule, START).value
    assert table > 0.985 * OPTIMUM[0]
    learnt = fitted_q(decisions, np.arange(13.0)[:, None], 0, transitions=500, rounds=20, trees=5)
    assert follow(decisions, learnt.rule, START).value > 0.97 * OPTIMUM[0]


def worth(spends: tuple[float, ...]) -> float:
    """Profit of fixed spends by the curve's own formula."""
    z = total = 0.0
    for spend in spends:
        z = 0.5 * z + spend
        total += 300.0 * z / (40.0 + z) - spend
    return total


@pytest.mark.parametrize("budget", [None, 100.0])
def test_without_chance_the_optimum_is_the_best_of_all_plans(budget: float | None) -> None:
    posed = problem(budget=budget)
    spending = spending_of(posed, Asked(levels=7), points=401)
    solved = solve(spending.decisions)
    found = float(spending.start @ solved.value[0])
    plans = itertools.product(spending.decisions.spend.tolist(), repeat=4)
    every = {plan: worth(plan) for plan in plans if sum(plan) <= (budget or np.inf)}
    best = max(every, key=every.__getitem__)
    assert found == pytest.approx(every[best], rel=2e-4)
    assert follow(spending.decisions, solved.rule, spending.start).value == pytest.approx(found)


def test_a_rule_that_follows_the_market_is_the_best_of_all_rules() -> None:
    """Two periods, two markets: every rule is a first spend and a second one for each market."""
    market = Market((0.5, 1.5), 0.7, 0)
    posed = problem(2, budget=60.0)
    spending = spending_of(posed, Asked(levels=4, market=market), points=801)
    found = float(spending.start @ solve(spending.decisions).value[0])

    def second(first: float, spend: float, factor: float) -> float:
        z = 0.5 * first + spend
        return factor * 300.0 * z / (40.0 + z) - spend

    def rule(first: float) -> float:
        left = [s for s in (0.0, 20.0, 40.0, 60.0) if first + s <= 60.0]
        later = [max(second(first, s, f) for s in left) for f in market.factors]
        now = 0.5 * 300.0 * first / (40.0 + first) - first
        return now + 0.7 * later[0] + 0.3 * later[1]

    assert found == pytest.approx(max(map(rule, (0.0, 20.0, 40.0, 60.0))), rel=1e-4)


def small(seed: int) -> Spending:
    """Problems of few states: a market, and a market beside a budget."""
    if seed == 0:
        return spending_of(problem(5), Asked(levels=4, market=Market((0.1, 1.9), 0.9, 0)), 5)
    market = Market((0.2, 1.8), 0.9, 0)
    return spending_of(problem(6, budget=60.0), Asked(levels=3, market=market), 5)


@pytest.mark.parametrize("which", [0, 1])
def test_learners_close_the_gap_of_small_problems(which: int) -> None:
    spending = small(which)
    decisions, start = spending.decisions, spending.start
    table = follow(decisions, q_learning(decisions, start, 200_000, 1).rule, start).value
    assert gap(decisions, start, table) > 0.9
    fitted = fitted_q(decisions, spending.features(), 1, transitions=600, trees=10)
    assert gap(decisions, start, follow(decisions, fitted.rule, start).value) > 0.8


def test_the_answer_says_that_the_plan_is_exact_where_nothing_random_is_seen() -> None:
    told = policies(problem(6, budget=150.0), Asked(levels=31))
    rows = {row["policy"]: row for row in told["policies"]}
    plan, best = rows["plan_over_time"]["value"], rows["dynamic_programme"]["value"]
    assert told["plan_is_exact"]
    assert any(said["code"] == "plan_is_exact" for said in told["explanation"])
    assert best <= plan * (1.0 + 1e-3)
    assert best == pytest.approx(plan, rel=5e-3)
    assert rows["constant_spend"]["share_of_gap"] == 0.0
    assert sum(row["spend"] for row in told["path"]) <= 150.0 * (1 + 1e-9)


def test_where_the_market_is_seen_a_rule_beats_every_plan() -> None:
    told = policies(
        problem(6, budget=150.0),
        Asked(levels=16, market=Market((0.2, 1.8), 0.9, 0), learners=("fitted_q",)),
    )
    rows = {row["policy"]: row for row in told["policies"]}
    assert not told["plan_is_exact"]
    assert rows["dynamic_programme"]["value"] > 1.02 * rows["plan_over_time"]["value"]
    assert {row["method"] for row in told["learnt"]} == {"fitted_q"}
    assert all(row["value"] <= row["optimum"] * (1 + 1e-9) for row in told["learnt"])
    for entry in told["table"]:
        ends = [row["goodwill_to"] for row in entry["rows"]]
        assert ends[-1] is None
        assert [row["goodwill_from"] for row in entry["rows"]] == [0.0, *ends[:-1]]


def test_an_endless_rule_is_told_without_periods() -> None:
    posed = replace(problem(1), horizon=Horizon(1, discount_rate=0.1))
    told = policies(posed, Asked(levels=7, endless=True))
    assert told["periods"] is None
    assert {entry["period"] for entry in told["table"]} == {None}
    assert [row["policy"] for row in told["policies"]][-1] != "plan_over_time"


def test_what_has_no_table_is_refused_by_name() -> None:
    late = Response(Hill(9.0, 9.0, 1.0), Delayed(0.5, 2.0, 8))
    delayed = replace(problem().channels[0], response=late)
    cases: list[tuple[Problem, Asked, type[InvalidInput], str]] = [
        (replace(problem(), channels=(delayed,)), Asked(), NotSupportedYet, "/channels/0"),
        (problem(1), Asked(), InvalidInput, "/horizon/periods"),
        (problem(), Asked(endless=True), InvalidInput, "/horizon/discount_rate"),
        (
            replace(problem(), period_budgets=(1.0,) * 4),
            Asked(),
            NotSupportedYet,
            "/period_budgets",
        ),
    ]
    for posed, asked, error, pointer in cases:
        with pytest.raises(error) as refused:
            check(posed, asked)
        assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_the_environment_passes_both_checks() -> None:
    checker = pytest.importorskip("gymnasium.utils.env_checker")
    from shared.learn.policies.environment import environment

    checker.check_env(environment(small(1)), skip_render_check=True)
    try:
        from stable_baselines3.common.env_checker import check_env
    except ImportError:
        return
    check_env(environment(small(1)))


def test_an_episode_of_the_environment_pays_what_the_optimum_expects() -> None:
    pytest.importorskip("gymnasium")
    from shared.learn.policies.environment import environment

    spending = spending_of(problem(4, budget=100.0), Asked(levels=7), points=401)
    solved, env = solve(spending.decisions), environment(spending)
    _, _ = env.reset(seed=0)
    state, total, over, t = int(spending.start.argmax()), 0.0, False, 0
    while not over:
        action = int(solved.policy[t, state])
        _, reward, over, cut, _ = env.step(action)
        state, total, t = env._state, total + reward, t + 1
        assert not cut
    assert total == pytest.approx(float(spending.start @ solved.value[0]), rel=5e-3)
