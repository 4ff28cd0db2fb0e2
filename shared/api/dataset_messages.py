"""The datasets' half of the contract in code: specs, the synchronous fit, and what is stored.

Curves of other tools are sent in one message, of which each format reads its part.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from shared.api.answers import Answer, CurrentDays, Interval
from shared.api.curve_messages import WHOLE, Message, Money, Name, Positive
from shared.frequency import Named
from shared.history.spec import Spec

__all__ = [
    "Anything",
    "Csv",
    "CurveSetAnswer",
    "DatasetDetail",
    "DatasetsAnswer",
    "Document",
    "FitRequest",
    "HealthAnswer",
    "ImportRequest",
    "ImportedAnswer",
    "Page",
    "PromotedAnswer",
    "RunAnswer",
    "RunsAnswer",
    "StoreCurvesRequest",
    "StoredAnswer",
    "Time",
    "VersionsAnswer",
]

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Csv = Annotated[str, Field(min_length=1)]
Document = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": {}})]
Count = Annotated[int, Field(ge=1, le=100_000), WHOLE]


class Anything(BaseModel):
    """A document of its own."""

    model_config = ConfigDict(extra="allow", defer_build=True)


class FitRequest(Message):
    """Curves from a history in the request: small data, answered at once."""

    spec: Spec | None = Field(None, description="Roles of the columns; guessed where left out.")
    history_csv: Annotated[str, Field(min_length=1)]
    outcomes_csv: Annotated[str, Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), WHOLE] = 0


class ResponseAnswer(Answer):
    """A response curve."""

    saturation: dict[str, Any]
    adstock: dict[str, Any] | None = None
    draws: list[dict[str, Any]] | None = None


class ObservedSpendAnswer(Answer):
    """Spend per period in the history."""

    min: float
    mean: float
    max: float
    last: float


class RoiAnswer(Answer):
    """Outcome per unit of money over the history."""

    mean: float
    interval: Interval | None


class FittedChannel(Answer):
    """One channel of a curve set."""

    channel: str
    response: ResponseAnswer
    observed_spend: ObservedSpendAnswer
    roi: RoiAnswer | None
    verdict: str


class CurveSetAnswer(Answer):
    """Fitted curves with what is needed to judge them."""

    dataset: str
    version: str
    created_at: Time
    spec: dict[str, Any]
    frequency: str
    currency: str | None
    outcome: str
    channels: list[FittedChannel]
    interactions: list[dict[str, Any]]
    baseline: dict[str, Any]
    diagnostics: dict[str, Any]


class Page(Answer):
    """Part of a list."""

    next_cursor: str | None = Field(description="For the next page; null on the last one.")


class VersionAnswer(Answer):
    """One stored version of the curves."""

    version: str
    created_at: Time
    run: str
    current: bool
    promoted: bool


class VersionsAnswer(Page):
    """All stored versions, newest first."""

    versions: list[VersionAnswer]


class Progress(Answer):
    """How far a run is."""

    stage: str
    fraction: float


class _UploadAnswer(Answer):
    """Which table, and what becomes of it."""

    part: Literal["history", "outcomes"]
    how: Literal["put", "patch", "source"]


class _ErrorAnswer(Answer):
    """One fault."""

    pointer: str
    code: str
    message: str


class RunAnswer(Answer):
    """The state of a refit, or of the reading of a large table."""

    dataset: str
    run: str
    state: Literal["queued", "running", "promoted", "kept_previous", "stored", "failed"]
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    attempt: int
    progress: Progress
    reasons: list[str]
    curves_version: str | None
    history_version: str | None
    unchanged: bool = Field(
        False, description="Nothing had changed since the last fit, so none was made."
    )
    upload: _UploadAnswer | None = Field(
        None, description="The table that is read; null of a refit."
    )
    report: dict[str, Any] | None = Field(
        None, description="What an upload answers, once the table was read."
    )
    errors: list[_ErrorAnswer] = Field(
        default_factory=list, description="What is wrong with the table, each fault at its place."
    )


class RunsAnswer(Page):
    """All refits that are still known, newest first."""

    runs: list[RunAnswer]


class FindingAnswer(Answer):
    """Something accepted but worth knowing: a gap, a late start, a guess about a column's role."""

    code: str
    message: str
    data: dict[str, Any]
    settled_by: str | None = Field(
        None,
        description="The field of the spec (or 'rows', of the table) that settles what only a "
        "person can judge; until then it is a warning of the curves and of every plan on them.",
    )


