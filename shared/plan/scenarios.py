"""Several what-ifs of one problem, side by side with their base.

A scenario is a whole problem of its own (the edge has already applied its changes), or a caller's
own plan for one. The base is solved once; its spend starts every other solve.

The frontier between two goals holds plans of which none is better in both. Each point maximises a
mix of both goals, which finds the plans on the convex part of the frontier (Zadeh, Optimality and
non-scalar-valued performance criteria, 1963). The ends are solved first and the mix is of both
goals over the distance between the ends, so that the points spread out whatever the goals' units.
Between the expected outcome and the worst case the mix is the mean of the worst share of the draws
(CVaR), from all of them to the single worst.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.errors import Infeasible, InvalidInput
from shared.plan.narrate import of_frontier, of_scenarios, of_sweep
from shared.plan.optimize import make_plan, rows_of, summary
from shared.plan.plan import Plan
from shared.plan.rows import by_arm, infeasible, warned
from shared.plan.score import Gained, Score, finite, gained, quotient
from shared.plan.sweep import Allowance, sweep
from shared.plan.yardstick import Amounts, spend_of, yardstick
from shared.problem.lower import lower
from shared.problem.model import Goal, Problem, Risk, Weights

__all__ = ["KINDS", "Variant", "compare", "frontier"]

Floats = NDArray[np.float64]
Row = dict[str, Any]
T = TypeVar("T")

LEAST = 1e-6  # weight of the first goal, relative to the second's, at the second's own end
SAME = 1e-9  # relative distance below which the ends of a frontier are one point


@dataclass(frozen=True, slots=True)
class Variant:
    """One scenario: a problem to solve, or (with ``plan``: spend by channel) a mix to score."""

    name: str
    problem: Problem
    plan: Mapping[str, Amounts] | None = None


def compare(
    base: Problem,
    variants: Sequence[Variant],
    budgets: Sequence[float] = (),
    between: tuple[str, int] | None = None,
) -> Row:
    """The answer to ``POST /scenarios``: base, scenarios, budget sweep and frontier.

    A scenario (or a budget) that no plan can satisfy does not spoil the others: its ``status`` is
    ``"infeasible"`` and it names the conflict. A base that is infeasible is an error.

    Raises
    ------
    Infeasible
        The base itself cannot be satisfied.
    InvalidInput
        A problem contradicts itself; pointers begin with ``/base`` or ``/scenarios/{number}``.
    """
    reference = _told_at("/base", lambda: make_plan(base))
    allowed, short = Allowance(len(variants)), _short(reference)
    scenarios = [
        _told_at(f"/scenarios/{i}", partial(_scenario, reference, short, variant, allowed))
        for i, variant in enumerate(variants)
    ]
    swept = sweep(reference, budgets)
    traded = None if between is None else frontier(base, *between)
    return {
        "base": {"name": "base", **short},
        "scenarios": scenarios,
        "sweep": swept,
        "frontier": traded,
        "explanation": [
            *of_scenarios(base, short, scenarios),
            *of_sweep(base, swept),
            *(() if traded is None else of_frontier(traded)),
        ],
        "warnings": warned(base.warnings),
        "curves_version": base.curves_version,
    }


def _told_at(place: str, solved: Callable[[], T]) -> T:
    """Tell where among the problems one is that contradicts itself."""
    try:
        return solved()
    except InvalidInput as error:
        faults = [replace(fault, pointer=place + fault.pointer) for fault in error.faults]
        raise type(error)(faults) from None


SHORT = ("channel", "spend", "current_spend", "outcome", "outcome_interval", "marginal_return")
"""Fields of a row in a scenario's short result, beside what binds."""


def _short(plan: Plan) -> Row:
    return summary(plan, _shortened(rows_of(plan)))


