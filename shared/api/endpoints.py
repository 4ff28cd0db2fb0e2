"""What each HTTP function does, between the wrapper and the service.

An endpoint reads its message, makes the domain's call and gives the answer its status and headers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from shared.api.changes import apply_changes, located
from shared.api.faults import pointer_to, validated
from shared.api.history_messages import FitRequest, Spec
from shared.api.http import CSV, Call, Reply
from shared.api.messages import MAX_CHANNELS, OptimizeRequest, Scenario, ScenariosRequest
from shared.api.semantics import duplicate_names, optimize_faults, plan_faults
from shared.api.translate import (
    accepted,
    plan_of,
    problem_of,
    read_evaluate,
    read_optimize,
    refuse,
    under,
)
from shared.api.unbuilt import CODE, unbuilt_in_plan, unbuilt_in_request
from shared.errors import (
    Fault,
    InputTooLarge,
    InvalidInput,
    NotFound,
    WriteConflict,
)
from shared.plan.scenarios import Variant
from shared.store.keys import check_dataset_name, is_curves_version, is_run_id

T = TypeVar("T")

if TYPE_CHECKING:
    from shared.curves.curveset import CurveSet

__all__ = [
    "delete_dataset",
    "evaluate",
    "fit",
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
    "optimize",
    "promote_curves",
    "put_history",
    "put_outcomes",
    "put_spec",
    "refit",
    "scenarios",
    "tools",
]


# -- planning ---------------------------------------------------------------------------------


def optimize(call: Call) -> Reply:
    """``POST /optimize``"""
    _limit_channels(call.json)
    message = read_optimize(call.json)
    return _stamped(call.service.optimize(problem_of(message, _curves(call, message))))


def evaluate(call: Call) -> Reply:
    """``POST /evaluate``"""
    _limit_channels(_part(call.json, "problem"))
    message = read_evaluate(call.json)
    problem = _at("/problem", lambda: problem_of(message.problem, _curves(call, message.problem)))
    return _stamped(call.service.evaluate(problem, plan_of(message.plan, problem)))


def scenarios(call: Call) -> Reply:
    """``POST /scenarios``"""
    raw_base = _part(call.json, "base")
    _limit_channels(raw_base)
    message, faults = validated(ScenariosRequest, call.json)
    faults += under("/base", optimize_faults(raw_base))
    if message is not None:
        faults += under("/base", unbuilt_in_request(message.base))
        if message.frontier is not None:
            faults.append(Fault("/frontier", CODE, "A frontier is not supported yet."))
        faults += _scenario_name_faults(message)
        for i, scenario in enumerate(message.scenarios or ()):
            rows = _part(call.json, "scenarios")[i].get("plan")
            faults += duplicate_names(rows, "scenarios", i, "plan")
            faults += plan_faults(rows, "scenarios", i, "plan")
            faults += under(f"/scenarios/{i}/plan", unbuilt_in_plan(scenario.plan or []))
    message = accepted(message, faults)
    base = _at("/base", lambda: problem_of(message.base, _curves(call, message.base)))
    variants = _variants(call, message, raw_base)
    budgets = message.sweep.budget if message.sweep is not None else ()
    return _stamped(call.service.scenarios(base, variants, budgets))


def _scenario_name_faults(message: ScenariosRequest) -> list[Fault]:
    faults: list[Fault] = []
    if not message.scenarios and message.sweep is None and message.frontier is None:
        text = "There is nothing to compare: give scenarios, or a sweep."
        faults.append(Fault("/scenarios", "required", text))
    names = [scenario.name for scenario in message.scenarios or ()]
    for i, name in enumerate(names):
        if name in names[:i]:
            text = f"Two scenarios are called {name!r}."
            faults.append(Fault(pointer_to("scenarios", i, "name"), "duplicate", text))
    return faults


def _variants(call: Call, message: ScenariosRequest, raw_base: Mapping[str, Any]) -> list[Variant]:
    """Each scenario as a problem (or plan) of its own; the faults of all of them at once."""
    variants: list[Variant] = []
    faults: list[Fault] = []
    for i, scenario in enumerate(message.scenarios or ()):
        try:
            variants.append(_variant(call, scenario, raw_base, i))
        except InvalidInput as error:
            faults += error.faults
    refuse(faults)
    return variants


def _variant(call: Call, scenario: Scenario, raw_base: Mapping[str, Any], i: int) -> Variant:
    changes = {} if scenario.changes is None else scenario.changes
    patched, faults = apply_changes(raw_base, changes)
    where = pointer_to("scenarios", i, "changes")
    refuse(under(where, faults))
    _limit_channels(patched)
    try:
        message = read_optimize(patched)
        problem = problem_of(message, _curves(call, message))
    except InvalidInput as error:
        refuse(
            [
                Fault(where + located(f.pointer, patched, changes), f.code, f.message)
                for f in error.faults
            ]
        )
        raise
    plan = None
    if scenario.plan is not None:
        rows = scenario.plan
        plan = _at(pointer_to("scenarios", i), lambda: plan_of(rows, problem))
    return Variant(scenario.name, problem, plan)


def fit(call: Call) -> Reply:
    """``POST /fit``"""
    message, faults = validated(FitRequest, call.json)
    request = accepted(message, faults)
    curves = call.service.fit(
        request.spec_dict(), request.history_csv, request.outcomes_csv, request.seed
    )
    return Reply(curves.to_dict())


# -- datasets ---------------------------------------------------------------------------------


def put_spec(call: Call) -> Reply:
    """``PUT /datasets/{dataset}/spec``"""
    message, faults = validated(Spec, call.json)
    spec = accepted(message, faults).model_dump(exclude_none=True)
    dataset = _dataset(call)
    _if_match(call, call.service.get_spec)
    return Reply(call.service.put_spec(dataset, spec))


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
    from shared.api.contract import tool_document

    return Reply(tool_document(call.query.get("style", "chat")))


def health(call: Call) -> Reply:
    """``GET /health``"""
    state = call.service.health()
    return Reply(state, status=200 if state.get("status") == "ok" else 503)


# -- shared steps -----------------------------------------------------------------------------


def _stamped(answer: dict[str, Any]) -> Reply:
    return Reply(answer, stamped=True)


def _part(raw: Any, key: str) -> Any:
    return raw.get(key) if isinstance(raw, dict) else None


def _limit_channels(raw: Any) -> None:
    """Refuse a crowd of channels before anything looks at each of them."""
    channels = _part(raw, "channels")
    if isinstance(channels, list | dict) and len(channels) > MAX_CHANNELS:
        raise InputTooLarge(
            f"The request has {len(channels)} channels; at most {MAX_CHANNELS} are taken."
        )


def _at(prefix: str, make: Callable[[], T]) -> T:
    """Tell the faults of a part of the request from the whole of it."""
    try:
        return make()
    except InvalidInput as error:
        raise type(error)(under(prefix, error.faults)) from None


def _dataset(call: Call) -> str:
    return check_dataset_name(call.route["dataset"])


def _version(call: Call) -> str:
    version = call.route["version"]
    if version != "latest" and not is_curves_version(version):
        raise NotFound("There are no curves of that version.")
    return version


def _curves(call: Call, message: OptimizeRequest) -> CurveSet | None:
    """The stored curve set that a request names; None where it brings its own curves."""
    if message.dataset is None:
        return None
    version = message.curves_version or "latest"
    if version != "latest" and not is_curves_version(version):
        raise NotFound("There are no curves of that version.")
    return call.service.curves(check_dataset_name(message.dataset), version)


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
