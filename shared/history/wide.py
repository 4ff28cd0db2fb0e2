"""The wide layout: one row a period (and geo), one spend column a channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from shared.frequency import asked_name
from shared.history.amounts import amounts_of_wide, one_currency, one_unit, worth_of
from shared.history.cells import Cells, added_up
from shared.history.dates import read_dates
from shared.history.doubles import (
    billed,
    never_falls,
    refuse_repeated,
    refuse_two_columns,
    total_columns,
)
from shared.history.faults import FaultLog
from shared.history.names import refuse_same, similar_names
from shared.history.numbers import is_empty, read_numbers
from shared.history.outcome_unit import outcome_unit
from shared.history.periods import frequency_of
from shared.history.reading import Table
from shared.history.roles import find_date, guess_roles
from shared.history.spec import Spec, check_columns
from shared.history.table import Finding
from shared.history.tidy import add_duplicates, add_negative

__all__ = [
    "Dated",
    "WideTable",
    "one_geo",
    "outcome_of",
    "read_controls",
    "read_dated",
    "read_frequency",
    "read_geos",
    "read_outcome",
    "read_wide",
    "row_keys",
    "several",
    "stacked",
]

Floats = NDArray[np.float64]

_LABELS = 12  # of a control: more would be a column of names


@dataclass(frozen=True, slots=True, eq=False)
class Dated:
    """The dates of a table's rows and what was found while reading them."""

    column: str
    dates: Sequence[date | None]
    months_only: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class WideTable:
    """A wide table read and checked. ``geos`` names the geos where there are several."""

    cells: Cells
    frequency: str
    spec: Spec
    geos: tuple[str, ...]
    findings: tuple[Finding, ...]


def read_dated(table: Table, spec: Spec, faults: FaultLog) -> Dated:
    """Find and read the date column; cells at fault are added to ``faults``.

    Raises
    ------
    InvalidInput
        No column holds dates.
    """
    column, findings = find_date(table, spec)
    dates, months_only, more = read_dates(table, column, faults, spec.day_first)
    return Dated(column, dates, months_only, (*table.findings, *findings, *more))


def read_geos(table: Table, column: str | None, spec: Spec, faults: FaultLog) -> Sequence[str]:
    """The geo of every row, "" where the table has no such column; two spellings are a fault."""
    if not column or column not in table:
        return [""] * len(table)
    own = {alias: item.geo for item in spec.geos or () for alias in item.aliases}
    geos = table.each(column, lambda cell: own.get(cell.strip(), cell.strip()))
    for row, geo in enumerate(geos):
        if not geo:
            faults.add(
                table.pointer(row, column),
                "missing",
                f"{table.place(row, column)}: the geo is missing.",
            )
    refuse_same(table, column, geos, faults, {item.geo for item in spec.geos or ()}, "geos")
    return geos


def several(geos: Sequence[str]) -> tuple[str, ...]:
    """The geos by name where there is more than one, else ()."""
    names = sorted(set(geos))
    return tuple(names) if len(names) > 1 else ()


def row_keys(dated: Dated, *parts: Sequence[str]) -> list[tuple[str, ...] | None]:
    """What names each row: its date and the ``parts``; None where the date cannot be read."""
    days = [None if day is None else day.isoformat() for day in dated.dates]
    rows = zip(days, *parts, strict=True)
    return [None if day is None else (day, *rest) for day, *rest in rows]


def read_frequency(
    table: Table, dated: Dated, spec: Spec, faults: FaultLog, *, whole: bool = True
) -> str:
    """The frequency of a table's dates; "" where no date could be read. See ``frequency_of``."""
    readable = [(day, row) for row, day in enumerate(dated.dates) if day is not None]
    if len(readable) < min(len(dated.dates), 3):
        return spec.frequency or ""  # too few readable dates to complain about their spacing
    first: dict[date, int] = {}
    for day, row in readable:
        first.setdefault(day, row)
    rows = [(day, table.pointer(row, dated.column), table.lines[row]) for day, row in first.items()]
    return frequency_of(rows, spec.frequency, dated.months_only, faults, whole=whole)


