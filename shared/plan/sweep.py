"""What each of many budgets brings, and what one unit more of it would add.

One budget over boxes is solved, certified and scored for all budgets together. Whatever else there
is, and any budget that this leaves with a gap, is solved on its own from its neighbour's plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import Infeasible
from shared.plan.crumbs import swept
from shared.plan.optimize import make_plan
from shared.plan.plan import Plan
from shared.plan.prices import priced
from shared.plan.rows import by_channel, infeasible
from shared.plan.score import INTERVAL, MIN_DRAWS, finite, interval
from shared.problem.arms import HAIR
from shared.problem.incumbent import known_plan
from shared.problem.lower import lower
from shared.problem.model import Problem
from shared.problem.program import Program
from shared.solve.certify.certificate import Certificate, certify_all
from shared.solve.one_budget.budgets import solve_budgets
from shared.solve.one_budget.form import OneBudget, one_budget

__all__ = ["GAP", "TOTAL_S", "Allowance", "sweep"]

Floats = NDArray[np.float64]

GAP = 1e-4
"""Relative gap of a sweep's rows, where the request does not allow a larger one: what a curve of
outcomes over budgets is read for. A row states its own."""

FEWEST = 3  # so many budgets are worth being solved together

TOTAL_S = 150.0
"""Seconds for all problems of a request: a caller's connection is held no longer than 230."""

LEAST_S = 0.05  # what a problem gets at least: enough for a plan and a bound, however far apart

EXACT = ("auto", "lagrangian", "branch_and_bound")


@dataclass(slots=True)
class Allowance:
    """Shares out :data:`TOTAL_S` from now on; what a quick problem leaves is for the others."""

    left: int
    until: float = field(default_factory=lambda: work.now() + TOTAL_S)

    def next(self, problem: Problem) -> Problem:
        """The problem with a time limit that leaves the others theirs."""
        share = (self.until - work.now()) / max(self.left, 1)
        self.left -= 1
        limit = min(problem.options.time_limit_s, max(share, LEAST_S))
        return replace(problem, options=replace(problem.options, time_limit_s=limit))


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
        none = dict.fromkeys(("spend", "outcome", "outcome_interval", "marginal_return"))
        said = {k: failed[k] for k in ("status", "detail", "conflicts", "allocation")}
        return {"budget": budget, **none, **said}, None
    best, money = plan.best, plan.best.spend.sum(axis=1)
    told = best.total, interval(best.total_draws()), plan.budget_price
    return _row(problem, budget, plan.certificate, money, *told), best.spend


