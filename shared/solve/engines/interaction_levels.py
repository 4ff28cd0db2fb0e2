"""One budget with interactions, in levels of saturation: local ascent, bounds, branch and bound.

One decision an arm, one period, at most one row, nothing whole. With levels x the objective is
``own x + x' G x / 2 - cost u(x)``. Newton's method on the free arms, within the budget's plane,
climbs; where the Hessian is not negative its eigenvalues are turned round (Nocedal and Wright,
"Numerical Optimization", 2006, section 3.4).

Every way of taking an interaction's place in a region (squares around some plan, or planes) leaves
one term an arm and one row: its bound is the least of a convex function of the row's price, on
tables. They are for the search only: every region that they would close is asked of the
certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.problem.program import Program
from shared.problem.proof import Leaf, SplitDecision
from shared.problem.region import Region
from shared.solve.engines.envelopes import Enveloper
from shared.solve.search import Incumbent, best_first

__all__ = ["Levels", "Regions", "borne", "fits", "shared_out"]

Array = NDArray[np.float64]
Whole = NDArray[np.intp]

_STEPS = 80
_HALVES = 30  # of a step that does not go up
_GRID = 49  # points on each arm's range, and again around its maximum
_PRICES = 25  # tried at once
_ROUNDS = 4  # each of which narrows the price
_ROUGH = 2  # of them while ways are compared
_ZOOMS = 2
_PLAYS = 4  # of planes against plans
_TURNS = 30  # of the power iteration
_DEAREST = 1e12  # times what prices usually are
_POWERS = 4.0 ** np.arange(-6.0, 7.0)
_GEOMETRIC = np.concatenate((-_POWERS[::-1], [0.0], _POWERS))
_CENTRES = 3  # turns of putting the squares' centres where the relaxation is
_CLIMBS = 200  # local ascents from relaxed plans
_STEP_S, _REGION_S, _PRICE_S, _POINT_S = 1.5e-4, 2e-3, 1.2e-5, 1.5e-9  # work of each


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """A program of one decision an arm, one period and at most one row, by levels of saturation.

    ``own`` (A,) is what a full level brings, ``coupling`` (A, A) what two full levels bring
    together, ``money`` and ``row`` (A,) what a unit of a decision costs in the objective and in the
    row (kept from ``floor`` to ``cap``; all zero without a row); ``carry`` and ``base`` (A,) make
    adstocked spend.
    """

    program: Program
    enveloper: Enveloper
    top: Array
    own: Array
    coupling: Array
    sizes: Array
    row: Array
    floor: float
    cap: float
    money: Array
    carry: Array
    base: Array

    @classmethod
    def of(cls, program: Program, enveloper: Enveloper) -> Levels:
        """The view of a program with one column, one period and at most one row."""
        arms, weight, rows = program.arms, program.weight[:, 0], program.rows
        top = program.full()
        coupling, sizes = np.zeros((arms, arms)), np.zeros((arms, arms))
        for pair in program.pairs:
            size = program.value * pair.strength * program.pair_weight(pair)[0]
            for a, b in ((pair.first, pair.second), (pair.second, pair.first)):
                coupling[a, b] += size
                sizes[a, b] += abs(size)
        return cls(
            program=program,
            enveloper=enveloper,
            top=top,
            own=program.value * weight * top,
            coupling=coupling,
            sizes=sizes,
            row=rows.matrix[0] if rows.names else np.zeros(arms),
            floor=float(rows.lower[0]) if rows.names else -np.inf,
            cap=float(rows.upper[0]) if rows.names else np.inf,
            money=program.costs()[:, 0],
            carry=program.carry[:, 0, 0],
            base=program.carry_in[:, 0],
        )

    def prices(self, price: float) -> Array:
        """(m,) the row's price as multipliers of a proof."""
        return np.array([price] * len(self.program.rows.names))

    def at(self, u: Array) -> Array:
        """(A, n) levels at decisions (A, n)."""
        z = self.carry[:, None] * u + self.base[:, None]
        if self.enveloper.means is not None:
            return self.enveloper.means.at(z)[0] / self.top[:, None]
        value = self.program.curves.value(np.ascontiguousarray(z.T)).T
        return np.asarray(value / self.top[:, None])

    def worth(self, u: Array) -> float:
        """The objective at decisions (A,)."""
        x = self.at(u[:, None])[:, 0]
        return float(self.own @ x + 0.5 * x @ self.coupling @ x - self.money @ u)

    def slopes(self, u: Array) -> tuple[Array, Array]:
        """Gradient (A,) and Hessian (A, A) at decisions; what is convex in a curve counts as flat,
        and infinite slopes at zero are taken a little above it."""
        z = self.carry * u + self.base
        z = np.maximum(z, 1e-12 * (self.carry * self.program.upper[:, 0] + self.base))
        value, slope, bend = self.enveloper.curve(z[:, None], np.ones((z.size, 1)))
        x = value[:, 0] / self.top
        first = slope[:, 0] * self.carry / self.top
        second = -bend[:, 0] * self.carry**2 / self.top
        push = self.own + self.coupling @ x
        hessian = first[:, None] * self.coupling * first + np.diag(push * second)
        return push * first - self.money, hessian

    def even(self, low: Array, high: Array) -> Array | None:
        """The plan between the ends of a box (A,) that spends all of the row; None without one."""
        least, most = float(self.row @ low), float(self.row @ high)
        wanted = min(most, self.cap)
        if wanted < least or wanted < self.floor * (1.0 - 1e-12):
            return None
        share = (wanted - least) / (most - least) if most > least else 0.0
        return np.asarray(low + share * (high - low))

    def climb(self, u: Array, low: Array, high: Array) -> tuple[Array, float]:
        """A locally best plan of the box, from one that keeps the row; and the row's price."""
        cap, floor = self.cap, self.floor
        u = np.clip(u, low, high)
        now, price, slack = self.worth(u), 0.0, 1e-13
        for _ in range(_STEPS):
            work.charge(_STEP_S)
            gradient, hessian = self.slopes(u)
            spent = float(self.row @ u)
            size = slack * max(abs(spent), 1e-300)
            hair = slack * np.maximum(high, 1e-300)
            inside = (u > low + hair) & (u < high - hair)
            # The row holds where more (or less) of it would pay and there is none.
            tight = cap - spent <= size or spent - floor <= size
            price = _price(gradient, self.row, inside, u <= low + hair) if tight else 0.0
            if floor < cap:
                if spent - floor <= size < cap - spent:
                    price = min(price, 0.0)
                elif cap - spent <= size:
                    price = max(price, 0.0)
            held = tight and (price != 0.0 or floor >= cap)
            push = gradient - price * self.row
            free = inside | ((u <= low + hair) & (push > 0.0)) | ((u >= high - hair) & (push < 0.0))
            free &= high > low
            step = _newton(push, hessian, self.row, free, held=held)
            # What is at an end and would leave the box stays where it is.
            for _ in range(u.size):
                out = free & (((u <= low + hair) & (step < 0)) | ((u >= high - hair) & (step > 0)))
                if not np.any(out):
                    break
                free &= ~out
                step = _newton(push, hessian, self.row, free, held=held)
            if not np.any(step):
                break
            plan, there = self._along(u, step, low, high, now)
            moved = float(np.max(np.abs(plan - u) / np.maximum(high, 1e-300)))
            gained, u, now = there - now, plan, there
            if gained <= 1e-15 * abs(now) or moved <= 1e-13:
                break
        return u, price

    def _along(
        self, u: Array, step: Array, low: Array, high: Array, now: float
    ) -> tuple[Array, float]:
        """As far along ``step`` as the box, the row and the objective allow."""
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step > 0.0, (high - u) / step, (low - u) / step)
        room = np.where(step == 0.0, 1.0, room)
        reach = min(1.0, float(room.min()))
        rate = float(self.row @ step)
        spent = float(self.row @ u)
        if abs(rate) > 1e-12 * float(self.row @ np.abs(step)):
            side = self.cap if rate > 0.0 else self.floor
            reach = min(reach, max((side - spent) / rate, 0.0))
        for _ in range(_HALVES):
            plan = np.clip(u + reach * step, low, high)
            there = self.worth(plan)
            if there > now:
                return plan, there
            reach *= 0.5
        return u, now


