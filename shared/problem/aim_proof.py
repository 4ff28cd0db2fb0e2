"""What bounds a goal with floors on a program: multipliers of the floors, and proofs, by region.

For any theta >= 0 (one a floor) and every plan with ``F >= constant + per_money S`` for each floor,

    value F - cost S <= (value + sum of theta) F - (cost + sum of theta per_money) S
                        - sum of theta constant,

and the right side, but for the constant, is the objective of a program with other figures. Where
the best plan of that program jumps as theta rises (S-curves, whole choices), no theta closes the
gap: then the decisions are split, and each part has multipliers of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.aim import Aim
from shared.problem.program import Program
from shared.problem.program_proof import ProgramProof

__all__ = ["AimLeaf", "AimNode", "AimProof", "AimSplit", "lifted", "within"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AimLeaf:
    """``theta`` of each floor of the aim, and a proof for the program that they make."""

    theta: tuple[float, ...]
    proof: ProgramProof


@dataclass(frozen=True, slots=True)
class AimSplit:
    """The union of ``u[arm, column] <= at`` (``below``) and ``>= at`` (``above``)."""

    arm: int
    column: int
    at: float
    below: int
    above: int


AimNode = AimLeaf | AimSplit


@dataclass(frozen=True, slots=True, eq=False)
class AimProof:
    """Nodes of the tree; number 0 is the root, and every node has one parent."""

    nodes: tuple[AimNode, ...]


def lifted(program: Program, aim: Aim, theta: tuple[float, ...]) -> tuple[Program, float]:
    """The program at these multipliers, and the constant to take off its objective.

    Raises
    ------
    ValueError
        Multipliers that are negative, not finite, or not one a floor.
    """
    if len(theta) != len(aim.floors) or not all(0.0 <= t < math.inf for t in theta):
        raise ValueError("One multiplier a floor, none negative.")
    pairs = list(zip(theta, aim.floors, strict=True))
    value = aim.value + sum(theta)
    cost = aim.cost + sum(t * floor.per_money for t, floor in pairs)
    return replace(program, value=value, cost=cost), sum(t * f.constant for t, f in pairs)


def within(program: Program, lower: Array, upper: Array) -> Program:
    """The program over a part (A, K) of its box."""
    return replace(program, lower=lower, upper=upper)
