"""Bounds of one region in levels of saturation, on tables: for the search, not for the proof.

Every way of taking an interaction's place (squares around some plan, shared out in some way, or
planes) leaves one term an arm and one row, so the bound is the least of a convex function of the
row's price. Terms are tabulated, and once more finely where their maxima are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.problem.proof import Leaf
from shared.solve.program.interaction_newton import Levels

__all__ = ["Relaxed", "relax_levels"]

Array = NDArray[np.float64]

_GRID = 49  # points on each arm's range, and again around its maximum
_PRICES = 25  # tried at once
_ROUNDS = 7  # each of which narrows the price
_ROUGH = 4  # of them while ways are compared
_ZOOMS = 2
_PLAYS = 8  # of planes against plans
_TURNS = 25  # of the power iteration
_DEAREST = 1e12  # times what prices usually are
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
    leaf: Leaf


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """``slope x + curve (x - centre)^2 / 2 + rest`` in place of what levels x bring; (A,) each."""

    slope: Array
    curve: Array
    centre: Array
    rest: float
    leaf: Leaf

    def over(self, levels: Levels, u: Array, x: Array) -> Array:
        square = 0.5 * self.curve[:, None] * (x - self.centre[:, None]) ** 2
        return np.asarray(self.slope[:, None] * x + square - levels.money[:, None] * u)


def relax_levels(
    levels: Levels,
    low: Array,
    high: Array,
    centres: list[tuple[Array, float]],
    price: float,
    enough: float = -np.inf,
) -> Relaxed:
    """The least bound over the region (A,) among squares around each of ``centres`` (a plan and
    its row's price), planes, and some of either; no more is tried where it is ``enough``.

    ``price`` is where the search for the row's price begins.
    """
    share = np.linspace(0.0, 1.0, _GRID) ** 1.5
    u = low[:, None] + share * (high - low)[:, None]
    x = levels.at(u)
    pairs = _Pairs.of(levels, x[:, 0], x[:, -1])
    centre = levels.at(centres[0][0][:, None])[:, 0]
    ways = [pairs.terms(centre, pairs.lower_planes(centre), None)]
    for plan, worth in centres:
        ways += _squares(levels, pairs, u, x, plan, worth)
    all_found = [_dual(levels, way.over(levels, u, x), u, price, _ROUGH) for way in ways]
    bounds = [found[0] + way.rest for found, way in zip(all_found, ways, strict=True)]
    pick = int(np.argmin(bounds))
    best, found, bound = ways[pick], all_found[pick], bounds[pick]
    if bound > enough:
        # Mixes of both planes, put in turn against the relaxed plan and it against them: the mean
        # of what either did approaches the best mix (Robinson, 1951, "An iterative method").
        mix, other = pairs.lower_planes(centre), all_found[0]
        for turn in range(_PLAYS):
            lower = pairs.lower_planes(levels.at(other[2][:, None])[:, 0])
            mix = mix + (lower - mix) / (turn + 2.0)
            way = pairs.terms(centre, mix, None)
            other = _dual(levels, way.over(levels, u, x), u, other[1], _ROUGH)
            if other[0] + way.rest < bound:
                best, found, bound = way, other, other[0] + way.rest
    for _ in range(_ZOOMS):
        _, price, _, picked = found
        u = _finer(u, picked, low, high)
        x = levels.at(u)
        found = _dual(levels, best.over(levels, u, x), u, price)
    value, price, at, _ = found
    gain = best.over(levels, u, x) - price * levels.row[:, None] * u
    leaf = replace(best.leaf, mu=levels.prices(price))
    return Relaxed(value + best.rest, price, at, gain, u, leaf)


def bearing(levels: Levels, u: Array, x: Array, plan: Array, price: float) -> Array:
    """(A,) how much squares around a plan may bend an arm's term up.

    It stays largest at ``plan`` while they bend up by less than twice the loss from there, over the
    square of the way in levels, at every point of its range.
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
    return np.asarray(bear)


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Pairs as arrays (P,), with the ends of their levels."""

    levels: Levels
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    size: Array
    # Corners (x, y) at which either plane touches.
    corners: tuple[tuple[Array, Array], tuple[Array, Array]]

    @classmethod
    def of(cls, levels: Levels, low: Array, high: Array) -> _Pairs:
        program = levels.program
        first = np.array([pair.first for pair in program.pairs])
        second = np.array([pair.second for pair in program.pairs])
        strength = np.array([pair.strength for pair in program.pairs])
        weight = np.array([program.pair_weight(pair)[0] for pair in program.pairs])
        size = program.value * strength * weight
        up = size >= 0.0
        near = np.where(up, high[second], low[second])
        far = np.where(up, low[second], high[second])
        return cls(levels, first, second, size, ((low[first], near), (high[first], far)))

    def lower_planes(self, at: Array) -> Array:
        """(P,) one where the first plane is the lower one at levels ``at``, else zero."""
        s, r = at[self.first], at[self.second]
        one, two = (self.size * (y * s + x * r - x * y) for x, y in self.corners)
        return np.asarray(one < two, dtype=float)

    def terms(self, centre: Array, mix: Array, share: Array | None) -> _Terms:
        """Squares around ``centre`` where ``share`` (P,) is positive, mixes of planes elsewhere."""
        levels, size = self.levels, self.size
        (x1, y1), (x2, y2) = self.corners
        to_first, to_second = mix * y1 + (1 - mix) * y2, mix * x1 + (1 - mix) * x2
        rest = mix * x1 * y1 + (1 - mix) * x2 * y2
        slope, curve = levels.own.copy(), np.zeros(centre.size)
        if share is not None:
            square = share > 0.0
            s, r = centre[self.first], centre[self.second]
            to_first, to_second = np.where(square, r, to_first), np.where(square, s, to_second)
            rest = np.where(square, s * r, rest)
            bent = np.where(square, np.abs(size), 0.0)
            safe = np.where(square, share, 1.0)
            np.add.at(curve, self.first, bent * safe)
            np.add.at(curve, self.second, bent / safe)
        np.add.at(slope, self.first, size * to_first)
        np.add.at(slope, self.second, size * to_second)
        nu = np.zeros(levels.program.weight.shape)
        shares = None if share is None else share[:, None]
        leaf = Leaf(np.zeros(0), nu, planes=mix[:, None], shares=shares)
        return _Terms(slope, curve, centre, -float(size @ rest), leaf)

    def leading(self, bear: Array, some: NDArray[np.bool_]) -> tuple[Array, Array]:
        """(P,) shares for the pairs ``some``, and (A,) what their squares ask of what arms bear.

        With what arms can bear C and the sizes G of these pairs, v is the leading eigenvector of
        C^-1 G (Perron and Frobenius): t = v_b / v_a leaves every arm with the same part.
        """
        sizes = np.zeros((bear.size, bear.size))
        np.add.at(sizes, (self.first[some], self.second[some]), np.abs(self.size[some]))
        np.add.at(sizes, (self.second[some], self.first[some]), np.abs(self.size[some]))
        v = np.ones(bear.size)
        for _ in range(_TURNS):
            v = 0.2 * v + (sizes @ v) / bear
            v = np.maximum(v / v.max(), 1e-6)
        share = np.where(some, v[self.second] / v[self.first], 0.0)
        return share, (sizes @ v) / v / bear


def _squares(
    levels: Levels, pairs: _Pairs, u: Array, x: Array, plan: Array, price: float
) -> list[_Terms]:
    """Squares around a plan, shared out by what the arms can bear, and by how wide they range; and
    planes for those pairs whose squares would be more than that."""
    centre = levels.at(plan[:, None])[:, 0]
    near = (levels.carry * plan + levels.base)[:, None]
    bear = bearing(levels, u, x, plan, price)
    every = np.ones(pairs.size.size, dtype=bool)
    share, asked = pairs.leading(bear, every)
    shares = [share]
    if float(asked.max()) > 1.0:
        wide = 1.0 / np.maximum(x[:, -1] - x[:, 0], 1e-6)
        shares.append(wide[pairs.second] / wide[pairs.first])
        some = every.copy()
        while float(asked.max()) > 1.0 and int(some.sum()) > 1:
            load = np.abs(pairs.size) * (asked[pairs.first] + asked[pairs.second])
            some[int(np.where(some, load, -1.0).argmax())] = False
            share, asked = pairs.leading(bear, some)
        shares.append(share)
    mix = pairs.lower_planes(centre)
    return [_around(pairs.terms(centre, mix, each), near) for each in shares]


def _around(terms: _Terms, near: Array) -> _Terms:
    """With the plan that the squares are around written into the leaf."""
    return replace(terms, leaf=replace(terms.leaf, centres=near))


def _dual(
    levels: Levels, term: Array, u: Array, price: float, rounds: int = _ROUNDS
) -> tuple[float, float, Array, NDArray[np.intp]]:
    """The least of ``sum max (term - p row u) + p side`` over p: value, p, plan, and maxima."""
    cost, upper, lower = levels.row[:, None] * u, levels.cap, levels.floor
    arms = np.arange(u.shape[0])

    def values(p: Array) -> Array:
        gain = term[None] - p[:, None, None] * cost[None]
        side = np.where(p > 0.0, upper, np.where(p < 0.0, lower, 0.0))
        return np.asarray(gain.max(axis=2).sum(axis=1) + p * side)

    reach = float(np.ptp(cost, axis=1).max())
    usual = float(np.ptp(term, axis=1).max()) / reach if reach > 0.0 else 1.0
    # Where the row misses by rounding what the arms can spend at all, no price is the last.
    most = _DEAREST * usual
    grid = (min(abs(price), most) or usual) * _GEOMETRIC
    if not np.isfinite(lower):
        grid = grid[grid >= 0.0]
    if not np.isfinite(upper):
        grid = grid[grid <= 0.0]
    for _ in range(60):
        value = values(grid)
        pick = int(value.argmin())
        if 0 < pick < grid.size - 1 or grid[pick] == 0.0 or abs(float(grid[pick])) > most:
            break
        grid = grid * 16.0
    low, high = grid[max(pick - 1, 0)], grid[min(pick + 1, grid.size - 1)]
    best, at = float(value[pick]), float(grid[pick])
    for _ in range(rounds if high > low else 0):
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
