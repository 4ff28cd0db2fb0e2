"""Measures of the uplift over today's plan: against every plan of a grid, by hand, and bounded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.api.semantics import optimize_faults
from shared.errors import InvalidInput
from shared.plan.optimize import answer, make_plan
from shared.problem.model import Horizon, Interaction, Problem, Risk, SolverOptions
from tests.plan.problems import s_shaped_with_draws

Floats = NDArray[np.float64]
MEASURES = [
    Risk("mean_minus_sd", aversion=1.0, of="uplift"),
    Risk("cvar", level=0.2, of="uplift"),
    Risk("worst_case", of="uplift"),
]


def brings(problem: Problem, spend: Floats) -> Floats:
    """(..., S) outcome of plans (..., 3) in each draw, by the curves' own formulas."""
    return np.sum(
        [
            np.stack([d.value(spend[..., a]) for d in c.response.draws], axis=-1)
            for a, c in enumerate(problem.channels)
        ],
        axis=0,
    )


def read(risk: Risk, uplift: Floats) -> Floats:
    if risk.measure == "mean_minus_sd":
        return np.asarray(uplift.mean(axis=-1) - risk.aversion * uplift.std(axis=-1))
    worst = np.sort(uplift, axis=-1)
    if risk.measure == "worst_case":
        return np.asarray(worst[..., 0])
    return np.asarray(worst[..., : int(risk.level * worst.shape[-1])].mean(axis=-1))


@pytest.mark.parametrize("risk", MEASURES, ids=lambda r: r.measure)
def test_no_plan_of_a_grid_has_a_better_uplift_and_none_beats_the_bound(risk: Risk) -> None:
    problem = replace(s_shaped_with_draws(count=40), risk=risk)
    today = np.array([c.current_spend for c in problem.channels])
    plan = make_plan(problem)
    first, second = np.meshgrid(np.linspace(0.0, 90.0, 91), np.linspace(0.0, 90.0, 91))
    grid = np.stack([first, second, 100.0 - first - second], axis=-1)
    grid = grid[(grid[..., 2] >= 0.0) & (grid[..., 2] <= 90.0)]
    now = brings(problem, today)
    best = float(read(risk, brings(problem, grid) - now).max())
    mine = float(read(risk, brings(problem, plan.best.spend[:, 0]) - now))
    assert mine >= best - 1e-6 * float(now.mean())
    certificate = plan.certificate
    # The objective is today's expected outcome and the uplift as it is weighed.
    assert certificate.objective == pytest.approx(float(now.mean()) + mine, rel=1e-9)
    assert certificate.upper_bound >= float(now.mean()) + best - 1e-9 * float(now.mean())


def test_what_both_plans_share_is_no_risk() -> None:
    # Of the outcome a careful plan flees the unsure channel; of the uplift staying is safest.
    problem = s_shaped_with_draws(spread=0.6)
    today = np.array([c.current_spend for c in problem.channels])
    problem = replace(problem, options=SolverOptions(time_limit_s=1.0))
    careful = replace(problem, risk=Risk("mean_minus_sd", aversion=50.0, of="uplift"))
    plan = make_plan(careful)
    assert plan.best.spend[:, 0] == pytest.approx(today, abs=0.3)
    assert plan.certificate.objective == pytest.approx(plan.current.total, rel=1e-3)
    fled = make_plan(replace(problem, risk=Risk("mean_minus_sd", aversion=50.0)))
    assert np.abs(fled.best.spend[:, 0] - today).max() > 5.0


@pytest.mark.parametrize("aversion", [0.0, 0.5, 1.0, 3.0])
def test_what_caution_costs_is_the_difference_of_two_plans(aversion: float) -> None:
    problem = s_shaped_with_draws(spread=0.4)
    plain = make_plan(problem)
    found = answer(make_plan(replace(problem, risk=Risk("mean_minus_sd", aversion, of="uplift"))))
    (told,) = [s for s in found["explanation"] if s["code"] == "cost_of_caution"]
    cost = plain.best.total - found["totals"]["outcome"]
    assert told["data"]["cost"] == pytest.approx(cost, abs=1e-6 * plain.best.total)
    if aversion == 0.0:
        assert cost == pytest.approx(0.0, abs=1e-6 * plain.best.total)


def test_over_time_and_with_an_interaction_the_bound_holds_and_totals_stay_expected() -> None:
    problem = replace(
        s_shaped_with_draws(count=30),
        budget=300.0,
        horizon=Horizon(periods=3, mode="time_varying"),
        risk=Risk("mean_minus_sd", aversion=1.0, of="uplift"),
        interactions=(Interaction(("tv", "social"), 40.0),),
        options=SolverOptions(time_limit_s=0.5),
    )
    plan = make_plan(problem)
    best, now = plan.best.total_draws(), plan.current.total_draws()
    uplift = best - now
    read_by_hand = float(now.mean() + uplift.mean() - uplift.std())
    assert plan.certificate.objective == pytest.approx(read_by_hand, rel=1e-9)
    assert plan.certificate.upper_bound >= plan.certificate.objective - 1e-9
    assert plan.best.total == pytest.approx(float(best.mean()), rel=1e-9)


def test_without_todays_spend_there_is_no_uplift() -> None:
    problem = s_shaped_with_draws()
    unknown = (replace(problem.channels[0], current_spend=None), *problem.channels[1:])
    with pytest.raises(InvalidInput) as caught:
        make_plan(replace(problem, channels=unknown, risk=MEASURES[0]))
    assert [fault.pointer for fault in caught.value.faults] == ["/risk/of"]


@pytest.mark.parametrize(
    "said",
    [
        {"risk": {"of": "uplift"}},
        {"risk": {"measure": "quantile", "of": "uplift"}},
        {
            "risk": {"measure": "cvar", "of": "uplift"},
            "horizon": {"periods": 3, "mode": "sequential"},
        },
    ],
)
def test_an_uplift_that_cannot_be_weighed_is_named(said: dict[str, Any]) -> None:
    faults = optimize_faults({"dataset": "brand", "budget": 1.0, **said})
    assert "/risk/of" in {fault.pointer for fault in faults}
