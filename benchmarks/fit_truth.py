"""What is true of a history whose making is known, and what any plan is worth by it.

Nothing here uses the product's curves or solvers. The best plan is found by a max-plus dynamic
programme over a grid of the budget (pairs that interact are one block), polished by exchanges of
ever smaller amounts between any two arms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spent", "Truth", "best_plan", "regret_ratio", "shares"]

Floats = NDArray[np.float64]
Level = Callable[[Floats], Floats]


class Spent(Protocol):
    """Whose plan is asked for: arms by name, and the history's mean spend (A,) of each."""

    @property
    def arms(self) -> tuple[str, ...]: ...
    @property
    def mean(self) -> Floats: ...


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Steady-state outcome per period of A arms: sum_a height_a level_a(x_a) + pairs.

    Attributes
    ----------
    arms
        Names: a channel, or ``channel/campaign``.
    heights, levels
        Outcome at full saturation, shape (A,), and the saturation of each arm.
    pairs
        (i, j, strength): adds strength * level_i * level_j. An arm is in one pair at most.
    mean
        Mean spend of each arm over the history, shape (A,).
    """

    arms: tuple[str, ...]
    heights: Floats
    levels: tuple[Level, ...]
    pairs: tuple[tuple[int, int, float], ...]
    mean: Floats

    def value(self, plan: Floats) -> float:
        """Outcome per period of a sustained plan, shape (A,)."""
        level = np.array([float(f(np.asarray(x))) for f, x in zip(self.levels, plan, strict=True)])
        joint = sum(strength * level[i] * level[j] for i, j, strength in self.pairs)
        return float(self.heights @ level + joint)


def best_plan(truth: Truth, low: Floats, high: Floats, cells: int = 400) -> Floats:
    """The best plan with ``low <= x <= high`` (A,) and the money of the history's mean.

    Raises
    ------
    ValueError
        That money does not lie between the sums of the bounds, or an arm is in two pairs.
    """
    budget = float(truth.mean.sum())
    free = budget - float(low.sum())
    if not 0.0 <= free <= float((high - low).sum()) * (1 + 1e-12):
        raise ValueError("the bounds leave no plan of this money")
    used = [arm for pair in truth.pairs for arm in pair[:2]]
    if len(set(used)) < len(used):
        raise ValueError("an arm may be in one interacting pair only")
    if free == 0.0:
        return np.asarray(low, dtype=float)
    plan = _on_the_grid(truth, low, high, free / cells, cells)
    # What rounding to the grid left over goes wherever there is room.
    for arm in np.argsort(plan - high):
        plan[arm] += min(high[arm] - plan[arm], budget - float(plan.sum()))
    return _polished(truth, plan, low, high, free / cells)


def _on_the_grid(truth: Truth, low: Floats, high: Floats, step: float, cells: int) -> Floats:
    """Best ``low + step * k`` whose k sum to ``cells``, or to what the grid has room for."""
    count = len(truth.arms)
    rooms = np.minimum(np.floor((high - low) / step + 1e-9).astype(int), cells)
    level = [truth.levels[a](low[a] + step * np.arange(rooms[a] + 1)) for a in range(count)]
    own = [truth.heights[a] * level[a] for a in range(count)]
    partner = {i: (j, strength) for i, j, strength in truth.pairs}
    seconds = {j for _, j, _ in truth.pairs}
    best, trace = np.zeros(1), []
    for a in range(count):
        if a in seconds:
            continue
        block, inner = own[a], None
        if a in partner:
            j, strength = partner[a]
            block, inner = _sums(own[a], own[j], strength * level[a], level[j], cells)
        best, outer = _sums(best, block, None, None, cells)
        trace.append((a, outer, inner))
    left = min(cells, best.size - 1)
    taken = np.zeros(count, dtype=int)
    for a, outer, inner in reversed(trace):
        k = int(outer[left])
        left -= k
        if inner is None:
            taken[a] = k
        else:
            j = partner[a][0]
            taken[j] = int(inner[k])
            taken[a] = k - taken[j]
    return np.asarray(low + step * taken, dtype=float)


def _sums(
    first: Floats, second: Floats, rows: Floats | None, columns: Floats | None, cells: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Best ``first[i] + second[k] (+ rows[i] columns[k])`` by i + k <= ``cells``, and its k."""
    size = min(first.size + second.size - 1, cells + 1)
    best = np.full(size, -np.inf)
    chosen = np.zeros(size, dtype=np.int64)
    for k in range(min(second.size, size)):
        candidate = first[: size - k] + second[k]
        if rows is not None and columns is not None:
            candidate = candidate + rows[: size - k] * columns[k]
        window = slice(k, k + candidate.size)
        better = candidate > best[window]
        best[window] = np.where(better, candidate, best[window])
        chosen[window] = np.where(better, k, chosen[window])
    return best, chosen


def _polished(truth: Truth, plan: Floats, low: Floats, high: Floats, step: float) -> Floats:
    """Move money between two arms while that helps, in steps down to a millionth of the first."""
    plan, value = plan.copy(), truth.value(plan)
    least = 1e-6 * step
    while step > least:
        moved = False
        for giver in range(plan.size):
            for taker in range(plan.size):
                amount = min(step, plan[giver] - low[giver], high[taker] - plan[taker])
                if giver == taker or amount <= 0.0:
                    continue
                other = plan.copy()
                other[giver] -= amount
                other[taker] += amount
                if (new := truth.value(other)) > value * (1 + 1e-14):
                    plan, value, moved = other, new, True
        if not moved:
            step /= 4.0
    return plan


def regret_ratio(truth: Truth, plan: Floats, best: Floats) -> float:
    """Outcome that ``plan`` loses against ``best``, over what keeping the history loses."""
    most, kept = truth.value(best), truth.value(truth.mean)
    if most <= kept:
        raise ValueError("the history is the best plan already: there is no regret to compare")
    return (most - truth.value(plan)) / (most - kept)


def shares(names: Sequence[str], spent: Spent) -> Floats:
    """How each channel's money is spread over the arms by the history, shape (A, C)."""
    out = np.zeros((len(spent.arms), len(names)))
    for a, arm in enumerate(spent.arms):
        out[a, names.index(arm.partition("/")[0])] = spent.mean[a]
    return np.asarray(out / out.sum(axis=0))
