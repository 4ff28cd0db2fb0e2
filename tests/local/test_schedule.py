"""NCRONTAB against a second-by-second search and against what the .NET host rejects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local.schedule import parse_schedule


def by_search(expression: str, moment: datetime) -> datetime:
    """The slow and certain way: try every second."""
    schedule = parse_schedule(expression)
    time = moment.replace(microsecond=0)
    for _ in range(3 * 86400):
        time += timedelta(seconds=1)
        weekday = time.isoweekday() % 7
        if (
            time.second in schedule.seconds
            and time.minute in schedule.minutes
            and time.hour in schedule.hours
            and time.day in schedule.days
            and time.month in schedule.months
            and weekday in schedule.weekdays
        ):
            return time
    raise AssertionError("no occurrence within three days")


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 2 * * *",
        "*/7 * * * * *",
        "30 15,45 9-17/4 * * *",
        "59 59 23 * * *",
        "0 */20 6-8 * * *",
        "0 0 0 1 * *",
        "0 0 12 * * mon-wed",
    ],
)
@pytest.mark.parametrize(
    "moment",
    [
        datetime(2025, 2, 27, 23, 59, 59, 250_000, tzinfo=UTC),
        datetime(2025, 12, 31, 8, 40, tzinfo=UTC),
        datetime(2024, 2, 28, 12, 0, 0, tzinfo=UTC),
    ],
)
def test_next_occurrence_agrees_with_a_search(expression: str, moment: datetime) -> None:
    found = parse_schedule(expression).next_after(moment)
    if found is None or found - moment > timedelta(days=3):
        with pytest.raises(AssertionError, match="no occurrence"):
            by_search(expression, moment)
    else:
        assert found == by_search(expression, moment)


def test_an_occurrence_is_strictly_later() -> None:
    at_two = datetime(2025, 5, 5, 2, 0, 0, tzinfo=UTC)
    assert parse_schedule("0 0 2 * * *").next_after(at_two) == at_two + timedelta(days=1)


def test_five_fields_mean_second_zero() -> None:
    assert parse_schedule("30 2 * * *") == parse_schedule("0 30 2 * * *")


def test_a_day_must_match_both_day_fields() -> None:
    # Friday the 13th, not "the 13th or a Friday".
    found = parse_schedule("0 0 0 13 * fri").next_after(datetime(2025, 1, 1, tzinfo=UTC))
    assert found == datetime(2025, 6, 13, tzinfo=UTC)


def test_a_value_with_a_step_runs_to_the_end_of_the_field() -> None:
    assert sorted(parse_schedule("0 5/20 * * * *").minutes) == [5, 25, 45]


def test_leap_day() -> None:
    found = parse_schedule("0 0 0 29 2 *").next_after(datetime(2025, 1, 1, tzinfo=UTC))
    assert found == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("* * * *", "6 fields"),
        ("", "6 fields"),
        ("0 0 24 * * *", "hour 24"),
        ("60 * * * * *", "second 60"),
        ("0 0 0 0 * *", "day 0"),
        ("0 0 0 * 13 *", "month 13"),
        ("0 0 0 * * 7", "day of week 7"),
        ("0 0 0 * * funday", "funday"),
        ("0 */0 * * * *", "step '0'"),
        ("0 30-10 * * * *", "backwards"),
        ("0 0 0 L * *", "'L' is no number"),
        ("0 0 0 ? * *", "is no number"),
        ("0 0, 0 * * *", "'' is no number"),
        ("@daily", "6 fields"),
    ],
)
def test_what_is_no_schedule_is_refused(expression: str, says: str) -> None:
    with pytest.raises(ValueError, match="is no NCRONTAB schedule") as caught:
        parse_schedule(expression)
    assert says in str(caught.value)
