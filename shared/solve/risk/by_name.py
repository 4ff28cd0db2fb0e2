"""Searches by name on a measure of risk: what they maximise is the measure itself.

The integer programme over pieces of curves is the exception: it knows sums only, so it is given the
draws weighed as the measure weighs them at the best plan known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.feasibility import feasible_point, repair
from shared.problem.program import Program
from shared.problem.risk_program import caution, relaxed
from shared.solve.named.by_pieces import search_pieces
from shared.solve.named.polyhedron import Polyhedron, centre
from shared.solve.named.program_space import ProgramSpace
from shared.solve.named.search import search
from shared.solve.named.space import Searched
from shared.solve.risk.program_outcomes import DrawnProgram
from shared.solve.risk.program_risk_search import RiskSearch

__all__ = ["search_measure"]

Array = NDArray[np.float64]


class _MeasuredSpace(ProgramSpace):
    """Points (k, A K) of a program, worth what the measure and floors' multipliers make them."""

    def __init__(
        self, task: RiskSearch, theta: tuple[float, ...], walls: Polyhedron, deadline: float
    ) -> None:
        plans = () if task.u is None else (task.u,)
        super().__init__(task.program, walls, deadline, plans)
        self.task, self.theta = task, theta
        self.drawn = DrawnProgram(task.program)

    @property
    def toil(self) -> float:
        """A point is as much work as all of its draws."""
        return super().toil + 0.1 * self.n * self.task.count

    def _objective(self, points: Array) -> Array:
        shape = self.task.program.lower.shape
        each = [self.task.reads(point.reshape(shape), self.theta) for point in points]
        return np.asarray(each, dtype=np.float64)

    def gradient(self, points: Array) -> Array:
        """Slopes of the draws, weighed as the measure weighs them at each point."""
        program, task = self.task.program, self.task
        value, cost = task.lifted(self.theta)
        share = caution(task.aim, self.theta) if self.theta else 1.0
        money = cost * program.spread.sum(axis=1).ravel()
        out = np.empty(points.shape)
        for row, point in zip(out, points, strict=True):
            weights = task.own_weights(point.reshape(program.lower.shape))
            weights = share * weights + (1.0 - share) * task.even
            row[:] = value * (weights @ self.drawn.slopes(point)) - money
        return np.nan_to_num(out, nan=0.0, posinf=1e300, neginf=-1e300)


def search_measure(task: RiskSearch, theta: tuple[float, ...] = ()) -> str:
    """Offer what the method of the options finds; a sentence on what it did."""
    if task.u is None and not task.aim.floors:
        task.offer(feasible_point(task.program))
    began = work.now()
    found = _found(task, theta, began + 0.8 * (task.deadline - began))
    if found is None:
        return "It found no plan of its own."
    task.iterations += found.evaluations
    plan = repair(task.program, found.point.reshape(task.program.lower.shape))
    if plan is not None:
        task.offer(plan)
    cut = "" if found.finished else " The time limit cut the search short."
    return found.note + cut


def _found(task: RiskSearch, theta: tuple[float, ...], deadline: float) -> Searched | None:
    program, options = task.program, task.options
    if options.method == "piecewise":
        mixed = _weighed(task, theta)
        return search_pieces(mixed, gap=options.gap, deadline=deadline, start=task.u)
    rows = program.rows
    low, high = program.lower.ravel(), program.upper.ravel()
    inside = centre(low, high, rows.matrix, rows.lower, rows.upper)
    if inside is None:
        return None
    walls = Polyhedron(low, high, rows.matrix, rows.lower, rows.upper, inside)
    return search(_MeasuredSpace(task, theta, walls, deadline), options.method, options.seed)


def _weighed(task: RiskSearch, theta: tuple[float, ...]) -> Program:
    weights = task.even
    if task.u is not None and not task.program.pairs:
        weights = task.own_weights(task.u)
    return relaxed(task.program, task.aim, task.risk, weights, theta)[0]
