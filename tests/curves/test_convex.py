"""Curves that rise ever faster, planned: what a budget or a ceiling then has to end."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Hill, MichaelisMenten, Power, Saturation
from shared.errors import InvalidInput
from shared.plan.optimize import answer, make_plan
from shared.problem.model import Channel, Constraint, Goal, Horizon, Problem, SolverOptions

OPTIONS = SolverOptions(gap=1e-4, time_limit_s=5.0)


def problem(seed: int, draws: int = 0) -> Problem:
    """Two convex powers (or a line), an S-curve now and then, and a concave curve."""
    rng = np.random.default_rng(seed)
    curves: tuple[Saturation, ...] = (
        Power(rng.uniform(0.01, 0.2), rng.uniform(1.1, 2.5)),
        Power(rng.uniform(0.5, 2.0), (1.0, 1.3)[seed % 2]),
        Hill(70.0, 20.0, rng.uniform(0.8, 2.0)),
        MichaelisMenten(60.0, 15.0),
    )
    ceilings = ((None, 40.0)[seed // 2 % 2], None, None, None)
    least = 15.0 * (seed % 3 == 0)
    return Problem(
        channels=tuple(
            Channel(
                name,
                Response(
                    curve,
                    Geometric(0.4) if seed % 4 == 3 else None,
                    tuple(curve.times(s).scaled(1.0 / s) for s in rng.lognormal(0.0, 0.2, draws)),
                ),
                max_spend=ceiling,
                minimum_if_active=least,
                current_spend=20.0,
            )
            for name, curve, ceiling in zip("abcd", curves, ceilings, strict=True)
        ),
        budget=80.0,
        options=OPTIONS,
    )


def best_of_a_grid(asked: Problem) -> float:
    """The most that a plan in steps of 2.5 % of the budget brings, all limits kept."""
    money = asked.one_budget
    shares = np.array([s for s in itertools.product(range(41), repeat=3) if sum(s) <= 40]) / 40.0
    spends = money * np.concatenate((shares, 1.0 - shares.sum(axis=1, keepdims=True)), axis=1)
    spends = np.maximum(spends, 0.0)
    kept, total = np.ones(len(spends), dtype=bool), np.zeros(len(spends))
    for channel, spend in zip(asked.channels, spends.T, strict=True):
        response = channel.response
        ceiling = np.inf if channel.max_spend is None else channel.max_spend
        kept &= spend <= ceiling + 1e-9
        kept &= (spend < 1e-9) | (spend >= channel.minimum_if_active - 1e-9)
        carried = 1.0 if response.adstock is None else response.adstock.total_weight()
        curves = response.draws or (response.saturation,)
        total += np.mean([curve.value(carried * spend) for curve in curves], axis=0)
    return float(total[kept].max())


@pytest.mark.parametrize("draws", [0, 5])
@pytest.mark.parametrize("seed", range(12))
def test_the_plan_is_the_best_of_all(seed: int, draws: int) -> None:
    asked = problem(seed, draws)
    found = answer(make_plan(asked))
    certificate, best = found["certificate"], best_of_a_grid(asked)
    assert certificate["proven"] is True
    assert certificate["relative_gap"] <= 2e-4
    assert best <= certificate["upper_bound"] * (1.0 + 1e-9)
    assert found["totals"]["outcome"] >= best * (1.0 - 2e-4)


def test_two_convex_curves_share_nothing() -> None:
    """A sum of convex functions is largest at a corner: everything goes to one of them."""
    channels = tuple(
        Channel(name, Response(Power(size, power)), max_spend=most)
        for name, size, power, most in (
            ("a", 0.02, 2.0, None),
            ("b", 0.5, 1.2, None),
            ("c", 0.9, 1.1, 30.0),
        )
    )
    # 100 to a: 200; 100 to b: 125.6; 30 to c beside 70 to a: 98 + 37.9.
    found = answer(make_plan(Problem(channels, budget=100.0, options=OPTIONS)))
    assert [row["spend"] for row in found["allocation"]] == pytest.approx([100.0, 0.0, 0.0])
    assert found["totals"]["outcome"] == pytest.approx(200.0)
    assert found["certificate"]["relative_gap"] <= 1e-6


def test_over_periods_all_comes_at_once() -> None:
    """What is convex and carries nothing over is best spent in one period, up to its ceiling."""
    one = Channel("a", Response(Power(0.1, 2.0)), max_spend=60.0)
    asked = Problem((one,), budget=100.0, horizon=Horizon(3), options=OPTIONS)
    found = answer(make_plan(asked))
    spends = sorted(period["spend"] for period in found["allocation"][0]["periods"])
    assert spends == pytest.approx([0.0, 40.0, 60.0], abs=1e-6)
    assert found["totals"]["outcome"] == pytest.approx(0.1 * (60.0**2 + 40.0**2))


def test_without_an_end_of_the_money_more_is_always_better() -> None:
    channels = (
        Channel("a", Response(Power(0.1, 1.5))),
        Channel("b", Response(MichaelisMenten(60.0, 15.0))),
    )
    asked = Problem(channels, None, goal=Goal("maximize_profit", value_per_outcome=2.0))
    with pytest.raises(InvalidInput, match="more money is always better"):
        make_plan(asked)
    ended = replace(channels[0], max_spend=50.0)
    found = answer(make_plan(replace(asked, channels=(ended, channels[1]))))
    # b: 2 f'(x) = 1 at 15 (sqrt(8) - 1).
    want = [50.0, 15.0 * (np.sqrt(8.0) - 1.0)]
    assert [row["spend"] for row in found["allocation"]] == pytest.approx(want, rel=1e-4)
    # A rule over both leaves no break-even of each alone.
    rule = Constraint("both", ("a", "b"), min_spend=10.0)
    found = answer(make_plan(replace(asked, channels=(ended, channels[1]), constraints=(rule,))))
    assert [row["spend"] for row in found["allocation"]] == pytest.approx(want, rel=1e-4)
