"""What a plan's surroundings say of interactions: linearised weights, squares, where to split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.program_proof import ProgramLeaf, SplitActive, SplitArgument, SplitDecision
from shared.problem.region import Region
from shared.solve.program.program_envelope import Enveloper

__all__ = ["best_along", "linear_weights", "shares_at", "whole_split", "widest_cell"]

Array = NDArray[np.float64]
Split = SplitDecision | SplitArgument | SplitActive

_GRID = 48  # points at which a term is looked at
_POWER = 40  # steps of the power iteration


def linear_weights(program: Program, z: Array) -> Array:
    """(A, H) weights of the responses with every product linearised at adstocked spend ``z``."""
    level = program.saturation(z)
    top = program.supremum()
    weight = program.weight.copy()
    for pair in program.pairs:
        a, b = pair.first, pair.second
        strength = pair.strength * program.weight[a]
        weight[a] += strength * level[b] / top[a]
        weight[b] += strength * level[a] / top[b]
    return weight


def shares_at(program: Program, enveloper: Enveloper, z: Array) -> Array:
    """(P, H) how the squares of each interaction are best shared out around ``z``.

    With C the curvature of the inverse saturation at the arms' own prices and G the sizes of the
    interactions, t = v_b / v_a of the leading eigenvector v of C^-1 G leaves every arm with the
    same share of its curvature (Perron and Frobenius).
    """
    weight = enveloper.weight
    top = program.supremum()[:, None]
    top = np.where(np.isfinite(top), top, 1.0)
    _, slope, bend = enveloper.curve(z, weight)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        curvature = bend * (top * weight / slope) ** 2
    scale = np.abs(weight) * top
    good = np.isfinite(curvature) & (curvature > 1e-6 * scale)
    curvature = np.where(good, np.minimum(curvature, 1e9 * scale), 1e-2 * scale)
    curvature = np.where(curvature > 0.0, curvature, 1.0)
    v = np.ones(weight.shape)
    for _ in range(_POWER):
        new = 0.2 * v
        for pair in program.pairs:
            a, b = pair.first, pair.second
            size = np.abs(pair.strength * program.weight[a])
            new[a] += size * v[b] / curvature[a]
            new[b] += size * v[a] / curvature[b]
        v = np.maximum(new / np.maximum(new.max(axis=0), 1e-300), 1e-9)
    return np.array([v[p.second] / v[p.first] for p in program.pairs])


def widest_cell(
    program: Program,
    leaf: ProgramLeaf,
    enveloper: Enveloper,
    low: Array,
    high: Array,
    z: Array,
) -> tuple[int, int, float] | None:
    """(arm, period, adstocked spend) to split at: where a term's bound is furthest from the plan.

    ``enveloper`` has the weights linearised at the plan's adstocked spend ``z``; None where every
    range has closed.
    """
    weight = enveloper.weight
    arms, periods = weight.shape
    share = np.linspace(0.0, 1.0, _GRID) ** 2
    grid = low[..., None] + share * (high - low)[..., None]
    top = program.supremum()[:, None]
    top = np.where(np.isfinite(top), top, 1.0)
    ones = np.ones((arms, 1))
    level = enveloper.curve(grid.reshape(arms, -1), ones)[0].reshape(grid.shape) / top[..., None]
    now = enveloper.curve(z, ones)[0] / top
    curve = np.zeros(weight.shape)
    squares = leaf.shares if leaf.shares is not None else np.ones((len(program.pairs), periods))
    for pair, t in zip(program.pairs, squares, strict=True):
        size = np.abs(pair.strength * program.weight[pair.first])
        safe = np.where(t > 0.0, t, 1.0)
        curve[pair.first] += size * safe
        curve[pair.second] += size / safe
    price = leaf.nu
    if program.columns == 1 and periods == 1:
        money = program.cost * program.spread.sum(axis=1)
        money = money + (leaf.mu @ program.rows.matrix).reshape(money.shape)
        moves = program.carry[:, :, 0] > 0.0
        price = money / np.where(moves, program.carry[:, :, 0], 1.0) / max(program.value, 1e-300)
    rise = (weight * top)[..., None] * (level - now[..., None])
    rise = rise + 0.5 * curve[..., None] * (level - now[..., None]) ** 2
    rise = rise - price[..., None] * (grid - z[..., None])
    width = high - low
    lively = width > 1e-9 * np.maximum(high, 1e-300)
    best = np.where(lively, np.maximum(rise.max(axis=2), 0.0), -1.0)
    if not np.any(lively):
        return None
    if float(best.max()) <= 0.0:
        best = np.where(lively, curve * (level[..., -1] - level[..., 0]) ** 2, -1.0)
    a, h = (int(i) for i in np.unravel_index(int(best.argmax()), best.shape))
    far = float(grid[a, h, int(rise[a, h].argmax())])
    at = 0.5 * (float(z[a, h]) + far)
    edge = 0.1 * float(width[a, h])
    if abs(far - float(z[a, h])) < edge:
        at = 0.5 * float(low[a, h] + high[a, h])
    return a, h, float(np.clip(at, low[a, h] + edge, high[a, h] - edge))


def best_along(
    program: Program, u: Array, aim: Array, start: float, end: float
) -> tuple[Array, float]:
    """The best plan met on the way from ``u`` to ``aim``, by parabolas through three values."""
    best, value = aim, end
    reach = 1.0
    for _ in range(12):
        middle = program.objective(u + 0.5 * reach * (aim - u))
        bend = end - 2.0 * middle + start
        rise = 4.0 * middle - end - 3.0 * start
        share = -0.5 * rise / bend if bend < 0.0 else 0.5
        for step in (0.5 * reach, reach * min(max(share, 0.05), 1.0)):
            plan = u + step * (aim - u)
            met = program.objective(plan)
            if met > value:
                best, value = plan, met
        if value >= start:
            break
        reach, end = 0.5 * reach, middle
    return best, value


def whole_split(program: Program, region: Region, relaxed: Array) -> Split | None:
    """A split at a decision that the relaxation puts where it may not be."""
    if not program.discrete:
        return None
    slack = 1e-7 * program.scale
    u = np.clip(relaxed, region.u_lower, region.u_upper)
    short = (u > slack) & (u < program.least_active - slack)
    for a in np.flatnonzero(short.any(axis=1) & (region.active == 0)).tolist():
        return SplitActive(a, 0, 0)
    for limit in program.at_most:
        arms = [a for a in limit.arms if u[a].max() > slack]
        if len(arms) > limit.count:
            free = [a for a in arms if region.active[a] == 0]
            if free:
                return SplitActive(max(free, key=lambda a: float(u[a].max())), 0, 0)
    lot = np.where(program.lot > 0.0, program.lot, 1.0)[:, None]
    off = np.where((program.lot > 0.0)[:, None], np.abs(u - np.round(u / lot) * lot), 0.0)
    arm, k = (int(i) for i in np.unravel_index(int(off.argmax()), off.shape))
    if off[arm, k] > slack:
        at = float((np.floor(u[arm, k] / lot[arm, 0]) + 0.5) * lot[arm, 0])
        return SplitDecision(arm, k, at, 0, 0)
    return None
