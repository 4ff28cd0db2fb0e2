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
from shared.plan.optimize import make_plan, rows_of, summary
from shared.plan.plan import Plan
from shared.plan.rows import allocation, by_arm, infeasible, warned
from shared.plan.score import Score, finite, quotient, totals
from shared.plan.sweep import Allowance, sweep
from shared.plan.yardstick import Amounts, spend_of, violations, yardstick
from shared.problem.model import Goal, Problem, Risk, Weights

__all__ = ["KINDS", "Variant", "compare", "frontier"]

Floats = NDArray[np.float64]
T = TypeVar("T")

LEAST = 1e-6
"""Weight of the first goal, relative to the second's, at the second's own end."""

SAME = 1e-9
"""Relative distance below which the ends of a frontier are one point."""


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
) -> dict[str, Any]:
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
    allowed = Allowance(len(variants))
    return {
        "base": {"name": "base", **_short(reference)},
        "scenarios": [
            _told_at(f"/scenarios/{i}", partial(_scenario, reference, variant, allowed))
            for i, variant in enumerate(variants)
        ],
        "sweep": sweep(reference, budgets),
        "frontier": None if between is None else frontier(base, *between),
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


def _short(plan: Plan) -> dict[str, Any]:
    return summary(plan, _shortened(rows_of(plan)))


def _shortened(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    short = []
    for row in rows:
        told = {key: row[key] for key in (*SHORT, "binding")}
        if row.get("periods"):
            told["periods"] = row["periods"]
        if row.get("campaigns"):
            told["campaigns"] = _shortened(row["campaigns"])
        short.append(told)
    return short


def _scenario(reference: Plan, variant: Variant, allowed: Allowance) -> dict[str, Any]:
    variant = replace(variant, problem=allowed.next(variant.problem))
    try:
        if variant.plan is None:
            result = _short(_best(reference, variant.problem))
        else:
            result = _own_mix(reference, variant.problem, variant.plan)
    except Infeasible as error:
        return {"name": variant.name, **infeasible(error)}
    result["difference"] = _difference(reference, result)
    known = reference.problem.warnings
    result["warnings"] = warned(said for said in variant.problem.warnings if said not in known)
    return {"name": variant.name, **result}


def _own_mix(reference: Plan, problem: Problem, plan: Mapping[str, Amounts]) -> dict[str, Any]:
    """A caller's mix, scored but not solved: it has no certificate, but its violations."""
    spend = spend_of(problem, plan)
    measure = yardstick(problem)
    mine, best = measure.score(spend), _best(reference, problem)
    lost = measure.objective(best.best.spend) - measure.objective(spend)
    return {
        "status": "scored",
        "allocation": _shortened(allocation(problem, mine, best.current, measure.held(spend))),
        "totals": totals(problem, mine, best.current),
        "certificate": None,
        "violations": violations(measure, spend),
        "regret": max(0.0, lost),
    }


def _best(reference: Plan, problem: Problem) -> Plan:
    """The best plan: the base's own where nothing differs, else found from there."""
    if problem == reference.problem:
        return reference
    return make_plan(problem, _start(reference, problem))


def _start(reference: Plan, problem: Problem) -> Floats | None:
    """The base's spend as a start where the scenario has the same channels in the same order."""
    names = tuple(channel.name for channel in problem.channels)
    return reference.best.spend if names == reference.names else None


def _by_channel(plan: Plan, score: Score) -> dict[str, tuple[float, float]]:
    """Spend and outcome of each channel over the horizon."""
    rows = allocation(plan.problem, score, None, plan.held)
    return {row["channel"]: (row["spend"], row["outcome"]) for row in rows}


def _difference(reference: Plan, result: Mapping[str, Any]) -> dict[str, Any]:
    """Scenario minus base, in total and by channel; a channel only one of them has counts 0."""
    base = _by_channel(reference, reference.best)
    rows = {row["channel"]: (row["spend"], row["outcome"]) for row in result["allocation"]}
    nothing = (0.0, 0.0)
    channels = [
        {
            "channel": name,
            "spend": rows.get(name, nothing)[0] - base.get(name, nothing)[0],
            "outcome": rows.get(name, nothing)[1] - base.get(name, nothing)[1],
        }
        for name in dict.fromkeys((*base, *rows))
    ]
    gained = result["totals"]["outcome"] - reference.best.total
    return {
        "spend": result["totals"]["spend"] - reference.best.money,
        "outcome": gained,
        "outcome_share": quotient(gained, reference.best.total),
        "channels": channels,
    }


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
        "status": plan.status,
        "relative_gap": finite(plan.certificate.relative_gap),
        "spend": plan.best.money,
        "outcome": plan.best.total,
        "allocation": by_arm(problem, plan.best.spend),
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
    elif between == "expected_worst_case" and not problem.draws:
        text = "A frontier with the worst case needs curves with draws."
    if text:
        raise InvalidInput.at(pointer, "required", text)
