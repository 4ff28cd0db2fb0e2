"""Tool definitions: within the strict subset, and their arguments within the server's messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.api.messages import ScenariosRequest, SensitivityRequest
from shared.api.operations import OPERATIONS
from shared.api.question_messages import TransitionRequest
from shared.api.reading import read_evaluate, read_optimize
from shared.api.tools import Tool, tool_document, tools
from shared.api.unbuilt import NOT_BUILT
from shared.errors import InvalidInput

ALLOWED = {
    "object": {"type", "description", "properties", "required", "additionalProperties"},
    "array": {"type", "description", "items"},
    "scalar": {"type", "description", "enum"},
    "union": {"description", "anyOf"},
}
MAX_PROPERTIES, MAX_LEVELS = 100, 5


def walk(schema: dict[str, Any], path: str, level: int) -> Iterator[tuple[str, int]]:
    """Faults against the strict subset, and the property count of each object, by path.

    ``level`` counts lists as well as objects: more than the rule asks for, and so on the safe side.
    """
    if "anyOf" in schema:
        assert set(schema) <= ALLOWED["union"], (path, set(schema))
        kinds = [json.dumps(option.get("type")) for option in schema["anyOf"]]
        assert all("null" not in kind or kind == '"null"' for kind in kinds), path
        for option in schema["anyOf"]:
            yield from walk(option, path, level)
        return
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert len(kinds) == len(set(kinds)), path
    assert set(kinds) <= {"object", "array", "string", "number", "integer", "boolean", "null"}, path
    if "object" in kinds:
        assert set(schema) <= ALLOWED["object"], (path, set(schema))
        assert schema["additionalProperties"] is False, path
        assert sorted(schema["required"]) == sorted(schema["properties"]), path
        assert level <= MAX_LEVELS, f"{path} is {level} levels deep"
        yield path, len(schema["properties"])
        for name, part in schema["properties"].items():
            yield from walk(part, f"{path}/{name}", level + 1)
    elif "array" in kinds:
        assert set(schema) <= ALLOWED["array"], (path, set(schema))
        inner = schema["items"]
        nested = "properties" in inner or "anyOf" in inner
        yield from walk(inner, f"{path}[]", level if nested else level + 1)
    else:
        assert set(schema) <= ALLOWED["scalar"], (path, set(schema))
        assert not ({"null"} & set(kinds) and "enum" in schema and None not in schema["enum"]), path


BY_NAME = {tool.name: tool for tool in tools()}


@pytest.mark.parametrize("tool", tools(), ids=lambda tool: tool.name)
def test_a_tool_keeps_to_the_strict_subset(tool: Tool) -> None:
    assert tool.parameters["type"] == "object"
    assert sum(count for _, count in walk(tool.parameters, "", 1)) <= MAX_PROPERTIES
    Draft202012Validator.check_schema(tool.parameters)
    assert tool.description


@pytest.mark.parametrize(
    "broken",
    [
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": [],
            "additionalProperties": False,
        },
        {"type": "object", "properties": {}, "required": []},
        {"type": "number", "minimum": 0},
        {"type": ["string", "null"], "enum": ["a"]},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
    ],
)
def test_the_walker_finds_what_it_looks_for(broken: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, KeyError)):
        list(walk(broken, "", 1))


def test_the_tools_that_an_assistant_needs() -> None:
    assert set(BY_NAME) == {
        "optimize_budget",
        "compare_scenarios",
        "analyse_sensitivity",
        "evaluate_plan",
        "rank_campaigns",
        "plan_transition",
        "design_test",
        "list_datasets",
        "get_curves",
    }


def test_every_tool_stands_for_an_endpoint() -> None:
    endpoints = {(operation.method.upper(), operation.route) for operation in OPERATIONS}
    for tool in tools():
        assert (tool.method, tool.route) in endpoints
        for name in tool.path_arguments:
            assert f"{{{name}}}" in tool.route
            assert name in tool.parameters["properties"]


def test_two_styles_of_the_same_definitions() -> None:
    chat, flat = tool_document("chat"), tool_document("responses")
    for nested, plain in zip(chat["tools"], flat["tools"], strict=True):
        assert nested["type"] == plain["type"] == "function"
        assert nested["function"] == {k: v for k, v in plain.items() if k != "type"}
        assert plain["strict"] is True
    assert set(chat["calls"]) == set(BY_NAME)
    with pytest.raises(InvalidInput, match="chat or responses"):
        tool_document("other")


# -- arguments as a model in strict mode sends them: every property, null where not given ----------

HILL = {"family": "hill", "max_response": 900, "half_saturation": 50, "shape": 1.5}


def channel(schema: dict[str, Any], name: str, **given: Any) -> dict[str, Any]:
    everything = schema["properties"]["channels"]["items"]["properties"]
    return {**dict.fromkeys(everything), "channel": name, "saturation": dict(HILL), **given}


def problem(schema: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    """A problem as the optimize tool takes it, or as part of another tool (its ``schema``)."""
    schema = BY_NAME["optimize_budget"].parameters if schema is None else schema
    carryover = {"family": "geometric", "decay": 0.5, "normalised": None}
    logarithmic = {"family": "logarithmic", "coefficient": 30, "scale": None}
    return {
        **dict.fromkeys(schema["properties"]),
        "channels": [
            channel(schema, "tv", current_spend=40, adstock=carryover),
            channel(schema, "search", current_spend=60, saturation=logarithmic),
        ],
        "budget": 100,
        **given,
    }


def part(tool: str, field: str) -> dict[str, Any]:
    return dict(BY_NAME[tool].parameters["properties"][field])


def rows(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan with every property that its schema has."""
    nothing = dict.fromkeys(schema["items"]["properties"])
    return [{**nothing, "channel": name, "spend": 50} for name in ("tv", "search")]


