"""Geos that differ: too short to learn from, of different lengths, without one of the channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.history.cells import Cells
from shared.history.doubles import total_geo
from shared.history.table import Finding, Panel

__all__ = ["FEWEST_PERIODS", "settle_geos", "unspent_in_geos"]

FEWEST_PERIODS = 8
"""Periods with an outcome below which a geo says nothing about itself."""

_SHORT = 0.9  # of the longest geo's periods, below which a difference is worth reporting
_SHOWN = 10


def settle_geos(cells: Cells, unit: str) -> tuple[Cells, list[Finding]]:
    """Leave out a total and geos that nothing can be learned of; report uneven lengths.

    A geo is left out where it has fewer than ``FEWEST_PERIODS`` periods with an outcome or its
    outcome never moves, as long as another geo is left.

    Raises
    ------
    InvalidInput
        A geo that is called a total and is not the sum of the others; geos of enough periods each
        that hardly ever have an outcome in the same ones.
    """
    names, days = cells.geos, cells.days
    if len(names) < 2:
        return cells, []
    total = total_geo(cells)
    if total is not None:
        text = (
            f"Geo '{total}' is the sum of the others and was left out: it would count all of them "
            "twice. Leave its rows out."
        )
        rest, found = settle_geos(cells.of_geos(set(names) - {total}), unit)
        return rest, [Finding("total_geo", text, {"geo": total}, settled_by="rows"), *found]
    seen = np.isfinite(cells.outcome)
    known = {name: np.flatnonzero(seen & (cells.geo == g)) for g, name in enumerate(names)}
    still = {name for name, at in known.items() if at.size and np.ptp(cells.outcome[at]) == 0}
    short = {name for name, at in known.items() if len(at) < FEWEST_PERIODS}
    out = short | still
    kept = [name for name in names if name not in out]
    if not kept:
        return cells, []
    found = [
        Finding(
            "geo_left_out",
            f"'{name}' is left out with its spend: "
            + (
                f"it has an outcome in {len(known[name])} {unit}s, and at least "
                f"{FEWEST_PERIODS} are needed."
                if name in short
                else "its outcome is the same in every period."
            ),
            {"geo": name, "periods": len(known[name])},
        )
        for name in names
        if name in out
    ]
    common = set.intersection(*(set(days[known[name]].tolist()) for name in kept))
    if len(common) < FEWEST_PERIODS:
        shown = ", ".join(f"'{name}' ({_range(days[known[name]])})" for name in kept[:_SHOWN])
        raise InvalidInput.at(
            "/geo",
            "geos_apart",
            f"Only {len(common)} {unit}s have an outcome in all geos, and at least "
            f"{FEWEST_PERIODS} are needed: {shown}. Give rows of the same {unit}s, or leave "
            "geos out.",
        )
    most = max(len(known[name]) for name in kept)
    uneven = [name for name in kept if len(known[name]) < _SHORT * most]
    if uneven:
        shown = ", ".join(f"'{name}' ({_range(days[known[name]])})" for name in uneven[:_SHOWN])
        found.append(
            Finding(
                "geos_of_different_lengths",
                f"Not all geos have an outcome in all {most} {unit}s: {shown}. Each is fitted "
                f"to what it has; forecasts are judged in the {len(common)} {unit}s that all "
                "have.",
                {"geos": uneven[:200], "common": len(common)},
            )
        )
    return cells.of_geos(kept), found


def _range(days: NDArray[np.datetime64]) -> str:
    return f"{len(days)} from {min(days)} to {max(days)}"


def unspent_in_geos(panel: Panel) -> list[Finding]:
    """Channels and campaigns that have spend in some geos and none in others."""
    found = []
    spent = panel.spend.sum(axis=1) > 0  # (G, M)
    for m, (channel, campaign) in enumerate(panel.arms):
        without = [panel.geos[g] for g in np.flatnonzero(~spent[:, m])]
        if without and spent[:, m].any():
            name = f"{channel}/{campaign}" if campaign else channel
            shown = ", ".join(map(repr, without[:_SHOWN]))
            found.append(
                Finding(
                    "no_spend_in_geo",
                    f"'{name}' has no spend in {shown}{' and more' * (len(without) > _SHOWN)}: "
                    "its curve there is what was believed before.",
                    {"channel": name, "geos": without[:200]},
                )
            )
    return found
