"""The assistant's tools, as definitions for every client and by the Model Context Protocol.

``POST /mcp`` is the protocol over streamable HTTP, without sessions.

Every message is answered by itself as JSON. Both ways in are served: ``initialize`` (revisions up
to 2025-11-25), and revision 2026-07-28, where each request carries its version and
``server/discover`` replaces the handshake. https://modelcontextprotocol.io/specification
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from shared import __version__
from shared.api.assistant import arguments as args
from shared.api.assistant import questions
from shared.api.assistant.told import Told
from shared.api.datasets import dataset_detail
from shared.api.endpoints import JSON
from shared.api.http import Call, Reply
from shared.api.json_body import dump_json
from shared.api.openapi import inlined, tidy
from shared.api.reports import drawn, to_plan
from shared.errors import Infeasible, InvalidInput, MarginalError, NotFound, did_you_mean
from shared.shapes import faults_of

__all__ = ["TOOLS", "definitions", "mcp", "tools"]

log = logging.getLogger("marginal.mcp")

HANDSHAKES = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN = ("2026-07-28",)

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
SERVER_KEY = "io.modelcontextprotocol/serverInfo"

INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
NO_RESOURCE = -32002

ME = {"name": "marginal", "title": "Marginal", "version": __version__}
CAN: dict[str, Any] = {"tools": {}, "resources": {}, "prompts": {}}
INSTRUCTIONS = (
    "Answers where marketing money works best. Call list_datasets once, first. Money and outcomes "
    "are per period unless the tool says in all; per cent are given as 20, not 0.2. A plan has a "
    "plan_id: for a follow-up give it as base_plan and only what changes. Plans are advice and are "
    "never applied. Pass on intervals and warnings; say that figures come from a fitted model."
)
KEPT_MS = 3_600_000
"""For how long a client may keep lists that only a new version of the app changes."""

Schema = dict[str, Any]
Params = Mapping[str, Any]


# -- the tools -------------------------------------------------------------------------------------


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
    options = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        node = {**options[0], **{key: value for key, value in node.items() if key != "anyOf"}}
    kind = [k for k in _kinds(node) if k != "null"]
    out: Schema = {}
    if "description" in node and node.get("type") != "object":
        out["description"] = node["description"]
    if "anyOf" in node:
        kind = [k for option in options for k in _kinds(option)]
    out["type"] = kind[0] if len(kind) == 1 else kind
    if "enum" in node:
        out["enum"] = list(node["enum"])
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


# -- the protocol ----------------------------------------------------------------------------------


class _RpcError(Exception):
    """An error of the protocol itself, with its code, HTTP status and data."""

    def __init__(self, code: int, message: str, status: int = 400, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.status, self.data = code, status, data


def mcp(call: Call) -> Reply:
    """Answer one JSON-RPC message: a request by its result or error, anything else by 202."""
    message = call.json
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return _error(None, _RpcError(INVALID_REQUEST, "Send one JSON-RPC 2.0 message."))
    method, given = message.get("method"), message.get("id")
    if "id" not in message or method is None:
        return Reply(None, status=202)  # a notification, or an answer to a question never asked
    try:
        if not isinstance(method, str) or not isinstance(given, str | int):
            raise _RpcError(INVALID_REQUEST, "A request has a method and an id.")
        params = message.get("params") or {}
        if not isinstance(params, dict):
            raise _RpcError(INVALID_PARAMS, "params is an object.")
        version = _version(call, method, params)
        found = METHODS.get(method)
        if found is None:
            text = f"There is no method {method[:60]!r}."
            raise _RpcError(NO_METHOD, text, 404 if version in MODERN else 200)
        result = found(call, params)
    except _RpcError as error:
        return _error(given if isinstance(given, str | int) else None, error)
    if version in MODERN:
        result = {**result, "resultType": "complete", "_meta": {SERVER_KEY: ME}}
        if method in LISTS:
            result |= {"ttlMs": KEPT_MS if method in FIXED else 0, "cacheScope": "private"}
    return Reply({"jsonrpc": "2.0", "id": given, "result": result})


def _error(given: str | int | None, error: _RpcError) -> Reply:
    told = {"code": error.code, "message": str(error)}
    if error.data is not None:
        told["data"] = error.data
    return Reply({"jsonrpc": "2.0", "id": given, "error": told}, status=error.status)


def _version(call: Call, method: str, params: Params) -> str:
    """The revision that a request speaks: in itself (and its header) from 2026 on."""
    header = call.headers.get("mcp-protocol-version", "")
    meta = params.get("_meta")
    said = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    if said is None:
        if header in MODERN:
            raise _RpcError(INVALID_PARAMS, f"_meta must say the revision as {VERSION_KEY}.")
        return header or HANDSHAKES[-1]
    if header and header != said:
        raise _RpcError(HEADER_MISMATCH, "Header and body name different revisions.")
    if said not in MODERN:
        data = {"supported": [*HANDSHAKES, *MODERN], "requested": said}
        raise _RpcError(UNSUPPORTED_VERSION, "This revision is not spoken here.", data=data)
    named = call.headers.get("mcp-method", method)
    if named != method:
        raise _RpcError(HEADER_MISMATCH, "Header and body name different methods.")
    return str(said)


# -- the methods ----------------------------------------------------------------------------------


def _initialize(call: Call, params: Params) -> dict[str, Any]:
    del call
    asked = params.get("protocolVersion")
    version = asked if asked in HANDSHAKES else HANDSHAKES[-1]
    return {
        "protocolVersion": version,
        "capabilities": CAN,
        "serverInfo": ME,
        "instructions": INSTRUCTIONS,
    }


def _discover(call: Call, params: Params) -> dict[str, Any]:
    del call, params
    return {
        "supportedVersions": [*HANDSHAKES, *MODERN],
        "capabilities": CAN,
        "instructions": INSTRUCTIONS,
    }


def _nothing(call: Call, params: Params) -> dict[str, Any]:
    del call, params
    return {}


def _list_tools(call: Call, params: Params) -> dict[str, Any]:
    del call, params
    return {"tools": [_tool(tool) for tool in TOOLS]}


FIGURES = {"type": "object", "additionalProperties": True}


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.says,
        "inputSchema": parameters(tool.arguments),
        "outputSchema": FIGURES,
        "annotations": {
            "readOnlyHint": not tool.changes,
            "destructiveHint": tool.changes and not tool.undoable,
            "idempotentHint": not tool.changes or not tool.undoable,
            "openWorldHint": False,
        },
    }


def _call_tool(call: Call, params: Params) -> dict[str, Any]:
    name = params.get("name")
    tool = BY_NAME.get(name) if isinstance(name, str) else None
    if tool is None:
        text = f"There is no tool {str(name)[:60]!r}.{did_you_mean(str(name), BY_NAME)}"
        raise _RpcError(INVALID_PARAMS, text, 200)
    raw = params.get("arguments") or {}
    try:
        told = tool.ask(call, tool.arguments.model_validate(raw))
    except ValidationError as error:
        return _refused(" ".join(f.message for f in faults_of(error, raw, tool.arguments)[:4]))
    except MarginalError as error:
        return _refused(_in_words(error))
    except Exception:
        log.exception("unexpected error in the tool %s", tool.name)
        return _refused("Something went wrong on the server's side; it is logged.")
    return {"content": list(_content(told)), "structuredContent": dict(told.figures)}


def _content(told: Told) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = [{"type": "text", "text": told.text}]
    if told.picture is not None:
        content.append({"type": "image", "data": told.picture, "mimeType": "image/png"})
    return content


def _refused(text: str) -> dict[str, Any]:
    """What an assistant can mend is told to it, not to its machinery."""
    return {"content": [{"type": "text", "text": text}], "isError": True}


def _in_words(error: MarginalError) -> str:
    if isinstance(error, Infeasible):
        return " ".join([str(error), *(conflict.message for conflict in error.conflicts[:4])])
    if isinstance(error, InvalidInput):
        return " ".join(dict.fromkeys(fault.message for fault in error.faults[:4]))
    return str(error)


# -- resources ------------------------------------------------------------------------------------


HTML = "text/html"
TEMPLATES = {
    "marginal://datasets/{dataset}": ("A dataset", JSON),
    "marginal://datasets/{dataset}/curves/{version}": ("Its curves, without draws", JSON),
    "marginal://datasets/{dataset}/report": ("Its report, a page for people", HTML),
    "marginal://plans/{plan_id}": ("A plan: question and answer", JSON),
}


def _list_resources(call: Call, params: Params) -> dict[str, Any]:
    del params
    return {
        "resources": [
            {
                "uri": f"marginal://datasets/{entry['dataset']}",
                "name": entry["dataset"],
                "mimeType": JSON,
            }
            for entry in call.service.datasets()
        ]
    }


def _list_templates(call: Call, params: Params) -> dict[str, Any]:
    del call, params
    return {
        "resourceTemplates": [
            {"uriTemplate": uri, "name": name, "mimeType": media}
            for uri, (name, media) in TEMPLATES.items()
        ]
    }


def _read_resource(call: Call, params: Params) -> dict[str, Any]:
    uri = str(params.get("uri", ""))
    try:
        text, media = _resource(call, uri)
    except (NotFound, InvalidInput) as error:
        raise _RpcError(NO_RESOURCE, str(error), 200, {"uri": uri[:200]}) from None
    return {"contents": [{"uri": uri, "mimeType": media, "text": text}]}


def _resource(call: Call, uri: str) -> tuple[str, str]:
    room, *rest = uri.removeprefix("marginal://").split("/")
    if not uri.startswith("marginal://") or not rest:
        raise NotFound(f"There is no resource {uri[:80]!r}.")
    found: Any = None
    if room == "plans" and len(rest) == 1:
        found = questions.kept_plan(call, rest[0])
    elif room == "datasets" and len(rest) == 1:
        found = dataset_detail(call.service, rest[0])
    elif room == "datasets" and rest[1:2] == ["curves"] and len(rest) == 3:
        found = call.service.curves(rest[0], rest[2]).to_dict(draws=False)
        found.pop("diagnostics")
    elif room == "datasets" and rest[1:] == ["report"]:
        curves = call.service.curves(rest[0])
        page = drawn(call.service, rest[0], curves, to_plan(curves, rest[0]))
        return page.decode(), HTML
    if found is None:
        raise NotFound(f"There is no resource {uri[:80]!r}.")
    return dump_json(found).decode(), JSON


# -- prompts --------------------------------------------------------------------------------------


PROMPTS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "weekly_review": (
        "What to change this week, and how sure that is",
        ("dataset",),
        """Review {dataset}: call check_data and plan_budget for today's money.
