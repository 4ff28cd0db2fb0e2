"""Response curves as a caller writes them: one model a family, with the ranges of its parameters.

Only shapes and ranges; what the parameters mean is in ``shared.curves``. Models are built on their
first use (``defer_build``), so that importing them costs next to nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

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
    "Plain",
    "Positive",
    "Response",
    "Saturation",
]

LARGEST = 1e15
"""No amount of money and no outcome is larger; it keeps sums and squares finite."""


SMALLEST = 1e-30
"""No parameter above 0 is smaller, and no amount: products and quotients of several stay finite."""


class Plain(BaseModel):
    """Strict and closed: no unknown fields, no text for numbers, no NaN or Infinity."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        frozen=True,
        defer_build=True,
        protected_namespaces=(),
    )


class Message(Plain):
    """A part of a request. ``null`` means "not given", as strict function calling sends it."""

    @model_validator(mode="before")
    @classmethod
    def null_is_absent(cls, data: Any) -> Any:
        if isinstance(data, dict) and None in data.values():
            return {key: value for key, value in data.items() if value is not None}
        return data


def whole(value: Any) -> Any:
    """JSON knows one kind of number: 12.0 is as whole as 12."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


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
WHOLE = BeforeValidator(whole)
"""Stands after the bounds of a whole number, so that its schema still shows them."""

Effect = Annotated[
    float,
    Field(ge=0, le=LARGEST, description="Outcome per period that is never exceeded."),
    OR_NOTHING,
]
Positive = Annotated[float, Field(gt=0, le=LARGEST), NOT_TINY]
Shape = Annotated[float, Field(gt=0, le=100), NOT_TINY]
Decay = Annotated[
    float, Field(ge=0, lt=1, description="Share of the effect that carries into the next period.")
]
Length = Annotated[
    int, Field(ge=1, le=520, description="Periods over which the carryover lasts."), WHOLE
]
Normalised = Annotated[bool, Field(description="Whether the carryover weights sum to one.")]


class Hill(Message):
    """max_response * x^shape / (half_saturation^shape + x^shape); S-shaped where shape > 1."""

    family: Literal["hill"]
    max_response: Effect
    half_saturation: Positive = Field(description="Spend that brings half of max_response.")
    shape: Shape


class Exponential(Message):
    """max_response * (1 - exp(-rate * x))."""

    family: Literal["exponential"]
    max_response: Effect
    rate: Positive


class Logistic(Message):
    """max_response * (1 - exp(-rate * x)) / (1 + exp(-rate * x))."""

    family: Literal["logistic"]
    max_response: Effect
    rate: Positive


class MichaelisMenten(Message):
    """max_response * x / (half_saturation + x)."""

    family: Literal["michaelis_menten"]
    max_response: Effect
    half_saturation: Positive


class Sigmoid(Message):
    """max_response * (L(x) - L(0)) / (1 - L(0)); L(x) = 1 / (1 + e^(steepness * (midpoint - x)))"""

    family: Literal["sigmoid"]
    max_response: Effect
    midpoint: Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
    steepness: Positive


class Logarithmic(Message):
    """coefficient * ln(1 + x / scale)."""

    family: Literal["logarithmic"]
    coefficient: Money
    scale: Positive = 1.0


class Power(Message):
    """coefficient * x^exponent."""

    family: Literal["power"]
    coefficient: Money
    exponent: Annotated[float, Field(gt=0, le=1), NOT_TINY]


class Tabulated(Message):
    """Monotone interpolation through the points (spend, response), for curves of another tool."""

    family: Literal["tabulated"]
    spend: list[Money] = Field(
        min_length=2, max_length=10_000, description="Increasing amounts of spend per period."
    )
    response: list[Money] = Field(
        min_length=2, max_length=10_000, description="The outcome at each spend, never falling."
    )


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


Saturation = Annotated[
    Hill | Exponential | Logistic | MichaelisMenten | Sigmoid | Logarithmic | Power | Tabulated,
    Field(discriminator="family"),
]
Adstock = Annotated[
    Geometric | Delayed | WeibullPdf | WeibullCdf | LagWeights, Field(discriminator="family")
]

FAMILIES: dict[str, type[Message]] = {
    "hill": Hill,
    "exponential": Exponential,
    "logistic": Logistic,
    "michaelis_menten": MichaelisMenten,
    "sigmoid": Sigmoid,
    "logarithmic": Logarithmic,
    "power": Power,
    "tabulated": Tabulated,
}
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
