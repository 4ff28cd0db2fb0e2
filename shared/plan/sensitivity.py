"""The answer to ``POST /sensitivity``: what the plan hangs on, and by how much.

An elasticity is the relative change of one thing per relative change of another: 0.3 means that one
per cent more of the parameter goes with 0.3 per cent more of the thing.

For one budget over boxes they are derivatives. At the best plan the free channels' slopes all equal
the budget's price; differentiating those conditions gives, for a parameter p of channel j that
moves its slope by g (implicit function theorem; Fiacco, Introduction to Sensitivity and Stability
Analysis in Nonlinear Programming, 1983)::

    dprice = (g / c_j) / sum_i 1 / c_i        dx_i = (dprice - [i = j] g) / c_i

over the free channels i with curvatures c_i; without a binding budget dprice is zero. The best
outcome itself moves as fast as the outcome of the unchanged plan (the envelope theorem). For every
other problem the parameter is moved by a per cent either way and the problem is solved again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import MarginalError
from shared.plan.information import (
    MOST_CHANNELS,
    Parameter,
    curve_band,
    moved,
    of_whole,
    parameters_of,
    spread_of,
    value_of_information,
)
from shared.plan.narrate import of_sensitivity
from shared.plan.optimize import make_plan, summary
from shared.plan.plan import Plan
from shared.plan.prices import BINDING_TOLERANCE
from shared.plan.rows import by_arm, spends, warned
from shared.plan.score import MIN_DRAWS, Score, finite, interval, quotient
from shared.plan.sweep import sweep
from shared.plan.words import number, percent, unit_of
from shared.problem.arms import arms_of
from shared.problem.lower import lower
from shared.problem.model import Problem, Risk
from shared.solve.one_budget.form import OneBudget, one_budget

__all__ = ["by_derivative", "by_solving", "sensitivity"]

Floats = NDArray[np.float64]

BUDGETS = tuple(0.5 + 0.1 * k for k in range(11))  # budgets of the range, as shares of the base's

CAUTIOUS = Risk("cvar", level=0.1)
"""What "best under uncertainty" means: the mean of the worst tenth of the draws."""

PART = 0.25  # of the time limit, for each further solve
STEP = 1e-4  # relative step of differences at a fixed plan
RESOLVED_STEP = 0.01  # relative step where the problem is solved again: well above the gap's noise

RESOLVED_GAP = 1e-8


def sensitivity(problem: Problem) -> dict[str, Any]:
    """Solve the base, then look at how its answer moves.

    Raises
    ------
    Infeasible, InvalidInput, NotSupportedYet
        As solving the base would.
    """
    plan = make_plan(problem)
    deadline = work.now() + problem.options.time_limit_s
    warnings = list(problem.warnings)
    found = _elasticities(plan, deadline, warnings)
    rows = [_parameter(plan, item) for item in found]
    sustained = plan.best.spend.sum(axis=1) / plan.best.spend.shape[1]
    parts = [len(channel.campaigns) for channel in problem.channels]
    answer: dict[str, Any] = {
        "base": summary(plan, by_arm(problem, plan.best.spend)),
        "parameters": rows,
        "assumptions": _assumptions(problem, rows),
        "limits": plan.prices,
        "budgets": _budgets(plan),
        "bands": [
            curve_band(arm.name, *of_whole(arm.channel, parts[arm.parent], float(spend)))
            for arm, spend in zip(arms_of(problem), sustained, strict=True)
        ],
        "information": _information(plan, warnings),
        "cautious": _cautious(plan, warnings),
        "warnings": warned(warnings),
        "curves_version": problem.curves_version,
    }
    return {**answer, "explanation": of_sensitivity(problem, answer)}


def _names(problem: Problem) -> list[str]:
    return [arm.name for arm in arms_of(problem)]


def _elasticities(
    plan: Plan, deadline: float, warnings: list[tuple[str, str]]
) -> list[_Elasticity]:
    parameters = list(parameters_of(plan.problem))
    task = one_budget(plan.program)
    if task is not None:
        return by_derivative(plan, task, parameters)
    found = by_solving(plan, parameters, deadline)
    missing = sum(item.spend is None for item in found)
    if missing:
        text = (
            f"The time limit left no room for {missing} of {len(found)} parameters: they are null. "
            "A longer solver.time_limit_s gives all."
        )
        warnings.append(("sensitivity_cut_short", text))
    return found


def _parameter(plan: Plan, item: _Elasticity) -> dict[str, Any]:
    relative, basis = spread_of(plan.problem, item.parameter)
    swing, each = None, None
    if item.outcome is not None:
        swing = abs(item.outcome) * relative * plan.best.total
    if item.spend is not None:
        named = spends(plan.problem)  # all outcomes of one spend move alike
        each = [{"channel": n, "elasticity": finite(item.spend[own[0]])} for n, own in named]
    return {
        "channel": item.parameter.arm,
        "part": item.parameter.part,
        "parameter": item.parameter.name,
        "value": item.parameter.value,
        "relative_sd": relative,
        "relative_sd_basis": basis,
        "outcome_elasticity": item.outcome,
        "outcome_swing": swing,
        "spend_elasticities": each,
        "how": item.how,
    }


def _assumptions(problem: Problem, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parameters by how much of the outcome hangs on them, the most first."""
    known = [row for row in rows if row["outcome_swing"] is not None]
    ranked = sorted(known, key=lambda row: -row["outcome_swing"])
    unit = unit_of(problem)
    out: list[dict[str, Any]] = []
    for rank, row in enumerate(ranked, start=1):
        how = "its own spread over the draws" if row["relative_sd_basis"] == "draws" else "a tenth"
        text = (
            f"{row['parameter']} of {row['channel']}: off by {how} "
            f"({percent(row['relative_sd']).lstrip('+')}), the best plan would bring "
            f"{number(row['outcome_swing'])} {unit} more or less."
        )
        same = ("channel", "part", "parameter", "outcome_swing", "relative_sd")
        out.append({"rank": rank, **{key: row[key] for key in same}, "text": text})
    return out


