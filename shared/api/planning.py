"""The planning questions over HTTP: read the message, pose the problem, answer.

An endpoint gives the domain's answer its status and headers; the wrapper tells its errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from shared.api.campaign_messages import CampaignsRequest
from shared.api.changes import apply_changes, located
from shared.api.faults import validated
from shared.api.history_messages import FitRequest
from shared.api.http import Call, Reply
from shared.api.messages import (
    MAX_CHANNELS,
    MAX_COMPARED,
    OptimizeRequest,
    Scenario,
    ScenariosRequest,
    SensitivityRequest,
)
from shared.api.plans import plan_of
from shared.api.pointers import pointer_to
from shared.api.reading import accepted, first, read_evaluate, read_optimize, refuse, under
from shared.api.relocation import relocated
from shared.api.semantics import optimize_faults, plan_faults
from shared.api.translate import problem_of
from shared.api.unbuilt import unbuilt_in_plan, unbuilt_in_request
from shared.errors import Fault, InputTooLarge, InvalidInput, NotFound
from shared.plan.scenarios import Variant
from shared.store.keys import check_dataset_name, is_curves_version

if TYPE_CHECKING:
    from shared.curves.curveset import CurveSet
    from shared.problem.model import Problem

__all__ = [
    "asked_of",
    "campaigns",
    "evaluate",
    "fit",
    "optimize",
    "posed",
    "scenarios",
    "sensitivity",
]

T = TypeVar("T")


def optimize(call: Call) -> Reply:
    """``POST /optimize``"""
    _limit_channels(call.json)
    message = read_optimize(call.json)
    problem = problem_of(message, _curves(call, message))
    moves = message.include is None or "spend_interval" in message.include
    return _stamped(
        asked_of("", message, problem, lambda: call.service.optimize(problem, spend_interval=moves))
    )


def evaluate(call: Call) -> Reply:
    """``POST /evaluate``"""
    _limit_channels(_part(call.json, "problem"))
    message = read_evaluate(call.json)
    problem = _at("/problem", lambda: problem_of(message.problem, _curves(call, message.problem)))
    plan = plan_of(message.plan, problem)
    answer = asked_of(
        "/problem", message.problem, problem, lambda: call.service.evaluate(problem, plan)
    )
    return _stamped(answer)


def scenarios(call: Call) -> Reply:
    """``POST /scenarios``"""
    raw_base = _part(call.json, "base")
    _limit_channels(raw_base)
    message, faults = validated(ScenariosRequest, call.json)
    faults += under("/base", first(optimize_faults(raw_base)))
    if message is not None:
        faults += under("/base", unbuilt_in_request(message.base))
        faults += _scenario_name_faults(message)
        faults += _sweep_faults(message)
        for i, scenario in enumerate(message.scenarios or ()):
            rows = _part(call.json, "scenarios")[i].get("plan")
            faults += plan_faults(rows, "scenarios", i, "plan")
            faults += under(f"/scenarios/{i}/plan", unbuilt_in_plan(scenario.plan or []))
    message = accepted(message, faults)
    base = _at("/base", lambda: problem_of(message.base, _curves(call, message.base)))
    _limit_scenarios(base, len(message.scenarios or ()))
    variants = _variants(call, message, raw_base)
    budgets = message.sweep.budget if message.sweep is not None else ()
    asked = message.frontier
    wanted = None if asked is None else (asked.between, asked.points)
    try:
        return _stamped(call.service.scenarios(base, variants, budgets, wanted))
    except InvalidInput as error:
        told = [_told(fault, message, base, variants, raw_base) for fault in error.faults]
        raise type(error)(told) from None


def sensitivity(call: Call) -> Reply:
    """``POST /sensitivity``"""
    raw = _part(call.json, "base")
    _limit_channels(raw)
    message, faults = validated(SensitivityRequest, call.json)
    faults += under("/base", first(optimize_faults(raw)))
    if message is not None:
        faults += under("/base", unbuilt_in_request(message.base))
    base = accepted(message, faults).base
    problem = _at("/base", lambda: problem_of(base, _curves(call, base)))
    return _stamped(asked_of("/base", base, problem, lambda: call.service.sensitivity(problem)))


def campaigns(call: Call) -> Reply:
    """``POST /campaigns``"""
    raw = _part(call.json, "base")
    _limit_channels(raw)
    message, faults = validated(CampaignsRequest, call.json)
    faults += under("/base", first(optimize_faults(raw)))
    faults += plan_faults(_part(call.json, "plan"), "plan")
    if message is not None:
        faults += under("/base", unbuilt_in_request(message.base))
        faults += under("/plan", unbuilt_in_plan(message.plan or []))
    asked = accepted(message, faults)
    problem = _at("/base", lambda: problem_of(asked.base, _curves(call, asked.base)))
    plan = None if asked.plan is None else plan_of(asked.plan, problem)
    answer = asked_of("/base", asked.base, problem, lambda: call.service.campaigns(problem, plan))
    return _stamped(answer)


def _scenario_name_faults(message: ScenariosRequest) -> list[Fault]:
    faults: list[Fault] = []
    if not message.scenarios and message.sweep is None and message.frontier is None:
        text = "There is nothing to compare: give scenarios, a sweep, or a frontier."
        faults.append(Fault("/scenarios", "required", text))
    names = [scenario.name for scenario in message.scenarios or ()]
    for i, name in enumerate(names):
        if name in names[:i]:
            text = f"Two scenarios are called {name!r}."
            faults.append(Fault(pointer_to("scenarios", i, "name"), "duplicate", text))
    return faults


def _sweep_faults(message: ScenariosRequest) -> list[Fault]:
    if message.sweep is None or not message.base.period_budgets:
        return []
    text = (
        "A sweep sets the budget of the whole horizon, which the base's period_budgets already "
        "say: sweep over a base with a budget."
    )
    return [Fault("/sweep/budget", "conflict", text)]


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


def _told(
    fault: Fault,
    message: ScenariosRequest,
    base: Problem,
    variants: Sequence[Variant],
    raw_base: Mapping[str, Any],
) -> Fault:
    """What the domain finds wrong with the base or a scenario, where it stands in the request."""
    part, _, rest = fault.pointer[1:].partition("/")
    if part == "base":
        inner = relocated(replace(fault, pointer=f"/{rest}"), message.base, base)
        return under("/base", [inner])[0]
    number, _, rest = rest.partition("/")
    if part != "scenarios" or not number.isdigit():
        return fault
    i = int(number)
    scenario = (message.scenarios or [])[i]
    changes = {} if scenario.changes is None else scenario.changes
    patched = apply_changes(raw_base, changes)[0]
    inner = relocated(
        replace(fault, pointer=f"/{rest}"), read_optimize(patched), variants[i].problem
    )
    where = pointer_to("scenarios", i, "changes")
    return replace(inner, pointer=where + located(inner.pointer, patched, changes))


def _limit_scenarios(base: Problem, count: int) -> None:
    """Refuse more scenarios of a large base than one answer has time and memory for."""
    arms = [arm for channel in base.channels for arm in channel.campaigns or (channel,)]
    draws = max((len(arm.response.draws) for arm in arms), default=0)
    size = count * len(arms) * max(draws, 1) * base.horizon.periods
    if size > MAX_COMPARED:
        over = "" if base.horizon.periods == 1 else f" and {base.horizon.periods} periods"
        raise InputTooLarge(
            f"{count} scenarios of {len(arms)} channels or campaigns, {max(draws, 1)} draws{over} "
            f"are {size:,} curves; at most {MAX_COMPARED:,} are compared in one request. Send "
            "fewer scenarios at a time."
        )


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
    # The spec goes on as it was sent: in it, null (no such column) differs from left out (look).
    spec = _part(call.json, "spec") or {}
    try:
        curves = call.service.fit(spec, request.history_csv, request.outcomes_csv, request.seed)
    except InvalidInput as error:
        raise type(error)([_in_fit_request(fault) for fault in error.faults]) from None
    return Reply(curves.to_dict())


def _in_fit_request(fault: Fault) -> Fault:
    """A fault of a table or its spec, told from the request that holds them."""
    table = {"/rows": "/history_csv/rows", "/outcomes": "/outcomes_csv"}
    for begin, place in table.items():
        if fault.pointer == begin or fault.pointer.startswith(f"{begin}/"):
            return Fault(place + fault.pointer.removeprefix(begin), fault.code, fault.message)
    return Fault(f"/spec{fault.pointer}", fault.code, fault.message)


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


def asked_of(prefix: str, message: OptimizeRequest, problem: Problem, ask: Callable[[], T]) -> T:
    """Tell what the domain finds wrong with ``problem`` where it stands in the request."""
    try:
        return ask()
    except InvalidInput as error:
        told = (relocated(fault, message, problem) for fault in error.faults)
        raise type(error)(under(prefix, told)) from None


def posed(call: Call, prefix: str, base: OptimizeRequest) -> tuple[Problem, CurveSet | None]:
    """The problem of a request's part at ``prefix``, and the stored curves that it names."""
    _limit_channels(_part(call.json, prefix.removeprefix("/")))
    curves = _curves(call, base)
    return _at(prefix, lambda: problem_of(base, curves)), curves


def _curves(call: Call, message: OptimizeRequest) -> CurveSet | None:
    """The stored curve set that a request names; None where it brings its own curves."""
    if message.dataset is None:
        return None
    version = message.curves_version or "latest"
    if version != "latest" and not is_curves_version(version):
        raise NotFound("There are no curves of that version.")
    return call.service.curves(check_dataset_name(message.dataset), version)
