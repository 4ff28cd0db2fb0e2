"""The log posterior of the media model, with its gradient, for many points at once.

For row t of the training window, everything in units of the outcome's standard deviation::

    outcome_t = baseline_t . gamma + sum_c media_ct + noise_t,   gamma ~ N(0, I)
    media_ct  = exp(rho_c) * unit_c * S_ct / mean_t(S_ct)
    S_ct      = hill(a_ct) or 1 - exp(-a_ct / k_c),   a_c = normalised geometric adstock of spend
    noise_t   = phi noise_t-1 + innovation_t,   innovation_t ~ N(0, sigma^2 / weight_t)

``rho`` is the log return on investment over the window and ``unit_c`` the outcome that a return of
one would make of the mean spend. The linear part gamma is integrated out exactly: with the singular
values s and left vectors U of the weighted baseline, the covariance of the weighted residual is
sigma^2 I + U diag(s^2) U', whose inverse and determinant cost O(T p) (Rasmussen and Williams,
Gaussian Processes for Machine Learning, 2006, appendix A.3, the matrix inversion lemma).
Rows are whitened first (Cochrane and Orcutt, 1949; after a gap, as Prais and Winsten, 1954, do with
the first row). ``phi`` and ``weight_t``, the scale-mixture weights of Student-t innovations, are
held fixed here; ``noise`` finds them.

A point theta has 4 C + 1 coordinates: rho, logit decay, log half-saturation (over the spend scale),
log shape, log sigma. A channel with exponential saturation keeps its (unused) shape under the
prior, so that points and evidence of all choices of families are comparable.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes import kernels
from shared.fit.bayes.noise import Whitener
from shared.fit.bayes.priors import CARRYOVER, HALF_SD, SHAPE_MEAN, SHAPE_SD, ReturnPrior
from shared.fit.design.features import Design

__all__ = ["MediaModel", "Unpacked", "build_model"]

Floats = NDArray[np.float64]
_LOG_2PI = float(np.log(2.0 * np.pi))
_NOISE_FLOOR = 0.02  # of sigma, in outcome sd: no outcome is noiseless
_CACHED = 48_000  # numbers of one (channel, point, row) array worked on at once


@dataclass(frozen=True, slots=True, eq=False)
class Unpacked:
    """Points in natural parameters: shapes (K, C), sigma (K,). Half in units of the spend scale."""

    roi: Floats
    decay: Floats
    half: Floats
    shape: Floats
    sigma: Floats


@dataclass(frozen=True, slots=True, eq=False)
class MediaModel:
    """One model on one design; ``hill`` (C,) says which channels are Hill, the rest exponential."""

    design: Design
    prior: ReturnPrior
    hill: NDArray[np.bool_]
    whitener: Whitener  # of the n observed rows
    unit: Floats  # (C,)
    left: Floats  # (n, r) U
    singular: Floats  # (r,) s
    right: Floats  # (r, p) V'
    target: Floats  # (n,) whitened outcome

    @property
    def channels(self) -> int:
        return len(self.design.active)

    @property
    def size(self) -> int:
        """Number of coordinates of a point."""
        return 4 * self.channels + 1

    def prior_moments(self) -> tuple[Floats, Floats]:
        """Centre and sd (size,) of the prior of each coordinate (decay and sigma: about)."""
        c = self.channels
        a, b = CARRYOVER[self.design.frequency]
        centre = np.concatenate(
            [
                self.prior.log_median,
                np.full(c, np.log(a / b)),
                np.zeros(c),
                np.full(c, SHAPE_MEAN),
                [-1.0],
            ]
        )
        sd = np.concatenate(
            [
                self.prior.log_sd,
                np.full(c, np.sqrt(1.0 / a + 1.0 / b)),
                np.full(c, HALF_SD),
                np.full(c, SHAPE_SD),
                [0.7],
            ]
        )
        return centre, sd

    def unpack(self, theta: Floats) -> Unpacked:
        """Natural parameters of points (K, size)."""
        c = self.channels
        return Unpacked(
            roi=np.exp(theta[:, :c]),
            decay=1.0 / (1.0 + np.exp(-theta[:, c : 2 * c])),
            half=np.exp(theta[:, 2 * c : 3 * c]),
            shape=np.exp(theta[:, 3 * c : 4 * c]),
            sigma=np.exp(theta[:, -1]),
        )

    def media(self, theta: Floats) -> Floats:
        """Media of each channel in every row, shape (C, K, T), in outcome sd.

        The mean saturation that turns returns into coefficients is always the training window's.
        """
        p = self.unpack(theta)
        saturated = _saturate(self, p, self._adstock(p)[1])[0]
        level = saturated[:, :, : self.design.train].mean(axis=2, keepdims=True)
        scale = (p.roi.T * self.unit[:, None])[:, :, None] / np.maximum(level, 1e-300)
        out: Floats = scale * saturated
        return out

    def coefficients(self, theta: Floats) -> Floats:
        """Maximal response of each channel, shape (K, C), in outcome units per period."""
        p = self.unpack(theta)
        saturated = _saturate(self, p, self._adstock(p)[1])[0]
        level = saturated[:, :, : self.design.train].mean(axis=2)
        out: Floats = (p.roi * self.design.mean_spend) / np.maximum(level.T, 1e-300)
        return out

    def _adstock(self, p: Unpacked) -> tuple[Floats, Floats]:
        """Weights (C, K, L) and adstocked spend (C, K, T)."""
        lag = np.arange(self.design.lags.shape[2])
        weights = p.decay.T[:, :, None] ** lag
        weights /= weights.sum(axis=2, keepdims=True)
        return weights, np.matmul(weights, self.design.lags.transpose(0, 2, 1))

    def log_posterior(self, theta: Floats) -> tuple[Floats, Floats]:
        """Log posterior density (K,) of points (K, size), normalised prior, and gradient (K, size).

        The density is of theta itself (Jacobians of the logarithms and the logit included).
        """
        # A few points at a time: their arrays then stay in the processor's cache.
        few = max(1, _CACHED // (self.channels * self.design.train))
        parts = [self._log_posterior(theta[k : k + few]) for k in range(0, len(theta), few)]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([v for v, _ in parts]), np.concatenate([g for _, g in parts])

    def _log_posterior(self, theta: Floats) -> tuple[Floats, Floats]:
        d, c, train = self.design, self.channels, self.design.train
        p = self.unpack(theta)
        weights, adstock = self._adstock(p)
        adstock = adstock[:, :, :train]
        saturated, by_adstock, by_half, by_shape = _saturate(self, p, adstock)
        level = np.maximum(saturated.mean(axis=2), 1e-300)
        scale = p.roi.T * self.unit[:, None] / level  # (C, K)
        seen = d.observed[:train]
        media = np.einsum("ck,ckt->kt", scale, saturated)
        residual = self.target - self.whitener.apply(media[:, seen])
        value, solved, by_sigma = self._likelihood(residual, p.sigma)
        push = np.zeros((theta.shape[0], train))  # d value / d media_kt
        push[:, seen] = self.whitener.transposed(solved)
        total = np.einsum("kt,ckt->ck", push, saturated)
        by_saturated = scale[:, :, None] * (push[None] - (total / (level * train))[:, :, None])
        lag = np.arange(weights.shape[2])
        by_weights = np.matmul(by_saturated * by_adstock, d.lags[:, :train])
        centred = lag - (weights * lag).sum(axis=2, keepdims=True)
        gradient = np.empty_like(theta)
        gradient[:, :c] = (scale * total).T
        gradient[:, c : 2 * c] = ((by_weights * weights * centred).sum(axis=2)).T * (1 - p.decay)
        gradient[:, 2 * c : 3 * c] = (by_saturated * by_half).sum(axis=2).T
        gradient[:, 3 * c : 4 * c] = (by_saturated * by_shape).sum(axis=2).T
        gradient[:, -1] = by_sigma
        prior, prior_gradient = self._log_prior(theta, p)
        return value + prior, gradient + prior_gradient

    def log_null(self, log_sigma: Floats) -> tuple[Floats, Floats]:
        """Log posterior (K,) and gradient of log sigma alone in the model without any media."""
        sigma = np.exp(log_sigma)
        residual = np.broadcast_to(self.target, (log_sigma.size, self.target.size))
        value, _, by_sigma = self._likelihood(residual, sigma)
        prior, prior_gradient = _log_half_normal(log_sigma)
        return value + prior, by_sigma + prior_gradient

    def _likelihood(self, residual: Floats, sigma: Floats) -> tuple[Floats, Floats, Floats]:
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

    def _log_prior(self, theta: Floats, p: Unpacked) -> tuple[Floats, Floats]:
        c = self.channels
        centre, sd = self.prior_moments()
        z = (theta - centre) / sd
        normal = np.ones(self.size, dtype=bool)
        normal[c : 2 * c] = False
        normal[-1] = False
        value = -0.5 * (z[:, normal] ** 2).sum(axis=1) - np.log(sd[normal]).sum()
        value -= 0.5 * _LOG_2PI * normal.sum()
        gradient = np.where(normal, -z / sd, 0.0)
        a, b = CARRYOVER[self.design.frequency]
        logit = theta[:, c : 2 * c]
        # log Beta(d; a, b) + log d(1-d), with log d = -log(1 + e^-u)
        value += (-a * np.logaddexp(0, -logit) - b * np.logaddexp(0, logit)).sum(axis=1)
        value -= c * (lgamma(a) + lgamma(b) - lgamma(a + b))
        gradient[:, c : 2 * c] = a * (1.0 - p.decay) - b * p.decay
        noise, noise_gradient = _log_half_normal(theta[:, -1])
        gradient[:, -1] = noise_gradient
        return value + noise, gradient

    def linear_moments(self, theta: Floats) -> tuple[Floats, Floats]:
        """Posterior mean (K, p) of gamma given points, and media summed over channels (K, T)."""
        media = self.media(theta).sum(axis=0)
        residual = self.target - self.whitener.apply(media[:, self.design.observed])
        variance = np.exp(2.0 * theta[:, -1])[:, None]
        projected = residual @ self.left
        return (projected * self.singular / (self.singular**2 + variance)) @ self.right, media

    def linear_draws(self, theta: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """One draw of gamma (K, p) a point, and media summed (K, T)."""
        mean, media = self.linear_moments(theta)
        sigma = np.exp(theta[:, -1])[:, None]
        shrink = sigma / np.sqrt(self.singular**2 + sigma**2)  # posterior sd along V
        noise = rng.standard_normal(mean.shape)
        along = noise @ self.right.T
        return mean + noise + (along * (shrink - 1.0)) @ self.right, media


def _log_half_normal(log_sigma: Floats) -> tuple[Floats, Floats]:
    """HalfNormal(1) of sigma as a density of its logarithm, and the gradient.

    The factor exp(-(floor / sigma)^2) keeps a dozen rows from being fitted without any noise; its
    effect on the normalisation is far below what evidence is read to.
    """
    square = np.exp(2.0 * log_sigma)
    floor = _NOISE_FLOOR**2 / square
    value = -0.5 * square + log_sigma + 0.5 * float(np.log(2.0 / np.pi)) - floor
    return value, 1.0 - square + 2.0 * floor


def _saturate(
    model: MediaModel, p: Unpacked, adstock: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Saturation (C, K, T) and its derivatives by adstock, log half and log shape."""
    half, shape, hill = p.half.T[:, :, None], p.shape.T[:, :, None], model.hill
    if hill.all():
        return kernels.hill(adstock, half, shape)
    if not hill.any():
        return kernels.exponential(adstock, half)
    out = tuple(np.empty_like(adstock) for _ in range(4))
    parts = (
        (hill, kernels.hill(adstock[hill], half[hill], shape[hill])),
        (~hill, kernels.exponential(adstock[~hill], half[~hill])),
    )
    for where, values in parts:
        for target, value in zip(out, values, strict=True):
            target[where] = value
    return out[0], out[1], out[2], out[3]


def build_model(
    design: Design,
    prior: ReturnPrior,
    hill: NDArray[np.bool_],
    weights: Floats | None = None,
    correlation: float = 0.0,
) -> MediaModel:
    """Whiten and decompose the baseline once; ``weights`` (n,) of observed rows, default ones."""
    seen = design.observed
    whitener = Whitener.of(seen, weights, correlation)
    left, singular, right = np.linalg.svd(
        whitener.apply(design.baseline[seen].T).T, full_matrices=False
    )
    return MediaModel(
        design=design,
        prior=prior,
        hill=hill,
        whitener=whitener,
        unit=design.mean_spend / design.outcome_scale,
        left=left,
        singular=singular,
        right=right,
        target=whitener.apply(design.outcome[seen]),
    )
