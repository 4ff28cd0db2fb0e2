"""Pairs of channels that work together, or against each other: whose arms meet, and what is told.

What a pair adds is its strength times the product of both levels, for every two arms of the two
channels that meet in a geo; the strength, in outcome standard deviations of the geo, is the same
for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design
from shared.fit.support import AskedModel

__all__ = ["Interplay", "Pairs", "arm_pairs", "asked_pairs", "products", "told_strengths"]

Floats = NDArray[np.float64]
_MOST = 6  # channels whose pairs are fitted where every pair is asked for

#: Arms (one of either channel, in one geo) of an interaction.
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Interplay:
    """Channels by name, the arms of each pair of them that meet, and remarks on what is left."""

    names: tuple[tuple[str, str], ...]
    arms: tuple[Pairs, ...]
    not_used: tuple[str, ...]


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


def asked_pairs(
    spec: Mapping[str, Any], asked: AskedModel, design: Design, names: Sequence[str]
) -> Interplay:
    """The pairs that a spec asks a regression for.

    Where it asks for all there are, those of the channels with the most money are fitted: a
    regression with as many columns as rows would only spread what it cannot tell apart.
    """
    left: tuple[str, ...] = ()
    kept = [(i, j) for i, j in asked.interactions if i in names and j in names]
    if asked.shrunk and len(names) > _MOST:
        channel = design.channel_of_arm
        money = np.bincount(channel, weights=design.mean_spend, minlength=len(names))
        large = {names[c] for c in np.argsort(-money)[:_MOST].tolist()}
        kept = [pair for pair in kept if large >= {*pair}]
        left = (f"/model/interactions: pairs beyond the {_MOST} channels with the most money",)
    elif (spec.get("model") or {}).get("interactions") == "auto":
        left = ("/model/interactions: this kind looks for no pairs by itself; name them, or 'all'",)
    places = [(names.index(i), names.index(j)) for i, j in kept]
    return Interplay(tuple(kept), arm_pairs(design, places), left)


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
