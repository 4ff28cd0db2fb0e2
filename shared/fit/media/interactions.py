"""Pairs of channels that work together, or against each other: whose arms meet, and what is told.

What a pair adds is its strength times the product of both levels, for every two arms of the two
channels that meet in a geo; the strength, in outcome standard deviations of the geo, is the same
for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design

__all__ = ["Pairs", "arm_pairs", "products", "told_strengths"]

Floats = NDArray[np.float64]

#: Arms (one of either channel, in one geo) of an interaction.
Pairs = tuple[tuple[int, int], ...]


def arm_pairs(design: Design, channels: Sequence[tuple[int, int]]) -> tuple[Pairs, ...]:
    """Of each pair of channels (places among the active ones) the arms that meet in a geo."""
    arms: dict[tuple[int, int], list[int]] = {}
    for a, arm in enumerate(design.arms):
        arms.setdefault((arm.channel, arm.geo), []).append(a)
    geos = range(len(design.geos))
    return tuple(
        tuple((a, b) for g in geos for a in arms.get((i, g), ()) for b in arms.get((j, g), ()))
        for i, j in channels
    )


def products(levels: Floats, pairs: Sequence[Pairs]) -> Floats:
    """(P, Q, R): what Q interactions of strength one add, of levels (P, A, R), 0 in other geos."""
    out = np.zeros((levels.shape[0], len(pairs), levels.shape[2]))
    for q, pair in enumerate(pairs):
        for i, j in pair:
            out[:, q] += levels[:, i] * levels[:, j]
    return out


def told_strengths(
    design: Design, pairs: Sequence[Pairs], strength: Floats
) -> tuple[Mapping[str, Any], ...]:
    """Each two arms with the mean and 90 % interval of draws (S, Q), in outcome per period."""
    out: list[Mapping[str, Any]] = []
    for place, pair in enumerate(pairs):
        for i, j in pair:
            money = strength[:, place] * design.outcome_scale[design.arms[i].geo]
            low, high = np.quantile(money, [0.05, 0.95])
            out.append(
                {
                    "channels": [design.arms[i].name, design.arms[j].name],
                    "strength": float(money.mean()),
                    "interval": [float(low), float(high)],
                }
            )
    return tuple(out)