def _shortened(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    short = []
    for row in rows:
        told = {key: row[key] for key in (*SHORT, "binding")}
        if row.get("periods"):
            told["periods"] = row["periods"]
        if row.get("campaigns"):
            told["campaigns"] = _shortened(row["campaigns"])
        short.append(told)
    return short


def _scenario(reference: Plan, base: Row, variant: Variant, allowed: Allowance) -> Row:
    variant = replace(variant, problem=allowed.next(variant.problem))
    try:
        if variant.plan is None:
            best = _best(reference, variant.problem)
            result, score = _short(best), best.best
        else:
            result, score = _own_mix(reference, variant.problem, variant.plan)
    except Infeasible as error:
        return {"name": variant.name, **infeasible(error)}
    result["difference"] = _difference(base, result, gained(score, reference.best))
    known = reference.problem.warnings
    result["warnings"] = warned(said for said in variant.problem.warnings if said not in known)
    return {"name": variant.name, **result}


def _own_mix(reference: Plan, problem: Problem, plan: Mapping[str, Amounts]) -> tuple[Row, Score]:
    """A caller's mix, scored but not solved: it has no certificate, but its violations."""
    spend = spend_of(problem, plan)
    measure = yardstick(problem)
    best = _best(reference, problem)
    told = measure.told(spend, best.current)
    lost = measure.objective(best.best.spend) - measure.objective(spend)
    result = {
        "status": "scored",
        **told,
        "allocation": _shortened(told["allocation"]),
        "certificate": None,
        "regret": max(0.0, lost),
    }
    return result, measure.score(spend)


def _best(reference: Plan, problem: Problem) -> Plan:
    """The best plan: the base's own where nothing differs, else found from there."""
    if problem == reference.problem:
        return reference
    names, its = ([c.name for c in of.channels] for of in (problem, reference.problem))
    return make_plan(problem, reference.best.spend if names == its else None)


def _difference(base: Row, other: Row, more: Gained) -> Row:
    """Scenario minus base, in total and by channel; a channel only one of them has counts 0.

    Draw s of both belongs together, so the interval (of ``more``) is of the difference itself.
    """
    mine, its = ({row["channel"]: row for row in of["allocation"]} for of in (other, base))

    def apart(one: Row, two: Row) -> Row:
        return {k: one.get(k, 0.0) - two.get(k, 0.0) for k in ("spend", "outcome")}

    whole = apart(other["totals"], base["totals"])
    return {
        **whole,
        "outcome_share": quotient(whole["outcome"], base["totals"]["outcome"]),
        "outcome_interval": more[1],
        "probability_better": more[2],
        "channels": [
            {"channel": name, **apart(mine.get(name, {}), its.get(name, {}))}
            for name in dict.fromkeys((*its, *mine))
        ],
    }


@dataclass(frozen=True, slots=True)
class _Between:
    """The goal beside the outcome: its name, what a plan is worth in it, and what a mix of both
    asks for at ``a`` of an outcome, ``b`` of the other and ``t`` of the way."""

    second: str
    worth: Callable[[Problem, Plan], float]
    mixed: Callable[[float, float, float], Weights | Risk]


def frontier(problem: Problem, between: str, points: int) -> Row:
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

    def solved(t: float, spans: Sequence[float] = (1.0, 1.0), start: Floats | None = None) -> Plan:
        asked = kind.mixed((1.0 - t) / spans[0], t / spans[1], t)
        return make_plan(_mixed(problem, asked), start)

    def worth(plan: Plan) -> tuple[float, float]:
        return plan.best.total, kind.worth(problem, plan)

    plans = {t: solved(t) for t in (0.0, 1.0)}
    ends = np.array([worth(plan) for plan in plans.values()])
    spans, sizes = np.abs(ends[0] - ends[1]), np.abs(ends).max(axis=0)
    notes: list[tuple[str, str]] = []
    if np.any(spans <= SAME * np.maximum(sizes, 1e-300)):
        other = kind.second.replace("_", " ")
        text = (
            f"The plan with the most outcome and the one with the most {other} are worth the "
            "same: there is nothing to trade."
        )
        notes.append(("frontier_is_a_point", text))
    else:
        start = plans[0.0].best.spend
        for t in np.linspace(0.0, 1.0, points)[1:-1].tolist():
            plans[t] = solved(t, spans.tolist(), start)
            start = plans[t].best.spend
    order = sorted(plans)
    values = np.array([worth(plans[t]) for t in order])
    return {
        "between": between,
        "first": "outcome",
        "second": kind.second,
        "points": [
            _point(problem, t, plans[t], value, values)
            for t, value in zip(order, values, strict=True)
        ],
        "warnings": warned(notes),
    }


def _point(problem: Problem, t: float, plan: Plan, value: Floats, others: Floats) -> Row:
    """``value`` (2,) of a plan in both goals, and those of all points (P, 2)."""
    slack = 1e-9 * np.maximum(np.abs(value), 1e-300)
    beats = np.all(others >= value - slack, axis=1) & np.any(others > value + slack, axis=1)
    return {
        "position": t,
        "first": float(value[0]),
        "second": float(value[1]),
        "dominated": bool(beats.any()),
        "status": plan.status,
        "relative_gap": finite(plan.certificate.relative_gap),
        "spend": plan.best.money,
        "outcome": plan.best.total,
        "allocation": by_arm(problem, plan.best.spend),
    }


def _mixed(problem: Problem, asked: Weights | Risk) -> Problem:
    """The base for a weighted sum (no targets of its own left out), or with a measure of risk."""
    if isinstance(asked, Risk):
        return replace(problem, risk=asked)
    goal = replace(problem.goal, goal="weighted_sum", weights=asked, long_term_weight=0.0)
    return replace(problem, goal=goal)


def _profit_of(problem: Problem, plan: Plan) -> float:
    return (problem.goal.value_per_outcome or 0.0) * plan.best.total - plan.best.money


def _later_of(problem: Problem, plan: Plan) -> float:
    horizon = replace(problem.horizon, mode="time_varying")
    whole = lower(replace(problem, goal=Goal(long_term_weight=1.0), horizon=horizon, risk=Risk()))
    return whole.outcome(plan.best.spend) - plan.best.total


def _worst_of(_: Problem, plan: Plan) -> float:
    draws = plan.best.total_draws()
    assert draws is not None
    return float(draws.min())


def _tail(_: float, __: float, t: float) -> Risk:
    if t == 0.0:
        return Risk()
    return Risk("worst_case") if t == 1.0 else Risk("cvar", level=1.0 - t)


# A sum of nothing but money wants no plan: what is left of the outcome breaks ties.
KINDS: dict[str, _Between] = {
    "outcome_profit": _Between("profit", _profit_of, lambda a, b, _: Weights(a, profit=b)),
    "outcome_spend": _Between(
        "money_kept",
        lambda _, plan: -plan.best.money,
        lambda a, b, _: Weights(max(a, LEAST * b), spend=b),
    ),
    "short_long_term": _Between(
        "outcome_later", _later_of, lambda a, b, _: Weights(max(a, LEAST * b), long_term=b)
    ),
    "expected_worst_case": _Between("worst_outcome", _worst_of, _tail),
}


def _check(problem: Problem, between: str) -> None:
    pointer, text = "/frontier/between", ""
    if between == "outcome_profit" and problem.goal.value_per_outcome is None:
        pointer = "/base/objective/value_per_outcome"
        text = "A frontier with profit needs what one outcome is worth (goal maximize_profit)."
    elif between == "short_long_term" and problem.horizon.periods < 2:
        pointer, text = "/base/horizon/periods", "The long term is that of a plan over periods."
    elif between == "expected_worst_case" and not problem.draws:
        text = "A frontier with the worst case needs curves with draws."
    if text:
        raise InvalidInput.at(pointer, "required", text)
