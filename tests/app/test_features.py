"""Every feature of the contract that is open, over HTTP: solved, held to its rules, scored back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from shared.api.answers import Allocated, AllocatedArm, EvaluateAnswer, OptimizeAnswer
from tests.api.features import EXAMPLES
from tests.app.client import Client

UNPROVEN: tuple[str, ...] = ()
"""What no useful bound is known for: the answer says so."""


def solved(api: Client, raw: dict[str, Any]) -> OptimizeAnswer:
    answer = api.post("optimize", raw)
    assert answer.status == 200, answer.body
    return OptimizeAnswer.model_validate_json(answer.body)


def spends(row: AllocatedArm) -> list[float]:
    """Money in each period."""
    return [row.spend] if row.periods is None else [part.spend for part in row.periods]


def by_name(found: OptimizeAnswer) -> dict[str, Allocated]:
    return {row.channel: row for row in found.allocation}


def plan_rows(rows: Iterable[AllocatedArm]) -> list[dict[str, Any]]:
    """The answer's own plan as a caller would send it."""
    plan: list[dict[str, Any]] = []
    for row in rows:
        below = row.campaigns if isinstance(row, Allocated) else None
        if below:
            plan.append({"channel": row.channel, "campaigns": plan_rows(below)})
        elif row.periods:
            plan.append({"channel": row.channel, "periods": spends(row)})
        else:
            plan.append({"channel": row.channel, "spend": row.spend})
    return plan


@pytest.fixture(scope="module")
def answers(api: Client) -> Callable[[str], OptimizeAnswer]:
    """The answer for a feature by name; each is asked for once."""
    return cache(lambda name: solved(api, EXAMPLES[name]))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_open_feature_is_solved_and_its_limits_hold(
    answers: Callable[[str], OptimizeAnswer], name: str
) -> None:
    raw = EXAMPLES[name]
    found = answers(name)
    periods = raw.get("horizon", {}).get("periods", 1)
    assert found.certificate.proven
    for row, channel in zip(found.allocation, raw["channels"], strict=True):
        amounts = spends(row)
        assert len(amounts) == periods
        assert sum(amounts) == pytest.approx(row.spend, rel=1e-9, abs=0.01)
        for amount in amounts:
            assert amount >= channel.get("min_spend", 0) - 0.1
            assert amount <= channel.get("max_spend", 1e15) + 0.1
        if channel.get("campaigns"):
            assert row.campaigns is not None
            assert sum(arm.spend for arm in row.campaigns) == pytest.approx(row.spend)
            assert sum(arm.outcome for arm in row.campaigns) == pytest.approx(row.outcome)
    assert sum(row.spend for row in found.allocation) == pytest.approx(found.totals.spend)
    if "interactions" not in raw:
        total = sum(row.outcome for row in found.allocation)
        assert total == pytest.approx(found.totals.outcome, rel=1e-6)
    capped = raw.get("spend_all") is False
    if "budget" in raw and not capped and raw.get("objective", {}).get("goal") != "minimize_spend":
        budget = raw["budget"] * (1 - raw.get("test_reserve", 0))
        assert found.totals.spend == pytest.approx(budget, abs=0.005)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_answer_scores_itself(
    api: Client, answers: Callable[[str], OptimizeAnswer], name: str
) -> None:
    raw = EXAMPLES[name]
    found = answers(name)
    quick = {**raw, "solver": {**raw.get("solver", {}), "time_limit_s": 0.5}}
    answer = api.post("evaluate", {"problem": quick, "plan": plan_rows(found.allocation)})
    assert answer.status == 200, answer.body
    scored = EvaluateAnswer.model_validate_json(answer.body)
    assert scored.violations == []
    assert scored.totals.outcome == pytest.approx(found.totals.outcome, rel=1e-6)
    assert scored.regret == pytest.approx(0, abs=1e-3 * abs(found.totals.outcome))


# -- what each feature is for -----------------------------------------------------------------

Check = Callable[[OptimizeAnswer], None]
CHECKS: dict[str, Check] = {}


def check(*names: str) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        CHECKS.update(dict.fromkeys(names, function))
        return function

    return register


@check("minimum_if_active")
def _(found: OptimizeAnswer) -> None:
    spend = by_name(found)["tv"].spend
    assert spend == pytest.approx(0, abs=0.1) or spend >= 25000 - 0.1


@check("increment")
def _(found: OptimizeAnswer) -> None:
    for name, lot in (("tv", 2500), ("search", 1000), ("radio", 500)):
        assert by_name(found)[name].spend / lot == pytest.approx(
            round(by_name(found)[name].spend / lot), abs=1e-6
        )


