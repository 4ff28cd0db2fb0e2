"""The arms of a problem (channels, or campaigns below them) and what each may spend a period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import Response
from shared.curves.derived import at_rising_price
from shared.curves.saturation import Saturation
from shared.curves.stack import CurveStack, DrawStack, stack, stack_draws
from shared.errors import Fault, InvalidInput
from shared.problem.model import Channel, Problem, span_name

__all__ = [
    "HAIR",
    "Arm",
    "Bound",
    "Entry",
    "arm_curves",
    "arms_of",
    "current_of",
    "entries_of",
    "freed",
    "members",
    "on_arms",
    "own_bounds",
    "sustained",
]

Array = NDArray[np.float64]
Bound = tuple[float, str]
HAIR = 1e-9  # what rounding in a caller's own sums can miss by, relative


@dataclass(frozen=True, slots=True)
class Arm:
    """What money is given to: a channel without campaigns, or a campaign.

    ``name`` is "tv" or "tv/brand", ``parent`` the index of the channel, ``pointer`` leads to it in
    the request.
    """

    name: str
    channel: Channel
    parent: int
    pointer: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one period alone, and by which names; None: nothing of that side."""

    floor: float | None = None
    roof: float | None = None
    floor_by: str = ""
    roof_by: str = ""

    @property
    def booked(self) -> bool:
        """Whether the spend is fixed."""
        return self.floor_by.startswith("spend[")

    def lets(self, low: float, high: float) -> tuple[float, float]:
        """What is left of a limit of all periods: a side that is told here goes before it, and
        one that is not gives way to the other."""
        low = -np.inf if self.floor is not None else min(low, self.roof or 0.0)
        return low, np.inf if self.roof is not None else max(high, self.floor or 0.0)

    def asks(self) -> list[tuple[str, float, float]]:
        """Names with both sides of what they ask for."""
        if self.booked and self.floor is not None:
            return [(self.floor_by, self.floor, self.floor)]
        sides = []
        if self.floor is not None:
            sides.append((self.floor_by, self.floor, np.inf))
        if self.roof is not None:
            sides.append((self.roof_by, -np.inf, self.roof))
        return sides


def entries_of(channel: Channel, periods: int) -> list[Entry | None]:
    """By period what is said of it alone; later entries go before earlier ones."""
    out: list[Entry | None] = [None] * periods
    for limits in channel.periods:
        span = span_name(limits.first, limits.last)
        for t in range(limits.first - 1, limits.last):
            if limits.spend is not None:
                out[t] = Entry(limits.spend, limits.spend, f"spend{span}", f"spend{span}")
                continue
            before = out[t]
            now = Entry() if before is None or before.booked else before
            if limits.min_spend is not None:
                now = replace(now, floor=limits.min_spend, floor_by=f"min_spend{span}")
            if limits.max_spend is not None:
                now = replace(now, roof=limits.max_spend, roof_by=f"max_spend{span}")
            out[t] = now
    return out


def arms_of(problem: Problem) -> tuple[Arm, ...]:
    """All arms in the caller's order.

    Raises
    ------
    InvalidInput
        For a change limit or a lock without current spend, and unequal numbers of draws.
    """
    arms: list[Arm] = []
    for i, channel in enumerate(problem.channels):
        if not channel.campaigns:
            arms.append(Arm(channel.name, channel, i, f"/channels/{i}"))
            continue
        for j, campaign in enumerate(channel.campaigns):
            plain = campaign.name.removeprefix(f"{channel.name}/")
            pointer = f"/channels/{i}/campaigns/{j}"
            arms.append(Arm(f"{channel.name}/{plain}", campaign, i, pointer))
    _check(problem, arms)
    return tuple(arms)


def members(arms: Sequence[Arm]) -> list[list[int]]:
    """By channel, the places of its arms."""
    out: list[list[int]] = [[] for _ in range(max((arm.parent for arm in arms), default=-1) + 1)]
    for a, arm in enumerate(arms):
        out[arm.parent].append(a)
    return out


