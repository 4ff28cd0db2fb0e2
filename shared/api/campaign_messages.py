"""``POST /campaigns`` in code: its request, and its answer, which a test holds to real ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.api.answers import Answer, Caution, CertificateAnswer, Interval, Totals, Violation
from shared.api.curve_messages import Message
from shared.api.messages import MAX_CHANNELS, ChannelSpend, OptimizeRequest

__all__ = ["CampaignsAnswer", "CampaignsRequest"]

Ranks = Annotated[list[int], Field(min_length=2, max_length=2)]


class CampaignsRequest(Message):
    """Campaigns ranked, split within their channels, and predicted."""

    base: OptimizeRequest
    plan: list[ChannelSpend] | None = Field(
        None,
        max_length=MAX_CHANNELS,
        description="The caller's own spend of every channel, by campaign, to be predicted too.",
    )


class RankedCampaign(Answer):
    """One campaign (or channel without campaigns), the highest marginal return first."""

    rank: int
    rank_interval: Ranks | None = Field(description="90 % of the draws rank it within these.")
    average_rank: int | None = Field(description="Its place by average return.")
    channel: str
    campaign: str | None
    spend: float
    outcome: float
    outcome_share: float | None
    marginal_return: float | None = Field(description="Outcome from the next unit of money.")
    marginal_interval: Interval | None
    average_return: float | None
    average_interval: Interval | None


class SplitCampaign(Answer):
    """One campaign's part of its channel's money, over the horizon."""

    campaign: str
    current_spend: float
    spend: float
    change: float


class CampaignMove(Answer):
    """The best amount to move between two campaigns, everything else as today."""

    from_campaign: str
    to_campaign: str
    amount: float
    gain: float = Field(description="Of this move alone; gains of several do not add up.")
    gain_interval: Interval | None
    probability_better: float | None


class ChannelSplit(Answer):
    """One channel's money of today in the best split among its campaigns."""

    channel: str
    spend: float
    gain: float = Field(description="Outcome over today's split of the same money.")
    gain_interval: Interval | None
    probability_better: float | None
    relative_gap: float | None = Field(
        description="Proven distance of the split's outcome from the best there is."
    )
    campaigns: list[SplitCampaign]
    moves: list[CampaignMove] = Field(description="Single moves that gain, the best first.")
    pairs_left_out: int


class Prediction(Answer):
    """What one campaign brings in one plan."""

    spend: float
    outcome: float
    outcome_interval: Interval | None
    marginal_return: float | None
    average_return: float | None


class CampaignPredictions(Answer):
    """One campaign (or channel without campaigns) in each plan."""

    channel: str
    campaign: str | None
    current: Prediction | None
    within: Prediction | None
    recommended: Prediction | None
    yours: Prediction | None


class PredictedPlan(Answer):
    """One plan as a whole."""

    totals: Totals
    violations: list[Violation]
    status: Literal["optimal", "feasible"] | None = None
    certificate: CertificateAnswer | None = None


class PredictedPlans(Answer):
    """Today's plan; its totals by channel, best split; the best plan of all; the caller's."""

    current: PredictedPlan | None
    within: PredictedPlan | None
    recommended: PredictedPlan
    yours: PredictedPlan | None


class CampaignsAnswer(Answer):
    """Campaigns ranked, split within their channels, and predicted."""

    ranked_at: Literal["current", "recommended"]
    ranking: list[RankedCampaign]
    within: list[ChannelSplit]
    predictions: list[CampaignPredictions]
    plans: PredictedPlans
    warnings: list[Caution]
    curves_version: str | None
    request_id: str
