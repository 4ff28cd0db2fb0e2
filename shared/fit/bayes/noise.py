"""Noise with outliers and memory: Student-t innovations of a first-order autoregression.

Given the weights of the rows (the scale mixture that makes a normal a Student-t) and the
correlation of one row's noise with the next, a linear map turns the noise into independent normals
of equal variance; what is left of the model is then an ordinary least-squares likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEGREES", "MOST", "Noise", "Whitener", "degrees_of", "update_noise"]

Floats = NDArray[np.float64]

#: Degrees of freedom tried; the most likely is used.
DEGREES = (3.0, 5.0, 10.0, 30.0)

#: The largest correlation: beyond it noise and trend are the same thing.
MOST = 0.85


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """Weights (n,) and correlation of the observed rows; degrees of freedom of innovations."""

    weights: Floats
    correlation: float
    degrees: float

    @property
    def spread(self) -> float:
        """Marginal scale of the noise over that of its innovations."""
        return float(1.0 / np.sqrt(1.0 - self.correlation**2))


@dataclass(frozen=True, slots=True, eq=False)
class Whitener:
    """The map W with W noise ~ N(0, sigma^2 I): a difference to the row before, then a weight.

    ``follows`` (n,) says which observed rows have the row before them, of the same geo, observed
    too; the others begin anew, with the stationary variance sigma^2 / (1 - phi^2). K noises at once
    have ``root`` (K, n) and ``correlation`` (K, 1).
    """

    root: Floats
    correlation: float | Floats
    follows: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        observed: NDArray[np.bool_],
        weights: Floats | None,
        correlation: float | Floats,
        *,
        every: int | None = None,
    ) -> Whitener:
        """Of the rows of ``observed`` that are true; a geo begins ``every`` so many rows."""
        rows = np.flatnonzero(observed)
        follows = np.concatenate([[False], np.diff(rows) == 1])
        if every is not None:
            follows &= rows % every != 0
        root = np.ones(rows.size) if weights is None else np.sqrt(weights)
        if np.any(correlation):
            root = np.where(follows, root, root * np.sqrt(1.0 - correlation**2))
        return cls(root, correlation, follows)

    def some(self, at: slice) -> Whitener:
        """Some of K noises."""
        return Whitener(self.root[at], np.asarray(self.correlation)[at], self.follows)

    @property
    def log_determinant(self) -> Floats:
        """log |W|, () or (K,): W is triangular with ``root`` on its diagonal."""
        return np.asarray(np.log(self.root).sum(axis=-1))

    def apply(self, values: Floats) -> Floats:
        """W values, rows on the last axis."""
        if not np.any(self.correlation):
            return values * self.root
        out = np.array(values, dtype=np.float64)
        out[..., 1:] -= self.correlation * self.follows[1:] * values[..., :-1]
        out *= self.root
        return out

    def transposed(self, values: Floats) -> Floats:
        """W' values, rows on the last axis."""
        out = values * self.root
        if np.any(self.correlation):
            out[..., :-1] -= self.correlation * self.follows[1:] * out[..., 1:].copy()
        return out


def update_noise(residual: Floats, leverage: Floats, sigma: float, whitener: Whitener) -> Noise:
    """One step of expectation and maximisation.

    Parameters
    ----------
    residual
        Shape (n,): outcome less the fitted signal.
    leverage
        Shape (n,): posterior variance of each innovation due to the linear part.
    sigma
        Scale of the innovations at the mode.
    """
    follows = whitener.follows
    correlation = 0.0
    if follows.sum() > 20:
        now, before = residual[1:][follows[1:]], residual[:-1][follows[1:]]
        w = (whitener.root**2)[1:][follows[1:]]
        correlation = float(np.sum(w * now * before) / np.sum(w * before**2))
        # Residuals of a fit look less correlated than its noise is; within a standard error of
        # none it is taken for none.
        certain = correlation > 1.0 / np.sqrt(now.size)
        correlation = min(correlation, MOST) if certain else 0.0
    plain = Whitener(np.ones(residual.size), correlation, follows)
    square = plain.apply(residual) ** 2 + leverage
    degrees = degrees_of(square)
    return Noise((degrees + 1.0) / (degrees + square / sigma**2), correlation, degrees)


def degrees_of(square: Floats) -> float:
    """The most likely degrees of freedom of squared residuals (n,)."""
    return max(DEGREES, key=lambda nu: _log_likelihood(square, nu))


def _log_likelihood(square: Floats, degrees: float) -> float:
    """Log likelihood of residuals under Student-t at its best scale (a few fixed-point steps)."""
    variance = float(np.mean(square))
    for _ in range(12):
        variance = float(np.mean(square * (degrees + 1) / (degrees + square / variance)))
    constant = lgamma((degrees + 1) / 2) - lgamma(degrees / 2) - 0.5 * np.log(degrees * variance)
    inner = np.log1p(square / (degrees * variance)).sum()
    return float(square.size * constant - 0.5 * (degrees + 1) * inner)
