"""What is known of a program under a measure while it is searched: plans, weights and bounds.

Plans come from local ascents on the measure (choices kept) and from programs of weighed draws; each
such program bounds the measure. The weights are those of the best plan, then the least over the
measure's set of what the plans known so far reach (a cutting-plane model), halfway to the former.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.aim import Aim
from shared.problem.model import Risk, SolverOptions
from shared.problem.program import Program
from shared.problem.risk import measure, weights_at
from shared.problem.risk_program import (
    RiskProgramProof,
    caution,
    check_program_risk,
    missed,
    outcomes,
    relaxed,
    worth,
)
from shared.solve.certify.certificate import Certificate
from shared.solve.certify.risk_program_certificate import certify_risk_program
from shared.solve.named.search import BY_NAME
from shared.solve.program.program_search import solve_program
from shared.solve.risk.exchange import exchange
from shared.solve.risk.program_ascent import climb
from shared.solve.risk.weights import master, nonnegative, tidy

__all__ = ["RiskSearch", "bound_named", "search_plain"]

Array = NDArray[np.float64]
_ROUNDS = 12
_MISS = 1e-9  # relative, of a floor: what rounding may leave


class RiskSearch:
    """Plans and proofs for one program, aim and measure; keeps the best of both."""

    def __init__(self, program: Program, aim: Aim, risk: Risk, options: SolverOptions) -> None:
        self.program, self.aim, self.risk, self.options = program, aim, risk, options
        self.count = check_program_risk(program, risk).draws
        self.deadline = time.perf_counter() + 0.85 * options.time_limit_s
        self.u: Array | None = None
        self.value = -np.inf
        self.even = np.full(self.count, 1.0 / self.count)
        self.proof: RiskProgramProof | None = None
        self.certificate: Certificate | None = None
        self.prices = np.zeros(len(program.rows.names))
        self.known: list[Array] = []
        self.nodes = self.iterations = 0
        self.short: Array | None = None
        self.named = options.method in BY_NAME
        # Where all curves are concave, to hold what is not spent on would only be in the way.
        draws = check_program_risk(program, risk)
        self.bent = bool(np.any(draws.inflections() > 0.0)) or program.discrete

    def late(self) -> bool:
        return time.perf_counter() >= self.deadline

    def left(self) -> float:
        return max(self.deadline - time.perf_counter(), 0.05)

    def offer(self, u: Array) -> bool:
        """Take note of an allowed plan; whether it is the best so far."""
        value = worth(self.program, self.aim, self.risk, u)
        if self.aim.floors and missed(self.program, self.aim, self.risk, u) > _MISS:
            self.short = u
            return False
        spend = float(self.program.spend(u).sum())
        self.known.append(self.aim.value * outcomes(self.program, u) - self.aim.cost * spend)
        if value > self.value:
            self.u, self.value = u, value
            return True
        return False

    def own_weights(self, u: Array) -> Array:
        return weights_at(self.risk, outcomes(self.program, u))

    def rise(self, start: Array, theta: tuple[float, ...] = ()) -> tuple[Array, Array]:
        """Where the measure leads from a plan, choices kept; with the weights there."""
        value, cost = self.lifted(theta)
        best, weights = start, self.own_weights(start)
        goal, share = Aim(value=value, cost=cost), caution(self.aim, theta)
        for held in (False, True) if self.bent else (False,):
            if self.late():
                break
            found = climb(
                self.program,
                self.risk,
                start,
                aim=goal,
                share=share,
                held=held,
                deadline=min(self.deadline, time.perf_counter() + 0.3 * self.options.time_limit_s),
            )
            self.iterations += 1
            if found is not None and self.reads(found.u, theta) > self.reads(best, theta):
                best, weights = found.u, (found.weights - (1.0 - share) * self.even) / share
        return best, weights

    def lifted(self, theta: tuple[float, ...]) -> tuple[float, float]:
        """Value of one outcome and cost of one unit of money once multipliers count."""
        pairs = list(zip(theta, self.aim.floors, strict=False))
        value = self.aim.value + sum(theta)
        return value, self.aim.cost + sum(t * floor.per_money for t, floor in pairs)

    def reads(self, u: Array, theta: tuple[float, ...]) -> float:
        """A plan's objective with multipliers."""
        each = outcomes(self.program, u)
        value, cost = self.lifted(theta)
        share = caution(self.aim, theta) if theta else 1.0
        read = share * measure(self.risk, each) + (1.0 - share) * float(each.mean())
        return value * read - cost * float(self.program.spend(u).sum())

    def prove(self, weights: Array, theta: tuple[float, ...], limit: float) -> Array:
        """Bound every plan through weights and multipliers; the best plan of that is offered."""
        if self.program.pairs:
            weights = self.even
        task, _ = relaxed(self.program, self.aim, self.risk, weights, theta)
        options = replace(
            self.options,
            method="auto",
            time_limit_s=max(min(limit, self.left()), 0.05),
            gap=0.25 * self.options.gap,
        )
        found = solve_program(task, options, self.u)
        self.nodes += found.nodes
        self.iterations += found.iterations
        if not self.named:  # a plan that a method by name did not find is not its answer
            self.offer(found.u)
        proof = RiskProgramProof(weights, theta, found.proof)
        plan = found.u if self.u is None else self.u
        checked = certify_risk_program(self.program, self.aim, self.risk, plan, proof)
        if self.certificate is None or checked.upper_bound < self.certificate.upper_bound:
            self.proof, self.certificate, self.prices = proof, checked, found.row_prices
        return found.u

    def done(self) -> bool:
        found = self.certificate
        if found is None or self.late():
            return self.late()
        return found.upper_bound - self.value <= self.options.gap * abs(found.upper_bound)


