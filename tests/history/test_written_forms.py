"""One table written in every form: read exactly right, or refused naming what settles it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

from shared.errors import Fault, InvalidInput
from shared.history.parse import parse

WEEKS = 8
RNG = np.random.default_rng(7)
#: (T, 4): from a hundred to under a million, some above and some below a thousand, no cell with
#: a last digit of 0 that a writer could drop.
SPEND = np.round(np.exp(RNG.uniform(np.log(150), np.log(90_000), (WEEKS, 4))), 2) + 0.003
OUTCOME = np.round(RNG.uniform(20_000, 900_000, WEEKS), 2) + 0.004
DAYS = [date(2024, 1, 1) + timedelta(weeks=t) for t in range(WEEKS)]
ARMS = (("tv", "spot"), ("tv", "clip"), ("search", "brand"), ("search", "other words"))

Rows = list[list[Any]]
Table = bytes | list[dict[str, Any]]

SPACES = {"space": " ", "no-break": "\u00a0", "narrow": "\u202f", "quote": "'", "curly": "’"}
GROUPS = ("none", "mark", "indian", *SPACES)
CURRENCIES = ("{}", "{} USD", "Rs. {}", "€{}")


def written(value: float, mark: str, group: str, digits: int, currency: str) -> str:
    """A number as one of the world's programs writes it."""
    whole, _, rest = f"{value:.{digits}f}".partition(".")
    sign = {"none": "", "mark": ",."[mark == ","], "indian": ","}.get(group, SPACES.get(group, ""))
    head, tail = whole[:-3], whole[-3:]
    step = 2 if group == "indian" else 3
    parts = [tail]
    while head:
        head, part = head[:-step], head[-step:]
        parts.insert(0, part)
    return currency.format(sign.join(parts) + (mark + rest if digits else ""))


def rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}f}")


# -- layouts: rows of a table, numbers still numbers; the spend and outcome that they hold ------


def wide() -> tuple[list[Rows], np.ndarray]:
    rows: Rows = [["date", "revenue", "tv_spend", "search_spend"]]
    rows += [[str(DAYS[t]), OUTCOME[t], SPEND[t, 0], SPEND[t, 2]] for t in range(WEEKS)]
    return [rows], SPEND[:, [0, 2]]


def wide_by_geo() -> tuple[list[Rows], np.ndarray]:
    rows: Rows = [["date", "geo", "revenue", "tv_spend", "search_spend"]]
    for t, (g, name) in product(range(WEEKS), enumerate(("north", "south"))):
        rows.append([str(DAYS[t]), name, OUTCOME[t] / (2 + g), SPEND[t, g], SPEND[t, 2 + g]])
    return [rows], np.column_stack([SPEND[:, :2].sum(axis=1), SPEND[:, 2:].sum(axis=1)])


def long() -> tuple[list[Rows], np.ndarray]:
    rows: Rows = [["date", "channel", "spend"]]
    for t, (m, name) in product(range(WEEKS), enumerate(("tv", "search"))):
        rows.append([str(DAYS[t]), name, SPEND[t, 2 * m]])
    told: Rows = [["date", "revenue"], *([str(DAYS[t]), OUTCOME[t]] for t in range(WEEKS))]
    return [rows, told], SPEND[:, [2, 0]]


def long_by_campaign() -> tuple[list[Rows], np.ndarray]:
    rows: Rows = [["date", "channel", "campaign", "spend", "revenue"]]
    for t, (m, arm) in product(range(WEEKS), enumerate(ARMS)):
        rows.append([str(DAYS[t]), *arm, SPEND[t, m], OUTCOME[t] / (3 + m)])
    return [rows], np.column_stack([SPEND[:, 2:].sum(axis=1), SPEND[:, :2].sum(axis=1)])


LAYOUTS = (wide, wide_by_geo, long, long_by_campaign)


# -- formats: text tables of cells already written ---------------------------------------------


def separated(mark: str) -> Callable[[Rows], Table]:
    def made(rows: Rows) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=mark).writerows(rows)
        return text.getvalue().encode()

    return made


def records(rows: Rows) -> Table:
    header, *body = rows
    return [dict(zip(header, row, strict=True)) for row in body]


FORMATS: dict[str, Callable[[Rows], Table]] = {
    "comma": separated(","),
    "semicolon": separated(";"),
    "tab": separated("\t"),
    "bar": separated("|"),
    "records": records,
}


def cells(rows: Rows, write: Callable[[float], Any]) -> Rows:
    return [[write(cell) if isinstance(cell, float) else cell for cell in row] for row in rows]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FORMATS)
