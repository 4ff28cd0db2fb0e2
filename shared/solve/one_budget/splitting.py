"""Where a search over one budget splits a box, and what the two parts are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shared.problem.proof import Cut, Leaf, Node
from shared.problem.symmetry import in_order
from shared.solve.one_budget.relaxation import Box, Relaxation

__all__ = ["at_price", "cut_down", "halves", "refine", "torn_most"]

Array = NDArray[np.float64]


def at_price(price: float, count_price: float = 0.0) -> Leaf:
    """A region bounded by the price of money alone, and of being counted."""
    return Leaf(np.array([price]), count_price=count_price)


def refine(model: Relaxation, box: Box, spend: Array, torn: list[int]) -> None:
    """More knots in the tables around a plan (n,), and at the ends of lines it is torn between."""
    for i, table in model.tables:
        table.refine(float(spend[i]))
        if i in torn:
            for end in model.line_at(box, i, float(spend[i])):
                table.refine(end)


def torn_most(model: Relaxation, box: Box, x: Array, torn: list[int]) -> tuple[int, float, float]:
    """The channel whose envelope errs most at a plan (n,), and the ends of its line there."""
    excess = model.envelope_at(box, x, torn) - model.surface(x)[torn]
    i = torn[int(np.argmax(excess))]
    start, stop = model.line_at(box, i, float(x[i]))
    return i, start, stop


def cut_down(proof: list[Node], slot: int, leaf: Leaf, box: Box, lower: Array, upper: Array) -> int:
    """Write a box that prices cut down to ``lower .. upper`` (n,) into a proof; its new slot."""
    changed = np.flatnonzero((lower > box.lower) | (upper < box.upper))
    if not changed.size:
        return slot
    proof.append(proof[slot])
    child = len(proof) - 1
    proof[slot] = Cut(leaf, changed, lower[changed], upper[changed], child)
    return child


def halves(
    box: Box, i: int, at: float, twins: tuple[NDArray[np.intp], ...]
) -> Iterator[tuple[Array, Array] | None]:
    """Bounds (n,) with channel ``i`` below and above a spend, alike channels in order.

    None for a part that holds no plan.
    """
    for below in (True, False):
        lower, upper = box.lower, box.upper
        if below:
            upper = upper.copy()
            upper[i] = at
        else:
            lower = lower.copy()
            lower[i] = at
        lower, upper = in_order(twins, lower, upper)
        yield None if np.any(lower > upper) else (lower, upper)