class _ReadAnswer(Answer):
    """What was read, in all, by which an error is seen at a glance."""

    outcome: dict[str, float]
    spend: dict[str, float] = Field(description="By channel.")
    rows: int
    rows_left_out: int = Field(description="Titles, totals and notes; the findings name them.")


class StoredAnswer(Answer):
    """What was stored, what was guessed about it and what is worth knowing.

    A spec that was put before any table has nothing to say of rows and periods.
    """

    dataset: str
    etag: str
    roles: dict[str, Any] = Field(description="The spec, completed with what was guessed.")
    findings: list[FindingAnswer]
    read: _ReadAnswer | None = None
    rows: int | None = None
    periods: int | None = None
    first: str | None = None
    last: str | None = None
    frequency: str | None = None
    layout: Literal["wide", "long", "outcomes"] | None = None
    data_report: dict[str, Any] | None = Field(
        None,
        description="What the history can show, before any fit: a verdict (enough, thin, not "
        "enough) with its reasons and what would help, and by channel where its spend was, whether "
        "its effect can be seen, and the lift test that would show it.",
    )


class DatasetAnswer(Answer):
    """One stored dataset, and what it has."""

    dataset: str
    created_at: Time
    updated_at: Time
    has_spec: bool
    has_history: bool
    has_outcomes: bool
    curves_version: str | None


class DatasetsAnswer(Page):
    """All stored datasets."""

    datasets: list[DatasetAnswer]


class DatasetArm(Answer):
    """A channel or campaign of a dataset; today's spend is known once there are curves."""

    channel: str
    current_spend: float | None


class DatasetChannel(DatasetArm):
    """A channel of a dataset, with its campaigns."""

    campaigns: list[DatasetArm]


class DatasetDetail(DatasetAnswer):
    """One dataset as its current curves (without any, its history) tell of it."""

    currency: str | None
    outcome: str | None
    frequency: str | None
    first: str | None = Field(description="First day of the history.")
    last: str | None = Field(description="First day of its last period.")
    trust: Any = Field(description="How far the fit is to be trusted, where that is told.")
    today: CurrentDays | None = Field(description="The days whose mean is today's spend.")
    channels: list[DatasetChannel]
    last_run: RunAnswer | None
    to_settle: list[FindingAnswer] = Field(description="What only a person can judge.")
    tracking: dict[str, Any] | None = Field(
        None, description="Adopted plans with their alarms, and the scale of errors so far."
    )


class ResponsePoint(Answer):
    """What spend kept up in every period brings per period, by one curve."""

    spend: float
    outcome: float
    marginal_return: float | None
    low: float | None = Field(description="With high the 90 % band; null without draws.")
    high: float | None


class DrawnCurve(Answer):
    """One curve for drawing."""

    channel: str
    current_spend: float | None
    observed_max: float | None = Field(description="Beyond it the curve is extrapolated.")
    max_spend: float | None = Field(description="A plan's ceiling unless the request tells one.")
    points: list[ResponsePoint]
    observed: list[Annotated[list[float], Field(min_length=2, max_length=2)]] | None = Field(
        description="Past periods: spend with its carryover, and the outcome attributed to it."
    )


class ResponsesAnswer(Answer):
    """The curves of one version for drawing, and the baseline that they add to."""

    dataset: str
    curves_version: str
    baseline: float | None = Field(description="Mean outcome per period that media do not bring.")
    curves: list[DrawnCurve]


class PromotedAnswer(Answer):
    """Which curves are current now."""

    dataset: str
    curves_version: str


class ImportedAnswer(Answer):
    """Curves of another tool, stored as a version of a dataset."""

    dataset: str
    version: str
    current: bool
    channels: list[str]
    draws: int
    notes: list[str] = Field(description="What was taken for granted.")


class HealthAnswer(Answer):
    """Whether the app is alive and its storage reachable."""

    status: Literal["ok", "degraded"]
    version: str
    storage: Literal["reachable", "unreachable"]


