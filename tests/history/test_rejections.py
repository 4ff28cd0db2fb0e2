"""Each rejection of the contract: the row and the column are named, all faults at once."""

from __future__ import annotations

import pytest

from shared.errors import InvalidInput, MalformedInput
from shared.history.faults import MAX_FAULTS
from shared.history.parse import check_upload, parse

SPEC = {
    "date": "date",
    "outcome": "revenue",
    "channels": [
        {"channel": "tv", "spend": "spend_tv"},
        {"channel": "search", "spend": "spend_search"},
    ],
}
GOOD = [
    "2024-01-01,1000,10,20",
    "2024-01-08,1100,11,21",
    "2024-01-15,1200,12,22",
    "2024-01-22,1300,13,23",
]
HEADER = "date,revenue,spend_tv,spend_search"


def table(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join((header, *rows)).encode()


def faults(history, spec=SPEC, outcomes=None, error=InvalidInput):
    with pytest.raises(error) as caught:
        parse(spec, history, outcomes)
    return [(fault.pointer, fault.code, fault.message) for fault in caught.value.faults]


def changed(row: int, text: str) -> bytes:
    rows = list(GOOD)
    rows[row - 2] = text
    return table(*rows)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (
            changed(3, "2024-13-08,1100,11,21"),
            (
                "/rows/3/date",
                "not_a_date",
                (
                    "Row 3, column 'date': '2024-13-08' is not a date. Write dates as YYYY-MM-DD, "
                    "or YYYY-MM for months."
                ),
            ),
        ),
        (
            changed(3, "45299,1100,11,21"),
            (
                "/rows/3/date",
                "not_a_date",
                (
                    "Row 3, column 'date': '45299' looks like a spreadsheet's serial date. Write "
                    "dates as YYYY-MM-DD."
                ),
            ),
        ),
        (
            changed(3, "2024-01-08 13:30,1100,11,21"),
            (
                "/rows/3/date",
                "not_a_date",
                (
                    "Row 3, column 'date': '2024-01-08 13:30' has a time of day. Write dates as "
                    "YYYY-MM-DD."
                ),
            ),
        ),
        (
            changed(4, ",1200,12,22"),
            ("/rows/4/date", "not_a_date", "Row 4, column 'date': the date is missing."),
        ),
        (
            changed(5, "2024-01-08,1300,13,23"),
            ("/rows/5/date", "duplicate_period", "Row 5: 2024-01-08 is already in row 3."),
        ),
        (
            changed(3, "2024-01-08,1100,-11,21"),
            (
                "/rows/3/spend_tv",
                "negative_spend",
                "Row 3, column 'spend_tv': spend is negative (-11).",
            ),
        ),
        (
            changed(3, "2024-01-08,1100,eleven,21"),
            (
                "/rows/3/spend_tv",
                "not_a_number",
                "Row 3, column 'spend_tv': 'eleven' is not a number.",
            ),
        ),
        (
            changed(3, "2024-01-08,1e400,11,21"),
            (
                "/rows/3/revenue",
                "number_too_large",
                "Row 3, column 'revenue': '1e400' is too large.",
            ),
        ),
        (
            changed(3, "2024-01-08,inf,11,21"),
            (
                "/rows/3/revenue",
                "not_a_number",
                "Row 3, column 'revenue': 'inf' is not a number.",
            ),
        ),
        (
            changed(3, "2024-01-09,1100,11,21"),
            (
                "/rows/3/date",
                "uneven_dates",
                "Row 3: 2024-01-09 is a Tuesday, other weeks start on Monday.",
            ),
        ),
    ],
)
def test_a_cell_that_cannot_be_used(history, expected):
    assert faults(history) == [expected]


def test_an_outcome_that_is_empty_everywhere():
    rows = ["2024-01-01,,10,20", "2024-01-08,NA,11,21", "2024-01-15,,12,22"]
    assert faults(table(*rows)) == [
        (
            "/rows/2/revenue",
            "empty_outcome",
            "Column 'revenue', the outcome, is empty in all rows 2 to 4.",
        )
    ]


def test_all_faults_at_once_in_the_order_of_columns():
    rows = ["2024-01-01,1000,-10,20", "x,1100,11,abc", "2024-01-15,1200,12,22"]
    assert [f[:2] for f in faults(table(*rows))] == [
        ("/rows/3/date", "not_a_date"),
        ("/rows/3/spend_search", "not_a_number"),
        ("/rows/2/spend_tv", "negative_spend"),
    ]


