"""What is known of a goal with floors while it is being solved: plans, cuts, time.

With one multiplier theta a floor, ``d(theta) = max over u of worth(u) + theta . surplus(u)`` bounds
the goal from above, and every plan u ever found gives a line that d is nowhere below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.aim import Aim, Floor
from shared.problem.incumbent import allowed
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.risk_program import relaxed
from shared.solve.certify.certificate import bound
from shared.solve.program.program_search import solve_program
from shared.solve.search import MISS, Solution

__all__ = ["Line", "Part", "TargetSearch"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A plan (A, K), what it is worth and (m,) its surplus of every floor that may bind."""

    u: Array
    worth: float
    surplus: Array

    def at(self, theta: Array) -> float:
        """``worth + theta . surplus``."""
        return self.worth + float(theta @ self.surplus)

    @property
    def meets(self) -> bool:
        """Whether no floor is missed at all."""
        return bool(np.all(self.surplus >= 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part (A, K) of the program's box."""

    lower: Array
    upper: Array

    def holds(self, u: Array) -> bool:
        """Whether decisions lie in it."""
        return bool(np.all(u >= self.lower) and np.all(u <= self.upper))


@dataclass(slots=True)
class TargetSearch:
    """The best plan so far and how to look for better ones.

    Attributes
    ----------
    counts
        Which floors may bind: the others hold wherever these do.
    """

    program: Program
    aim: Aim
    options: SolverOptions
    deadline: float
    counts: tuple[int, ...] = ()
    best: Line | None = None
    nodes: int = 0
    iterations: int = 0

    def __post_init__(self) -> None:
        """Leave out floors that another floor implies."""
        floors = self.aim.floors
        self.counts = tuple(
            i
            for i, floor in enumerate(floors)
            if not any(_implies(other, floor) for other in floors[:i])
            and not any(
                _implies(other, floor) and not _implies(floor, other) for other in floors[i + 1 :]
            )
        )

    def cutoff(self) -> float:
        """What a part must promise to be worth a look."""
        if self.best is None:
            return -np.inf
        return self.best.worth + 0.5 * self.options.gap * abs(self.best.worth)

    def late(self) -> bool:
        """Whether the clock has run out."""
        return work.now() >= self.deadline

    def measured(self, u: Array) -> Line:
        """A plan's line."""
        brings, costs = self.program.outcome(u), float(self.program.spend(u).sum())
        floors = [self.aim.floors[i] for i in self.counts]
        surplus = np.array([brings - f.constant - f.per_money * costs for f in floors])
        return Line(u, self.aim.worth(brings, costs), surplus)

    def offer(self, line: Line) -> Line:
        """Keep an allowed plan where it meets the floors and is the best."""
        if self.best is not None and line.worth <= self.best.worth:
            return line
        brings, costs = self.program.outcome(line.u), float(self.program.spend(line.u).sum())
        if self.aim.missed(brings, costs) <= MISS:
            self.best = line
        return line

    def theta(self, of_counted: Array) -> tuple[float, ...]:
        """One multiplier for every floor of the aim, from those of floors that may bind."""
        out = np.zeros(len(self.aim.floors))
        out[list(self.counts)] = of_counted
        return tuple(out.tolist())

    def solve(self, part: Part, theta: Array) -> tuple[Line, Solution, float]:
        """The best plan of a part at multipliers, and a bound on what any plan there is worth."""
        whole = replace(self.program, lower=part.lower, upper=part.upper)
        task, less = relaxed(whole, self.aim, self.theta(theta))
        found = self.run(task, self.best.u if self.best and part.holds(self.best.u) else None)
        line = self.offer(self.measured(found.plan))
        most = bound(task, found.plan, found.proof, self.cutoff() + less) - less
        return line, found, most

    def run(self, task: Program, start: Array | None = None) -> Solution:
        """Solve a program with part of the time that is left."""
        left = max(self.deadline - work.now(), 0.05)
        options = replace(
            self.options,
            method="auto",
            gap=0.05 * self.options.gap,
            time_limit_s=min(left, 0.4 * left + 0.05),
        )
        found = solve_program(task, options, start)
        self.nodes += found.nodes
        self.iterations += found.iterations
        return found

    def mix(self, short: Line, good: Line) -> None:
        """Offer the mix of two plans nearest to ``short`` that meets the floors, as ``good`` does.

        With concave curves it is better than ``good``.
        """
        step, share, far = short.u - good.u, 0.5, 0.0
        for _ in range(48):
            if self.measured(good.u + (far + share) * step).meets:
                far += share
            share *= 0.5
        mixed = good.u + far * step
        if far > 0.0 and (not self.program.discrete or allowed(self.program, mixed)):
            self.offer(self.measured(mixed))


def _implies(one: Floor, other: Floor) -> bool:
    """Whether whatever meets one floor meets the other."""
    return one.constant >= other.constant and one.per_money >= other.per_money
