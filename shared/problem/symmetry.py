"""Channels that nothing tells apart: the same curve, the same bounds.

Exchanging the spends of two such channels changes neither the outcome nor what is allowed, so
nothing is lost by looking only at plans in which the spends of each group do not rise from one
member to the next. Without this, a search would visit every permutation of the same plan.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import Group
from shared.problem.canonical import Canonical

__all__ = ["alike", "in_order"]

Array = NDArray[np.float64]
Groups = tuple[NDArray[np.intp], ...]
MOST_CHANNELS = 5_000  # beyond, sorting parameters would cost more than it could save


def alike(canonical: Canonical) -> Groups:
    """Groups of at least two channels with equal curves (all draws included) and bounds."""
    if canonical.n > MOST_CHANNELS:
        return ()
    source = canonical.curves if canonical.draws is None else canonical.draws
    found: list[NDArray[np.intp]] = []
    for group in source.groups:
        columns = np.arange(canonical.n)[group.columns]
        keys: dict[bytes, list[int]] = {}
        for column, key in zip(columns.tolist(), _keys(canonical, group, columns), strict=True):
            keys.setdefault(key, []).append(column)
        found += [np.array(same, dtype=np.intp) for same in keys.values() if len(same) > 1]
    return tuple(found)


def in_order(groups: Groups, lower: Array, upper: Array) -> tuple[Array, Array]:
    """The smallest box around the plans of a box whose spends do not rise within any group."""
    if not groups:
        return lower, upper
    lower, upper = lower.copy(), upper.copy()
    for group in groups:
        upper[group] = np.minimum.accumulate(upper[group])
        lower[group] = np.maximum.accumulate(lower[group][::-1])[::-1]
    return lower, upper


def _keys(canonical: Canonical, group: Group, columns: NDArray[np.intp]) -> list[bytes]:
    """One key a channel: the bytes of its bounds and parameters, so equal means identical."""
    rows = [canonical.lower[columns], canonical.upper[columns]]
    for item in fields(group.curve):  # type: ignore[arg-type]
        raw = np.asarray(getattr(group.curve, item.name), dtype=float)
        rows += list(np.atleast_2d(np.broadcast_to(raw, raw.shape or columns.shape)))
    table = np.ascontiguousarray(np.stack(rows, axis=1))
    return [line.tobytes() for line in table]
