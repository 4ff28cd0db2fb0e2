"""From a validated message to the domain: names become channels, stored curves fill the gaps.

What the contract knows and this version does not build is refused (``shared.api.unbuilt``), never
silently left out of an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel

from shared.api.faults import validated
from shared.api.messages import Channel, ChannelSpend, EvaluateRequest, OptimizeRequest
from shared.api.pointers import MAX_FAULTS, did_you_mean, pointer_to
from shared.api.semantics import evaluate_faults, optimize_faults, unknown_names
from shared.api.unbuilt import CODE, unbuilt_in_plan, unbuilt_in_request
from shared.curves.curveset import ChannelCurve, CurveSet, Response
from shared.curves.saturation import Saturation, saturation_from_dict
from shared.errors import Fault, InvalidInput, NotSupportedYet
from shared.problem.model import Channel as ProblemChannel
from shared.problem.model import Problem, SolverOptions

__all__ = [
    "accepted",
    "first",
    "plan_of",
    "problem_of",
    "read_evaluate",
    "read_optimize",
    "refuse",
    "under",
]

M = TypeVar("M", bound=BaseModel)

DEFAULT_HEADROOM = 1.5
"""A stored channel's ceiling unless one is asked for: this times its highest observed spend."""

DOUBTFUL = {
    "prior": "the data said next to nothing; the curve is what was believed before.",
    "unspent": "there is no spend in the history; nothing was learned of the curve.",
}
"""Verdicts of a fit that a planner must hear of, in words."""

OUTPUT_PARAMETERS = ("max_response", "coefficient")
"""Parameters that are in units of outcome: a curve is linear in them."""


def under(prefix: str, faults: Iterable[Fault]) -> list[Fault]:
    """The same faults of a part, told from the whole."""
    return [Fault(prefix + fault.pointer, fault.code, fault.message) for fault in faults]


def first(faults: Iterable[Fault]) -> list[Fault]:
    """As many faults as an answer tells, and one more where there are more."""
    return list(islice(faults, MAX_FAULTS + 1))


def refuse(faults: Sequence[Fault]) -> None:
    """Raise the error that tells ``faults``, if there are any."""
    if not faults:
        return
    unique = tuple(dict.fromkeys(faults))
    raise (NotSupportedYet if all(f.code == CODE for f in unique) else InvalidInput)(unique)


def accepted(message: M | None, faults: Sequence[Fault]) -> M:
    """``message`` where nothing speaks against it.

    Raises
    ------
    InvalidInput, NotSupportedYet
        With all of ``faults``.
    """
    refuse(faults)
    if message is None:
        raise AssertionError("a message without faults was not built")
    return message


def read_optimize(raw: Any) -> OptimizeRequest:
    """``raw`` JSON as an optimize request, every fault of shape and sense told at once."""
    message, faults = validated(OptimizeRequest, raw)
    unbuilt = [] if message is None else unbuilt_in_request(message)
    return accepted(message, [*faults, *first(optimize_faults(raw)), *unbuilt])


def read_evaluate(raw: Any) -> EvaluateRequest:
    """``raw`` JSON as an evaluate request, every fault of shape and sense told at once."""
    message, faults = validated(EvaluateRequest, raw)
    unbuilt: list[Fault] = []
    if message is not None:
        unbuilt += under("/problem", unbuilt_in_request(message.problem))
        unbuilt += under("/plan", unbuilt_in_plan(message.plan))
    return accepted(message, [*faults, *first(evaluate_faults(raw)), *unbuilt])


