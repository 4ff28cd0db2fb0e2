"""Policies and experiments: requests, and answers as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.api.answers import Answer, Caution, Interval, Sentence
from shared.api.curve_messages import WHOLE, Message, Money, Name, Positive
from shared.api.dataset_messages import Csv, Document
from shared.api.messages import OptimizeRequest
from shared.history.spec import Day, Spec

__all__ = [
    "ExperimentsAnswer",
    "ExperimentsRequest",
    "PoliciesAnswer",
    "PoliciesRequest",
    "ResultsAnswer",
    "ResultsRequest",
    "StoredExperiments",
    "TestPortfolio",
    "TrialRequest",
    "TrialsRequest",
]

Factor = Annotated[float, Field(ge=0, le=100)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1), WHOLE]


class MarketRequest(Message):
    """How the market may be, seen before each decision: a Markov chain of multipliers."""

    factors: Annotated[list[Factor], Field(min_length=2, max_length=5)] = Field(
        description="What may multiply the outcome of a period."
    )
    stays: Annotated[float, Field(ge=0, le=1)] = Field(
        description="Chance that the next period's is the same; the others are equally likely."
    )
    now: Annotated[int, Field(ge=0, le=4), WHOLE] | None = Field(
        None, description="Index of the first period's; each is equally likely if not given."
    )


class PoliciesRequest(Message):
    """One channel's spend as decisions in turn."""

    base: OptimizeRequest = Field(
        description="With horizon.periods; its budget is the channel's own, over all periods."
    )
    channel: Name | None = Field(None, description="Which; may be left out where there is one.")
    levels: Annotated[int, Field(ge=2, le=60), WHOLE] = Field(
        9, description="Spends to choose from, evenly from the least to the most."
    )
    market: MarketRequest | None = None
    learners: Annotated[list[Literal["q_learning", "fitted_q"]], Field(max_length=2)] = Field(
        [], description="Rules to be learnt from simulation, beside the exact optimum."
    )
    endless: bool = Field(
        False, description="One rule for ever, by horizon.discount_rate; without a budget."
    )
    seed: Seed = 0


class PolicyRow(Answer):
    """One rule from today's state, exactly evaluated."""

    policy: Literal["dynamic_programme", "constant_spend", "one_period_ahead", "plan_over_time"]
    value: float
    loss: float = Field(description="Less than the optimum over the levels.")
    share_of_optimum: float | None
    share_of_gap: float | None = Field(
        description="Of the gap between the best constant spend and the optimum; null without one."
    )
    spend: float | None = Field(description="Of the constant spend.")


class LearntRow(Answer):
    """One learnt rule, judged on draws that it was not learnt on, on a table of its own."""

    method: Literal["q_learning", "fitted_q"]
    value: float
    optimum: float
    loss: float
    share_of_optimum: float | None
    share_of_gap: float | None
    overrated: float = Field(description="By what share the learner's own value is too high.")
    states: int
    draws: int


class PathPeriod(Answer):
    """One period of the optimum, in expectation."""

    period: int
    spend: float
    outcome: float


class GoodwillRow(Answer):
    """What is spent where goodwill is within these."""

    goodwill_from: float
    goodwill_to: float | None
    spend: float


class TableEntry(Answer):
    """The rule in one period, market and amount of money left."""

    period: int | None
    market: float
    budget_left: float | None
    rows: list[GoodwillRow]


class PoliciesAnswer(Answer):
    """The best rule of spend over time, and what it gains."""

    channel: str
    periods: int | None
    levels: list[float]
    decay: float = Field(description="Of goodwill: adstocked spend that is left a period later.")
    goodwill_now: float
    plan_is_exact: bool = Field(
        description="Nothing random is seen between decisions: use the plan over time."
    )
    states: int
    grid_change: float = Field(description="Of the optimum, on half the points of goodwill.")
    policies: list[PolicyRow]
    learnt: list[LearntRow]
    path: list[PathPeriod]
    table: list[TableEntry]
    explanation: list[Sentence]
    warnings: list[Caution]
    curves_version: str | None
    request_id: str


Periods = Annotated[int, Field(ge=1, le=520), WHOLE]
Chance = Annotated[float, Field(gt=0, lt=0.5)]
Effect = Annotated[float, Field(gt=0, le=10)]
Finite = Annotated[float, Field(ge=-1e15, le=1e15)]
Point = Annotated[list[Finite], Field(min_length=1, max_length=5)]


