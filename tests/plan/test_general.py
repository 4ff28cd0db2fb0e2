"""Plans of the general program: scored as the carryover recursion says, period by period."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.plan.optimize import answer, make_plan
from shared.plan.plan import Plan
from shared.plan.prices import bindings
from shared.plan.score import score
from shared.plan.words import number
from shared.problem.lower import lower
from shared.problem.model import Constraint, Goal, Horizon, Problem, SolverOptions
from tests.arrays import arrays_of
from tests.plan.problems import s_shaped_with_draws

SPEND = np.array([[30.0, 0.0, 10.0, 60.0], [20.0, 40.0, 30.0, 0.0], [10.0, 20.0, 30.0, 40.0]])


def over_time(**changes: object) -> Problem:
    base = s_shaped_with_draws(count=12)
    channels = (replace(base.channels[0], prior_spend=(50.0, 25.0)), *base.channels[1:])
    return replace(
        base, **({"channels": channels, "budget": 290.0, "horizon": Horizon(periods=4)} | changes)
    )


def test_one_period_scores_like_the_single_budget() -> None:
    problem = s_shaped_with_draws()
    spend = np.array([20.0, 50.0, 30.0])
    general = score(lower(problem), spend[:, None])
    plain = score(arrays_of(problem).program(), spend[:, None])
    assert general.outcome == pytest.approx(plain.outcome)
    assert general.marginal == pytest.approx(plain.marginal)
    assert general.draws == pytest.approx(plain.draws)


def test_carryover_follows_the_recursion_by_hand() -> None:
    problem = over_time()
    result = score(lower(problem), SPEND)
    # Normalised geometric with decay 0.4: A_t = 0.6 x_t + 0.4 A_(t-1), prior spend first.
    stock = 0.6 * 25.0 + 0.4 * (0.6 * 50.0)
    for t, x in enumerate(SPEND[0]):
        stock = 0.6 * x + 0.4 * stock
        by_draw = [float(draw.value(stock)) for draw in problem.channels[0].response.draws]
        assert result.draws is not None
        assert result.draws[:, 0, t] == pytest.approx(np.array(by_draw), rel=1e-9)
        assert result.outcome[0, t] == pytest.approx(np.mean(by_draw), rel=1e-9)


def test_marginal_returns_are_the_slopes_of_the_total() -> None:
    program = lower(over_time())
    spend = SPEND + 5.0
    marginal = score(program, spend).marginal
    step = 1e-4
    for a in range(3):
        for t in range(4):
            more, less = spend.copy(), spend.copy()
            more[a, t] += step
            less[a, t] -= step
            slope = (program.outcome(more) - program.outcome(less)) / (2 * step)
            assert marginal[a, t] == pytest.approx(slope, rel=1e-5)


def test_the_long_term_counts_in_the_slope_and_not_in_the_outcome() -> None:
    short = score(lower(over_time()), SPEND + 5.0)
    long = score(lower(over_time(goal=Goal(long_term_weight=0.8))), SPEND + 5.0)
    assert long.outcome == pytest.approx(short.outcome)
    assert long.marginal[0, -1] > short.marginal[0, -1]
    assert long.marginal[1] == pytest.approx(short.marginal[1])  # no carryover, no long term


def test_rows_that_hold_are_named_with_the_arms_that_they_hold() -> None:
    rule = Constraint("online", channels=("social", "search"), max_spend=60.0)
    program = lower(replace(s_shaped_with_draws(), constraints=(rule,)))
    held = bindings(program, np.array([[40.0], [35.0], [25.0]]))
    assert held == [[], ["online"], ["online"]]


@pytest.fixture(scope="module")
def ahead() -> Plan:
    """All four periods planned at once."""
    return make_plan(over_time(options=SolverOptions(gap=1e-3)))


def test_beyond_observed_is_told_by_the_period(ahead: Plan) -> None:
    result = answer(ahead)
    (warning,) = [w for w in result["warnings"] if w["code"] == "extrapolation"]
    for row in result["allocation"]:
        most = max(part["spend"] for part in row["periods"])
        assert row["extrapolated"] == (most > 60.0)
        assert (f"{row['channel']} ({number(most)})" in warning["message"]) == row["extrapolated"]


def test_periods_add_up_to_the_rows_and_totals(ahead: Plan) -> None:
    result = answer(ahead)
    for row in result["allocation"]:
        for field in ("spend", "outcome"):
            assert sum(part[field] for part in row["periods"]) == pytest.approx(row[field])
    assert sum(row["outcome"] for row in result["allocation"]) == pytest.approx(
        result["totals"]["outcome"]
    )
    assert result["totals"]["spend"] == pytest.approx(290.0, abs=0.005)


def test_foresight_never_adds_less_than_nothing(ahead: Plan) -> None:
    in_turn = make_plan(over_time(horizon=Horizon(periods=4, mode="sequential")))
    assert in_turn.best.total <= ahead.certificate.upper_bound * (1 + 1e-9)
    assert [code for code, _ in in_turn.notes] == ["foresight"]
    assert in_turn.best.spend.sum(axis=0) == pytest.approx(np.full(4, 72.5), rel=1e-6)
