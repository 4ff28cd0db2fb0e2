"""Check the body of a resource against Azure's own type of it.

The types in ``schemas/`` are extracts of Azure/bicep-types-az, the definitions that the Bicep
compiler itself ships: names, kinds, flags and literals of the properties, nothing else. Refresh
them, or add one for a new resource type or API version, with::

    git clone --depth 1 https://github.com/Azure/bicep-types-az
    python -m tests.infra.resource_types bicep-types-az

The notation: a type is ``"string"``, ``"integer"``, ``"boolean"``, ``"any"``, a literal
``"'FC1'"``, ``{"any_of": [...]}``, ``{"array": type}`` or ``"@n"``, the n-th object of the file. A
property is ``[type, flags]`` with flags ``R`` required, ``r`` read-only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.bicep import Expression, Loop, sources

__all__ = ["SCHEMAS", "faults", "has_property", "load", "schema_path"]

SCHEMAS = Path(__file__).parent / "schemas"

_REQUIRED, _READ_ONLY, _WRITE_ONLY = 1, 2, 4
_SIMPLE = {
    "StringType": "string",
    "IntegerType": "integer",
    "BooleanType": "boolean",
    "AnyType": "any",
    "NullType": "any",
}
# What Bicep adds to every resource, whatever its type.
_OF_BICEP = {"parent", "scope", "dependsOn"}


def schema_path(kind: str, version: str) -> Path:
    return SCHEMAS / f"{kind.replace('/', '_')}@{version}.json"


@cache
def load(kind: str, version: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(schema_path(kind, version).read_text())
    return schema


def faults(kind: str, version: str, body: Mapping[str, Any], existing: bool = False) -> list[str]:
    """What the type says against ``body``, each with its path; an ``Expression`` fits anything."""
    schema = load(kind, version)
    inner = {key: value for key, value in body.items() if key not in _OF_BICEP}
    found = list(_check(schema, schema["body"], inner, kind))
    # A reference to an existing resource is its name only.
    return [f for f in found if not (existing and f.endswith("is required"))]


def has_property(kind: str, version: str, path: list[str]) -> bool:
    """Whether ``resource.<path>`` can be read."""
    schema = load(kind, version)
    here = schema["body"]
    for name in path:
        if here == "any":
            return True
        if not (isinstance(here, str) and here.startswith("@")):
            return False
        node = schema["objects"][int(here[1:])]
        if name in node.get("properties", {}):
            here = node["properties"][name][0]
        elif "additional" in node:
            here = node["additional"]
        else:
            return False
    return True


def _check(schema: dict[str, Any], kind: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Expression) or kind == "any":
        return
    if isinstance(kind, str) and kind.startswith("@"):
        yield from _check_object(schema, schema["objects"][int(kind[1:])], value, path)
    elif isinstance(kind, dict) and "array" in kind:
        yield from _check_array(schema, kind["array"], value, path)
    elif isinstance(kind, dict):
        choices = kind["any_of"]
        # Azure marks most enumerations as open ("or any string"); a literal outside the listed
        # ones is far more often a slip than a value newer than the type.
        closed = [one for one in choices if one != "string"] or choices
        if all(any(_check(schema, one, value, path)) for one in closed):
            yield f"{path}: {value!r} is none of {kind['any_of']}"
    elif kind.startswith("'"):
        if value != kind[1:-1]:
            yield f"{path}: {value!r} is not {kind}"
    elif not isinstance(value, {"string": str, "integer": int, "boolean": bool}[kind]) or (
        kind == "integer" and isinstance(value, bool)
    ):
        yield f"{path}: {value!r} is no {kind}"


def _check_array(schema: dict[str, Any], item: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Loop):
        yield from _check(schema, item, value.body, f"{path}[]")
    elif isinstance(value, list):
        for i, one in enumerate(value):
            yield from _check(schema, item, one, f"{path}[{i}]")
    else:
        yield f"{path}: {value!r} is no array"


def _check_object(
    schema: dict[str, Any], node: dict[str, Any], value: Any, path: str
) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no object"
        return
    properties = dict(node.get("properties", {}))
    if "by" in node:
        case = value.get(node["by"])
        if case not in node["cases"]:
            yield f"{path}.{node['by']}: {case!r} is none of {sorted(node['cases'])}"
            return
        properties |= schema["objects"][int(node["cases"][case][1:])]["properties"]
    for name, inner in value.items():
        if name in properties:
            kind, flags = properties[name]
            if "r" in flags:
                yield f"{path}.{name} is read-only"
            yield from _check(schema, kind, inner, f"{path}.{name}")
        elif "additional" in node:
            yield from _check(schema, node["additional"], inner, f"{path}.{name}")
        else:
            yield f"{path}.{name} is unknown"
    for name, (_, flags) in properties.items():
        if "R" in flags and name not in value:
            yield f"{path}.{name} is required"


# --- making the extracts ---------------------------------------------------------------------


class _Extract:
    """The part of one ``types.json`` that is reachable from one resource type."""

    def __init__(self, types: list[dict[str, Any]]) -> None:
        self._types = types
        self._numbers: dict[int, int] = {}
        self.objects: list[dict[str, Any]] = []

    def kind(self, reference: dict[str, str]) -> Any:
        index = int(reference["$ref"].rpartition("/")[2])
        node = self._types[index]
        match node["$type"]:
            case "StringLiteralType":
                return f"'{node['value']}'"
            case "UnionType":
                return {"any_of": [self.kind(one) for one in node["elements"]]}
            case "ArrayType":
                return {"array": self.kind(node["itemType"])}
            case "ObjectType" | "DiscriminatedObjectType":
                return self._object(index, node)
            case simple:
                return _SIMPLE[simple]

    def _object(self, index: int, node: dict[str, Any]) -> str:
        if index in self._numbers:
            return f"@{self._numbers[index]}"
        number = self._numbers[index] = len(self.objects)
        entry: dict[str, Any] = {"name": node["name"]}
        self.objects.append(entry)
        fields = node.get("properties", node.get("baseProperties", {}))
        entry["properties"] = {
            name: [self.kind(one["type"]), self._flags(one["flags"])]
            for name, one in fields.items()
        }
        if "additionalProperties" in node:
            entry["additional"] = self.kind(node["additionalProperties"])
        if "discriminator" in node:
            entry["by"] = node["discriminator"]
            entry["cases"] = {case: self.kind(one) for case, one in node["elements"].items()}
        return f"@{number}"

    @staticmethod
    def _flags(flags: int) -> str:
        read_only = flags & _READ_ONLY and not flags & _WRITE_ONLY
        return ("R" if flags & _REQUIRED else "") + ("r" if read_only else "")


def _used() -> set[tuple[str, str]]:
    return {(r.type, r.api_version) for source in sources() for r in source.resources.values()}


def refresh(checkout: Path) -> list[Path]:
    """Write an extract for every resource type that ``infra/`` uses; drop those it does not."""
    written = []
    for kind, version in sorted(_used()):
        provider = kind.partition("/")[0].lower()
        for path in sorted(checkout.glob(f"generated/*/{provider}/{version}/types.json")):
            types = json.loads(path.read_text())
            wanted = f"{kind}@{version}".lower()
            for node in types:
                if node["$type"] == "ResourceType" and node["name"].lower() == wanted:
                    extract = _Extract(types)
                    body = extract.kind(node["body"])
                    origin = f"Azure/bicep-types-az, {path.relative_to(checkout).as_posix()}"
                    schema = {"origin": origin, "body": body, "objects": extract.objects}
                    target = schema_path(kind, version)
                    target.write_text(json.dumps(schema, separators=(",", ":")) + "\n")
                    written.append(target)
    for stale in set(SCHEMAS.glob("*.json")) - set(written):
        stale.unlink()
    return written


if __name__ == "__main__":
    for written in refresh(Path(sys.argv[1])):
        sys.stdout.write(f"{written.name}\n")
