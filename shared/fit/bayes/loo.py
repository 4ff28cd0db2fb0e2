"""Expected log predictive density of rows left out one at a time, without refitting.

Pareto-smoothed importance sampling (Vehtari, Gelman and Gabry, Practical Bayesian model evaluation
using leave-one-out cross-validation and WAIC, 2017); the generalised Pareto fit is that of Zhang
and Stephens (A new and efficient estimation method for the generalized Pareto distribution, 2009),
with the weak prior on its shape that the authors of the former add.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LeaveOneOut", "leave_one_out", "pareto_fit"]

Floats = NDArray[np.float64]
_UNRELIABLE = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class LeaveOneOut:
    """``rows`` (n,) log predictive densities, their sum, and the share of rows it rests on firmly.

    ``reliable`` is the share of rows whose importance weights have a Pareto shape of at most 0.7.
    """

    rows: Floats
    total: float
    reliable: float


def leave_one_out(log_likelihood: Floats) -> LeaveOneOut:
    """From the log density of every row under every draw, shape (S, n), at least 25 draws."""
    draws, rows = log_likelihood.shape
    tail = int(min(0.2 * draws, 3.0 * np.sqrt(draws)))
    out, shapes = np.empty(rows), np.empty(rows)
    for row in range(rows):
        log_weight = -log_likelihood[:, row]
        log_weight = log_weight - log_weight.max()
        order = np.argsort(log_weight)
        top, cut = order[-tail:], log_weight[order[-tail - 1]]
        beyond = np.exp(log_weight[top]) - np.exp(cut)
        shapes[row] = 0.0
        if beyond[-1] > 1e-12:
            shapes[row], scale = pareto_fit(np.maximum(beyond, 1e-300))
            at = (np.arange(tail) + 0.5) / tail
            k = shapes[row] if abs(shapes[row]) > 1e-8 else 1e-8
            smooth = scale * np.expm1(-k * np.log1p(-at)) / k + np.exp(cut)
            log_weight[top] = np.log(np.minimum(smooth, 1.0))
        weighted = log_weight + log_likelihood[:, row]
        out[row] = _log_sum(weighted) - _log_sum(log_weight)
    return LeaveOneOut(out, float(out.sum()), float(np.mean(shapes <= _UNRELIABLE)))


def pareto_fit(exceeding: Floats) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution from ascending positive values (n,)."""
    n = exceeding.size
    grid = 30 + int(np.sqrt(n))
    quarter = exceeding[int(n / 4 + 0.5) - 1]
    b = 1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    b = b / (3.0 * quarter) + 1.0 / exceeding[-1]
    k = np.log1p(-b[:, None] * exceeding).mean(axis=1)
    profile = n * (np.log(-b / k) - k - 1.0)
    weight = np.exp(profile - profile.max())
    mean = float((b * weight).sum() / weight.sum())
    shape = float(np.log1p(-mean * exceeding).mean())
    return (shape * n + 5.0) / (n + 10.0), -shape / mean


def _log_sum(values: Floats) -> float:
    top = float(values.max())
    return top + float(np.log(np.exp(values - top).sum()))