def search_plain(search: RiskSearch) -> None:
    """Find and bound the best plan where there are no floors."""
    limit = 0.25 * search.options.time_limit_s
    # The plain mean bounds every measure, and its best plan is where the others begin.
    plan = search.prove(search.even, (), 1.6 * limit)
    if search.risk.measure == "quantile":
        mean = replace(search.options, method="auto", time_limit_s=limit)
        search.offer(solve_program(search.program, mean).u)
        _quantile(search, plan)
        _exchange(search, 0.3)
        return
    weights = search.own_weights(plan)
    for first in [plan] if search.u is None or search.u is plan else [plan, search.u]:
        found, there = search.rise(first)
        if search.offer(found):
            weights = there
    if search.program.pairs or search.done():
        return
    weights = tidy(search.risk, weights)
    search.prove(weights, (), limit)
    if not search.done() and np.any(weights < 0.0):
        search.prove(nonnegative(search.risk, weights), (), limit)
    for _ in range(_ROUNDS):
        if search.done():
            return
        asked = master(search.risk, search.known, search.count)
        if asked is None:
            return
        assert search.u is not None
        own = search.own_weights(search.u)
        plan = search.prove(tidy(search.risk, 0.5 * (asked + own)), (), limit)
        if not search.done():
            found, there = search.rise(plan)
            if search.offer(found):
                search.prove(tidy(search.risk, there), (), limit)


def bound_named(search: RiskSearch) -> None:
    """Bound what a method by name has found, in the time that is left to it."""
    assert search.u is not None
    search.prove(search.even, (), 0.5 * search.left())
    if not search.program.pairs and search.risk.measure != "quantile":
        weights = tidy(search.risk, search.own_weights(search.u))
        search.prove(weights, (), search.left())


def _exchange(search: RiskSearch, share: float) -> None:
    """Move money between pairs of decisions for a share of the time."""
    assert search.u is not None
    until = min(search.deadline, time.perf_counter() + share * search.options.time_limit_s)
    found = exchange(
        search.program,
        search.u,
        lambda u: search.reads(u, ()),
        deadline=until,
        seed=search.options.seed,
    )
    search.offer(found)


def _quantile(search: RiskSearch, plan: Array) -> None:
    """Ascents on tail means of several levels; the quantile decides between their plans."""
    for stretch in (1.0, 1.6, 2.5, 4.0):
        if search.late():
            return
        assert search.u is not None
        tail = Risk("cvar", level=min(stretch * search.risk.level, 0.95))
        aim = Aim(value=search.aim.value, cost=search.aim.cost)
        for first in (search.u, plan):
            found = climb(search.program, tail, first, aim=aim, deadline=search.deadline)
            search.iterations += 1
            if found is not None:
                search.offer(found.u)
                for share in (0.75, 0.5, 0.25):
                    mixed = (1.0 - share) * search.u + share * found.u
                    if not search.program.discrete:
                        search.offer(mixed)
