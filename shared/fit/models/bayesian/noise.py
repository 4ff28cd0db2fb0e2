"""Noise with outliers and memory: Student-t innovations of a first-order autoregression.

Given the weights of the rows (the scale mixture that makes a normal a Student-t) and the
correlation of one row's noise with the next, a linear map turns the noise into independent normals
of equal variance; what is left of the model is then an ordinary least-squares likelihood.

``Marginal`` is the likelihood with the linear part integrated out, and draws it back. The residual
r = outcome - media of n whitened rows is normal with covariance sigma^2 I + X X', X the whitened
baseline. With X'X = V diag(square) V' and Z = X V its inverse and determinant cost O(n p)
(Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, appendix A.3, the matrix
inversion lemma)::

    inverse r = (r - Z (Z'r / (square + sigma^2))) / sigma^2

One noise serves all points, or each point has its own (arrays then have a first axis K).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEGREES", "MOST", "Marginal", "Noise", "Whitener", "degrees_of", "update_noise"]

Floats = NDArray[np.float64]

#: Degrees of freedom tried; the most likely is used.
DEGREES = (3.0, 5.0, 10.0, 30.0)

#: The largest correlation: beyond it noise and trend are the same thing.
MOST = 0.85
_LOG_2PI = float(np.log(2.0 * np.pi))


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


@dataclass(frozen=True, slots=True, eq=False)
class Marginal:
    """Z (n, r), square (r,) and V' (r, p) of the whitened baseline, and the whitened outcome (n,).

    All with an axis (K, ...) before where every point has its own noise.
    """

    _ARRAYS: ClassVar = ("rotated", "square", "right", "target")
    whitener: Whitener
    rotated: Floats
    square: Floats
    right: Floats
    target: Floats

    @classmethod
    def of(cls, whitener: Whitener, baseline: Floats, outcome: Floats) -> Marginal:
        """Of the baseline's observed rows (n, p) and their outcome (n,), under one noise."""
        left, singular, right = np.linalg.svd(whitener.apply(baseline.T).T, full_matrices=False)
        return cls(whitener, left * singular, singular**2, right, whitener.apply(outcome))

    @classmethod
    def many(cls, whitener: Whitener, baseline: Floats, outcome: Floats) -> Marginal:
        """The same where ``whitener`` holds the noises of K points."""
        root, phi = whitener.root, whitener.correlation
        shifted = np.zeros_like(baseline)
        shifted[1:] = whitener.follows[1:, None] * baseline[:-1]
        x = (baseline - np.reshape(phi, (-1, 1, 1)) * shifted) * root[:, :, None]
        square, vectors = np.linalg.eigh(np.matmul(x.transpose(0, 2, 1), x))
        right = np.ascontiguousarray(vectors.transpose(0, 2, 1))
        target = whitener.apply(np.broadcast_to(outcome, root.shape))
        return cls(whitener, np.matmul(x, vectors), np.maximum(square, 0.0), right, target)

    @classmethod
    def together(cls, whitener: Whitener, parts: Sequence[Marginal]) -> Marginal:
        """One of each of K points from theirs, each with a first axis of one."""
        arrays = ([getattr(part, name) for part in parts] for name in cls._ARRAYS)
        return cls(whitener, *(np.concatenate(array) for array in arrays))

    def some(self, at: slice) -> Marginal:
        """The noises of some points; all of it where one noise serves all."""
        if self.rotated.ndim == 2:
            return self
        return Marginal(self.whitener.some(at), *(getattr(self, x)[at] for x in self._ARRAYS))

    def residual(self, media: Floats) -> Floats:
        """Whitened outcome less media (K, n) of the observed rows."""
        return self.target - self.whitener.apply(media)

    def solved(self, residual: Floats, sigma: Floats) -> tuple[Floats, Floats, Floats]:
        """covariance^-1 residual (K, n), residual' of it (K,), and square + sigma^2 (K, r)."""
        variance = (sigma * sigma)[:, None]
        inside = self.square + variance
        found = _down(_up(residual, self.rotated) / inside, self.rotated)
        np.subtract(residual, found, out=found)
        found /= variance
        return found, np.einsum("kn,kn->k", residual, found), inside

    def log_likelihood(self, residual: Floats, sigma: Floats) -> tuple[Floats, Floats, Floats]:
        """Log likelihood (K,), covariance^-1 residual (K, n), d value / d log sigma (K,)."""
        n, rank = self.rotated.shape[-2:]
        variance = sigma * sigma
        solved, quadratic, inside = self.solved(residual, sigma)
        value = -0.5 * (
            quadratic
            + np.log(inside).sum(axis=1)
            + (n - rank) * np.log(variance)
            + n * _LOG_2PI
            - 2.0 * self.whitener.log_determinant
        )
        trace = (1.0 / inside).sum(axis=1) + (n - rank) / variance
        return value, solved, variance * (np.einsum("kn,kn->k", solved, solved) - trace)

    def coefficients(self, residual: Floats, sigma: Floats) -> Floats:
        """Posterior mean (K, p) of gamma given whitened residuals and sigma (K,)."""
        inside = self.square + (sigma * sigma)[:, None]
        return _up(_up(residual, self.rotated) / inside, self.right)

    def drawn(self, mean: Floats, sigma: Floats, rng: np.random.Generator) -> Floats:
        """One draw (K, p) of gamma around its posterior means."""
        shrink = sigma[:, None] / np.sqrt(self.square + sigma[:, None] ** 2)  # sd along V
        noise = rng.standard_normal(mean.shape)
        out: Floats = mean + noise + _up(_down(noise, self.right) * (shrink - 1.0), self.right)
        return out


def _up(values: Floats, matrix: Floats) -> Floats:
    """values (K, a) times matrix (a, b), or each times its own (K, a, b)."""
    if matrix.ndim == 2:
        return values @ matrix
    return np.asarray(np.matmul(values[:, None, :], matrix)[:, 0])


def _down(values: Floats, matrix: Floats) -> Floats:
    """values (K, b) times the transpose of matrix (a, b), or each times its own (K, a, b)."""
    if matrix.ndim == 2:
        return values @ matrix.T
    return np.asarray(np.matmul(matrix, values[:, :, None])[:, :, 0])
