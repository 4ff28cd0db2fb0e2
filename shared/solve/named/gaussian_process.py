"""A Gaussian process with a Matérn 5/2 kernel: what is expected between few evaluated points.

Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006): equations 2.25 and 2.26
(prediction), 2.30 (evidence), 4.17 (Matérn 5/2). The additive kernel, a sum of one-dimensional
ones, is that of Duvenaud, Nickisch and Rasmussen (2011) at first order: right for channels that do
not interact, and it learns them from far fewer points. Which kernel and which length, the evidence
decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GaussianProcess", "expected_improvement", "fit", "matern"]

Array = NDArray[np.float64]
LENGTHS = tuple(float(x) for x in np.geomspace(0.1, 6.4, 7))
"""Lengths tried; for the radial kernel they are times the root of the dimension."""

_NUGGET = 1e-8  # of the prior variance, for a factor that exists
_MOST_ADDITIVE = 60  # coordinates; beyond, sums over them cost more than they teach
_ROOT5 = 5.0**0.5


def matern(distance: Array) -> Array:
    """Correlation at a distance in units of the length.

    >>> round(float(matern(np.array(1.0))), 6)
    0.523994
    """
    r = _ROOT5 * distance
    return np.asarray((1.0 + r + r * r / 3.0) * np.exp(-r))


@dataclass(frozen=True, slots=True, eq=False)
class GaussianProcess:
    """A fitted process.

    Attributes
    ----------
    points
        (m, n) where it was evaluated.
    additive, length
        The kernel.
    mean, variance
        Of the prior.
    factor
        (m, m) lower Cholesky factor of the correlations.
    weights
        (m,) correlations' inverse times the values less their mean.
    evidence
        Log marginal likelihood.
    """

    points: Array
    additive: bool
    length: float
    mean: float
    variance: float
    factor: Array
    weights: Array
    evidence: float

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (k,) at (k, n) points."""
        # Here, for a process that solves otherwise never needs scipy.
        from scipy.linalg import solve_triangular

        shared = _correlation(points, self.points, self.additive, self.length)
        left = solve_triangular(self.factor, shared.T, lower=True, check_finite=False)
        rest = np.maximum(1.0 - (left * left).sum(axis=0), 0.0)
        return self.mean + shared @ self.weights, np.sqrt(self.variance * rest)


def fit(points: Array, values: Array, like: GaussianProcess | None = None) -> GaussianProcess:
    """The process of the greatest evidence; ``points`` (m, n) in units of about 1, ``values`` (m,).

    The prior's mean is the values' mean, its variance the most likely one given the kernel. With
    ``like``, its kernel is taken and none is looked for.
    """
    kernels = _kernels(points.shape[1]) if like is None else [(like.additive, like.length)]
    found = [_fitted(points, values, *kernel) for kernel in kernels]
    return max(found, key=lambda process: process.evidence)


def expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """Expected gain over ``best`` of a normal variate (Jones, Schonlau and Welch, 1998)."""
    from scipy.special import ndtr

    gain = mean - best
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = gain / deviation
        density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        expected = gain * ndtr(z) + deviation * density
    return np.asarray(np.where(deviation > 0.0, np.maximum(expected, 0.0), np.maximum(gain, 0.0)))


def _kernels(n: int) -> Iterator[tuple[bool, float]]:
    for length in LENGTHS:
        yield False, length * n**0.5
        if 1 < n <= _MOST_ADDITIVE:
            yield True, length


def _fitted(points: Array, values: Array, additive: bool, length: float) -> GaussianProcess:
    m = len(points)
    correlation = _correlation(points, points, additive, length)
    correlation[np.diag_indices(m)] = 1.0 + _NUGGET
    factor = _factor(correlation)
    mean = float(values.mean())
    centred = values - mean
    weights = np.linalg.solve(factor.T, np.linalg.solve(factor, centred))
    variance = max(float(centred @ weights) / m, 1e-300)
    evidence = -0.5 * m * np.log(variance) - float(np.log(np.diag(factor)).sum())
    return GaussianProcess(points, additive, length, mean, variance, factor, weights, evidence)


def _factor(correlation: Array) -> Array:
    """The Cholesky factor, with a larger nugget where points lie too close together."""
    extra = 0.0
    while True:
        trial: Array = correlation + extra * np.eye(len(correlation))
        try:
            factor: Array = np.linalg.cholesky(trial)
        except np.linalg.LinAlgError:
            extra = max(100.0 * extra, _NUGGET)
        else:
            return factor


def _correlation(one: Array, two: Array, additive: bool, length: float) -> Array:
    """(k, m) correlations between (k, n) and (m, n) points."""
    if not additive:
        square = (one * one).sum(axis=1)[:, None] + (two * two).sum(axis=1) - 2.0 * one @ two.T
        return matern(np.sqrt(np.maximum(square, 0.0)) / length)
    total = np.zeros((len(one), len(two)))
    for i in range(one.shape[1]):
        total += matern(np.abs(one[:, i : i + 1] - two[:, i]) / length)
    return np.asarray(total / one.shape[1], dtype=np.float64)
