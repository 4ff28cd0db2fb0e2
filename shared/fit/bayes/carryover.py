"""Adstock weights with their derivatives, for many points at once.

Each family is the logarithm of its weights before they are made to sum to one, as a function of two
free coordinates; ``curves.adstock`` has the formulas and a test holds the two together. With
weights w_l = e^g_l / sum e^g, the derivative by a coordinate u is w_l (g'_l - sum_m w_m g'_m).

==============  ============================  ====================================================
family          coordinates                   natural parameters
==============  ============================  ====================================================
geometric       logit decay, -                decay
delayed         logit decay, logit peak/most  decay, peak (in periods; at most ``furthest``)
weibull_pdf     log shape, log scale          shape, scale (in periods)
weibull_cdf     log shape, log scale          shape, scale (in periods)
==============  ============================  ====================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock, Delayed, Geometric, WeibullCdf, WeibullPdf

__all__ = [
    "ADSTOCK_FAMILIES",
    "PARAMETERS",
    "adstock_of",
    "furthest",
    "natural",
    "normalised_weights",
]

Floats = NDArray[np.float64]

#: Names of the natural parameters of each family.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "geometric": ("decay",),
    "delayed": ("decay", "peak"),
    "weibull_pdf": ("shape", "scale"),
    "weibull_cdf": ("shape", "scale"),
}
ADSTOCK_FAMILIES = tuple(PARAMETERS)

_LARGEST = 700.0  # beyond it e^-x is zero


def natural(family: str, first: Floats, second: Floats, lags: int) -> tuple[Floats, Floats]:
    """Natural parameters of free coordinates; the second is meaningless for geometric."""
    if family == "geometric":
        return _logistic(first), second
    if family == "delayed":
        return _logistic(first), furthest(lags) * _logistic(second)
    return np.exp(first), np.exp(second)


def furthest(lags: int) -> float:
    """The latest peak of a delayed adstock, in periods: a third of the lags."""
    return max(1.0, lags / 3.0)


def normalised_weights(
    family: str, first: Floats, second: Floats, lags: int
) -> tuple[Floats, Floats, Floats]:
    """Weights that sum to one and their derivatives by both coordinates.

    Parameters
    ----------
    first, second
        Free coordinates, any shape S.

    Returns
    -------
    tuple
        Three arrays of shape S + (lags,).
    """
    if family == "geometric":  # the family of most channels, in the fewest steps
        return _geometric(first, lags)
    log_weight, by_first, by_second = _LOG_WEIGHTS[family](
        first[..., None], second[..., None], lags
    )
    log_weight = log_weight - log_weight.max(axis=-1, keepdims=True)
    weights = np.exp(log_weight)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights, _centred(weights, by_first), _centred(weights, by_second)


def _centred(weights: Floats, slope: Floats) -> Floats:
    out: Floats = weights * (slope - (weights * slope).sum(axis=-1, keepdims=True))
    return out


def _logistic(u: Floats) -> Floats:
    out: Floats = 0.5 + 0.5 * np.tanh(0.5 * u)
    return out


def _geometric(u: Floats, lags: int) -> tuple[Floats, Floats, Floats]:
    """Log weights are lag log decay, of which 1 - decay is the derivative of log decay by u."""
    lag = np.arange(lags, dtype=np.float64)
    log_decay = -np.logaddexp(0.0, -u)
    weights = np.exp(log_decay[..., None] * lag)
    weights /= weights.sum(axis=-1, keepdims=True)
    by_first = lag - (weights @ lag)[..., None]
    by_first *= weights
    by_first *= -np.expm1(log_decay)[..., None]
    return weights, by_first, np.zeros_like(weights)


def _delayed(u: Floats, v: Floats, lags: int) -> tuple[Floats, Floats, Floats]:
    share = _logistic(v)
    ahead = np.arange(lags, dtype=np.float64) - furthest(lags) * share
    log_decay = -np.logaddexp(0.0, -u)
    by_peak = -2.0 * ahead * log_decay * furthest(lags) * share * (1.0 - share)
    return ahead**2 * log_decay, ahead**2 * (1.0 - _logistic(u)), by_peak


def _weibull_pdf(u: Floats, v: Floats, lags: int) -> tuple[Floats, Floats, Floats]:
    shape = np.exp(u)
    log_age = np.log(np.arange(1, lags + 1, dtype=np.float64)) - v
    hazard = np.exp(np.minimum(shape * log_age, np.log(_LARGEST)))
    log_weight = (shape - 1.0) * log_age - hazard
    return log_weight, shape * log_age * (1.0 - hazard), 1.0 - shape + shape * hazard


def _weibull_cdf(u: Floats, v: Floats, lags: int) -> tuple[Floats, Floats, Floats]:
    shape = np.exp(u)
    log_age = np.log(np.arange(1, lags, dtype=np.float64)) - v
    hazard = np.exp(np.minimum(shape * log_age, np.log(_LARGEST)))
    by_shape, by_scale = -shape * log_age * hazard, shape * hazard
    start = np.zeros((*hazard.shape[:-1], 1))

    def running(x: Floats) -> Floats:
        return np.concatenate([start, np.cumsum(x, axis=-1)], axis=-1)

    return -running(hazard), running(by_shape), running(by_scale)


_LOG_WEIGHTS: Mapping[str, Callable[[Floats, Floats, int], tuple[Floats, Floats, Floats]]] = {
    "delayed": _delayed,
    "weibull_pdf": _weibull_pdf,
    "weibull_cdf": _weibull_cdf,
}


def adstock_of(family: str, first: float, second: float, lags: int) -> Adstock:
    """The stored form of natural parameters: normalised, ``lags`` periods long where it ends."""
    if family == "geometric":
        return Geometric(decay=min(first, 1.0 - 1e-9), normalised=True)
    if family == "delayed":
        peak = min(second, float(lags - 1))
        return Delayed(decay=first, peak=peak, length=lags, normalised=True)
    weibull = WeibullPdf if family == "weibull_pdf" else WeibullCdf
    return weibull(shape=first, scale=second, length=lags, normalised=True)
