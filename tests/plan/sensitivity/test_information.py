"""The value of knowing a curve: closed cases, brute force over plans, and what it never is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, Saturation
from shared.plan.information import value_of_information
from shared.problem.model import Channel, Problem
from tests.arrays import arrays_of


def channel(name: str, draws: list[Saturation], **limits: float) -> Channel:
    return Channel(name, Response(draws[0], draws=tuple(draws)), **limits)


def random_problem(seed: int, count: int = 12) -> Problem:
    rng = np.random.default_rng(seed)

    def draws(shape: float) -> list[Saturation]:
        tops, halves = (
            100 * np.exp(rng.normal(size=count)),
            30 * np.exp(0.4 * rng.normal(size=count)),
        )
        return [Hill(float(t), float(h), shape) for t, h in zip(tops, halves, strict=True)]

    return Problem(
        (
            channel("a", draws(1.0)),
            channel("b", draws(2.2), min_spend=5.0),
            channel("c", draws(0.8), max_spend=40.0),
        ),
        budget=100.0,
    )


def counted(problem: Problem, steps: int) -> tuple[np.ndarray, float]:
    """By listing every plan of so many steps and every draw."""
    task = arrays_of(problem)
    assert task.draws is not None
    free = task.budget - task.lower.sum()
    grid = [np.array([i, j, steps - i - j]) for i in range(steps + 1) for j in range(steps + 1 - i)]
    plans = task.lower + np.array(grid) * free / steps
    plans = plans[np.all(plans <= task.upper + 1e-9, axis=1)]
    each = np.stack([task.draws.value(x) for x in plans])  # (N, S, n)
    mean = each.mean(axis=1)
    base = mean.sum(axis=1).max()
    gains = []
    for i in range(3):
        rest = mean.sum(axis=1) - mean[:, i]
        gains.append((each[:, :, i] + rest[:, None]).max(axis=0).mean() - base)
    whole = each.sum(axis=2)
    return np.array(gains), float((whole.max(axis=0) - whole[mean.sum(axis=1).argmax()]).mean())


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_counting_every_plan_gives(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.plan.information.STEPS", 60)
    problem = random_problem(seed)
    found = value_of_information(arrays_of(problem))
    assert found is not None
    gains, total = counted(problem, 60)
    np.testing.assert_allclose(found.channels, gains, rtol=1e-9, atol=1e-9)
    assert found.total == pytest.approx(total, rel=1e-9)


def test_a_curve_that_is_known_is_worth_nothing_to_know() -> None:
    problem = random_problem(1)
    known = channel("a", [Exponential(90.0, 0.02)] * 12)
    found = value_of_information(
        arrays_of(replace(problem, channels=(known, *problem.channels[1:])))
    )
    assert found is not None
    assert found.channels[0] == 0.0
    assert found.channels[1] > 0.0


def test_no_draws_no_value() -> None:
    bare = Channel("a", Response(Exponential(9.0, 0.1)))
    assert value_of_information(arrays_of(Problem((bare,), budget=10.0))) is None


def test_locked_money_leaves_nothing_to_learn() -> None:
    held = channel("a", [Exponential(9.0, 0.1)] * 20, min_spend=10.0)
    assert value_of_information(arrays_of(Problem((held,), budget=10.0))) is None
