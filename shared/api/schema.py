"""JSON schemas from the message models, in the two dialects that callers read.

``openapi_schema`` writes OpenAPI 3.0 (``nullable``, single-valued ``enum`` for constants, boolean
exclusive bounds) without any ``$ref``. ``strict_schema`` writes the subset that strict function
calling takes: closed objects, every property required, what is optional as a union with null, no
ranges, patterns, formats or lengths (they go into the descriptions), no free-form maps.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

__all__ = ["inlined", "openapi_schema", "strict_schema"]

Schema = dict[str, Any]

_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "greater than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "",
    "maxLength": "",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "pattern": "matching {}",
}
"""Keywords outside the strict subset, and how a description says them."""


def inlined(model: type[BaseModel]) -> Schema:
    """The model's JSON schema with every ``$ref`` replaced by what it refers to."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    result: Schema = _resolve(schema, definitions)
    return result


def _resolve(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_resolve(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _resolve({**target, **{k: v for k, v in node.items() if k != "$ref"}}, definitions)
    out = {
        key: _resolve(value, definitions)
        for key, value in node.items()
        if key not in ("discriminator",) and not (key == "title" and isinstance(value, str))
    }
    if "properties" in node:
        out["properties"] = {
            name: _resolve(part, definitions) for name, part in node["properties"].items()
        }
    return out


def _without_null(schema: Schema) -> tuple[Schema, bool]:
    """A schema without the null of its union, and whether there was one."""
    options = schema.get("anyOf")
    if not options or {"type": "null"} not in options:
        return schema, False
    rest = [option for option in options if option != {"type": "null"}]
    outer = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return ({**rest[0], **outer} if len(rest) == 1 else {**outer, "anyOf": rest}), True


def openapi_schema(model: type[BaseModel], *, null_is_absent: bool) -> Schema:
    """The model as an OpenAPI 3.0 schema object.

    Parameters
    ----------
    null_is_absent
        True for requests: whatever may be left out may as well be null.
    """
    return _openapi(inlined(model), null_is_absent)


def _openapi(schema: Schema, null_is_absent: bool) -> Schema:
    schema, nullable = _without_null(copy.copy(schema))
    out: Schema = {}
    for key, value in schema.items():
        if key == "const":
            out["enum"] = [value]
        elif key == "exclusiveMinimum":
            out["minimum"], out["exclusiveMinimum"] = value, True
        elif key == "exclusiveMaximum":
            out["maximum"], out["exclusiveMaximum"] = value, True
        elif key in ("anyOf", "oneOf"):
            out[key] = [_openapi(option, null_is_absent) for option in value]
        elif key == "items" or (key == "additionalProperties" and isinstance(value, dict)):
            out[key] = _openapi(value, null_is_absent)
        elif key == "properties":
            required = schema.get("required", [])
            out[key] = {
                name: _nullable(_openapi(part, null_is_absent))
                if null_is_absent and name not in required
                else _openapi(part, null_is_absent)
                for name, part in value.items()
            }
        elif key != "default" or value is not None:
            out[key] = value
    return _nullable(out) if nullable else out


def _nullable(schema: Schema) -> Schema:
    """OpenAPI 3.0 lets only typed schemas be null; a union says it by an option of its own."""
    if "type" in schema:
        schema = {**schema, "nullable": True}
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
        return schema
    for key in ("anyOf", "oneOf"):
        if key in schema:
            options = [{**option, "nullable": True} for option in schema[key][:1]]
            return (
                {**schema, "anyOf": options + schema[key][1:]}
                if key == "anyOf"
                else {
                    **{k: v for k, v in schema.items() if k != key},
                    "anyOf": options + schema[key][1:],
                }
            )
    return schema


def strict_schema(
    model: type[BaseModel],
    *,
    leave_out: frozenset[str] = frozenset(),
    replace: Mapping[str, Schema] | None = None,
) -> Schema:
    """The model in the subset that strict function calling takes.

    Parameters
    ----------
    leave_out
        Dotted paths of properties that an assistant is not offered (``"channels.response"``), and
        families that it is not offered there (``"channels.adstock:lag_weights"``).
    replace
        Schemas to use in place of a property's own, by dotted path.
    """
    return _strict(inlined(model), "", leave_out, replace or {})


def _strict(
    schema: Schema, path: str, leave_out: frozenset[str], replace: Mapping[str, Schema]
) -> Schema:
    schema, nullable = _without_null(schema)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options is not None:
        offered = [option for option in options if f"{path}:{_family(option)}" not in leave_out]
        out: Schema = {"anyOf": [_strict(option, path, leave_out, replace) for option in offered]}
        if "description" in schema:
            out = {"description": schema["description"], **out}
    elif schema.get("type") == "object":
        out = _strict_object(schema, path, leave_out, replace)
    elif schema.get("type") == "array":
        out = {"type": "array", "items": _strict(schema["items"], path, leave_out, replace)}
        out = _described(schema, out)
    else:
        out = {"type": schema["type"]}
        if "const" in schema:
            out["enum"] = [schema["const"]]
        if "enum" in schema:
            out["enum"] = list(schema["enum"])
        out = _described(schema, out)
    return _or_null(out) if nullable else out


def _family(option: Schema) -> str:
    """What a member of a union of families is called."""
    return str(option.get("properties", {}).get("family", {}).get("const", ""))


def _strict_object(
    schema: Schema, path: str, leave_out: frozenset[str], replace: Mapping[str, Schema]
) -> Schema:
    required = schema.get("required", [])
    properties: Schema = {}
    for name, part in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        if here in leave_out:
            continue
        strict = replace[here] if here in replace else _strict(part, here, leave_out, replace)
        properties[name] = strict if name in required else _or_null(strict)
    out: Schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return _described(schema, out)


def _described(schema: Schema, out: Schema) -> Schema:
    """``out`` with a description that also says what the subset cannot."""
    said = [schema["description"]] if "description" in schema else []
    limits = [
        words.format(_figure(schema[key]))
        for key, words in _BOUNDS.items()
        if key in schema and not _beyond_care(key, schema[key])
    ]
    if limits:
        said.append(f"Must be {', '.join(limits)}.")
    if schema.get("default") is not None:
        said.append(f"Default: {_figure(schema['default'])}.")
    text = " ".join(part for part in said if part)
    return {"description": text, **out} if text else out


def _beyond_care(key: str, limit: Any) -> bool:
    """Whether nobody would come near a limit, so that a description need not spend words on it."""
    if key in ("minLength", "maxLength"):
        return True
    return isinstance(limit, int | float) and abs(limit) >= 1000


def _figure(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _or_null(schema: Schema) -> Schema:
    if "anyOf" in schema:
        if {"type": "null"} in schema["anyOf"]:
            return schema
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "null" in kinds:
        return schema
    out = {**schema, "type": [*kinds, "null"]}
    if "enum" in out:
        out["enum"] = [*out["enum"], None]
    return out
