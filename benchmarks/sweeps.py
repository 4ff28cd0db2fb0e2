"""Sweeps: fifty budgets in one request against one solve of the same problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from benchmarks.harness import Asked, cost, measure, register
from benchmarks.table import OURS, Row
from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Hill
from shared.plan.optimize import make_plan
from shared.plan.sweep import sweep
from shared.problem.model import Channel, Constraint, Horizon, Problem

__all__: list[str] = []

BUDGETS = np.linspace(0.5, 1.5, 50)
"""Of the sweep, as shares of the problem's own."""

AT_MOST = 5.0
"""Solves that a sweep may cost."""


def _problem(n: int, shapes: tuple[float, float], draws: int) -> Problem:
    """Channels with carryover and, if any, draws around their curves."""
    rng = np.random.default_rng(0)

    def channel(i: int) -> Channel:
        top, half = float(rng.uniform(5e4, 4e5)), float(rng.uniform(5e3, 6e4))
        curve = Hill(top, half, float(rng.uniform(*shapes)))
        near = tuple(
            Hill(top * float(a), half * float(b), curve.shape * float(c))
            for a, b, c in np.exp(rng.normal(size=(draws, 3)) * (0.3, 0.3, 0.1))
        )
        response = Response(curve, Geometric(0.4, normalised=True), near)
        return Channel(f"channel {i}", response, current_spend=1e4)

    return Problem(tuple(channel(i) for i in range(n)), budget=1e4 * n)


def _over_time() -> Problem:
    cap = Constraint("two", channels=("channel 0", "channel 1"), max_share=0.4)
    base = _problem(6, (0.6, 1.0), 0)
    return replace(base, budget=7.2e5, horizon=Horizon(periods=12), constraints=(cap,))


def _enter(name: str, make: Callable[[], Problem]) -> None:
    def rows(asked: Asked) -> Iterator[Row]:
        if asked(OURS):
            problem = make()
            plan = make_plan(problem)
            assert problem.budget is not None
            budgets = (problem.budget * BUDGETS).tolist()
            answered = sweep(plan, budgets)
            one = measure(lambda: make_plan(problem))
            many = measure(lambda: sweep(plan, budgets), repeats=3)
            note = f"largest gap {max(row['relative_gap'] for row in answered):.0e}"
            yield cost(name, many, peer=one, against="one solve", at_most=AT_MOST, note=note)

    register("sweep", name, rows)


for _n, _kind, _shapes, _draws in (
    (10, "concave", (0.6, 1.0), 0),
    (10, "S-shaped", (1.2, 3.0), 0),
    (20, "S-shaped", (1.2, 3.0), 0),
    (8, "concave", (0.6, 1.0), 200),
    (8, "S-shaped", (1.2, 3.0), 200),
):
    _enter(
        f"sweep of 50 budgets, {_n} {_kind}, {_draws} draws",
        lambda n=_n, shapes=_shapes, draws=_draws: _problem(n, shapes, draws),  # type: ignore[misc]
    )
_enter("sweep of 50 budgets, 6 concave over 12 periods with a share", _over_time)
