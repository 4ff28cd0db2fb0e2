"""Ten nights in a row: how much a plan moves while rows come in, and what the moves bring.

A world (``samples.worlds``) sends its history in ten parts, the last 36 weeks four by four. After
each the curves are fitted beside those of the night before, and money moves from where it stands
towards the plan by a rule. What is spent does not come back into the history: only the fit's unrest
shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fit_plans import LOW_HIGH
from benchmarks.harness import EFFORT, Asked, register
from benchmarks.table import OURS, Row
from benchmarks.world_runs import best_of
from samples.worlds.world import KINDS, World
from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.curves.curveset import CurveSet
from shared.fit.pipeline import fit_history
from shared.history.parse import parse
from shared.plan.optimize import answer, make_plan

__all__ = ["NIGHTS", "RULES", "walk"]

Floats = NDArray[np.float64]

SECTION = "nights"
NIGHTS, WEEKS = 10, 4
FIRST = 25  # seed of the worlds to report on
EACH = 3


@dataclass(frozen=True, slots=True)
class Walk:
    """``moved``: sum of moves over the budget; ``gain``: mean share of the possible gain."""

    moved: float
    gain: float


RULES: Mapping[str, float | None] = {
    "the whole plan": np.inf,
    "a quarter": 0.25,
    "trust.step": None,
}
"""The most that a channel may change a night, as a share of what it has; None: what trust says."""


def _plan(
    world: World, curves: CurveSet, now: Floats, most: float
) -> tuple[Floats, dict[str, Any]]:
    low, high = (share * world.mean for share in LOW_HIGH)
    rows = [
        {
            "channel": name,
            "current_spend": float(x),
            "min_spend": float(max(least, x * max(1.0 - most, 0.0))),
            "max_spend": float(min(top, x * (1.0 + most))),
        }
        for name, x, least, top in zip(world.arms, now, low, high, strict=True)
    ]
    request = {"dataset": "known", "budget": float(now.sum()), "channels": rows}
    told = answer(make_plan(problem_of(read_optimize(request), curves)))
    by_name = {row["channel"]: row["spend"] for row in told["allocation"]}
    return np.array([by_name[name] for name in world.arms]), told


@cache
def _fits(kind: str, seed: int) -> tuple[World, tuple[CurveSet, ...]]:
    world, out = World(kind, seed), []
    head, *rows = world.csv.splitlines(keepends=True)
    before: CurveSet | None = None
    for night in range(NIGHTS):
        shown = rows[: len(rows) - WEEKS * (NIGHTS - 1 - night)]
        parsed = parse(world.spec, "".join([head, *shown]).encode())
        before = fit_history(parsed.history, parsed.spec, previous=before).curve_set
        out.append(before)
    return world, tuple(out)


def walk(world: World, fits: tuple[CurveSet, ...], rule: float | None) -> Walk:
    """Follow a rule through all nights."""
    now, moved, gains = world.mean, 0.0, []
    low, high = (share * world.mean for share in LOW_HIGH)
    kept = world.value(world.mean)
    for curves in fits:
        plan, told = _plan(world, curves, now, np.inf)
        most = float(told["trust"]["step"]["max_change"]) if rule is None else rule
        if most <= 0.0:
            plan = now
        elif np.isfinite(most):
            plan, _ = _plan(world, curves, now, most)
        moved += float(np.abs(plan - now).sum()) / 2.0 / float(now.sum())
        now = plan
        gains.append(world.value(now) - kept)
    return Walk(moved, float(np.mean(gains)) / (world.value(best_of(world, low, high)) - kept))


def _rows(name: str, asked: Asked) -> Iterator[Row]:
    if not asked(OURS):
        return
    count = EFFORT.instances(EFFORT.worlds or EACH)
    found = [
        walk(*_fits(kind, seed), RULES[name])
        for seed in range(FIRST, FIRST + count)
        for kind in KINDS
    ]
    moved, gain = (np.array([getattr(item, key) for item in found]) for key in ("moved", "gain"))
    error = 1.0 / np.sqrt(len(found))
    yield Row(
        name=f"ten nights: {name}",
        instances=str(len(found)),
        reached=f"{gain.mean():.0%} ({gain.std() * error:.0%})",
        middle=f"{moved.mean():.2f} ({moved.std() * error:.2f})",
        note="gain: mean over nights and worlds of the share of what is possible; then the sum of "
        "moves over the budget (standard errors)",
    )


for _name in RULES:
    register(SECTION, f"ten nights: {_name}", partial(_rows, _name))
