"""Linear Thompson sampling: an arm's rate as a linear function of what is known before a trial.

``A = ridge I + sum of n x x'``, ``b = sum of x y``; the rate at x is normal with mean ``x' A^-1 b``
and variance ``v^2 x' A^-1 x``, v the noise of one trial (Agrawal and Goyal, Thompson sampling for
contextual bandits with linear payoffs, 2013, whose own v is far too wide). By one Cholesky factor
an arm, never an inverse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.learn.allocators.spec import ContextFeature, Event

__all__ = ["features_of", "posterior", "rates", "sums"]

Array = NDArray[np.float64]


def features_of(features: Sequence[ContextFeature], context: Mapping[str, str | float]) -> Array:
    """(d,) an intercept, one place for each value of a category, and numbers over their scale.

    A value that is none of the category's leaves its places 0: the mean over values counts then.
    """
    out = [1.0]
    for feature in features:
        given = context.get(feature.feature)
        if feature.values is not None:
            out += [1.0 if given == value else 0.0 for value in feature.values]
        else:
            number = given if isinstance(given, int | float) else 0.0
            out.append(float(number) / feature.scale)
    return np.array(out)


def sums(
    features: Sequence[ContextFeature],
    events: Sequence[Event],
    weights: Sequence[float],
    come: Sequence[float],
    money: bool,
) -> tuple[Array, Array]:
    """``sum of n x x'`` (d, d) and ``sum of x y`` (d,), each correctly rounded, in any order.

    Trials count by the share of their outcomes that has ``come``: what has not is no failure.
    """
    rows = [features_of(features, event.context or {}) for event in events]
    size = 1 + sum(len(f.values) if f.values is not None else 1 for f in features)
    totals = [
        w * (event.value if money else event.outcomes)
        for event, w in zip(events, weights, strict=True)
    ]
    counts = [w * seen * event.trials for event, w, seen in zip(events, weights, come, strict=True)]
    gram, told = np.zeros((size, size)), np.zeros(size)
    for i in range(size):
        told[i] = math.fsum(t * float(x[i]) for t, x in zip(totals, rows, strict=True))
        for j in range(i + 1):
            each = (n * float(x[i] * x[j]) for n, x in zip(counts, rows, strict=True))
            gram[i, j] = gram[j, i] = math.fsum(each)
    return gram, told


def posterior(gram: Array, told: Array, ridge: float = 1.0) -> tuple[Array, Array]:
    """Means (..., d) and Cholesky factors (..., d, d) of A, from sums (..., d, d) and (..., d)."""
    factor = np.linalg.cholesky(gram + ridge * np.eye(gram.shape[-1]))
    half = np.linalg.solve(factor, told[..., None])
    return np.linalg.solve(np.swapaxes(factor, -1, -2), half)[..., 0], factor


def rates(mean: Array, factor: Array, x: Array, noise: float | Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the rate at ``x`` (..., d)."""
    half = np.linalg.solve(factor, x[..., None])[..., 0]
    return np.asarray((mean * x).sum(axis=-1)), np.asarray(noise * np.sqrt((half**2).sum(axis=-1)))
