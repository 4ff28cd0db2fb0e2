"""Prices of a program's rows from the plans that its arms have proposed, and mixes of those plans.

The dual of a program in its rows' prices is a sum over arms of convex functions; every plan that an
arm may follow is a line below its own. Lines seen so far make a linear programme, the lowest point
of which is where to look next, and the dual of that mixes plans so that the rows hold (Dantzig and
Wolfe, Operations Research 8, 1960; the step is kept short as in a box step method, Marsten, Hogan
and Blankenship, Operations Research 23, 1975).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared import highs
from shared.problem.program import Program
from shared.problem.region import Region
from shared.solve.program.price_trees import ArmTrees, OpenLeaf

__all__ = ["Advice", "PlanPool"]

Array = NDArray[np.float64]
_KEPT = 400  # plans of one arm
_LINES = 25  # of each arm that are asked, the highest at today's prices


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """Where to price next (m,), what the lines promise there, and the mix of plans behind it.

    ``mix`` has for each arm (share, plan (K,)), largest share first; ``leaves`` are those among
    whose plans only the relaxation believes in: split, they may give way to better prices.
    """

    mu: Array
    value: float
    mix: tuple[tuple[tuple[float, Array], ...], ...]
    leaves: tuple[OpenLeaf, ...]


@dataclass(slots=True, eq=False)
class PlanPool:
    """Plans (K,) by arm, with what they are worth (costs taken off) and what they use of rows."""

    program: Program
    plans: list[list[Array]] = field(default_factory=list)
    worth: list[list[float]] = field(default_factory=list)
    seen: set[tuple[int, bytes]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.plans = [[] for _ in range(self.program.arms)]
        self.worth = [[] for _ in range(self.program.arms)]

    def add(self, u: Array) -> None:
        """One plan (K,) for each arm, those already here left out."""
        program = self.program
        bring = program.value * program.response(program.adstocked(u)).sum(axis=1)
        bring -= program.cost * program.spend(u).sum(axis=1)
        for a, worth in enumerate(bring.tolist()):
            key = (a, np.round(u[a] / max(program.scale, 1e-300), 7).tobytes())
            if key in self.seen or len(self.plans[a]) >= _KEPT:
                continue
            self.seen.add(key)
            self.plans[a].append(u[a].copy())
            self.worth[a].append(worth)

    def advise(self, trees: ArmTrees, region: Region, reach: float, around: Array) -> Advice | None:
        """The lowest point of all lines within ``reach`` (relative) of the prices ``around``."""
        program, rows = self.program, self.program.rows
        arm, plan, level, source = self._lines(trees, region)
        use = np.stack([self._use(a, u) for a, u in zip(arm.tolist(), plan, strict=True)])
        m, n = len(rows.names), program.arms
        # Prices in the unit of the largest: the steps are relative to it.
        unit = max(float(np.abs(around).max(initial=0.0)), 1e-300)
        size = np.maximum(np.abs(rows.matrix).max(axis=1, initial=0.0), 1e-300)
        unit_of = unit / size * size.max(initial=1.0)
        money = max(abs(trees.bound()), 1e-300)
        lines = np.zeros((arm.size, 2 * m + n))
        lines[:, :m] = -use * unit_of / money
        lines[:, m : 2 * m] = use * unit_of / money
        lines[np.arange(arm.size), 2 * m + arm] = -1.0
        up, down = np.isfinite(rows.upper), np.isfinite(rows.lower)
        cost = np.concatenate(
            (
                np.where(up, rows.upper, 0.0) * unit_of / money,
                -np.where(down, rows.lower, 0.0) * unit_of / money,
                np.ones(n),
            )
        )
        now = around / unit_of
        step = reach * np.maximum(np.abs(now), 0.1)
        least, most = now - step, now + step
        # mu is the difference of what an upper and a lower side charge; both are never negative.
        high = np.concatenate(
            (np.where(up, np.maximum(most, 0.0), 0.0), np.where(down, np.maximum(-least, 0.0), 0.0))
        )
        low = np.minimum(np.concatenate((np.maximum(least, 0.0), np.maximum(-most, 0.0))), high)
        bounds = [*zip(low.tolist(), high.tolist(), strict=True), *[(None, None)] * n]
        answer = highs.linprog(cost, A_ub=lines, b_ub=-level / money, bounds=bounds)
        if answer.x is None or answer.status != 0:
            return None
        mu = (answer.x[:m] - answer.x[m : 2 * m]) * unit_of
        share = np.maximum(-np.asarray(answer.ineqlin.marginals), 0.0)
        mix: list[tuple[tuple[float, Array], ...]] = []
        for a in range(n):
            own = np.flatnonzero((arm == a) & (share > 1e-9)).tolist()
            own.sort(key=lambda i: -share[i])
            mix.append(tuple((float(share[i]), plan[i]) for i in own))
        believed = [source[i] for i in np.flatnonzero(share > 1e-3).tolist()]
        leaves = tuple(leaf for leaf in believed if leaf is not None)
        return Advice(mu, float(answer.fun) * money, tuple(mix), leaves)

    def _lines(
        self, trees: ArmTrees, region: Region
    ) -> tuple[NDArray[np.intp], list[Array], Array, list[OpenLeaf | None]]:
        """Arms, plans, levels at no price: of plans in the region, and of the open leaves."""
        program = self.program
        arm: list[int] = []
        plan: list[Array] = []
        level: list[float] = []
        source: list[OpenLeaf | None] = []
        for a in range(program.arms):
            for i in self._highest(a, trees.mu, region, _LINES):
                arm.append(a)
                plan.append(self.plans[a][i])
                level.append(self.worth[a][i])
                source.append(None)
            for leaf in sorted(trees.leaves[a], key=lambda x: -x.bound)[:_LINES]:
                for u, worth in leaf.lines:
                    arm.append(a)
                    plan.append(u)
                    source.append(leaf)
                    level.append(worth)
        return np.array(arm, dtype=np.intp), plan, np.array(level), source

    def best(self, mu: Array, region: Region, other: Array) -> Array:
        """(A, K) each arm's best plan of the region at prices ``mu``, else ``other``."""
        out = other.copy()
        for a in range(self.program.arms):
            for i in self._highest(a, mu, region, 1):
                out[a] = self.plans[a][i]
        return out

    def _highest(self, a: int, mu: Array, region: Region, most: int) -> list[int]:
        """Which of an arm's plans in the region are worth most at prices ``mu``."""
        program = self.program
        if not self.plans[a]:
            return []
        slack = 1e-9 * max(program.scale, 1e-300)
        u = np.stack(self.plans[a])
        z = u @ program.carry[a].T + program.carry_in[a]
        inside = np.all((z >= region.z_lower[a] - slack) & (z <= region.z_upper[a] + slack), axis=1)
        if region.spent is not None:
            money = u @ program.spread[a].sum(axis=0)
            inside &= (money >= region.spent[0, a] - slack) & (money <= region.spent[1, a] + slack)
        level = np.array(self.worth[a]) - u @ (mu @ program.rows.matrix).reshape(-1, u.shape[1])[a]
        order = np.argsort(np.where(inside, -level, np.inf), kind="stable")
        return order[: min(most, int(inside.sum()))].tolist()

    def _use(self, a: int, u: Array) -> Array:
        """(m,) what an arm's plan uses of each row."""
        k = self.program.columns
        return np.asarray(self.program.rows.matrix[:, a * k : (a + 1) * k] @ u)
