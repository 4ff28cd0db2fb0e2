"""The best plan for a cautious reader: mean less deviation, worst draws, a quantile.

Plans come from local ascents on the measure itself, bounds from weights over draws. Where curves
are concave both meet (the measure's saddle point). With S-curves they leave a gap, which further
weights narrow: each is the least over the measure's set of what the plans known so far reach (a
cutting-plane model), and its weighted mean is solved to a proof of its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.canonical import Canonical
from shared.problem.incumbent import incumbent
from shared.problem.model import Risk, SolverOptions
from shared.problem.plain_program import as_program
from shared.problem.proof import Leaf, Proof
from shared.problem.risk import (
    RiskProof,
    check_risk,
    measure,
    one_draw,
    reweighted,
    weights_at,
)
from shared.solve.certify.certificate import Certificate
from shared.solve.certify.risk_certificate import certify_risk
from shared.solve.dispatch import solve
from shared.solve.one_budget.dual import relax, settle
from shared.solve.one_budget.relaxation import Relaxation
from shared.solve.risk.exchange import exchange
from shared.solve.risk.risk_ascent import ascend
from shared.solve.risk.weights import master, nonnegative, tidy

__all__ = ["RiskSolved", "solve_risk"]

Array = NDArray[np.float64]
_ROUNDS = 12


@dataclass(frozen=True, slots=True, eq=False)
class RiskSolved:
    """A plan (n,) for a risk measure with its proof and certificate.

    ``weights`` (S,) are what the measure makes of the draws at its best, for slopes and prices:
    the marginal return of a channel is the weighted mean of its slopes.
    """

    spend: Array
    method: str
    why: str
    iterations: int
    nodes: int
    proof: RiskProof
    certificate: Certificate
    weights: Array
    price: float
    solve_ms: float


class _Search:
    """Plans and proofs for one problem; keeps the best of both."""

    def __init__(self, canonical: Canonical, risk: Risk, options: SolverOptions) -> None:
        self.canonical, self.risk, self.options = canonical, risk, options
        self.draws = check_risk(canonical, risk)
        self.bent = bool(np.any(self.draws.inflections() > canonical.lower))
        # Where there may be many local peaks, time is kept for exchanges at the end.
        peaks = self.bent or risk.measure == "quantile"
        self.deadline = time.perf_counter() + (0.65 if peaks else 0.85) * options.time_limit_s
        self.spend = canonical.lower
        self.value = -np.inf
        self.weights = np.full(self.draws.draws, 1.0 / self.draws.draws)
        self.price = 0.0
        self.proof: RiskProof | None = None
        self.certificate: Certificate | None = None
        self.known: list[Array] = []
        self.nodes = self.iterations = 0

    def late(self) -> bool:
        return time.perf_counter() >= self.deadline

    def offer(self, spend: Array) -> bool:
        outcomes = self.draws.value(spend).sum(axis=1)
        self.known.append(outcomes)
        value = measure(self.risk, outcomes)
        if value > self.value:
            self.spend, self.value = spend, value
            return True
        return False

    def climb(self, start: Array, risk: Risk | None = None) -> None:
        """Offer a plan and where the measure leads from there."""
        self.offer(start)
        for held in (False, True) if self.bent else (False,):
            if self.late():
                return
            found = ascend(
                self.canonical, risk or self.risk, start, held=held, deadline=self.deadline
            )
            self.iterations += 1
            if self.offer(_tidy_spend(self.canonical, found.spend)):
                self.weights, self.price = found.weights, found.price

    def prove(self, weights: Array, limit: float) -> Array:
        """Bound every plan through one set of weights; its best plan is offered too."""
        began = time.perf_counter()
        if np.any(weights < 0.0):
            self.keep(RiskProof(weights, Proof((Leaf(self.price),))))
            return self.spend
        share = max(min(limit, self.deadline - began), 0.05)
        options = replace(self.options, method="auto", time_limit_s=share, gap=self.options.gap / 4)
        task = reweighted(self.canonical, weights)
        found = solve(task, options, self.spend)
        self.nodes += found.nodes
        self.iterations += found.iterations
        self.offer(found.spend)
        self.keep(RiskProof(weights, found.proof))
        return found.spend

    def keep(self, proof: RiskProof) -> None:
        found = certify_risk(self.canonical, self.risk, self.spend, proof)
        if self.certificate is None or found.upper_bound < self.certificate.upper_bound:
            self.proof, self.certificate = proof, found

    def done(self) -> bool:
        return self.late() if self.certificate is None else self.late() or not self.unclosed()

    def unclosed(self) -> bool:
        """Whether the gap is not yet closed."""
        found = self.certificate
        if found is None:
            return True
        return found.upper_bound - self.value > self.options.gap * abs(found.upper_bound)


def solve_risk(
    canonical: Canonical, risk: Risk, options: SolverOptions, start: Array | None = None
) -> RiskSolved:
    """Solve for a measure over draws; deterministic but for the time limit.

    Parameters
    ----------
    start
        A plan (n,) known already; like today's, where it is allowed the answer is never worse.

    Raises
    ------
    InvalidInput
        No draws to weigh, or a level or aversion out of range.
    """
    began = time.perf_counter()
    search = _Search(canonical, risk, options)
    expected = solve(
        canonical, replace(options, method="auto", time_limit_s=0.3 * options.time_limit_s)
    )
    search.nodes += expected.nodes
    search.price = expected.budget_price
    both = (incumbent(canonical, canonical.current), incumbent(canonical, start))
    known = [plan for plan in both if plan is not None]
    for plan in known:
        search.offer(plan)
    if risk.measure == "quantile":
        _quantile(search, expected.spend, expected.proof)
    else:
        _coherent(search, [expected.spend, *known])
    assert search.proof is not None
    if search.unclosed():
        _exchange(search, began + 0.85 * options.time_limit_s)
    certificate = certify_risk(canonical, risk, search.spend, search.proof)
    return RiskSolved(
        spend=search.spend,
        method="branch_and_bound" if search.nodes > expected.nodes + 1 else "lagrangian",
        why=_why(risk, certificate.relative_gap <= options.gap),
        iterations=search.iterations,
        nodes=search.nodes,
        proof=search.proof,
        certificate=certificate,
        weights=search.weights,
        price=search.price,
        solve_ms=1e3 * (time.perf_counter() - began),
    )


def _exchange(search: _Search, deadline: float) -> None:
    """Move money between pairs of channels: out of a local peak, and onto a quantile's corners."""
    draws, risk = search.draws, search.risk
    found = exchange(
        as_program(search.canonical),
        search.spend[:, None],
        lambda u: measure(risk, draws.value(u[:, 0]).sum(axis=1)),
        deadline=deadline,
        seed=search.options.seed,
    )
    if search.offer(found[:, 0]):
        search.weights = weights_at(risk, search.known[-1])


