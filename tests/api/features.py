"""One sound request for each feature of the contract, and where it asks for what."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from shared.api.unbuilt import NOT_BUILT
from tests.api.samples import optimize_request

__all__ = ["EXAMPLES", "OPEN", "Example"]


@dataclass(frozen=True)
class Example:
    """A request, and the pointer at which each feature is asked for."""

    raw: dict[str, Any]
    asks: dict[str, str]

    @property
    def shut(self) -> dict[str, str]:
        """What of it is not built, by pointer."""
        return {feature: where for feature, where in self.asks.items() if feature in NOT_BUILT}


def three(**changes: Any) -> dict[str, Any]:
    """A request over three channels; keys that are channels' names change those."""
    raw = optimize_request()
    raw["channels"][1].pop("max_change")
    raw["channels"].append(
        {
            "channel": "radio",
            "current_spend": 10000,
            "max_spend": 40000,
            "response": {
                "saturation": {
                    "family": "hill",
                    "max_response": 50000,
                    "half_saturation": 15000,
                    "shape": 1.2,
                },
                "adstock": {"family": "delayed", "decay": 0.6, "peak": 1, "length": 6},
            },
        }
    )
    for channel in raw["channels"]:
        channel.update(deepcopy(changes.pop(channel["channel"], {})))
    return {key: value for key, value in (raw | changes).items() if value is not None}


def over(periods: int, mode: str = "time_varying", **changes: Any) -> dict[str, Any]:
    """The same over time."""
    horizon = {"periods": periods, "mode": mode, **changes.pop("horizon", {})}
    quick = {"gap": 1e-3, "time_limit_s": 5}
    budget = 60000 * periods
    return three(**{"budget": budget, "horizon": horizon, "solver": quick, **changes})


