"""Lowering: the arrays say what the problem says, checked against plain loops over periods."""

from __future__ import annotations

import numpy as np
import pytest

from shared.curves.adstock import Adstock, Delayed, Geometric, WeibullCdf, WeibullPdf
from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, Power, Saturation
from shared.errors import Infeasible, InputTooLarge, InvalidInput, NotSupportedYet
from shared.problem import lower as compiler
from shared.problem.feasibility import feasible_point
from shared.problem.lower import lower
from shared.problem.model import Channel, Constraint, Goal, Horizon, Interaction, Problem
from shared.problem.program import Program

CURVE = Hill(100.0, 50.0, 1.7)
FAMILIES = (
    None,
    Geometric(0.6),
    Geometric(0.6, normalised=True),
    Delayed(0.5, 2.0, 6),
    WeibullPdf(2.0, 2.0, 5),
    WeibullCdf(1.2, 2.0, 7),
)


def channel(
    name: str = "tv", adstock: Adstock | None = None, curve: Saturation = CURVE, **rest: object
) -> Channel:
    return Channel(name, Response(curve, adstock), **rest)  # type: ignore[arg-type]


def by_name(program: Program, name: str) -> list[tuple[np.ndarray, float, float]]:
    rows = program.rows
    shape = program.lower.shape
    return [
        (rows.matrix[i].reshape(shape), float(rows.lower[i]), float(rows.upper[i]))
        for i, found in enumerate(rows.names)
        if found == name
    ]


def long_sum(adstock: Adstock | None, spend: np.ndarray, h: int) -> float:
    """Adstocked spend in period h, by the definition."""
    if adstock is None:
        return float(spend[h]) if h < spend.size else 0.0
    w = adstock.weights(h + 1)
    return sum(float(w[h - t] * spend[t]) for t in range(min(h + 1, spend.size)))


@pytest.mark.parametrize("adstock", FAMILIES)
def test_carryover_is_the_definition(adstock: Adstock | None) -> None:
    prior, spend = np.array([7.0, 3.0, 20.0]), np.array([10.0, 0.0, 30.0, 5.0])
    problem = Problem(
        (channel(adstock=adstock, prior_spend=tuple(prior), period_weights=(1.0, 2.0, 1.0, 0.5)),),
        budget=100.0,
        horizon=Horizon(4),
        goal=Goal(long_term_weight=0.25),
    )
    program = lower(problem)
    z = program.adstocked(spend[None, :])[0]
    everything = np.concatenate((prior, spend))
    expected = [long_sum(adstock, everything, 3 + h) for h in range(z.size)]
    np.testing.assert_allclose(z, expected, rtol=1e-12)
    assert program.weight[0, :4].tolist() == [1.0, 2.0, 1.0, 0.5]
    np.testing.assert_allclose(program.weight[0, 4:], 0.25 * 4.5 / 4)
    outcome = sum(
        w * float(CURVE.value(x)) for w, x in zip(program.weight[0], expected, strict=True)
    )
    assert program.outcome(spend[None, :]) == pytest.approx(outcome, rel=1e-12)


def test_the_tail_ends_where_nothing_is_left() -> None:
    def tail(adstock: Adstock | None) -> int:
        problem = Problem(
            (channel(adstock=adstock),),
            budget=9.0,
            horizon=Horizon(3),
            goal=Goal(long_term_weight=1.0),
        )
        return lower(problem).weight.shape[1] - 3

    assert tail(None) == 0
    assert tail(Geometric(0.0)) == 0
    assert tail(Delayed(0.5, 2.0, 6)) == 5
    # What counts is what the rest brings of this curve, not how much of the spend is left.
    left = CURVE.value(9.0 * 0.6 ** (tail(Geometric(0.6)) + np.array([-1.0, 1.0])))
    assert left[0] > 1e-9 * CURVE.value(9.0) > left[1]


def test_more_ceilings_than_fit_into_memory_are_refused() -> None:
    many = tuple(channel(f"c{i}", max_outcome=1.0) for i in range(2_300))
    with pytest.raises(InputTooLarge, match="2,300 targets of groups and ceilings over 2,300"):
        lower(Problem(many, budget=9.0))


def test_without_weight_nothing_after_the_plan_counts() -> None:
    program = lower(Problem((channel(adstock=Geometric(0.9)),), budget=9.0, horizon=Horizon(3)))
    assert program.weight.shape == (1, 3)


