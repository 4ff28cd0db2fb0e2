"""What the learning endpoints answer."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shared.api.answers import Answer, Interval
from shared.api.dataset_messages import Page

__all__ = [
    "AllocatorAnswer",
    "AllocatorsAnswer",
    "ObservedAnswer",
    "OffPolicyAnswer",
    "SplitAnswer",
    "TrackingAnswer",
]


class _Warning(Answer):
    """Something to know of an answer."""

    code: str
    message: str


class AllocatorAnswer(Answer):
    """An allocator."""

    dataset: str
    allocator: str
    kind: str
    outcome: str
    spec: dict[str, Any]
    arms: list[dict[str, Any]]
    events: int
    state: str = Field(description="Of what it was told: the same events, the same word.")
    decisions: list[dict[str, Any]] = Field(description="Splits, with the shares really used.")


class _Listed(Answer):
    """An allocator, in short."""

    allocator: str
    kind: str
    outcome: str
    arms: list[dict[str, Any]]
    events: int


class AllocatorsAnswer(Page):
    """All allocators of a dataset."""

    allocators: list[_Listed]


class ObservedAnswer(Answer):
    """What of a batch was new."""

    dataset: str
    allocator: str
    events: int
    added: int
    corrected: int
    repeated: int


class _ArmSplit(Answer):
    """One arm's part of a split."""

    arm: str
    spend: float
    share: float = Field(description="Of the budget, as really used: its propensity.")
    probability_best: float
    return_: float = Field(alias="return", description="Of the next unit of money.")
    return_interval: Interval
    rate: float = Field(description="Outcome per trial; of an arm with a curve, its size.")
    trials: int
    outcomes: int
    seen: float = Field(description="Of its trials' outcomes, the share that has come by now.")
    changed_at: int | None


class _ContextArm(Answer):
    """One arm in one context."""

    arm: str
    share: float
    probability_best: float
    return_: float = Field(alias="return")


class _ContextSplit(Answer):
    """The split in one context."""

    context: dict[str, Any]
    share: float = Field(description="Of all trials.")
    arms: list[_ContextArm]


class SplitAnswer(Answer):
    """The split of one period's budget."""

    dataset: str
    allocator: str
    decision: str
    period: int
    budget: float
    spent: float
    arms: list[_ArmSplit]
    contexts: list[_ContextSplit]
    expected_outcome: float
    expected_regret: float = Field(description="Outcome lost against knowing every rate.")
    discount: float | None
    why: str
    warnings: list[_Warning]


class _Estimate(Answer):
    """Reward a row, with its error."""

    value: float
    error: float | None
    interval: Interval | None


class _Overlap(Answer):
    """How much the log says of the rule."""

    effective_size: float
    largest_weight: float = Field(description="Share of one row in all weight.")
    mean_weight: float = Field(description="1 where the propensities are right.")
    mass_on_rare_pairs: float = Field(description="Of the rule, on pairs logged under .01.")


class OffPolicyAnswer(Answer):
    """What another rule would have brought."""

    rows: int
    inverse_propensity: _Estimate | None = Field(description="null of an adaptive log.")
    self_normalised: _Estimate | None
    doubly_robust: _Estimate
    logging_rule: _Estimate
    difference: _Estimate = Field(description="To what was done, row by row: the decision.")
    overlap: _Overlap
    verdict: str


class _TrackedPeriod(Answer):
    """One period of an adopted plan."""

    period: str
    planned: float
    done: float
    forecast: float = Field(description="Given the spend that was executed, one period ahead.")
    forecast_interval: Interval
    outcome: float | None
    z: float | None = Field(description="Error in standard deviations, without its memory.")
    above: float
    below: float
    alarm: int = Field(description="1: the sum above passed the limit; -1: that below.")


class _Alarm(Answer):
    """Why a plan should be looked at."""

    code: str
    message: str
    period: str | None


class _Calibration(Answer):
    """Errors so far, and what they multiply the next intervals by."""

    periods: int
    square: float
    scale: float


class TrackingAnswer(Answer):
    """How an adopted plan goes."""

    dataset: str
    plan: str
    start: str
    curves_version: str
    stated: dict[str, Any] = Field(description="Totals of the plan as it was answered.")
    periods: list[_TrackedPeriod]
    limit: float = Field(description="Of the sums; two false alarms a year over all plans.")
    alarms: list[_Alarm]
    calibration: _Calibration
    explanation: list[str]
