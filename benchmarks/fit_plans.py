"""From curves to a decision, by the whole of the product, and what that decision was truly worth.

The question is the same for everybody: the history's mean money, each arm within 50 to 150 % of its
mean. Ours and the peer's curves are both given to our optimiser, which is the friendlier treatment
of the peer: what differs is the fit only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fit_sets import SHARED, Known, generated, shared_set
from benchmarks.fit_truth import Spent, Truth, best_plan, regret_ratio, shares
from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.curves.curveset import CurveSet
from shared.fit.pipeline import fit_history
from shared.plan.optimize import answer, make_plan

__all__ = [
    "LOW_HIGH",
    "Decision",
    "decide",
    "known",
    "ours",
    "plan_over",
    "true_best",
    "without_a_fit",
]

Floats = NDArray[np.float64]
LOW_HIGH = (0.5, 1.5)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A plan over the truth's arms with what was said of it and what it is.

    Attributes
    ----------
    ratio
        Regret of the plan over that of keeping the history.
    probability
        ``probability_better`` as stated; None where the curves have no draws.
    stated, true
        Uplift over the history's mix, outcome per period: as stated, and in truth.
    cpu_s
        CPU seconds of the fit (for ours: with its validation).
    promoted
        Whether the gate let the curves through; None where there is no gate.
    """

    ratio: float
    probability: float | None
    stated: float
    true: float
    cpu_s: float
    promoted: bool | None
    why: str


@cache
def known(kind: str, seed: int = 0) -> Known:
    """A shared set by its name, or history ``seed`` of a generated kind."""
    return shared_set(kind) if kind in SHARED else generated(kind, seed)


@cache
def true_best(kind: str, seed: int = 0) -> Floats:
    """The best plan by the truth within the same bounds."""
    truth = known(kind, seed).truth
    low, high = (share * truth.mean for share in LOW_HIGH)
    return best_plan(truth, low, high)


def plan_over(spent: Spent, curves: CurveSet) -> tuple[Floats, dict[str, Any]]:
    """The plan (A,) that our optimiser makes of ``curves``, and its answer."""
    names = list(dict.fromkeys(arm.partition("/")[0] for arm in spent.arms))
    spread = shares(names, spent)
    mean = {name: float(m) for name, m in zip(names, spent.mean @ (spread > 0), strict=True)}
    stored = [curve.channel for curve in curves.channels]
    by_arm = dict(zip(spent.arms, spent.mean, strict=True))
    request: dict[str, Any] = {"dataset": "known", "budget": sum(mean.values()), "channels": []}
    for name in names:
        row = _limits(name, mean[name])
        split = [arm for arm in stored if arm.startswith(f"{name}/")]
        if split:
            row["campaigns"] = [_limits(arm.partition("/")[2], by_arm[arm]) for arm in split]
        request["channels"].append(row)
    message = read_optimize(request)
    told = answer(make_plan(problem_of(message, curves)))
    plan = _over_arms(spent, names, spread, told["allocation"])
    return plan, told


def decide(
    truth: Truth,
    best: Floats,
    curves: CurveSet,
    *,
    cpu_s: float,
    promoted: bool | None = None,
    why: str = "",
) -> Decision:
    """The plan that our optimiser makes of ``curves``, judged by ``truth``."""
    plan, told = plan_over(truth, curves)
    totals = told["totals"]
    return Decision(
        ratio=regret_ratio(truth, plan, best),
        probability=totals["probability_better"],
        stated=totals["uplift"],
        true=truth.value(plan) - truth.value(truth.mean),
        cpu_s=cpu_s,
        promoted=promoted,
        why=why,
    )


def _limits(name: str, mean: float) -> dict[str, Any]:
    low, high = LOW_HIGH
    return {
        "channel": name,
        "current_spend": mean,
        "min_spend": low * mean,
        "max_spend": high * mean,
    }


def _over_arms(
    spent: Spent, names: list[str], spread: Floats, rows: list[Mapping[str, Any]]
) -> Floats:
    """Spend by arm; a channel without campaigns in the answer is spread as the history was."""
    plan = np.zeros(len(spent.arms))
    for row in rows:
        below = row.get("campaigns") or ()
        for campaign in below:
            plan[spent.arms.index(f"{row['channel']}/{campaign['channel']}")] = campaign["spend"]
        if not below:
            plan += spread[:, names.index(row["channel"])] * row["spend"]
    return plan


@cache
def ours(kind: str, seed: int = 0) -> Decision:
    """The product's own fit of a set, and its decision."""
    item = known(kind, seed)
    began = time.process_time()
    result = fit_history(item.parsed.history, item.parsed.spec)
    cpu_s = time.process_time() - began
    return decide(
        item.truth,
        true_best(kind, seed),
        result.curve_set,
        cpu_s=cpu_s,
        promoted=result.promote,
        why=" ".join(result.reasons),
    )


def without_a_fit(kind: str, seed: int = 0) -> float:
    """Regret ratio of the equal split, moved into the bounds with the same money."""
    truth = known(kind, seed).truth
    low, high = (share * truth.mean for share in LOW_HIGH)
    money = float(truth.mean.sum())
    # The level at which everyone gets the same unless a bound holds it: monotone, so bisection.
    least, most = 0.0, money
    for _ in range(200):
        middle = 0.5 * (least + most)
        if float(np.clip(middle, low, high).sum()) > money:
            most = middle
        else:
            least = middle
    return regret_ratio(truth, np.clip(least, low, high), true_best(kind, seed))
