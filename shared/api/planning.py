"""The planning questions over HTTP: read the message, pose the problem, answer.

An endpoint gives the domain's answer its status and headers; the wrapper tells its errors.

Faults that the domain finds are told where they stand in the request (``relocated``). The domain
counts what it was given: channels that are left, in its own order. The request may hold more of
them, fewer (a stored set has the others), or say the same in a short form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from math import sqrt
from typing import TYPE_CHECKING, Any, TypeVar

from shared.api.changes import apply_changes, located
from shared.api.dataset_messages import FitRequest
from shared.api.http import Call, Reply
from shared.api.messages import (
    MAX_COMPARED,
    Campaign,
    CampaignSpend,
    ChannelSpend,
    Objective,
    OptimizeRequest,
    Scenario,
    ScenariosRequest,
    SensitivityRequest,
)
from shared.api.question_messages import CampaignsRequest, ExperimentRequest, TransitionRequest
from shared.api.reading import (
    CODE,
    accepted,
    first,
    read,
    read_evaluate,
    read_optimize,
    refuse,
    under,
)
from shared.api.semantics import plan_faults
from shared.api.translate import problem_of
from shared.errors import (
    Fault,
    InputTooLarge,
    InvalidInput,
    NotFound,
    NotSupportedYet,
    did_you_mean,
    pointer_to,
)
from shared.plan.scenarios import Variant
from shared.plan.yardstick import Amounts
from shared.problem.arms import arms_of
from shared.problem.model import Channel, Problem
from shared.shapes import validated
from shared.store.keys import check_dataset_name, is_curves_version

if TYPE_CHECKING:
    from shared.curves.curveset import CurveSet


__all__ = [
    "answered",
    "campaigns",
    "evaluate",
    "experiment",
    "fit",
    "in_fit_request",
    "optimize",
    "plan_of",
    "posed",
    "relocated",
    "scenarios",
    "sensitivity",
    "transition",
]

T = TypeVar("T")


def optimize(call: Call) -> Reply:
    """``POST /optimize``"""
    message = read_optimize(call.json)
    problem = problem_of(message, *_stored(call, message))
    moves = message.include is None or "spend_interval" in message.include
    return answered(
        "", message, problem, lambda: call.service.optimize(problem, spend_interval=moves)
    )


def evaluate(call: Call) -> Reply:
    """``POST /evaluate``"""
    message = read_evaluate(call.json)
    problem = posed(call, "/problem", message.problem)
    plan = plan_of(message.plan, problem)
    return answered(
        "/problem", message.problem, problem, lambda: call.service.evaluate(problem, plan)
    )


def scenarios(call: Call) -> Reply:
    """``POST /scenarios``"""
    message = read(ScenariosRequest, call.json, problem="base", more=_scenario_faults)
    raw_base = call.json["base"]
    base = posed(call, "/base", message.base)
    _limit_scenarios(base, len(message.scenarios or ()))
    variants = _variants(call, message, raw_base)
    budgets = message.sweep.budget if message.sweep is not None else ()
    asked = message.frontier
    wanted = None if asked is None else (asked.between, asked.points)
    try:
        answer = call.service.scenarios(base, variants, budgets, wanted)
    except InvalidInput as error:
        told = [_told(fault, message, base, variants, raw_base) for fault in error.faults]
        raise type(error)(told) from None
    return Reply(answer, stamped=True)


def sensitivity(call: Call) -> Reply:
    """``POST /sensitivity``"""
    base = read(SensitivityRequest, call.json, problem="base").base
    problem = posed(call, "/base", base)
    return answered("/base", base, problem, lambda: call.service.sensitivity(problem))


def campaigns(call: Call) -> Reply:
    """``POST /campaigns``"""
    asked = read(CampaignsRequest, call.json, problem="base", plan="plan")
    problem = posed(call, "/base", asked.base, one=True)
    plan = None if asked.plan is None else plan_of(asked.plan, problem)
    return answered("/base", asked.base, problem, lambda: call.service.campaigns(problem, plan))


def _scenario_faults(message: ScenariosRequest) -> Iterator[Fault]:
    yield from _scenario_name_faults(message)
    yield from _sweep_faults(message)
    for i, scenario in enumerate(message.scenarios or ()):
        rows = [row.model_dump(exclude_none=True) for row in scenario.plan or ()]
        yield from plan_faults(rows, "scenarios", i, "plan")


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
    arms, draws = base.arms, base.draws
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
    try:
        message = read_optimize(patched)
        problem = _added_up(message, *_stored(call, message))
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
    request = accepted(*validated(FitRequest, call.json))
    # The spec goes on as it was sent: in it, null (no such column) differs from left out (look).
    spec = call.json.get("spec") or {}
    try:
        parsed = call.service.parse(spec, request.history_csv, request.outcomes_csv)
        curves = call.service.fit(parsed, request.seed)
    except InvalidInput as error:
        raise type(error)([in_fit_request(fault) for fault in error.faults]) from None
    return Reply(curves.to_dict())


def in_fit_request(fault: Fault) -> Fault:
    """A fault of a table or its spec, told from the request that holds them."""
    table = {"/rows": "/history_csv/rows", "/outcomes": "/outcomes_csv"}
    for begin, place in table.items():
        if fault.pointer == begin or fault.pointer.startswith(f"{begin}/"):
            return Fault(place + fault.pointer.removeprefix(begin), fault.code, fault.message)
    return Fault(f"/spec{fault.pointer}", fault.code, fault.message)


def _at(prefix: str, make: Callable[[], T]) -> T:
    """Tell the faults of a part of the request from the whole of it."""
    try:
        return make()
    except InvalidInput as error:
        raise type(error)(under(prefix, error.faults)) from None


def answered(
    prefix: str, message: OptimizeRequest, problem: Problem, ask: Callable[[], dict[str, Any]]
) -> Reply:
    """The domain's answer; what it finds wrong with ``problem`` is told where it stands."""
    try:
        return Reply(ask(), stamped=True)
    except InvalidInput as error:
        told = (relocated(fault, message, problem) for fault in error.faults)
        raise type(error)(under(prefix, told)) from None


