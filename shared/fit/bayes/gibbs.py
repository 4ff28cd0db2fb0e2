"""The noise of each chain, drawn anew: tails, memory and the weight of every row.

Student-t innovations are normals whose precision has a weight w_t ~ Gamma(nu/2, nu/2) (Geweke,
Bayesian treatment of the independent Student-t linear model, 1993). Given a point of the model and
its linear part the innovations u_t are known, and one pass draws, in this order:

1. the correlation, from its density on a grid (Ritter and Tanner, the griddy Gibbs sampler, 1992);
2. the degrees of freedom, the weights integrated out, so that the two do not hold each other fast.
   For the same reason sigma moves along: heavier tails mean a smaller scale, and either alone would
   hardly ever change. Which sigma goes with which tails is read off u_t by a fixed recipe, so that
   these few (nu, sigma) are the same seen from any of them, and one is drawn by its density;
3. the weights, w_t ~ Gamma((nu + 1)/2, (nu + (u_t / sigma)^2)/2);
4. weights and sigma^2 times a common factor, which leaves the likelihood as it is: without it sigma
   follows the weights and they follow sigma (Liu and Wu, Parameter expansion for data augmentation,
   1999). The factor is Gamma(n nu / 2, nu sum w / 2) but for sigma's prior.

Holding the weights at their most likely values instead takes outliers for known: intervals then
come out too narrow by about sqrt((nu + 3)/(nu + 1)).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.layout import log_half_normal
from shared.fit.bayes.model import MediaModel
from shared.fit.bayes.noise import DEGREES, MOST, Marginal, Noise, Whitener

__all__ = ["Noises", "marginal_of", "redrawn", "repeated"]

Floats = NDArray[np.float64]

_MEMORY = np.linspace(0.0, MOST, 69)
_STEPS = 8  # towards the most likely scale under given tails
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
) -> tuple[Noises, Floats]:
    """One pass over the noise of every chain, at points (K, size), and log sigma (K,) with it.

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
        return Noises(ones, correlation, noises.degrees), theta[:, -1]
    square = plain.apply(error) ** 2
    weights, degrees, log_sigma = _tailed(square, noises.degrees, theta[:, -1], rng)
    return Noises(weights, correlation, degrees), log_sigma


def _tailed(
    square: Floats, degrees: Floats, log_sigma: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Weights (K, n), degrees of freedom (K,) and log sigma (K,) given u_t squared (K, n)."""
    degrees, log_sigma = _tails(square, degrees, log_sigma, rng)
    shape = np.broadcast_to(0.5 * (degrees[:, None] + 1.0), square.shape)
    inner = square / np.exp(2.0 * log_sigma)[:, None]
    weights = rng.standard_gamma(shape) / (0.5 * (degrees[:, None] + inner))
    factor = rng.standard_gamma(0.5 * degrees * square.shape[1])
    factor /= 0.5 * degrees * weights.sum(axis=1)
    moved = log_sigma + 0.5 * np.log(factor)
    likelier = log_half_normal(moved)[0] - log_half_normal(log_sigma)[0]
    taken = np.log(rng.uniform(size=factor.size)) < likelier
    weights *= np.where(taken, factor, 1.0)[:, None]
    return np.maximum(weights, 1e-8), degrees, np.where(taken, moved, log_sigma)


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


def _tails(
    square: Floats, degrees: Floats, log_sigma: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """(K,) degrees of freedom, uniform beforehand, and log sigma, given squared innovations (K, n).

    Both move together along the most likely scales of ``square`` under each of ``DEGREES``.
    """
    rows, each = square.shape[1], np.arange(len(square))
    tried = np.array(DEGREES)[:, None, None]
    scale = np.broadcast_to(square.mean(axis=1), (len(tried), len(square)))
    for _ in range(_STEPS):  # expectation and maximisation, as in ``noise``
        light = tried + square / scale[:, :, None]
        scale = ((tried + 1.0) * square / light).mean(axis=2)
    along = 0.5 * np.log(scale)  # (degrees, K)
    now = np.abs(np.array(DEGREES)[:, None] - degrees).argmin(axis=0)
    sigmas = log_sigma + along - along[now, each]
    log_density = log_half_normal(sigmas)[0] - rows * sigmas
    for place, nu in enumerate(DEGREES):
        inner = square / (nu * np.exp(2.0 * sigmas[place]))[:, None]
        constant = lgamma((nu + 1) / 2) - lgamma(nu / 2) - 0.5 * np.log(nu)
        log_density[place] += rows * constant - 0.5 * (nu + 1) * np.log(1.0 + inner).sum(axis=1)
    chosen = _chosen(log_density.T, rng)
    return np.array(DEGREES)[chosen], sigmas[chosen, each]


def _chosen(log_density: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """One column a row, with these unnormalised log probabilities (Gumbel's trick)."""
    return np.asarray(np.argmax(log_density + rng.gumbel(size=log_density.shape), axis=1))
