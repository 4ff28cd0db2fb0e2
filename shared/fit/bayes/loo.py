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
    draws = len(log_likelihood)
    tail = int(min(0.2 * draws, 3.0 * np.sqrt(draws)))
    log_weight = (-log_likelihood).astype(np.float64)
    log_weight -= log_weight.max(axis=0)
    order = np.argsort(log_weight, axis=0)[-tail - 1 :]
    largest = np.take_along_axis(log_weight, order, axis=0)
    cut = np.exp(largest[0])
    beyond = np.exp(largest[1:]) - cut
    shapes, scale = pareto_fit(np.maximum(beyond, 1e-300))
    varies = beyond[-1] > 1e-12  # else there is no tail to smooth
    k = np.where(np.abs(shapes) > 1e-8, shapes, 1e-8)
    at = ((np.arange(tail) + 0.5) / tail)[:, None]
    smooth = np.log(np.minimum(scale * np.expm1(-k * np.log1p(-at)) / k + cut, 1.0))
    np.put_along_axis(log_weight, order[1:], np.where(varies, smooth, largest[1:]), axis=0)
    rows = _log_sum(log_weight + log_likelihood) - _log_sum(log_weight)
    reliable = float(np.mean(~varies | (shapes <= _UNRELIABLE)))
    return LeaveOneOut(rows, float(rows.sum()), reliable)


def pareto_fit(exceeding: Floats) -> tuple[Floats, Floats]:
    """Shapes and scales (...) of generalised Pareto distributions.

    Parameters
    ----------
    exceeding
        Positive values (n, ...), ascending along the first axis.
    """
    n = len(exceeding)
    grid = 30 + int(np.sqrt(n))
    quarter = exceeding[int(n / 4 + 0.5) - 1]
    b = 1.0 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    b = np.multiply.outer(b, 1.0 / (3.0 * quarter)) + 1.0 / exceeding[-1]
    k = np.log1p(-b[:, None] * exceeding).mean(axis=1)
    profile = n * (np.log(-b / k) - k - 1.0)
    weight = np.exp(profile - profile.max(axis=0))
    mean = (b * weight).sum(axis=0) / weight.sum(axis=0)
    shape = np.log1p(-mean * exceeding).mean(axis=0)
    return (shape * n + 5.0) / (n + 10.0), -shape / mean


def _log_sum(values: Floats) -> Floats:
    top = values.max(axis=0)
    out: Floats = top + np.log(np.exp(values - top).sum(axis=0))
    return out
