"""The tightest separable relaxation: every arm on the concave hull of its own domain.

Dantzig-Wolfe: each arm is a mix of values it may take (columns), the rows hold for the mix. The
linear programme over the columns known so far gives multipliers of the rows; the best answer of
every arm to them gives both a bound on every plan (weak duality) and new columns. Rows are elastic
at a high price, so that a region without any plan shows itself by its bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared import highs, work
from shared.problem.program import Program
from shared.solve.program.arms import ArmFunctions, Domain, Gains

__all__ = ["Columns", "Master", "Mixed", "dual_value"]

Array = NDArray[np.float64]
_MOST = 40  # rounds
_NEAREST = 24  # columns per arm


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """The relaxation's best mix and what it proves.

    ``arm``, ``at``, ``share`` list the columns in use; ``u`` (A,) is their mix, ``value`` its
    value on the hulls, ``bound`` what no plan of the region exceeds, shown by ``mu`` (m,) and the
    targets' ``theta`` (f,).
    """

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


def dual_value(program: Program, mu: Array, gains: Gains, domain: Domain) -> float:
    """Weak duality: a bound from the arms' best answers, at most so many of them active.

    Each arm is taken under the first ``at_most`` that names it.
    """
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


class Columns:
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
        """Money of each column."""
        return self.functions.money()[self.arm] * self.at

    def worth(self, program: Program) -> Array:
        """What each column is worth to a program's objective."""
        return program.value * self.brings - program.cost * self.spends

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

    def __init__(self, program: Program, functions: ArmFunctions, columns: Columns) -> None:
        self.program = program
        self.functions = functions
        self.columns = columns
        self.matrix = program.rows.matrix
        self.row_scale = _row_scale(program)
        gain = columns.worth(program)
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
        return dual_value(self.program, mu, gains, domain) - float(less), gains

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
        multipliers (mu, theta) to begin with.

        A mix worth more than the cutoff cannot be cut off any more: then ``patience`` times the
        excess is near enough.

        None where the linear programme could not be solved.
        """
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
        worth = columns.worth(self.program.lifted(theta)[0])
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
        worth = columns.worth(program)
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
        brings, spends = self.columns.brings[used], self.columns.spends[used]
        floors = self.program.floors
        rows = [(brings - floor.per_money * spends) / self.size for floor in floors]
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
