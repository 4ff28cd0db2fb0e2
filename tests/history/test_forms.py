"""The same table in every form: read alike, or refused with what settles it, never otherwise."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import date
from itertools import product
from typing import Any

import numpy as np
import pytest

from shared.errors import InputTooLarge, InvalidInput
from shared.history.parse import check_upload, parse
from tests.history.forms import (
    DATES,
    FORMATS,
    KEYED,
    LAYOUTS,
    NUMBERS,
    OUTCOMES,
    REVENUE,
    SEARCH,
    TV,
    WEEKS,
    WHOLE,
    text,
    wide,
    workbook,
)


def read_or_settled(table: Any, number: str) -> None:
    spec: dict[str, Any] | None = None
    near = 1e-9
    if number in WHOLE:
        with pytest.raises(InvalidInput, match="'decimal' in the spec") as caught:
            parse(None, table)
        assert {fault.code for fault in caught.value.faults} == {"ambiguous_number"}
        decimal, thousands = ".," if number == "whole groups" else ",."
        by = {"thousands": thousands} if isinstance(table, bytes) else {"decimal": decimal}
        spec, near = dict(by), 1e-4
    history = parse(spec, table).history
    np.testing.assert_allclose(history.outcome.sum(), REVENUE, rtol=near)
    assert history.channels == ("tv", "search")
    np.testing.assert_allclose(history.spend.sum(axis=0), [TV, SEARCH], rtol=near)
    assert (history.dates[0], history.dates[-1]) == (WEEKS[0][0], WEEKS[-1][0])
    assert history.frequency == "week"


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("form", FORMATS)
def test_numbers_in_every_format(number: str, form: str) -> None:
    read_or_settled(FORMATS[form](wide(NUMBERS[number], date.isoformat)), number)


@pytest.mark.parametrize("day", DATES)
@pytest.mark.parametrize("form", ["comma", "workbook", "records", "utf-16"])
def test_dates_in_every_format(day: str, form: str) -> None:
    read_or_settled(FORMATS[form](wide(NUMBERS["plain"], DATES[day])), "plain")


@pytest.mark.parametrize(
    ("layout", "form"),
    [
        (layout, form)
        for layout, form in product(LAYOUTS, FORMATS)
        if layout in ("as it is", "turned") or form not in KEYED
    ],
)
def test_layouts_in_every_format(layout: str, form: str) -> None:
    rows = LAYOUTS[layout](wide(NUMBERS["german"], date.isoformat))
    read_or_settled(FORMATS[form](rows), "german")


def test_forms_at_random() -> None:
    """Any of all together."""
    draw = random.Random(5)
    for _ in range(60):
        number, day = draw.choice(list(NUMBERS)), draw.choice(list(DATES))
        form, layout = draw.choice(list(FORMATS)), draw.choice(list(LAYOUTS))
        if form in KEYED and layout in ("titled", "totalled"):
            continue
        if layout == "turned" and day in ("serial", "compact", "year and week"):
            continue  # bare numbers across the top are no names
        read_or_settled(FORMATS[form](LAYOUTS[layout](wide(NUMBERS[number], DATES[day]))), number)


def test_typed_cells_of_a_workbook_are_taken_as_they_are() -> None:
    """Whole thousands as fractions, dates as dates: nothing is left to be guessed."""
    rows = [(d, r / 1000, tv / 1000, s / 1000) for d, r, tv, s in WEEKS]
    history = parse(
        None, workbook([("date", "revenue", "spend_tv", "spend_search"), *rows])
    ).history
    np.testing.assert_allclose(history.spend.sum(axis=0), [TV / 1000, SEARCH / 1000])


def test_the_sheet_is_the_one_with_a_table_or_the_one_that_the_spec_names() -> None:
    rows = wide(NUMBERS["plain"], date.isoformat)
    assert parse(None, workbook([["notes"]], rows)).rows == 60
    both = workbook(rows, rows[:30])
    with pytest.raises(InvalidInput, match="Say which one as 'sheet' in the spec"):
        parse(None, both)
    assert parse({"sheet": "Sheet 2"}, both).rows == 29
    with pytest.raises(InvalidInput, match=r"no sheet 'Sheet'\. Did you mean"):
        parse({"sheet": "Sheet"}, both)


def test_a_formula_that_nobody_has_reckoned_is_no_empty_cell() -> None:
    rows: list[list[Any]] = [*map(list, wide(NUMBERS["plain"], date.isoformat))]
    rows[5][2] = "=C2*2"
    with pytest.raises(InvalidInput, match="'=C2\\*2' is a formula without its value") as caught:
        parse(None, workbook(rows))
    assert [fault.pointer for fault in caught.value.faults] == ["/rows/6/spend_tv"]


def test_a_sheet_of_long_notes_is_no_table() -> None:
    rows = wide(NUMBERS["plain"], date.isoformat)
    assert parse(None, workbook([["note " * 100, "more"], ["x", "y"]], rows)).rows == 60


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"PK\x03\x04 and no more", "bad_workbook"),
        (b"\x1f\x8b and no more", "bad_gzip"),
        (b"PAR1 and no more", None),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old_workbook"),
        (b'{"a": [1, 2', "bad_json"),
    ],
)
def test_what_only_begins_like_a_format(data: bytes, code: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_upload(None, data)
    found = caught.value.faults[0].code
    assert found == code if code else found in ("no_parquet", "bad_parquet")


def test_any_bytes_are_read_or_refused() -> None:
    """Damaged tables, cut and with bytes changed: never anything but a refusal or an answer."""
    draw = random.Random(11)
    whole = wide(NUMBERS["plain"], date.isoformat)
    seeds = [text(whole), text(whole, ";", "utf-16"), workbook(whole), FORMATS["json bytes"](whole)]
    for _ in range(400):
        data = bytearray(draw.choice(seeds))
        for _ in range(draw.randrange(1, 8)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        cut = (
            bytes(data[: draw.randrange(1, len(data) + 1)]) if draw.random() < 0.5 else bytes(data)
        )
        with suppress(InvalidInput, InputTooLarge):
            check_upload(None, cut)


def test_outcomes_told_apart_by_a_column_are_added_up() -> None:
    rows = "".join(
        f"{d:%Y%m%d},{name},{share * revenue:.2f}\n"
        for d, revenue, _, _ in WEEKS
        for name, share in (("Paid Search", 0.3), ("Email", 0.7))
    )
    table = "# Traffic\n# Account: shop\nDate,Session default channel group,Total revenue\n" + rows
    upload = check_upload(None, None, table.encode())
    assert upload.read["outcome"]["Total revenue"] == pytest.approx(REVENUE, rel=1e-6)
    assert upload.read["rows_left_out"] == 2
    assert "outcomes_summed" in {finding.code for finding in upload.findings}
    assert check_upload(None, None, OUTCOMES.encode()).read["spend"] == {}
