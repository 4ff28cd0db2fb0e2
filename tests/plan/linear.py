"""Linear programmes of a request's rules, read off from the contract's meaning of them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from scipy.optimize import linprog

from tests.contract.evaluator import Raw, affine_rows, arms_of, periods_of, unit_plans

__all__ = ["least_miss"]


def least_miss(raw: Raw, kept: Collection[str], unit: float) -> tuple[float, float]:
    """How much the rules named ``kept`` miss by at least, all others left out; in money.

    Returns
    -------
    smallest sum of the misses where only rules over several arms or periods give way (``inf``
    where that cannot help), and where every rule does.
    """
    found = [row for row in affine_rows(raw, unit_plans(raw, unit)) if row[0] in kept]
    rows = [coefficients / unit for _, coefficients, _ in found]
    right = [most for _, _, most in found]
    soft = [_is_row(raw, name) for name, _, _ in found]
    if not rows:
        return 0.0, 0.0
    # What is the same in every period of a constant plan is one rule.
    _, first = np.unique(np.column_stack((rows, right)).round(9), axis=0, return_index=True)
    rows, right, soft = ([kind[i] for i in first] for kind in (rows, right, soft))
    hard = _solved(np.array(rows), np.array(right), np.array(soft), unit)
    return hard, _solved(np.array(rows), np.array(right), np.ones(len(rows), dtype=bool), unit)


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
