"""Small versions of the benchmark of allocators: regret, and splits whose curves are learnt."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.learning import BEST, SCALES, SIZES, A, kl_index, regret, thompson, ucb1
from shared.learn.allocators.decision import decide
from shared.learn.allocators.spec import AllocatorSpec, Event
from tests.learn.worlds import curved


def test_regret_is_that_of_the_table() -> None:
    found = {}
    for choose, expected, error in (
        (thompson, 6.61, 0.11),
        (kl_index, 7.50, 0.17),
        (ucb1, 24.95, 0.07),
    ):
        lost = regret(lambda _: np.array(A), 1000, 100, choose)[:, -1]
        own = float(lost.std(ddof=1)) / 10.0
        assert lost.mean() == pytest.approx(expected, abs=3.0 * np.hypot(own, error))
        found[choose] = lost.mean()
    assert max(found[thompson], found[kl_index]) < found[ucb1]


def test_splits_over_learnt_curves_come_near_the_optimum() -> None:
    spec: AllocatorSpec = curved(4.0 / 7.0, (70.0,) * 4)
    lost = []
    for run in range(2):
        rng, events = np.random.default_rng([1, run]), list[Event]()
        for t in range(20):
            told = decide(spec, spec.arms, events, t, 100.0)
            spend = np.array([row["spend"] for row in told["arms"]])
            brought = np.array(SIZES) * -np.expm1(-spend / np.array(SCALES))
            lost.append(1.0 - brought.sum() / BEST)
            seen = np.maximum(brought + 15.0 * rng.standard_normal(4), 0.0).tolist()
            for i, (x, y) in enumerate(zip(spend.tolist(), seen, strict=True)):
                own = Event(id=f"{t}-{i}", arm=f"arm-{i}", period=t, spend=x, value=y)
                events.append(own)
    each = np.array(lost).reshape(2, 20)
    assert each[:, 10:].mean() < 0.015
    assert each[:, 10:].mean() < each[:, :4].mean()