def _why(risk: Risk, closed: bool) -> str:
    if risk.measure == "quantile":
        return (
            "A quantile over draws is not concave, so the plan is the best of local searches; the "
            "bound holds but is wide."
        )
    what = "The measure is the least over weightings of the draws, so one weighting bounds it."
    if closed:
        return what + " The weighting at the best plan proves it."
    return what + " Some curves are S-shaped or the time limit came first, so a gap is stated."


def _coherent(search: _Search, starts: list[Array]) -> None:
    for start in starts:
        search.climb(start)
    count = search.draws.draws
    at_best = weights_at(search.risk, search.draws.value(search.spend).sum(axis=1))
    if search.risk.measure == "mean_minus_sd":
        search.weights = at_best
        search.prove(at_best, np.inf)
        if not search.done() and np.any(at_best < 0.0):
            search.prove(nonnegative(search.risk, at_best), 0.4 * search.options.time_limit_s)
        return
    limit = 0.3 * search.options.time_limit_s
    search.weights = tidy(search.risk, search.weights)
    search.prove(search.weights, limit)
    for _ in range(_ROUNDS):
        if search.done():
            break
        weights = master(search.risk, search.known, count)
        if weights is None:
            break
        # Halfway to the best plan's own weights: cutting planes alone swing from end to end.
        own = tidy(search.risk, search.weights)
        plan = search.prove(tidy(search.risk, 0.5 * (weights + own)), limit)
        if not search.done():
            search.climb(plan)


def _quantile(search: _Search, expected: Array, proof: Proof) -> None:
    """Plans for tails of several levels, then weights around the quantile's own draws."""
    canonical, risk = search.canonical, search.risk
    search.offer(expected)
    for stretch in (1.0, 1.6, 2.5, 4.0):
        level = min(stretch * risk.level, 0.95)
        if not search.late():
            search.climb(search.spend, Risk("cvar", level=level))
    width = 1.0
    for _ in range(8):
        if search.late():
            break
        outcomes = search.draws.value(search.spend).sum(axis=1)
        spread = max(float(outcomes.std()), 1e-12 * abs(search.value))
        near = np.exp(-0.5 * ((outcomes - search.value) / (width * spread)) ** 2)
        task = reweighted(canonical, near / float(near.sum()))
        found = solve(task, replace(search.options, method="auto", gap=1e-4, time_limit_s=0.5))
        for share in (1.0, 0.5, 0.2, 0.05):
            search.offer((1.0 - share) * search.spend + share * found.spend)
        width *= 0.7
    count = search.draws.draws
    even = np.full(count, 1.0 / count)
    search.weights = weights_at(risk, search.draws.value(search.spend).sum(axis=1))
    search.keep(RiskProof(even, proof, _prices(search)))


def _prices(search: _Search) -> Array:
    """A price of money for every draw taken alone; what is not reached in time gets the last."""
    count = search.draws.draws
    out = np.full(count, search.price)
    guess: float | None = None
    for s in range(count):
        if search.late():
            break
        task = one_draw(search.canonical, s)
        model = Relaxation(task)
        found = relax(model, model.box(task.lower, task.upper), task.budget, guess=guess)
        if found is not None:
            guess = found.price or None
            out[s] = found.price
    return out


def _tidy_spend(canonical: Canonical, spend: Array) -> Array:
    """A plan that keeps a barrier's distance from its bounds, put on them, and on the budget."""
    hair = 1e-9 * canonical.budget
    low, high = canonical.lower, canonical.upper
    out = np.where(spend - low <= hair, low, np.where(high - spend <= hair, high, spend))
    out = np.clip(out, low, high)
    if canonical.spend_all or float(out.sum()) > canonical.budget:
        out = settle(out, low, high, canonical.budget, out - low)
    return out
