"""The history half of the contract in code: specs and the synchronous fit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from shared.api.curve_messages import Message, Name, Whole

__all__ = ["FitRequest", "LiftTest", "Model", "Prior", "Spec", "SpecChannel"]

Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Finite = Annotated[float, Field(ge=-1e15, le=1e15)]
Spread = Annotated[float, Field(gt=0, le=1e15)]


class SpecChannel(Message):
    """Columns of one channel."""

    channel: Name
    spend: Name | None = Field(None, description="Column of the spend; wide histories need it.")
    impressions: Name | None = None
    clicks: Name | None = None


class Prior(Message):
    """What is believed of a channel's return before the data: a log-normal."""

    channel: Name
    roi_median: Spread
    roi_sd_log: Spread


class LiftTest(Message):
    """The result of an experiment."""

    channel: Name
    start: Day
    end: Day
    spend_change: Finite
    outcome_change: Finite
    standard_error: Spread


class Model(Message):
    """Which model is fitted."""

    kind: Name | None = None
    saturation: Name | None = None
    adstock: Name | None = None
    interactions: list[list[Name]] | None = Field(None, max_length=1000)


class Spec(Message):
    """Roles of the columns of a history; what is left out is guessed and reported."""

    date: Name | None = Field(None, description="Column of the date: the start of each period.")
    outcome: Name | None = Field(None, description="Column of the outcome.")
    frequency: Literal["day", "week", "month"] | None = None
    currency: Name | None = None
    channels: list[SpecChannel] | None = Field(None, max_length=10_000)
    controls: list[Name] | None = Field(None, max_length=1000)
    events: Name | None = Field(None, description="Column of event labels, empty where none.")
    geo: Name | None = Field(None, description="Column of the geography.")
    holidays_country: Annotated[str, Field(min_length=2, max_length=6)] | None = None
    priors: list[Prior] | None = Field(None, max_length=10_000)
    lift_tests: list[LiftTest] | None = Field(None, max_length=10_000)
    model: Model | None = None


class FitRequest(Message):
    """Curves from a history in the request: small data, answered at once."""

    spec: Spec | None = Field(None, description="Roles of the columns; guessed where left out.")
    history_csv: Annotated[str, Field(min_length=1)]
    outcomes_csv: Annotated[str, Field(min_length=1)] | None = None
    seed: Annotated[Whole, Field(ge=0, le=2**32 - 1)] = 0

    def spec_dict(self) -> dict[str, Any]:
        """The spec as given, without what was left out."""
        return {} if self.spec is None else self.spec.model_dump(exclude_none=True)
