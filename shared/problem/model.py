"""What is to be solved: channels with bounds, one budget, in the caller's own names and units.

Names live here and at the edges; ``shared.problem.feasibility`` turns a ``Problem`` into arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from shared.curves.curveset import Response
from shared.problem.aim import Goal, Weights
from shared.problem.risk import Risk

__all__ = [
    "Channel",
    "Constraint",
    "Flight",
    "Goal",
    "Horizon",
    "Interaction",
    "PeriodLimits",
    "Problem",
    "Risk",
    "SolverOptions",
    "Weights",
    "Window",
    "span_name",
]


def span_name(first: int, last: int) -> str:
    """How answers call periods ``first`` to ``last`` (from 1): "[2-3]", "[4]" for one alone."""
    return f"[{first}]" if first == last else f"[{first}-{last}]"


@dataclass(frozen=True, slots=True)
class PeriodLimits:
    """What holds in periods ``first`` to ``last`` (from 1), in place of the channel's own limits.

    ``spend`` is a floor and a ceiling at once.
    """

    first: int
    last: int
    min_spend: float | None = None
    max_spend: float | None = None
    spend: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Money for periods ``first`` to ``last`` (from 1) together; ``least``: at least this of it."""

    first: int
    last: int
    budget: float
    least: float | None = None


