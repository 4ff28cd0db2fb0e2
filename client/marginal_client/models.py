"""Types of requests and answers, made by client.make_models from the schemas."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class Adoption(TypedDict):
    start: str
    periods: NotRequired[int | None]


class Alarm(TypedDict):
    code: str
    message: str
    period: str | None


class Allocated(TypedDict):
    channel: str
    spend: float
    current_spend: float | None
    change: float | None
    change_share: float | None
    outcome: float
    current_outcome: float | None
    outcome_interval: list[float] | None
    spend_interval: list[float] | None
    marginal_return: float | None
    average_return: float | None
    saturation: float | None
    binding: list[str]
    extrapolated: bool | None
    periods: NotRequired[list[AllocatedPeriod] | None]
    campaigns: NotRequired[list[AllocatedArm] | None]
    outcomes: NotRequired[list[ToldOutcome] | None]


class AllocatedArm(TypedDict):
    channel: str
    spend: float
    current_spend: float | None
    change: float | None
    change_share: float | None
    outcome: float
    current_outcome: float | None
    outcome_interval: list[float] | None
    spend_interval: list[float] | None
    marginal_return: float | None
    average_return: float | None
    saturation: float | None
    binding: list[str]
    extrapolated: bool | None
    periods: NotRequired[list[AllocatedPeriod] | None]


class AllocatedPeriod(TypedDict):
    period: int
    start: NotRequired[str | None]
    spend: float
    outcome: float
    outcome_interval: list[float] | None


class AllocatedShort(TypedDict):
    channel: str
    spend: float
    current_spend: float | None
    outcome: float
    outcome_interval: list[float] | None
    marginal_return: float | None
    binding: list[str]
    periods: NotRequired[list[AllocatedPeriod] | None]
    campaigns: NotRequired[list[ShortArm] | None]


class AllocatorAnswer(TypedDict):
    dataset: str
    allocator: str
    kind: str
    outcome: str
    spec: dict[str, Any]
    arms: list[dict[str, Any]]
    events: int
    state: str
    decisions: list[dict[str, Any]]


class AllocatorSpec(TypedDict):
    allocator: str
    kind: Literal['thompson', 'ucb', 'contextual', 'epsilon_greedy']
    outcome: Literal['binary', 'count', 'money']
    arms: list[Arm]
    budget: float
    min_share: NotRequired[float | None]
    lot: NotRequired[float | None]
    delay: NotRequired[Delay | None]
    drift: NotRequired[Drift | None]
    features: NotRequired[list[ContextFeature] | None]
    epsilon: NotRequired[float | None]
    noise_sd: NotRequired[float | None]
    value_shape: NotRequired[float | None]
    ramp: NotRequired[int | None]
    seed: NotRequired[int | None]


class AllocatorsAnswer(TypedDict):
    next_cursor: str | None
    allocators: list[Listed]


Anything: TypeAlias = "dict[str, Any]"


class Arm(TypedDict):
    arm: str
    version: NotRequired[int | None]
    floor: NotRequired[float | None]
    ceiling: NotRequired[float | None]
    cost: NotRequired[float | None]
    start: NotRequired[int | None]
    end: NotRequired[int | None]
    channel: NotRequired[str | None]
    curve: NotRequired[Curve | None]
    prior: NotRequired[ArmPrior | None]
    delay: NotRequired[Delay | None]


class ArmPrior(TypedDict):
    mean: float
    trials: float


ArmSplit = TypedDict("ArmSplit", {"arm": "str", "spend": "float", "share": "float", "probability_best": "float", "return": "float", "return_interval": "list[float]", "rate": "float", "trials": "int", "outcomes": "int", "seen": "float", "changed_at": "int | None"})


class AskedOutcome(TypedDict):
    outcome: str
    weight: NotRequired[float | None]
    min: NotRequired[float | None]
    dataset: NotRequired[str | None]


class Assumption(TypedDict):
    rank: int
    channel: str
    part: Literal['saturation', 'adstock', 'price']
    parameter: str
    outcome_swing: float
    relative_sd: float
    text: str


BestMove = TypedDict("BestMove", {"from": "str", "to": "str", "amount": "float", "period": "int | None", "gain": "float", "text": "str"})


class BestPlan(TypedDict):
    status: Literal['optimal', 'feasible']
    allocation: list[Allocated]
    totals: Totals
    certificate: CertificateAnswer


class BudgetPoint(TypedDict):
    budget: float
    status: Literal['optimal', 'feasible', 'infeasible']
    outcome: float | None
    outcome_interval: list[float] | None
    marginal_return: float | None
    relative_gap: float | None


BudgetWindow = TypedDict("BudgetWindow", {"from": "int | str", "to": "NotRequired[int | str | None]", "budget": "float", "min": "NotRequired[float | None]"})


class Burst(TypedDict):
    start: str
    end: str


class Calibration(TypedDict):
    periods: int
    square: float
    scale: float


class Campaign(TypedDict):
    channel: str
    current_spend: NotRequired[float | None]
    min_spend: NotRequired[float | None]
    max_spend: NotRequired[float | None]
    min_total: NotRequired[float | None]
    max_total: NotRequired[float | None]
    max_change: NotRequired[float | None]
    locked: NotRequired[bool | None]
    minimum_if_active: NotRequired[float | None]
    increment: NotRequired[float | None]
    period_weights: NotRequired[list[float] | None]
    response: NotRequired[Response | None]
    saturation: NotRequired[Hill | Exponential | Logistic | MichaelisMenten | Sigmoid | Logarithmic | Power | Tabulated | None]
    adstock: NotRequired[Geometric | Delayed | WeibullPdf | WeibullCdf | LagWeights | None]
    effectiveness: NotRequired[float | None]
    price: NotRequired[float | None]
    price_elasticity: NotRequired[float | None]
    reference_spend: NotRequired[float | None]
    value_per_outcome: NotRequired[float | None]
    penalty_per_unit: NotRequired[float | None]
    periods: NotRequired[list[PeriodLimits] | None]
    exclude: NotRequired[bool | None]


class CampaignMove(TypedDict):
    from_campaign: str
    to_campaign: str
    amount: float
    gain: float
    gain_interval: list[float] | None
    probability_better: float | None


class CampaignPredictions(TypedDict):
    channel: str
    campaign: str | None
    current: Prediction | None
    within: Prediction | None
    recommended: Prediction | None
    yours: Prediction | None


class CampaignSpend(TypedDict):
    channel: str
    spend: NotRequired[float | None]
    periods: NotRequired[list[float] | None]


class CampaignsAnswer(TypedDict):
    ranked_at: Literal['current', 'recommended']
    ranking: list[RankedCampaign]
    within: list[ChannelSplit]
    predictions: list[CampaignPredictions]
    plans: PredictedPlans
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class CampaignsRequest(TypedDict):
    base: OptimizeRequest
    plan: NotRequired[list[ChannelSpend] | None]


class Caution(TypedDict):
    code: str
    message: str


class CautiousAnswer(TypedDict):
    measure: str
    level: float
    average: PlanUnderDraws
    careful: PlanUnderDraws
    channels: list[TwoSpends]


class CertificateAnswer(TypedDict):
    objective: float
    upper_bound: float | None
    lower_bound: NotRequired[float | None]
    gap: float | None
    relative_gap: float | None
    proven: bool
    method: str
    method_reason: str
    max_constraint_violation: float
    kkt_residual: float | None
    iterations: int
    nodes: int
    stopped_by: Literal['gap', 'work', 'time']
    solve_ms: float


class Channel(TypedDict):
    channel: str
    current_spend: NotRequired[float | None]
    min_spend: NotRequired[float | None]
    max_spend: NotRequired[float | None]
    min_total: NotRequired[float | None]
    max_total: NotRequired[float | None]
    max_change: NotRequired[float | None]
    locked: NotRequired[bool | None]
    minimum_if_active: NotRequired[float | None]
    increment: NotRequired[float | None]
    period_weights: NotRequired[list[float] | None]
    response: NotRequired[Response | None]
    saturation: NotRequired[Hill | Exponential | Logistic | MichaelisMenten | Sigmoid | Logarithmic | Power | Tabulated | None]
    adstock: NotRequired[Geometric | Delayed | WeibullPdf | WeibullCdf | LagWeights | None]
    effectiveness: NotRequired[float | None]
    price: NotRequired[float | None]
    price_elasticity: NotRequired[float | None]
    reference_spend: NotRequired[float | None]
    value_per_outcome: NotRequired[float | None]
    penalty_per_unit: NotRequired[float | None]
    periods: NotRequired[list[PeriodLimits] | None]
    exclude: NotRequired[bool | None]
    flight: NotRequired[Flight | None]
    responses: NotRequired[list[OutcomeResponse] | None]
    campaigns: NotRequired[list[Campaign] | None]
    max_outcome: NotRequired[float | None]
    like: NotRequired[str | None]
    scale: NotRequired[float | None]
    uncertainty: NotRequired[float | None]


class ChannelDifference(TypedDict):
    channel: str
    spend: float
    outcome: float


class ChannelInformation(TypedDict):
    channel: str
    gain: float
    gain_share: float | None


class ChannelRole(TypedDict):
    channel: str
    spend: NotRequired[str | None]
    impressions: NotRequired[str | None]
    exposure: NotRequired[Literal['spend', 'impressions'] | None]
    saturation: NotRequired[str | None]
    adstock: NotRequired[str | None]
    role: NotRequired[Literal['demand_creation', 'demand_capture'] | None]
    scale: NotRequired[float | Literal['micros', 'cents', 'thousands', 'millions'] | None]
    currency: NotRequired[str | None]
    aliases: NotRequired[list[str] | None]


class ChannelSpend(TypedDict):
    channel: str
    spend: NotRequired[float | None]
    periods: NotRequired[list[float] | None]
    campaigns: NotRequired[list[CampaignSpend] | None]


class ChannelSpendAnswer(TypedDict):
    channel: str
    spend: float


class ChannelSplit(TypedDict):
    channel: str
    spend: float
    gain: float
    gain_interval: list[float] | None
    probability_better: float | None
    relative_gap: float | None
    campaigns: list[SplitCampaign]
    moves: list[CampaignMove]
    pairs_left_out: int


class Coefficient(TypedDict):
    channel: str
    coefficient: float


class ConflictAnswer(TypedDict):
    name: str
    message: str
    missed_by: float


class Constraint(TypedDict):
    name: str
    channels: NotRequired[list[str] | None]
    min_spend: NotRequired[float | None]
    max_spend: NotRequired[float | None]
    min_total: NotRequired[float | None]
    max_total: NotRequired[float | None]
    min_share: NotRequired[float | None]
    max_share: NotRequired[float | None]
    coefficients: NotRequired[list[Coefficient] | None]
    min: NotRequired[float | None]
    max: NotRequired[float | None]
    max_active: NotRequired[int | None]
    per_period: NotRequired[bool | None]
    min_outcome: NotRequired[float | None]
    min_roas: NotRequired[float | None]
    max_cpa: NotRequired[float | None]
    max_outcome: NotRequired[float | None]
    split: NotRequired[list[float] | None]
    periods: NotRequired[list[int | str | Span] | None]


ContextArm = TypedDict("ContextArm", {"arm": "str", "share": "float", "probability_best": "float", "return": "float"})


class ContextFeature(TypedDict):
    feature: str
    values: NotRequired[list[str] | None]
    scale: NotRequired[float | None]


class ContextSplit(TypedDict):
    context: dict[str, Any]
    share: float
    arms: list[ContextArm]


class Control(TypedDict):
    column: str
    kind: NotRequired[Literal['number', 'yes_no', 'category', 'percent'] | None]


CurrentDays = TypedDict("CurrentDays", {"from": "str", "to": "str", "periods": "int"})


CurrentOver = TypedDict("CurrentOver", {"last": "NotRequired[int | None]", "from": "NotRequired[str | None]", "to": "NotRequired[str | None]"})


class CurrentPlan(TypedDict):
    allocation: list[Allocated]
    totals: Totals
    violations: list[Violation]


class Curve(TypedDict):
    saturation: dict[str, Any]
    uncertainty: float
    carryover: NotRequired[float | None]


class CurveBand(TypedDict):
    channel: str
    current_spend: float | None
    recommended_spend: float
    observed_max: float | None
    points: list[CurvePoint]


class CurvePoint(TypedDict):
    spend: float
    outcome: float
    marginal_return: float | None
    low: float | None
    high: float | None


class CurveSetAnswer(TypedDict):
    dataset: str
    version: str
    created_at: str
    spec: dict[str, Any]
    frequency: str
    currency: str | None
    outcome: str
    channels: list[FittedChannel]
    interactions: list[dict[str, Any]]
    baseline: dict[str, Any]
    diagnostics: dict[str, Any]


class DatasetAnswer(TypedDict):
    dataset: str
    created_at: str
    updated_at: str
    has_spec: bool
    has_history: bool
    has_outcomes: bool
    curves_version: str | None


class DatasetArm(TypedDict):
    channel: str
    current_spend: float | None


class DatasetChannel(TypedDict):
    channel: str
    current_spend: float | None
    campaigns: list[DatasetArm]


class DatasetDetail(TypedDict):
    dataset: str
    created_at: str
    updated_at: str
    has_spec: bool
    has_history: bool
    has_outcomes: bool
    curves_version: str | None
    currency: str | None
    outcome: str | None
    frequency: str | None
    first: str | None
    last: str | None
    trust: Any
    today: CurrentDays | None
    channels: list[DatasetChannel]
    last_run: RunAnswer | None
    to_settle: list[FindingAnswer]
    tracking: NotRequired[dict[str, Any] | None]


class DatasetsAnswer(TypedDict):
    next_cursor: str | None
    datasets: list[DatasetAnswer]


class Delay(TypedDict):
    mean: NotRequired[float | None]
    shares: NotRequired[list[float] | None]


class Delayed(TypedDict):
    family: Literal['delayed']
    decay: float
    peak: float
    length: int
    normalised: NotRequired[bool | None]


class DesignAnswer(TypedDict):
    channel: str
    value_of_information: float | None
    current_spend: float
    recommended_spend: float
    test_spend: float
    spend_change_per_period: float
    spend_change_share: float | None
    periods: int
    wash_in_periods: int
    total_periods: int
    expected_lift: float
    expected_lift_interval: list[float] | None
    minimum_detectable_lift: float
    standard_error: float
    power: float
    assurance: float | None
    break_even_lift: float | None
    periods_to_settle: int | None
    detects: bool
    settles: bool | None
    extra_spend: float
    outcome_lost: float | None
    lift_test: LiftTestAnswer
    explanation: list[Sentence]


class Difference(TypedDict):
    spend: float
    outcome: float
    outcome_share: float | None
    outcome_interval: list[float] | None
    probability_better: float | None
    channels: list[ChannelDifference]


class DrawnCurve(TypedDict):
    channel: str
    current_spend: float | None
    observed_max: float | None
    max_spend: float | None
    points: list[ResponsePoint]
    observed: list[list[float]] | None


class Drift(TypedDict):
    method: Literal['discount', 'change_points']
    factor: NotRequired[float | None]
    false_alarms: NotRequired[float | None]


class ErrorAnswer(TypedDict):
    pointer: str
    code: str
    message: str


class Estimate(TypedDict):
    value: float
    error: float | None
    interval: list[float] | None


class EvaluateAnswer(TypedDict):
    allocation: list[Allocated]
    totals: Totals
    violations: list[Violation]
    current: CurrentPlan | None
    best: BestPlan
    regret: float
    regret_share: float | None
    beats_best_by: float
    best_move: BestMove | None
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class EvaluateRequest(TypedDict):
    problem: OptimizeRequest
    plan: list[ChannelSpend]


class Event(TypedDict):
    id: str
    version: NotRequired[int | None]
    arm: str
    period: int
    lag: NotRequired[int | None]
    trials: NotRequired[int | None]
    outcomes: NotRequired[int | None]
    value: NotRequired[float | None]
    spend: NotRequired[float | None]
    context: NotRequired[dict[str, Any] | None]


class ExperimentAnswer(TypedDict):
    first: str | None
    ranked_by: Literal['value_of_information', 'recommended_change']
    designs: list[DesignAnswer]
    noise: float
    noise_correlation: float
    power: float
    alpha: float
    max_periods: int
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class ExperimentRequest(TypedDict):
    base: OptimizeRequest
    channels: NotRequired[list[str] | None]
    noise: NotRequired[float | None]
    noise_correlation: NotRequired[float | None]
    power: NotRequired[float | None]
    alpha: NotRequired[float | None]
    max_periods: NotRequired[int | None]
    start: NotRequired[str | None]


class ExperimentsAnswer(TypedDict):
    experiment: str | None
    kind: str
    design: dict[str, Any]
    explanation: list[Sentence]
    warnings: list[Caution]
    request_id: str


class ExperimentsRequest(TypedDict):
    dataset: NotRequired[str | None]
    history_csv: NotRequired[str | None]
    outcomes_csv: NotRequired[str | None]
    spec: NotRequired[Spec | None]
    stopping: NotRequired[Literal['fixed', 'pocock', 'obrien_fleming', 'spending', 'any_time'] | None]
    geo: NotRequired[GeoRequest | None]
    switchback: NotRequired[TrialRequest | None]
    off: NotRequired[TrialRequest | None]
    ab: NotRequired[SplitRequest | None]
    portfolio: NotRequired[TestPortfolio | None]
    trials: NotRequired[TrialsRequest | None]


class Exponential(TypedDict):
    family: Literal['exponential']
    max_response: float
    rate: float
    offset: NotRequired[float | None]


class FaultAnswer(TypedDict):
    pointer: str
    code: str
    message: str


class Feature(TypedDict):
    name: str
    kind: Literal['lag', 'lead', 'moving_average', 'cumulative', 'difference', 'share_of_voice', 'spend_ratio', 'lagged_outcome']
    column: NotRequired[str | None]
    window: NotRequired[int | None]
    periods: NotRequired[int | None]
    known_ahead: NotRequired[bool | None]
    of: NotRequired[list[str] | None]


class FindingAnswer(TypedDict):
    code: str
    message: str
    data: dict[str, Any]
    settled_by: NotRequired[str | None]


class FitRequest(TypedDict):
    spec: NotRequired[Spec | None]
    history_csv: str
    outcomes_csv: NotRequired[str | None]
    seed: NotRequired[int | None]


class FittedChannel(TypedDict):
    channel: str
    response: ResponseAnswer
    observed_spend: ObservedSpendAnswer
    roi: RoiAnswer | None
    verdict: str


class Flight(TypedDict):
    min_on: NotRequired[int | None]
    min_off: NotRequired[int | None]
    max_flights: NotRequired[int | None]


class Frontier(TypedDict):
    between: Literal['outcome_profit', 'outcome_spend', 'short_long_term', 'expected_worst_case']
    points: NotRequired[int | None]


class FrontierAnswer(TypedDict):
    between: str
    first: str
    second: str
    points: list[FrontierPoint]
    warnings: list[Caution]


class FrontierPoint(TypedDict):
    position: float
    first: float
    second: float
    dominated: bool
    status: Literal['optimal', 'feasible']
    relative_gap: float | None
    spend: float
    outcome: float
    allocation: list[ChannelSpendAnswer]


class GeoRequest(TypedDict):
    channel: str
    change: float
    periods: int
    lasting: NotRequired[int | None]
    start: NotRequired[str | None]
    alpha: NotRequired[float | None]
    noise: NotRequired[float | None]
    noise_correlation: NotRequired[float | None]
    seed: NotRequired[int | None]
    treated: NotRequired[list[str] | None]
    count: NotRequired[int | None]
    method: NotRequired[Literal['time_based_regression', 'synthetic_control', 'trimmed_match'] | None]
    effects: NotRequired[list[float] | None]


class GeoRole(TypedDict):
    geo: str
    aliases: list[str]


class Geometric(TypedDict):
    family: Literal['geometric']
    decay: float
    normalised: NotRequired[bool | None]


class GoodwillRow(TypedDict):
    goodwill_from: float
    goodwill_to: float | None
    spend: float


class HealthAnswer(TypedDict):
    status: Literal['ok', 'degraded']
    version: str
    storage: Literal['reachable', 'unreachable']


class Hill(TypedDict):
    family: Literal['hill']
    max_response: float
    half_saturation: float
    shape: float
    offset: NotRequired[float | None]


class Horizon(TypedDict):
    periods: NotRequired[int | None]
    mode: NotRequired[Literal['time_varying', 'constant', 'fixed_shares', 'sequential'] | None]
    start: NotRequired[str | None]
    frequency: NotRequired[Literal['day', 'week', 'two_weeks', 'four_weeks', 'month', 'quarter', '4-4-5'] | None]
    discount_rate: NotRequired[float | None]
    then: NotRequired[Literal['continue', 'stop'] | None]
    prior_spend: NotRequired[dict[str, Any] | None]
    pacing: NotRequired[Pacing | None]


class ImportRequest(TypedDict):
    format: Literal['robyn', 'meridian', 'pymc_marketing', 'table', 'curve_set']
    channels: NotRequired[list[ImportedChannel] | None]
    spend_csv: NotRequired[str | None]
    frequency: NotRequired[Literal['day', 'week', 'two_weeks', 'four_weeks', 'month', 'quarter', '4-4-5'] | None]
    currency: NotRequired[str | None]
    outcome: NotRequired[str | None]
    most_draws: NotRequired[int | None]
    model: NotRequired[dict[str, Any] | None]
    hyperparameters_csv: NotRequired[str | None]
    aggregated_csv: NotRequired[str | None]
    solution: NotRequired[str | None]
    gamma_of: NotRequired[Literal['maximum', 'range'] | None]
    response_curves_csv: NotRequired[str | None]
    periods: NotRequired[int | None]
    posterior_csv: NotRequired[str | None]
    summary_csv: NotRequired[str | None]
    max_lag: NotRequired[int | None]
    hill_before_adstock: NotRequired[bool | None]
    outcome_scale: NotRequired[float | None]
    geos: NotRequired[list[ImportedGeo] | None]
    saturation: NotRequired[str | None]
    adstock: NotRequired[str | None]
    l_max: NotRequired[int | None]
    normalize: NotRequired[bool | None]
    saturation_first: NotRequired[bool | None]
    target_scale: NotRequired[float | None]
    table_csv: NotRequired[str | None]
    curve_set: NotRequired[dict[str, Any] | None]


class ImportedAnswer(TypedDict):
    dataset: str
    version: str
    current: bool
    channels: list[str]
    draws: int
    notes: list[str]


class ImportedChannel(TypedDict):
    channel: str
    current_spend: NotRequired[float | None]
    observed_max: NotRequired[float | None]
    spend_per_unit: NotRequired[float | None]
    scale: NotRequired[float | None]
    inflexion: NotRequired[float | None]


class ImportedGeo(TypedDict):
    geo: str
    population: float


class InformationAnswer(TypedDict):
    channels: list[ChannelInformation]
    all: float
    unit: str


class Interaction(TypedDict):
    channels: list[str]
    strength: float


class JobAnswer(TypedDict):
    job: str
    question: str
    runtime_status: Literal['Pending', 'Running', 'Completed', 'Failed', 'Terminated']
    created_at: str
    started_at: str | None
    finished_at: str | None
    attempt: int
    output: dict[str, Any] | None


class LagWeights(TypedDict):
    family: Literal['lag_weights']
    values: list[float]
    normalised: NotRequired[bool | None]


class LearntRow(TypedDict):
    method: Literal['q_learning', 'fitted_q']
    value: float
    optimum: float
    loss: float
    share_of_optimum: float | None
    share_of_gap: float | None
    overrated: float
    states: int
    draws: int


class LiftTest(TypedDict):
    channel: str
    campaign: NotRequired[str | None]
    start: str
    end: str
    spend_change: float
    outcome_change: float
    standard_error: float
    geo: NotRequired[str | None]
    geos: NotRequired[list[str] | None]
    experiment: NotRequired[str | None]
    measured_until: NotRequired[str | None]
    bursts: NotRequired[list[Burst] | None]
    in_history: NotRequired[bool | None]


class LiftTestAnswer(TypedDict):
    channel: str
    campaign: str | None
    geo: str | None
    geos: list[str] | None
    experiment: str | None
    start: str | None
    end: str | None
    spend_change: float
    outcome_change: float | None
    standard_error: float
    measured_until: str | None
    bursts: list[dict[str, Any]] | None
    in_history: bool


class Listed(TypedDict):
    allocator: str
    kind: str
    outcome: str
    arms: list[dict[str, Any]]
    events: int


class Logarithmic(TypedDict):
    family: Literal['logarithmic']
    coefficient: float
    scale: NotRequired[float | None]
    offset: NotRequired[float | None]


class LoggedRow(TypedDict):
    context: NotRequired[str | None]
    arm: str
    reward: float
    propensity: float
    period: NotRequired[int | None]
    propensities: NotRequired[dict[str, Any] | None]


class Logistic(TypedDict):
    family: Literal['logistic']
    max_response: float
    rate: float
    offset: NotRequired[float | None]


class MarketRequest(TypedDict):
    factors: list[float]
    stays: float
    now: NotRequired[int | None]


class MichaelisMenten(TypedDict):
    family: Literal['michaelis_menten']
    max_response: float
    half_saturation: float
    offset: NotRequired[float | None]


class Model(TypedDict):
    kind: NotRequired[Literal['bayesian', 'ridge', 'time_series'] | None]
    saturation: NotRequired[str | None]
    adstock: NotRequired[str | None]
    interactions: NotRequired[Literal['auto', 'all', 'none'] | list[list[str]] | None]
    time_varying_baseline: NotRequired[bool | None]
    trend: NotRequired[Literal['auto', 'bends', 'linear', 'none'] | None]
    seasonality: NotRequired[Literal['auto'] | list[Literal['year', 'day_of_week', 'month', 'quarter']] | None]
    holidays_lead: NotRequired[int | None]
    holidays_lag: NotRequired[int | None]
    campaigns: NotRequired[bool | None]
    noise: NotRequired[Literal['auto', 'gaussian', 'student_t'] | None]


class Objective(TypedDict):
    outcomes: NotRequired[list[AskedOutcome] | None]
    goal: NotRequired[Literal['maximize_outcome', 'maximize_profit', 'minimize_spend', 'maximize_reach', 'weighted_sum'] | None]
    value_per_outcome: NotRequired[float | None]
    target_outcome: NotRequired[float | None]
    max_outcome: NotRequired[float | None]
    max_frequency: NotRequired[float | None]
    population: NotRequired[float | None]
    target_roas: NotRequired[float | None]
    target_cpa: NotRequired[float | None]
    target_marginal_return: NotRequired[float | None]
    efficiency_of: NotRequired[Literal['plan', 'all'] | None]
    long_term_weight: NotRequired[float | None]
    weights: NotRequired[Weights | None]


class Observations(TypedDict):
    events: NotRequired[list[Event] | None]
    arms: NotRequired[list[Arm] | None]


class ObservedAnswer(TypedDict):
    dataset: str
    allocator: str
    events: int
    added: int
    corrected: int
    repeated: int


class ObservedSpendAnswer(TypedDict):
    min: float
    mean: float
    max: float
    last: float


class OffPolicy(TypedDict):
    rows: list[LoggedRow]
    target: list[TargetRule]
    adaptive: NotRequired[bool | None]


class OffPolicyAnswer(TypedDict):
    rows: int
    inverse_propensity: Estimate | None
    self_normalised: Estimate | None
    doubly_robust: Estimate
    logging_rule: Estimate
    difference: Estimate
    overlap: Overlap
    verdict: str


class OptimizeAnswer(TypedDict):
    status: Literal['optimal', 'feasible']
    allocation: list[Allocated]
    totals: Totals
    today_scaled: TodayScaled | None
    current_over: CurrentDays | None
    then: Literal['continue', 'stop'] | None
    certificate: CertificateAnswer
    shadow_prices: list[ShadowPrice]
    trust: TrustAnswer | None
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class OptimizeRequest(TypedDict):
    dataset: NotRequired[str | None]
    curves_version: NotRequired[str | None]
    channels: NotRequired[list[Channel] | None]
    budget: NotRequired[float | None]
    period_budgets: NotRequired[list[float] | None]
    budget_windows: NotRequired[list[BudgetWindow] | None]
    budget_change: NotRequired[float | None]
    budget_min: NotRequired[float | None]
    current: NotRequired[CurrentOver | None]
    keep_current: NotRequired[bool | None]
    spend_all: NotRequired[bool | None]
    objective: NotRequired[Objective | None]
    constraints: NotRequired[list[Constraint] | None]
    test_reserve: NotRequired[float | None]
    interactions: NotRequired[list[Interaction] | None]
    horizon: NotRequired[Horizon | None]
    risk: NotRequired[Risk | None]
    solver: NotRequired[Solver | None]
    include: NotRequired[list[Literal['spend_interval']] | None]


class OutcomeResponse(TypedDict):
    saturation: Hill | Exponential | Logistic | MichaelisMenten | Sigmoid | Logarithmic | Power | Tabulated
    adstock: NotRequired[Geometric | Delayed | WeibullPdf | WeibullCdf | LagWeights | None]
    draws: NotRequired[list[dict[str, Any]] | None]
    outcome: str


class Overlap(TypedDict):
    effective_size: float
    largest_weight: float
    mean_weight: float
    mass_on_rare_pairs: float


class Pacing(TypedDict):
    max_change: float


class ParameterSensitivity(TypedDict):
    channel: str
    part: Literal['saturation', 'adstock', 'price']
    parameter: str
    value: float | None
    relative_sd: float
    relative_sd_basis: Literal['draws', 'assumed']
    outcome_elasticity: float | None
    outcome_swing: float | None
    spend_elasticities: list[SpendElasticity] | None
    how: Literal['derivative', 'resolved']


class PathPeriod(TypedDict):
    period: int
    spend: float
    outcome: float


PeriodLimits = TypedDict("PeriodLimits", {"from": "int | str", "to": "NotRequired[int | str | None]", "min_spend": "NotRequired[float | None]", "max_spend": "NotRequired[float | None]", "spend": "NotRequired[float | None]", "price": "NotRequired[float | None]", "note": "NotRequired[str | None]"})


class PlanUnderDraws(TypedDict):
    outcome: float
    outcome_interval: list[float] | None
    worst_tenth: float


class PoliciesAnswer(TypedDict):
    channel: str
    periods: int | None
    levels: list[float]
    decay: float
    goodwill_now: float
    plan_is_exact: bool
    states: int
    grid_change: float
    policies: list[PolicyRow]
    learnt: list[LearntRow]
    path: list[PathPeriod]
    table: list[TableEntry]
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class PoliciesRequest(TypedDict):
    base: OptimizeRequest
    channel: NotRequired[str | None]
    levels: NotRequired[int | None]
    market: NotRequired[MarketRequest | None]
    learners: NotRequired[list[Literal['q_learning', 'fitted_q']] | None]
    endless: NotRequired[bool | None]
    seed: NotRequired[int | None]


class PolicyRow(TypedDict):
    policy: Literal['dynamic_programme', 'constant_spend', 'one_period_ahead', 'plan_over_time']
    value: float
    loss: float
    share_of_optimum: float | None
    share_of_gap: float | None
    spend: float | None


class PortfolioAnswer(TypedDict):
    status: Literal['optimal', 'feasible']
    datasets: list[PortfolioDataset]
    totals: Totals
    today_scaled: TodayScaled | None
    certificate: CertificateAnswer
    shadow_prices: list[ShadowPrice]
    trust: TrustAnswer | None
    explanation: list[Sentence]
    warnings: list[Caution]
    request_id: str


class PortfolioDataset(TypedDict):
    dataset: str
    curves_version: str | None
    current_over: CurrentDays | None
    weight: float
    outcome_unit: str | None
    unweighted_outcome: float
    share: float | None
    marginal_return: float | None
    totals: Totals
    allocation: list[Allocated]


class PortfolioPart(TypedDict):
    dataset: str
    curves_version: NotRequired[str | None]
    min_spend: NotRequired[float | None]
    max_spend: NotRequired[float | None]
    weight: NotRequired[float | None]


class PortfolioRequest(TypedDict):
    datasets: list[PortfolioPart]
    budget: float
    spend_all: NotRequired[bool | None]


class Power(TypedDict):
    family: Literal['power']
    coefficient: float
    exponent: float
    offset: NotRequired[float | None]


class PredictedPlan(TypedDict):
    totals: Totals
    violations: list[Violation]
    status: NotRequired[Literal['optimal', 'feasible'] | None]
    certificate: NotRequired[CertificateAnswer | None]


class PredictedPlans(TypedDict):
    current: PredictedPlan | None
    within: PredictedPlan | None
    recommended: PredictedPlan
    yours: PredictedPlan | None


class Prediction(TypedDict):
    spend: float
    outcome: float
    outcome_interval: list[float] | None
    marginal_return: float | None
    average_return: float | None


class Prior(TypedDict):
    channel: str
    roi_median: float
    roi_sd_log: float


class ProblemAnswer(TypedDict):
    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[FaultAnswer] | None]
    more_errors: NotRequired[bool | None]
    conflicts: NotRequired[list[ConflictAnswer] | None]
    request_id: str


class Product(TypedDict):
    product: list[str]


class Progress(TypedDict):
    stage: str
    fraction: float


class PromotedAnswer(TypedDict):
    dataset: str
    curves_version: str


class RankedCampaign(TypedDict):
    rank: int
    rank_interval: list[int] | None
    average_rank: int | None
    channel: str
    campaign: str | None
    spend: float
    outcome: float
    outcome_share: float | None
    marginal_return: float | None
    marginal_interval: list[float] | None
    average_return: float | None
    average_interval: list[float] | None


class Rate(TypedDict):
    currency: str
    rate: float
    start: NotRequired[str | None]


class ReadAnswer(TypedDict):
    outcome: dict[str, Any]
    spend: dict[str, Any]
    rows: int
    rows_left_out: int


class RecommendedAnswer(TypedDict):
    status: Literal['optimal', 'feasible']
    totals: Totals
    certificate: CertificateAnswer
    allocation: list[ChannelSpendAnswer]


class Response(TypedDict):
    saturation: Hill | Exponential | Logistic | MichaelisMenten | Sigmoid | Logarithmic | Power | Tabulated
    adstock: NotRequired[Geometric | Delayed | WeibullPdf | WeibullCdf | LagWeights | None]
    draws: NotRequired[list[dict[str, Any]] | None]


class ResponseAnswer(TypedDict):
    saturation: dict[str, Any]
    adstock: NotRequired[dict[str, Any] | None]
    draws: NotRequired[list[dict[str, Any]] | None]


class ResponsePoint(TypedDict):
    spend: float
    outcome: float
    marginal_return: float | None
    low: float | None
    high: float | None


class ResponsesAnswer(TypedDict):
    dataset: str
    curves_version: str
    baseline: float | None
    curves: list[DrawnCurve]


class ResultsAnswer(TypedDict):
    dataset: str
    experiment: str
    etag: str
    changed: bool
    lift_test: dict[str, Any]
    interval: list[float]
    p_value: float
    correlation: float
    details: dict[str, Any]
    findings: list[dict[str, Any]]
    explanation: list[Sentence]
    warnings: list[Caution]
    request_id: str


class ResultsRequest(TypedDict):
    history_csv: NotRequired[str | None]
    outcomes_csv: NotRequired[str | None]
    spec: NotRequired[Spec | None]


class Risk(TypedDict):
    measure: NotRequired[Literal['expected', 'mean_minus_sd', 'quantile', 'cvar', 'worst_case'] | None]
    aversion: NotRequired[float | None]
    level: NotRequired[float | None]
    of: NotRequired[Literal['outcome', 'uplift'] | None]


class RoiAnswer(TypedDict):
    mean: float
    interval: list[float] | None


class RunAnswer(TypedDict):
    dataset: str
    run: str
    state: Literal['queued', 'running', 'promoted', 'kept_previous', 'stored', 'failed']
    created_at: str
    started_at: str | None
    finished_at: str | None
    attempt: int
    progress: Progress
    reasons: list[str]
    curves_version: str | None
    history_version: str | None
    unchanged: NotRequired[bool]
    upload: NotRequired[UploadAnswer | None]
    report: NotRequired[dict[str, Any] | None]
    errors: NotRequired[list[ErrorAnswer]]


class RunsAnswer(TypedDict):
    next_cursor: str | None
    runs: list[RunAnswer]


class Scenario(TypedDict):
    name: str
    changes: NotRequired[Any | None]
    plan: NotRequired[list[ChannelSpend] | None]


class ScenarioAnswer(TypedDict):
    name: str
    status: Literal['optimal', 'feasible', 'scored', 'infeasible']
    allocation: list[AllocatedShort] | None
    totals: Totals | None
    certificate: CertificateAnswer | None
    difference: NotRequired[Difference | None]
    violations: NotRequired[list[Violation] | None]
    regret: NotRequired[float | None]
    detail: NotRequired[str | None]
    conflicts: NotRequired[list[ConflictAnswer] | None]
    warnings: NotRequired[list[Caution] | None]


class ScenariosAnswer(TypedDict):
    base: ScenarioAnswer
    scenarios: list[ScenarioAnswer]
    sweep: list[SweepAnswer]
    frontier: FrontierAnswer | None
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class ScenariosRequest(TypedDict):
    base: OptimizeRequest
    scenarios: NotRequired[list[Scenario] | None]
    sweep: NotRequired[Sweep | None]
    frontier: NotRequired[Frontier | None]


class SensitivityAnswer(TypedDict):
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


class SensitivityBase(TypedDict):
    status: Literal['optimal', 'feasible']
    totals: Totals
    certificate: CertificateAnswer
    allocation: list[ChannelSpendAnswer]


class SensitivityRequest(TypedDict):
    base: OptimizeRequest


class Sentence(TypedDict):
    code: str
    text: str
    data: dict[str, Any]


class ShadowPrice(TypedDict):
    name: str
    value: float | None
    value_more: float | None
    value_less: float | None
    unit: str


class ShortArm(TypedDict):
    channel: str
    spend: float
    current_spend: float | None
    outcome: float
    outcome_interval: list[float] | None
    marginal_return: float | None
    binding: list[str]
    periods: NotRequired[list[AllocatedPeriod] | None]


class Sigmoid(TypedDict):
    family: Literal['sigmoid']
    max_response: float
    midpoint: float
    steepness: float
    offset: NotRequired[float | None]


class Solver(TypedDict):
    method: NotRequired[Literal['auto', 'lagrangian', 'branch_and_bound', 'piecewise', 'gradient', 'slsqp', 'genetic', 'particle_swarm', 'bayesian'] | None]
    gap: NotRequired[float | None]
    time_limit_s: NotRequired[float | None]
    seed: NotRequired[int | None]


Span = TypedDict("Span", {"from": "int | str", "to": "NotRequired[int | str | None]"})


class Spec(TypedDict):
    date: NotRequired[str | None]
    outcome: NotRequired[str | Product | None]
    outcome_unit: NotRequired[Literal['money', 'count'] | None]
    frequency: NotRequired[Literal['day', 'week', 'two_weeks', 'four_weeks', 'month', 'quarter', '4-4-5'] | None]
    currency: NotRequired[str | None]
    channels: NotRequired[list[ChannelRole] | None]
    controls: NotRequired[list[str | Control] | None]
    ignore: NotRequired[list[str] | None]
    events: NotRequired[str | None]
    geo: NotRequired[str | None]
    geos: NotRequired[list[GeoRole] | None]
    holidays_country: NotRequired[str | None]
    priors: NotRequired[list[Prior] | None]
    lift_tests: NotRequired[list[LiftTest] | None]
    model: NotRequired[Model | None]
    outcomes: NotRequired[list[SpecOutcome] | None]
    features: NotRequired[list[Feature] | None]
    challengers: NotRequired[bool | None]
    decimal: NotRequired[Literal['.', ','] | None]
    thousands: NotRequired[Literal['.', ',', ' ', "'"] | None]
    day_first: NotRequired[bool | None]
    header_row: NotRequired[int | None]
    sheet: NotRequired[str | None]
    channel_column: NotRequired[str | None]
    campaign_column: NotRequired[str | None]
    outcome_column: NotRequired[str | None]
    currency_column: NotRequired[str | None]
    rates: NotRequired[list[Rate] | None]
    duplicates: NotRequired[Literal['refuse', 'sum'] | None]
    drop_totals: NotRequired[bool | None]


class SpecOutcome(TypedDict):
    column: str
    value: float
    times: NotRequired[str | None]


class SpendElasticity(TypedDict):
    channel: str
    elasticity: float | None


class SplitAnswer(TypedDict):
    dataset: str
    allocator: str
    decision: str
    period: int
    budget: float
    spent: float
    arms: list[ArmSplit]
    contexts: list[ContextSplit]
    expected_outcome: float
    expected_regret: float
    discount: float | None
    why: str
    warnings: list[Warning]


class SplitCampaign(TypedDict):
    campaign: str
    current_spend: float
    spend: float
    change: float


class SplitRequest(TypedDict):
    mean: float
    sd: NotRequired[float | None]
    effect: float
    looks: NotRequired[int | None]
    look_shares: NotRequired[list[float] | None]
    alpha: NotRequired[float | None]
    power: NotRequired[float | None]


class StepAnswer(TypedDict):
    period: int
    spend: float
    outcome: float
    outcome_interval: list[float] | None
    reached_share: float | None
    channels: list[StepChannel]


class StepChannel(TypedDict):
    channel: str
    spend: float
    change: float
    change_share: float | None
    recommended: float
    there: bool


class StoreCurvesRequest(TypedDict):
    format: Literal['robyn', 'meridian', 'pymc_marketing', 'table', 'curve_set']
    channels: NotRequired[list[ImportedChannel] | None]
    spend_csv: NotRequired[str | None]
    frequency: NotRequired[Literal['day', 'week', 'two_weeks', 'four_weeks', 'month', 'quarter', '4-4-5'] | None]
    currency: NotRequired[str | None]
    outcome: NotRequired[str | None]
    most_draws: NotRequired[int | None]
    model: NotRequired[dict[str, Any] | None]
    hyperparameters_csv: NotRequired[str | None]
    aggregated_csv: NotRequired[str | None]
    solution: NotRequired[str | None]
    gamma_of: NotRequired[Literal['maximum', 'range'] | None]
    response_curves_csv: NotRequired[str | None]
    periods: NotRequired[int | None]
    posterior_csv: NotRequired[str | None]
    summary_csv: NotRequired[str | None]
    max_lag: NotRequired[int | None]
    hill_before_adstock: NotRequired[bool | None]
    outcome_scale: NotRequired[float | None]
    geos: NotRequired[list[ImportedGeo] | None]
    saturation: NotRequired[str | None]
    adstock: NotRequired[str | None]
    l_max: NotRequired[int | None]
    normalize: NotRequired[bool | None]
    saturation_first: NotRequired[bool | None]
    target_scale: NotRequired[float | None]
    table_csv: NotRequired[str | None]
    curve_set: NotRequired[dict[str, Any] | None]
    promote: NotRequired[bool | None]


class StoredAnswer(TypedDict):
    dataset: str
    etag: str
    roles: dict[str, Any]
    findings: list[FindingAnswer]
    read: NotRequired[ReadAnswer | None]
    rows: NotRequired[int | None]
    periods: NotRequired[int | None]
    first: NotRequired[str | None]
    last: NotRequired[str | None]
    frequency: NotRequired[str | None]
    layout: NotRequired[Literal['wide', 'long', 'outcomes'] | None]
    data_report: NotRequired[dict[str, Any] | None]


class StoredExperiments(TypedDict):
    experiments: list[dict[str, Any]]


class Sweep(TypedDict):
    budget: list[float]


class SweepAnswer(TypedDict):
    budget: float
    status: Literal['optimal', 'feasible', 'infeasible']
    spend: float | None
    outcome: float | None
    outcome_interval: list[float] | None
    marginal_return: float | None
    relative_gap: NotRequired[float | None]
    allocation: list[ChannelSpendAnswer] | None
    detail: NotRequired[str | None]
    conflicts: NotRequired[list[ConflictAnswer] | None]


class TableEntry(TypedDict):
    period: int | None
    market: float
    budget_left: float | None
    rows: list[GoodwillRow]


class Tabulated(TypedDict):
    family: Literal['tabulated']
    spend: list[float]
    response: list[float]


class TargetRule(TypedDict):
    context: NotRequired[str | None]
    arm: str
    probability: float


class TestPortfolio(TypedDict):
    base: OptimizeRequest
    value_per_outcome: float
    noise: float
    noise_correlation: NotRequired[float | None]
    periods: NotRequired[int | None]
    served: NotRequired[int | None]
    fee: NotRequired[float | None]
    max_periods: NotRequired[int | None]
    channels: NotRequired[list[str] | None]
    seed: NotRequired[int | None]


class TodayAnswer(TypedDict):
    spend: float
    outcome: float


class TodayScaled(TypedDict):
    spend: float
    outcome: float
    outcome_interval: list[float] | None
    uplift: float
    uplift_interval: list[float] | None
    probability_better: float | None


class ToldOutcome(TypedDict):
    outcome: str
    value: float
    interval: list[float] | None


class Totals(TypedDict):
    spend: float
    outcome: float
    outcome_interval: list[float] | None
    outcome_lost: float
    outcomes: list[ToldOutcome] | None
    current_spend: float | None
    current_outcome: float | None
    uplift: float | None
    uplift_share: float | None
    uplift_interval: list[float] | None
    outcome_from_past_spend: float
    value: float | None
    profit: float | None
    roas: float | None
    cpa: float | None
    probability_better: float | None


class TrackedPeriod(TypedDict):
    period: str
    planned: float
    done: float
    forecast: float
    forecast_interval: list[float]
    outcome: float | None
    z: float | None
    above: float
    below: float
    alarm: int


class TrackingAnswer(TypedDict):
    dataset: str
    plan: str
    start: str
    curves_version: str
    stated: dict[str, Any]
    periods: list[TrackedPeriod]
    limit: float
    alarms: list[Alarm]
    calibration: Calibration
    explanation: list[str]


class TransitionAnswer(TypedDict):
    path: Literal['best_steps', 'straight']
    path_reason: str
    steps: list[StepAnswer]
    current: TodayAnswer
    recommended: RecommendedAnswer
    gain: float
    reached_share: float | None
    arrives_in: int | None
    outcome_arrives_in: int | None
    outcome_gained: float
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


class TransitionRequest(TypedDict):
    base: OptimizeRequest
    max_change: float
    periods: int


class TrialRequest(TypedDict):
    channel: str
    change: float
    periods: int
    lasting: NotRequired[int | None]
    start: NotRequired[str | None]
    alpha: NotRequired[float | None]
    noise: NotRequired[float | None]
    noise_correlation: NotRequired[float | None]
    seed: NotRequired[int | None]


class TrialsRequest(TypedDict):
    tried: list[TriedRequest]
    candidates: list[list[float]]
    noise: float
    by: NotRequired[Literal['knowledge_gradient', 'expected_improvement'] | None]
    seed: NotRequired[int | None]


class TriedRequest(TypedDict):
    at: list[float]
    outcome: float
    standard_error: NotRequired[float | None]


class TrustAnswer(TypedDict):
    score: float
    text: str
    parts: list[TrustPart]
    step: TrustStep | None


class TrustPart(TypedDict):
    part: Literal['data', 'identification', 'calibration', 'stability', 'experiments']
    score: float | None
    text: str
    data: dict[str, Any]


class TrustStep(TypedDict):
    advice: Literal['move', 'half', 'hold_or_test']
    max_change: float
    text: str


class TwoSpends(TypedDict):
    channel: str
    average_spend: float
    careful_spend: float


class UploadAnswer(TypedDict):
    part: Literal['history', 'outcomes']
    how: Literal['put', 'patch', 'source']


class VersionAnswer(TypedDict):
    version: str
    created_at: str
    run: str
    current: bool
    promoted: bool


class VersionsAnswer(TypedDict):
    next_cursor: str | None
    versions: list[VersionAnswer]


class Violation(TypedDict):
    name: str
    amount: float
    message: str


class Warning(TypedDict):
    code: str
    message: str


class WeibullCdf(TypedDict):
    family: Literal['weibull_cdf']
    shape: float
    scale: float
    length: int
    normalised: NotRequired[bool | None]


class WeibullPdf(TypedDict):
    family: Literal['weibull_pdf']
    shape: float
    scale: float
    length: int
    normalised: NotRequired[bool | None]


class Weights(TypedDict):
    outcome: NotRequired[float | None]
    profit: NotRequired[float | None]
    spend: NotRequired[float | None]
    reach: NotRequired[float | None]
    long_term: NotRequired[float | None]