def _price(
    gradient: Array, row: Array, inside: NDArray[np.bool_], bottom: NDArray[np.bool_]
) -> float:
    """What a unit of the row is worth: by the arms inside their ends, else between both ends."""
    own = inside & (row > 0.0)
    if np.any(own):
        return float(gradient[own] @ row[own]) / float(row[own] @ row[own])
    rate = np.divide(gradient, row, out=np.zeros_like(row), where=row > 0.0)
    low, high = rate[bottom & (row > 0.0)], rate[~bottom & (row > 0.0)]
    if low.size and high.size:
        return 0.5 * (float(low.max()) + float(high.min()))
    return float(low.max()) if low.size else float(high.min(initial=0.0))


def _newton(
    push: Array, hessian: Array, row: Array, free: NDArray[np.bool_], *, held: bool
) -> Array:
    """A step (A,) that goes up on the free arms, within the row's plane where that is held."""
    out = np.zeros(push.size)
    index = np.flatnonzero(free)
    if index.size < (2 if held else 1):
        return out
    inner = hessian[np.ix_(index, index)]
    # Where the objective is nearly straight a step goes as far as there can be money, not further.
    bend = np.maximum(np.abs(np.diag(inner)), 1e-30 * float(np.abs(push[index]).max()))
    scale = 1.0 / np.sqrt(np.maximum(bend, 1e-300))
    scale = np.minimum(scale, 1e6 * float(scale.min()))
    inner, slope = scale[:, None] * inner * scale, scale * push[index]
    basis = np.eye(index.size)
    if held:
        normal = (scale * row[index])[:, None]
        basis = np.linalg.qr(normal, mode="complete")[0][:, 1:]
    values, vectors = np.linalg.eigh(basis.T @ inner @ basis)
    size = np.maximum(np.abs(values), 1e-8)
    out[index] = scale * (basis @ (vectors @ ((vectors.T @ (basis.T @ slope)) / size)))
    return out


