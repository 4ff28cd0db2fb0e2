"""Score one plan: what it brings per channel and in total, with intervals from the draws.

Used alike for the recommended plan, the current one and a caller's own, so that they compare.
Amounts are per period: money in the caller's currency, outcomes in the caller's outcome unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.problem.canonical import Canonical, marginal, outcome, outcome_draws

__all__ = ["INTERVAL", "Score", "finite", "interval", "quotient", "score", "supremum", "totals"]

Floats = NDArray[np.float64]

INTERVAL = (0.05, 0.95)
"""Quantiles of every interval in an answer: 90 %, equal tails."""


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A plan's expected outcome (n,), slope (n,) and outcome by draw (S, n), if there are draws."""

    spend: Floats
    outcome: Floats
    marginal: Floats
    draws: Floats | None

    @property
    def total(self) -> float:
        """Expected outcome per period of the whole plan."""
        return float(self.outcome.sum())

    def total_draws(self) -> Floats | None:
        """Outcome of the whole plan in each draw, shape (S,)."""
        return None if self.draws is None else self.draws.sum(axis=1)


def score(canonical: Canonical, spend: Floats) -> Score:
    """Expected outcome, slope and outcome by draw of ``spend`` (n,)."""
    return Score(
        spend=spend,
        outcome=outcome(canonical, spend),
        marginal=marginal(canonical, spend),
        draws=outcome_draws(canonical, spend),
    )


def interval(samples: Floats | None) -> list[float] | None:
    """The 90 % interval of ``samples`` (S,), or None without samples: never invented."""
    if samples is None:
        return None
    low, high = np.quantile(samples, INTERVAL)
    return [float(low), float(high)]


def quotient(numerator: float | None, denominator: float | None) -> float | None:
    """``numerator / denominator``, or None where either is unknown or the ratio has no meaning."""
    if numerator is None or denominator is None or denominator == 0.0:
        return None
    value = numerator / denominator
    return value if np.isfinite(value) else None


def supremum(canonical: Canonical) -> Floats:
    """Largest outcome each channel can ever bring (n,); inf where the curve has no ceiling."""
    if canonical.draws is None:
        return canonical.curves.supremum()
    return canonical.draws.mean_supremum()


def finite(value: float) -> float | None:
    """``value`` where it is a number that can stand in an answer, else None."""
    return float(value) if np.isfinite(value) else None


def totals(plan: Score, current: Score | None) -> dict[str, Any]:
    """The ``totals`` of API.md for ``plan`` against ``current`` (None: today's spend unknown)."""
    spend, total = float(plan.spend.sum()), plan.total
    now = None if current is None else current.total
    uplift = None if now is None else total - now
    better = None
    if current is not None and plan.draws is not None and current.draws is not None:
        gain = plan.draws.sum(axis=1) - current.draws.sum(axis=1)
        # A draw that is indifferent (the same plan) is no evidence for moving, nor against it.
        better = float(np.mean(gain > 0) + 0.5 * np.mean(gain == 0))
    return {
        "spend": spend,
        "outcome": total,
        "outcome_interval": interval(plan.total_draws()),
        "current_spend": None if current is None else float(current.spend.sum()),
        "current_outcome": now,
        "uplift": uplift,
        "uplift_share": quotient(uplift, now),
        "uplift_interval": None
        if current is None or plan.draws is None or current.draws is None
        else interval(plan.draws.sum(axis=1) - current.draws.sum(axis=1)),
        "roas": quotient(total, spend),
        "cpa": quotient(spend, total),
        "probability_better": better,
    }
