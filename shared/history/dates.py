"""Text cells -> dates, and dates -> evenly spaced periods.

ISO first. Day-and-month order is settled by the column's own cells (a 25 cannot be a month) or
refused: a history with swapped days and months still looks plausible.
"""

from __future__ import annotations

import re
from datetime import date

from shared.history.faults import FaultLog
from shared.history.numbers import is_empty
from shared.history.reading import TextTable
from shared.history.table import Finding

__all__ = ["parse_date", "read_dates"]

_ISO = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_ISO_MONTH = re.compile(r"(\d{4})[-/](\d{1,2})|(?P<m>\d{1,2})[-/](?P<y>\d{4})")
_ISO_WEEK = re.compile(r"(\d{4})-?[Ww](\d{1,2})")
_COMPACT = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})")
_NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_NAMED = re.compile(
    r"(?:(\d{1,2})[-. ]+)?([A-Za-z]{3,9})\.?[-, ]+(?:(\d{1,2})(?:,\s*|\s+))?(\d{4})"
)
_MIDNIGHT = re.compile(r"[T ]+00:00(:00(\.0+)?)?Z?$")
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_SHORTEST = len("2024-1")
_YEARS = range(1900, 2200)


def _month_number(name: str) -> int | None:
    """The month an English name or its beginning (three letters or more) stands for."""
    hits = [i for i, month in enumerate(_MONTHS, 1) if month.startswith(name.casefold())]
    return hits[0] if len(hits) == 1 else 9 if name.casefold() == "sept" else None


def _build(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if year in _YEARS else None
    except ValueError:
        return None


def parse_date(cell: str) -> date | tuple[date | None, date | None] | None:
    """One cell as a date; as (day first, month first) where only the column can tell; or None.

    A cell that names a month alone is that month's first day, an ISO week its Monday.

    >>> parse_date("2023-07"), parse_date("2023-W05"), parse_date("5 Mar 2024")
    (datetime.date(2023, 7, 1), datetime.date(2023, 1, 30), datetime.date(2024, 3, 5))
    """
    text = _MIDNIGHT.sub("", cell.strip())
    if len(text) < _SHORTEST or not text.isascii():
        return None
    if hit := _ISO.fullmatch(text):
        return _build(int(hit[1]), int(hit[3]), int(hit[4]))
    if hit := _COMPACT.fullmatch(text):
        return _build(int(hit[1]), int(hit[2]), int(hit[3]))
    if hit := _ISO_MONTH.fullmatch(text):
        return _build(int(hit[1] or hit["y"]), int(hit[2] or hit["m"]), 1)
    if hit := _ISO_WEEK.fullmatch(text):
        try:
            return date.fromisocalendar(int(hit[1]), int(hit[2]), 1)
        except ValueError:
            return None
    if hit := _NUMERIC.fullmatch(text):
        first, second, year = int(hit[1]), int(hit[3]), int(hit[4])
        both = _build(year, second, first), _build(year, first, second)
        return None if both == (None, None) else both
    if hit := _NAMED.fullmatch(text):
        month = _month_number(hit[2])
        if month is None or (hit[1] and hit[3]):
            return None
        return _build(int(hit[4]), month, int(hit[1] or hit[3] or 1))
    return None


def read_dates(
    table: TextTable, column: str, faults: FaultLog
) -> tuple[list[date | None], bool, list[Finding]]:
    """The date of every row (None where at fault), and whether all cells name months only.

    Unparsable cells, and the cells of a column whose order of day and month cannot be told or
    contradicts itself, are added to ``faults``.
    """
    cells = table.columns[column]
    known = {cell: parse_date(cell) for cell in set(cells)}
    unsure = [parsed for parsed in known.values() if isinstance(parsed, tuple)]
    day_first = any(month_first is None for _, month_first in unsure)
    month_first = any(day_first_ is None for day_first_, _ in unsure)
    same = all(a == b for a, b in unsure)
    findings: list[Finding] = []
    out: list[date | None] = []
    for row, cell in enumerate(cells):
        parsed = known[cell]
        if isinstance(parsed, date):
            out.append(parsed)
            continue
        said = f"Row {table.lines[row]}, column '{column}': "
        quoted = f"'{cell.strip()[:40]}'"
        where = table.pointer(row, column)
        if isinstance(parsed, tuple):
            choice = parsed[0] if day_first or same else parsed[1]
            if day_first and month_first:
                choice = parsed[0] if parsed[1] is None else None
                if choice is None:
                    faults.add(
                        where,
                        "mixed_date_order",
                        f"{said}{quoted} cannot be told apart: other cells of the column are "
                        "day first and month first. Write dates as YYYY-MM-DD.",
                    )
            elif not (day_first or month_first) and parsed[0] != parsed[1]:
                choice = None
                faults.add(
                    where,
                    "ambiguous_date",
                    f"{said}{quoted} may be {parsed[0]} or {parsed[1]} and no cell of "
                    "the column tells which. Write dates as YYYY-MM-DD.",
                )
            out.append(choice)
            continue
        faults.add(where, "not_a_date", said + _why_not(cell))
        out.append(None)
    if unsure and not same and day_first != month_first:
        order = "day first" if day_first else "month first"
        findings.append(
            Finding(
                "date_format",
                f"Dates of column '{column}' were read with the {order}: other cells of the column "
                "cannot be read differently.",
                {"column": column, "order": order},
            )
        )
    months = all(
        _ISO_MONTH.fullmatch(text) or re.fullmatch(r"[A-Za-z]{3,9}\.?[-, ]+\d{4}", text)
        for text in (cell.strip() for cell in known)
    )
    return out, months, findings


def _why_not(cell: str) -> str:
    text = cell.strip()
    if is_empty(text):
        return "the date is missing."
    if re.fullmatch(r"\d{5}(\.\d+)?", text):
        return f"'{text}' looks like a spreadsheet's serial date. Write dates as YYYY-MM-DD."
    if re.search(r"\d:\d\d", text):
        return f"'{text[:40]}' has a time of day. Write dates as YYYY-MM-DD."
    return f"'{text[:40]}' is not a date. Write dates as YYYY-MM-DD, or YYYY-MM for months."
