"""The contract as an OpenAPI 3.1 document, generated from the endpoints and their models.

OpenAPI 3.1 speaks JSON Schema 2020-12, which is what the models give: named components, unions with
a discriminator. Answers are left open (a client must not break when a field is added), and whatever
a request may leave out may as well be null.

``python -m shared.api.openapi`` prints the document that is kept as ``docs/openapi.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.api.answers import Answer, ProblemAnswer
from shared.api.endpoints import (
    ENDPOINTS,
    IDEMPOTENCY_KEY,
    JSON,
    PATH_PARAMETERS,
    QUERY_PARAMETERS,
    TABLES,
    Endpoint,
    resolved,
)
from shared.api.http import PROBLEM, Call, Reply
from shared.api.json_body import dump_json

__all__ = ["inlined", "openapi", "openapi_document", "tidy"]

VERSION = "1.0.0"
"""Version of the contract, not of the build."""

Schema = dict[str, Any]

PROBLEMS: Mapping[int | str, str] = {
    401: "No function key, or a wrong one; the platform answers, without a body.",
    404: "No such dataset, version, run or job.",
    409: "Somebody else wrote first; nothing was changed.",
    412: "What is stored is not what If-Match names; nothing was changed.",
    429: "The platform has no room for the request just now.",
    "default": "400: the body cannot be read. 413: more bytes, channels or depth than the service "
    "takes. 415: a content type that is not read here. 422: well formed and impossible, wrong, or "
    "not supported yet. 500: an error of the service. 503: storage does not answer. 504: it takes "
    "too long to be waited for.",
}
BARE = (401, 429)
"""Statuses that the platform answers, in words of its own."""

RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait first.", "schema": {"type": "integer"}}
}
TEXT = {"type": "string"}


def openapi(call: Call) -> Reply:
    """``GET /openapi.json``"""
    base = call.base_url + call.path.removesuffix("/").removesuffix("/openapi.json")
    document = openapi_document(base, inline=call.flag("inline"))
    tag = hashlib.sha256(dump_json(document)).hexdigest()[:32]
    return Reply(document, headers={"ETag": f'"{tag}"'})


def openapi_document(base_url: str = "", *, inline: bool = False) -> Schema:
    """The OpenAPI 3.1 document, served from ``base_url``.

    Parameters
    ----------
    inline
        Whether every reference is replaced by what it refers to, for importers that need it so.
    """
    document: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "Marginal",
            "version": VERSION,
            "description": "Where should the next unit of marketing money go? Spend is money per "
            "period, outcomes are in the caller's unit per period. A request takes at most 200 s, "
            "longer ones are jobs; solver.time_limit_s limits a search.",
        },
        "servers": [{"url": base_url or "/api/v1"}],
        "security": [{"function_key": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas()[0],
            "responses": {
                "Job": _job(),
                **{_problem_name(status): _problem(status) for status in PROBLEMS},
            },
            "parameters": _parameters(),
            "requestBodies": {"Table": {"required": True, "content": _content(TABLES, None)}},
            "securitySchemes": {
                "function_key": {"type": "apiKey", "in": "header", "name": "x-functions-key"}
            },
        },
    }
    if not inline:
        return document
    whole = inlined(document, document)
    return {**whole, "components": {"securitySchemes": document["components"]["securitySchemes"]}}


@cache
def _schemas() -> tuple[Schema, Mapping[type[BaseModel], Schema]]:
    """All components by name, and each model's reference."""
    wanted = [(e.request, e.answer) for e in ENDPOINTS]
    models: dict[type[BaseModel], None] = {ProblemAnswer: None}
    models |= {resolved(name): None for pair in wanted for name in pair if name is not None}
    places, whole = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    answers = {kind.__name__ for kind in _below(Answer)}
    found = {
        name.lstrip("_"): tidy(schema, answer=name in answers)
        for name, schema in whole["$defs"].items()
    }
    references = {model: tidy(places[model, "validation"], answer=False) for model in models}
    return found, references


