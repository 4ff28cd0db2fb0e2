"""Text cells -> dates.

A cell that can be read in one way only is a date at once (2023-07-01, 5 Mar 2024, 2023-W05). Others
(03/04/2024, 02/01/23, 202301) have several readings: the spec settles them (``day_first``), else
cells of the column that have one reading only (a 25 cannot be a month), else the spacing of the
dates that each reading gives. What stays open is refused: a history with swapped days and months
still looks plausible.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shared.history.faults import FaultLog
from shared.history.numbers import is_empty
from shared.history.periods import evenly_spaced
from shared.history.reading import Table
from shared.history.table import Finding

__all__ = ["parse_date", "read_dates"]

_ISO = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_ISO_MONTH = re.compile(r"(\d{4})[-/](\d{1,2})|(?P<m>\d{1,2})[-/](?P<y>\d{4})")
_WEEK = re.compile(
    r"(\d{4})[- ]?(?:W|KW|Week|Wk)[- ]?(\d{1,2})(?:-1)?"
    r"|(?:W|KW|CW|Week|Wk)[- ]?(?P<w>\d{1,2})[-/, ]+(?P<y>\d{4})",
    re.IGNORECASE,
)
_QUARTER = re.compile(r"(\d{4})[- ]?Q([1-4])|Q(?P<q>[1-4])[-/ ]+(?P<y>\d{4})", re.IGNORECASE)
_COMPACT = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})")
_YEAR_AND = re.compile(r"((?:19|20)\d{2})(\d{2})")
_SERIAL = re.compile(r"([2-6]\d{4})(?:\.0+)?")
_NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
_NAMED = re.compile(
    r"(?:(\d{1,2})(?:[-. ]+| de ))?([A-Za-z]{3,10})\.?"
    r"(?:[-, ]+| de )(?:(\d{1,2})(?:,\s*|\s+))?(\d{4})"
)
_DAY_OF = re.compile(r"(\d{1,2})[-. ]([A-Za-z]{3,9})\.?[-. ](\d{2})")
_MONTH_OF = re.compile(r"([A-Za-z]{3,9})\.?[-' ]+(\d{4}|'?\d{2})")
_MIDNIGHT = re.compile(
    r"[T ]+(?:00:00(?::00(?:\.0+)?)?|12:00(?::00)? ?AM)(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?$"
)
_RANGE = re.compile(r"(.{6,}?)\s*(?:\s-\s|\sto\s|\s?[–—~]\s?|(?<=\d)/(?=\d{4}-))\s*(.{6,})")
_MONTHS = [
    tuple(names.split())
    for names in (
        "january januar janvier enero",
        "february februar fevrier febrero",
        "march marz maerz mars marzo",
        "april avril abril",
        "may mai mayo",
        "june juni juin junio",
        "july juli juillet julio",
        "august aout agosto",
        "september septembre septiembre",
        "october oktober octobre octubre",
        "november novembre noviembre",
        "december dezember decembre diciembre",
    )
]
_WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? +", re.IGNORECASE)
_SHORTEST = len("2024-1")
_LONGEST = 2 * len("Wednesday, September 30, 2024 -")
_YEARS = range(1900, 2200)
_FIRST_SERIAL = date(1899, 12, 30)
_WORDS = {
    "day_first": "day first",
    "month_first": "month first",
    "year_first": "year first",
    "month": "months after the year",
    "week": "weeks after the year",
    "serial": "serial numbers of a spreadsheet",
}

Readings = Mapping[str, date]
"""What a cell may mean, by the way it is read: of one column all cells are read in one way."""


def _month_number(name: str) -> int | None:
    """The month a name or its beginning (three letters or more) stands for, in four languages."""
    begins = name.casefold()
    hits = [i for i, names in enumerate(_MONTHS, 1) if any(m.startswith(begins) for m in names)]
    return hits[0] if len(hits) == 1 else 9 if begins == "sept" else None


def _build(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if year in _YEARS else None
    except ValueError:
        return None


def _monday(year: int, week: int) -> date | None:
    try:
        return date.fromisocalendar(year, week, 1)
    except ValueError:
        return None


@lru_cache(maxsize=10_000)
def parse_date(cell: str) -> date | Readings | None:
    """One cell as a date; as what it may mean where only the column can tell; or None.

    A month is its first day, a week its Monday (ISO), a range of dates its first.

    >>> parse_date("2023-07"), parse_date("2023-W05"), parse_date("5 Mar 2024")
    (datetime.date(2023, 7, 1), datetime.date(2023, 1, 30), datetime.date(2024, 3, 5))
    >>> parse_date("2023-01-02 - 2023-01-08")
    datetime.date(2023, 1, 2)
    """
    text = _MIDNIGHT.sub("", cell.strip())
    if not text.isascii():
        parts = unicodedata.normalize("NFKD", text)
        text = "".join(part for part in parts if not unicodedata.combining(part))
    if 2 * len("2023-1-2") <= len(text) <= _LONGEST and (hit := _RANGE.fullmatch(text)):
        last = parse_date(hit[2])
        if isinstance(last, date) and not re.search(r"\d{4}", hit[1]):  # Dec 30 - Jan 5, 2024
            begun = [parse_date(f"{hit[1]}, {year}") for year in (last.year, last.year - 1)]
            return next((day for day in begun if isinstance(day, date) and day <= last), None)
        first = parse_date(hit[1])
        return first if type(first) is type(last) else None
    if len(text) < _SHORTEST - 1 or not text.isascii():
        return None
    text = _WEEKDAY.sub("", text, count=1) if text[0].isalpha() else text
    if hit := _ISO.fullmatch(text):
        return _build(int(hit[1]), int(hit[3]), int(hit[4]))
    if hit := _COMPACT.fullmatch(text):
        return _build(int(hit[1]), int(hit[2]), int(hit[3]))
    if hit := _ISO_MONTH.fullmatch(text):
        return _build(int(hit[1] or hit["y"]), int(hit[2] or hit["m"]), 1)
    if hit := _WEEK.fullmatch(text):
        return _monday(int(hit[1] or hit["y"]), int(hit[2] or hit["w"]))
    if hit := _QUARTER.fullmatch(text):
        return _build(int(hit[1] or hit["y"]), 3 * int(hit[2] or hit["q"]) - 2, 1)
    if hit := _NUMERIC.fullmatch(text):
        return _told(_orders(int(hit[1]), int(hit[3]), hit[4]))
    if hit := _YEAR_AND.fullmatch(text):
        year, number = int(hit[1]), int(hit[2])
        return _told({"month": _build(year, number, 1), "week": _monday(year, number)})
    if hit := _SERIAL.fullmatch(text):
        return {"serial": _FIRST_SERIAL + timedelta(days=int(hit[1]))}
    if hit := _NAMED.fullmatch(text):
        month = _month_number(hit[2])
        if month is None or (hit[1] and hit[3]):
            return None
        return _build(int(hit[4]), month, int(hit[1] or hit[3] or 1))
    if hit := _DAY_OF.fullmatch(text):
        number, one, other = _month_number(hit[2]) or 0, int(hit[1]), int(hit[3])
        ways = {"day_first": (2000 + other, one), "year_first": (2000 + one, other)}
        return _told({how: _build(year, number, day) for how, (year, day) in ways.items()})
    if hit := _MONTH_OF.fullmatch(text):
        month = _month_number(hit[1])
        return None if month is None else _build(2000 + int(hit[2].strip("'")) % 2000, month, 1)
    return None


def _orders(first: int, second: int, last: str) -> dict[str, date | None]:
    """Day, month and year in their orders; a year of two digits may stand at either end."""
    year = int(last) if len(last) == 4 else 2000 + int(last)
    out = {
        "day_first": _build(year, second, first),
        "month_first": _build(year, first, second),
    }
    if len(last) == 2:
        out["year_first"] = _build(2000 + first, second, int(last))
    return out


def _told(readings: Mapping[str, date | None]) -> Readings | None:
    known = {how: day for how, day in readings.items() if day is not None}
    return known or None


def read_dates(
    table: Table, column: str, faults: FaultLog, day_first: bool | None = None
) -> tuple[NDArray[np.datetime64], bool, list[Finding]]:
    """The date of every row (NaT where at fault), and whether all cells name months only.

    Unparsable cells, and the cells of a column whose order of day and month cannot be told or
    contradicts itself, are added to ``faults``.

    Parameters
    ----------
    day_first
        Whether the day stands before the month where cells have both readings; None: not said.
    """
    cells = table.text(column)
    known = {cell: parse_date(cell) for cell in cells}
    unsure = [parsed for parsed in known.values() if isinstance(parsed, Mapping)]
    sure = [parsed for parsed in known.values() if isinstance(parsed, date)]
    how, why = _choose(unsure, sure, column, day_first)
    findings: list[Finding] = []
    if how and why:
        text = f"Dates of column '{column}' were read with the {_WORDS[how]}: {why}."
        data = {"column": column, "order": _WORDS[how]}
        findings.append(Finding("date_format", text, data))
    days = [_by(how, own) if isinstance(own, Mapping) else own for own in known.values()]
    codes = table.codes(column)
    out = np.array(days, dtype="datetime64[D]")[codes]
    for row in np.flatnonzero(np.isnat(out)).tolist():
        cell = cells[codes[row]]
        code, said = _why_not(cell, known[cell], unsure, how)
        faults.add(table.pointer(row, column), code, f"{table.place(row, column)}: {said}")
    months = all(
        _ISO_MONTH.fullmatch(text)
        or re.fullmatch(r"[A-Za-z]{3,9}\.?[-, ]+\d{4}", text)
        or _MONTH_OF.fullmatch(text)
        for text in (cell.strip() for cell in known)
    )
    return out, months or how == "month", findings


def _choose(
    unsure: Sequence[Readings], sure: Sequence[date], column: str, day_first: bool | None
) -> tuple[str, str]:
    """How a column's cells of several readings are to be read, and why; "" where nobody knows."""
    if not unsure:
        return "", ""
    ways = dict.fromkeys(how for readings in unsure for how in readings)
    common = [how for how in ways if all(how in readings for readings in unsure)]
    if common and all(len(r) > 1 and len(set(r.values())) == 1 for r in unsure):
        return common[0], ""
    if "serial" in ways:
        whole = common == ["serial"] and not sure
        return ("serial", "whole numbers of their size") if whole else ("", "")
    if day_first is not None and "day_first" in ways:
        return ("day_first" if day_first else "month_first"), "as the spec says"
    if common == ["month", "week"]:
        named = [how for how in common if how in column.casefold()]
        if len(named) == 1:
            return named[0], "by the column's name"
    told = {next(iter(readings)) for readings in unsure if len(readings) == 1}
    told -= {"year_first"}
    if len(told) == 1 and told <= set(common):
        return told.pop(), "other cells of the column cannot be read differently"
    even = [how for how in common if evenly_spaced([*sure, *(r[how] for r in unsure)])]
    if len(even) == 1:
        return even[0], "only so are they evenly spaced"
    return ("", "") if len(common) != 1 else (common[0], "no other way reads all of them")


