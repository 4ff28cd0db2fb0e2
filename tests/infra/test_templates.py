"""The templates are whole: syntax, names, modules, and Azure's own types of every resource."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tree_sitter import Node

from tests.infra.bicep import (
    INFRA,
    Expression,
    Resource,
    Source,
    parse,
    read,
    sources,
    text_of,
    walk,
)
from tests.infra.resource_types import SCHEMAS, faults, has_property, schema_path

# The functions of Bicep that the templates use; a misspelt one is in no list.
FUNCTIONS = {
    "empty",
    "filter",
    "guid",
    "int",
    "join",
    "readEnvironmentVariable",
    "resourceGroup",
    "split",
    "subscriptionResourceId",
    "union",
    "uniqueString",
}
FILES = sorted(path for path in INFRA.rglob("*.bicep*") if path.suffix != ".json")
TEMPLATES = [source.path for source in sources()]


def names(path: Path) -> str:
    return path.relative_to(INFRA).as_posix()


@pytest.mark.parametrize("path", FILES, ids=names)
def test_the_syntax_is_right(path: Path) -> None:
    assert read(path).errors == []


def test_a_syntax_error_is_found_with_its_line() -> None:
    broken = parse(Path("broken.bicep"), b"param a string\nvar b = {\n  c: [1\n}\n")
    assert broken.errors
    assert all(re.match(r"broken\.bicep:[234]: ", error) for error in broken.errors)


@pytest.mark.parametrize("path", TEMPLATES, ids=names)
def test_every_template_is_reached_from_main(path: Path) -> None:
    used = {INFRA / module.path for module in read(INFRA / "main.bicep").modules.values()}
    assert path == INFRA / "main.bicep" or path in used


# --- names -----------------------------------------------------------------------------------


def references(source: Source) -> list[tuple[str, int]]:
    """Every name that is looked up, with its line: not keys, not declarations, not members."""
    found = []
    for node in walk(source.tree):
        if node.type != "identifier" or node.parent is None:
            continue
        parent = node.parent
        first = parent.named_children[0] == node
        declares = first and (
            parent.type.endswith("_declaration") or parent.type in ("object_property", "decorator")
        )
        called = parent.type == "call_expression" and first
        if not (declares or called):
            found.append((text_of(node), node.start_point.row + 1))
    return found


def local_names(source: Source) -> set[str]:
    kinds = ("for_statement", "lambda_expression")
    loops = (node for node in walk(source.tree) if node.type in kinds)
    return {text_of(loop.named_children[0]) for loop in loops}


def undeclared(source: Source) -> list[str]:
    known = {name for name, _ in source.declared} | local_names(source)
    return [f"{name}, line {line}" for name, line in references(source) if name not in known]


@pytest.mark.parametrize("path", FILES, ids=names)
def test_every_name_is_declared(path: Path) -> None:
    assert undeclared(read(path)) == []


def test_an_undeclared_name_is_found() -> None:
    source = parse(Path("x.bicep"), b"param a string\noutput b string = '${a}${c}'\n")
    assert undeclared(source) == ["c, line 2"]


@pytest.mark.parametrize("path", FILES, ids=names)
def test_no_name_is_declared_twice(path: Path) -> None:
    counts = Counter(name for name, _ in read(path).declared if name)
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=names)
def test_nothing_is_declared_in_vain(path: Path) -> None:
    source = read(path)
    used = {name for name, _ in references(source)}
    assert (set(source.parameters) | set(source.variables)) - used == set()


@pytest.mark.parametrize("path", FILES, ids=names)
def test_every_function_exists(path: Path) -> None:
    source = read(path)
    calls = (node for node in walk(source.tree) if node.type == "call_expression")
    outside = [c for c in calls if c.parent is None or c.parent.type != "decorator"]
    assert {text_of(call.named_children[0]) for call in outside} <= FUNCTIONS


def members(source: Source) -> list[tuple[str, list[str], int]]:
    """``symbol.a.b`` as (symbol, [a, b], line), the longest chains only."""

    def chain(node: Node) -> list[str]:
        if node.type == "identifier":
            return [text_of(node)]
        if node.type == "member_expression":
            return [*chain(node.named_children[0]), text_of(node.named_children[1])]
        return [""]

    found = []
    for node in walk(source.tree):
        outermost = node.parent is not None and node.parent.type != "member_expression"
        if node.type == "member_expression" and outermost:
            symbol, *path = chain(node)
            found.append((symbol, path, node.start_point.row + 1))
    return found


@pytest.mark.parametrize("path", TEMPLATES, ids=names)
def test_every_member_exists(path: Path) -> None:
    source = read(path)
    wrong = []
    for symbol, chain, line in members(source):
        if symbol in source.modules:
            outputs = read(INFRA / source.modules[symbol].path).outputs
            good = len(chain) == 2 and chain[0] == "outputs" and chain[1] in outputs
        elif symbol in source.resources:
            resource = source.resources[symbol]
            good = has_property(resource.type, resource.api_version, chain)
        else:
            continue
        if not good:
            wrong.append(f"{symbol}.{'.'.join(chain)}, line {line}")
    assert wrong == []


@pytest.mark.parametrize("path", TEMPLATES, ids=names)
def test_every_item_of_a_loop_has_the_members_asked_of_it(path: Path) -> None:
    source = read(path)
    loops = [node for node in walk(source.tree) if node.type == "for_statement"]
    for loop in loops:
        item, items = (text_of(child) for child in loop.named_children[:2])
        asked = {chain[0] for symbol, chain, _ in members(source) if symbol == item}
        for value in source.variables.get(items, []):
            assert asked <= set(value)


# --- modules and parameters ------------------------------------------------------------------


def type_of(source: Source, value: Any) -> str | None:
    """The declared or evident type of an argument; ``None`` where only Bicep could tell."""
    if not isinstance(value, Expression):
        kinds = {str: "string", bool: "bool", int: "int", dict: "object", list: "array"}
        return kinds[type(value)]
    if value.text in source.parameters:
        return source.parameters[value.text].type
    if value.text in source.variables:
        return type_of(source, source.variables[value.text])
    if value.text.startswith("'"):
        return "string"
    module, _, output = value.text.partition(".outputs.")
    if module in source.modules:
        return read(INFRA / source.modules[module].path).outputs[output].type
    return None


def test_modules_are_given_the_parameters_that_they_declare() -> None:
    main = read(INFRA / "main.bicep")
    assert main.modules
    for module in main.modules.values():
        declared = read(INFRA / module.path).parameters
        given = module.body["params"]
        required = {name for name, parameter in declared.items() if parameter.required}
        assert required <= set(given) <= set(declared), module.symbol
        for name, value in given.items():
            kind = type_of(main, value)
            expected = declared[name].type
            matches = kind in (None, expected) or (kind == "array" and expected.endswith("[]"))
            assert matches, f"{module.symbol}.{name} is {expected}, not {kind}"


@pytest.mark.parametrize("path", sorted(INFRA.glob("*.bicepparam")), ids=names)
def test_parameter_files_fit_the_template(path: Path) -> None:
    main = read(INFRA / "main.bicep")
    assert path.read_text().startswith("using './main.bicep'\n")
    given = read(path).variables  # the reader sees an assignment as a variable
    required = {name for name, parameter in main.parameters.items() if parameter.required}
    assert required <= set(given) <= set(main.parameters)
    for name, value in given.items():
        parameter = main.parameters[name]
        kind = type_of(read(path), value)
        assert kind in (None, parameter.type) or (kind == "array" and parameter.type == "string[]")
        if not isinstance(value, Expression):
            assert value in parameter.decorators.get("allowed", [value]), name
            low, high = (parameter.decorators.get(k) for k in ("minValue", "maxValue"))
            assert low is None or value >= low, name
            assert high is None or value <= high, name


def test_every_choice_of_main_is_described_and_within_its_own_limits() -> None:
    for name, parameter in read(INFRA / "main.bicep").parameters.items():
        rules = parameter.decorators
        assert rules.get("description"), name
        if not parameter.required and isinstance(parameter.default, int):
            assert rules.get("minValue", -1) <= parameter.default, name
            assert parameter.default <= rules.get("maxValue", parameter.default), name


# --- Azure's types ---------------------------------------------------------------------------

RESOURCES = {
    f"{source.path.stem}.{resource.symbol}": resource
    for source in sources()
    for resource in source.resources.values()
}


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
def test_resources_are_what_azure_calls_them(resource: Resource) -> None:
    assert faults(resource.type, resource.api_version, resource.body, resource.existing) == []


def test_extracts_are_kept_for_just_the_types_in_use() -> None:
    used = {schema_path(resource.type, resource.api_version) for resource in RESOURCES.values()}
    assert set(SCHEMAS.glob("*.json")) == used


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"httpOnly": True}, "properties.httpOnly is unknown"),
        ({"httpsOnly": "yes"}, "properties.httpsOnly: 'yes' is no boolean"),
        ({"state": "Running"}, "properties.state is read-only"),
        (
            {"functionAppConfig": {"runtime": {"name": "pyhton"}}},
            "properties.functionAppConfig.runtime.name: 'pyhton' is none of",
        ),
    ],
)
def test_a_slip_in_a_resource_is_found(change: dict[str, Any], complaint: str) -> None:
    body = {"name": "x", "location": "y", "properties": change}
    found = faults("Microsoft.Web/sites", "2024-11-01", body)
    assert len(found) == 1
    assert complaint in found[0]


def test_a_missing_property_is_found() -> None:
    found = faults("Microsoft.Web/sites", "2024-11-01", {"name": "x"})
    assert found == ["Microsoft.Web/sites.location is required"]