def _below(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _below(inner)


def tidy(node: Any, *, answer: bool = False) -> Any:
    """A model's schema in few words: no titles, nulls as types, answers open, nulls for absent."""
    if isinstance(node, list):
        return [tidy(item, answer=answer) for item in node]
    if not isinstance(node, dict):
        return node
    out: Schema = {}
    for key, value in node.items():
        if key == "properties":
            needed = node.get("required", ())
            out[key] = {
                name: _or_null(tidy(part, answer=answer), not answer and name not in needed)
                for name, part in value.items()
            }
        elif key == "$ref":
            out[key] = value.replace("/schemas/_", "/schemas/")
        elif key == "mapping":
            out[key] = {k: v.replace("/schemas/_", "/schemas/") for k, v in value.items()}
        elif key == "enum" or key == "const":
            out[key] = value
        elif key == "additionalProperties" and value is False and answer:
            continue
        elif not (key == "title" and isinstance(value, str)) and not (
            key == "default" and value is None
        ):
            out[key] = tidy(value, answer=answer)
    options = out.get("anyOf")
    if options is not None and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        outer = {key: value for key, value in out.items() if key != "anyOf"}
        out = {**outer, "anyOf": rest} if len(rest) > 1 else {**rest[0], **outer}
        out = _or_null(out, True)
    return out


def _or_null(schema: Schema, nullable: bool) -> Schema:
    """The schema, or null too: beside an enum, of which generators then make one type."""
    kind = schema.get("type")
    if not nullable or (kind is not None and "null" in kind) or not schema:
        return schema
    if isinstance(kind, str) and not schema.keys() & {"const", "enum"}:
        return {**schema, "type": [kind, "null"]}
    for key in ("anyOf", "oneOf"):
        if {"type": "null"} in schema.get(key, ()):
            return schema
    outside: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    inside = {key: value for key, value in schema.items() if key not in outside}
    options = inside["anyOf"] if set(inside) == {"anyOf"} else [inside]
    return {**outside, "anyOf": [*options, {"type": "null"}]}


def inlined(node: Any, document: Schema) -> Any:
    """A schema with what its references refer to in the document in their place."""
    if isinstance(node, list):
        return [inlined(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target: Any = document
        for token in node["$ref"].split("/")[1:]:
            target = target[token]
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return inlined({**target, **rest}, document)
    return {key: inlined(value, document) for key, value in node.items() if key != "discriminator"}


# -- paths ----------------------------------------------------------------------------------------


def _paths() -> Schema:
    paths: Schema = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(f"/{endpoint.route}", {})[endpoint.method.lower()] = _operation(endpoint)
    return paths


def _operation(endpoint: Endpoint) -> Schema:
    out: Schema = {"operationId": endpoint.name, "summary": endpoint.summary}
    names = [f"path.{name}" for name in endpoint.parameters]
    names += [f"query.{name}" for name in endpoint.query]
    if endpoint.conditional:
        names.append(f"header.{_IF_MATCH}")
    elif endpoint.tagged:
        names.append(f"header.{_IF_NONE_MATCH}")
    if endpoint.long:
        names.append(f"header.{_PREFER}")
    if endpoint.idempotent:
        names.append(f"header.{IDEMPOTENCY_KEY}")
    parameters = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    if parameters:
        out["parameters"] = parameters
    if endpoint.reads:
        table = {"$ref": "#/components/requestBodies/Table"}
        content = {"required": True, "content": _content(endpoint.reads, endpoint.request)}
        out["requestBody"] = table if endpoint.reads == TABLES else content
    out["responses"] = _responses(endpoint)
    if endpoint.public:
        out["security"] = []
    return out


_IF_MATCH, _IF_NONE_MATCH = "If-Match", "If-None-Match"
_PREFER = "Prefer"
_HEADERS = {
    _PREFER: "respond-async: answer 202 with a job; what takes over a minute is one anyway.",
    _IF_MATCH: "ETag that what is stored must still have; otherwise 412.",
    _IF_NONE_MATCH: "ETag of what is known already; 304 where it is still so.",
    IDEMPOTENCY_KEY: "Sent again with the same key, the request does nothing again.",
}


def _parameters() -> Schema:
    """Every parameter, by its place and name."""
    known = {"path": PATH_PARAMETERS, "query": QUERY_PARAMETERS}
    known["header"] = {name: (text, TEXT) for name, text in _HEADERS.items()}
    return {
        f"{place}.{name}": _parameter(name, place, *own)
        for place, each in known.items()
        for name, own in each.items()
    }


def _parameter(name: str, place: str, description: str, schema: Mapping[str, Any]) -> Schema:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": dict(schema),
    }


def _content(media: tuple[str, ...], model: str | None) -> Schema:
    if model is not None:
        return {JSON: {"schema": _schemas()[1][resolved(model)]}}
    rows = {
        "allOf": [_schemas()[1][resolved("dataset_messages.Anything")]],
        "description": "Rows under any name, columns, or index and data; rows alone are read too.",
    }
    text = {kind: {"schema": TEXT} for kind in media if kind.startswith("text/") or "svg" in kind}
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {kind: {"schema": rows} if kind == JSON else text.get(kind, binary) for kind in media}


def _responses(endpoint: Endpoint) -> Schema:
    good: Schema = {"description": HTTPStatus(endpoint.status).phrase}
    if endpoint.gives:
        good["content"] = _content(endpoint.gives, endpoint.answer)
    headers: Schema = {}
    if endpoint.status in (201, 202):
        headers["Location"] = {"description": "Where it is.", "schema": TEXT}
    if endpoint.status == 202:
        headers |= RETRY_AFTER
    if endpoint.tagged:
        headers["ETag"] = {"description": "Of this very content.", "schema": TEXT}
    if headers:
        good["headers"] = headers
    known: Schema = {}
    if endpoint.long or endpoint.name == "get_job":
        known = {"202": {"$ref": "#/components/responses/Job"}}
    if endpoint.tagged and endpoint.reads == TABLES:
        known = {"202": _queued()}
    if endpoint.tagged and endpoint.method == "GET":
        known = {"304": {"description": "It is still what If-None-Match names."}}
    # Generators that cannot read a picture would take it for the default: a problem.
    others = ("422", "500", "503") if _pictures(endpoint.gives) else ("default",)
    problems = {
        str(status): {"$ref": f"#/components/responses/{_problem_name(status)}"}
        for status in (*endpoint.refusals, *others)
    }
    return {str(endpoint.status): good, **known, **problems}


def _queued() -> Schema:
    where = {"Location": {"description": "Where the run is.", "schema": TEXT}, **RETRY_AFTER}
    return {
        "description": "A table of more than 5 MB waits to be read.",
        "content": _content((JSON,), "dataset_messages.RunAnswer"),
        "headers": where,
    }


def _job() -> Schema:
    where = {"Location": {"description": "Where the job is.", "schema": TEXT}, **RETRY_AFTER}
    return {
        "description": "A job that is not done.",
        "content": _content((JSON,), "job_messages.JobAnswer"),
        "headers": where,
    }


def _pictures(media: tuple[str, ...]) -> bool:
    return any(kind.startswith("image/") for kind in media)


def _problem_name(status: object) -> str:
    return f"Problem{status}" if status in PROBLEMS and status != "default" else "Problem"


def _problem(status: int | str) -> Schema:
    out: Schema = {"description": PROBLEMS[status]}
    if status in (429, "default"):
        out["headers"] = RETRY_AFTER
    if status not in BARE:
        out["content"] = {PROBLEM: {"schema": _schemas()[1][ProblemAnswer]}}
    return out


if __name__ == "__main__":
    print(json.dumps(openapi_document(), indent=1, ensure_ascii=False))  # noqa: T201
