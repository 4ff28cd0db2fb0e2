"""Random problems of one budget straight as arrays: concave, S-shaped, and all alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import (
    Exponential,
    Hill,
    Logarithmic,
    Logistic,
    MichaelisMenten,
    Power,
    Saturation,
    Sigmoid,
)
from shared.curves.stack import CurveStack, Group, stack
from shared.solve.one_budget.form import OneBudget

__all__ = ["alike", "concave", "identical", "s_shaped"]


def _problem(curves: CurveStack, budget: float) -> OneBudget:
    n = curves.n
    return OneBudget(
        names=tuple(map(str, range(n))),
        curves=curves,
        draws=None,
        current=np.full(n, np.nan),
        lower=np.zeros(n),
        upper=np.full(n, budget),
        lower_by=("",) * n,
        upper_by=("budget",) * n,
        budget=budget,
        spend_all=True,
    )


def concave(rng: np.random.Generator, n: int) -> OneBudget:
    """Six concave families in turn, sizes and scales of spend lognormal."""
    top, half = rng.lognormal(0, 1, n), rng.lognormal(0, 1, n)
    bend, exponent = rng.uniform(0.5, 1.0, n), rng.uniform(0.3, 0.9, n)
    groups = []
    for k in range(min(6, n)):
        at = np.arange(k, n, 6)
        t, h = top[at], half[at]
        curve: Saturation = (
            Hill(t, h, bend[at]),
            Exponential(t, 1 / h),
            Logistic(t, 1 / h),
            MichaelisMenten(t, h),
            Logarithmic(t, h),
            Power(t, exponent[at]),
        )[k]
        groups.append(Group(at, curve))
    return _problem(CurveStack(n, tuple(groups)), float(rng.uniform(0.1, 1.0)) * n)


def s_shaped(rng: np.random.Generator, n: int) -> OneBudget:
    """Hill (shape 1.2 to 4) and sigmoid in turn; budgets from tight to half of what saturates."""
    top, half = rng.lognormal(0, 0.7, n), rng.lognormal(0, 0.7, n)
    shape, steep = rng.uniform(1.2, 4, n), rng.uniform(2, 8, n)
    even, odd = np.arange(0, n, 2), np.arange(1, n, 2)
    groups = (
        Group(even, Sigmoid(top[even], half[even], steep[even] / half[even])),
        Group(odd, Hill(top[odd], half[odd], shape[odd])),
    )
    return _problem(CurveStack(n, groups), float(rng.uniform(0.1, 0.6)) * n)


def identical(rng: np.random.Generator, n: int) -> OneBudget:
    """S-curves that no bound can tell apart, at a random budget."""
    return _alike(np.zeros((n, 2)), rng)


def alike(rng: np.random.Generator, n: int) -> OneBudget:
    """The same but for 1 % of size and scale."""
    return _alike(0.01 * rng.standard_normal((n, 2)), rng)


def _alike(noise: NDArray[np.float64], rng: np.random.Generator) -> OneBudget:
    n = len(noise)
    curves: list[Saturation] = [Hill(float(np.exp(a)), float(np.exp(b)), 3.0) for a, b in noise]
    return _problem(stack(curves), float(rng.uniform(0.1, 0.6)) * n)