def _budgets(plan: Plan) -> list[dict[str, Any]] | None:
    """The best outcome over a range of budgets; None where the base's budget is free."""
    problem = plan.problem
    several = problem.period_budgets or problem.windows
    if problem.budget is None or several or problem.budget <= 0.0:
        return None
    brief = replace(plan, problem=_brief(problem))
    keys = ("budget", "status", "outcome", "outcome_interval", "marginal_return", "relative_gap")
    amounts = [problem.budget * share for share in BUDGETS]
    return [{key: row.get(key) for key in keys} for row in sweep(brief, amounts)]


def _brief(problem: Problem) -> Problem:
    limit = PART * problem.options.time_limit_s
    return replace(problem, options=replace(problem.options, time_limit_s=limit))


def _information(plan: Plan, warnings: list[tuple[str, str]]) -> dict[str, Any] | None:
    problem = plan.problem
    found = None
    task = one_budget(plan.program)
    if task is not None and problem.draws >= MIN_DRAWS:
        found = value_of_information(task)
    if found is None:
        text = (
            "The value of knowing a curve exactly is told for one budget in one period, with at "
            f"least {MIN_DRAWS} draws, at most {MOST_CHANNELS} channels and money left to move."
        )
        warnings.append(("no_value_of_information", text))
        return None
    rows = [
        {"channel": name, "gain": float(gain), "gain_share": finite(gain / plan.best.total)}
        for name, gain in zip(_names(problem), found.channels, strict=True)
    ]
    return {
        "channels": sorted(rows, key=lambda row: -row["gain"]),
        "all": found.total,
        "unit": unit_of(problem),
    }


def _cautious(plan: Plan, warnings: list[tuple[str, str]]) -> dict[str, Any] | None:
    """The plan that is best on average beside the one that is best in the worst tenth."""
    problem = plan.problem
    if problem.draws < MIN_DRAWS:
        return None
    other = Risk() if problem.risk.measure != "expected" else CAUTIOUS
    try:
        second = make_plan(replace(_brief(problem), risk=other), plan.best.spend)
    except MarginalError as error:
        warnings.append(("no_cautious_plan", str(error)))
        return None
    mean, careful = (plan, second) if other is CAUTIOUS else (second, plan)
    told = (by_arm(problem, of.best.spend) for of in (mean, careful))
    return {
        "measure": careful.problem.risk.measure,
        "level": careful.problem.risk.level,
        "average": _told(mean.best),
        "careful": _told(careful.best),
        "channels": [
            {"channel": a["channel"], "average_spend": a["spend"], "careful_spend": c["spend"]}
            for a, c in zip(*told, strict=True)
        ],
    }


