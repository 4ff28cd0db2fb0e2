"""Rules of a request that span fields, told beside the faults of its shape.

They read the raw JSON and step over whatever has the wrong type (that is a fault of its shape and
told elsewhere), so that one answer names everything that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, TypeGuard
from unicodedata import category

from pydantic import TypeAdapter, ValidationError

from shared.api.curve_messages import FAMILIES
from shared.api.faults import faults_of
from shared.api.pointers import did_you_mean, pointer_to
from shared.errors import Fault

__all__ = [
    "duplicate_names",
    "evaluate_faults",
    "named",
    "optimize_faults",
    "plan_faults",
    "unknown_names",
]

Json = Mapping[str, Any]

PAIRS = (
    ("min_spend", "max_spend"),
    ("min_total", "max_total"),
    ("min_share", "max_share"),
    ("min", "max"),
)

RULES = (
    "min_spend",
    "max_spend",
    "min_total",
    "max_total",
    "min_share",
    "max_share",
    "max_active",
)


def named(items: Any) -> Iterator[tuple[int, str, Json]]:
    """Those entries of a list that are objects with a ``channel`` name: index, name, object."""
    for i, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and isinstance(item.get("channel"), str):
            yield i, item["channel"], item


def _number(item: Json, key: str) -> float | None:
    value = item.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _objects(value: Any) -> Iterator[tuple[int, Json]]:
    for i, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield i, item


def optimize_faults(raw: Any) -> Iterator[Fault]:
    """All faults of an optimize request that no single field shows."""
    if not isinstance(raw, dict):
        return
    yield from _request_faults(raw)
    stored = raw.get("dataset") is not None
    channels = raw.get("channels")
    yield from duplicate_names(channels, "channels")
    for i, name, channel in named(channels):
        yield from _channel_faults(channel, name, ("channels", i), stored)
        yield from duplicate_names(channel.get("campaigns"), "channels", i, "campaigns")
        for j, campaign_name, campaign in named(channel.get("campaigns")):
            yield from _channel_faults(
                campaign, campaign_name, ("channels", i, "campaigns", j), True
            )
    yield from _draw_counts(channels)
    if not stored and isinstance(channels, list):
        yield from unknown_names(raw, [name for _, name, _ in named(channels)])
    yield from _constraint_faults(raw.get("constraints"))
    for i, pair in _objects(raw.get("interactions")):
        ends = pair.get("channels")
        if isinstance(ends, list) and len(ends) == 2 and ends[0] == ends[1]:
            message = f"An interaction needs two different channels; both are {ends[0]!r}."
            yield Fault(pointer_to("interactions", i, "channels"), "duplicate", message)


def _request_faults(raw: Json) -> Iterator[Fault]:
    stored = raw.get("dataset") is not None
    if not stored and raw.get("channels") in (None, []):
        message = "channels is required, with at least one channel, unless a dataset is named."
        yield Fault("/channels", "required", message)
    if raw.get("curves_version") is not None and not stored:
        message = "curves_version needs a dataset to take the version from."
        yield Fault("/curves_version", "needs_dataset", message)
    objective = raw.get("objective")
    goal = objective.get("goal") if isinstance(objective, dict) else None
    by_period = raw.get("period_budgets")
    if goal in (None, "maximize_outcome") and raw.get("budget") is None and by_period is None:
        message = "budget is required: without one, the best outcome has no limit."
        yield Fault("/budget", "required", message)
    if (
        raw.get("budget") is not None
        and by_period is not None
        and raw.get("spend_all") is not False
    ):
        message = "Give budget or period_budgets; both only as caps, with spend_all false."
        yield Fault("/period_budgets", "conflict", message)


def _channel_faults(
    channel: Json, name: str, path: tuple[str | int, ...], stored: bool
) -> Iterator[Fault]:
    def fault(field: str, code: str, message: str) -> Fault:
        return Fault(pointer_to(*path, field), code, message)

    if name and not name.strip():
        yield fault("channel", "invalid", "A channel's name must not be blank.")
    elif any(category(character) == "Cc" for character in name):
        message = "A channel's name must not hold control characters, such as line breaks."
        yield fault("channel", "invalid", message)
    for low, high in (("min_spend", "max_spend"), ("min_total", "max_total")):
        least, most = _number(channel, low), _number(channel, high)
        if least is not None and most is not None and least > most:
            message = f"{high} of {name} ({most:g}) is below its {low} ({least:g})."
            yield fault(high, "contradiction", message)
    if channel.get("current_spend") is None and not stored:
        if channel.get("locked") is True:
            message = f"{name} is locked at its current spend: current_spend is required."
            yield fault("current_spend", "required", message)
        elif channel.get("max_change") is not None:
            message = (
                f"max_change of {name} is a share of its current spend: current_spend is required."
            )
            yield fault("current_spend", "required", message)
    curve, short = channel.get("response"), channel.get("saturation")
    if curve is not None and (short is not None or channel.get("adstock") is not None):
        message = f"Give {name} a response, or saturation and adstock: not both."
        yield fault("response", "conflict", message)
    elif curve is None and short is None:
        if channel.get("adstock") is not None:
            message = f"adstock of {name} needs the saturation beside it."
            yield fault("saturation", "required", message)
        elif not stored:
            yield fault("response", "required", f"{name} needs a response: its curve.")
    if isinstance(short, dict):
        yield from _table_faults(short, (*path, "saturation"), name)
    if isinstance(curve, dict) and isinstance(curve.get("saturation"), dict):
        yield from _table_faults(curve["saturation"], (*path, "response", "saturation"), name)
        yield from _draw_faults(curve, (*path, "response", "draws"), name)


def _table_faults(curve: Json, path: tuple[str | int, ...], name: str) -> Iterator[Fault]:
    """What makes points a curve: as many spends as responses, the former rising."""
    spend, response = curve.get("spend"), curve.get("response")
    if curve.get("family") != "tabulated" or not _numbers(spend) or not _numbers(response):
        return
    if len(spend) != len(response):
        message = (
            f"A tabulated curve needs a response for every spend; that of {name} has {len(spend)} "
            f"spends and {len(response)} responses."
        )
        yield Fault(pointer_to(*path, "response"), "length_mismatch", message)
    if any(b <= a for a, b in pairwise(spend)):
        message = f"The spends of the tabulated curve of {name} must rise from point to point."
        yield Fault(pointer_to(*path, "spend"), "not_increasing", message)
    if any(b < a for a, b in pairwise(response)):
        message = f"The responses of the tabulated curve of {name} must never fall."
        yield Fault(pointer_to(*path, "response"), "not_increasing", message)


def _numbers(value: Any) -> TypeGuard[list[float]]:
    return isinstance(value, list) and all(type(x) in (int, float) for x in value)


@cache
def _draws_of(family: str) -> TypeAdapter[Any]:
    """Reads a list of one family's parameter objects; built once a process and family."""
    return TypeAdapter(list[FAMILIES[family]])  # type: ignore[valid-type]


