"""Have chains forgotten where they began, and how many independent draws are they worth?

Rank-normalised split R-hat, its folded twin for the tails, and bulk effective sample size, as
Vehtari, Gelman, Simpson, Carpenter and Buerkner define them (Rank-normalization, folding, and
localization: an improved R-hat, Bayesian Analysis 2021), for all coordinates at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bulk_ess", "normal_quantile", "plain_r_hat", "r_hat"]

Floats = NDArray[np.float64]
#: Wichura's rational approximations, highest power first: numerator and denominator of each part.
_MIDDLE = (
    (59.109374720, 159.29113202, 50.434271938, 3.3871327179),
    (67.187563600, 78.757757664, 17.895169469, 1.0),
)
_TAIL = (
    (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777),
    (0.12021132975, 0.73700164250, 1.0),
)
_FAR = (
    (0.017337203997, 0.42868294337, 3.0812263860, 6.6579051150),
    (0.012258202635, 0.24197894225, 1.0),
)


def plain_r_hat(chains: Floats) -> Floats:
    """Split R-hat of each coordinate as it is, without ranks, (D,): a first look, at once."""
    return _split_r_hat(_halves(chains))


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
    draws, count, size = chains.shape
    flat = chains.reshape(-1, size)
    ranks = np.arange(1.0, len(flat) + 1.0)
    scores = normal_quantile((ranks - 0.375) / (len(flat) + 0.25))
    out = np.empty(flat.shape)
    np.put_along_axis(out, np.argsort(flat, axis=0), scores[:, None], axis=0)
    return out.reshape(draws, count, size)


def normal_quantile(share: Floats) -> Floats:
    """Quantiles of the standard normal, (N,), to seven digits: Wichura's PPND7.

    Algorithm AS 241: The percentage points of the normal distribution (Applied Statistics, 1988).
    """
    middle = share - 0.5
    side = np.sqrt(-np.log(np.minimum(share, 1.0 - share)))
    near = np.polyval(_MIDDLE[0], 0.180625 - middle**2) / np.polyval(
        _MIDDLE[1], 0.180625 - middle**2
    )
    tail = np.polyval(_TAIL[0], side - 1.6) / np.polyval(_TAIL[1], side - 1.6)
    far = np.polyval(_FAR[0], side - 5.0) / np.polyval(_FAR[1], side - 5.0)
    outer = np.sign(middle) * np.where(side <= 5.0, tail, far)
    return np.asarray(np.where(np.abs(middle) <= 0.425, middle * near, outer))


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
