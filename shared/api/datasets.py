"""Datasets, curves, runs and the service's own documents over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any

from shared.api.dataset_messages import ImportRequest, StoreCurvesRequest
from shared.api.endpoints import IDEMPOTENCY_KEY, JSON
from shared.api.http import MAX_BYTES, Call, Reply
from shared.api.reading import accepted
from shared.errors import InvalidInput, NotFound, did_you_mean
from shared.shapes import validated
from shared.store.keys import check_dataset_name, is_curves_version, is_run_id

if TYPE_CHECKING:
    from shared.service import Service
    from shared.store.records import Document
    from shared.uploads import Table


__all__ = [
    "dataset_detail",
    "delete_dataset",
    "get_curve_version",
    "get_curves",
    "get_dataset",
    "get_history",
    "get_outcomes",
    "get_run",
    "get_spec",
    "health",
    "if_match_of",
    "import_curves",
    "list_curve_versions",
    "list_datasets",
    "list_runs",
    "page_of",
    "patch_history",
    "promote_curves",
    "put_history",
    "put_outcomes",
    "put_spec",
    "refit",
    "store_curves",
]


def put_spec(call: Call) -> Reply:
    """``PUT /datasets/{dataset}/spec``"""
    from shared.history.spec import Spec, read_spec

    dataset = _dataset(call)
    accepted(*validated(Spec, call.json))
    read_spec(call.json)
    return _put(call.service.put_spec(dataset, call.json, if_match=if_match_of(call)))


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
    found = call.service.datasets(call.query.get("cursor", ""))
    return page_of(call, "datasets", found, lambda entry: entry["dataset"])


def get_dataset(call: Call) -> Reply:
    """``GET /datasets/{dataset}``"""
    return Reply(dataset_detail(call.service, _dataset(call)))


def dataset_detail(service: Service, dataset: str) -> dict[str, Any]:
    """What a dataset has, by its current curves where it has them, else by its history."""
    found = service.dataset(dataset)
    curves = found.pop("curves")
    if curves is None:
        return found
    # A listing or an upload does not pay for the planner.
    from shared.api.reading import read_optimize
    from shared.api.translate import problem_of
    from shared.plan.optimize import current_over
    from shared.problem.arms import current_of

    problem = problem_of(read_optimize({"dataset": dataset, "budget": 0.0}), curves)
    rows = curves.diagnostics.get("rows") or {}
    trust = curves.diagnostics.get("trust")
    return {
        **found,
        "currency": curves.currency,
        "outcome": curves.outcome,
        "frequency": curves.frequency,
        "first": rows.get("first"),
        "last": rows.get("last"),
        "trust": trust,
        "today": current_over(problem),
        "channels": [
            {
                "channel": channel.name,
                "current_spend": current_of(channel),
                "campaigns": [
                    {"channel": below.name, "current_spend": current_of(below)}
                    for below in channel.campaigns
                ],
            }
            for channel in problem.channels
        ],
        "to_settle": [
            {"data": {}, **warning}
            for warning in curves.diagnostics.get("warnings") or ()
            if warning.get("settled_by")
        ],
    }


def delete_dataset(call: Call) -> Reply:
    """``DELETE /datasets/{dataset}``"""
    call.service.delete_dataset(_dataset(call))
    return Reply(None, status=204)


def refit(call: Call) -> Reply:
    """``POST /datasets/{dataset}/refit``; ``?force=true`` fits though nothing changed."""
    dataset, force, key = _dataset(call), call.flag("force"), _idempotency_key(call)
    return _queued(call, call.service.refit(dataset, force=force, key=key))


def list_runs(call: Call) -> Reply:
    """``GET /datasets/{dataset}/runs``"""
    runs = call.service.runs(_dataset(call))
    return page_of(call, "runs", runs, lambda run: run["run"])


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
    versions = call.service.versions(_dataset(call))
    return page_of(call, "versions", versions, lambda entry: entry["version"])


def promote_curves(call: Call) -> Reply:
    """``POST /datasets/{dataset}/curves/{version}/promote``"""
    key = _idempotency_key(call)
    return Reply(call.service.promote(_dataset(call), _version(call), key=key))


# -- the service itself -----------------------------------------------------------------------


def health(call: Call) -> Reply:
    """``GET /health``"""
    state = call.service.health()
    return Reply(state, status=200 if state.get("status") == "ok" else 503)


# -- shared steps -----------------------------------------------------------------------------


def _dataset(call: Call) -> str:
    return check_dataset_name(call.route["dataset"])


def page_of(
    call: Call, name: str, entries: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], str]
) -> Reply:
    """The entries from the cursor on, as many as asked for; the cursor is the last one's key.

    Names come in order, so that one deleted meanwhile does no harm; what comes newest first is
    never deleted alone.
    """
    given, cursor = call.query.get("limit"), call.query.get("cursor")
    if given is not None and not (re.fullmatch("[0-9]{1,4}", given) and 1 <= int(given) <= 1000):
        raise InvalidInput.at("/limit", "out_of_range", "limit is a whole number from 1 to 1000.")
    limit = None if given is None else int(given)
    if cursor is not None and name != "datasets":
        entries = islice(dropwhile(lambda entry: key(entry) != cursor, entries), 1, None)
    found = list(islice(entries, None if limit is None else limit + 1))
    more = limit is not None and len(found) > limit
    kept = found[:limit]
    return Reply({name: kept, "next_cursor": key(kept[-1]) if more else None})


def _idempotency_key(call: Call) -> str | None:
    key = call.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,200}", key):
        text = f"{IDEMPOTENCY_KEY} is 1 to 200 visible ASCII characters."
        raise InvalidInput.at("", "invalid_idempotency_key", text)
    return key


def _version(call: Call) -> str:
    version = call.route["version"]
    if version != "latest" and not is_curves_version(version):
        raise NotFound("There are no curves of that version.")
    return version


def _curve_set(call: Call, version: str) -> Reply:
    with_draws, wanted = call.flag("draws", usual=True), call.query.get("fields")
    curves = call.service.curves(_dataset(call), version)
    body = curves.to_dict(draws=with_draws)
    if wanted is not None:
        fields = [field.strip() for field in wanted.split(",")]
        for field in fields:
            if field not in body:
                text = f"{field[:60]!r} is no field of a curve set.{did_you_mean(field, body)}"
                raise InvalidInput.at("/fields", "unknown_field", text)
        body = {field: body[field] for field in body if field in fields}
    return Reply(body, headers={"ETag": f'"{curves.version}"'})


def _table(call: Call, part: str, how: str = "put") -> Reply:
    """Store a table as it was sent, without its packing; a large one is read by the queue."""
    from shared.history.formats import limit_body, media_of
    from shared.store.records import Asked

    source = call.query.get("source", "") if part == "history" else ""
    dataset, asked = _dataset(call), Asked(part, how, source, if_match_of(call))
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
    return Reply(run, status=202, headers={"Location": location, "Retry-After": "5"})


def if_match_of(call: Call) -> str | None:
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
