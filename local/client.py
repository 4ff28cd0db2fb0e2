"""A plain HTTP client of the service, over the standard library only."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Client", "RefusedError", "UnreachableError"]


class UnreachableError(Exception):
    """Nothing answered at the address."""


class RefusedError(Exception):
    """The service answered with an error; ``str`` is its detail and every fault, a line each."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        named = (*problem.get("errors", ()), *problem.get("conflicts", ()))
        faults = [
            f"{fault.get('pointer') or fault.get('name') or 'request'}: {fault.get('message')}"
            for fault in named
        ]
        detail = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
        if len(named) == 1 and named[0].get("message") == detail:
            lines = [detail, f"(at {named[0]['pointer']})"] if named[0].get("pointer") else [detail]
        else:
            lines = [detail, *faults]
        super().__init__("\n  ".join(lines))


@dataclass(frozen=True, slots=True)
class Client:
    """Calls below ``base``, the address that ends in ``/api/v1``."""

    base: str
    timeout_s: float = 230.0

    def get(self, path: str) -> Any:
        return self._send("GET", path, None, "")

    def post(self, path: str, document: Mapping[str, Any] | None = None) -> Any:
        body = b"" if document is None else json.dumps(document).encode()
        return self._send("POST", path, body, "application/json")

    def put_json(self, path: str, document: Mapping[str, Any] | Sequence[Any]) -> Any:
        return self._send("PUT", path, json.dumps(document).encode(), "application/json")

    def put_csv(self, path: str, table: bytes) -> Any:
        return self._send("PUT", path, table, "text/csv")

    def _send(self, method: str, path: str, body: bytes | None, content_type: str) -> Any:
        """The answer's JSON (None where it has no body).

        Raises
        ------
        RefusedError
            On any status from 400 up.
        UnreachableError
            Where nothing answers, or not in time.
        """
        request = urllib.request.Request(f"{self.base}/{path}", data=body, method=method)
        if content_type:
            request.add_header("Content-Type", content_type)
        try:
            # A proxy from the environment must not stand between us and this machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=self.timeout_s) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(error.code, _problem(error.read())) from None
        except OSError as error:
            raise UnreachableError(f"{self.base} does not answer: {error}") from None
        return json.loads(text) if text else None


def _problem(body: bytes) -> Mapping[str, Any]:
    try:
        problem = json.loads(body)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
