"""A table in any of its formats -> rows of text cells, none of them judged yet.

CSV and its kin, JSON and NDJSON, workbooks (.xlsx), Parquet where pyarrow is installed, any of them
packed with gzip: the content decides which, whatever it was sent as. Limits stand before any work.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from shared.errors import Fault, InputTooLarge, InvalidInput, MalformedInput
from shared.history.faults import FaultLog, cell_pointer, near_misses

__all__ = [
    "MAX_CELL",
    "MAX_CELLS",
    "MAX_COLUMNS",
    "MAX_ROWS",
    "Grid",
    "Number",
    "Source",
    "limit_body",
    "limit_cells",
    "malformed",
    "media_of",
    "read_grid",
    "unpacked",
]

MAX_ROWS = 1_000_000
MAX_COLUMNS = 2_000
MAX_CELLS = 5_000_000
"""Cells of a table, and of what it is laid out as: as many as the largest body has bytes."""

MAX_CELL = 200
"""Characters of a cell or a column's name: no date, number, name or label is longer."""

MAX_TEXT = 50_000_000
"""Bytes of a table when it is unpacked."""

WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_JSON = 10_000_000
"""Characters of JSON: it takes far more memory than text in rows."""

_SEPARATORS = "\t;|,"  # those first that no number and no date holds
_BROKEN = (
    *(KeyError, ValueError, OSError, SyntaxError, RuntimeError),
    *(TypeError, AttributeError, IndexError, EOFError),
)
"""What reading a damaged workbook raises: its XML is no XML, its parts are not there."""
_DEEPEST = 8  # objects in objects that are looked into
_PREAMBLE = 100  # lines of titles and notes that may stand around the rows
_SAMPLE = 60  # lines by which a separator is judged

Source = bytes | Sequence[Any] | Mapping[str, Any]
"""A table as it was sent: bytes, or JSON that was read already."""


class Number(str):
    """A cell that came as a fraction, and not as text: which mark is the decimal one is known."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Rows of cells, blank ones left out; ``lines`` are their numbers as a spreadsheet shows them.

    ``width`` is up to the last cell of any row that holds something; ``named`` where the first row
    is known to name the columns, ``typed`` where cells may be a ``Number``.
    """

    rows: list[list[str]]
    lines: list[int]
    width: int
    named: bool = False
    typed: bool = False


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


def malformed(message: str, root: str, code: str = "malformed_table") -> MalformedInput:
    """A table of which nothing can be located by name."""
    return MalformedInput((Fault(f"{root}/rows", code, message),))


def media_of(data: bytes) -> str:
    """The content type of a table by its content, whatever it was sent as."""
    if data[:4] == b"PK\x03\x04":
        return WORKBOOK
    if data[:4] == b"PAR1":
        return "application/vnd.apache.parquet"
    return "application/x-ndjson" if data.lstrip()[:1] in (b"{", b"[") else "text/csv"


def read_grid(source: Source, root: str, sheet: str | None = None) -> Grid:
    """The rows of a table, by what its content is.

    Raises
    ------
    MalformedInput
        Not text, no table, nothing in it.
    InvalidInput
        Cells that are no scalars, cells and names of more than ``MAX_CELL`` characters; a workbook
        of several tables.
    InputTooLarge
        More than ``MAX_ROWS`` rows, ``MAX_COLUMNS`` columns or ``MAX_TEXT`` bytes.
    """
    if not isinstance(source, bytes):
        return _from_records(_records(source, root), root)
    source = unpacked(source, root)
    if source[:4] == b"PK\x03\x04":
        return _from_workbook(source, root, sheet)
    if source[:4] == b"PAR1":
        return _from_records(_from_parquet(source, root), root)
    if source[:4] == b"\xd0\xcf\x11\xe0":
        raise malformed("The old form of workbooks (.xls): save it as .xlsx.", root, "old_workbook")
    text = _decode(source, root)
    if text.lstrip()[:1] in ("{", "["):
        _limit_json(len(text))
        return _from_records(_records(_from_json(text, root), root), root)
    return _from_csv(text, root)


