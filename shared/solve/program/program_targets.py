"""Targets on programs: the least multiplier of the floor at which the best plan meets it.

At a multiplier theta the floor's surplus joins the objective, and the best plan of that program
meets the floor the better the larger theta is. Where the best plan moves smoothly the root leaves
no gap; where it jumps (S-curves, whole choices) the best plan known and the bound keep an honest
one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import Conflict, Infeasible, NotSupportedYet
from shared.problem.aim import Aim, Floor
from shared.problem.aim_proof import AimProof, lifted
from shared.problem.model import SolverOptions
from shared.problem.program import Program
from shared.solve.certify.certificate import Certificate
from shared.solve.certify.program_aim_certificate import certify_program_aim
from shared.solve.certify.program_certificate import certify_program
from shared.solve.program.program_search import SolvedProgram, known_plan, solve_program

__all__ = ["ProgramAimSolved", "solve_program_aim"]

Array = NDArray[np.float64]
_ROUNDS = 40
_MISS = 1e-9  # relative, of the floor: what rounding may leave


@dataclass(frozen=True, slots=True, eq=False)
class ProgramAimSolved:
    """Decisions (A, K) for a goal, its proof and certificate, and prices.

    ``row_prices`` (m,) are in the goal's own unit; ``theta`` is what the objective gains when the
    floor is relaxed by one outcome.
    """

    u: Array
    method: str
    why: str
    iterations: int
    nodes: int
    proof: AimProof
    certificate: Certificate
    row_prices: Array
    theta: float
    solve_ms: float


class _Search:
    def __init__(
        self, program: Program, aim: Aim, options: SolverOptions, starts: list[Array]
    ) -> None:
        self.program, self.aim, self.options = program, aim, options
        self.deadline = time.perf_counter() + 0.85 * options.time_limit_s
        self.u: Array | None = None
        self.worth = -np.inf
        self.bound = np.inf
        self.proof: AimProof | None = None
        self.last: SolvedProgram | None = None
        self.theta = 0.0
        self.short: Array | None = None
        self.nodes = self.iterations = 0
        for plan in starts:
            self.offer(plan)

    def surplus(self, u: Array) -> float:
        """Outcome beyond the floor; negative where it is missed."""
        floor = self.aim.floors[0]
        brings, costs = self.program.outcome(u), float(self.program.spend(u).sum())
        return brings - floor.constant - floor.per_money * costs

    def offer(self, u: Array) -> None:
        brings, costs = self.program.outcome(u), float(self.program.spend(u).sum())
        worth = self.aim.worth(brings, costs)
        if self.aim.missed(brings, costs) <= _MISS and worth > self.worth:
            self.u, self.worth = u, worth

    def at(self, theta: float) -> float:
        """Solve at a multiplier; the surplus of the best plan there."""
        task, less = lifted(self.program, self.aim, (theta,))
        left = max(self.deadline - time.perf_counter(), 0.05)
        options = replace(
            self.options, gap=0.01 * self.options.gap, time_limit_s=min(left, 0.5 * left + 0.05)
        )
        found = solve_program(task, options, self.u)
        self.nodes += found.nodes
        self.iterations += found.iterations
        self.offer(found.u)
        surplus = self.surplus(found.u)
        if surplus < 0.0:
            self.short = found.u
        if not self.program.discrete:
            self.between()
        bound = certify_program(task, found.u, found.proof).upper_bound - less
        if bound < self.bound:
            self.bound, self.proof = bound, AimProof((theta,), found.proof)
            self.last, self.theta = found, theta
        return surplus

    def between(self) -> None:
        """Offer the mix of a plan that misses the floor and the best one that meets it where the
        floor just holds: with concave curves it is better than the latter."""
        if self.short is None or self.u is None:
            return
        step, share, good = self.short - self.u, 0.5, 0.0
        for _ in range(50):
            if self.surplus(self.u + (good + share) * step) >= 0.0:
                good += share
            share *= 0.5
        self.offer(self.u + good * step)

    def done(self) -> bool:
        small = self.bound - self.worth <= 0.5 * self.options.gap * abs(self.bound)
        return small or time.perf_counter() >= self.deadline


def solve_program_aim(
    program: Program, aim: Aim, options: SolverOptions, start: Array | None = None
) -> ProgramAimSolved:
    """Solve a goal with one floor over a program, to ``options.gap`` where there is no jump.

    Raises
    ------
    Infeasible
        Naming the target and the best that can be reached, or a conflict of the constraints.
    NotSupportedYet
        Several floors at once.
    """
    began = time.perf_counter()
    if len(aim.floors) != 1:
        raise NotSupportedYet.at(
            "/objective",
            "not_supported_yet",
            "One target at a time is supported together with these constraints.",
        )
    floor = aim.floors[0]
    known = [plan for plan in (known_plan(program), start) if plan is not None]
    search = _Search(program, aim, options, known)
    richest = _richest(program, floor, options)
    search.offer(richest)
    _root(search)
    if search.u is None or search.proof is None or search.last is None:
        raise _unmet(program, floor, options, found=None)
    certificate = certify_program_aim(program, aim, search.u, search.proof)
    why = "The target joins the objective at the least price at which the best plan meets it."
    if certificate.relative_gap > options.gap:
        why += " The best plan jumps there, or the time limit came first, so a gap is stated."
    return ProgramAimSolved(
        u=search.u,
        method=search.last.method,
        why=why,
        iterations=search.iterations,
        nodes=search.nodes,
        proof=search.proof,
        certificate=certificate,
        row_prices=search.last.row_prices,
        theta=search.theta,
        solve_ms=1e3 * (time.perf_counter() - began),
    )


def _root(search: _Search) -> None:
    """The least multiplier with a surplus: doubling, then Illinois steps (Dowell, Jarratt 1971)."""
    low, missed = 0.0, search.at(0.0)
    if missed >= 0.0 or search.done():
        return
    size = max(abs(search.program.outcome(search.program.upper)), 1e-300)
    spend = max(float(search.program.spend(search.program.upper).sum()), 1e-300)
    high = 1.0 if search.aim.value > 0.0 else spend / size
    held = search.at(high)
    while held < 0.0 and high < 1e9 * max(1.0, spend / size) and not search.done():
        low, missed, high = high, held, 4.0 * high
        held = search.at(high)
    side = 0
    for round_ in range(_ROUNDS):
        if search.done() or held < 0.0 or high - low <= 1e-13 * high:
            return
        share = -missed / (held - missed) if held > missed and round_ % 4 != 3 else 0.5
        theta = low + min(max(share, 0.01), 0.99) * (high - low)
        surplus = search.at(theta)
        if surplus < 0.0:
            low, missed, held = theta, surplus, 0.5 * held if side == -1 else held
            side = -1
        else:
            high, held, missed = theta, surplus, 0.5 * missed if side == 1 else missed
            side = 1


def _richest(program: Program, floor: Floor, options: SolverOptions) -> Array:
    """The plan with the largest surplus; raises where even that is a miss."""
    task = replace(program, value=1.0, cost=floor.per_money)
    short = replace(options, time_limit_s=0.25 * options.time_limit_s)
    found = solve_program(task, short)
    bound = certify_program(task, found.u, found.proof).upper_bound - floor.constant
    asked = abs(floor.constant) + floor.per_money * float(program.spend(found.u).sum())
    idle = float(program.spend(found.u).sum()) <= 1e-9 * program.scale
    if bound < -1e-12 * asked or (idle and floor.per_money > 0.0 and bound <= 1e-9 * program.scale):
        raise _unmet(program, floor, options, found)
    return found.u


def _unmet(
    program: Program, floor: Floor, options: SolverOptions, found: SolvedProgram | None
) -> Infeasible:
    """The best that can be reached, by Dinkelbach's method where it is a ratio."""
    if found is None:
        said = (
            f"No plan that meets {floor.name} of {floor.asked:,.6g} was found within the time "
            "limit; it was not proven that there is none."
        )
        return Infeasible(said, [Conflict(floor.name, said, 0.0)])
    best = program.outcome(found.u)
    if floor.per_money > 0.0:
        ratio, short = 0.0, replace(options, time_limit_s=0.05 * options.time_limit_s)
        for _ in range(12):
            plan = solve_program(replace(program, value=1.0, cost=ratio), short).u
            spend = float(program.spend(plan).sum())
            better = program.outcome(plan) / spend if spend > 0.0 else 0.0
            if better <= ratio * (1.0 + 1e-6):
                break
            ratio = better
        best = ratio if floor.name == "target_roas" else (1.0 / ratio if ratio else np.inf)
    message = f"{floor.name} is {floor.asked:,.6g}; the best reachable is {best:,.6g}."
    return Infeasible(
        f"{floor.name} cannot be met by any plan. {message}",
        [Conflict(floor.name, message, abs(floor.asked - best))],
    )
