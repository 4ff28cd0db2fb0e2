"""Tables put together: rows that renew a history by their dates, and a history of several sources.

Both answer records, as they would be sent: numbers that were read are numbers in them, so that
nothing is read twice in two ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.frequency import word
from shared.history.amounts import worth_of
from shared.history.dates import read_dates
from shared.history.faults import FaultLog
from shared.history.formats import Source
from shared.history.layout import table_of
from shared.history.long import CAMPAIGNS, columns_of, is_long
from shared.history.names import plain_name, tokens
from shared.history.numbers import read_numbers
from shared.history.periods import frequency_of
from shared.history.reading import Table
from shared.history.roles import find_date, guess_roles
from shared.history.spec import Spec, read_spec
from shared.history.table import Finding

__all__ = ["Records", "patched", "with_source"]

Records = list[dict[str, Any]]

_OF_A_SOURCE = (
    *("decimal", "thousands", "day_first", "header_row", "sheet", "drop_totals"),
    *("currency", "currency_column", "rates"),
)


def patched(
    spec: Mapping[str, Any] | None, stored: Source, new: Source
) -> tuple[Records, tuple[Finding, ...]]:
    """The stored rows, those of dates in ``new`` replaced by its own, and what changed in the past.

    Of a history of several sources the dates of a source are replaced by rows that name it.

    Raises
    ------
    InvalidInput
        ``new`` has columns that the history has not, or dates that cannot be read; it names no
        source of a history that has several.
    """
    roles = read_spec(spec)
    old, more = table_of(stored, roles), table_of(new, roles)
    faults = FaultLog()
    for name in more.header:
        if name not in old:
            text = f"The history has no column '{name}'."
            faults.add_unknown(more.pointer(0, name), "unknown_column", text, name, old.header)
    column, _ = find_date(old, roles)
    if column not in more:
        faults.add("/rows/1", "no_date_column", f"Rows need their date in column '{column}'.")
    parts = ["source"] if _of_sources(stored) else []
    if parts and "source" not in more:
        text = (
            "The history is put together of several sources: say whose rows these are, as ?source=."
        )
        faults.add("/source", "source_missing", text)
    faults.stop_if_any()
    both = Table(pd.concat([own.frame.astype(object) for own in (old, more)]).fillna(""))
    both = both.with_columns(both.frame, both.lines)
    # read together: the dates of four years tell what those of a week leave open
    days, _, _ = read_dates(both, column, faults, roles.day_first)
    faults.stop_if_any()
    had = len(old)
    keys = pd.MultiIndex.from_arrays([days, *(both.named(name).codes for name in parts)])
    before, after = _by_date(both, days, range(had)), _by_date(both, days, range(had, len(days)))
    kept = np.flatnonzero((np.arange(len(days)) >= had) | ~keys.isin(keys[had:]))
    kept = kept[np.argsort(days[kept], kind="stable")]
    renewed = sorted(str(day) for day in after if day in before and before[day] != after[day])
    text = (
        f"{len(after)} dates were brought: {sum(day not in before for day in after)} are new, "
        f"{len(renewed)} changed."
    )
    data = {"dates": len(after), "changed": renewed[:100]}
    found = [*more.findings, Finding("history_patched", text, data)]
    records = both.frame.astype(object).iloc[kept].to_dict("records")
    return records, tuple(found)


def _by_date(
    table: Table, days: NDArray[np.datetime64], rows: range
) -> dict[np.datetime64, list[tuple[str, ...]]]:
    out: dict[np.datetime64, list[tuple[str, ...]]] = {}
    cells = [table.each(name, str.strip) for name in table.header]
    for row, own in zip(
        rows, zip(*(column[rows.start : rows.stop] for column in cells), strict=True), strict=True
    ):
        out.setdefault(days[row], []).append(own)
    return {day: sorted(own) for day, own in out.items()}


def with_source(
    spec: Mapping[str, Any] | None,
    stored: Source | None,
    new: Source,
    source: str,
    *,
    renew: bool = False,
) -> tuple[Records, tuple[Finding, ...]]:
    """The stored rows of other sources, and ``new`` as rows of this one.

    ``renew`` replaces only the dates that it brings; what this source says of others stays.

    Each is brought to one form: date, channel, campaign, spend, impressions, source. A table that
    names campaigns and no channel is of one channel, called as its source.

    Raises
    ------
    InvalidInput
        The stored history was not put by its sources; faults of ``new``.
    """
    if stored is not None and not _of_sources(stored):
        text = "The history was put as a whole: put it as a whole again, or delete the dataset."
        raise InvalidInput.at("/source", "history_is_whole", text)
    said = read_spec(spec)
    roles = Spec().but(**{key: getattr(said, key) for key in _OF_A_SOURCE})
    table = table_of(new, roles)
    faults = FaultLog()
    column, _ = find_date(table, roles)
    days, _, found = read_dates(table, column, faults, roles.day_first)
    rows = _long_rows(table, roles, column, days, source, faults)
    faults.stop_if_any()
    out: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row, channel, campaign, spend, impressions in rows:
        key = (str(days[row]), channel, campaign)
        own = out.setdefault(
            key,
            dict(zip(("date", "channel", "campaign"), key, strict=True))
            | {"spend": 0.0, "impressions": None, "source": source},
        )
        own["spend"] += 0.0 if np.isnan(spend) else spend
        if not np.isnan(impressions):
            own["impressions"] = (own["impressions"] or 0.0) + impressions
    text = (
        f"{len(table)} rows of source '{source}' were brought to {len(out)}; of what it says "
        "of its own effect nothing is used."
    )
    data = {"source": source, "spend": sum(own["spend"] for own in out.values())}
    read = Finding("source_read", text, data)
    brought = {day for day, _, _ in out} if renew else None
    rest: Records = [
        row
        for row in (stored if isinstance(stored, list) else ())
        if row["source"] != source or (brought is not None and row["date"] not in brought)
    ]
    merged = sorted([*rest, *out.values()], key=lambda row: (row["date"], row["channel"]))
    _one_frequency(merged, roles.frequency)
    return merged, (*table.findings, *found, read)


def _of_sources(stored: Source) -> bool:
    return isinstance(stored, list) and all("source" in row for row in stored)


def _one_frequency(rows: Records, declared: str | None) -> None:
    """Refuse sources of different frequency: a week's money would be that of its first day."""
    days: dict[str, set[date]] = {}
    for row in rows:
        days.setdefault(row["source"], set()).add(date.fromisoformat(row["date"]))
    seen = {
        name: frequency_of([(day, "", 0) for day in own], declared, False, FaultLog(), whole=False)
        for name, own in days.items()
        if len(own) > 2
    }
    if len(set(seen.values())) > 1:
        text = ", ".join(f"'{name}' is by {word(unit)}" for name, unit in sorted(seen.items()))
        raise InvalidInput.at(
            "/source", "frequency_mismatch", f"Export all sources by the same periods: {text}."
        )


