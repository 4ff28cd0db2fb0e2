"""Rows of cells -> a table with a header, its rows numbered as a spreadsheet shows them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.history.faults import FaultLog, cell_pointer
from shared.history.formats import Grid, Number, Source, limit_cells, malformed, read_grid
from shared.history.table import Finding

__all__ = ["Table", "framed", "read_table", "rows_left_out"]

_LOOKS_LIKE_DATA = re.compile(r"[-+]?\d[\d.,]*|\d{4}-\d{2}(-\d{2})?")
_PREAMBLE = 60  # rows among which a header is looked for
_NOTE = 2  # cells of a row below the table that is none of it


@dataclass(frozen=True, eq=False)
class Table:
    """A table as a DataFrame of categories: the distinct cells of a column, and which a row has.

    A cell is text as it was written, or the number of a fraction that came as one; ``text`` and
    ``cells`` have it as text. The frame's index are rows as a spreadsheet shows them (header = 1).
    ``root`` is put before ``/rows/...`` in pointers. ``findings`` say what was left out of what was
    sent, and ``left_out`` how many rows that were.
    """

    frame: pd.DataFrame
    root: str = ""
    findings: tuple[Finding, ...] = ()
    left_out: int = 0

    def __contains__(self, column: str | None) -> bool:
        return column in self._columns

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def _columns(self) -> dict[str, pd.Categorical]:
        return {name: column.array for name, column in self.frame.items()}

    @property
    def header(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self._columns)

    @property
    def lines(self) -> Any:
        """The spreadsheet row of every row."""
        return self.frame.index

    def pointer(self, row: int, column: str) -> str:
        """The pointer of the cell in the i-th row (counted from 0) of a column."""
        return cell_pointer(self.root, self.lines[row], column)

    def place(self, row: int, column: str) -> str:
        """The i-th row and the column as messages name them."""
        return f"Row {self.lines[row]}, column '{column}'"

    def codes(self, column: str) -> NDArray[np.integer[Any]]:
        """Shape (R,): which of the distinct cells each row has."""
        return np.asarray(self._columns[column].codes)

    def values(self, column: str) -> list[str | float]:
        """The distinct cells of a column, in order of their first row."""
        return list(self._columns[column].categories)

    def text(self, column: str) -> list[str]:
        """The distinct cells of a column as text."""
        return [_text(cell) for cell in self.values(column)]

    def cells(self, column: str) -> list[str]:
        """The cell of every row as text."""
        return self.each(column, _text)

    def each(self, column: str, of: Callable[[str], Any]) -> list[Any]:
        """``of`` each row's cell, worked out once for each distinct one."""
        known = [of(cell) for cell in self.text(column)]
        return [known[code] for code in self.codes(column).tolist()]

    def named(self, column: str | None, of: Callable[[str], str] = str.strip) -> pd.Categorical:
        """What ``of`` makes of each row's cell, as categories; "" where there is no column."""
        if column is None:
            return _packed(np.zeros(len(self), dtype=np.intp), [""])
        cells = np.array([of(cell) for cell in self.text(column)], dtype=object)
        codes, names = pd.factorize(cells)
        return _packed(codes[self.codes(column)], names)

    def row(self, row: int) -> list[str]:
        """The cells of the i-th row, without the spaces around them."""
        return [_text(cell).strip() for cell in self.frame.iloc[row]]

    def with_columns(
        self, columns: Mapping[str, Sequence[Any]], lines: Sequence[int], *findings: Finding
    ) -> Table:
        """Other cells of the same table, and what is to be said of that."""
        found = (*self.findings, *findings)
        return replace(self, frame=framed(columns, lines), findings=found)

    def without(self, rows: Sequence[int], *findings: Finding) -> Table:
        """The table without some rows, counted from 0."""
        kept = np.delete(np.arange(len(self)), rows)
        frame = self.frame.iloc[kept].apply(lambda own: own.cat.remove_unused_categories())
        count, found = self.left_out + len(rows), (*self.findings, *findings)
        return replace(self, frame=frame, findings=found, left_out=count)


def _packed(codes: NDArray[Any], cells: Sequence[Any]) -> pd.Categorical:
    # text would be taken for a pandas string, which cannot hold all that JSON can
    kinds = pd.CategoricalDtype(pd.Index(cells, dtype=object))
    return pd.Categorical.from_codes(codes, dtype=kinds)


def _text(cell: str | float) -> str:
    return cell if isinstance(cell, str) else str(cell)


def framed(columns: Mapping[str, Sequence[Any]], lines: Sequence[int]) -> pd.DataFrame:
    """Cells by column as a ``Table`` holds them."""
    packed = {n: _packed(*pd.factorize(np.array(own, dtype=object))) for n, own in columns.items()}
    frame = pd.DataFrame(dict(enumerate(packed.values())), index=np.asarray(lines, dtype=np.int64))
    frame.columns = pd.Index(list(packed), dtype=object)
    return frame


