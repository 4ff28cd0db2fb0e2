"""The best allocation of a budget as an answer: solved, certified, scored and put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.plan.explain import explain, warn
from shared.plan.score import Score, finite, interval, quotient, score, supremum, totals
from shared.problem.canonical import Canonical, canonicalise
from shared.problem.model import Problem
from shared.solve.certificate import Certificate, certify
from shared.solve.dispatch import Solved, solve

__all__ = [
    "Plan",
    "allocation",
    "answer",
    "budget_price",
    "certificate_of",
    "current_score",
    "make_plan",
]

Floats = NDArray[np.float64]

BINDING_TOLERANCE = 1e-7
"""A bound binds where the spend is within this share of the budget of it."""

SPEND_INTERVAL_DRAWS = 32
"""Draws re-solved for ``spend_interval``: enough for a 90 % interval, few enough to stay quick."""

SPEND_INTERVAL_GAP = 1e-3
"""Gap of those re-solves: where a draw's optimum lies, not what it is worth to nine digits."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A solved problem: what to spend, how good it is, what today brings."""

    problem: Problem
    canonical: Canonical
    solved: Solved
    certificate: Certificate
    best: Score
    current: Score | None

    @property
    def optimal(self) -> bool:
        """Whether the gap is proven to be within the one that was asked for."""
        proof = self.certificate
        return bool(proof.proven and proof.relative_gap <= self.problem.options.gap)


def make_plan(problem: Problem, start: Floats | None = None) -> Plan:
    """Solve ``problem`` and check the solution with code that shares nothing with the solver.

    Raises
    ------
    Infeasible
        No spend satisfies all bounds and the budget; names the smallest conflicting set.
    NotSupportedYet
        A method that is in the contract but not built.
    """
    canonical = canonicalise(problem)
    solved = solve(canonical, problem.options, start)
    certificate = certify(canonical, solved.spend, solved.proof)
    return Plan(
        problem=problem,
        canonical=canonical,
        solved=solved,
        certificate=certificate,
        best=score(canonical, solved.spend),
        current=current_score(canonical),
    )


def current_score(canonical: Canonical) -> Score | None:
    """Today's plan, scored; None unless every channel's current spend is known."""
    if np.isnan(canonical.current).any():
        return None
    return score(canonical, canonical.current)


def bindings(canonical: Canonical, spend: Floats) -> list[list[str]]:
    """Names of the bounds that hold each channel where it is (its own fields' names)."""
    slack = BINDING_TOLERANCE * max(canonical.budget, 1e-12)
    held: list[list[str]] = []
    for i, x in enumerate(spend):
        names: list[str] = []
        if canonical.lower_by[i] and x <= canonical.lower[i] + slack:
            names.append(canonical.lower_by[i])
        if canonical.upper_by[i] and x >= canonical.upper[i] - slack:
            names.append(canonical.upper_by[i])
        held.append(list(dict.fromkeys(n for n in names if n != "budget")))
    return held


def allocation(
    problem: Problem,
    canonical: Canonical,
    plan: Score,
    current: Score | None,
    spend_intervals: Sequence[list[float] | None] | None = None,
) -> list[dict[str, Any]]:
    """One row a channel, as API.md names them; what is unknown is None."""
    ceiling = supremum(canonical)
    held = bindings(canonical, plan.spend)
    rows: list[dict[str, Any]] = []
    for i, channel in enumerate(problem.channels):
        spend, brings = float(plan.spend[i]), float(plan.outcome[i])
        now = finite(float(canonical.current[i]))
        change = None if now is None else spend - now
        observed = channel.observed_max
        rows.append(
            {
                "channel": channel.name,
                "spend": spend,
                "current_spend": now,
                "change": change,
                "change_share": quotient(change, now),
                "outcome": brings,
                "current_outcome": None if current is None else float(current.outcome[i]),
                "outcome_interval": None if plan.draws is None else interval(plan.draws[:, i]),
                "spend_interval": None if spend_intervals is None else spend_intervals[i],
                "marginal_return": finite(float(plan.marginal[i])),
                "average_return": quotient(brings, spend),
                "saturation": quotient(brings, finite(float(ceiling[i]))),
                "binding": held[i],
                "extrapolated": None if observed is None else spend > observed * (1 + 1e-9),
            }
        )
    return rows