@dataclass(frozen=True, slots=True)
class Flight:
    """At least so many periods on in a row, at least so many off after it, at most so many flights.

    ``before``: whether the channel ran just before the plan, and for how many periods in a row.
    """

    min_on: int = 1
    min_off: int = 1
    most: int | None = None
    before: tuple[bool, int] | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. Money is per period, in the caller's currency; ``None`` means "not given".

    Attributes
    ----------
    max_change
        Fraction of ``current_spend``, both ways; needs ``current_spend``.
    locked
        Keep ``current_spend`` (a commitment); needs ``current_spend``.
    observed_max
        Highest spend per period in the history behind the curve; beyond it a plan extrapolates.
    max_spend_is_default
        ``max_spend`` was not asked for by the caller but derived from the history.
    verdict
        What a fit says of the stored curve that is used ("good", "weak", "prior", ...).
    minimum_if_active, increment
        Spend is 0 or at least the first; a multiple of the second. Each 0 for none.
    min_total, max_total
        Over the horizon.
    period_weights
        Multipliers of the response, one a period; empty for ones.
    prior_spend
        Spend in the periods before the plan, oldest first: its carryover comes in.
    campaigns
        Arms below this channel; their sum is its spend, their responses are its response.
    excluded
        The caller leaves it out: nothing is spent on it, and it is here for what was spent before.
    periods
        Limits of some periods, which go before those of all; later ones win.
    period_prices
        Multipliers of the media price, one a period; empty for ones.
    keeps
        No less than ``current_spend``: only extra money is placed.
    value_per_outcome
        Of one outcome of this channel, in place of the goal's.
    max_outcome
        Over the horizon; what comes beyond it is worth nothing.
    outcome, weight
        Of an arm that stands for one of several outcomes of the channel above it: which it is, and
        what one of it counts. Each such arm has an equal part of the channel's spend.
    penalty
        What a unit of money here costs in the objective, beside itself.
    flight
        How its spend goes on and off over the periods; None: as is best.
    rising
        Spend at which media cost what ``response`` (which is then over media) takes them to, and
        per cent of price per per cent of spend; None: the price stays.
    """

    name: str
    response: Response
    current_spend: float | None = None
    min_spend: float = 0.0
    max_spend: float | None = None
    max_change: float | None = None
    locked: bool = False
    observed_max: float | None = None
    max_spend_is_default: bool = False
    verdict: str | None = None
    minimum_if_active: float = 0.0
    increment: float = 0.0
    min_total: float = 0.0
    max_total: float | None = None
    period_weights: tuple[float, ...] = ()
    prior_spend: tuple[float, ...] = ()
    campaigns: tuple[Channel, ...] = ()
    excluded: bool = False
    periods: tuple[PeriodLimits, ...] = ()
    period_prices: tuple[float, ...] = ()
    keeps: bool = False
    penalty: float = 0.0
    value_per_outcome: float | None = None
    flight: Flight | None = None
    max_outcome: float | None = None
    outcome: str | None = None
    weight: float = 1.0
    rising: tuple[float, float] | None = None

    @property
    def several(self) -> bool:
        """Whether its arms are outcomes of one spend, not campaigns."""
        return any(arm.outcome is not None for arm in self.campaigns)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rule over several channels, in every period unless it says total; None: not given.

    Shares are of the total spend (of the period, in a plan over time). ``coefficients`` with
    ``minimum`` and ``maximum`` make any linear rule. ``max_active``: at most so many of
    ``channels`` spend anything at all, ``per_period``: in each of the periods. ``split``: shares of
    what the channels spend together. ``min_outcome``, ``min_roas`` and ``max_cpa`` are of the
    channels' own outcome over the horizon; what they bring beyond ``max_outcome`` is worth nothing.
    ``periods`` (from 1): those that the rule is about; None: all.
    """

    name: str
    channels: tuple[str, ...] = ()
    min_spend: float | None = None
    max_spend: float | None = None
    min_total: float | None = None
    max_total: float | None = None
    min_share: float | None = None
    max_share: float | None = None
    coefficients: tuple[tuple[str, float], ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_active: int | None = None
    per_period: bool = False
    periods: tuple[int, ...] | None = None
    min_outcome: float | None = None
    min_roas: float | None = None
    max_cpa: float | None = None
    max_outcome: float | None = None
    split: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Interaction:
    """Outcome per period of two channels when both are saturated, times their levels' product."""

    channels: tuple[str, str]
    strength: float


@dataclass(frozen=True, slots=True)
class Horizon:
    """How many periods are planned and how; ``max_change`` paces spend between periods.

    ``discount_rate`` is per period; ``days`` are the first days of the periods, where known.
    ``then`` is "stop", or "continue": spend goes on as in the last period, and counts.
    """

    periods: int = 1
    mode: str = "time_varying"
    max_change: float | None = None
    discount_rate: float = 0.0
    then: str = "stop"
    days: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class SolverOptions:
    """How to solve; the defaults are the contract's."""

    method: str = "auto"
    gap: float = 1e-6
    time_limit_s: float = 10.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Spread ``budget`` over ``channels`` so that ``goal`` is best.

    ``budget`` is the total over the horizon, None where it is free; ``spend_all`` makes it (and
    each of ``period_budgets``) an equality, otherwise a cap. ``windows`` are budgets of stretches
    of periods: caps beside ``budget``. ``budget_min`` is the least to be spent of the budget.
    ``test_reserve`` is the share of all budgets held back for tests. ``current_over`` are the days
    that stand for today, first and last, and how many periods they are. ``trust`` is what the fit
    says of how far its curves are to be trusted; None of curves that were not fitted here.
    """

    channels: tuple[Channel, ...]
    budget: float | None
    spend_all: bool = True
    options: SolverOptions = SolverOptions()
    curves_version: str | None = None
    outcome_unit: str | None = None
    currency: str | None = None
    frequency: str | None = None
    warnings: tuple[tuple[str, str], ...] = ()
    goal: Goal = field(default_factory=Goal)
    constraints: tuple[Constraint, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    horizon: Horizon = Horizon()
    risk: Risk = field(default_factory=Risk)
    period_budgets: tuple[float, ...] = ()
    windows: tuple[Window, ...] = ()
    budget_min: float | None = None
    test_reserve: float = 0.0
    current_over: tuple[date, date, int] | None = None
    trust: Mapping[str, Any] | None = None

    @property
    def money(self) -> float:
        """All that is given to spend over the horizon; 0 where the budget is free."""
        return self.budget or sum(self.period_budgets) or sum(w.budget for w in self.windows)

    @property
    def one_budget(self) -> float:
        """The budget of a problem that has one; ``ValueError`` where it is free."""
        if self.budget is None:
            raise ValueError("the budget is free")
        return self.budget

    @property
    def arms(self) -> tuple[Channel, ...]:
        """What money is given to: channels without campaigns, and campaigns."""
        return tuple(arm for channel in self.channels for arm in channel.campaigns or (channel,))

    @property
    def draws(self) -> int:
        """How many draws the curves carry."""
        return max((len(arm.response.draws) for arm in self.arms), default=0)

    @property
    def boxed(self) -> bool:
        """Whether it is one period over boxes, and the mean of the draws: all but goal and budget
        is plain."""
        plain = all(
            not (c.minimum_if_active or c.increment or c.campaigns or c.prior_spend or c.periods)
            and c.max_outcome is None
            and c.min_total == 0.0
            and c.max_total is None
            and all(weight == 1.0 for weight in c.period_weights)
            for c in self.channels
        )
        return (
            plain
            and not (self.constraints or self.interactions or self.period_budgets)
            and not self.windows
            and self.budget_min is None
            and self.goal.max_outcome is None
            and self.horizon == Horizon()
            and self.risk.measure == "expected"
            and self.test_reserve == 0.0
            and self.goal.long_term_weight == 0.0
            and self.goal.max_frequency is None
            and self.goal.population is None
        )

    @property
    def separable(self) -> bool:
        """Whether one budget over boxes says it all, as the method ``lagrangian`` asks."""
        return self.boxed and self.budget is not None and self.goal == Goal()