@dataclass(frozen=True, slots=True, eq=False)
class RelaxedLevels:
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
) -> RelaxedLevels:
    """The least bound over the region (A,) among squares around each of ``centres`` (a plan and its
    row's price), planes, and some of either; no more is tried where it is ``enough``. ``price`` is
    where the search for the row's price begins."""
    work.charge(_REGION_S)
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
    return RelaxedLevels(value + best.rest, price, at, gain, u, leaf)


def bearing(levels: Levels, u: Array, x: Array, plan: Array, price: float) -> Array:
    """(A,) how much squares around a plan may bend an arm's term up: less than twice the loss from
    there, over the square of the way in levels, at every point of its range."""
    here = levels.at(plan[:, None])
    push = levels.own + levels.coupling @ here[:, 0]
    cost = levels.money + price * levels.row
    loss = cost[:, None] * (u - plan[:, None]) - push[:, None] * (x - here)
    return borne(loss, x - here, levels.own)


def borne(loss: Array, apart: Array, size: Array) -> Array:
    """(...,) how much terms of some ``size`` may bend up where levels ``apart`` (..., n) from the
    plan's they lose (..., n)."""
    apart = apart**2
    with np.errstate(divide="ignore", invalid="ignore"):
        bear = np.where(apart > 1e-10, 2.0 * loss / apart, np.inf).min(axis=-1)
    size = np.maximum(size, 1e-300)
    # What can bear nothing takes as little as may be.
    return np.asarray(np.clip(bear, 1e-3 * size, 1e9 * size))


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


def shared_out(first: Whole, second: Whole, size: Array, bear: Array) -> tuple[Array, Array]:
    """How squares of pairs of arms are best shared out, (P, H): of all pairs, and of as many as
    arms can bear, 0 for the others.

    With what arms can bear C (A, H) and the sizes G (P, H), t = v_b / v_a of the leading
    eigenvector v of C^-1 G leaves every arm with the same part (Perron and Frobenius). Of the pairs
    that ask for more than can be borne the heaviest is left out, one after the other.
    """
    some = np.ones(size.shape, dtype=bool)
    every, asked = _leading(first, second, size, bear)
    share = every
    for _ in range(len(size) - 1):
        heavy = np.flatnonzero(asked.max(axis=0) > 1.0)
        if not heavy.size:
            break
        load = np.where(some, size * (asked[first] + asked[second]), -1.0)
        some[load.argmax(axis=0)[heavy], heavy] = False
        share, asked = _leading(first, second, np.where(some, size, 0.0), bear)
    return every, np.where(some, share, 0.0)


