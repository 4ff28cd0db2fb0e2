"""The sample chat, against an endpoint that the test runs in a language model's place."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from samples.assistant import Chat, main

Asked = list[dict[str, Any]]


@pytest.fixture
def model() -> Iterator[tuple[str, Asked]]:
    """An endpoint that calls plan_budget at every first word, and then says what it was told."""
    asked: Asked = []

    class Model(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append({"path": self.path, "key": self.headers["authorization"], **body})
            last = body["messages"][-1]
            message: dict[str, Any] = {"role": "assistant", "content": last["content"]}
            if last["role"] == "user":
                arguments = json.dumps({"dataset": "brand", "budget": 280000})
                function = {"name": "plan_budget", "arguments": arguments}
                call = {"id": "call-1", "type": "function", "function": function}
                message = {"role": "assistant", "content": None, "tool_calls": [call]}
            sent = json.dumps({"choices": [{"message": message}]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_question_goes_through_a_tool_and_back(url: str, model: tuple[str, Asked]) -> None:
    endpoint, asked = model
    chat = Chat(url.removesuffix("/mcp"), endpoint, "secret", "some-model")
    answer = chat.say("How should I split 280k a week?")
    assert "Spending 280,000 EUR per week" in answer
    assert "plan_id" in answer
    first, second = asked
    assert first["path"] == "/v1/chat/completions"
    assert first["key"] == "Bearer secret"
    assert first["model"] == "some-model"
    assert len(first["tools"]) == 12
    assert "list_datasets once, first" in first["messages"][0]["content"]
    assert second["messages"][-1]["tool_call_id"] == "call-1"


def test_the_chat_ends_with_its_input(
    url: str, model: tuple[str, Asked], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["Split 280k", ""])

    def read(_: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    settings = {"ASSISTANT_URL": model[0]}
    assert main([url.removesuffix("/mcp")], settings, read) == 0
    assert "280,000 EUR" in capsys.readouterr().out


def test_without_a_model_it_says_what_else_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["https://host/api/v1/"], {}) == 0
    assert "https://host/api/v1/mcp" in capsys.readouterr().out