def _by(how: str, readings: Readings) -> date | None:
    """A cell by the column's way, or by its only one where the column has none."""
    if how or "serial" in readings or len(set(readings.values())) > 1:
        return readings.get(how)
    return next(iter(readings.values()))


def _why_not(
    cell: str, parsed: date | Readings | None, unsure: Sequence[Readings], how: str
) -> tuple[str, str]:
    """The code of a fault of a date's cell, and what to say of it."""
    text = cell.strip()
    quoted = f"'{text[:40]}'"
    if isinstance(parsed, Mapping) and "serial" not in parsed:
        if how:
            said = f"{quoted} is no date with the {_WORDS[how]}, as the other cells are."
            return "mixed_date_order", f"{said} Write dates as YYYY-MM-DD."
        if len(set(parsed.values())) > 1 and not _contradict(unsure):
            days = " or ".join(str(day) for day in dict.fromkeys(parsed.values()))
            said = f"{quoted} may be {days} and no cell of the column tells which."
            settle = "Say 'day_first' in the spec, or write" if "day_first" in parsed else "Write"
            return "ambiguous_date", f"{said} {settle} dates as YYYY-MM-DD."
        said = f"{quoted} cannot be told apart: other cells of the column are day first and"
        return "mixed_date_order", f"{said} month first. Write dates as YYYY-MM-DD."
    if is_empty(text):
        return "not_a_date", "the date is missing."
    if isinstance(parsed, Mapping):
        said = "looks like a spreadsheet's serial date."
    elif re.search(r"\d:\d\d", text):
        said = "has a time of day."
    else:
        said = "is not a date."
        return "not_a_date", f"{quoted} {said} Write dates as YYYY-MM-DD, or YYYY-MM for months."
    return "not_a_date", f"{quoted} {said} Write dates as YYYY-MM-DD."


def _contradict(unsure: Iterable[Readings]) -> bool:
    """Whether some cells can be day first only and others month first only."""
    alone = {next(iter(readings)) for readings in unsure if len(readings) == 1}
    return {"day_first", "month_first"} <= alone
