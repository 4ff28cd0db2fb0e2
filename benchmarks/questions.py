"""An instance as a peer is asked: a box, rows, a value with its slope; no rows of the table.

Peers get every help that a tool could give them: exact derivatives, and their answer moved to the
nearest plan that keeps all rules (they know nothing of minimum spends, lots or counts) before its
loss is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.problem.aim import Aim
from shared.problem.lower import lower
from shared.problem.model import Problem, Risk
from shared.problem.program import Program
from shared.problem.repair import repair
from shared.problem.risk import measure, weights_at
from shared.problem.risk_program import brings_by, missed, objective, outcomes, weighed
from shared.solve.one_budget.form import OneBudget

__all__ = [
    "Question",
    "arrays_of",
    "question_of_aim",
    "question_of_budget",
    "question_of_program",
    "question_of_risk",
]

Array = NDArray[np.float64]

HELD = 1e-6
"""Violations up to this, relative to what is at stake, count as none: what certificates allow."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Maximise ``value`` over a box, rows and (where ``floor`` is given) ``floor(x) >= 0``.

    ``tidy`` moves any point to a plan that keeps all rules, None where it cannot; ``even`` is the
    equal split and ``money`` what a unit of each decision costs.
    """

    lower: Array
    upper: Array
    matrix: Array
    low: Array
    high: Array
    value: Callable[[Array], float]
    gradient: Callable[[Array], Array]
    tidy: Callable[[Array], Array | None]
    even: Array
    money: Array
    floor: Callable[[Array], float] | None = None
    floor_gradient: Callable[[Array], Array] | None = None

    def start(self, rng: np.random.Generator) -> Array:
        """A random split of the money that the equal split spends."""
        share = rng.dirichlet(np.ones(self.even.size))
        return np.asarray(share * float(self.money @ self.even) / self.money)


def question_of_program(program: Program) -> Question:
    """Without the discrete rules, which these peers do not know; ``tidy`` adds them."""
    shape = program.lower.shape
    money = np.asarray(program.spread.sum(axis=1)).ravel()

    def tidy(x: Array) -> Array | None:
        plan = repair(program, x.reshape(shape))
        if plan is None or program.violation(plan) > HELD or missed(program, plan) > HELD:
            return None
        return plan.ravel()

    def value(x: Array) -> float:
        return objective(program, np.maximum(x, 0.0).reshape(shape))

    def gradient(x: Array) -> Array:
        u = np.maximum(x, 1e-12).reshape(shape)
        if program.risk is None:
            return _with_pairs(program, u).ravel()
        weights = weights_at(program.risk, outcomes(program, u))
        return _with_pairs(weighed(program, weights), u).ravel()

    floor, floor_gradient = None, None
    if program.floors:  # one target is what these peers can be told
        target = program.floors[0]
        alone = program.alone(0)

        def floor(x: Array) -> float:
            u = np.maximum(x, 0.0).reshape(shape)
            return target.surplus(brings_by(program, u)[0], program.asked_of(u)[0])

        def floor_gradient(x: Array) -> Array:
            return _with_pairs(alone, np.maximum(x, 1e-12).reshape(shape)).ravel()

    return Question(
        lower=program.lower.ravel(),
        upper=program.upper.ravel(),
        matrix=program.rows.matrix,
        low=program.rows.lower,
        high=program.rows.upper,
        value=value,
        gradient=gradient,
        tidy=tidy,
        even=np.full(program.lower.size, program.scale / float(money.sum())),
        money=money,
        floor=floor,
        floor_gradient=floor_gradient,
    )


def _with_pairs(program: Program, u: Array) -> Array:
    """(A, K) gradient, interactions included."""
    out = program.gradient(u)
    if not program.pairs:
        return out
    z = program.adstocked(u)
    level = program.saturation(z)
    rate = program.slopes(u) / program.weight / program.supremum()[:, None]
    for pair in program.pairs:
        size = program.value * pair.strength * program.weight[pair.first]
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            out[one] += (size * rate[one] * level[other]) @ program.carry[one]
    return out


def _boxes(problem: OneBudget) -> dict[str, Any]:
    low = problem.budget if problem.spend_all else -np.inf
    return {
        "lower": problem.lower,
        "upper": problem.upper,
        "matrix": np.ones((1, problem.n)),
        "low": np.array([low]),
        "high": np.array([problem.budget]),
        "even": np.full(problem.n, problem.budget / problem.n),
        "money": np.ones(problem.n),
    }


def _onto_budget(problem: OneBudget, x: Array) -> Array:
    plan = np.clip(x, problem.lower, problem.upper)
    total = float(plan.sum())
    if total > problem.budget or (problem.spend_all and total > 0.0):
        plan = np.minimum(plan * (problem.budget / total), problem.upper)
    return np.asarray(plan)


def question_of_budget(problem: OneBudget) -> Question:
    """One budget over boxes, the mean over draws where there are any."""
    return Question(
        **_boxes(problem),
        value=lambda x: float(problem.outcome(np.maximum(x, 0.0)).sum()),
        gradient=lambda x: problem.marginal(np.maximum(x, 1e-12)),
        tidy=lambda x: _onto_budget(problem, x),
    )


def question_of_risk(problem: OneBudget, risk: Risk) -> Question:
    """A measure over draws; where it has a kink, one of its slopes is told."""
    draws = problem.draws
    if draws is None:
        raise ValueError("A risk measure needs draws.")

    def gradient(x: Array) -> Array:
        x = np.maximum(x, 1e-12)
        return np.asarray(weights_at(risk, draws.value(x).sum(axis=1)) @ draws.slope(x))

    return Question(
        **_boxes(problem),
        value=lambda x: measure(risk, draws.value(np.maximum(x, 0.0)).sum(axis=1)),
        gradient=gradient,
        tidy=lambda x: _onto_budget(problem, x),
    )


def arrays_of(problem: Problem) -> OneBudget:
    """Boxes and a total of a problem with any goal: where it gives none, all that may be spent."""
    program = lower(problem)
    least, upper = program.lower[:, 0], program.upper[:, 0]
    most = float(program.rows.upper[0]) if program.rows.names else float(upper.sum())
    return OneBudget(
        names=program.names,
        curves=program.curves,
        draws=program.draws,
        current=np.full(program.arms, np.nan),
        lower=least,
        upper=upper,
        lower_by=program.lower_by,
        upper_by=program.upper_by,
        budget=most,
        spend_all=bool(program.rows.names and np.isfinite(program.rows.lower[0])),
    )


def question_of_aim(problem: OneBudget, aim: Aim) -> Question:
    """Profit, least spend, outcome under a target; a plan that misses its target is none."""

    def brought(x: Array) -> float:
        return float(problem.outcome(np.maximum(x, 0.0)).sum())

    def tidy(x: Array) -> Array | None:
        plan = _onto_budget(problem, x)
        return plan if aim.missed(brought(plan), float(plan.sum())) <= HELD else None

    floor = aim.floors[0] if aim.floors else None
    target = None if floor is None else (floor.constant, floor.per_money)
    return Question(
        **_boxes(problem),
        value=lambda x: aim.worth(brought(x), float(x.sum())),
        gradient=lambda x: aim.value * problem.marginal(np.maximum(x, 1e-12)) - aim.cost,
        tidy=tidy,
        floor=None if target is None else lambda x: brought(x) - target[0] - target[1] * x.sum(),
        floor_gradient=None
        if target is None
        else lambda x: problem.marginal(np.maximum(x, 1e-12)) - target[1],
    )
