"""Periods named by number or by date, and what entries about some of them may say."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api.channels import LONG_AGO
from shared.api.periods import Calendar
from shared.api.reading import read_optimize
from shared.api.translate import problem_of
from shared.errors import Fault, InvalidInput
from shared.frequency import FREQUENCIES
from shared.problem.model import Flight, PeriodLimits, Problem, Window


def calendar(start: str | None, frequency: str | None, periods: int = 60) -> Calendar:
    first = None if start is None else date.fromisoformat(start)
    return Calendar(periods, [], first, frequency)


@pytest.mark.parametrize(
    ("start", "frequency", "day", "period"),
    [
        ("2026-12-07", "week", "2026-12-07", 1),
        ("2026-12-07", "week", "2026-12-13", 1),
        ("2026-12-07", "week", "2026-12-14", 2),
        ("2026-12-07", "week", "2027-01-01", 4),
        ("2027-12-06", "week", "2028-03-01", 13),  # over a leap day
        ("2028-02-28", "day", "2028-02-29", 2),
        ("2028-02-28", "day", "2028-03-01", 3),
        ("2027-02-28", "day", "2027-03-01", 2),
        ("2026-11-01", "month", "2026-12-31", 2),
        ("2026-11-01", "month", "2028-02-29", 16),
        ("2026-11-02", "two_weeks", "2026-11-29", 2),
        ("2026-11-02", "four_weeks", "2026-11-30", 2),
        ("2026-11-01", "quarter", "2027-05-01", 3),
        ("2026-11-02", "4-4-5", "2027-01-31", 3),
        ("2026-11-02", "4-4-5", "2027-02-01", 4),
    ],
)
def test_a_date_is_in_its_period(start: str, frequency: str, day: str, period: int) -> None:
    found = calendar(start, frequency)
    assert found.period(day, ()) == period
    first, after = found.first_day(period), found.first_day(period + 1)
    assert first is not None
    assert after is not None
    assert first <= date.fromisoformat(day) < after
    assert not found.faults


@given(
    start=st.dates(date(2000, 1, 1), date(2090, 1, 1)),
    frequency=st.sampled_from(sorted(FREQUENCIES)),
    ahead=st.integers(0, 365),
)
def test_every_day_of_the_horizon_is_in_one_period(start: date, frequency: str, ahead: int) -> None:
    start = start.replace(day=1) if FREQUENCIES[frequency].months else start
    frequency = FREQUENCIES[frequency].at(start).name
    found = Calendar(500, [], start, frequency)
    day = start + timedelta(days=ahead)
    period = found.period(day.isoformat(), ())
    assert period is not None
    first, after = found.first_day(period), found.first_day(period + 1)
    assert first is not None
    assert after is not None
    assert first <= day < after


def request(**fields: Any) -> dict[str, Any]:
    curve = {"family": "hill", "max_response": 100.0, "half_saturation": 40.0, "shape": 1.0}
    channels = [
        {"channel": name, "current_spend": 30.0, "response": {"saturation": curve}}
        for name in ("tv", "search")
    ]
    horizon = {"periods": 8, "start": "2026-12-07", "frequency": "week"}
    raw: dict[str, Any] = {"channels": channels, "budget": 400.0, "horizon": horizon}
    for path, value in fields.items():
        inner: Any = raw
        *way, last = [int(part) if part.isdigit() else part for part in path.split("__")]
        for part in way:
            inner = inner[part]
        inner[last] = value
    return raw


def posed(raw: dict[str, Any]) -> Problem:
    return problem_of(read_optimize(raw))


def faults(raw: dict[str, Any]) -> dict[str, Fault]:
    with pytest.raises(InvalidInput) as refused:
        posed(raw)
    return {fault.pointer: fault for fault in refused.value.faults}


@pytest.mark.parametrize("frequency", ["week", "month"])
def test_a_horizon_past_all_dates_is_refused(frequency: str) -> None:
    horizon = {"periods": 8, "start": "9999-12-01", "frequency": frequency}
    found = faults(request(horizon=horizon))
    assert {where: fault.code for where, fault in found.items()} == {
        "/horizon/start": "out_of_range"
    }


def test_entries_windows_and_rules_come_with_their_periods() -> None:
    problem = posed(
        request(
            channels__0__periods=[
                {"from": 2, "to": 3, "max_spend": 0},
                {"from": "2026-12-07", "spend": 12, "note": "booked"},
                {"from": 5, "to": 8, "price": 1.25},
            ],
            constraints=[
                {
                    "name": "xmas",
                    "channels": ["tv", "search"],
                    "max_total": 90,
                    "periods": [1, {"from": "2026-12-21", "to": "2026-12-31"}],
                }
            ],
            budget_windows=[{"from": 1, "to": 4, "budget": 220, "min": 50}],
        )
    )
    tv = problem.channels[0]
    assert tv.periods == (
        PeriodLimits(2, 3, max_spend=0.0),
        PeriodLimits(1, 1, spend=12.0),
    )
    assert tv.period_prices == (1.0,) * 4 + (1.25,) * 4
    assert problem.constraints[0].periods == (1, 3, 4)
    assert problem.windows == (Window(1, 4, 220.0, 50.0),)
    assert problem.horizon.days[1] == date(2026, 12, 14)


@pytest.mark.parametrize(
    ("path", "value", "pointer", "said"),
    [
        (
            "channels__0__periods",
            [{"from": 3, "to": 2, "max_spend": 0}],
            "/channels/0/periods/0/to",
            "end (2) before they begin (3)",
        ),
        (
            "channels__0__periods",
            [{"from": 9, "max_spend": 0}],
            "/channels/0/periods/0/from",
            "8 periods",
        ),
        (
            "channels__0__periods",
            [{"from": "2026-12-06", "max_spend": 0}],
            "/channels/0/periods/0/from",
            "2026-12-07 to 2027-01-31",
        ),
        (
            "channels__0__periods",
            [{"from": "next week", "max_spend": 0}],
            "/channels/0/periods/0/from",
            "'next week' is no period",
        ),
        ("channels__0__periods", [{"from": 2}], "/channels/0/periods/0", "says nothing"),
        (
            "channels__0__periods",
            [{"from": 2, "spend": 5, "max_spend": 9}],
            "/channels/0/periods/0/spend",
            "drop max_spend",
        ),
        (
            "channels__0__periods",
            [{"from": 2, "min_spend": 5, "max_spend": 3}],
            "/channels/0/periods/0/max_spend",
            "below its min_spend",
        ),
        (
            "budget_windows",
            [{"from": 1, "to": 2, "budget": 50, "min": 60}],
            "/budget_windows/0/min",
            "above the window's budget",
        ),
        ("budget_change", 0.1, "/budget_change", "Give budget_change or budget"),
        ("budget_min", 500, "/budget_min", "above the budget"),
        ("horizon__start", "2026-13-01", "/horizon/start", "must be a date"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_place(
    path: str, value: Any, pointer: str, said: str
) -> None:
    found = faults(request(**{path: value}))
    assert said in found[pointer].message


def test_a_date_needs_a_calendar() -> None:
    raw = request(channels__0__periods=[{"from": "2026-12-14", "max_spend": 0}])
    del raw["horizon"]["start"], raw["horizon"]["frequency"]
    assert "horizon.start" in faults(raw)["/channels/0/periods/0/from"].message


def test_windows_stand_for_a_budget_where_they_cover_the_horizon() -> None:
    raw = request(budget_windows=[{"from": 1, "to": 4, "budget": 90}])
    del raw["budget"]
    assert "Period 5 is in no window" in faults(raw)["/budget"].message
    raw["budget_windows"].append({"from": 5, "to": 8, "budget": 70})
    assert posed(raw).budget is None


def test_a_budget_may_be_said_by_what_is_spent_today() -> None:
    raw = request(budget_change=0.1)
    del raw["budget"]
    assert posed(raw).budget == pytest.approx(60.0 * 8 * 1.1)
    del raw["channels"][1]["current_spend"]
    assert "/channels/1/current_spend" in faults(raw)


def test_only_extra_money_needs_to_know_what_is_spent_today() -> None:
    assert all(channel.keeps for channel in posed(request(keep_current=True)).channels)
    raw = request(keep_current=True)
    del raw["channels"][0]["current_spend"]
    assert "keep_current" in faults(raw)["/channels/0/current_spend"].message


@pytest.mark.parametrize(
    ("prior", "before"),
    [
        ({}, None),
        ({"tv": [0, 3, 3]}, (True, 2)),
        ({"tv": [3, 0]}, (False, 1)),
        ({"tv": [3, 4]}, (True, 2)),
        ({"tv": [0, 0]}, (False, LONG_AGO)),
        ({"tv": 3}, (True, LONG_AGO)),
        ({"tv": 0}, (False, LONG_AGO)),
        ({"search": 3}, None),
    ],
)
def test_a_flight_follows_on_what_ran(prior: dict[str, Any], before: Any) -> None:
    flight = {"min_on": 2, "max_flights": 3}
    raw = request(channels__0__flight=flight, horizon__prior_spend=prior or None)
    assert posed(raw).channels[0].flight == Flight(2, 1, 3, before)
    parts = [{**raw["channels"][0], "channel": name} for name in "xy"]
    for part in parts:
        del part["flight"]
    raw["channels"][0] = {"channel": "tv", "campaigns": parts, "flight": flight}
    told = {f"tv/{name}": prior["tv"] for name in "y" if "tv" in prior}
    raw["horizon"]["prior_spend"] = told or None
    assert posed(raw).channels[0].flight == Flight(2, 1, 3, before)
