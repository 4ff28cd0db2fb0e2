"""The contract as strict function-calling tools for assistants, generated from the message models.

What a tool's arguments say is what its endpoint takes: the arguments but those of the path are the
request's body, and null stands for what is not given.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from shared.api.messages import (
    EvaluateRequest,
    OptimizeRequest,
    ScenariosRequest,
    SensitivityRequest,
)
from shared.api.operations import DATASET_NAME, PATH_PARAMETERS
from shared.api.question_messages import CampaignsRequest, ExperimentRequest, TransitionRequest
from shared.api.schema import strict_schema
from shared.api.unbuilt import NOT_BUILT
from shared.errors import InvalidInput

__all__ = ["Tool", "tool_document", "tools"]


TOTALS = ("min_total", "max_total")


@dataclass(frozen=True, slots=True)
class Tool:
    """One function that an assistant may call, and the request that it stands for.

    ``path_arguments`` go into the route; the others are the JSON body as they are.
    """

    name: str
    description: str
    method: str
    route: str
    parameters: dict[str, Any]
    path_arguments: tuple[str, ...] = ()


# What a strict schema cannot say: maps by channel, draws, and what would nest too deep or too wide.
_UNSPEAKABLE = (
    "channels.response",
    "channels.campaigns",
    *(f"channels.adstock:{kind}" for kind in ("lag_weights", "delayed")),
    *(f"channels.adstock:{kind}" for kind in ("weibull_pdf", "weibull_cdf")),
    *(f"channels.{field}" for field in ("penalty_per_unit", "periods.note", "periods.price")),
    *(f"constraints.{field}" for field in ("periods", "min_outcome", "min_roas", "max_cpa")),
    *(f"horizon.{field}" for field in ("start", "frequency", "discount_rate", "then")),
    *("budget_windows.min", "budget_min", "current", "objective.efficiency_of"),
    *("channels.value_per_outcome", "constraints.split"),
    "channels.saturation.offset",
    *("channels.responses", "objective.outcomes"),
    *(f"{owner}.max_outcome" for owner in ("channels", "constraints", "objective")),
    "objective.population",
    *(f"channels.{field}" for field in ("price_elasticity", "reference_spend")),
    # Said of a channel that is tried out: by the changes of a scenario.
    *(f"channels.{field}" for field in ("like", "scale", "uncertainty")),
    "horizon.prior_spend",
    "include",
    "interactions",
    "solver.method",
    *(f"constraints.{field}" for field in ("coefficients", "min", "max")),
    *(f"{owner}.{field}" for owner in ("channels", "constraints") for field in TOTALS),
)

# A what-if says these of its base by changes, or not at all: a tool has a hundred fields at most.
_BASE_LEFT_OUT = (
    "period_budgets",
    "budget_windows",
    "channels.periods",
    "channels.period_weights",
    "objective.long_term_weight",
    "objective.max_frequency",
    "objective.weights",
    "horizon.pacing",
)

_OFFERED_WITH = {
    "period_budgets": ("period_budgets", "time_varying"),
    "objective": ("maximize_profit", "minimize_spend", "target_roas", "target_cpa"),
    "constraints": ("constraints", "max_active"),
    "test_reserve": ("test_reserve",),
    "horizon": ("time_varying", "constant", "fixed_shares", "pacing"),
    "risk": ("mean_minus_sd", "quantile", "cvar", "worst_case"),
    "channels.minimum_if_active": ("minimum_if_active",),
    "channels.increment": ("increment",),
    "channels.period_weights": ("period_weights", "time_varying"),
    "objective.max_frequency": ("maximize_reach",),
    "objective.long_term_weight": ("long_term_weight", "time_varying"),
}
"""Parts of a problem that are offered once all of these features are built."""

_EDITS: dict[str, Any] = {
    "type": ["array", "null"],
    "description": "What differs from the base, one entry a change.",
    "items": {
        "type": "object",
        "properties": {
            "path": {
                "type": "string",
                "description": "Pointer into the base with channels by name, such as /budget, "
                "/channels/tv/max_spend, /channels/tv/effectiveness (0.7: 30 % less effective), "
                "/channels/tv/price (1.2: 20 % dearer), or /channels/podcast/like (a channel "
                "without history, whose curve is taken to be that of the channel in value).",
            },
            "value": {
                "type": ["number", "boolean", "string", "null"],
                "description": "The new value; null drops the field, or the whole channel.",
            },
        },
        "required": ["path", "value"],
        "additionalProperties": False,
    },
}


def _left_out(prefix: str, *more: str) -> frozenset[str]:
    shut = (path for path, needs in _OFFERED_WITH.items() if not NOT_BUILT.keys().isdisjoint(needs))
    return frozenset(f"{prefix}{path}" for path in (*_UNSPEAKABLE, *shut)) | frozenset(more)


def _plan_left_out(plan: str) -> tuple[str, ...]:
    over_time = () if "time_varying" not in NOT_BUILT else (f"{plan}.periods",)
    return (*over_time, f"{plan}.campaigns")


def _one_period() -> frozenset[str]:
    """What a base of sustained spend leaves out."""
    return _left_out("base.", "base.horizon", *(f"base.{path}" for path in _BASE_LEFT_OUT))


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@cache
def tools() -> tuple[Tool, ...]:
    name = {"type": "string", "description": DATASET_NAME}
    version = {"type": "string", "description": PATH_PARAMETERS["version"]}
    return (
        Tool(
            "optimize_budget",
            "Find the best split of a marketing budget over channels, with proof of how good it "
            "is, what it should bring and why. Uses a stored dataset's fitted curves, or curves "
            "given for each channel. Money and outcomes are per period.",
            "POST",
            "/optimize",
            strict_schema(OptimizeRequest, leave_out=_left_out("")),
        ),
        Tool(
            "compare_scenarios",
            "Compare what-ifs of one budget problem side by side: other budgets, other limits, a "
            "less effective or dearer channel, the user's own mix; or sweep over budgets.",
            "POST",
            "/scenarios",
            strict_schema(
                ScenariosRequest,
                leave_out=_left_out(
                    "base.",
                    "frontier",
                    *_plan_left_out("scenarios.plan"),
                    *(f"base.{path}" for path in _BASE_LEFT_OUT),
                ),
                replace={"scenarios.changes": _EDITS},
            ),
        ),
        Tool(
            "analyse_sensitivity",
            "Tell how the best plan and its outcome move with the curves' parameters and the "
            "budget, which assumptions matter most, and what it would be worth to test a channel.",
            "POST",
            "/sensitivity",
            strict_schema(
                SensitivityRequest,
                leave_out=_left_out("base.", *(f"base.{path}" for path in _BASE_LEFT_OUT)),
            ),
        ),
        Tool(
            "evaluate_plan",
            "Score a spending plan that the user already has: expected outcome, broken limits, and "
            "what it loses against the best plan.",
            "POST",
            "/evaluate",
            strict_schema(
                EvaluateRequest,
                leave_out=_left_out(
                    "problem.", "problem.objective.weights", *_plan_left_out("plan")
                ),
            ),
        ),
        Tool(
            "rank_campaigns",
            "Rank a stored dataset's campaigns by what their next money brings, tell what to "
            "move between the campaigns of a channel, and predict each campaign.",
            "POST",
            "/campaigns",
            strict_schema(
                CampaignsRequest,
                leave_out=_left_out("base.", "plan", *(f"base.{path}" for path in _BASE_LEFT_OUT)),
            ),
        ),
        Tool(
            "plan_transition",
            "Plan the steps from today's spend to the best plan within a largest change a period, "
            "with what each step brings and when the gain is reached.",
            "POST",
            "/transition",
            strict_schema(TransitionRequest, leave_out=_one_period()),
        ),
        Tool(
            "design_test",
            "Design the test that shows whether a recommended shift is right: which channel "
            "first, how much to change, how long, the lift to expect and the least detectable one.",
            "POST",
            "/experiment",
            strict_schema(ExperimentRequest, leave_out=_one_period()),
        ),
        Tool(
            "list_datasets",
            "List the stored datasets whose fitted curves can be used by name.",
            "GET",
            "/datasets",
            _object(),
        ),
        Tool(
            "get_curves",
            "Get a dataset's fitted response curves with observed spends and returns.",
            "GET",
            "/datasets/{dataset}/curves/{version}",
            _object(dataset=name, version=version),
            ("dataset", "version"),
        ),
    )


def tool_document(style: str) -> dict[str, Any]:
    """The tool definitions, and the request that each stands for.

    Parameters
    ----------
    style
        ``chat``: nested under ``function``, as chat completions and agents take them;
        ``responses``: flat, as the responses API takes them.
    """
    if style not in ("chat", "responses"):
        raise InvalidInput.at("/style", "unknown_value", "style must be chat or responses.")
    definitions = []
    for tool in tools():
        function = {
            "name": tool.name,
            "description": tool.description,
            "strict": True,
            "parameters": tool.parameters,
        }
        nested = {"type": "function", "function": function}
        definitions.append(nested if style == "chat" else {"type": "function", **function})
    calls = {
        tool.name: {
            "method": tool.method,
            "path": tool.route,
            "path_arguments": list(tool.path_arguments),
        }
        for tool in tools()
    }
    return {"tools": definitions, "calls": calls}
