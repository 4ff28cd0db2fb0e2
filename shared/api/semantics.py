"""Rules of a request that span fields, told beside the faults of its shape.

They read the raw JSON and step over whatever has the wrong type (that is a fault of its shape and
told elsewhere), so that one answer names everything that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.api.channel_faults import channel_faults, duplicate_names
from shared.api.curve_faults import draw_counts
from shared.api.pointers import pointer_to
from shared.api.question_faults import budget_faults, goal_faults, horizon_faults, risk_faults
from shared.api.raw_json import Json, named, periods_of
from shared.api.rule_faults import constraint_faults, interaction_faults, unknown_names
from shared.errors import Fault

__all__ = ["evaluate_faults", "optimize_faults", "plan_faults"]


def optimize_faults(raw: Any) -> Iterator[Fault]:
    """All faults of an optimize request that no single field shows."""
    if not isinstance(raw, dict):
        return
    stored = raw.get("dataset") is not None
    channels, periods = raw.get("channels"), periods_of(raw)
    yield from _source_faults(raw, stored)
    yield from budget_faults(raw)
    yield from goal_faults(raw)
    yield from duplicate_names(channels, "channels")
    for i, name, channel in named(channels):
        yield from channel_faults(channel, name, ("channels", i), stored=stored, periods=periods)
    yield from draw_counts(channels)
    if not stored and isinstance(channels, list):
        yield from unknown_names(raw, [name for _, name, _ in named(channels)])
    yield from constraint_faults(raw.get("constraints"))
    yield from interaction_faults(raw.get("interactions"), channels)
    yield from horizon_faults(raw)
    yield from risk_faults(raw)


def _source_faults(raw: Json, stored: bool) -> Iterator[Fault]:
    """Where the curves come from: the request, or a stored set."""
    if not stored and raw.get("channels") in (None, []):
        message = "channels is required, with at least one channel, unless a dataset is named."
        yield Fault("/channels", "required", message)
    if raw.get("curves_version") is not None and not stored:
        message = "curves_version needs a dataset to take the version from."
        yield Fault("/curves_version", "needs_dataset", message)


def evaluate_faults(raw: Any) -> Iterator[Fault]:
    """Faults of an evaluate request beyond those of its problem."""
    if not isinstance(raw, dict):
        return
    for fault in optimize_faults(raw.get("problem")):
        yield Fault(f"/problem{fault.pointer}", fault.code, fault.message)
    yield from plan_faults(raw.get("plan"), "plan")


def plan_faults(plan: Any, *path: str | int) -> Iterator[Fault]:
    """A plan says what every channel spends: per period, in each period, or by campaign."""
    yield from duplicate_names(plan, *path)
    for i, name, row in named(plan):
        yield from _row_faults(row, name, *path, i)
        yield from duplicate_names(row.get("campaigns"), *path, i, "campaigns")
        for j, campaign, inner in named(row.get("campaigns")):
            yield from _row_faults(inner, f"{name}/{campaign}", *path, i, "campaigns", j)


def _row_faults(row: Json, name: str, *path: str | int) -> Iterator[Fault]:
    ways = [way for way in ("spend", "periods", "campaigns") if row.get(way) not in (None, [])]
    if not ways:
        message = f"The plan for {name} needs its spend."
        yield Fault(pointer_to(*path, "spend"), "required", message)
    for way in ways[1:]:
        message = f"The plan for {name} gives {ways[0]} and {way}: one of them says it all."
        yield Fault(pointer_to(*path, way), "conflict", message)