def posed(call: Call, prefix: str, base: OptimizeRequest, *, one: bool = False) -> Problem:
    """The problem of a request's part at ``prefix``; ``one``: of one outcome alone."""
    stored = _at(prefix, lambda: _stored(call, base))
    pose = _of_one if one else _added_up
    return _at(prefix, lambda: pose(base, *stored))


Sets = Mapping[str, "CurveSet"]


def _added_up(message: OptimizeRequest, curves: CurveSet | None, sets: Sets) -> Problem:
    """The problem of a question that adds outcomes up, which people counted once do not."""
    problem = problem_of(message, curves, sets)
    if problem.goal.population is not None:
        raise NotSupportedYet.at(
            "/objective/population",
            CODE,
            "People are counted once only by optimize as yet; ask this without a population.",
        )
    return problem


def _of_one(message: OptimizeRequest, curves: CurveSet | None, sets: Sets) -> Problem:
    """The problem of a question that takes the curve of a channel apart."""
    problem = _added_up(message, curves, sets)
    if problem.goal.outcomes:
        text = "Several outcomes are for all questions but tests and campaigns as yet."
        raise NotSupportedYet.at("/objective/outcomes", CODE, text)
    return problem


def _stored(call: Call, message: OptimizeRequest) -> tuple[CurveSet | None, Sets]:
    """The curve set that a request names, and by outcome those of several outcomes."""
    curves, asked = _curves(call, message), (message.objective or Objective()).outcomes
    if curves is None or not asked:
        return curves, {}
    sets = {}
    for j, outcome in enumerate(asked):
        sets[outcome.outcome] = curves
        if outcome.dataset is not None and outcome.dataset != message.dataset:
            where = pointer_to("objective", "outcomes", j, "dataset")
            try:
                name = check_dataset_name(outcome.dataset)
                sets[outcome.outcome] = call.service.curves(name, "latest")
            except NotFound as error:
                refuse([Fault(where, "unknown_dataset", str(error))])
            except InvalidInput as error:
                refuse([replace(fault, pointer=where) for fault in error.faults])
    return curves, sets


def _curves(call: Call, message: OptimizeRequest) -> CurveSet | None:
    """The stored curve set that a request names; None where it brings its own curves."""
    if message.dataset is None:
        return None
    version = message.curves_version or "latest"
    if version != "latest" and not is_curves_version(version):
        raise NotFound("There are no curves of that version.")
    return call.service.curves(check_dataset_name(message.dataset), version)


def transition(call: Call) -> Reply:
    """``POST /transition``"""
    request = read(TransitionRequest, call.json, problem="base")
    problem = posed(call, "/base", request.base)
    return answered(
        "/base",
        request.base,
        problem,
        lambda: call.service.transition(problem, request.max_change, request.periods),
    )