def problem_of(message: OptimizeRequest, curves: CurveSet | None = None) -> Problem:
    """The problem that ``message`` poses, over ``curves`` where it names a dataset.

    Parameters
    ----------
    message
        As ``read_optimize`` gives it.
    curves
        The stored curve set of ``message.dataset``. Its observed spends are the current spends and
        the ceilings (1.5 times the highest) of channels that do not say their own.

    Raises
    ------
    InvalidInput
        Channels that the stored curve set does not have, or curves that no family allows.
    """
    faults: list[Fault] = []
    given = list(enumerate(message.channels or ()))
    if curves is None:
        made = [_inline(i, channel, faults) for i, channel in given if not channel.exclude]
    else:
        made = _stored(curves, given, faults)
        named = message.model_dump(exclude_none=True, include={"constraints", "interactions"})
        faults += first(unknown_names(named, [curve.channel for curve in curves.channels]))
    channels = tuple(channel for channel in made if channel is not None)
    if not channels and not faults:
        message_ = "Every channel is excluded: there is nothing to spend on."
        faults.append(Fault("/channels", "required", message_))
    if curves is not None:
        faults += _draw_faults(channels, given)
    refuse(faults)
    if message.budget is None:
        raise AssertionError("read_optimize refuses a request without a budget")
    solver = message.solver
    return Problem(
        channels=channels,
        budget=message.budget,
        spend_all=message.spend_all,
        options=SolverOptions()
        if solver is None
        else SolverOptions(solver.method, solver.gap, solver.time_limit_s, solver.seed),
        curves_version=None if curves is None else curves.version,
        outcome_unit=None if curves is None else curves.outcome,
        currency=None if curves is None else curves.currency,
        warnings=() if curves is None else tuple(_doubts(curves, channels)),
    )


def _doubts(curves: CurveSet, channels: Sequence[ProblemChannel]) -> Iterator[tuple[str, str]]:
    """What the fit itself said against resting a plan on its curves."""
    if curves.diagnostics.get("promote") is False:
        reasons = " ".join(curves.diagnostics.get("reasons") or ())
        yield "weak_fit", f"These curves did not pass the checks of a refit. {reasons}".rstrip()
    used = {channel.name for channel in channels}
    verdicts = {c.channel: c.verdict for c in curves.channels if c.channel in used}
    for verdict, meaning in DOUBTFUL.items():
        names = [name for name, found in verdicts.items() if found == verdict]
        if names:
            yield "weak_fit", f"{', '.join(names)}: {meaning}"


def _inline(i: int, channel: Channel, faults: list[Fault]) -> ProblemChannel | None:
    response = _response(i, channel, faults)
    if response is None:
        return None
    return ProblemChannel(
        name=channel.channel,
        response=_under_effects(response, channel),
        current_spend=channel.current_spend,
        min_spend=channel.min_spend,
        max_spend=channel.max_spend,
        max_change=channel.max_change,
        locked=channel.locked,
    )


def _stored(
    curves: CurveSet, given: Sequence[tuple[int, Channel]], faults: list[Fault]
) -> list[ProblemChannel | None]:
    """The set's channels in its own order, each under its override where there is one."""
    names = {curve.channel: None for curve in curves.channels}
    overrides = {channel.channel: (i, channel) for i, channel in given}
    faults += first(
        Fault(
            pointer_to("channels", i, "channel"),
            "unknown_channel",
            f"The stored curves have no channel {name!r}.{did_you_mean(name, names)}",
        )
        for name, (i, _) in overrides.items()
        if name not in names
    )
    made: list[ProblemChannel | None] = []
    for curve in curves.channels:
        i, override = overrides.get(curve.channel, (-1, Channel(channel=curve.channel)))
        if not override.exclude:
            made.append(_overridden(curve, i, override, faults))
    return made


def _overridden(
    curve: ChannelCurve, i: int, channel: Channel, faults: list[Fault]
) -> ProblemChannel | None:
    own_curve = channel.response is not None or channel.saturation is not None
    response = _response(i, channel, faults) if own_curve else curve.response
    if response is None:
        return None
    observed = curve.observed_spend
    current = observed.last if channel.current_spend is None else channel.current_spend
    # The default ceiling never contradicts what the caller asks for.
    ceiling = max(DEFAULT_HEADROOM * observed.max, channel.min_spend, current)
    return ProblemChannel(
        name=channel.channel,
        response=_under_effects(response, channel),
        current_spend=current,
        min_spend=channel.min_spend,
        max_spend=ceiling if channel.max_spend is None else channel.max_spend,
        max_change=channel.max_change,
        locked=channel.locked,
        observed_max=observed.max,
        max_spend_is_default=channel.max_spend is None,
    )