@check("campaigns over time")
def _(found: OptimizeAnswer) -> None:
    tv = by_name(found)["tv"]
    assert tv.campaigns is not None
    for t, whole in enumerate(spends(tv)):
        assert sum(spends(arm)[t] for arm in tv.campaigns) == pytest.approx(whole, abs=1e-6)


@check("period_weights")
def _(found: OptimizeAnswer) -> None:
    least, most = (spends(by_name(found)["tv"])[t] for t in (2, 1))
    assert most > least


@check("min_total")
def _(found: OptimizeAnswer) -> None:
    assert by_name(found)["radio"].spend >= 40000 - 0.2


@check("max_total")
def _(found: OptimizeAnswer) -> None:
    assert by_name(found)["tv"].spend <= 50000 + 0.2


@check("period_budgets")
def _(found: OptimizeAnswer) -> None:
    for t, budget in enumerate((50000, 70000, 60000)):
        assert sum(spends(row)[t] for row in found.allocation) == pytest.approx(budget, abs=0.01)


@check("minimum_if_active above campaigns")
def _(found: OptimizeAnswer) -> None:
    tv = by_name(found)["tv"]
    assert tv.spend >= 45000 - 0.1
    assert tv.campaigns is not None
    if tv.spend < 45000.1:
        assert any("tv.minimum_if_active" in arm.binding for arm in tv.campaigns)


@check("increment above campaigns")
def _(found: OptimizeAnswer) -> None:
    for amount in spends(by_name(found)["tv"]):
        assert amount / 4000 == pytest.approx(round(amount / 4000), abs=1e-6)


@check("max_active over campaigns")
def _(found: OptimizeAnswer) -> None:
    assert sum(row.spend > 0.1 for row in found.allocation) <= 2


@check("lots of fixed shares")
def _(found: OptimizeAnswer) -> None:
    for name, lot in (("tv", 2500), ("search", 500), ("radio", 500)):
        for amount in spends(by_name(found)[name]):
            assert amount / lot == pytest.approx(round(amount / lot), abs=1e-6)


@check("fixed_shares")
def _(found: OptimizeAnswer) -> None:
    for t, budget in enumerate((50000, 70000, 60000)):
        assert sum(spends(row)[t] for row in found.allocation) == pytest.approx(budget, abs=0.01)
        for row in found.allocation:
            assert spends(row)[t] / budget == pytest.approx(row.spend / 180000, abs=1e-6)


@check("constant")
def _(found: OptimizeAnswer) -> None:
    for row in found.allocation:
        assert spends(row) == pytest.approx([row.spend / 4] * 4, abs=0.01)


@check("pacing")
def _(found: OptimizeAnswer) -> None:
    for row in found.allocation:
        for before, after in pairwise(spends(row)):
            assert 0.9 * before - 0.2 <= after <= 1.1 * before + 0.2


def together(found: OptimizeAnswer) -> float:
    return by_name(found)["tv"].spend + by_name(found)["radio"].spend


def bound_by_rule(found: OptimizeAnswer) -> bool:
    return any("rule" in row.binding for row in found.allocation) and any(
        price.name == "rule" for price in found.shadow_prices
    )


@check("min_spend of a group")
def _(found: OptimizeAnswer) -> None:
    assert together(found) == pytest.approx(45000, abs=0.1)
    assert bound_by_rule(found)


@check("max_spend of a group")
def _(found: OptimizeAnswer) -> None:
    assert together(found) == pytest.approx(20000, abs=0.1)
    assert bound_by_rule(found)


@check("min_share")
def _(found: OptimizeAnswer) -> None:
    assert together(found) >= 0.7 * 60000 - 0.1


@check("max_share")
def _(found: OptimizeAnswer) -> None:
    assert together(found) <= 0.3 * 60000 + 0.1


@check("max_total of a group")
def _(found: OptimizeAnswer) -> None:
    assert together(found) <= 50000 + 0.2


@check("coefficients")
def _(found: OptimizeAnswer) -> None:
    assert by_name(found)["tv"].spend <= 2 * by_name(found)["search"].spend + 0.1


@check("max_active")
def _(found: OptimizeAnswer) -> None:
    assert sum(row.spend > 0 for row in found.allocation) <= 2


@check("maximize_profit")
def _(found: OptimizeAnswer) -> None:
    profit = 0.6 * found.totals.outcome - found.totals.spend
    assert found.certificate.objective == pytest.approx(profit)
    # One more unit of money is worth what it costs, wherever more may be spent.
    for row in found.allocation:
        if row.spend > 0 and not row.binding:
            assert row.marginal_return == pytest.approx(1 / 0.6, rel=1e-3)


