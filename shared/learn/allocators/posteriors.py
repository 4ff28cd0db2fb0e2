"""Posteriors of an arm's rate: quantiles, distribution functions, and who is the best of several.

Chances to be the best are integrals over one arm's quantiles, taken by Gauss and Legendre's rule:
``P_i = integral of prod over j != i of F_j(Q_i(u)) du``, and likewise what the best one is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import (
    betainc,
    betaincinv,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    ndtr,
    ndtri,
)

__all__ = [
    "Beta",
    "Gamma",
    "Grid",
    "Normal",
    "Posterior",
    "Scaled",
    "chances",
    "delayed",
    "valued",
]

Array = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(400)
_T = 0.5 * (_NODES + 1.0)
# u = t^2 (3 - 2 t): quantiles rise without limit at both ends, where these nodes lie close.
_U, _W = _T * _T * (3.0 - 2.0 * _T), 3.0 * _T * (1.0 - _T) * _WEIGHTS
_GRID = 2001
_TAIL = 1e-12
_TINY = 1e-200


class Posterior(Protocol):
    """What is believed of a rate that is not negative."""

    @property
    def mean(self) -> float: ...
    @property
    def sd(self) -> float: ...
    def quantile(self, u: Array) -> Array: ...
    def cdf(self, x: Array) -> Array: ...


@dataclass(frozen=True, slots=True)
class Beta:
    """Of the share of trials that succeed; ``a - 1`` successes and ``b - 1`` failures at a flat
    prior."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)

    @property
    def sd(self) -> float:
        n = self.a + self.b
        return float(np.sqrt(self.a * self.b / (n * n * (n + 1.0))))

    def quantile(self, u: Array) -> Array:
        return np.asarray(betaincinv(self.a, self.b, u))

    def cdf(self, x: Array) -> Array:
        return np.asarray(betainc(self.a, self.b, np.clip(x, 0.0, 1.0)))


