"""Fits of periods other than days, weeks and months: the same truth at every length."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from shared.fit.design.calendar import holiday_columns, season_columns
from shared.fit.pipeline import fit_history
from shared.frequency import FREQUENCIES, frequency
from shared.history.periods import frequency_of
from shared.history.table import History
from tests.fit.histories import HILL, simulated, table

NEW = ("two_weeks", "four_weeks", "quarter", "4-4-5")


def at(name: str, history: History) -> History:
    """The same rows as periods of another length, from the same day on; their season taken out."""
    start = history.dates[0]
    every = FREQUENCIES[name].at(start)
    begin = every.grid([start])[0] if name == "quarter" else start
    dates = [every.after(begin, k) for k in range(len(history.dates))]
    year = np.sin(2 * np.pi * np.arange(len(dates)) / 52.18)
    outcome = history.outcome * (1.0 - 0.05 * year)
    return replace(table(outcome, history.spend, dates=dates), frequency=every.name)


@pytest.mark.parametrize("name", NEW)
def test_returns_are_recovered(name: str) -> None:
    history, truth = simulated(seed=4, rows=104, channels=2, noise=0.015)
    fitted = fit_history(at(name, history), HILL, draws=100)
    assert fitted.curve_set.frequency.split()[0] == name
    assert fitted.promote, fitted.reasons
    word = FREQUENCIES[name].word
    assert f"{word}s is" in fitted.reasons[0]
    trust = fitted.curve_set.diagnostics["trust"]["parts"][0]["text"]
    assert trust.startswith(f"The history has 104 {word}s with an outcome")
    for place, channel in enumerate(fitted.curve_set.channels):
        assert channel.roi is not None
        assert channel.roi.interval is not None
        low, high = channel.roi.interval
        assert low < truth.roi[place] < high


@pytest.mark.parametrize("name", FREQUENCIES)
def test_seasons_can_be_told_apart(name: str) -> None:
    """No wave of the year is another's shadow on the dates of a frequency."""
    start = table(np.ones(1), np.ones((1, 1))).dates[0]
    every = FREQUENCIES[name].at(start)
    dates = [every.after(start, k) for k in range(int(4.2 * every.per_year))]
    columns = season_columns(dates, len(dates), every.name, ("year",))
    matrix = np.stack([np.ones(len(dates)), *(column for _, column, _ in columns)], axis=1)
    assert len(columns) >= 2
    assert np.linalg.cond(matrix) < 5.0


def test_holidays_are_counted_in_long_periods_and_named_in_short_ones() -> None:
    start = table(np.ones(1), np.ones((1, 1))).dates[0]
    for name in NEW:
        every = FREQUENCIES[name].at(start)
        dates = [every.after(start, k) for k in range(int(4.2 * every.per_year))]
        names = [n for n, _, _ in holiday_columns(dates, len(dates), every.name, "DE")]
        assert (names == ["public holidays"]) == every.coarse, name


def test_a_history_knows_the_day_after_its_last_one() -> None:
    for name in NEW:
        history = at(name, simulated(rows=52, channels=1)[0])
        told = frequency_of([(day, "", 0) for day in history.dates], None, False, _Silent())  # type: ignore[arg-type]
        after = frequency(told).after(history.dates[-1])
        assert after == frequency(history.frequency).after(history.dates[-1])
        assert after - history.dates[-1] >= timedelta(days=14)


class _Silent:
    """Where there must be no fault."""

    def __bool__(self) -> bool:
        return False
