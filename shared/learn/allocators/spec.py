"""What an allocator is told: its arms and their limits, what counts, and what happened.

The models here are the spec: its form, its defaults and what OpenAPI says of it. Periods are whole
numbers, counted by the caller (hours, days or weeks since its start), so that no clock is part of
an allocator's state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from shared.curves.saturation import Saturation, saturation_from_dict
from shared.errors import Fault, pointer_to
from shared.shapes import WHOLE, Strict
from shared.store.keys import is_run_id

__all__ = [
    "MAX_ARMS",
    "MAX_EVENTS",
    "AllocatorSpec",
    "Arm",
    "ContextFeature",
    "Curve",
    "Delay",
    "Event",
    "Observations",
    "arm_faults",
    "spec_faults",
]

MAX_ARMS, MAX_BATCH, MAX_EVENTS = 100, 5000, 50_000

_LAST = 10_000_000
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=48)]
Period = Annotated[int, Field(ge=0, le=_LAST), WHOLE]
Count = Annotated[int, Field(ge=0, le=10**12), WHOLE]
Money = Annotated[float, Field(ge=0, le=1e15)]
Positive = Annotated[float, Field(ge=1e-9, le=1e15)]
Share = Annotated[float, Field(ge=0, le=1)]
Version = Annotated[int, Field(ge=1, le=10**9), WHOLE]


class Delay(Strict):
    """When outcomes come: a ``mean`` of exponential delays in periods, or ``shares`` by lag."""

    mean: Positive | None = None
    shares: list[Share] | None = Field(None, min_length=1, max_length=1000)

    def seen(self, age: int) -> float:
        """The share of a cohort's outcomes that has come by the end of its ``age``-th period."""
        if age < 0:
            return 0.0
        if self.mean is not None:
            return -math.expm1(-(age + 1) / self.mean)
        shares = self.shares or [1.0]
        return min(math.fsum(shares[: age + 1]), 1.0)


class Drift(Strict):
    """How the past fades: each period by a ``factor``, or at once where a rate has changed."""

    method: Literal["discount", "change_points"]
    factor: Annotated[float, Field(ge=0.5, le=1.0)] | None = Field(
        None, description="Of a discount; chosen by the log's own likelihood where left out."
    )
    false_alarms: Annotated[float, Field(ge=1e-6, le=0.5)] = Field(
        0.01, description="Probability of a change point where there is none."
    )


class Curve(Strict):
    """Diminishing returns of an arm, known in shape; what is learnt is their size."""

    saturation: dict[str, Any]
    uncertainty: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        description="Standard deviation of the size, as a share of it; 0 for a known curve."
    )
    carryover: Share = 0.0

    @field_validator("saturation")
    @classmethod
    def is_a_curve(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            saturation_from_dict(value)
        except (TypeError, KeyError) as error:
            raise ValueError(f"is no curve: {error}") from None
        return value

    @property
    def response(self) -> Saturation:
        """The curve at size 1."""
        return saturation_from_dict(self.saturation)


class ArmPrior(Strict):
    """A belief about an arm's rate, worth so many trials."""

    mean: Positive
    trials: Positive


class Arm(Strict):
    """One campaign, creative or audience; money is per period."""

    arm: Name
    version: Version = Field(1, description="Of what is said of it; the last one counts.")
    floor: Money = 0.0
    ceiling: Money | None = None
    cost: Positive = Field(1.0, description="Money that one trial costs.")
    start: Period = 0
    end: Period | None = Field(None, description="The last period in which it may run.")
    channel: Name | None = Field(
        None, description="Of the dataset, whose curve is the prior; arms of one share it equally."
    )
    curve: Curve | None = None
    prior: ArmPrior | None = None
    delay: Delay | None = None

    def runs(self, period: int) -> bool:
        """Whether it may get money in a period."""
        return self.start <= period and (self.end is None or period <= self.end)


class ContextFeature(Strict):
    """Something known before a trial: one of ``values``, or a number over ``scale``."""

    feature: Name
    values: list[Name] | None = Field(None, min_length=1, max_length=100)
    scale: Positive = 1.0


class AllocatorSpec(Strict):
    """An online allocator: what it splits over what, and how it learns."""

    allocator: Id
    kind: Literal["thompson", "ucb", "contextual", "epsilon_greedy"]
    outcome: Literal["binary", "count", "money"]
    arms: list[Arm] = Field(min_length=1, max_length=MAX_ARMS)
    budget: Positive = Field(description="Money a period; with costs of 1, trials.")
    min_share: Share = Field(
        0.0, description="Of the budget, for every arm: fairness, and traffic that goes on testing."
    )
    lot: Money = Field(0.0, description="Spend is a multiple of it.")
    delay: Delay | None = None
    drift: Drift | None = None
    features: list[ContextFeature] | None = Field(None, min_length=1, max_length=20)
    epsilon: Share = 0.1
    noise_sd: Positive | None = Field(
        None, description="Of one period's outcome on a curve; of one trial's in a context."
    )
    value_shape: Positive = Field(1.0, description="Gamma shape of a conversion's money.")
    ramp: Annotated[int, Field(ge=0, le=1000), WHOLE] = Field(
        3, description="Periods over which an arm that starts later comes to its equal share."
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), WHOLE] = 0