def experiment(call: Call) -> Reply:
    """``POST /experiment``"""
    request = read(ExperimentRequest, call.json, problem="base")
    problem = posed(call, "/base", request.base, one=True)
    noise, correlation = _noise(request, _curves(call, request.base))
    wanted = tuple(request.channels or ())
    _refuse_unknown(wanted, problem)
    options = {
        "noise": noise,
        "correlation": correlation,
        "power": request.power,
        "alpha": request.alpha,
        "periods": request.max_periods,
        "channels": wanted,
        "start": _start(request, problem),
    }
    return answered(
        "/base", request.base, problem, lambda: call.service.experiment(problem, **options)
    )


def _refuse_unknown(wanted: tuple[str, ...], problem: Problem) -> None:
    names = [arm.name for arm in arms_of(problem)]
    refuse(
        [
            Fault(
                pointer_to("channels", i),
                "unknown_channel",
                f"There is no channel {name!r}.{did_you_mean(name, names)}",
            )
            for i, name in enumerate(wanted)
            if name not in names
        ]
    )


def _start(request: ExperimentRequest, problem: Problem) -> date | None:
    if request.start is None:
        return None
    try:
        day = date.fromisoformat(request.start)
    except ValueError:
        raise InvalidInput.at("/start", "not_a_date", f"There is no day {request.start}.") from None
    if problem.frequency is None:
        text = "Only a stored dataset says how long a period is: give base.dataset, or no start."
        raise InvalidInput.at("/start", "conflict", text)
    return day


def _noise(request: ExperimentRequest, curves: CurveSet | None) -> tuple[float, float]:
    """The noise asked for, or what the fit left unexplained: its sd and its correlation."""
    told: dict[str, Any] = {} if curves is None else curves.diagnostics.get("noise") or {}
    correlation = request.noise_correlation
    if correlation is None:
        correlation = 0.0 if request.noise is not None else float(told.get("correlation") or 0.0)
    if request.noise is not None:
        return request.noise, correlation
    by_geo = curves is not None and any("|" in curve.channel for curve in curves.channels)
    scale = float(told.get("scale") or 0.0)
    if scale <= 0.0 or by_geo:
        text = "Say how much the outcome of a period scatters: its standard deviation."
        if by_geo:
            text += " The dataset's own is told for each geo, not for their sum."
        refuse([Fault("/noise", "required", text)])
    degrees = told.get("degrees_of_freedom")
    # The scale of Student's t is less than its standard deviation.
    wider = sqrt(degrees / (degrees - 2.0)) if degrees and degrees > 2.0 else 1.0
    return scale * wider, correlation


def relocated(fault: Fault, message: OptimizeRequest, problem: Problem) -> Fault:
    """``fault`` of ``problem`` with its pointer into ``message``."""
    tokens = fault.pointer.split("/")[1:]
    if len(tokens) < 2 or not tokens[1].isdigit():
        return fault
    where = {"channels": _channel, "constraints": _constraint, "interactions": _interaction}
    place = where.get(tokens[0])
    if place is None:
        return fault
    path = place(tokens, message, problem)
    return Fault(pointer_to(*path), fault.code, fault.message)


Tokens = Sequence[str]
Path = tuple[str | int, ...]


def _entry(items: Sequence[Any], index: str) -> Any:
    return items[int(index)] if int(index) < len(items) else None


def _channel(tokens: Tokens, message: OptimizeRequest, problem: Problem) -> Path:
    found = _entry(problem.channels, tokens[1])
    for i, channel in enumerate(message.channels or ()):
        if found is None or channel.channel != found.name:
            continue
        if len(tokens) < 4 or tokens[2] != "campaigns" or not tokens[3].isdigit():
            return ("channels", i, *_field(tokens[2:], channel))
        below = _entry(found.campaigns, tokens[3])
        for j, campaign in enumerate(channel.campaigns or ()):
            if below is not None and campaign.channel == below.name:
                return ("channels", i, "campaigns", j, *_field(tokens[4:], campaign))
        return ("channels", i)
    # The channel is one of a stored set, of which the request does not speak.
    return ("channels",)


def _field(tokens: Tokens, channel: Campaign) -> Path:
    """A field of a channel, whose response may be given in its short form."""
    if tokens[:1] == ["response"] and channel.response is None:
        return tuple(tokens[1:]) if channel.saturation is not None else ()
    return tuple(tokens)


def _constraint(tokens: Tokens, message: OptimizeRequest, problem: Problem) -> Path:
    found = _entry(problem.constraints, tokens[1])
    for i, rule in enumerate(message.constraints or ()):
        if found is not None and rule.name == found.name:
            return ("constraints", i, *tokens[2:])
    return ("constraints",)


