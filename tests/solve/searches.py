"""Random programs for the search: one period with rows and choices, and plans with carryover."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shared.curves.saturation import Hill
from shared.curves.stack import stack
from shared.problem.program import AtMost, Program, Rows

Array = np.ndarray


def curves_of(rng: np.random.Generator, arms: int, s_shaped: bool) -> list[Hill]:
    """Hill curves, all S-shaped or all concave."""
    shape = (1.3, 3.0) if s_shaped else (0.6, 1.0)
    return [
        Hill(rng.uniform(50.0, 500.0), rng.uniform(20.0, 60.0), rng.uniform(*shape))
        for _ in range(arms)
    ]


def one_period(
    seed: int,
    arms: int,
    budget: float,
    *,
    s_shaped: bool = True,
    least: float = 0.0,
    lot: float = 0.0,
    most: int | None = None,
    share: bool = False,
    group: bool = False,
) -> Program:
    """A budget to be spent, and what is asked for on top of it."""
    rng = np.random.default_rng(seed)
    curves = curves_of(rng, arms, s_shaped)
    rows, low, high, names = [np.ones(arms)], [budget], [budget], ["budget"]
    half = np.arange(arms) < arms // 2
    if group:
        rows, low, high = [*rows, half * 1.0], [*low, -np.inf], [*high, 0.4 * budget]
        names.append("cap")
    if share:
        last = np.arange(arms) == arms - 1
        rows, low, high = [*rows, last - 0.15], [*low, 0.0], [*high, np.inf]
        names.append("share")
    ones = np.ones((arms, 1))
    return Program(
        names=tuple(f"c{i}" for i in range(arms)),
        lower=0.0 * ones,
        upper=budget * ones,
        least_active=least * ones,
        lower_by=("",) * arms,
        upper_by=("budget",) * arms,
        lot=np.full(arms, lot),
        rows=Rows(np.array(rows), np.array(low), np.array(high), tuple(names)),
        spread=np.ones((arms, 1, 1)),
        carry=np.ones((arms, 1, 1)),
        carry_in=0.0 * ones,
        weight=ones,
        curves=stack(curves),
        at_most=() if most is None else (AtMost("active", tuple(range(arms)), most),),
        scale=budget,
    )


def over_time(
    seed: int, arms: int, periods: int, budget: float, *, s_shaped: bool = True
) -> Program:
    """A plan with geometric carryover and one budget for all periods."""
    rng = np.random.default_rng(seed)
    curves = curves_of(rng, arms, s_shaped)
    decay = rng.uniform(0.1, 0.7, arms)
    age = np.subtract.outer(np.arange(periods), np.arange(periods))
    carry = np.where(age >= 0, decay[:, None, None] ** np.maximum(age, 0), 0.0)
    flat = np.zeros((arms, periods))
    return Program(
        names=tuple(f"c{i}" for i in range(arms)),
        lower=flat,
        upper=flat + budget,
        least_active=flat,
        lower_by=("",) * arms,
        upper_by=("budget",) * arms,
        lot=np.zeros(arms),
        rows=Rows(
            np.ones((1, arms * periods)), np.array([budget]), np.array([budget]), ("budget",)
        ),
        spread=np.tile(np.eye(periods), (arms, 1, 1)),
        carry=carry,
        carry_in=flat,
        weight=np.tile(rng.uniform(0.8, 1.2, periods), (arms, 1)),
        curves=stack(curves),
        scale=budget,
    )


def best_on_grid(
    program: Program, budget: float, steps: int, allowed: Callable[[Array], bool]
) -> float:
    """The best objective over all ways to split ``budget`` into ``steps`` equal parts."""
    size = program.lower.size

    def ways(cells: int, left: int) -> list[tuple[int, ...]]:
        if cells == 1:
            return [(left,)]
        return [(k, *rest) for k in range(left + 1) for rest in ways(cells - 1, left - k)]

    best = -np.inf
    for way in ways(size, steps):
        u = np.array(way, dtype=float).reshape(program.lower.shape) * (budget / steps)
        if program.violation(u) <= 1e-9 and allowed(u):
            best = max(best, program.objective(u))
    return best
