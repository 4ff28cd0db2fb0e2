"""Bounds on cautious outcomes, from weights over draws, prices and boxes alone; no solver imported.

Any weights of a measure's set (:mod:`shared.problem.risk`) bound the measure of every plan by the
most of a weighted mean over draws. Where all weights are positive that is an expected outcome, and
:func:`shared.solve.certify.certificate.certify` bounds it. ``mean_minus_sd`` also needs negative
weights: then one price bounds a sum of differences. A quantile has no such weights; two bounds hold
for it: it is monotone, so it is at most the quantile of what each draw could reach alone; and
outcomes are not negative, so at least a share of the draws times the quantile is no more than the
mean (Markov).
"""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from shared.curves.stack import CurveStack, Group
from shared.problem.canonical import Canonical
from shared.problem.incumbent import ALLOWED
from shared.problem.model import Risk
from shared.problem.proof import Leaf, Proof
from shared.problem.risk import RiskProof, admissible, measure, reweighted
from shared.solve.certify.certificate import Certificate, certify, covering
from shared.solve.certify.maxima import closed_form_maxima, table_maxima
from shared.solve.certify.mixture import mean_of
from shared.solve.certify.rounding import EPS

__all__ = ["certify_risk"]

Array = NDArray[np.float64]
_HAIR = 1e-12  # what weights may miss their set by, and more


def certify_risk(canonical: Canonical, risk: Risk, spend: Array, proof: RiskProof) -> Certificate:
    """Recheck a plan (n,) and bound what the measure of any other could be."""
    draws = canonical.draws
    if draws is None:
        raise ValueError("A risk measure needs draws.")
    plain = certify(canonical, spend, Proof((Leaf(0.0),)))
    objective = measure(risk, draws.value(spend).sum(axis=1))
    bound = _bound(canonical, risk, spend, proof, draws.draws)
    if not math.isfinite(bound) or not math.isfinite(objective):
        bound = math.inf
    violation = plain.max_constraint_violation
    bound = covering(bound, objective, violation)
    gap = max(bound - objective, 0.0)
    scale = max(abs(bound), abs(objective))
    return Certificate(
        objective=objective,
        upper_bound=bound,
        gap=gap,
        relative_gap=math.inf if math.isinf(bound) else gap / scale if scale > 0.0 else 0.0,
        proven=math.isfinite(bound) and violation <= ALLOWED,
        max_constraint_violation=violation,
        kkt_residual=_kkt(canonical, spend, proof),
    )


def _kkt(canonical: Canonical, spend: Array, proof: RiskProof) -> float:
    """How level the slopes are, each draw weighed as the measure weighs it at its best."""
    weights = np.maximum(proof.weights, 0.0)
    if weights.shape != (canonical.draws.draws,) or not np.all(np.isfinite(weights)):  # type: ignore[union-attr]
        return math.inf
    if not float(weights.sum()) > 0.0:
        return math.inf
    task = reweighted(canonical, weights / float(weights.sum()))
    return certify(task, spend, Proof((Leaf(0.0),))).kkt_residual


def _bound(canonical: Canonical, risk: Risk, spend: Array, proof: RiskProof, count: int) -> float:
    if risk.measure == "quantile":
        return _quantile_bound(canonical, risk, spend, proof, count)
    weights = proof.weights
    if not admissible(risk, weights, count):
        return math.inf
    if np.all(weights >= 0.0):
        bound = certify(reweighted(canonical, weights), spend, proof.proof).upper_bound
        # Outcomes are not negative, so weights that sum to a hair less than one are made good.
        return bound * (1.0 + 4.0 * _HAIR)
    if len(proof.proof.nodes) != 1 or not isinstance(proof.proof.nodes[0], Leaf):
        return math.inf
    price = proof.proof.nodes[0].price
    if not math.isfinite(price) or price < 0.0:
        return math.inf
    return _signed_bound(canonical, weights, price)


