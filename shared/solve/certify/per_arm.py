"""The bound of a region whose rows are priced: a tree for each arm, the worst leaves added up.

Regions are derived on the way down each tree, by the arm's own carryover alone; nothing that a
solver says about them is believed. See :class:`shared.problem.proof.PerArm`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.proof import ArmLeaf, ArmNode, Leaf, PerArm, SplitArgument, SplitDecision
from shared.problem.region import Region, halves
from shared.problem.switches import NONE
from shared.solve.certify.bounder import Bounder, LeafTask

__all__ = ["alone", "bound_arms"]

Array = NDArray[np.float64]

_FREE = np.array([[0.0], [np.inf]])


def bound_arms(bounder: Bounder, node: PerArm, region: Region) -> float:
    """No plan of the region has more, ``inf`` where the prices prove nothing; ``ValueError``,
    ``IndexError`` or ``TypeError`` where the trees are another program's, or pairs or counts tie
    the arms together."""
    program = bounder.program
    if len(node.trees) != program.arms:
        raise ValueError("Trees of another program.")
    ends = [_ends(alone(program, a), node.trees[a], region.alone(a)) for a in range(program.arms)]
    if any(not leaves for leaves in ends):
        return -math.inf  # one arm has nothing that it may do: no plan is here
    return bounder.apart(_side_by_side(bounder, node, ends))


def alone(program: Program, a: int) -> Program:
    """What a region of one arm depends on; nothing else of the arms may be read from it."""
    own = slice(a, a + 1)
    return replace(
        program,
        names=program.names[own],
        lower=program.lower[own],
        upper=program.upper[own],
        least_active=program.least_active[own],
        lot=program.lot[own],
        spread=program.spread[own],
        carry=program.carry[own],
        carry_in=program.carry_in[own],
        weight=program.weight[own],
        switches=NONE,
    )


def _ends(own: Program, tree: tuple[ArmNode, ...], root: Region) -> list[tuple[ArmLeaf, Region]]:
    """The leaves and regions of one arm that its tree ends in."""
    out: list[tuple[ArmLeaf, Region]] = []
    seen: set[int] = set()
    walk: list[tuple[int, Region]] = [(0, root)]

    while walk:
        at, region = walk.pop()
        if not 0 <= at < len(tree) or at in seen:
            raise IndexError("A node that is not there, or has two parents.")
        seen.add(at)
        node = tree[at]
        if isinstance(node, ArmLeaf):
            if np.shape(node.nu) != own.carry_in.shape[1:]:
                raise ValueError("Prices of another program.")
            out.append((node, region))
            continue
        if not isinstance(node, SplitDecision | SplitArgument) or node.arm != 0:
            raise TypeError("A split that an arm's tree may not have.")
        for child, part in zip((node.below, node.above), halves(own, region, node), strict=True):
            if part is not None:
                walk.append((child, part))
    return out


def _side_by_side(
    bounder: Bounder, node: PerArm, ends: list[list[tuple[ArmLeaf, Region]]]
) -> list[LeafTask]:
    """As many whole regions as the longest tree has leaves: all arms are bounded at once."""
    out = []
    for j in range(max(map(len, ends))):
        each = [leaves[min(j, len(leaves) - 1)] for leaves in ends]
        parts = [part for _, part in each]
        whole = Region(
            np.concatenate([part.u_lower for part in parts]),
            np.concatenate([part.u_upper for part in parts]),
            np.concatenate([part.z_lower for part in parts]),
            np.concatenate([part.z_upper for part in parts]),
            np.concatenate([part.active for part in parts]),
            spent=np.concatenate([_FREE if p.spent is None else p.spent for p in parts], axis=1),
        )
        leaf = Leaf(node.mu, np.stack([own.nu for own, _ in each]), node.theta)
        money = np.array([own.money for own, _ in each], dtype=float)
        out.append(replace(bounder.task(leaf, whole), money=money))
    return out
