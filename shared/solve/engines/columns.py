"""Branch and bound over the column relaxation: programs with one decision per arm.

A region's relaxation is solved by columns; where an arm mixes values that its curve does not lie
under (both sides of a minimum, two lots, the ends of an S-curve's line) its range is split between
them. Before a split, all choices whose other side cannot reach the best plan any more are taken
out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import highs, work
from shared.problem.program import Program
from shared.problem.proof import Leaf, Split, SplitActive, SplitDecision
from shared.solve.engines.envelopes import ProgramBox, program_box
from shared.solve.engines.interior import relax_program
from shared.solve.search import MISS, Incumbent, Solution, best_first, seconds_per_node

__all__ = ["search_columns"]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
_GRID = 65  # points per arm where there is no closed form
_TINY = 1e-9
_MOST = 40  # rounds
_NEAREST = 24  # columns per arm
_LOTS_NEAR = 2  # of the mix, on either side, that the integer programme may choose
_INTEGER_NODES = 500


# Programs with one decision per arm: each arm's value is a function of one variable, ``g_a(u) =
# value * sum over h of weight[a, h] f_a(carry[a, h] u + carry_in[a, h]) - cost * spend``. What a
# price of ``u`` makes of it is found exactly over its own domain.


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """Values each arm may take in a region, all (A,): ``low`` to ``high`` (on ``lot`` where that is
    above 0), where ``high >= low``; and 0 where ``zero``. ``counted`` arms count as active whatever
    they spend."""

    low: Array
    high: Array
    zero: Bools
    lot: Array
    counted: Bools

    @classmethod
    def of(cls, program: Program) -> Domain:
        """The whole domain."""
        lower, upper = program.lower[:, 0], program.upper[:, 0]
        low = np.maximum(lower, program.least_active[:, 0])
        domain = cls(low, upper, lower <= 0.0, program.lot, np.zeros(low.size, dtype=bool))
        return domain.snapped()

    def snapped(self) -> Domain:
        """Ends moved inwards to the lots."""
        on = self.lot > 0.0
        if not np.any(on):
            return self
        lot = np.where(on, self.lot, 1.0)
        low = np.where(on, np.ceil(self.low / lot - _TINY) * lot, self.low)
        high = np.where(on, np.floor(self.high / lot + _TINY) * lot, self.high)
        return replace(self, low=low, high=high)

    def below(self, arm: int, at: float) -> Domain:
        """The part with ``u[arm] <= at``."""
        high = self.high.copy()
        high[arm] = min(high[arm], at)
        zero = self.zero.copy()
        zero[arm] = zero[arm] and at >= 0.0
        return replace(self, high=high, zero=zero).snapped()

    def above(self, arm: int, at: float) -> Domain:
        """The part with ``u[arm] >= at``."""
        low, zero = self.low.copy(), self.zero.copy()
        low[arm] = max(low[arm], at)
        zero[arm] = zero[arm] and at <= 0.0
        return replace(self, low=low, zero=zero).snapped()

    def off(self, arm: int) -> Domain:
        """The part where the arm spends nothing."""
        return self.below(arm, 0.0)

    def on(self, arm: int) -> Domain:
        """The part where the arm counts as active."""
        counted = self.counted.copy()
        counted[arm] = True
        return replace(self, counted=counted)

    @property
    def active(self) -> Bools:
        """(A,) whether the interval is not empty."""
        return self.high >= self.low

    @property
    def empty(self) -> bool:
        """Whether some arm has no value left."""
        return bool(np.any(~self.active & ~self.zero))

    def contains(self, u: Array, slack: Array | float = 0.0) -> Bools:
        """(A,) whether each ``u`` is allowed, give or take ``slack``."""
        inside = (u >= self.low - slack) & (u <= self.high + slack)
        lot = np.where(self.lot > 0.0, self.lot, 1.0)
        off_lot = np.abs(u - np.round(u / lot) * lot)
        inside &= (self.lot <= 0.0) | (off_lot <= np.maximum(slack, 1e-9 * lot))
        return np.asarray(inside | (self.zero & (np.abs(u) <= slack)))

    def nearest(self, u: Array) -> Array:
        """The allowed values nearest to ``u``."""
        active = np.clip(u, self.low, np.maximum(self.low, self.high))
        lot = np.where(self.lot > 0.0, self.lot, 1.0)
        snapped = np.clip(np.round(active / lot) * lot, self.low, self.high)
        active = np.where(self.lot > 0.0, snapped, active)
        to_zero = self.zero & (~self.active | (np.abs(u) < np.abs(u - active)))
        return np.where(to_zero, 0.0, active)


@dataclass(frozen=True, slots=True, eq=False)
class Gains:
    """Best ``g(u) - price u`` (A,) over the interval, where, and at 0; -inf where not allowed."""

    active: Array
    at: Array
    zero: Array

    @property
    def best(self) -> Array:
        """(A,) the better of both."""
        return np.maximum(self.active, self.zero)


class ArmFunctions:
    """Values, slopes and best answers to prices of all arms at once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.n = program.arms
        self.carry = program.carry[:, :, 0]
        self.weight = program.value * program.weight
        self.unit_cost = program.costs()[:, 0]
        curves = program.curves
        self.closed = program.draws is None and self.carry.shape[1] == 1 and not curves.tables
        self.bend_z = curves.inflection() if program.draws is None else None

    def value(self, u: Array) -> Array:
        """``g`` at ``u``: (A,) or (k, A)."""
        return self.program.value * self.outcome(u) - self.unit_cost * u

    def outcome(self, u: Array) -> Array:
        """What each arm brings at ``u``: (A,) or (k, A)."""
        points = np.atleast_2d(u)
        z = points[:, :, None] * self.carry + self.program.carry_in
        f = self.program.mean(z)
        out = np.einsum("kah,ah->ka", f, self.program.weight)
        return np.asarray(out.reshape(u.shape))

    def lifted(self, theta: Array) -> ArmFunctions:
        """The same where targets count at multipliers."""
        return ArmFunctions(self.program.lifted(theta)[0]) if np.any(theta > 0.0) else self

    def brings(self, arms: NDArray[np.intp], at: Array) -> Array:
        """Outcomes of the columns, evaluated as rows with one value for every arm they name."""
        place = np.zeros(arms.size, dtype=np.intp)
        count: dict[int, int] = {}
        for k, a in enumerate(arms.tolist()):
            place[k] = count.get(a, 0)
            count[a] = place[k] + 1
        points = np.zeros((int(place.max()) + 1, self.n))
        points[place, arms] = at
        return np.asarray(self.outcome(points)[place, arms])

    def bend(self) -> Array:
        """(A,) u from which ``g`` is surely concave; inf where unknown."""
        if self.bend_z is None:
            return np.full(self.n, np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = (self.bend_z[:, None] - self.program.carry_in) / self.carry
        at = np.where((self.carry > 0.0) & (self.weight > 0.0), at, 0.0)
        return np.asarray(np.maximum(at.max(axis=1), 0.0))

    def respond(self, price: Array, domain: Domain) -> Gains:
        """Best answers over the domain where a unit of ``u`` costs ``price`` (A,) on top."""
        at = self._closed(price, domain) if self.closed else self._searched(price, domain)
        points = np.concatenate((at, np.zeros((1, self.n))))
        gains = self.value(points) - price * points
        zero = np.where(domain.zero, gains[-1], -np.inf)
        pick = np.argmax(gains[:-1], axis=0)
        columns = np.arange(self.n)
        best = np.where(domain.active, gains[pick, columns], -np.inf)
        return Gains(best, at[pick, columns], zero)

    def _closed(self, price: Array, domain: Domain) -> Array:
        """(p, A) candidates: both ends and where the slope is the price, on lots beside it."""
        curves, carry, weight = self.program.curves, self.carry[:, 0], self.weight[:, 0]
        low, high = domain.low, np.maximum(domain.low, domain.high)
        per_unit = weight * carry
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = (price + self.unit_cost) / per_unit
        lively = (per_unit > 0.0) & (slope > 0.0)
        z = curves.at_slope(np.where(lively, slope, 1.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = (z - self.program.carry_in[:, 0]) / carry
        at = np.where(lively & np.isfinite(inner), np.clip(inner, low, high), low)
        candidates = [low, high, at]
        if np.any(domain.lot > 0.0):
            lot = np.where(domain.lot > 0.0, domain.lot, 1.0)
            floor, ceil = np.floor(at / lot) * lot, np.ceil(at / lot) * lot
            candidates[2] = np.where(domain.lot > 0.0, np.clip(floor, low, high), at)
            candidates.append(np.where(domain.lot > 0.0, np.clip(ceil, low, high), at))
        return np.stack(candidates)

    def _searched(self, price: Array, domain: Domain) -> Array:
        """(p, A) candidates from a grid, refined around the best three times."""
        low, high = domain.low, np.maximum(domain.low, domain.high)
        share = np.linspace(0.0, 1.0, _GRID)[:, None] ** 2  # finer where curves bend
        grid = low + (high - low) * share
        for _ in range(6):
            points = self.on_lots(grid, domain)
            gain = self.value(points) - price * points
            pick = np.argmax(gain, axis=0)
            columns = np.arange(self.n)
            left = points[np.maximum(pick - 1, 0), columns]
            right = points[np.minimum(pick + 1, len(points) - 1), columns]
            best = points[pick, columns]
            grid = left + (right - left) * np.linspace(0.0, 1.0, 9)[:, None]
            grid = np.sort(np.concatenate((grid, best[None])), axis=0)
        return np.stack((low, high, best))

    def on_lots(self, points: Array, domain: Domain) -> Array:
        on = domain.lot > 0.0
        if not np.any(on):
            return points
        lot = np.where(on, domain.lot, 1.0)
        high = np.maximum(domain.low, domain.high)
        return np.where(on, np.clip(np.round(points / lot) * lot, domain.low, high), points)


# The tightest separable relaxation: every arm on the concave hull of its own domain
# (Dantzig-Wolfe). Each arm is a mix of values it may take (columns), the rows hold for the mix; the
# best answer of every arm to the rows' multipliers gives a bound and new columns. Rows are elastic
# at a high price, so that a region without any plan shows itself by its bound.


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """The relaxation's best mix and what it proves: ``arm``, ``at``, ``share`` are the columns in
    use, ``u`` (A,) their mix, ``value`` its value on the hulls, ``bound`` what no plan of the
    region exceeds, shown by ``mu`` (m,) and the targets' ``theta`` (f,)."""

    arm: NDArray[np.intp]
    at: Array
    share: Array
    u: Array
    value: float
    mu: Array
    theta: Array
    bound: float
    gains: Gains
    slack: float


def _dual_value(program: Program, mu: Array, gains: Gains, domain: Domain) -> float:
    """Weak duality: a bound from the arms' best answers, at most so many of them active; each arm
    is taken under the first ``at_most`` that names it."""
    rows = program.rows
    up = np.where(mu > 0.0, mu, 0.0) * np.where(np.isfinite(rows.upper), rows.upper, 0.0)
    down = np.where(mu < 0.0, mu, 0.0) * np.where(np.isfinite(rows.lower), rows.lower, 0.0)
    total = float((up + down).sum())
    best = gains.best
    free = np.ones(best.size, dtype=bool)
    for limit in program.at_most:
        arms = np.array([a for a in limit.arms if free[a]], dtype=np.intp)
        free[arms] = False
        must = domain.counted[arms] | ~domain.zero[arms]
        count = limit.count - int(must.sum())
        if count < 0:
            return -np.inf
        total += float(best[arms[must]].sum())
        may = arms[~must]
        extra = np.sort(np.maximum(gains.active[may] - gains.zero[may], 0.0))[::-1]
        total += float(gains.zero[may].sum()) + float(extra[:count].sum())
    return total + float(best[free].sum())


def _row_scale(program: Program) -> Array:
    """(m,) what each row is divided by: its limit, or its size where the limit is 0 or open."""
    rows = program.rows
    low = np.where(np.isfinite(rows.lower), np.abs(rows.lower), 0.0)
    high = np.where(np.isfinite(rows.upper), np.abs(rows.upper), 0.0)
    limit = np.maximum(low, high)
    largest = np.abs(rows.matrix).max(axis=1, initial=0.0) * float(np.max(program.upper, initial=0))
    return np.asarray(np.where(limit > 0.0, limit, np.maximum(largest, 1e-300)))


class ColumnPool:
    """Values of the arms tried so far: they serve every region of the search."""

    def __init__(self, functions: ArmFunctions, domain: Domain, first: int = 9) -> None:
        self.functions = functions
        n = functions.n
        share = np.concatenate((np.linspace(0.0, 1.0, first) ** 2,))[:, None]
        grid = domain.low + (np.maximum(domain.low, domain.high) - domain.low) * share
        # The span of the ranges, not of the budget: rows narrow it within a round or two.
        self.arm = np.zeros(0, dtype=np.intp)
        self.at = np.zeros(0)
        self.brings = np.zeros(0)
        self._known: set[tuple[int, float]] = set()
        grid = functions.on_lots(grid, domain)
        for row in grid:
            self.add(np.flatnonzero(domain.active), row[domain.active])
        self.add(np.flatnonzero(domain.zero), np.zeros(int(domain.zero.sum())))
        self.n = n
        self.base = self.arm.size  # the grid, spread over all ranges

    @property
    def spends(self) -> Array:
        """Money of each column, as goal and targets count it."""
        return np.asarray(self.functions.program.counted()[self.arm, 0] * self.at)

    def worth(self, theta: Array | None = None) -> Array:
        """What each column is worth to the objective, targets at multipliers included."""
        program = self.functions.program
        lift = program.lift(np.zeros(len(program.floors)) if theta is None else theta)
        worth = lift.value[self.arm] * self.brings - lift.cost[self.arm] * self.spends
        return np.asarray(worth)

    def add(self, arms: NDArray[np.intp], at: Array) -> int:
        """Add columns; those known already are left out. How many were new."""
        fresh = [
            (int(a), float(x))
            for a, x in zip(arms, at, strict=True)
            if (int(a), float(x)) not in self._known
        ]
        if not fresh:
            return 0
        self._known.update(fresh)
        new_arm = np.array([a for a, _ in fresh], dtype=np.intp)
        new_at = np.array([x for _, x in fresh])
        self.arm = np.concatenate((self.arm, new_arm))
        self.at = np.concatenate((self.at, new_at))
        self.brings = np.concatenate((self.brings, self.functions.brings(new_arm, new_at)))
        return len(fresh)


class Master:
    """The linear programme over columns for regions of one program."""

    def __init__(self, program: Program, functions: ArmFunctions, columns: ColumnPool) -> None:
        self.program = program
        self.functions = functions
        self.columns = columns
        self.matrix = program.rows.matrix
        self.row_scale = _row_scale(program)
        gain = columns.worth()
        spread = np.ptp(gain) if gain.size else 1.0
        self.money = max(float(spread), float(np.abs(gain).max(initial=0.0)), 1e-300)
        most = float(np.abs(columns.brings).max(initial=0.0))
        self.size = max([most, *(abs(floor.constant) for floor in program.floors), 1e-300])
        self.calls = 0

    def price(self, mu: Array) -> Array:
        """(A,) what the rows' multipliers make a unit of each arm cost."""
        return np.asarray(mu @ self.matrix)

    def quick(self, mu: Array, theta: Array, domain: Domain) -> tuple[float, Gains]:
        """A bound of a region from given multipliers, without solving anything."""
        gains = self.functions.lifted(theta).respond(self.price(mu), domain)
        less = sum(t * f.constant for t, f in zip(theta, self.program.floors, strict=True))
        return _dual_value(self.program, mu, gains, domain) - float(less), gains

    def solve(
        self,
        domain: Domain,
        known: tuple[Array, Array] | None,
        *,
        cutoff: float,
        gap: float,
        deadline: float,
        patience: float = 0.0,
        rounds: int = _MOST,
    ) -> Mixed | None:
        """Columns until the bound is within ``gap`` of the mix or at most ``cutoff``; ``known`` are
        multipliers (mu, theta) to begin with. Once a mix is worth more than the cutoff,
        ``patience`` times the excess is near enough. None where the linear programme could not be
        solved."""
        self._ends(domain)
        penalty = 100.0
        best_mu, best_theta = known or (
            np.zeros(len(self.row_scale)),
            np.zeros(len(self.program.floors)),
        )
        best, best_gains = self.quick(best_mu, best_theta, domain)
        if known is not None:
            self._take(best_gains, domain)
        found: Mixed | None = None
        first = self.columns.arm.size  # columns from here on are kept whatever they promise
        for _ in range(rounds):
            useful = self._useful(domain, best_mu, best_theta, best_gains, first)
            solved = self._linear(useful, penalty, domain)
            if solved is None:
                break
            used, share, value, row_mu, theta, slack = solved
            bound, gains = self.quick(row_mu, theta, domain)
            if bound < best:
                best, best_mu, best_theta, best_gains = bound, row_mu, theta, gains
            arm, at = self.columns.arm[used], self.columns.at[used]
            u = np.bincount(arm, weights=share * at, minlength=self.functions.n)
            found = Mixed(arm, at, share, u, value, best_mu, best_theta, best, best_gains, slack)
            if best <= cutoff or work.now() >= deadline:
                break
            fresh = self._take(gains, domain)
            enough = gap * max(abs(value), 1e-12 * self.money)
            if np.isfinite(cutoff):
                enough = max(enough, patience * (value - cutoff))
            if best - value <= enough or not fresh:
                if slack <= 1e-9 or penalty > 1e9:
                    break
                penalty *= 100.0  # no plan here, but the bound does not say so yet
        return found

    def _ends(self, domain: Domain) -> None:
        """The ends of the region's intervals: without them the hulls would be too small."""
        active = np.flatnonzero(domain.active)
        self.columns.add(active, domain.low[active])
        self.columns.add(active, domain.high[active])
        zero = np.flatnonzero(domain.zero)
        self.columns.add(zero, np.zeros(zero.size))

    def _take(self, gains: Gains, domain: Domain) -> int:
        arms = np.flatnonzero(domain.active)
        return self.columns.add(arms, gains.at[arms])

    def _useful(
        self, domain: Domain, mu: Array, theta: Array, gains: Gains, first: int
    ) -> NDArray[np.intp]:
        """Columns of the region: the grid, ends, new ones, and per arm those that lose least."""
        columns = self.columns
        arm, at = columns.arm, columns.at
        inside = (at >= domain.low[arm]) & (at <= domain.high[arm])
        inside |= domain.zero[arm] & (at == 0.0)
        worth = columns.worth(theta)
        loss = gains.best[arm] - (worth - self.price(mu)[arm] * at)
        loss = np.where(inside, loss, np.inf)
        order = np.lexsort((loss, arm))
        place = np.empty(arm.size, dtype=np.intp)
        starts = np.searchsorted(arm[order], np.arange(self.functions.n))
        place[order] = np.arange(arm.size) - starts[arm[order]]
        keep = (place < _NEAREST) | (at == 0.0) | (np.arange(arm.size) >= first)
        keep |= np.arange(arm.size) < columns.base
        keep |= (at == domain.low[arm]) | (at == domain.high[arm])
        return np.flatnonzero(inside & keep)

    def _linear(
        self, used: NDArray[np.intp], penalty: float, domain: Domain
    ) -> tuple[NDArray[np.intp], Array, float, Array, Array, float] | None:
        import scipy.sparse as sparse

        columns, program, n = self.columns, self.program, self.functions.n
        worth = columns.worth()
        arm, at, gain = columns.arm[used], columns.at[used], worth[used] / self.money
        k, rows = used.size, program.rows
        body = self.matrix[:, arm] * at / self.row_scale[:, None]
        equal = rows.lower == rows.upper
        up = np.isfinite(rows.upper) & ~equal
        down = np.isfinite(rows.lower) & ~equal
        limits = [self.limit(limit.arms, limit.count, arm, at, domain) for limit in program.at_most]
        n_limits = len(limits)
        counts = np.array([row for row, _ in limits]).reshape(n_limits, k)
        top = np.concatenate((body[up], -body[down], -self.surplus(used), counts))
        n_up, n_down, n_eq = int(up.sum()), int(down.sum()), int(equal.sum())
        n_side, n_floors = n_up + n_down, len(program.floors)
        soft = n_side + n_floors
        elastic = np.zeros((top.shape[0], soft + 2 * n_eq))
        elastic[:soft, :soft] = -np.eye(soft)
        a_ub = sparse.csr_array(np.hstack((top, elastic))) if top.shape[0] else None
        b_ub = np.concatenate(
            (
                (rows.upper / self.row_scale)[up],
                -(rows.lower / self.row_scale)[down],
                -np.array([floor.constant / self.size for floor in program.floors]),
                np.array([count for _, count in limits]),
            )
        )
        convex = sparse.csr_array((np.ones(k), (arm, np.arange(k))), shape=(n, k))
        exact = np.zeros((n_eq, elastic.shape[1]))
        exact[:, soft:] = np.hstack((np.eye(n_eq), -np.eye(n_eq)))
        a_eq = sparse.vstack(
            (
                sparse.hstack((sparse.csr_array(body[equal]), sparse.csr_array(exact))),
                sparse.hstack((convex, sparse.csr_array((n, elastic.shape[1])))),
            ),
            format="csr",
        )
        b_eq = np.concatenate(((rows.lower / self.row_scale)[equal], np.ones(n)))
        objective = np.concatenate((-gain, np.full(elastic.shape[1], penalty)))
        answer = highs.linprog(
            objective,
            exact=True,
            dual=True,
            A_ub=a_ub,
            b_ub=b_ub if a_ub is not None else None,
            A_eq=a_eq,
            b_eq=b_eq,
        )
        self.calls += 1
        if answer.x is None or answer.status != 0:
            return None
        mu, theta = np.zeros(len(self.row_scale)), np.zeros(n_floors)
        if a_ub is not None:
            side = -np.asarray(answer.ineqlin.marginals)
            mu[up] += np.maximum(side[:n_up], 0.0)
            mu[down] -= np.maximum(side[n_up:n_side], 0.0)
            theta = np.maximum(side[n_side:soft], 0.0) * self.money / self.size
        mu[equal] = -np.asarray(answer.eqlin.marginals)[:n_eq]
        share = np.maximum(answer.x[:k], 0.0)
        keep = np.flatnonzero(share > 1e-12)
        share = share[keep] / np.bincount(arm[keep], weights=share[keep], minlength=n)[arm[keep]]
        value = float((worth[used[keep]] * share).sum())
        slack = float(answer.x[k:].sum())
        return used[keep], share, value, mu * self.money / self.row_scale, theta, slack

    def surplus(self, used: NDArray[np.intp]) -> Array:
        """(f, k) what columns give to the surplus of each target, in its own size."""
        columns, n = self.columns, self.functions.n
        arm, brings, spends = columns.arm[used], columns.brings[used], columns.spends[used]
        floors = self.program.floors
        rows = [
            (f.shares(n)[arm] * brings - f.per_money * f.pays_by(n)[arm] * spends) / self.size
            for f in floors
        ]
        return np.array(rows).reshape(len(floors), used.size)

    def limit(
        self,
        arms: tuple[int, ...],
        count: int,
        arm: NDArray[np.intp],
        at: Array,
        domain: Domain,
    ) -> tuple[Array, float]:
        """At most so many active, as a row over the columns; arms that must count already do."""
        must = domain.counted | ~domain.zero
        named = np.zeros(self.functions.n, dtype=bool)
        named[list(arms)] = True
        row = (named[arm] & ~must[arm] & (at > 0.0)).astype(float)
        return row, float(count - int((must & named).sum()))


# Plans from the mix of values the relaxation likes: first which side each arm is on, by rounding or
# by a small integer programme; with the sides fixed, what is left is concave.


def _patterns(program: Program, mixed: Mixed, domain: Domain) -> list[Array]:
    """Values (A,) that take sides: the mix rounded, each arm's favourite, its ends."""
    n = program.arms
    torn = np.bincount(mixed.arm, minlength=n) > 1
    out = [domain.nearest(mixed.u)]
    if np.any(torn):
        order = np.argsort(mixed.share, kind="stable")
        favourite = mixed.u.copy()
        favourite[mixed.arm[order]] = mixed.at[order]
        low, high = np.full(n, np.inf), np.full(n, -np.inf)
        np.minimum.at(low, mixed.arm, mixed.at)
        np.maximum.at(high, mixed.arm, mixed.at)
        out += [favourite, domain.nearest(high), domain.nearest(low)]
    return [_limited(program, mixed, pattern) for pattern in out]


def _limited(program: Program, mixed: Mixed, pattern: Array) -> Array:
    """The pattern with the arms of least activity put to 0 where too many spend."""
    out = pattern.copy()
    activity = np.bincount(
        mixed.arm, weights=mixed.share * (mixed.at > 0.0), minlength=pattern.size
    ) * (1.0 + 1e-6 * mixed.u / max(float(np.max(mixed.u, initial=0.0)), 1e-300))
    for limit in program.at_most:
        arms = np.array(limit.arms, dtype=np.intp)
        spending = arms[out[arms] > 0.0]
        order = np.argsort(-activity[spending], kind="stable")
        out[spending[order[limit.count :]]] = 0.0
    return out


def _fixed_sides(functions: ArmFunctions, domain: Domain, pattern: Array) -> Domain:
    """The part of the domain on the pattern's side of every choice, concave; arms on lots, and
    those on the convex part of their curve, stay where they are."""
    low, high = domain.low.copy(), domain.high.copy()
    bend = functions.bend()
    off = (pattern <= 0.0) & domain.zero
    choice = domain.zero & (domain.low > 0.0)
    stay = (
        (domain.lot > 0.0)
        | ((pattern < bend) & np.isfinite(bend))
        | (off & (choice | functions.program.limited))
    )
    low = np.where(stay, pattern, np.maximum(low, np.where(np.isfinite(bend), bend, 0.0)))
    high = np.where(stay, pattern, high)
    zero = np.zeros(low.size, dtype=bool)
    return replace(
        domain,
        low=low,
        high=np.maximum(low, high),
        zero=zero | (stay & (pattern == 0.0)),
        lot=np.zeros(low.size),
        counted=np.zeros(low.size, dtype=bool),
    )


def _integer_mix(master: Master, mixed: Mixed, domain: Domain, *, deadline: float) -> Array | None:
    """Values (A,) from the columns by an integer programme, some lots on either side of the mix
    among them; None where nothing was found."""
    import scipy.sparse as sparse
    from scipy.optimize import Bounds, LinearConstraint

    program, columns, n = master.program, master.columns, master.functions.n
    arms = np.flatnonzero((domain.lot > 0.0) & domain.active)
    for step in range(-_LOTS_NEAR, _LOTS_NEAR + 1):
        lots = np.round(mixed.u[arms] / domain.lot[arms]) + step
        at = np.clip(lots * domain.lot[arms], domain.low[arms], domain.high[arms])
        columns.add(arms, at)
    inside = (columns.at >= domain.low[columns.arm]) & (columns.at <= domain.high[columns.arm])
    inside |= domain.zero[columns.arm] & (columns.at == 0.0)
    lot = domain.lot[columns.arm]
    reach = np.abs(columns.at - mixed.u[columns.arm]) <= (_LOTS_NEAR + 1.0) * lot
    inside &= (lot <= 0.0) | reach | (columns.at == 0.0)
    used = np.flatnonzero(inside)
    arm, at, gain = columns.arm[used], columns.at[used], columns.worth()[used] / master.money
    k, rows = used.size, program.rows
    blocks: list[Any] = []
    for limit in program.at_most:
        row, count = master.limit(limit.arms, limit.count, arm, at, domain)
        blocks.append(LinearConstraint(row[None, :], -np.inf, count))
    if program.floors:
        least = np.array([floor.constant for floor in program.floors]) / master.size
        blocks.append(LinearConstraint(master.surplus(used), least, np.inf))
    choice = domain.zero & ((domain.low > 0.0) | program.limited)
    whole = (domain.lot[arm] > 0.0) | (choice[arm] & (at == 0.0))
    body = master.matrix[:, arm] * at / master.row_scale[:, None]
    blocks.append(
        LinearConstraint(
            sparse.csr_array(body), rows.lower / master.row_scale, rows.upper / master.row_scale
        )
    )
    convex = sparse.csr_array((np.ones(k), (arm, np.arange(k))), shape=(n, k))
    blocks.append(LinearConstraint(convex, 1.0, 1.0))
    answer = highs.milp(
        -gain,
        deadline=deadline,
        gap=1e-7,
        nodes=_INTEGER_NODES,
        integrality=whole.astype(int),
        bounds=Bounds(0.0, 1.0),
        constraints=blocks,
    )
    if answer.x is None:
        return None
    share = np.where(whole, np.round(answer.x), np.maximum(answer.x, 0.0))
    u = np.bincount(arm, weights=share * at, minlength=n)
    return domain.nearest(u)


# Where to split an arm's values, and which arms a limit on their number tears.


def _between(domain: Domain, arm: int, u: float, low: float, high: float) -> float:
    """Where to split an arm's values: in the hole around ``u``, else at ``u`` itself."""
    if domain.zero[arm] and domain.low[arm] > 0.0 and low == 0.0:
        return 0.5 * float(domain.low[arm])
    lot = float(domain.lot[arm])
    if lot > 0.0:
        return (float(np.floor(u / lot + 1e-9)) + 0.5) * lot
    margin = 0.02 * (high - low)
    return float(np.clip(u, low + margin, high - margin))


def _count_excess(program: Program, mixed: Mixed, domain: Domain) -> Array:
    """(A,) how torn each arm is between spending and not, where a limit on the number binds."""
    n = program.arms
    out = np.full(n, -np.inf)
    active = np.bincount(mixed.arm, weights=mixed.share * (mixed.at > 0.0), minlength=n)
    for limit in program.at_most:
        arms = np.array(limit.arms, dtype=np.intp)
        if active[arms].sum() < limit.count - 1e-6:
            continue
        torn = np.minimum(active[arms], 1.0 - active[arms])
        free = ~domain.counted[arms] & domain.zero[arms] & domain.active[arms]
        spread = np.where(domain.active & domain.zero, mixed.gains.active, 0.0)
        loss = np.abs(spread - np.where(spread == 0.0, 0.0, mixed.gains.zero))[arms]
        score = np.where(free & (torn > 1e-6), torn * np.maximum(loss, 1e-12), -np.inf)
        out[arms] = np.maximum(out[arms], score)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _OpenDomain:
    slot: int
    domain: Domain
    mixed: Mixed


@dataclass(slots=True, kw_only=True)
class ColumnSearch(Incumbent):
    functions: ArmFunctions
    master: Master
    root: Domain
    looks: int = 0

    def offer_pattern(self, pattern: Array) -> None:
        """The best plan on the sides that a pattern takes."""
        key = pattern.tobytes()
        if key in self.tried:
            return
        self.tried.add(key)
        domain = _fixed_sides(self.functions, self.root, pattern)
        low = np.where(domain.active & ~domain.zero, domain.low, np.minimum(domain.low, pattern))
        whole = program_box(self.program)
        box = ProgramBox(low[:, None], domain.high[:, None], whole.z_lower, whole.z_upper)
        box = box.tightened(self.program)
        if box.empty:
            return
        found = relax_program(
            self.program.raised(0.5 * MISS),
            box,
            gap=min(1e-9, 0.01 * self.gap),
            cutoff=self.value,
            patient=self.best is None,
            deadline=self.deadline,
        )
        if found.status == "infeasible":
            return
        self.offer(np.clip(found.u, box.u_lower, box.u_upper), found.mu, found.theta)

    def leaf(self, mixed: Mixed) -> Leaf:
        """A mix's multipliers; of adstocked spend the slopes at it, where those are finite."""
        with np.errstate(invalid="ignore"):
            slopes = self.program.slopes(mixed.u[:, None])
        nu = np.where(np.isfinite(slopes), slopes, 0.0)
        return Leaf(mixed.mu, nu, tuple(mixed.theta.tolist()))


def search_columns(
    program: Program,
    *,
    gap: float,
    deadline: float,
    starts: tuple[Array, ...] = (),
) -> Solution:
    """Solve a program with ``columns == 1`` and without interactions to a relative ``gap``, or
    until ``deadline`` (of ``work.now``), no worse than any of ``starts``, feasible plans (A, 1)."""
    functions = ArmFunctions(program)
    root = Domain.of(program)
    master = Master(program, functions, ColumnPool(functions, root))
    search = ColumnSearch(program, gap, deadline, functions=functions, master=master, root=root)
    search.per_node = seconds_per_node(program)
    for start in starts:
        search.offer(start)
        master.columns.add(np.arange(program.arms), start[:, 0])
    for start in starts:
        search.offer_pattern(root.nearest(start[:, 0]))
    first = _solve(search, 0, root, None, root=True)
    left, nodes = best_first(
        search,
        first,
        split=lambda node: _split(search, node),
        bound_of=lambda node: node.mixed.bound,
    )
    search.iterations = master.calls
    return search.solution(left, nodes)


def _solve(
    search: ColumnSearch,
    slot: int,
    domain: Domain,
    known: tuple[Array, Array] | None,
    *,
    root: bool = False,
) -> _OpenDomain | None:
    """Relax, look for plans, reduce; the proof's ``slot`` is filled. None where nothing is left."""
    master = search.master
    if domain.empty:
        return None
    if known is not None:
        bound, _ = master.quick(*known, domain)
        if bound <= search.cutoff():
            return None
    mixed: Mixed | None = None
    for _ in range(6 if root else 2):
        mixed = master.solve(
            domain,
            known,
            cutoff=search.cutoff(),
            gap=0.05 * search.gap,
            deadline=search.deadline,
            patience=0.02 if root else 0.1,
        )
        if mixed is None:
            return None
        known = mixed.mu, mixed.theta
        search.tree.set(slot, search.leaf(mixed))
        if mixed.bound <= search.cutoff():
            return None
        if search.late():
            break
        if mixed.slack <= 1e-8:
            _look(search, domain, mixed, root=root)
        if mixed.bound <= search.cutoff():
            return None
        smaller, slot = _reduce(search, slot, domain, mixed)
        if smaller is domain:
            break
        if smaller.empty:
            return None
        domain = smaller
    return None if mixed is None else _OpenDomain(slot, domain, mixed)


def _look(search: ColumnSearch, domain: Domain, mixed: Mixed, *, root: bool) -> None:
    search.offer(mixed.u[:, None], mixed.mu, mixed.theta)
    if mixed.bound <= search.cutoff():
        return
    plans = _patterns(search.program, mixed, domain)
    for pattern in plans if root else plans[:2]:
        if search.late() or mixed.bound <= search.cutoff():
            return
        search.offer_pattern(pattern)
    if not search.program.discrete or mixed.bound <= search.cutoff():
        return
    # The integer programme is dear: at the root, and then ever more seldom.
    search.looks += 1
    if search.best is None or search.looks in (1, 8, 64, 512):
        left = search.deadline - work.now()
        u = _integer_mix(
            search.master,
            mixed,
            domain,
            deadline=search.deadline - 0.8 * left,
        )
        if u is not None:
            search.offer(u[:, None], mixed.mu, mixed.theta)
            search.offer_pattern(u)


def _reduce(search: ColumnSearch, slot: int, domain: Domain, mixed: Mixed) -> tuple[Domain, int]:
    """Take out what cannot reach the best plan: a chain of splits, one side of each a leaf."""
    if not np.isfinite(search.value):
        return domain, slot
    program, gains = search.program, mixed.gains
    room = mixed.bound - search.cutoff()  # what an arm may lose and still matter
    limited = program.limited
    both = domain.zero & domain.active & (domain.low > 0.0) & ~limited
    drop_zero = np.flatnonzero(both & (gains.best - gains.zero > room))
    drop_active = np.flatnonzero(both & (gains.best - gains.active > room))
    out = domain
    for arm in drop_zero.tolist():
        at = 0.5 * float(domain.low[arm])
        slot = search.tree.split(slot, SplitDecision(arm, 0, at, 0, 0))[1]
        out = out.above(arm, at)
    for arm in drop_active.tolist():
        at = 0.5 * float(domain.low[arm])
        slot = search.tree.split(slot, SplitDecision(arm, 0, at, 0, 0))[0]
        out = out.below(arm, at)
    return _narrow(search, slot, out, mixed, room, ~limited & ~both)


def _narrow(
    search: ColumnSearch,
    slot: int,
    domain: Domain,
    mixed: Mixed,
    room: float,
    may: NDArray[np.bool_],
) -> tuple[Domain, int]:
    """Shorten the intervals of arms whose hull gets lower by it (S-shaped, on lots)."""
    functions = search.functions.lifted(mixed.theta)
    width = domain.high - domain.low
    matters = may & domain.active & (width > 0.0)
    matters &= (functions.bend() > domain.low) | (domain.lot > 0.0)
    if not np.any(matters):
        return domain, slot
    price = search.master.price(mixed.mu)
    best = functions.respond(price, domain).best
    out = domain
    for keep_above in (True, False):
        # The longest end piece on which no value comes near enough, by bisection.
        least, most = np.zeros(width.size), np.ones(width.size)
        for _ in range(7):
            share = 0.5 * (least + most)
            if keep_above:
                part = replace(domain, high=domain.low + share * width)
            else:
                part = replace(domain, low=domain.high - share * width)
            lost = best - functions.respond(price, part.snapped()).best > room
            least, most = np.where(lost, share, least), np.where(lost, most, share)
        for arm in np.flatnonzero(matters & (least > 0.15)).tolist():
            cut = float(least[arm] * width[arm])
            at = float(domain.low[arm] + cut if keep_above else domain.high[arm] - cut)
            slot = search.tree.split(slot, SplitDecision(arm, 0, at, 0, 0))[keep_above]
            out = out.above(arm, at) if keep_above else out.below(arm, at)
    return out, slot


def _open_still(search: ColumnSearch, node: _OpenDomain) -> bool:
    """Whether a region in which no arm mixes promises more than the best plan, looked at
    closely."""
    mixed = node.mixed
    mixed = (
        search.master.solve(
            node.domain,
            (mixed.mu, mixed.theta),
            cutoff=search.cutoff(),
            gap=0.05 * search.gap,
            deadline=search.deadline,
        )
        or mixed
    )
    search.tree.set(node.slot, search.leaf(mixed))
    search.offer(mixed.u[:, None], mixed.mu, mixed.theta)
    return mixed.bound > search.cutoff()


def _split(search: ColumnSearch, node: _OpenDomain) -> list[_OpenDomain] | None:
    """Two children between the values that one arm mixes; None where no arm does."""
    mixed, domain = node.mixed, node.domain
    n = search.program.arms
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(low, mixed.arm, mixed.at)
    np.maximum.at(high, mixed.arm, mixed.at)
    functions = search.functions.lifted(mixed.theta)
    money = functions.unit_cost[mixed.arm] * mixed.at
    worth = functions.program.value * functions.brings(mixed.arm, mixed.at) - money
    hull = np.bincount(mixed.arm, weights=mixed.share * worth, minlength=n)
    torn = high > low
    allowed = domain.contains(mixed.u, 0.0)
    near = functions.value(domain.nearest(mixed.u))
    excess = np.maximum(hull - near, 0.0)
    small = 1e-4 * search.gap * abs(search.value) / n if np.isfinite(search.value) else 0.0
    # A mix that is no value of the arm's is a choice to be made, however little it promises.
    excess = np.where(torn & (~allowed | (excess > small)), excess, -np.inf)
    limited = _count_excess(search.program, mixed, domain)
    arm = int(np.argmax(np.maximum(excess, limited)))
    if max(excess[arm], limited[arm]) == -np.inf:
        return None if _open_still(search, node) else []
    if limited[arm] > excess[arm]:
        split: Split = SplitActive(arm, 0, 0)
        parts = (domain.off(arm), domain.on(arm))
    else:
        at = _between(domain, arm, float(mixed.u[arm]), float(low[arm]), float(high[arm]))
        split = SplitDecision(arm, 0, at, 0, 0)
        parts = (domain.below(arm, at), domain.above(arm, at))
    out = []
    for slot, part in zip(search.tree.split(node.slot, split), parts, strict=True):
        child = _solve(search, slot, part, (mixed.mu, mixed.theta))
        if child is not None:
            out.append(child)
    return out
