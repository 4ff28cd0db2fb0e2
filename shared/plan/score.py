"""Score one plan: what it brings by arm and period, with its draws.

Used alike for the recommended plan, the current one and a caller's own, so that they compare. An
arm is a channel, or a campaign below one; a plan without a horizon has one period. Amounts are
money in the caller's currency and outcomes in the caller's outcome unit, per period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.problem.aim import Floor, beyond
from shared.problem.model import Problem
from shared.problem.program import Program

__all__ = [
    "INTERVAL",
    "MIN_DRAWS",
    "Floats",
    "Gained",
    "Score",
    "finite",
    "gained",
    "interval",
    "one_outcome",
    "quotient",
    "score",
    "today_scaled",
    "totals",
]

Floats = NDArray[np.float64]

INTERVAL = (0.05, 0.95)  # quantiles of every interval in an answer: 90 %, equal tails
SAME_MONEY = 1e-3  # totals that differ by less than this share are the same money
MIN_DRAWS = 20  # fewer draws than this say nothing of a 5 % tail: no interval, no probability


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """What a plan brings.

    Attributes
    ----------
    spend, outcome, marginal
        (A, T): money, expected outcome, and outcome from one more unit of money there and then.
    ceiling, idle
        (A, T) the most that each arm could ever bring, inf where its curve has no ceiling; and what
        it brings where no money was ever spent on it, which no return counts.
    draws
        (S, A, T) outcome in each draw, or None.
    alone
        (A, T) expected outcome without interactions, which levels of saturation go by; None where
        there are none.
    later
        Expected outcome after the horizon, as the objective counts it.
    past
        (A,) of the outcome, what spend before the plan still brings.
    counted
        Money as goal and targets count it: all of it, unless it is discounted.
    ceilings, reached, lost
        Outcome beyond them is worth nothing; the expected outcome that each counts, and how much
        comes beyond them in all.
    """

    spend: Floats
    outcome: Floats
    marginal: Floats
    ceiling: Floats
    idle: Floats
    draws: Floats | None
    alone: Floats | None
    later: float
    past: Floats
    counted: float
    population: float | None
    ceilings: tuple[Floor, ...] = ()
    reached: tuple[float, ...] = ()
    lost: float = 0.0

    def of(self, arms: Sequence[int]) -> Score:
        """The same plan's part of some arms, where nothing else ties them to the others."""
        at = list(arms)
        return replace(
            self,
            spend=self.spend[at],
            outcome=self.outcome[at],
            marginal=self.marginal[at],
            ceiling=self.ceiling[at],
            idle=self.idle[at],
            draws=None if self.draws is None else self.draws[:, at],
            alone=None if self.alone is None else self.alone[at],
            past=self.past[at],
            counted=float(self.spend[at].sum()),
        )

    @property
    def total(self) -> float:
        """Expected outcome of the whole plan over its periods."""
        return float(self.together(self.outcome, axis=None))

    @property
    def worth(self) -> float:
        """Of the expected outcome, what counts: all but what comes beyond the ceilings."""
        return self.total - self.lost

    def together(self, outcome: Floats, axis: int | None = None) -> Floats:
        """Several outcomes as one: their sum, or of people counted once those whom any reaches."""
        if self.population is None:
            return np.asarray(outcome.sum(axis=axis))
        missed = np.prod(1.0 - outcome / self.population, axis=axis)
        return np.asarray(self.population * (1.0 - missed))

    @property
    def money(self) -> float:
        """Money of the whole plan over its periods."""
        return float(self.spend.sum())

    def total_draws(self) -> Floats | None:
        """Outcome of the whole plan in each draw, shape (S,)."""
        return None if self.draws is None else np.asarray(self.draws.sum(axis=(1, 2)))

    def worth_draws(self) -> Floats | None:
        """(S,) the same without what comes beyond the ceilings in each draw."""
        whole = self.total_draws()
        if whole is None or self.draws is None or not self.ceilings:
            return whole
        return np.asarray(whole - beyond(self.draws.sum(axis=2), self.ceilings))


def score(program: Program, spend: Floats) -> Score:
    """Score ``spend`` (A, T) with a program whose decisions are the spends themselves (K = T).

    Of the arms that spend: what stands for a sum of them is left out.

    Outcomes after the plan's last period (the long term) are no part of its outcome, but a unit of
    money's marginal return includes them, weighed as the objective weighs them. What an interaction
    brings (or takes) counts half to either of its arms, at the mean curves' levels in every draw.
    """
    spend = program.widened(spend)
    z = program.adstocked(spend)
    draws = program.response_draws(z)
    ended, own = program.periods, program.arms - len(program.sums)
    alone, slopes = program.response(z), program.slopes(spend)
    if program.pairs:
        slopes = slopes * program.steeper(z)
    shared = program.shared(z)
    if program.population is not None:  # who is still missed
        slopes = slopes * program.population * np.exp(-alone.sum())
    each = np.ones((own, 1)) if program.ratios is None else 1.0 / program.ratios[:own, None]
    brings = (alone + shared)[:own]
    return Score(
        spend=program.spend(spend)[:own],
        outcome=each * program.people(brings)[:, :ended],
        marginal=each * program.through(spend, slopes)[:own],
        ceiling=each * program.people(_ceiling(program))[:own, :ended],
        idle=each * program.response(np.zeros(z.shape))[:own, :ended],
        draws=None if draws is None else each * (draws + shared)[:, :own, :ended],
        alone=each * alone[:own, :ended] if program.pairs else None,
        later=float((each * brings[:, ended:]).sum()),
        population=program.population,
        past=each[:, 0] * program.past()[:own, :ended].sum(axis=1),
        counted=float((program.due() * spend).sum()),
        ceilings=tuple(replace(c, share=(c.share or ())[:own]) for c in program.ceilings),
        reached=tuple(
            -float(c.shares(program.arms) @ program.brings(spend)) for c in program.ceilings
        ),
        lost=program.lost(spend),
    )


