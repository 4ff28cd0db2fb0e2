"""One wrapper for all HTTP functions: read and limit the request, call, answer or tell the problem.

The table from exception to status is here and nowhere else. What is unexpected is logged with the
request's id and answered as 500 without a word of its inside.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import azure.functions as func

from shared import work
from shared.api.endpoints import BY_NAME, JSON, Endpoint, methods_at, resolved
from shared.api.json_body import dump_json, parse_json
from shared.errors import (
    MAX_FAULTS,
    Fault,
    Infeasible,
    InputTooLarge,
    InvalidInput,
    MalformedInput,
    MarginalError,
    NotFound,
    NotSupportedYet,
    PreconditionFailed,
    StorageUnavailable,
    TakesTooLong,
    UnsupportedContent,
    WriteConflict,
    did_you_mean,
    pointer_to,
)

if TYPE_CHECKING:
    from shared.service import Service


__all__ = [
    "MAX_BYTES",
    "PROBLEM",
    "Call",
    "Handler",
    "Reply",
    "answered",
    "nothing_there",
    "problem_of",
    "respond",
    "response_of",
    "service",
]

PROBLEM = "application/problem+json"

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

_USUAL_CAP = timedelta(minutes=20)

_log = logging.getLogger("marginal")

# From exception to status, most specific first: (status, type, title).
_PROBLEMS: tuple[tuple[type[MarginalError], int, str, str], ...] = (
    (MalformedInput, 400, "malformed_input", "The request cannot be read"),
    (NotSupportedYet, 422, "not_supported_yet", "Not supported yet"),
    (InvalidInput, 422, "invalid_input", "The request cannot be used"),
    (Infeasible, 422, "infeasible", "No plan satisfies the request"),
    (InputTooLarge, 413, "too_large", "The request is too large"),
    (UnsupportedContent, 415, "unsupported_content", "Unsupported content type"),
    (NotFound, 404, "not_found", "Not found"),
    (PreconditionFailed, 412, "precondition_failed", "Not what If-Match names"),
    (WriteConflict, 409, "write_conflict", "Somebody else wrote first"),
    (StorageUnavailable, 503, "storage_unavailable", "Storage does not answer"),
    (TakesTooLong, 504, "takes_too_long", "The answer takes too long to be waited for"),
)

MAX_BYTES = 5_000_000
"""Largest request body, but for tables: a larger one is read by the queue."""

MAX_TABLE = 50_000_000
"""Largest table, as it comes and unpacked."""


@dataclass(frozen=True, slots=True)
class Call:
    """What an endpoint is asked: a body already read, and where it is asked.

    ``json`` is the parsed body (None where the endpoint reads none), ``body`` its bytes.
    """

    service: Service
    route: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    path: str
    base_url: str
    body: bytes
    content_type: str
    json: Any = None

    def flag(self, name: str, usual: bool = False) -> bool:
        """A query parameter that is true or false."""
        given = self.query.get(name, "true" if usual else "false").lower()
        if given not in ("true", "false"):
            raise InvalidInput.at(f"/{name}", "unknown_value", f"{name} is true or false.")
        return given == "true"


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answers; ``body`` is JSON-ready, or bytes of ``content_type``.

    ``stamped`` answers carry the request's id in their body as well.
    """

    body: Any
    status: int = 200
    stamped: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON


Handler = Callable[[Call], Reply]


@cache
def service() -> Service:
    """The process's one service, connected from the app's settings on first use."""
    from shared.service import Service
    from shared.store.connect import connect

    cap = _minutes(os.environ.get("REFIT_TIME_CAP_MINUTES", ""))
    return Service(lambda: connect(os.environ), cap, resolved("jobs.perform"))


def _minutes(setting: str) -> timedelta:
    """A refit's time cap: under host.json's functionTimeout, so that the run ends by itself."""
    try:
        minutes = float(setting)
    except ValueError:
        return _USUAL_CAP
    # Not a number, or no time at all, is no cap that anybody meant.
    return timedelta(minutes=minutes) if 0 < minutes < 24 * 60 else _USUAL_CAP


_SEARCH_S = 190.0
"""Real seconds after which searches that are waited for wind up, with the best they have."""


_NOW_OR_LATER = "jobs.now_or_later"
"""Who asks a question that may take long: by name, as it rests on what is here."""

_KEYS = frozenset({"code", "clientId"})
"""Query parameters of the platform: a function key may come in the address."""

_WORTH_PACKING = 1400
"""Bytes of an answer below which packing saves no packet."""


def respond(req: func.HttpRequest, name: str) -> func.HttpResponse:
    """Answer ``req`` by the endpoint of that name."""
    return answered(req, BY_NAME[name])


