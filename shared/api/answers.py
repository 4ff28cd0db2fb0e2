"""The planning answers in code: what the OpenAPI document promises; tests hold it to real ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Allocated",
    "Answer",
    "Caution",
    "CertificateAnswer",
    "ChannelSpendAnswer",
    "CurrentDays",
    "EvaluateAnswer",
    "Interval",
    "OptimizeAnswer",
    "ProblemAnswer",
    "ScenariosAnswer",
    "SensitivityAnswer",
    "Sentence",
    "ShadowPrice",
    "TodayScaled",
    "Totals",
    "TrustAnswer",
    "Violation",
]


class Answer(BaseModel):
    """Part of an answer; a field that is not here is a field that nobody was promised."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)


Interval = Annotated[
    list[float], Field(min_length=2, max_length=2, description="90 % interval: low, high.")
]


class AllocatedPeriod(Answer):
    """One period of a channel's part of a plan over time."""

    period: int = Field(description="From 1.")
    start: str | None = Field(None, description="Its first day, where the calendar is known.")
    spend: float
    outcome: float
    outcome_interval: Interval | None


class ToldOutcome(Answer):
    """One of several outcomes, each counted as one."""

    outcome: str
    value: float
    interval: Interval | None


class AllocatedArm(Answer):
    """One channel's (or campaign's) part of a plan; amounts are sums over the horizon."""

    channel: str
    spend: float
    current_spend: float | None
    change: float | None
    change_share: float | None
    outcome: float
    current_outcome: float | None
    outcome_interval: Interval | None
    spend_interval: Interval | None = Field(
        description="How far the best spend itself moves over the draws."
    )
    marginal_return: float | None = Field(description="Outcome from the next unit of money.")
    average_return: float | None
    saturation: float | None = Field(description="Outcome as a share of what it can ever bring.")
    binding: list[str] = Field(
        description="Names of the bounds and constraints that hold the spend."
    )
    extrapolated: bool | None = Field(description="Beyond the highest observed spend.")
    periods: list[AllocatedPeriod] | None = Field(
        None, description="Each period's part, in a plan over time."
    )


class Allocated(AllocatedArm):
    """One channel's part of a plan, with its campaigns below it."""

    campaigns: list[AllocatedArm] | None = Field(
        None, description="Each campaign's part, where the channel has campaigns."
    )
    outcomes: list[ToldOutcome] | None = Field(
        None, description="Each of several outcomes; outcome is their weighted sum."
    )


class ShortArm(Answer):
    """One channel's (or campaign's) part of a scenario."""

    channel: str
    spend: float
    current_spend: float | None
    outcome: float
    outcome_interval: Interval | None
    marginal_return: float | None
    binding: list[str]
    periods: list[AllocatedPeriod] | None = Field(
        None, description="Each period's part, in a plan over time."
    )


class AllocatedShort(ShortArm):
    """One channel's part of a scenario, with its campaigns below it."""

    campaigns: list[ShortArm] | None = None


class Totals(Answer):
    """A plan as a whole, against the current one."""

    spend: float
    outcome: float
    outcome_interval: Interval | None
    outcome_lost: float = Field(
        description="Of the outcome, what comes beyond a max_outcome, and is worth nothing."
    )
    outcomes: list[ToldOutcome] | None = Field(
        description="Each of several outcomes; outcome is their weighted sum."
    )
    current_spend: float | None
    current_outcome: float | None
    uplift: float | None = Field(description="Outcome that counts, less that of the current plan.")
    uplift_share: float | None
    uplift_interval: Interval | None
    outcome_from_past_spend: float = Field(
        description="Of the outcome, what earlier spend (prior_spend) still brings."
    )
    value: float | None = Field(description="Money that the outcome is worth, where that is told.")
    profit: float | None = Field(description="Value less spend.")
    roas: float | None = Field(
        description="Outcome (or value) of the money still to be spent, per unit of it."
    )
    cpa: float | None
    probability_better: float | None = Field(
        description="Share of draws in which this plan beats the current one."
    )


class CurrentDays(Answer):
    """Days of a stored history, both included, and how many periods they are."""

    first: str = Field(alias="from")
    last: str = Field(alias="to")
    periods: int


class TodayScaled(Answer):
    """Today's mix at the plan's money: what the mix itself is worth."""

    spend: float
    outcome: float
    outcome_interval: Interval | None
    uplift: float = Field(description="Outcome that the plan brings beyond it.")
    uplift_interval: Interval | None
    probability_better: float | None = Field(
        description="Share of draws in which the plan beats it."
    )


