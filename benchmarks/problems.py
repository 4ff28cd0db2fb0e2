"""Random problems with a stated seed, straight as arrays; no rows of its own."""

from __future__ import annotations

import numpy as np

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
from shared.curves.stack import CurveStack, DrawStack, Group, stack, stack_draws
from shared.problem.canonical import Canonical

__all__ = ["SEED", "concave", "identical", "over_draws", "s_shaped"]

SEED = 20_240_607


def _problem(curves: CurveStack, budget: float, draws: DrawStack | None = None) -> Canonical:
    n = curves.n
    return Canonical(
        names=tuple(map(str, range(n))),
        curves=curves,
        draws=draws,
        current=np.full(n, np.nan),
        lower=np.zeros(n),
        upper=np.full(n, budget),
        lower_by=("",) * n,
        upper_by=("budget",) * n,
        budget=budget,
        spend_all=True,
    )


def concave(rng: np.random.Generator, n: int) -> Canonical:
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
    return _problem(CurveStack(n, tuple(groups)), 0.5 * n)


def s_shaped(rng: np.random.Generator, n: int) -> Canonical:
    """Hill (shape 1.2 to 4) and sigmoid in turn; budgets from tight to half of what saturates."""
    curves: list[Saturation] = []
    for i in range(n):
        top, half = rng.lognormal(0, 0.7), rng.lognormal(0, 0.7)
        if i % 2:
            curves.append(Hill(top, half, rng.uniform(1.2, 4)))
        else:
            curves.append(Sigmoid(top, half, rng.uniform(2, 8) / half))
    return _problem(stack(curves), float(rng.uniform(0.1, 0.6)) * n)


def identical(n: int, rng: np.random.Generator | None = None) -> Canonical:
    """S-curves that no bound can tell apart: the same, or with ``rng`` the same but for 1 %."""
    noise = np.zeros((n, 2)) if rng is None else 0.01 * rng.standard_normal((n, 2))
    share = 0.37 if rng is None else float(rng.uniform(0.1, 0.6))
    return _problem(stack([Hill(np.exp(a), np.exp(b), 3.0) for a, b in noise]), share * n)


def over_draws(rng: np.random.Generator, n: int, draws: int) -> Canonical:
    """S-shaped curves known only up to about 30 % in every parameter."""
    points: list[Saturation] = []
    samples: list[list[Saturation]] = []
    for i in range(n):
        top, half, bend = rng.lognormal(0, 0.7), rng.lognormal(0, 0.7), rng.uniform(1.2, 4)
        z = 0.3 * rng.standard_normal((draws, 3))
        t, h = top * np.exp(z[:, 0]), half * np.exp(z[:, 1])
        each: list[Saturation]
        if i % 2:
            points.append(Hill(top, half, bend))
            each = [Hill(a, b, c) for a, b, c in zip(t, h, bend * np.exp(z[:, 2] / 2), strict=True)]
        else:
            points.append(Sigmoid(top, half, 5 / half))
            steep = 5 / half * np.exp(z[:, 2] / 2)
            each = [Sigmoid(a, b, c) for a, b, c in zip(t, h, steep, strict=True)]
        samples.append(each)
    budget = float(rng.uniform(0.2, 0.6)) * n
    return _problem(stack(points), budget, stack_draws(samples))