def _long_rows(
    table: Table,
    spec: Spec,
    date_column: str,
    days: NDArray[np.datetime64],
    source: str,
    faults: FaultLog,
) -> list[tuple[int, str, str, float, float]]:
    """Row, channel, campaign, spend and impressions of all that a table says was spent."""
    rows = range(len(table))
    empty = np.full(len(rows), np.nan)
    if is_long(table, spec):
        columns = columns_of(table, spec)
        wanted = [columns[key] for key in ("spend", "impressions") if key in columns]
        numbers, _ = read_numbers(table, wanted, faults, spec.mark, wanted[1:])
        names = table.cells(columns["channel"])
        campaigns = table.cells(columns["campaign"]) if "campaign" in columns else [""] * len(rows)
        if " ".join(tokens(columns["channel"])) in CAMPAIGNS:
            names, campaigns = [source] * len(rows), names
        spend = numbers[columns["spend"]] * worth_of(table, columns["spend"], spec, days)
        seen = numbers[columns["impressions"]] if "impressions" in columns else empty
        return [
            (row, plain_name(names[row]), plain_name(campaigns[row]), float(paid), float(shown))
            for row, paid, shown in zip(rows, spend, seen, strict=True)
        ]
    guessed, _ = guess_roles(spec, table, date_column, outcomes_only=False)
    out = []
    roles = guessed.channels or ()
    if not roles:
        text = "No column looks like spend. There are: "
        faults.add("/channels", "no_channels", text + ", ".join(map(repr, table.header[:12])) + ".")
    for role in roles:
        wanted = [name for name in (role.spend, role.impressions) if name]
        numbers, _ = read_numbers(table, wanted, faults, spec.mark, wanted[1:])
        spend = numbers[wanted[0]] * worth_of(table, wanted[0], spec, days, [role] * len(rows))
        seen = numbers[wanted[1]] if len(wanted) > 1 else empty
        name = source if len(roles) == 1 else role.channel
        out += [(row, name, "", float(spend[row]), float(seen[row])) for row in rows]
    return out
