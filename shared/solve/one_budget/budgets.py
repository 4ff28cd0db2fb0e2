"""The best plans of one problem at many budgets, for little more than one costs.

Tables of means over draws, envelopes, and each channel's answer to a grid of prices are made once;
the trees of all budgets grow side by side (:mod:`shared.solve.one_budget.lockstep`); all plans are
made stationary together. Each budget's proof is checked apart from this, like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.problem.proof import Proof
from shared.solve.one_budget.dual import settle
from shared.solve.one_budget.form import OneBudget
from shared.solve.one_budget.lockstep import Grown, grow
from shared.solve.one_budget.priced import Priced, priced
from shared.solve.one_budget.relaxation import Relaxation
from shared.solve.one_budget.splitting import at_price

__all__ = ["Budgets", "solve_budgets"]

Array = NDArray[np.float64]

ROUNDS = 3
"""Newton steps from the grid's own accuracy to the last digits."""


@dataclass(frozen=True, slots=True, eq=False)
class Budgets:
    """Plans (K, n), nan where none was found; their proofs; sizes of their trees."""

    spend: Array
    proofs: list[Proof]
    nodes: NDArray[np.intp]


def solve_budgets(task: OneBudget, budgets: Array, gap: float, deadline: float) -> Budgets | None:
    """Plans and proofs for K budgets; None where the budgets have too little in common.

    Parameters
    ----------
    task
        The problem at the largest of the ``budgets`` (K,). Each budget must lie between the sums of
        its bounds, with room on both sides.
    gap
        Relative; a budget whose tree grows too large stops before it.
    deadline
        ``work.now`` after which the tables are refined no further.
    """
    model = Relaxation(task, deadline)
    columns = priced(model, float(budgets.min()), float(budgets.max()))
    if columns is None:
        return None
    grown = grow(columns, task.upper, budgets, gap)
    spend, price = _stationary(model, columns, grown, budgets)
    proofs = [
        # A tree of one leaf has the plan's own price, known to more digits than the grid's.
        Proof((at_price(float(p)),)) if len(proof.nodes) == 1 and not columns.bent.any() else proof
        for proof, p in zip(grown.proofs, price.tolist(), strict=True)
    ]
    for k, x in enumerate(spend):
        if grown.found[k]:
            fixed = ~grown.pattern[k]
            floor = np.where(fixed, task.lower, columns.start)
            top = np.where(fixed, columns.rest, task.upper)
            spend[k] = settle(x, floor, top, float(budgets[k]), x - floor)
    spend[~grown.found] = np.nan
    return Budgets(spend, proofs, grown.nodes)


def _stationary(
    model: Relaxation, columns: Priced, grown: Grown, budgets: Array
) -> tuple[Array, Array]:
    """Spends (K, n) with equal slopes in each pattern, and the slopes (K,)."""
    lower, upper = model.task.lower, model.task.upper
    on, price = grown.pattern, grown.price.copy()
    floor, top = np.where(on, columns.start, lower), np.where(on, upper, columns.rest)
    if not model.exact or model.tables:
        place = np.interp(np.log(price), np.log(columns.price), np.arange(columns.price.size))
        left = np.clip(place.astype(int), 0, columns.price.size - 2)
        share = (place - left)[:, None]
        ends = [np.where(on, columns.spend[at], columns.small[at]) for at in (left, left + 1)]
        between = (1.0 - share) * ends[0] + share * ends[1]
        return _newton(model, np.clip(between, floor, top), floor, top, budgets), price
    curves = model.task.curves
    spend = floor
    for _ in range(ROUNDS + 1):
        best = curves.at_slope(np.broadcast_to(price[:, None], on.shape))
        spend = np.clip(np.where(np.isfinite(best), best, floor), floor, top)
        inside = (spend > floor) & (spend < top)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            rate = -1.0 / curves.relative_curvature(spend)
        give = np.where(inside & np.isfinite(rate), rate, 0.0).sum(axis=1)
        excess = spend.sum(axis=1) - budgets
        step = np.where(give > 0.0, excess / np.where(give > 0.0, give, 1.0), 0.0)
        price = price * np.exp(np.clip(step, -0.5, 0.5))
        if float(np.abs(excess / budgets).max()) <= 1e-13:
            break
    return spend, price


def _newton(model: Relaxation, spend: Array, floor: Array, top: Array, budgets: Array) -> Array:
    """Newton on the true slopes of the free channels, the budgets kept: for means over draws."""
    for _ in range(ROUNDS):
        at = np.where(spend > 0.0, spend, 1e-9 * budgets[:, None])
        slope, bend = model.marginal(at), model.curvature(at)
        free = (spend > floor) & (spend < top) & (bend < 0.0) & np.isfinite(bend)
        give = np.where(free, -1.0 / np.where(free, bend, 1.0), 0.0)
        total = give.sum(axis=1, keepdims=True)
        usable = np.where(total > 0.0, total, 1.0)
        left = budgets[:, None] - spend.sum(axis=1, keepdims=True)
        price = ((slope * give).sum(axis=1, keepdims=True) - left) / usable
        # No step beyond half the way to a bound: the next one decides whether it is met.
        step = np.clip((slope - price) * give, 0.5 * (floor - spend), 0.5 * (top - spend))
        spend = np.clip(spend + step, floor, top)
    return spend
