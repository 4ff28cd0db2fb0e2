"""What a plan's answer rests on: the parameters of its curves, each of which can be moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared.curves.adstock import adstock_from_dict
from shared.curves.curveset import Response
from shared.curves.saturation import Saturation, saturation_from_dict
from shared.problem.model import Channel, Problem

__all__ = ["Parameter", "arm_names", "moved", "parameters_of", "spread_of"]

WITHOUT_DRAWS = 0.1
"""Relative uncertainty that is looked at where nothing is known of a parameter's."""

_FIXED = ("family", "length", "normalised")  # of an adstock: not numbers that can move a little


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of one arm's curve.

    Attributes
    ----------
    arm
        "tv", or "tv/brand" for a campaign.
    part, name
        "saturation" or "adstock", and the parameter; of a tabulated curve "response" and "spend"
        stand for all its points at once, "values[2]" for one of ``lag_weights``.
    value
        Of the point curve; None for a list of points.
    at
        Place of a lag weight in ``values``, from 0.
    """

    arm: str
    part: str
    name: str
    value: float | None
    at: int | None = None


def parameters_of(problem: Problem) -> Iterator[Parameter]:
    """Every parameter that is not zero, arm by arm."""
    for name, arm in _arms(problem):
        parts: list[tuple[str, dict[str, Any]]] = [
            ("saturation", arm.response.saturation.parameters())
        ]
        if arm.response.adstock is not None:
            own = arm.response.adstock.to_dict()
            parts.append(("adstock", {k: v for k, v in own.items() if k not in _FIXED}))
        for part, values in parts:
            for key, value in values.items():
                if part == "adstock" and isinstance(value, list):
                    for at, weight in enumerate(value):
                        if weight != 0.0:
                            yield Parameter(name, part, f"{key}[{at}]", weight, at)
                    continue
                number = None if isinstance(value, list | tuple) else float(value)
                if number != 0.0:
                    yield Parameter(name, part, key, number)


def arm_names(problem: Problem) -> list[str]:
    """The arms as :class:`Parameter` names them, in the order of a plan's rows."""
    return [name for name, _ in _arms(problem)]


def moved(problem: Problem, parameter: Parameter, factor: float) -> Problem:
    """The problem with one parameter times ``factor``, in the point curve and in every draw.

    Raises
    ------
    ValueError
        The curve does not allow that value (a decay of one, an exponent above one).
    """
    channel, _, campaign = parameter.arm.partition("/")

    def change(arm: Channel) -> Channel:
        return replace(arm, response=_scaled(arm.response, parameter, factor))

    def pick(owner: Channel) -> Channel:
        if owner.name != channel:
            return owner
        if not campaign:
            return change(owner)
        below = tuple(change(c) if c.name == campaign else c for c in owner.campaigns)
        return replace(owner, campaigns=below)

    return replace(problem, channels=tuple(pick(c) for c in problem.channels))


def spread_of(problem: Problem, parameter: Parameter) -> tuple[float, str]:
    """Relative standard deviation of a parameter, and what it is read from.

    ``"draws"`` where the curve has draws in which it moves; ``"assumed"`` (a tenth) otherwise.
    """
    arm = dict(_arms(problem))[parameter.arm]
    if parameter.part == "saturation" and parameter.value is not None and arm.response.draws:
        values = np.array([d.parameters()[parameter.name] for d in arm.response.draws], float)
        mean = float(values.mean())
        if mean != 0.0 and np.ptp(values) > 0.0:
            return float(values.std() / abs(mean)), "draws"
    return WITHOUT_DRAWS, "assumed"


def _arms(problem: Problem) -> Iterator[tuple[str, Channel]]:
    for channel in problem.channels:
        if channel.campaigns:
            for campaign in channel.campaigns:
                yield f"{channel.name}/{campaign.name}", campaign
        else:
            yield channel.name, channel


def _scaled(response: Response, parameter: Parameter, factor: float) -> Response:
    if parameter.part == "adstock":
        assert response.adstock is not None
        own = response.adstock.to_dict()
        if parameter.at is None:
            own[parameter.name] *= factor
        else:
            own["values"][parameter.at] *= factor
        return replace(response, adstock=adstock_from_dict(own))
    return replace(
        response,
        saturation=_times(response.saturation, parameter.name, factor),
        draws=tuple(_times(draw, parameter.name, factor) for draw in response.draws),
    )


def _times(curve: Saturation, name: str, factor: float) -> Saturation:
    own = curve.to_dict()
    value = own[name]
    listed = isinstance(value, list | tuple)
    own[name] = [v * factor for v in value] if listed else value * factor
    return saturation_from_dict(own)
