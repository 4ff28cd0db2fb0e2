"""What every layout is read by: dates, names, duplicates, outcome and controls of the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.history.amounts import Amount, one_unit, worth_of
from shared.history.cells import Cells
from shared.history.dates import read_dates
from shared.history.faults import FaultLog
from shared.history.names import refuse_same
from shared.history.numbers import is_empty, read_numbers
from shared.history.outcome_unit import outcome_unit
from shared.history.periods import frequency_of
from shared.history.reading import Table
from shared.history.roles import find_date
from shared.history.spec import Spec
from shared.history.table import Finding

__all__ = [
    "Dated",
    "Read",
    "add_duplicates",
    "add_negative",
    "one_geo",
    "outcome_of",
    "read_controls",
    "read_dated",
    "read_frequency",
    "read_geos",
    "read_outcome",
    "row_keys",
    "several",
    "telling_column",
]

Floats = NDArray[np.float64]

_LABELS = 12  # of a control: more would be a column of names


@dataclass(frozen=True, slots=True, eq=False)
class Dated:
    """The dates (R,) of a table's rows, NaT where at fault, and what was found while reading."""

    column: str
    days: NDArray[np.datetime64]
    months_only: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A table read and checked, before it is judged as a history.

    ``layout`` is "wide", "long" or "outcomes"; ``complete`` where spend has its outcomes; ``geos``
    names the geos where there are several; ``amounts`` say where a currency was met.
    """

    table: Table
    cells: Cells
    frequency: str
    layout: str
    spec: Spec
    findings: tuple[Finding, ...]
    geos: tuple[str, ...] = ()
    amounts: tuple[Amount, ...] = ()
    complete: bool = False


def read_dated(table: Table, spec: Spec, faults: FaultLog) -> Dated:
    """Find and read the date column; cells at fault are added to ``faults``.

    Raises
    ------
    InvalidInput
        No column holds dates.
    """
    column, findings = find_date(table, spec)
    days, months_only, more = read_dates(table, column, faults, spec.day_first)
    return Dated(column, days, months_only, (*table.findings, *findings, *more))


def read_geos(table: Table, column: str | None, spec: Spec, faults: FaultLog) -> pd.Categorical:
    """The geo of every row, "" where the table has no such column; two spellings are a fault."""
    if not column or column not in table:
        return table.named(None)
    own = {alias: item.geo for item in spec.geos or () for alias in item.aliases}
    geos = table.named(column, lambda cell: own.get(cell.strip(), cell.strip()))
    for row in np.flatnonzero(geos == "").tolist():
        said = f"{table.place(row, column)}: the geo is missing."
        faults.add(table.pointer(row, column), "missing", said)
    refuse_same(table, column, geos, faults, {item.geo for item in spec.geos or ()}, "geos")
    return geos


def several(geos: pd.Categorical) -> tuple[str, ...]:
    """The geos by name where there is more than one, else ()."""
    return tuple(sorted(geos.categories)) if len(geos.categories) > 1 else ()


def one_geo(column: str, geos: pd.Categorical) -> Finding:
    """What to say of a geo column that holds one geo only."""
    geo = geos.categories[0]
    return Finding(
        "one_geo",
        f"Column '{column}' holds a single geo ('{geo}'): read as a national history.",
        {"column": column, "geo": geo},
    )


def row_keys(dated: Dated, *parts: pd.Categorical) -> pd.DataFrame:
    """What names each row: its date (NaT where it cannot be read) and the ``parts``."""
    return pd.DataFrame({"date": dated.days} | {str(n): own for n, own in enumerate(parts)})


def add_duplicates(
    table: Table,
    column: str,
    keys: pd.DataFrame,
    faults: FaultLog,
    taken: Collection[str | None] = (),
) -> None:
    """Add a fault for every row whose key (date, and what else names a row) was there before.

    One fault says it all where a column that has no role, none of ``taken``, tells such rows apart.
    """
    if not keys.duplicated().any():
        return
    known = keys[keys["date"].notna()]
    again = known[known.duplicated()]
    if again.empty:
        return
    apart = telling_column(table, keys, {column, *taken})
    rows = known.groupby(list(known), sort=False, observed=True).ngroup()
    first = rows.drop_duplicates().index[rows[again.index]]
    for row, other, *parts in zip(again.index, first, *map(again.get, again), strict=True):
        day, *names = parts
        what = ", ".join([str(day.date()), *filter(None, names)])
        said = f"Row {table.lines[row]}: {what} is already in row {table.lines[other]}."
        if apart is None:
            faults.add(table.pointer(row, column), "duplicate_period", said)
            continue
        also = f" {len(again) - 1} other rows likewise." if len(again) > 1 else ""
        settle = "'duplicates': 'sum' in the spec adds such rows up"
        settle += f"; 'channel_column': '{apart}' or 'geo': '{apart}' keeps them apart."
        text = f"{said}{also} Column '{apart}' tells them apart: {settle}"
        faults.add(table.pointer(row, apart), "duplicate_period", text)
        return


def telling_column(table: Table, keys: pd.DataFrame, taken: Collection[str | None]) -> str | None:
    """The first column that tells all rows of one key apart; None where no key is there twice."""
    if not keys.duplicated().any():
        return None
    for name in table.header:
        few = name not in taken and len(table.values(name)) <= len(keys) // 2
        if few and not keys.assign(own=table.codes(name)).duplicated().any():
            return name
    return None


def read_frequency(
    table: Table, dated: Dated, spec: Spec, faults: FaultLog, *, whole: bool = True
) -> str:
    """The frequency of a table's dates; "" where no date could be read. See ``frequency_of``."""
    known = np.flatnonzero(~np.isnat(dated.days))
    if len(known) < min(len(table), 3):
        return spec.frequency or ""  # too few readable dates to complain about their spacing
    days, first = np.unique(dated.days[known], return_index=True)
    rows = [
        (day, table.pointer(row, dated.column), table.lines[row])
        for day, row in zip(days.tolist(), known[first].tolist(), strict=True)
    ]
    return frequency_of(rows, spec.frequency, dated.months_only, faults, whole=whole)


