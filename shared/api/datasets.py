"""Datasets, curves, runs and the service's own documents over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.api.dataset_messages import ImportRequest, StoreCurvesRequest
from shared.api.http import JSON, MAX_BYTES, Call, Reply
from shared.api.reading import accepted
from shared.errors import InvalidInput, NotFound
from shared.shapes import validated
from shared.store.keys import check_dataset_name, is_curves_version, is_run_id

if TYPE_CHECKING:
    from shared.store.records import Document
    from shared.uploads import Table


__all__ = [
    "delete_dataset",
    "get_curve_version",
    "get_curves",
    "get_history",
    "get_outcomes",
    "get_run",
    "get_spec",
    "health",
    "import_curves",
    "list_curve_versions",
    "list_datasets",
    "openapi",
    "patch_history",
    "promote_curves",
    "put_history",
    "put_outcomes",
    "put_spec",
    "refit",
    "store_curves",
    "tools",
]


def put_spec(call: Call) -> Reply:
    """``PUT /datasets/{dataset}/spec``"""
    from shared.history.spec import Spec, read_spec

    dataset = _dataset(call)
    accepted(*validated(Spec, call.json))
    read_spec(call.json)
    return _put(call.service.put_spec(dataset, call.json, if_match=_if_match(call)))


def put_history(call: Call) -> Reply:
    """``PUT /datasets/{dataset}/history``"""
    return _table(call, "history", "source" if call.query.get("source") else "put")


def patch_history(call: Call) -> Reply:
    """``PATCH /datasets/{dataset}/history``"""
    return _table(call, "history", "patch")


def put_outcomes(call: Call) -> Reply:
    """``PUT /datasets/{dataset}/outcomes``"""
    return _table(call, "outcomes")


def get_spec(call: Call) -> Reply:
    """``GET /datasets/{dataset}/spec``"""
    return _got(call.service.get_spec(_dataset(call)))


def get_history(call: Call) -> Reply:
    """``GET /datasets/{dataset}/history``"""
    return _got(call.service.get_history(_dataset(call)))


def get_outcomes(call: Call) -> Reply:
    """``GET /datasets/{dataset}/outcomes``"""
    return _got(call.service.get_outcomes(_dataset(call)))


def list_datasets(call: Call) -> Reply:
    """``GET /datasets``"""
    return Reply({"datasets": call.service.datasets()})


def delete_dataset(call: Call) -> Reply:
    """``DELETE /datasets/{dataset}``"""
    call.service.delete_dataset(_dataset(call))
    return Reply(None, status=204)


def refit(call: Call) -> Reply:
    """``POST /datasets/{dataset}/refit``; ``?force=true`` fits though nothing changed."""
    return _queued(call, call.service.refit(_dataset(call), force=_flag(call, "force")))


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


def _flag(call: Call, name: str) -> bool:
    given = call.query.get(name, "false").lower()
    if given not in ("true", "false"):
        raise InvalidInput.at(f"/{name}", "unknown_value", f"{name} is true or false.")
    return given == "true"


def _version(call: Call) -> str:
    version = call.route["version"]
    if version != "latest" and not is_curves_version(version):
        raise NotFound("There are no curves of that version.")
    return version


def _curve_set(call: Call, version: str) -> Reply:
    curves = call.service.curves(_dataset(call), version)
    etag = f'"{curves.version}"'
    known = call.headers.get("if-none-match", "")
    # A version never changes, so a weak tag is as good as a strong one.
    if known.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Reply(None, status=304, headers={"ETag": etag})
    return Reply(curves.to_dict(), headers={"ETag": etag})


def _table(call: Call, part: str, how: str = "put") -> Reply:
    """Store a table as it was sent, without its packing; a large one is read by the queue."""
    from shared.history.formats import limit_body, media_of
    from shared.store.records import Asked

    source = call.query.get("source", "") if part == "history" else ""
    dataset, asked = _dataset(call), Asked(part, how, source, _if_match(call))
    media = JSON if call.content_type == JSON else media_of(call.body)
    if len(call.body) > MAX_BYTES:
        limit_body(call.body)
        return _queued(call, call.service.queue_table(dataset, asked, call.body, media))
    table: Table = call.body
    if media == JSON:
        table = call.json
        if not isinstance(table, list | dict) or not table:
            text = "Send a list of objects, one a row, with the columns' names as keys."
            raise InvalidInput.at("", "wrong_type", text)
    return _put(call.service.put_table(dataset, asked, table, media), call, media)


def _queued(call: Call, run: Mapping[str, Any]) -> Reply:
    """The answer to what the queue will do: where its run is to be looked at."""
    location = f"{call.base_url}{call.path.removesuffix('/').rpartition('/')[0]}/runs/{run['run']}"
    return Reply(run, status=202, headers={"Location": location})


def _if_match(call: Call) -> str | None:
    """The ETag that a write rests on; a weak one is as good, for bodies here are whole bytes."""
    return call.headers.get("if-match", "").strip().removeprefix("W/") or None


def _put(report: Mapping[str, Any], call: Call | None = None, media: str = "") -> Reply:
    """The answer to what was stored; a table sent as of another type than it is of is told."""
    body = dict(report)
    if call is not None and media != call.content_type and "sheet" in media + call.content_type:
        text = f"The content is {media}, and was sent as {call.content_type}: the content counts."
        found: dict[str, Any] = {
            "code": "content_type",
            "message": text,
            "data": {},
            "settled_by": None,
        }
        body["findings"] = [found, *body["findings"]]
    return Reply(body, headers={"ETag": report["etag"]})


def _got(document: Document) -> Reply:
    headers = {"ETag": document.etag}
    return Reply(document.data, headers=headers, content_type=document.content_type)


def import_curves(call: Call) -> Reply:
    """``POST /curves/import``"""
    message = accepted(*validated(ImportRequest, call.json))
    return Reply(call.service.import_curves(_asked(message)).to_dict())


def store_curves(call: Call) -> Reply:
    """``POST /datasets/{dataset}/curves``"""
    dataset = check_dataset_name(call.route["dataset"])
    message = accepted(*validated(StoreCurvesRequest, call.json))
    stored = call.service.store_curves(dataset, _asked(message), promote=message.promote)
    location = f"{call.base_url}{call.path.removesuffix('/')}/{stored['version']}"
    return Reply(stored, status=201, headers={"Location": location})


def _asked(message: ImportRequest) -> dict[str, Any]:
    return message.model_dump(exclude_none=True, exclude={"promote"})
