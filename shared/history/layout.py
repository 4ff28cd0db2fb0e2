"""A table as it was exported -> rows of one period each, what is none of them left out and told.

Dates across the top (metrics or channels down the side) are turned; a year beside a week or a month
is put together; rows without a date that are totals, notes or the header once more are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.errors import InvalidInput
from shared.history.dates import parse_date
from shared.history.formats import Source, limit_cells
from shared.history.names import SPEND, says_total, tokens
from shared.history.numbers import could_be, is_empty
from shared.history.reading import Table, read_table, rows_left_out
from shared.history.roles import find_date, names_a_result
from shared.history.spec import Spec
from shared.history.table import Finding

__all__ = ["table_of"]

_SUMS = "sums of the rows above"
_ACROSS = 3  # dates in the header from which they are its columns
_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?"
)
_YEARS = frozenset({"year", "jahr", "yr"})
_WITHIN = {"week": "-W", "kw": "-W", "isoweek": "-W", "wk": "-W", "month": "-", "monat": "-"}


def table_of(source: Source, spec: Spec, root: str = "", *, moments: bool = False) -> Table:
    """A table with a row a period (and channel, geo, ...), and with a column of dates.

    Parameters
    ----------
    root
        See ``Table``.
    moments
        Rows may be what happened at a time of day (orders): they are of their day then.
    """
    table = _turned(read_table(source, root, spec.sheet, spec.header_row or 0))
    column = _date_of(table, spec)
    if moments and (column is None or column == spec.date):
        table = _of_days(table, column)
        column = _date_of(table, spec)
    if column is None:
        table = _dated(table)
        column = _date_of(table, spec)
    if column is None or spec.drop_totals is False:
        return table
    return _without_totals(table, column, spec)


def _date_of(table: Table, spec: Spec) -> str | None:
    try:
        return find_date(table, spec)[0]
    except InvalidInput:
        return None


def _turned(table: Table) -> Table:
    """A table whose columns are dates, with the dates down the side."""
    days = [name for name in table.header[1:] if parse_date(name) is not None]
    totals = [name for name in table.header[1:] if says_total(name)]
    labels = [name for name in table.header if name not in days and name not in totals]
    if len(days) < _ACROSS or not labels or len(labels) > 3 or table.header[0] != labels[0]:
        return table
    rows = range(len(table.lines))
    sums = [row for row in rows if any(says_total(table.columns[n][row]) for n in labels)]
    kept = [row for row in rows if row not in set(sums)]
    names = [table.columns[labels[0]][row].strip() for row in kept]
    limit_cells(f"{len(kept):,} rows of {len(days):,} dates", len(kept), len(days))
    how = "Dates stand across the table: it was turned, and its rows are counted as they were sent."
    found = [Finding("turned", how, {"dates": len(days), "rows": len(kept)})]
    if totals:
        text = f"Totals were left out: {', '.join(map(repr, totals))}."
        found.append(Finding("columns_left_out", text, {"columns": totals}))
    if sums:
        found.append(rows_left_out([table.lines[row] for row in sums], "totals"))
    distinct = len({*names, "date"}) > len(names)
    if len(labels) == 1 and distinct and any(map(_measures, names)):
        columns = {"date": days}
        columns |= {
            name: [table.columns[day][row] for day in days]
            for name, row in zip(names, kept, strict=True)
        }
        place = {name: i for i, name in enumerate(table.header, 1)}
        return table.with_columns(columns, [place[day] for day in days], *found)
    heads = dict(zip(labels, ("channel", "campaign", "detail"), strict=False))
    cells = [(row, day) for row in kept for day in days if not is_empty(table.columns[day][row])]
    long: dict[str, list[str]] = {"date": [day for _, day in cells]}
    for label, head in heads.items():
        filled = _filled_down(table.columns[label]) if label == labels[0] else table.columns[label]
        long[head] = [filled[row] for row, _ in cells]
    long["spend"] = [table.columns[day][row] for row, day in cells]
    return table.with_columns(long, [table.lines[row] for row, _ in cells], *found)


def _measures(name: str) -> bool:
    return not SPEND.isdisjoint(tokens(name)) or names_a_result(name)


def _filled_down(cells: Sequence[str]) -> list[str]:
    """Labels, those that are empty (cells joined in a workbook) as the one above."""
    out: list[str] = []
    for cell in cells:
        out.append(cell if cell.strip() or not out else out[-1])
    return out


def _of_days(table: Table, column: str | None) -> Table:
    """A table whose date, ``column`` or the first that can be, is a moment: with its day."""
    for name in table.header if column is None else [column]:
        cells = table.columns[name]
        hits = [_MOMENT.fullmatch(cell.strip()) for cell in cells]
        if all(hits) and len(set(cells)) > len({hit[1] for hit in hits if hit}):
            days = [hit[1] for hit in hits if hit]
            text = (
                f"Times of day in column '{name}' were left out, and what is of one day added up."
            )
            found = Finding("moments", text, {"column": name})
            return table.with_columns({**table.columns, name: days}, table.lines, found)
    return table


def _dated(table: Table) -> Table:
    """The table with a date put together of a year and a week or month in columns of their own."""
    years = [n for n in table.header if _YEARS & set(tokens(n))]
    within = [(n, _WITHIN[w]) for n in table.header for w in tokens(n) if w in _WITHIN]
    if len(years) != 1 or not within or "date" in table.columns:
        return table
    name, mark = within[0]
    days = []
    for year, cell in zip(table.columns[years[0]], table.columns[name], strict=True):
        year, cell = year.strip(), cell.strip()
        if re.fullmatch(r"\d{1,2}[-/.]\d{1,2}", cell):
            days.append(f"{year}-{cell}")
        elif number := re.search(r"\d{1,2}$", cell):
            days.append(f"{year}{mark}{number[0]}")
        else:
            days.append(f"{cell} {year}")  # a month's name
    if 2 * sum(parse_date(day) is not None for day in days) <= len(days):
        return table
    text = f"Dates were put together of columns '{years[0]}' and '{name}': {days[0]}, ..."
    found = Finding("date_of_columns", text, {"columns": [years[0], name]})
    rest = {n: c for n, c in table.columns.items() if n not in (years[0], name)}
    return table.with_columns({"date": days, **rest}, table.lines, found)


def _without_totals(table: Table, column: str, spec: Spec) -> Table:
    """The table without rows that have no date and are a total, a note or the header again."""
    cells = table.columns[column]
    known = {cell: parse_date(cell) is not None for cell in set(cells)}
    if all(known.values()):
        return table
    odd = [row for row, cell in enumerate(cells) if not known[cell]]
    settled = None if spec.drop_totals else "drop_totals"
    out: dict[str, list[int]] = {}
    tail = len(cells)
    for row in reversed(odd):
        own = [table.columns[name][row].strip() for name in table.header]
        held = [cell for cell in own if cell]
        dateless = says_total(cells[row]) or not any(map(str.isdigit, cells[row]))
        if dateless and any(map(says_total, held)):
            what = "totals"
        elif own == list(table.header):
            what = "the header once more"
        elif held == [own[0]] and len(table.header) > 2 and not could_be(held[0]):
            what = "notes"
        elif row == tail - 1 and spec.drop_totals and is_empty(cells[row]):
            what = "totals"
        elif row == tail - 1 and len(out.get(_SUMS, ())) < 2 and _adds_up(table, column, row):
            what = _SUMS
        else:
            continue
        tail -= row == tail - 1
        out.setdefault(what, []).append(row)
    for what, rows in out.items():
        lines = [table.lines[row] for row in sorted(rows)]
        by = settled if what == _SUMS else None
        places = dict(zip(table.lines, range(len(table.lines)), strict=True))
        table = table.without([places[line] for line in lines], rows_left_out(lines, what, by))
    return table


def _adds_up(table: Table, column: str, row: int) -> bool:
    """Whether most numbers of a dateless row are the sums of what stands above, by either mark."""
    hits = tries = 0
    if not is_empty(table.columns[column][row]):
        return False
    for name in table.header:
        cell = table.columns[name][row]
        if name == column or not (mine := could_be(cell)):
            continue
        above = [could_be(one) for one in table.columns[name][:row]]
        sums = {mark: sum(one.get(mark, 0.0) for one in above) for mark in mine}
        if not any(sums.values()):
            continue
        tries += 1
        hits += any(abs(mine[mark] - sums[mark]) <= 1e-3 * abs(sums[mark]) for mark in mine)
    return hits > 0 and 2 * hits >= tries
