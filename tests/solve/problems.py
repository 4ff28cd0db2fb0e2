"""Random problems for the solver's tests: built straight as arrays, every family, any scale."""

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
    Tabulated,
)
from shared.curves.stack import stack, stack_draws
from shared.problem.aim import Aim
from shared.problem.model import SolverOptions
from shared.problem.proof import Cut, Leaf, Proof, SplitDecision
from shared.solve import solver
from shared.solve.certify.certificate import Certificate, certify
from shared.solve.one_budget.form import OneBudget
from shared.solve.search import Solution

CONCAVE = ("hill", "exponential", "logistic", "michaelis_menten", "logarithmic", "power")
ALL = (*CONCAVE, "s_hill", "sigmoid", "tabulated")


def curve(rng: np.random.Generator, kind: str) -> Saturation:
    """A random curve with a size and a scale of spend about 1."""
    top, half = float(rng.lognormal(0, 0.7)), float(rng.lognormal(0, 0.7))
    match kind:
        case "hill":
            return Hill(top, half, rng.uniform(0.4, 1.0))
        case "s_hill":
            return Hill(top, half, rng.uniform(1.2, 4.0))
        case "exponential":
            return Exponential(top, 1 / half)
        case "logistic":
            return Logistic(top, 1 / half)
        case "michaelis_menten":
            return MichaelisMenten(top, half)
        case "sigmoid":
            return Sigmoid(top, half, rng.uniform(2, 8) / half)
        case "logarithmic":
            return Logarithmic(top, half)
        case "power":
            return Power(top, rng.uniform(0.3, 1.0))
        case "tabulated":
            x = np.concatenate(([0.0], np.cumsum(rng.uniform(0.05, 0.6, 5))))
            y = np.concatenate(([0.0], np.cumsum(rng.uniform(0.0, 0.6, 5))))
            return Tabulated(tuple(x), tuple(y))
    raise ValueError(kind)


def boxes(
    curves: list[Saturation],
    budget: float,
    *,
    lower: object = None,
    upper: object = None,
    spend_all: bool = True,
    draws: list[list[Saturation]] | None = None,
    current: object = None,
) -> OneBudget:
    """A problem over the curves; bounds default to 0 and the budget."""
    n = len(curves)
    low = np.zeros(n) if lower is None else np.asarray(lower, dtype=float)
    high = np.full(n, budget) if upper is None else np.minimum(np.asarray(upper, float), budget)
    return OneBudget(
        names=tuple(f"c{i}" for i in range(n)),
        curves=stack(curves),
        draws=None if draws is None else stack_draws(draws),
        current=np.full(n, np.nan) if current is None else np.asarray(current, dtype=float),
        lower=low,
        upper=high,
        lower_by=("",) * n,
        upper_by=("budget",) * n,
        budget=budget,
        spend_all=spend_all,
    )


def random_problem(
    rng: np.random.Generator, n: int, kinds: tuple[str, ...] = ALL, draws: int = 0
) -> OneBudget:
    """Random curves of ``kinds``, a budget from tight to ample, some channels with bounds."""
    curves = [curve(rng, str(rng.choice(kinds))) for _ in range(n)]
    budget = float(rng.uniform(0.1, 0.9) * n)
    lower, upper = np.zeros(n), np.full(n, budget)
    for i in range(n):
        if rng.random() < 0.25:
            lower[i] = rng.uniform(0, 0.5 * budget / n)
        if rng.random() < 0.25:
            upper[i] = lower[i] + rng.uniform(0.3, 1.0) * budget
    if upper.sum() < budget:
        upper[:] = budget
    samples = [[shaken(rng, c) for _ in range(draws)] for c in curves] if draws else None
    return boxes(curves, budget, lower=lower, upper=upper, draws=samples)


