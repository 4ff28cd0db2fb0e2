"""Read Bicep without the Bicep compiler: syntax by tree-sitter, the rest as plain values.

A reader, not a compiler: it knows what is declared and what is referred to, and turns literals
into Python values. What only a deployment could tell stays an ``Expression``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

__all__ = [
    "INFRA",
    "Expression",
    "Loop",
    "Module",
    "Output",
    "Parameter",
    "Resource",
    "Source",
    "parse",
    "read",
    "sources",
    "text_of",
    "walk",
]


INFRA = Path(__file__).parents[2] / "infra"


@dataclass(frozen=True, slots=True)
class Expression:
    """Anything whose value is known only at deployment; ``text`` is its source."""

    text: str


@dataclass(frozen=True, slots=True)
class Loop:
    """``[for item in items: body]``."""

    item: str
    items: str
    body: Any


@dataclass(frozen=True, slots=True)
class Parameter:
    type: str
    required: bool
    default: Any
    decorators: dict[str, Any]
    line: int


@dataclass(frozen=True, slots=True)
class Resource:
    symbol: str
    type: str
    api_version: str
    existing: bool
    body: dict[str, Any]  # of a loop: the body of one round
    line: int


@dataclass(frozen=True, slots=True)
class Module:
    symbol: str
    path: str
    body: dict[str, Any]
    line: int


@dataclass(frozen=True, slots=True)
class Output:
    type: str
    text: str


@dataclass(slots=True)
class Source:
    """One file: what it declares, every name it refers to, and where its syntax is wrong."""

    path: Path
    tree: Node
    errors: list[str] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    declared: list[tuple[str, int]] = field(default_factory=list)


def text_of(node: Node) -> str:
    return (node.text or b"").decode()


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def sources() -> list[Source]:
    """Every template in ``infra/``, ``main.bicep`` first."""
    return [read(path) for path in (INFRA / "main.bicep", *sorted(INFRA.glob("modules/*.bicep")))]


@cache
def read(path: Path) -> Source:
    """Parse a ``.bicep`` or ``.bicepparam`` file."""
    return parse(path, path.read_bytes())


def parse(path: Path, code: bytes) -> Source:
    if path.suffix == ".bicepparam":
        # The grammar knows no parameter files. "param x = 1" is to it what "var x = 1" is; two
        # blanks keep the columns.
        code = re.sub(rb"(?m)^param (?=\w+ =)", b"var   ", code)
    root = Parser(Language(tree_sitter_bicep.language())).parse(code).root_node
    source = Source(path, root)
    for node in walk(root):
        if node.type == "ERROR" or node.is_missing:
            line = node.start_point.row + 1
            source.errors.append(f"{path.name}:{line}: syntax error near {text_of(node)[:40]!r}")
    decorators: dict[str, Any] = {}
    for node in root.named_children:
        if node.type == "decorators":
            decorators = dict(_decorator(d) for d in node.named_children)
            continue
        _declare(source, node, decorators)
        if node.type != "comment":
            decorators = {}
    return source


def _decorator(node: Node) -> tuple[str, Any]:
    call = node.named_children[0]
    arguments = call.named_children[1].named_children
    return text_of(call.named_children[0]), value_of(arguments[0]) if arguments else None


def _declare(source: Source, node: Node, decorators: dict[str, Any]) -> None:
    parts = [child for child in node.named_children if child.type != "comment"]
    line = node.start_point.row + 1
    if not node.type.endswith("_declaration"):
        return
    name = text_of(parts[0])
    source.declared.append((name, line) if node.type != "output_declaration" else ("", line))
    match node.type:
        case "parameter_declaration":
            required = len(parts) < 3
            default = None if required else value_of(parts[2])
            source.parameters[name] = Parameter(
                text_of(parts[1]), required, default, decorators, line
            )
        case "variable_declaration":
            source.variables[name] = value_of(parts[-1])
        case "resource_declaration":
            kind, _, version = value_of(parts[1]).partition("@")
            existing = any(child.type == "existing" for child in node.children)
            source.resources[name] = Resource(name, kind, version, existing, _body(parts), line)
        case "module_declaration":
            source.modules[name] = Module(name, value_of(parts[1]), _body(parts), line)
        case "output_declaration":
            source.outputs[name] = Output(text_of(parts[1]), text_of(parts[-1]))
        case _:
            source.errors.append(f"{source.path.name}:{line}: unknown declaration {node.type}")


def _body(parts: list[Node]) -> dict[str, Any]:
    value = value_of(parts[-1])
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    body = value.body if isinstance(value, Loop) else value
    if not isinstance(body, dict):
        raise TypeError(f"a declaration without a body: {text_of(parts[0])}")
    return body


def value_of(node: Node) -> Any:
    """A literal as a Python value; everything else as an ``Expression``."""
    children = [child for child in node.named_children if child.type != "comment"]
    match node.type:
        case "string":
            return _string(node)
        case "number":
            return int(text_of(node))
        case "boolean":
            return text_of(node) == "true"
        case "object":
            return {_key(p.named_children[0]): value_of(p.named_children[-1]) for p in children}
        case "array":
            if len(children) == 1 and children[0].type == "for_statement":
                return _loop(children[0])
            return [value_of(child) for child in children]
        case "for_statement":
            return _loop(node)
        case _:
            return Expression(text_of(node))


def _key(node: Node) -> str:
    return text_of(node).strip("'")


def _loop(node: Node) -> Loop:
    item, items, body = [c for c in node.named_children if c.type != "comment"]
    return Loop(text_of(item), text_of(items), value_of(body))


def _string(node: Node) -> str | Expression:
    if any(child.type == "interpolation" for child in node.named_children):
        return Expression(text_of(node))
    inner = text_of(node)[1:-1]
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), inner)
