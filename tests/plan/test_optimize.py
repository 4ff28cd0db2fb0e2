"""The answer to ``optimize``: right against closed forms, and consistent with itself."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Power
from shared.errors import Infeasible
from shared.plan import optimize
from shared.plan.optimize import answer, make_plan
from shared.plan.plan import Plan
from shared.problem.model import Channel, Problem
from tests.plan.problems import closed_form, s_shaped_with_draws, two_michaelis_menten


def with_channel(problem: Problem, index: int, **changes: object) -> Problem:
    channels = list(problem.channels)
    channels[index] = replace(channels[index], **changes)
    return replace(problem, channels=tuple(channels))


def test_the_closed_form_is_found_and_proven() -> None:
    result = answer(make_plan(two_michaelis_menten()))
    spend = [row["spend"] for row in result["allocation"]]
    assert spend == pytest.approx(closed_form(), rel=1e-9)
    assert result["status"] == "optimal"
    assert result["certificate"]["proven"] is True
    assert result["certificate"]["relative_gap"] < 1e-9
    assert sum(spend) == pytest.approx(100.0, abs=1e-9)


def test_rows_add_up_to_the_totals() -> None:
    result = answer(make_plan(s_shaped_with_draws()))
    totals, rows = result["totals"], result["allocation"]
    for field in ("spend", "outcome", "current_spend", "current_outcome"):
        assert sum(row[field] for row in rows) == pytest.approx(totals[field], rel=1e-12)
    assert totals["uplift"] == pytest.approx(totals["outcome"] - totals["current_outcome"])
    assert totals["roas"] == pytest.approx(totals["outcome"] / totals["spend"])
    assert totals["cpa"] == pytest.approx(totals["spend"] / totals["outcome"])
    assert totals["outcome"] == pytest.approx(result["certificate"]["objective"], rel=1e-12)
    json.dumps(result, allow_nan=False)


def test_without_draws_nothing_uncertain_is_invented() -> None:
    result = answer(make_plan(two_michaelis_menten()))
    assert result["totals"]["outcome_interval"] is None
    assert result["totals"]["probability_better"] is None
    assert all(row["outcome_interval"] is None for row in result["allocation"])
    assert all(row["spend_interval"] is None for row in result["allocation"])


def test_intervals_come_from_the_draws() -> None:
    problem = s_shaped_with_draws()
    plan = make_plan(problem)
    result = answer(plan)
    by_hand = np.zeros(60)
    for channel, row in zip(problem.channels, result["allocation"], strict=True):
        # Normalised carryover sums to one: sustained spend is its own adstock.
        values = np.array([float(d.value(row["spend"])) for d in channel.response.draws])
        assert row["outcome_interval"] == pytest.approx(np.quantile(values, [0.05, 0.95]))
        assert row["outcome"] == pytest.approx(values.mean())
        by_hand += values
    assert result["totals"]["outcome_interval"] == pytest.approx(np.quantile(by_hand, [0.05, 0.95]))
    assert 0.0 <= result["totals"]["probability_better"] <= 1.0
    for row in result["allocation"]:
        low, high = row["spend_interval"]
        assert 0.0 <= low <= high <= 90.0


def test_the_budget_price_is_the_slope_of_the_best_value() -> None:
    step = 1e-3
    above = make_plan(two_michaelis_menten(100.0 + step)).best.total
    below = make_plan(two_michaelis_menten(100.0 - step)).best.total
    price = answer(make_plan(two_michaelis_menten()))["shadow_prices"][0]
    assert price["name"] == "budget"
    assert price["value"] == pytest.approx((above - below) / (2 * step), rel=1e-6)


@pytest.mark.parametrize(
    ("field", "value", "step"),
    [("max_spend", 40.0, 1e-3), ("min_spend", 70.0, -1e-3)],
)
def test_a_bounds_price_is_the_gain_from_relaxing_it(field: str, value: float, step: float) -> None:
    tight = with_channel(two_michaelis_menten(), 0, **{field: value})
    loose = with_channel(two_michaelis_menten(), 0, **{field: value + step})
    result = answer(make_plan(tight))
    gain = (make_plan(loose).best.total - make_plan(tight).best.total) / abs(step)
    prices = {price["name"]: price["value"] for price in result["shadow_prices"]}
    assert prices[f"tv.{field}"] == pytest.approx(gain, rel=1e-4)
    assert result["allocation"][0]["binding"] == [field]


def test_a_locked_channel_keeps_its_spend_and_says_so() -> None:
    result = answer(make_plan(with_channel(two_michaelis_menten(), 0, locked=True)))
    row = result["allocation"][0]
    assert row["spend"] == pytest.approx(70.0)
    assert row["change"] == pytest.approx(0.0, abs=1e-9)
    assert row["binding"] == ["locked"]


def test_max_change_holds_both_ways() -> None:
    result = answer(make_plan(with_channel(two_michaelis_menten(), 0, max_change=0.05)))
    assert result["allocation"][0]["spend"] == pytest.approx(70.0 * 0.95)
    assert result["allocation"][0]["binding"] == ["max_change"]


def test_unknown_current_spend_leaves_the_comparison_open() -> None:
    result = answer(make_plan(with_channel(two_michaelis_menten(), 1, current_spend=None)))
    assert result["totals"]["current_outcome"] is None
    assert result["totals"]["uplift"] is None
    assert result["allocation"][1]["change"] is None


def test_an_infinite_slope_is_null_with_a_warning() -> None:
    channels = (
        Channel("radio", Response(Power(3.0, 0.5)), current_spend=0.0, max_spend=0.0),
        Channel("search", Response(Exponential(10.0, 0.1)), current_spend=5.0),
    )
    result = answer(make_plan(Problem(channels=channels, budget=5.0)))
    assert result["allocation"][0]["marginal_return"] is None
    assert "marginal_return_unbounded" in [w["code"] for w in result["warnings"]]
    json.dumps(result, allow_nan=False)


def test_infeasible_names_the_callers_bounds() -> None:
    problem = with_channel(two_michaelis_menten(), 0, min_spend=90.0)
    problem = with_channel(problem, 1, min_spend=30.0)
    with pytest.raises(Infeasible) as caught:
        make_plan(problem)
    names = {conflict.name for conflict in caught.value.conflicts}
    assert names == {"tv.min_spend", "search.min_spend", "budget"}
    assert caught.value.conflicts[0].missed_by == pytest.approx(20.0)


def test_warns_where_the_plan_extrapolates_and_where_a_default_holds_it() -> None:
    problem = with_channel(
        two_michaelis_menten(),
        0,
        observed_max=30.0,
        max_spend=45.0,
        max_spend_is_default=True,
    )
    result = answer(make_plan(problem))
    assert result["allocation"][0]["extrapolated"] is True
    assert result["allocation"][1]["extrapolated"] is None
    codes = [w["code"] for w in result["warnings"]]
    assert codes.count("extrapolation") == 1
    assert codes.count("default_max_spend_binds") == 1


def test_a_channel_that_its_largest_change_keeps_at_nothing_is_named() -> None:
    stuck = {"current_spend": 0.0, "max_change": 0.5}
    result = answer(make_plan(with_channel(two_michaelis_menten(), 0, **stuck)))
    assert result["allocation"][0]["spend"] == 0.0
    said = [w["message"] for w in result["warnings"] if w["code"] == "never_starts"]
    assert len(said) == 1
    assert "max_spend" in said[0]
    for change in ({"max_change": None}, {"current_spend": 1.0}, {"locked": True}):
        free = answer(make_plan(with_channel(two_michaelis_menten(), 0, **(stuck | change))))
        assert "never_starts" not in {w["code"] for w in free["warnings"]}


def test_thin_evidence_is_said() -> None:
    """Draws in which either of two look-alike channels may be the better one."""
    rng = np.random.default_rng(3)
    channels = tuple(
        Channel(
            name,
            Response(
                Exponential(100.0 + nudge, 0.02),
                draws=tuple(
                    Exponential(float(top), 0.02) for top in rng.normal(100 + nudge, 30, 80)
                ),
            ),
            current_spend=50.0,
        )
        for name, nudge in (("a", 0.0), ("b", 1.0))
    )
    result = answer(make_plan(Problem(channels=channels, budget=100.0)))
    assert result["totals"]["probability_better"] < 0.8
    assert "evidence_too_thin_to_move" in [w["code"] for w in result["warnings"]]


def test_the_same_problem_gives_the_same_answer() -> None:
    def text() -> str:
        result = answer(make_plan(s_shaped_with_draws()))
        result["certificate"].pop("solve_ms")
        return json.dumps(result)

    assert text() == text()


def test_a_large_shift_is_said() -> None:
    lopsided = with_channel(two_michaelis_menten(), 0, current_spend=2.0)
    lopsided = with_channel(lopsided, 1, current_spend=98.0)
    far = answer(make_plan(lopsided))
    near = answer(make_plan(two_michaelis_menten()))
    moved = far["allocation"][0]["change"]
    (warning,) = [w for w in far["warnings"] if w["code"] == "large_shift"]
    assert f"{moved:.0f} % of today's spend" in warning["message"]
    assert "large_shift" not in [w["code"] for w in near["warnings"]]


def test_a_smaller_budget_is_no_shift_and_no_thin_evidence() -> None:
    smaller = replace(s_shaped_with_draws(), budget=40.0)
    result = answer(make_plan(smaller))
    codes = [w["code"] for w in result["warnings"]]
    assert result["totals"]["probability_better"] < 0.8
    assert "evidence_too_thin_to_move" not in codes
    assert "large_shift" not in codes
    assert "for -60.0 % of money" in result["explanation"][0]["text"]


def test_a_few_draws_give_no_interval_and_say_so() -> None:
    result = answer(make_plan(s_shaped_with_draws(count=5)))
    assert result["totals"]["outcome_interval"] is None
    assert result["totals"]["probability_better"] is None
    assert all(row["spend_interval"] is None for row in result["allocation"])
    assert "few_draws" in [w["code"] for w in result["warnings"]]


def test_a_budget_that_the_limits_cannot_take_up_is_not_called_saturation() -> None:
    channels = tuple(replace(c, max_spend=10.0) for c in two_michaelis_menten().channels)
    loose = replace(two_michaelis_menten(), channels=channels, budget=60.0, spend_all=False)
    (said,) = [s for s in answer(make_plan(loose))["explanation"] if s["code"] == "budget"]
    assert "they hold every channel" in said["text"]


def test_an_infinitely_steep_first_unit_has_no_price() -> None:
    channels = (Channel("radio", Response(Power(3.0, 0.5)), current_spend=0.0),)
    result = answer(make_plan(Problem(channels=channels, budget=0.0)))
    assert result["shadow_prices"][0]["value"] is None


def test_no_plan_that_breaks_a_limit_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, made = two_michaelis_menten(), optimize._made
    asked: list[object] = []

    def breaking(task: Problem, start: np.ndarray | None) -> Plan:
        asked.append(start)
        plan = made(task, None)
        if start is None and len(asked) != 1:
            return plan
        return replace(plan, certificate=replace(plan.certificate, max_constraint_violation=2e-6))

    monkeypatch.setattr(optimize, "_made", breaking)
    with pytest.raises(Infeasible, match="not proven that there is none"):
        make_plan(problem)
    start = np.array([[60.0], [40.0]])
    assert make_plan(problem, start).certificate.max_constraint_violation <= 1e-6
    assert [one is None for one in asked] == [True, False, True]


def trusted(score: float, **changes: object) -> Problem:
    told = {"score": score, "low": score < 0.5, "text": f"Trust: {score}.", "parts": []}
    told["data"] = {"score": score}
    return replace(s_shaped_with_draws(), trust=told, **changes)


def test_low_trust_is_the_first_sentence() -> None:
    assert answer(make_plan(trusted(0.3)))["explanation"][0]["code"] == "low_trust"
    assert answer(make_plan(trusted(0.6)))["explanation"][0]["code"] == "headline"
    assert answer(make_plan(s_shaped_with_draws()))["trust"] is None


def test_a_step_follows_from_trust_and_from_the_plans_own_probability() -> None:
    sure = answer(make_plan(trusted(0.9)))
    better = sure["totals"]["probability_better"]
    step = sure["trust"]["step"]
    assert step["advice"] == (
        "hold_or_test" if better < 0.8 else "move" if better >= 0.95 else "half"
    )
    doubted = answer(make_plan(trusted(0.6)))["trust"]["step"]
    assert doubted["advice"] == ("hold_or_test" if better < 0.8 else "half")


@pytest.mark.parametrize(("score", "most"), [(0.6, 0.25), (0.9, 0.5)])
def test_a_plan_beyond_the_step_is_warned_of_and_its_own_max_change_heals_it(
    score: float, most: float
) -> None:
    def asked(max_change: float | None) -> dict[str, object]:
        sure = [
            replace(c, current_spend=x, max_change=max_change)
            for c, x in zip(s_shaped_with_draws().channels, (10.0, 80.0, 10.0), strict=True)
        ]
        return answer(make_plan(trusted(score, channels=tuple(sure))))

    free = asked(None)
    assert free["totals"]["probability_better"] >= 0.95
    assert free["trust"]["step"]["max_change"] == most
    assert "beyond_trusted_step" in {w["code"] for w in free["warnings"]}
    assert "beyond_trusted_step" not in {w["code"] for w in asked(most)["warnings"]}