def test_every_form_is_read_right_or_refused_with_the_field_that_settles_it(
    layout: Callable[[], tuple[list[Rows], np.ndarray]], name: str
) -> None:
    tables, spend = layout()
    place = LAYOUTS.index(layout) + list(FORMATS).index(name)  # a currency in turn for each form
    right = {}
    for digits in (0, 2, 3):
        exact = [records(cells(rows, partial(rounded, digits=digits))) for rows in tables]
        right[digits] = parse(None, *exact).history
    forms = [form for form in product(",.", GROUPS, (0, 2, 3)) if form[:2] != (",", "indian")]
    for turn, (mark, group, digits) in enumerate(forms, start=place):
        currency = CURRENCIES[turn % len(CURRENCIES)]
        form = (mark, group, digits, currency)
        write = partial(written, mark=mark, group=group, digits=digits, currency=currency)
        made = [FORMATS[name](cells(rows, write)) for rows in tables]
        faults: Sequence[Fault] = ()
        try:
            found = parse(None, *made).history
        except InvalidInput as error:
            faults, found = error.faults, parse({"decimal": mark}, *made).history
        # Thousands alone (but 1,23,456) say nothing of the mark; other forms have cells that do.
        if group != "indian" or digits:
            assert bool(faults) == (group == "mark" and not digits), form
        for fault in faults:
            assert fault.code == "ambiguous_number", form
            assert "/rows/" in fault.pointer
            assert "'decimal'" in fault.message
        np.testing.assert_array_equal(found.spend, right[digits].spend, str(form))
        np.testing.assert_array_equal(found.outcome, right[digits].outcome, str(form))
        assert np.max(np.abs(found.spend - spend)) < 3 * 10.0**-digits


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mark", [".", ","])
def test_decimals_of_other_columns_never_make_thousandths(
    layout: Callable[[], tuple[list[Rows], np.ndarray]], name: str, mark: str
) -> None:
    tables, spend = layout()
    for thousands in ".,":
        made = []
        for rows in tables:
            at = {i for i, column in enumerate(rows[0]) if "spend" in column}
            grouped = [
                [f"{cell:,.0f}".replace(",", thousands) if i in at else cell for i, cell in row]
                for row in map(enumerate, rows[1:])
            ]
            plain = cells(grouped, lambda v: f"{v:.2f}".replace(".", mark))
            made.append(FORMATS[name]([rows[0], *plain]))
        beside = len(made) == 1  # the columns of one table speak for each other
        if beside and thousands != mark:
            found = parse(None, *made).history
            assert np.max(np.abs(found.spend - spend)) <= 1
            continue
        with pytest.raises(InvalidInput) as caught:
            parse(None, *made)
        assert {fault.code for fault in caught.value.faults} == {"ambiguous_number"}
        settled = parse({"decimal": ",."[thousands == ","]}, *made).history
        assert np.max(np.abs(settled.spend - spend)) <= 1


@pytest.mark.parametrize("thousands", [".", ","])
def test_numbers_of_records_say_nothing_of_texts(thousands: str) -> None:
    """Fractions that came as numbers are no evidence, in other columns or in the same one."""
    rows = [
        {
            "date": str(DAYS[t]),
            "revenue": float(OUTCOME[t]),
            "spend_tv": f"{SPEND[t, 0]:,.0f}".replace(",", thousands)
            if SPEND[t, 0] > 1000
            else float(SPEND[t, 0]),
        }
        for t in range(WEEKS)
    ]
    assert len({type(row["spend_tv"]) for row in rows}) == 2
    with pytest.raises(InvalidInput) as caught:
        parse(None, rows)
    (fault,) = caught.value.faults
    assert (fault.code, fault.pointer.split("/")[-1]) == ("ambiguous_number", "spend_tv")
    found = parse({"decimal": ",."[thousands == ","]}, rows).history
    assert np.max(np.abs(found.spend[:, 0] - SPEND[:, 0])) <= 1


ORDINARY: Sequence[tuple[str, ...]] = (
    ("0.123", "1.234", "2.345"),
    (".5", "1.234", "2.345"),
    ("1234.567", "1.234", "2.345"),
    ("12.34", "1.234", "2.345"),
    ("1.2345", "1.234", "2.345"),
    ("1.234e3", "1.234", "2.345"),
    ("1,234.567", "1.234", "2.345"),
    ("12,345,678", "1.234", "2.345"),
)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("column", ORDINARY)
@pytest.mark.parametrize("mark", [".", ","])
def test_one_cell_of_a_column_settles_it(column: tuple[str, ...], name: str, mark: str) -> None:
    right = [float(cell.replace(",", "")) for cell in column]
    if mark == ",":
        column = tuple(cell.translate(str.maketrans(".,", ",.")) for cell in column)
    rows = [["date", "revenue", "spend_tv"]]
    rows += [[str(DAYS[t]), cell, str(5 + t)] for t, cell in enumerate(column)]
    np.testing.assert_array_equal(parse(None, FORMATS[name](rows)).history.outcome, right)
