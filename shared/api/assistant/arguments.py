"""The arguments of the assistant's tools: few, in per cent and plain words, read forgivingly.

Numbers may come as text, null stands for what is not given, and a limit may be written by its rule
(``{"channel": "tv", "at_least": 5000}``) as well as in the form of the schema.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field, model_validator

from shared.api.curve_messages import Message

__all__ = [
    "PICTURES",
    "Arguments",
    "ChangeArguments",
    "ChannelArguments",
    "CompareArguments",
    "Emphasis",
    "Limit",
    "OfDataset",
    "PeriodsArguments",
    "PictureArguments",
    "PlanArguments",
    "RunArguments",
    "SpreadArguments",
    "TestArguments",
]

Rule = Literal[
    "keep",
    "at_least",
    "at_most",
    "cut_at_most_percent",
    "raise_at_most_percent",
    "leave_out",
    "price_percent",
    "works_percent",
    "like",
    "free",
]
PICTURES = Literal["responses", "allocation", "budget", "shares", "decomposition", "fit", "returns"]


class Arguments(Message):
    """Arguments of a tool: closed, but forgiving about how a number is written."""

    model_config = ConfigDict(strict=False, coerce_numbers_to_str=True)


class Limit(Arguments):
    """One limit or what-if of one channel."""

    channel: str = Field(description="Name; * is all")
    rule: Rule
    value: float | str | None = Field(
        None,
        description="Money a period or per cent, as the rule says; price_percent 20: 20 % dearer; "
        "works_percent -30: 30 % weaker; like: the channel a new one resembles",
    )

    @model_validator(mode="before")
    @classmethod
    def by_its_rule(cls, data: Any) -> Any:
        """``{"channel": "tv", "keep": true}`` as well as ``{"channel", "rule", "value"}``."""
        if isinstance(data, dict) and data.get("rule") is None:
            said = [name for name in get_args(Rule) if data.get(name) not in (None, False)]
            if len(said) == 1:
                value = data[said[0]]
                rest = {key: data[key] for key in data if key not in get_args(Rule)}
                given = {} if value is True else {"value": value}
                return {**rest, "rule": said[0], **given}
        return data


class OfDataset(Arguments):
    """A dataset."""

    dataset: str


class PlanArguments(OfDataset):
    """A plan for one period, repeated."""

    budget: float | None = Field(None, description="Money a period; today's if nothing is said")
    change_percent: float | None = Field(None, description="Instead: today's money, changed")
    target_outcome: float | None = Field(None, description="Instead: least money for this outcome")
    value_per_outcome: float | None = Field(None, description="For most profit: worth of one")
    limits: list[Limit] | None = None
    base_plan: str | None = Field(None, description="plan_id to change; say only what differs")


class Emphasis(Arguments):
    """Some periods that get more money (or less) than the others."""

    first: int | str = Field(description="Period number from 1, or date")
    last: int | str
    percent: float = Field(description="30: each gets 30 % more than a usual one")


class PeriodsArguments(OfDataset):
    """A plan over periods."""

    periods: int | None = Field(None, description="How many")
    budget: float | None = Field(None, description="Money in all")
    start: str | None = Field(None, description="YYYY-MM-DD; after the history if not given")
    emphasis: list[Emphasis] | None = None
    limits: list[Limit] | None = None
    base_plan: str | None = None


class MixRow(Arguments):
    """What somebody would spend on a channel."""

    channel: str
    spend: float = Field(description="Money a period")


class CompareArguments(OfDataset):
    """Plans beside one another."""

    plans: list[str] | None = Field(None, description="plan_ids, or today")
    mix: list[MixRow] | None = Field(None, description="The user's own split; the rest as today")


class ChannelArguments(OfDataset):
    """A channel in a plan."""

    channel: str
    base_plan: str | None = None


class SpreadArguments(OfDataset):
    """Steps to a plan."""

    base_plan: str | None = None
    periods: int | None = None
    max_change_percent: float | None = Field(None, description="Of a channel, a period")


class TestArguments(OfDataset):
    """A test of a channel; the one that pays most if none is named."""

    channel: str | None = None
    base_plan: str | None = None


class PictureArguments(OfDataset):
    """A picture of a dataset's curves and plan."""

    picture: PICTURES
    budget: float | None = None


class ChangeArguments(OfDataset):
    """Something that changes what is stored."""

    confirm: bool = Field(description="true only if the user agreed")


class RunArguments(OfDataset):
    """A run; the last one if none is named."""

    run: str | None = None


class NoArguments(Arguments):
    """Nothing."""
