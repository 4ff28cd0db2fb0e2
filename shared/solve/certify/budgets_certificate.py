"""Certificates of one problem's plans at many budgets, rechecked together.

What a channel is worth at a price does not depend on the budget, so the regions of all budgets'
trees are bounded in one pass, and what is learnt of means over draws serves them all. No solver is
imported, and nothing is believed: see :mod:`shared.solve.certify.certificate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.problem.canonical import Canonical, outcome
from shared.problem.incumbent import ALLOWED
from shared.problem.proof import Proof
from shared.problem.symmetry import alike
from shared.solve.certify.certificate import CELLS, covering, leaves
from shared.solve.certify.regions import Bounder, Region

__all__ = ["Bounded", "certify_budgets"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bounded:
    """What a certificate says of a plan's value, of the bound beside it, and of both."""

    objective: float
    upper_bound: float
    relative_gap: float
    proven: bool
    max_constraint_violation: float


def certify_budgets(
    canonicals: Sequence[Canonical], spend: Array, proofs: Sequence[Proof], accuracy: float
) -> list[Bounded]:
    """A certificate for each of K budgets.

    Parameters
    ----------
    canonicals
        The problem at each budget: the same curves and floors, budgets and what they cap differ.
    spend
        (K, n) plans.
    accuracy
        Relative; bounds on means over draws are refined until they are that close. Closed forms
        are bounded to rounding.
    """
    largest = max(canonicals, key=lambda canonical: float(canonical.upper.sum()))
    worth = outcome(largest, spend).sum(axis=1)
    middle = int(np.argsort(worth)[len(worth) // 2])
    bounder = Bounder(largest, spend[middle], float(worth.min()), accuracy)
    bounds = np.full(len(canonicals), -np.inf)
    broken = np.zeros(len(canonicals), dtype=bool)
    # What is alike at the largest budget is alike at all: a budget caps both the same.
    twins = alike(largest) if any(len(proof.nodes) > 1 for proof in proofs) else ()
    regions: list[Region] = []
    owners: list[int] = []

    def settle() -> None:
        np.maximum.at(bounds, np.array(owners, dtype=np.intp), bounder.bounds(regions))
        regions.clear()
        owners.clear()

    for k, (canonical, proof) in enumerate(zip(canonicals, proofs, strict=True)):
        for region in leaves(canonical, proof, twins):
            if region is None:
                broken[k] = True
                break
            regions.append(region)
            owners.append(k)
            if len(regions) * largest.n >= CELLS:
                settle()
    settle()
    bounds[broken] = np.inf
    missed = _violations(canonicals, spend)
    return [
        _bounded(*each)
        for each in zip(worth.tolist(), bounds.tolist(), missed.tolist(), strict=True)
    ]


def _bounded(objective: float, bound: float, violation: float) -> Bounded:
    if not math.isfinite(bound) or not math.isfinite(objective):
        return Bounded(objective, math.inf, math.inf, False, violation)
    bound = covering(bound, objective, violation)
    scale = max(abs(bound), abs(objective))
    gap = max(bound - objective, 0.0) / scale if scale > 0.0 else 0.0
    return Bounded(objective, bound, gap, violation <= ALLOWED, violation)


def _violations(canonicals: Sequence[Canonical], spend: Array) -> Array:
    """(K,) largest violations of a bound or the budget, relative to the budget."""
    budgets = np.array([canonical.budget for canonical in canonicals])
    spent = np.array([math.fsum(x) for x in spend.tolist()])
    lower = np.stack([canonical.lower for canonical in canonicals])
    upper = np.stack([canonical.upper for canonical in canonicals])
    equal = np.array([canonical.spend_all for canonical in canonicals])
    total = np.where(equal, np.abs(spent - budgets), spent - budgets)
    outside = np.maximum(lower - spend, spend - upper).max(axis=1)
    return np.asarray(np.maximum(np.maximum(outside, total), 0.0) / budgets)
