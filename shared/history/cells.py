"""A table by geo and campaign: summed to a national history, or laid out as a panel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from shared.frequency import row_of
from shared.history.formats import limit_cells
from shared.history.table import Finding, History, Panel

__all__ = [
    "MOST_CELLS",
    "UNNAMED",
    "Cells",
    "added_up",
    "national",
    "over_arms",
    "panel_of",
    "sums",
]

Floats = NDArray[np.float64]

MOST_CELLS = 240
"""Arms times geos beyond which campaigns are summed: a fit of more would not end in a night."""

UNNAMED = "other"
"""Campaign of the spend of a split channel that names none."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """One row a period and geo, in any order, possibly with gaps; R rows, M arms.

    Attributes
    ----------
    geos
        Of each row; "" where the table is national.
    arms
        (channel, campaign) of each column of spend; the campaign is "" for whole channels.
    spend, impressions
        Shape (R, M), NaN for empty cells (of impressions also where there are none).
    outcome
        Shape (R,), NaN where unknown.
    controls
        Shape (R, K), NaN for empty cells.
    events
        The label of each row's event, or "".
    """

    dates: Sequence[date]
    geos: Sequence[str]
    arms: tuple[tuple[str, str], ...]
    spend: Floats
    impressions: Floats
    outcome: Floats
    control_names: tuple[str, ...]
    controls: Floats
    events: Sequence[str]

    @property
    def channels(self) -> tuple[str, ...]:
        """In order of their first arm."""
        return tuple(dict.fromkeys(channel for channel, _ in self.arms))


def sums(shape: tuple[int, ...], at: tuple[NDArray[np.intp], ...], values: Floats) -> Floats:
    """Sums of the values that are known at the places ``at``; NaN where there is none."""
    told = np.isfinite(values)
    places = np.ravel_multi_index(tuple(axis[told] for axis in at), shape)
    out = np.full(shape, np.nan)
    flat = out.reshape(-1)
    flat[places] = 0.0
    np.add.at(flat, places, values[told])
    return out


def means(count: int, at: NDArray[np.intp], values: Floats) -> Floats:
    """Means of the values that are known at each of ``count`` places; NaN where there is none."""
    ones = np.where(np.isfinite(values), 1.0, np.nan)
    return sums((count,), (at,), values) / sums((count,), (at,), ones)


def added_up(cells: Cells) -> Cells:
    """Rows of one date and geo as one: sums, of controls means."""
    keys = list(zip(cells.dates, cells.geos, strict=True))
    place = {key: t for t, key in enumerate(sorted(set(keys)))}
    if len(place) == len(keys):
        return cells
    at, arms = np.array([place[key] for key in keys]), np.arange(len(cells.arms))
    shape = (len(place), len(arms))
    events = [""] * len(place)
    for t, label in zip(at.tolist(), cells.events, strict=True):
        events[t] = events[t] or label
    controls = [means(len(place), at, column) for column in cells.controls.T]
    return replace(
        cells,
        dates=[day for day, _ in place],
        geos=[geo for _, geo in place],
        spend=over_arms(shape, (at,), arms, cells.spend),
        impressions=over_arms(shape, (at,), arms, cells.impressions),
        outcome=sums(shape[:1], (at,), cells.outcome),
        controls=np.column_stack(controls) if controls else np.empty((len(place), 0)),
        events=events,
    )


def over_arms(
    shape: tuple[int, ...],
    rows: tuple[NDArray[np.intp], ...],
    arms: NDArray[np.intp],
    values: Floats,
) -> Floats:
    """``sums`` of values (R, M), whose rows and arms are at these places of the last axes."""
    row, arm = np.nonzero(np.isfinite(values))
    return sums(shape, (*(axis[row] for axis in rows), arms[arm]), values[row, arm])


def national(cells: Cells) -> Cells:
    """Sums over geos and campaigns, one row a period.

    An outcome is known where it is known in every geo; a control is the mean over the geos; spend
    is empty (NaN) only where every cell of it is.
    """
    rows, channels, geos = len(cells.dates), cells.channels, len(set(cells.geos))
    number = {channel: c for c, channel in enumerate(channels)}
    of = np.array([number[channel] for channel, _ in cells.arms])
    shape, at = (rows, len(channels)), (np.arange(rows),)
    whole = added_up(
        replace(
            cells,
            geos=[""] * rows,
            arms=tuple((channel, "") for channel in channels),
            spend=over_arms(shape, at, of, cells.spend),
            impressions=over_arms(shape, at, of, cells.impressions),
        )
    )
    told = zip(cells.dates, np.isfinite(cells.outcome).tolist(), strict=True)
    count = Counter(day for day, known in told if known)
    partly = np.array([count[day] < geos for day in whole.dates])
    return replace(whole, outcome=np.where(partly, np.nan, whole.outcome))


def panel_of(
    cells: Cells, history: History, exposed: Collection[str], *, split: bool = True
) -> tuple[Panel | None, list[Finding]]:
    """The cells on the history's periods; None where the history says it all.

    Parameters
    ----------
    exposed
        Channels whose impressions, not their spend, work on people.
    split
        Whether campaigns are kept apart.
    """
    found: list[Finding] = []
    geos = tuple(sorted(set(cells.geos)))
    campaigns = len({arm for arm in cells.arms if arm[1]})
    if split and campaigns and len(cells.arms) * len(geos) > MOST_CELLS:
        found.append(
            Finding(
                "campaigns_summed",
                f"{len(cells.arms)} campaigns in {len(geos)} geos are more than the "
                f"{MOST_CELLS} curves that one fit can tell apart: they were summed to "
                f"{len(cells.channels)} channels.",
                {"campaigns": len(cells.arms), "channels": len(cells.channels)},
            )
        )
        split = False
    if len(geos) == 1 and not (split and campaigns) and not exposed:
        return None, found
    time = np.array([row_of(history.dates, day, history.frequency) for day in cells.dates])
    inside = (time >= 0) & (time < len(history.dates))
    place = {name: g for g, name in enumerate(geos)}
    geo = np.array([place[name] for name in cells.geos])
    arms = cells.arms if split else tuple((channel, "") for channel in cells.channels)
    shape = (len(geos), len(history.dates), len(arms))
    size = f"{shape[0]:,} geos over {shape[1]:,} periods, {shape[2]:,} channels and campaigns"
    limit_cells(
        f"{size}, {len(cells.control_names)} controls",
        *shape[:2],
        shape[2] + len(cells.control_names),
    )
    number = {arm: m for m, arm in enumerate(arms)}
    to = np.array([number[channel, campaign if split else ""] for channel, campaign in cells.arms])
    rows = (geo[inside], time[inside])
    spend = np.nan_to_num(over_arms(shape, rows, to, cells.spend[inside]), copy=False)
    impressions = over_arms(shape, rows, to, cells.impressions[inside])
    counted = np.isfinite(impressions)
    impressions = np.nan_to_num(impressions, copy=False)
    outcome = np.full(shape[:2], np.nan)
    outcome[geo[inside], time[inside]] = cells.outcome[inside]
    controls = np.full((*shape[:2], len(cells.control_names)), np.nan)
    controls[geo[inside], time[inside]] = cells.controls[inside]
    for g, k in np.ndindex(len(geos), controls.shape[2]):
        column = controls[g, :, k]
        missing = np.isnan(column)
        # A geo without any value of a control takes the nation's.
        column[missing] = (
            history.controls[missing, k]
            if missing.all()
            else np.interp(np.flatnonzero(missing), np.flatnonzero(~missing), column[~missing])
        )
    exposure = spend.copy()
    for m, (channel, _) in enumerate(arms):
        if channel in exposed:
            found += _expose(m, _name(arms[m]), geos, spend, impressions, counted, exposure)
    if campaigns and split:
        found.append(
            Finding(
                "campaigns_kept",
                f"{len(arms)} campaigns of {len(cells.channels)} channels get curves of their own, "
                "each leaning on its channel's.",
                {"campaigns": len(arms), "channels": len(cells.channels)},
            )
        )
    return Panel(geos, arms, spend, exposure, outcome, controls), found


def _name(arm: tuple[str, str]) -> str:
    channel, campaign = arm
    return f"{channel}/{campaign}" if campaign else channel


def _expose(
    m: int,
    name: str,
    geos: Sequence[str],
    spend: Floats,
    impressions: Floats,
    counted: NDArray[np.bool_],
    exposure: Floats,
) -> list[Finding]:
    """Put an arm's impressions in place of its spend, in money; what could not be is reported.

    Impressions are told at the arm's mean price of one in each geo, so that exposure adds up to
    what was spent. Where spend has no count of impressions, it is taken to have bought them at that
    price; a geo without any count keeps its spend.
    """
    found = []
    guessed = (spend[:, :, m] > 0) & ~counted[:, :, m]
    for g, geo in enumerate(geos):
        known = ~guessed[g]
        paid, shown = spend[g, known, m].sum(), impressions[g, known, m].sum()
        if shown > 0 and paid > 0:
            exposure[g, known, m] = impressions[g, known, m] * paid / shown
        elif spend[g, :, m].any():
            where = f" in {geo}" if geo else ""
            found.append(
                Finding(
                    "no_impressions",
                    f"'{name}' has no impressions{where}: its spend stands in for them.",
                    {"channel": name, "geo": geo or None},
                )
            )
            guessed[g] = False
    if guessed.any():
        count = int(guessed.sum())
        found.append(
            Finding(
                "empty_impressions",
                f"Impressions of '{name}' are missing in {count} periods that have spend: taken to "
                "have been bought at its mean price.",
                {"channel": name, "count": count},
            )
        )
    return found
