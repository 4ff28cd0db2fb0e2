"""One wrapper for all HTTP functions: read and limit the request, call, answer or tell the problem.

The table from exception to status is here and nowhere else. What is unexpected is logged with the
request's id and answered as 500 without a word of its inside.

A request's JSON is read strictly: no duplicate keys, no NaN, bounded depth and text.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import azure.functions as func

from shared import work
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
    StorageUnavailable,
    UnsupportedContent,
    WriteConflict,
    pointer_to,
)

if TYPE_CHECKING:
    from shared.service import Service


__all__ = [
    "JSON",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_TEXT",
    "TABLES",
    "Call",
    "Reply",
    "dump_json",
    "parse_json",
    "respond",
    "service",
]

JSON = "application/json"
TABLES = (
    *("text/csv", JSON, "text/plain", "text/tab-separated-values", "application/csv"),
    *("application/vnd.ms-excel", "application/x-ndjson", "application/gzip"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    *("application/vnd.apache.parquet", "application/octet-stream"),
)
"""What browsers, spreadsheets and programs send tables as: what one is, its content decides."""
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
    (WriteConflict, 409, "write_conflict", "Somebody else wrote first"),
    (StorageUnavailable, 503, "storage_unavailable", "Storage does not answer"),
)

MAX_BYTES = 5_000_000
"""Largest request body, but for tables: a larger one is read by the queue."""

MAX_TABLE = 50_000_000
"""Largest table, as it comes and unpacked."""

MAX_DEPTH = 32
"""Deepest nesting of objects and lists; the contract itself needs eight."""

MAX_TEXT = 10_000
"""Longest text, but for a history that travels inside JSON."""

CSV_FIELDS = frozenset(
    {
        "history_csv",
        "outcomes_csv",
        "spend_csv",
        "table_csv",
        "posterior_csv",
        "summary_csv",
        "response_curves_csv",
        "hyperparameters_csv",
        "aggregated_csv",
    }
)


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


Endpoint = Callable[[Call], Reply]


@cache
def service() -> Service:
    """The process's one service, connected from the app's settings on first use."""
    from shared.service import Service
    from shared.store.connect import connect

    cap = _minutes(os.environ.get("REFIT_TIME_CAP_MINUTES", ""))
    return Service(lambda: connect(os.environ), cap)


def _minutes(setting: str) -> timedelta:
    """A refit's time cap: under host.json's functionTimeout, so that the run ends by itself."""
    try:
        minutes = float(setting)
    except ValueError:
        return _USUAL_CAP
    # Not a number, or no time at all, is no cap that anybody meant.
    return timedelta(minutes=minutes) if 0 < minutes < 24 * 60 else _USUAL_CAP


_CLOCK_S = 210.0  # real seconds for searches: a caller's connection is held no longer than 230


def respond(
    req: func.HttpRequest, endpoint: Endpoint, reads: tuple[str, ...] = ()
) -> func.HttpResponse:
    """Answer ``req`` by ``endpoint``.

    Parameters
    ----------
    reads
        Content types that the endpoint reads; none means that a body is ignored.
    """
    request_id = _request_id(req)
    try:
        with work.limited(_CLOCK_S):
            reply = endpoint(_call(req, reads))
        return _response(reply, request_id)
    except MarginalError as error:
        return _problem(error, request_id)
    except Exception:
        _log.exception("unexpected error; request %s", request_id)
        detail = "Something went wrong on our side; the request id helps to find it."
        return _problem_response(500, "internal", "Internal error", detail, {}, request_id)


def _request_id(req: func.HttpRequest) -> str:
    """The caller's own id where it is a plain one, else a new one."""
    given: str = req.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _call(req: func.HttpRequest, reads: tuple[str, ...]) -> Call:
    url = urlsplit(req.url)
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


def _response(reply: Reply, request_id: str) -> func.HttpResponse:
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


def _problem(error: MarginalError, request_id: str) -> func.HttpResponse:
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


class _DuplicateKeyError(ValueError):
    pass


def parse_json(body: bytes) -> Any:
    """The value that ``body`` writes down.

    Raises
    ------
    MalformedInput
        Empty, not UTF-8, not JSON, a key given twice, or NaN and Infinity, which are not JSON.
    InvalidInput
        A number beyond the range of floating point.
    InputTooLarge
        Nested too deep, or a text too long.
    """
    if not body.strip():
        raise MalformedInput.at("", "malformed", "The request has no body; it must be JSON.")
    not_json: list[str] = []

    def constant(token: str) -> float:
        not_json.append(token)
        return math.nan

    try:
        value = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=constant
        )
    except UnicodeDecodeError as error:
        raise MalformedInput.at(
            "", "malformed", f"The body is not UTF-8: byte {error.start + 1} cannot be read."
        ) from None
    except json.JSONDecodeError as error:
        raise MalformedInput.at(
            "",
            "malformed",
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
        ) from None
    except _DuplicateKeyError as error:
        raise MalformedInput.at("", "duplicate_key", str(error)) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # a whole number of thousands of digits
        raise MalformedInput.at(
            "", "malformed", "The body holds a number of too many digits."
        ) from None
    faults = list(_check(value, "NaN and Infinity" if not_json else ""))
    if faults:
        faults.reverse()  # the walk goes from the end
        raise MalformedInput(faults) if not_json else InvalidInput(faults)
    return value


def dump_json(value: Any) -> bytes:
    """Canonical bytes: keys in the order given, no spaces, never NaN.

    >>> dump_json({"spend": 1.5, "name": "é"}).decode()
    '{"spend":1.5,"name":"é"}'
    """
    return json.dumps(
        value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_plain
    ).encode()


def _plain(value: Any) -> Any:
    """numpy's scalars and arrays as Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(f"The key {key[:60]!r} is given twice in one object.")
            seen.add(key)
    return found


def _too_deep() -> InputTooLarge:
    return InputTooLarge(f"The JSON is nested more than {MAX_DEPTH} levels deep.")


def _check(root: Any, not_json: str) -> Iterator[Fault]:
    """Bounds that the parser does not know; iterative, so that depth cannot hurt."""
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(root, ())]
    while stack:
        value, path = stack.pop()
        if isinstance(value, dict):
            children: Any = value.items()
        elif isinstance(value, list):
            children = enumerate(value)
        else:
            if isinstance(value, str):
                _check_text(value, path)
            elif isinstance(value, float) and not math.isfinite(value):
                yield _not_finite(path, not_json)
            elif isinstance(value, int) and value.bit_length() > 1000:
                yield _not_finite(path, "")
            continue
        if len(path) >= MAX_DEPTH:
            raise _too_deep()
        for key, child in children:
            # Numbers are most of a large body: they are looked at here, without a stack entry.
            if type(child) is float and math.isfinite(child):
                continue
            if isinstance(key, str):
                _check_text(key, path)
            stack.append((child, (*path, key)))


def _check_text(text: str, path: tuple[str | int, ...]) -> None:
    if len(text) > MAX_TEXT and not (path and path[-1] in CSV_FIELDS):
        raise InputTooLarge(f"A text at {pointer_to(*path)[:200] or '/'} is over {MAX_TEXT} long.")
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise MalformedInput.at(
            pointer_to(*path), "malformed", "The body holds half a surrogate pair: no valid text."
        )


def _not_finite(path: tuple[str | int, ...], not_json: str) -> Fault:
    reason = f"{not_json} are not JSON" if not_json else "the number is too large"
    field = path[-1] if path and isinstance(path[-1], str) else "Each number"
    return Fault(pointer_to(*path), "not_finite", f"{field} must be a finite number: {reason}.")
