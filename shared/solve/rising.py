"""Programs in which media get dearer with spend beside carryover, by lines above the media bought.

Media bought go with a power p < 1 of what is decided, which is concave: a line that touches the
power is nowhere below it, so with lines in its place (:meth:`Program.straight`) a program of the
usual form bounds every plan. At the plan where they touch, its objective and slopes are the true
ones: where curves are concave and the best plan of the lines is the plan that they touch, that is
the best plan and its bound has no gap. Until then each best plan of the lines is a direction in
which the true objective rises (majorise and maximise, Hunter and Lange, The American Statistician
58, 2004), taken as far as that goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import Conflict, Infeasible
from shared.problem.incumbent import allowed, incumbent, known_plan
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.problem.risk_program import brings_by, missed, objective
from shared.problem.switches import NONE
from shared.solve.certify.certificate import certify
from shared.solve.heuristics.heuristic import heuristic
from shared.solve.search import MISS, Solution, Solver, Unmet, nearest_that_meets

__all__ = ["solve_rising"]

Array = NDArray[np.float64]
_WHY = " Media that get dearer with spend are bounded by lines that are moved until they touch."
_NONE = (
    "No plan that meets the targets was found within the time limit; it was not proven that there "
    "is none. A longer solver.time_limit_s may find one."
)
_ROUNDS = 150
_PART = 0.3  # of the time that is left, for one set of lines
_POLISHED = 12  # rounds, after which a local search is asked
_STALLED = 3  # rounds that better nothing
_LEAST = 1e-3  # of an even spread: below it lines touch there
_GOLDEN = 0.6180339887498949
_LOOKS = 22
_MOVES = 4  # of plans of the lines towards targets that they miss in truth


def solve_rising(
    program: Program, options: SolverOptions, start: Array | None, solver: Solver
) -> Solution:
    """Solve a program with a ``power`` by ``solver``, which takes those without.

    Raises
    ------
    Infeasible
        With the smallest conflict, where no plan exists.
    Unmet
        No plan that meets the targets was found.
    """
    search = _Search(program, options, solver, work.now() + 0.9 * options.time_limit_s)
    for plan in (incumbent(program, start), known_plan(program)):
        search.offer(plan)
    return search.run()


@dataclass(slots=True)
class _Search:
    """The best plan (A, K) so far, and the lines with the least bound."""

    program: Program
    options: SolverOptions
    solver: Solver
    deadline: float
    best: Array | None = None
    value: float = -np.inf
    bound: float = np.inf
    found: Solution | None = None
    nodes: int = 0
    iterations: int = 0
    tried: set[bytes] = field(default_factory=set)

    def offer(self, u: Array | None) -> bool:
        """Take a plan that is better, if it is allowed and meets the targets."""
        if u is None or not allowed(self.program, u) or missed(self.program, u) > MISS:
            return False
        value = objective(self.program, u)
        if not value > self.value:
            return False
        self.best, self.value = u, value
        return True

    def run(self) -> Solution:
        """Lines through one plan after the other, until they touch the best one."""
        plan = self._first() if self.best is None else self.best
        still, climbs = 0, not self.program.discrete
        for turn in range(_ROUNDS):
            if climbs and (turn == _POLISHED or still == _STALLED - 1):
                plan, climbs = self._climbed(plan), False
            before = self.value, self.bound
            plan = self._round(plan)
            size = max(abs(self.value), abs(self.bound)) if np.isfinite(self.value) else np.inf
            if self.bound - self.value <= 0.5 * self.options.gap * size:
                break
            hair = 0.02 * self.options.gap * size if np.isfinite(size) else 0.0
            moved = self.best is None or self.value > before[0] + hair
            still = 0 if moved or self.bound < before[1] - hair else still + 1
            if still >= _STALLED or work.now() >= self.deadline:
                break
        found = self.found
        assert found is not None
        if self.best is None:
            if self.program.risk is None:
                raise Unmet(exhausted=False)
            asks = [f"{floor.name} is {floor.asked:,.6g}." for floor in self.program.floors]
            each = zip(self.program.floors, asks, strict=True)
            raise Infeasible(_NONE, [Conflict(floor.name, ask, 0.0) for floor, ask in each])
        return replace(
            found,
            u=self.best,
            nodes=self.nodes,
            iterations=self.iterations,
            finished=work.now() < self.deadline,
            why=found.why + _WHY,
        )

    def _round(self, plan: Array) -> Array:
        """Solve with lines that touch at a plan; the plan at which they should touch next."""
        program, at = self.program, lines(self.program, plan)
        task = program.straight(at)
        left = max(self.deadline - work.now(), 1e-3)
        options = replace(self.options, gap=0.3 * self.options.gap, time_limit_s=_PART * left)
        found = self.solver(task, options, self.best)
        self.nodes, self.iterations = (
            self.nodes + found.nodes,
            self.iterations + found.iterations,
        )
        bound = certify(program, found.plan, found.proof).upper_bound
        if self.found is None or bound < self.bound:
            self.bound, self.found = bound, found
        there = found.plan
        if missed(program, there) > MISS:
            self.offer(self._meeting(task, there, options))
        if program.discrete:
            there = self._settled(there)
        return self._between(plan, there, found.thetas)

    def _settled(self, u: Array) -> Array:
        """The best plan with the choices of another, where that is found."""
        program, on = self.program, u > 0.0
        key = on.tobytes()
        if key in self.tried or np.any(program.lot > 0.0):
            return u
        self.tried.add(key)
        task = replace(
            program,
            lower=np.where(on, np.maximum(program.lower, program.least_active), program.lower),
            upper=np.where(on, program.upper, 0.0),
            least_active=np.zeros(u.shape),
            at_most=(),
            switches=NONE,
        )
        options = replace(self.options, time_limit_s=0.2 * max(self.deadline - work.now(), 1e-3))
        try:
            found = solve_rising(task, options, u, self.solver).plan
        except (Infeasible, Unmet):
            return u
        self.offer(found)
        return found

    def _meeting(self, task: Program, u: Array, options: SolverOptions) -> Array:
        """The best plan of the lines, moved until it meets the targets in truth, if it can be."""
        program = self.program

        def meets(plan: Array) -> bool:
            return missed(program, plan) <= MISS

        for _ in range(_MOVES):
            if meets(u):
                return u
            over = np.array(brings_by(task, u)) - np.array(brings_by(program, u))
            harder = tuple(
                replace(f, constant=f.constant + 1.01 * max(float(x), 0.0))
                for f, x in zip(program.floors, over, strict=True)
            )
            try:
                u = self.solver(replace(task, floors=harder), options, self.best).plan
            except (Infeasible, Unmet):
                break
        near = None
        if self.best is not None and not program.discrete:
            near = nearest_that_meets(meets, self.best, u)
        return u if near is None else near

    def _between(self, one: Array, other: Array, theta: Sequence[float]) -> Array:
        """The best of the plans between two (golden section), targets held by multipliers."""
        program, step = self.program, other - one
        held = list(zip(program.floors, theta, strict=False))

        def worth(share: float) -> float:
            u = one + share * step
            total = objective(program, u)
            if held:
                each = zip(held, brings_by(program, u), program.asked_of(u), strict=True)
                total += sum(t * f.surplus(brings, costs) for (f, t), brings, costs in each)
            return total

        low, high = 0.0, 1.0
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        at_a, at_b = worth(a), worth(b)
        for _ in range(_LOOKS):
            if at_a >= at_b:
                high, b, at_b = b, a, at_a
                a = high - _GOLDEN * (high - low)
                at_a = worth(a)
            else:
                low, a, at_a = a, b, at_b
                b = low + _GOLDEN * (high - low)
                at_b = worth(b)
        best = max((0.0, a, b, 1.0), key=worth)
        plan = other if best == 1.0 else one + best * step
        for each in (other, plan):
            self.offer(each)
        return plan

    def _climbed(self, plan: Array) -> Array:
        """The plan that a local search of the true objective ends in, from the best one.

        Where curves are nearly straight, only the price bends, and lines do not know of that.
        """
        found = self.found
        assert found is not None
        options = replace(self.options, method="slsqp")
        now = work.now()
        ends = now + _PART * (self.deadline - now)
        start = plan if self.best is None else self.best
        try:
            climbed = heuristic(
                self.program, options, start, deadline=ends, multipliers=tuple(found.thetas)
            )
        except (Infeasible, Unmet):
            return plan
        self.iterations += climbed.evaluations
        return climbed.u if self.offer(climbed.u) else plan

    def _first(self) -> Array:
        """Where lines touch while no plan is known: an even spread."""
        return np.clip(_even(self.program), self.program.lower, self.program.upper)


def _even(program: Program) -> Array:
    """(A, K) decisions of the money at stake in equal parts."""
    money = program.money_per_unit()
    return np.asarray(program.scale / (program.arms * program.columns) / money)


def lines(program: Program, plan: Array) -> Array:
    """(A, K) lines above the media bought (``Program.straight``) that touch at a plan.

    Where a decision is off they go through nothing, from the least that it is on from; where they
    would touch near nothing, a little further up.
    """
    even = np.minimum(_even(program), np.where(program.upper > 0.0, program.upper, np.inf))
    at = np.maximum(plan, _LEAST * even)
    off = (plan <= 0.0) & (program.lower <= 0.0) & (program.least_active > _LEAST * even)
    at = np.where(off, -program.least_active, at)
    return np.asarray(np.where(program.upper <= 0.0, -1.0, at))
