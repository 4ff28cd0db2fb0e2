"""The contract as an OpenAPI 3.0 document, generated from the message models."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from shared.api.answers import ProblemAnswer
from shared.api.dataset_messages import RunAnswer
from shared.api.http import JSON, TABLES
from shared.api.operations import OPERATIONS, PATH_PARAMETERS, Operation
from shared.api.schema import openapi_schema

__all__ = ["openapi_document"]

VERSION = "1.0.0"
"""Version of the contract, not of the build."""

_QUERY_PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "force": (
        "Fit though nothing changed since the last fit.",
        {"type": "boolean", "default": False},
    ),
    "version": (
        "Version of the curves; latest is the current one.",
        {"type": "string", "default": "latest"},
    ),
    "budget": (
        "Money per period to plan; what is spent now unless given.",
        {"type": "number", "minimum": 0},
    ),
    "source": (
        "Name of one of several tables that make the history, each replaceable alone.",
        {"type": "string", "maxLength": 200},
    ),
    "format": ("The kind of picture.", {"type": "string", "enum": ["svg", "png"]}),
}

_TITLES = {
    400: "The body cannot be read: not JSON, not UTF-8.",
    404: "No such dataset, version or run.",
    409: "Somebody else wrote first; nothing was changed.",
    413: "More bytes, channels or depth than the service takes.",
    415: "A content type that is not read here.",
    422: "Well formed and impossible, wrong, or not supported yet.",
    500: "An error of the service.",
    503: "Storage does not answer; Retry-After says when to try again.",
}


def openapi_document(base_url: str) -> dict[str, Any]:
    """The OpenAPI 3.0.3 document, served from ``base_url``."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.route, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Marginal",
            "version": VERSION,
            "description": "Where should the next unit of marketing money go? Spend is money per "
            "period, outcomes are in the caller's unit per period.",
        },
        "servers": [{"url": base_url or "/api/v1"}],
        "security": [{"function_key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "function_key": {"type": "apiKey", "in": "header", "name": "x-functions-key"}
            }
        },
    }


@cache
def _operation(operation: Operation) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", operation.route)
    out: dict[str, Any] = {"operationId": operation.name, "summary": operation.summary}
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name],
            "schema": {"type": "string"},
        }
        for name in names
    ]
    parameters += [_query_parameter(name) for name in operation.query]
    if operation.method in ("put", "patch"):
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": False,
                "description": "ETag that what is stored must still have; otherwise 409.",
                "schema": {"type": "string"},
            }
        )
    if parameters:
        out["parameters"] = parameters
    content: dict[str, Any] = {}
    if operation.request is not None:
        schema = openapi_schema(operation.request, null_is_absent=True)
        content = {"application/json": {"schema": schema}}
    elif operation.csv and operation.method in ("put", "patch"):
        content = _table()
    if content:
        out["requestBody"] = {"required": True, "content": content}
    out["responses"] = _responses(operation)
    if operation.public:
        out["security"] = []
    return out


def _table() -> dict[str, Any]:
    rows = {"type": "array", "items": {"type": "object", "additionalProperties": True}}
    text, binary = {"type": "string"}, {"type": "string", "format": "binary"}
    schemas = {JSON: rows, "text/csv": text, "text/plain": text, "application/csv": text}
    return {media: {"schema": schemas.get(media, binary)} for media in TABLES}


def _responses(operation: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": operation.summary}
    if operation.answer is not None:
        schema = openapi_schema(operation.answer, null_is_absent=False)
        good["content"] = {"application/json": {"schema": schema}}
    elif operation.csv:
        good["content"] = _table()
    elif operation.media:
        good["content"] = {
            media: {
                "schema": {"type": "string", **({"format": "binary"} if "png" in media else {})}
            }
            for media in operation.media
        }
    where = {"Location": {"description": "Where the run is.", "schema": {"type": "string"}}}
    queued: dict[str, Any] = {}
    if operation.status == 202:
        good["headers"] = where
    elif operation.csv and operation.method in ("put", "patch"):
        run = openapi_schema(RunAnswer, null_is_absent=False)
        queued["202"] = {
            "description": "A table of more than 5 MB waits to be read.",
            "content": {"application/json": {"schema": run}},
            "headers": where,
        }
    problem = openapi_schema(ProblemAnswer, null_is_absent=False)
    named = (422,) if "{" in operation.route else ()
    statuses = sorted({*operation.errors, *named, *(() if operation.public else (500, 503))})
    bad = {
        str(status): {
            "description": _TITLES[status],
            "content": {"application/problem+json": {"schema": problem}},
        }
        for status in statuses
    }
    return {str(operation.status): good, **queued, **bad}


def _query_parameter(name: str) -> dict[str, Any]:
    """The parameter as OpenAPI 3.0 has it."""
    description, schema = _QUERY_PARAMETERS[name]
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }
