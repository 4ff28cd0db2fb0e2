"""What follows a plan, over HTTP: the steps to it, and the test that verifies it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from math import sqrt
from typing import TYPE_CHECKING, Any

from shared.api.faults import validated
from shared.api.http import Call, Reply
from shared.api.messages import Campaign, OptimizeRequest
from shared.api.planning import asked_of, posed
from shared.api.pointers import did_you_mean, pointer_to
from shared.api.reading import accepted, first, refuse, under
from shared.api.semantics import optimize_faults
from shared.api.step_messages import ExperimentRequest, TransitionRequest
from shared.api.unbuilt import CODE, unbuilt_in_request
from shared.errors import Fault, InvalidInput
from shared.problem.arms import arms_of

if TYPE_CHECKING:
    from shared.curves.curveset import CurveSet
    from shared.problem.model import Problem

__all__ = ["experiment", "transition"]


def transition(call: Call) -> Reply:
    """``POST /transition``"""
    message, faults = validated(TransitionRequest, call.json)
    request = accepted(
        message, [*faults, *_base_faults(call, None if message is None else message.base)]
    )
    problem, _ = posed(call, "/base", request.base)
    answer = asked_of(
        "/base",
        request.base,
        problem,
        lambda: call.service.transition(problem, request.max_change, request.periods),
    )
    return Reply(answer, stamped=True)


def experiment(call: Call) -> Reply:
    """``POST /experiment``"""
    message, faults = validated(ExperimentRequest, call.json)
    request = accepted(
        message, [*faults, *_base_faults(call, None if message is None else message.base)]
    )
    problem, curves = posed(call, "/base", request.base)
    noise, correlation = _noise(request, curves)
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
    answer = asked_of(
        "/base", request.base, problem, lambda: call.service.experiment(problem, **options)
    )
    return Reply(answer, stamped=True)


def _base_faults(call: Call, base: OptimizeRequest | None) -> list[Fault]:
    raw: Any = call.json.get("base") if isinstance(call.json, dict) else None
    faults = under("/base", first(optimize_faults(raw)))
    if base is not None:
        faults += under("/base", [*unbuilt_in_request(base), *_dearer(base)])
    return faults


def _dearer(base: OptimizeRequest) -> Iterator[Fault]:
    """Steps and tests follow carryover from period to period, which has no room for a price that
    rises with spend."""
    for i, channel in enumerate(base.channels or ()):
        below = enumerate(channel.campaigns or ())
        parts: list[tuple[Campaign, str]] = [(channel, pointer_to("channels", i))]
        parts += [(part, pointer_to("channels", i, "campaigns", j)) for j, part in below]
        for part, where in parts:
            short = part.adstock is not None
            full = part.response is not None and part.response.adstock is not None
            stored = part.response is None and part.saturation is None
            if part.price_elasticity and (short or full or stored):
                text = (
                    f"{part.channel}: a price that rises with spend beside carryover is not "
                    "supported yet in steps and tests."
                )
                yield Fault(f"{where}/price_elasticity", CODE, text)


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