def test_one_period_is_spend_sustained() -> None:
    program = lower(Problem((channel(adstock=Geometric(0.5), prior_spend=(50.0,)),), budget=40.0))
    assert program.outcome(np.array([[40.0]])) == pytest.approx(float(CURVE.value(80.0)))


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("money", [1.0, 1e6])
def test_carryover_counts_for_as_long_as_it_brings_anything(exponent: float, money: float) -> None:
    """A geometric series: a curve steep at nothing makes much of the little that is left."""
    decay, spent = 0.5, np.array([[0.25, 0.75]]) * money
    curve = Power(3.0, exponent)
    problem = Problem(
        (channel(adstock=Geometric(decay), curve=curve),),
        budget=money,
        horizon=Horizon(2),
        goal=Goal(long_term_weight=1.0),
    )
    last = float(spent[0, 1] + decay * spent[0, 0])
    within = 3.0 * (float(spent[0, 0]) ** exponent + last**exponent)
    after = 3.0 * last**exponent * decay**exponent / (1.0 - decay**exponent)
    assert lower(problem).outcome(spent) == pytest.approx(within + after, rel=1e-7)


@pytest.mark.parametrize("adstock", FAMILIES)
def test_modes_agree_on_the_same_spend(adstock: Adstock | None) -> None:
    """A constant plan and a plan in shares are worth what the same spend is period by period."""
    channels = (channel("a", adstock), channel("b", adstock))
    goal = Goal(long_term_weight=0.5)
    varying = lower(Problem(channels, budget=120.0, horizon=Horizon(4), goal=goal))
    constant = lower(Problem(channels, budget=120.0, horizon=Horizon(4, "constant"), goal=goal))
    shares = lower(
        Problem(
            channels,
            budget=None,
            period_budgets=(10.0, 20.0, 30.0, 60.0),
            horizon=Horizon(4, "fixed_shares"),
            goal=goal,
        )
    )
    u = np.array([[10.0], [20.0]])
    assert constant.outcome(u) == pytest.approx(varying.outcome(np.repeat(u, 4, axis=1)), rel=1e-12)
    part = np.array([[0.25], [0.75]])
    spend = shares.spend(part)
    np.testing.assert_allclose(spend, part * np.array([10.0, 20.0, 30.0, 60.0]))
    assert shares.outcome(part) == pytest.approx(varying.outcome(spend), rel=1e-12)
    assert shares.violation(part) <= 1e-15
    assert shares.violation(np.array([[0.25], [0.7]])) == pytest.approx(0.05)


def test_shares_of_a_total_are_of_equal_budgets() -> None:
    program = lower(Problem((channel(),), budget=100.0, horizon=Horizon(4, "fixed_shares")))
    assert program.spend(np.ones((1, 1))).tolist() == [[25.0] * 4]


def test_budgets_and_reserve() -> None:
    both = lower(
        Problem(
            (channel("a"), channel("b")),
            budget=50.0,
            period_budgets=(30.0, 40.0),
            spend_all=False,
            horizon=Horizon(2),
            test_reserve=0.1,
        )
    )
    (matrix, low, high) = by_name(both, "budget")[0]
    assert (matrix.tolist(), low, high) == ([[1.0, 1.0], [1.0, 1.0]], -np.inf, 45.0)
    (matrix, low, high) = by_name(both, "budget[2]")[0]
    assert (matrix.tolist(), low) == ([[0.0, 1.0], [0.0, 1.0]], -np.inf)
    assert high == pytest.approx(36.0)
    np.testing.assert_allclose(both.upper, [[27.0, 36.0]] * 2)
    exact = lower(Problem((channel(),), budget=50.0, test_reserve=0.1))
    assert by_name(exact, "budget")[0][1:] == (45.0, 45.0)


def test_every_rule_becomes_its_row() -> None:
    channels = tuple(channel(name, current_spend=10.0) for name in "abc")
    program = lower(
        Problem(
            channels,
            budget=100.0,
            horizon=Horizon(2, max_change=0.2),
            constraints=(
                Constraint("video", ("a", "b"), min_spend=5.0, max_total=60.0),
                Constraint("share", ("a",), max_share=0.4),
                Constraint("rule", coefficients=(("a", 2.0), ("c", -1.0)), minimum=-3.0),
                Constraint("few", ("a", "b", "c"), max_active=2),
            ),
        )
    )
    floor = by_name(program, "video")
    assert [(low, high) for _, low, high in floor] == [(5, np.inf), (5, np.inf), (-np.inf, 60)]
    assert floor[1][0].tolist() == [[0, 1], [0, 1], [0, 0]]
    assert floor[2][0].tolist() == [[1, 1], [1, 1], [0, 0]]
    share = by_name(program, "share")
    np.testing.assert_allclose(share[1][0], [[0, 0.6], [0, -0.4], [0, -0.4]])
    assert by_name(program, "rule")[0][0].tolist() == [[2, 0], [0, 0], [-1, 0]]
    assert [by_name(program, "pacing.b[1]")[0][1:]] == [(8.0, 12.0)]
    up, down = by_name(program, "pacing.b[2]")
    np.testing.assert_allclose(up[0][1], [-1.2, 1.0])
    np.testing.assert_allclose(down[0][1], [-0.8, 1.0])
    assert (up[2], down[1]) == (0.0, 0.0)
    assert program.at_most[0].arms == (0, 1, 2)
    assert program.at_most[0].count == 2


