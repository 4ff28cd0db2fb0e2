"""What breaks a client of one OpenAPI document when it meets the next: found by comparison.

A request breaks where something that was taken is refused, an answer where something that was
promised is gone. More that may be sent, and more that is answered, breaks nobody.

    python -m tests.contract.breaks OLD.json NEW.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["breaks"]

Schema = Mapping[str, Any]
METHODS = ("get", "put", "post", "patch", "delete")
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
ALL = {"string", "number", "integer", "boolean", "array", "object", "null"}


def breaks(old: Schema, new: Schema) -> list[str]:
    """Each break as one line: where, and what."""
    return list(dict.fromkeys(_paths(old, new)))


def _paths(old: Schema, new: Schema) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method in (m for m in METHODS if m in methods):
            before, after = methods[method], new["paths"].get(path, {}).get(method)
            where = f"{method.upper()} {path}"
            if after is None:
                yield f"{where}: gone"
                continue
            yield from _parameters(where, old, new, before, after)
            yield from _body(where, old, new, before, after)
            yield from _answers(where, old, new, before, after)


def _parameters(
    where: str, old: Schema, new: Schema, before: Schema, after: Schema
) -> Iterator[str]:
    had, has = (
        {(p["in"], p["name"]): p for p in (_at(document, p) for p in side.get("parameters", ()))}
        for document, side in ((old, before), (new, after))
    )
    for place in had.keys() - has.keys():
        yield f"{where}: parameter {place[1]} is gone"
    for place in has.keys() - had.keys():
        if has[place].get("required"):
            yield f"{where}: parameter {place[1]} is required"
    for place in had.keys() & has.keys():
        told = f"{where}: parameter {place[1]}"
        yield from _taken(told, old, new, had[place]["schema"], has[place]["schema"], ())


def _body(where: str, old: Schema, new: Schema, before: Schema, after: Schema) -> Iterator[str]:
    had, has = (
        _at(document, side.get("requestBody", {})).get("content", {})
        for document, side in ((old, before), (new, after))
    )
    for media, content in had.items():
        if media not in has:
            yield f"{where}: {media} is not taken"
        else:
            yield from _taken(where, old, new, content["schema"], has[media]["schema"], ())


def _answers(where: str, old: Schema, new: Schema, before: Schema, after: Schema) -> Iterator[str]:
    for status, response in before["responses"].items():
        if not status.startswith("2"):
            continue
        if status not in after["responses"]:
            yield f"{where}: {status} is not answered"
            continue
        had = _at(old, response).get("content", {})
        has = _at(new, after["responses"][status]).get("content", {})
        for media, content in had.items():
            if media not in has:
                yield f"{where}: {media} is not answered"
            else:
                yield from _given(where, old, new, content["schema"], has[media]["schema"], ())


def _taken(
    where: str, old: Schema, new: Schema, before: Schema, after: Schema, seen: tuple[str, ...]
) -> Iterator[str]:
    """What was valid to send by ``before`` and is not by ``after``."""
    key = f"{before.get('$ref')}>{after.get('$ref')}"
    if "$ref" in before and key in seen:
        return
    seen, before, after = (*seen, key), _at(old, before), _at(new, after)
    if lost := _kinds(old, before) - _kinds(new, after):
        yield f"{where}: {', '.join(sorted(lost))} is not taken"
    if "enum" in after:
        if "enum" not in before:
            yield f"{where}: only some values are taken"
        elif gone := [v for v in before["enum"] if v not in after["enum"]]:
            yield f"{where}: {', '.join(map(str, gone))} is not taken"
    for name in LOWER:
        if name in after and after[name] > before.get(name, float("-inf")):
            yield f"{where}: {name} is {after[name]}"
    for name in UPPER:
        if name in after and after[name] < before.get(name, float("inf")):
            yield f"{where}: {name} is {after[name]}"
    if after.get("pattern") not in (None, before.get("pattern")):
        yield f"{where}: another pattern"
    for name in sorted(set(after.get("required", ())) - set(before.get("required", ()))):
        yield f"{where}/{name}: is required"
    had, has = before.get("properties", {}), after.get("properties", {})
    closed = after.get("additionalProperties") is False
    for name, part in had.items():
        if name in has:
            yield from _taken(f"{where}/{name}", old, new, part, has[name], seen)
        elif closed:
            yield f"{where}/{name}: is not taken"
    if isinstance(before.get("items"), Mapping) and isinstance(after.get("items"), Mapping):
        yield from _taken(f"{where}/*", old, new, before["items"], after["items"], seen)
    for one, other in _alike(old, new, before, after):
        yield from _taken(where, old, new, one, other, seen)


def _given(
    where: str, old: Schema, new: Schema, before: Schema, after: Schema, seen: tuple[str, ...]
) -> Iterator[str]:
    """What ``before`` promised of an answer and ``after`` does not."""
    key = f"{before.get('$ref')}>{after.get('$ref')}"
    if "$ref" in before and key in seen:
        return
    seen, before, after = (*seen, key), _at(old, before), _at(new, after)
    if more := _kinds(new, after) - _kinds(old, before):
        yield f"{where}: may be {', '.join(sorted(more))}"
    had, has = before.get("properties", {}), after.get("properties", {})
    for name, part in had.items():
        if name not in has:
            yield f"{where}/{name}: is not answered"
            continue
        if name in before.get("required", ()) and name not in after.get("required", ()):
            yield f"{where}/{name}: may be left out"
        yield from _given(f"{where}/{name}", old, new, part, has[name], seen)
    if isinstance(before.get("items"), Mapping) and isinstance(after.get("items"), Mapping):
        yield from _given(f"{where}/*", old, new, before["items"], after["items"], seen)
    for one, other in _alike(old, new, before, after):
        yield from _given(where, old, new, one, other, seen)


def _alike(old: Schema, new: Schema, before: Schema, after: Schema) -> Iterator[Any]:
    """The options of a union that are the same kind of thing in both."""

    def named(document: Schema, schema: Schema) -> dict[Any, Schema]:
        out: dict[Any, Schema] = {}
        for option in _options(schema):
            kinds = tuple(sorted(_kinds(document, option)))
            out[option.get("$ref", kinds)] = option
        return out

    had, has = named(old, before), named(new, after)
    yield from ((had[key], has[key]) for key in had if key in has)


def _options(schema: Schema) -> list[Schema]:
    return [option for key in ("anyOf", "oneOf", "allOf") for option in schema.get(key, ())]


def _kinds(document: Schema, schema: Schema) -> set[str]:
    """The JSON types that a schema lets through; an integer is a number too."""
    schema = _at(document, schema)
    said = schema.get("type")
    if said is not None:
        kinds = {said} if isinstance(said, str) else set(said)
    elif "enum" in schema or "const" in schema:
        kinds = {"string"}
    else:
        options = _options(schema)
        kinds = set().union(*(_kinds(document, o) for o in options)) if options else set(ALL)
    return kinds | ({"integer"} if "number" in kinds else set())


def _at(document: Schema, schema: Schema) -> Schema:
    """The schema itself, or what it refers to."""
    while "$ref" in schema:
        found: Any = document
        for token in schema["$ref"].split("/")[1:]:
            found = found[token]
        schema = found
    return schema


if __name__ == "__main__":
    before, after = (json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:3])
    found = breaks(before, after)
    print("\n".join(found) or "Nothing breaks.")  # noqa: T201
    sys.exit(1 if found else 0)