def read_outcome(
    table: Table,
    spec: Spec,
    days: NDArray[np.datetime64],
    faults: FaultLog,
    extra: Sequence[str] = (),
) -> tuple[dict[str, Floats], list[str], list[Finding]]:
    """Outcome and controls (and ``extra`` columns) as numbers, and the labels of events.

    A table without an outcome, or with an empty one, is a fault.
    """
    wanted = [name for name, _ in spec.outcome_columns]
    names = [
        *(name for name in (*wanted, *spec.factors.values()) if name in table),
        *extra,
        *(n for n, kind in spec.control_kinds.items() if n in table and kind != "category"),
    ]
    if not wanted:
        faults.add(
            "/outcome",
            "no_outcome",
            "No column looks like an outcome (revenue, sales, conversions, ...): name it in the "
            f"spec as 'outcome'. There are: {', '.join(map(repr, table.header[:12]))}.",
        )
    for name in wanted if spec.outcomes is None else ():
        one_unit(table, name, "the value of it in 'outcomes'", faults)
    # features may set a control beside amounts of money: then its unit counts
    relative = {role.impressions for role in spec.channels or () if role.impressions}
    relative |= set() if spec.fit.get("features") else set(spec.control_kinds)
    names = list(dict.fromkeys(names))
    numbers, findings = read_numbers(table, names, faults, spec.mark, relative, spec.control_kinds)
    for name in (*wanted, *spec.control_kinds):
        if name in table and all(map(is_empty, table.text(name))):
            what = "outcome" if name in wanted else "control"
            faults.add(
                table.pointer(0, name),
                f"empty_{what}",
                f"Column '{name}', the {what}, is empty in all rows "
                f"{table.lines[0]} to {table.lines[-1]}.",
            )
    money = outcome_unit(spec.fit, spec.outcome_name).money
    for name in wanted if money and spec.outcomes is None else ():
        if name in numbers:
            numbers[name] = numbers[name] * worth_of(table, name, spec, days)
    labels = [""] * len(table)
    if spec.events and spec.events in table:
        labels = table.each(spec.events, lambda cell: "" if is_empty(cell) else cell.strip())
        if all(label in ("", "0", "1", "0.0", "1.0") for label in labels):
            # a flag, not labels: 0 is no event, and 1 is one without a name
            labels = ["" if label[:1] != "1" else spec.events for label in labels]
    return numbers, labels, findings


def read_controls(
    table: Table, spec: Spec, numbers: Mapping[str, Floats], faults: FaultLog
) -> dict[str, Floats]:
    """Controls by name, shape (R,) each; of labels one for each but the commonest."""
    out: dict[str, Floats] = {}
    for index, (name, kind) in enumerate(spec.control_kinds.items()):
        if kind != "category":
            out[name] = numbers[name]
            if kind == "yes_no" and (odd := set(np.unique(out[name]).tolist()) - {0.0, 1.0}):
                shown = [value for value in odd if not np.isnan(value)]
                if shown:
                    text = f"Column '{name}' holds {shown[0]:g}, which is neither yes nor no."
                    faults.add(f"/controls/{index}/kind", "not_yes_or_no", text)
            continue
        cells = table.each(name, str.strip)
        empty = np.array([is_empty(cell) for cell in cells])
        counts = Counter(cell for cell in cells if not is_empty(cell))
        if len(counts) > _LABELS:
            text = f"Column '{name}' holds {len(counts)} labels; at most {_LABELS} are told apart."
            faults.add(f"/controls/{index}/kind", "too_many_labels", text)
        for label in sorted(dict(counts.most_common()[1 : _LABELS + 1])):
            hits = np.array([float(cell == label) for cell in cells])
            out[f"{name}: {label}"] = np.where(empty, np.nan, hits)
    return out


def outcome_of(spec: Spec, numbers: Mapping[str, Floats]) -> Floats:
    """Shape (R,): the outcome, or several added up at their values; NaN where any is empty."""
    parts = [value * numbers[name] for name, value in spec.outcome_columns]
    for place, (name, _) in enumerate(spec.outcome_columns):
        if name in spec.factors:
            parts[place] = parts[place] * numbers[spec.factors[name]]
    return np.sum(parts, axis=0)


def add_negative(table: Table, column: str, values: Floats, what: str, faults: FaultLog) -> None:
    """Add a fault for every negative cell."""
    for row in np.flatnonzero(values < 0).tolist():
        faults.add(
            table.pointer(row, column),
            f"negative_{what}",
            f"{table.place(row, column)}: {what} is negative ({values[row]:.15g}).",
        )
