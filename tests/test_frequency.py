"""Frequencies against stepping day by day, and against the tables they interpolate."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest

from shared.frequency import FREQUENCIES, frequency, row_of

START = date(2023, 1, 2)
NAMES = [name if name != "4-4-5" else f"4-4-5 from {START}" for name in FREQUENCIES]


@pytest.mark.parametrize("name", NAMES)
def test_periods_follow_each_other_without_gap_or_overlap(name: str) -> None:
    every = frequency(name)
    start = every.grid([START])[0]
    begins = [every.after(start, k) for k in range(-30, 31)]
    assert begins == sorted(set(begins))
    assert every.after(start, 0) == start
    for k in range(-30, 30):
        day = begins[k + 30]
        assert every.after(day) == begins[k + 31]
        while day < begins[k + 31]:  # every day of a period is of that one
            assert every.between(start, day) == k
            day += timedelta(days=1)
        assert every.last_day(begins[k + 30]) == day - timedelta(days=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_mean_year_has_as_many_periods_as_are_counted(name: str) -> None:
    every = frequency(name)
    begin = every.grid([START])[0]
    years = 20
    end = date(begin.year + years, begin.month, begin.day)
    # A year of 4-4-5 months has 52 weeks; the 53rd of some is in no rule.
    assert every.between(begin, end) / years == pytest.approx(every.per_year, rel=0.006)


def test_row_of_agrees_with_counting_within_and_beyond() -> None:
    dates = [date(2023, 1, 2) + timedelta(weeks=2 * k) for k in range(10)]
    for k in range(-40, 300):
        day = dates[0] + timedelta(days=k)
        assert row_of(dates, day, "two_weeks") == k // 14


def test_a_run_of_four_four_and_five_weeks() -> None:
    every = frequency("4-4-5").at(date(2024, 1, 29))
    days = [every.after(date(2024, 1, 29), k) for k in range(-6, 7)]
    steps = [(b - a).days // 7 for a, b in itertools.pairwise(days)]
    assert steps == [4, 4, 5] * 4
    assert frequency(every.name) == every
    assert every.at(date(2030, 1, 1)) is every  # it knows where it runs from


def test_tables_are_kept_and_filled_between_and_beyond() -> None:
    table = {"day": 56, "week": 13, "month": 6}
    values = {name: every.count(table) for name, every in FREQUENCIES.items()}
    assert {name: values[name] for name in table} == table
    ordered = sorted(FREQUENCIES, key=lambda name: -FREQUENCIES[name].per_year)
    assert ordered.index("two_weeks") == 2
    found = [values[name] for name in ordered]
    assert found == sorted(found, reverse=True)
    assert values["4-4-5"] == 6
    assert frequency("quarter").count({"day": 9, "week": 2, "month": 1}) == 1


def test_seasons_and_quarters() -> None:
    seasons = {name: every.season for name, every in FREQUENCIES.items()}
    assert seasons == {
        "day": 364,
        "week": 52,
        "two_weeks": 26,
        "four_weeks": 13,
        "month": 12,
        "quarter": 4,
        "4-4-5": 12,
    }
    assert [FREQUENCIES[name].quarter for name in ("day", "week", "month", "quarter")] == [
        91,
        13,
        3,
        1,
    ]
