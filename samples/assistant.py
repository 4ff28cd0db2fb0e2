"""A small chat with the service's tools, on any OpenAI-compatible endpoint.

``python -m samples.assistant http://127.0.0.1:7071/api/v1`` with ``ASSISTANT_URL`` (ending in
``/v1``), ``ASSISTANT_KEY`` and ``ASSISTANT_MODEL`` in the environment; ``MARGINAL_KEY`` is the
service's function key, where it asks for one.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Chat", "main"]

ROUNDS = 8
"""Calls of tools before an answer has to be given."""

NONE = """No ASSISTANT_URL is set. Point an assistant that you have at {url}/mcp instead:
  Claude Code   claude mcp add --transport http marginal {url}/mcp
  VS Code       .vscode/mcp.json: a server of type http with the url {url}/mcp
  others        docs/assistant.md"""


def _post(url: str, body: Any, headers: Mapping[str, str]) -> Any:
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json", **headers},
    )
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.load(response)


class Chat:
    """One conversation.

    Parameters
    ----------
    service
        Where the service is, ``/api/v1`` included.
    model_url, model_key, model
        The endpoint of the language model, ending in ``/v1``, its key, the model's name.
    service_key
        The service's function key; "" where it asks for none.
    """

    def __init__(
        self, service: str, model_url: str, model_key: str, model: str, service_key: str = ""
    ) -> None:
        self._service = service.rstrip("/")
        self._model_url, self._model = model_url.rstrip("/"), model
        self._headers = {"authorization": f"Bearer {model_key}"} if model_key else {}
        self._key = {"x-functions-key": service_key} if service_key else {}
        self.tools = [
            {
                "type": "function",
                "function": {
                    "name": tool["name"],
                    "description": tool["description"],
                    "parameters": tool["inputSchema"],
                },
            }
            for tool in self._ask("tools/list", {})["tools"]
        ]
        text = self._ask("initialize", {"protocolVersion": "2025-11-25"})["instructions"]
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": text}]

    def say(self, text: str) -> str:
        """What the assistant answers, after whatever tools it calls."""
        self.messages.append({"role": "user", "content": text})
        for _ in range(ROUNDS):
            body = {"model": self._model, "messages": self.messages, "tools": self.tools}
            answer = _post(f"{self._model_url}/chat/completions", body, self._headers)
            message = answer["choices"][0]["message"]
            self.messages.append(message)
            calls = message.get("tool_calls") or []
            if not calls:
                return str(message.get("content") or "")
            for call in calls:
                self.messages.append(
                    {"role": "tool", "tool_call_id": call["id"], "content": self._called(call)}
                )
        return "That took too many steps; ask for less at once."

    def _called(self, call: Mapping[str, Any]) -> str:
        function = call["function"]
        try:
            arguments = json.loads(function["arguments"] or "{}")
        except ValueError:
            return "The arguments are no JSON."
        found = self._ask("tools/call", {"name": function["name"], "arguments": arguments})
        text = " ".join(part["text"] for part in found["content"] if part["type"] == "text")
        figures = found.get("structuredContent")
        return text if figures is None else f"{text}\n{json.dumps(figures)}"

    def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = _post(f"{self._service}/mcp", message, self._key)
        if "error" in answer:
            return {"content": [{"type": "text", "text": answer["error"]["message"]}]}
        return answer["result"]


def main(
    arguments: list[str], settings: Mapping[str, str], read: Callable[[str], str] = input
) -> int:
    """Chat until the input ends."""
    url = (arguments or ["http://127.0.0.1:7071/api/v1"])[0].rstrip("/")
    if not settings.get("ASSISTANT_URL"):
        print(NONE.format(url=url))
        return 0
    chat = Chat(
        url,
        settings["ASSISTANT_URL"],
        settings.get("ASSISTANT_KEY", ""),
        settings.get("ASSISTANT_MODEL", "gpt-4.1"),
        settings.get("MARGINAL_KEY", ""),
    )
    while True:
        try:
            said = read("> ")
        except EOFError:
            return 0
        if said.strip():
            print(chat.say(said))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
