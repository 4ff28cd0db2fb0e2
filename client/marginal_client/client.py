"""The client: questions asked, histories stored, refits and jobs waited for.

What is sent and answered are plain dictionaries, typed by ``models`` (made from the service's own
schemas). What the service could not do just now (429, 503, no connection) is tried again; all that
is sent is safe to be sent twice.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd

    from . import models

__all__ = ["Client", "NotDoneError", "RefusedError", "UnreachableError", "frame", "records"]

_AGAIN = (429, 503)
_LONGEST_PAUSE_S = 30.0


class UnreachableError(Exception):
    """Nothing answered at the address."""


class NotDoneError(Exception):
    """A job or run did not end in the time that was given, or was cancelled."""


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
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Client:
    """Calls below ``base``, the address that ends in ``/api/v1``.

    Parameters
    ----------
    key
        The function key; the local hosts ask for none.
    timeout_s
        How long one answer is waited for.
    tries
        How often what failed for the moment is sent.
    patience_s
        How long a job or a refit is waited for.

    Raises
    ------
    RefusedError
        By every method, on any status from 400 up.
    UnreachableError
        By every method, where nothing answers, or not in time.
    """

    base: str
    key: str = ""
    timeout_s: float = 230.0
    tries: int = 4
    patience_s: float = 1800.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    # -- questions ----------------------------------------------------------------------------

    def optimize(
        self,
        problem: models.OptimizeRequest | pd.DataFrame | None = None,
        *,
        later: bool = False,
        **more: Any,
    ) -> models.OptimizeAnswer:
        """The best allocation of a budget.

        ``problem`` is a request, or a frame with a row for each channel and its fields as columns
        (an empty cell: left out); ``more`` are further fields of the request.
        """
        if problem is None:
            document: dict[str, Any] = {}
        elif isinstance(problem, Mapping):
            document = dict(problem)
        else:
            document = {"channels": records(problem)}
        answer = self.ask("optimize", {**document, **more}, later=later)
        return cast("models.OptimizeAnswer", answer)

    def ask(self, question: str, document: Mapping[str, Any], *, later: bool = False) -> Any:
        """The answer of any question (``scenarios``, ``evaluate``, ``fit``, ...).

        One that takes long becomes a job by itself, or by ``later``; it is waited for.
        """
        prefer = {"Prefer": "respond-async"} if later else {}
        body = json.dumps(document).encode()
        answer = self._send("POST", question, body, "application/json", prefer)
        return answer.body if answer.status != 202 else self._answer_of(answer)

    def _answer_of(self, queued: _Answer) -> Any:
        job = self._wait(
            queued.headers["location"], lambda told: told["runtime_status"] not in _UNDONE
        )
        if job["runtime_status"] == "Failed":
            raise RefusedError(int(job["output"].get("status", 500)), job["output"])
        if job["runtime_status"] != "Completed":
            raise NotDoneError(f"The job {job['job']} was cancelled.")
        return job["output"]

    def _wait(self, where: str, done: Callable[[Any], bool]) -> Any:
        waited, pause = 0.0, 0.25
        while not done(told := self._send("GET", where, None, "").body):
            if waited >= self.patience_s:
                raise NotDoneError(f"{where} did not end within {self.patience_s:g} s.")
            self.sleep(pause)
            waited, pause = waited + pause, min(1.5 * pause, 5.0)
        return told

    # -- datasets -----------------------------------------------------------------------------

    def upload(
        self,
        dataset: str,
        table: str | Path | bytes | pd.DataFrame,
        *,
        part: str = "history",
        spec: Mapping[str, Any] | None = None,
    ) -> Any:
        """Store a table: a file, its bytes, or a frame; what was read and found in it.

        ``part`` is ``history`` or ``outcomes``; ``spec`` the roles of the columns, stored first. A
        table that is too large to be read at once is waited for.
        """
        where = f"datasets/{dataset}"
        if spec is not None:
            self.put_json(f"{where}/spec", spec)
        if isinstance(table, str | Path):
            data = Path(table).read_bytes()
        elif isinstance(table, bytes):
            data = table
        else:
            data = table.to_csv(index=False).encode()
        # What a table is, its content decides.
        answer = self._send("PUT", f"{where}/{part}", data, "application/octet-stream")
        if answer.status != 202:
            return answer.body
        run = self._wait(answer.headers["location"], lambda told: told["state"] not in _WAITING)
        if run["state"] == "failed":
            detail = " ".join(run["reasons"])
            raise RefusedError(422, {"detail": detail, "errors": run["errors"]})
        return run["report"]

    def refit(self, dataset: str, *, force: bool = False) -> models.RunAnswer:
        """Fit a dataset's curves now and wait for the end; its run, with the reasons."""
        once = {"Idempotency-Key": uuid.uuid4().hex}
        where = f"datasets/{dataset}/refit" + ("?force=true" if force else "")
        queued = self._send("POST", where, b"", "", once)
        run = self._wait(queued.headers["location"], lambda told: told["state"] not in _WAITING)
        return cast("models.RunAnswer", run)

    # -- any path -----------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return self._send("GET", path, None, "").body

    def post(self, path: str, document: Mapping[str, Any] | None = None) -> Any:
        """The JSON that a ``POST`` answers, whatever its status below 400."""
        body = b"" if document is None else json.dumps(document).encode()
        return self._send("POST", path, body, "application/json").body

    def put_json(self, path: str, document: Mapping[str, Any] | Sequence[Any]) -> Any:
        """Store JSON."""
        return self._send("PUT", path, json.dumps(document).encode(), "application/json").body

    def put_csv(self, path: str, table: bytes) -> Any:
        """Store a CSV table."""
        return self._send("PUT", path, table, "text/csv").body

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        content_type: str,
        more: Mapping[str, str] | None = None,
    ) -> _Answer:
        headers = dict(more or {})
        headers |= {"Content-Type": content_type} if content_type else {}
        # The key goes to the service alone, whatever address an answer names.
        ours = not path.startswith("http") or path.startswith(self.base)
        headers |= {"x-functions-key": self.key} if self.key and ours else {}
        url = path if path.startswith("http") else f"{self.base.rstrip('/')}/{path}"
        for attempt in range(1, self.tries + 1):
            last = attempt >= self.tries
            pause = 0.5 * 2.0 ** (attempt - 1)
            try:
                return self._once(urllib.request.Request(url, body, headers, method=method))
            except RefusedError as error:
                if last or error.status not in _AGAIN:
                    raise
                pause = float(error.problem.get("retry_after", pause))
            except UnreachableError:
                if last:
                    raise
            self.sleep(min(pause, _LONGEST_PAUSE_S))
        raise ValueError("tries must be at least 1")

    def _once(self, request: urllib.request.Request) -> _Answer:
        try:
            # A proxy from the environment must not stand between us and this machine.
            local = "//127.0.0.1" in request.full_url or "//localhost" in request.full_url
            handlers = [urllib.request.ProxyHandler({})] if local else []
            opener = urllib.request.build_opener(*handlers)
            with opener.open(request, timeout=self.timeout_s) as response:
                text = response.read()
                headers = {name.lower(): value for name, value in response.headers.items()}
                return _Answer(response.status, headers, json.loads(text) if text else None)
        except urllib.error.HTTPError as error:
            with error:
                problem = _problem(error.read())
                after = error.headers.get("Retry-After", "")
                problem |= {"retry_after": int(after)} if after.isdigit() else {}
                raise RefusedError(error.code, problem) from None
        except OSError as error:
            raise UnreachableError(f"{self.base} does not answer: {error}") from None


_UNDONE = ("Pending", "Running")
_WAITING = ("queued", "running")


def frame(answer: Mapping[str, Any]) -> pd.DataFrame:
    """An answer's allocation as a frame, a row for each channel."""
    import pandas as pd

    return pd.DataFrame(answer["allocation"]).set_index("channel")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows as a request has them: without their empty cells; numbers as Python's own."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def _problem(body: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(body)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