def spend_intervals(plan: Plan) -> list[list[float] | None] | None:
    """How far each channel's best spend moves when single draws are optimised; None without draws.

    Each of up to ``SPEND_INTERVAL_DRAWS`` evenly spaced draws is taken as the truth and solved
    again under the same bounds; the interval is the 90 % range of those optima.
    """
    draws = plan.canonical.draws
    if draws is None:
        return None
    count = len(plan.problem.channels[0].response.draws)
    picked = np.unique(np.linspace(0, count - 1, min(count, SPEND_INTERVAL_DRAWS)).astype(int))
    options = replace(plan.problem.options, method="auto", gap=SPEND_INTERVAL_GAP)
    optima = np.array(
        [solve(one_draw(plan, int(s)), options, plan.solved.spend).spend for s in picked]
    )
    return [interval(optima[:, i]) for i in range(optima.shape[1])]


def one_draw(plan: Plan, draw: int) -> Canonical:
    """The same problem with draw number ``draw`` of every channel as its curve."""
    channels = tuple(
        replace(c, response=replace(c.response, saturation=c.response.draws[draw], draws=()))
        for c in plan.problem.channels
    )
    return canonicalise(replace(plan.problem, channels=channels))


def budget_price(plan: Plan) -> float:
    """Outcome gained per further unit of budget.

    Where channels lie between their bounds, it is their common slope (the derivative of the best
    value by the envelope theorem); where none does, it is the solver's multiplier.
    """
    canonical, spend = plan.canonical, plan.best.spend
    slack = BINDING_TOLERANCE * max(canonical.budget, 1e-12)
    if not canonical.spend_all and spend.sum() < canonical.budget - slack:
        return 0.0
    # What only the budget caps is free: one more unit of budget is one more unit for it.
    uncapped = np.array([by == "budget" for by in canonical.upper_by])
    free = (spend > canonical.lower + slack) & (uncapped | (spend < canonical.upper - slack))
    if free.any():
        return float(np.median(plan.best.marginal[free]))
    return float(plan.solved.budget_price)


def shadow_prices(plan: Plan) -> list[dict[str, Any]]:
    """Outcome gained per unit of relaxing the budget and each bound that binds, by name."""
    price = budget_price(plan)
    unit = "outcome per unit of money"
    prices: list[dict[str, Any]] = [{"name": "budget", "value": finite(price), "unit": unit}]
    slopes = plan.best.marginal
    for i, names in enumerate(bindings(plan.canonical, plan.best.spend)):
        for name in names:
            gain = float(slopes[i]) - price
            at_lower = name == plan.canonical.lower_by[i] and name != plan.canonical.upper_by[i]
            if name == "locked":
                gain = abs(gain)
            elif at_lower or (name == "max_change" and gain < 0):
                gain = -gain
            prices.append(
                {
                    "name": f"{plan.canonical.names[i]}.{name}",
                    "value": finite(max(gain, 0.0)),
                    "unit": unit,
                }
            )
    return prices


def certificate_of(plan: Plan) -> dict[str, Any]:
    """The certificate's fields in API.md's names."""
    proof, solved = plan.certificate, plan.solved
    return {
        "objective": proof.objective,
        "upper_bound": finite(proof.upper_bound),
        "gap": finite(proof.gap),
        "relative_gap": finite(proof.relative_gap),
        "proven": proof.proven,
        "method": solved.method,
        "method_reason": solved.why,
        "max_constraint_violation": proof.max_constraint_violation,
        "kkt_residual": finite(proof.kkt_residual),
        "iterations": solved.iterations,
        "nodes": solved.nodes,
        "solve_ms": solved.solve_ms,
    }


def answer(plan: Plan) -> dict[str, Any]:
    """The whole answer to ``POST /optimize`` but for the request's id."""
    problem = plan.problem
    rows = allocation(problem, plan.canonical, plan.best, plan.current, spend_intervals(plan))
    sums = totals(plan.best, plan.current)
    proof = certificate_of(plan)
    prices = shadow_prices(plan)
    return {
        "status": "optimal" if plan.optimal else "feasible",
        "allocation": rows,
        "totals": sums,
        "certificate": proof,
        "shadow_prices": prices,
        "explanation": explain(problem, rows, sums, proof, prices, _slopes_now(plan)),
        "warnings": warn(problem, rows, sums, proof),
        "curves_version": problem.curves_version,
    }


def _slopes_now(plan: Plan) -> list[float | None]:
    """Marginal return of each channel at today's spend; None where today's spend is unknown."""
    if plan.current is None:
        return [None] * len(plan.problem.channels)
    return [finite(float(slope)) for slope in plan.current.marginal]
