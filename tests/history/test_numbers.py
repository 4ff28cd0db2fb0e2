"""Numbers of any convention are read in the one way that makes sense, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.history.parse import parse


def read(*cells: str, separator: str = ",", spend: str = "1"):
    """The outcome column read from a table with these cells."""
    rows = [
        separator.join((f"2024-01-{day:02d}", f'"{cell}"', spend))
        for day, cell in zip((1, 8, 15, 22), cells, strict=False)
    ]
    header = separator.join(("date", "revenue", "spend_tv"))
    return parse(None, "\n".join((header, *rows)).encode())


@pytest.mark.parametrize(
    ("cells", "values", "decimal"),
    [
        (("1.5", "2", ".25", "1e3"), (1.5, 2, 0.25, 1000), None),
        (("1,234.50", "1,000", "7"), (1234.5, 1000, 7), "."),
        (("1.234,50", "1.000", "7"), (1234.5, 1000, 7), ","),
        (("12,5", "1.234", "7"), (12.5, 1234, 7), ","),
        (("1,234,567", "1,000", "7"), (1234567, 1000, 7), "."),
        (("1,23,456.00", "7", "1,000"), (123456, 7, 1000), "."),
        (("1 234,5", "1\u00a0000", "7"), (1234.5, 1000, 7), ","),
        (("1'234.5", "7", "8"), (1234.5, 7, 8), "."),
        (("$1,234.50", "$ 7", "-$8"), (1234.5, 7, -8), "."),
        (("7 €", "8,5 €", "−9 €"), (7, 8.5, -9), ","),
    ],
)
def test_conventions(cells, values, decimal):
    parsed = read(*cells)
    np.testing.assert_array_equal(parsed.history.outcome, values)
    said = [f.data["decimal"] for f in parsed.findings if f.code == "number_format"]
    assert said == ([] if decimal is None else [decimal])


@pytest.mark.parametrize(
    ("cells", "separator", "code"),
    [
        (("1,234", "2,345", "3,456"), ",", "ambiguous_number"),
        (("1.234", "2.345", "3.456"), ";", "ambiguous_number"),
        (("1.5", "12,5", "2.5"), ",", "mixed_decimal_marks"),
        (("$5", "€6", "7"), ",", "mixed_currencies"),
        (("1_000", "2", "3"), ",", "not_a_number"),
        (("١٢", "2", "3"), ",", "not_a_number"),
        (("12%", "2", "3"), ",", "not_a_number"),
        (("#N/A", "2", "3"), ",", "not_a_number"),
        (("1,2,3", "2", "3"), ",", "not_a_number"),
        (("e5", "2", "3"), ",", "not_a_number"),
        (("2e15", "2", "3"), ",", "number_too_large"),
    ],
)
def test_refusals(cells, separator, code):
    with pytest.raises(InvalidInput) as caught:
        read(*cells, separator=separator)
    assert {fault.code for fault in caught.value.faults} == {code}
    assert all(fault.pointer.endswith("/revenue") for fault in caught.value.faults)


def test_an_ambiguous_number_shows_both_readings():
    with pytest.raises(InvalidInput) as caught:
        read("1,234", "2,345")
    assert caught.value.faults[0].message == (
        "Row 2, column 'revenue': '1,234' may mean 1234 or 1.234 (and 1 other cell of the column "
        "likewise): say which mark is the decimal one as 'decimal' in the spec, '.' or ','."
    )


def test_semicolons_with_dots_that_can_only_be_decimal():
    np.testing.assert_array_equal(read("1.234", "0.5", separator=";").history.outcome, [1.234, 0.5])


def test_one_column_settles_the_others():
    # 1,234 alone could be either; 2.5 in another column makes the dot the decimal mark
    np.testing.assert_array_equal(read("1,234", "7", spend="2.5").history.outcome, [1234, 7])


def test_decimal_commas_in_bulk_and_cell_by_cell_agree():
    bulk = read("1234,5", "0,125", "7", separator=";", spend="1,25")
    mixed = read("1.234,5", "0,125", "7", separator=";", spend="1,25")
    np.testing.assert_array_equal(bulk.history.outcome, mixed.history.outcome)
    np.testing.assert_array_equal(bulk.history.spend, mixed.history.spend)


def test_a_control_in_either_unit_is_the_same_control():
    rows = ["2024-01-01,10,5,3.499", "2024-01-08,20,6,3.999", "2024-01-15,15,7,4.125"]
    plain = "\n".join(("date,revenue,spend_tv,price", *rows)).encode()
    np.testing.assert_array_equal(parse(None, plain).history.controls[:, 0], [3.499, 3.999, 4.125])
    records = [
        {"date": f"2024-01-0{day}", "revenue": day, "spend_tv": 5, "price": price}
        for day, price in enumerate(("3,499", "3,999", "4,125"), start=1)
    ]
    grouped = parse(None, records)
    np.testing.assert_array_equal(grouped.history.controls[:, 0], [3499, 3999, 4125])
    assert "number_format" not in {finding.code for finding in grouped.findings}
    # 999 beside 4.125 is far off or close by: the two readings are no longer the same
    spec = {"features": [{"name": "share", "kind": "share_of_voice", "of": ["price"]}]}
    for table, said in ((plain.replace(b"3.999", b"999"), None), (plain, spec)):
        with pytest.raises(InvalidInput) as caught:
            parse(said, table)
        assert [f.code for f in caught.value.faults] == ["ambiguous_number"]
