"""The other planning questions: requests, and answers as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.api.answers import (
    Allocated,
    Answer,
    Caution,
    CertificateAnswer,
    ChannelSpendAnswer,
    CurrentDays,
    Interval,
    Sentence,
    ShadowPrice,
    TodayScaled,
    Totals,
    TrustAnswer,
    Violation,
)
from shared.api.curve_messages import NOT_TINY, WHOLE, Message, Money, Name, Positive
from shared.api.messages import MAX_CHANNELS, ChannelSpend, OptimizeRequest
from shared.history.spec import Day

__all__ = [
    "CampaignsAnswer",
    "CampaignsRequest",
    "ExperimentAnswer",
    "ExperimentRequest",
    "PortfolioAnswer",
    "PortfolioPart",
    "PortfolioRequest",
    "TransitionAnswer",
    "TransitionRequest",
]

Ranks = Annotated[list[int], Field(min_length=2, max_length=2)]


class TransitionRequest(Message):
    """Steps from today's plan to the recommended one."""

    base: OptimizeRequest
    max_change: Annotated[float, Field(gt=0, le=10)] = Field(
        description="Largest change of a channel from one period to the next, as a fraction."
    )
    periods: Annotated[int, Field(ge=1, le=104), WHOLE] = Field(description="Steps to be made.")


class StepChannel(Answer):
    """One channel (or channel/campaign) in one step."""

    channel: str
    spend: float
    change: float = Field(description="From the step before.")
    change_share: float | None
    recommended: float
    there: bool = Field(description="Whether it spends what is recommended.")


class StepAnswer(Answer):
    """One period on the way."""

    period: int = Field(description="From 1.")
    spend: float
    outcome: float = Field(description="In this period, carryover of what went before included.")
    outcome_interval: Interval | None
    reached_share: float | None = Field(
        description="Of the gain in the objective, once this step's spend is sustained."
    )
    channels: list[StepChannel]


class TodayAnswer(Answer):
    """Today's plan, sustained."""

    spend: float
    outcome: float


class RecommendedAnswer(Answer):
    """The best plan of the base, which the steps lead to."""

    status: Literal["optimal", "feasible"]
    totals: Totals
    certificate: CertificateAnswer
    allocation: list[ChannelSpendAnswer]


class TransitionAnswer(Answer):
    """The way to the recommended plan."""

    path: Literal["best_steps", "straight"]
    path_reason: str
    steps: list[StepAnswer]
    current: TodayAnswer
    recommended: RecommendedAnswer
    gain: float = Field(description="Of the recommended plan over today's, in the objective.")
    reached_share: float | None = Field(description="Of the gain, after the last step.")
    arrives_in: int | None = Field(description="Steps until 99 % of the gain is reached.")
    outcome_arrives_in: int | None = Field(
        description="Steps until 99 % of the recommended plan's further outcome is there, with "
        "carryover; null where it is not within the steps, or where that plan brings no more."
    )
    outcome_gained: float = Field(
        description="Over all steps, against keeping today's plan; with carryover."
    )
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class ExperimentRequest(Message):
    """A test that shows whether the recommended shift is right."""

    base: OptimizeRequest
    channels: list[Name] | None = Field(
        None, max_length=MAX_CHANNELS, description="Channels to test; the best ones if not given."
    )
    noise: Positive | None = Field(
        None,
        description="Standard deviation of the outcome of one period that the curves do not "
        "explain; a stored dataset's own if not given.",
    )
    noise_correlation: Annotated[float, Field(gt=-1, lt=1)] | None = Field(
        None, description="Correlation of that noise from one period to the next; 0, or the fit's."
    )
    power: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.8, description="Probability with which the test is to find the effect."
    )
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.1, description="Probability of finding an effect that is not there (two-sided)."
    )
    max_periods: Annotated[int, Field(ge=2, le=520), WHOLE] = Field(
        26, description="Periods that the whole test may take."
    )
    start: Day | None = Field(
        None, description="First day of the changed spend, of a stored dataset: dates the test."
    )