class TrialRequest(Message):
    """A test that changes what is spent on a channel."""

    channel: Name
    change: Annotated[float, Field(ge=-1, le=10)] = Field(
        description="Of its spend while on, as a share: -1 switches it off."
    )
    periods: Periods = Field(description="Of the test; of a geo test those of changed spend.")
    lasting: Annotated[int, Field(ge=0, le=52), WHOLE] = Field(
        0, description="Periods that carryover lasts: washed in, or cooled down."
    )
    start: Day | None = Field(None, description="First day; after the history if not given.")
    alpha: Chance = 0.1
    noise: Positive | None = Field(
        None, description="Standard deviation of a period's outcome; the history's if not given."
    )
    noise_correlation: Annotated[float, Field(ge=0, lt=1)] | None = None
    seed: Seed = 0


class GeoRequest(TrialRequest):
    """A test in some geos, the others being what would have been."""

    treated: list[Name] | None = Field(None, min_length=1, max_length=1000)
    count: Annotated[int, Field(ge=1, le=1000), WHOLE] | None = Field(
        None, description="How many geos are matched where none are named; half if not given."
    )
    method: Literal["time_based_regression", "synthetic_control", "trimmed_match"] = (
        "time_based_regression"
    )
    effects: Annotated[list[Effect], Field(min_length=1, max_length=10)] | None = Field(
        None, description="Shares of the treated outcome whose power is told."
    )


class SplitRequest(Message):
    """A test of people split at random in two."""

    mean: Annotated[float, Field(gt=0, le=1e12)] = Field(description="Of one person's outcome.")
    sd: Positive | None = Field(None, description="Of it; of a rate below 1 if not given.")
    effect: Positive = Field(description="The least difference of means to be found.")
    looks: Annotated[int, Field(ge=1, le=20), WHOLE] = 1
    look_shares: list[Annotated[float, Field(gt=0, le=1)]] | None = Field(
        None,
        min_length=1,
        max_length=20,
        description="Of stopping spending: the information at each look, rising to 1.",
    )
    alpha: Chance = 0.05
    power: Annotated[float, Field(gt=0.5, lt=1)] = 0.8


class TestPortfolio(Message):
    """A year's tests by value of information less cost."""

    base: OptimizeRequest
    value_per_outcome: Positive
    noise: Positive
    noise_correlation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    periods: Periods = Field(52, description="Of all tests, one after another.")
    served: Periods = Field(52, description="In which the plan follows what was learnt.")
    fee: Money = Field(0.0, description="Of a test, beside the profit that it loses.")
    max_periods: Periods = Field(26, description="Of one test.")
    channels: list[Name] | None = Field(None, min_length=1, max_length=50)
    seed: Seed = 0


class TriedRequest(Message):
    """One trial."""

    at: Point
    outcome: Finite
    standard_error: Money = 0.0


class TrialsRequest(Message):
    """Where to try next if there is no curve."""

    tried: Annotated[list[TriedRequest], Field(min_length=2, max_length=200)]
    candidates: Annotated[list[Point], Field(min_length=2, max_length=400)]
    noise: Money = Field(description="Standard error of the next trial; 0 for none.")
    by: Literal["knowledge_gradient", "expected_improvement"] = "knowledge_gradient"
    seed: Seed = 0


class ExperimentsRequest(Message):
    """One experiment to design: exactly one of geo, switchback, off, ab, portfolio, trials."""

    dataset: Name | None = Field(
        None, description="Whose history is used and that keeps the design, to be read later."
    )
    history_csv: Csv | None = None
    outcomes_csv: Csv | None = None
    spec: Spec | None = None
    stopping: Literal["fixed", "pocock", "obrien_fleming", "spending", "any_time"] | None = Field(
        None, description="When people are looked at; refused for series that remember."
    )
    geo: GeoRequest | None = None
    switchback: TrialRequest | None = None
    off: TrialRequest | None = None
    ab: SplitRequest | None = None
    portfolio: TestPortfolio | None = None
    trials: TrialsRequest | None = None


class ExperimentsAnswer(Answer):
    """A design; its fields by kind are in the contract's page."""

    experiment: str | None = Field(description="Id under which a dataset keeps it.")
    kind: str
    design: Document
    explanation: list[Sentence]
    warnings: list[Caution]
    request_id: str


class StoredExperiments(Answer):
    """Designs that a dataset keeps, with the lift test of those whose results are in."""

    experiments: list[Document]


class ResultsRequest(Message):
    """The data of a test; the dataset's own history where none are given."""

    history_csv: Csv | None = None
    outcomes_csv: Csv | None = None
    spec: Spec | None = Field(
        None, description="Roles of these columns; the dataset's if not given."
    )


class ResultsAnswer(Answer):
    """What a test found, and the lift test that the next fit uses."""

    dataset: str
    experiment: str
    etag: str = Field(description="Of the spec that holds it.")
    changed: bool = Field(description="false: the spec held this very result already.")
    lift_test: Document = Field(description="As spec.lift_tests holds it now.")
    interval: Interval
    p_value: float
    correlation: float
    details: Document
    findings: list[Document]
    explanation: list[Sentence]
    warnings: list[Caution]
    request_id: str
