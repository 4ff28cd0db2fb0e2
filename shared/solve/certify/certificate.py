"""What a plan is worth and how far from the best it can be, rechecked from the problem alone.

No solver is imported and nothing it says is believed. From a :class:`~shared.problem.proof.Proof`
only prices and the tree's splits are read: boxes are derived from the problem's own bounds on the
way down, so that the leaves cover every feasible plan by construction, and for each of them weak
duality gives a bound from one-dimensional maxima. Everything is rounded outward.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.problem.canonical import Canonical, marginal, outcome
from shared.problem.incumbent import ALLOWED
from shared.problem.proof import Count, Cut, Proof, Split
from shared.problem.symmetry import alike, in_order
from shared.solve.certify.regions import Bounder, Limit, Region

__all__ = ["CELLS", "Certificate", "certify", "covering", "leaves", "narrowed", "stated"]

Array = NDArray[np.float64]
_EXACTLY = 20_000  # so many numbers are added up without any rounding
CELLS = 400_000  # rows times channels bounded together


@dataclass(frozen=True, slots=True)
class Certificate:
    """A plan's value beside a bound on every plan.

    Attributes
    ----------
    objective
        Expected outcome of the plan.
    upper_bound
        No feasible plan has more; ``inf`` (like both gaps) where the proof proves nothing.
    gap, relative_gap
        ``upper_bound - objective``, and that over the upper bound's size; never negative.
    proven
        Whether ``upper_bound`` is a bound on every feasible plan, and this plan is feasible.
    max_constraint_violation
        Largest violation of a bound or the budget, relative to the budget.
    kkt_residual
        Half the outcome gained by moving a unit of money between the two channels where that pays
        most, relative to the steeper slope or the average return; 0 at a stationary plan.
    """

    objective: float
    upper_bound: float
    gap: float
    relative_gap: float
    proven: bool
    max_constraint_violation: float
    kkt_residual: float


def certify(canonical: Canonical, spend: Array, proof: Proof) -> Certificate:
    """Recheck a plan (n,) and bound what any other could reach."""
    objective = _sum(outcome(canonical, spend))
    violation = _violation(canonical, spend)
    bound = _bound(canonical, spend, proof, objective)
    return stated(objective, bound, violation, _kkt(canonical, spend, objective))


def stated(objective: float, bound: float | None, violation: float, residual: float) -> Certificate:
    """A plan's value beside its bound; infinite, and proving nothing, where either is no number."""
    if bound is None or not math.isfinite(bound) or not math.isfinite(objective):
        return Certificate(objective, math.inf, math.inf, math.inf, False, violation, residual)
    bound = covering(bound, objective, violation)
    gap = max(bound - objective, 0.0)
    scale = max(abs(bound), abs(objective))
    return Certificate(
        objective=objective,
        upper_bound=bound,
        gap=gap,
        relative_gap=gap / scale if scale > 0.0 else 0.0,
        proven=violation <= ALLOWED,
        max_constraint_violation=violation,
        kkt_residual=residual,
    )


def covering(bound: float, objective: float, violation: float) -> float:
    """The bound to state beside a plan: one that the plan itself does not exceed.

    A plan that is feasible to the tolerance only may gain by what it misses. No bound is wrong by
    being larger, and one below a plan that counts as feasible would say that the plan cannot be.
    """
    return max(bound, objective) if violation <= ALLOWED else bound


def _sum(x: Array) -> float:
    """Exact to the last digit; of very many numbers pairwise, which loses the last two."""
    return math.fsum(x.tolist()) if x.size <= _EXACTLY else float(x.sum())


def _violation(canonical: Canonical, spend: Array) -> float:
    total = _sum(spend) - canonical.budget
    worst = max(
        float(np.max(canonical.lower - spend, initial=0.0)),
        float(np.max(spend - canonical.upper, initial=0.0)),
        abs(total) if canonical.spend_all else total,
        0.0,
    )
    return worst / canonical.budget if canonical.budget > 0.0 else worst


