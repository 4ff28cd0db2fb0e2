"""Linear programmes of a request's rules, read off from the contract's meaning of them.

Every rule is affine in the plan, so its coefficients are what it says of no money and of one unit
at every place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from scipy.optimize import linprog

from tests.plan.contract import Raw, arms_of, limits, periods_of

__all__ = ["least_miss"]

ROW_KINDS = ("budget", "pacing.")


def least_miss(raw: Raw, kept: Collection[str], unit: float) -> tuple[float, float]:
    """How much the rules named ``kept`` miss by at least, all others left out; in money.

    Returns
    -------
    smallest sum of the misses where only rules over several arms or periods give way (``inf``
    where that cannot help), and where every rule does.
    """
    basis, scale = _basis(raw, unit)
    rows: list[np.ndarray] = []
    right: list[float] = []
    soft: list[bool] = []
    for limit in limits(raw, basis):
        for name, sign, side in zip(limit.names, (-1.0, 1.0), (limit.low, limit.high), strict=True):
            if name not in kept or np.all(np.isinf(side)):
                continue
            # sign * (value - side) <= 0, for every column of the limit
            gap = sign * (limit.value - np.broadcast_to(side, limit.value.shape))
            for column in gap.T:
                rows.append((column[1:] - column[0]) / unit)
                right.append(-column[0])
                soft.append(_is_row(raw, name))
    if not rows:
        return 0.0, 0.0
    # What is the same in every period of a constant plan is one rule.
    _, first = np.unique(np.column_stack((rows, right)).round(9), axis=0, return_index=True)
    rows, right, soft = ([kind[i] for i in first] for kind in (rows, right, soft))
    hard = _solved(np.array(rows), np.array(right), np.array(soft), scale)
    return hard, _solved(np.array(rows), np.array(right), np.ones(len(rows), dtype=bool), scale)


def _is_row(raw: Raw, name: str) -> bool:
    """Whether a rule is about more than one arm in one period."""
    arms = arms_of(raw)
    if periods_of(raw) > 1 and name.endswith(("_total",)):
        return True
    own = {arm["channel"] for i, arm in arms if not raw["channels"][i].get("campaigns")}
    own |= {
        f"{raw['channels'][i]['channel']}/{arm['channel']}"
        for i, arm in arms
        if raw["channels"][i].get("campaigns")
    }
    return name.rpartition(".")[0] not in own


def _basis(raw: Raw, unit: float) -> tuple[np.ndarray, float]:
    arms, periods = len(arms_of(raw)), periods_of(raw)
    constant = raw.get("horizon", {}).get("mode") == "constant"
    shape: Callable[[int], Any] = np.eye
    columns = np.ones((1, periods)) if constant else shape(periods)
    plans = [np.zeros((arms, periods))]
    for a in range(arms):
        for column in columns:
            plan = np.zeros((arms, periods))
            plan[a] = unit * column
            plans.append(plan)
    return np.array(plans), unit


def _solved(rows: np.ndarray, right: np.ndarray, soft: np.ndarray, scale: float) -> float:
    """Least sum of misses; variables are in units of ``scale``."""
    count, width = rows.shape
    slack = -np.eye(count)[:, soft]
    found = linprog(
        np.concatenate((np.zeros(width), np.ones(slack.shape[1]))),
        A_ub=np.hstack((rows, slack)),
        b_ub=right / scale,
        bounds=(0.0, None),
        method="highs",
    )
    return float(found.fun) * scale if found.status == 0 else np.inf
