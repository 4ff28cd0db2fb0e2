"""The types of requests and answers, made from the kept document of the service.

``python -m client.make_models > client/marginal_client/models.py``; a test holds the file to it.
"""

from __future__ import annotations

import json
import keyword
from pathlib import Path
from typing import Any

__all__ = ["models_of"]

_PLAIN = {
    "string": "str",
    "number": "float",
    "integer": "int",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, Any]",
}
_HEAD = '''"""Types of requests and answers, made by client.make_models from the schemas."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict
'''


def models_of(document: dict[str, Any]) -> str:
    """The module for an OpenAPI document: a ``TypedDict`` or an alias for each of its schemas."""
    schemas = document["components"]["schemas"]
    return "\n\n".join([_HEAD, *(_model(name, schemas[name]) for name in sorted(schemas))])


def _model(name: str, schema: dict[str, Any]) -> str:
    fields = schema.get("properties")
    if schema.get("type") != "object" or not fields:
        return f'{name}: TypeAlias = "{_type(schema)}"\n'
    needed = set(schema.get("required", ()))
    typed = {
        key: _type(part) if key in needed else f"NotRequired[{_type(part)}]"
        for key, part in fields.items()
    }
    if all(key.isidentifier() and not keyword.iskeyword(key) for key in typed):
        lines = [f"    {key}: {kind}" for key, kind in typed.items()]
        return "\n".join([f"class {name}(TypedDict):", *lines, ""])
    inside = ", ".join(f'"{key}": "{kind}"' for key, kind in typed.items())
    return f'{name} = TypedDict("{name}", {{{inside}}})\n'


def _type(schema: dict[str, Any]) -> str:
    """The Python type of a schema, as text; ``Any`` where it says nothing."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " | ".join(dict.fromkeys(_type(part) for part in schema[key]))
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    found = [
        f"list[{_type(schema.get('items', {}))}]" if kind == "array" else _PLAIN[kind]
        for kind in kinds
    ]
    return " | ".join(found) or "Any"


if __name__ == "__main__":
    kept = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"
    print(models_of(json.loads(kept.read_text("utf-8"))), end="")  # noqa: T201
