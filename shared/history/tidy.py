"""Rows in any order -> a ``History``: one row a period, gaps filled, what was odd reported.

Geos that differ as well: too short, of different lengths, without one of the channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.figures import plural
from shared.frequency import frequency, row_of, word
from shared.history.cells import Cells
from shared.history.doubles import total_geo
from shared.history.spec import Spec
from shared.history.table import Finding, History, Panel

__all__ = ["FEWEST_PERIODS", "settle_geos", "to_history", "unspent_in_geos"]

Floats = NDArray[np.float64]

FEWEST_PERIODS = 8
"""Periods with an outcome below which a geo says nothing about itself."""

_SHORT = 0.9  # of the longest geo's periods, below which a difference is worth reporting
_SHOWN = 10
STRETCH = {"day": 14, "week": 4, "month": 2}
"""Periods without spend from which a stretch is worth reporting."""


def to_history(
    rows: Cells, every: str, spec: Spec, findings: Sequence[Finding], *, long: bool
) -> History:
    """Sort, fill the gaps (no spend, unknown outcome, interpolated controls), report.

    In a long table a period without rows is a period without spend, not a gap.
    """
    dates = frequency(every).grid(rows.dates)
    place = np.array([row_of(dates, day, every) for day in rows.dates])
    laid = replace(rows, values=np.full((len(dates), rows.values.shape[1]), np.nan))
    laid.values[place] = rows.values
    spend, _, outcome, controls = map(np.array, laid.parts)
    spend = np.nan_to_num(spend)
    events = [""] * len(dates)
    for at, label in zip(place.tolist(), rows.events, strict=True):
        events[at] = label

    found = list(findings)
    missing = sorted(set(range(len(dates))) - set(place.tolist()))
    if missing:
        found.append(
            Finding(
                "gap",
                f"{plural(len(missing), word(every))} without a row "
                f"({_some(dates, missing)}): "
                "taken as no spend and an unknown outcome.",
                {"periods": [dates[i].isoformat() for i in missing[:100]], "count": len(missing)},
            )
        )
    found += _empty_cells(rows, word(every))
    found += _fill_controls(controls, rows.control_names)
    found += _about_spend(dates, rows.channels, spend, every, long=long)
    return History(
        dates=tuple(dates),
        frequency=every,
        outcome_name=spec.outcome_name,
        outcome=outcome,
        channels=rows.channels,
        spend=spend,
        control_names=rows.control_names,
        controls=controls,
        events=tuple(events),
        currency=spec.currency,
        findings=tuple(found),
    )


def _some(dates: Sequence[date], places: Sequence[int]) -> str:
    shown = ", ".join(str(dates[i]) for i in places[:5])
    return shown + (", ..." if len(places) > 5 else "")


def _empty_cells(rows: Cells, unit: str) -> list[Finding]:
    """Empty spend and outcome cells of the rows that are there."""
    found = []
    for c, channel in enumerate(rows.channels):
        count = int(np.sum(np.isnan(rows.spend[:, c])))
        if count:
            found.append(
                Finding(
                    "empty_spend",
                    f"Spend of '{channel}' is empty in {count} of {len(rows.dates)} rows: "
                    "taken as zero.",
                    {"channel": channel, "count": count},
                )
            )
    empty = np.flatnonzero(np.isnan(rows.outcome))
    if empty.size:
        days = sorted(rows.dates[i] for i in empty.tolist())
        found.append(
            Finding(
                "empty_outcome",
                f"The outcome is empty in {plural(len(days), unit)} "
                f"({_some(days, range(len(days)))}): they carry spend but are not fitted.",
                {"periods": [day.isoformat() for day in days[:100]], "count": len(days)},
            )
        )
    return found


def _fill_controls(controls: Floats, names: Sequence[str]) -> list[Finding]:
    """Interpolate missing control values in place (ends keep the nearest value)."""
    found = []
    along = np.arange(controls.shape[0])
    for k, name in enumerate(names):
        missing = np.isnan(controls[:, k])
        if not missing.any():
            continue
        controls[missing, k] = np.interp(along[missing], along[~missing], controls[~missing, k])
        found.append(
            Finding(
                "filled_control",
                f"Control '{name}' has no value in {int(missing.sum())} of {along.size} periods: "
                "interpolated.",
                {"control": name, "count": int(missing.sum())},
            )
        )
    return found


def _about_spend(
    dates: Sequence[date],
    channels: Sequence[str],
    spend: Floats,
    every: str,
    *,
    long: bool,
) -> list[Finding]:
    """Channels without spend, late starts, early stops and stretches of zero in between."""
    found = []
    unit, stretch = word(every), frequency(every).count(STRETCH)
    for c, channel in enumerate(channels):
        live = np.flatnonzero(spend[:, c] > 0)
        if not live.size:
            found.append(
                Finding(
                    "no_spend",
                    f"'{channel}' has no spend at all: nothing can be learned about it.",
                    {"channel": channel},
                )
            )
            continue
        first, last = int(live[0]), int(live[-1])
        if first >= stretch:
            found.append(
                Finding(
                    "late_start",
                    f"'{channel}' starts on {dates[first]}, {plural(first, unit)} after the "
                    "history does.",
                    {"channel": channel, "date": dates[first].isoformat(), "periods": first},
                )
            )
        after = len(dates) - 1 - last
        if after >= stretch:
            found.append(
                Finding(
                    "early_stop",
                    f"'{channel}' has no spend after {dates[last]}, in the last "
                    f"{plural(after, unit)}.",
                    {"channel": channel, "date": dates[last].isoformat(), "periods": after},
                )
            )
        silent = np.diff(live) - 1
        stretches = np.flatnonzero(silent >= stretch)
        if stretches.size:
            longest = stretches[np.argmax(silent[stretches])]
            begins = dates[int(live[longest]) + 1]
            often = plural(int(stretches.size), "stretch").replace("stretchs", "stretches")
            found.append(
                Finding(
                    "zero_spend",
                    f"'{channel}' has {often} without spend, the longest "
                    f"{plural(int(silent[longest]), unit)} from {begins}"
                    f"{' (no rows there)' if long else ''}.",
                    {
                        "channel": channel,
                        "stretches": int(stretches.size),
                        "longest": int(silent[longest]),
                        "from": begins.isoformat(),
                    },
                )
            )
    return found


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
