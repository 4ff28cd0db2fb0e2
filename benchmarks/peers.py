"""What others would run on the same instance: SLSQP, differential evolution, a conic solver.

Peers get every help that a tool could give them: exact derivatives, an objective scaled to one, and
their answer moved to the nearest plan that keeps all rules (they know nothing of minimum spends,
lots or counts) before its loss is taken. Each stops at its ``seconds`` of CPU time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.classes import SEED
from shared.problem.aim import Aim
from shared.problem.canonical import Canonical, marginal, outcome
from shared.problem.model import Risk
from shared.problem.program import Program
from shared.problem.repair import repair
from shared.problem.risk import measure, weights_at
from shared.solve.certify.program_certificate import program_violation

__all__ = [
    "Question",
    "differential_evolution",
    "question_of_aim",
    "question_of_program",
    "question_of_risk",
    "slsqp",
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
        if plan is None or program_violation(program, plan) > HELD:
            return None
        return plan.ravel()

    return Question(
        lower=program.lower.ravel(),
        upper=program.upper.ravel(),
        matrix=program.rows.matrix,
        low=program.rows.lower,
        high=program.rows.upper,
        value=lambda x: program.objective(np.maximum(x, 0.0).reshape(shape)),
        gradient=lambda x: _with_pairs(program, np.maximum(x, 1e-12).reshape(shape)).ravel(),
        tidy=tidy,
        even=np.full(program.lower.size, program.scale / float(money.sum())),
        money=money,
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


def _boxes(problem: Canonical) -> dict[str, Any]:
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


def _onto_budget(problem: Canonical, x: Array) -> Array:
    plan = np.clip(x, problem.lower, problem.upper)
    total = float(plan.sum())
    if total > problem.budget or (problem.spend_all and total > 0.0):
        plan = np.minimum(plan * (problem.budget / total), problem.upper)
    return np.asarray(plan)


def question_of_risk(problem: Canonical, risk: Risk) -> Question:
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


def question_of_aim(problem: Canonical, aim: Aim) -> Question:
    """Profit, least spend, outcome under a target; a plan that misses its target is none."""

    def brought(x: Array) -> float:
        return float(outcome(problem, np.maximum(x, 0.0)).sum())

    def tidy(x: Array) -> Array | None:
        plan = _onto_budget(problem, x)
        return plan if aim.missed(brought(plan), float(plan.sum())) <= HELD else None

    floor = aim.floors[0] if aim.floors else None
    target = None if floor is None else (floor.constant, floor.per_money)
    return Question(
        **_boxes(problem),
        value=lambda x: aim.worth(brought(x), float(x.sum())),
        gradient=lambda x: aim.value * marginal(problem, np.maximum(x, 1e-12)) - aim.cost,
        tidy=tidy,
        floor=None if target is None else lambda x: brought(x) - target[0] - target[1] * x.sum(),
        floor_gradient=None
        if target is None
        else lambda x: marginal(problem, np.maximum(x, 1e-12)) - target[1],
    )


class _Late(Exception):
    """The CPU time allowed is over."""


def slsqp(question: Question, *, starts: int = 1, seconds: float = 30.0) -> Array | None:
    """The best plan of SLSQP from the equal split, or from ``starts`` random splits if several."""
    deadline = time.process_time() + seconds
    rng = np.random.default_rng(SEED)
    plans: list[Array] = []
    for _ in range(starts):
        if time.process_time() >= deadline:
            break
        start = question.even if starts == 1 else question.start(rng)
        plan = question.tidy(_slsqp(question, start, deadline))
        if plan is not None:
            plans.append(plan)
    return max(plans, key=question.value, default=None)


def _slsqp(question: Question, start: Array, deadline: float) -> Array:
    from scipy.optimize import minimize

    start = np.clip(start, question.lower, question.upper)
    size = abs(question.value(start)) or 1.0
    last = [start]

    def objective(x: Array) -> float:
        if time.process_time() > deadline:
            raise _Late
        last[0] = np.array(x)
        return -question.value(x) / size

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = minimize(  # type: ignore[call-overload]
                objective,
                start,
                jac=lambda x: np.nan_to_num(-question.gradient(x) / size, posinf=1e9, neginf=-1e9),
                bounds=list(zip(question.lower, question.upper, strict=True)),
                constraints=_constraints(question),
                method="SLSQP",
                options={"maxiter": 1000, "ftol": 1e-9},
            )
        except _Late:
            return last[0]
    return np.asarray(found.x) if np.all(np.isfinite(found.x)) else start


def _constraints(question: Question) -> list[dict[str, object]]:
    matrix, low, high = question.matrix, question.low, question.high
    same = low == high
    out: list[dict[str, object]] = []
    rows = [matrix[np.isfinite(low) & ~same], -matrix[np.isfinite(high) & ~same]]
    ends = [low[np.isfinite(low) & ~same], -high[np.isfinite(high) & ~same]]
    sides = (("eq", matrix[same], low[same]), ("ineq", np.vstack(rows), np.concatenate(ends)))
    for kind, own, at in sides:
        if at.size:
            # Each row scaled to one, so that its tolerance is relative.
            scale = np.maximum(np.abs(at), np.abs(own).max(axis=1))
            a, b = own / scale[:, None], at / scale
            out.append(
                {
                    "type": kind,
                    "fun": lambda x, a=a, b=b: a @ x - b,
                    "jac": lambda _x, a=a: a,
                }
            )
    if question.floor is not None and question.floor_gradient is not None:
        floor, slope = question.floor, question.floor_gradient
        size = abs(floor(question.even)) or 1.0
        out.append(
            {
                "type": "ineq",
                "fun": lambda x: floor(x) / size,
                "jac": lambda x: np.nan_to_num(slope(x) / size, posinf=1e9, neginf=-1e9),
            }
        )
    return out


def differential_evolution(question: Question, *, seconds: float = 20.0) -> Array | None:
    """scipy's, with its own defaults; rows by penalty, an exact budget by rescaling onto it."""
    from scipy.optimize import differential_evolution as evolve

    deadline = time.process_time() + seconds
    exact = np.flatnonzero((question.low == question.high) & np.all(question.matrix >= 0, axis=1))
    size = abs(question.value(question.even)) or 1.0
    scale = max(float(question.money @ question.even), 1e-300)
    floor = question.floor

    def onto(x: Array) -> Array:
        if not exact.size:
            return x
        row, total = question.matrix[exact[0]], question.high[exact[0]]
        spent = float(row @ x)
        return np.clip(x * (total / spent), question.lower, question.upper) if spent > 0.0 else x

    def loss(x: Array) -> float:
        plan = onto(x)
        product = question.matrix @ plan
        over = np.maximum(product - question.high, 0.0) + np.maximum(question.low - product, 0.0)
        short = 0.0 if floor is None else max(-floor(plan), 0.0) / size
        return -question.value(plan) / size + 10.0 * (float(over.sum()) / scale + short)

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = evolve(
            loss,
            list(zip(question.lower, question.upper, strict=True)),
            rng=np.random.default_rng(SEED),
            polish=False,
            callback=lambda intermediate_result: time.process_time() > deadline,  # noqa: ARG005
        )
    return question.tidy(onto(np.asarray(found.x)))
