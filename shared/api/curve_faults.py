"""What makes a curve of a request unusable beyond the ranges of its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.api.curve_messages import FAMILIES, SMALLEST
from shared.api.faults import faults_of
from shared.api.pointers import pointer_to
from shared.api.raw_json import Json, named, numbers
from shared.curves import saturation as curves
from shared.errors import Fault

__all__ = ["curve_faults", "draw_counts", "family_of", "has_curve", "unbounded"]

Path = tuple[str | int, ...]

ROUNDING = 1e-12
"""Spends closer than this share of themselves may become one when carryover or a price scales."""


def has_curve(channel: Json) -> bool:
    """Whether a channel (or campaign) brings a curve of its own, in either way."""
    return channel.get("response") is not None or channel.get("saturation") is not None


def family_of(channel: Json) -> Any:
    """The family of a channel's own curve; None where there is none."""
    response = channel.get("response")
    curve = response.get("saturation") if isinstance(response, dict) else channel.get("saturation")
    return curve.get("family") if isinstance(curve, dict) else None


def unbounded(channel: Json) -> bool:
    """Whether its own curve has no ceiling, so no level of saturation to speak of."""
    family = family_of(channel)
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
            yield Fault(pointer_to(*path, "response", "draws"), "unequal_draws", message)


def _counts(items: Any, path: Path) -> Iterator[tuple[Path, str, int]]:
    for i, name, item in named(items):
        if isinstance(curve := item.get("response"), dict):
            draws = curve.get("draws")
            yield (*path, i), name, len(draws) if isinstance(draws, list) else 0
        elif item.get("saturation") is not None:
            yield (*path, i), name, 0
        yield from _counts(item.get("campaigns"), (*path, i, "campaigns"))