def _draw_faults(curve: Json, path: tuple[str | int, ...], name: str) -> Iterator[Fault]:
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
        for fault in _table_faults(draw, (*path, i), name):
            yield fault


def _draw_counts(channels: Any) -> Iterator[Fault]:
    """Draw number s of every channel belongs together: all must carry equally many."""
    counts: list[tuple[int, str, int]] = []
    for i, name, channel in named(channels):
        if isinstance(curve := channel.get("response"), dict):
            draws = curve.get("draws")
            counts.append((i, name, len(draws) if isinstance(draws, list) else 0))
        elif channel.get("saturation") is not None:
            counts.append((i, name, 0))
    if not counts:
        return
    most = max(count for _, _, count in counts)
    leader = next(name for _, name, count in counts if count == most)
    for i, name, count in counts:
        if count != most:
            message = (
                f"All channels must carry equally many draws: {name} has {count}, "
                f"{leader} has {most}."
            )
            yield Fault(pointer_to("channels", i, "response", "draws"), "unequal_draws", message)


def duplicate_names(items: Any, *path: str | int) -> Iterator[Fault]:
    """Names that stand for two things at once."""
    seen: dict[str, int] = {}
    for i, name, _ in named(items):
        if name in seen:
            message = f"The channel {name!r} is there twice (entries {seen[name] + 1} and {i + 1})."
            yield Fault(pointer_to(*path, i, "channel"), "duplicate", message)
        seen.setdefault(name, i)


