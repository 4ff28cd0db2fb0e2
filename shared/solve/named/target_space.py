"""A program with floors as search methods see it: what a floor is missed by costs a penalty.

``worth - sum of penalty * (what a floor is missed by)`` is an exact penalty: where each one exceeds
the multiplier of its floor, nothing is gained by missing it (Han and Mangasarian, Math. Programming
17, 1979).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.aim import Aim
from shared.problem.program import Program
from shared.solve.named.polyhedron import Polyhedron
from shared.solve.named.program_space import ProgramSpace

__all__ = ["TargetSpace"]

Array = NDArray[np.float64]


class TargetSpace(ProgramSpace):
    """Points (k, A * K) of a program; ``penalties`` are per outcome, one a floor of the aim."""

    def __init__(
        self,
        program: Program,
        aim: Aim,
        penalties: tuple[float, ...],
        walls: Polyhedron,
        deadline: float,
        plans: tuple[Array, ...],
    ) -> None:
        super().__init__(replace(program, value=1.0, cost=0.0), walls, deadline, plans)
        self.aim = aim
        self.penalties = penalties

    def _objective(self, points: Array) -> Array:
        brings, costs = super()._objective(points), self._money(points)
        worth = self.aim.value * brings - self.aim.cost * costs
        for penalty, floor in zip(self.penalties, self.aim.floors, strict=True):
            short = floor.constant + floor.per_money * costs - brings
            worth = worth - penalty * np.maximum(short, 0.0)
        return np.asarray(worth, dtype=np.float64)

    def gradient(self, points: Array) -> Array:
        """Of the penalised worth; where a floor just holds, that of the side that meets it."""
        value, cost = self._figures(points)
        money = self.program.spread.sum(axis=1).ravel()
        return np.asarray(value[:, None] * super().gradient(points) - cost[:, None] * money)

    def curvature(self, points: Array) -> Array:
        """Second derivatives of the penalised worth."""
        value, _ = self._figures(points)
        return np.asarray(value[:, None] * super().curvature(points))

    def _money(self, points: Array) -> Array:
        spread = self.program.spread.sum(axis=1)
        return np.asarray(np.einsum("ak,iak->i", spread, self._decisions(points)))

    def _figures(self, points: Array) -> tuple[Array, Array]:
        """By point what an outcome is worth and a unit of money costs, penalties included."""
        brings, costs = super()._objective(points), self._money(points)
        value = np.full(brings.shape, self.aim.value)
        cost = np.full(brings.shape, self.aim.cost)
        for penalty, floor in zip(self.penalties, self.aim.floors, strict=True):
            missed = brings < floor.constant + floor.per_money * costs
            value = value + penalty * missed
            cost = cost + penalty * floor.per_money * missed
        return value, cost
