"""A table by geo and campaign: summed to a national history, or laid out as a panel."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.frequency import row_of
from shared.history.formats import limit_cells
from shared.history.table import Finding, History, Panel

__all__ = [
    "MOST_CELLS",
    "UNNAMED",
    "Cells",
    "added_up",
    "cells_of",
    "in_order",
    "national",
    "panel_of",
    "row_numbers",
    "sums",
]

Floats = NDArray[np.float64]

MOST_CELLS = 240
"""Arms times geos beyond which campaigns are summed: a fit of more would not end in a night."""

UNNAMED = "other"
"""Campaign of the spend of a split channel that names none."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """One row a period and geo, in any order, possibly with gaps; R rows, M arms, K controls.

    Attributes
    ----------
    days
        Shape (R,).
    geo
        Shape (R,): the number, in ``geos``, of each row's geo.
    geos
        Names, in order; one empty name where the table is national.
    arms
        (channel, campaign) of each column of spend; the campaign is "" for whole channels.
    values
        Shape (R, 2 M + 1 + K): spend and impressions of each arm, outcome, controls; NaN for what
        is empty or not known.
    events
        Shape (R,): the label of each row's event, or "".
    """

    days: NDArray[np.datetime64]
    geo: NDArray[np.intp]
    geos: tuple[str, ...]
    arms: tuple[tuple[str, str], ...]
    control_names: tuple[str, ...]
    values: Floats
    events: NDArray[np.object_]

    @property
    def dates(self) -> list[date]:
        """Of each row."""
        return list(self.days.tolist())

    @property
    def channels(self) -> tuple[str, ...]:
        """In order of their first arm."""
        return tuple(dict.fromkeys(channel for channel, _ in self.arms))

    @property
    def parts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Spend and impressions (R, M), outcome (R,) and controls (R, K)."""
        many = len(self.arms)
        spend, seen, told, controls = np.split(self.values, [many, 2 * many, 2 * many + 1], axis=1)
        return spend, seen, told[:, 0], controls

    @property
    def spend(self) -> Floats:
        """Shape (R, M)."""
        return self.parts[0]

    @property
    def outcome(self) -> Floats:
        """Shape (R,)."""
        return self.parts[2]

    def only(self, rows: NDArray[Any]) -> Cells:
        """Some of the rows: their places, or whether each is one."""
        return replace(
            self,
            days=self.days[rows],
            geo=self.geo[rows],
            values=self.values[rows],
            events=self.events[rows],
        )

    def of_geos(self, names: Collection[str]) -> Cells:
        """The rows of some geos; a single one is nameless, as in a national table."""
        kept = [name for name in self.geos if name in names]
        place = {name: g for g, name in enumerate(kept)}
        number = np.array([place.get(name, -1) for name in self.geos])[self.geo]
        own = replace(self, geo=number, geos=tuple(kept) if len(kept) > 1 else ("",))
        return own.only(number >= 0)

    def without_geos(self) -> Cells:
        """The same rows, of no geo."""
        return replace(self, geo=np.zeros_like(self.geo), geos=("",))

    def without_campaigns(self) -> Cells:
        """The same rows, the campaigns of a channel added up."""
        place = {channel: c for c, channel in enumerate(self.channels)}
        if len(place) == len(self.arms):
            return replace(self, arms=tuple((channel, "") for channel in place))
        of = np.array([place[channel] for channel, _ in self.arms])
        spend, seen, told, controls = self.parts
        both = [sums(len(place), of, own.T).T for own in (spend, seen)]
        values = np.column_stack([*both, told, controls])
        return replace(self, arms=tuple((channel, "") for channel in place), values=values)

    def beside(self, told: Cells) -> Cells:
        """These rows of spend, and those of the outcomes ``told`` of the same geos."""
        width = (len(told.events), len(self.arms))
        none = np.full((len(self.events), len(told.control_names)), np.nan)
        sold = [np.zeros(width), np.full(width, np.nan), told.values]
        return Cells(
            np.concatenate([self.days, told.days]),
            np.concatenate([self.geo, told.geo]),
            self.geos,
            self.arms,
            told.control_names,
            np.vstack([np.hstack([self.values, none]), np.hstack(sold)]),
            np.concatenate([self.events, told.events]),
        )


def cells_of(
    days: NDArray[np.datetime64],
    geos: pd.Categorical | None,
    arms: Sequence[tuple[str, str]],
    spend: Floats,
    impressions: Floats | None = None,
    outcome: Floats | None = None,
    controls: Mapping[str, Floats] | None = None,
    events: Sequence[str] | None = None,
) -> Cells:
    """Cells of rows with these ``days`` (R,) and ``geos``; what is None is not known."""
    rows, own = len(days), controls or {}
    empty = np.full((rows, len(arms) + 1), np.nan)
    parts = [spend, empty[:, 1:] if impressions is None else impressions]
    parts += [empty[:, 0] if outcome is None else outcome, *own.values()]
    names, number = ("",), np.zeros(rows, dtype=np.intp)
    if geos is not None:
        names, number = tuple(sorted(geos.categories)), in_order(geos)
    labels = np.array([""] * rows if events is None else events, dtype=object)
    return Cells(days, number, names, tuple(arms), tuple(own), np.column_stack(parts), labels)


