"""The likelihood with the linear part integrated out, and the linear part drawn back.

The residual r = outcome - media of n whitened rows is normal with covariance sigma^2 I + X X', X
the whitened baseline. With X'X = V diag(square) V' and Z = X V its inverse and determinant cost
O(n p) (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, appendix A.3, the
matrix inversion lemma)::

    inverse r = (r - Z (Z'r / (square + sigma^2))) / sigma^2

One noise serves all points, or each point has its own (arrays then have a first axis K).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.noise import Whitener

__all__ = ["Marginal"]

Floats = NDArray[np.float64]
_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True, eq=False)
class Marginal:
    """Z (n, r), square (r,) and V' (r, p) of the whitened baseline, and the whitened outcome (n,).

    All with an axis (K, ...) before where every point has its own noise.
    """

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
        return cls(
            whitener,
            np.concatenate([part.rotated for part in parts]),
            np.concatenate([part.square for part in parts]),
            np.concatenate([part.right for part in parts]),
            np.concatenate([part.target for part in parts]),
        )

    def some(self, at: slice) -> Marginal:
        """The noises of some points; all of it where one noise serves all."""
        if self.rotated.ndim == 2:
            return self
        return Marginal(
            self.whitener.some(at),
            self.rotated[at],
            self.square[at],
            self.right[at],
            self.target[at],
        )

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
