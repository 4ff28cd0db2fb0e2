"""Text cells -> numbers, without guessing what a comma means.

A cell is read under both conventions, 1,234.5 and 1.234,5. Where only one of them makes sense of it
the cell is evidence for its column, whatever the layout, the separator and the format of the table.
A column without evidence of its own is read as the spec's ``decimal`` says; else as the rest of the
table is written, but only where its marks are then thousands separators: 1.234 is never taken for
little more than one because other columns have decimals. What stays ambiguous is refused: a budget
wrong by a factor of a thousand is worse than a rejected file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.history.amounts import without_currency
from shared.history.faults import FaultLog
from shared.history.reading import Table
from shared.history.table import Finding

__all__ = ["as_control", "could_be", "filled_share", "is_empty", "read_numbers"]

Floats = NDArray[np.float64]

EMPTY = frozenset(
    {"", "na", "n/a", "nan", "null", "none", "<na>", "-", "--", "\u2013", "\u2014", "(not set)"}
    | {"n.a.", "n.a"}
)
"""What counts as an empty cell, casefolded: what pandas, R, SQL and ad platforms write for none."""

YES_NO = {
    **dict.fromkeys(("yes", "y", "true", "on", "ja", "oui", "si", "sí"), "1"),
    **dict.fromkeys(("no", "n", "false", "off", "nein", "non"), "0"),
}
"""Words for what a column of yes and no says, casefolded."""

LARGEST = 1e15
"""Cells beyond this are refused: no money, and sums of their squares would lose all digits."""

_EXPONENT = r"(?:[eE][-+]?\d+)?"
_DOT = re.compile(
    rf"(?:\d+(?:\.\d*)?|\.\d+){_EXPONENT}|[1-9]\d{{0,2}}(?:,\d{{2,3}})*,\d{{3}}(?:\.\d*)?"
)  # groups of two as well: 1,23,456.00 is how rupees are written
_COMMA = re.compile(rf"(?:\d+(?:,\d*)?|,\d+){_EXPONENT}|[1-9]\d{{0,2}}(?:\.\d{{3}})+(?:,\d*)?")
_NO_CENTS = re.compile(r"(?<=\d)([.,])-{1,2}(?=\D*$)")  # 1.234,-
_BRACKETED = re.compile(r"\((.+)\)")
_SPACES = re.compile("[ \u00a0\u202f\u2009]")
_SPACED = re.compile(r"\d{1,3}(?:[ '’]\d{3})+(?=$|[.,])")
# Sure signs of one convention in a column of plain numbers, one a line; cells tell the rest.
_PROVES_COMMA = re.compile(r"(?:^|[^\d,])0,|,\d{1,2}$|,\d{4,}$|\d{4},", re.MULTILINE)
_PROVES_DOT = re.compile(r"(?:^|\D)0\.|\.\d{1,2}$|\.\d{4,}$|\d{4}\.", re.MULTILINE)


def is_empty(cell: str) -> bool:
    """Whether a cell holds nothing, or a word for nothing."""
    return not cell or cell.strip().casefold() in EMPTY


def _fast(cells: Sequence[str]) -> Floats | None:
    """The column where every cell is a plain finite number or empty, else None."""
    joined = "".join(cells)
    if not joined.isascii() or "_" in joined:  # float() takes 1_000 and digits of any script
        return None
    try:
        values = np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return None
    return values if not np.any(np.abs(values) > LARGEST) else None


def filled_share(table: Table, column: str) -> float:
    """The share of cells that hold something where all of those are numbers, else 0.

    Judged by a sample of some 300 rows: enough to guess a role, the cells are read in full later.
    """
    cells = table.text(column)
    codes = table.codes(column)[:: max(1, len(table) // 300)]
    filled = [cells[code] for code in codes.tolist() if not is_empty(cells[code])]
    if _quickly(filled) is None and not all(map(_is_number, map(_read, set(filled)))):
        return 0.0
    return len(filled) / len(codes)


def as_control(cells: Sequence[str], kind: str | None = None) -> Sequence[str] | None:
    """Distinct cells that say yes and no in words, or percents, as plain numbers; else None.

    Of a ``kind`` that is said (a ``Control``'s) whatever its cells look like.
    """
    if kind == "number":
        return None
    if kind == "percent":
        return [cell.strip().removesuffix("%").rstrip() for cell in cells]
    if kind == "yes_no":
        return [YES_NO.get(cell.strip().casefold(), cell) for cell in cells]
    held = {cell.strip().casefold() for cell in cells if not is_empty(cell)}
    if held and held <= set(YES_NO):
        return [YES_NO.get(cell.strip().casefold(), "") for cell in cells]
    plain = [cell.strip().removesuffix("%").rstrip() for cell in cells]
    if held and all(cell.endswith("%") for cell in held) and _quickly(plain) is not None:
        return plain
    return None


def could_be(cell: str) -> dict[str, float]:
    """What number a cell is under each decimal mark that makes sense of it; {} where none does."""
    reading = _Reading(None, None, "", plain=False) if is_empty(cell) else _read(cell)
    both = {".": reading.dot, ",": reading.comma}
    return {mark: value for mark, value in both.items() if value is not None}


class _Reading(NamedTuple):
    """A cell's value with a decimal point and with a decimal comma; None where it makes no sense.

    ``plain`` where it has neither currency nor thousands separators.
    """

    dot: float | None
    comma: float | None
    currency: str
    plain: bool

    @property
    def proves(self) -> str:
        """The mark without which the cell is no number, or ""."""
        if self.dot is None or self.comma is None:
            return "," if self.comma is not None else "." if self.dot is not None else ""
        return ""

    @property
    def ambiguous(self) -> bool:
        return _is_number(self) and not self.proves and self.dot != self.comma

    def value(self, mark: str) -> float | None:
        return self.comma if mark == "," else self.dot

    def grouped(self, mark: str) -> bool:
        """Whether the other mark then separates thousands: the larger of the two readings."""
        return abs(self.value(mark) or 0.0) >= max(abs(self.dot or 0.0), abs(self.comma or 0.0))


def _is_number(reading: _Reading) -> bool:
    return reading.dot is not None or reading.comma is not None


def _read(cell: str) -> _Reading:
    cell = _NO_CENTS.sub(r"\g<1>0", cell)
    inner = _BRACKETED.fullmatch(cell.strip())  # accountants' minus
    sign, body, currency = without_currency(inner[1] if inner else cell)
    if inner:
        if sign:
            return _Reading(None, None, currency, plain=False)
        sign = "-"
    body = _SPACES.sub(" ", body)
    grouped = _SPACED.match(body)
    if grouped:
        body = re.sub(r"[ '’]", "", grouped.group()) + body[grouped.end() :]
    if not body.isascii() or not any(character.isdigit() for character in body):
        return _Reading(None, None, currency, plain=False)
    factor = -1.0 if sign == "-" else 1.0
    dot = factor * float(body.replace(",", "")) if _DOT.fullmatch(body) else None
    comma = None
    if _COMMA.fullmatch(body):
        comma = factor * float(body.replace(".", "").replace(",", "."))
    plain = "," not in body and body == cell.strip().lstrip("-+")
    return _Reading(dot, comma, currency, plain)


def read_numbers(
    table: Table,
    names: Sequence[str],
    faults: FaultLog,
    decimal: str | None = None,
    relative: Collection[str] = (),
    flags: Mapping[str, str | None] | None = None,
) -> tuple[dict[str, Floats], list[Finding]]:
    """The named columns as numbers, NaN where a cell is empty.

    Every cell that is no number or contradicts the others of its column is added to ``faults``, and
    every column that can be read two ways. Currency signs and thousands separators that can be read
    in one way only are accepted and reported.

    Parameters
    ----------
    decimal
        The decimal mark of cells that can be read two ways, "." or ",".
    relative
        Columns of which only the ups and downs count (impressions, controls): where every cell can
        be read two ways, both are the same but for their unit.
    flags
        Controls, which may say yes and no in words, or percents, and their kind where it is said.
    """
    out: dict[str, Floats] = {}
    texts: dict[str, Sequence[str]] = {}
    marks: dict[str, str] = {}
    readings: dict[str, dict[str, _Reading]] = {}
    for name in names:
        cells: Sequence[str] = ["" if isinstance(v, float) else v for v in table.values(name)]
        if flags and name in flags:
            cells = as_control(cells, flags[name]) or cells
        texts[name] = cells
        known = _quickly(cells)
        if known is not None:
            out[name], marks[name] = known
            continue
        readings[name] = {cell: _read(cell) for cell in cells if not is_empty(cell)}
        votes = Counter(reading.proves for reading in readings[name].values())
        marks[name] = max(".,", key=lambda mark: votes[mark]) if votes["."] + votes[","] else ""
    proven = set(marks.values()) - {""}
    others = proven.pop() if len(proven) == 1 else ""
    settled: set[str] = set()
    for name, known_cells in readings.items():
        unsure = [reading for reading in known_cells.values() if reading.ambiguous]
        if unsure and not marks[name]:
            alike = len(unsure) == len(known_cells) and not _typed(table, name)
            if decimal is not None:
                marks[name] = decimal
                settled.add(name)
            elif alike and name in relative:
                out[name] = _values(table, name, texts[name], known_cells, ".", faults)
                del marks[name]  # not told: the cells do leave another reading
                continue
            elif others and all(reading.grouped(others) for reading in unsure):
                marks[name] = others
            else:
                _add_ambiguous(table, name, texts[name], known_cells, faults)
        out[name] = _values(table, name, texts[name], known_cells, marks[name], faults)
    for name in names:
        for code, value in _typed(table, name).items():
            out[name][code] = value
            if abs(value) > LARGEST:
                for row in np.flatnonzero(table.codes(name) == code).tolist():
                    said = f"{table.place(row, name)}: {value:g} is too large."
                    faults.add(table.pointer(row, name), "number_too_large", said)
        out[name] = out[name][table.codes(name)]
    return out, _formats(marks, readings, decimal, settled)


def _typed(table: Table, name: str) -> dict[int, float]:
    """The distinct cells of a column that came as fractions and need no reading, by their place."""
    return {k: cell for k, cell in enumerate(table.values(name)) if isinstance(cell, float)}


def _quickly(cells: Sequence[str]) -> tuple[Floats, str] | None:
    """Cells that are plain numbers beyond doubt, and their decimal mark ("" where none is used)."""
    joined = "\n".join(cells)
    if "." not in joined and _PROVES_COMMA.search(joined):
        values = _fast([cell.replace(",", ".") for cell in cells])
        return None if values is None else (values, ",")
    if "." in joined and not _PROVES_DOT.search(joined):
        return None
    values = _fast(cells)
    return None if values is None else (values, "." if "." in joined else "")


def _add_ambiguous(
    table: Table,
    name: str,
    cells: Sequence[str],
    readings: Mapping[str, _Reading],
    faults: FaultLog,
) -> None:
    """Add one fault for a column whose cells can be read two ways: its first, and how many."""
    unsure = [k for k, cell in enumerate(cells) if cell in readings and readings[cell].ambiguous]
    rows = np.flatnonzero(np.isin(table.codes(name), unsure))
    first = cells[unsure[0]]
    reading, more = readings[first], len(rows) - 1
    also = f" (and {more} other cell{'s' * (more > 1)} of the column likewise)" if more else ""
    faults.add(
        table.pointer(rows[0], name),
        "ambiguous_number",
        f"{table.place(rows[0], name)}: '{_short(first)}' may mean "
        f"{_plain(reading.dot)} or {_plain(reading.comma)}{also}: say which mark is the decimal "
        "one as 'decimal' in the spec, '.' or ','.",
    )


def _values(
    table: Table,
    name: str,
    cells: Sequence[str],
    readings: Mapping[str, _Reading],
    mark: str,
    faults: FaultLog,
) -> Floats:
    """Distinct cells under one decimal mark; rows that cannot be read are added to ``faults``."""
    values = np.full(len(cells), np.nan)
    wrong: dict[int, tuple[str, str]] = {}
    for k, cell in enumerate(cells):
        if (reading := readings.get(cell)) is None:
            continue
        value = reading.value(mark)
        if value is not None and abs(value) <= LARGEST:
            values[k] = value
        elif not _is_number(reading):
            why = "is not a number"
            if cell.strip()[:1] == "#":
                why = "is an error of the spreadsheet: mend its formula, or leave the cell empty"
            elif cell.strip()[:1] == "=":
                why = "is a formula without its value: open the workbook and save it"
            wrong[k] = "not_a_number", why
        elif value is not None:
            wrong[k] = "number_too_large", "is too large"
        else:
            other = "comma" if mark == "," else "dot"
            like = next((c for c, r in readings.items() if r.proves == mark), "")
            why = f"does not fit the decimal {other} of the other cells (such as '{_short(like)}')"
            wrong[k] = "mixed_decimal_marks", why
    codes = table.codes(name)
    for row in np.flatnonzero(np.isin(codes, list(wrong))).tolist() if wrong else ():
        code, why = wrong[codes[row]]
        said = f"{table.place(row, name)}: '{_short(cells[codes[row]])}' {why}."
        faults.add(table.pointer(row, name), code, said)
    return values


def _formats(
    marks: Mapping[str, str],
    readings: Mapping[str, Mapping[str, _Reading]],
    decimal: str | None,
    settled: Collection[str],
) -> list[Finding]:
    """How numbers were read where that is not plainly with a decimal point.

    ``settled`` are columns that the spec's ``decimal`` decided.
    """
    found = []
    for mark, by_spec in product(".,", (False, True)):
        columns = [n for n in marks if (marks[n] or ".") == mark and (n in settled) == by_spec]
        cells = [reading for name in columns for reading in readings.get(name, {}).values()]
        against = decimal is not None and any(marks[name] not in ("", decimal) for name in columns)
        told = mark == "," or by_spec or against or not all(reading.plain for reading in cells)
        if not (columns and told):
            continue
        currency = next((reading.currency for reading in cells if reading.currency), None)
        text = f"a decimal {'comma' if mark == ',' else 'point'}"
        text += f", currency {currency}" if currency else ""
        shown = f" of {', '.join(map(repr, columns[:5]))}{' and more' * (len(columns) > 5)}"
        why = "as the spec says" if by_spec else "the cells leave no other reading"
        why += ", whatever the spec says" if against else ""
        found.append(
            Finding(
                "number_format",
                f"Numbers{shown} were read with {text}; {why}.",
                {"decimal": mark, "currency_sign": currency, "columns": columns[:200]},
            )
        )
    return found


def _short(cell: str) -> str:
    """A cell fit to be quoted in a message."""
    cell = cell.strip()
    return cell if len(cell) <= 40 else cell[:37] + "..."


def _plain(value: float | None) -> str:
    return f"{value:.15g}" if value is not None else ""
