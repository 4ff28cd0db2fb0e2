"""Policies: what learners reach of the exact optimum, on small problems and on the sample brand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from math import comb
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import EFFORT, Asked, register
from benchmarks.table import OURS, Row
from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Hill
from shared.learn.policies.decisions import Decisions, constant, follow, solve
from shared.learn.policies.learners import fitted_q, q_learning
from shared.learn.policies.spending import Asked as AskedPolicy
from shared.learn.policies.spending import Market, Spending, spending_of
from shared.problem.model import Channel, Goal, Horizon, Problem

__all__: list[str] = []

Floats = NDArray[np.float64]

_BRAND = Path(__file__).resolve().parent.parent / "samples" / "brand.csv"
_GOAL = Goal(goal="maximize_profit", value_per_outcome=1.0)


def _reference() -> tuple[Decisions, Floats, Floats]:
    """Goodwill 0 to 12, of which a binomial part of .6 stays; spend 0 to 4; discount .9."""
    after, chance = np.zeros((13, 5, 13), dtype=np.int64), np.zeros((13, 5, 13))
    for g, u in itertools.product(range(13), range(5)):
        for k in range(g + 1):
            after[g, u, k] = min(12, k + u)
            chance[g, u, k] = comb(g, k) * 0.6**k * 0.4 ** (g - k)
    level = np.arange(13.0)
    decisions = Decisions(
        after,
        chance,
        np.ones((13, 5), dtype=bool),
        np.arange(5.0),
        (6.0 * level / (level + 4.0))[None],
        np.arange(13),
        np.ones(13),
        np.ones(1),
        np.ones(1),
        np.zeros(13),
        0.9,
        True,
    )
    return decisions, np.eye(13)[0], level[:, None]


def _posed(periods: int, budget: float | None) -> Problem:
    response = Response(Hill(300.0, 40.0, 1.0), Geometric(0.5))
    channel = Channel("tv", response, 10.0, max_spend=60.0)
    horizon = Horizon(periods)
    return Problem((channel,), budget, spend_all=False, goal=_GOAL, horizon=horizon)


def _parts(spending: Spending) -> tuple[Decisions, Floats, Floats]:
    return spending.decisions, spending.start, spending.features()


def _small() -> dict[str, tuple[Decisions, Floats, Floats]]:
    market = AskedPolicy(levels=4, market=Market((0.1, 1.9), 0.9, 0))
    budget = AskedPolicy(levels=3, market=Market((0.2, 1.8), 0.9, 0))
    return {
        "reference, for ever": _reference(),
        "market, 5 periods": _parts(spending_of(_posed(5, None), market, 5)),
        "market and budget, 6 periods": _parts(spending_of(_posed(6, 60.0), budget, 5)),
    }


def _gap(decisions: Decisions, start: Floats, value: float) -> float:
    """The share of the gap between the best constant spend and the optimum."""
    best = follow(decisions, solve(decisions).rule, start).value
    each = [follow(decisions, constant(decisions, a), start) for a in range(decisions.actions)]
    base = max(one.value for one in each)
    return (value - base) / (best - base)


Found = Iterator[tuple[str, list[float], float]]
"""What is said of each case, the shares of the gap that were reached, and the least they should."""


def _q_learning() -> Found:
    for said, (decisions, start, _) in _small().items():
        for steps in (50_000, 200_000, 400_000):
            shares = [
                _gap(decisions, start, follow(decisions, rule, start).value)
                for rule in (
                    q_learning(decisions, start, steps, seed).rule
                    for seed in range(EFFORT.instances(10))
                )
            ]
            least = 0.9 if steps == 400_000 else -np.inf
            yield f"{said}, {steps:,} steps", shares, least


def _fitted_small() -> Found:
    for said, (decisions, start, features) in _small().items():
        shares = [
            _gap(decisions, start, follow(decisions, rule, start).value)
            for rule in (
                fitted_q(decisions, features, seed).rule for seed in range(EFFORT.instances(5))
            )
        ]
        yield said, shares, 0.8


def _brand() -> Found:
    """Learnt on half of the fitted draws, judged on the others, on a table of 21 goodwills."""
    from shared.api.reading import read_optimize
    from shared.api.translate import problem_of
    from shared.fit.pipeline import fit_history
    from shared.history.parse import parse
    from shared.learn.policies.answer import policies
    from shared.learn.policies.spending import alone

    spec = json.loads(_BRAND.with_name("brand_spec.json").read_text("utf-8"))
    parsed = parse(spec, _BRAND.read_bytes(), None)
    curves = fit_history(parsed.history, parsed.spec, draws=200).curve_set
    cases = {
        "radio, a market": (None, Market((0.6, 1.4), 0.8)),
        "radio, a market and a budget": (100_000.0, Market((0.6, 1.4), 0.8, 0)),
        "search, nothing random": (None, Market()),
    }
    for said, (budget, market) in cases.items():
        base = {
            "dataset": "brand",
            "objective": {"goal": "maximize_profit", "value_per_outcome": 1.0},
            "horizon": {"periods": 13},
            **({} if budget is None else {"budget": budget}),
        }
        problem = alone(problem_of(read_optimize(base), curves), said.partition(",")[0])
        told = [
            policies(problem, AskedPolicy(9, market, ("fitted_q",), seed=seed))["learnt"][0]
            for seed in range(EFFORT.instances(5))
        ]
        yield said, [row["share_of_gap"] for row in told], 0.8


def _enter(name: str, cases: Callable[[], Found]) -> None:
    def rows(asked: Asked) -> Iterator[Row]:
        if asked(OURS):
            found = list(cases())
            held = all(min(shares) >= least for _, shares, least in found)
            note = "; ".join(
                f"{said}: share of the gap worst {min(shares):.3f}, median {np.median(shares):.3f}"
                for said, shares, _ in found
            )
            verdict = "held" if held else "MISSED"
            yield Row(name=name, instances=str(len(found)), verdict=verdict, note=note)

    register("policies", name, rows)


_enter("Q-learning, small problems", _q_learning)
_enter("fitted Q, small problems", _fitted_small)
_enter("fitted Q, brand", _brand)