def test_campaigns_keep_limits_on_both_levels() -> None:
    tv = Channel(
        "tv",
        Response(CURVE),
        min_spend=10.0,
        max_spend=60.0,
        max_change=0.5,
        campaigns=(channel("brand", current_spend=10.0), channel("tv/sale", current_spend=20.0)),
    )
    program = lower(Problem((tv, channel("search")), budget=80.0))
    assert program.names == ("tv/brand", "tv/sale", "search")
    assert by_name(program, "tv.min_spend")[0][0].ravel().tolist() == [1, 1, 0]
    assert by_name(program, "tv.max_spend")[0][2] == 60.0
    assert by_name(program, "tv.max_change")[0][1:] == (15.0, 45.0)


def test_discrete_domains_and_boxes() -> None:
    program = lower(
        Problem(
            (
                channel("a", minimum_if_active=20.0, increment=5.0),
                channel("b", minimum_if_active=20.0, min_spend=5.0),
                channel("c", minimum_if_active=20.0, max_spend=15.0),
                channel("d", locked=True, current_spend=7.0, increment=5.0),
            ),
            budget=100.0,
        )
    )
    assert program.least_active[:, 0].tolist() == [20.0, 0.0, 0.0, 0.0]
    assert program.lower[:, 0].tolist() == [0.0, 20.0, 0.0, 7.0]
    assert program.upper[:, 0].tolist() == [73.0, 93.0, 0.0, 7.0]
    assert program.lot.tolist() == [5.0, 0.0, 0.0, 0.0]
    assert program.upper_by == ("budget", "budget", "max_spend", "locked")


def test_a_free_budget_has_ceilings_that_cost_nothing() -> None:
    curve = Power(10.0, 0.5)
    goal = Goal("maximize_profit", value_per_outcome=3.0)
    program = lower(Problem((channel(curve=curve),), budget=None, goal=goal))
    best = (3.0 * 10.0 * 0.5) ** 2  # where the slope of 30 sqrt(x) is 1
    assert best <= program.upper[0, 0] < 100 * best
    assert (program.value, program.cost) == (3.0, 1.0)
    least = lower(
        Problem((channel(),), budget=None, goal=Goal("minimize_spend", target_outcome=80.0))
    )
    assert float(CURVE.value(least.upper[0, 0])) >= 80.0
    with pytest.raises(InvalidInput):
        lower(Problem((channel(curve=Power(10.0, 1.0)),), budget=None, goal=goal))
    with pytest.raises(InvalidInput):
        lower(Problem((channel(),), budget=None))


