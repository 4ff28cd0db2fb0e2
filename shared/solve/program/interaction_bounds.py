"""Bounds of one region in levels of saturation, on tables: for the search, not for the proof.

Every way of taking an interaction's place (squares around some plan, shared out in some way, or
planes) leaves one term an arm and one row, so the bound is the least of a convex function of the
row's price. Terms are tabulated, and once more finely where their maxima are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.problem.program_proof import ProgramLeaf
from shared.solve.program.interaction_newton import Levels

__all__ = ["Relaxed", "relax_levels", "shares_over"]

Array = NDArray[np.float64]

_GRID = 49  # points on each arm's range, and again around its maximum
_PRICES = 25  # tried at once
_ROUNDS = 7  # each of which narrows the price
_ZOOMS = 2
_TURNS = 25  # of the power iteration
_POWERS = 4.0 ** np.arange(-6.0, 7.0)
_GEOMETRIC = np.concatenate((-_POWERS[::-1], [0.0], _POWERS))


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """A region's bound, the row's price, the relaxed plan (A,), terms (A, n) at ``u`` less price,
    and what to write into the proof."""

    bound: float
    price: float
    at: Array
    gain: Array
    u: Array
    leaf: ProgramLeaf


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """``slope x + curve (x - centre)^2 / 2 + rest`` in place of what levels x bring; (A,) each."""

    slope: Array
    curve: Array
    centre: Array
    rest: float
    leaf: ProgramLeaf

    def over(self, levels: Levels, u: Array) -> Array:
        x = levels.at(u)
        square = 0.5 * self.curve[:, None] * (x - self.centre[:, None]) ** 2
        return np.asarray(self.slope[:, None] * x + square - levels.money[:, None] * u)


def relax_levels(
    levels: Levels, low: Array, high: Array, centres: list[tuple[Array, float]], price: float
) -> Relaxed:
    """The least bound over the region (A,) among squares around each of ``centres`` (a plan and
    its row's price) and planes; ``price`` is where the search for the row's price begins."""
    share = np.linspace(0.0, 1.0, _GRID) ** 1.5
    u = low[:, None] + share * (high - low)[:, None]
    x = levels.at(u)
    ways = [_planes(levels, x[:, 0], x[:, -1], centres[0][0])]
    for plan, worth in centres:
        ways += _squares(levels, u, x, plan, worth)
    best, bounds = ways[0], []
    for way in ways:
        term = way.over(levels, u)
        found = _dual(levels, term, u, price)
        bounds.append((found[0] + way.rest, found))
    pick = int(np.argmin([bound for bound, _ in bounds]))
    best, found = ways[pick], bounds[pick][1]
    for _ in range(_ZOOMS):
        _, price, _, picked = found
        u = _finer(u, picked, low, high)
        found = _dual(levels, best.over(levels, u), u, price)
    value, price, at, _ = found
    gain = best.over(levels, u) - price * levels.row[:, None] * u
    leaf = ProgramLeaf(
        levels.prices(price),
        best.leaf.nu,
        best.leaf.planes,
        best.leaf.centres,
        best.leaf.shares,
    )
    return Relaxed(value + best.rest, price, at, gain, u, leaf)


def shares_over(levels: Levels, u: Array, x: Array, plan: Array, price: float) -> Array:
    """(A,) weights v: each interaction's squares have t = v_b / v_a.

    An arm's term stays largest at ``plan`` while its squares bend up by less than twice the loss
    from there, over the square of the way in levels, at every point of its range. With those
    curvatures C and the interactions' sizes G, v is the leading eigenvector of C^-1 G (Perron and
    Frobenius): it leaves every arm with the same share of what it can bear.
    """
    here = levels.at(plan[:, None])
    push = levels.own + levels.coupling @ here[:, 0]
    cost = levels.money + price * levels.row
    loss = cost[:, None] * (u - plan[:, None]) - push[:, None] * (x - here)
    apart = (x - here) ** 2
    far = apart > 1e-10
    with np.errstate(divide="ignore", invalid="ignore"):
        bear = np.where(far, 2.0 * loss / apart, np.inf).min(axis=1)
    some = np.maximum(levels.own, 1e-300)
    # An arm that can bear nothing takes as little as may be.
    bear = np.clip(bear, 1e-3 * some, 1e9 * some)
    v = np.ones(plan.size)
    for _ in range(_TURNS):
        v = 0.2 * v + (levels.sizes @ v) / bear
        v = np.maximum(v / v.max(), 1e-6)
    return v


def _squares(levels: Levels, u: Array, x: Array, plan: Array, price: float) -> list[_Terms]:
    """Squares around a plan, shared out by what the arms can bear, and by how wide they range."""
    centre = levels.at(plan[:, None])[:, 0]
    slope = levels.own + levels.coupling @ centre
    # A product's own constant: counted once for each pair.
    rest = -0.5 * float(centre @ levels.coupling @ centre)
    near = (levels.carry * plan + levels.base)[:, None]
    program, out = levels.program, []
    for v in (
        shares_over(levels, u, x, plan, price),
        1.0 / np.maximum(x[:, -1] - x[:, 0], 1e-6),
    ):
        shares = np.array([[v[p.second] / v[p.first]] for p in program.pairs])
        nu = np.zeros(program.weight.shape)
        leaf = ProgramLeaf(np.zeros(1), nu, None, near, shares)
        out.append(_Terms(slope, (levels.sizes @ v) / v, centre, rest, leaf))
    return out


def _planes(levels: Levels, low: Array, high: Array, plan: Array) -> _Terms:
    """For each interaction the plane that is lower at ``plan``."""
    program = levels.program
    centre = levels.at(plan[:, None])[:, 0]
    slope, rest = levels.own.copy(), 0.0
    mixes = np.zeros((len(program.pairs), 1))
    for i, pair in enumerate(program.pairs):
        a, b = pair.first, pair.second
        size = program.value * pair.strength * program.weight[a, 0]
        ends = (high[b], low[b]) if size >= 0.0 else (low[b], high[b])
        corners = ((low[a], ends[0]), (high[a], ends[1]))
        heights = [size * (y * centre[a] + x * centre[b] - x * y) for x, y in corners]
        mixes[i, 0] = float(heights[0] < heights[1])
        x, y = corners[0] if mixes[i, 0] else corners[1]
        slope[a] += size * y
        slope[b] += size * x
        rest -= size * x * y
    leaf = ProgramLeaf(np.zeros(1), np.zeros(program.weight.shape), mixes)
    return _Terms(slope, np.zeros(centre.size), centre, rest, leaf)


def _dual(
    levels: Levels, term: Array, u: Array, price: float
) -> tuple[float, float, Array, NDArray[np.intp]]:
    """The least of ``sum max (term - p row u) + p side`` over p: value, p, plan, and maxima."""
    cost, upper, lower = levels.row[:, None] * u, levels.cap, levels.floor
    arms = np.arange(u.shape[0])

    def values(p: Array) -> Array:
        gain = term[None] - p[:, None, None] * cost[None]
        side = np.where(p > 0.0, upper, np.where(p < 0.0, lower, 0.0))
        return np.asarray(gain.max(axis=2).sum(axis=1) + p * side)

    unit = abs(price)
    if unit <= 0.0:
        reach = float(np.ptp(cost, axis=1).max())
        unit = float(np.ptp(term, axis=1).max()) / reach if reach > 0.0 else 1.0
    grid = unit * _GEOMETRIC
    if not np.isfinite(lower):
        grid = grid[grid >= 0.0]
    if not np.isfinite(upper):
        grid = grid[grid <= 0.0]
    for _ in range(60):
        value = values(grid)
        pick = int(value.argmin())
        if 0 < pick < grid.size - 1 or grid[pick] == 0.0 or not np.isfinite(grid[pick] * 4.0):
            break
        grid = grid * 16.0
    low, high = grid[max(pick - 1, 0)], grid[min(pick + 1, grid.size - 1)]
    best, at = float(value[pick]), float(grid[pick])
    for _ in range(_ROUNDS if high > low else 0):
        grid = np.linspace(low, high, _PRICES)
        value = values(grid)
        pick = int(value.argmin())
        if float(value[pick]) < best:
            best, at = float(value[pick]), float(grid[pick])
        low, high = grid[max(pick - 1, 0)], grid[min(pick + 1, _PRICES - 1)]

    def reply(p: float) -> tuple[Array, float, NDArray[np.intp]]:
        pick = (term - p * cost).argmax(axis=1)
        return u[arms, pick], float(cost[arms, pick].sum()), pick

    more, spent_more, _ = reply(low)
    less, spent_less, _ = reply(high)
    side = upper if at > 0.0 else lower if at < 0.0 else min(max(spent_less, lower), upper)
    mix = 0.0
    if spent_more > spent_less:
        mix = float(np.clip((side - spent_less) / (spent_more - spent_less), 0.0, 1.0))
    return best, at, less + mix * (more - less), reply(at)[2]


def _finer(u: Array, picked: NDArray[np.intp], low: Array, high: Array) -> Array:
    """Points around each arm's maximum, and a few on all of its range."""
    arms, last = np.arange(u.shape[0]), u.shape[1] - 1
    near, far = u[arms, np.maximum(picked - 1, 0)], u[arms, np.minimum(picked + 1, last)]
    share = np.linspace(0.0, 1.0, _GRID)
    around = near[:, None] + share * (far - near)[:, None]
    wide = low[:, None] + share[::2] * (high - low)[:, None]
    return np.asarray(np.sort(np.hstack((u[:, :: max(u.shape[1] // 24, 1)], around, wide)), axis=1))
