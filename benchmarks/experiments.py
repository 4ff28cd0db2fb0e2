"""Experiments: coverage where errors remember, stated power against independent tests, any time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import EFFORT, Asked, measure, register
from benchmarks.table import OURS, Row, duration
from shared.learn.experiments import stopping
from shared.learn.experiments.geo import Effect, time_based_regression
from shared.learn.experiments.placebo import analyse, placebos, power_of

__all__: list[str] = []

Floats = NDArray[np.float64]

_Z = 1.6449  # of a 90 % interval


Found = Iterator[tuple[str, bool]]
"""What is said of each case, and whether it is as it should be."""


def _following(rng: np.random.Generator, count: int, r: float) -> Floats:
    e = rng.standard_normal(count)
    for t in range(1, count):
        e[t] = r * e[t - 1] + np.sqrt(1.0 - r * r) * e[t]
    return e


def _coverage() -> Found:
    """Of 90 % intervals of time-based regression, 60 periods before and 28 in the test."""
    runs = EFFORT.instances(4000)
    for r in (0.0, 0.3, 0.5, 0.7):
        rng, held = np.random.default_rng(20240607), np.zeros(2)
        for _ in range(runs):
            x = 100.0 + 10.0 * rng.standard_normal(88)
            y = 20.0 + 0.9 * x + _following(rng, 88, r)
            for k, memory in enumerate((False, True)):
                low, high = time_based_regression(y, x, 60, memory=memory).interval(0.9)
                held[k] += low <= 0.0 <= high
        plain, ours = held / runs
        error = np.sqrt(0.09 / runs)
        said = f"correlation {r}: {ours:.3f} (plain errors {plain:.3f}) +- {error:.3f}"
        yield said, r > 0.5 or abs(ours - 0.9) <= 0.03


def _world(rng: np.random.Generator, periods: int) -> Floats:
    """Outcome of 20 geos: two common factors that wander, unequal loadings, noise of their own."""
    size = rng.uniform(50.0, 150.0, (20, 1))
    factors = 0.005 * np.cumsum(rng.standard_normal((2, periods)), axis=1)
    load = rng.uniform(0.7, 1.3, (20, 2))
    return np.asarray(size * (1.0 + load @ factors + 0.03 * rng.standard_normal((20, periods))))


def _power() -> Found:
    """Stated on one history each, against one test each on its own continuation."""
    runs, before, length, count, alpha = EFFORT.instances(711), 96, 8, 10, 0.1
    for effect in (0.0, 0.012, 0.02):
        rng = np.random.default_rng((20240607, int(1000 * effect)))
        found = own = held = 0
        stated = []
        for run in range(runs):
            outcome = _world(rng, before + length)
            chosen = rng.choice(20, count, replace=False)
            null = placebos(outcome[:, :before], count, length, "time_based_regression", run)
            outcome[chosen, before:] *= 1.0 + effect
            real = analyse(outcome, chosen, before, "time_based_regression")
            wide = Effect(real.value, real.error * null.scale, real.degrees)
            found += abs(wide.value) > _Z * wide.error
            own += abs(real.value) > _Z * real.error
            truth = effect / (1.0 + effect) * float(outcome[chosen, before:].sum())
            held += abs(wide.value - truth) <= _Z * wide.error
            stated.append(power_of(null, effect, alpha)["power"])
        error = float(np.sqrt(max(found / runs * (1.0 - found / runs), 0.01) / runs))
        said = (
            f"effect {effect:.1%}: stated {np.mean(stated):.3f}, found {found / runs:.3f} "
            f"+- {error:.3f} (unlengthened {own / runs:.3f}), coverage {held / runs:.3f}"
        )
        ok = abs(float(np.mean(stated)) - found / runs) <= 0.03 + 2.0 * error
        yield said, ok


def _any_time() -> Found:
    runs, length = EFFORT.instances(2000), 5000
    rng, n = np.random.default_rng(20240607), np.arange(1.0, 5001.0)
    half = stopping.any_time_half_width(n, 1.0, 0.01, 0.05)
    wrong = naive = 0
    found = []
    for _ in range(runs):
        mean = np.cumsum(rng.standard_normal(length)) / n
        wrong += bool((np.abs(mean) > half).any())
        naive += bool((np.abs(mean)[99:] > 1.959964 / np.sqrt(n[99:])).any())
        out = np.flatnonzero(np.abs(mean + 0.1) > half)
        found.append(int(out[0]) + 1 if out.size else length)
    said = (
        f"error {wrong / runs:.3f} (z at every look {naive / runs:.3f}); effect .1 found at "
        f"{np.median(found):.0f} in the median, {np.mean(found):.0f} in the mean"
    )
    yield said, 0.01 <= wrong / runs <= 0.06


def _cost() -> Found:
    outcome = _world(np.random.default_rng(1), 104)
    timed = measure(lambda: placebos(outcome, 10, 8, "time_based_regression", 0), repeats=3)
    said = f"300 placebos of 20 geos and 104 periods: {duration(timed.median)}"
    yield said, timed.median < 2.0


def _enter(name: str, cases: Callable[[], Found]) -> None:
    def rows(asked: Asked) -> Iterator[Row]:
        if asked(OURS):
            found = list(cases())
            verdict = "held" if all(ok for _, ok in found) else "MISSED"
            note = "; ".join(said for said, _ in found)
            yield Row(name=name, instances=str(len(found)), verdict=verdict, note=note)

    register("experiments", name, rows)


_enter("geo, coverage of 90 %, 4,000 runs", _coverage)
_enter("geo, power by placebo, 711 tests", _power)
_enter("any time, 5,000 observations", _any_time)
_enter("geo, cost of a design", _cost)