def answered(req: func.HttpRequest, endpoint: Endpoint) -> func.HttpResponse:
    """Answer ``req`` by ``endpoint``, or say in problem+json why not."""
    request_id = _request_id(req)
    try:
        _check_query(req.params, endpoint)
        handler: Handler = resolved(endpoint.handler)
        call = _call(req, endpoint.reads)
        with work.limited(_SEARCH_S):
            if endpoint.long:
                reply = resolved(_NOW_OR_LATER)(call, endpoint, handler)
            else:
                reply = handler(call)
        response = response_of(_unless_known(req, reply), request_id)
    except MarginalError as error:
        response = problem_of(error, request_id)
    except Exception:
        _log.exception("unexpected error; request %s", request_id)
        detail = "Something went wrong on our side; the request id helps to find it."
        response = _problem_response(500, "internal", "Internal error", detail, {}, request_id)
    return _for(req, response)


def nothing_there(req: func.HttpRequest) -> func.HttpResponse:
    """Whatever no endpoint answers: 404, 405 with Allow, or what a browser asks beforehand."""
    request_id = _request_id(req)
    allowed = methods_at(req.route_params.get("path") or "")
    allow = {"Allow": ", ".join((*allowed, "OPTIONS"))} if allowed else {}
    if allowed and req.method == "OPTIONS":
        asked = req.headers.get("access-control-request-headers", "")
        early = {"Access-Control-Allow-Methods": allow["Allow"], "Access-Control-Max-Age": "3600"}
        early |= {"Access-Control-Allow-Headers": asked} if _HEADER_NAMES.fullmatch(asked) else {}
        headers = {**allow, **(early if _origin(req) else {}), "x-request-id": request_id}
        return _for(req, func.HttpResponse(status_code=204, headers=headers))
    if allowed:
        detail = f"This path answers {' and '.join(allowed)}."
        problem = (405, "method_not_allowed", "Method not allowed", detail)
    else:
        problem = (404, "not_found", "Not found", "There is no such path; openapi.json has all.")
    return _for(req, _problem_response(*problem, {}, request_id, allow))


_HEADER_NAMES = re.compile(r"[A-Za-z0-9-]+(, *[A-Za-z0-9-]+){0,30}")


def _check_query(query: Mapping[str, str], endpoint: Endpoint) -> None:
    faults = []
    for name in query:
        if name not in endpoint.query and name not in _KEYS:
            text = f"{name[:60]!r} is no query parameter here.{did_you_mean(name, endpoint.query)}"
            faults.append(Fault(pointer_to(name[:60]), "unknown_parameter", text))
    if faults:
        raise InvalidInput(faults)


def _unless_known(req: func.HttpRequest, reply: Reply) -> Reply:
    """304 where the caller has what the ETag names."""
    etag = reply.headers.get("ETag")
    known = req.headers.get("if-none-match", "")
    if req.method not in ("GET", "HEAD") or etag is None or not known:
        return reply
    # What a tag names never changes here, so a weak one is as good as a strong one.
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return Reply(None, status=304, headers={"ETag": etag}) if tags & {"*", etag} else reply


def _origin(req: func.HttpRequest) -> str:
    """The origin that a browser's page may read answers from, by the setting; "" for none."""
    allowed = {part.strip() for part in os.environ.get("CORS_ORIGINS", "").split(",")} - {""}
    origin: str = req.headers.get("origin", "")
    return "*" if "*" in allowed else origin if origin in allowed else ""


