"""The likelihood with the linear part integrated out, and the linear part drawn back.

The residual r = outcome - media of n whitened rows is normal with covariance sigma^2 I + X X', X
the whitened baseline. With X = U diag(s) V' its inverse and determinant cost O(n p) (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, appendix A.3, the matrix inversion lemma).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.noise import Whitener

__all__ = ["Marginal"]

Floats = NDArray[np.float64]
_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True, eq=False)
class Marginal:
    """U (n, r), s (r,), V' (r, p) of the whitened baseline, and the whitened outcome (n,)."""

    whitener: Whitener
    left: Floats
    singular: Floats
    right: Floats
    target: Floats

    @classmethod
    def of(cls, whitener: Whitener, baseline: Floats, outcome: Floats) -> Marginal:
        """Of the baseline's observed rows (n, p) and their outcome (n,)."""
        left, singular, right = np.linalg.svd(whitener.apply(baseline.T).T, full_matrices=False)
        return cls(whitener, left, singular, right, whitener.apply(outcome))

    def residual(self, media: Floats) -> Floats:
        """Whitened outcome less media (K, n) of the observed rows."""
        return self.target - self.whitener.apply(media)

    def log_likelihood(self, residual: Floats, sigma: Floats) -> tuple[Floats, Floats, Floats]:
        """Log likelihood (K,), covariance^-1 residual (K, n), d value / d log sigma (K,)."""
        n, rank = self.left.shape
        variance = (sigma * sigma)[:, None]
        projected = residual @ self.left
        inside = self.singular**2 + variance  # (K, r)
        outside = np.maximum((residual**2).sum(axis=1) - (projected**2).sum(axis=1), 0.0)
        value = -0.5 * (
            (projected**2 / inside).sum(axis=1)
            + outside / variance[:, 0]
            + np.log(inside).sum(axis=1)
            + (n - rank) * np.log(variance[:, 0])
            + n * _LOG_2PI
            - 2.0 * self.whitener.log_determinant
        )
        solved = residual / variance + (projected * (1.0 / inside - 1.0 / variance)) @ self.left.T
        by_variance = 0.5 * (
            (projected**2 / inside**2).sum(axis=1)
            + outside / variance[:, 0] ** 2
            - (1.0 / inside).sum(axis=1)
            - (n - rank) / variance[:, 0]
        )
        return value, solved, 2.0 * variance[:, 0] * by_variance

    def coefficients(self, residual: Floats, sigma: Floats) -> Floats:
        """Posterior mean (K, p) of gamma given whitened residuals and sigma (K,)."""
        variance = (sigma * sigma)[:, None]
        projected = residual @ self.left
        out: Floats = (projected * self.singular / (self.singular**2 + variance)) @ self.right
        return out

    def drawn(self, mean: Floats, sigma: Floats, rng: np.random.Generator) -> Floats:
        """One draw (K, p) of gamma around its posterior means."""
        shrink = sigma[:, None] / np.sqrt(self.singular**2 + sigma[:, None] ** 2)  # sd along V
        noise = rng.standard_normal(mean.shape)
        out: Floats = mean + noise + (noise @ self.right.T * (shrink - 1.0)) @ self.right
        return out
