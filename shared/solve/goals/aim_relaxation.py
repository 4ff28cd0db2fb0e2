"""The best total spend for a goal, on concave envelopes.

On envelopes the most outcome V(S) that a total S brings is concave, and its slope is the price of
money q. What a goal wants unhindered is one total: all there is for the outcome, where q = cost /
value for profit, the least there is for the least spend. From there a floor ``V(S) >= constant +
per_money S`` that is missed moves S by Newton: V lies below its tangent, so Newton on the concave
difference never oversteps the nearest total that meets the floor, and a tangent that meets it
nowhere proves that nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.problem.aim import Aim
from shared.solve.one_budget.dual import fill, relax
from shared.solve.one_budget.relaxation import Box, Relaxation

__all__ = ["AimRelaxed", "relax_aim"]

Array = NDArray[np.float64]
_STEPS = 100
_ENOUGH = 4e-16  # a floor missed by no more than this, relative, is met


@dataclass(frozen=True, slots=True)
class AimRelaxed:
    """A price, and what is best at it.

    ``height`` is ``sum of f - price x`` at ``least``, best spends at the price; ``spend`` fits the
    best total, and is None where the price shows that no total will do.
    """

    price: float
    least: Array
    height: float
    spend: Array | None
    iterations: int


@dataclass(frozen=True, slots=True)
class _Move:
    """How much more and how much less money the missed floors need by the tangent; ``none``: a
    missed floor that no total meets."""

    more: float
    less: float
    none: bool


def relax_aim(model: Relaxation, box: Box, aim: Aim, guess: float | None = None) -> AimRelaxed:
    """Solve a goal over a box with its envelopes in place of the curves."""
    canonical = model.canonical
    low, high = float(box.lower.sum()), float(box.upper.sum())
    hair = 1e-12 * max(canonical.budget, 1e-300)
    if low > canonical.budget + hair or (canonical.spend_all and high < canonical.budget - hair):
        return _at(model, guess or 0.0, box.lower, None, 0)
    most = max(min(high, canonical.budget), low)
    least = most if canonical.spend_all else low
    at = _unhindered(model, box, aim, least, most, guess)
    if at.spend is None or not aim.floors:
        return at
    iterations, price = at.iterations, at.price
    total = float(at.spend.sum())
    # At the least total any price serves, and the envelopes are the curves.
    lowest = at.spend is box.lower
    value = float(model.surface(box.lower).sum()) if lowest else at.height + price * total
    if not any(_short(floor.constant + floor.per_money * total, value) for floor in aim.floors):
        return at
    if canonical.spend_all:
        return AimRelaxed(price, at.least, at.height, None, iterations)
    # At the least total a slope may be infinite, so the search begins a hair above.
    total = min(max(total, low + 1e-10 * (most - low) + 4.0 * hair), most)
    below, above = -np.inf, np.inf  # totals that need more, and that need less
    for _ in range(_STEPS):
        relaxed = relax(model, box, total, guess=price or None)
        if relaxed is None:
            break
        iterations, price = iterations + relaxed.iterations, relaxed.price
        move = _move(aim, price, relaxed.bound, total)
        step = move.more - move.less
        if move.none or (move.more > 0.0 and move.less > 0.0):
            return _at(model, price, relaxed.least, None, iterations)
        if step == 0.0 or (step < 0.0 and total <= hair):
            return _at(model, price, relaxed.least, relaxed.spend, iterations)
        if total + step > most * (1.0 + 1e-12) or total + step < least * (1.0 - 1e-12):
            return _at(model, price, relaxed.least, None, iterations)
        if step > 0.0:
            below = max(below, total)
        else:
            above = min(above, total)
        if below > -np.inf and above < np.inf:
            # Wanted from both sides: shown to be nowhere at the floor's own price, where it is one
            # floor, otherwise closed in on.
            for floor in aim.floors:
                best = _at(
                    model, floor.per_money, model.respond(box, floor.per_money).least, None, 1
                )
                if best.height < floor.constant:
                    return AimRelaxed(best.price, best.least, best.height, None, iterations)
        moved = min(max(total + step, least), most)
        if not below < moved < above:
            moved = 0.5 * (below + above) if np.isfinite(above - below) else moved
        if abs(moved - total) <= 2e-16 * total:
            return _at(model, price, relaxed.least, relaxed.spend, iterations)
        total = moved
    return _at(model, price, box.lower, None, iterations)


def _unhindered(
    model: Relaxation, box: Box, aim: Aim, least: float, most: float, guess: float | None
) -> AimRelaxed:
    """The best total where no floor holds."""
    canonical = model.canonical
    low, high = float(box.lower.sum()), float(box.upper.sum())
    total, price = most, 0.0
    if aim.value > 0.0 and aim.cost > 0.0:
        # Where a price is worth paying depends on value and cost alone.
        fair = aim.cost / aim.value
        best = model.respond(box, fair)
        fewest, largest = float(best.least.sum()), float(best.most.sum())
        if fewest <= most and largest >= least:
            # A total at either end tears nothing.
            total = largest if largest <= most else max(fewest, least)
            return _at(model, fair, best.least, fill(best.least, best.most, total), 1)
        if fewest > most:
            price = fair
        elif not canonical.spend_all:
            return _at(model, fair, box.lower, box.lower, 1)
    elif aim.value == 0.0 and not canonical.spend_all:
        price = guess or 0.0
        return _at(model, price, model.respond(box, price).least, box.lower, 1)
    if total >= high > low:
        return _at(model, price, box.upper, box.upper, 1)
    relaxed = relax(model, box, total, guess=guess)
    if relaxed is None:
        return _at(model, guess or 0.0, box.lower, None, 1)
    return _at(model, relaxed.price, relaxed.least, relaxed.spend, relaxed.iterations)


def _move(aim: Aim, price: float, value: float, total: float) -> _Move:
    more = less = 0.0
    for floor in aim.floors:
        asked = floor.constant + floor.per_money * total
        if not _short(asked, value):
            continue
        slope = price - floor.per_money
        if slope == 0.0:
            return _Move(0.0, 0.0, True)
        if slope > 0.0:
            more = max(more, (asked - value) / slope)
        else:
            less = max(less, (asked - value) / -slope)
    return _Move(more, less, False)


def _short(asked: float, value: float) -> bool:
    return asked - value > _ENOUGH * max(abs(asked), abs(value))


def _at(
    model: Relaxation, price: float, least: Array, spend: Array | None, iterations: int
) -> AimRelaxed:
    height = float((model.surface(least) - price * least).sum())
    return AimRelaxed(price, least, height, spend, iterations)