def unknown_names(raw: Json, known: Sequence[str]) -> Iterator[Fault]:
    """Channels that constraints and interactions speak of and the problem does not have."""
    have = set(known)

    def check(name: Any, *path: str | int) -> Iterator[Fault]:
        if isinstance(name, str) and name not in have:
            message = f"There is no channel {name!r}.{did_you_mean(name, known)}"
            yield Fault(pointer_to(*path), "unknown_channel", message)

    for i, rule in _objects(raw.get("constraints")):
        names = rule.get("channels")
        for j, name in enumerate(names if isinstance(names, list) else ()):
            yield from check(name, "constraints", i, "channels", j)
        for j, name, _ in named(rule.get("coefficients")):
            yield from check(name, "constraints", i, "coefficients", j, "channel")
    for i, pair in _objects(raw.get("interactions")):
        ends = pair.get("channels")
        for j, name in enumerate(ends if isinstance(ends, list) else ()):
            yield from check(name, "interactions", i, "channels", j)
    horizon = raw.get("horizon")
    prior = horizon.get("prior_spend") if isinstance(horizon, dict) else None
    for name in prior if isinstance(prior, dict) else ():
        yield from check(name, "horizon", "prior_spend", name)


def _constraint_faults(constraints: Any) -> Iterator[Fault]:
    seen: set[str] = set()
    for i, rule in _objects(constraints):
        name = rule.get("name")
        if isinstance(name, str):
            if name in seen:
                message = f"Two constraints are called {name!r}."
                yield Fault(pointer_to("constraints", i, "name"), "duplicate", message)
            seen.add(name)
        linear = rule.get("coefficients") is not None
        sides = [key for key in (("min", "max") if linear else RULES) if rule.get(key) is not None]
        if not sides:
            wanted = "min or max" if linear else f"one of {', '.join(RULES)}, or coefficients"
            message = f"The constraint {name!r} says nothing: it needs {wanted}."
            yield Fault(pointer_to("constraints", i), "required", message)
        if not linear and rule.get("channels") in (None, []):
            message = f"The constraint {name!r} needs the channels it is about."
            yield Fault(pointer_to("constraints", i, "channels"), "required", message)
        for low, high in PAIRS:
            least, most = _number(rule, low), _number(rule, high)
            if least is not None and most is not None and least > most:
                message = (
                    f"{high} of the constraint {name!r} ({most:g}) is below its {low} ({least:g})."
                )
                yield Fault(pointer_to("constraints", i, high), "contradiction", message)


def evaluate_faults(raw: Any) -> Iterator[Fault]:
    """Faults of an evaluate request beyond those of its problem."""
    if not isinstance(raw, dict):
        return
    for fault in optimize_faults(raw.get("problem")):
        yield Fault(f"/problem{fault.pointer}", fault.code, fault.message)
    yield from duplicate_names(raw.get("plan"), "plan")
    yield from plan_faults(raw.get("plan"), "plan")


def plan_faults(plan: Any, *path: str | int) -> Iterator[Fault]:
    """A plan says what every channel spends: per period, or in each period."""
    for i, name, row in named(plan):
        if row.get("spend") is None and row.get("periods") is None:
            message = f"The plan for {name} needs its spend."
            yield Fault(pointer_to(*path, i, "spend"), "required", message)