def test_many_faults_are_capped_and_counted():
    rows = [f"2024-01-{day:02d},1000,x,y" for day in range(1, 31)]
    found = faults(table(*rows))
    assert len(found) == MAX_FAULTS + 1
    assert found[-1] == ("", "more_faults", "And 10 more faults of this table.")


def test_rows_are_counted_as_a_spreadsheet_shows_them():
    history = table(GOOD[0], "", GOOD[1], '"2024-01-15","1,2\n00",12,22')
    # the blank row is row 3; a quoted line break does not start a row
    assert faults(history)[0][0] == "/rows/5/revenue"


def test_rows_with_missing_or_extra_cells():
    history = table(GOOD[0], "2024-01-08,1100,11", "2024-01-15,1200,12,22,5")
    assert faults(history) == [
        ("/rows/3", "wrong_number_of_cells", "Row 3 has 3 cells, the header has 4."),
        ("/rows/4", "wrong_number_of_cells", "Row 4 has 5 cells, the header has 4."),
    ]


def test_two_columns_of_one_name():
    header = "date,revenue,spend_tv,spend_tv"
    assert faults(table(*GOOD, header=header)) == [
        ("/rows/1/spend_tv", "duplicate_column", "Two columns are called 'spend_tv'.")
    ]


def test_columns_of_the_spec_that_are_not_there():
    spec = {
        **SPEC,
        "outcome": "revenu",
        "controls": ["promo"],
        "channels": [{"channel": "tv", "spend": "tv_spend"}],
    }
    assert faults(table(*GOOD), spec) == [
        ("/outcome", "unknown_column", "There is no column 'revenu'. Did you mean 'revenue'?"),
        (
            "/channels/0/spend",
            "unknown_column",
            "There is no column 'tv_spend'. Did you mean 'spend_tv'?",
        ),
        (
            "/controls/0",
            "unknown_column",
            "There is no column 'promo'. There are: 'date', 'revenue', 'spend_tv', 'spend_search'.",
        ),
    ]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (b"", "empty_table"),
        (b"\n\n  \n", "empty_table"),
        (b"date,revenue,spend_tv\n", "empty_table"),
        (b"2024-01-01,1000,10\n2024-01-08,1100,11\n", "no_header"),
        (b"only\none\ncolumn\n", "malformed_table"),
        (b'date,revenue,spend_tv\n2024-01-01,"10,5\n', "malformed_table"),
        (b"date,revenue,spend_tv\n2024-01-01,\xe9,5\n", "not_utf8"),
        ([], "empty_table"),
    ],
)
def test_what_is_no_table_at_all(source, code):
    assert faults(source, None, error=MalformedInput)[0][:2] == ("/rows", code)


def test_not_utf8_names_the_row():
    message = faults(b"date,revenue\n2024-01-01,5\n2024-01-08,\xe9\n", None)[0][2]
    assert message == "The table is not UTF-8 text (near row 3). Save it as 'CSV UTF-8'."


def test_records_that_are_no_records_and_cells_that_are_no_scalars():
    assert faults([{"date": "2024-01-01", "revenue": 1}, 7]) == [
        ("/rows/3", "not_a_record", "Row 3 is not an object of column names and values.")
    ]
    assert faults([{"date": "2024-01-01", "revenue": [1]}]) == [
        (
            "/rows/2/revenue",
            "not_a_value",
            "Row 2, column 'revenue': a cell must be text, a number or empty.",
        )
    ]
    assert faults([{"date": "2024-01-01", "revenue": float("nan")}])[0][1] == "not_a_value"


def test_a_table_without_dates_says_so():
    history = table("0,1000,10", "1,1100,11", header="t,target,spend_a")
    found = faults(history, None)
    assert found[0][:2] == ("/rows/1", "no_date_column")
    assert "'t', 'target', 'spend_a'" in found[0][2]


def test_a_table_without_outcome_or_spend_says_so():
    history = table("2024-01-01,5,6", "2024-01-08,5,6", header="date,foo,bar")
    assert [f[:2] for f in faults(history, None)] == [
        ("/channels", "no_channels"),
        ("/outcome", "no_outcome"),
    ]


