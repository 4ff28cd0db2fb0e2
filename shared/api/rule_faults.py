"""Constraints, interactions and curves that make no sense beyond their shape, unknown names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.api.curve_messages import FAMILIES, SMALLEST
from shared.api.pointers import Json, entries, named, number, numbers, objects, part, texts
from shared.curves import saturation as curves
from shared.errors import Fault, did_you_mean, pointer_to
from shared.figures import number as figure
from shared.shapes import faults_of

__all__ = [
    "constraint_faults",
    "curve_faults",
    "draw_counts",
    "has_curve",
    "interaction_faults",
    "no_ceiling",
    "unknown_names",
]

PAIRS = (
    ("min_spend", "max_spend"),
    ("min_total", "max_total"),
    ("min_share", "max_share"),
    ("min_outcome", "max_outcome"),
    ("min", "max"),
)

LIMITS = (
    "min_spend",
    "max_spend",
    "min_total",
    "max_total",
    "min_share",
    "max_share",
    "max_active",
    "min_outcome",
    "min_roas",
    "max_cpa",
    "max_outcome",
    "split",
)
"""What a constraint may say of the sum (or the number) of its channels."""

WHOLE_HORIZON = ("max_active", "min_outcome", "min_roas", "max_cpa", "max_outcome")
"""What it says of all periods together."""

RESERVED = "budget"
"""The name by which answers call the budget itself."""

Path = tuple[str | int, ...]

ROUNDING = 1e-12
"""Spends closer than this share of themselves may become one when carryover or a price scales."""


def unknown_names(raw: Json, known: Sequence[str]) -> Iterator[Fault]:
    """Channels that constraints, interactions and the horizon speak of and nobody has."""
    have = set(known)

    def check(name: Any, *path: str | int) -> Iterator[Fault]:
        if isinstance(name, str) and name not in have:
            message = f"There is no channel {name!r}.{did_you_mean(name, known)}"
            yield Fault(pointer_to(*path), "unknown_channel", message)

    for i, rule in objects(raw.get("constraints")):
        for j, name in entries(rule.get("channels")):
            yield from check(name, "constraints", i, "channels", j)
        for j, name, _ in named(rule.get("coefficients")):
            yield from check(name, "constraints", i, "coefficients", j, "channel")
    for i, pair in objects(raw.get("interactions")):
        for j, name in entries(pair.get("channels")):
            yield from check(name, "interactions", i, "channels", j)
    for name in part(part(raw, "horizon"), "prior_spend"):
        channel, slash, _ = name.partition("/")
        # What was spent before on a campaign is told under "channel/campaign".
        yield from check(channel if slash and name not in have else name, *_PRIOR, name)


_PRIOR = ("horizon", "prior_spend")


def constraint_faults(constraints: Any) -> Iterator[Fault]:
    """Constraints that say nothing, contradict themselves or share a name."""
    seen: set[str] = set()
    for i, rule in objects(constraints):
        name = rule.get("name")
        if isinstance(name, str):
            if name in seen:
                message = f"Two constraints are called {name!r}."
                yield Fault(pointer_to("constraints", i, "name"), "duplicate", message)
            elif name == RESERVED:
                message = "The budget is called 'budget': give the constraint another name."
                yield Fault(pointer_to("constraints", i, "name"), "reserved", message)
            seen.add(name)
        if rule.get("coefficients") is not None:
            yield from _linear_faults(rule, i)
        else:
            yield from _group_faults(rule, i)
        for low, high in PAIRS:
            least, most = number(rule, low), number(rule, high)
            if least is not None and most is not None and least > most:
                message = (
                    f"{high} of the constraint {name!r} ({figure(most)}) is below "
                    f"its {low} ({figure(least)})."
                )
                yield Fault(pointer_to("constraints", i, high), "contradiction", message)


def _linear_faults(rule: Json, i: int) -> Iterator[Fault]:
    name = rule.get("name")
    if rule.get("min") is None and rule.get("max") is None:
        message = f"The constraint {name!r} says nothing: it needs min or max."
        yield Fault(pointer_to("constraints", i), "required", message)
    if rule.get("coefficients") == []:
        message = f"The linear rule {name!r} needs at least one coefficient."
        yield Fault(pointer_to("constraints", i, "coefficients"), "required", message)
    for field in ("channels", "per_period", *LIMITS):
        if rule.get(field) not in (None, [], False):
            message = (
                f"The constraint {name!r} is a linear rule, which takes min and max: make a "
                f"constraint of its own for {field}."
            )
            yield Fault(pointer_to("constraints", i, field), "conflict", message)
    seen: set[str] = set()
    for j, channel, _ in named(rule.get("coefficients")):
        if channel in seen:
            message = f"{channel} has two coefficients in the constraint {name!r}."
            path = ("constraints", i, "coefficients", j, "channel")
            yield Fault(pointer_to(*path), "duplicate", message)
        seen.add(channel)


def _group_faults(rule: Json, i: int) -> Iterator[Fault]:
    name = rule.get("name")
    channels = rule.get("channels")
    linear = [field for field in ("min", "max") if rule.get(field) is not None]
    for field in linear:
        message = (
            f"{field} of the constraint {name!r} needs coefficients; for the sum of its channels "
            f"say {field}_spend."
        )
        yield Fault(pointer_to("constraints", i, field), "required", message)
    if not linear and all(rule.get(field) is None for field in LIMITS):
        message = (
            f"The constraint {name!r} says nothing: it needs one of {', '.join(LIMITS)}, or "
            "coefficients."
        )
        yield Fault(pointer_to("constraints", i), "required", message)
    if channels in (None, []):
        if not linear:
            message = f"The constraint {name!r} needs the channels it is about."
            yield Fault(pointer_to("constraints", i, "channels"), "required", message)
        return
    seen: set[str] = set()
    for j, channel in texts(channels):
        if channel in seen:
            message = f"{channel} is twice in the constraint {name!r}."
            yield Fault(pointer_to("constraints", i, "channels", j), "duplicate", message)
        seen.add(channel)
    split = rule.get("split")
    if numbers(split) and isinstance(channels, list):
        if len(split) != len(channels):
            message = (
                f"split of the constraint {name!r} must have one share for each of its "
                f"{len(channels)} channels; it has {len(split)}."
            )
            yield Fault(pointer_to("constraints", i, "split"), "length_mismatch", message)
        elif abs(sum(split) - 1.0) > 1e-6:
            message = f"The shares of the split {name!r} must add up to 1; they are {sum(split):g}."
            yield Fault(pointer_to("constraints", i, "split"), "contradiction", message)
    by_period = rule.get("per_period") is True
    if by_period and rule.get("max_active") is None:
        message = f"per_period of the constraint {name!r} is for max_active, which it does not say."
        yield Fault(pointer_to("constraints", i, "max_active"), "required", message)
    for field in WHOLE_HORIZON:
        if field == "max_active" and by_period:
            continue
        if rule.get("periods") is not None and rule.get(field) is not None:
            message = f"{field} of the constraint {name!r} is of the whole horizon: drop periods."
            if field == "max_active":
                message = message.removesuffix(".") + ", or say per_period."
            yield Fault(pointer_to("constraints", i, field), "conflict", message)
    most = number(rule, "max_active")
    if most is not None and isinstance(channels, list) and most > len(channels):
        message = (
            f"max_active of the constraint {name!r} ({figure(most)}) is "
            f"more than the channels that it "
            f"is about ({len(channels)})."
        )
        yield Fault(pointer_to("constraints", i, "max_active"), "contradiction", message)


def interaction_faults(interactions: Any, channels: Any) -> Iterator[Fault]:
    """Pairs of one channel, pairs told twice, and curves that have no level of saturation."""
    given = {name: channel for _, name, channel in named(channels)}
    seen: set[frozenset[str]] = set()
    for i, pair in objects(interactions):
        ends = [name for _, name in texts(pair.get("channels"))]
        if len(ends) == 2:
            both = frozenset(ends)
            if len(both) == 1:
                message = f"An interaction needs two different channels; both are {ends[0]!r}."
                yield Fault(pointer_to("interactions", i, "channels"), "duplicate", message)
            elif both in seen:
                message = f"The interaction of {ends[0]} and {ends[1]} is there twice."
                yield Fault(pointer_to("interactions", i, "channels"), "duplicate", message)
            seen.add(both)
        for j, name in texts(pair.get("channels")):
            channel = given.get(name, {})
            # A channel's level is that of its campaigns together: each of them needs a ceiling.
            for _, own, campaign in named(channel.get("campaigns")):
                if _unbounded(campaign):
                    yield no_ceiling(i, j, f"{name}/{own}", str(_family_of(campaign)))
            if not channel.get("campaigns") and _unbounded(channel):
                yield no_ceiling(i, j, name, str(_family_of(channel)))


def no_ceiling(i: int, j: int, name: str, family: str) -> Fault:
    """An interaction with a channel that is never saturated."""
    message = (
        f"The {family} curve of {name} has no ceiling, so no level of saturation that an "
        "interaction could go by: use a family with max_response."
    )
    return Fault(pointer_to("interactions", i, "channels", j), "no_ceiling", message)


def has_curve(channel: Json) -> bool:
    """Whether a channel (or campaign) brings a curve of its own, in either way."""
    return channel.get("response") is not None or channel.get("saturation") is not None


def _family_of(channel: Json) -> Any:
    """The family of a channel's own curve; None where there is none."""
    response = channel.get("response")
    curve = response.get("saturation") if isinstance(response, dict) else channel.get("saturation")
    return curve.get("family") if isinstance(curve, dict) else None


