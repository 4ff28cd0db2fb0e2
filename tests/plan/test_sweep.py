"""Sweeps of budgets: every row what its budget alone would give, whatever kind of problem."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, Tabulated
from shared.plan import sweep as sweeping
from shared.plan.optimize import make_plan
from shared.plan.score import totals
from shared.plan.sweep import GAP, sweep
from shared.problem.model import Channel, Constraint, Horizon, Problem
from tests.plan.problems import closed_form, s_shaped_with_draws, two_michaelis_menten


def _alone(problem: Problem, budget: float) -> dict[str, object]:
    plan = make_plan(replace(problem, budget=budget))
    return {
        "outcome": plan.best.total,
        **totals(problem, plan.best, None),
        "price": plan.budget_price,
    }


def test_rows_of_one_budget_over_boxes_are_solved_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeping, "_alone", None)  # it would be called for what is left
    base = s_shaped_with_draws()
    budgets = [60.0, 100.0, 80.0, 140.0, 120.0]
    rows = sweep(make_plan(base), budgets)
    assert [row["budget"] for row in rows] == budgets
    for row in rows:
        alone = _alone(base, row["budget"])
        assert row["status"] == "optimal"
        assert row["relative_gap"] <= GAP
        assert row["spend"] == pytest.approx(row["budget"], rel=1e-13)
        assert sum(part["spend"] for part in row["allocation"]) == pytest.approx(row["budget"])
        assert row["outcome"] == pytest.approx(alone["outcome"], rel=GAP)
        assert row["outcome_interval"] == pytest.approx(alone["outcome_interval"], rel=1e-3)
        assert row["marginal_return"] == pytest.approx(alone["price"], rel=1e-3)


def test_concave_rows_have_the_closed_form() -> None:
    budgets = [40.0, 60.0, 90.0, 100.0, 160.0]
    for row in sweep(make_plan(two_michaelis_menten()), budgets):
        spends = [part["spend"] for part in row["allocation"]]
        assert spends == pytest.approx(closed_form(row["budget"]), rel=1e-9)


def test_budgets_outside_the_bounds_are_answered_beside_the_others() -> None:
    base = two_michaelis_menten()
    held = replace(
        base,
        channels=(
            replace(base.channels[0], min_spend=20.0, max_spend=80.0),
            replace(base.channels[1], max_spend=60.0),
        ),
    )
    rows = sweep(make_plan(held), [10.0, 20.0, 50.0, 100.0, 130.0, 140.0, 200.0])
    assert [row["status"] for row in rows] == [
        "infeasible",
        *["optimal"] * 5,
        "infeasible",
    ]
    assert rows[0]["conflicts"][0]["name"] == "tv.min_spend"
    assert rows[5]["outcome"] == pytest.approx(_alone(held, 140.0)["outcome"], rel=1e-9)


def test_tables_straight_lines_and_locks_are_swept_too() -> None:
    channels = (
        Channel("tv", Response(Tabulated((0.0, 10.0, 30.0, 60.0), (0.0, 5.0, 40.0, 50.0)))),
        Channel("radio", Response(Hill(40.0, 20.0, 2.5))),
        Channel("print", Response(Exponential(30.0, 0.05)), current_spend=5.0, locked=True),
    )
    base = Problem(channels=channels, budget=60.0)
    for row in sweep(make_plan(base), [20.0, 40.0, 60.0, 80.0]):
        assert row["outcome"] == pytest.approx(_alone(base, row["budget"])["outcome"], rel=2 * GAP)
        assert row["allocation"][2]["spend"] == pytest.approx(5.0)


def test_unspent_money_is_no_fault_where_the_budget_is_a_cap() -> None:
    base = two_michaelis_menten(spend_all=False)
    capped = replace(base, channels=tuple(replace(c, max_spend=50.0) for c in base.channels))
    rows = sweep(make_plan(capped), [40.0, 60.0, 80.0, 100.0, 300.0])
    assert [row["spend"] for row in rows] == pytest.approx([40.0, 60.0, 80.0, 100.0, 100.0])
    assert rows[-1]["marginal_return"] == 0.0


def test_a_plan_over_time_with_rules_is_swept_in_order_of_budget() -> None:
    base = replace(
        two_michaelis_menten(400.0),
        horizon=Horizon(periods=4),
        constraints=(Constraint("tv at most half", channels=("tv",), max_share=0.5),),
    )
    rows = sweep(make_plan(base), [500.0, 300.0, 400.0])
    assert [row["budget"] for row in rows] == [500.0, 300.0, 400.0]
    for row in rows:
        assert row["outcome"] == pytest.approx(_alone(base, row["budget"])["outcome"], rel=2 * GAP)
    assert np.argsort([row["outcome"] for row in rows]).tolist() == [1, 2, 0]
