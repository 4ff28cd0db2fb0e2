"""Rules that span fields, over the whole contract: each told at its place, and no sound one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from shared.api.semantics import optimize_faults, plan_faults
from tests.api.features import CAMPAIGNS, EXAMPLES, campaign, drawn, goal, over, risk, rule, three


def faults(raw: Any) -> dict[str, str]:
    """Codes by pointer; two at one place would hide one another."""
    found = list(optimize_faults(raw))
    assert len({fault.pointer for fault in found}) == len(found), found
    assert all(fault.message.endswith((".", "?")) for fault in found)
    return {fault.pointer: fault.code for fault in found}


def message(raw: Any) -> str:
    (fault,) = optimize_faults(raw)
    return fault.message


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_sound_request_has_no_fault(name: str) -> None:
    assert faults(EXAMPLES[name]) == {}


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        # Goals and what they need.
        (goal("maximize_profit"), {"/objective/value_per_outcome": "required"}),
        (goal("minimize_spend"), {"/objective/target_outcome": "required"}),
        (goal("maximize_reach", 10), {"/objective/max_frequency": "required"}),
        (goal("maximize_reach", max_frequency=3), {"/budget": "required"}),
        (goal("maximize_outcome"), {"/budget": "required"}),
        (
            goal("maximize_outcome", 10, value_per_outcome=1, target_outcome=2, max_frequency=3),
            {
                "/objective/value_per_outcome": "not_used",
                "/objective/max_frequency": "not_used",
            },
        ),
        (goal("maximize_profit", value_per_outcome=1, target_outcome=2), {}),
        # What an outcome is worth is of use wherever a return is asked for.
        (goal("maximize_outcome", 10, value_per_outcome=1, target_roas=2), {}),
        (goal("minimize_spend", value_per_outcome=1, target_outcome=2, target_cpa=2), {}),
        (goal("weighted_sum", 9, weights={"outcome": 1}, value_per_outcome=1, target_roas=2), {}),
        # A weighted sum: its weights, and what they need.
        (goal("weighted_sum", 10), {"/objective/weights": "required"}),
        (goal("weighted_sum", 10, weights={}), {"/objective/weights": "nothing_wanted"}),
        (goal("weighted_sum", 10, weights={"spend": 1}), {"/objective/weights": "nothing_wanted"}),
        (goal("maximize_outcome", 10, weights={"outcome": 1}), {"/objective/weights": "not_used"}),
        (goal("weighted_sum", weights={"outcome": 1}), {"/budget": "required"}),
        (goal("weighted_sum", weights={"outcome": 1, "spend": 0.1}), {}),
        (
            goal("weighted_sum", 10, weights={"profit": 1, "long_term": 1}, long_term_weight=1),
            {
                "/objective/value_per_outcome": "required",
                "/objective/long_term_weight": "not_used",
                "/objective/weights/long_term": "needs_periods",
            },
        ),
        (
            goal("weighted_sum", 10, weights={"outcome": 1, "reach": 1}, value_per_outcome=2),
            {
                "/objective/weights/reach": "conflict",
                "/objective/max_frequency": "required",
                "/objective/value_per_outcome": "not_used",
            },
        ),
        (
            goal("minimize_spend", 10, target_outcome=2) | {"spend_all": True},
            {"/spend_all": "contradiction"},
        ),
        (goal("minimize_spend", target_outcome=2) | {"spend_all": True}, {}),
        (goal("maximize_outcome", target_cpa=2, target_roas=0.5), {}),
        (
            three(objective={"long_term_weight": 0.5}),
            {"/objective/long_term_weight": "needs_periods"},
        ),
        # Budgets and periods.
        (
            over(3, period_budgets=[1, 2, 3]),
            {"/period_budgets": "conflict"},
        ),
        (over(3, period_budgets=[1, 2, 3], spend_all=False), {}),
        (over(3, budget=None, period_budgets=[1, 2]), {"/period_budgets": "length_mismatch"}),
        (three(budget=None, period_budgets=[1, 2]), {"/period_budgets": "length_mismatch"}),
        (
            goal("maximize_profit", value_per_outcome=1) | {"test_reserve": 0.1},
            {"/test_reserve": "needs_budget"},
        ),
        (
            over(2, tv={"period_weights": [1, 2, 3]}, radio={"period_weights": [1, 2]}),
            {"/channels/0/period_weights": "length_mismatch"},
        ),
        (
            three(tv={"period_weights": [1, 2]}),
            {"/channels/0/period_weights": "length_mismatch"},
        ),
        # Horizon.
        (
            over(2, "constant", budget=None, period_budgets=[1, 2]),
            {"/period_budgets": "contradiction"},
        ),
        (over(2, "constant", budget=None, period_budgets=[2, 2]), {}),
        (over(2, "constant", budget=None, period_budgets=[1, 2], spend_all=False), {}),
        (
            over(
                2,
                "fixed_shares",
                budget=None,
                objective={"goal": "maximize_profit", "value_per_outcome": 1},
            ),
            {"/horizon/mode": "needs_budget"},
        ),
        (three(horizon={"prior_spend": {"tv": 1}}), {"/horizon/prior_spend": "needs_periods"}),
        (
            over(2, horizon={"prior_spend": {"tvv": 1, "radio": -1, "tv": [1, "x"], "search": {}}}),
            {
                "/horizon/prior_spend/tvv": "unknown_channel",
                "/horizon/prior_spend/radio": "out_of_range",
                "/horizon/prior_spend/tv/1": "wrong_type",
                "/horizon/prior_spend/search": "wrong_type",
            },
        ),
        (
            over(2, horizon={"prior_spend": {"tv": [0] * 521}}),
            {"/horizon/prior_spend/tv": "too_long"},
        ),
        (
            over(2, tv=CAMPAIGNS, horizon={"prior_spend": {"tv": 5, "tv/lunch": 5}}),
            {
                "/horizon/prior_spend/tv": "conflict",
                "/horizon/prior_spend/tv~1lunch": "unknown_channel",
            },
        ),
        (over(2, tv=CAMPAIGNS, horizon={"prior_spend": {"tv/launch": 5}}), {}),
        # Channels.
        (
            three(tv={"increment": 70000}, radio={"minimum_if_active": 50000}),
            {
                "/channels/0/increment": "contradiction",
                "/channels/2/minimum_if_active": "contradiction",
            },
        ),
        (
            three(tv={"increment": 7000, "minimum_if_active": 40000, "locked": True}),
            {
                "/channels/0/increment": "contradiction",
                "/channels/0/minimum_if_active": "contradiction",
            },
        ),
        (three(tv={"increment": 0.1, "locked": True}), {}),
        (three(tv={"increment": 2.2e-313, "locked": True, "current_spend": 8.4e14}), {}),
        (over(2, tv={"min_total": 5, "max_total": 4}), {"/channels/0/max_total": "contradiction"}),
        # Campaigns.
        (
            three(tv={"campaigns": CAMPAIGNS["campaigns"]}),
            {"/channels/0/response": "conflict"},
        ),
        (
            three(tv={**CAMPAIGNS, "campaigns": [{"channel": "a"}, campaign("a")]}),
            {
                "/channels/0/campaigns/0/response": "required",
                "/channels/0/campaigns/1/channel": "duplicate",
            },
        ),
        (
            three(tv={**CAMPAIGNS, "current_spend": 31000}),
            {"/channels/0/current_spend": "contradiction"},
        ),
        (
            three(tv={**CAMPAIGNS, "current_spend": None, "max_change": 0.5}),
            {},
        ),
        (
            three(
                tv={
                    "response": None,
                    "campaigns": [campaign("a", period_weights=[1, 2], locked=True)],
                }
            ),
            {
                "/channels/0/campaigns/0/period_weights": "length_mismatch",
                "/channels/0/campaigns/0/current_spend": "required",
            },
        ),
        # Constraints.
        (rule(), {"/constraints/0": "required"}),
        (rule(max=3), {"/constraints/0/max": "required"}),
        (rule(max_active=3), {"/constraints/0/max_active": "contradiction"}),
        (rule(channels=["tv", "tv"], max_share=1), {"/constraints/0/channels/1": "duplicate"}),
        (rule(name="budget", max_share=1), {"/constraints/0/name": "reserved"}),
        (rule(min_total=2, max_total=1), {"/constraints/0/max_total": "contradiction"}),
        (
            three(constraints=[{"name": "a", "coefficients": [], "max": 1}]),
            {"/constraints/0/coefficients": "required"},
        ),
        (
            rule(coefficients=[{"channel": "tv", "coefficient": 1}] * 2, max=1, max_share=0.5),
            {
                "/constraints/0/channels": "conflict",
                "/constraints/0/max_share": "conflict",
                "/constraints/0/coefficients/1/channel": "duplicate",
            },
        ),
        (
            three(constraints=[{"name": "a", "channels": ["tv"], "max_share": 1}] * 2),
            {"/constraints/1/name": "duplicate"},
        ),
        # Interactions.
        (
            three(
                interactions=[
                    {"channels": ["tv", "search"], "strength": 1},
                    {"channels": ["search", "tv"], "strength": 1},
                    {"channels": ["tv", "raido"], "strength": 1},
                ]
            ),
            {
                "/interactions/1/channels": "duplicate",
                "/interactions/2/channels/1": "unknown_channel",
            },
        ),
        (
            three(
                tv={"response": {"saturation": {"family": "power"}}},
                radio={
                    "response": None,
                    "campaigns": [
                        *CAMPAIGNS["campaigns"],
                        {"channel": "more", "saturation": {"family": "power"}},
                    ],
                },
                interactions=[{"channels": ["tv", "radio"], "strength": 1}],
            ),
            {
                "/interactions/0/channels/0": "no_ceiling",
                "/interactions/0/channels/1": "no_ceiling",
            },
        ),
        # Risk.
        (three(risk={"measure": "cvar"}), {"/risk/measure": "needs_draws"}),
        (
            three(risk={"aversion": 1, "level": 0.5}),
            {"/risk/aversion": "not_used", "/risk/level": "not_used"},
        ),
        (risk("cvar", aversion=1), {"/risk/aversion": "not_used"}),
        (risk("mean_minus_sd", level=0.2), {"/risk/level": "not_used"}),
        (drawn(risk={"measure": "expected"}), {}),
    ],
)
def test_a_fault_across_fields(raw: dict[str, Any], found: dict[str, str]) -> None:
    raw = copy.deepcopy(raw)
    for channel in raw["channels"]:
        for key in [key for key, value in channel.items() if value is None]:
            del channel[key]
    assert faults(raw) == found


def test_messages_say_what_to_do() -> None:
    assert message(three(risk={"measure": "cvar"})) == (
        "The measure cvar weighs draws of the curves, and there are none: give each channel "
        "response.draws, use a stored dataset, or ask for expected."
    )
    assert message(three(budget=None, period_budgets=[1, 2])) == (
        "period_budgets must have one entry for each period of the horizon: it has 2, the horizon "
        "1."
    )
    assert message(rule(max_active=3)) == (
        "max_active of the constraint 'rule' (3) is more than the channels that it is about (2)."
    )


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"spend": 1}, {}),
        ({}, {"/0/spend": "required"}),
        ({"spend": 1, "periods": [1]}, {"/0/periods": "conflict"}),
        ({"spend": 1, "campaigns": [{"channel": "a", "spend": 1}]}, {"/0/campaigns": "conflict"}),
        (
            {"campaigns": [{"channel": "a"}, {"channel": "a", "spend": 1}]},
            {"/0/campaigns/0/spend": "required", "/0/campaigns/1/channel": "duplicate"},
        ),
    ],
)
def test_faults_of_a_plan(row: dict[str, Any], found: dict[str, str]) -> None:
    told = list(plan_faults([{"channel": "tv", **row}]))
    assert {fault.pointer: fault.code for fault in told} == found