class Event(Strict):
    """What one cohort brought: trials of a period, and outcomes that came ``lag`` periods later."""

    id: Name
    version: Version = Field(1, description="A correction is the same id with a higher one.")
    arm: Name
    period: Period
    lag: Annotated[int, Field(ge=0, le=100_000), WHOLE] = 0
    trials: Count = 0
    outcomes: Count = 0
    value: Money = Field(0.0, description="Money that came.")
    spend: Money | None = None
    context: dict[str, str | float] | None = None


class Observations(Strict):
    """A batch of events, and arms that are new or changed; sent twice it counts once."""

    events: list[Event] = Field(default_factory=list, max_length=MAX_BATCH)
    arms: list[Arm] = Field(default_factory=list, max_length=MAX_ARMS)


def spec_faults(spec: AllocatorSpec) -> Iterator[Fault]:
    """What contradicts itself or is missing in a spec that is well formed."""
    if not is_run_id(spec.allocator):
        text = "A name has 1 to 48 lower-case letters, digits and '-', a letter or digit first."
        yield Fault("/allocator", "invalid_name", text)
    names = [arm.arm for arm in spec.arms]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield Fault(pointer_to("arms", i, "arm"), "duplicate", f"There are two arms {name!r}.")
    yield from arm_faults(spec, spec.arms)
    contextual = spec.kind == "contextual"
    if contextual != (spec.features is not None):
        text = "A contextual allocator has features, and no other has."
        yield Fault("/features", "required" if contextual else "contradiction", text)
    if contextual and spec.outcome == "money" and spec.noise_sd is None:
        text = "Say noise_sd: the standard deviation of the money of one trial."
        yield Fault("/noise_sd", "required", text)
    yield from _delay_faults("/delay", spec.delay)
    drift = spec.drift
    late = spec.delay is not None or any(arm.delay is not None for arm in spec.arms)
    more = contextual or late or any(map(_curved, spec.arms))
    if drift is not None and drift.method == "discount" and drift.factor is None and more:
        text = "With curves, contexts or delays the factor of a discount has to be said."
        yield Fault("/drift/factor", "required", text)
    if drift is not None and drift.method == "change_points":
        if more or spec.outcome == "money":
            text = "Change points are found in binary outcomes and counts without delay; discount."
            yield Fault("/drift/method", "contradiction", text)
        if spec.min_share <= 0.0:
            text = "Change points are found only in arms that go on being tried: say min_share."
            yield Fault("/min_share", "required", text)


def arm_faults(spec: AllocatorSpec, arms: Sequence[Arm]) -> Iterator[Fault]:
    """What contradicts itself in ``arms``, and what an allocator of that spec cannot take."""
    for i, arm in enumerate(arms):
        for field, code, text in _faults_of(spec, arm):
            yield Fault(pointer_to("arms", i, field), code, text)
        yield from _delay_faults(pointer_to("arms", i, "delay"), arm.delay)


def _faults_of(spec: AllocatorSpec, arm: Arm) -> Iterator[tuple[str, str, str]]:
    """Field, code and sentence of each."""
    curved, name, clash = _curved(arm), arm.arm, "contradiction"
    if arm.ceiling is not None and arm.ceiling < max(arm.floor, spec.min_share * spec.budget):
        yield "ceiling", clash, f"The ceiling of {name} is below its floor."
    if arm.end is not None and arm.end < arm.start:
        yield "end", clash, f"{name} ends before it starts."
    if arm.prior is not None and spec.outcome == "binary" and arm.prior.mean >= 1.0:
        yield "prior", "out_of_range", "The mean of a binary outcome is below 1."
    if arm.prior is not None and (curved or spec.kind == "contextual"):
        text = "A prior is of a rate per trial; a curve's uncertainty says how sure it is."
        yield "prior", clash, text
    if arm.curve is not None and arm.channel is not None:
        yield "curve", clash, f"Give {name} either a curve of its own or a channel's."
    if not curved:
        return
    where = "curve" if arm.curve is not None else "channel"
    if arm.cost != 1.0:
        yield "cost", clash, f"On its curve {name} takes money, not trials: leave the cost out."
    if spec.kind == "contextual":
        yield where, clash, "A contextual allocator splits trials, not money over curves."
    if spec.outcome == "binary":
        text = "On a curve there are no trials that succeed or fail: the outcome is count or money."
        yield where, clash, text
    if spec.outcome == "money" and spec.noise_sd is None:
        text = "Say noise_sd: the standard deviation of one period's money on a curve."
        yield where, "required", text
    drift = spec.drift
    if drift is not None and drift.factor is None:
        yield where, clash, "On a curve the past is discounted by a stated factor, or counts."


def _delay_faults(where: str, delay: Delay | None) -> Iterator[Fault]:
    if delay is not None and (delay.mean is None) == (delay.shares is None):
        yield Fault(where, "contradiction", "Say either the mean of a delay or shares by lag.")
    if delay is not None and delay.shares and math.fsum(delay.shares) > 1.0 + 1e-9:
        yield Fault(where, "out_of_range", "Shares by lag add up to at most 1.")


def _curved(arm: Arm) -> bool:
    return arm.curve is not None or arm.channel is not None