def _kkt(canonical: Canonical, spend: Array, objective: float) -> float:
    """See :class:`Certificate`; a slope that is no number is taken over a first small step.

    Slopes are outcome per budget: of the size of the objective, whatever money is counted in.
    """
    budget = canonical.budget
    if budget == 0.0:
        return 0.0  # no money, so none to move
    tiny = 1e-9 * budget
    with np.errstate(over="ignore"):  # what is too steep for a number is taken over the step
        gain = marginal(canonical, spend) * budget
    if not np.all(np.isfinite(gain)):
        step = (outcome(canonical, spend + tiny) - outcome(canonical, spend)) * 1e9
        gain = np.where(np.isfinite(gain), gain, step)
    # At the corner of a table less money loses the slope on the left, not that on the right.
    tables = canonical.curves.tables if canonical.draws is None else canonical.draws.tables
    loss = gain
    if tables:
        corners = [table[0] for table in tables]
        loss = gain.copy()
        loss[corners] = marginal(canonical, np.maximum(spend - tiny, 0.0))[corners] * budget
    up = gain[spend < canonical.upper - tiny]
    down = loss[spend > canonical.lower + tiny]
    if not up.size:
        return 0.0
    cheapest = float(down.min()) if down.size else math.inf
    if not canonical.spend_all and float(spend.sum()) < budget - tiny:
        cheapest = 0.0  # unspent money earns nothing
    best = float(up.max())
    if not math.isfinite(cheapest) or best <= cheapest:
        return 0.0
    return 0.5 * (best - cheapest) / max(best, abs(objective))


def _bound(canonical: Canonical, spend: Array, proof: Proof, size: float) -> float | None:
    """The largest leaf bound; None where the tree is no tree or a price is no price."""
    bounder = Bounder(canonical, spend, size)
    regions: list[Region] = []
    best = -math.inf
    for region in leaves(canonical, proof):
        if region is None:
            return None
        regions.append(region)
        if len(regions) * canonical.n >= CELLS:
            best = max(best, bounder.largest(regions))
            regions = []
    return max(best, bounder.largest(regions))


def leaves(
    canonical: Canonical, proof: Proof, twins: tuple[NDArray[np.intp], ...] | None = None
) -> Iterator[Region | None]:
    """The regions that a tree ends in; None where it is no tree, or a price is no price.

    ``twins`` are groups of identical channels, where they are known already.
    """
    nodes, count = proof.nodes, len(proof.nodes)
    if not count:
        yield None
        return
    seen = [False] * count
    # Only plans sorted within groups of identical channels are looked at; see symmetry.py.
    if twins is None:
        twins = alike(canonical) if count > 1 else ()
    free = Limit(np.full(canonical.n, np.inf), 0, canonical.n)
    walk: list[tuple[int, Array, Array, Limit]] = [(0, canonical.lower, canonical.upper, free)]
    while walk:
        at, lower, upper, limit = walk.pop()
        if not 0 <= at < count or seen[at]:
            yield None
            return
        seen[at] = True
        lower, upper = in_order(twins, lower, upper)
        if np.any(lower > upper) or _empty(canonical, lower, upper):
            continue
        if limit is not free:
            box = limit.inside(lower, upper)
            if box is None:
                continue
            lower, upper = box
        node = nodes[at]
        if isinstance(node, Split):
            c = node.channel
            if not 0 <= c < canonical.n or math.isnan(node.at):
                yield None
                return
            below, above = upper.copy(), lower.copy()
            below[c] = min(max(node.at, lower[c]), upper[c])
            above[c] = below[c]
            walk += [(node.below, lower, below, limit), (node.above, above, upper, limit)]
            continue
        if isinstance(node, Count):
            if node.at.shape != lower.shape or np.any(np.isnan(node.at)):
                yield None
                return
            walk += [
                (child, lower, upper, limit.narrowed(node, above=above_))
                for child, above_ in ((node.below, False), (node.above, True))
            ]
            continue
        if not math.isfinite(node.price) or node.price < 0.0 or not math.isfinite(node.count_price):
            yield None
            return
        inner = None
        if isinstance(node, Cut):
            inner = narrowed(node, lower, upper)
            if inner is None:
                yield None
                return
            walk.append((node.child, *inner, limit))
        counted = None if limit is free else limit
        yield Region(lower, upper, node.price, node.count_price, counted, inner, canonical.budget)


def _empty(canonical: Canonical, lower: Array, upper: Array) -> bool:
    """Whether no plan in the box meets the budget, beyond any doubt of rounding."""
    slack = 1e-12 * canonical.budget
    if float(lower.sum()) > canonical.budget + slack:
        return True
    return canonical.spend_all and float(upper.sum()) < canonical.budget - slack


def narrowed(node: Cut, lower: Array, upper: Array) -> tuple[Array, Array] | None:
    """The box that a cut leaves of ``lower .. upper``; None where it is no cut of it."""
    channels = node.channels
    shape = channels.shape
    if channels.dtype.kind not in "iu":
        return None
    if node.lower.shape != shape or node.upper.shape != shape or channels.ndim != 1:
        return None
    if np.any(channels < 0) or np.any(channels >= lower.size):
        return None
    if not (np.all(np.isfinite(node.lower)) and np.all(np.isfinite(node.upper))):
        return None
    low, high = lower.copy(), upper.copy()
    low[channels] = np.clip(node.lower, lower[channels], upper[channels])
    high[channels] = np.clip(node.upper, low[channels], upper[channels])
    return low, high
