"""A bare HTTP client of the service: any bytes and headers, never an exception for a status."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.waiting import PATIENCE_S, until

__all__ = ["Answer", "Client"]

# Made once: each one loads the certificates anew. No proxy stands before this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "").split(";")[0]

    def errors(self) -> dict[str, tuple[str, str]]:
        """Faults by pointer: code and message."""
        assert self.media == "application/problem+json"
        return {e["pointer"]: (e["code"], e["message"]) for e in self.json["errors"]}


@dataclass(frozen=True)
class Client:
    base: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        url = path if path.startswith("http") else f"{self.base}/{path.lstrip('/')}"
        request = urllib.request.Request(
            url, data=body, method=method, headers={**self.headers, **headers}
        )
        try:
            with _OPENER.open(request, timeout=PATIENCE_S) as response:
                return _answer(response.status, response)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error)

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, document: Any, **headers: str) -> Answer:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", path, body, {"content-type": "application/json", **named})

    def put(self, path: str, body: bytes, media: str = "text/csv", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("PUT", path, body, {"content-type": media, **named})

    def wait_for_run(self, location: str) -> dict[str, Any]:
        """The run at its end."""
        runs: list[dict[str, Any]] = []

        def ended() -> bool:
            runs.append(self.get(location).json)
            return runs[-1]["state"] not in ("queued", "running")

        until(ended, pause_s=0.1)
        return runs[-1]


def _answer(status: int, response: Any) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status, headers, response.read())
