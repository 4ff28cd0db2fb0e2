"""Several what-ifs of one problem, side by side with their base.

A scenario is a whole problem of its own (the edge has already applied its changes), or a caller's
own plan for one. The base is solved once; its spend starts every other solve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.errors import Infeasible, InvalidInput
from shared.plan.allowance import Allowance
from shared.plan.failure import infeasible
from shared.plan.frontier import frontier
from shared.plan.optimize import certificate_of, make_plan, rows_of
from shared.plan.plan import Plan
from shared.plan.rows import allocation
from shared.plan.score import Score, quotient, totals
from shared.plan.sweep import sweep
from shared.plan.yardstick import Amounts, spend_of, violations, yardstick
from shared.problem.model import Problem

__all__ = ["Variant", "compare"]

Floats = NDArray[np.float64]
T = TypeVar("T")


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
        "warnings": [{"code": code, "message": message} for code, message in base.warnings],
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
    return {
        "status": "optimal" if plan.optimal else "feasible",
        "allocation": _shortened(rows_of(plan)),
        "totals": totals(plan.problem, plan.best, plan.current),
        "certificate": certificate_of(plan),
    }


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
    result["warnings"] = [
        {"code": code, "message": message}
        for code, message in variant.problem.warnings
        if (code, message) not in reference.problem.warnings
    ]
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