@pytest.mark.parametrize(
    ("dates", "code"),
    [
        (["03/04/2024", "03/05/2024"], "ambiguous_date"),
        (["25/03/2024", "03/26/2024", "01/02/2024"], "mixed_date_order"),
        (["2024-01-01", "2024-01-11", "2024-01-21"], "unknown_frequency"),
        (["2024-01-01"], "unknown_frequency"),
        (["2024-01-01", "2024-02-01", "2024-03-02"], "uneven_dates"),
        (["2024-01-01", "2024-01-08", "2104-01-07"], "too_many_gaps"),
    ],
)
def test_dates_that_cannot_be_placed(dates, code):
    history = table(*(f"{day},{100 + i},5,6" for i, day in enumerate(dates)))
    assert {f[1] for f in faults(history)} == {code}


def test_an_ambiguous_date_shows_both_readings():
    assert faults(table("03/04/2024,1,2,3", "03/05/2024,1,2,3"))[0] == (
        "/rows/2/date",
        "ambiguous_date",
        (
            "Row 2, column 'date': '03/04/2024' may be 2024-04-03 or 2024-03-04 and no cell of the "
            "column tells which. Say 'day_first' in the spec, or write dates as YYYY-MM-DD."
        ),
    )


def test_a_date_that_reads_the_same_both_ways_is_not_called_ambiguous():
    found = faults(table("01/02/2024,1,2,3", "02/02/2024,1,2,3", "03/02/2024,1,2,3"))
    assert [pointer for pointer, _, _ in found] == ["/rows/2/date", "/rows/4/date"]


def test_an_empty_outcome_is_told_as_empty_where_its_role_is_guessed():
    found = faults(table("2024-01-01,,1,2", "2024-01-08,,1,2", "2024-01-15,,1,2"), None)
    assert found == [
        (
            "/rows/2/revenue",
            "empty_outcome",
            "Column 'revenue', the outcome, is empty in all rows 2 to 4.",
        )
    ]


def test_a_frequency_that_is_not_that_of_the_dates():
    assert faults(table(*GOOD), {**SPEC, "frequency": "day"}) == [
        (
            "/frequency",
            "frequency_mismatch",
            "The spec says frequency 'day', but the dates are by the week (mostly 7 days apart).",
        )
    ]


def test_a_total_declared_as_a_channel():
    header = "date,revenue,spend_a,spend_b,everything"
    rows = [f"2024-01-{d:02d},100,{d},{2 * d + 1},{3 * d + 1}" for d in (1, 8, 15, 22)]
    columns = ("spend_a", "spend_b", "everything")
    spec = {"channels": [{"channel": name, "spend": name} for name in columns]}
    assert faults(table(*rows, header=header), spec) == [
        (
            "/channels/2/spend",
            "total_column",
            (
                "Column 'everything' is the sum of other spend columns (in four rows of five "
                "or more): it is a total, not a channel. Take 'everything' out of the spec."
            ),
        )
    ]


def test_a_period_twice_in_one_geo_is_named():
    header = "date,geo,revenue,spend_tv"
    rows = [f"2024-01-{d:02d},{geo},100,{d}" for d in (1, 8, 15) for geo in ("north", "south")]
    history = table(*rows, header=header)
    upload = check_upload({"geo": "geo"}, history)
    assert (upload.rows, upload.periods, upload.spec["geo"]) == (6, 3, "geo")
    doubled = table(*rows, rows[1], header=header)
    assert faults(doubled, {"geo": "geo"}) == [
        ("/rows/8/date", "duplicate_period", "Row 8: 2024-01-01, south is already in row 3.")
    ]


def test_outcomes_beside_a_wide_history():
    found = faults(table(*GOOD), SPEC, b"date,revenue\n2024-01-01,5\n")
    assert found[0][:2] == ("/outcomes", "outcomes_beside_wide")


def test_pointers_escape_slashes():
    history = table("2024-01-01,1,x", "2024-01-08,2,3", header="date,revenue,a/b~c")
    spec = {"channels": [{"channel": "tv", "spend": "a/b~c"}]}
    assert faults(history, spec)[0][0] == "/rows/2/a~1b~0c"


def test_a_wrong_date_among_the_rows_of_geos() -> None:
    """It is told, and nothing is compared with the other rows of a date that nobody knows."""
    days = [f"2024-01-{day:02d}" for day in range(1, 11)]
    lines = [f"{day},{geo},{k * 7 % 5 + 9},3" for k, day in enumerate(days) for geo in "ab"]
    lines[3] = lines[3].replace("2024-01-02", "soon")
    table = "\n".join(["date,geo,revenue,spend_tv", *lines]).encode()
    with pytest.raises(InvalidInput) as caught:
        check_upload(None, table)
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.code) == ("/rows/5/date", "not_a_date")
