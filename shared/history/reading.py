"""Bytes or JSON records -> a table of text cells, its rows numbered as a spreadsheet shows them."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.errors import Fault, InputTooLarge, MalformedInput
from shared.history.faults import FaultLog, cell_pointer

__all__ = [
    "MAX_CELL",
    "MAX_CELLS",
    "MAX_COLUMNS",
    "MAX_ROWS",
    "TextTable",
    "limit_cells",
    "read_table",
]

MAX_ROWS = 1_000_000
MAX_COLUMNS = 2_000
MAX_CELLS = 5_000_000
"""Cells of a table, and of what it is laid out as: as many as the largest body has bytes."""

MAX_CELL = 200
"""Characters of a cell or a column's name: no date, number, name or label is longer."""

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LOOKS_LIKE_DATA = re.compile(r"[-+]?\d[\d.,]*|\d{4}-\d{2}(-\d{2})?")


@dataclass(frozen=True, slots=True, eq=False)
class TextTable:
    """Text cells by column; ``lines[i]`` is the spreadsheet row of the i-th row (header = 1).

    ``root`` is put before ``/rows/...`` in pointers; ``numbers`` are the cells, by column and row
    counted from 0, that came as fractions and not as text (of JSON records).
    """

    header: tuple[str, ...]
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]
    root: str = ""
    numbers: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    def pointer(self, row: int, column: str) -> str:
        """The pointer of the cell in the i-th row (counted from 0) of a column."""
        return cell_pointer(self.root, self.lines[row], column)

    def text_cells(self, column: str) -> Sequence[str]:
        """The cells of a column, those empty that came as numbers and need no reading."""
        known = self.numbers.get(column)
        if not known:
            return self.columns[column]
        return ["" if row in known else cell for row, cell in enumerate(self.columns[column])]


def read_table(source: bytes | Sequence[Any], root: str = "") -> TextTable:
    """Read CSV bytes or a list of JSON records.

    CSV: UTF-8 with or without a byte order mark (or UTF-16 with one); comma, semicolon, tab or bar;
    quoted fields; any line ends. The first row that is not blank names the columns; blank rows are
    skipped but counted. Of records the first is row 2, as if a header stood above it.

    Raises
    ------
    MalformedInput
        Not text, not a table, no header, no row.
    InvalidInput
        Rows with too many or too few cells, columns of the same name, cells that are no scalars,
        cells and names of more than ``MAX_CELL`` characters.
    InputTooLarge
        More than ``MAX_ROWS`` rows, ``MAX_COLUMNS`` columns or ``MAX_CELLS`` cells.
    """
    if isinstance(source, bytes):
        return _from_csv(source, root)
    return _from_records(source, root)


def limit_cells(what: str, *sizes: int) -> None:
    """Refuse a layout of ``sizes``, told by ``what``, before it is made.

    Raises
    ------
    InputTooLarge
        More than ``MAX_CELLS`` cells.
    """
    if math.prod(sizes) > MAX_CELLS:
        raise InputTooLarge(
            f"{what} are {math.prod(sizes):,} cells; at most {MAX_CELLS:,} are taken. Leave out "
            "rows or add them up."
        )


def _limit_rows(count: int) -> None:
    if count > MAX_ROWS:
        raise InputTooLarge(f"The table has more than {MAX_ROWS:,} rows.")


def _limit_columns(count: int, line: int) -> None:
    if count > MAX_COLUMNS:
        raise InputTooLarge(
            f"The table has more than {MAX_COLUMNS:,} columns: with row {line} they are {count:,}."
        )


def _add_long(where: str, what: str, text: str, faults: FaultLog) -> None:
    """Add a fault where a text is longer than anything that is read."""
    if len(text) > MAX_CELL:
        long = f"has {len(text):,} characters; at most {MAX_CELL} are read."
        faults.add(where, "too_long", f"{what} {long}")


def _malformed(message: str, root: str, code: str = "malformed_table") -> MalformedInput:
    return MalformedInput((Fault(f"{root}/rows", code, message),))