def _unbounded(channel: Json) -> bool:
    """Whether its own curve has no ceiling, so no level of saturation to speak of."""
    family = _family_of(channel)
    return (
        isinstance(family, str)
        and family in curves.FAMILIES
        and not curves.FAMILIES[family].bounded
    )


def curve_faults(channel: Json, name: str, path: Path) -> Iterator[Fault]:
    """Faults of a channel's own curve: its points, its draws and the price of its media."""
    curve, short = channel.get("response"), channel.get("saturation")
    if isinstance(short, dict):
        yield from _table_faults(short, (*path, "saturation"), name)
    if isinstance(curve, dict) and isinstance(curve.get("saturation"), dict):
        yield from _table_faults(curve["saturation"], (*path, "response", "saturation"), name)
        yield from _draw_faults(curve, (*path, "response", "draws"), name)
    for j, own in objects(channel.get("responses")):
        if isinstance(own.get("saturation"), dict):
            where, whose = (*path, "responses", j), f"{name}/{own.get('outcome')}"
            yield from _table_faults(own["saturation"], (*where, "saturation"), whose)
            yield from _draw_faults(own, (*where, "draws"), whose)
    yield from _price_faults(channel, name, path)


def _price_faults(channel: Json, name: str, path: Path) -> Iterator[Fault]:
    """A price that rises with spend belongs to a curve of its own."""
    if channel.get("price_elasticity") is None:
        if channel.get("reference_spend") is not None:
            message = (
                f"reference_spend of {name} says where its price_elasticity starts: give both."
            )
            yield Fault(pointer_to(*path, "price_elasticity"), "required", message)
        return
    if channel.get("like") is not None:
        message = f"{name} has the curve of another channel, with the price that media have there."
        yield Fault(pointer_to(*path, "price_elasticity"), "conflict", message)


