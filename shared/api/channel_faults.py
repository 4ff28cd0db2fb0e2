"""Rules of one channel, and of the campaigns below it, that span fields."""

from __future__ import annotations

import math
from collections.abc import Iterator
from unicodedata import category

from shared.api.curve_faults import curve_faults, has_curve
from shared.api.pointers import pointer_to
from shared.api.raw_json import Json, named, number
from shared.errors import Fault

__all__ = ["SAME_MONEY", "channel_faults", "duplicate_names"]

Path = tuple[str | int, ...]

SAME_MONEY = 1e-6
"""Amounts this close, relative to their size, are the same: sums of a caller's own are rounded."""


def channel_faults(
    channel: Json, name: str, path: Path, *, stored: bool, periods: int | None
) -> Iterator[Fault]:
    """All faults of a channel and its campaigns that no single field shows.

    Parameters
    ----------
    stored
        Curve and current spend may come from a stored curve set.
    periods
        Of the horizon; None where it cannot be read.
    """
    if name and not name.strip():
        message = "A channel's name must not be blank."
        yield Fault(pointer_to(*path, "channel"), "invalid", message)
    elif any(category(character) == "Cc" for character in name):
        message = "A channel's name must not hold control characters, such as line breaks."
        yield Fault(pointer_to(*path, "channel"), "invalid", message)
    yield from _bound_faults(channel, name, path)
    yield from _lot_faults(channel, name, path)
    yield from _current_faults(channel, name, path, stored)
    yield from _weight_faults(channel, name, path, periods)
    if channel.get("campaigns"):
        yield from _campaign_faults(channel, name, path, stored=stored, periods=periods)
    else:
        yield from _missing_curve(channel, name, path, stored)
    yield from curve_faults(channel, name, path)


def _bound_faults(channel: Json, name: str, path: Path) -> Iterator[Fault]:
    for low, high in (("min_spend", "max_spend"), ("min_total", "max_total")):
        least, most = number(channel, low), number(channel, high)
        if least is not None and most is not None and least > most:
            message = f"{high} of {name} ({most:g}) is below its {low} ({least:g})."
            yield Fault(pointer_to(*path, high), "contradiction", message)


def _lot_faults(channel: Json, name: str, path: Path) -> Iterator[Fault]:
    """A lot or a minimum that nothing but 0 can satisfy, or that a commitment breaks."""
    most, now = number(channel, "max_spend"), number(channel, "current_spend")
    locked = channel.get("locked") is True and now is not None
    lot, least = number(channel, "increment"), number(channel, "minimum_if_active")
    for field, amount in (("increment", lot), ("minimum_if_active", least)):
        if amount is not None and most is not None and amount > most:
            message = f"{field} of {name} ({amount:g}) is above its max_spend ({most:g})."
            yield Fault(pointer_to(*path, field), "contradiction", message)
    if not locked or now is None:
        return
    if lot and lot > 0 and abs(math.remainder(now, lot)) > SAME_MONEY * max(lot, now):
        message = f"{name} is locked at {now:g}, which is no multiple of its increment ({lot:g})."
        yield Fault(pointer_to(*path, "increment"), "contradiction", message)
    if least is not None and 0 < now < least * (1 - SAME_MONEY):
        message = f"{name} is locked at {now:g}, below its minimum_if_active ({least:g})."
        yield Fault(pointer_to(*path, "minimum_if_active"), "contradiction", message)


def _current_faults(channel: Json, name: str, path: Path, stored: bool) -> Iterator[Fault]:
    campaigns = [campaign for _, _, campaign in named(channel.get("campaigns"))]
    parts = [number(campaign, "current_spend") for campaign in campaigns]
    known = [x for x in parts if x is not None]
    whole = number(channel, "current_spend")
    if campaigns and len(known) == len(parts):
        total = sum(known)
        if whole is not None and abs(whole - total) > SAME_MONEY * max(whole, total):
            message = (
                f"current_spend of {name} ({whole:g}) is not the sum of its campaigns' ({total:g})."
            )
            yield Fault(pointer_to(*path, "current_spend"), "contradiction", message)
    elif channel.get("current_spend") is None and not stored:
        if channel.get("locked") is True:
            message = f"{name} is locked at its current spend: current_spend is required."
            yield Fault(pointer_to(*path, "current_spend"), "required", message)
        elif channel.get("max_change") is not None:
            message = (
                f"max_change of {name} is a share of its current spend: current_spend is required."
            )
            yield Fault(pointer_to(*path, "current_spend"), "required", message)


def _weight_faults(channel: Json, name: str, path: Path, periods: int | None) -> Iterator[Fault]:
    weights = channel.get("period_weights")
    if not isinstance(weights, list) or not weights or periods is None or len(weights) == periods:
        return
    message = (
        f"period_weights of {name} must have one entry for each period of the horizon: it has "
        f"{len(weights)}, the horizon {periods}."
    )
    yield Fault(pointer_to(*path, "period_weights"), "length_mismatch", message)


def _campaign_faults(
    channel: Json, name: str, path: Path, *, stored: bool, periods: int | None
) -> Iterator[Fault]:
    for field in ("response", "saturation", "adstock"):
        if channel.get(field) is not None:
            message = f"{name} has campaigns: their responses add up to its own, so give it none."
            yield Fault(pointer_to(*path, field), "conflict", message)
    yield from duplicate_names(channel.get("campaigns"), *path, "campaigns")
    for j, campaign_name, campaign in named(channel.get("campaigns")):
        yield from channel_faults(
            campaign,
            f"{name}/{campaign_name}",
            (*path, "campaigns", j),
            stored=stored,
            periods=periods,
        )


def _missing_curve(channel: Json, name: str, path: Path, stored: bool) -> Iterator[Fault]:
    curve, short = channel.get("response"), channel.get("saturation")
    if channel.get("like") is not None:
        if has_curve(channel):
            message = f"{name} has a curve of its own, so it is like no other: drop one of them."
            yield Fault(pointer_to(*path, "like"), "conflict", message)
        return
    for field in ("scale", "uncertainty"):
        if channel.get(field) is not None:
            message = f"{field} of {name} says how far it is like another channel: name that one."
            yield Fault(pointer_to(*path, "like"), "required", message)
    if curve is not None and (short is not None or channel.get("adstock") is not None):
        message = f"Give {name} a response, or saturation and adstock: not both."
        yield Fault(pointer_to(*path, "response"), "conflict", message)
    elif not has_curve(channel):
        if channel.get("adstock") is not None:
            message = f"adstock of {name} needs the saturation beside it."
            yield Fault(pointer_to(*path, "saturation"), "required", message)
        elif not stored:
            message = f"{name} needs a response: its curve."
            yield Fault(pointer_to(*path, "response"), "required", message)


def duplicate_names(items: object, *path: str | int) -> Iterator[Fault]:
    """Names that stand for two things at once."""
    seen: dict[str, int] = {}
    kind = "campaign" if path[-1:] == ("campaigns",) else "channel"
    for i, name, _ in named(items):
        if name in seen:
            message = f"The {kind} {name!r} is there twice (entries {seen[name] + 1} and {i + 1})."
            yield Fault(pointer_to(*path, i, "channel"), "duplicate", message)
        seen.setdefault(name, i)
