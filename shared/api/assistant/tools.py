"""The assistant's tools: one table of questions, from which every client's definitions are made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from shared.api.assistant import arguments as args
from shared.api.assistant import questions
from shared.api.assistant.told import Told
from shared.api.http import Call, Reply
from shared.api.json_body import dump_json
from shared.api.openapi import inlined, tidy
from shared.errors import InvalidInput, did_you_mean

__all__ = ["BY_NAME", "TOOLS", "Tool", "definitions", "parameters", "tools"]

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """One question that an assistant may ask.

    ``changes``: whether it changes what is stored, and if so whether more than once is no more.
    """

    name: str
    says: str
    arguments: type[args.Arguments]
    ask: Callable[[Call, Any], Told]
    changes: bool = False
    undoable: bool = True


TOOLS = (
    Tool(
        "list_datasets",
        "Call first: datasets, channels with today's spend, currency, period.",
        args.NoArguments,
        questions.list_datasets,
    ),
    Tool(
        "plan_budget",
        "Best split of money per period, with interval, proof and reasons; also what-ifs, least "
        "spend for an outcome, what to drop, how sure. Gives a plan_id.",
        args.PlanArguments,
        questions.plan_budget,
    ),
    Tool(
        "plan_periods",
        "Best plan over several periods (a quarter, a season) with money in all.",
        args.PeriodsArguments,
        questions.plan_periods,
    ),
    Tool(
        "compare_plans",
        "Compare plans, today and the user's own mix: difference, how likely it is.",
        args.CompareArguments,
        questions.compare_plans,
    ),
    Tool(
        "explain_channel",
        "Why a channel gets what it gets: return, saturation, carryover, what would change it.",
        args.ChannelArguments,
        questions.explain_channel,
    ),
    Tool(
        "spread_change",
        "Steps from today to a plan over some periods.",
        args.SpreadArguments,
        questions.spread_change,
    ),
    Tool(
        "design_test",
        "Which channel to test first and how: spend, length, detectable effect.",
        args.TestArguments,
        questions.design_test,
    ),
    Tool(
        "show_picture",
        "A picture; responses are the curves.",
        args.PictureArguments,
        questions.show_picture,
    ),
    Tool(
        "check_data",
        "How far data and fit are to be trusted, what is to be settled.",
        args.OfDataset,
        questions.check_data,
    ),
    Tool(
        "refit",
        "Fit the curves anew.",
        args.ChangeArguments,
        questions.refit,
        changes=True,
    ),
    Tool("get_run", "How a refit went.", args.RunArguments, questions.get_run),
    Tool(
        "undo",
        "Roll back to older curves.",
        args.ChangeArguments,
        questions.undo,
        changes=True,
        undoable=False,
    ),
)
BY_NAME = {tool.name: tool for tool in TOOLS}


@cache
def parameters(model: type[BaseModel]) -> Schema:
    """The arguments' JSON schema: closed, no references, no titles, no ranges, no nulls."""
    raw = model.model_json_schema()
    schema = inlined(tidy(raw), raw)
    schema.pop("$defs", None)
    return dict(_spoken(schema))


def _spoken(node: Any) -> Any:
    """Without nulls and what a strict schema has no words for; descriptions of models left out."""
    if not isinstance(node, dict):
        return node
    kind = [k for k in _kinds(node) if k != "null"]
    out: Schema = {}
    if "description" in node and node.get("type") != "object":
        out["description"] = node["description"]
    if "anyOf" in node:
        options = [o for o in node["anyOf"] if o != {"type": "null"}]
        kind = [k for o in options for k in _kinds(o)]
    out["type"] = kind[0] if len(kind) == 1 else kind
    if "enum" in node:
        out["enum"] = [value for value in node["enum"] if value is not None]
    if "items" in node:
        out["items"] = _spoken(node["items"])
    if out["type"] == "object":
        out["properties"] = {k: _spoken(v) for k, v in node.get("properties", {}).items()}
        out["required"] = list(node.get("required", ()))
        out["additionalProperties"] = False
    return out


def _kinds(node: Schema) -> list[str]:
    kind = node.get("type", [])
    return list(kind) if isinstance(kind, list) else [kind]


def _all_required(node: Any) -> Any:
    """The schema as OpenAI's strict mode wants it: everything required, null for not given."""
    if not isinstance(node, dict):
        return node
    out = {key: _all_required(value) if key == "items" else value for key, value in node.items()}
    if "properties" in node:
        optional = set(node["properties"]) - set(node["required"])
        out["properties"] = {
            name: _or_null(_all_required(part)) if name in optional else _all_required(part)
            for name, part in node["properties"].items()
        }
        out["required"] = list(node["properties"])
    return out


def _or_null(schema: Schema) -> Schema:
    out = {**schema, "type": [*_kinds(schema), "null"]}
    return {**out, "enum": [*out["enum"], None]} if "enum" in out else out


def definitions(style: str) -> list[Schema]:
    """The tools as one provider takes them.

    Parameters
    ----------
    style
        ``openai``: nested under ``function``, as chat completions take them; ``foundry``: flat, as
        Foundry's agents and OpenAI's responses take them; ``anthropic``: with ``input_schema``.
    """
    styles = ("openai", "anthropic", "foundry")
    if style not in styles:
        text = f"style is {', '.join(styles[:-1])} or {styles[-1]}.{did_you_mean(style, styles)}"
        raise InvalidInput.at("/style", "unknown_value", text)
    found: list[Schema] = []
    for tool in TOOLS:
        said: Schema = {"name": tool.name, "description": tool.says}
        schema = parameters(tool.arguments)
        if style == "anthropic":
            found.append({**said, "strict": True, "input_schema": schema})
            continue
        function = {**said, "strict": True, "parameters": _all_required(schema)}
        flat = {"type": "function", **function}
        found.append(flat if style == "foundry" else {"type": "function", "function": function})
    return found


def tools(call: Call) -> Reply:
    """``GET /tools.json``"""
    body = {
        "tools": definitions(call.query.get("style", "openai")),
        "call": {
            "method": "POST",
            "path": "/mcp",
            "body": {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {"name": "NAME", "arguments": {}},
            },
        },
    }
    tag = hashlib.sha256(dump_json(body)).hexdigest()[:32]
    return Reply(body, headers={"ETag": f'"{tag}"'})
