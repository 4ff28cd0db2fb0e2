"""The protocol, judged by the official client: both ways in, tools, resources, prompts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.api.assistant.mcp import TOOLS, definitions
from shared.errors import InvalidInput
from tests.app.client import Client as Http
from tests.assistant.tokens import tokens

WAYS = ("2026-07-28", "auto", "legacy")


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_leads_to_the_same_tools(way: str, through: Callable[..., Any]) -> None:
    async def ask(client: Any) -> Any:
        tools = (await client.list_tools()).tools
        answer = await client.call_tool("list_datasets", {})
        assert not answer.is_error
        assert "brand" in [row["dataset"] for row in answer.structured_content["datasets"]]
        return client.protocol_version, [tool.name for tool in tools]

    version, names = through(ask, way)
    assert version == ("2025-11-25" if way == "legacy" else "2026-07-28")
    assert names == [tool.name for tool in TOOLS]


def test_what_an_assistant_pays_for_the_tools(through: Callable[..., Any]) -> None:
    async def ask(client: Any) -> Any:
        return (await client.list_tools()).tools

    tools = through(ask)
    read = [[tool.name, tool.description, tool.input_schema] for tool in tools]
    assert len(tools) <= 12
    assert tokens(read) < 2500
    for tool in tools:
        Draft202012Validator.check_schema(tool.input_schema)
        changes = tool.name in ("refit", "undo")
        assert tool.annotations.read_only_hint is not changes
        assert ("confirm" in tool.input_schema["required"]) is changes
    assert [t.name for t in tools if t.annotations.destructive_hint] == ["undo"]


def objects(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for item in schema for found in objects(item)]
    if not isinstance(schema, dict):
        return []
    inner = [found for item in schema.values() for found in objects(item)]
    return [schema, *inner] if "properties" in schema else inner


@pytest.mark.parametrize("style", ["openai", "foundry"])
def test_openai_wants_everything_required(style: str) -> None:
    allowed = {"type", "description", "properties", "required", "additionalProperties"}
    for tool in definitions(style):
        function = tool["function"] if style == "openai" else tool
        assert function["strict"] is True
        for schema in objects(function["parameters"]):
            assert schema["required"] == list(schema["properties"])
            assert schema["additionalProperties"] is False
            assert set(schema) <= allowed
            for part in schema["properties"].values():
                assert set(part) <= allowed | {"items", "enum"}


def test_anthropic_wants_few_optionals_and_unions() -> None:
    found = [schema for tool in definitions("anthropic") for schema in objects(tool)]
    schemas = [schema for schema in found if "additionalProperties" in schema]
    optional = sum(len(schema["properties"]) - len(schema["required"]) for schema in schemas)
    parts = [part for schema in schemas for part in schema["properties"].values()]
    unions = sum(isinstance(part.get("type"), list) or "anyOf" in part for part in parts)
    assert optional <= 24
    assert unions <= 16


def test_there_is_no_other_style() -> None:
    with pytest.raises(InvalidInput, match="openai, anthropic or foundry"):
        definitions("chat")


def test_resources(through: Callable[..., Any]) -> None:
    async def ask(client: Any) -> None:
        there = [str(r.uri) for r in (await client.list_resources()).resources]
        assert "marginal://datasets/brand" in there
        templates = (await client.list_resource_templates()).resource_templates
        assert len(templates) == 4
        detail = await client.read_resource("marginal://datasets/brand")
        assert json.loads(detail.contents[0].text)["currency"] == "EUR"
        curves = await client.read_resource("marginal://datasets/brand/curves/latest")
        assert "draws" not in json.loads(curves.contents[0].text)["channels"][0]["response"]
        report = await client.read_resource("marginal://datasets/brand/report")
        assert report.contents[0].text.startswith("<!doctype html>")
        plan = await client.call_tool("plan_budget", {"dataset": "brand"})
        plan_id = plan.structured_content["plan_id"]
        kept = await client.read_resource(f"marginal://plans/{plan_id}")
        assert json.loads(kept.contents[0].text)["answer"]["status"] == "optimal"
        with pytest.raises(Exception, match="There is no"):
            await client.read_resource("marginal://datasets/nobody/curves/latest")

    through(ask)


def test_prompts(through: Callable[..., Any]) -> None:
    async def ask(client: Any) -> None:
        prompts = (await client.list_prompts()).prompts
        assert [p.name for p in prompts] == ["weekly_review", "budget_cut", "quarter_plan"]
        cut = await client.get_prompt("budget_cut", {"dataset": "brand", "budget": "200k"})
        assert "cut to 200k a period" in cut.messages[0].content.text
        with pytest.raises(Exception, match="needs dataset, budget"):
            await client.get_prompt("budget_cut", {})

    through(ask)


def test_a_plan_belongs_to_its_dataset(through: Callable[..., Any]) -> None:
    async def ask(client: Any) -> None:
        for plan in ("other.abc1201", "brand.nothing", "nonsense", "brand.../x"):
            asked = {"dataset": "brand", "base_plan": plan}
            answer = await client.call_tool("plan_budget", asked)
            assert answer.is_error
            assert "There is no plan" in answer.content[0].text

    through(ask)


def test_the_same_question_is_the_same_plan(through: Callable[..., Any]) -> None:
    async def ask(client: Any) -> None:
        ids = set()
        for budget in (280000, "280000", 280001):
            asked = {"dataset": "brand", "budget": budget}
            ids.add((await client.call_tool("plan_budget", asked)).structured_content["plan_id"])
        assert len(ids) == 2

    through(ask)


def test_a_picture_is_an_image(through: Callable[..., Any]) -> None:
    async def ask(client: Any) -> Any:
        asked = {"dataset": "brand", "picture": "returns"}
        return (await client.call_tool("show_picture", asked)).content

    text, image = through(ask)
    assert text.type == "text"
    assert (image.type, image.mime_type) == ("image", "image/png")
    assert image.data.startswith("iVBOR")


# -- the wire -------------------------------------------------------------------------------------


def sent(url: str, message: Any, **headers: str) -> Any:
    return Http(url).post(url, message, **headers)


META = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}


@pytest.mark.parametrize(
    ("message", "headers", "status", "code"),
    [
        ([], {}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, {}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": 3}, {}, 400, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "no/such"}, {}, 200, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "no/such", "params": META}, {}, 404, -32601),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": META},
            {"mcp_protocol_version": "2025-11-25"},
            400,
            -32020,
        ),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": META},
            {"mcp_method": "tools/list"},
            400,
            -32020,
        ),
        (
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "ping",
                "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2030-01-01"}},
            },
            {},
            400,
            -32022,
        ),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "ping"},
            {"mcp_protocol_version": "2026-07-28"},
            400,
            -32602,
        ),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}}, {}, 200, -32602),
    ],
)
def test_what_is_wrong_on_the_wire(
    url: str, message: Any, headers: dict[str, str], status: int, code: int
) -> None:
    answer = sent(url, message, **headers)
    assert answer.status == status
    assert answer.json["error"]["code"] == code
    assert answer.json["error"]["message"]


def test_a_notification_is_taken_without_an_answer(url: str) -> None:
    answer = sent(url, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (answer.status, answer.body) == (202, b"")


def test_there_is_no_stream_to_open(url: str) -> None:
    assert Http(url).get(url).status == 405
