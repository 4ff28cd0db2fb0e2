"""Questions that take long: asked now, or as a job that a queue worker does.

A job is the same endpoint, called with the same body by the worker. Which way a question goes is
known when its endpoint has read and checked all of it and turns to the service: from there the
endpoint either goes on or is left, and the request is queued as it came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from shared import work
from shared.api.endpoints import BY_NAME, JSON, Endpoint, resolved
from shared.api.http import Call, Handler, Reply, problem_of, response_of, service
from shared.api.json_body import parse_json
from shared.errors import MarginalError, NotFound, StorageUnavailable, TakesTooLong
from shared.plan.effort import QUESTIONS, seconds_of
from shared.watch import TimeUp, Watch

if TYPE_CHECKING:
    from shared.service import Service
    from shared.store.records import Run

__all__ = ["cancel_job", "get_job", "now_or_later", "perform"]

LONGEST_NOW_S = 60.0
"""What is estimated to take longer is a job, whoever asks."""

_END_S = 200.0
"""Real seconds after which what is waited for is ended: a connection is held no longer than 230."""

STATES = {
    "queued": "Pending",
    "running": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "terminated": "Terminated",
}
"""What Durable Functions calls the states of a job."""


def now_or_later(call: Call, endpoint: Endpoint, handler: Handler) -> Reply:
    """The answer of a question, or 202 with the job that it became.

    Raises
    ------
    TakesTooLong
        Where it was asked to be answered now, and is not at the end of the time for that.
    """
    weighed = _Weighed(call.service, later=_prefers_async(call.headers))
    try:
        with Watch(None, timedelta(seconds=_END_S)):
            return handler(replace(call, service=cast("Service", weighed)))
    except _Later as later:
        job = call.service.queue_job(weighed.dataset, endpoint.name, call.body)
        where = f"{call.base_url}{call.path.rstrip('/').rpartition('/')[0]}/jobs/{job['job']}"
        soon = round(min(max(later.seconds / 4.0, 1.0), 30.0))
        headers = {"Location": where, "Retry-After": str(soon)}
        if weighed.later:
            headers["Preference-Applied"] = "respond-async"
        return Reply(_told(job), status=202, headers=headers)
    except TimeUp:
        raise TakesTooLong(
            f"The answer would take longer than the {_END_S:g} s that a connection is held. Send "
            "the same request with the header Prefer: respond-async: it becomes a job, whose "
            "answer is fetched at its Location."
        ) from None


def get_job(call: Call) -> Reply:
    """``GET /jobs/{job}``: 202 while it is not done."""
    job = call.service.job(call.route["job"])
    if job["run"].terminal:
        return Reply(_told(job))
    where = f"{call.base_url}{call.path}"
    return Reply(_told(job), status=202, headers={"Location": where, "Retry-After": "2"})


def cancel_job(call: Call) -> Reply:
    """``DELETE /jobs/{job}``: ends a job that is not done, and tells how it stands."""
    return Reply(_told(call.service.cancel_job(call.route["job"])))


def perform(question: str, body: bytes, seconds: float) -> tuple[int, Any]:
    """The answer of a job: (status, JSON); searches wind up after ``seconds``.

    Raises
    ------
    StorageUnavailable
        Where the answer is not known yet; whatever is unexpected is raised, too.
    """
    endpoint = BY_NAME.get(question)
    if endpoint is None or not endpoint.long:
        raise NotFound(f"There is no question {question!r}.")
    call = Call(
        service=service(),
        route={},
        query={},
        headers={},
        path="",
        base_url="",
        body=body,
        content_type=JSON,
        json=parse_json(body),
    )
    request_id = uuid4().hex
    try:
        with work.limited(seconds):
            reply: Reply = resolved(endpoint.handler)(call)
        response = response_of(reply, request_id)
    except StorageUnavailable:
        raise
    except MarginalError as error:
        response = problem_of(error, request_id)
    return response.status_code, json.loads(response.get_body())


def _told(job: Mapping[str, Any]) -> dict[str, Any]:
    """What a caller sees of a job."""
    run: Run = job["run"]
    output = job["answer"]
    if output is None and run.state == "failed":
        output = {
            "type": "urn:marginal:problem:not_answered",
            "title": "The question was not answered",
            "status": 500,
            "detail": " ".join(run.reasons),
        }
    return {
        "job": job["job"],
        "question": run.question,
        "runtime_status": STATES[run.state],
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "attempt": run.attempt,
        "output": output,
    }


def _prefers_async(headers: Mapping[str, str]) -> bool:
    """Whether a ``Prefer`` header has ``respond-async`` (RFC 7240).

    >>> [_prefers_async({"prefer": p}) for p in ("wait=5, Respond-Async", "respond-asynchronous")]
    [True, False]
    """
    given = headers.get("prefer", "").lower()
    return any(p.partition(";")[0].strip() == "respond-async" for p in given.split(","))


class _Later(Exception):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"about {seconds:.0f} s")


class _Weighed:
    """The service, but for questions that are to be a job: those are left where they begin.

    ``dataset`` is the stored dataset that the question looked into, if any.
    """

    def __init__(self, inner: Service, *, later: bool) -> None:
        self._inner = inner
        self.later = later
        self.dataset: str | None = None

    def curves(self, dataset: str, version: str = "latest") -> Any:
        """As the service's; remembers of which dataset."""
        self.dataset = dataset
        return self._inner.curves(dataset, version)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in QUESTIONS:
            return found

        def ask(*args: Any, **more: Any) -> Any:
            seconds = seconds_of(name, *args)
            if self.later or seconds > LONGEST_NOW_S:
                raise _Later(seconds)
            return found(*args, **more)

        return ask