def _leading(first: Whole, second: Whole, size: Array, bear: Array) -> tuple[Array, Array]:
    """(P, H) shares, and (A, H) what part of ``bear`` the squares ask."""
    links = np.zeros((bear.shape[1], len(bear), len(bear)))
    for one, other in ((first, second), (second, first)):
        at: Any = (slice(None), one, other)
        np.add.at(links, at, size.T)
    links /= bear.T[:, :, None]
    v = np.ones((bear.shape[1], len(bear), 1))
    for _ in range(_TURNS):
        v = 0.2 * v + links @ v
        v = np.maximum(v / np.maximum(v.max(axis=1, keepdims=True), 1e-300), 1e-9)
    asked = (links @ v / v)[:, :, 0].T
    v = v[:, :, 0].T
    return v[second] / v[first], asked


def _squares(
    levels: Levels, pairs: _Pairs, u: Array, x: Array, plan: Array, price: float
) -> list[_Terms]:
    """Squares around a plan, shared out by what the arms can bear, and by how wide they range; and
    planes for those pairs whose squares would be more than that."""
    centre = levels.at(plan[:, None])[:, 0]
    near = (levels.carry * plan + levels.base)[:, None]
    bear = bearing(levels, u, x, plan, price)
    size = np.abs(pairs.size)[:, None]
    every, borne = shared_out(pairs.first, pairs.second, size, bear[:, None])
    shares = [every[:, 0]]
    if np.any(borne != every):
        wide = 1.0 / np.maximum(x[:, -1] - x[:, 0], 1e-6)
        shares += [wide[pairs.second] / wide[pairs.first], borne[:, 0]]
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
        work.charge(_PRICE_S + _POINT_S * p.size * cost.size)
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