def read_outcome(
    table: Table,
    spec: Spec,
    dates: Sequence[date | None],
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
            numbers[name] = numbers[name] * worth_of(table, name, spec, dates)
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


def stacked(columns: Mapping[str, Floats], rows: int) -> Floats:
    """Columns side by side, shape (rows, K)."""
    return np.column_stack(list(columns.values())) if columns else np.empty((rows, 0))


def outcome_of(spec: Spec, numbers: Mapping[str, Floats]) -> Floats:
    """Shape (R,): the outcome, or several added up at their values; NaN where any is empty."""
    parts = [value * numbers[name] for name, value in spec.outcome_columns]
    for place, (name, _) in enumerate(spec.outcome_columns):
        if name in spec.factors:
            parts[place] = parts[place] * numbers[spec.factors[name]]
    return np.sum(parts, axis=0)


def read_wide(table: Table, spec: Spec) -> WideTable:
    """Read a wide table.

    Raises
    ------
    InvalidInput
        Every fault of its cells, and columns of the spec that are not there.
    """
    faults = FaultLog()
    check_columns(spec, table.header, faults)
    faults.stop_if_any()
    dated = read_dated(table, spec, faults)
    given = spec
    spec, guesses = guess_roles(spec, table, dated.column, outcomes_only=False)
    spec = spec.but(date=dated.column)
    findings = [*dated.findings, *guesses]
    roles = spec.channels or ()
    if not roles:
        faults.add(
            "/channels",
            "no_channels",
            "No column looks like spend (spend_tv, tv_spend, tv_cost, ...): name them in the spec "
            f"as 'channels', or upload a table of outcomes as the outcomes. There are: "
            f"{', '.join(map(repr, table.header[:12]))}.",
        )
    for index, role in enumerate(roles):
        if role.spend is None:
            faults.add(
                f"/channels/{index}/spend",
                "missing",
                f"Channel '{role.channel}' needs its column of spend: the table is wide.",
            )
        elif not role.priced:
            one_unit(table, role.spend, f"'scale' of channel '{role.channel}'", faults)
    if given.channels is None:
        refuse_two_columns(table, roles, faults)
    spend_columns = [role.spend for role in roles if role.spend]
    exposure = [role.impressions for role in roles if role.impressions]
    numbers, labels, more = read_outcome(
        table, spec, dated.dates, faults, [*spend_columns, *exposure]
    )
    findings += more
    for column in dict.fromkeys(spend_columns):
        if column in numbers:
            add_negative(table, column, numbers[column], "spend", faults)
    for column in exposure:
        add_negative(table, column, numbers[column], "impressions", faults)
    geos = read_geos(table, spec.geo, spec, faults)
    said = {role.channel for role in given.channels or ()}
    findings += similar_names([role.channel for role in roles], "channels", said)
    findings += similar_names(geos, "geos", {item.geo for item in spec.geos or ()})
    one_currency(spec, amounts_of_wide(table, spec, dated.column), faults)
    if roles and spec.duplicates != "sum":
        keys = row_keys(dated, geos)
        taken = {*spend_columns, *exposure, *spec.control_kinds, *dict(spec.outcome_columns)}
        add_duplicates(table, dated.column, keys, faults, {*taken, spec.geo, spec.events})
    frequency = read_frequency(table, dated, spec, faults)
    faults.stop_if_any()

    spend = np.column_stack(
        [
            numbers[str(role.spend)]
            * worth_of(table, str(role.spend), spec, dated.dates, [role] * len(table))
            for role in roles
        ]
    )
    totals, more = total_columns(spec, spend, given.channels is not None, faults)
    findings += more
    outcome = outcome_of(spec, numbers)
    pairs = [(f"column '{r.spend}'", values) for r, values in zip(roles, spend.T, strict=True)]
    pairs.append(("all spend", np.nansum(spend, axis=1)))
    findings += billed(table, spec, pairs, outcome, bool(given.outcome_columns), faults)
    if several(geos):
        remedy = "Give each geo its own, or one row a date for all geos together."
        refuse_repeated(table, spec, [dated.dates], outcome, pairs[-1][1], remedy, faults)
    faults.stop_if_any()
    if given.channels is None:
        findings += never_falls(spec, spend, dated.dates)
    if totals:
        kept = [c for c in range(len(roles)) if c not in totals]
        spend, roles = spend[:, kept], [roles[c] for c in kept]
        spec = spec.but(channels=roles)
    controls = read_controls(table, spec, numbers, faults)
    faults.stop_if_any()
    seen = [
        numbers[role.impressions] if role.impressions else np.full(len(spend), np.nan)
        for role in roles
    ]
    apart = several(geos)
    cells = Cells(
        dates=[day for day in dated.dates if day is not None],
        geos=geos if apart else [""] * len(geos),
        arms=tuple((role.channel, "") for role in roles),
        spend=spend,
        impressions=np.column_stack(seen),
        outcome=outcome,
        control_names=tuple(controls),
        controls=stacked(controls, len(spend)),
        events=labels,
    )
    cells = added_up(cells)
    if spec.geo and not apart:
        findings.append(one_geo(spec.geo, geos[0]))
        spec = spec.but(geo="")
    spec = spec.but(frequency=asked_name(frequency))
    return WideTable(cells, frequency, spec, apart, tuple(findings))


def one_geo(column: str, geo: str) -> Finding:
    """What to say of a geo column that holds one geo only."""
    return Finding(
        "one_geo",
        f"Column '{column}' holds a single geo ('{geo}'): read as a national history.",
        {"column": column, "geo": geo},
    )
