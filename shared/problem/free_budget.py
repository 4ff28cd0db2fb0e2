"""Problems without a budget, or with one that only caps: given a total that surely suffices.

A free budget needs a ceiling before arrays can be formed. It follows from the goal: beyond some
total, no plan can be worth more (profit), or none can meet a floor (ROAS, CPA), or a cheaper plan
is known already (least spend). Curves have an upper limit, or are concave and flatten for good.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import Infeasible, InvalidInput
from shared.problem.aim import Aim, aim_of
from shared.problem.canonical import Canonical, canonicalise, marginal, outcome
from shared.problem.model import Problem

__all__ = ["canonicalise_goal"]

Array = NDArray[np.float64]
_AMPLE = 1e30
_FIRST = 1e-9


def canonicalise_goal(problem: Problem) -> tuple[Canonical, Aim]:
    """The arrays of a problem with any goal of spend and outcome, and its aim.

    For the least spend a budget is a cap, whatever ``spend_all`` says: otherwise nothing would be
    left to minimise.

    Raises
    ------
    InvalidInput
        Besides what :func:`~shared.problem.canonical.canonicalise` refuses: a goal without its
        number, and a free budget of which more is always worth more.
    Infeasible
        Also for a target outcome that no spend reaches.
    """
    aim = aim_of(problem.goal)
    if problem.budget is not None:
        cap = aim.goal == "minimize_spend"
        return canonicalise(replace(problem, spend_all=problem.spend_all and not cap)), aim
    ample = canonicalise(replace(problem, budget=_AMPLE, spend_all=False))
    total = _ceiling(ample, aim)
    return canonicalise(replace(problem, budget=total, spend_all=False)), replace(aim, free=True)


def _ceiling(ample: Canonical, aim: Aim) -> float:
    """A total that the best plan does not exceed."""
    own = np.array([by != "budget" for by in ample.upper_by], dtype=bool)
    upper = np.where(own, ample.upper, np.inf)
    least = float(ample.lower.sum())
    if np.all(own):
        return max(float(upper.sum()), least)
    if aim.plain:
        raise InvalidInput.at(
            "/budget",
            "missing",
            "Without a budget the most outcome is had at every channel's max_spend: give a budget, "
            "a target_roas or target_cpa, or a max_spend for every channel.",
        )
    top = ample.curves.supremum() if ample.draws is None else ample.draws.mean_supremum()
    _refuse_unreachable(ample, aim, upper, top)
    now = outcome(ample, ample.lower)
    # A plan that is allowed and meets the floors: what the best one is worth at least.
    worth = -math.inf
    if aim.missed(float(now.sum()), least) == 0.0:
        worth = aim.worth(float(now.sum()), least)
    total = max(least, _FIRST)
    while total < _AMPLE:
        alone = np.minimum(upper, np.maximum(ample.lower, total))
        bounded = np.isfinite(top)
        value = np.where(bounded, top, outcome(ample, alone))
        slope = np.where(bounded | (upper <= total), 0.0, marginal(ample, alone))
        most, steep = float(value.sum()), float(slope.sum())
        # No plan of a total S beyond this one brings more than most + steep (S - total).
        spread = np.minimum(upper, ample.lower + (total - least) / len(ample.names))
        brings, costs = float(outcome(ample, spread).sum()), float(spread.sum())
        met = aim.missed(brings, costs) == 0.0
        if met:
            worth = max(worth, aim.worth(brings, costs))
        if aim.cost > 0.0 and aim.value > 0.0:
            dear = aim.value * most - aim.cost * total < worth and aim.value * steep < aim.cost
        else:
            dear = aim.value == 0.0 and met
        missed = any(
            most < floor.constant + floor.per_money * total and steep < floor.per_money
            for floor in aim.floors
        )
        if dear or missed:
            return max(total, least)
        total *= 2.0
    raise InvalidInput.at(
        "/budget",
        "missing",
        "However much is spent, spending more is worth more: give a budget, or a max_spend for "
        "channels whose curve has no ceiling.",
    )


def _refuse_unreachable(ample: Canonical, aim: Aim, upper: Array, top: Array) -> None:
    for floor in aim.floors:
        if floor.constant <= 0.0:
            continue
        ends = np.where(np.isfinite(upper), upper, ample.upper)
        most = float(np.where(np.isfinite(upper), outcome(ample, ends), top).sum())
        if math.isfinite(most) and most <= floor.constant * (1.0 + 1e-12):
            raise Infeasible(
                f"{floor.name} asks for an outcome of {floor.asked:,.6g}; all the channels "
                f"together bring less than {most:,.6g}, however much is spent.",
                [floor.unmet(most)],
            )
