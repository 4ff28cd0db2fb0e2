"""What is known of a program under a measure while it is searched: plans, weights and bounds.

Plans come from local ascents on the measure (choices kept) and from programs of weighed draws; each
such program bounds the measure. The weights are those of the best plan, then the least over the
measure's set of what the plans known so far reach (a cutting-plane model), halfway to the former.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.aim import Aim
from shared.problem.model import Risk, SolverOptions
from shared.problem.program import Program
from shared.problem.proof import Leaf, Proof
from shared.problem.risk import measure, weights_at
from shared.problem.risk_program import (
    caution,
    check_program_risk,
    missed,
    outcomes,
    relaxed,
)
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.heuristics.heuristic import BY_NAME
from shared.solve.one_budget.dual import relax
from shared.solve.one_budget.form import one_budget
from shared.solve.one_budget.relaxation import Relaxation
from shared.solve.program.program_search import solve_program
from shared.solve.risk.exchange import exchange
from shared.solve.risk.program_ascent import climb
from shared.solve.risk.weights import master, nonnegative, tidy
from shared.solve.search import MISS

__all__ = ["RiskSearch", "bound_named", "search_plain"]

Array = NDArray[np.float64]
_ROUNDS = 12


class RiskSearch:
    """Plans and proofs for one program that says its measure; keeps the best of both.

    ``read`` is that program, ``program`` the same without its measure and its targets.
    """

    def __init__(self, read: Program, options: SolverOptions) -> None:
        assert read.risk is not None
        self.read, self.aim, self.risk, self.options = read, read.aim, read.risk, options
        self.program = replace(read, floors=(), risk=None)
        draws = check_program_risk(read, read.risk)
        self.count = draws.draws
        self.deadline = work.now() + 0.7 * options.time_limit_s
        self.u: Array | None = None
        self.value = -np.inf
        self.even = np.full(self.count, 1.0 / self.count)
        self.proof: Proof | None = None
        self.certificate: Certificate | None = None
        self.prices = np.zeros(len(read.rows.names))
        self.known: list[Array] = []
        self.nodes = self.iterations = 0
        self.short: Array | None = None
        self.weights: Array | None = None
        self.named = options.method in BY_NAME
        # Where all curves are concave, to hold what is not spent on would only be in the way.
        self.bent = bool(np.any(draws.inflections() > 0.0)) or read.discrete

    def late(self) -> bool:
        return work.now() >= self.deadline

    def left(self) -> float:
        return max(self.deadline - work.now(), 0.05)

    def offer(self, u: Array) -> bool:
        """Take note of an allowed plan; whether it is the best so far."""
        if self.aim.floors and missed(self.read, u) > MISS:
            self.short = u
            return False
        each, spend = outcomes(self.program, u), float(self.program.spend(u).sum())
        value = self.aim.value * measure(self.risk, each) - self.aim.cost * spend
        self.known.append(self.aim.value * each - self.aim.cost * spend)
        if value > self.value:
            self.u, self.value, self.weights = u, value, None
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
                deadline=min(self.deadline, work.now() + 0.3 * self.options.time_limit_s),
            )
            self.iterations += 1
            if found is not None and self.reads(found.u, theta) > self.reads(best, theta):
                best, weights = found.u, (found.weights - (1.0 - share) * self.even) / share
        return best, weights

    def lifted(self, theta: tuple[float, ...]) -> tuple[float, float]:
        """Value of one outcome and cost of one unit of money once multipliers count."""
        task, _ = self.read.lifted(np.array(theta or (0.0,) * len(self.aim.floors)))
        return task.value, task.cost

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
        task, _ = relaxed(self.program, self.aim, theta, self.risk, weights)
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
            self.offer(found.plan)
        read = None if self.risk.measure == "quantile" else weights
        proof = replace(found.proof, weights=read, theta=theta)
        self.keep(proof, found.plan if self.u is None else self.u, found.prices)
        return found.plan

    def keep(self, proof: Proof, plan: Array, prices: Array) -> None:
        """Take a proof that bounds lower than the one there is."""
        checked = certify(self.read, plan, proof)
        if self.certificate is None or checked.upper_bound < self.certificate.upper_bound:
            self.proof, self.certificate, self.prices = proof, checked, prices

    def prove_here(self, weights: Array) -> None:
        """Bound every plan by the best one's own slopes under weights, where one row ties arms.

        At a saddle point of plans and weights that is all there is to prove; nothing is solved.
        """
        rows, plan = self.program.rows, self.u
        if plan is None or len(rows.names) > 1 or self.program.pairs or self.program.discrete:
            return
        task, _ = relaxed(self.program, self.aim, (), self.risk, weights)
        tiny = 1e-9 * max(float(plan.max(initial=0.0)), 1e-300)
        slopes = task.slopes(np.maximum(plan, tiny))
        gain = task.gradient(np.maximum(plan, tiny))
        mu = np.zeros(len(rows.names))
        if mu.size:
            per = rows.matrix[0].reshape(gain.shape)
            inside = (plan > task.lower + tiny) & (plan < task.upper - tiny) & (per != 0.0)
            if inside.any():
                mu[0] = float(np.median((gain / np.where(per != 0.0, per, 1.0))[inside]))
        nu = np.where(np.isfinite(slopes), slopes, 0.0)
        self.keep(Proof((Leaf(mu, nu),), weights), plan, mu)

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
        search.offer(solve_program(search.program, mean).plan)
        _quantile(search, plan)
        _exchange(search, 0.3)
        _alone(search)
        return
    weights = search.own_weights(plan)
    for first in [plan] if search.u is None or search.u is plan else [plan, search.u]:
        found, there = search.rise(first)
        # Where draws tie, only the way that led there tells their weights.
        if search.offer(found) or search.reads(found, ()) >= search.value - 1e-9 * abs(
            search.value
        ):
            weights = there
            search.weights = tidy(search.risk, there)
    if search.program.pairs or search.done():
        return
    weights = tidy(search.risk, weights)
    search.prove_here(weights)
    if search.done():
        return
    if search.bent:  # there may be many local peaks
        _exchange(search, 0.5)
    # And other weights lead to other plans, which leave time to be exchanged at the end.
    whole = search.deadline
    search.deadline -= 0.2 * search.options.time_limit_s if search.bent else 0.0
    search.prove(weights, (), limit)
    if not search.done() and np.any(weights < 0.0):
        search.prove(nonnegative(search.risk, weights), (), limit)
    _weigh(search, limit)
    search.deadline = whole
    if search.bent and not search.done():
        _exchange(search, 0.2)


def _weigh(search: RiskSearch, limit: float) -> None:
    """Weights at which the plans known so far reach least, each bounded, until the gap closes."""
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


def _alone(search: RiskSearch) -> None:
    """A price of money for every draw by itself, where one budget is all that ties arms together.

    A quantile is at most that of what each draw could reach alone: closer than the mean's bound.
    """
    plain = replace(search.program, draws=None, risk=None, floors=(), value=1.0, cost=0.0)
    draws = search.program.draws
    if one_budget(plain) is None or search.proof is None or draws is None:
        return
    if search.aim.cost > 0.0 or search.aim.floors:
        return
    price, out = 0.0, np.zeros((draws.draws, 1))
    for s in range(draws.draws):
        if not search.late():
            task = one_budget(replace(plain, curves=draws.one(s)))
            assert task is not None
            model = Relaxation(task)
            found = relax(model, model.box(task.lower, task.upper), task.budget, guess=price)
            price = price if found is None else found.price
        out[s] = price * search.aim.value
    assert search.u is not None
    search.keep(replace(search.proof, alone=out), search.u, search.prices)


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
    until = min(search.deadline, work.now() + share * search.options.time_limit_s)
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
