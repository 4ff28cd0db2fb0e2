"""Have chains forgotten where they began, and how many independent draws are they worth?

Rank-normalised split R-hat, its folded twin for the tails, and bulk effective sample size, as
Vehtari, Gelman, Simpson, Carpenter and Buerkner define them (Rank-normalization, folding, and
localization: an improved R-hat, Bayesian Analysis 2021), for all coordinates at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bulk_ess", "r_hat"]

Floats = NDArray[np.float64]


def r_hat(chains: Floats) -> Floats:
    """The larger of the bulk's and the folded R-hat of each coordinate, shape (D,).

    Parameters
    ----------
    chains
        Shape (N, K, D): N draws of K chains, at least four.
    """
    folded = np.abs(chains - np.median(chains, axis=(0, 1)))
    bulk = _split_r_hat(_normal_scores(_halves(chains)))
    return np.maximum(bulk, _split_r_hat(_normal_scores(_halves(folded))))


def bulk_ess(chains: Floats) -> Floats:
    """Effective sample size of the rank-normalised split chains (N, K, D), shape (D,)."""
    scores = _normal_scores(_halves(chains))
    draws, count, _ = scores.shape
    within, over = _variances(scores)
    centred = scores - scores.mean(axis=0)
    padded = 2 ** int(np.ceil(np.log2(2 * draws)))
    spectrum = np.fft.rfft(centred, padded, axis=0)
    # Autocovariance by lag, divided by N whatever the lag, as Geyer (1992) advises.
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, padded, axis=0)[:draws].mean(axis=1) / draws
    rho = 1.0 - (within - covariance * draws / (draws - 1.0)) / over
    rho[0] = 1.0
    pairs = draws // 2
    sums = rho[: 2 * pairs].reshape(pairs, 2, -1).sum(axis=1)  # Geyer's pairs are positive
    alive = np.cumprod(sums > 0, axis=0).astype(bool)
    sums = np.where(alive, np.minimum.accumulate(np.where(alive, sums, np.inf), axis=0), 0.0)
    time = np.maximum(-1.0 + 2.0 * sums.sum(axis=0), 1.0 / np.log10(draws * count))
    out: Floats = draws * count / time
    return out


def _halves(chains: Floats) -> Floats:
    """(N // 2, 2 K, D): first and second halves as chains of their own."""
    half = len(chains) // 2
    return np.concatenate([chains[:half], chains[len(chains) - half :]], axis=1)


def _normal_scores(chains: Floats) -> Floats:
    """Ranks over all chains, through the normal quantile function (Blom's offsets)."""
    from scipy.special import ndtri

    draws, count, size = chains.shape
    flat = chains.reshape(-1, size)
    rank = np.empty(flat.shape)
    np.put_along_axis(
        rank, np.argsort(flat, axis=0), np.arange(1.0, len(flat) + 1.0)[:, None], axis=0
    )
    out: Floats = ndtri((rank - 0.375) / (len(flat) + 0.25)).reshape(draws, count, size)
    return out


def _variances(scores: Floats) -> tuple[Floats, Floats]:
    """Within chains, and of all together (too large until they agree), each (D,)."""
    draws = len(scores)
    between = draws * scores.mean(axis=0).var(axis=0, ddof=1)
    within = np.maximum(scores.var(axis=0, ddof=1).mean(axis=0), 1e-300)
    return within, within * (draws - 1.0) / draws + between / draws


def _split_r_hat(scores: Floats) -> Floats:
    within, over = _variances(scores)
    out: Floats = np.sqrt(over / within)
    return out
