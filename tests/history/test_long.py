"""The long layout: rows of date, channel, spend, and outcomes beside them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.history.parse import check_upload, parse

HEADER = "date,channel,campaign,spend"
ROWS = (
    "2024-01-01,tv,a,10",
    "2024-01-01,tv,b,5",
    "2024-01-01,search,brand,3",
    "2024-01-08,search,brand,4",
    "2024-01-15,tv,a,7",
)
OUTCOMES = b"""date,revenue,promo,holiday
2024-01-01,100,0,new_year
2024-01-08,110,0.5,
2024-01-15,120,0,
"""


def table(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join((header, *rows)).encode()


def faults(history, outcomes=OUTCOMES, spec=None, error=InvalidInput):
    with pytest.raises(error) as caught:
        parse(spec, history, outcomes)
    return [(fault.pointer, fault.code, fault.message) for fault in caught.value.faults]


def messages(findings, code):
    return [finding.message for finding in findings if finding.code == code]


def test_campaigns_are_told_apart_and_outcomes_joined():
    parsed = parse(None, table(*ROWS), OUTCOMES)
    history = parsed.history
    assert (parsed.layout, parsed.rows) == ("long", 5)
    assert history.channels == ("search", "tv")
    np.testing.assert_array_equal(history.spend, [[3, 15], [4, 0], [0, 7]])
    np.testing.assert_array_equal(history.outcome, [100, 110, 120])
    np.testing.assert_array_equal(history.controls, [[0], [0.5], [0]])
    assert history.events == ("new_year", "", "")
    assert messages(parsed.findings, "campaigns_kept") == [
        "3 campaigns of 2 channels get curves of their own, each leaning on its channel's."
    ]
    assert parsed.spec == {
        "date": "date",
        "outcome": "revenue",
        "frequency": "week",
        "channels": [
            {"channel": "search", "spend": "spend"},
            {"channel": "tv", "spend": "spend"},
        ],
        "controls": ["promo"],
        "events": "holiday",
        "geo": None,
        "currency": None,
    }


def test_the_completed_spec_reads_the_same_history():
    first = parse(None, table(*ROWS), OUTCOMES)
    again = parse(first.spec, table(*ROWS), OUTCOMES)
    assert again.spec == first.spec
    np.testing.assert_array_equal(again.history.spend, first.history.spend)


def test_a_day_without_rows_is_a_day_without_spend():
    rows = ["2024-01-01,tv,a,10", "2024-01-02,tv,a,11", "2024-01-04,tv,a,12"]
    outcomes = "\n".join(["date,sales", *(f"2024-01-0{d},10{d}" for d in range(1, 6))]).encode()
    parsed = parse(None, table(*rows), outcomes)
    np.testing.assert_array_equal(parsed.history.spend[:, 0], [10, 11, 0, 12])
    np.testing.assert_array_equal(parsed.history.outcome, [101, 102, 103, 104])
    assert messages(parsed.findings, "gap") == []
    assert messages(parsed.findings, "dates_differ") == [
        (
            "0 dates have spend and no outcome, 2 an outcome and no spend. Used: 2024-01-01 to "
            "2024-01-04."
        )
    ]


def test_tables_without_a_common_date():
    outcomes = b"date,revenue\n2025-01-06,1\n2025-01-13,2\n"
    assert faults(table(*ROWS), outcomes) == [
        (
            "/outcomes",
            "no_common_dates",
            (
                "Spend (2024-01-01 to 2024-01-15) and outcomes (2025-01-06 to 2025-01-13) have no "
                "date in common."
            ),
        )
    ]


def test_tables_of_different_frequency():
    outcomes = b"date,revenue\n2024-01-01,1\n2024-01-02,2\n2024-01-03,2\n"
    assert faults(table(*ROWS), outcomes) == [
        ("/outcomes", "frequency_mismatch", "Spend is by week, outcomes are by day.")
    ]


def test_faults_of_both_tables_at_once():
    found = faults(
        table("2024-01-01,tv,a,-1", "2024-01-08,,a,x"),
        b"date,revenue\n2024-01-01,many\n2024-01-08,2\n",
    )
    assert [fault[:2] for fault in found] == [
        ("/rows/3/spend", "not_a_number"),
        ("/rows/2/spend", "negative_spend"),
        ("/rows/3/channel", "bad_name"),
        ("/outcomes/rows/2/revenue", "not_a_number"),
    ]


def test_the_same_campaign_twice_on_a_date():
    assert faults(table(*ROWS, "2024-01-08,search,brand,9")) == [
        (
            "/rows/7/date",
            "duplicate_period",
            "Row 7: 2024-01-08, search, brand is already in row 5.",
        )
    ]


def test_names_that_would_be_mistaken_for_arms():
    found = faults(table(*ROWS, "2024-01-08,tv/spot,a,9"))
    assert found == [
        (
            "/rows/7/channel",
            "bad_name",
            (
                "Row 7, column 'channel': 'tv/spot': '/' and '|' separate campaigns and geos, not "
                "for a name."
            ),
        )
    ]


def test_outcomes_are_needed_for_a_fit_but_not_for_an_upload():
    assert faults(table(*ROWS), None)[0][:2] == ("/outcomes", "no_outcomes")
    upload = check_upload(None, table(*ROWS))
    assert (upload.layout, upload.rows, upload.periods) == ("long", 5, 3)
    assert messages(upload.findings, "outcomes_missing") == [
        "Upload the outcomes next: the rows of this history hold spend only."
    ]
    # what the outcomes will tell is left open, so that the completed spec may be stored
    assert "outcome" not in upload.spec
    assert "events" not in upload.spec
    assert parse(upload.spec, table(*ROWS), OUTCOMES).history.outcome_name == "revenue"


def test_outcomes_alone():
    upload = check_upload(None, None, OUTCOMES)
    assert (upload.layout, upload.rows, upload.periods) == ("outcomes", 3, 3)
    assert (upload.spec["outcome"], upload.spec["events"]) == ("revenue", "holiday")
    with pytest.raises(InvalidInput) as caught:
        check_upload(None, None, b"date,revenue\n2024-01-01,x\n2024-01-08,1\n")
    assert caught.value.faults[0].pointer == "/rows/2/revenue"
    with pytest.raises(InvalidInput):
        check_upload(None, None, None)


def test_both_together_are_judged_as_a_fit_would_see_them():
    upload = check_upload(None, table(*ROWS), OUTCOMES)
    parsed = parse(None, table(*ROWS), OUTCOMES)
    assert upload.findings == parsed.findings
    assert upload.spec == parsed.spec


def test_an_outcome_among_the_rows_is_summed_and_doubted():
    rows = [f"{row},{10 * i}" for i, row in enumerate(ROWS)]
    parsed = parse(None, table(*rows, header=f"{HEADER},revenue"))
    np.testing.assert_array_equal(parsed.history.outcome, [30, 30, 40])
    assert messages(parsed.findings, "outcome_from_rows") == [
        (
            "The outcome is the sum of column 'revenue' over the rows of a date: what platforms "
            "attribute to campaigns, not what the business sold. Upload outcomes to replace it."
        )
    ]
    both = parse(None, table(*rows, header=f"{HEADER},revenue"), OUTCOMES)
    np.testing.assert_array_equal(both.history.outcome, [100, 110, 120])


def test_the_spec_chooses_channels():
    spec = {"channels": [{"channel": "tv", "spend": "spend"}]}
    parsed = parse(spec, table(*ROWS), OUTCOMES)
    assert parsed.history.channels == ("tv",)
    assert messages(parsed.findings, "channels_left_out") == [
        "Not in the spec, so their spend is not used: 'search'."
    ]
    wrong = {"channels": [{"channel": "tvv"}]}
    assert faults(table(*ROWS), OUTCOMES, wrong) == [
        (
            "/channels/0/channel",
            "unknown_channel",
            "No row is of channel 'tvv'. Did you mean 'tv'?",
        )
    ]


def test_an_outcome_named_in_the_spec_is_awaited_not_replaced():
    rows = [f"{row},{10 * i}" for i, row in enumerate(ROWS)]
    history = table(*rows, header=f"{HEADER},conversions")
    upload = check_upload({"outcome": "revenue"}, history)
    assert len(messages(upload.findings, "outcomes_missing")) == 1
    assert faults(history, None, {"outcome": "revenue"})[0][1] == "no_outcomes"
    assert parse({"outcome": "revenue"}, history, OUTCOMES).history.outcome_name == "revenue"


def test_a_date_column_of_the_spec_that_is_not_there():
    assert faults(table(*ROWS), OUTCOMES, {"date": "dat"}) == [
        ("/date", "unknown_column", "There is no column 'dat'. Did you mean 'date'?")
    ]


def test_the_spec_renames_the_column_of_spend():
    spec = {"channels": [{"channel": "tv", "spend": "net"}, {"channel": "search", "spend": "net"}]}
    parsed = parse(spec, table(*ROWS, header="date,channel,campaign,net"), OUTCOMES)
    assert parsed.history.channels == ("tv", "search")
    np.testing.assert_array_equal(parsed.history.spend[0], [15, 3])


def test_names_that_differ_in_marks_only():
    rows = ["2024-01-01,ads,a,1", "2024-01-08,ads+,a,2", "2024-01-15,ads+,a,2"]
    assert messages(parse(None, table(*rows), OUTCOMES).findings, "similar_names") == [
        "'ads' and 'ads+' differ in capitals, spaces and marks only and were kept apart."
    ]


def test_empty_spend_cells():
    parsed = parse(None, table(*ROWS, "2024-01-15,search,brand,"), OUTCOMES)
    assert messages(parsed.findings, "empty_spend") == [
        "Spend is empty in 1 of 6 rows: taken as zero."
    ]


def test_geos():
    header = "date,channel,spend,geo"
    rows = [f"{date(2024, 1, d)},tv,{d},{geo}" for d in (1, 8, 15) for geo in ("north", "south")]
    upload = check_upload(None, table(*rows, header=header))
    assert upload.spec["geo"] == "geo"
    outcomes = b"date,geo,revenue\n2024-01-01,north,1\n2024-01-01,south,2\n2024-01-08,north,3\n"
    assert check_upload(upload.spec, None, outcomes).spec["geo"] == "geo"
    merged = check_upload(None, table(*rows, header=header), outcomes)
    assert (merged.layout, merged.spec["outcome"]) == ("long", "revenue")
    missing = table(*rows, "2024-01-22,tv,3,", header=header)
    assert faults(missing)[0] == (
        "/rows/8/geo",
        "missing",
        "Row 8, column 'geo': the geo is missing.",
    )


def test_json_records():
    records = [
        {"date": "2024-01-01", "channel": "tv", "spend": 10.5},
        {"date": "2024-01-08", "channel": "tv", "spend": None},
        {"channel": "search", "spend": 3, "date": "2024-01-08"},
    ]
    outcomes = [{"date": "2024-01-01", "revenue": 5}, {"date": "2024-01-08", "revenue": 6}]
    parsed = parse({"frequency": "week"}, records, outcomes)
    np.testing.assert_array_equal(parsed.history.spend, [[0, 10.5], [3, 0]])
    assert parsed.history.channels == ("search", "tv")
