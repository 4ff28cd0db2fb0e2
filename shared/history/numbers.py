"""Text cells -> numbers, without guessing what a comma means.

A cell is read under both conventions, 1,234.5 and 1.234,5. Where only one of them makes sense of it
the cell is evidence; all numeric columns of a table must agree. What stays ambiguous is refused:
a budget wrong by a factor of a thousand is worse than a rejected file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.history.faults import FaultLog
from shared.history.reading import Table
from shared.history.table import Finding

__all__ = ["EMPTY", "LARGEST", "filled_share", "is_empty", "read_numbers"]

Floats = NDArray[np.float64]

EMPTY = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>"})
"""What counts as an empty cell, casefolded: what pandas, R and SQL write for a missing value."""

LARGEST = 1e15
"""Cells beyond this are refused: no money, and sums of their squares would lose all digits."""

_CURRENCY = "$€£₹¥₩"
_SPACES = " \u00a0\u202f\u2009'’"
_EXPONENT = r"(?:[eE][-+]?\d+)?"
_DOT = re.compile(
    r"(?:(?:\d+|\d{1,3}(?:,\d{2,3})*,\d{3})(?:\.\d*)?|\.\d+)" + _EXPONENT
)  # groups of two as well: 1,23,456.00 is how rupees are written
_COMMA = re.compile(r"(?:(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d*)?|,\d+)" + _EXPONENT)
_SPACED = re.compile(r"\d{1,3}(?:[ '’]\d{3})+(?=$|[.,])")
_PROVES_COMMA = re.compile(r"(?:^|[^\d,])0,|,\d{1,2}$|,\d{4,}$|\d{4,},", re.MULTILINE)
_PROVES_DOT = re.compile(r"(?:^|\D)0\.|\.\d{1,2}$|\.\d{4,}$|\d{4,}\.")


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


def filled_share(cells: Sequence[str]) -> float:
    """The share of cells that hold something where all of those are numbers, else 0.

    Judged by a sample of some 300 cells: enough to guess a role, the cells are read in full later.
    """
    sample = cells[:: max(1, len(cells) // 300)]
    filled = [cell for cell in sample if not is_empty(cell)]
    for cell in filled:
        if _interpret(_strip(cell)[1]) == (None, None):
            return 0.0
    return len(filled) / len(sample)


def read_numbers(
    table: Table, names: Sequence[str], faults: FaultLog
) -> tuple[dict[str, Floats], list[Finding]]:
    """The named columns as numbers, NaN where a cell is empty.

    Every cell that is no number, is ambiguous or contradicts the table's decimal mark is added to
    ``faults``. Currency signs and thousands separators that can be read in one way only are
    accepted and reported.
    """
    fast = {name: _fast(table.columns[name]) for name in names}
    plain = {name: values for name, values in fast.items() if values is not None}
    if len(plain) == len(fast) and not _doubtful(table, names):
        return plain, []
    commas = _with_commas(table, names)
    if commas is not None:
        return commas, [_format(",", "")]
    return _read_slowly(table, names, faults)


def _doubtful(table: Table, names: Sequence[str]) -> bool:
    """Whether plain numbers may be grouped ones: only 1.234 in a table separated by semicolons.

    Spreadsheets write semicolons where the comma is the decimal mark.
    """
    if table.separator != ";":
        return False
    cells = [cell for name in names for cell in table.columns[name] if "." in cell]
    return bool(cells) and not any(_PROVES_DOT.search(cell.strip()) for cell in cells)


def _with_commas(table: Table, names: Sequence[str]) -> dict[str, Floats] | None:
    """All columns where nothing but decimal commas was used, and that beyond doubt."""
    out: dict[str, Floats] = {}
    proven = False
    for name in names:
        cells = table.columns[name]
        joined = "\n".join(cells)
        if "." in joined:
            return None
        proven = proven or _PROVES_COMMA.search(joined) is not None
        values = _fast([cell.replace(",", ".") for cell in cells])
        if values is None:
            return None
        out[name] = values
    return out if proven else None


def _strip(cell: str) -> tuple[str, str, str]:
    """Sign, body without currency sign and grouping spaces, and the currency sign."""
    body = cell.strip().replace("\u2212", "-")
    sign = symbol = ""
    for _ in range(2):  # -$5 and $-5
        if body[:1] in ("-", "+") and not sign:
            sign, body = body[0], body[1:].lstrip(_SPACES)
        if body[:1] and body[0] in _CURRENCY and not symbol:
            symbol, body = body[0], body[1:].lstrip(_SPACES)
    if body[-1:] and body[-1] in _CURRENCY and not symbol:
        symbol, body = body[-1], body[:-1].rstrip(_SPACES)
    body = body.replace("\u00a0", " ").replace("\u202f", " ").replace("\u2009", " ")
    grouped = _SPACED.match(body)
    if grouped:
        body = re.sub(r"[ '’]", "", grouped.group()) + body[grouped.end() :]
    return sign, body, symbol


def _interpret(body: str) -> tuple[float | None, float | None]:
    """The value with a decimal dot and with a decimal comma; None where it makes no sense."""
    if not body.isascii() or not any(character.isdigit() for character in body):
        return None, None
    dot = comma = None
    if _DOT.fullmatch(body):
        dot = float(body.replace(",", ""))
    if _COMMA.fullmatch(body):
        comma = float(body.replace(".", "").replace(",", "."))
    return dot, comma


def _read_slowly(
    table: Table, names: Sequence[str], faults: FaultLog
) -> tuple[dict[str, Floats], list[Finding]]:
    readings: dict[str, tuple[str, float | None, float | None, str]] = {}
    votes_dot = votes_comma = 0
    example = {"dot": "", "comma": ""}
    symbols: dict[str, str] = {}
    adorned = 0
    for name in names:
        for cell in table.columns[name]:
            if cell not in readings and not is_empty(cell):
                sign, body, symbol = _strip(cell)
                dot, comma = _interpret(body)
                readings[cell] = (sign, dot, comma, symbol)
                if symbol:
                    symbols.setdefault(symbol, cell.strip())
                adorned += "," in body or body != cell.strip().lstrip("-+")
                if dot is not None and comma is None:
                    votes_dot += 1
                    example["dot"] = example["dot"] or cell.strip()
                elif comma is not None and dot is None:
                    votes_comma += 1
                    example["comma"] = example["comma"] or cell.strip()
    if votes_dot and votes_comma:
        mark = "dot" if votes_dot >= votes_comma else "comma"
    else:
        mark = "dot" if votes_dot else "comma" if votes_comma else ""
    currency = next(iter(symbols), "")

    out: dict[str, Floats] = {}
    for name in names:
        values = np.full(len(table.columns[name]), np.nan)
        for row, cell in enumerate(table.columns[name]):
            if cell not in readings:
                continue
            sign, dot, comma, symbol = readings[cell]
            where = table.pointer(row, name)
            said = f"Row {table.lines[row]}, column '{name}': '{_short(cell)}'"
            value = dot if mark != "comma" else comma
            ambiguous = dot is not None and comma is not None and dot != comma
            if dot is None and comma is None:
                faults.add(where, "not_a_number", f"{said} is not a number.")
            elif ambiguous and not mark and ("," in cell or table.separator == ";"):
                faults.add(
                    where,
                    "ambiguous_number",
                    f"{said} may mean {_plain(dot)} or {_plain(comma)}; "
                    "write numbers without thousands separators, with a decimal point.",
                )
            elif value is None:
                faults.add(
                    where,
                    "mixed_decimal_marks",
                    f"{said} does not fit the decimal {mark} of the other cells "
                    f"(such as '{_short(example[mark or 'dot'])}').",
                )
            elif symbol and symbol != currency:
                faults.add(
                    where,
                    "mixed_currencies",
                    f"{said} is in {symbol}, other cells are in {currency} "
                    f"(such as '{_short(symbols[currency])}').",
                )
            elif not value <= LARGEST:
                faults.add(where, "number_too_large", f"{said} is too large.")
            else:
                values[row] = -value if sign == "-" else value
        out[name] = values
    if mark == "comma":
        return out, [_format(",", currency)]
    return out, [_format(".", currency)] if adorned else []


def _format(decimal: str, currency: str) -> Finding:
    style = "a decimal comma" if decimal == "," else "a decimal point"
    signs = f", currency sign {currency}" if currency else ""
    return Finding(
        "number_format",
        f"Numbers were read with {style}{signs}; the cells leave no other reading.",
        {"decimal": decimal, "currency_sign": currency or None},
    )


def _short(cell: str) -> str:
    """A cell fit to be quoted in a message."""
    cell = cell.strip()
    return cell if len(cell) <= 40 else cell[:37] + "..."


def _plain(value: float | None) -> str:
    return f"{value:.15g}" if value is not None else ""