def _told(best: Score) -> dict[str, Any]:
    draws = best.total_draws()
    assert draws is not None
    tenth = np.sort(draws)[: max(1, draws.size // 10)]
    return {
        "outcome": best.total,
        "outcome_interval": interval(draws),
        "worst_tenth": float(tenth.mean()),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Elasticity:
    """Of one parameter; None where it was not found in time, or the curve allows no such move.

    Attributes
    ----------
    how
        ``"derivative"`` or ``"resolved"``.
    spend
        (A,) relative change of each arm's spend; of its share of all money where it spends nothing.
    outcome
        Relative change of the expected outcome of the best plan.
    """

    parameter: Parameter
    how: str
    spend: Floats | None = None
    outcome: float | None = None


def by_derivative(
    plan: Plan, task: OneBudget, parameters: Sequence[Parameter]
) -> list[_Elasticity]:
    """For plans of one budget over boxes, whose arrays are ``task``."""
    problem = plan.problem
    x = plan.best.spend[:, 0]
    slack = BINDING_TOLERANCE * max(task.budget, 1e-12)
    free = (x > task.lower + slack) & (x < task.upper - slack)
    bound = task.spend_all or float(x.sum()) >= task.budget - slack
    curvature = _curvature(task, x)
    free &= curvature < 0.0
    slopes, names = task.marginal(x), _names(problem)
    out: list[_Elasticity] = []
    for parameter in parameters:
        try:
            up = one_budget(lower(moved(problem, parameter, 1.0 + STEP)))
            down = one_budget(lower(moved(problem, parameter, 1.0 - STEP)))
        except ValueError:
            out.append(_Elasticity(parameter, "derivative"))
            continue
        assert up is not None  # curves alone were moved
        assert down is not None
        j = names.index(parameter.arm)
        gain = float((up.outcome(x) - down.outcome(x))[j]) / (2.0 * STEP)
        turn = float((up.marginal(x) - down.marginal(x))[j]) / (2.0 * STEP)
        step = np.zeros(x.size)
        if free[j] and np.isfinite(turn):
            inverse = np.zeros(x.size)
            inverse[free] = 1.0 / curvature[free]
            price = turn * inverse[j] / inverse.sum() if bound else 0.0
            step[free] = price * inverse[free]
            step[j] -= turn * inverse[j]
        moving = step != 0.0
        shift = float((slopes[moving] * step[moving]).sum())
        relative = _relative(step, x), quotient(gain + shift, plan.best.total)
        out.append(_Elasticity(parameter, "derivative", *relative))
    return out


def by_solving(plan: Plan, parameters: Sequence[Parameter], deadline: float) -> list[_Elasticity]:
    """For any plan, as far as time allows (``work.now``)."""
    problem, base = plan.problem, plan.best.spend.sum(axis=1)
    options = replace(problem.options, gap=min(problem.options.gap, RESOLVED_GAP))
    out: list[_Elasticity] = []
    for done, parameter in enumerate(parameters):
        left = deadline - work.now()
        share = left / (2.0 * (len(parameters) - done))
        timed = replace(problem, options=replace(options, time_limit_s=max(3.0 * share, 1e-3)))
        both = (1.0 + RESOLVED_STEP, 1.0 - RESOLVED_STEP)
        try:
            moves = [moved(timed, parameter, factor) for factor in both if left > 0.0]
            sides = [_solved(move, plan.best.spend) for move in moves]
        except (MarginalError, ValueError):
            sides = []
        if not sides:
            out.append(_Elasticity(parameter, "resolved"))
            continue
        (up, gained), (down, lost) = sides
        step = (up - down) / (2.0 * RESOLVED_STEP)
        change = (gained - lost) / (2.0 * RESOLVED_STEP)
        relative = _relative(step, base), quotient(change, plan.best.total)
        out.append(_Elasticity(parameter, "resolved", *relative))
    return out


def _solved(problem: Problem, start: Floats) -> tuple[Floats, float]:
    best = make_plan(problem, start).best
    return best.spend.sum(axis=1), best.total


def _curvature(task: OneBudget, x: Floats) -> Floats:
    """(n,) second derivative of each channel's expected outcome, by central differences."""
    step = STEP * np.maximum(x, 1e-9 * max(task.budget, 1e-12))
    less = np.maximum(x - step, 0.0)
    turn = task.marginal(x + step) - task.marginal(less)
    return np.asarray(turn / (x + step - less))


def _relative(step: Floats, spend: Floats) -> Floats:
    """Relative to each arm's own spend; to all money where it spends nothing."""
    whole = max(float(spend.sum()), 1e-300)
    return np.asarray(step / np.where(spend > 1e-9 * whole, spend, whole))
