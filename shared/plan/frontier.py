"""The frontier between two goals: plans of which none is better in both.

Each point maximises a mix of both goals, which finds the plans on the convex part of the frontier
(Zadeh, Optimality and non-scalar-valued performance criteria, 1963). The ends are solved first and
the mix is of both goals over the distance between the ends, so that the points spread out whatever
the goals' units. Between the expected outcome and the worst case the mix is the mean of the worst
share of the draws (CVaR), from all of them to the single worst.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.plan.moves import draws_of
from shared.plan.optimize import make_plan
from shared.plan.plan import Plan
from shared.plan.score import finite
from shared.problem.arms import arms_of
from shared.problem.model import Goal, Problem, Risk, Weights

__all__ = ["KINDS", "frontier"]

Floats = NDArray[np.float64]

LEAST = 1e-6
"""Weight of the first goal, relative to the second's, at the second's own end."""

SAME = 1e-9
"""Relative distance below which the ends of a frontier are one point."""


@dataclass(frozen=True, slots=True)
class _Between:
    """Names of both goals, what a mix of them asks for, and what a plan is worth in each."""

    first: str
    second: str
    mixed: Callable[[Problem, float, float, float], Problem]
    worth: Callable[[Problem, Plan], tuple[float, float]]


def frontier(problem: Problem, between: str, points: int) -> dict[str, Any]:
    """Both ends and the points between them, from the first goal to the second.

    Parameters
    ----------
    between
        One of :data:`KINDS`.
    points
        How many, the ends included; at least 2.

    Raises
    ------
    Infeasible
        No plan satisfies the base's limits.
    InvalidInput
        The base lacks what a goal needs: a value per outcome, draws, a horizon.
    """
    kind = KINDS[between]
    _check(problem, between)
    ends = [_solved(problem, kind, (1.0, 1.0, t), None) for t in (0.0, 1.0)]
    worths = [kind.worth(problem, plan) for plan in ends]
    spans = [abs(worths[0][k] - worths[1][k]) for k in (0, 1)]
    sizes = [max(abs(worths[0][k]), abs(worths[1][k])) for k in (0, 1)]
    notes: list[dict[str, str]] = []
    plans = {0.0: ends[0], 1.0: ends[1]}
    if any(span <= SAME * max(size, 1e-300) for span, size in zip(spans, sizes, strict=True)):
        text = (
            f"The plan with the most {_words(kind.first)} and the one with the most "
            f"{_words(kind.second)} are worth the same: there is nothing to trade."
        )
        notes.append({"code": "frontier_is_a_point", "message": text})
    else:
        start = ends[0].best.spend
        for t in np.linspace(0.0, 1.0, points)[1:-1].tolist():
            plans[t] = _solved(problem, kind, (spans[0], spans[1], t), start)
            start = plans[t].best.spend
    ordered = [plans[t] for t in sorted(plans)]
    values = [kind.worth(problem, plan) for plan in ordered]
    return {
        "between": between,
        "first": kind.first,
        "second": kind.second,
        "points": [
            _point(problem, t, plan, value, values)
            for t, plan, value in zip(sorted(plans), ordered, values, strict=True)
        ],
        "warnings": notes,
    }


def _solved(
    problem: Problem, kind: _Between, mix: tuple[float, float, float], start: Floats | None
) -> Plan:
    first, second, t = mix
    return make_plan(kind.mixed(problem, (1.0 - t) / first, t / second, t), start)


def _point(
    problem: Problem,
    t: float,
    plan: Plan,
    value: tuple[float, float],
    others: Sequence[tuple[float, float]],
) -> dict[str, Any]:
    slack = [1e-9 * max(abs(v), 1e-300) for v in value]
    beaten = any(
        all(o[k] >= value[k] - slack[k] for k in (0, 1))
        and any(o[k] > value[k] + slack[k] for k in (0, 1))
        for o in others
    )
    return {
        "position": t,
        "first": value[0],
        "second": value[1],
        "dominated": beaten,
        "status": "optimal" if plan.optimal else "feasible",
        "relative_gap": finite(plan.certificate.relative_gap),
        "spend": plan.best.money,
        "outcome": plan.best.total,
        "allocation": [
            {"channel": arm.name, "spend": float(spend)}
            for arm, spend in zip(arms_of(problem), plan.best.spend.sum(axis=1), strict=True)
        ],
    }


def _words(name: str) -> str:
    return name.replace("_", " ")


# -- what each kind asks for ----------------------------------------------------------------------


def _weighed(problem: Problem, weights: Weights) -> Problem:
    """The base with a weighted sum as its goal, and no targets of its own left out."""
    goal = replace(problem.goal, goal="weighted_sum", weights=weights, long_term_weight=0.0)
    return replace(problem, goal=goal)


def _outcome_and_profit(problem: Problem, a: float, b: float, t: float) -> Problem:
    del t
    return _weighed(problem, Weights(outcome=a, profit=b))


def _outcome_and_spend(problem: Problem, a: float, b: float, t: float) -> Problem:
    del t  # a sum of nothing but money wants no plan: what is left of the outcome breaks ties
    return _weighed(problem, Weights(outcome=max(a, LEAST * b), spend=b))


def _short_and_long(problem: Problem, a: float, b: float, t: float) -> Problem:
    del t
    return _weighed(problem, Weights(outcome=max(a, LEAST * b), long_term=b))


def _mean_and_worst(problem: Problem, a: float, b: float, t: float) -> Problem:
    del a, b
    if t == 0.0:
        return replace(problem, risk=Risk())
    return replace(problem, risk=Risk("worst_case") if t == 1.0 else Risk("cvar", level=1.0 - t))


def _profit_of(problem: Problem, plan: Plan) -> tuple[float, float]:
    value = problem.goal.value_per_outcome or 0.0
    return plan.best.total, value * plan.best.total - plan.best.money


def _saving_of(problem: Problem, plan: Plan) -> tuple[float, float]:
    del problem
    return plan.best.total, -plan.best.money


def _later_of(problem: Problem, plan: Plan) -> tuple[float, float]:
    from shared.problem.lower import lower

    horizon = replace(problem.horizon, mode="time_varying")
    whole = lower(replace(problem, goal=Goal(long_term_weight=1.0), horizon=horizon, risk=Risk()))
    return plan.best.total, whole.outcome(plan.best.spend) - plan.best.total


def _worst_of(problem: Problem, plan: Plan) -> tuple[float, float]:
    del problem
    draws = plan.best.total_draws()
    assert draws is not None
    return plan.best.total, float(draws.min())


KINDS: dict[str, _Between] = {
    "outcome_profit": _Between("outcome", "profit", _outcome_and_profit, _profit_of),
    "outcome_spend": _Between("outcome", "money_kept", _outcome_and_spend, _saving_of),
    "short_long_term": _Between("outcome", "outcome_later", _short_and_long, _later_of),
    "expected_worst_case": _Between("outcome", "worst_outcome", _mean_and_worst, _worst_of),
}


def _check(problem: Problem, between: str) -> None:
    pointer, text = "/frontier/between", ""
    if between == "outcome_profit" and problem.goal.value_per_outcome is None:
        pointer = "/base/objective/value_per_outcome"
        text = "A frontier with profit needs what one outcome is worth (goal maximize_profit)."
    elif between == "short_long_term" and problem.horizon.periods < 2:
        pointer, text = "/base/horizon/periods", "The long term is that of a plan over periods."
    elif between == "expected_worst_case" and not draws_of(problem):
        text = "A frontier with the worst case needs curves with draws."
    if text:
        raise InvalidInput.at(pointer, "required", text)
