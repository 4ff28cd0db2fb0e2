"""The linear and discrete rules of a program as a mixed-integer model for HiGHS.

Which rules count is asked for by name, so that a conflict can be found by leaving some out; rows
may be made elastic, so that it can be said by how much they miss. Decisions are scaled by their
ceilings and rows by their largest entry: HiGHS' tolerances are absolute. What comes back holds to
about 1e-7 and is repaired by whoever claims more. scipy is imported here, when first needed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import highs, work
from shared.errors import InputTooLarge
from shared.problem.program import Program
from shared.problem.switches import Switches

__all__ = [
    "LinearAnswer",
    "ceiling_names",
    "farkas_support",
    "floor_names",
    "limit_names",
    "solve_linear",
]

Array = NDArray[np.float64]
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LinearAnswer:
    """Decisions (A, K), and the sum of what elastic rows miss by; None where there is no plan."""

    u: Array
    missed: float


def floor_names(program: Program, arm: int) -> list[str]:
    """(K,) the caller's names of an arm's floors; "" where there is none."""
    if not np.any(program.lower[arm] > 0.0):
        return [""] * program.columns
    return [f"{program.names[arm]}.{by}" if by else "" for by in program.floors_by(arm)]


def ceiling_names(program: Program, arm: int) -> list[str]:
    """(K,) the caller's names of an arm's ceilings; "" of what only the form makes one."""
    return [
        by if by.startswith("budget") or not by else f"{program.names[arm]}.{by}"
        for by in program.roofs_by(arm)
    ]


def limit_names(program: Program) -> tuple[str, ...]:
    """Names of everything that can be left out, each once, in the order of the arms and rows."""
    names: list[str] = []
    for arm, name in enumerate(program.names):
        names += [*floor_names(program, arm), *ceiling_names(program, arm)]
        if np.any(program.least_active[arm] > 0.0) and arm not in program.silent:
            names.append(f"{name}.minimum_if_active")
        if program.lot[arm] > 0.0:
            names.append(f"{name}.increment")
    names += program.rows.names
    names += [rule.name for rule in (*program.at_most, *program.switches)]
    return tuple(name for name in dict.fromkeys(names) if name)


class _LinearModel:
    """Columns: scaled u, then binaries and integers, distances, slacks; rows as they come."""

    def __init__(self, program: Program, kept: Collection[str]) -> None:
        self.program, self.kept = program, kept
        # A ceiling that the budget left over stands for the budget and the floors together: where
        # any rule is left out, only those themselves count.
        partly = not set(limit_names(program)) <= set(kept)
        low, high, far = program.lower.copy(), program.upper.copy(), _far(program)
        for arm in range(program.arms):
            for k, name in enumerate(floor_names(program, arm)):
                low[arm, k] = 0.0 if name and name not in kept else low[arm, k]
            names = np.array(ceiling_names(program, arm))
            for name in dict.fromkeys(names.tolist()):
                own = names == name
                if name and (name not in kept or (partly and name.startswith("budget"))):
                    high[arm, own] = far[arm, own]
                elif partly:  # its own: where it is lower, a budget makes it so
                    high[arm, own] = high[arm, own].max()
        # By the ceilings that count: one of zero that is left out would make its rows' entries
        # too small for HiGHS to see.
        self.scale = np.maximum(high, 1e-9 * (float(high.max()) or program.scale))
        self.low, self.high = low / self.scale, high / self.scale
        # No number is surely far enough where shares and paces multiply, and only choices need one.
        chosen = (program.least_active > 0.0) | (program.lot[:, None] > 0.0)
        chosen[[arm for rule in program.at_most for arm in rule.arms]] = True
        chosen |= program.switched
        open_ended = (high >= far) & ~chosen
        self.columns = program.lower.size
        self.lower: list[float] = self.low.ravel().tolist()
        self.upper: list[float] = np.where(open_ended, np.inf, self.high).ravel().tolist()
        self.cost: list[float] = [0.0] * self.columns
        self.whole: list[int] = [0] * self.columns
        self.entries: list[tuple[list[int], list[float]]] = []
        self.row_low: list[float] = []
        self.row_high: list[float] = []

    def column(self, low: float, high: float, *, whole: bool = False, cost: float = 0.0) -> int:
        self.lower.append(low)
        self.upper.append(high)
        self.cost.append(cost)
        self.whole.append(int(whole))
        self.columns += 1
        return self.columns - 1

    def row(self, at: list[int], values: list[float], low: float, high: float) -> None:
        self.entries.append((at, values))
        self.row_low.append(low)
        self.row_high.append(high)

    def add_rows(self, *, elastic: bool) -> None:
        rows, scale = self.program.rows, self.scale.ravel()
        for i, name in enumerate(rows.names):
            if name not in self.kept:
                continue
            at = np.flatnonzero(rows.matrix[i])
            values = rows.matrix[i, at] * scale[at]
            size = float(np.abs(values).max(initial=0.0)) or 1.0
            columns, entries = at.tolist(), (values / size).tolist()
            if elastic:
                if np.isfinite(rows.lower[i]):
                    columns.append(self.column(0.0, np.inf, cost=size))
                    entries.append(1.0)
                if np.isfinite(rows.upper[i]):
                    columns.append(self.column(0.0, np.inf, cost=size))
                    entries.append(-1.0)
            self.row(columns, entries, rows.lower[i] / size, rows.upper[i] / size)

    def add_discrete(self) -> None:
        p = self.program
        rules = Switches([rule for rule in p.switches if rule.name in self.kept])
        switched = rules.about(p.lower.shape)
        on = np.zeros(p.lower.shape, dtype=np.intp)
        for arm, name in enumerate(p.names):
            kept = arm in p.silent or f"{name}.minimum_if_active" in self.kept
            for k in range(p.columns):
                u, s = arm * p.columns + k, float(self.scale[arm, k])
                least = float(p.least_active[arm, k])
                if (least > 0.0 and kept) or switched[arm, k]:
                    must, high = float(self.low[arm, k] > 0.0), float(self.high[arm, k])
                    on[arm, k] = self.column(must, float(high > 0.0), whole=True)
                    self.row([u, int(on[arm, k])], [1.0, -high], -np.inf, 0.0)
                    if kept:
                        self.row([u, int(on[arm, k])], [1.0, -least / s], 0.0, np.inf)
                if p.lot[arm] > 0.0 and f"{name}.increment" in self.kept:
                    lot = float(p.lot[arm]) / s
                    top = float(np.floor(self.high[arm, k] / lot + 1e-9))
                    count = self.column(0.0, max(top, 0.0), whole=True)
                    self.row([u, count], [1.0, -lot], 0.0, 0.0)
        for switch in rules:
            switch.write(on[switch.cells].tolist(), self.column, self.row)
        counted = [rule for rule in p.at_most if rule.name in self.kept]
        switches: dict[int, int] = {}
        for rule in counted:
            for arm in dict.fromkeys(rule.arms):
                if arm not in switches:
                    switches[arm] = self.column(0.0, 1.0, whole=True)
                    for k in range(p.columns):
                        top = -float(self.high[arm, k])
                        self.row([arm * p.columns + k, switches[arm]], [1.0, top], -np.inf, 0.0)
            own = [switches[arm] for arm in dict.fromkeys(rule.arms)]
            self.row(own, [1.0] * len(own), -np.inf, float(rule.count))

    def add_distance(self, near: Array) -> None:
        """Minimise the sum of absolute distances to ``near``, in money."""
        for u, (target, s) in enumerate(
            zip(near.ravel().tolist(), self.scale.ravel().tolist(), strict=True)
        ):
            away = self.column(0.0, np.inf, cost=s)
            self.row([u, away], [1.0, -1.0], -np.inf, target / s)
            self.row([u, away], [1.0, 1.0], target / s, np.inf)

    def matrix(self) -> Any:
        from scipy.sparse import csr_matrix

        starts = np.cumsum([0, *(len(at) for at, _ in self.entries)])
        at = np.array([c for columns, _ in self.entries for c in columns], dtype=np.intp)
        values = np.array([v for _, entries in self.entries for v in entries])
        return csr_matrix((values, at, starts), shape=(len(self.entries), self.columns))


def _far(program: Program) -> Array:
    """(A, K) more than any rule could ask for: where a decision without a ceiling ends."""
    sides = np.concatenate((program.rows.lower, program.rows.upper))
    most = np.abs(sides[np.isfinite(sides)]).max(initial=0.0)
    sizes = np.abs(program.rows.matrix)
    # What a share asks for grows with what the others have.
    shares = sizes.max(initial=1.0) / sizes.min(initial=1.0, where=sizes > 0.0)
    money = max(2.0, min(shares, 1e6)) * max(float(most), program.scale, float(program.upper.max()))
    per_u = program.spread.sum(axis=1)
    return np.asarray(money / np.where(per_u > 0.0, per_u, 1.0) + program.upper)


def solve_linear(
    program: Program,
    kept: Collection[str] | None = None,
    *,
    elastic: bool = False,
    near: Array | None = None,
    cost: Array | None = None,
    discrete: bool = True,
    deadline: float = np.inf,
) -> LinearAnswer | None:
    """A plan that keeps the rules named (None: all), or None where there is none.

    Parameters
    ----------
    elastic
        Rows may be missed; the sum of that is minimised and reported, in the rows' own units.
    near
        Minimise the distance to these decisions (A, K) instead.
    cost
        Minimise this (A, K) cost of the decisions instead.
    discrete
        Whether minima, lots, counts and switches are kept (if named).
    deadline
        Of ``work.now``.

    Raises
    ------
    InputTooLarge
        Where neither a plan nor its absence was found in time.
    """
    from scipy.optimize import Bounds, LinearConstraint

    model = _LinearModel(program, limit_names(program) if kept is None else kept)
    model.add_rows(elastic=elastic)
    if discrete:
        model.add_discrete()
    if near is not None:
        model.add_distance(near)
    if cost is not None:
        model.cost[: cost.size] = (cost * model.scale).ravel().tolist()
    constraints = []
    if model.entries:
        constraints = [LinearConstraint(model.matrix(), model.row_low, model.row_high)]
    size = max(max(model.cost), 1e-300)
    found = highs.milp(
        np.array(model.cost) / (size if max(model.cost) > 0.0 else 1.0),
        integrality=np.array(model.whole),
        bounds=Bounds(np.array(model.lower), np.array(model.upper)),
        constraints=constraints,
        deadline=min(deadline, work.now() + SECONDS),
        gap=1e-6,
    )
    if found.x is None:
        if found.status == highs.STOPPED:
            raise InputTooLarge("No plan that keeps all the rules was found in time.")
        return None
    u = found.x[: program.lower.size].reshape(program.lower.shape) * model.scale
    return LinearAnswer(u=u, missed=float(np.dot(model.cost, found.x)) if elastic else 0.0)


def farkas_support(program: Program) -> tuple[str, ...]:
    """Names of rules that cannot hold together without the others (the discrete ones left aside).

    The multipliers of the elastic problem's optimum prove it: a rule without one takes no part.
    """
    from scipy.sparse import vstack

    model = _LinearModel(program, limit_names(program))
    model.add_rows(elastic=True)
    matrix = model.matrix()
    low, high = np.array(model.row_low), np.array(model.row_high)
    above, below = np.flatnonzero(np.isfinite(high)), np.flatnonzero(np.isfinite(low))
    stacked: Any = vstack([matrix[above], -matrix[below]])
    found = highs.linprog(
        np.ones(model.columns) * (np.array(model.cost) > 0.0),
        A_ub=stacked,
        b_ub=np.concatenate((high[above], -low[below])),
        bounds=np.column_stack((model.lower, model.upper)),
    )
    if found.x is None:
        return limit_names(program)
    used = np.abs(found.ineqlin.marginals) > 1e-9
    names = {program.rows.names[i] for i in np.concatenate((above, below))[used].tolist()}
    shape, size = program.lower.shape, program.lower.size
    floors = np.abs(found.lower.marginals[:size].reshape(shape)) > 1e-9
    roofs = np.abs(found.upper.marginals[:size].reshape(shape)) > 1e-9
    for arm in range(program.arms):
        names |= set(np.array(floor_names(program, arm))[floors[arm]].tolist())
        names |= set(np.array(ceiling_names(program, arm))[roofs[arm]].tolist())
    return tuple(name for name in limit_names(program) if name in names)
