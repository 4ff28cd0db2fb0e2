"""A table as it was exported -> rows of one period each, what is none of them left out and told.

Dates across the top (metrics or channels down the side) are turned; a year beside a week or a month
is put together; rows without a date that are totals, notes or the header once more are left out.
"""

from __future__ import annotations

import re

import numpy as np

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
    total = np.any([table.each(name, says_total) for name in labels], axis=0)
    sums, whole = np.flatnonzero(total), table.frame.astype(object)
    whole[labels[0]] = whole[labels[0]].where(whole[labels[0]].map(_filled)).ffill().fillna("")
    kept = whole[~total]
    names = [str(name).strip() for name in table.frame[labels[0]][~total]]
    limit_cells(f"{len(kept):,} rows of {len(days):,} dates", len(kept), len(days))
    how = "Dates stand across the table: it was turned, and its rows are counted as they were sent."
    found = [Finding("turned", how, {"dates": len(days), "rows": len(kept)})]
    if totals:
        text = f"Totals were left out: {', '.join(map(repr, totals))}."
        found.append(Finding("columns_left_out", text, {"columns": totals}))
    if sums.size:
        found.append(rows_left_out(table.lines[sums].tolist(), "totals"))
    distinct = len({*names, "date"}) > len(names)
    if len(labels) == 1 and distinct and any(map(_measures, names)):
        across = dict(zip(names, kept[days].to_numpy(), strict=True))
        places = [table.header.index(day) + 1 for day in days]
        return table.with_columns({"date": days, **across}, places, *found)
    heads = dict(zip(labels, ("channel", "campaign", "detail"), strict=False))
    long = kept.rename(columns=heads).melt(
        [*heads.values()], days, var_name="date", value_name="spend", ignore_index=False
    )
    long = long[long["spend"].map(_filled)].sort_index(kind="stable")
    columns = {name: long[name] for name in ("date", *heads.values(), "spend")}
    return table.with_columns(columns, long.index, *found)


def _filled(cell: str | float) -> bool:
    return not is_empty(str(cell))


def _measures(name: str) -> bool:
    return not SPEND.isdisjoint(tokens(name)) or names_a_result(name)


def _of_days(table: Table, column: str | None) -> Table:
    """A table whose date, ``column`` or the first that can be, is a moment: with its day."""
    for name in table.header if column is None else [column]:
        hits = [_MOMENT.fullmatch(cell.strip()) for cell in table.text(name)]
        days = [hit[1] for hit in hits if hit]
        if len(days) == len(hits) > len(set(days)):
            text = (
                f"Times of day in column '{name}' were left out, and what is of one day added up."
            )
            found = Finding("moments", text, {"column": name})
            own = [days[code] for code in table.codes(name).tolist()]
            return table.with_columns({**table.frame, name: own}, table.lines, found)
    return table


def _dated(table: Table) -> Table:
    """The table with a date put together of a year and a week or month in columns of their own."""
    years = [n for n in table.header if _YEARS & set(tokens(n))]
    within = [(n, _WITHIN[w]) for n in table.header for w in tokens(n) if w in _WITHIN]
    if len(years) != 1 or not within or "date" in table:
        return table
    name, mark = within[0]
    days = []
    for year, cell in zip(table.cells(years[0]), table.cells(name), strict=True):
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
    rest = table.frame.drop(columns=[years[0], name])
    return table.with_columns({"date": days, **rest}, table.lines, found)


def _without_totals(table: Table, column: str, spec: Spec) -> Table:
    """The table without rows that have no date and are a total, a note or the header again."""
    dated = table.each(column, lambda cell: parse_date(cell) is not None)
    if all(dated):
        return table
    settled = None if spec.drop_totals else "drop_totals"
    out: dict[str, list[int]] = {}
    tail = len(table)
    for row in np.flatnonzero(~np.array(dated))[::-1].tolist():
        own = table.row(row)
        cell, held = own[table.header.index(column)], [one for one in own if one]
        dateless = says_total(cell) or not any(map(str.isdigit, cell))
        if dateless and any(map(says_total, held)):
            what = "totals"
        elif own == list(table.header):
            what = "the header once more"
        elif held == [own[0]] and len(own) > 2 and not could_be(held[0]):
            what = "notes"
        elif row == tail - 1 and spec.drop_totals and is_empty(cell):
            what = "totals"
        elif row == tail - 1 and len(out.get(_SUMS, ())) < 2 and _adds_up(table, column, row):
            what = _SUMS
        else:
            continue
        tail -= row == tail - 1
        out.setdefault(what, []).append(row)
    found = []
    for what, rows in out.items():
        by = settled if what == _SUMS else None
        found.append(rows_left_out(table.lines[sorted(rows)].tolist(), what, by))
    return table.without([row for rows in out.values() for row in rows], *found)


def _adds_up(table: Table, column: str, row: int) -> bool:
    """Whether most numbers of a dateless row are the sums of what stands above, by either mark."""
    hits = tries = 0
    own = dict(zip(table.header, table.row(row), strict=True))
    if not is_empty(own.pop(column)):
        return False
    for name, cell in own.items():
        if not (mine := could_be(cell)):
            continue
        above = table.each(name, could_be)[:row]
        sums = {mark: sum(one.get(mark, 0.0) for one in above) for mark in mine}
        if not any(sums.values()):
            continue
        tries += 1
        hits += any(abs(mine[mark] - sums[mark]) <= 1e-3 * abs(sums[mark]) for mark in mine)
    return hits > 0 and 2 * hits >= tries
