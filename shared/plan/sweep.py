"""What each of many budgets brings, and what one unit more of it would add.

One budget over boxes is solved, certified and scored for all budgets together. Whatever else there
is, and any budget that this leaves with a gap, is solved on its own from its neighbour's plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import Infeasible
from shared.plan.allowance import Allowance
from shared.plan.crumbs import swept
from shared.plan.failure import infeasible
from shared.plan.optimize import make_plan
from shared.plan.plan import Plan
from shared.plan.prices import priced
from shared.plan.rows import arms_of
from shared.plan.score import INTERVAL, MIN_DRAWS, finite
from shared.problem.canonical import (
    HAIR,
    Canonical,
    canonicalise,
    marginal,
    outcome,
    own_bounds,
)
from shared.problem.incumbent import incumbent
from shared.problem.model import Problem
from shared.problem.plain_program import as_program
from shared.problem.program import Program
from shared.solve.certify.certificate import Certificate, certify_all
from shared.solve.one_budget.budgets import solve_budgets

__all__ = ["GAP", "sweep"]

Floats = NDArray[np.float64]

GAP = 1e-4
"""Relative gap of a sweep's rows, where the request does not allow a larger one: what a curve of
outcomes over budgets is read for. A row states its own."""

FEWEST = 3
"""So many budgets are worth being solved together."""

EXACT = ("auto", "lagrangian", "branch_and_bound")


def sweep(reference: Plan, budgets: Sequence[float]) -> list[dict[str, Any]]:
    """A row for each budget, in their order."""
    problem = reference.problem
    problem = replace(problem, options=replace(problem.options, gap=max(problem.options.gap, GAP)))
    rows = _together(problem, budgets)
    start, near = reference.best.spend, None
    allowed = Allowance(sum(row is None for row in rows))
    # Each starts from the plan of the next smaller budget, which lies nearer than the base's.
    for k in np.argsort(budgets, kind="stable").tolist():
        if rows[k] is None:
            here = allowed.next(problem)
            rows[k], found = _alone(here, float(budgets[k]), start if near is None else near)
            near = near if found is None else found
    return [row for row in rows if row is not None]


def _alone(problem: Problem, budget: float, start: Floats) -> tuple[dict[str, Any], Floats | None]:
    """One budget, solved as a problem of its own."""
    try:
        plan = make_plan(replace(problem, budget=budget), start)
    except Infeasible as error:
        failed = infeasible(error)
        return {
            "budget": budget,
            "spend": None,
            "outcome": None,
            "outcome_interval": None,
            "marginal_return": None,
            **{k: failed[k] for k in ("status", "detail", "conflicts", "allocation")},
        }, None
    totals = plan.best.total_draws()
    row = _row(
        problem,
        budget,
        plan.certificate,
        plan.best.spend.sum(axis=1),
        plan.best.total,
        _intervals(None if totals is None else totals[:, None], 1)[0],
        plan.budget_price,
    )
    return row, plan.best.spend


def _row(
    problem: Problem,
    budget: float,
    proof: Certificate,
    spend: Floats,
    brings: float,
    interval: list[float] | None,
    price: float | None,
) -> dict[str, Any]:
    """``spend`` (A,) by arm over the horizon."""
    optimal = proof.proven and proof.relative_gap <= problem.options.gap
    money = spend.tolist()
    if any(channel.campaigns for channel in problem.channels):
        money = [sum(money[arm] for arm in arms) for _, arms in arms_of(problem.channels)]
    return {
        "budget": budget,
        "status": "optimal" if optimal else "feasible",
        "spend": sum(money),
        "outcome": brings,
        "outcome_interval": interval,
        "marginal_return": price,
        "relative_gap": finite(proof.relative_gap),
        "allocation": [
            {"channel": channel.name, "spend": amount}
            for channel, amount in zip(problem.channels, money, strict=True)
        ],
    }


def _together(problem: Problem, budgets: Sequence[float]) -> list[dict[str, Any] | None]:
    """Rows of the budgets that one pass solves to the gap; None for the others."""
    rows: list[dict[str, Any] | None] = [None] * len(budgets)
    if not problem.separable or problem.options.method not in EXACT:
        return rows
    deadline = work.now() + 0.5 * problem.options.time_limit_s
    which = _ordinary(problem, np.array(budgets, dtype=float))
    if which.size < FEWEST:
        return rows
    wanted = np.array(budgets, dtype=float)[which]
    largest = canonicalise(replace(problem, budget=float(wanted.max())))
    gap = problem.options.gap
    found = solve_budgets(largest, wanted, gap, deadline)
    if found is None:
        return rows
    known = ~np.isnan(found.spend).any(axis=1)
    which, wanted, spend = which[known], wanted[known], found.spend[known]
    if not which.size:
        return rows
    proofs = [proof for proof, ok in zip(found.proofs, known.tolist(), strict=True) if ok]
    each = _each(problem, largest, wanted)
    _no_worse_than_now(each, spend)
    programs = [as_program(one) for one in each]
    proven = certify_all(programs, list(spend[:, :, None]), proofs, 0.05 * gap)
    prices = _prices(each, programs, spend, marginal(largest, spend))
    intervals = _intervals(_total_draws(largest, spend), which.size)
    for place, k in enumerate(which.tolist()):
        proof = proven[place]
        # What has crumbs is solved on its own, where they are swept.
        clean = swept(programs[place], spend[place][:, None], proof, gap) is None
        if clean and proof.proven and proof.relative_gap <= gap:
            rows[k] = _row(
                problem,
                float(wanted[place]),
                proof,
                spend[place],
                proof.objective,
                intervals[place],
                prices[place],
            )
    return rows


def _ordinary(problem: Problem, budgets: Floats) -> NDArray[np.intp]:
    """Budgets that lie between the sums of the bounds, with room on both sides."""
    bounds = [own_bounds(channel) for channel in problem.channels]
    low = np.array([below[0] for below, _ in bounds])
    high = np.array([above[0] for _, above in bounds])
    if np.any(low > high):
        return np.zeros(0, dtype=np.intp)
    room = 1.0 + 1e3 * HAIR
    inside = (low.sum() * room < budgets) & (budgets * room < high.sum())
    return np.flatnonzero(inside & (budgets > 0.0) & (low.max() < budgets))


def _each(problem: Problem, largest: Canonical, budgets: Floats) -> list[Canonical]:
    """The problem at each budget: what only the budget caps is capped lower."""
    bounds = [own_bounds(channel)[1] for channel in problem.channels]
    own = np.array([bound for bound, _ in bounds])
    ceiling = largest.lower + (budgets[:, None] - float(largest.lower.sum()))
    capped = (ceiling < own).tolist()
    return [
        replace(
            largest,
            budget=budget,
            upper=upper,
            upper_by=tuple(
                "budget" if c else name for c, (_, name) in zip(row, bounds, strict=True)
            ),
        )
        for budget, upper, row in zip(
            budgets.tolist(), np.minimum(own, ceiling), capped, strict=True
        )
    ]


def _no_worse_than_now(each: Sequence[Canonical], spend: Floats) -> None:
    """Where today's spend is a plan for a budget and better, it takes the place of what was found.

    (Only a tree that was left unfinished can lose to it.)
    """
    now = float(each[0].current.sum())  # nan where today's spend is unknown: then none is near
    for k, canonical in enumerate(each):
        near = abs(now - canonical.budget) <= 1e-6 * canonical.budget
        if not (near or (not canonical.spend_all and now <= canonical.budget)):
            continue
        today = incumbent(canonical, canonical.current)
        if today is not None:
            both = outcome(canonical, np.stack((today, spend[k]))).sum(axis=1)
            if both[0] > both[1]:
                spend[k] = today


def _prices(
    each: Sequence[Canonical], programs: Sequence[Program], spend: Floats, slopes: Floats
) -> list[float | None]:
    """Outcome gained per further unit of each budget; in one pass where no curve has corners."""
    if (each[0].draws or each[0].curves).tables:
        found = [
            priced(program, own[:, None], goal="maximize_outcome")
            for program, own in zip(programs, spend, strict=True)
        ]
        return [own.prices[0]["value"] for own in found]
    upper = np.array([canonical.upper for canonical in each])
    capped = np.array([[by == "budget" for by in canonical.upper_by] for canonical in each])
    budgets = np.array([canonical.budget for canonical in each])
    slack = 1e-7 * budgets[:, None]
    takes = capped | (spend < upper - slack)
    free = takes & (spend > each[0].lower + slack)
    # What has no slope yet (an infinitely steep start) is left out of the common one.
    common = np.where(free, slopes, np.nan)
    alone = np.where(takes & np.isfinite(slopes), slopes, 0.0).max(axis=1)
    steep = np.any(takes & np.isinf(slopes), axis=1)
    prices: list[float | None] = []
    for row, any_free, price, endless in zip(
        common, free.any(axis=1).tolist(), alone.tolist(), steep.tolist(), strict=True
    ):
        if any_free:
            known = np.sort(row[~np.isnan(row)])
            half = known.size // 2
            prices.append(finite(float(0.5 * (known[half] + known[~half]))))
        else:
            prices.append(None if endless else finite(price))
    return prices


def _total_draws(canonical: Canonical, spend: Floats) -> Floats | None:
    """(S, K) outcome of each plan in each draw."""
    if canonical.draws is None:
        return None
    draws = canonical.draws
    return np.stack([draws.value(x).sum(axis=1) for x in spend], axis=1)


def _intervals(draws: Floats | None, count: int) -> list[list[float] | None]:
    """90 % intervals of (S, K) totals; None each without enough draws."""
    if draws is None or draws.shape[0] < MIN_DRAWS:
        return [None] * count
    ends: list[list[float] | None] = np.quantile(draws, INTERVAL, axis=0).T.tolist()
    return ends
