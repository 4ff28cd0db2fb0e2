"""Faults that the domain finds, told where they stand in the request.

The domain counts what it was given: channels that are left, in its own order. The request may hold
more of them, fewer (a stored set has the others), or say the same in a short form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.api.messages import Campaign, OptimizeRequest
from shared.api.pointers import pointer_to
from shared.errors import Fault
from shared.problem.model import Problem

__all__ = ["relocated"]


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
