"""The history half of the contract in code: specs and the synchronous fit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.api.curve_messages import WHOLE, Message, Name, Plain

__all__ = ["FitRequest", "LiftTest", "Model", "Prior", "Spec", "SpecChannel"]

Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Finite = Annotated[float, Field(ge=-1e15, le=1e15)]
Spread = Annotated[float, Field(gt=0, le=1e15)]


class SpecChannel(Plain):
    """Columns of one channel."""

    channel: Name
    spend: Name | None = Field(None, description="Column of the spend; wide histories need it.")
    impressions: Name | None = None


class Prior(Plain):
    """What is believed of a channel's return before the data: a log-normal."""

    channel: Name
    roi_median: Spread
    roi_sd_log: Spread


class LiftTest(Plain):
    """The result of an experiment."""

    channel: Name
    start: Day
    end: Day
    spend_change: Finite
    outcome_change: Finite
    standard_error: Spread


class Model(Plain):
    """Which model is fitted."""

    kind: Name | None = None
    saturation: Name | None = None
    adstock: Name | None = None
    interactions: list[list[Name]] | None = Field(None, max_length=1000)


class Spec(Plain):
    """Roles of the columns of a history.

    What is left out is guessed and reported; ``null`` says that there is no such column.
    """

    date: Name | None = Field(None, description="Column of the date: the start of each period.")
    outcome: Name | None = Field(None, description="Column of the outcome.")
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


class FitRequest(Message):
    """Curves from a history in the request: small data, answered at once."""

    spec: Spec | None = Field(None, description="Roles of the columns; guessed where left out.")
    history_csv: Annotated[str, Field(min_length=1)]
    outcomes_csv: Annotated[str, Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), WHOLE] = 0
