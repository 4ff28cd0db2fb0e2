"""Curves of other tools, as they are sent: one message, of which each format reads its part."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from shared.api.curve_messages import WHOLE, Message, Money, Name, Positive

__all__ = ["ImportRequest", "ImportedChannel", "ImportedGeo", "StoreCurvesRequest"]

Csv = Annotated[str, Field(min_length=1)]
Document = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": {}})]
Count = Annotated[int, Field(ge=1, le=100_000), WHOLE]


class ImportedChannel(Message):
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


class ImportedGeo(Message):
    """A geography of a Meridian model."""

    geo: Name
    population: Positive


class ImportRequest(Message):
    """The export of another tool, or a table of curves."""

    format: Literal["robyn", "meridian", "pymc_marketing", "table", "curve_set"]
    channels: list[ImportedChannel] | None = Field(
        None, max_length=10_000, description="What the export does not say, by channel."
    )
    spend_csv: Csv | None = Field(
        None, description="Spend history, a column a channel; Robyn's raw_data.csv, for example."
    )
    frequency: Literal["day", "week", "month"] | None = Field(None, description="Default: week.")
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
    geos: list[ImportedGeo] | None = Field(None, max_length=10_000, description="meridian.")
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