def fits(program: Program) -> bool:
    """Whether a program is one budget over boxes with interactions of curves without corners."""
    single = program.columns == 1 and program.weight.shape[1] == 1
    cornered = program.curves.tables or (program.draws is not None and program.draws.tables)
    return (
        single
        and not cornered
        and not program.discrete
        and len(program.rows.names) <= 1
        and bool(np.all(program.carry > 0.0))
        and bool(np.all(program.rows.matrix >= 0.0))
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    low: Array
    high: Array
    found: RelaxedLevels
    bound: float
    slot: int
    # What the proof says of it; its parent's leaf where that is better than its own.
    leaf: Leaf


class Regions:
    """The search over a program that ``fits``; ``ask`` is the certificate's bound of a leaf."""

    def __init__(
        self,
        levels: Levels,
        plans: Incumbent,
        ask: Callable[[Leaf, Region], float],
    ) -> None:
        self.levels, self.plans, self.tree, self.ask = levels, plans, plans.tree, ask
        self.price = 0.0
        self.climbs = 0

    def climb(self, u: Array, low: Array, high: Array) -> None:
        """Look for the locally best plan of a box around one that keeps the row."""
        plan, price = self.levels.climb(u, low, high)
        if self.plans.offer(plan[:, None], self.levels.prices(price)):
            self.price = price

    def run(self, low: Array, high: Array) -> tuple[float | None, int]:
        """Search the box (A,); the bound that is left (None: nothing is), and regions looked at."""
        first = self.solve(low, high, 0, None)
        return best_first(self.plans, first, self._halves, lambda node: node.bound)

    def _halves(self, node: _Region) -> list[_Region]:
        arm, cut = self._cut(node)
        out = []
        for side, slot in enumerate(self._split(node.slot, arm, cut)):
            lower, upper = node.low.copy(), node.high.copy()
            (upper if side == 0 else lower)[arm] = cut
            child = self.solve(lower, upper, slot, node)
            if child is not None:
                out.append(child)
        return out

    def solve(self, low: Array, high: Array, slot: int, parent: _Region | None) -> _Region | None:
        """Bound a region, write its leaf down; None where nothing better can be there."""
        row = self.levels.row
        if float(row @ low) > self.levels.cap * (1 + 1e-12) + 1e-300:
            return None
        if float(row @ high) < self.levels.floor * (1 - 1e-12):
            return None
        low, high, slot = self._narrowed(low, high, slot)
        found = self._bounded(low, high, parent)
        self._look(found)
        bound, leaf = found.bound, found.leaf
        if parent is not None and parent.bound < bound:
            bound, leaf = parent.bound, parent.leaf
        self.tree.set(slot, leaf)
        if bound <= self.plans.cutoff():
            bound = min(self.ask(leaf, self._region(low, high)), np.inf)
            if bound <= self.plans.cutoff():
                return None
        return _Region(low, high, found, bound, slot, leaf)

    def _bounded(self, low: Array, high: Array, parent: _Region | None) -> RelaxedLevels:
        """The least bound met around the best plan, and around where the relaxation is."""
        price = self.price if parent is None else parent.found.price
        known = [] if self.plans.best is None else [(self.plans.best[:, 0], self.price)]
        at = 0.5 * (low + high) if parent is None else np.clip(parent.found.at, low, high)
        best: RelaxedLevels | None = None
        for turn in range(_CENTRES):
            centres = [(at, price), *known] if turn == 0 else [(at, price)]
            found = relax_levels(self.levels, low, high, centres, price, self.plans.cutoff())
            if best is None or found.bound < best.bound:
                best = found
            if best.bound <= self.plans.cutoff():
                break
            moved = float(np.abs(found.at - at).max())
            at, price = found.at, found.price
            if moved <= 1e-3 * float((high - low).max()):
                break
        assert best is not None
        return best

    def _narrowed(self, low: Array, high: Array, slot: int) -> tuple[Array, Array, int]:
        """What the row leaves of a box, by splits whose other side holds no plan."""
        row, cap, floor = self.levels.row, self.levels.cap, self.levels.floor
        low, high = low.copy(), high.copy()
        for arm in np.flatnonzero(row > 0.0).tolist():
            left = cap - (float(row @ low) - row[arm] * low[arm])
            most = left / row[arm] * (1.0 + 1e-9)
            need = floor - (float(row @ high) - row[arm] * high[arm])
            least = need / row[arm] * (1.0 - 1e-9)
            width = high[arm] - low[arm]
            if low[arm] < most < high[arm] - 0.02 * width:
                high[arm], slot = most, self._split(slot, arm, most)[0]
            if high[arm] > least > low[arm] + 0.02 * width:
                low[arm], slot = least, self._split(slot, arm, least)[1]
        return low, high, slot

    def _split(self, slot: int, arm: int, at: float) -> tuple[int, int]:
        return self.tree.split(slot, SplitDecision(arm, 0, float(at), 0, 0))

    def _region(self, low: Array, high: Array) -> Region:
        carry, base = self.levels.carry, self.levels.base
        ends = [(carry * u + base)[:, None] for u in (low, high)]
        active = np.where(low > 0.0, 1, np.where(high <= 0.0, -1, 0)).astype(np.int8)
        return Region(low[:, None], high[:, None], ends[0], ends[1], active)

    def _cut(self, node: _Region) -> tuple[int, float]:
        """The arm whose term is furthest above what it is at the relaxed plan, and where to cut."""
        found, low, high = node.found, node.low, node.high
        width, arms = high - low, np.arange(low.size)
        at = np.clip(found.at, low, high)
        here = np.array([np.interp(at[a], found.u[a], found.gain[a]) for a in arms])
        some = width > 1e-9 * np.maximum(self.levels.program.upper[:, 0], 1e-300)
        loss = np.where(some, found.gain.max(axis=1) - here, -1.0)
        arm = int(loss.argmax())
        if loss[arm] <= 1e-9 * abs(self.plans.value):
            ends = self.levels.at(np.stack((low, high), axis=1))
            reach = ends[:, 1] - ends[:, 0]
            arm = int(np.where(some, reach * (self.levels.sizes @ reach), -1.0).argmax())
        far = float(found.u[arm, int(found.gain[arm].argmax())])
        cut, edge = 0.5 * (float(at[arm]) + far), 0.1 * float(width[arm])
        if abs(far - float(at[arm])) < edge:
            cut = float(at[arm])
        cut = float(np.clip(cut, low[arm] + edge, high[arm] - edge))
        # Not through the best plan: around it squares are tight, beside it they are not.
        if self.plans.best is not None:
            best = float(self.plans.best[arm, 0])
            if abs(best - cut) < 0.5 * edge:
                cut = best + 0.5 * edge if best + edge < high[arm] else best - 0.5 * edge
        return arm, cut

    def _look(self, found: RelaxedLevels) -> None:
        at, before = found.at, self.plans.value
        value = self.levels.worth(at)
        if value > before:
            self.plans.offer(at[:, None], self.levels.prices(found.price))
        close = value > before - 0.05 * abs(before)
        if close and self.climbs < _CLIMBS and found.bound > self.plans.cutoff():
            self.climbs += 1
            root = self.levels.program
            self.climb(at, root.lower[:, 0], root.upper[:, 0])
