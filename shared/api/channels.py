"""Channels of a message as channels of the problem: inline curves, stored curves, campaigns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from shared.api.messages import Campaign, Channel
from shared.api.periods import Calendar, Past, own_periods, own_prices
from shared.curves.adstock import LagWeights
from shared.curves.curveset import ChannelCurve, CurveSet, Response
from shared.curves.saturation import Saturation
from shared.errors import MAX_FAULTS, Fault, did_you_mean, pointer_to
from shared.problem.arms import sustained
from shared.problem.model import Channel as ProblemChannel
from shared.problem.model import Flight

__all__ = [
    "LONG_AGO",
    "Given",
    "Reading",
    "inline_channels",
    "limited",
    "past_spend",
    "stopped",
    "stored_channels",
    "stored_names",
    "under_effects",
]

LONG_AGO = 1_000_000
"""Periods, in place of no end."""

LONGEST = 1001  # periods that any carryover but a geometric one ends within

DEFAULT_HEADROOM = 1.5
"""A stored channel's ceiling unless one is asked for: this times its highest observed spend."""

Path = tuple[str | int, ...]
Given = Sequence[tuple[int, Channel]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What every channel of one request is read with; ``faults`` collects what is found.

    ``prior`` is the spend before the horizon by channel or campaign; ``asked`` are those that were
    asked for by :meth:`before`, ``remembered`` those whose earlier spend a stored set knew.
    ``keep``: nobody gets less than today. ``weights``: what several outcomes count; ``sets``: those
    that were fitted, each with its curves.
    """

    prior: Mapping[str, Any]
    calendar: Calendar
    faults: list[Fault]
    keep: bool = False
    past: Past | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    sets: Mapping[str, CurveSet] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    remembered: set[str] = field(default_factory=set)

    def before(self, name: str) -> Any:
        """What was spent on an arm before the horizon: as told, or as a stored set remembers."""
        self.asked.add(name)
        told = self.prior.get(name)
        if told is not None or self.past is None or self.calendar.periods == 1:
            return told
        known = self.past.before(name, self.calendar.start)
        self.remembered.update([name] if known else ())
        return known


def inline_channels(given: Given, reading: Reading) -> list[ProblemChannel]:
    """Channels that bring their own curves; faults where a curve's class refuses it."""
    made = [_channel(channel, channel.channel, ("channels", i), reading) for i, channel in given]
    return [channel for channel in made if channel is not None]


def stored_names(curves: CurveSet) -> list[str]:
    """The channels of a curve set; its arms ``channel/campaign`` belong to ``channel``."""
    return list(dict.fromkeys(curve.channel.partition("/")[0] for curve in curves.channels))


def stored_channels(curves: CurveSet, given: Given, reading: Reading) -> list[ProblemChannel]:
    """The set's channels in its own order, each under its override where there is one."""
    arms: dict[str, list[ChannelCurve]] = {name: [] for name in stored_names(curves)}
    for curve in curves.channels:
        arms[curve.channel.partition("/")[0]].append(curve)
    overrides = {channel.channel: (i, channel) for i, channel in given}
    for name, (i, _) in overrides.items():
        if name not in arms and len(reading.faults) <= MAX_FAULTS:
            text = f"The stored curves have no channel {name!r}.{did_you_mean(name, arms)}"
            where = pointer_to("channels", i, "channel")
            reading.faults.append(Fault(where, "unknown_channel", text))
    made: list[ProblemChannel | None] = []
    for name, stored in arms.items():
        i, override = overrides.get(name, (-1, Channel(channel=name)))
        by_name = {curve.channel: curve for curve in stored}
        made.append(_channel(override, name, ("channels", i), reading, by_name))
    return [channel for channel in made if channel is not None]


def _channel(
    channel: Channel,
    name: str,
    path: Path,
    reading: Reading,
    stored: Mapping[str, ChannelCurve] | None = None,
) -> ProblemChannel | None:
    """A channel with what is below it; None where it cannot be used (a fault) or is left out."""
    if channel.responses is not None or reading.sets:
        observed = None if channel.responses is not None else (stored or {}).get(name)
        return _of_outcomes(channel, name, path, reading, observed)
    given = {campaign.channel: campaign for campaign in channel.campaigns or ()}
    # Without a curve of its own, a stored channel has the campaigns that the fit found for it.
    known = [
        arm.partition("/")[2]
        for arm in stored or ()
        if "/" in arm and channel.response is None and channel.saturation is None
    ]
    names = list(dict.fromkeys([*known, *given]))
    if not names:
        return _arm(channel, name, path, reading, (stored or {}).get(name))
    if channel.price_elasticity:
        text = f"{name} has campaigns: give each of them its own price_elasticity."
        reading.faults.append(Fault(pointer_to(*path, "price_elasticity"), "conflict", text))
    places = {campaign: j for j, campaign in enumerate(given)}
    kept = [c for c in names if c not in given or not given[c].exclude]
    if not kept and not channel.exclude:
        text = f"Every campaign of {name} is excluded: exclude the channel instead."
        reading.faults.append(Fault(pointer_to(*path, "campaigns"), "required", text))
        return None
    arms: list[ProblemChannel] = []
    for campaign in names:
        where = (*path, "campaigns", places.get(campaign, -1))
        arm = f"{name}/{campaign}"
        made = _arm(
            given.get(campaign) or Campaign(channel=campaign),
            arm,
            where,
            reading,
            (stored or {}).get(arm),
            above=channel,
        )
        if made is not None:
            arms.append(made)
    if channel.exclude:
        return replace(arms[0], name=name, campaigns=tuple(arms)) if arms else None
    if sum(not arm.excluded for arm in arms) < len(kept):
        return None
    parts = [arm.current_spend for arm in arms if arm.current_spend is not None]
    total = sum(parts) if len(parts) == len(arms) else None
    # The sum where it is known: a channel's own figure counts excluded campaigns too.
    today = channel.current_spend if total is None else total
    return limited(
        channel,
        name=name,
        periods=own_periods(channel, name, path, reading.calendar),
        keeps=_keeps(today, name, path, reading),
        # Never evaluated: the campaigns' responses are the channel's.
        response=arms[0].response,
        current_spend=today,
        max_spend=channel.max_spend,
        campaigns=tuple(arms),
        flight=_flight(channel, [reading.before(f"{name}/{campaign}") for campaign in names]),
    )


def _flight(channel: Channel, priors: Sequence[Any]) -> Flight | None:
    """How a channel's spend goes on and off, after what its arms spent before: each as for
    :func:`past_spend`."""
    asked = channel.flight
    if asked is None:
        return None
    runs = (asked.min_on or 1, asked.min_off or 1, asked.max_flights)
    if all(prior is None for prior in priors):
        return Flight(*runs)
    lists = [prior[::-1] for prior in priors if isinstance(prior, list)]
    always = any(prior for prior in priors if isinstance(prior, int | float))
    count = max(map(len, lists), default=0)
    ran = [always or any(any(own[i : i + 1]) for own in lists) for i in range(count)]
    last = ran[0] if ran else always
    run = next((i for i, each in enumerate(ran) if each != last), count)
    # What is not told of was spent never, or always.
    endless = run == count and last == always
    return Flight(*runs, (last, LONG_AGO if endless else run))


def _of_outcomes(
    channel: Channel,
    name: str,
    path: Path,
    reading: Reading,
    stored: ChannelCurve | None = None,
) -> ProblemChannel | None:
    """One spend with a curve for each of several outcomes: equal parts of it, one an outcome."""
    prior = reading.before(name)
    if channel.exclude and not prior:
        return None
    own = _told_responses(channel, name, path, reading)
    if channel.responses is None:
        own = _fitted_responses(name, reading)
    if not own:
        return None
    now, most = channel.current_spend, channel.max_spend
    seen = {} if stored is None else _observed(channel, stored, reading)
    now, most = seen.get("current_spend", now), seen.get("max_spend", most)
    effect, price = _effects(channel), _price(channel) / len(own)
    arms: list[ProblemChannel] = []
    for outcome, response in own:
        weight = reading.weights.get(outcome, 1.0)
        before = past_spend(prior, response)
        limits: dict[str, Any] = {
            "name": outcome,
            "response": _under_effects(response, effect * weight, price),
            "period_weights": _weights(channel),
            "period_prices": own_prices(channel, reading.calendar),
            "prior_spend": tuple(amount / len(own) for amount in before),
        }
        made = stopped(ProblemChannel(**limits)) if channel.exclude else ProblemChannel(**limits)
        if now is not None and not channel.exclude:
            made = replace(made, current_spend=now / len(own))
        arms.append(
            replace(
                made,
                outcome=outcome,
                weight=weight,
                penalty=channel.penalty_per_unit or 0.0,
                value_per_outcome=channel.value_per_outcome,
            )
        )
    if channel.exclude:
        return replace(arms[0], name=name, outcome=None, weight=1.0, campaigns=tuple(arms))
    return limited(
        channel,
        name=name,
        periods=own_periods(channel, name, path, reading.calendar),
        keeps=_keeps(now, name, path, reading),
        response=arms[0].response,
        campaigns=tuple(arms),
        flight=_flight(channel, [prior]),
        **{"current_spend": now, "max_spend": most, **seen},
    )


def _told_responses(
    channel: Channel, name: str, path: Path, reading: Reading
) -> list[tuple[str, Response]]:
    """The curves that a channel brings by outcome; faults where a class refuses one."""
    found = []
    for j, item in enumerate(channel.responses or ()):
        try:
            response = Response.from_dict(item.model_dump(exclude_none=True, exclude={"outcome"}))
        except ValueError as error:
            text = f"The curve of {name}/{item.outcome} cannot be used: {error}"
            where = pointer_to(*path, "responses", j)
            reading.faults.append(Fault(where, "invalid_curve", text))
            return []
        found.append((item.outcome, response))
    return found


def _fitted_responses(name: str, reading: Reading) -> list[tuple[str, Response]]:
    """The curves of a channel in the sets of several outcomes, with as many draws as all have.

    The fits know nothing of one another, so that any order of their draws is as good.
    """
    draws = min(len(c.response.draws) for own in reading.sets.values() for c in own.channels)
    found = []
    for outcome, curves in reading.sets.items():
        each = {curve.channel: curve.response for curve in curves.channels}
        if name in each:
            found.append((outcome, replace(each[name], draws=each[name].draws[:draws])))
    return found


def _arm(
    channel: Campaign,
    name: str,
    path: Path,
    reading: Reading,
    stored: ChannelCurve | None,
    above: Channel | None = None,
) -> ProblemChannel | None:
    """A channel without campaigns, or one campaign.

    None where it has no curve (a fault), or is left out and nothing that was spent on it before
    works in the plan.
    """
    excluded = channel.exclude or (above is not None and above.exclude)
    prior = reading.before(name)
    if excluded and not prior:
        return None
    own_curve = channel.response is not None or channel.saturation is not None
    if own_curve:
        response = _response(channel, name, path, reading)
    elif stored is not None:
        response = stored.response
    else:
        text = f"{name} needs a response: its curve. The stored curves have none for it."
        reading.faults.append(Fault(pointer_to(*path, "response"), "required", text))
        return None
    if response is None:
        return None
    effect, price, weights = _effects(channel), _price(channel), _weights(channel)
    prices = own_prices(channel, reading.calendar)
    if above is not None:
        effect, price = effect * _effects(above), price * _price(above)
        weights = _times_each(weights, _weights(above))
        prices = _times_each(prices, own_prices(above, reading.calendar))
    response = _under_effects(response, effect, price)
    now = None if stored is None else stored.observed_spend.last
    now = now if channel.current_spend is None else channel.current_spend
    response, rising = _rising(response, channel, now, name, path, reading)
    limits: dict[str, Any] = {
        "name": channel.channel,
        "response": response,
        "period_weights": weights,
        "period_prices": prices,
        "prior_spend": past_spend(prior, response, rising),
        "rising": rising,
    }
    if excluded:
        return stopped(ProblemChannel(**limits))
    if stored is None:
        limits |= {"current_spend": channel.current_spend, "max_spend": channel.max_spend}
    else:
        limits |= _observed(channel, stored, reading)
        if channel.response is None and channel.saturation is None:
            limits["verdict"] = stored.verdict
    limits["periods"] = own_periods(channel, name, path, reading.calendar)
    if above is None:
        limits["keeps"] = _keeps(limits["current_spend"], name, path, reading)
        if isinstance(channel, Channel):
            limits["flight"] = _flight(channel, [prior])
        return limited(channel, **limits)
    made = limited(channel, **limits)
    return replace(
        made,
        penalty=made.penalty + (above.penalty_per_unit or 0.0),
        value_per_outcome=made.value_per_outcome or above.value_per_outcome,
    )


def _keeps(current: float | None, name: str, path: Path, reading: Reading) -> bool:
    """Whether a channel keeps what it has today, which must then be known."""
    if reading.keep and current is None:
        text = f"keep_current places only extra money: it needs the current_spend of {name}."
        reading.faults.append(Fault(pointer_to(*path, "current_spend"), "required", text))
    return reading.keep


def stopped(channel: ProblemChannel) -> ProblemChannel:
    """A channel that is left out but for what was spent on it before: it spends nothing today."""
    return ProblemChannel(
        channel.name,
        channel.response,
        current_spend=0.0,
        period_weights=channel.period_weights,
        period_prices=channel.period_prices,
        prior_spend=channel.prior_spend,
        rising=channel.rising,
        excluded=True,
    )


def limited(channel: Campaign, **made: Any) -> ProblemChannel:
    """The problem's channel: the limits as the message has them, beside what was ``made``."""
    return ProblemChannel(
        min_spend=channel.min_spend,
        max_change=channel.max_change,
        locked=channel.locked,
        minimum_if_active=channel.minimum_if_active or 0.0,
        penalty=channel.penalty_per_unit or 0.0,
        max_outcome=channel.max_outcome if isinstance(channel, Channel) else None,
        value_per_outcome=channel.value_per_outcome,
        increment=channel.increment or 0.0,
        min_total=channel.min_total or 0.0,
        max_total=channel.max_total,
        **made,
    )


def _observed(channel: Campaign, stored: ChannelCurve, reading: Reading) -> dict[str, Any]:
    """What the history says of spend, where the caller does not."""
    observed, periods = stored.observed_spend, reading.calendar.periods
    current = channel.current_spend
    if current is None and reading.past is not None and reading.past.asked:
        current = reading.past.current(stored.channel)
    current = observed.last if current is None else current
    # The default ceiling never contradicts what the caller asks for.
    ceiling = max(
        DEFAULT_HEADROOM * observed.max,
        channel.min_spend,
        current,
        channel.minimum_if_active or 0.0,
        channel.increment or 0.0,
        (channel.min_total or 0.0) / periods,
    )
    return {
        "current_spend": current,
        "max_spend": ceiling if channel.max_spend is None else channel.max_spend,
        "observed_max": observed.max,
        "max_spend_is_default": channel.max_spend is None,
    }


def _response(channel: Campaign, name: str, path: Path, reading: Reading) -> Response | None:
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
        text = f"The curve of {name} cannot be used: {error}"
        reading.faults.append(Fault(pointer_to(*path, field), "invalid_curve", text))
        return None


def _rising(
    response: Response,
    channel: Campaign,
    now: float | None,
    name: str,
    path: Path,
    reading: Reading,
) -> tuple[Response, tuple[float, float] | None]:
    """The curve where more money makes media dearer, and by how much; faults where there is none.

    Carryover works on the media bought: with one the curve stays over media, else it is over money.
    """
    elasticity = channel.price_elasticity or 0.0
    if not elasticity:
        return response, None
    reference = channel.reference_spend or now
    where = pointer_to(*path, "price_elasticity")
    if not reference:
        text = f"{name}: a price that rises with spend needs a reference_spend (or current_spend)."
        reading.faults.append(Fault(where, "required", text))
        return response, None
    rising = (reference, elasticity)
    try:
        over_money = sustained(ProblemChannel(name, response, rising=rising)).response
    except ValueError as error:
        text = f"The curve of {name} cannot be used: {error}"
        reading.faults.append(Fault(where, "invalid_curve", text))
        return response, None
    adstock = response.adstock
    if adstock is None or not np.any(adstock.weights(LONGEST)[1:]):
        return over_money, None
    return response, rising


def past_spend(
    prior: Any, response: Response, rising: tuple[float, float] | None = None
) -> tuple[float, ...]:
    """Spend in the periods before the plan, oldest first.

    A single amount was spent in every period before. What that leaves behind fits into as many
    periods as the carryover is long; a geometric one forgets nothing, but is left the same by all
    of it at once in the last period: ``sum of decay^k = 1 / (1 - decay)``.
    """
    if prior is None:
        return ()
    if isinstance(prior, list):
        return tuple(float(amount) for amount in prior)
    adstock = response.adstock
    if adstock is None or not prior:
        return ()
    if adstock.family == "geometric":
        power = 1.0 if rising is None else 1.0 - rising[1]  # of media bought for money
        return (float(prior) / (1.0 - float(adstock.to_dict()["decay"])) ** (1.0 / power),)
    if isinstance(adstock, LagWeights):
        return (float(prior),) * adstock.length
    return (float(prior),) * int(adstock.to_dict()["length"])


def _effects(channel: Campaign) -> float:
    return 1.0 if channel.effectiveness is None else channel.effectiveness


def _price(channel: Campaign) -> float:
    return 1.0 if channel.price is None else channel.price


def _weights(channel: Campaign) -> tuple[float, ...]:
    return tuple(channel.period_weights or ())


def _times_each(first: tuple[float, ...], second: tuple[float, ...]) -> tuple[float, ...]:
    """Products of weights, where none at all are ones."""
    if not first or not second:
        return first or second
    return tuple(a * b for a, b in zip(first, second, strict=True))


def under_effects(channel: Campaign, response: Response) -> Response:
    """A channel's curve under its own effectiveness and price."""
    return _under_effects(response, _effects(channel), _price(channel))


def _under_effects(response: Response, effect: float, price: float) -> Response:
    """The curve under another effectiveness and another price.

    ``effect`` multiplies the outcome. A price of p buys 1/p of the media for the same money: as
    carryover is linear, f(x) becomes f(x / p).
    """
    if effect == 1.0 and price == 1.0:
        return response

    def moved(curve: Saturation) -> Saturation:
        return curve.scaled(1.0 / price).times(effect)

    return Response(
        saturation=moved(response.saturation),
        adstock=response.adstock,
        draws=tuple(moved(draw) for draw in response.draws),
    )
