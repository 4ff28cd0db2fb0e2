"""Lift tests held against the history: read back, and what cannot be meant is named."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.history.lift_tests import LiftTest, lift_tests
from shared.history.parse import parse
from shared.history.report import data_report
from shared.history.table import History
from tests.fit.histories import table

Floats = NDArray[np.float64]
ROW, WEEKS = 60, 8
BEGIN = date(2021, 1, 4)


def spends(seed: int = 0, rows: int = 104, level: float = 5000.0, wave: float = 0.1) -> Floats:
    """Spend of two channels that moves by about ``wave`` from week to week."""
    rng = np.random.default_rng(seed)
    return level * np.exp(wave * rng.standard_normal((rows, 2)))


def with_test(change: str | float, seed: int = 0, wave: float = 0.1) -> tuple[History, float]:
    """A history that holds a change of the first channel (a factor, or "dark"), and its size."""
    spend = spends(seed, wave=wave)
    rows = slice(ROW, ROW + WEEKS)
    other = spend.copy()
    other[rows, 0] *= 0.0 if change == "dark" else float(change)
    outcome = 20_000.0 + 0.8 * other.sum(axis=1)
    return table(outcome, other), float((other - spend)[rows, 0].sum())


def entry(change: float, back: float, error: float = 1500.0, **more: Any) -> dict[str, Any]:
    start = BEGIN + timedelta(weeks=ROW)
    return {
        "channel": "a",
        "start": start.isoformat(),
        "end": (start + timedelta(7 * WEEKS - 1)).isoformat(),
        "spend_change": change,
        "outcome_change": back * change,
        "standard_error": error,
        **more,
    }


def read(history: History, *tests: dict[str, Any], **spec: Any) -> tuple[LiftTest, ...]:
    return lift_tests({"lift_tests": list(tests), **spec}, history)


def test_a_test_is_read_back_in_all_a_week_as_a_share_and_as_a_return() -> None:
    history, change = with_test("dark")
    (test,) = read(history, entry(change, 0.8))
    told = test.told()
    usual = float(np.delete(history.spend[:, 0], range(ROW, ROW + WEEKS)).mean())
    assert told["spend_change_per_period"] == pytest.approx(change / 8)
    assert told["outcome_change_per_period"] == pytest.approx(0.1 * change)
    assert told["share_of_usual_spend"] == pytest.approx(change / 8 / usual)
    assert told["return"] == pytest.approx(0.8)
    low, high = told["return_interval"]
    assert (low + high) / 2 == pytest.approx(0.8)
    assert high - low == pytest.approx(2 * 1.645 * 1500 / abs(change))
    assert (told["used"], told["why_not"], told["doubts"]) == (True, None, [])
    assert f"{-change:,.0f} less was spent in all" in told["text"]
    assert f"({-change / 8:,.0f} a week" in told["text"]
    assert "0.8 per unit of spend" in told["text"]
    assert data_report(history, {"lift_tests": [entry(change, 0.8)]})["lift_tests"] == [told]


@pytest.mark.parametrize("factor", ["dark", 0.5, 0.8, 1.2, 1.5, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_an_honest_test_is_used_without_a_word(factor: str | float, seed: int) -> None:
    history, change = with_test(factor, seed)
    (test,) = read(history, entry(change, 0.8, 800.0))
    assert test.unused is None
    assert test.doubts == ()


@pytest.mark.parametrize("seed", range(6))
def test_an_honest_test_is_used_where_spend_comes_in_flights_and_seasons(seed: int) -> None:
    """What is usual tells little there, so nothing is held against it."""
    rng = np.random.default_rng(seed)
    on = np.repeat(rng.random(26) < 0.5, 4)
    spend = 5000.0 * np.exp(0.3 * rng.standard_normal((104, 2)))
    spend *= (1.0 + 0.8 * np.sin(np.arange(104) * 2 * np.pi / 52))[:, None]
    spend[:, 0] *= on
    rows = slice(ROW, ROW + WEEKS)
    spend[rows, 0] += 500.0
    change = 0.3 * float(spend[rows, 0].sum())
    spend[rows, 0] *= 0.7
    (test,) = read(table(2e4 + spend.sum(axis=1), spend), entry(-change, 0.9, 900.0))
    assert (test.unused, test.doubts) == (None, ())


@pytest.mark.parametrize(("row", "held"), [(10, True), (85, True), (10, False)])
def test_a_new_level_that_was_kept_is_what_the_test_says(row: int, held: bool) -> None:
    """Doubled from a week on and never taken back, or up to a week: the first or last weeks."""
    spend = spends()
    spend[row:, 0] *= 2.0 if held else 0.0
    more = 0.5 * float(spend[row : row + WEEKS, 0].sum()) if held else -5000.0 * WEEKS
    start = BEGIN + timedelta(weeks=row)
    dates = {
        "start": start.isoformat(),
        "end": (start + timedelta(7 * WEEKS - 1)).isoformat(),
    }
    (test,) = read(table(2e4 + spend.sum(axis=1), spend), entry(more, 0.8, **dates))
    assert (test.unused, test.doubts) == (None, ())


SLIPS = [
    # (what was done, spend_change over the true one, return, standard error, words)
    ("dark", 1.0, -0.8, 1500.0, "less was spent and more came in"),
    (3.0, 1.0, -0.8, 1500.0, "more was spent and less came in"),
    (3.0, 0.0, 0.0, 1500.0, "spend did not change"),
    ("dark", -1.0, 0.8, 1500.0, "but the history has"),
    (3.0, -1.0, 0.8, 1500.0, "the signs are turned round"),
    (3.0, 1 / 8, 0.8, 190.0, "seem to be for a week"),
    ("dark", 1 / 8, 0.8, 190.0, "seem to be for a week"),
    (1.8, 1 / 8, 0.8, 190.0, "seem to be for a week"),
    (1.0, -3e4, 0.8, 1500.0, "say in_history: false"),
    (1.2, 1.0, 0.8, 5e5, "tells nothing of any return that could be"),
]


@pytest.mark.parametrize(("factor", "times", "back", "error", "words"), SLIPS)
def test_what_cannot_be_meant_is_not_used_and_says_why(
    factor: str | float, times: float, back: float, error: float, words: str
) -> None:
    history, change = with_test(factor)
    wrong = entry(times * (change or 1.0), back, error)
    if factor == 3.0 and times == 0.0:
        wrong["outcome_change"] = 9e3
    (test,) = read(history, wrong)
    assert test.unused is not None
    assert words in test.unused
    (finding,) = test.findings()
    assert finding.code == "lift_test_unused"
    assert finding.message.startswith("Lift test 1, of 'a', is not used: ")
    assert test.told()["why_not"] == test.unused


def test_an_outcome_on_the_wrong_side_by_chance_counts() -> None:
    history, change = with_test("dark")
    (test,) = read(history, entry(change, -0.05, 1500.0))
    assert test.unused is None


def test_a_test_that_the_history_does_not_hold_is_not_held_against_it() -> None:
    history, _ = with_test(1.0)
    (raised,) = read(history, entry(60_000.0, 0.5, in_history=False))
    assert (raised.unused, raised.doubts, raised.in_history) == (None, (), False)
    (cut,) = read(history, entry(-60_000.0, 0.5, in_history=False))
    assert "without the test there was" in (cut.unused or "")
    early = entry(9e3, 0.5, start="2020-01-06", end="2020-02-02")
    (before,) = read(history, early)
    assert (before.unused, before.in_history, before.periods) == (None, False, 4)


def test_a_known_return_widens_what_a_test_can_tell() -> None:
    history, change = with_test(1.2)
    weak = entry(change, 0.8, 40.0 * change)
    assert read(history, weak)[0].unused is not None
    priors = [{"channel": "a", "roi_median": 20.0, "roi_sd_log": 0.5}]
    assert read(history, weak, priors=priors)[0].unused is None


def test_a_mild_change_with_a_sharp_error_is_questioned() -> None:
    history, _ = with_test(1.0)
    (test,) = read(history, entry(1000.0, 0.8, 100.0))
    assert test.unused is None
    (text,) = test.doubts
    assert "are its numbers for a week?" in text
    assert [f.code for f in test.findings()] == ["lift_test_doubtful"]
    assert read(history, entry(1000.0, 0.8, 3000.0))[0].doubts == ()


def test_spend_that_went_the_other_way_is_questioned() -> None:
    """A cut of a fifth in weeks that spent twice the usual: it may be, and is worth a look."""
    history, _ = with_test(2.0)
    (test,) = read(history, entry(-0.2 * 8 * 10_000, 0.8))
    assert test.unused is None
    (text,) = test.doubts
    assert "above the usual" in text


@pytest.mark.parametrize(
    ("frequency", "start", "end", "first", "last"),
    [
        ("week", "2021-03-01", "2021-03-28", 8, 11),
        ("week", "2021-03-01", "2021-03-22", 8, 11),  # the first day of the last week
        ("week", "2021-03-03", "2021-03-30", 9, 12),
        ("week", "2021-03-03", "2021-03-05", 8, 8),
        ("week", "2020-12-21", "2021-01-10", -2, 0),
        ("day", "2021-01-05", "2021-01-05", 1, 1),
        ("month", "2021-03-01", "2021-04-30", 2, 3),
        ("month", "2021-03-10", "2021-03-20", 2, 2),
        ("month", "2020-11-01", "2020-12-31", -2, -1),
    ],
)
def test_periods_are_those_that_begin_on_its_dates(
    frequency: str, start: str, end: str, first: int, last: int
) -> None:
    spend = spends(rows=30)
    dates = [BEGIN + timedelta(days=(7 if frequency == "week" else 1) * t) for t in range(30)]
    if frequency == "month":
        dates = [date(2021 + t // 12, t % 12 + 1, 1) for t in range(30)]
    history = table(spend.sum(axis=1), spend, dates=dates, frequency=frequency)
    (test,) = read(history, entry(100.0, 1.0, start=start, end=end))
    assert (test.first, test.last) == (first, last)


def test_other_tests_are_not_what_is_usual() -> None:
    spend = spends()
    spend[20:28, 0] = 0.0
    spend[ROW : ROW + WEEKS, 0] = 0.0
    history = table(20_000.0 + spend.sum(axis=1), spend)
    tests = [entry(-40_000.0, 0.8), entry(-40_000.0, 0.8)]
    tests[1] |= {"start": "2021-05-24", "end": "2021-07-18"}
    alone, both = read(history, tests[0])[0], read(history, *tests)[0]
    assert alone.usual is not None
    assert both.usual is not None
    assert alone.usual < both.usual == pytest.approx(5000.0, rel=0.05)


def test_what_is_odd_is_found_where_the_table_is_read() -> None:
    history, change = with_test("dark")
    rows = ["week,revenue,spend_a,spend_b"] + [
        f"{day},{y:.2f},{a:.2f},{b:.2f}"
        for day, y, (a, b) in zip(history.dates, history.outcome, history.spend, strict=True)
    ]
    spec = {"lift_tests": [entry(change, -0.8), entry(change, 0.8)]}
    parsed = parse(spec, "\n".join(rows).encode())
    odd = [f for f in parsed.findings if f.code.startswith("lift_test")]
    assert [(f.code, f.data["test"]) for f in odd] == [("lift_test_unused", 0)]
    report = data_report(parsed.history, parsed.spec)
    assert [row["used"] for row in report["lift_tests"]] == [False, True]