def _ceiling(program: Program) -> Floats:
    """(A, H) the most that each response can bring; nothing where it does not count."""
    most = np.broadcast_to(program.supremum()[:, None], program.weight.shape)
    counts = program.weight != 0.0
    return np.multiply(most, program.weight, out=np.zeros_like(program.weight), where=counts)


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


def today_scaled(by_period: Program, plan: Score, current: Score | None) -> dict[str, Any] | None:
    """Today's mix at the plan's money beside the plan: what the mix itself is worth.

    None where today's spend is unknown or nothing, or the money is today's anyway.
    """
    if current is None or current.money <= 0.0 or plan.money <= 0.0:
        return None
    factor = plan.money / current.money
    if abs(factor - 1.0) <= SAME_MONEY:
        return None
    scaled = score(by_period, factor * current.spend)
    uplift, likely, better = gained(plan, scaled)
    return {
        "spend": scaled.money,
        "outcome": scaled.total,
        "outcome_interval": interval(scaled.total_draws()),
        "uplift": uplift,
        "uplift_interval": likely,
        "probability_better": better,
    }


Gained = tuple[float | None, list[float] | None, float | None]


def gained(plan: Score, other: Score | None) -> Gained:
    """What a plan brings more than another, of what counts: expected, its 90 % interval, and the
    share of draws in which it is more; None each where the other is unknown or draws are too few.

    A draw that is indifferent (the same plan) is no evidence for moving, nor against it.
    """
    if other is None:
        return None, None, None
    mine, its = plan.worth_draws(), other.worth_draws()
    gain = None
    if mine is not None and its is not None and mine.size == its.size:
        gain = mine - its
    better = None
    if gain is not None and gain.size >= MIN_DRAWS:
        better = float(np.mean(gain > 0) + 0.5 * np.mean(gain == 0))
    return plan.worth - other.worth, interval(gain), better


def value_of(problem: Problem, plan: Score, *, efficient: bool = False) -> float | None:
    """What the outcome of a plan is worth in money; None where nobody said.

    ``efficient``: of the money still to be spent alone, as efficiencies count it.
    """
    usual = problem.goal.value_per_outcome
    own = [
        usual if arm.value_per_outcome is None else arm.value_per_outcome for arm in problem.arms
    ]
    known = [value for value in own if value is not None]
    if len(known) < len(own):
        return None
    brings = plan.outcome.sum(axis=1)
    if not efficient and plan.lost > 0.0:  # beside ceilings all outcomes are worth the same
        return known[0] * plan.worth
    if efficient and problem.goal.efficiency_of == "plan":
        brings = brings - plan.past
    return float(np.array(known) @ brings)


def totals(problem: Problem, plan: Score, current: Score | None) -> dict[str, Any]:
    """The ``totals`` of an answer for ``plan`` against ``current`` (None: today's is unknown)."""
    past = float(plan.past.sum())
    efficient = plan.total - (past if problem.goal.efficiency_of == "plan" else 0.0)
    value, valued = value_of(problem, plan), value_of(problem, plan, efficient=True)
    now = None if current is None else current.worth
    uplift, likely, better = gained(plan, current)
    return {
        "spend": plan.money,
        "outcome": plan.total,
        "outcome_interval": interval(plan.total_draws()),
        "outcome_lost": plan.lost,
        "outcomes": _by_outcome(problem, plan),
        "current_spend": None if current is None else current.money,
        "current_outcome": None if current is None else current.total,
        "uplift": uplift,
        "uplift_share": quotient(uplift, now),
        "uplift_interval": likely,
        "outcome_from_past_spend": past,
        "value": value,
        "profit": None if value is None else value - plan.counted,
        "roas": quotient(efficient if valued is None else valued, plan.counted),
        "cpa": quotient(plan.counted, efficient),
        "probability_better": better,
    }


def one_outcome(
    name: str | None, weight: float, arms: Sequence[int], plan: Score
) -> dict[str, Any]:
    """One of several outcomes, counted as one each."""
    at = list(arms)
    draws = None if plan.draws is None else plan.draws[:, at].sum(axis=(1, 2)) / weight
    total = float(plan.outcome[at].sum()) / weight
    return {"outcome": name, "value": total, "interval": interval(draws)}


def _by_outcome(problem: Problem, plan: Score) -> list[dict[str, Any]] | None:
    """Each of several outcomes over all channels; None where there is one."""
    told = []
    for outcome in problem.goal.outcomes:
        own = [a for a, arm in enumerate(problem.arms) if arm.outcome == outcome.name]
        told.append(one_outcome(outcome.name, outcome.weight, own, plan))
    return told or None
