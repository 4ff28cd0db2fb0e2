"""Interactions of channels as pairs of arms.

The level of a channel is what its arms bring over the most that they could bring together, so with
campaigns i and j of the two channels, each with a ceiling,

    level level' = sum over i, j of (top_i / sum top) (top_j / sum top') s_i s_j :

every two campaigns are a pair, and the strengths of all of them add up to the interaction's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.curves.saturation import Saturation
from shared.errors import InvalidInput
from shared.problem.arms import Arm, members
from shared.problem.model import Problem
from shared.problem.program import Pair

__all__ = ["pairs_of"]


def pairs_of(problem: Problem, arms: Sequence[Arm]) -> tuple[Pair, ...]:
    """The pairs of all interactions; two that join the same arms are one.

    An interaction may also name single campaigns ("tv/brand"): their own levels count then.

    Raises
    ------
    InvalidInput
        Names that do not exist, curves without a ceiling.
    """
    places = {arm.name: [a] for a, arm in enumerate(arms)}
    own = members(arms)
    places |= {channel.name: own[i] for i, channel in enumerate(problem.channels)}
    strengths: dict[tuple[int, int], float] = {}
    for i, link in enumerate(problem.interactions):
        for name in link.channels:
            if name not in places:
                raise InvalidInput.at("", "unknown_channel", f"There is no channel {name!r}.")
        first, second = (places[name] for name in link.channels)
        for (a, part), (b, other) in (
            (one, two) for one in _parts(arms, first, i) for two in _parts(arms, second, i)
        ):
            strength = link.strength * part * other
            if strength:
                strengths[a, b] = strengths.get((a, b), 0.0) + strength
    return tuple(Pair(a, b, strength) for (a, b), strength in strengths.items())


def _parts(arms: Sequence[Arm], own: Sequence[int], place: int) -> list[tuple[int, float]]:
    """Arms of one channel with their parts of its ceiling; none where it brings nothing."""
    tops = [_ceiling(arms[a], place) for a in own]
    total = sum(tops)
    if total <= 0.0:
        return []
    return [(a, top / total) for a, top in zip(own, tops, strict=True)]


def _ceiling(arm: Arm, place: int) -> float:
    """The most an arm can bring in a period, in the mean over its draws."""
    response = arm.channel.response
    if any(_unlimited(c) for c in (response.saturation, *response.draws)):
        raise _no_level(arm, place)
    curves = response.draws or (response.saturation,)
    return float(np.mean([float(curve.supremum()) for curve in curves]))


def _no_level(arm: Arm, place: int) -> InvalidInput:
    family = arm.channel.response.saturation.family
    return InvalidInput.at(
        f"/interactions/{place}",
        "no_ceiling",
        f"{arm.name}: an interaction needs levels of saturation, and a {family} curve has no "
        "ceiling.",
    )


def _unlimited(curve: Saturation) -> bool:
    return not np.all(np.isfinite(np.asarray(curve.supremum())))
