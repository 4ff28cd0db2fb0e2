"""What the certificate of a measure of risk rests on: weights that belong, draws taken alone."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from shared.curves.family import EPS
from shared.curves.stack import CurveStack, Group
from shared.problem.program import Program
from shared.problem.proof import Proof
from shared.problem.risk import admissible
from shared.problem.risk_program import missed, relaxed
from shared.solve.certify.arm_maxima import ArmMaxima

__all__ = ["missed_by_measure", "most_of", "quantile_alone", "weighed_as"]

Array = NDArray[np.float64]


def weighed_as(program: Program, proof: Proof) -> tuple[Program, float]:
    """The program of expected outcome that a proof is of, and what to take off its bound.

    Raises
    ------
    ValueError
        Weights that are not of the measure's set, or multipliers that are none.
    """
    risk, draws = program.risk, program.draws
    if risk is None or draws is None:
        raise ValueError("A risk measure needs draws.")
    weights = np.full(draws.draws, 1.0 / draws.draws)
    if risk.measure != "quantile":
        if proof.weights is None or not admissible(risk, np.asarray(proof.weights), draws.draws):
            raise ValueError("These weights are not of the measure's set.")
        weights = np.asarray(proof.weights, dtype=np.float64)
    theta = proof.theta or (0.0,) * len(program.floors)
    return relaxed(program, program.aim, theta, risk, weights)


def missed_by_measure(program: Program, u: Array) -> float:
    """The largest relative miss of a target, each read as it is to be."""
    assert program.risk is not None
    return missed(program, u)


def most_of(program: Program, proof: Proof) -> float:
    """More than the sizes of all weighed draws can add up to, whatever the plan."""
    draws = program.draws
    assert draws is not None
    reach = program.adstocked(np.maximum(program.upper, 0.0))
    whole = replace(program, weight=np.abs(program.weight))
    each = whole.response_draws(reach)
    assert each is not None
    weights = np.full(draws.draws, 1.0 / draws.draws) if proof.weights is None else proof.weights
    share = np.abs(weights) * draws.draws + 1.0
    pairs = sum(
        abs(p.strength) * float(np.abs(program.pair_weight(p)).sum()) for p in program.pairs
    )
    return float((each.sum(axis=(1, 2)) * share).mean()) + pairs + draws.draws * 1e-300


def quantile_alone(program: Program, u: Array, prices: Array) -> float:
    """The quantile of what each draw could be worth with a plan of its own, at most.

    A quantile is monotone, so it is at most that of bounds of the draws, each by ``prices`` (S, m)
    of its own. For programs with one decision and one response an arm that only rows tie together.

    Raises
    ------
    ValueError
        For other programs, with targets, or prices of another shape.
    """
    draws, rows, risk = program.draws, program.rows, program.risk
    assert draws is not None
    assert risk is not None
    simple = program.columns == 1 and program.weight.shape[1] == 1 and not program.pairs
    prices = np.asarray(prices, dtype=np.float64)
    if not simple or program.floors or prices.shape != (draws.draws, len(rows.names)):
        raise ValueError("The draws cannot be taken alone.")
    if not np.all(np.isfinite(prices)) or not program.value > 0.0:
        raise ValueError("A price is no number.")
    prices = np.where(np.isfinite(rows.upper), prices, np.minimum(prices, 0.0))
    prices = np.where(np.isfinite(rows.lower), prices, np.maximum(prices, 0.0))
    ends = np.where(prices > 0.0, rows.upper, np.where(prices < 0.0, rows.lower, 0.0))
    money = program.cost * program.spread.sum(axis=1)[:, 0]
    cost = (prices @ rows.matrix + money) / program.value  # (S, A) of a decision, in outcome
    carry, base = program.carry[:, 0, 0], program.carry_in[:, 0]
    moves = carry > 0.0
    safe = np.where(moves, carry, 1.0)
    low, high = program.lower[:, 0], program.upper[:, 0]
    z_low = (carry * low + base) * (1.0 - 8.0 * EPS)
    z_high = (carry * high + base) * (1.0 + 8.0 * EPS)
    per = np.where(moves, cost / safe, 0.0)
    size = max(float(np.abs(program.outcome(u))), 1e-300)
    tops = _each_draw(program, per, z_low, np.maximum(z_high, z_low), program.adstocked(u), size)
    still = np.maximum(-cost * low, -cost * high)
    tops = tops + np.where(moves, per * base, still)
    tops = tops + 32.0 * EPS * np.abs(cost) * (high + base / safe)
    sides = prices * ends
    alone = program.value * tops.sum(axis=1) + sides.sum(axis=1)
    wide = np.abs(program.value * tops).sum(axis=1) + np.abs(sides).sum(axis=1)
    alone = alone + (math.log2(tops.shape[1] + 1) + 16.0) * EPS * wide
    return float(np.quantile(alone, risk.level)) * (1.0 + 1e-12)


def _each_draw(
    program: Program, price: Array, low: Array, high: Array, near: Array, size: float
) -> Array:
    """(S, A) most of ``weight f(z) - price z`` in each draw: draws stand side by side as arms."""
    draws = program.draws
    assert draws is not None
    count, arms = price.shape
    groups, tables = [], []
    for group in draws.groups:
        columns = np.arange(arms)[group.columns]
        at = (np.arange(count)[:, None] * arms + columns).ravel()
        curve = group.curve
        own = {f.name: getattr(curve, f.name).reshape(-1) for f in fields(curve)}  # type: ignore[arg-type]
        groups.append(Group(at, type(curve)(**own)))
    for column, each, _ in draws.tables:
        tables += [(s * arms + column, table) for s, table in enumerate(each)]
    flat = CurveStack(count * arms, tuple(groups), tuple(tables))

    def spread(values: Array) -> Array:
        return np.tile(values, count)[:, None]

    weight = spread(program.weight[:, 0])
    # Only what maxima are asked of is there: curves and weights.
    task = replace(
        program,
        names=("",) * weight.size,
        curves=flat,
        draws=None,
        weight=weight,
        carry_in=spread(program.carry_in[:, 0]),
    )
    z_low, z_high = spread(low), spread(high)
    maxima = ArmMaxima(task, z_low, z_high, size * count, near=spread(near[:, 0]))
    return maxima.tops(weight, price.reshape(-1, 1), z_low, z_high).reshape(count, arms)