class _ImportedChannel(Message):
    """What the export does not say of a channel."""

    channel: Name = Field(description="The channel's name in the export.")
    current_spend: Money | None = Field(None, description="Money per period today.")
    observed_max: Money | None = Field(
        None, description="Highest spend of a period that the curve was learned from."
    )
    spend_per_unit: Positive | None = Field(
        None, description="Money per unit that the curve takes, where that is not money."
    )
    scale: Positive | None = Field(
        None, description="What the tool divided the channel's units by before the curve."
    )
    inflexion: Positive | None = Field(None, description="Robyn's inflexion, where it is known.")


class _ImportedGeo(Message):
    """A geography of a Meridian model."""

    geo: Name
    population: Positive


class ImportRequest(Message):
    """The export of another tool, or a table of curves."""

    format: Literal["robyn", "meridian", "pymc_marketing", "table", "curve_set"]
    channels: list[_ImportedChannel] | None = Field(
        None, max_length=10_000, description="What the export does not say, by channel."
    )
    spend_csv: Csv | None = Field(
        None, description="Spend history, a column a channel; Robyn's raw_data.csv, for example."
    )
    frequency: Named | None = Field(None, description="Default: week.")
    currency: Name | None = None
    outcome: Name | None = Field(None, description="What the outcome is called.")
    most_draws: Annotated[int, Field(ge=1, le=2000), WHOLE] | None = Field(
        None, description="Draws to keep, evenly thinned; 200 by default."
    )
    model: Document | None = Field(None, description="robyn: a RobynModel JSON.")
    hyperparameters_csv: Csv | None = Field(None, description="robyn: pareto_hyperparameters.csv.")
    aggregated_csv: Csv | None = Field(None, description="robyn: pareto_aggregated.csv.")
    solution: Name | None = Field(None, description="robyn: which solID of the tables.")
    gamma_of: Literal["maximum", "range"] | None = Field(
        None,
        description="robyn: what gamma is a share of; the maximum from version 3.12 on.",
    )
    response_curves_csv: Csv | None = Field(
        None, description="meridian: Analyzer.response_curves as a table."
    )
    periods: Count | None = Field(
        None, description="Periods that the export covers: of response curves, of Weibull adstock."
    )
    posterior_csv: Csv | None = Field(
        None, description="meridian, pymc_marketing: draws, a row each and channel (and geo)."
    )
    summary_csv: Csv | None = Field(None, description="pymc_marketing: ArviZ's summary.")
    max_lag: Annotated[int, Field(ge=0, le=519), WHOLE] | None = Field(
        None, description="meridian: longest lag of the adstock; 8 by default."
    )
    hill_before_adstock: bool | None = Field(None, description="meridian: the order of the two.")
    outcome_scale: Positive | None = Field(
        None, description="meridian: what the outcome per head was divided by, times its value."
    )
    geos: list[_ImportedGeo] | None = Field(None, max_length=10_000, description="meridian.")
    saturation: Name | None = Field(
        None, description="pymc_marketing: logistic (default), hill, michaelis_menten, ..."
    )
    adstock: Name | None = Field(
        None, description="The tool's adstock: geometric, weibull_cdf, weibull_pdf, ..."
    )
    l_max: Annotated[int, Field(ge=1, le=520), WHOLE] | None = Field(
        None, description="pymc_marketing: periods that the adstock reaches over."
    )
    normalize: bool | None = Field(
        None, description="pymc_marketing: whether the adstock's weights sum to one (default)."
    )
    saturation_first: bool | None = Field(
        None, description="pymc_marketing: saturation before adstock (adstock_first = False)."
    )
    target_scale: Positive | None = Field(
        None, description="pymc_marketing: what the outcome was divided by."
    )
    table_csv: Csv | None = Field(
        None, description="table: channel, spend, response; or channel, family and parameters."
    )
    curve_set: Document | None = Field(
        None, description="curve_set: what GET /datasets/{dataset}/curves answers."
    )


class StoreCurvesRequest(ImportRequest):
    """The same, to be stored as a version of a dataset's curves."""

    promote: bool = Field(False, description="Make them the current ones at once.")
