"""What bounds a goal with a floor on a program: one multiplier of the floor and a proof.

For any theta >= 0 and every plan with ``F >= constant + per_money S``,

    value F - cost S <= (value + theta) F - (cost + theta per_money) S - theta constant,

and the right side, but for the constant, is the objective of a program with other figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from shared.problem.aim import Aim
from shared.problem.program import Program
from shared.problem.program_proof import ProgramProof

__all__ = ["AimProof", "lifted"]


@dataclass(frozen=True, slots=True, eq=False)
class AimProof:
    """``theta`` of each floor of the aim, and a proof for the program that they make."""

    theta: tuple[float, ...]
    proof: ProgramProof


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
