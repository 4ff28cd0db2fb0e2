"""The OpenAPI document: valid, free of references, and in step with app, models and answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from openapi_spec_validator import OpenAPIV30SpecValidator

from shared.api.contract import openapi_document
from shared.api.messages import OptimizeRequest
from shared.api.operations import OPERATIONS
from tests.api.samples import optimize_request

ROOT = Path(__file__).resolve().parents[2]

UNDOCUMENTED = {"openapi", "tools"}
"""Endpoints that are the documents themselves."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    # Through JSON, so that what is tested is what is sent.
    return dict(json.loads(json.dumps(openapi_document("https://host/api/v1"), allow_nan=False)))


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from nodes(child)


def routes() -> dict[str, tuple[str, str, str]]:
    """Every HTTP function of the app: route, method and authorisation by name."""
    # A copy of its own: an app tells its functions only once.
    spec = spec_from_file_location("function_app_copy", ROOT / "function_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {}
    for function in module.app.get_functions():
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] == "httpTrigger":
            (method,) = trigger["methods"]
            found[function.get_function_name()] = (
                f"/{trigger['route']}",
                str(getattr(method, "value", method)).lower(),
                str(getattr(trigger["authLevel"], "value", trigger["authLevel"])).lower(),
            )
    return found


def test_the_document_is_valid_openapi_3_0(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.0")
    errors = [
        f"{list(e.absolute_path)}: {e.message[:200]}"
        for e in OpenAPIV30SpecValidator(document).iter_errors()
    ]
    assert errors == []


def test_there_is_no_reference_anywhere(document: dict[str, Any]) -> None:
    assert not [node for node in nodes(document["paths"]) if "$ref" in node or "$defs" in node]


def test_operation_ids_are_letters_dashes_and_underscores(document: dict[str, Any]) -> None:
    ids = [node["operationId"] for node in nodes(document["paths"]) if "operationId" in node]
    assert len(ids) == len(set(ids)) == len(OPERATIONS)
    assert all(re.fullmatch(r"[A-Za-z_-]+", name) for name in ids)


def test_the_document_and_the_app_have_the_same_endpoints() -> None:
    app = routes()
    assert set(app) == {operation.name for operation in OPERATIONS} | UNDOCUMENTED
    for operation in OPERATIONS:
        route, method, auth = app[operation.name]
        assert (route, method) == (operation.route, operation.method)
        assert (auth == "anonymous") == operation.public


def test_one_key_scheme_and_only_health_is_open(document: dict[str, Any]) -> None:
    assert list(document["components"]["securitySchemes"]) == ["function_key"]
    open_ones = [
        node["operationId"] for node in nodes(document["paths"]) if node.get("security") == []
    ]
    assert open_ones == ["health"]


def test_path_parameters_are_those_of_the_route(document: dict[str, Any]) -> None:
    for route, methods in document["paths"].items():
        for operation in methods.values():
            named = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
            assert named == re.findall(r"\{(\w+)\}", route)


def test_every_field_of_a_request_is_in_the_document(document: dict[str, Any]) -> None:
    body = document["paths"]["/optimize"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["schema"]["properties"]) == set(OptimizeRequest.model_fields)
    channel = body["schema"]["properties"]["channels"]["items"]
    assert channel["required"] == ["channel"]
    families = channel["properties"]["response"]["properties"]["saturation"]["oneOf"]
    assert [f["properties"]["family"]["enum"] for f in families][:2] == [["hill"], ["exponential"]]


def as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0's dialect as the JSON Schema that a validator knows."""
    if isinstance(node, list):
        return [as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: as_json_schema(value) for key, value in node.items() if key != "nullable"}
    for inclusive, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if out.pop(exclusive, False) is True:
            out[exclusive] = out.pop(inclusive)
    return {"anyOf": [out, {"type": "null"}]} if node.get("nullable") else out


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({}, True),
        ({"dataset": None, "solver": None, "horizon": None, "spend_all": None}, True),
        ({"solver": {"method": "auto", "gap": None}}, True),
        ({"budget": -1}, False),
        ({"budgt": 1}, False),
        ({"solver": {"method": "magic"}}, False),
        ({"test_reserve": 1}, False),
    ],
)
def test_the_documented_schema_says_what_the_server_says(
    document: dict[str, Any], changes: dict[str, Any], valid: bool
) -> None:
    body = document["paths"]["/optimize"]["post"]["requestBody"]["content"]["application/json"]
    validator = Draft7Validator(as_json_schema(body["schema"]))
    raw = optimize_request(**changes)
    raw["channels"][0]["adstock"] = None
    assert validator.is_valid(raw) is valid
