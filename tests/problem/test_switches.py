"""Rules on when decisions are on, against every pattern there is."""

from __future__ import annotations

from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, milp

from shared.problem.switches import Flight, PerPeriod, Switches

T = 6
PATTERNS = np.array(list(product((False, True), repeat=T)))
BEFORE: tuple[tuple[bool, int] | None, ...] = (
    *(None, (True, 1), (True, 2), (True, 50)),
    *((False, 1), (False, 50)),
)
FLIGHTS = [
    Flight("tv.flight", 0, T, on, off, most, before)
    for on, off, most, before in product((1, 3, 9), (1, 2, 7), (None, 1, 2), BEFORE)
]


def flown(flight: Flight, pattern: Any) -> bool:
    """The rule in runs: nothing but lengths, and what is left of one that was there before."""
    runs = [(on, len(list(each))) for on, each in groupby(pattern.tolist())]
    was_on, ran = flight.before or (False, 10_000)
    begun = 0
    for i, (on, length) in enumerate(runs):
        last, first = i == len(runs) - 1, i == 0
        length += ran if first and on == was_on else 0
        if on and not (first and was_on):
            begun += 1
            if length < flight.min_on:
                return False
        elif not last and length < (flight.min_on if on else flight.min_off):
            return False
    if runs[0][0] != was_on:  # what was before ended just now
        least = flight.min_on if was_on else flight.min_off
        if ran < least:
            return False
    return flight.most is None or begun <= flight.most


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    on = rng.random(T) < 0.2
    return on, (rng.random(T) < 0.2) & ~on


@pytest.mark.parametrize("flight", FLIGHTS, ids=repr)
def test_a_flight_is_what_its_runs_say(flight: Flight) -> None:
    told = np.array([flown(flight, pattern) for pattern in PATTERNS])
    assert np.array_equal(flight.keeps(PATTERNS), told)
    rng = np.random.default_rng(7)
    for _ in range(6):
        on, off = drawn(rng)
        left = PATTERNS[told & ~(on & ~PATTERNS).any(axis=1) & ~(off & PATTERNS).any(axis=1)]
        found, gain = flight.settled(on, off), rng.normal(size=T)
        best = flight.best(gain, on, off)
        if not len(left):
            assert found is None
            assert best is None
            continue
        assert found is not None
        assert best is not None
        assert np.array_equal(found[0], left.all(axis=0))
        assert np.array_equal(found[1], ~left.any(axis=0))
        assert gain @ best == pytest.approx((left @ gain).max())
        assert any(np.array_equal(best, pattern) for pattern in left)


def model(flight: Flight) -> tuple[tuple[np.ndarray, np.ndarray], LinearConstraint]:
    """Bounds and rows of its integer programme; the first variables are the switches."""
    columns = [(0.0, 1.0)] * flight.columns
    rows: list[tuple[list[int], list[float], float, float]] = []

    def column(low: float, high: float) -> int:
        columns.append((low, high))
        return len(columns) - 1

    flight.write(range(flight.columns), column, lambda *row: rows.append(row))
    matrix = np.zeros((len(rows), len(columns)))
    for i, (at, values, _, _) in enumerate(rows):
        np.add.at(matrix[i], at, values)
    low, high = np.array(columns).T.copy()
    return (low, high), LinearConstraint(matrix, [r[2] for r in rows], [r[3] for r in rows])


@pytest.mark.parametrize("flight", FLIGHTS[::5], ids=repr)
def test_the_rows_of_a_flight_allow_its_patterns_and_no_others(flight: Flight) -> None:
    columns, limits = model(flight)
    low, high = columns
    for pattern in PATTERNS:
        low[:T] = high[:T] = pattern
        found = milp(np.zeros(len(low)), constraints=limits, bounds=(low, high))
        assert (found.x is not None) == flown(flight, pattern)


def test_where_no_other_rule_is_there_the_rows_need_no_whole_numbers() -> None:
    flight, rng = Flight("tv.flight", 0, 12, 3, 2), np.random.default_rng(1)
    bounds, limits = model(flight)
    none = np.zeros(12, dtype=bool)
    for _ in range(20):
        gain = rng.normal(size=12)
        cost = np.concatenate((-gain, np.zeros(len(bounds[0]) - 12)))
        found = milp(cost, constraints=limits, bounds=bounds)
        best = flight.best(gain, none, none)
        assert best is not None
        assert -found.fun == pytest.approx(gain @ best)


def test_several_rules_leave_only_what_all_of_them_allow() -> None:
    """Two flights and a count a period, four periods: 4,096 patterns counted out."""
    three = np.array(list(product((False, True), repeat=12))).reshape(-1, 3, 4)
    parts = (
        Flight("a.flight", 0, 4, 2, 1),
        Flight("b.flight", 1, 4, 1, 2, 1),
        *(PerPeriod("count", (0, 1, 2), t, 1) for t in range(3)),
    )
    rules = Switches(parts)
    allowed = np.array([rules.keeps(pattern) for pattern in three])
    every = three[allowed]
    rng, close = np.random.default_rng(3), []
    for _ in range(60):
        gain = rng.normal(size=(3, 4))
        on = rng.random((3, 4)) < 0.08
        off = (rng.random((3, 4)) < 0.08) & ~on
        left = every[~(on & ~every).any(axis=(1, 2)) & ~(off & every).any(axis=(1, 2))]
        found, near = rules.settled(on, off), rules.nearest(gain, on, off)
        if not len(left):
            assert near is None
            continue
        assert found is not None
        assert not np.any(found[0] & ~left.all(axis=0))
        assert not np.any(found[1] & left.any(axis=0))
        if near is not None:
            assert rules.keeps(near)
            assert not np.any(on & ~near)
            assert not np.any(off & near)
            best = max(float(gain[pattern].sum()) for pattern in left)
            close.append(best - float(gain[near].sum()))
    assert len(close) > 40
    assert np.mean(np.array(close) < 1e-9) > 0.6
