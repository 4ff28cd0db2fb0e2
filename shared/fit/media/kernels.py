"""Saturation and adstock of many arms with their derivatives: the inner loop of the model.

What a family's level is, and its derivatives by spend, log half-saturation and log shape, is the
family's own (``curves.family.Fittable``); here arms of several families go their ways together.

A family of adstock is the logarithm of its weights before they are made to sum to one, as a
function of two free coordinates; ``curves.adstock`` has the formulas and a test holds the two
together. With weights w_l = e^g_l / sum e^g, the derivative by a coordinate u is w_l (g'_l - sum_m
w_m g'_m).

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
from functools import cache

import numpy as np
from numpy.typing import NDArray

from shared.curves.adstock import Adstock, Delayed, Geometric, WeibullCdf, WeibullPdf
from shared.curves.curveset import Response
from shared.curves.saturation import FAMILIES, Fittable, Saturation

__all__ = [
    "ADSTOCK_FAMILIES",
    "PARAMETERS",
    "adstock_of",
    "furthest",
    "grouped",
    "natural",
    "normalised_weights",
    "response_of",
    "saturate",
    "saturation_of",
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


def saturate(
    families: tuple[str, ...], adstock: Floats, half: Floats, shape: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Level and derivatives of arms (first axis), each by its own family.

    Parameters
    ----------
    families
        A of them.
    adstock
        Shape (A, ...), in units of each arm's spend scale.
    half, shape
        Broadcast against ``adstock``.
    """
    groups = grouped(families)
    if len(groups) == 1:
        return _fittable(families[0]).level(adstock, half, shape)
    out = tuple(np.empty_like(adstock) for _ in range(4))
    for family, where in groups:
        values = _fittable(family).level(adstock[where], half[where], shape[where])
        for target, value in zip(out, values, strict=True):
            target[where] = value
    return out[0], out[1], out[2], out[3]


def _fittable(family: str) -> type[Fittable]:
    found = FAMILIES[family]
    assert issubclass(found, Fittable)
    return found


@cache
def grouped(families: tuple[str, ...]) -> tuple[tuple[str, slice | NDArray[np.int64]], ...]:
    """Each family with where it stands; everything as a slice where there is but one."""
    if len(set(families)) == 1:
        return ((families[0], slice(None)),)
    names = np.array(families)
    return tuple((family, np.flatnonzero(names == family)) for family in sorted(set(families)))


def saturation_of(
    family: str, top: float | Floats, half: float | Floats, shape: float | Floats
) -> Saturation:
    """The curve ``top * level`` in the form that is stored."""
    return _fittable(family).of_level(top, half, shape)


def response_of(
    *, family: str, tops: Floats, halves: Floats, shapes: Floats, at: float, adstock: Adstock
) -> Response:
    """Draws, and the point curve that goes with them.

    The point curve has the draws' median half-saturation and shape, and the maximal response at
    which it agrees with the mean over the draws at spend ``at`` (the mean spend): what is shown for
    a channel and what is optimised (the mean over draws) are then the same where the money is.
    """
    middle = saturation_of(family, 1.0, float(np.median(halves)), float(np.median(shapes)))
    mean = float(np.mean(saturation_of(family, tops, halves, shapes).value(at)))
    return Response(
        saturation=middle.times(mean / float(middle.value(at))),
        adstock=adstock,
        draws=tuple(
            saturation_of(family, float(t), float(h), float(s))
            for t, h, s in zip(tops, halves, shapes, strict=True)
        ),
    )


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