def _row(
    problem: Problem,
    budget: float,
    proof: Certificate,
    spend: Floats,
    brings: float,
    likely: list[float] | None,
    price: float | None,
) -> dict[str, Any]:
    """``spend`` (A,) by arm over the horizon."""
    optimal = proof.proven and proof.relative_gap <= problem.options.gap
    money = spend.tolist()
    if any(channel.campaigns for channel in problem.channels):
        money = [sum(money[arm] for arm in arms) for _, arms in by_channel(problem)]
    return {
        "budget": budget,
        "status": "optimal" if optimal else "feasible",
        "spend": sum(money),
        "outcome": brings,
        "outcome_interval": likely,
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
    if problem.budget is None or problem.options.method not in EXACT or len(budgets) < FEWEST:
        return rows
    deadline = work.now() + 0.5 * problem.options.time_limit_s
    wanted = np.array(budgets, dtype=float)
    try:
        widest = lower(replace(problem, budget=float(wanted.max()), spend_all=False))
    except Infeasible:  # the floors ask for more than any of these budgets
        return rows
    if one_budget(widest) is None:
        return rows
    which = _ordinary(widest, wanted)
    if which.size < FEWEST:
        return rows
    wanted = wanted[which]
    largest = one_budget(_at(widest, float(wanted.max()), problem.spend_all))
    assert largest is not None
    gap = problem.options.gap
    found = solve_budgets(largest, wanted, gap, deadline)
    if found is None:
        return rows
    known = ~np.isnan(found.spend).any(axis=1)
    which, wanted, spend = which[known], wanted[known], found.spend[known]
    if not which.size:
        return rows
    proofs = [proof for proof, ok in zip(found.proofs, known.tolist(), strict=True) if ok]
    programs = [_at(widest, budget, problem.spend_all) for budget in wanted.tolist()]
    _no_worse_than_now(programs, largest, spend)
    proven = certify_all(programs, list(spend[:, :, None]), proofs, 0.05 * gap)
    prices = _prices(programs, spend, largest.marginal(spend))
    intervals = _intervals(largest, spend)
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


def _ordinary(widest: Program, budgets: Floats) -> NDArray[np.intp]:
    """Budgets that lie between the sums of the bounds, with room on both sides.

    ``widest`` is the program at the largest of them, or more.
    """
    low = widest.lower[:, 0]
    by_budget = np.array([by == "budget" for by in widest.upper_by], dtype=bool)
    high = np.where(by_budget, np.inf, widest.upper[:, 0])
    room = 1.0 + 1e3 * HAIR
    inside = (low.sum() * room < budgets) & (budgets * room < high.sum())
    return np.flatnonzero(inside & (budgets > 0.0) & (low.max() < budgets))


def _at(widest: Program, budget: float, spend_all: bool) -> Program:
    """The program at a smaller budget: what only the budget caps is capped lower."""
    ceiling = widest.lower + (budget - float(widest.lower.sum()))
    capped = (ceiling < widest.upper)[:, 0].tolist()
    own = widest.upper_by
    rows = replace(
        widest.rows,
        lower=np.array([budget if spend_all else -np.inf]),
        upper=np.array([budget]),
    )
    return replace(
        widest,
        rows=rows,
        upper=np.minimum(widest.upper, ceiling),
        upper_by=tuple("budget" if c else by for c, by in zip(capped, own, strict=True)),
        scale=budget,
    )


def _no_worse_than_now(programs: Sequence[Program], task: OneBudget, spend: Floats) -> None:
    """Where today's spend is a plan for a budget and better, it takes the place of what was found.

    (Only a tree that was left unfinished can lose to it.)
    """
    now = float(task.current.sum())  # nan where today's spend is unknown: then none is near
    for k, program in enumerate(programs):
        budget = float(program.rows.upper[0])
        near = abs(now - budget) <= 1e-6 * budget
        if not (near or (not task.spend_all and now <= budget)):
            continue
        today = known_plan(program)
        if today is not None:
            both = task.outcome(np.stack((today[:, 0], spend[k]))).sum(axis=1)
            if both[0] > both[1]:
                spend[k] = today[:, 0]


def _prices(programs: Sequence[Program], spend: Floats, slopes: Floats) -> list[float | None]:
    """Outcome gained per further unit of each budget; in one pass where no curve has corners."""
    if programs[0].known.tables:
        found = [
            priced(program, own[:, None], goal="maximize_outcome")
            for program, own in zip(programs, spend, strict=True)
        ]
        return [prices[0]["value"] for prices, _ in found]
    upper = np.array([program.upper[:, 0] for program in programs])
    capped = np.array([[by == "budget" for by in program.upper_by] for program in programs])
    budgets = np.array([program.rows.upper[0] for program in programs])
    slack = 1e-7 * budgets[:, None]
    takes = capped | (spend < upper - slack)
    free = takes & (spend > programs[0].lower[:, 0] + slack)
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


def _intervals(task: OneBudget, spend: Floats) -> list[list[float]] | list[None]:
    """90 % intervals of the outcomes of plans (K, A); None each without enough draws."""
    draws = task.draws
    if draws is None or draws.draws < MIN_DRAWS:
        return [None] * len(spend)
    totals = np.stack([draws.value(x).sum(axis=1) for x in spend], axis=1)  # (S, K)
    ends: list[list[float]] = np.quantile(totals, INTERVAL, axis=0).T.tolist()
    return ends
