"""The harness: timings, ratios, limits, and that every class is found."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable

import pytest

from benchmarks.harness import Effort, Machine, cost, discover, measure, noise, register, timing


def test_a_timing_is_the_median_with_its_spread() -> None:
    t = timing([3.0, 1.0, 2.0])
    assert (t.median, t.low, t.high, t.repeats, t.p95) == (2.0, 1.0, 3.0, 3, 3.0)
    assert timing(float(i) for i in range(1, 101)).p95 == 95.0
    assert timing([1.0, math.inf, 2.0]).median == 2.0


def ticking(step_s: float) -> Callable[[], float]:
    """A clock that each look moves on by as much."""
    looks = itertools.count()
    return lambda: step_s * next(looks)


def test_what_is_measured_is_cpu_time_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "process_time", ticking(0.5))
    monkeypatch.setattr(time, "perf_counter", ticking(7.0))
    calls: list[int] = []
    found = measure(lambda: calls.append(1), repeats=3, warm_up=2)
    assert len(calls) == 5
    assert (found.low, found.high, found.repeats) == (0.5, 0.5, 3)
    assert noise(repeats=2).median == 0.5


def test_the_machine_tells_what_share_of_a_core_there_was(monkeypatch: pytest.MonkeyPatch) -> None:
    # One look at either clock between: a quarter of a second of CPU time in a second.
    monkeypatch.setattr(time, "process_time", ticking(0.25))
    monkeypatch.setattr(time, "perf_counter", ticking(1.0))
    assert Machine().said() == "250 ms, x 1.00, 25% of a core"


def test_costs_are_ratios_against_a_peer_or_a_limit() -> None:
    ours, theirs = timing([0.2]), timing([0.1])
    within = cost("a", ours, peer=theirs, against="peer", at_most=3.0)
    assert (within.ratio, within.limit, within.held) == ("2", "3 x peer", True)
    assert cost("b", ours, peer=theirs, against="peer", at_most=math.inf).held is None
    over = cost("c", ours, limit_s=0.1)
    assert (over.ratio, over.limit, over.verdict) == ("2", "100 ms", "MISSED")
    assert cost("d", ours).ratio == ""


def test_quick_takes_a_tenth() -> None:
    quick = Effort(quick=True)
    assert [quick.instances(n) for n in (50, 5, 3, 2, 1, 0)] == [5, 2, 2, 2, 1, 0]
    assert quick.seconds(20.0) == 5.0
    assert (Effort().instances(50), Effort().seconds(20.0)) == (50, 20.0)


def test_every_class_is_found_once_under_its_section() -> None:
    found = discover()
    assert [item.name for item in found] == [item.name for item in discover()]
    assert {item.section for item in found} == {
        "app",
        "experiments",
        "fit",
        "goals",
        "jobs",
        "interactions",
        "learning",
        "nights",
        "page",
        "one-budget",
        "plans",
        "policies",
        "rules",
        "rules-500",
        "sweep",
        "targets",
        "uncertain",
        "worlds",
    }
    names = {item.name for item in found}
    # Each row of what is to be reached.
    assert {"concave, 1,000", "concave, 1,000,000", "S-shaped, 1,000", "S-shaped, 100,000"} <= names
    assert {"S-curves alike to 1 %, 1,000", "lots, 50 S-shaped", "group, 500 concave"} <= names
    assert {"adstock plan, concave, 100 x 104", "adstock plan, S-shaped, 9 x 12"} <= names
    assert {"fixed shares, S-shaped, 20 x 52", "mean over 1,000 draws x 20 S-shaped"} <= names
    assert {"cvar, 200 draws x 20 concave", "interactions, 9 S-shaped"} <= names
    with pytest.raises(ValueError, match="two benchmarks"):
        register("plans", "concave, 1,000", found[0].run)
