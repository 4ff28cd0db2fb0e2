"""Random programs in arrays, and a bound of their multipliers by brute force."""

from __future__ import annotations

import numpy as np
from problems import CONCAVE, curve, shaken

from shared.curves.saturation import Saturation
from shared.curves.stack import stack, stack_draws
from shared.problem.program import Program, Rows


def rows(
    matrix: object = None, lower: object = None, upper: object = None, *, width: int = 0
) -> Rows:
    """Rows named r0, r1, ...; none by default."""
    a = np.zeros((0, width)) if matrix is None else np.atleast_2d(np.asarray(matrix, float))
    m = len(a)
    low = np.full(m, -np.inf) if lower is None else np.asarray(lower, float).reshape(m)
    high = np.full(m, np.inf) if upper is None else np.asarray(upper, float).reshape(m)
    return Rows(a, low, high, tuple(f"r{i}" for i in range(m)))


def program(
    curves: list[Saturation],
    lower: object,
    upper: object,
    limits: Rows,
    *,
    carry: object = None,
    carry_in: object = None,
    weight: object = None,
    spread: object = None,
    draws: list[list[Saturation]] | None = None,
    draw_weights: np.ndarray | None = None,
    least_active: object = 0.0,
    value: float = 1.0,
    cost: float = 0.0,
) -> Program:
    """A program over the curves; without ``carry`` spend works in its own period only."""
    n = len(curves)
    low = np.asarray(lower, float).reshape(n, -1)
    k = low.shape[1]
    eye = np.broadcast_to(np.eye(k), (n, k, k))
    links = eye if carry is None else np.asarray(carry, float)
    h = links.shape[1]
    return Program(
        names=tuple(f"c{i}" for i in range(n)),
        lower=low,
        upper=np.asarray(upper, float).reshape(n, k),
        least_active=np.broadcast_to(np.asarray(least_active, float), (n, k)),
        lower_by=("",) * n,
        upper_by=("",) * n,
        lot=np.zeros(n),
        rows=limits,
        spread=np.array(eye if spread is None else spread, dtype=float),
        carry=np.array(links),
        carry_in=np.zeros((n, h)) if carry_in is None else np.asarray(carry_in, float),
        weight=np.ones((n, h)) if weight is None else np.asarray(weight, float),
        curves=stack(curves),
        draws=None if draws is None else stack_draws(draws),
        draw_weights=draw_weights,
        value=value,
        cost=cost,
    )


def geometric(periods: int, decays: np.ndarray) -> np.ndarray:
    """(arms, periods, periods) carryover matrices, normalised."""
    lag = np.arange(periods)[:, None] - np.arange(periods)[None, :]
    with np.errstate(over="ignore"):
        power = decays[:, None, None] ** np.maximum(lag, 0)
    return np.where(lag >= 0, power * (1 - decays[:, None, None]), 0.0)


def adstock_plan(
    rng: np.random.Generator,
    n: int,
    periods: int,
    kinds: tuple[str, ...] = CONCAVE,
    *,
    per_period: bool = False,
    draws: int = 0,
) -> Program:
    """One budget (or one per period) over ``n`` channels with geometric carryover."""
    curves = [curve(rng, str(rng.choice(kinds))) for _ in range(n)]
    budget = float(rng.uniform(0.2, 0.8) * n * periods)
    ones = np.ones(n * periods)
    if per_period:
        matrix = np.tile(np.eye(periods), (1, n))
        limits = rows(
            matrix, np.full(periods, budget / periods), np.full(periods, budget / periods)
        )
    else:
        limits = rows(ones, [budget], [budget])
    samples = [[shaken(rng, c) for _ in range(draws)] for c in curves] if draws else None
    return program(
        curves,
        np.zeros((n, periods)),
        np.full((n, periods), 4.0 * budget / (n * periods) + budget / n * 0.2),
        limits,
        carry=geometric(periods, rng.uniform(0.1, 0.8, n)),
        carry_in=rng.uniform(0, 0.3, (n, periods)) * 0.5 ** np.arange(periods),
        weight=rng.uniform(0.7, 1.3, (n, periods)),
        draws=samples,
    )


