"""The noise of each chain, drawn anew: tails, memory and the weight of every row.

Student-t innovations are normals whose precision has a weight w_t ~ Gamma(nu/2, nu/2) (Geweke,
Bayesian treatment of the independent Student-t linear model, 1993). Given a point of the model and
its linear part the innovations u_t are known, and one pass draws, in this order:

1. the correlation, from its density on a grid (Ritter and Tanner, the griddy Gibbs sampler, 1992);
2. the degrees of freedom, the weights integrated out, so that the two do not hold each other fast;
3. the weights, w_t ~ Gamma((nu + 1)/2, (nu + (u_t / sigma)^2)/2).

Holding the weights at their most likely values instead takes outliers for known: intervals then
come out too narrow by about sqrt((nu + 3)/(nu + 1)).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.marginal import Marginal
from shared.fit.bayes.model import MediaModel
from shared.fit.bayes.noise import DEGREES, MOST, Noise, Whitener

__all__ = ["Noises", "marginal_of", "redrawn", "repeated"]

Floats = NDArray[np.float64]

_MEMORY = np.linspace(0.0, MOST, 69)
_MEMORY_SD = 0.3  # half-normal prior of the correlation


@dataclass(frozen=True, slots=True, eq=False)
class Noises:
    """K noises: weights (K, n), correlations (K,), degrees of freedom (K,), infinite for normal."""

    weights: Floats
    correlation: Floats
    degrees: Floats

    def take(self, places: NDArray[np.int64]) -> Noises:
        """Those at ``places``."""
        return Noises(self.weights[places], self.correlation[places], self.degrees[places])

    def mean(self) -> Noise:
        """One noise that stands for them all."""
        degrees = self.degrees
        middle = float(np.median(degrees)) if np.isfinite(degrees).all() else float("inf")
        return Noise(self.weights.mean(axis=0), float(self.correlation.mean()), middle)


def repeated(noise: Noise, count: int) -> Noises:
    """The same noise for every chain."""
    return Noises(
        np.tile(noise.weights, (count, 1)),
        np.full(count, noise.correlation),
        np.full(count, noise.degrees),
    )


def marginal_of(
    model: MediaModel, noises: Noises, known: dict[float, Marginal] | None = None
) -> Marginal:
    """The likelihood of every point under its own noise.

    Normal noise is told apart by its correlation alone, one of a few on a grid: what was worked out
    for it is kept in ``known``.
    """
    design = model.design
    seen = design.observed
    rows, outcome = design.baseline[seen], design.outcome[seen]
    whitener = Whitener.of(seen, noises.weights, noises.correlation[:, None], every=design.periods)
    if known is None or np.isfinite(noises.degrees).any():
        return Marginal.many(whitener, rows, outcome)
    correlations = noises.correlation.tolist()
    new = [value for value in dict.fromkeys(correlations) if value not in known]
    if new:
        first = [correlations.index(value) for value in new]
        found = Marginal.many(
            Whitener(whitener.root[first], noises.correlation[first, None], whitener.follows),
            rows,
            outcome,
        )
        known.update((value, found.some(slice(k, k + 1))) for k, value in enumerate(new))
    return Marginal.together(whitener, [known[value] for value in correlations])


def redrawn(
    model: MediaModel,
    theta: Floats,
    under: Marginal,
    noises: Noises,
    rng: np.random.Generator,
) -> Noises:
    """One pass over the noise of every chain, at points (K, size).

    Chains whose degrees are infinite keep weights of one; a correlation of exactly zero in all of
    them stays (the data spoke for none, see ``noise``).
    """
    design = model.design
    seen = design.observed
    media, sigma = model.fitted_media(theta), np.exp(theta[:, -1])
    mean = under.coefficients(under.residual(media), sigma)
    gamma = under.drawn(mean, sigma, rng)
    error = design.outcome[seen] - media - gamma @ design.baseline[seen].T
    follows = under.whitener.follows
    correlation = noises.correlation
    if correlation.any():
        correlation = _memory(error, noises.weights, sigma, follows, rng)
    ones = np.ones_like(noises.weights)
    plain = Whitener(
        np.where(follows, ones, np.sqrt(1.0 - correlation[:, None] ** 2)),
        correlation[:, None],
        follows,
    )
    if not np.isfinite(noises.degrees).all():
        return Noises(ones, correlation, noises.degrees)
    square = (plain.apply(error) / sigma[:, None]) ** 2
    degrees = _tails(square, rng)
    shape = np.broadcast_to(0.5 * (degrees[:, None] + 1.0), square.shape)
    weights = rng.standard_gamma(shape) / (0.5 * (degrees[:, None] + square))
    return Noises(np.maximum(weights, 1e-8), correlation, degrees)


def _memory(
    error: Floats,
    weights: Floats,
    sigma: Floats,
    follows: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    """(K,) correlations given noise (K, n) and weights."""
    now, before = error[:, 1:][:, follows[1:]], error[:, :-1][:, follows[1:]]
    w = weights[:, 1:][:, follows[1:]]
    precision = 1.0 / sigma[:, None] ** 2
    straight = (w * now * before).sum(axis=1)[:, None] * precision
    squared = (w * before**2).sum(axis=1)[:, None] * precision
    began = (weights * error**2)[:, ~follows].sum(axis=1)[:, None] * precision
    log_density = straight * _MEMORY - 0.5 * squared * _MEMORY**2 + 0.5 * began * _MEMORY**2
    log_density += 0.5 * int((~follows).sum()) * np.log1p(-(_MEMORY**2))
    log_density -= 0.5 * (_MEMORY / _MEMORY_SD) ** 2
    return _MEMORY[_chosen(log_density, rng)]


def _tails(square: Floats, rng: np.random.Generator) -> Floats:
    """(K,) degrees of freedom given squared standardised innovations (K, n), uniform beforehand."""
    rows = square.shape[1]
    log_density = np.stack(
        [
            rows * (lgamma((nu + 1) / 2) - lgamma(nu / 2) - 0.5 * np.log(nu))
            - 0.5 * (nu + 1) * np.log1p(square / nu).sum(axis=1)
            for nu in DEGREES
        ],
        axis=1,
    )
    return np.array(DEGREES)[_chosen(log_density, rng)]


def _chosen(log_density: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """One column a row, with these unnormalised log probabilities (Gumbel's trick)."""
    return np.asarray(np.argmax(log_density + rng.gumbel(size=log_density.shape), axis=1))
