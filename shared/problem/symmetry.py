"""Arms that nothing tells apart: the same curve, the same bounds, the same part in every row.

Exchanging the decisions of two such arms changes neither the objective nor what is allowed, so
nothing is lost by looking only at plans in which the decisions of each group do not rise from one
member to the next. Without this, a search would visit every permutation of the same plan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import Group
from shared.problem.program import Program

__all__ = ["alike", "in_order"]

Array = NDArray[np.float64]
Groups = tuple[NDArray[np.intp], ...]
MOST_ARMS = 5_000  # beyond, sorting parameters would cost more than it could save


def alike(program: Program) -> Groups:
    """Groups of at least two arms with equal curves (all draws included), bounds and rows.

    Only of programs in which each arm has one decision and one response, and nothing but rows ties
    arms together; of others none.
    """
    simple = program.columns == 1 and program.weight.shape[1] == 1 and not program.discrete
    if program.arms > MOST_ARMS or not simple or program.pairs or program.sums:
        return ()
    own = (program.lower, program.upper, program.carry[:, 0], program.carry_in, program.weight)
    counts = [f.shares(program.arms) for f in program.floors]
    counts += [f.pays_by(program.arms) for f in program.floors]
    money = (program.spread[:, :, 0], program.costs(), *(each[:, None] for each in counts))
    sides = np.hstack((*own, *money, program.rows.matrix.T))
    found: list[NDArray[np.intp]] = []
    for group in program.known.groups:
        arms = np.arange(program.arms)[group.columns]
        keys: dict[bytes, list[int]] = {}
        for arm, key in zip(arms.tolist(), _keys(sides[arms], group), strict=True):
            keys.setdefault(key, []).append(arm)
        found += [np.array(same, dtype=np.intp) for same in keys.values() if len(same) > 1]
    return tuple(found)


def in_order(groups: Groups, lower: Array, upper: Array) -> tuple[Array, Array]:
    """The smallest box around the plans of a box whose decisions do not rise within any group."""
    if not groups:
        return lower, upper
    lower, upper = lower.copy(), upper.copy()
    for group in groups:
        upper[group] = np.minimum.accumulate(upper[group])
        lower[group] = np.maximum.accumulate(lower[group][::-1])[::-1]
    return lower, upper


def _keys(sides: Array, group: Group) -> list[bytes]:
    """One key an arm: the bytes of its sides and parameters, so equal means identical."""
    rows = [*sides.T]
    for name in group.curve.ranges():
        raw = np.asarray(getattr(group.curve, name), dtype=float)
        rows += list(np.atleast_2d(np.broadcast_to(raw, raw.shape or (len(sides),))))
    table = np.ascontiguousarray(np.stack(rows, axis=1))
    return [line.tobytes() for line in table]