def evaluate_arguments() -> dict[str, Any]:
    plan = rows(part("evaluate_plan", "plan"))
    return {"problem": problem(part("evaluate_plan", "problem")), "plan": plan}


def scenario_arguments() -> dict[str, Any]:
    edits = [
        {"path": "/budget", "value": 120},
        {"path": "/channels/tv/effectiveness", "value": 0.7},
        {"path": "/channels/search", "value": None},
    ]
    scenario = part("compare_scenarios", "scenarios")["items"]
    mix = rows(scenario["properties"]["plan"])
    return {
        "base": problem(part("compare_scenarios", "base")),
        "scenarios": [
            {"name": "more", "changes": edits, "plan": None},
            {"name": "ours", "changes": None, "plan": mix},
        ],
        "sweep": {"budget": [80, 100, 120]},
    }


def test_strict_arguments_are_valid_and_accepted() -> None:
    solver = {"gap": None, "time_limit_s": None, "seed": 3}
    for arguments in (problem(), problem(solver=solver), problem(spend_all=False)):
        Draft202012Validator(BY_NAME["optimize_budget"].parameters).validate(arguments)
        assert read_optimize(arguments).budget == 100
    Draft202012Validator(BY_NAME["evaluate_plan"].parameters).validate(evaluate_arguments())
    assert len(read_evaluate(evaluate_arguments()).plan) == 2
    Draft202012Validator(BY_NAME["compare_scenarios"].parameters).validate(scenario_arguments())
    ScenariosRequest.model_validate(scenario_arguments())
    base = {"base": problem(part("analyse_sensitivity", "base"))}
    Draft202012Validator(BY_NAME["analyse_sensitivity"].parameters).validate(base)
    SensitivityRequest.model_validate(base)
    steps = {"base": problem(part("plan_transition", "base")), "max_change": 0.2, "periods": 6}
    Draft202012Validator(BY_NAME["plan_transition"].parameters).validate(steps)
    assert TransitionRequest.model_validate(steps).periods == 6
    test = dict.fromkeys(BY_NAME["design_test"].parameters["properties"])
    test |= {"base": problem(part("design_test", "base")), "noise": 5}
    Draft202012Validator(BY_NAME["design_test"].parameters).validate(test)


def test_ranges_are_in_the_descriptions() -> None:
    properties = BY_NAME["optimize_budget"].parameters["properties"]
    assert "at least 0" in properties["budget"]["description"]
    assert "Default: true" in properties["spend_all"]["description"]


def test_what_is_not_built_is_not_offered() -> None:
    properties = set(BY_NAME["optimize_budget"].parameters["properties"])
    for field, feature in (("horizon", "time_varying"), ("risk", "cvar"), ("test_reserve",) * 2):
        assert feature not in NOT_BUILT or field not in properties


@pytest.fixture
def all_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every feature of the contract built."""
    for feature in list(NOT_BUILT):
        monkeypatch.delitem(NOT_BUILT, feature)
    tools.cache_clear()
    yield
    tools.cache_clear()


@pytest.mark.usefixtures("all_open")
def test_the_limits_hold_whatever_opens() -> None:
    for tool in tools():
        assert sum(count for _, count in walk(tool.parameters, "", 1)) <= MAX_PROPERTIES
    optimize = tools()[0].parameters
    fields = {"objective", "constraints", "horizon", "risk", "test_reserve", "period_budgets"}
    assert fields <= set(optimize["properties"])
    arguments = {
        **dict.fromkeys(optimize["properties"]),
        "channels": [
            {
                **dict.fromkeys(optimize["properties"]["channels"]["items"]["properties"]),
                "channel": "tv",
                "current_spend": 40,
                "minimum_if_active": 5,
                "saturation": HILL,
            }
        ],
        "budget": 100,
        "horizon": {"periods": 2, "mode": None, "pacing": {"max_change": 0.1}},
        "objective": {
            **dict.fromkeys(optimize["properties"]["objective"]["properties"]),
            "target_roas": 2,
        },
        "constraints": [
            {
                **dict.fromkeys(optimize["properties"]["constraints"]["items"]["properties"]),
                "name": "a",
                "channels": ["tv"],
                "max_share": 1,
            }
        ],
    }
    Draft202012Validator(optimize).validate(arguments)
    assert read_optimize(arguments).budget == 100
