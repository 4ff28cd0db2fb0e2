"""Random general programs, plans that keep all their rules, and proofs that no solver made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from problems import ALL, CONCAVE, curve, shaken

from shared.curves.stack import stack, stack_draws
from shared.problem.program import AtMost, Pair, Program, Rows
from shared.problem.proof import (
    Leaf,
    Node,
    Proof,
    SplitActive,
    SplitArgument,
    SplitDecision,
)

BOUNDED = ("hill", "exponential", "logistic", "michaelis_menten", "s_hill", "sigmoid")


def random_program(rng: np.random.Generator) -> tuple[Program, np.ndarray]:
    """A program with any mix of features, and a plan that is allowed."""
    arms = int(rng.integers(2, 6))
    columns = int(rng.choice([1, 1, 2, 4]))
    periods = columns if columns > 1 or rng.random() < 0.5 else 3
    pairs: tuple[Pair, ...] = ()
    kinds = CONCAVE if rng.random() < 0.25 else ALL
    if rng.random() < 0.3:
        kinds = BOUNDED
        pairs = (Pair(0, 1, float(rng.normal(0, 1))),)
        if arms > 2:
            pairs += (Pair(2, 1, float(rng.normal(0, 1))),)
    curves = [curve(rng, str(rng.choice(kinds))) for _ in range(arms)]
    draws = weights = None
    if rng.random() < 0.25:
        draws = stack_draws([[shaken(rng, c) for _ in range(4)] for c in curves])
        if rng.random() < 0.6:
            weights = rng.dirichlet(np.ones(4))
            if not pairs and rng.random() < 0.3:
                weights = weights + np.array([0.4, -0.4, 0.2, -0.2])
    shape = np.eye(periods) if columns > 1 else rng.uniform(0.3, 2.0, (periods, 1))
    if periods == 1:
        shape = np.ones((1, 1))
    length = periods + (2 if periods > 1 and rng.random() < 0.5 else 0)
    carry = np.zeros((arms, length, columns))
    for a in range(arms):
        decay = rng.uniform(0.0, 0.8)
        lag = np.arange(length)[:, None] - np.arange(periods)
        carry[a] = np.where(lag >= 0, decay ** np.maximum(lag, 0), 0.0) @ shape
    if length == 1:
        carry *= rng.uniform(0.5, 3.0)
    carry_in = (
        rng.uniform(0, 0.5, (arms, length)) if rng.random() < 0.4 else np.zeros((arms, length))
    )
    lower = np.where(rng.random((arms, columns)) < 0.2, rng.uniform(0, 0.3, (arms, columns)), 0.0)
    upper = lower + rng.uniform(0.5, 2.5, (arms, columns))
    least, lot = np.zeros((arms, columns)), np.zeros(arms)
    if rng.random() < 0.4:
        own = (lower <= 0) & (rng.random((arms, 1)) < 0.6)
        least = np.where(own, rng.uniform(0.1, 0.5, (arms, 1)) * np.ones((1, columns)), 0.0)
    if rng.random() < 0.3:
        lot = np.where(rng.random(arms) < 0.6, rng.uniform(0.05, 0.2, arms), 0.0)
        lower[lot > 0] = 0.0
    at_most: tuple[AtMost, ...] = ()
    if rng.random() < 0.3:
        lower[:] = 0.0
        at_most = (AtMost("few", tuple(range(arms)), int(rng.integers(1, arms))),)
        if arms > 3:
            at_most += (AtMost("pair", (1, 2, 3), 2),)
    program = Program(
        names=tuple(f"c{i}" for i in range(arms)),
        lower=lower,
        upper=upper,
        least_active=least,
        lower_by=("",) * arms,
        upper_by=("",) * arms,
        lot=lot,
        rows=Rows(np.zeros((0, arms * columns)), np.zeros(0), np.zeros(0), ()),
        spread=np.broadcast_to(shape, (arms, *shape.shape)).copy(),
        carry=carry,
        carry_in=carry_in,
        weight=np.where(
            rng.random((arms, length)) < 0.1, 0.0, rng.lognormal(0, 0.3, (arms, length))
        ),
        curves=stack(curves),
        draws=draws,
        draw_weights=weights,
        at_most=at_most,
        pairs=pairs,
        value=float(rng.choice([1.0, 1.0, 2.5])),
        cost=float(rng.choice([0.0, 0.0, 1.0])),
    )
    plan = random_point(rng, program)
    while not np.any(plan > 0):  # at no money at all any rounding is a great deal
        plan = random_point(rng, program)
    return replace(program, rows=random_rows(rng, program, plan)), plan


def random_rows(rng: np.random.Generator, program: Program, plan: np.ndarray) -> Rows:
    """A budget that the plan spends (or keeps), and a few other rules that it keeps."""
    matrix = [program.spread.sum(axis=1).ravel()]
    spent = float(matrix[0] @ plan.ravel())
    loose = bool(np.any(program.lot > 0)) or rng.random() < 0.3
    low, high = [-np.inf if loose else spent], [spent * (1.3 if loose else 1.0)]
    for _ in range(int(rng.integers(0, 4))):
        row = rng.normal(0, 1, plan.size) * (rng.random(plan.size) < 0.5)
        at = float(row @ plan.ravel())
        side = rng.random()
        matrix.append(row)
        low.append(at - rng.uniform(0, 0.2) if side < 0.6 else -np.inf)
        high.append(at + rng.uniform(0, 0.2) if side > 0.4 else np.inf)
    if rng.random() < 0.1:
        return Rows(np.zeros((0, plan.size)), np.zeros(0), np.zeros(0), ())
    names = tuple(f"row{i}" for i in range(len(matrix)))
    return Rows(np.array(matrix), np.array(low), np.array(high), names)


def random_point(rng: np.random.Generator, program: Program) -> np.ndarray:
    """A plan that keeps its box, minima, lots and counts, often at an end; rows aside."""
    shape = program.lower.shape
    u = rng.uniform(program.lower, program.upper)
    u = np.where(rng.random(shape) < 0.15, program.lower, u)
    u = np.where(rng.random(shape) < 0.15, program.upper, u)
    return allowed(rng, program, u)


def allowed(rng: np.random.Generator, program: Program, u: np.ndarray) -> np.ndarray:
    """The plan, moved to minima, lots and counts."""
    least = program.least_active
    u = np.where((u > 0) & (u < least), np.where(rng.random(u.shape) < 0.5, 0.0, least), u)
    u = np.where(u > program.upper, 0.0, u)
    lot = program.lot[:, None]
    size = np.where(lot > 0, lot, 1.0)
    down = np.floor(u / size + 1e-12) * size
    up = np.ceil(least / size - 1e-12) * size
    down = np.where((down > 0) & (down < least), np.where(up <= program.upper, up, 0.0), down)
    u = np.where(lot > 0, down, u)
    for rule in program.at_most:
        on = [a for a in rule.arms if np.any(u[a] > 0)]
        for a in rng.permutation(on)[: max(len(on) - rule.count, 0)]:
            u[a] = 0.0
    return u


def climbed(rng: np.random.Generator, program: Program, plan: np.ndarray, steps: int) -> list:
    """Plans met on a random climb that keeps every rule; the last is the best."""
    met, best = [plan], program.objective(plan)
    rows = program.rows
    tight = rows.matrix[rows.lower == rows.upper]
    tight_inverse = np.linalg.pinv(tight) if tight.size else None
    size = 1.0
    for _ in range(steps):
        u = met[-1]
        if rng.random() < 0.15:
            trial = allowed(rng, program, random_point(rng, program))
        else:
            move = rng.normal(0, 1, u.shape) * (rng.random(u.shape) < rng.choice([0.3, 1.0]))
            fixed = (program.lot[:, None] > 0) | (u <= 0) & (program.least_active > 0)
            for rule in program.at_most:
                fixed |= np.isin(np.arange(program.arms), rule.arms)[:, None] & ~np.any(
                    u > 0, axis=1, keepdims=True
                )
            move = np.where(fixed, 0.0, move)
            if tight_inverse is not None:
                free = ~fixed.ravel()
                own = tight[:, free]
                flat = move.ravel()
                flat[free] -= np.linalg.pinv(own) @ (own @ flat[free])
                move = flat.reshape(u.shape)
            reach = _longest(program, u, move, fixed)
            trial = np.clip(u + min(size, reach) * move, program.lower, program.upper)
        if not keeps(program, trial):
            continue
        there = program.objective(trial)
        if there > best:
            met.append(trial)
            best = there
        else:
            size = max(size * 0.9, 1e-3)
    return met


def _longest(program: Program, u: np.ndarray, move: np.ndarray, fixed: np.ndarray) -> float:
    floor = np.where(u > 0, np.maximum(program.lower, program.least_active), program.lower)
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(move > 0, (program.upper - u) / move, np.inf)
        down = np.where(move < 0, (floor - u) / move, np.inf)
        box = np.where(fixed, np.inf, np.minimum(up, down)).min()
        at, slope = program.rows.matrix @ u.ravel(), program.rows.matrix @ move.ravel()
        over = np.where(slope > 1e-12, (program.rows.upper - at) / slope, np.inf)
        under = np.where(slope < -1e-12, (program.rows.lower - at) / slope, np.inf)
    return max(float(min(box, over.min(initial=np.inf), under.min(initial=np.inf))), 0.0)


def keeps(program: Program, u: np.ndarray) -> bool:
    """Whether a plan keeps every rule, written again in the plainest way."""
    hair = 1e-12
    if np.any(u < program.lower - hair) or np.any(u > program.upper + hair):
        return False
    if np.any((u > hair) & (u < program.least_active - hair)):
        return False
    for a, lot in enumerate(program.lot):
        if lot > 0 and np.any(np.abs(u[a] / lot - np.round(u[a] / lot)) > 1e-9):
            return False
    for rule in program.at_most:
        if sum(bool(np.any(u[a] > hair)) for a in set(rule.arms)) > rule.count:
            return False
    at = program.rows.matrix @ u.ravel()
    slack = 1e-11
    return bool(
        np.all(at >= program.rows.lower - slack) and np.all(at <= program.rows.upper + slack)
    )


def priced(program: Program, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers that a stationary plan at ``u`` would have, by least squares."""
    nu = program.slopes(np.maximum(u, 1e-6))
    gradient = program.gradient(np.maximum(u, 1e-6)).ravel()
    if not program.rows.names:
        return np.zeros(0), nu
    mu = np.linalg.lstsq(program.rows.matrix.T, gradient, rcond=None)[0]
    return mu, nu


