"""One decision per arm, many periods, one budget: every arm is a curve of its share alone.

Where nothing but the budget ties the arms, that is the problem of one budget over curves: tables of
the sums over periods, and branch and bound on their envelopes; its tree is rewritten as the
program's own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import Saturation
from shared.curves.stack import CurveStack
from shared.problem.incumbent import allowed
from shared.problem.program import Program
from shared.problem.proof import Cut, Leaf, Node, Proof
from shared.solve.one_budget.dual import settle
from shared.solve.one_budget.engine import branch_and_bound
from shared.solve.one_budget.form import OneBudget
from shared.solve.one_budget.relaxation import Relaxation
from shared.solve.one_budget.table import table_of_function
from shared.solve.search import Solution

__all__ = ["search_shares", "shares_one_budget"]

Array = NDArray[np.float64]


def shares_one_budget(program: Program) -> bool:
    """Whether every arm has one decision, and only boxes and one budget hold them."""
    if program.columns != 1 or program.weight.shape[1] == 1 or len(program.rows.names) != 1:
        return False
    row = program.rows.matrix[0]
    low, high = float(program.rows.lower[0]), float(program.rows.upper[0])
    return (
        bool(np.all(row == row[0]) and row[0] > 0.0)
        and np.isfinite(high)
        and (low == high or low == -np.inf)
        and program.draws is None
        and not program.curves.tables
        and not program.discrete
        and not program.pairs
        and not program.sums
        and program.value > 0.0
        and not program.charges
        and bool(np.all(program.weight >= 0.0))
    )


def search_shares(
    program: Program, *, gap: float, deadline: float, starts: tuple[Array, ...] = ()
) -> Solution | None:
    """Solve a program that :func:`shares_one_budget` to a relative ``gap``, or until
    ``deadline`` (of ``work.now``), no worse than any of ``starts`` (A, 1). None where its budget
    leaves no room."""
    unit = float(program.rows.matrix[0, 0])
    budget = float(program.rows.upper[0]) / unit
    spend_all = bool(program.rows.lower[0] == program.rows.upper[0])
    lower = program.lower[:, 0]
    room = budget - float(lower.sum())
    upper = np.minimum(program.upper[:, 0], lower + max(room, 0.0))
    if room <= 0.0 or np.any(upper < lower) or (spend_all and float(upper.sum()) <= budget):
        return None
    task = OneBudget(
        names=program.names,
        curves=program.curves,
        draws=None,
        current=np.full(program.arms, np.nan),
        lower=lower,
        upper=upper,
        lower_by=program.lower_by,
        upper_by=program.upper_by,
        budget=budget,
        spend_all=spend_all,
    )
    model = _Sums(program, task, deadline)
    known = []
    for start in starts:
        plan = np.clip(start[:, 0], lower, upper)
        if spend_all or float(plan.sum()) > budget:
            plan = settle(plan, lower, upper, budget, plan)
        known.append(plan)
    found = branch_and_bound(model, gap=gap, starts=tuple(known))
    u = found.spend[:, None]
    if not allowed(program, u):
        return None
    return Solution(
        u=u,
        prices=found.prices / unit,
        proof=_written(model, found.proof, unit),
        nodes=found.nodes,
        iterations=found.iterations,
        finished=found.finished,
    )


class _Sums(Relaxation):
    """Sums over periods as tables; everything else is the relaxation of one budget."""

    exact = False

    def __init__(self, program: Program, task: OneBudget, deadline: float) -> None:
        self.program = program
        self._begin(task, deadline)
        self.columns = np.zeros(0, dtype=np.intp)
        self.curves = CurveStack(0, ())
        self.bend = np.zeros(self.n)
        turns = program.curves.inflection()
        for arm in range(self.n):
            self._sum(arm, float(turns[arm]))
        self._index()

    def _sum(self, arm: int, turn: float) -> None:
        program = self.program
        curve: Saturation = program.curves.take([arm]).groups[0].curve
        carry, offset, weight = _merged(
            program.carry[arm, :, 0], program.carry_in[arm], program.value * program.weight[arm]
        )

        def both(points: Array) -> tuple[Array, Array]:
            z = points[:, None] * carry + offset
            with np.errstate(invalid="ignore"):
                slope = np.where(carry > 0.0, curve.slope(z) * carry, 0.0)
            return curve.value(z) @ weight, slope @ weight

        moves = carry > 0.0
        marks = np.maximum(turn - offset[moves], 0.0) / carry[moves]
        low, high = float(self.task.lower[arm]), float(self.task.upper[arm])
        table = table_of_function(both, low, high, marks, 0 if self.late() else 6)
        self._add(arm, table)

    def twins(self) -> tuple[NDArray[np.intp], ...]:
        """None: arms with one curve may still differ in their carryover."""
        return ()

    def value(self, x: Array) -> Array:
        """The true objective per arm."""
        program = self.program
        z = program.adstocked(x[:, None])
        return np.asarray(program.value * program.response(z).sum(axis=1))

    def marginal(self, x: Array) -> Array:
        """The true slope per arm."""
        return np.asarray(self.program.gradient(x[:, None])[:, 0])

    def curvature(self, x: Array) -> Array:
        """The true second derivative per arm, for ``x > 0``."""
        program = self.program
        z = np.ascontiguousarray(program.adstocked(x[:, None]).T)
        carry = program.carry[:, :, 0]
        with np.errstate(over="ignore", invalid="ignore"):  # at 0 it may be no number
            bend = program.curves.slope(z) * program.curves.relative_curvature(z)
            each = np.where(carry > 0.0, program.weight * carry * carry * bend.T, 0.0)
        return np.asarray(program.value * each.sum(axis=1))


def _merged(carry: Array, offset: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Periods with the same carryover as one, their weights added up."""
    both, which = np.unique(np.stack((carry, offset)), axis=1, return_inverse=True)
    return both[0], both[1], np.bincount(which.ravel(), weights=weight)


def _written(model: _Sums, proof: Proof, unit: float) -> Proof:
    """The tree in the program's own prices, with those of adstocked spend beside them."""
    program = model.program
    box = model.box(model.task.lower, model.task.upper)
    known: dict[float, Leaf] = {}

    def leaf(of: Leaf) -> Leaf:
        price = float(of.mu[0])
        if price not in known:
            # Arms that are concave are bounded period by period: at their best plan's slopes, so
            # scaled that the decision gains nothing by moving, however roughly the plan is known.
            plan = np.clip(model.respond(box, price).least, box.lower, box.upper)
            slopes = program.slopes(plan[:, None])
            nu = np.where(np.isfinite(slopes), slopes, 0.0)
            gain = program.value * (nu * program.carry[:, :, 0]).sum(axis=1)
            inside = (plan > box.lower) & (plan < box.upper) & (gain > 0.0)
            share = np.where(inside, price / np.where(inside, gain, 1.0), 1.0)
            known[price] = Leaf(np.array([price / unit]), share[:, None] * nu)
        return known[price]

    def priced(node: Node) -> Node:
        if isinstance(node, Cut):
            return replace(node, leaf=leaf(node.leaf))
        return leaf(node) if isinstance(node, Leaf) else node

    return Proof(tuple(priced(node) for node in proof.nodes))
