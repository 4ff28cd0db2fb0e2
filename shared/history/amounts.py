"""What amounts are in, by their columns' names and cells: a currency, millionths, cents.

Amounts that are added up or compared must be in one currency and unit. What a table says of them
counts until the spec says what one unit is worth (``scale`` of a channel, ``value`` of an outcome).
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.history.faults import FaultLog, cell_pointer
from shared.history.names import tokens
from shared.history.reading import Table
from shared.history.spec import ChannelRole, Spec

__all__ = [
    "CODES",
    "Amount",
    "amounts_of_long",
    "amounts_of_wide",
    "currency_sign",
    "one_currency",
    "one_unit",
    "without_currency",
    "worth_of",
]

Floats = NDArray[np.float64]

_TRADED = (
    "AED ARS AUD BDT BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY "
    "KES KRW KWD LKR MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RUB SAR SEK SGD THB TRY TWD UAH "
    "USD UYU VND ZAR"
)
CODES = frozenset(_TRADED.split())
_SIGNS = {
    "$": "USD CAD AUD NZD MXN ARS CLP COP UYU SGD HKD TWD",
    "€": "EUR",
    "euro": "EUR",
    "euros": "EUR",
    "dollars": "USD CAD AUD NZD SGD HKD",
    "£": "GBP",
    "¥": "JPY CNY",
    "₹": "INR",
    "₩": "KRW",
    "₺": "TRY",
    "₽": "RUB",
    "₴": "UAH",
    "₫": "VND",
    "₪": "ILS",
    "₱": "PHP",
    "₦": "NGN",
    "฿": "THB",
    "US$": "USD",
    "CA$": "CAD",
    "C$": "CAD",
    "AU$": "AUD",
    "A$": "AUD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "S$": "SGD",
    "MX$": "MXN",
    "R$": "BRL",
    "R": "ZAR",
    "Rs": "INR PKR LKR",
    "Rs.": "INR PKR LKR",
    "kr": "SEK NOK DKK ISK",
    "kr.": "SEK NOK DKK ISK",
    "zł": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
    "lei": "RON",
    "TL": "TRY",
    "Rp": "IDR",
    "RM": "MYR",
    "Fr.": "CHF",
}
"""Signs that stand beside numbers, and the currencies that each may mean."""

_KNOWN = {code: frozenset({code}) for code in CODES} | {
    sign: frozenset(codes.split()) for sign, codes in _SIGNS.items()
}
_FOLDED = {sign.casefold(): sign for sign in _KNOWN}
_PARTS = re.compile(r"(\D*)(\d(?:.*\d)?)(\D*)", re.DOTALL)
_SYMBOLS = "".join(sign for sign in _SIGNS if len(sign) == 1 and not sign.isalpha())
_MAY_HOLD = re.compile(rf"[^\W\d_]|[{re.escape(_SYMBOLS)}]")
_NO_SIGNS = str.maketrans("", "", "+-")
_CURRENCY_COLUMN = frozenset({"currency", "currencies", "ccy", "währung", "devise", "moneda"})
_UNITS = {
    "micro": "0.000001",
    "micros": "0.000001",
    "millionths": "0.000001",
    "cents": "0.01",
    "pence": "0.01",
    "thousands": "1000",
    "millions": "1000000",
}


@dataclass(frozen=True, slots=True)
class Amount:
    """Where a currency was met: ``what`` names the place, ``sign`` is how it is written there.

    Amounts of one ``scope`` must agree; "" is that of all whose worth the spec does not tell.
    """

    what: str
    pointer: str
    sign: str
    scope: str

    @property
    def currencies(self) -> frozenset[str]:
        """The codes that the sign may stand for; an unknown one stands for itself."""
        known = _FOLDED.get(self.sign.casefold())
        return frozenset({self.sign.casefold()}) if known is None else _KNOWN[known]


def without_currency(cell: str) -> tuple[str, str, str]:
    """Sign, body and currency of a cell; the currency may stand before or after, as sign or code.

    >>> without_currency("-Rs. 1,234"), without_currency("1.234 EUR")
    (('-', '1,234', 'Rs.'), ('', '1.234', 'EUR'))
    """
    match = _PARTS.fullmatch(cell.replace("\u2212", "-").strip())
    if match is None:
        return "", cell, ""
    before, body, after = match.groups()
    before = "".join(before.split())
    sign = "".join(mark for mark in before if mark in "+-")
    before = before.translate(_NO_SIGNS)
    if before[-1:] in (".", ",") and before.casefold() not in _FOLDED:
        before, body = before[:-1], before[-1] + body  # .5
    if after[:1] in (".", ","):
        body, after = body + after[0], after[1:]
    found = f"{before}{after.strip()}".casefold()
    if len(sign) > 1 or (found and found not in _FOLDED):
        return "", cell, ""
    return sign, body, _FOLDED.get(found, "")


def currency_sign(name: str) -> str:
    """The one currency that a column's name holds, or ""."""
    codes = {word.upper() for word in tokens(name)} & CODES
    found = codes or {sign for sign in _SIGNS if sign[-1:] in _SYMBOLS and sign in name}
    longest = max(found, key=len, default="")
    return longest if all(sign in longest for sign in found) else ""