class CertificateAnswer(Answer):
    """How good the plan is, computed apart from the solver."""

    objective: float = Field(
        description="In its own unit: outcome, money (profit, least spend) or reached people."
    )
    upper_bound: float | None
    lower_bound: float | None = Field(
        None, description="For minimize_spend, where less is better; upper_bound is then null."
    )
    gap: float | None
    relative_gap: float | None
    proven: bool = Field(description="Whether the bound holds for every feasible plan.")
    method: str
    method_reason: str
    max_constraint_violation: float
    kkt_residual: float | None
    iterations: int
    nodes: int
    stopped_by: Literal["gap", "work", "time"] = Field(
        description="What ended the search: its own gap, the work that time_limit_s allows (the "
        "same on any machine), or the clock, as an emergency."
    )
    solve_ms: float


class ShadowPrice(Answer):
    """Gain in the objective per unit of relaxing one limit, and on either side of its number."""

    name: str
    value: float | None
    value_more: float | None
    value_less: float | None
    unit: str


class Sentence(Answer):
    """One sentence of the explanation with the figures that it states."""

    code: str
    text: str
    data: dict[str, Any]


class Caution(Answer):
    """Something to know before acting."""

    code: str
    message: str


class _ConflictAnswer(Answer):
    """One of the smallest set of constraints that cannot hold together."""

    name: str
    message: str
    missed_by: float


Status = Literal["optimal", "feasible"]


class TrustPart(Answer):
    """One thing that trust in a fit rests on; ``score`` from 0 to 1, null where not known."""

    part: Literal["data", "identification", "calibration", "stability", "experiments"]
    score: float | None
    text: str
    data: dict[str, Any]


class TrustStep(Answer):
    """By how much to move at once."""

    advice: Literal["move", "half", "hold_or_test"]
    max_change: float = Field(description="To be asked for as the channels' max_change.")
    text: str


class TrustAnswer(Answer):
    """How far stored curves are to be trusted; the score is a rule, no probability."""

    score: float
    text: str
    parts: list[TrustPart]
    step: TrustStep | None = Field(description="Null where today's spend is unknown.")


class OptimizeAnswer(Answer):
    """The best allocation with its proof."""

    status: Status
    allocation: list[Allocated]
    totals: Totals
    today_scaled: TodayScaled | None = Field(
        description="Null where today's spend is unknown, or the money is today's anyway."
    )
    current_over: CurrentDays | None = Field(
        description="Which days of the stored history stand for today; null with inline curves."
    )
    then: Literal["continue", "stop"] | None = Field(
        description="Whether spend goes on after the horizon; null for one period."
    )
    certificate: CertificateAnswer
    shadow_prices: list[ShadowPrice]
    trust: TrustAnswer | None = Field(description="Null for curves that were not fitted here.")
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class Violation(Answer):
    """A limit that a plan breaks, and by how much: money, or outcome where a target is missed."""

    name: str
    amount: float
    message: str


class CurrentPlan(Answer):
    """Today's plan, scored."""

    allocation: list[Allocated]
    totals: Totals
    violations: list[Violation]


class BestPlan(Answer):
    """The best plan, for comparison."""

    status: Status
    allocation: list[Allocated]
    totals: Totals
    certificate: CertificateAnswer


class BestMove(Answer):
    """The single shift of money that raises the objective most, every limit kept."""

    source: str = Field(alias="from", description="A channel, a campaign, or budget: not spent.")
    to: str
    amount: float = Field(description="Money over the horizon, or in the one period.")
    period: int | None = Field(description="From 1; null: over the whole horizon.")
    gain: float = Field(description="In the objective's own unit.")
    text: str


class EvaluateAnswer(Answer):
    """A caller's plan, scored."""

    allocation: list[Allocated]
    totals: Totals
    violations: list[Violation]
    current: CurrentPlan | None
    best: BestPlan
    regret: float = Field(
        description="What is lost against the best plan, in the objective's own unit."
    )
    regret_share: float | None
    beats_best_by: float = Field(
        description="What the plan gains by breaking limits that the best plan keeps."
    )
    best_move: BestMove | None = Field(description="Null where no single move helps.")
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class ChannelDifference(Answer):
    """Scenario minus base, for one channel."""

    channel: str
    spend: float
    outcome: float


class Difference(Answer):
    """Scenario minus base."""

    spend: float
    outcome: float
    outcome_share: float | None
    outcome_interval: Interval | None
    probability_better: float | None = Field(
        description="Share of draws in which the scenario brings more than the base."
    )
    channels: list[ChannelDifference]


class ScenarioAnswer(Answer):
    """One scenario in short; null parts where no plan satisfies it."""

    name: str
    status: Literal["optimal", "feasible", "scored", "infeasible"]
    allocation: list[AllocatedShort] | None
    totals: Totals | None
    certificate: CertificateAnswer | None
    difference: Difference | None = None
    violations: list[Violation] | None = None
    regret: float | None = None
    detail: str | None = None
    conflicts: list[_ConflictAnswer] | None = None
    warnings: list[Caution] | None = Field(
        None, description="What is to be said of this scenario and not of the base."
    )


class ChannelSpendAnswer(Answer):
    """Spend of one channel."""

    channel: str
    spend: float