@check("minimize_spend")
def _(found: OptimizeAnswer) -> None:
    assert found.totals.outcome == pytest.approx(90000, rel=1e-6)
    assert found.certificate.objective == pytest.approx(found.totals.spend)
    assert found.certificate.lower_bound is not None
    assert found.certificate.lower_bound <= found.totals.spend * (1 + 1e-9)
    assert found.certificate.upper_bound is None


@check("maximize_reach")
def _(found: OptimizeAnswer) -> None:
    # Impressions per unit of money are the slope of reach at zero.
    for name, most, rate in (("tv", 90000, 2e-5), ("search", 60000, 5e-5), ("radio", 40000, 4e-5)):
        row = by_name(found)[name]
        if row.spend > 0:
            assert most * rate * row.spend / row.outcome <= 2 * (1 + 1e-6)


@check("target_roas")
def _(found: OptimizeAnswer) -> None:
    assert found.totals.roas is not None
    assert found.totals.roas >= 2.5 * (1 - 1e-6)


@check("target_cpa")
def _(found: OptimizeAnswer) -> None:
    assert found.totals.cpa is not None
    assert found.totals.cpa <= 0.5 * (1 + 1e-6)


@check("two targets")
def _(found: OptimizeAnswer) -> None:
    assert found.totals.outcome >= 90000 * (1 - 1e-6)
    assert found.totals.roas is not None
    assert found.totals.roas >= 1.9 * (1 - 1e-6)
    assert found.certificate.objective == pytest.approx(found.totals.spend)


@check("two targets beside a rule")
def _(found: OptimizeAnswer) -> None:
    assert found.totals.outcome >= 90000 * (1 - 1e-6)
    assert found.totals.cpa is not None
    assert found.totals.cpa <= 0.6 * (1 + 1e-6)
    assert together(found) >= 0.6 * found.totals.spend - 0.1


@check("a target by slsqp")
def _(found: OptimizeAnswer) -> None:
    assert found.certificate.method == "slsqp"
    assert found.totals.roas is not None
    assert found.totals.roas >= 2.5 * (1 - 1e-6)


@check("a target in turn")
def _(found: OptimizeAnswer) -> None:
    assert found.totals.outcome >= 1.5e5 * (1 - 1e-6)
    assert found.totals.roas is not None
    assert found.totals.roas >= 2.5 * (1 - 1e-6)
    assert "foresight" in [warning.code for warning in found.warnings]


@check("weighted_sum")
def _(found: OptimizeAnswer) -> None:
    profit = 0.6 * found.totals.outcome - found.totals.spend
    total = 0.2 * found.totals.outcome + profit - 0.1 * found.totals.spend
    assert found.certificate.objective == pytest.approx(total)
    for row in found.allocation:
        if row.spend > 0 and not row.binding:
            assert row.marginal_return == pytest.approx(1.1 / 0.8, rel=1e-3)


@check("weighted_sum over time")
def _(found: OptimizeAnswer) -> None:
    # The long term adds to what the totals count.
    assert found.certificate.objective > found.totals.outcome - 0.8 * found.totals.spend


@check("cvar of a target")
def _(found: OptimizeAnswer) -> None:
    # The target holds in expectation, the objective is the tail's mean.
    assert found.totals.outcome >= 2.2 * found.totals.spend * (1 - 1e-6)
    assert found.certificate.objective < found.totals.outcome


@check("worst_case of the least spend")
def _(found: OptimizeAnswer) -> None:
    # The target holds in the worst draw, so more is expected.
    assert found.totals.outcome > 70000
    assert found.certificate.lower_bound is not None
    assert found.certificate.lower_bound <= found.certificate.objective


@check(
    "mean_minus_sd",
    "quantile",
    "cvar",
    "worst_case",
    "cvar beside a rule and lots",
    "worst_case over time",
    "quantile in turn",
    "cvar by slsqp",
)
def _(found: OptimizeAnswer) -> None:
    # What a careful measure counts on is less than what is expected.
    assert found.certificate.objective < found.totals.outcome


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name in CHECKS] or ["plain"])
def test_an_open_feature_does_what_it_is_for(
    answers: Callable[[str], OptimizeAnswer], name: str
) -> None:
    CHECKS.get(name, _plain)(answers(name))


def _plain(found: OptimizeAnswer) -> None:
    assert found.status == "optimal"
    assert found.certificate.lower_bound is None