def _amounts_of(table: Table, column: str, scopes: Sequence[str]) -> Iterator[Amount]:
    """Each currency of a column of amounts: in its name, and in its cells, of ``scopes`` each."""
    if sign := currency_sign(column):
        where = cell_pointer(table.root, 1, column)
        for scope in dict.fromkeys(scopes):
            yield Amount(f"Column '{column}'", where, sign, scope)
    if _MAY_HOLD.search("\n".join(table.text(column))):
        yield from _cells(table, column, _sign_in, scopes)


def _amounts_of_rows(
    table: Table, taken: Collection[str | None], scopes: Sequence[str]
) -> Iterator[Amount]:
    """Each currency of a column that says what the amounts of its row are in.

    ``taken`` are the columns that have another role.
    """
    for name in table.header:
        if name not in taken and _holds_currencies(table, name):
            yield from _cells(table, name, str.strip, scopes)


def _holds_currencies(table: Table, name: str) -> bool:
    held = {cell.strip() for cell in table.text(name)} - {""}
    named = not _CURRENCY_COLUMN.isdisjoint(tokens(name))
    return bool(held) and (held <= CODES or (named and not any(map(str.isdigit, "".join(held)))))


def worth_of(
    table: Table,
    column: str,
    spec: Spec,
    days: NDArray[np.datetime64],
    roles: Sequence[ChannelRole | None] = (),
) -> Floats:
    """Shape (R,): what one unit of each cell of a column is worth, by the spec's ``rates``.

    The currency is that of the cell, else of the row's column of currencies, else of the column's
    name; the ``scale`` and ``currency`` of the channel of a row (of ``roles``) go before them.
    """
    rates = _Rates(spec)
    out = _by_signs(table, column, spec, days, rates)
    for row, role in enumerate(roles):
        if role is not None and role.priced:
            out[row] = (role.worth or 1.0) * rates.at(role.currency or "", days[row])
    return out


def _by_signs(
    table: Table, column: str, spec: Spec, days: NDArray[np.datetime64], rates: _Rates
) -> Floats:
    out = np.ones(len(table))
    if not rates.known:
        return out
    rows = [name for name in table.header if _holds_currencies(table, name)]
    if spec.currency_column in table:
        rows = [str(spec.currency_column)]
    if sign := currency_sign(column):
        out *= [rates.at(sign, day) for day in days]
    ways: list[tuple[str, Callable[[str], str]]] = [(name, str.strip) for name in rows[:1]]
    for name, sign_of in (*ways, (column, _sign_in)):
        told = zip(table.each(name, sign_of), days, out, strict=True)
        out = np.array([rates.at(sign, day) if sign else was for sign, day, was in told])
    return out


def _sign_in(cell: str) -> str:
    return without_currency(cell)[2]


class _Rates:
    """What one unit of each currency is worth in that of the spec, day by day."""

    def __init__(self, spec: Spec) -> None:
        self.known: dict[str, list[tuple[str, float]]] = {}
        for item in sorted(spec.rates or (), key=lambda item: item.start or ""):
            own = self.known.setdefault(item.currency.upper(), [])
            own.append((item.start or "", item.rate))
        self._codes: dict[str, str] = {}

    def at(self, sign: str, day: np.datetime64) -> float:
        """What the spec says of the currency of a sign; 1 where it says nothing."""
        if sign not in self._codes:
            codes = Amount("", "", sign, "").currencies if sign else frozenset[str]()
            told = {code for code in codes if code.upper() in self.known}
            self._codes[sign] = told.pop().upper() if len(told) == 1 else ""
        own = self.known.get(self._codes[sign])
        if own is None:
            return 1.0
        place = 0
        if len(own) > 1 and not np.isnat(day):
            place = max(bisect_right(own, (str(day), math.inf)) - 1, 0)
        return own[place][1]


