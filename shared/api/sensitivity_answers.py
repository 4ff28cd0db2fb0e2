"""The answer to ``POST /sensitivity`` in code; a test holds it to real ones."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.api.answers import (
    Answer,
    Caution,
    CertificateAnswer,
    ChannelSpendAnswer,
    Interval,
    ShadowPrice,
    Totals,
)

__all__ = ["SensitivityAnswer"]


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
    part: Literal["saturation", "adstock"]
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
    part: Literal["saturation", "adstock"]
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
    warnings: list[Caution]
    curves_version: str | None
    request_id: str