def any_tree(rng: np.random.Generator, program: Program, u: np.ndarray, size: int) -> Proof:
    """A valid tree: random splits of every kind, multipliers from near the best to nonsense."""
    nodes: list[Node] = [_leaf(rng, program, u)]
    reach = np.einsum("ahk,ak->ah", program.carry, program.upper) + program.carry_in
    for at in range(size):
        if at >= len(nodes):
            break
        a = int(rng.integers(program.arms))
        below = len(nodes)
        pick = rng.random()
        if pick < 0.35:
            k = int(rng.integers(program.columns))
            where = float(rng.choice([rng.uniform(0, program.upper[a, k]), u[a, k]]))
            nodes[at] = SplitDecision(a, k, where, below, below + 1)
        elif pick < 0.7:
            h = int(rng.integers(program.carry_in.shape[1]))
            where = float(rng.choice([rng.uniform(0, reach[a, h]), program.adstocked(u)[a, h]]))
            nodes[at] = SplitArgument(a, h, where, below, below + 1)
        elif pick < 0.85:
            nodes[at] = SplitActive(a, below, below + 1)
        else:
            continue
        nodes += [_leaf(rng, program, u), _leaf(rng, program, u)]
    return Proof(tuple(nodes))


def _leaf(rng: np.random.Generator, program: Program, u: np.ndarray) -> Leaf:
    mu, nu = priced(program, u)
    pick = rng.random()
    if pick > 0.5:
        mu = mu * rng.lognormal(0, 0.5, mu.shape) + rng.normal(0, 0.1, mu.shape)
        nu = nu * rng.lognormal(0, 0.5, nu.shape)
    if pick > 0.9:
        mu, nu = rng.normal(0, 3, mu.shape), rng.normal(0, 3, nu.shape)
    planes, centres, shares = None, None, None
    if program.pairs and rng.random() < 0.7:
        planes = rng.uniform(0, 1, (len(program.pairs), nu.shape[1]))
    if program.pairs and rng.random() < 0.3:
        centres = program.adstocked(u)
        if rng.random() < 0.5:
            centres = centres * rng.lognormal(0, 1, nu.shape)
        shares = rng.lognormal(0, 0.5, (len(program.pairs), nu.shape[1]))
        shares[rng.random(shares.shape) < 0.3] = 0.0
    return Leaf(mu, nu, planes=planes, centres=centres, shares=shares)