class LiftTestAnswer(Answer):
    """A test as ``spec.lift_tests`` takes it: the periods of the changed spend, in all."""

    channel: str
    campaign: str | None
    geo: str | None
    geos: list[str] | None
    experiment: str | None
    start: str | None = Field(description="Null until the request says when it starts.")
    end: str | None
    spend_change: float = Field(description="In all; negative where less is spent.")
    outcome_change: float | None = Field(description="Null: it is to be measured.")
    standard_error: float = Field(description="Of outcome_change, as the noise makes it.")
    measured_until: str | None = Field(description="Null: until the changed spend ends.")
    bursts: list[dict[str, str]] | None = Field(description="Null: one stretch.")
    in_history: bool


class DesignAnswer(Answer):
    """The test of one channel."""

    channel: str
    value_of_information: float | None = Field(
        description="Expected outcome gained by knowing its curve; null where not computed."
    )
    current_spend: float
    recommended_spend: float
    test_spend: float
    spend_change_per_period: float
    spend_change_share: float | None
    periods: int = Field(description="In each of the two blocks.")
    wash_in_periods: int = Field(description="Between the blocks, for carryover to settle.")
    total_periods: int
    expected_lift: float = Field(description="Outcome per period, of the changed spend.")
    expected_lift_interval: Interval | None
    minimum_detectable_lift: float
    standard_error: float
    power: float = Field(description="Probability of finding the expected lift.")
    assurance: float | None = Field(description="The same, over the draws of the curve.")
    break_even_lift: float | None = Field(
        description="What the same money brings elsewhere; null where money has no one price."
    )
    periods_to_settle: int | None
    detects: bool
    settles: bool | None
    extra_spend: float
    outcome_lost: float | None = Field(
        description="Expected, against spending the same money elsewhere; 0 where the test earns."
    )
    lift_test: LiftTestAnswer = Field(
        description="The test as spec.lift_tests takes it, to be filled in once it is measured."
    )
    explanation: list[Sentence]


class ExperimentAnswer(Answer):
    """Test designs, the one that pays most to know first."""

    first: str | None
    ranked_by: Literal["value_of_information", "recommended_change"]
    designs: list[DesignAnswer]
    noise: float
    noise_correlation: float
    power: float
    alpha: float
    max_periods: int
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


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


MAX_DATASETS = 200


class PortfolioPart(Message):
    """One dataset (brand, country) of a portfolio."""

    dataset: Name = Field(description="Stored dataset whose fitted curves are used.")
    curves_version: Name | None = Field(
        None, description="Version of the stored curves; the current ones (latest) if not given."
    )
    min_spend: Money | None = Field(
        None, description="Together its channels spend at least this, money per period."
    )
    max_spend: Money | None = Field(
        None, description="Together its channels spend at most this, money per period."
    )
    weight: Annotated[float, Field(gt=0, le=1e9), NOT_TINY] | None = Field(
        None,
        description="What one of its outcomes counts (its value); of all datasets or of none.",
    )


class PortfolioRequest(Message):
    """One budget over several datasets."""

    datasets: list[PortfolioPart] = Field(min_length=1, max_length=MAX_DATASETS)
    budget: Money = Field(description="Money per period for all of them.")
    spend_all: bool = Field(
        True, description="True: the budget is spent to the cent. False: it is a cap."
    )


class PortfolioDataset(Answer):
    """One dataset's part; outcomes are counted at its weight, but for unweighted_outcome."""

    dataset: str
    curves_version: str | None
    current_over: CurrentDays | None
    weight: float
    outcome_unit: str | None
    unweighted_outcome: float = Field(description="In the dataset's own unit.")
    share: float | None = Field(description="Of all that is spent.")
    marginal_return: float | None = Field(
        description="Outcome from one more unit of money, spread as the dataset's money is."
    )
    totals: Totals
    allocation: list[Allocated]


class PortfolioAnswer(Answer):
    """The best split of one budget between datasets and within each, with one proof."""

    status: Literal["optimal", "feasible"]
    datasets: list[PortfolioDataset]
    totals: Totals
    today_scaled: TodayScaled | None
    certificate: CertificateAnswer
    shadow_prices: list[ShadowPrice]
    trust: TrustAnswer | None = Field(
        description="Of the dataset that is to be trusted least; null where none was fitted here."
    )
    explanation: list[Sentence]
    warnings: list[Caution]
    request_id: str