def read_table(source: Source, root: str = "", sheet: str | None = None, header: int = 0) -> Table:
    """Read a table in any format (see ``shared.history.formats``).

    The first row that can name the columns does: titles above it and notes below the last row are
    left out, and told. Blank rows are skipped but counted. Of records the first is row 2, as if a
    header stood above it.

    Parameters
    ----------
    sheet
        Of a workbook; the only one that holds a table by default.
    header
        The row that names the columns, where the spec says so.

    Raises
    ------
    MalformedInput
        Not text, not a table, no header, no row.
    InvalidInput
        Rows with too many or too few cells, columns of the same name, and see ``read_grid``.
    InputTooLarge
        More rows, columns or cells than are taken.
    """
    grid = read_grid(source, root, sheet)
    at = 0
    if header:
        at = next((i for i, line in enumerate(grid.lines) if line >= header), len(grid.lines) - 1)
    elif not grid.named:
        at = _header_at(grid)
    above = grid.lines[:at]
    rows, lines = grid.rows[at:], grid.lines[at:]
    notes = [] if grid.named else _notes(rows, lines)
    table = _assemble(rows, lines, grid, root)
    found = [rows_left_out(own, what) for own, what in ((above, "titles"), (notes, "notes")) if own]
    return replace(table, findings=tuple(found), left_out=len(above) + len(notes))


def rows_left_out(lines: Sequence[int], what: str, settled_by: str | None = None) -> Finding:
    """What to say of rows of a table that are none of its own."""
    shown = ", ".join(map(str, lines[:8])) + (", ..." if len(lines) > 8 else "")
    were = "Rows {} were" if len(lines) > 1 else "Row {} was"
    text = f"{were.format(shown)} left out: {what}, not rows of the table."
    return Finding("rows_left_out", text, {"rows": list(lines[:100])}, settled_by)


def _header_at(grid: Grid) -> int:
    """The first row that is as wide as most rows and no title, note or row of data."""
    sample = [[cell.strip() for cell in row] for row in grid.rows[:_PREAMBLE]]
    widths = [max((i + 1 for i, cell in enumerate(row) if cell), default=0) for row in sample]
    filled = [sum(map(bool, row)) for row in sample]
    counts = Counter(w for w, n in zip(widths, filled, strict=True) if n > 1)
    usual = max(counts, key=lambda w: (counts[w], w), default=0)
    for i, row in enumerate(sample):
        held = [cell for cell in row if cell]
        data = 2 * sum(bool(_LOOKS_LIKE_DATA.fullmatch(cell)) for cell in held) >= len(held)
        title = len(held) < 2 or re.match(r"#.", held[0]) or held[0].endswith(":")
        if not title and widths[i] >= usual and not (i and data):
            return i
    return 0


def _notes(rows: list[list[str]], lines: list[int]) -> list[int]:
    """Take the notes off the end of the rows: few cells that are no data, in a wider table."""
    out: list[int] = []
    width = len(rows[0])
    while len(rows) > 2 and width > _NOTE:
        held = [cell.strip() for cell in rows[-1] if cell.strip()]
        few = len(held) <= _NOTE and (len(rows[-1]) != width or len(held) == 1)
        if not few or not rows[-1][0].strip() or _LOOKS_LIKE_DATA.match(held[0]):
            break
        rows.pop()
        out.append(lines.pop())
    return out[::-1]


def _assemble(rows: list[list[str]], lines: list[int], grid: Grid, root: str) -> Table:
    """Rectangular columns from rows of cells, the first row being the header.

    Columns beyond the grid's width have neither name nor content, only separators at the ends of
    the lines.
    """
    names = [name.strip() for name in rows[0]]
    header_line, rows, lines = lines[0], rows[1:], lines[1:]
    if len(names) > (width := grid.width):
        names, rows = names[:width], [row[:width] for row in rows]
    # names that are dates may stand across; that there is a name beside them tells it from data
    data = [bool(_LOOKS_LIKE_DATA.fullmatch(name)) for name in names]
    if names and sum(data) * 2 >= len(names) and (data[0] or sum(data) < 3):
        raise malformed("The first row must name the columns; it holds data.", root, "no_header")
    if len(names) < 2:
        raise malformed(
            "The table has a single column; separate cells with commas, semicolons or tabs.", root
        )
    if not rows:
        raise malformed("The table has a header and no rows.", root, "empty_table")
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
    own: Callable[[Any], Any] = _fractions if grid.typed else list
    columns = {name: own(row[k] for row in rows) for k, name in enumerate(names)}
    return Table(framed(columns, lines), root)


def _fractions(cells: Iterable[str]) -> list[str | float]:
    """Cells, those that came as fractions as such."""
    return [float(cell) if isinstance(cell, Number) else cell for cell in cells]
