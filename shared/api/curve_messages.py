"""Response curves as a caller writes them: one model a family, made from what the family states.

Models are built on their first use (``defer_build``), so that importing them costs next to nothing.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.curves import saturation as curves
from shared.curves.derived import OFFSET
from shared.curves.family import LARGEST, Range
from shared.shapes import WHOLE, Strict

__all__ = [
    "ADSTOCKS",
    "FAMILIES",
    "NOT_TINY",
    "OR_NOTHING",
    "SMALLEST",
    "WHOLE",
    "Adstock",
    "Message",
    "Money",
    "Name",
    "Positive",
    "Response",
    "Saturation",
    "message_of",
]

SMALLEST = 1e-30
"""No parameter above 0 is smaller, and no amount: products and quotients of several stay finite."""


class Message(Strict):
    """A part of a request. ``null`` means "not given", as strict function calling sends it."""

    @model_validator(mode="before")
    @classmethod
    def null_is_absent(cls, data: Any) -> Any:
        if isinstance(data, dict) and None in data.values():
            return {key: value for key, value in data.items() if value is not None}
        return data


def _not_tiny(value: float) -> float:
    if value < SMALLEST:
        raise PydanticCustomError("tiny", "Must be at least {ge}.", {"ge": SMALLEST})
    return value


def _nothing_if_tiny(value: float) -> float:
    return value if abs(value) >= SMALLEST else 0.0


NOT_TINY = AfterValidator(_not_tiny)
"""Refuses what is above 0 and yet too small to divide by."""

OR_NOTHING = AfterValidator(_nothing_if_tiny)
"""Takes an amount that is closer to 0 than any that counts as 0: nobody spends or earns it."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Money = Annotated[float, Field(ge=0, le=LARGEST), OR_NOTHING]
Positive = Annotated[float, Field(gt=0, le=LARGEST), NOT_TINY]
Shape = Annotated[float, Field(gt=0, le=100), NOT_TINY]
Decay = Annotated[
    float, Field(ge=0, lt=1, description="Share of the effect that carries into the next period.")
]
Length = Annotated[
    int, Field(ge=1, le=520, description="Periods over which the carryover lasts."), WHOLE
]
Normalised = Annotated[bool, Field(description="Whether the carryover weights sum to one.")]


def _parameter(allowed: Range) -> Any:
    """The type of a family's parameter in a request."""
    ends: dict[str, Any] = {"le": allowed.most}
    if allowed.above is None:
        ends["ge"] = -LARGEST if allowed.at_least is None else allowed.at_least
        number: Any = Annotated[float, Field(**ends), OR_NOTHING]
    else:
        number = Annotated[float, Field(gt=allowed.above, **ends), NOT_TINY]
    if allowed.count is None:
        return Annotated[number, Field(description=allowed.text)]
    least, most = allowed.count
    return Annotated[
        list[number], Field(min_length=least, max_length=most, description=allowed.text)
    ]


def message_of(family: type[curves.Saturation]) -> type[Message]:
    """A family as a caller writes it: its name and its parameters."""
    parameters: dict[str, Any] = {
        item.name: (
            _parameter(item.metadata["range"]),
            ... if item.default is MISSING else item.default,
        )
        for item in fields(family)  # type: ignore[arg-type]
    }
    if family.closed_form():
        parameters["offset"] = (_parameter(OFFSET["range"]) | None, None)
    name: Any = (Literal[family.family], ...)
    return create_model(
        family.__name__, __base__=Message, __doc__=f"{family.formula}.", family=name, **parameters
    )


FAMILIES: dict[str, type[Message]] = {
    name: message_of(family) for name, family in curves.FAMILIES.items()
}


class Geometric(Message):
    """A_t = x_t + decay * A_(t-1)."""

    family: Literal["geometric"]
    decay: Decay
    normalised: Normalised = False


class Delayed(Message):
    """Weights decay^((lag - peak)^2): the effect peaks some periods after the spend."""

    family: Literal["delayed"]
    decay: Decay
    peak: Annotated[float, Field(ge=0, le=520)]
    length: Length
    normalised: Normalised = False


class WeibullPdf(Message):
    """Weights along a Weibull density, scaled to a peak of one."""

    family: Literal["weibull_pdf"]
    shape: Shape
    scale: Positive
    length: Length
    normalised: Normalised = False


class WeibullCdf(Message):
    """Weights from the survival of a Weibull distribution."""

    family: Literal["weibull_cdf"]
    shape: Shape
    scale: Positive
    length: Length
    normalised: Normalised = False


class LagWeights(Message):
    """The carryover weights themselves, for curves of another tool."""

    family: Literal["lag_weights"]
    values: list[Money] = Field(
        min_length=1, max_length=520, description="Weights by lag, the period of the spend first."
    )
    normalised: Normalised = False


if TYPE_CHECKING:
    Saturation = Message
else:
    Saturation = Annotated[reduce(or_, FAMILIES.values()), Field(discriminator="family")]
Adstock = Annotated[
    Geometric | Delayed | WeibullPdf | WeibullCdf | LagWeights, Field(discriminator="family")
]

ADSTOCKS: dict[str, type[Message]] = {
    "geometric": Geometric,
    "delayed": Delayed,
    "weibull_pdf": WeibullPdf,
    "weibull_cdf": WeibullCdf,
    "lag_weights": LagWeights,
}


Draw = Annotated[Any, WithJsonSchema({"type": "object", "additionalProperties": {}})]
"""Parameters of the response's own family; checked against it in ``shared.api.semantics``."""


class Response(Message):
    """saturation(adstock(spend)): outcome per period."""

    saturation: Saturation
    adstock: Adstock | None = None
    draws: list[Draw] | None = Field(
        None,
        max_length=10_000,
        description="Posterior or bootstrap samples of the saturation's parameters, without the "
        "family. Draw number s of every channel belongs together, so all carry equally many.",
    )
