"""Dates of every frequency: read as it, with gaps, from every layout, or refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from shared.errors import InvalidInput
from shared.frequency import frequency
from shared.history.parse import check_upload, parse
from shared.history.table import History
from tests.history.forms import text


def days_of(steps: Sequence[int], count: int, start: date = date(2020, 1, 6)) -> list[date]:
    """``count`` dates, these many days apart in turn."""
    days = [start]
    while len(days) < count:
        days.append(days[-1] + timedelta(days=steps[(len(days) - 1) % len(steps)]))
    return days


def quarters(count: int, month: int = 1, *, ends: bool = False) -> list[date]:
    found = []
    for t in range(count):
        number = 12 * 2010 + month - 1 + 3 * t + 3 * ends
        found.append(date(number // 12, number % 12 + 1, 1) - timedelta(days=int(ends)))
    return found


DATES = {
    "two_weeks": days_of([14], 20),
    "four_weeks": days_of([28], 20),
    "quarter": quarters(20),
    "4-4-5": days_of([28, 28, 35], 20),
}


def table(days: Sequence[date]) -> bytes:
    rows = [["date", "revenue", "spend_tv"]]
    return text([*rows, *([f"{day}", f"{90 + t % 7}", f"{t % 5}"] for t, day in enumerate(days))])


def read(days: Sequence[date], spec: dict[str, str] | None = None) -> History:
    return parse(spec, table(days)).history


@pytest.mark.parametrize("name", DATES)
def test_equal_steps_are_a_frequency(name: str) -> None:
    days = DATES[name]
    upload = check_upload(None, table(days)).to_dict()
    assert (upload["frequency"].split()[0], upload["periods"]) == (name, 20)
    assert upload["roles"]["frequency"] == name
    assert not [f for f in upload["findings"] if f["code"] == "gap"]
    assert check_upload(upload["roles"], table(days)).to_dict()["periods"] == 20
    history = read(days)
    assert list(history.dates) == days
    assert frequency(history.frequency).after(days[-2]) == days[-1]


@pytest.mark.parametrize("name", ["two_weeks", "four_weeks", "quarter"])
def test_a_missing_period_is_a_gap(name: str) -> None:
    days = DATES[name]
    history = read([*days[:8], *days[9:]])
    assert list(history.dates) == days
    assert "gap" in {finding.code for finding in history.findings}


@pytest.mark.parametrize("name", DATES)
def test_a_long_table_and_its_outcomes(name: str) -> None:
    days = DATES[name]
    spend = text([["date", "channel", "spend"], *([f"{day}", "tv", "3"] for day in days)])
    sold = text([["date", "revenue"], *([f"{d}", f"{90 + t % 7}"] for t, d in enumerate(days))])
    history = parse(None, spend, sold).history
    assert history.frequency.split()[0] == name
    assert list(history.dates) == days


def test_spend_in_every_second_week_is_of_the_weeks_that_have_outcomes() -> None:
    weeks = days_of([7], 40)
    sold = text([["date", "revenue"], *([f"{d}", f"{90 + t % 7}"] for t, d in enumerate(weeks))])
    spend = text([["date", "channel", "spend"], *([f"{day}", "tv", "3"] for day in weeks[::2])])
    history = parse(None, spend, sold).history
    assert history.frequency == "week"
    assert history.spend[:, 0].tolist() == [3.0, 0.0] * 19 + [3.0]


@pytest.mark.parametrize("first", range(3))
def test_a_retail_calendar_begins_anywhere_and_has_a_year_of_53_weeks(first: int) -> None:
    weeks = [4, 4, 5] * 8
    weeks[11] += 1
    days = days_of([7 * w for w in weeks[first:]], 22 - first)
    history = read(days)
    assert list(history.dates) == days
    every = frequency(history.frequency)
    after = every.after(days[-1])
    assert (after - days[-1]).days == 7 * weeks[21]  # as the pattern says


def test_quarters_named_by_their_last_day_begin_two_months_before() -> None:
    history = read(quarters(20, ends=True))
    assert list(history.dates) == quarters(20)
    assert read(quarters(20, month=2)).dates[1] == date(2010, 5, 1)  # of a year from February on


@pytest.mark.parametrize(
    ("days", "code"),
    [
        (days_of([21], 20), "unknown_frequency"),
        ([date(2010 + t // 6, t % 6 * 2 + 1, 1) for t in range(20)], "unknown_frequency"),
        ([date(2000 + t, 1, 1) for t in range(20)], "unknown_frequency"),
        ([*DATES["4-4-5"][:9], *DATES["4-4-5"][10:]], "unknown_frequency"),
        ([*DATES["two_weeks"][:9], date(2020, 5, 12), *DATES["two_weeks"][9:]], "uneven_dates"),
    ],
)
def test_other_steps_are_refused(days: Sequence[date], code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(days)
    assert caught.value.faults[0].code == code


def test_the_spec_may_say_that_periods_in_between_are_missing() -> None:
    history = read(DATES["two_weeks"], {"frequency": "week"})
    assert history.frequency == "week"
    assert len(history.dates) == 39
    with pytest.raises(InvalidInput) as caught:
        read(DATES["two_weeks"], {"frequency": "quarter"})
    assert [fault.code for fault in caught.value.faults] == ["frequency_mismatch"]
