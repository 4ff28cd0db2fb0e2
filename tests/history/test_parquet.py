"""Parquet where pyarrow is installed: typed cells as they are, and the refusal where it is not."""

from __future__ import annotations

import io
import random
import sys
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from shared.errors import InputTooLarge, InvalidInput
from shared.history.parse import check_upload, parse
from tests.history.forms import DATES, NUMBERS, OUTCOMES, WEEKS, wide
from tests.history.test_forms import read_or_settled

pa = pytest.importorskip("pyarrow", reason="pyarrow is an extra")


def packed(columns: dict[str, Any]) -> bytes:
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out)
    return out.getvalue()


def of_texts(rows: list[list[str]]) -> bytes:
    return packed({name: [row[k] for row in rows[1:]] for k, name in enumerate(rows[0])})


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_as_texts(number: str) -> None:
    read_or_settled(of_texts(wide(NUMBERS[number], date.isoformat)), number)


@pytest.mark.parametrize("day", DATES)
def test_dates_as_texts(day: str) -> None:
    read_or_settled(of_texts(wide(NUMBERS["plain"], DATES[day])), "plain")


@pytest.mark.parametrize(
    "dates",
    [
        lambda days: pa.array(days, pa.date32()),
        lambda days: pa.array(days, pa.date32()).cast(pa.timestamp("ns")),
        lambda days: pa.array(days, pa.date32()).cast(pa.timestamp("us", "UTC")),
        lambda days: pa.array(list(map(str, days))).dictionary_encode(),
    ],
)
@pytest.mark.parametrize(
    "money",
    [
        lambda values: pa.array(values, pa.float64()),
        lambda values: pa.array([Decimal(f"{v:.2f}") for v in values], pa.decimal128(18, 2)),
    ],
)
def test_typed_cells_are_taken_as_they_are(dates: Any, money: Any) -> None:
    days, *amounts = (list(column) for column in zip(*WEEKS, strict=True))
    names = ("revenue", "spend_tv", "spend_search")
    table = {"date": dates(days)} | {n: money(v) for n, v in zip(names, amounts, strict=True)}
    read_or_settled(packed(table), "plain")


def test_a_long_table_with_empty_cells_and_whole_numbers() -> None:
    days = [week[0] for week in WEEKS for _ in range(2)]
    spend = [None if k == 3 else k for k in range(len(days))]
    names = pa.array(["tv", "search"] * len(WEEKS)).dictionary_encode()
    data = packed({"date": days, "channel": names, "spend": pa.array(spend, pa.int32())})
    history = parse(None, data, OUTCOMES.encode()).history
    np.testing.assert_allclose(history.spend.sum(), sum(k for k in spend if k is not None))


def test_a_text_that_stands_in_every_row_is_met_once() -> None:
    names = pa.DictionaryArray.from_arrays(pa.array([0] * 200_000), pa.array(["x" * 100_000]))
    data = packed({"date": ["2024-01-01"] * 200_000, "channel": names, "spend": [1] * 200_000})
    assert len(data) < 5_000_000
    with pytest.raises(InvalidInput, match="Column 'channel' holds texts of more than 200"):
        check_upload(None, data)


def test_cells_that_are_no_scalars_are_named() -> None:
    data = packed(
        {"date": [date(2024, 1, 1)] * 3, "revenue": [[1], [2], [3]], "spend_tv": [1, 2, 3]}
    )
    with pytest.raises(InvalidInput) as caught:
        check_upload(None, data)
    assert caught.value.faults[0].code == "not_a_value"


def test_damaged_files_are_refused() -> None:
    draw = random.Random(3)
    whole = of_texts(wide(NUMBERS["plain"], date.isoformat))
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randrange(1, 8)):
            data[draw.randrange(4, len(data))] = draw.randrange(256)
        with suppress(InvalidInput, InputTooLarge):
            check_upload(None, bytes(data))


def test_without_pyarrow_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidInput, match="pyarrow is not installed") as caught:
        check_upload(None, b"PAR1 and whatever follows")
    assert caught.value.faults[0].code == "no_parquet"