@dataclass(frozen=True, slots=True)
class Gamma:
    """Of outcomes per unit of exposure: ``a`` outcomes over exposure ``rate``."""

    a: float
    rate: float

    @property
    def mean(self) -> float:
        return self.a / self.rate

    @property
    def sd(self) -> float:
        return float(np.sqrt(self.a) / self.rate)

    def quantile(self, u: Array) -> Array:
        return np.asarray(gammaincinv(self.a, u) / self.rate)

    def cdf(self, x: Array) -> Array:
        return np.asarray(gammainc(self.a, np.maximum(x, 0.0) * self.rate))


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal distribution cut off at 0; ``middle`` and ``spread`` are those before the cut."""

    middle: float
    spread: float

    @property
    def _left(self) -> float:
        """The share of the normal that is not cut off."""
        return float(ndtr(self.middle / self.spread))

    def _moments(self) -> tuple[float, float]:
        if self.spread <= 0.0:
            return max(self.middle, 0.0), 0.0
        if self._left < _TINY:
            return (far := self._far()), far
        z = -self.middle / self.spread
        hazard = float(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)) / self._left
        var = self.spread**2 * max(1.0 + z * hazard - hazard * hazard, 0.0)
        return max(self.middle + self.spread * hazard, 0.0), float(np.sqrt(var))

    def _far(self) -> float:
        """The mean of the tail's exponential limit, where next to nothing is left."""
        return self.spread**2 / -self.middle

    @property
    def mean(self) -> float:
        return self._moments()[0]

    @property
    def sd(self) -> float:
        return self._moments()[1]

    def quantile(self, u: Array) -> Array:
        if self.spread <= 0.0:
            return np.full(np.shape(u), max(self.middle, 0.0))
        if self._left < _TINY:
            return np.asarray(-self._far() * np.log1p(-u))
        return np.maximum(self.middle - self.spread * ndtri(self._left * (1.0 - u)), 0.0)

    def cdf(self, x: Array) -> Array:
        if self.spread <= 0.0:  # what is equal but for rounding is as good
            top = max(self.middle, 0.0) * (1.0 - 1e-6)
            return np.asarray(np.asarray(x) >= top, dtype=np.float64)
        if self._left < _TINY:
            return np.asarray(-np.expm1(-np.maximum(x, 0.0) / self._far()))
        more = ndtr((self.middle - np.asarray(x)) / self.spread) / self._left
        return np.asarray(np.clip(1.0 - more, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Grid:
    """A distribution by its distribution function ``share`` at rising ``points``."""

    points: Array
    share: Array
    mean: float
    sd: float

    @classmethod
    def of_density(cls, points: Array, log_density: Array) -> Grid:
        """By the trapezoidal rule, from a density that need not be normalised."""
        density = np.exp(log_density - log_density.max())
        pieces = 0.5 * (density[1:] + density[:-1]) * np.diff(points)
        share = np.concatenate(([0.0], np.cumsum(pieces)))
        weight = np.zeros(points.size)
        weight[1:] += 0.5 * density[1:] * np.diff(points)
        weight[:-1] += 0.5 * density[:-1] * np.diff(points)
        weight /= share[-1]
        mean = float(weight @ points)
        return cls(points, share / share[-1], mean, float(np.sqrt(weight @ (points - mean) ** 2)))

    def quantile(self, u: Array) -> Array:
        return np.asarray(np.interp(u, self.share, self.points))

    def cdf(self, x: Array) -> Array:
        return np.asarray(np.interp(x, self.points, self.share, left=0.0, right=1.0))


@dataclass(frozen=True, slots=True)
class Scaled:
    """Another posterior's rate times ``by``, a positive number."""

    inner: Posterior
    by: float

    @property
    def mean(self) -> float:
        return self.inner.mean * self.by

    @property
    def sd(self) -> float:
        return self.inner.sd * self.by

    def quantile(self, u: Array) -> Array:
        return self.inner.quantile(u) * self.by

    def cdf(self, x: Array) -> Array:
        return self.inner.cdf(np.asarray(x) / self.by)


def delayed(a: float, b: float, trials: Array, successes: Array, seen: Array) -> Posterior:
    """The posterior of a share of successes of which a part has not been seen yet, exact on a grid.

    The likelihood of a cohort is ``p^S (1 - p F)^(N - S)``: who has not converted by now may still
    (Chapelle, Modeling delayed feedback in display advertising, 2014; the exposure form ``N F`` is
    Vernade, Cappé and Perchet's, 2017).

    Parameters
    ----------
    a, b
        Of the Beta prior.
    trials, successes, seen
        (C,) by cohort (they may be weighed down); ``seen`` is the share F of successes that come
        by now.
    """
    total = float(successes.sum())
    if bool(np.all(seen == 1.0)):
        return Beta(a + total, b + float((trials - successes).sum()))
    near = Gamma(a + total, b + float((trials * seen).sum()))
    low, high = near.quantile(np.array([_TAIL, 1.0 - _TAIL]))
    top = min(2.0 * float(high), 1.0)
    points = np.linspace(min(0.5 * float(low), 0.5 * top), top, _GRID)
    points = points[(points > 0.0) & (points < 1.0)]
    log = (a - 1.0 + total) * np.log(points) + (b - 1.0) * np.log1p(-points)
    log += np.log1p(-np.outer(points, seen)) @ (trials - successes)
    return Grid.of_density(points, log)


def valued(rate: Posterior, shape: float, a: float, scale: float) -> Posterior:
    """A rate of conversions times their mean value.

    Values are Gamma of known ``shape``; their mean is ``shape`` over a rate with a Gamma(``a``,
    ``scale``) posterior, so that it is ``scale * shape`` over a Gamma(``a``).
    """
    ends = rate.quantile(np.array([_TAIL, 1.0 - _TAIL]))
    worth = scale * shape / gammainccinv(a, np.array([_TAIL, 1.0 - _TAIL]))
    low, high = float(ends[0] * worth[0]), float(ends[1] * worth[1])
    points = np.geomspace(max(low, high * 1e-12), high, _GRID)
    at = rate.quantile(_U)
    share = gammaincc(a, scale * shape * np.maximum(at, 1e-300) / points[:, None]) @ _W
    share = np.maximum.accumulate(np.clip(share, 0.0, 1.0))
    share, keep = np.unique(share, return_index=True)
    value = scale * shape / (a - 1.0)
    second = (rate.sd**2 + rate.mean**2) * (scale * shape) ** 2 / ((a - 1.0) * (a - 2.0))
    mean = rate.mean * value
    return Grid(points[keep], share, mean, float(np.sqrt(max(second - mean**2, 0.0))))


def chances(arms: Sequence[Posterior]) -> tuple[Array, float]:
    """(K,) the probability that each arm is the best, and the expected rate of the best one."""
    best, top = np.zeros(len(arms)), 0.0
    for i, arm in enumerate(arms):
        x = arm.quantile(_U)
        others = np.ones(x.shape)
        for j, other in enumerate(arms):
            if j != i:
                others = others * other.cdf(x)
        best[i] = float(_W @ others)
        top += float(_W @ (x * others))
    total = float(best.sum())
    if not np.isfinite(total) or total <= 0.0:
        return np.full(len(arms), 1.0 / len(arms)), max(arm.mean for arm in arms)
    return best / total, top / total
