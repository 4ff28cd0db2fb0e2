"""Channels that bring no curve but the name of one that they are like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared.api.channels import Given, Reading, limited, past_spend, stopped, under_effects
from shared.api.messages import Channel
from shared.api.periods import own_periods, own_prices
from shared.api.pointers import did_you_mean, pointer_to
from shared.curves.analogy import DRAWS, by_analogy
from shared.errors import Fault
from shared.problem.model import Channel as ProblemChannel

__all__ = ["alike_channels"]

USUAL = 2.0
"""How unsure a curve by analogy is, unless the caller says: a factor of two either way."""


def alike_channels(
    given: Given,
    made: Sequence[ProblemChannel],
    reading: Reading,
    seed: int,
    warnings: list[tuple[str, str]],
) -> list[ProblemChannel]:
    """The channels of ``given`` with a ``like``, after those that have curves of their own."""
    known = {channel.name: channel for channel in made}
    found: list[ProblemChannel] = []
    for i, channel in given:
        before = reading.before(channel.channel)
        if channel.like is None or (channel.exclude and not before):
            continue
        fault = _fault(channel, known)
        if fault is not None:
            field, code, text = fault
            reading.faults.append(Fault(pointer_to("channels", i, field), code, text))
            continue
        scale = 1.0 if channel.scale is None else channel.scale
        unsure = USUAL if channel.uncertainty is None else channel.uncertainty
        alike = _channel(channel, known[channel.like], made, scale, unsure, seed)
        alike = replace(
            alike,
            prior_spend=past_spend(before, alike.response),
            periods=own_periods(channel, channel.channel, ("channels", i), reading.calendar),
            period_prices=own_prices(channel, reading.calendar),
            keeps=reading.keep,
        )
        found.append(stopped(alike) if channel.exclude else alike)
        text = (
            f"{channel.channel} has no history: its curve is that of {channel.like} at {scale:g} "
            f"of the size, its return and its size uncertain by a factor of {unsure:g} either way."
        )
        text += "" if channel.exclude else " Start small and test it."
        warnings.append(("curve_by_analogy", text))
    return found


def _fault(channel: Channel, known: dict[str, ProblemChannel]) -> tuple[str, str, str] | None:
    """What keeps a channel from being like another: field, code, message."""
    name, other = channel.channel, channel.like or ""
    if name in known:
        return "like", "contradiction", f"{name} has a curve of its own, so it is like no other."
    if channel.campaigns:
        return "campaigns", "contradiction", f"{name} is like {other}: it has no campaigns."
    if other not in known:
        text = f"There is no channel {other!r} with a curve to be like.{did_you_mean(other, known)}"
        return "like", "unknown_channel", text
    if known[other].campaigns:
        return "like", "invalid", f"{other} has campaigns, each with a curve of its own."
    return None


def _channel(
    channel: Channel,
    known: ProblemChannel,
    made: Sequence[ProblemChannel],
    scale: float,
    unsure: float,
    seed: int,
) -> ProblemChannel:
    arms = [arm for each in made for arm in each.campaigns or (each,)]
    count = max((len(arm.response.draws) for arm in arms), default=0) or DRAWS
    response = by_analogy(
        known.response, channel.channel, scale=scale, uncertainty=unsure, draws=count, seed=seed
    )
    ceiling = channel.max_spend
    by_default = ceiling is None and known.max_spend_is_default and known.max_spend is not None
    if by_default and known.max_spend is not None:
        ceiling = max(scale * known.max_spend, channel.min_spend, channel.current_spend or 0.0)
    return limited(
        channel,
        name=channel.channel,
        response=under_effects(channel, response),
        period_weights=tuple(channel.period_weights or ()),
        current_spend=channel.current_spend or 0.0,
        max_spend=ceiling,
        max_spend_is_default=by_default,
        observed_max=channel.current_spend or 0.0,
    )