Say in five sentences what to move, what it should bring with its interval, what is uncertain.""",
    ),
    "budget_cut": (
        "What to drop when there is less money",
        ("dataset", "budget"),
        """The budget of {dataset} is cut to {budget} a period.
Call plan_budget, then spread_change with its plan_id.
Say what to cut first, what that costs, and the steps.""",
    ),
    "quarter_plan": (
        "A plan for the next 13 weeks",
        ("dataset", "budget"),
        """Plan the next quarter of {dataset} with {budget} in all: call plan_periods, design_test.
Give spend by channel, the outcome with its interval, and one test to run.""",
    ),
}


def _list_prompts(call: Call, params: Params) -> dict[str, Any]:
    del call, params
    return {
        "prompts": [
            {
                "name": name,
                "description": says,
                "arguments": [{"name": argument, "required": True} for argument in needs],
            }
            for name, (says, needs, _) in PROMPTS.items()
        ]
    }


def _get_prompt(call: Call, params: Params) -> dict[str, Any]:
    del call
    found = PROMPTS.get(str(params.get("name")))
    given = params.get("arguments") or {}
    if found is None or not isinstance(given, dict):
        raise _RpcError(INVALID_PARAMS, f"There are the prompts {', '.join(PROMPTS)}.", 200)
    says, needs, text = found
    missing = [name for name in needs if not given.get(name)]
    if missing:
        raise _RpcError(INVALID_PARAMS, f"This prompt needs {', '.join(missing)}.", 200)
    filled = text.format(**{name: str(given[name])[:100] for name in needs})
    content = {"type": "text", "text": filled}
    return {"description": says, "messages": [{"role": "user", "content": content}]}


METHODS: Mapping[str, Callable[[Call, Params], dict[str, Any]]] = {
    "initialize": _initialize,
    "server/discover": _discover,
    "ping": _nothing,
    "tools/list": _list_tools,
    "tools/call": _call_tool,
    "resources/list": _list_resources,
    "resources/templates/list": _list_templates,
    "resources/read": _read_resource,
    "prompts/list": _list_prompts,
    "prompts/get": _get_prompt,
}
FIXED = ("server/discover", "tools/list", "resources/templates/list", "prompts/list")
LISTS = (*FIXED, "resources/list", "resources/read")