def _quantile_bound(
    canonical: Canonical, risk: Risk, spend: Array, proof: RiskProof, count: int
) -> float:
    mean = certify(canonical, spend, proof.proof).upper_bound
    # The quantile is at most order statistic number ``above`` (from 0), and so are all from there.
    above = min(math.ceil(risk.level * (count - 1) + 1e-9), count - 1)
    best = mean * count / (count - above) * (1.0 + _HAIR)
    prices = proof.prices
    if prices is None or prices.shape != (count,):
        return best
    if not np.all(np.isfinite(prices)) or np.any(prices < 0.0):
        return best
    alone = _each_alone(canonical, prices, spend)
    return min(best, float(np.quantile(alone, risk.level)) * (1.0 + _HAIR))


def _each_alone(canonical: Canonical, prices: Array, spend: Array) -> Array:
    """What each draw could reach with a plan of its own, at most (S,)."""
    draws = canonical.draws
    assert draws is not None
    count = draws.draws
    total, size = prices * canonical.budget, prices * canonical.budget
    scale = max(float(np.abs(draws.value(spend)).mean(axis=0).sum()), 1e-300)

    def add(tops: Array) -> None:
        nonlocal total, size
        total, size = total + tops.sum(axis=1), size + np.abs(tops).sum(axis=1)

    for group in draws.groups:
        columns = np.arange(canonical.n)[group.columns]
        curve = group.curve
        own = {f.name: getattr(curve, f.name).reshape(-1) for f in fields(curve)}  # type: ignore[arg-type]
        flat = CurveStack(count * columns.size, (Group(slice(None), type(curve)(**own)),))
        low, high, near = (
            np.tile(part[columns], count) for part in (canonical.lower, canonical.upper, spend)
        )
        slack = np.full((1, 1), 1e-10 * scale / canonical.n)
        price = np.repeat(prices, columns.size)[None, :]
        tops = closed_form_maxima(flat, low[None, :], high[None, :], price, near, slack)
        add(tops.reshape(count, columns.size))
    for column, tables, _ in draws.tables:
        low, high = canonical.lower[column : column + 1], canonical.upper[column : column + 1]
        rows = [table_maxima(t, low, high, prices[s : s + 1]) for s, t in enumerate(tables)]
        add(np.stack(rows))
    return np.asarray(total + (math.log2(canonical.n + 1) + 16.0) * EPS * size)


def _signed_bound(canonical: Canonical, weights: Array, price: float) -> float:
    """``price * budget + sum over channels of max of sum q_s f_s(x) - price x``, rounded up."""
    draws = canonical.draws
    assert draws is not None
    plus, minus = reweighted(canonical, weights), reweighted(canonical, -weights)
    assert plus.draws is not None
    assert minus.draws is not None
    below = {column: mean for column, _, mean in minus.draws.tables}
    tables = {column: (mean, below[column]) for column, _, mean in plus.draws.tables}
    size = draws.value(canonical.upper) * np.abs(weights)[:, None]
    scale = max(float(size.sum()), 1e-300)
    total = 0.0
    for c in range(canonical.n):
        low, high = float(canonical.lower[c]), float(canonical.upper[c])
        if c in tables:
            a, b = tables[c]
            knots = np.concatenate((a.knots()[0], b.knots()[0], [low, high]))
            knots = knots[(knots >= low) & (knots <= high)]
            top = float((a.value(knots) - b.value(knots) - price * knots).max())
        else:
            ends = np.array([low]), np.array([high]), np.array([price])
            signed = mean_of(draws, c, low, high, weights)
            top = float(signed.maxima(*ends, 1e-9 * scale / canonical.n)[0])
        total += top
    size_all = scale + abs(price) * (canonical.budget + float(canonical.upper.sum()))
    # What the weights may miss their set by, and rounding.
    return price * canonical.budget + total + (4.0 * _HAIR + 64.0 * EPS) * size_all