def _table_faults(curve: Json, path: Path, name: str) -> Iterator[Fault]:
    """What makes points a curve: as many spends as responses, the former rising."""
    spend, response = curve.get("spend"), curve.get("response")
    if curve.get("family") != "tabulated" or not numbers(spend) or not numbers(response):
        return
    if len(spend) != len(response):
        message = (
            f"A tabulated curve needs a response for every spend; that of {name} has {len(spend)} "
            f"spends and {len(response)} responses."
        )
        yield Fault(pointer_to(*path, "response"), "length_mismatch", message)
    if any(b - a <= max(ROUNDING * b, SMALLEST) for a, b in pairwise(spend)):
        message = f"The spends of the tabulated curve of {name} must rise from point to point."
        yield Fault(pointer_to(*path, "spend"), "not_increasing", message)
    if any(b < a for a, b in pairwise(response)):
        message = f"The responses of the tabulated curve of {name} must never fall."
        yield Fault(pointer_to(*path, "response"), "not_increasing", message)


@cache
def _draws_of(family: str) -> TypeAdapter[Any]:
    """Reads a list of one family's parameter objects; built once a process and family."""
    return TypeAdapter(list[FAMILIES[family]])  # type: ignore[valid-type]


def _draw_faults(curve: Json, path: Path, name: str) -> Iterator[Fault]:
    family, draws = curve["saturation"].get("family"), curve.get("draws")
    known = isinstance(family, str) and family in FAMILIES
    if not known or not isinstance(draws, list) or not draws:
        return
    complete = [
        {"family": family, **draw} if isinstance(draw, dict) else draw for draw in draws[:10_000]
    ]
    try:
        _draws_of(family).validate_python(complete)
    except ValidationError as error:
        for fault in faults_of(error, complete, FAMILIES[family]):
            message = fault.message.removesuffix(".")
            yield Fault(
                pointer_to(*path) + fault.pointer, fault.code, f"{message} (draws of {name})."
            )
        return
    for i, draw in enumerate(complete):
        yield from _table_faults(draw, (*path, i), name)


def draw_counts(channels: Any) -> Iterator[Fault]:
    """Draw number s of every curve belongs together: all must carry equally many."""
    counts = list(_counts(channels, ("channels",)))
    if not counts:
        return
    most = max(count for _, _, count in counts)
    leader = next(name for _, name, count in counts if count == most)
    for path, name, count in counts:
        if count != most:
            message = (
                f"All channels must carry equally many draws: {name} has {count}, "
                f"{leader} has {most}."
            )
            inner = () if "responses" in path else ("response",)
            yield Fault(pointer_to(*path, *inner, "draws"), "unequal_draws", message)


def _counts(items: Any, path: Path) -> Iterator[tuple[Path, str, int]]:
    for i, name, item in named(items):
        if isinstance(curve := item.get("response"), dict):
            draws = curve.get("draws")
            yield (*path, i), name, len(draws) if isinstance(draws, list) else 0
        elif item.get("saturation") is not None:
            yield (*path, i), name, 0
        for j, own in objects(item.get("responses")):
            draws = own.get("draws")
            count = len(draws) if isinstance(draws, list) else 0
            yield (*path, i, "responses", j), f"{name}/{own.get('outcome')}", count
        yield from _counts(item.get("campaigns"), (*path, i, "campaigns"))