def _cells(
    table: Table, column: str, sign_of: Callable[[str], str], scopes: Sequence[str]
) -> Iterator[Amount]:
    met: set[tuple[str, str]] = set()
    for row, (sign, scope) in enumerate(zip(table.each(column, sign_of), scopes, strict=True)):
        if sign and (scope, sign) not in met:
            met.add((scope, sign))
            where = table.pointer(row, column)
            yield Amount(f"{table.place(row, column)},", where, sign, scope)


def amounts_of_wide(table: Table, spec: Spec, date_column: str) -> Iterator[Amount]:
    """Where the currencies of a wide table are told, or of one of outcomes (without channels)."""
    rows, roles = len(table), spec.channels or ()
    for role in roles:
        if role.spend:
            scope = "" if not role.priced else f"spend {role.channel}"
            yield from _amounts_of(table, role.spend, [scope] * rows)
    yield from _amounts_of_outcome(table, spec)
    taken = {date_column, spec.events, spec.geo, *(role.spend for role in roles)}
    taken |= {*spec.control_kinds, *dict(spec.outcome_columns)}
    told = spec.outcomes is not None and all(role.priced for role in roles)
    yield from _amounts_of_rows(table, taken, ["rows" if told else ""] * rows)


def amounts_of_long(
    table: Table,
    spec: Spec,
    columns: Mapping[str, str],
    date_column: str,
    names: pd.Categorical,
    told: Collection[str],
) -> Iterator[Amount]:
    """Where the currencies of a long table are told; the spec says what channels ``told`` are."""
    known = [f"spend {name}" if name in told else "" for name in names.categories]
    scopes = [known[code] for code in names.codes.tolist()]
    yield from _amounts_of(table, columns["spend"], scopes)
    yield from _amounts_of_outcome(table, spec)
    taken = {date_column, *columns.values(), *dict(spec.outcome_columns)}
    # a scale says nothing of the outcome of its rows
    scopes = [""] * len(names) if spec.outcome_columns else scopes
    yield from _amounts_of_rows(table, taken, scopes)


def _amounts_of_outcome(table: Table, spec: Spec) -> Iterator[Amount]:
    """Where the currency of the outcome is told; the worth of several is what the spec says."""
    for name, _ in spec.outcome_columns:
        if name in table:
            scope = "" if spec.outcomes is None else f"outcome {name}"
            yield from _amounts_of(table, name, [scope] * len(table))


def one_currency(spec: Spec, amounts: Iterable[Amount], faults: FaultLog) -> None:
    """Add a fault for every amount whose currency is not that of the others and of the spec."""
    said, rated = spec.currency or "", _Rates(spec).known
    own = [Amount("'currency' of the spec", "/currency", said, "")]
    first: dict[str, Amount] = {}
    known: dict[str, frozenset[str]] = {}
    for amount in (*(own if said.casefold() in _FOLDED else ()), *amounts):
        if amount.currencies & rated.keys():
            continue
        other = first.setdefault(amount.scope, amount)
        both = known.get(amount.scope, amount.currencies) & amount.currencies
        if both:
            known[amount.scope] = both
            continue
        faults.add(
            amount.pointer,
            "mixed_currencies",
            f"{amount.what} is in {amount.sign}, {_lower(other.what)} in {other.sign}: convert one "
            "of the two, or say in the spec what one unit is worth in the currency of the rest "
            "('rates', 'scale' of a channel that is in one currency, 'value' of a column under "
            "'outcomes').",
        )


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def one_unit(table: Table, column: str, field: str, faults: FaultLog) -> None:
    """Add a fault where a column of amounts is named as one of parts or multiples of money.

    ``field`` is the field of the spec that settles it.
    """
    words = set(tokens(column))
    for word in sorted(words & set(_UNITS)) if "per" not in words else ():
        faults.add(
            cell_pointer(table.root, 1, column),
            "unit_of_amounts",
            f"Column '{column}' is named as amounts in {word}: say in the spec what one unit of it "
            f"is worth, {_UNITS[word]} as {field} (or 1 where the name is wrong).",
        )
