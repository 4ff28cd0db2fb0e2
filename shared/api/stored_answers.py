"""What is stored, as answers: curve sets, versions, runs, datasets, health."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shared.api.answers import Answer, Interval

__all__ = [
    "CurveSetAnswer",
    "DatasetsAnswer",
    "HealthAnswer",
    "ImportedAnswer",
    "PromotedAnswer",
    "RunAnswer",
    "StoredAnswer",
    "VersionsAnswer",
]


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
    created_at: str
    spec: dict[str, Any]
    frequency: str
    currency: str | None
    outcome: str
    channels: list[FittedChannel]
    interactions: list[dict[str, Any]]
    baseline: dict[str, Any]
    diagnostics: dict[str, Any]


class VersionAnswer(Answer):
    """One stored version of the curves."""

    version: str
    created_at: str
    run: str
    current: bool
    promoted: bool


class VersionsAnswer(Answer):
    """All stored versions, newest first."""

    versions: list[VersionAnswer]


class Progress(Answer):
    """How far a run is."""

    stage: str
    fraction: float


class RunAnswer(Answer):
    """The state of a refit."""

    dataset: str
    run: str
    state: Literal["queued", "running", "promoted", "kept_previous", "failed"]
    created_at: str
    started_at: str | None
    finished_at: str | None
    attempt: int
    progress: Progress
    reasons: list[str]
    curves_version: str | None
    history_version: str | None
    unchanged: bool = Field(
        False, description="Nothing had changed since the last fit, so none was made."
    )


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


class ReadAnswer(Answer):
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
    read: ReadAnswer | None = None
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
    created_at: str
    updated_at: str
    has_spec: bool
    has_history: bool
    has_outcomes: bool
    curves_version: str | None


class DatasetsAnswer(Answer):
    """All stored datasets."""

    datasets: list[DatasetAnswer]


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
