"""Interactions of a problem: those that a request tells, else those that a stored set found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from shared.api.messages import OptimizeRequest
from shared.api.pointers import pointer_to
from shared.api.rule_faults import no_ceiling
from shared.api.unbuilt import CODE
from shared.curves.curveset import CurveSet
from shared.errors import Fault
from shared.problem.model import Channel, Interaction

__all__ = ["interactions_of"]

Channels = Mapping[str, Channel]
Warnings = list[tuple[str, str]]


def interactions_of(
    message: OptimizeRequest,
    curves: CurveSet | None,
    have: Channels,
    faults: list[Fault],
    warnings: Warnings,
) -> tuple[Interaction, ...]:
    """The pairs that add or cost anything between channels that are left and bring anything.

    Parameters
    ----------
    curves
        The stored set: its interactions count where the request does not tell any. An empty list
        in the request tells that there are none.
    have
        The problem's channels by name.
    """
    if message.interactions is None and curves is not None:
        return tuple(_stored(curves, have, warnings))
    return tuple(_told(message, have, faults, warnings))


def _told(
    message: OptimizeRequest, have: Channels, faults: list[Fault], warnings: Warnings
) -> Iterator[Interaction]:
    for i, pair in enumerate(message.interactions or ()):
        first, second = pair.channels
        for j, name in enumerate(pair.channels):
            for part in _parts(have[name]) if name in have else ():
                curve = part.response.saturation
                if not np.isfinite(curve.supremum()):
                    faults.append(no_ceiling(i, j, part.name, curve.family))
                elif "offset" in curve.ranges():
                    where = pointer_to("interactions", i, "channels", j)
                    text = f"An interaction of {part.name}, whose curve has an offset, is not "
                    faults.append(Fault(where, CODE, f"{text}supported yet."))
        if not pair.strength or first not in have or second not in have:
            continue
        nothing = [name for name in pair.channels if _brings_nothing(_parts(have[name]))]
        if nothing:
            warnings.append(_idle(nothing[0]))
        else:
            yield Interaction((first, second), pair.strength)


def _stored(curves: CurveSet, have: Channels, warnings: Warnings) -> Iterator[Interaction]:
    """Those of a stored set, whose ends may be campaigns ("tv/brand") as well."""
    for pair in curves.interactions:
        first, second = (str(name) for name in pair["channels"])
        parts = [_named(name, have) for name in (first, second)]
        strength = float(pair["strength"])
        if not strength or not all(parts):
            continue
        endless = [p.name for below in parts for p in below if not _limited(p)]
        ends = zip((first, second), parts, strict=True)
        nothing = [name for name, below in ends if _brings_nothing(below)]
        if endless:
            text = (
                f"The stored interaction of {first} and {second} is left out: the curve of "
                f"{endless[0]} has no ceiling, so no level of saturation to go by."
            )
            warnings.append(("interaction_left_out", text))
        elif nothing:
            warnings.append(_idle(nothing[0]))
        else:
            yield Interaction((first, second), strength)


def _idle(name: str) -> tuple[str, str]:
    text = f"{name} brings nothing: its interaction with another channel is left out."
    return "idle_interaction", text


def _named(name: str, have: Channels) -> tuple[Channel, ...]:
    """The curves of a channel, or of the campaign below one; () where it is not in the problem."""
    if name in have:
        return _parts(have[name])
    above, _, campaign = name.partition("/")
    below = have[above].campaigns if above in have else ()
    return tuple(part for part in below if part.name == campaign)


def _parts(channel: Channel) -> tuple[Channel, ...]:
    """The channel's campaigns, or the channel itself where it has none."""
    return channel.campaigns or (channel,)


def _limited(part: Channel) -> bool:
    response = part.response
    curves = (response.saturation, *response.draws)
    return all(bool(np.isfinite(curve.supremum())) for curve in curves)


def _brings_nothing(parts: tuple[Channel, ...]) -> bool:
    """Whether all curves are flat at zero, so that there is no level of saturation."""
    curves = [c for part in parts for c in part.response.draws or (part.response.saturation,)]
    return all(float(curve.supremum()) <= 0.0 for curve in curves)
