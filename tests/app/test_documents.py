"""The service's own documents, and its health."""

from __future__ import annotations

from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.api.dataset_messages import HealthAnswer
from tests.app.client import Client


def test_the_openapi_document_is_served_for_this_very_host(api: Client) -> None:
    answer = api.get("openapi.json")
    assert answer.status == 200
    document = answer.json
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert document["servers"] == [{"url": api.base}]


def test_the_tools_are_served_for_every_client(api: Client) -> None:
    plain = api.get("tools.json")
    assert plain.status == 200
    assert all(tool["function"]["strict"] for tool in plain.json["tools"])
    assert plain.json == api.get("tools.json?style=openai").json
    assert all(tool["strict"] for tool in api.get("tools.json?style=foundry").json["tools"])
    assert all(tool["input_schema"] for tool in api.get("tools.json?style=anthropic").json["tools"])
    assert api.get("tools.json?style=other").status == 422


def test_documents_are_not_sent_twice(api: Client) -> None:
    for path in ("openapi.json", "openapi.json?inline=true", "tools.json"):
        tag = api.get(path).headers["etag"]
        assert api.send("GET", path, headers={"if-none-match": tag}).status == 304
    assert "$ref" not in str(api.get("openapi.json?inline=true").json["paths"]["/optimize"])


def test_other_methods_and_paths(api: Client) -> None:
    wrong = api.get("optimize")
    assert (wrong.status, wrong.media) == (405, "application/problem+json")
    assert wrong.headers["allow"] == "POST, OPTIONS"
    assert (api.get("nowhere").status, api.get("nowhere").media) == (404, wrong.media)
    head = api.send("HEAD", "openapi.json")
    assert (head.status, head.body) == (200, b"")
    assert api.get("health?verbose=1").errors()["/verbose"][0] == "unknown_parameter"


def test_health_needs_no_key(api: Client) -> None:
    answer = Client(api.base).get("health")
    assert answer.status == 200
    health = HealthAnswer.model_validate_json(answer.body)
    assert (health.status, health.storage) == ("ok", "reachable")
    assert health.version


def test_every_answer_has_a_request_id(api: Client) -> None:
    for path in ("health", "datasets", "tools.json", "datasets/nobody/curves"):
        assert api.get(path).headers["x-request-id"]
