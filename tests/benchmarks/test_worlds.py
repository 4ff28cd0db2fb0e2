"""The figures read off runs in worlds that are not the model's, and the best plans there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import world_runs
from benchmarks.fit_worlds import FIGURES, told
from benchmarks.world_runs import CASES, Channel, Run, best_of, kept, lift_tests_of
from samples.worlds.world import World

GOOD = Run(
    kind="reach",
    seed=0,
    case="plain",
    true=3.0,
    possible=4.0,
    stated=6.0,
    low=1.0,
    high=8.0,
    probability=0.98,
    promoted=True,
    warned=False,
    channels=(Channel("tv", False, 1.0, 0.5, 1.1, 2.0, "good"),),
    cpu_s=1.0,
)
BAD = replace(
    GOOD,
    true=-1.0,
    low=-0.5,
    promoted=False,
    channels=(Channel("tv", False, 3.0, 0.5, 1.1, 2.0, "good"),),
)


def test_figures_are_what_they_say():
    values = [figure([GOOD, GOOD, BAD]) for figure, _, _ in FIGURES.values()]
    expected = [5 / 12, 0.25, 2 / 3, 6 / 12, 2.0, 2 / 3, 2 / 3, 1 / 3]
    assert values == pytest.approx(expected)
    value, error = told(FIGURES["better than the history"][0], [GOOD] * 50 + [BAD] * 50)
    assert value == 0.5
    assert error == pytest.approx(0.05, rel=0.2)
    # Nobody was sure: there is nothing to be wrong about.
    assert np.isnan(list(FIGURES.values())[-1][0]([replace(GOOD, probability=0.5)]))


def test_the_best_plan_of_a_world_is_no_worse_than_a_grid():
    for kind in ("reach", "funnel"):
        world = World(kind, next(s for s in range(99) if len(World(kind, s).arms) == 3))
        money, low, high = world.mean.sum(), 0.5 * world.mean, 1.5 * world.mean
        found = best_of(world, low, high)
        assert found.sum() == pytest.approx(money)
        assert (found >= low * (1 - 1e-9)).all()
        assert (found <= high * (1 + 1e-9)).all()
        a, b = (axis.ravel() for axis in np.meshgrid(*[np.linspace(0.5, 1.5, 21)] * 2))
        grid = np.column_stack([a * world.mean[0], b * world.mean[1]])
        grid = np.column_stack([grid, money - grid.sum(axis=1)])
        inside = (grid[:, 2] >= low[2]) & (grid[:, 2] <= high[2])
        kept_there = world.value(world.mean)
        gain = world.value(found) - kept_there
        assert gain >= world.values(grid[inside]).max() - kept_there - 1e-3 * abs(gain)


def test_cases_test_the_largest_channels_in_the_history_or_every_one_outside():
    world = World("states", 0)
    largest = [world.arms[c] for c in np.argsort(-world.mean)[:2]]
    for case in ("untold", "told"):
        assert [test.channel for test in lift_tests_of(world, case)] == largest
        assert all(test.in_history for test in lift_tests_of(world, case))
    assert {test.channel for test in lift_tests_of(world, "every")} == set(world.arms)
    assert not any(test.in_history for test in lift_tests_of(world, "every"))
    assert lift_tests_of(world, "plain") == ()
    assert len(CASES) == 4


def test_a_run_that_is_kept_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = []
    monkeypatch.setattr(world_runs, "run", lambda *which: made.append(which) or GOOD)
    assert kept(tmp_path, "reach", 0, "plain") == GOOD
    assert kept(tmp_path, "reach", 0, "plain") == GOOD
    assert made == [("reach", 0, "plain")]