def _decode(source: bytes, root: str) -> str:
    encoding = "utf-16" if source[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return source.decode(encoding)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise _malformed(
            f"The table is not UTF-8 text (near row {line}). Save it as 'CSV UTF-8'.",
            root,
            "not_utf8",
        ) from None


def _separator(text: str) -> str:
    """The separator most frequent in the first non-blank line, outside quotes."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", first)
    counts = {mark: bare.count(mark) for mark in _SEPARATORS}
    best = max(counts, key=lambda mark: counts[mark])  # ties: the order of _SEPARATORS
    return best if counts[best] else ","


def _from_csv(source: bytes, root: str) -> TextTable:
    text = _decode(source, root)
    separator, skipped = _separator(text), 0
    hint = re.match(r"sep=(.)\r?\n", text)  # what some spreadsheets write above the header
    if hint:
        separator, skipped = hint.group(1), 1
        text = text[hint.end() :]
    rows: list[list[str]] = []
    lines: list[int] = []
    width = 0  # up to the last cell of any row that holds something
    faults = FaultLog()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = skipped
    try:
        for row in reader:
            number += 1
            last = len(row)
            while last and not row[last - 1].strip():
                last -= 1
            if not last:
                continue
            width = max(width, last)
            if not rows:
                _limit_columns(width, number)
            rows.append(row)
            lines.append(number)
            _limit_rows(len(rows) - 1)
            if max(map(len, row)) > MAX_CELL:
                _add_long_cells(rows[0], row, number, root, faults)
                if len(rows) == 1:
                    faults.stop_if_any()
    except csv.Error as error:
        raise _malformed(
            f"Row {number + 1} is not valid CSV ({error}); is a quote left open?", root
        ) from None
    faults.stop_if_any()
    if not rows:
        raise _malformed("The table is empty.", root, "empty_table")
    return _assemble(rows, lines, width, root)


def _add_long_cells(
    header: list[str], row: list[str], line: int, root: str, faults: FaultLog
) -> None:
    """Add a fault for every cell of a row that is too long to be one; of a header, every name."""
    for place, cell in enumerate(row):
        column = header[place].strip() if place < len(header) else f"column {place + 1}"
        where, what = cell_pointer(root, line, column), f"Row {line}, column '{column}': the cell"
        if row is header:
            where, what = f"{root}/rows/{line}", f"The name of column {place + 1}"
        _add_long(where, what, cell, faults)


def _assemble(rows: list[list[str]], lines: list[int], width: int, root: str) -> TextTable:
    """Rectangular columns from rows of cells, the first row being the header.

    ``width`` is that of what the rows hold: columns beyond it have neither name nor content, only
    separators at the ends of the lines.
    """
    names = [name.strip() for name in rows.pop(0)]
    header_line = lines.pop(0)
    if len(names) > width:
        names, rows = names[:width], [row[:width] for row in rows]
    if sum(bool(_LOOKS_LIKE_DATA.fullmatch(name)) for name in names) * 2 >= len(names):
        raise _malformed("The first row must name the columns; it holds data.", root, "no_header")
    if len(names) < 2:
        raise _malformed(
            "The table has a single column; separate cells with commas, semicolons or tabs.", root
        )
    if not rows:
        raise _malformed("The table has a header and no rows.", root, "empty_table")
    faults = FaultLog()
    seen: set[str] = set()
    for position, name in enumerate(names):
        if name in seen:
            faults.add(
                cell_pointer(root, header_line, name),
                "duplicate_column",
                f"Two columns are called '{name}'.",
            )
        if not name:
            names[position] = name = f"column {position + 1}"
        seen.add(name)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            faults.add(
                f"{root}/rows/{line}",
                "wrong_number_of_cells",
                f"Row {line} has {len(row)} cells, the header has {len(names)}.",
            )
    faults.stop_if_any()
    limit_cells(f"{len(rows):,} rows of {len(names):,} columns", len(rows), len(names))
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return TextTable(tuple(names), columns, lines, root)


def _from_records(records: Sequence[Any], root: str) -> TextTable:
    if not records:
        raise _malformed("There are no records.", root, "empty_table")
    _limit_rows(len(records))
    faults = FaultLog()
    names: dict[str, None] = {}
    for index, record in enumerate(records):
        if isinstance(record, Mapping):
            names.update(dict.fromkeys(map(str, record)))
            _limit_columns(len(names), index + 2)
        else:
            faults.add(
                f"{root}/rows/{index + 2}",
                "not_a_record",
                f"Row {index + 2} is not an object of column names and values.",
            )
    for place, name in enumerate(names):
        _add_long(f"{root}/rows", f"The name of column {place + 1}", name, faults)
    faults.stop_if_any()
    limit_cells(f"{len(records):,} rows of {len(names):,} columns", len(records), len(names))
    columns: dict[str, list[str]] = {name: [] for name in names}
    numbers: dict[str, dict[int, float]] = {}
    for index, record in enumerate(records):
        for name, cells in columns.items():
            try:
                cells.append(_cell(value := record.get(name)))
                if isinstance(value, float) and "." in cells[-1]:
                    numbers.setdefault(name.strip(), {})[index] = value
            except ValueError as error:
                cells.append("")
                faults.add(
                    cell_pointer(root, index + 2, name),
                    "not_a_value",
                    f"Row {index + 2}, column '{name}': {error}.",
                )
            if len(cells[-1]) > MAX_CELL:
                what = f"Row {index + 2}, column '{name}': the cell"
                _add_long(cell_pointer(root, index + 2, name), what, cells[-1], faults)
    faults.stop_if_any()
    stripped = {name.strip(): cells for name, cells in columns.items()}
    if len(stripped) < len(columns):
        raise _malformed("Two columns differ in surrounding spaces only.", root, "duplicate_column")
    return TextTable(tuple(stripped), stripped, range(2, len(records) + 2), root, numbers)


def _cell(value: Any) -> str:
    """A JSON scalar as the text that CSV would hold."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            raise ValueError("the number is too large") from None
        if not math.isfinite(number):
            raise ValueError("NaN and Infinity are refused; leave the cell empty")
        return str(value) if abs(number) < 1e15 else repr(number)
    raise ValueError("a cell must be text, a number or empty")
