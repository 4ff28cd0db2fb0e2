"""A caller's own plan: spend by channel or campaign, per period or in each period."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from shared.api.messages import CampaignSpend, ChannelSpend
from shared.api.pointers import did_you_mean, pointer_to
from shared.api.reading import first, refuse
from shared.errors import Fault
from shared.plan.yardstick import Amounts
from shared.problem.model import Channel, Problem

__all__ = ["plan_of"]


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
    known = dict.fromkeys(c.name for c in channel.campaigns if not c.excluded)
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
