"""One sound request for each feature of the contract."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.api.samples import optimize_request

__all__ = ["EXAMPLES"]


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


LINKS = [
    {"channels": ["tv", "search"], "strength": 20000},
    {"channels": ["tv", "radio"], "strength": -15000},
]

EXAMPLES: dict[str, dict[str, Any]] = {
    "plain": three(),
    "minimum_if_active": three(tv={"minimum_if_active": 25000}),
    "increment": three(
        tv={"increment": 2500}, search={"increment": 1000}, radio={"increment": 500}
    ),
    "period_weights": over(3, tv={"period_weights": [1, 1.5, 0.5]}),
    "min_total": over(3, radio={"min_total": 40000}),
    "max_total": over(3, tv={"max_total": 50000}),
    "campaigns": three(tv=CAMPAIGNS),
    "minimum_if_active above campaigns": three(tv={**CAMPAIGNS, "minimum_if_active": 45000}),
    "increment above campaigns": over(2, tv={**CAMPAIGNS, "increment": 4000}),
    "max_active over campaigns": three(
        tv={
            "response": None,
            "campaigns": [campaign(n, current_spend=15000) for n in ("brand", "launch")],
        },
        constraints=[{"name": "rule", "channels": ["tv", "search", "radio"], "max_active": 2}],
    ),
    "campaigns over time": over(2, tv=CAMPAIGNS),
    "period_budgets": over(3, budget=None, period_budgets=[50000, 70000, 60000]),
    "min_spend of a group": rule(min_spend=45000),
    "max_spend of a group": rule(max_spend=20000),
    "min_share": rule(min_share=0.7),
    "max_share": rule(max_share=0.3),
    "max_total of a group": over(
        3, constraints=[{"name": "rule", "channels": ["tv", "radio"], "max_total": 50000}]
    ),
    "coefficients": three(
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
    "max_active": three(
        constraints=[{"name": "rule", "channels": ["tv", "search", "radio"], "max_active": 2}]
    ),
    "test_reserve": three(test_reserve=0.1),
    "synergy": three(interactions=[{"channels": ["tv", "search"], "strength": 20000}]),
    "cannibalisation": three(interactions=[{"channels": ["tv", "radio"], "strength": -15000}]),
    "interactions of campaigns": three(
        tv=CAMPAIGNS, interactions=[{"channels": ["search", "tv"], "strength": 20000}]
    ),
    "interactions over time": over(3, interactions=LINKS),
    "interactions with draws": drawn(interactions=LINKS),
    "interactions for profit": goal("maximize_profit", value_per_outcome=0.6, interactions=LINKS),
    "interactions for the least spend": goal(
        "minimize_spend", target_outcome=90000, interactions=LINKS
    )
    | {"solver": {"gap": 1e-3, "time_limit_s": 1}},
    "interactions and a rule": rule(max_spend=30000) | {"interactions": LINKS},
    "maximize_profit": goal("maximize_profit", value_per_outcome=0.6),
    "minimize_spend": goal("minimize_spend", target_outcome=90000),
    "maximize_reach": three(
        objective={"goal": "maximize_reach", "max_frequency": 2},
        tv={"response": reach(90000, 2e-5)},
        search={"response": reach(60000, 5e-5)},
        radio={"response": reach(40000, 4e-5)},
    ),
    "target_roas": goal("maximize_outcome", target_roas=2.5),
    "target_cpa": goal("maximize_outcome", target_cpa=0.5),
    "two targets": goal("minimize_spend", target_outcome=90000, target_roas=1.9),
    "two targets beside a rule": goal(
        "maximize_profit", value_per_outcome=0.6, target_outcome=90000, target_cpa=0.6
    )
    | {"constraints": [{"name": "rule", "channels": ["tv", "radio"], "min_share": 0.6}]},
    "a target by slsqp": goal("maximize_outcome", target_roas=2.5)
    | {"solver": {"method": "slsqp", "gap": 1e-3, "time_limit_s": 3}},
    "a target in turn": over(
        3,
        "sequential",
        budget=None,
        objective={"target_roas": 2.5, "target_outcome": 1.5e5},
        # Time for every step to end by its gap: an answer cut short depends on the machine.
        solver={"gap": 1e-2, "time_limit_s": 60},
    ),
    "weighted_sum": goal(
        "weighted_sum",
        value_per_outcome=0.6,
        weights={"outcome": 0.2, "profit": 1.0, "spend": 0.1},
    ),
    "weighted_sum over time": over(
        2,
        objective={
            "goal": "weighted_sum",
            "weights": {"outcome": 1.0, "spend": 0.8, "long_term": 0.5},
            "target_roas": 1.5,
        },
        spend_all=False,
        solver={"gap": 1e-2},
    ),
    "long_term_weight": over(2, objective={"long_term_weight": 0.5}, solver={"gap": 1e-2}),
    "time_varying": over(4),
    "constant": over(4, "constant"),
    "fixed_shares": over(3, "fixed_shares", budget=None, period_budgets=[50000, 70000, 60000]),
    "lots of fixed shares": over(
        3,
        "fixed_shares",
        budget=None,
        period_budgets=[50000, 70000, 60000],
        tv={"increment": 2500},
        radio={"increment": 500},
        search={"increment": 500},
    ),
    "sequential": over(4, "sequential"),
    "prior_spend": over(3, horizon={"prior_spend": {"tv": [20000, 40000], "radio": 10000}}),
    "pacing": over(3, horizon={"pacing": {"max_change": 0.1}}),
    "mean_minus_sd": risk("mean_minus_sd", aversion=2),
    "quantile": risk("quantile", level=0.2),
    "cvar": risk("cvar", level=0.2),
    "worst_case": risk("worst_case"),
    "cvar beside a rule and lots": cautious(
        rule(max_share=0.7) | {"spend_all": False}, "cvar", lots={"tv": 2500, "radio": 500}
    ),
    "worst_case over time": cautious(over(2), "worst_case"),
    "mean_minus_sd of profit": cautious(
        goal("maximize_profit", value_per_outcome=0.6), "mean_minus_sd"
    ),
    "cvar of a target": cautious(goal("maximize_outcome", target_roas=2.2), "cvar"),
    "worst_case of the least spend": cautious(
        goal("minimize_spend", target_outcome=70000), "worst_case"
    ),
    "quantile in turn": cautious(over(2, "sequential"), "quantile"),
    "cvar by slsqp": cautious(
        three(), "cvar", solver={"method": "slsqp", "gap": 1e-2, "time_limit_s": 3}
    ),
}