def _for(req: func.HttpRequest, response: func.HttpResponse) -> func.HttpResponse:
    """The answer as this caller can take it: packed, without a body, for a page elsewhere."""
    body = response.get_body()
    if len(body) >= _WORTH_PACKING and _takes_gzip(req.headers.get("accept-encoding", "")):
        import gzip

        body = gzip.compress(body, 5, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
    vary = ["Accept-Encoding"] if len(response.get_body()) >= _WORTH_PACKING else []
    if os.environ.get("CORS_ORIGINS"):
        vary.append("Origin")
        if origin := _origin(req):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = (
                "ETag, Location, Preference-Applied, Retry-After, x-request-id"
            )
    if vary:
        response.headers["Vary"] = ", ".join(vary)
    content = b"" if req.method == "HEAD" else body
    return func.HttpResponse(
        body=content,
        status_code=response.status_code,
        headers=dict(response.headers),
        mimetype=response.mimetype,
        charset=response.charset,
    )


def _takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header takes gzip (with a weight above 0)."""
    for part in accepted.lower().split(","):
        coding, _, weight = part.strip().partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _request_id(req: func.HttpRequest) -> str:
    """The caller's own id where it is a plain one, else a new one."""
    given: str = req.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _call(req: func.HttpRequest, reads: tuple[str, ...]) -> Call:
    try:
        url = urlsplit(req.url)
    except ValueError:
        text = "The Host header names no host."
        raise MalformedInput.at("", "malformed", text) from None
    content_type, body = "", b""
    if reads:
        content_type = _content_type(req, reads)
        body = _body(req, MAX_TABLE if len(reads) > 1 else MAX_BYTES)
        if req.headers.get("content-encoding", "").strip().lower() == "gzip" or (
            len(reads) > 1 and body[:2] == b"\x1f\x8b"
        ):
            from shared.history.formats import unpacked

            body = unpacked(body)
    return Call(
        service=service(),
        route=req.route_params,
        query=req.params,
        headers=req.headers,
        path=url.path,
        base_url=f"{url.scheme}://{url.netloc}" if url.netloc else "",
        body=body,
        content_type=content_type,
        json=_json(body, tables=len(reads) > 1) if content_type == JSON else None,
    )


def _content_type(req: func.HttpRequest, reads: tuple[str, ...]) -> str:
    given: str = req.headers.get("content-type", "")
    coding: str = req.headers.get("content-encoding", "").strip().lower()
    tables = len(reads) > 1  # they may be packed, and in any charset
    if coding not in ("", "identity", "gzip" if tables else ""):
        raise UnsupportedContent(f"Send the body as it is; its encoding is {coding[:40]!r}.")
    media, *parameters = (part.strip().lower() for part in given.split(";"))
    if media.startswith("application/") and media.endswith("+json"):
        media = JSON
    if media not in reads:
        wanted = ", ".join(reads[:-1]) + " or " * (len(reads) > 1) + reads[-1]
        got = repr(media[:80]) if media else "missing"
        raise UnsupportedContent(f"Send {wanted}; the content type is {got}.")
    charset = next(
        (p.split("=", 1)[1].strip('"') for p in parameters if p.startswith("charset=")), ""
    )
    if charset not in ("", "utf-8", "utf8", "us-ascii") and not (tables and media != JSON):
        raise UnsupportedContent(f"Send UTF-8; the charset is {charset[:40]!r}.")
    return media


def _body(req: func.HttpRequest, most: int) -> bytes:
    length = req.headers.get("content-length", "")
    # Twelve digits are beyond the limit already, and int() of very long ones is slow.
    if length.isdecimal() and (len(length) > 12 or int(length) > most):
        raise _too_large(most)
    body = req.get_body() or b""
    if len(body) > most:
        raise _too_large(most)
    return body


def _json(body: bytes, *, tables: bool) -> Any:
    """A JSON body read; None of a table that is too large to be read now."""
    if len(body) <= MAX_BYTES:
        return parse_json(body)
    if tables:
        return None
    raise _too_large(MAX_BYTES)


def _too_large(most: int) -> InputTooLarge:
    return InputTooLarge(f"The body is larger than {most // 1_000_000} MB.")


def response_of(reply: Reply, request_id: str) -> func.HttpResponse:
    """An endpoint's answer as it is sent."""
    body = reply.body
    if reply.stamped:
        body = {**body, "request_id": request_id}
    if body is not None and not isinstance(body, bytes):
        body = dump_json(body)
    return func.HttpResponse(
        body=body or b"",
        status_code=reply.status,
        headers={"x-request-id": request_id, **reply.headers},
        mimetype=reply.content_type,
        charset="utf-8",
    )


def problem_of(error: MarginalError, request_id: str) -> func.HttpResponse:
    """What an error of the house is told as."""
    extra: dict[str, Any] = {}
    if isinstance(error, InvalidInput):
        extra["errors"] = [
            {"pointer": f.pointer, "code": f.code, "message": f.message}
            for f in error.faults[:MAX_FAULTS]
        ]
        extra["more_errors"] = len(error.faults) > MAX_FAULTS
    if isinstance(error, Infeasible):
        extra["conflicts"] = [
            {"name": c.name, "message": c.message, "missed_by": c.missed_by}
            for c in error.conflicts
        ]
    headers = {}
    if isinstance(error, StorageUnavailable):
        headers["Retry-After"] = str(error.retry_after_s)
        _log.warning("storage did not answer; request %s", request_id)
    for kind, status, code, title in _PROBLEMS:
        if isinstance(error, kind):
            return _problem_response(status, code, title, str(error), extra, request_id, headers)
    raise TypeError(f"no status for {type(error).__name__}")


def _problem_response(
    status: int,
    code: str,
    title: str,
    detail: str,
    extra: Mapping[str, Any],
    request_id: str,
    headers: Mapping[str, str] | None = None,
) -> func.HttpResponse:
    body = {
        "type": f"urn:marginal:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        **extra,
        "request_id": request_id,
    }
    return func.HttpResponse(
        body=dump_json(body),
        status_code=status,
        headers={"x-request-id": request_id, **(headers or {})},
        mimetype=PROBLEM,
        charset="utf-8",
    )
