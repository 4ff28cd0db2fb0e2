"""What is accepted and reported, and the history that comes out of it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from shared.history.parse import check_upload, parse

HEADER = "date,revenue,spend_tv,spend_search"


def table(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join((header, *rows)).encode()


def weekly(spends, revenue=None, first=date(2023, 1, 2)) -> bytes:
    """A weekly table of one row of spends a week."""
    rows = []
    for t, money in enumerate(spends):
        outcome = 1000 + t if revenue is None else revenue[t]
        rows.append(f"{first + timedelta(weeks=t)},{outcome},{','.join(map(str, money))}")
    return table(*rows)


def messages(parsed, code):
    return [finding.message for finding in parsed.findings if finding.code == code]


def test_a_plain_weekly_table():
    parsed = parse(None, weekly([(10, 20), (11, 21), (12, 22)]))
    history = parsed.history
    assert (parsed.layout, parsed.rows, history.frequency) == ("wide", 3, "week")
    assert history.dates == (date(2023, 1, 2), date(2023, 1, 9), date(2023, 1, 16))
    assert history.channels == ("tv", "search")
    np.testing.assert_array_equal(history.spend, [[10, 20], [11, 21], [12, 22]])
    np.testing.assert_array_equal(history.outcome, [1000, 1001, 1002])
    assert history.controls.shape == (3, 0)
    assert history.events == ("", "", "")
    assert parsed.spec == {
        "date": "date",
        "outcome": "revenue",
        "frequency": "week",
        "channels": [
            {"channel": "tv", "spend": "spend_tv"},
            {"channel": "search", "spend": "spend_search"},
        ],
        "controls": [],
        "events": None,
        "geo": None,
        "currency": None,
    }
    assert history.findings == parsed.findings


def test_the_completed_spec_reads_the_same_history_and_guesses_nothing():
    source = weekly([(10, 20), (11, 21), (12, 22)])
    first = parse(None, source)
    again = parse(first.spec, source)
    assert again.spec == first.spec
    np.testing.assert_array_equal(again.history.spend, first.history.spend)
    assert [finding.code for finding in again.findings] == []


def test_gaps_are_filled_without_spend_and_with_an_unknown_outcome():
    rows = ["2024-01-01,1000,10,20", "2024-01-08,1100,11,21", "2024-01-29,1400,14,24"]
    parsed = parse(None, table(*rows))
    np.testing.assert_array_equal(parsed.history.spend[:, 0], [10, 11, 0, 0, 14])
    np.testing.assert_array_equal(parsed.history.outcome, [1000, 1100, np.nan, np.nan, 1400])
    assert messages(parsed, "gap") == [
        "2 weeks without a row (2024-01-15, 2024-01-22): taken as no spend and an unknown outcome."
    ]


def test_empty_cells_of_spend_and_outcome():
    rows = ["2024-01-01,1000,,20", "2024-01-08,NA,11,n/a", "2024-01-15,1200,null,22"]
    parsed = parse(None, table(*rows))
    np.testing.assert_array_equal(parsed.history.spend, [[0, 20], [11, 0], [0, 22]])
    np.testing.assert_array_equal(parsed.history.outcome, [1000, np.nan, 1200])
    assert messages(parsed, "empty_spend") == [
        "Spend of 'tv' is empty in 2 of 3 rows: taken as zero.",
        "Spend of 'search' is empty in 1 of 3 rows: taken as zero.",
    ]
    assert messages(parsed, "empty_outcome") == [
        "The outcome is empty in 1 week (2024-01-08): they carry spend but are not fitted."
    ]


def test_late_starts_stops_stretches_and_silence():
    tv = [0] * 6 + [5] * 4 + [0] * 5 + [5] * 5
    search = [5] * 15 + [0] * 5
    parsed = parse(None, weekly(list(zip(tv, search, strict=True))))
    assert messages(parsed, "late_start") == [
        "'tv' starts on 2023-02-13, 6 weeks after the history does."
    ]
    assert messages(parsed, "zero_spend") == [
        "'tv' has 1 stretch without spend, the longest 5 weeks from 2023-03-13."
    ]
    assert messages(parsed, "early_stop") == [
        "'search' has no spend after 2023-04-10, in the last 5 weeks."
    ]
    silent = parse(None, weekly([(0, 1), (0, 2), (0, 3)]))
    assert messages(silent, "no_spend") == [
        "'tv' has no spend at all: nothing can be learned about it."
    ]


def test_rows_in_any_order_give_the_same_history():
    rows = [f"2024-01-{d:02d},{100 + d},{d},{2 * d}" for d in (1, 8, 15, 22)]
    straight, reverse = parse(None, table(*rows)), parse(None, table(*reversed(rows)))
    assert straight.history.dates == reverse.history.dates
    np.testing.assert_array_equal(straight.history.spend, reverse.history.spend)


def test_spend_joined_on_the_month_number():
    months = [f"{2023 + m // 12}-{m % 12 + 1:02d}" for m in range(15)]
    rng = np.random.default_rng(0)
    money = np.round(rng.uniform(10, 99, (12, 2)), 2)
    rows = [
        f"{month},{100 + i},{money[i % 12][0]},{money[i % 12][1]}" for i, month in enumerate(months)
    ]
    parsed = parse(None, table(*rows))
    assert parsed.history.frequency == "month"
    assert parsed.history.dates[-1] == date(2024, 3, 1)
    assert messages(parsed, "repeated_block") == [
        (
            "Spend in 3 months from 2024-01-01 to 2024-03-01 is exactly that of 12 months before, "
            "in every channel: was spend joined on the month without the year? Leave those rows "
            "out unless it really was repeated."
        )
    ]


def test_flat_spend_is_no_copy_of_last_year():
    parsed = parse(None, weekly([(10, 20)] * 70))
    assert messages(parsed, "repeated_block") == []
    assert len(messages(parsed, "spread_out_spend")) == 1


def test_monthly_spend_spread_over_weeks():
    spends = [(m + 1, 2 * m + 5 * (m % 3)) for m in range(12) for _ in range(4)]
    assert messages(parse(None, weekly(spends)), "spread_out_spend") == [
        (
            "Spend is the same as in the week before in 77% of the weeks; there are only 12 "
            "different ones. It looks like the spend of longer periods spread evenly; what happens "
            "within them cannot be learned."
        )
    ]


@pytest.mark.parametrize("name", ["total_spend", "spend_everything"])
def test_a_total_is_no_channel(name):
    header = f"date,revenue,spend_a,spend_b,{name}"
    rows = [f"2024-01-{d:02d},100,{d},{2 * d + 1},{3 * d + 1}" for d in (1, 8, 15, 22)]
    parsed = parse(None, table(*rows, header=header))
    assert parsed.history.channels == ("a", "b")
    assert len(messages(parsed, "total_column")) == 1
    assert name in messages(parsed, "total_column")[0]
    assert [role["channel"] for role in parsed.spec["channels"]] == ["a", "b"]


def test_channels_that_move_together():
    rng = np.random.default_rng(1)
    base = rng.uniform(1, 9, 20)
    spends = [(round(b, 3), round(2 * b + 0.01 * rng.random(), 3)) for b in base]
    found = messages(parse(None, weekly(spends)), "channels_move_together")
    assert found == [
        (
            "Spend of 'tv' and 'search' moves together (correlation 1.000): how their effect "
            "splits cannot be learned from this history."
        )
    ]


def test_odd_outcomes_are_reported():
    revenue = [1000.0] * 18 + [3.0, -5.0]
    parsed = parse(None, weekly([(t + 1, 30 - t) for t in range(20)], revenue))
    assert messages(parsed, "outage") == [
        (
            "The outcome is under a twentieth of its median in 1 week (2023-05-08): that looks "
            "like missing data. Leave the cell empty if it is."
        )
    ]
    assert messages(parsed, "negative_outcome") == [
        "The outcome is negative in 1 week (2023-05-15)."
    ]
    flat = parse(None, weekly([(t + 1, 30 - t) for t in range(4)], [7] * 4))
    assert messages(flat, "constant_outcome") == ["The outcome is the same in every period."]


def test_controls_and_events():
    header = f"{HEADER},promo,weather,holiday"
    rows = [
        "2024-01-01,1000,10,20,0,5,new_year",
        "2024-01-08,1100,11,21,,6,",
        "2024-01-15,1200,12,22,1,7,NA",
    ] + [f"{date(2024, 1, 22) + timedelta(weeks=k)},1,1,{k},0,1," for k in range(9)]
    parsed = parse(None, table(*rows, header=header))
    history = parsed.history
    assert history.control_names == ("promo",)
    np.testing.assert_array_equal(history.controls[:4, 0], [0, 0.5, 1, 0])
    assert history.events[:3] == ("new_year", "", "")
    assert messages(parsed, "filled_control") == [
        "Control 'promo' has no value in 1 of 12 periods: interpolated."
    ]
    assert messages(parsed, "columns_left_out") == [
        (
            "Not used: 'weather'. Name a column in the spec to give it a role (controls, if it "
            "moves sales), or under 'ignore'."
        )
    ]


def test_events_as_flags_take_the_columns_name():
    header = f"{HEADER},holiday"
    rows = ["2024-01-01,1,2,3,1", "2024-01-08,2,3,3,0", "2024-01-15,3,3,4,0"]
    parsed = parse({"events": "holiday"}, table(*rows, header=header))
    assert parsed.history.events == ("holiday", "", "")


def test_a_single_geo_is_national():
    header = f"geo,{HEADER}"
    rows = ["all,2024-01-01,1,2,3", "all,2024-01-08,2,3,3"]
    parsed = parse({"geo": "geo"}, table(*rows, header=header))
    assert parsed.spec["geo"] is None
    assert messages(parsed, "one_geo") == [
        "Column 'geo' holds a single geo ('all'): read as a national history."
    ]


@pytest.mark.parametrize(
    ("cells", "dates", "frequency"),
    [
        (["2023-07", "2023-08"], [date(2023, 7, 1), date(2023, 8, 1)], "month"),
        (["07/2023", "08/2023"], [date(2023, 7, 1), date(2023, 8, 1)], "month"),
        (["Jul 2023", "August 2023"], [date(2023, 7, 1), date(2023, 8, 1)], "month"),
        (["2023-01-31", "2023-02-28"], [date(2023, 1, 1), date(2023, 2, 1)], "month"),
        (["2023-W01", "2023-W02"], [date(2023, 1, 2), date(2023, 1, 9)], "week"),
        (["20230102", "20230109"], [date(2023, 1, 2), date(2023, 1, 9)], "week"),
        (["2023/1/2", "2023/1/9"], [date(2023, 1, 2), date(2023, 1, 9)], "week"),
        (
            ["2023-01-02T00:00:00Z", "2023-01-09 00:00:00.000"],
            [date(2023, 1, 2), date(2023, 1, 9)],
            "week",
        ),
        (["31/12/2023", "01/01/2024"], [date(2023, 12, 31), date(2024, 1, 1)], "day"),
        (["12/31/2023", "1/1/2024"], [date(2023, 12, 31), date(2024, 1, 1)], "day"),
        (["31.12.2023", "07.01.2024"], [date(2023, 12, 31), date(2024, 1, 7)], "week"),
        (["2 Jan 2023", "3-Jan-2023"], [date(2023, 1, 2), date(2023, 1, 3)], "day"),
        (["January 2, 2023", "Sept 3, 2022"], None, None),
    ],
)
def test_date_formats(cells, dates, frequency):
    rows = [f'"{cell}",{100 + i},{i + 1},{i + 2}' for i, cell in enumerate(cells)]
    if dates is None:
        upload = check_upload({"date": "date", "frequency": "day"}, table(*reversed(rows[:1])))
        assert upload.first == date(2023, 1, 2)
        return
    parsed = parse(None, table(*rows))
    assert list(parsed.history.dates) == dates
    assert parsed.history.frequency == frequency


def test_the_order_of_day_and_month_is_reported():
    parsed = parse(None, table("31/12/2023,1,2,3", "01/01/2024,2,3,3"))
    assert messages(parsed, "date_format") == [
        (
            "Dates of column 'date' were read with the day first: other cells of the column cannot "
            "be read differently."
        )
    ]


def test_a_declared_frequency_settles_a_single_row():
    parsed = parse({"frequency": "month"}, table("2024-01-01,1,2,3"))
    assert parsed.history.frequency == "month"


def test_the_report_of_an_upload():
    upload = check_upload(None, weekly([(10, 20), (11, 21), (12, 22)]))
    report = upload.to_dict()
    assert {key: report[key] for key in ("rows", "periods", "first", "last")} == {
        "rows": 3,
        "periods": 3,
        "first": "2023-01-02",
        "last": "2023-01-16",
    }
    assert (report["frequency"], report["layout"]) == ("week", "wide")
    assert report["roles"]["channels"][0] == {"channel": "tv", "spend": "spend_tv"}
    assert report["findings"][0] == {
        "code": "guessed_role",
        "message": "Column 'date' was read as the date.",
        "data": {"role": "date", "column": "date"},
        "settled_by": None,
    }