def limit_body(data: bytes) -> None:
    """Refuse what is sure to be too large, before it is stored: by its bytes alone.

    Raises
    ------
    InputTooLarge
        JSON of more than ``MAX_JSON`` bytes, more than ``MAX_ROWS`` lines without a quote in them.
    """
    if data.lstrip()[:1] in (b"{", b"["):
        _limit_json(len(data))
    elif data[:4] not in (b"PK\x03\x04", b"PAR1") and b'"' not in data and b"\0" not in data[:100]:
        blank = data.count(b"\n\n") + data.count(b"\n\r\n")
        _limit_rows(data.count(b"\n") - blank - _PREAMBLE)


def _limit_json(size: int) -> None:
    if size > MAX_JSON:
        raise InputTooLarge(f"JSON of more than {MAX_JSON // 1_000_000} MB is not read.")


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


def unpacked(source: bytes, root: str = "") -> bytes:
    """A table without its gzip, where it has one."""
    if source[:2] != b"\x1f\x8b":
        return source
    packed = zlib.decompressobj(wbits=31)
    try:
        text = packed.decompress(source, MAX_TEXT + 1)
    except zlib.error:
        raise malformed("The table is not valid gzip.", root, "bad_gzip") from None
    if len(text) > MAX_TEXT:
        raise InputTooLarge(f"The table is larger than {MAX_TEXT // 1_000_000} MB unpacked.")
    return text


