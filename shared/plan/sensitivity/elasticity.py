"""How the recommended spend and the outcome move with each parameter of each curve.

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

import numpy as np
from numpy.typing import NDArray

from shared import work
from shared.errors import MarginalError
from shared.plan.optimize import make_plan
from shared.plan.plan import Plan
from shared.plan.prices import BINDING_TOLERANCE
from shared.plan.sensitivity.parameters import Parameter, arm_names, moved
from shared.problem.lower import lower
from shared.problem.model import Problem
from shared.solve.one_budget.form import OneBudget, one_budget

__all__ = ["Elasticity", "by_derivative", "by_solving"]

Floats = NDArray[np.float64]

STEP = 1e-4
"""Relative step of differences at a fixed plan."""

RESOLVED_STEP = 0.01
"""Relative step where the problem is solved again: well above the gap's noise."""

RESOLVED_GAP = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Elasticity:
    """Of one parameter; None where it was not found in time, or the curve allows no such move.

    Attributes
    ----------
    spend
        (A,) relative change of each arm's spend; of its share of all money where it spends nothing.
    outcome
        Relative change of the expected outcome of the best plan.
    how
        ``"derivative"`` or ``"resolved"``.
    """

    parameter: Parameter
    spend: Floats | None
    outcome: float | None
    how: str


def by_derivative(plan: Plan, task: OneBudget, parameters: Sequence[Parameter]) -> list[Elasticity]:
    """For plans of one budget over boxes, whose arrays are ``task``."""
    problem = plan.problem
    x = plan.best.spend[:, 0]
    slack = BINDING_TOLERANCE * max(task.budget, 1e-12)
    free = (x > task.lower + slack) & (x < task.upper - slack)
    bound = task.spend_all or float(x.sum()) >= task.budget - slack
    curvature = _curvature(task, x)
    free &= curvature < 0.0
    total = plan.best.total
    slopes, names = task.marginal(x), arm_names(problem)
    out: list[Elasticity] = []
    for parameter in parameters:
        try:
            up = one_budget(lower(moved(problem, parameter, 1.0 + STEP)))
            down = one_budget(lower(moved(problem, parameter, 1.0 - STEP)))
        except ValueError:
            out.append(Elasticity(parameter, None, None, "derivative"))
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
        out.append(
            Elasticity(parameter, _relative(step, x), _ratio(gain + shift, total), "derivative")
        )
    return out


def by_solving(plan: Plan, parameters: Sequence[Parameter], deadline: float) -> list[Elasticity]:
    """For any plan, as far as time allows (``work.now``)."""
    problem, base = plan.problem, plan.best.spend.sum(axis=1)
    options = replace(problem.options, gap=min(problem.options.gap, RESOLVED_GAP))
    out: list[Elasticity] = []
    for done, parameter in enumerate(parameters):
        left = deadline - work.now()
        share = left / (2.0 * (len(parameters) - done))
        if left <= 0.0:
            out.append(Elasticity(parameter, None, None, "resolved"))
            continue
        timed = replace(problem, options=replace(options, time_limit_s=max(3.0 * share, 1e-3)))
        sides = [
            _solved(timed, parameter, factor, plan.best.spend)
            for factor in (1.0 + RESOLVED_STEP, 1.0 - RESOLVED_STEP)
        ]
        if sides[0] is None or sides[1] is None:
            out.append(Elasticity(parameter, None, None, "resolved"))
            continue
        (up, gained), (down, lost) = sides[0], sides[1]
        step = (up - down) / (2.0 * RESOLVED_STEP)
        change = (gained - lost) / (2.0 * RESOLVED_STEP)
        out.append(
            Elasticity(
                parameter, _relative(step, base), _ratio(change, plan.best.total), "resolved"
            )
        )
    return out


def _solved(
    problem: Problem, parameter: Parameter, factor: float, start: Floats
) -> tuple[Floats, float] | None:
    try:
        other = make_plan(moved(problem, parameter, factor), start)
    except (MarginalError, ValueError):
        return None
    return other.best.spend.sum(axis=1), other.best.total


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


def _ratio(change: float, of: float) -> float | None:
    value = change / of if of else float("nan")
    return value if np.isfinite(value) else None
