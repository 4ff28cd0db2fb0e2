"""The service's own documents, and its health."""

from __future__ import annotations

from openapi_spec_validator import OpenAPIV30SpecValidator

from shared.api.dataset_messages import HealthAnswer
from tests.app.client import Client


def test_the_openapi_document_is_served_for_this_very_host(api: Client) -> None:
    answer = api.get("openapi.json")
    assert answer.status == 200
    document = answer.json
    assert list(OpenAPIV30SpecValidator(document).iter_errors()) == []
    assert document["servers"] == [{"url": api.base}]


def test_the_tools_are_served_in_both_styles(api: Client) -> None:
    chat = api.get("tools.json")
    assert chat.status == 200
    assert all(tool["function"]["strict"] for tool in chat.json["tools"])
    flat = api.get("tools.json?style=responses").json
    assert all(tool["strict"] for tool in flat["tools"])
    assert api.get("tools.json?style=other").status == 422


def test_health_needs_no_key(api: Client) -> None:
    answer = Client(api.base).get("health")
    assert answer.status == 200
    health = HealthAnswer.model_validate_json(answer.body)
    assert (health.status, health.storage) == ("ok", "reachable")
    assert health.version


def test_every_answer_has_a_request_id(api: Client) -> None:
    for path in ("health", "datasets", "tools.json", "datasets/nobody/curves"):
        assert api.get(path).headers["x-request-id"]