def in_order(names: pd.Categorical) -> NDArray[np.intp]:
    """Shape (R,): the number of each row's name, counted in the order of the alphabet."""
    place = {name: n for n, name in enumerate(sorted(names.categories))}
    number = np.array([place[name] for name in names.categories], dtype=np.intp)
    return np.asarray(number[names.codes])


def sums(count: int, at: NDArray[np.intp], values: Floats) -> Floats:
    """Shape (count, W): sums of the values (R, W) that are known at each place ``at`` (R,).

    NaN where none is. Added in their order, so that equal tables give equal sums.
    """
    row, column = np.nonzero(np.isfinite(values))
    out = np.full((count, values.shape[1]), np.nan)
    flat, places = out.reshape(-1), at[row] * values.shape[1] + column
    flat[places] = 0.0
    np.add.at(flat, places, values[row, column])
    return out


def row_numbers(days: NDArray[np.datetime64], geo: NDArray[np.intp]) -> tuple[Any, Any]:
    """Places of the first row of each date and geo, in their order, and which one each row is."""
    key = days.astype(np.int64) * (int(geo.max()) + 1) + geo
    _, first, at = np.unique(key, return_index=True, return_inverse=True)
    return first, at


def added_up(cells: Cells) -> Cells:
    """Rows of one date and geo as one: sums, of controls means."""
    first, at = row_numbers(cells.days, cells.geo)
    if len(first) == len(at):
        return cells
    values = sums(len(first), at, cells.values)
    if few := len(cells.control_names):
        ones = np.where(np.isfinite(cells.values[:, -few:]), 1.0, np.nan)
        values[:, -few:] /= sums(len(first), at, ones)
    events = cells.events[first]
    for row in np.flatnonzero(cells.events != "")[::-1]:
        events[at[row]] = cells.events[row]
    return replace(cells.only(first), values=values, events=events)


def national(cells: Cells) -> Cells:
    """Sums over geos and campaigns, one row a period.

    An outcome is known where it is known in every geo; a control is the mean over the geos; spend
    is empty (NaN) only where every cell of it is.
    """
    whole = added_up(cells.without_campaigns().without_geos())
    known = cells.days[np.isfinite(cells.outcome)]
    told = np.searchsorted(np.sort(known), whole.days, "right")
    told -= np.searchsorted(np.sort(known), whole.days, "left")
    values = whole.values.copy()
    values[told < len(cells.geos), 2 * len(whole.arms)] = np.nan
    return replace(whole, values=values)


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
    geos, campaigns = cells.geos, len({arm for arm in cells.arms if arm[1]})
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
    own = cells if split else cells.without_campaigns()
    shape = (len(geos), len(history.dates), len(own.arms))
    size = f"{shape[0]:,} geos over {shape[1]:,} periods, {shape[2]:,} channels and campaigns"
    limit_cells(
        f"{size}, {len(cells.control_names)} controls",
        *shape[:2],
        shape[2] + len(cells.control_names),
    )
    time = np.array([row_of(history.dates, day, history.frequency) for day in own.dates])
    inside = (time >= 0) & (time < len(history.dates))
    rows, own = (own.geo[inside], time[inside]), own.only(inside)
    laid = np.full((*shape[:2], own.values.shape[1]), np.nan)
    laid[rows] = own.values
    spend, impressions, outcome, controls = np.split(
        laid, [shape[2], 2 * shape[2], 2 * shape[2] + 1], axis=2
    )
    counted = np.isfinite(impressions)
    spend, impressions = np.nan_to_num(spend), np.nan_to_num(impressions)
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
    for m, (channel, campaign) in enumerate(own.arms):
        if channel in exposed:
            name = f"{channel}/{campaign}" if campaign else channel
            found += _expose(m, name, geos, spend, impressions, counted, exposure)
    if campaigns and split:
        found.append(
            Finding(
                "campaigns_kept",
                f"{len(own.arms)} campaigns of {len(cells.channels)} channels get curves of their "
                "own, each leaning on its channel's.",
                {"campaigns": len(own.arms), "channels": len(cells.channels)},
            )
        )
    told = np.ascontiguousarray(outcome[:, :, 0])
    return Panel(geos, own.arms, spend, exposure, told, np.ascontiguousarray(controls)), found


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