def _check(problem: Problem, arms: Sequence[Arm]) -> None:
    places = [(arm.name, arm.channel, arm.pointer) for arm in arms]
    places += [
        (channel.name, channel, f"/channels/{i}")
        for i, channel in enumerate(problem.channels)
        if channel.campaigns and current_of(channel) is None
    ]
    faults = [
        Fault(f"{pointer}/{field}", "missing", f"{name}: {field} needs a current_spend.")
        for name, channel, pointer in places
        for field, used in (
            ("locked", channel.locked),
            ("max_change", channel.max_change is not None),
        )
        if used and channel.current_spend is None
    ]
    most = max((len(arm.channel.response.draws) for arm in arms), default=0)
    faults += [
        Fault(
            f"{arm.pointer}/response/draws",
            "unequal_draws",
            f"{arm.name}: has {len(arm.channel.response.draws)} draws; draw s of every channel "
            "belongs together, so all carry equally many.",
        )
        for arm in arms
        if len(arm.channel.response.draws) not in (0, most)
    ]
    if faults:
        raise InvalidInput(faults)


def current_of(channel: Channel) -> float | None:
    """Today's spend of a channel: its own figure, or else the sum of its campaigns'."""
    if channel.current_spend is not None or not channel.campaigns:
        return channel.current_spend
    each = [campaign.current_spend for campaign in channel.campaigns]
    known = [spend for spend in each if spend is not None]
    return sum(known) if len(known) == len(each) else None


def on_arms(problem: Problem, change: Callable[[int, Channel], Channel]) -> tuple[Channel, ...]:
    """The channels with every arm changed, by its place among all arms."""
    places = count()

    def changed(channel: Channel) -> Channel:
        if not channel.campaigns:
            return change(next(places), channel)
        return replace(channel, campaigns=tuple(map(changed, channel.campaigns)))

    return tuple(map(changed, problem.channels))


def freed(channel: Channel, **more: Any) -> Channel:
    """The channel without limits of its own; ``more``: fields to set beside."""
    none: dict[str, Any] = {"min_spend": 0.0, "max_spend": None, "max_change": None}
    none |= {"locked": False, "minimum_if_active": 0.0, "increment": 0.0, "keeps": False}
    none |= {"min_total": 0.0, "max_total": None, "periods": ()}
    return replace(channel, **none | more)


def own_bounds(channel: Channel) -> tuple[Bound, Bound]:
    """The tightest (bound, name) from below and above, the budget left aside."""
    low = (channel.min_spend, "min_spend" if channel.min_spend > 0 else "")
    high = (np.inf if channel.max_spend is None else channel.max_spend, "max_spend")
    if channel.excluded:
        return (0.0, ""), (0.0, "exclude")
    current = channel.current_spend
    if current is not None and channel.locked:
        # A commitment meets any change limit, but not any floor or ceiling: where it breaks one,
        # both stay, and the pair is refused by name.
        slack = HAIR * current
        if low[0] <= current + slack:
            low = (current, "locked")
        if high[0] >= current - slack or channel.max_spend_is_default:
            high = (current, "locked")
        return low, high
    if current is not None and channel.max_change is not None:
        least = max(current * (1 - channel.max_change), 0.0)
        low = max(low, (least, "max_change" if least > 0 else ""), key=_first)
        high = min(high, (current * (1 + channel.max_change), "max_change"), key=_first)
    if current is not None and channel.keeps:
        low = max(low, (current, "keep_current" if current > 0 else ""), key=_first)
    if channel.max_spend_is_default and high[1] == "max_spend" and high[0] < low[0]:
        high = (low[0], "max_spend")  # a ceiling nobody asked for gives way to a stated floor
    return low, high


def arm_curves(arms: Sequence[Arm]) -> tuple[CurveStack, DrawStack | None]:
    """The arms' curves, and all draws of them or None.

    An arm without draws among others that have some counts as known.
    """
    responses = [arm.channel.response for arm in arms]
    curves = stack([r.saturation for r in responses])
    most = max((len(r.draws) for r in responses), default=0)
    if most == 0:
        return curves, None
    return curves, stack_draws([list(r.draws) or [r.saturation] * most for r in responses])


def sustained(channel: Channel) -> Channel:
    """The channel as spend of every period sees it, where media get dearer: its curve over money.

    Raises
    ------
    ValueError
        A curve that :func:`~shared.curves.derived.at_rising_price` refuses.
    """
    if channel.rising is None:
        return channel
    reference, elasticity = channel.rising
    adstock = channel.response.adstock
    whole = 1.0 if adstock is None else adstock.total_weight()

    def dearer(curve: Saturation) -> Saturation:
        return at_rising_price(curve.scaled(whole), reference, elasticity)

    own = channel.response
    response = Response(dearer(own.saturation), None, tuple(map(dearer, own.draws)))
    return replace(channel, response=response, rising=None)


def _first(bound: Bound) -> float:
    return bound[0]