def twins(rng: np.random.Generator, n: int, draws: int = 0) -> OneBudget:
    """Channels of which many are copies of each other, some but for their bounds."""
    kinds = ("s_hill", "sigmoid", "exponential")
    few = [curve(rng, str(rng.choice(kinds))) for _ in range(2)]
    pick = rng.integers(0, 2, n)
    budget = float(rng.uniform(0.1, 0.9) * n)
    lower = np.where(rng.random(n) < 0.15, 0.1 * budget / n, 0.0)
    samples = [[shaken(rng, c) for _ in range(draws)] for c in few]
    return boxes(
        [few[i] for i in pick],
        budget,
        lower=lower,
        draws=[samples[i] for i in pick] if draws else None,
    )


def shaken(rng: np.random.Generator, curve: Saturation) -> Saturation:
    """The curve with every parameter moved by about 30 % (exponents and tables by less)."""
    if isinstance(curve, Tabulated):
        return Tabulated(curve.spend, tuple(np.array(curve.response) * rng.lognormal(0, 0.3)))
    moved = {name: v * rng.lognormal(0, 0.3) for name, v in curve.parameters().items()}
    if "exponent" in moved:
        moved["exponent"] = min(moved["exponent"], 1.0)
    if "shape" in moved and curve.parameters()["shape"] <= 1.0:
        moved["shape"] = min(moved["shape"], 1.0)
    return type(curve)(**moved)


def random_plans(rng: np.random.Generator, problem: OneBudget, count: int) -> np.ndarray:
    """Feasible plans (count, n): corners, near-corners and mixtures."""
    low, room = problem.lower, problem.upper - problem.lower
    out = []
    for _ in range(count):
        weight = rng.gamma(rng.choice([0.05, 0.3, 1.0, 3.0]), size=problem.n) + 1e-300
        x, left = low.copy(), problem.budget - low.sum()
        for _ in range(60):
            free = (problem.upper - x) > 1e-15 * problem.budget
            if left <= 1e-15 * problem.budget or not free.any():
                break
            share = np.where(free, weight, 0.0)
            step = np.minimum(left * share / share.sum(), problem.upper - x)
            x, left = x + step, left - step.sum()
        if left <= 1e-12 * problem.budget:
            out.append(np.minimum(x, low + room))
    return np.array(out).reshape(-1, problem.n)


def on_grid(problem: OneBudget, steps: int) -> float:
    """The best plan in multiples of budget / steps, by dynamic programming (bounds kept)."""
    grid = np.linspace(0.0, problem.budget, steps + 1)
    value = problem.outcome(np.repeat(grid[:, None], problem.n, axis=1))
    hair = 1e-12 * problem.budget
    allowed = (grid[:, None] >= problem.lower - hair) & (grid[:, None] <= problem.upper + hair)
    value = np.where(allowed, value, -np.inf)
    best = value[:, 0]
    for i in range(1, problem.n):
        best = np.array([np.max(best[: k + 1] + value[k::-1, i]) for k in range(steps + 1)])
    return float(best[-1])


def solve(problem: OneBudget, options: SolverOptions, start: np.ndarray | None = None) -> Solution:
    """What the one door answers; ``start`` is (n,)."""
    return solver.solve(problem.program(), options, None if start is None else start[:, None])


def certified(
    problem: OneBudget, spend: np.ndarray, proof: Proof, aim: Aim | None = None
) -> Certificate:
    """The certificate of a plan (n,) of one budget."""
    program = problem.program()
    return certify(program if aim is None else program.aimed(aim), spend[:, None], proof)


def leaf(price: float, count_price: float = 0.0) -> Leaf:
    """A region that ends at a price of money, and of being counted."""
    return Leaf(np.array([price]), count_price=count_price)


def split(channel: int, at: float, below: int, above: int) -> SplitDecision:
    """One channel below and above a spend."""
    return SplitDecision(channel, 0, at, below, above)


def cut(
    price: float,
    channels: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    child: int,
    count_price: float = 0.0,
) -> Cut:
    """Channels narrowed at a price."""
    return Cut(leaf(price, count_price), channels, lower, upper, child)
