"""What a plan's surroundings say of interactions: linearised weights, squares, where to split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.proof import Leaf, SplitActive, SplitArgument, SplitDecision
from shared.problem.region import Region
from shared.solve.program.program_envelope import Enveloper

__all__ = [
    "arm_prices",
    "best_along",
    "linear_weights",
    "planes_at",
    "shares_at",
    "whole_split",
    "widest_cell",
]

Array = NDArray[np.float64]
Split = SplitDecision | SplitArgument | SplitActive

_GRID = 48  # points at which a term is looked at
_POWER = 40  # steps of the power iteration
_SHARES = np.linspace(0.0, 1.0, _GRID) ** 1.5
_NEAR = np.array([-0.1, -0.03, -0.01, -1e-3, 1e-3, 0.01, 0.03, 0.1])  # of the range, around a point


def linear_weights(program: Program, z: Array) -> Array:
    """(A, H) weights of the responses with every product linearised at adstocked spend ``z``."""
    level = program.saturation(z)
    top = program.full()
    weight = program.weight.copy()
    for pair in program.pairs:
        a, b = pair.first, pair.second
        strength = pair.strength * program.pair_weight(pair)
        weight[a] += strength * level[b] / top[a]
        weight[b] += strength * level[a] / top[b]
    return weight


def arm_prices(program: Program, mu: Array, nu: Array) -> Array:
    """(A, H) what a unit of adstocked spend costs, in outcome.

    Where one decision is one adstocked spend that is the money and the rows' prices, else ``nu``.
    """
    if program.columns > 1 or program.weight.shape[1] > 1:
        return nu
    money = program.cost * program.spread.sum(axis=1)
    money = money + (mu @ program.rows.matrix).reshape(money.shape)
    moves = program.carry[:, :, 0] > 0.0
    carry = np.where(moves, program.carry[:, :, 0], 1.0)
    return np.asarray(money / carry / max(program.value, 1e-300))


def shares_at(
    program: Program, enveloper: Enveloper, region: Region, z: Array, price: Array
) -> Array:
    """(P, H) how the squares of each interaction are best shared out around ``z``.

    A term stays largest at ``z`` while its squares bend up by less than twice the loss from there
    over the square of the way in levels, at every point of its range. With those curvatures C and
    the sizes G of the interactions, t = v_b / v_a of the leading eigenvector v of C^-1 G leaves
    every arm with the same share of what it can bear (Perron and Frobenius). Interactions for which
    that is too little have 0, which leaves them to planes.

    Parameters
    ----------
    enveloper
        Has the weights linearised at ``z``.
    price
        (A, H) of adstocked spend, in outcome.
    """
    weight = enveloper.weight
    top = program.full()[:, None]
    low, high = region.z_lower, region.z_upper
    width = (high - low)[..., None]
    wide = low[..., None] + _SHARES * width
    near = np.clip(z[..., None] + _NEAR * width, low[..., None], high[..., None])
    grid = np.concatenate((wide, near), axis=2)
    ones = np.ones((weight.shape[0], 1))
    flat = enveloper.curve(grid.reshape(weight.shape[0], -1), ones)[0]
    level = flat.reshape(grid.shape) / top[..., None]
    here = (enveloper.curve(z, ones)[0] / top)[..., None]
    gain = (weight * top)[..., None] * (level - here)
    loss = price[..., None] * (grid - z[..., None]) - gain
    apart = (level - here) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        bear = np.where(apart > 1e-10, 2.0 * loss / apart, np.inf).min(axis=2)
    unit = np.maximum(np.abs(weight) * top, 1e-300)
    # An arm that can bear nothing takes as little as may be.
    bear = np.clip(bear, 1e-3 * unit, 1e9 * unit)
    some = np.ones((len(program.pairs), weight.shape[1]), dtype=bool)
    out, asked = _leading(program, bear, some)
    for _ in range(len(program.pairs) - 1):
        heavy = asked.max(axis=0) > 1.0
        if not np.any(heavy):
            break
        # Of the pairs that ask for more than can be borne the heaviest is left to planes.
        load = np.array(
            [
                np.abs(pair.strength * program.pair_weight(pair))
                * (asked[pair.first] + asked[pair.second])
                for pair in program.pairs
            ]
        )
        pick = np.where(some, load, -1.0).argmax(axis=0)
        some[pick[heavy], np.flatnonzero(heavy)] = False
        out, asked = _leading(program, bear, some)
    return out


def _leading(program: Program, bear: Array, some: NDArray[np.bool_]) -> tuple[Array, Array]:
    """(P, H) shares for the pairs ``some``, 0 for others, and (A, H) what of ``bear`` they ask."""
    sizes = [
        np.where(own, np.abs(pair.strength * program.pair_weight(pair)), 0.0)
        for pair, own in zip(program.pairs, some, strict=True)
    ]

    def coupled(v: Array) -> Array:
        out = np.zeros_like(v)
        for pair, size in zip(program.pairs, sizes, strict=True):
            out[pair.first] += size * v[pair.second]
            out[pair.second] += size * v[pair.first]
        return out

    v = np.ones(bear.shape)
    for _ in range(_POWER):
        new = 0.2 * v + coupled(v) / bear
        v = np.maximum(new / np.maximum(new.max(axis=0), 1e-300), 1e-9)
    shares = np.array([v[p.second] / v[p.first] for p in program.pairs])
    return np.where(some, shares, 0.0), coupled(v) / v / bear


def planes_at(program: Program, region: Region, z: Array) -> Array:
    """(P, H) for each interaction the plane that is lower at adstocked spend ``z``: 1 the first."""
    low, high, at = (program.saturation(x) for x in (region.z_lower, region.z_upper, z))
    out = []
    for pair in program.pairs:
        a, b = pair.first, pair.second
        near, far = (high[b], low[b]) if pair.strength >= 0.0 else (low[b], high[b])
        one, two = (
            pair.strength * (y * at[a] + x * at[b] - x * y)
            for x, y in ((low[a], near), (high[a], far))
        )
        out.append(np.where(one < two, 1.0, 0.0))
    return np.array(out)


def widest_cell(
    program: Program,
    leaf: Leaf,
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
    top = program.full()[:, None]
    ones = np.ones((arms, 1))
    level = enveloper.curve(grid.reshape(arms, -1), ones)[0].reshape(grid.shape) / top[..., None]
    now = enveloper.curve(z, ones)[0] / top
    curve = np.zeros(weight.shape)
    squares = leaf.shares if leaf.shares is not None else np.ones((len(program.pairs), periods))
    for pair, t in zip(program.pairs, squares, strict=True):
        size = np.abs(pair.strength * program.pair_weight(pair))
        safe = np.where(t > 0.0, t, 1.0)
        curve[pair.first] += size * safe
        curve[pair.second] += size / safe
    assert leaf.nu is not None
    price = arm_prices(program, leaf.mu, leaf.nu)
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
