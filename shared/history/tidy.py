"""Rows in any order -> a ``History``: one row a period, gaps filled, what was odd reported."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from shared.figures import plural
from shared.frequency import frequency, row_of, word
from shared.history.cells import Cells
from shared.history.faults import FaultLog
from shared.history.reading import Table
from shared.history.spec import Spec
from shared.history.table import Finding, History

__all__ = ["add_duplicates", "add_negative", "telling_column", "to_history"]

Floats = NDArray[np.float64]

STRETCH = {"day": 14, "week": 4, "month": 2}
"""Periods without spend from which a stretch is worth reporting."""


def add_duplicates(
    table: Table,
    column: str,
    keys: Sequence[tuple[str, ...] | None],
    faults: FaultLog,
    taken: Collection[str | None] = (),
) -> None:
    """Add a fault for every row whose key (date, and what else names a row) was there before.

    One fault says it all where a column that has no role, none of ``taken``, tells such rows apart.
    """
    apart = telling_column(table, keys, {column, *taken})
    first: dict[tuple[str, ...], int] = {}
    for row, key in enumerate(keys):
        if key is None:
            continue
        if key not in first:
            first[key] = row
            continue
        what = ", ".join(part for part in key if part)
        said = f"Row {table.lines[row]}: {what} is already in row {table.lines[first[key]]}."
        if apart is None:
            faults.add(table.pointer(row, column), "duplicate_period", said)
            continue
        more = len([key for key in keys if key]) - len(set(keys) - {None}) - 1
        also = f" {more} other rows likewise." if more > 0 else ""
        settle = "'duplicates': 'sum' in the spec adds such rows up"
        settle += f"; 'channel_column': '{apart}' or 'geo': '{apart}' keeps them apart."
        text = f"{said}{also} Column '{apart}' tells them apart: {settle}"
        faults.add(table.pointer(row, apart), "duplicate_period", text)
        return


def telling_column(
    table: Table, keys: Sequence[tuple[str, ...] | None], taken: Collection[str | None]
) -> str | None:
    """The first column that tells all rows of one key apart; None where no key is there twice."""
    if len(set(keys)) == len(keys):
        return None
    for name in table.header:
        if name not in taken and len(table.values(name)) <= len(keys) // 2:
            both = set(zip(keys, table.codes(name).tolist(), strict=True))
            if len(both) == len(keys):
                return name
    return None


def add_negative(table: Table, column: str, values: Floats, what: str, faults: FaultLog) -> None:
    """Add a fault for every negative cell."""
    for row in np.flatnonzero(values < 0).tolist():
        faults.add(
            table.pointer(row, column),
            f"negative_{what}",
            f"{table.place(row, column)}: {what} is negative ({values[row]:.15g}).",
        )


def to_history(
    rows: Cells, every: str, spec: Spec, findings: Sequence[Finding], *, long: bool
) -> History:
    """Sort, fill the gaps (no spend, unknown outcome, interpolated controls), report.

    In a long table a period without rows is a period without spend, not a gap.
    """
    dates = frequency(every).grid(rows.dates)
    place = np.array([row_of(dates, day, every) for day in rows.dates])
    spend = np.zeros((len(dates), len(rows.channels)))
    spend[place] = np.nan_to_num(rows.spend, nan=0.0)
    outcome = np.full(len(dates), np.nan)
    outcome[place] = rows.outcome
    controls = np.full((len(dates), len(rows.control_names)), np.nan)
    controls[place] = rows.controls
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
