"""The answer to ``POST /policies``: the best rule of spend over time, and what it gains.

Beside the exact optimum over the levels stand the best constant spend, the rule that looks at one
period, the optimiser's plan over time (with the market as it is expected to be), and rules learnt
from simulation. A share of the optimum flatters, for a constant spend has most of it; so each is
also told as a share of the gap between the best constant spend and the optimum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.figures import number, plural
from shared.learn.policies.decisions import Followed, constant, follow, myopic, solve
from shared.learn.policies.learners import Learnt, fitted_q, q_learning
from shared.learn.policies.spending import (
    POINTS,
    Asked,
    Spending,
    check,
    expected_factors,
    spending_of,
)
from shared.plan.optimize import make_plan
from shared.plan.plan import Plan
from shared.plan.rows import warned
from shared.plan.words import say
from shared.problem.model import Problem

__all__ = ["policies"]

Ints = NDArray[np.int64]

COARSE = 21  # points of goodwill in the table that learners are given
STEPS = 200_000  # of tabular Q-learning
TRANSITIONS = 1500  # of fitted Q, a period
ROUNDS = 25  # of fitted Q where there is no last period
TREES = 20
REACH = 1.5  # times the most that the plan over time spends in a period: where levels end
MOST_TABLE = 400_000  # entries of a table that is learnt
_ENOUGH_DRAWS = 20  # from which half of them learn and half of them judge
_FINE = 1e-3  # of the value: a grid that is told as coarse beyond it
_TOLD_PERIODS = 3
_EVEN = 1e-9


def policies(problem: Problem, asked: Asked) -> dict[str, Any]:
    """The whole answer but for the request's id; ``problem`` has one channel (``alone``).

    Raises
    ------
    InvalidInput, NotSupportedYet, InputTooLarge, Infeasible
        See ``check``, ``spending_of`` and ``make_plan``.
    """
    check(problem, asked)
    plan = None if asked.endless else _planned(problem, asked)
    most = inf if plan is None else REACH * float(plan.best.spend.max()) or inf
    spending = spending_of(problem, asked, most=most)
    decisions, start = spending.decisions, spending.start
    solved = solve(decisions)
    best = follow(decisions, solved.rule, start)
    constants = [follow(decisions, constant(decisions, a), start) for a in range(decisions.actions)]
    level = int(np.argmax([one.value for one in constants]))
    base = constants[level].value
    coarser = spending_of(problem, asked, POINTS // 2 + 1, most)
    halved = solve(coarser.decisions)
    change = abs(float(coarser.start @ halved.value[0]) - best.value)
    rows = [
        _row("dynamic_programme", best, best.value, base),
        _row("constant_spend", constants[level], best.value, base, float(decisions.spend[level])),
        _row("one_period_ahead", follow(decisions, myopic(decisions), start), best.value, base),
    ]
    if plan is not None:
        reached = float(plan.certificate.objective)
        rows.append(_compared("plan_over_time", reached, best.value, base))
    learnt = [_learnt(name, problem, asked, most) for name in asked.learners]
    random = len(asked.market.factors) > 1
    warnings = list(problem.warnings)
    if change > _FINE * max(abs(best.value), 1e-12):
        text = (
            f"On a goodwill grid of half the points the optimum differs by {number(change)}: "
            "values are that sure."
        )
        warnings.append(("coarse_grid", text))
    warnings += [("not_learnt", row["why"]) for row in learnt if row["value"] is None]
    told: dict[str, Any] = {
        "channel": problem.channels[0].name,
        "periods": None if asked.endless else problem.horizon.periods,
        "levels": decisions.spend.tolist(),
        "decay": spending.decay,
        "goodwill_now": float(spending.start @ spending.goodwill[spending.goodwills]),
        "plan_is_exact": not random and not asked.endless,
        "states": decisions.states,
        "grid_change": change,
        "policies": rows,
        "learnt": [row for row in learnt if row["value"] is not None],
        "path": [
            {"period": t + 1, "spend": float(spent), "outcome": float(came)}
            for t, (spent, came) in enumerate(zip(best.spend, best.outcome, strict=True))
        ],
        "table": _table(spending, solved.rule, best, asked),
    }
    return {
        **told,
        "explanation": _told(told),
        "warnings": warned(warnings),
        "curves_version": problem.curves_version,
    }


def _row(
    name: str, found: Followed, best: float, base: float, spend: float | None = None
) -> dict[str, Any]:
    return _compared(name, found.value, best, base, spend)


def _compared(
    name: str, value: float, best: float, base: float, spend: float | None = None
) -> dict[str, Any]:
    """A rule's value beside the optimum and the best constant spend."""
    size = max(abs(best), abs(base), 1e-12)
    gap = best - base
    return {
        "policy": name,
        "value": value,
        "loss": best - value,
        "share_of_optimum": value / best if best > _EVEN * size else None,
        "share_of_gap": (value - base) / gap if gap > 1e-6 * size else None,
        "spend": spend,
    }


def _planned(problem: Problem, asked: Asked) -> Plan:
    """The optimiser's plan over time; spend that follows no market, so that its value is exact."""
    factors = expected_factors(asked.market, problem.horizon.periods)
    channel = problem.channels[0]
    seasons = np.array(channel.period_weights or np.ones(len(factors)))
    weighted = replace(channel, period_weights=tuple((seasons * factors).tolist()))
    return make_plan(replace(problem, channels=(weighted,), spend_all=False))


