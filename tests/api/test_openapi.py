"""The OpenAPI document: valid, small, and in step with app, models and answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.api.endpoints import BY_NAME, ENDPOINTS, QUERY_PARAMETERS, resolved
from shared.api.messages import OptimizeRequest
from shared.api.openapi import openapi_document
from tests.api.samples import optimize_request

ROOT = Path(__file__).resolve().parents[2]


def through_json(document: Any) -> dict[str, Any]:
    """What is tested is what is sent."""
    return dict(json.loads(json.dumps(document, allow_nan=False)))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return through_json(openapi_document("https://host/api/v1"))


@pytest.fixture(scope="module")
def inline() -> dict[str, Any]:
    return through_json(openapi_document("https://host/api/v1", inline=True))


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from nodes(child)


def routes() -> dict[str, tuple[str, set[str], str]]:
    """Every HTTP function of the app: route, methods and authorisation by name."""
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
            found[function.get_function_name()] = (
                trigger["route"],
                {str(getattr(method, "value", method)) for method in trigger["methods"]},
                str(getattr(trigger["authLevel"], "value", trigger["authLevel"])).lower(),
            )
    return found


def test_the_document_is_valid_openapi_3_1(
    document: dict[str, Any], inline: dict[str, Any]
) -> None:
    for each in (document, inline):
        assert each["openapi"].startswith("3.1")
        errors = [
            f"{list(e.absolute_path)}: {e.message[:200]}"
            for e in OpenAPIV31SpecValidator(each).iter_errors()
        ]
        assert errors == []


def test_the_document_is_small_and_every_component_is_used(document: dict[str, Any]) -> None:
    text = json.dumps(document, separators=(",", ":"))
    # 160 kB were asked for when there were 34 operations.
    assert len(text) < 4_700 * len(ENDPOINTS)
    for room in ("schemas", "responses", "requestBodies", "parameters"):
        for name in document["components"][room]:
            assert f'"#/components/{room}/{name}"' in text, name


def test_components_have_names_of_their_own(document: dict[str, Any]) -> None:
    """Two models of one name would be told apart by the modules that they are in."""
    assert [name for name in document["components"]["schemas"] if "__" in name] == []


def test_the_kept_document_is_the_one_that_is_made() -> None:
    """A change of the contract shows in review; ``python -m shared.api.openapi`` makes it."""
    kept = (ROOT / "docs" / "openapi.json").read_text("utf-8")
    assert json.loads(kept) == through_json(openapi_document())


def test_the_inline_form_has_no_reference_anywhere(inline: dict[str, Any]) -> None:
    # A discriminator would point at components.
    assert not [node for node in nodes(inline) if node.keys() & {"$ref", "discriminator"}]


def test_operation_ids_are_letters_dashes_and_underscores(document: dict[str, Any]) -> None:
    ids = [node["operationId"] for node in nodes(document["paths"]) if "operationId" in node]
    assert len(ids) == len(set(ids)) == len(ENDPOINTS) == len(BY_NAME)
    assert all(re.fullmatch(r"[A-Za-z_-]+", name) for name in ids)


def test_the_table_and_the_app_have_the_same_endpoints() -> None:
    app = routes()
    assert set(app) == {*BY_NAME, "nothing"}
    for endpoint in ENDPOINTS:
        route, methods, auth = app[endpoint.name]
        heads = {"HEAD"} if endpoint.method == "GET" else set()
        assert (route, methods) == (endpoint.route, {endpoint.method} | heads)
        assert (auth == "anonymous") == endpoint.public


def test_whatever_the_table_names_is_there() -> None:
    for endpoint in ENDPOINTS:
        for name in (endpoint.handler, endpoint.request, endpoint.answer):
            assert name is None or callable(resolved(name))
        assert set(endpoint.query) <= set(QUERY_PARAMETERS)
    assert {name for endpoint in ENDPOINTS for name in endpoint.query} == set(QUERY_PARAMETERS)


def test_one_key_scheme_and_only_what_holds_no_data_is_open(document: dict[str, Any]) -> None:
    assert list(document["components"]["securitySchemes"]) == ["function_key"]
    open_ones = [
        node["operationId"] for node in nodes(document["paths"]) if node.get("security") == []
    ]
    assert open_ones == ["dashboard", "dashboard_file", "health"]


def test_path_parameters_are_those_of_the_route(document: dict[str, Any]) -> None:
    for route, methods in document["paths"].items():
        for operation in methods.values():
            places = [p["$ref"].rpartition("/")[2] for p in operation.get("parameters", [])]
            named = [p.removeprefix("path.") for p in places if p.startswith("path.")]
            assert named == re.findall(r"\{(\w+)\}", route)


def test_answers_are_open_and_requests_are_closed(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert "additionalProperties" not in schemas["OptimizeAnswer"]
    assert schemas["OptimizeRequest"]["additionalProperties"] is False


def test_what_an_answer_tells_in_headers(document: dict[str, Any]) -> None:
    paths = document["paths"]
    refit = paths["/datasets/{dataset}/refit"]["post"]
    assert set(refit["responses"]["202"]["headers"]) == {"Location", "Retry-After"}
    key = "header.Idempotency-Key"
    assert document["components"]["parameters"][key]["name"] == "Idempotency-Key"
    assert {"$ref": f"#/components/parameters/{key}"} in refit["parameters"]
    spec = paths["/datasets/{dataset}/spec"]
    assert {"304", "401", "429"} <= set(spec["get"]["responses"])
    assert "412" in spec["put"]["responses"]
    for route, operation in ((r, o) for r, each in paths.items() for o in each.values()):
        other = "422" if route.endswith("{plot}") else "default"
        assert operation["responses"][other] == {"$ref": "#/components/responses/Problem"}
    assert "ETag" in spec["get"]["responses"]["200"]["headers"]


def test_every_field_of_a_request_is_in_the_document(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["OptimizeRequest"]["properties"]) == set(OptimizeRequest.model_fields)
    assert schemas["Channel"]["required"] == ["channel"]
    families = schemas["Response"]["properties"]["saturation"]
    assert families["discriminator"]["mapping"]["hill"] == "#/components/schemas/Hill"
    assert {"$ref": "#/components/schemas/Hill"} in families["oneOf"]


@pytest.mark.parametrize("form", ["document", "inline"])
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
    form: str, changes: dict[str, Any], valid: bool, request: pytest.FixtureRequest
) -> None:
    whole = request.getfixturevalue(form)
    body = whole["paths"]["/optimize"]["post"]["requestBody"]["content"]["application/json"]
    validator = Draft202012Validator({**body["schema"], "components": whole["components"]})
    raw = optimize_request(**changes)
    raw["channels"][0]["adstock"] = None
    assert validator.is_valid(raw) is valid
