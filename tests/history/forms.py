"""One table of invented numbers, and every form in which it may come."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

Row = tuple[date, float, float, float]

WEEKS: list[Row] = [
    (
        date(2023, 1, 2) + timedelta(weeks=t),
        20_000.25 + 931 * (t * 7 % 13) + t,
        1_500.5 + 417.25 * (t * 5 % 11),
        800.75 + 90.5 * (t * 3 % 7),
    )
    for t in range(60)
]
NAMES = ("date", "revenue", "spend_tv", "spend_search")
REVENUE, TV, SEARCH = (sum(row[k] for row in WEEKS) for k in (1, 2, 3))
OUTCOMES = "date,revenue\n" + "".join(f"{day},{revenue}\n" for day, revenue, _, _ in WEEKS)


def german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


NUMBERS: dict[str, Callable[[float], str]] = {
    "plain": lambda v: f"{v:.2f}",
    "comma": lambda v: f"{v:.2f}".replace(".", ","),
    "grouped": lambda v: f"{v:,.2f}",
    "german": german,
    "dollars": lambda v: f"${v:,.2f}",
    "euros": lambda v: f"{german(v)} €",
    "spaced": lambda v: f"{v:,.2f}".replace(",", " "),
    "swiss": lambda v: f"{v:,.2f}".replace(",", "'"),
    "whole groups": lambda v: f"{v:,.0f}",
    "whole german": lambda v: f"{v:,.0f}".replace(",", "."),
}
WHOLE = ("whole groups", "whole german")
"""Forms of which nothing tells whether they are thousands or thousandths."""

DATES: dict[str, Callable[[date], str]] = {
    "iso": date.isoformat,
    "compact": lambda d: f"{d:%Y%m%d}",
    "day first": lambda d: f"{d:%d/%m/%Y}",
    "month first": lambda d: f"{d:%m/%d/%Y}",
    "dots": lambda d: f"{d:%d.%m.%Y}",
    "two digits": lambda d: f"{d:%d/%m/%y}",
    "named": lambda d: f"{d:%b} {d.day}, {d.year}",
    "short": lambda d: f"{d:%d-%b-%y}",
    "weekday": lambda d: f"{d:%A, %B} {d.day}, {d.year}",
    "range of days": lambda d: f"{d:%b %d} - {d + timedelta(days=6):%b %d, %Y}",
    "week": lambda d: "{}-W{:02d}".format(*d.isocalendar()[:2]),
    "week words": lambda d: "{} Week {:02d}".format(*d.isocalendar()[:2]),
    "year and week": lambda d: "{}{:02d}".format(*d.isocalendar()[:2]),
    "serial": lambda d: str((d - date(1899, 12, 30)).days),
    "midnight": lambda d: f"{d}T00:00:00+01:00",
    "range": lambda d: f"{d} - {d + timedelta(days=6)}",
}


def wide(number: Callable[[float], str], day: Callable[[date], str]) -> list[list[str]]:
    return [list(NAMES), *([day(d), *map(number, rest)] for d, *rest in WEEKS)]


def turned(rows: list[list[str]]) -> list[list[str]]:
    return [list(row) for row in zip(*rows, strict=True)]


def titled(rows: list[list[str]]) -> list[list[str]]:
    return [["A report of the campaigns"], ["January 2023 to February 2024"], [], *rows]


def totalled(rows: list[list[str]]) -> list[list[str]]:
    return [*rows, ["Total", *(["1234.56"] * (len(rows[0]) - 1))]]


LAYOUTS: dict[str, Callable[[list[list[str]]], list[list[str]]]] = {
    "as it is": lambda rows: rows,
    "turned": turned,
    "titled": titled,
    "totalled": totalled,
}


def text(rows: Sequence[Sequence[str]], separator: str = ",", encoding: str = "utf-8") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(rows)
    return out.getvalue().encode(encoding)


def records(rows: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    names, *cells = rows
    return [dict(zip(names, row, strict=True)) for row in cells]


def workbook(*sheets: Sequence[Sequence[Any]]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for place, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Sheet {place + 1}")
        for row in rows:
            sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


FORMATS: dict[str, Callable[[list[list[str]]], Any]] = {
    "comma": text,
    "semicolon": lambda rows: text(rows, ";"),
    "tab": lambda rows: text(rows, "\t"),
    "bar": lambda rows: text(rows, "|"),
    "byte order mark": lambda rows: text(rows, encoding="utf-8-sig"),
    "utf-16": lambda rows: text(rows, "\t", "utf-16"),
    "utf-16 unmarked": lambda rows: text(rows, "\t", "utf-16-le"),
    "gzip": lambda rows: gzip.compress(text(rows)),
    "workbook": workbook,
    "records": records,
    "json bytes": lambda rows: json.dumps(records(rows)).encode(),
    "json lines": lambda rows: "\n".join(map(json.dumps, records(rows))).encode(),
    "split": lambda rows: {"columns": rows[0], "data": rows[1:]},
    "by column": lambda rows: dict(zip(rows[0], turned(rows[1:]), strict=True)),
    "answer": lambda rows: {"data": {"rows": records(rows)}},
}
KEYED = ("records", "json bytes", "json lines", "split", "by column", "answer")
"""Formats that hold no rows above or below those of the table."""