def _interaction(tokens: Tokens, message: OptimizeRequest, problem: Problem) -> Path:
    found = _entry(problem.interactions, tokens[1])
    for i, pair in enumerate(message.interactions or ()):
        if found is not None and tuple(pair.channels) == found.channels and pair.strength:
            return ("interactions", i, *tokens[2:])
    return ("interactions",)


def plan_of(rows: Sequence[ChannelSpend], problem: Problem) -> dict[str, Amounts]:
    """A caller's plan by arm ("tv", or "tv/brand" for a campaign): one entry for each of them.

    Amounts are per period: one number in a problem of one period, else one for each period.

    Raises
    ------
    InvalidInput
        Unknown channels (with near misses), channels that the plan leaves out, amounts for other
        periods than the horizon's; pointers are relative to the request's ``/plan``.
    """
    channels = {channel.name: channel for channel in problem.channels if not channel.excluded}
    periods = problem.horizon.periods
    refuse(first(_plan_faults(rows, channels, periods)))
    told: dict[str, CampaignSpend] = {}
    for row in rows:
        told[row.channel] = row
        told |= {f"{row.channel}/{inner.channel}": inner for inner in row.campaigns or ()}
    plan: dict[str, Amounts] = {}
    for channel in problem.channels:
        for arm in channel.campaigns or (channel,):
            if channel.several:  # of one spend
                whole, parts = told[channel.name], len(channel.campaigns)
                own = None if whole.periods is None else [x / parts for x in whole.periods]
                part = CampaignSpend(
                    channel=arm.name, spend=(whole.spend or 0) / parts, periods=own
                )
                plan[f"{channel.name}/{arm.name}"] = _spends(part, periods)
                continue
            name = channel.name if arm is channel else f"{channel.name}/{arm.name}"
            spent = CampaignSpend(channel=arm.name) if arm.excluded else told[name]
            plan[name] = _spends(spent, periods)
    return plan


def _spends(row: CampaignSpend, periods: int) -> Amounts:
    if row.periods is not None:
        return tuple(row.periods) if periods > 1 else row.periods[0]
    spend = row.spend or 0.0
    return (spend,) * periods if periods > 1 else spend


def _plan_faults(
    rows: Sequence[ChannelSpend], channels: Mapping[str, Channel], periods: int
) -> Iterator[Fault]:
    for i, row in enumerate(rows):
        if row.channel not in channels:
            text = f"There is no channel {row.channel!r}.{did_you_mean(row.channel, channels)}"
            yield Fault(pointer_to("plan", i, "channel"), "unknown_channel", text)
            continue
        yield from _period_faults(row, row.channel, periods, "plan", i)
        yield from _campaign_faults(row, channels[row.channel], periods, i)
    told = {row.channel for row in rows}
    for name in channels:
        if name not in told:
            text = f"The plan leaves out {name}: say 0 where nothing is to be spent."
            yield Fault("/plan", "missing_channel", text)


def _campaign_faults(row: ChannelSpend, channel: Channel, periods: int, i: int) -> Iterator[Fault]:
    below = () if channel.several else channel.campaigns
    known = dict.fromkeys(c.name for c in below if not c.excluded)
    if known and not row.campaigns:
        text = f"{row.channel} has campaigns: say what each of them gets, in campaigns."
        yield Fault(pointer_to("plan", i, "campaigns"), "required", text)
        return
    for j, inner in enumerate(row.campaigns or ()):
        if inner.channel not in known:
            text = f"{row.channel} has no campaign {inner.channel!r}."
            text += did_you_mean(inner.channel, known)
            path = ("plan", i, "campaigns", j, "channel")
            yield Fault(pointer_to(*path), "unknown_channel", text)
        name = f"{row.channel}/{inner.channel}"
        yield from _period_faults(inner, name, periods, "plan", i, "campaigns", j)
    told = {inner.channel for inner in row.campaigns or ()}
    for name in known:
        if name not in told:
            text = f"The plan leaves out {row.channel}/{name}: say 0 where nothing is to be spent."
            yield Fault(pointer_to("plan", i, "campaigns"), "missing_channel", text)


def _period_faults(
    row: CampaignSpend, name: str, periods: int, *path: str | int
) -> Iterator[Fault]:
    if row.periods is not None and len(row.periods) != periods:
        text = (
            f"The plan for {name} must have one amount for each period of the horizon: it has "
            f"{len(row.periods)}, the horizon {periods}."
        )
        yield Fault(pointer_to(*path, "periods"), "length_mismatch", text)