def test_a_frequency_cap_is_a_ceiling_on_spend() -> None:
    people = Exponential(1000.0, 0.01)  # ten new people a unit of money, at first
    goal = Goal("maximize_reach", max_frequency=2.0)
    program = lower(
        Problem((channel("a", curve=people),), budget=900.0, spend_all=False, goal=goal)
    )
    cap = program.upper[0, 0]
    assert 10.0 * cap / float(people.value(cap)) == pytest.approx(2.0, rel=1e-12)
    assert program.upper_by == ("max_frequency",)
    with pytest.raises(NotSupportedYet):
        lower(Problem((channel(),), budget=900.0, goal=goal))


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        (Problem((channel(min_spend=5.0, max_spend=4.0),), budget=9.0), Infeasible),
        (Problem((channel(locked=True),), budget=9.0), InvalidInput),
        (Problem((channel(period_weights=(1.0, 2.0)),), budget=9.0), InvalidInput),
        (Problem((channel(),), budget=None, period_budgets=(1.0, 2.0)), InvalidInput),
        (
            Problem((channel(),), budget=9.0, constraints=(Constraint("x", ("no",), max_spend=1),)),
            InvalidInput,
        ),
        (
            Problem(
                (channel("a"), channel("b", curve=Power(1.0, 0.5))),
                budget=9.0,
                interactions=(Interaction(("a", "b"), 3.0),),
            ),
            InvalidInput,
        ),
        (
            Problem(
                (channel(increment=7.0),),
                budget=None,
                period_budgets=(20.0, 25.0),
                horizon=Horizon(2, "fixed_shares"),
            ),
            InvalidInput,
        ),
        (
            Problem(
                (channel(min_spend=4.0),),
                budget=None,
                period_budgets=(5.0, 50.0),
                horizon=Horizon(2, "fixed_shares"),
            ),
            None,
        ),
        (
            Problem(
                (channel(min_spend=4.0, max_spend=5.0),),
                budget=None,
                period_budgets=(5.0, 50.0),
                horizon=Horizon(2, "fixed_shares"),
            ),
            Infeasible,
        ),
    ],
)
def test_what_cannot_be_is_refused(problem: Problem, error: type[Exception] | None) -> None:
    if error is None:
        assert lower(problem).lower.tolist() == [[0.8]]
        return
    with pytest.raises(error):
        lower(problem)


def test_too_many_rules_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "MOST_ENTRIES", 30)
    problem = Problem((channel(),), budget=9.0, horizon=Horizon(5, max_change=0.1))
    with pytest.raises(InputTooLarge):
        lower(problem)


def test_interactions_are_pairs() -> None:
    program = lower(
        Problem(
            (channel("a"), channel("b")),
            budget=100.0,
            interactions=(Interaction(("b", "a"), 40.0),),
        )
    )
    u = np.array([[50.0], [50.0]])
    assert program.outcome(u) == pytest.approx(50.0 + 50.0 + 40.0 * 0.25)


def test_rules_that_cost_money_widen_the_ceilings_of_a_free_budget() -> None:
    """A rule that can only be kept at a loss must not be cut off by what pays."""
    goal = Goal("maximize_profit", value_per_outcome=0.001)
    program = lower(
        Problem(
            (channel("a"), channel("b")),
            budget=None,
            goal=goal,
            constraints=(
                Constraint("rule", coefficients=(("a", 0.1),), minimum=100.0),
                Constraint("share", ("b",), min_share=0.5),
            ),
        )
    )
    plan = feasible_point(program)
    assert plan[0, 0] >= 1000.0 * (1 - 1e-9)
    assert plan[1, 0] >= plan[0, 0] * (1 - 1e-9)


def test_a_budget_only_caps_the_least_spend() -> None:
    goal = Goal("minimize_spend", target_outcome=50.0)
    program = lower(Problem((channel(),), budget=90.0, goal=goal))
    assert by_name(program, "budget")[0][1:] == (-np.inf, 90.0)
    assert (program.value, program.cost) == (0.0, 1.0)


def test_a_floor_cannot_be_a_share_of_nothing() -> None:
    problem = Problem(
        (channel(min_spend=4.0), channel("other")),
        budget=None,
        period_budgets=(50.0, 0.0),
        horizon=Horizon(2, "fixed_shares"),
    )
    with pytest.raises(Infeasible) as told:
        lower(problem)
    named = [conflict.name for conflict in told.value.conflicts]
    assert named[0].endswith(".min_spend")
    assert named[1:] == ["budget[2]", "horizon.fixed_shares"]


@pytest.mark.parametrize(
    ("budgets", "lot", "step"),
    [
        ((30.0, 30.0, 30.0), 3.0, 0.1),
        ((40.0, 100.0), 5.0, 0.25),
        ((0.0, 0.3, 0.2), 0.05, 0.5),
        ((50_000.0, 70_000.0, 60_000.0), 2_500.0, 0.25),
    ],
)
def test_lots_of_a_fixed_share_are_whole_in_every_period(
    budgets: tuple[float, ...], lot: float, step: float
) -> None:
    program = lower(
        Problem(
            (channel(increment=lot),),
            budget=None,
            period_budgets=budgets,
            horizon=Horizon(len(budgets), "fixed_shares"),
        )
    )
    assert program.lot == pytest.approx([step])
    # Each step is whole lots in all periods, and no smaller one is.
    lots = program.lot[0] * np.array(budgets) / lot
    assert lots == pytest.approx(np.round(lots))
    for part in (2, 3, 5, 7):
        less = lots / part
        assert np.abs(less - np.round(less)).max() > 1e-6