def _learnt(name: str, problem: Problem, asked: Asked, most: float) -> dict[str, Any]:
    """One learner on a coarse table, learnt on every other draw and judged on the others."""
    spending = spending_of(problem, asked, COARSE, most)
    decisions, start = spending.decisions, spending.start
    size = decisions.periods * decisions.states * decisions.actions
    row: dict[str, Any] = {"method": name, "value": None}
    if name == "q_learning" and size > MOST_TABLE:
        why = (
            f"A table of {size:,} entries is not learnt in {STEPS:,} steps: q_learning was left "
            "out. Fewer levels or periods, or no budget, make it smaller."
        )
        return {**row, "why": why}
    several = len(decisions.brings) >= _ENOUGH_DRAWS
    school = decisions.of(slice(0, None, 2)) if several else decisions
    judge = decisions.of(slice(1, None, 2)) if several else decisions
    learn: dict[str, Callable[[], Learnt]] = {
        "q_learning": lambda: q_learning(school, start, STEPS, asked.seed),
        "fitted_q": lambda: fitted_q(
            school,
            spending.features(),
            asked.seed,
            transitions=TRANSITIONS,
            rounds=ROUNDS,
            trees=TREES,
        ),
    }
    found = learn[name]()
    value = follow(judge, found.rule, start).value
    best = follow(judge, solve(judge).rule, start).value
    base = max(follow(judge, constant(judge, a), start).value for a in range(judge.actions))
    here = np.flatnonzero(start > 0.0)
    own, real = float(start[here] @ found.value(0, here)), follow(school, found.rule, start).value
    compared = _compared(name, value, best, base)
    del compared["policy"], compared["spend"]
    return {
        "method": name,
        **compared,
        "optimum": best,
        "overrated": (own - real) / max(abs(real), 1e-12),
        "states": decisions.states,
        "draws": len(school.brings),
    }


def _table(
    spending: Spending, rule: Callable[[int, Ints], Ints], best: Followed, asked: Asked
) -> list[dict[str, Any]]:
    """The rule to read: spend by goodwill, for some periods, markets and amounts left."""
    decisions = spending.decisions
    periods = decisions.periods
    told = sorted({0, periods // 2, periods - 1}) if not decisions.endless else [0]
    out = []
    for t in told[:_TOLD_PERIODS]:
        for m, factor in enumerate(asked.market.factors):
            for left in _amounts(spending, best, t):
                own = np.flatnonzero((spending.markets == m) & (spending.left == left))
                actions = rule(t, own)
                edges = [0, *(np.flatnonzero(np.diff(actions)) + 1).tolist(), len(actions)]
                rows = [
                    {
                        "goodwill_from": float(spending.goodwill[a]),
                        "goodwill_to": None if b == len(actions) else float(spending.goodwill[b]),
                        "spend": float(decisions.spend[actions[a]]),
                    }
                    for a, b in pairwise(edges)
                ]
                out.append(
                    {
                        "period": None if decisions.endless else t + 1,
                        "market": factor,
                        "budget_left": spending.step * left if spending.step else None,
                        "rows": rows,
                    }
                )
    return out


def _amounts(spending: Spending, best: Followed, period: int) -> list[int]:
    """Steps of money left that the table is told for: on the way of the optimum, half, and more."""
    if not spending.step:
        return [0]
    most = int(spending.left.max())
    least = float(spending.decisions.spend[0])
    spent = float((best.spend[:period] - least).sum()) / spending.step
    pace = most - spent
    return sorted({min(max(round(share * pace), 0), most) for share in (0.5, 1.0, 1.5)})


def _told(told: dict[str, Any]) -> list[dict[str, Any]]:
    rows = {row["policy"]: row for row in told["policies"]}
    best, even = rows["dynamic_programme"], rows["constant_spend"]
    lasts = "for ever" if told["periods"] is None else f"over {plural(told['periods'], 'period')}"
    text = (
        f"The best rule for {told['channel']} is worth {number(best['value'])} {lasts}; the best "
        f"constant spend, {number(even['spend'])} a period, is worth {number(even['value'])}."
    )
    said = [say("policy", text, value=best["value"], constant=even["value"], spend=even["spend"])]
    plan = rows.get("plan_over_time")
    if plan is not None and told["plan_is_exact"]:
        text = (
            "Nothing random is seen between the decisions, so the optimiser's plan over time is "
            f"already exact, and is worth {number(plan['value'])} with any spend, not these "
            f"{plural(len(told['levels']), 'level')} problem: use the plan."
        )
        said.append(say("plan_is_exact", text, plan=plan["value"], policy=best["value"]))
    elif plan is not None:
        text = (
            f"To follow the market as it is seen is worth {number(best['value'] - plan['value'])} "
            f"beside the plan over time, which is fixed today ({number(plan['value'])})."
        )
        if best["value"] < plan["value"]:
            text = (
                f"The plan over time, fixed today with any spend, is worth {number(plan['value'])}:"
                f" more than following the market with these {plural(len(told['levels']), 'level')}"
                " problem."
            )
        said.append(say("following", text, plan=plan["value"], policy=best["value"]))
    for row in told["learnt"]:
        share = row["share_of_gap"]
        text = f"Learnt by {row['method']}, it is worth {number(row['value'])}"
        text += f" of {number(row['optimum'])} on the draws that it was not learnt on"
        if row["draws"] == 1:
            text = text.removesuffix(" on the draws that it was not learnt on")
        if share is not None:
            text += f": {100.0 * share:.3g} % of the gap between constant spend and the optimum"
        said.append(say("learnt", text + ".", **row))
    return said
