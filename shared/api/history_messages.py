"""The history half of the contract in code: specs and the synchronous fit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.api.curve_messages import WHOLE, Message, Name, Plain

__all__ = [
    "Day",
    "Feature",
    "FitRequest",
    "LiftTest",
    "Model",
    "Prior",
    "Spec",
    "SpecChannel",
    "SpecOutcome",
]

Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Finite = Annotated[float, Field(ge=-1e15, le=1e15)]
Spread = Annotated[float, Field(gt=0, le=1e15)]

Season = Literal["year", "day_of_week", "month", "quarter"]


class SpecChannel(Plain):
    """Columns of one channel."""

    channel: Name
    spend: Name | None = Field(None, description="Column of the spend; wide histories need it.")
    impressions: Name | None = None
    exposure: Literal["spend", "impressions"] | None = Field(
        None, description="What works on people: the money, or the impressions that it bought."
    )
    saturation: Name | None = Field(None, description="Family to fit; chosen where left out.")
    adstock: Name | None = Field(None, description="Family to fit; chosen where left out.")
    scale: Spread | None = Field(
        None,
        description="What one unit of the spend as written is worth: 0.000001 where it is in "
        "millionths, an exchange rate where it is in another currency than the rest.",
    )


class Prior(Plain):
    """What is believed of a channel's return before the data: a log-normal."""

    channel: Name
    roi_median: Spread
    roi_sd_log: Spread


class LiftTest(Plain):
    """The result of an experiment: what was done on its dates less what would have been done.

    Spend, outcome and error are in all, over all its periods and all that it was run on.
    """

    channel: Name
    campaign: Name | None = Field(
        None, description="The one campaign whose spend was changed; the whole channel by default."
    )
    start: Day = Field(description="First day of the changed spend.")
    end: Day = Field(description="Last day of it.")
    spend_change: Finite = Field(
        description="Spent on its dates less what would have been spent, in all: negative for a "
        "cut or a switch-off."
    )
    outcome_change: Finite = Field(
        description="Outcome of its dates less what it would have been, in all."
    )
    standard_error: Spread = Field(description="Of outcome_change, in all.")
    geo: Name | None = Field(None, description="Where it was run; everywhere by default.")
    in_history: bool | None = Field(
        None,
        description="Whether the history's rows hold the changed spend, as they do by default; "
        "false where they hold what would have been.",
    )


class SpecOutcome(Plain):
    """One of several outcomes that are added up at what one unit of each is worth."""

    column: Name
    value: Finite


class Feature(Plain):
    """A control derived from a column: known at its date, so that no forecast looks ahead."""

    name: Name
    kind: Literal[
        "lag",
        "lead",
        "moving_average",
        "cumulative",
        "difference",
        "share_of_voice",
        "spend_ratio",
        "lagged_outcome",
    ]
    column: Name | None = None
    window: Annotated[int, Field(ge=1, le=1000)] | None = None
    periods: Annotated[int, Field(ge=1, le=1000)] | None = None
    known_ahead: bool | None = Field(
        None, description="Whether the column is known before its date: a list of prices, say."
    )
    of: list[Name] | None = Field(None, max_length=1000)


class Model(Plain):
    """Which model is fitted."""

    kind: Literal["bayesian", "ridge", "time_series"] | None = Field(
        None,
        description="A full posterior (bayesian, the default); penalised regression in Robyn's "
        "manner (ridge); exponential curves whose strength moves month by month (time_series).",
    )
    saturation: Name | None = None
    adstock: Name | None = None
    interactions: Literal["auto", "all", "none"] | list[list[Name]] | None = Field(
        None,
        description="Pairs of channels to fit; every pair, shrunk towards none ('all'); or those "
        "that the data clearly show, looked for where left out ('auto').",
    )
    time_varying_baseline: bool | None = Field(
        None, description="Whether the level drifts; decided by evidence where left out."
    )
    trend: Literal["auto", "bends", "linear", "none"] | None = Field(
        None, description="A line that may bend once a year, a straight line, or a level."
    )
    seasonality: Literal["auto"] | list[Season] | None = Field(
        None, description="Fourier terms of the year, and dummies; both chosen where left out."
    )
    holidays_lead: Annotated[int, Field(ge=0, le=60)] | None = Field(
        None, description="Days before a public holiday that have an effect of their own."
    )
    holidays_lag: Annotated[int, Field(ge=0, le=60)] | None = Field(
        None, description="Days after a public holiday that have an effect of their own."
    )
    campaigns: bool | None = Field(None, description="Curves by campaign where there are any.")
    noise: Literal["auto", "gaussian", "student_t"] | None = None


class Spec(Plain):
    """Roles of the columns of a history.

    What is left out is guessed and reported; ``null`` says that there is no such column.
    """

    date: Name | None = Field(None, description="Column of the date: the start of each period.")
    outcome: Name | None = Field(None, description="Column of the outcome.")
    outcome_unit: Literal["money", "count"] | None = Field(
        None,
        description="Whether the outcome is money in the currency of the spend, or a count "
        "(conversions, visits); decided by its name where left out.",
    )
    frequency: Literal["day", "week", "month"] | None = None
    currency: Name | None = None
    channels: list[SpecChannel] | None = Field(None, max_length=10_000)
    controls: list[Name] | None = Field(None, max_length=1000)
    events: Name | None = Field(None, description="Column of event labels, empty where none.")
    geo: Name | None = Field(None, description="Column of the geography.")
    holidays_country: Annotated[str, Field(min_length=2, max_length=2)] | None = None
    priors: list[Prior] | None = Field(None, max_length=10_000)
    lift_tests: list[LiftTest] | None = Field(None, max_length=10_000)
    model: Model | None = None
    outcomes: list[SpecOutcome] | None = Field(None, min_length=1, max_length=100)
    features: list[Feature] | None = Field(None, max_length=100)
    challengers: bool | None = None
    decimal: Literal[".", ","] | None = Field(
        None, description="The decimal mark of numbers that can be read two ways, such as 1.234."
    )


class FitRequest(Message):
    """Curves from a history in the request: small data, answered at once."""

    spec: Spec | None = Field(None, description="Roles of the columns; guessed where left out.")
    history_csv: Annotated[str, Field(min_length=1)]
    outcomes_csv: Annotated[str, Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), WHOLE] = 0
