"""Score one plan: what it brings by arm and period, with its draws.

Used alike for the recommended plan, the current one and a caller's own, so that they compare. An
arm is a channel, or a campaign below one; a plan without a horizon has one period. Amounts are
money in the caller's currency and outcomes in the caller's outcome unit, per period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.problem.canonical import Canonical, marginal, outcome, outcome_draws
from shared.problem.model import Problem

__all__ = [
    "INTERVAL",
    "MIN_DRAWS",
    "Floats",
    "Score",
    "finite",
    "interval",
    "quotient",
    "score",
    "totals",
]

Floats = NDArray[np.float64]

INTERVAL = (0.05, 0.95)
"""Quantiles of every interval in an answer: 90 %, equal tails."""

MIN_DRAWS = 20
"""Fewer draws than this say nothing of a 5 % tail: no interval, no probability."""


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """What a plan brings.

    Attributes
    ----------
    spend, outcome, marginal
        (A, T): money, expected outcome, and outcome from one more unit of money there and then.
    ceiling
        (A, T) the most that each arm could ever bring; inf where its curve has no ceiling.
    draws
        (S, A, T) outcome in each draw, or None.
    alone
        (A, T) expected outcome without interactions, which levels of saturation go by; None where
        there are none.
    """

    spend: Floats
    outcome: Floats
    marginal: Floats
    ceiling: Floats
    draws: Floats | None
    alone: Floats | None = None

    @property
    def total(self) -> float:
        """Expected outcome of the whole plan over its periods."""
        return float(self.outcome.sum())

    @property
    def money(self) -> float:
        """Money of the whole plan over its periods."""
        return float(self.spend.sum())

    def total_draws(self) -> Floats | None:
        """Outcome of the whole plan in each draw, shape (S,)."""
        return None if self.draws is None else np.asarray(self.draws.sum(axis=(1, 2)))


def score(canonical: Canonical, spend: Floats) -> Score:
    """A plan of one period: ``spend`` is (n,)."""
    draws = outcome_draws(canonical, spend)
    most = canonical.curves.supremum()
    if canonical.draws is not None:
        most = canonical.draws.mean_supremum()
    return Score(
        spend=spend[:, None],
        outcome=outcome(canonical, spend)[:, None],
        marginal=marginal(canonical, spend)[:, None],
        ceiling=most[:, None],
        draws=None if draws is None else draws[:, :, None],
    )


def interval(samples: Floats | None) -> list[float] | None:
    """The 90 % interval of ``samples`` (S,), or None without enough of them: never invented."""
    if samples is None or samples.size < MIN_DRAWS:
        return None
    low, high = np.quantile(samples, INTERVAL)
    return [float(low), float(high)]


def quotient(numerator: float | None, denominator: float | None) -> float | None:
    """``numerator / denominator``, or None where either is unknown or the ratio has no meaning."""
    if numerator is None or denominator is None or denominator == 0.0:
        return None
    value = numerator / denominator
    return value if np.isfinite(value) else None


def finite(value: float) -> float | None:
    """``value`` where it is a number that can stand in an answer, else None."""
    return float(value) if np.isfinite(value) else None


def totals(problem: Problem, plan: Score, current: Score | None) -> dict[str, Any]:
    """The ``totals`` of API.md for ``plan`` against ``current`` (None: today's spend unknown)."""
    worth = problem.goal.value_per_outcome or 1.0
    now = None if current is None else current.total
    uplift = None if now is None else plan.total - now
    mine, todays = plan.total_draws(), None if current is None else current.total_draws()
    gain = None if mine is None or todays is None else mine - todays
    return {
        "spend": plan.money,
        "outcome": plan.total,
        "outcome_interval": interval(mine),
        "current_spend": None if current is None else current.money,
        "current_outcome": now,
        "uplift": uplift,
        "uplift_share": quotient(uplift, now),
        "uplift_interval": interval(gain),
        "roas": quotient(worth * plan.total, plan.money),
        "cpa": quotient(plan.money, plan.total),
        # A draw that is indifferent (the same plan) is no evidence for moving, nor against it.
        "probability_better": None
        if gain is None or gain.size < MIN_DRAWS
        else float(np.mean(gain > 0) + 0.5 * np.mean(gain == 0)),
    }
