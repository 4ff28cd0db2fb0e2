"""Feasible plans from a relaxed one: take sides on the torn channels, refill, polish.

With every channel either fixed or restricted to the concave part of its curve, what is left is a
concave problem with one budget, which the dual solves exactly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shared.solve.one_budget.dual import Relaxed, relax, settle
from shared.solve.one_budget.relaxation import Box, Relaxation

__all__ = ["best_on_pattern", "polish", "sides"]

Array = NDArray[np.float64]


def sides(model: Relaxation, box: Box, relaxed: Relaxed, torn: list[int]) -> Iterator[Array]:
    """The relaxed spends with all torn channels put to the start, then the end of their lines."""
    for end in (False, True):
        spend = relaxed.spend.copy()
        for i in torn:
            start, stop = model.line_at(box, i, float(spend[i]))
            spend[i] = stop if end else start
        yield spend


def best_on_pattern(
    model: Relaxation, pattern: Array, guess: float | None
) -> tuple[Array, float] | None:
    """The best plan (and its price) in which channels keep the side of the bend they are on.

    Channels beyond their bend are free on the concave part of their curve; all others stay at
    ``pattern`` (n,). None where the budget cannot be met that way.
    """
    task = model.task
    free = (pattern >= model.bend) | ~np.isfinite(model.bend)
    concave = np.where(np.isfinite(model.bend), np.maximum(model.bend, task.lower), 0.0)
    concave = np.maximum(concave, task.lower)
    lower = np.where(free, np.minimum(concave, task.upper), pattern)
    upper = np.where(free, task.upper, pattern)
    for i, table in model.tables:
        table.add(np.array([lower[i], upper[i]]))
    relaxed = relax(model, model.box(lower, upper), task.budget, guess=guess)
    if relaxed is None:
        return None
    if model.exact:
        return relaxed.spend, relaxed.price
    return polish(model, relaxed.spend, lower, upper), relaxed.price


def polish(model: Relaxation, spend: Array, lower: Array, upper: Array) -> Array:
    """Newton on the true slopes of the free channels: equal slopes, and the budget kept.

    For means over draws, whose tables are close but not exact, and for plans with a channel on
    the convex part of its curve. Only ever improves.
    """
    budget = model.task.budget
    best, best_value = spend, float(model.value(spend).sum())
    target = float(spend.sum()) if not model.task.spend_all else budget
    for _ in range(5):
        at = np.where(spend > 0.0, spend, 1e-9 * budget)  # not free there, whatever it says
        slope, bend = model.marginal(at), model.curvature(at)
        free = (spend > lower) & (spend < upper) & (bend != 0.0) & np.isfinite(bend)
        if np.count_nonzero(free) < 2:
            break
        give = np.where(free, -1.0 / np.where(free, bend, 1.0), 0.0)
        total = float(give.sum())
        if total == 0.0:
            break
        price = float((slope[free] * give[free]).sum()) / total
        # No step beyond half the way to a bound: the next one decides whether it is met.
        step = np.where(free, (slope - price) * give, 0.0)
        step = np.clip(step, 0.5 * (lower - spend), 0.5 * (upper - spend))
        moved = settle(spend + step, lower, upper, target, np.abs(give))
        value = float(model.value(moved).sum())
        small = float(np.abs(moved - spend).max()) <= 1e-12 * budget
        spend = moved
        if value > best_value:
            best, best_value = moved, value
        if small:
            break
    return best