class SweepAnswer(Answer):
    """The best plan at one budget."""

    budget: float
    status: Literal["optimal", "feasible", "infeasible"]
    spend: float | None
    outcome: float | None
    outcome_interval: Interval | None
    marginal_return: float | None
    relative_gap: float | None = None
    allocation: list[ChannelSpendAnswer] | None
    detail: str | None = None
    conflicts: list[_ConflictAnswer] | None = None


class FrontierPoint(Answer):
    """One plan of a frontier."""

    position: float = Field(description="From the first goal's best plan (0) to the second's (1).")
    first: float
    second: float
    dominated: bool
    status: Literal["optimal", "feasible"]
    relative_gap: float | None
    spend: float
    outcome: float
    allocation: list[ChannelSpendAnswer]


class FrontierAnswer(Answer):
    """What two goals cost each other."""

    between: str
    first: str = Field(description="What `first` of a point is.")
    second: str = Field(description="What `second` of a point is.")
    points: list[FrontierPoint]
    warnings: list[Caution]


class ScenariosAnswer(Answer):
    """The base, its scenarios, the budgets swept and the frontier."""

    base: ScenarioAnswer
    scenarios: list[ScenarioAnswer]
    sweep: list[SweepAnswer]
    frontier: FrontierAnswer | None
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class FaultAnswer(Answer):
    """One thing wrong with the request."""

    pointer: str = Field(description="RFC 6901 JSON pointer into the request.")
    code: str
    message: str


class ProblemAnswer(Answer):
    """RFC 9457 problem details: all the faults of a request at once."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FaultAnswer] | None = None
    more_errors: bool | None = Field(None, description="Whether there are more than are told.")
    conflicts: list[_ConflictAnswer] | None = None
    request_id: str


class SensitivityBase(Answer):
    """The base's best plan in short."""

    status: Literal["optimal", "feasible"]
    totals: Totals
    certificate: CertificateAnswer
    allocation: list[ChannelSpendAnswer]


class SpendElasticity(Answer):
    """Relative change of a channel's spend per relative change of a parameter."""

    channel: str
    elasticity: float | None


class ParameterSensitivity(Answer):
    """One parameter of one curve."""

    channel: str
    part: Literal["saturation", "adstock", "price"]
    parameter: str
    value: float | None = Field(description="Null where it is a list of points, moved as one.")
    relative_sd: float
    relative_sd_basis: Literal["draws", "assumed"]
    outcome_elasticity: float | None
    outcome_swing: float | None = Field(
        description="Outcome gained or lost when the parameter is off by one relative_sd."
    )
    spend_elasticities: list[SpendElasticity] | None
    how: Literal["derivative", "resolved"]


class Assumption(Answer):
    """A parameter by how much of the outcome hangs on it."""

    rank: int
    channel: str
    part: Literal["saturation", "adstock", "price"]
    parameter: str
    outcome_swing: float
    relative_sd: float
    text: str


class BudgetPoint(Answer):
    """The best outcome at one budget."""

    budget: float
    status: Literal["optimal", "feasible", "infeasible"]
    outcome: float | None
    outcome_interval: Interval | None
    marginal_return: float | None
    relative_gap: float | None


class CurvePoint(Answer):
    """Outcome per period of one sustained spend."""

    spend: float
    outcome: float
    marginal_return: float | None
    low: float | None
    high: float | None


class CurveBand(Answer):
    """One channel's response curve with its 90 % band."""

    channel: str
    current_spend: float | None
    recommended_spend: float
    observed_max: float | None
    points: list[CurvePoint]


class ChannelInformation(Answer):
    """Expected outcome gained by knowing one channel's curve exactly."""

    channel: str
    gain: float
    gain_share: float | None


class InformationAnswer(Answer):
    """Expected value of perfect information, the most valuable channel first."""

    channels: list[ChannelInformation]
    all: float = Field(description="Of knowing every curve at once.")
    unit: str


class PlanUnderDraws(Answer):
    """What a plan brings over the draws."""

    outcome: float
    outcome_interval: Interval | None
    worst_tenth: float = Field(description="Mean outcome of the worst tenth of the draws.")


class TwoSpends(Answer):
    """A channel's spend in either plan, over the horizon."""

    channel: str
    average_spend: float
    careful_spend: float


class CautiousAnswer(Answer):
    """The plan that is best on average beside the one that is best under uncertainty."""

    measure: str
    level: float
    average: PlanUnderDraws
    careful: PlanUnderDraws
    channels: list[TwoSpends]


class SensitivityAnswer(Answer):
    """How the answer moves when its inputs and parameters do."""

    base: SensitivityBase
    parameters: list[ParameterSensitivity]
    assumptions: list[Assumption]
    limits: list[ShadowPrice]
    budgets: list[BudgetPoint] | None
    bands: list[CurveBand]
    information: InformationAnswer | None
    cautious: CautiousAnswer | None
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str