def drawn(raw: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A request with draws that differ."""
    raw = three(**changes) if raw is None else raw | changes
    for place, channel in enumerate(raw["channels"]):
        curve = {k: v for k, v in channel["response"]["saturation"].items() if k != "family"}
        channel["response"]["draws"] = [
            {**curve, "max_response": curve["max_response"] * (0.8 + 0.1 * ((s + place) % 5))}
            for s in range(10)
        ]
    return raw


def campaign(name: str, **fields: Any) -> dict[str, Any]:
    curve = {"family": "hill", "max_response": 60000, "half_saturation": 20000, "shape": 1.3}
    return {"channel": name, "saturation": curve, **fields}


CAMPAIGNS = {
    "response": None,
    "campaigns": [
        campaign("brand", current_spend=20000, max_spend=30000),
        campaign("launch", current_spend=10000, min_spend=5000),
    ],
}


def rule(**fields: Any) -> dict[str, Any]:
    return three(constraints=[{"name": "rule", "channels": ["tv", "radio"], **fields}])


def goal(
    name: str, budget: float | None = None, interactions: Any = None, **fields: Any
) -> dict[str, Any]:
    return three(budget=budget, interactions=interactions, objective={"goal": name, **fields})


def risk(measure: str, **fields: Any) -> dict[str, Any]:
    return drawn(risk={"measure": measure, **fields})


def cautious(
    raw: dict[str, Any], measure: str, lots: dict[str, float] | None = None, **changes: Any
) -> dict[str, Any]:
    """Any request read by a measure of risk."""
    quick = {"solver": {"gap": 1e-2, "time_limit_s": 3}, "risk": {"measure": measure}}
    out = drawn({**raw, **quick, **changes})
    for channel in out["channels"]:
        if channel["channel"] in (lots or {}):
            channel["increment"] = (lots or {})[channel["channel"]]
    return out


def reach(most: float, rate: float) -> dict[str, Any]:
    return {"saturation": {"family": "exponential", "max_response": most, "rate": rate}}


def horizon(mode: str) -> dict[str, str]:
    return {mode: "/horizon/periods" if mode == "time_varying" else "/horizon/mode"}


OVER = horizon("time_varying")
LINKS = [
    {"channels": ["tv", "search"], "strength": 20000},
    {"channels": ["tv", "radio"], "strength": -15000},
]
RULES = {"constraints": "/constraints"}

EXAMPLES: dict[str, Example] = {
    "plain": Example(three(), {}),
    "minimum_if_active": Example(
        three(tv={"minimum_if_active": 25000}),
        {"minimum_if_active": "/channels/0/minimum_if_active"},
    ),
    "increment": Example(
        three(tv={"increment": 2500}, search={"increment": 1000}, radio={"increment": 500}),
        {"increment": "/channels/0/increment"},
    ),
    "period_weights": Example(
        over(3, tv={"period_weights": [1, 1.5, 0.5]}),
        {**OVER, "period_weights": "/channels/0/period_weights"},
    ),
    "min_total": Example(
        over(3, radio={"min_total": 40000}), {**OVER, "min_total": "/channels/2/min_total"}
    ),
    "max_total": Example(
        over(3, tv={"max_total": 50000}), {**OVER, "max_total": "/channels/0/max_total"}
    ),
    "campaigns": Example(three(tv=CAMPAIGNS), {"campaigns": "/channels/0/campaigns"}),
    "minimum_if_active above campaigns": Example(
        three(tv={**CAMPAIGNS, "minimum_if_active": 45000}),
        {
            "campaigns": "/channels/0/campaigns",
            "minimum_if_active": "/channels/0/minimum_if_active",
        },
    ),
    "increment above campaigns": Example(
        over(2, tv={**CAMPAIGNS, "increment": 4000}),
        {**OVER, "campaigns": "/channels/0/campaigns", "increment": "/channels/0/increment"},
    ),
    "max_active over campaigns": Example(
        three(
            tv={
                "response": None,
                "campaigns": [campaign(n, current_spend=15000) for n in ("brand", "launch")],
            },
            constraints=[{"name": "rule", "channels": ["tv", "search", "radio"], "max_active": 2}],
        ),
        {**RULES, "max_active": "/constraints/0/max_active"},
    ),
    "campaigns over time": Example(
        over(2, tv=CAMPAIGNS), {**OVER, "campaigns": "/channels/0/campaigns"}
    ),
    "period_budgets": Example(
        over(3, budget=None, period_budgets=[50000, 70000, 60000]),
        {**OVER, "period_budgets": "/period_budgets"},
    ),
    "min_spend of a group": Example(rule(min_spend=45000), RULES),
    "max_spend of a group": Example(rule(max_spend=20000), RULES),
    "min_share": Example(rule(min_share=0.7), RULES),
    "max_share": Example(rule(max_share=0.3), RULES),
    "max_total of a group": Example(
        over(3, constraints=[{"name": "rule", "channels": ["tv", "radio"], "max_total": 50000}]),
        {**OVER, **RULES},
    ),
    "coefficients": Example(
        three(
            constraints=[
                {
                    "name": "rule",
                    "coefficients": [
                        {"channel": "tv", "coefficient": 1},
                        {"channel": "search", "coefficient": -2},
                    ],
                    "max": 0,
                }
            ]
        ),
        RULES,
    ),
    "max_active": Example(
        three(
            constraints=[{"name": "rule", "channels": ["tv", "search", "radio"], "max_active": 2}]
        ),
        {**RULES, "max_active": "/constraints/0/max_active"},
    ),
    "test_reserve": Example(three(test_reserve=0.1), {"test_reserve": "/test_reserve"}),
    "synergy": Example(
        three(interactions=[{"channels": ["tv", "search"], "strength": 20000}]),
        {"interactions": "/interactions"},
    ),
    "cannibalisation": Example(
        three(interactions=[{"channels": ["tv", "radio"], "strength": -15000}]),
        {"interactions": "/interactions"},
    ),
    "interactions of campaigns": Example(
        three(tv=CAMPAIGNS, interactions=[{"channels": ["search", "tv"], "strength": 20000}]),
        {"interactions": "/interactions", "campaigns": "/channels/0/campaigns"},
    ),
    "interactions over time": Example(
        over(3, interactions=LINKS), {**OVER, "interactions": "/interactions"}
    ),
    "interactions with draws": Example(
        drawn(interactions=LINKS), {"interactions": "/interactions"}
    ),
    "interactions for profit": Example(
        goal("maximize_profit", value_per_outcome=0.6, interactions=LINKS),
        {"interactions": "/interactions", "maximize_profit": "/objective/goal"},
    ),
    "interactions for the least spend": Example(
        goal("minimize_spend", target_outcome=90000, interactions=LINKS)
        | {"solver": {"gap": 1e-3, "time_limit_s": 1}},
        {"interactions": "/interactions", "minimize_spend": "/objective/goal"},
    ),
    "interactions and a rule": Example(
        rule(max_spend=30000) | {"interactions": LINKS},
        {**RULES, "interactions": "/interactions"},
    ),
    "maximize_profit": Example(
        goal("maximize_profit", value_per_outcome=0.6), {"maximize_profit": "/objective/goal"}
    ),
    "minimize_spend": Example(
        goal("minimize_spend", target_outcome=90000), {"minimize_spend": "/objective/goal"}
    ),
    "maximize_reach": Example(
        # Reach needs concave curves: the first impressions reach new people.
        three(
            objective={"goal": "maximize_reach", "max_frequency": 2},
            tv={"response": reach(90000, 2e-5)},
            search={"response": reach(60000, 5e-5)},
            radio={"response": reach(40000, 4e-5)},
        ),
        {"maximize_reach": "/objective/goal"},
    ),
    "target_roas": Example(
        goal("maximize_outcome", target_roas=2.5), {"target_roas": "/objective/target_roas"}
    ),
    "target_cpa": Example(
        goal("maximize_outcome", target_cpa=0.5), {"target_cpa": "/objective/target_cpa"}
    ),
    "two targets": Example(
        goal("minimize_spend", target_outcome=90000, target_roas=1.9),
        {"minimize_spend": "/objective/goal", "target_roas": "/objective/target_roas"},
    ),
    "two targets beside a rule": Example(
        goal("maximize_profit", value_per_outcome=0.6, target_outcome=90000, target_cpa=0.6)
        | {"constraints": [{"name": "rule", "channels": ["tv", "radio"], "min_share": 0.6}]},
        {"maximize_profit": "/objective/goal", "target_cpa": "/objective/target_cpa", **RULES},
    ),
    "a target by slsqp": Example(
        goal("maximize_outcome", target_roas=2.5)
        | {"solver": {"method": "slsqp", "gap": 1e-3, "time_limit_s": 3}},
        {"target_roas": "/objective/target_roas"},
    ),
    "a target in turn": Example(
        over(
            3,
            "sequential",
            budget=None,
            objective={"target_roas": 2.5, "target_outcome": 1.5e5},
            # Time for every step to end by its gap: an answer cut short depends on the machine.
            solver={"gap": 1e-2, "time_limit_s": 60},
        ),
        {**horizon("sequential"), "target_roas": "/objective/target_roas"},
    ),
    "weighted_sum": Example(
        goal(
            "weighted_sum",
            value_per_outcome=0.6,
            weights={"outcome": 0.2, "profit": 1.0, "spend": 0.1},
        ),
        {"weighted_sum": "/objective/goal"},
    ),
    "weighted_sum over time": Example(
        over(
            2,
            objective={
                "goal": "weighted_sum",
                "weights": {"outcome": 1.0, "spend": 0.8, "long_term": 0.5},
                "target_roas": 1.5,
            },
            spend_all=False,
            solver={"gap": 1e-2},
        ),
        {**OVER, "weighted_sum": "/objective/goal", "target_roas": "/objective/target_roas"},
    ),
    "long_term_weight": Example(
        over(2, objective={"long_term_weight": 0.5}, solver={"gap": 1e-2}),
        {**OVER, "long_term_weight": "/objective/long_term_weight"},
    ),
    "time_varying": Example(over(4), OVER),
    "constant": Example(over(4, "constant"), horizon("constant")),
    "fixed_shares": Example(
        over(3, "fixed_shares", budget=None, period_budgets=[50000, 70000, 60000]),
        {**horizon("fixed_shares"), "period_budgets": "/period_budgets"},
    ),
    "lots of fixed shares": Example(
        over(
            3,
            "fixed_shares",
            budget=None,
            period_budgets=[50000, 70000, 60000],
            tv={"increment": 2500},
            radio={"increment": 500},
            search={"increment": 500},
        ),
        {**horizon("fixed_shares"), "increment": "/channels/0/increment"},
    ),
    "sequential": Example(over(4, "sequential"), horizon("sequential")),
    "prior_spend": Example(
        over(3, horizon={"prior_spend": {"tv": [20000, 40000], "radio": 10000}}),
        {**OVER, "prior_spend": "/horizon/prior_spend"},
    ),
    "pacing": Example(
        over(3, horizon={"pacing": {"max_change": 0.1}}), {**OVER, "pacing": "/horizon/pacing"}
    ),
    "mean_minus_sd": Example(risk("mean_minus_sd", aversion=2), {"mean_minus_sd": "/risk/measure"}),
    "quantile": Example(risk("quantile", level=0.2), {"quantile": "/risk/measure"}),
    "cvar": Example(risk("cvar", level=0.2), {"cvar": "/risk/measure"}),
    "worst_case": Example(risk("worst_case"), {"worst_case": "/risk/measure"}),
    "cvar beside a rule and lots": Example(
        cautious(
            rule(max_share=0.7) | {"spend_all": False}, "cvar", lots={"tv": 2500, "radio": 500}
        ),
        {"cvar": "/risk/measure", "increment": "/channels/0/increment", **RULES},
    ),
    "worst_case over time": Example(
        cautious(over(2), "worst_case"), {**OVER, "worst_case": "/risk/measure"}
    ),
    "mean_minus_sd of profit": Example(
        cautious(goal("maximize_profit", value_per_outcome=0.6), "mean_minus_sd"),
        {"maximize_profit": "/objective/goal", "mean_minus_sd": "/risk/measure"},
    ),
    "cvar of a target": Example(
        cautious(goal("maximize_outcome", target_roas=2.2), "cvar"),
        {"target_roas": "/objective/target_roas", "cvar": "/risk/measure"},
    ),
    "worst_case of the least spend": Example(
        cautious(goal("minimize_spend", target_outcome=70000), "worst_case"),
        {"minimize_spend": "/objective/goal", "worst_case": "/risk/measure"},
    ),
    "quantile in turn": Example(
        cautious(over(2, "sequential"), "quantile"),
        {**horizon("sequential"), "quantile": "/risk/measure"},
    ),
    "cvar by slsqp": Example(
        cautious(three(), "cvar", solver={"method": "slsqp", "gap": 1e-2, "time_limit_s": 3}),
        {"cvar": "/risk/measure"},
    ),
}

OPEN = {name: example for name, example in EXAMPLES.items() if not example.shut}
"""Examples that are to be solved."""
