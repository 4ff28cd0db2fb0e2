"""A history that holds a test, in every kind of model: the truth is found where rows alone mislead.

Demand that nobody wrote down drives a channel's spend and the outcome alike, so that every fit of
the rows credits the channel with too much. A stretch with another spend, measured apart, tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.fit.models.registry import fit_window
from shared.fit.pipeline import read_back
from shared.history.lift_tests import lift_tests
from shared.history.table import History, Panel
from tests.fit.histories import table

Floats = NDArray[np.float64]
KINDS = ("bayesian", "ridge", "time_series")
ROW, WEEKS, ROWS, DECAY = 60, 8, 104, 0.3


@dataclass(frozen=True)
class World:
    """A history, the return of "a" (of its first arm) in it, and the test that it holds."""

    history: History
    true: float
    test: dict[str, Any]


def carried(spend: Floats) -> Floats:
    out, level = np.empty_like(spend), float(spend[:6].mean())
    for t, x in enumerate(spend):
        level = DECAY * level + (1.0 - DECAY) * x
        out[t] = level
    return out


def media(spend: Floats, half: float, top: float) -> Floats:
    level = carried(spend)
    return np.asarray(top * level / (half + level))


def world(
    factor: float, seed: int = 0, split: str = "", error: float = 0.05, held: bool = True
) -> World:
    """``factor`` times the spend for eight weeks; ``split``: "" or "geo" or "campaign".

    What is not ``held`` was measured elsewhere: the rows are as if there had been no test.
    """
    rng = np.random.default_rng(seed)
    demand = np.zeros(ROWS)
    for t in range(1, ROWS):
        demand[t] = 0.7 * demand[t - 1] + 0.7 * rng.standard_normal()
    arms = 2 if split else 1
    level = np.array([6000.0, 5000.0])[:arms]
    usual = level * np.exp(0.3 * demand[:, None] + 0.15 * rng.standard_normal((ROWS, arms)))
    other = 4000.0 * np.exp(0.4 * rng.standard_normal((ROWS, arms if split == "geo" else 1)))
    tested = usual.copy()
    tested[ROW : ROW + WEEKS, 0] *= factor
    done = tested if held else usual
    half, top = 1.2 * level, 2.2 * level

    def brought(spend: Floats, arm: int) -> Floats:
        return media(spend[:, arm], float(half[arm]), float(top[arm]))

    effect = brought(tested, 0) - brought(usual, 0)
    base = 15_000.0 * (1.0 + 0.15 * demand)
    own = np.stack([brought(done, a) for a in range(arms)])
    rest = np.stack([media(s, 5000.0, 6000.0) for s in other.T])
    noise = 300.0 * rng.standard_normal((arms if split == "geo" else 1, ROWS))
    if split == "geo":
        outcome = base + own + rest + noise
        spend = np.stack([np.stack([done[:, g], other[:, g]], axis=1) for g in range(2)])
        panel = Panel(
            ("x", "y"), (("a", ""), ("b", "")), spend, spend, outcome, np.zeros((2, ROWS, 0))
        )
    else:
        outcome = (base + own.sum(axis=0) + rest[0])[None] + noise
        names = (("a", "p"), ("a", "q")) if split else (("a", ""),)
        spend = np.concatenate([done, other], axis=1)[None]
        panel = Panel(("",), (*names, ("b", "")), spend, spend, outcome, np.zeros((1, ROWS, 0)))
    channel = [name for name, _ in panel.arms]
    both = [spend.sum(axis=0)[:, [n == c for n in channel]].sum(axis=1) for c in "ab"]
    history = table(outcome.sum(axis=0), np.stack(both, axis=1))
    history = replace(history, detail=panel if split else None)
    rows = slice(ROW, ROW + WEEKS)
    gained = float(effect[rows].sum())
    start = history.dates[ROW]
    test = {
        "channel": "a",
        "campaign": "p" if split == "campaign" else None,
        "geo": "x" if split == "geo" else None,
        "start": start.isoformat(),
        "end": (start + timedelta(7 * WEEKS - 1)).isoformat(),
        "spend_change": float((tested - usual)[rows].sum()),
        "outcome_change": gained + error * abs(gained) * rng.standard_normal(),
        "standard_error": error * abs(gained),
        "in_history": held,
    }
    return World(history, float(own[0].sum() / done[:, 0].sum()), test)


def returned(one: World, kind: str, *tests: dict[str, Any]) -> tuple[float, float, float]:
    """Lower end, mean and upper end of the return of the first arm."""
    spec = {
        "model": {"kind": kind, "saturation": "michaelis_menten"},
        "outcome_unit": "money",
        "lift_tests": list(tests),
    }
    found = fit_window(one.history, spec, seed=1, draws=100).evidence()[0]
    assert found.roi_interval is not None
    return found.roi_interval[0], found.roi_mean, found.roi_interval[1]


def away(found: tuple[float, float, float], one: World) -> float:
    """By how much the mean misses the truth, as a logarithm."""
    return float(abs(np.log(found[1] / one.true)))


CASES = [(0.0, ""), (3.0, ""), (0.0, "geo"), (0.0, "campaign")]


@pytest.mark.parametrize(
    ("kind", "factor", "split"),
    [(kind, *case) for kind in KINDS for case in CASES] + [("bayesian", 0.5, "")],
)
def test_a_test_in_the_history_corrects_what_the_rows_say(
    kind: str, factor: float, split: str
) -> None:
    one = world(factor, seed=1 if split else 0, split=split)
    free, told = returned(one, kind), returned(one, kind, one.test)
    assert free[1] > 1.1 * one.true  # as a whole channel by a third and more
    assert away(told, one) < 0.85 * away(free, one)
    # The rows keep a say in a strength that moves: there a test speaks of its own month.
    assert away(told, one) < np.log(1.6 if kind == "time_series" else 1.4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_test_that_the_history_does_not_hold_corrects_it_too(kind: str) -> None:
    one = world(2.0, held=False)
    free, told = returned(one, kind), returned(one, kind, one.test)
    assert away(told, one) < 0.7 * away(free, one)


@pytest.mark.parametrize("kind", KINDS)
def test_ten_times_the_result_is_another_fit_and_told_to_contradict_the_rows(kind: str) -> None:
    """The result as it was, ten times of it, and its opposite: three fits, two of them doubted."""
    one = world(0.0)
    slips = [
        one.test,
        one.test | {"outcome_change": 10.0 * one.test["outcome_change"]},
        one.test | {"outcome_change": -one.test["outcome_change"]},
    ]
    model = {"kind": kind, "saturation": "michaelis_menten"}
    means, told, warned = [], [], []
    for slip in slips:
        spec = {"model": model, "outcome_unit": "money", "lift_tests": [slip]}
        fitted = fit_window(one.history, spec, seed=1, draws=60)
        means.append(fitted.evidence()[0].roi_mean)
        rows, odd = read_back(one.history, spec, fitted)
        told.append(rows[0])
        warned.append(sorted({finding.code for finding in odd}))
    assert warned == [[], ["lift_test_doubtful"], ["lift_test_unused"]]
    assert means[1] > 1.1 * means[0]
    assert means[2] > 1.1 * means[0]
    assert told[0]["fitted"] == pytest.approx(one.test["outcome_change"], rel=0.6)
    assert told[0]["fitted_interval"][0] < told[0]["fitted"] < told[0]["fitted_interval"][1]
    # Geometric carryover: of a steady change over n periods decay / (1 - decay) / n comes later.
    assert 0.0 < told[0]["arrives_later"] < 0.15
    assert told[2]["fitted"] is None


def test_a_test_that_is_not_used_narrows_nothing() -> None:
    one = world(0.0)
    vague = one.test | {"standard_error": 100.0 * abs(one.test["outcome_change"])}
    assert returned(one, "bayesian", vague) == returned(one, "bayesian")


def test_a_cool_down_counts_what_arrives_later_and_is_read_back() -> None:
    found = world(1.5)
    plain, longer = dict(found.test), dict(found.test)
    end = found.history.dates[ROW + WEEKS + 3] + timedelta(6)
    longer["measured_until"] = end.isoformat()
    told = []
    for test in (plain, longer):
        spec = {"model": {"saturation": "michaelis_menten"}, "lift_tests": [test]}
        fitted = fit_window(found.history, spec, seed=0, draws=40)
        told.append(read_back(found.history, spec, fitted)[0][0])
    assert [row["measured_periods"] for row in told] == [WEEKS, WEEKS + 4]
    assert told[1]["spend_change_per_period"] == told[0]["spend_change_per_period"]
    assert told[0]["arrives_later"] > 10.0 * told[1]["arrives_later"] > 0.0
    assert f"over {WEEKS + 4} weeks" in told[1]["text"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"measured_until": "2022-01-01"}, "/lift_tests/0/measured_until"),
        ({"bursts": [{"start": "2000-01-03", "end": "2000-01-09"}]}, "/lift_tests/0/bursts/0"),
    ],
)
def test_windows_that_cannot_be_are_named(changes: dict[str, Any], pointer: str) -> None:
    found = world(1.5)
    with pytest.raises(InvalidInput) as caught:
        lift_tests({"lift_tests": [found.test | changes]}, found.history)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