def _decode(source: bytes, root: str) -> str:
    encoding = "utf-8-sig"
    if source[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in source[:100]:  # without a byte order mark: of Latin letters every other byte is 0
        encoding = "utf-16-le" if source[1:2] == b"\0" else "utf-16-be"
    try:
        return source.decode(encoding)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise malformed(
            f"The table is not UTF-8 text (near row {line}). Save it as 'CSV UTF-8'.",
            root,
            "not_utf8",
        ) from None


# -- text with separators ----------------------------------------------------------------------


def _separator(text: str) -> str:
    """The separator that most lines hold equally often, outside quotes."""
    lines = [line for line in islice(io.StringIO(text), 4 * _SAMPLE) if line.strip()][:_SAMPLE]
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    best, most = ",", (0, 0)
    for mark in _SEPARATORS:  # ties: their order
        counts = Counter(number for line in bare if (number := line.count(mark)))
        alike = max(((often, number) for number, often in counts.items()), default=(0, 0))
        if alike > most:
            best, most = mark, alike
    return best


def _from_csv(text: str, root: str) -> Grid:
    separator, skipped = _separator(text), 0
    hint = re.match(r"sep=(.)\r?\n", text)  # what some spreadsheets write above the header
    if hint:
        separator, skipped = hint.group(1), 1
        text = text[hint.end() :]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return _gathered(reader, root, skipped)


def _gathered(reader: Iterable[list[str]], root: str, skipped: int = 0) -> Grid:
    """The rows of a reader that hold something, within the limits."""
    rows: list[list[str]] = []
    lines: list[int] = []
    width = 0
    faults = FaultLog()
    number = skipped
    try:
        for row in reader:
            number += 1
            last = len(row)
            while last and not row[last - 1].strip():
                last -= 1
            if not last:
                continue
            if last > width:
                _limit_columns(last, number)
                width = last
            rows.append(row)
            lines.append(number)
            _limit_rows(len(rows) - 1)
            if max(map(len, row)) > MAX_CELL:
                if last == 1 and len(rows) > 1:
                    rows[-1] = [row[0][:MAX_CELL]]  # a note below the table, not a cell
                    continue
                _add_long_cells(rows[0], row, number, root, faults)
                if len(rows) == 1:
                    faults.stop_if_any()
    except csv.Error as error:
        raise malformed(
            f"Row {number + 1} is not valid CSV ({error}); is a quote left open?", root
        ) from None
    faults.stop_if_any()
    if not rows:
        raise malformed("The table is empty.", root, "empty_table")
    return Grid(rows, lines, width)


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


# -- workbooks and Parquet ---------------------------------------------------------------------


def _from_workbook(source: bytes, root: str, sheet: str | None) -> Grid:
    """The one sheet that the spec names, or the only one that holds a table."""
    fits: dict[str, Grid] = {}
    faults: list[InvalidInput] = []
    try:
        with zipfile.ZipFile(io.BytesIO(source)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MAX_TEXT:
                most = f"{MAX_TEXT // 1_000_000} MB"
                raise InputTooLarge(f"The workbook is larger than {most} unpacked.")
            sheets = [name for name in packed.namelist() if "worksheets/" in name]
            reckoned = any(re.search(rb"<f[ >]", packed.read(name)) for name in sheets)
        values = _opened(source, data_only=True)
        formulas = _opened(source, data_only=False) if reckoned else None
        names = list(values.sheetnames)
        if sheet is not None and sheet not in names:
            text = f"The workbook has no sheet '{sheet}'. {near_misses(sheet, names)}"
            raise InvalidInput.at("/sheet", "unknown_sheet", text)
        for name in names if sheet is None else [sheet]:
            told = _rows(values[name])
            if formulas is not None:
                told = map(_with_formulas, told, _rows(formulas[name]))
            try:
                grid = _gathered((list(map(_of_workbook, row)) for row in told), root)
            except InvalidInput as error:  # a sheet of notes, perhaps
                faults.append(error)
                continue
            if len(grid.rows) > 1 and grid.width > 1:
                fits[name] = replace(grid, typed=True)
    except (*_BROKEN, zipfile.BadZipFile, zlib.error):
        raise malformed("The workbook cannot be read.", root, "bad_workbook") from None
    if len(fits) > 1:
        raise InvalidInput.at(
            "/sheet",
            "several_sheets",
            "Several sheets hold tables: "
            f"{', '.join(map(repr, list(fits)[:12]))}. Say which one as 'sheet' in the spec.",
        )
    if not fits:
        for fault in faults:
            if not isinstance(fault, MalformedInput):
                raise fault
        raise malformed("No sheet of the workbook holds a table.", root, "empty_table")
    return next(iter(fits.values()))


def _opened(source: bytes, *, data_only: bool) -> Any:
    import openpyxl  # a tenth of a second, for workbooks alone

    with warnings.catch_warnings():  # of styles and extensions, which say nothing of cells
        warnings.simplefilter("ignore")
        return openpyxl.load_workbook(io.BytesIO(source), read_only=True, data_only=data_only)


def _rows(sheet: Any) -> Iterator[Sequence[Any]]:
    """The rows of a sheet as it is filled, whatever size it says it has."""
    if hasattr(sheet, "reset_dimensions"):
        sheet.reset_dimensions()
        cells = 0
        for row in sheet.iter_rows(values_only=True):
            cells += len(row)  # of which empty ones far to the right may be most
            limit_cells("The rows of a sheet", cells)
            yield row


def _with_formulas(values: Sequence[Any], formulas: Sequence[Any]) -> list[Any]:
    """The values of a row; the formula where a program wrote it and nobody has reckoned it."""
    return [
        formula if value is None and isinstance(formula, str) and formula[:1] == "=" else value
        for value, formula in zip(values, formulas, strict=False)
    ]


def _of_workbook(value: Any) -> str:
    """A typed cell as the text that means it beyond doubt."""
    if isinstance(value, datetime):
        midnight = (value.hour, value.minute, value.second) == (0, 0, 0)
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, date):
        return value.isoformat()
    try:
        return _cell(value)
    except ValueError:
        return str(value)


def _from_parquet(source: bytes, root: str) -> list[dict[str, Any]]:
    try:
        from pyarrow import compute, parquet, types
    except ImportError:
        text = "Parquet is not read here (pyarrow is not installed): send CSV, JSON or .xlsx."
        raise malformed(text, root, "no_parquet") from None
    try:
        file = parquet.ParquetFile(io.BytesIO(source))
        _limit_rows(file.metadata.num_rows)
        _limit_columns(file.metadata.num_columns, 1)
        schema = file.schema_arrow
        limit_cells("The rows of the file", file.metadata.num_rows, len(schema))
        # as dictionaries, so that one long text in a million rows is met once
        texts = [field.name for field in schema if types.is_string(field.type)]
        rows = parquet.ParquetFile(io.BytesIO(source), read_dictionary=texts).read()
        for name, column in zip(rows.column_names, rows.columns, strict=True):
            for chunk in column.chunks:
                held = chunk.dictionary if types.is_dictionary(chunk.type) else chunk
                if not (types.is_string(held.type) or types.is_binary(held.type)):
                    continue
                if (compute.max(compute.binary_length(held)).as_py() or 0) > 4 * MAX_CELL:
                    what = (
                        f"Column '{name[:MAX_CELL]}' holds texts of more than {MAX_CELL} letters."
                    )
                    raise InvalidInput.at(f"{root}/rows", "too_long", what)
        records = rows.to_pylist()
    except _BROKEN:
        raise malformed("The Parquet file cannot be read.", root, "bad_parquet") from None
    return [{name: _typed(value) for name, value in row.items()} for row in records]


def _typed(value: Any) -> Any:
    """A typed cell of a column as JSON would hold it: a date as text, a decimal as a fraction."""
    if isinstance(value, date):
        return _of_workbook(value)
    return float(value) if isinstance(value, Decimal) else value


# -- JSON --------------------------------------------------------------------------------------


def _from_json(text: str, root: str) -> Any:
    """JSON, or a JSON object a line."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise malformed("The table is neither JSON nor JSON lines.", root, "bad_json") from None


def _records(data: Any, root: str, depth: int = 0) -> Sequence[Any]:
    """Records, from any of the orientations in which programs write them.

    A list of objects as it is; columns and their data apart; columns that hold their cells; an
    object in which one list of objects lies deeper, as programs' interfaces answer.
    """
    if isinstance(data, Mapping):
        names, rows = data.get("columns"), data.get("data")
        if isinstance(names, list) and isinstance(rows, list):
            if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
                raise malformed("Not every row of 'data' has a cell a column.", root)
            return [dict(zip(map(str, names), row, strict=True)) for row in rows]
        if data and all(isinstance(cells, list | Mapping) for cells in data.values()):
            columns = [
                list(cells.values()) if isinstance(cells, Mapping) else cells
                for cells in data.values()
            ]
            plain = not any(isinstance(cell, list | Mapping) for cells in columns for cell in cells)
            if plain and len(data) > 1 and len({len(cells) for cells in columns}) == 1:
                return [dict(zip(data, row, strict=True)) for row in zip(*columns, strict=True)]
        inside = [own for own in data.values() if isinstance(own, list | Mapping) and own]
        if len(inside) == 1 and depth < _DEEPEST:
            return _records(inside[0], root, depth + 1)
        if not inside:
            data = [data]
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise malformed("Send a list of objects, one a row, with the columns' names as keys.", root)
    if not any(map(_deep, data)):
        return data
    flat: list[Any] = []
    count = 0
    for row in (row for record in data for row in _flat(record)):
        count += len(row) if isinstance(row, Mapping) else 1
        limit_cells("Records with the objects in them", count)
        flat.append(row)
    return flat


def _deep(record: Any) -> bool:
    return isinstance(record, Mapping) and any(
        isinstance(value, Mapping)
        or (isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value))
        for value in record.values()
    )


def _flat(record: Any, depth: int = 0) -> Iterator[Any]:
    """A record without objects in it; a list of objects in it makes a row each."""
    if not _deep(record) or depth > _DEEPEST:
        yield record
        return
    own: dict[str, Any] = {}
    lists: list[Sequence[Any]] = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            own.update({f"{name}.{inner}": v for inner, v in value.items()})
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            lists.append(value)
        else:
            own[name] = value
    if len(lists) > 1:
        yield record
        return
    for one in lists[0] if lists else ({},):
        yield from _flat({**own, **one}, depth + 1)


def _from_records(records: Sequence[Any], root: str) -> Grid:
    if not records:
        raise malformed("There are no records.", root, "empty_table")
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
    if len({name.strip() for name in names}) < len(names):
        raise malformed("Two columns differ in surrounding spaces only.", root, "duplicate_column")
    rows = [list(names)]
    for index, record in enumerate(records):
        cells: list[str] = []
        for name in names:
            try:
                cells.append(_cell(record.get(name)))
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
        rows.append(cells)
    faults.stop_if_any()
    return Grid(rows, list(range(1, len(records) + 2)), len(names), named=True, typed=True)


def _cell(value: Any) -> str:
    """A scalar as the text that CSV would hold."""
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
        text = str(value) if abs(number) < 1e15 else repr(number)
        return Number(text) if isinstance(value, float) and "." in text else text
    raise ValueError("a cell must be text, a number or empty")
