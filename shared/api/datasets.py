"""Datasets, curves, runs and the service's own documents over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from shared.api.faults import validated
from shared.api.history_messages import Spec
from shared.api.http import CSV, Call, Reply
from shared.api.translate import accepted
from shared.errors import InvalidInput, NotFound, WriteConflict
from shared.store.keys import check_dataset_name, is_curves_version, is_run_id

__all__ = [
    "delete_dataset",
    "get_curve_version",
    "get_curves",
    "get_history",
    "get_outcomes",
    "get_run",
    "get_spec",
    "health",
    "list_curve_versions",
    "list_datasets",
    "openapi",
    "promote_curves",
    "put_history",
    "put_outcomes",
    "put_spec",
    "refit",
    "tools",
]


def put_spec(call: Call) -> Reply:
    """``PUT /datasets/{dataset}/spec``"""
    dataset = _dataset(call)
    accepted(*validated(Spec, call.json))
    _if_match(call, call.service.get_spec)
    return Reply(call.service.put_spec(dataset, call.json))


def put_history(call: Call) -> Reply:
    """``PUT /datasets/{dataset}/history``"""
    dataset = _dataset(call)
    table = _table(call)
    _if_match(call, call.service.get_history)
    return Reply(call.service.put_history(dataset, table, call.content_type))


def put_outcomes(call: Call) -> Reply:
    """``PUT /datasets/{dataset}/outcomes``"""
    dataset = _dataset(call)
    table = _table(call)
    _if_match(call, call.service.get_outcomes)
    return Reply(call.service.put_outcomes(dataset, table, call.content_type))


def get_spec(call: Call) -> Reply:
    """``GET /datasets/{dataset}/spec``"""
    return _stored_bytes(call, call.service.get_spec)


def get_history(call: Call) -> Reply:
    """``GET /datasets/{dataset}/history``"""
    return _stored_bytes(call, call.service.get_history)


def get_outcomes(call: Call) -> Reply:
    """``GET /datasets/{dataset}/outcomes``"""
    return _stored_bytes(call, call.service.get_outcomes)


def list_datasets(call: Call) -> Reply:
    """``GET /datasets``"""
    return Reply({"datasets": call.service.datasets()})


def delete_dataset(call: Call) -> Reply:
    """``DELETE /datasets/{dataset}``"""
    call.service.delete_dataset(_dataset(call))
    return Reply(None, status=204)


def refit(call: Call) -> Reply:
    """``POST /datasets/{dataset}/refit``"""
    run = call.service.refit(_dataset(call))
    location = f"{call.base_url}{call.path.removesuffix('/').rpartition('/')[0]}/runs/{run['run']}"
    return Reply(run, status=202, headers={"Location": location})


def get_run(call: Call) -> Reply:
    """``GET /datasets/{dataset}/runs/{run}``"""
    run = call.route["run"]
    if not is_run_id(run):
        raise NotFound("There is no such run.")
    return Reply(call.service.run(_dataset(call), run))


def get_curves(call: Call) -> Reply:
    """``GET /datasets/{dataset}/curves``"""
    return _curve_set(call, "latest")


def get_curve_version(call: Call) -> Reply:
    """``GET /datasets/{dataset}/curves/{version}``"""
    return _curve_set(call, _version(call))


def list_curve_versions(call: Call) -> Reply:
    """``GET /datasets/{dataset}/curves/versions``"""
    return Reply({"versions": call.service.versions(_dataset(call))})


def promote_curves(call: Call) -> Reply:
    """``POST /datasets/{dataset}/curves/{version}/promote``"""
    return Reply(call.service.promote(_dataset(call), _version(call)))


# -- the service itself -----------------------------------------------------------------------


def openapi(call: Call) -> Reply:
    """``GET /openapi.json``"""
    from shared.api.contract import openapi_document

    base = call.base_url + call.path.removesuffix("/").removesuffix("/openapi.json")
    return Reply(openapi_document(base))


def tools(call: Call) -> Reply:
    """``GET /tools.json``"""
    from shared.api.tools import tool_document

    return Reply(tool_document(call.query.get("style", "chat")))


def health(call: Call) -> Reply:
    """``GET /health``"""
    state = call.service.health()
    return Reply(state, status=200 if state.get("status") == "ok" else 503)


# -- shared steps -----------------------------------------------------------------------------


def _dataset(call: Call) -> str:
    return check_dataset_name(call.route["dataset"])


def _version(call: Call) -> str:
    version = call.route["version"]
    if version != "latest" and not is_curves_version(version):
        raise NotFound("There are no curves of that version.")
    return version


def _curve_set(call: Call, version: str) -> Reply:
    curves = call.service.curves(_dataset(call), version)
    return Reply(curves.to_dict(), headers={"ETag": f'"{curves.version}"'})


def _table(call: Call) -> bytes | list[dict[str, Any]]:
    """A history as CSV bytes, or as the records of a JSON list."""
    if call.content_type == CSV:
        return call.body
    rows = call.json
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        text = "Send a list of objects, one a row, with the columns' names as keys."
        raise InvalidInput.at("", "wrong_type", text)
    return rows


Stored = Callable[[str], tuple[bytes, str]]


def _etag(body: bytes) -> str:
    return f'"{sha256(body).hexdigest()[:32]}"'


def _stored_bytes(call: Call, read: Stored) -> Reply:
    body, content_type = read(_dataset(call))
    return Reply(body, headers={"ETag": _etag(body)}, content_type=content_type)


def _if_match(call: Call, read: Stored) -> None:
    """Refuse a write that rests on something other than what is stored now."""
    wanted = call.headers.get("if-match", "")
    if not wanted:
        return
    try:
        now = _etag(read(_dataset(call))[0])
    except NotFound:
        now = ""
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    if now and ("*" in tags or now in tags):
        return
    raise WriteConflict("It has changed since it was read: read it again, then write.")
