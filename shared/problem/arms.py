"""The arms of a problem (channels, or campaigns below them) and what each may spend a period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import DrawStack, stack_draws
from shared.errors import Conflict, Fault, Infeasible, InvalidInput
from shared.problem.canonical import own_bounds
from shared.problem.model import Channel, Problem

__all__ = ["Arm", "arm_bounds", "arm_draws", "arms_of", "current_of", "members"]

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


def arm_draws(arms: Sequence[Arm]) -> DrawStack | None:
    """All draws, or None; an arm without draws among others that have some counts as known."""
    count = max((len(arm.channel.response.draws) for arm in arms), default=0)
    if count == 0:
        return None
    responses = [arm.channel.response for arm in arms]
    return stack_draws([list(r.draws) or [r.saturation] * count for r in responses])


def arm_bounds(arm: Arm, periods: int, reach_cap: float | None) -> tuple[Bound, Bound]:
    """The tightest (bound, name) on spend per period from below and above; ``inf`` for none.

    Raises
    ------
    Infeasible
        Where the two contradict each other by more than a hair.
    """
    channel = arm.channel
    low, high = own_bounds(channel)
    if periods == 1:
        low = max(low, (channel.min_total, "min_total"), key=_first)
        if channel.max_total is not None:
            high = min(high, (channel.max_total, "max_total"), key=_first)
    if reach_cap is not None:
        high = min(high, (reach_cap, "max_frequency"), key=_first)
    if 0.0 < low[0] < channel.minimum_if_active and not channel.locked:
        low = (channel.minimum_if_active, "minimum_if_active")
    if low[0] > high[0]:
        if low[0] - high[0] > HAIR * max(abs(low[0]), abs(high[0])):
            _refuse(arm.name, low, high)
        low = (high[0], low[1])
    return low, high


def _refuse(name: str, low: Bound, high: Bound) -> None:
    """Raise :class:`Infeasible` for two bounds on one spend that cannot hold together."""
    missed = float(low[0] - high[0])
    floor = f"{name}.{low[1]}"
    ceiling = high[1] if high[1].startswith("budget") else f"{name}.{high[1]}"
    raise Infeasible(
        f"{floor} and {ceiling} cannot hold together: they miss by {missed:,.2f}.",
        [
            Conflict(floor, f"{floor} asks for at least {low[0]:,.2f}.", missed),
            Conflict(ceiling, f"{ceiling} allows at most {high[0]:,.2f}.", missed),
        ],
    )


def _first(bound: Bound) -> float:
    return bound[0]