def _draw_faults(
    channels: Sequence[ProblemChannel], given: Sequence[tuple[int, Channel]]
) -> list[Fault]:
    """A curve that replaces a stored one must bring as many draws as the others have."""
    counts = {channel.name: len(channel.response.draws) for channel in channels}
    own = {c.channel: i for i, c in given if c.response is not None or c.saturation is not None}
    stored = {count for name, count in counts.items() if name not in own}
    if len(stored) != 1:
        return []
    (wanted,) = stored
    return [
        Fault(
            pointer_to("channels", i, "response", "draws"),
            "unequal_draws",
            f"All channels must carry equally many draws: {name} has {counts[name]}, the stored "
            f"curves have {wanted}.",
        )
        for name, i in own.items()
        if counts.get(name, wanted) != wanted
    ]


def _response(i: int, channel: Channel, faults: list[Fault]) -> Response | None:
    """The curve that a channel brings; a fault, where its class refuses what the message allows."""
    if channel.response is not None:
        data = channel.response.model_dump(exclude_none=True)
        field = "response"
    elif channel.saturation is not None:
        data = {"saturation": channel.saturation.model_dump(exclude_none=True)}
        if channel.adstock is not None:
            data["adstock"] = channel.adstock.model_dump(exclude_none=True)
        field = "saturation"
    else:
        return None
    try:
        return Response.from_dict(data)
    except ValueError as error:
        text = f"The curve of {channel.channel} cannot be used: {error}"
        faults.append(Fault(pointer_to("channels", i, field), "invalid_curve", text))
        return None


def _under_effects(response: Response, channel: Channel) -> Response:
    """The curve under another effectiveness and another price.

    ``effectiveness`` multiplies the outcome. A price of p buys 1/p of the media for the same money:
    as carryover is linear, f(x) becomes f(x / p).
    """
    effect = 1.0 if channel.effectiveness is None else channel.effectiveness
    price = 1.0 if channel.price is None else channel.price
    if effect == 1.0 and price == 1.0:
        return response

    def moved(curve: Saturation) -> Saturation:
        return _times(curve.scaled(1.0 / price), effect)

    return Response(
        saturation=moved(response.saturation),
        adstock=response.adstock,
        draws=tuple(moved(draw) for draw in response.draws),
    )


def _times(curve: Saturation, factor: float) -> Saturation:
    """The curve ``factor * f(x)``, of the same family."""
    if factor == 1.0:
        return curve
    data = curve.to_dict()
    if data["family"] == "tabulated":
        data["response"] = [factor * y for y in data["response"]]
    for key in OUTPUT_PARAMETERS:
        if key in data:
            data[key] = factor * data[key]
    return saturation_from_dict(data)


def plan_of(rows: Sequence[ChannelSpend], problem: Problem) -> dict[str, float]:
    """A caller's plan as spend by channel: one amount for every channel of ``problem``.

    Raises
    ------
    InvalidInput
        Unknown channels (with near misses) and channels that the plan leaves out; pointers are
        relative to the request's ``/plan``.
    """
    names = {channel.name: None for channel in problem.channels}
    plan = {row.channel: row.spend or 0.0 for row in rows}
    refuse(first(_plan_faults(rows, plan, names)))
    return plan


def _plan_faults(
    rows: Sequence[ChannelSpend], plan: Mapping[str, float], names: Mapping[str, None]
) -> Iterator[Fault]:
    for i, row in enumerate(rows):
        if row.channel not in names:
            text = f"There is no channel {row.channel!r}.{did_you_mean(row.channel, names)}"
            yield Fault(pointer_to("plan", i, "channel"), "unknown_channel", text)
    for name in names:
        if name not in plan:
            text = f"The plan leaves out {name}: say 0 where nothing is to be spent."
            yield Fault("/plan", "missing_channel", text)