def grouped(rng: np.random.Generator, n: int, kinds: tuple[str, ...] = CONCAVE) -> Program:
    """One period: a budget, group caps and floors, a share of the total."""
    curves = [curve(rng, str(rng.choice(kinds))) for _ in range(n)]
    budget = float(rng.uniform(0.2, 0.8) * n)
    matrix, low, high = [np.ones(n)], [budget], [budget]
    group = rng.integers(0, max(2, n // 8), n)
    for g in range(group.max() + 1):
        inside = (group == g).astype(float)
        if not inside.any():
            continue
        fair = budget * inside.sum() / n
        matrix.append(inside)
        low.append(fair * rng.uniform(0.2, 0.8) if rng.random() < 0.5 else -np.inf)
        high.append(fair * rng.uniform(1.05, 1.5) if rng.random() < 0.5 else np.inf)
    share = (group == 0) - 0.5
    matrix.append(share)
    low.append(-np.inf)
    high.append(0.0)
    upper = np.full(n, budget / n * 10)
    return program(curves, np.zeros(n), np.minimum(upper, budget), rows(matrix, low, high))


def random_program(
    rng: np.random.Generator, n: int, periods: int, kinds: tuple[str, ...], decades: float = 0.0
) -> Program:
    """Anything that is feasible: random rows (one of them twice), equations, fixed decisions,
    carry-in, spends and responses over so many decades."""
    money = 10 ** rng.uniform(-decades / 2, decades / 2, n)
    curves = []
    for i in range(n):
        plain = curve(rng, str(rng.choice(kinds))).scaled(1 / money[i])
        given = plain.parameters()
        top = next((k for k in ("max_response", "coefficient") if k in given), None)
        if top is not None:
            given[top] *= 10 ** rng.uniform(-decades / 2, decades / 2)
        curves.append(type(plain)(**given))
    shape = (n, periods)
    low = np.where(rng.random(shape) < 0.2, rng.uniform(0, 0.3, shape), 0)
    high = np.where(rng.random(shape) < 0.2, low + rng.uniform(0, 1, shape), 6.0)
    high = np.where(rng.random(shape) < 0.1, low, high)
    low, high = low * money[:, None], high * money[:, None]
    inside = low + rng.uniform(0, 1, shape) * (high - low) * rng.choice([0.05, 0.3, 1])
    matrix = [np.ones(low.size)]
    matrix += [
        (rng.random(low.size) < 0.4) * rng.choice([1.0, -0.5, 1.0], low.size)
        for _ in range(rng.integers(0, 5))
    ]
    matrix.append(2.0 * matrix[0])
    at = np.array(matrix) @ inside.ravel()
    room = 0.2 * np.abs(matrix) @ np.abs(inside.ravel())
    open_below = rng.random(len(at)) < 0.4
    least = np.where(open_below, -np.inf, at - rng.uniform(0, 1, len(at)) * room)
    most = np.where(
        (rng.random(len(at)) < 0.3) & ~open_below, np.inf, at + rng.uniform(0, 1, len(at)) * room
    )
    if rng.random() < 0.6:
        least[[0, -1]] = most[[0, -1]] = [at[0], 2 * at[0]]
    return program(
        curves,
        low,
        high,
        rows(matrix, least, most),
        carry=geometric(periods, rng.uniform(0.1, 0.9, n)) if periods > 1 else None,
        carry_in=rng.uniform(0, 0.3, shape) * (rng.random((n, 1)) < 0.5) * money[:, None],
        weight=rng.uniform(0.5, 1.5, shape),
    )


def bound(p: Program, box: object, mu: np.ndarray, nu: np.ndarray, steps: int = 2001) -> float:
    """The Lagrangian bound with every one-dimensional maximum on a fine grid (from below)."""
    coefficient = (
        p.value * np.einsum("ah,ahk->ak", nu, p.carry)
        - p.cost * p.spread.sum(axis=1)
        - (mu @ p.rows.matrix).reshape(p.lower.shape)
    )
    total = np.maximum(coefficient * box.u_lower, coefficient * box.u_upper).sum()
    total += p.value * float((nu * p.carry_in).sum())
    for price, low, high in zip(mu, p.rows.lower, p.rows.upper, strict=True):
        total += price * (high if price > 0 else low) if price != 0.0 else 0.0
    share = np.concatenate(([0.0], np.geomspace(1e-9, 1.0, steps), np.linspace(0, 1, steps)))
    best = np.full(p.weight.shape, -np.inf)
    for t in share:
        z = box.z_lower + t * (box.z_upper - box.z_lower)
        best = np.maximum(best, p.response(z) - nu * z)
    return float(total + p.value * best.sum())
