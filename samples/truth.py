"""Evaluate the truth of a simulated brand, and find its best allocation by brute force.

Nothing here uses the product's curves or solvers: it is a second opinion on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["METHOD", "best_allocation", "saturation_level", "steady_state", "upper_bound"]

Floats = NDArray[np.float64]

METHOD = (
    "max-plus dynamic programme over a grid of the budget (covers every allocation on the grid), "
    "then the same programme in ever finer windows around its answer; upper_bound is the "
    "Lagrangian dual, each channel's maximum bounded from above on a grid, so no allocation "
    "whatever beats it"
)


def saturation_level(curve: Mapping[str, Any], x: Floats) -> Floats:
    """Share of the maximal response at adstocked spend ``x``, in [0, 1), any shape."""
    x = np.maximum(np.asarray(x, dtype=np.float64), 0.0)
    if curve["family"] == "hill":
        u = (x / curve["half_saturation"]) ** curve["shape"]
        return np.asarray(u / (1.0 + u))
    if curve["family"] == "exponential":
        return np.asarray(-np.expm1(-curve["rate"] * x))
    raise ValueError(f"unknown family {curve['family']!r}")


def steady_state(truth: Mapping[str, Any], allocation: Mapping[str, float]) -> float:
    """Media outcome per period when ``allocation`` is spent every period.

    Adstock weights sum to one, so sustained spend is adstocked spend. Missing channels spend 0.
    """
    names = [channel["channel"] for channel in truth["channels"]]
    unknown = sorted(set(allocation) - set(names))
    if unknown:
        raise KeyError(f"unknown channels {unknown}")
    level = {
        channel["channel"]: float(
            saturation_level(
                channel["saturation"], np.array(allocation.get(channel["channel"], 0.0))
            )
        )
        for channel in truth["channels"]
    }
    total = sum(c["saturation"]["max_response"] * level[c["channel"]] for c in truth["channels"])
    total += sum(
        pair["strength"] * level[pair["channels"][0]] * level[pair["channels"][1]]
        for pair in truth["interactions"]
    )
    return float(total)


def upper_bound(truth: Mapping[str, Any], budget: float, upper: Sequence[float]) -> float | None:
    """A bound on every allocation within [0, upper] that spends at most ``budget``.

    Weak duality: for any price p >= 0, sum_i max_x (f_i(x) - p x) + p B. Each f_i increases, so on
    a cell [a, b] of the grid f_i(x) - p x <= f_i(b) - p a. Minimised over p by golden section (the
    dual is convex). None with interactions: the terms no longer separate.
    """
    if truth["interactions"]:
        return None
    cells = 50_000
    edges = [np.linspace(0.0, cap, cells + 1) for cap in upper]
    values = [
        c["saturation"]["max_response"] * saturation_level(c["saturation"], x)
        for c, x in zip(truth["channels"], edges, strict=True)
    ]

    def dual(price: float) -> float:
        return price * budget + sum(
            float(np.max(value[1:] - price * x[:-1]))
            for value, x in zip(values, edges, strict=True)
        )

    golden = (5.0**0.5 - 1.0) / 2.0
    low, high = 0.0, 2.0 * sum(float(v[-1]) for v in values) / budget
    best = min(dual(low), dual(high))
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        at_left, at_right = dual(left), dual(right)
        best = min(best, at_left, at_right)
        if at_left < at_right:
            high = right
        else:
            low = left
    return best


def best_allocation(
    truth: Mapping[str, Any], budget: float, upper: Sequence[float], *, cells: int = 2000
) -> tuple[dict[str, float], float]:
    """The steady-state optimum of spending exactly ``budget`` with 0 <= spend_i <= upper_i.

    Parameters
    ----------
    cells
        Steps of the first grid over [0, budget]; then windows of 25 steps each way are refined ten
        times at a time until a step is below 1e-7 of the budget.

    Returns
    -------
    The allocation by channel (sums to ``budget``) and its value.

    Notes
    -----
    See ``METHOD``. Interacting pairs are searched jointly; a channel may be in one pair only.
    """
    count = len(truth["channels"])
    caps = np.minimum(np.asarray(upper, dtype=np.float64), budget)
    if float(np.sum(caps)) < budget:
        raise ValueError("the budget exceeds the sum of the upper bounds")
    step = budget / cells
    offsets = [np.arange(cells + 1) for _ in range(count)]
    spend = _programme(truth, np.zeros(count), offsets, step, caps, total=cells)
    while step > 1e-7 * budget:
        step /= 10.0
        window = np.arange(-25, 26)
        spend = _programme(truth, spend, [window] * count, step, caps, total=0)
    names = [channel["channel"] for channel in truth["channels"]]
    allocation = dict(zip(names, map(float, spend), strict=True))
    return allocation, steady_state(truth, allocation)


def _programme(
    truth: Mapping[str, Any],
    centre: Floats,
    offsets: Sequence[NDArray[np.int64]],
    step: float,
    caps: Floats,
    total: int,
) -> Floats:
    """Best ``centre + k * step`` with k_i in ``offsets[i]`` and sum k = ``total``, within caps."""
    names = [channel["channel"] for channel in truth["channels"]]
    partner: dict[int, tuple[int, float]] = {}
    for pair in truth["interactions"]:
        first, second = (names.index(name) for name in pair["channels"])
        if {first, second} & (set(partner) | {p for p, _ in partner.values()}):
            raise ValueError("a channel may be in one interacting pair only")
        partner[first] = (second, pair["strength"])
    seconds = {second for second, _ in partner.values()}

    levels, values = [], []
    for i, channel in enumerate(truth["channels"]):
        x = centre[i] + offsets[i] * step
        level = saturation_level(channel["saturation"], x)
        inside = (x >= -1e-9 * step) & (x <= caps[i] * (1 + 1e-12))
        levels.append(level)
        values.append(np.where(inside, channel["saturation"]["max_response"] * level, -np.inf))

    # best[j] is the best value of the blocks so far whose offsets sum to base + j
    best, base = np.zeros(1), 0
    trace: list[tuple[tuple[int, ...], list[NDArray[np.int64]], list[int]]] = []
    for i in range(count := len(names)):
        if i in seconds:
            continue
        low = int(offsets[i][0])
        if i in partner:
            j, strength = partner[i]
            block, inner = _convolve(values[i], values[j], strength, levels[i], levels[j])
            low += int(offsets[j][0])
            best, outer = _convolve(best, block)
            trace.append(((i, j), [outer, inner], [base, low]))
        else:
            best, outer = _convolve(best, values[i])
            trace.append(((i,), [outer], [base, low]))
        base += low

    spend, remaining = np.zeros(count), total - base
    for block_of, choices, _ in reversed(trace):
        taken = int(choices[0][remaining])
        remaining -= taken
        if len(block_of) == 2:
            i, j = block_of
            of_second = int(choices[1][taken])
            spend[i] = centre[i] + offsets[i][taken - of_second] * step
            spend[j] = centre[j] + offsets[j][of_second] * step
        else:
            spend[block_of[0]] = centre[block_of[0]] + offsets[block_of[0]][taken] * step
    return np.asarray(np.clip(spend, 0.0, caps))


def _convolve(
    first: Floats,
    second: Floats,
    strength: float = 0.0,
    level_first: Floats | None = None,
    level_second: Floats | None = None,
) -> tuple[Floats, NDArray[np.int64]]:
    """Max-plus convolution: the best sum per total of indices, and the second's index in it."""
    best = np.full(first.size + second.size - 1, -np.inf)
    argument = np.zeros(best.size, dtype=np.int64)
    for k in np.flatnonzero(np.isfinite(second)):
        candidate = first + second[k]
        if strength and level_first is not None and level_second is not None:
            candidate = candidate + strength * level_first * level_second[k]
        window = best[k : k + first.size]
        better = candidate > window
        window[better] = candidate[better]
        argument[k : k + first.size][better] = k
    return best, argument
