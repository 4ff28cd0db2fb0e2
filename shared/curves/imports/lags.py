"""The carryover weights of other tools, from the period of the spend on.

``geometric``, ``delayed`` and ``binomial`` are cut off after their longest lag. Sources: Jin et al.
(2017), "Bayesian Methods for Media Mix Modeling with Carryover and Shape Effects"; the
documentation of Meridian ("Media saturation and lagging"), of PyMC-Marketing
(``mmm.transformers``) and of Robyn (``adstock_weibull``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from shared.curves.adstock import Adstock, LagWeights

__all__ = ["binomial", "delayed", "geometric", "weibull_cdf", "weibull_pdf", "weighted"]

_LONGEST = 1000


def geometric(decay: float, length: int) -> list[float]:
    """``decay^k``."""
    return [decay**k for k in range(length)]


def delayed(decay: float, peak: float, length: int) -> list[float]:
    """``decay^((k - peak)^2)``."""
    return [decay ** ((k - peak) ** 2) for k in range(length)]


def binomial(decay: float, length: int, window: int) -> list[float]:
    """``(1 - k / window)^(1 / decay - 1)``: Meridian's window is the length, PyMC's one more."""
    if decay <= 0.0:
        return [1.0] + [0.0] * (length - 1)
    return [(1.0 - k / window) ** (1.0 / decay - 1.0) for k in range(length)]


def weibull_cdf(shape: float, scale: float, length: int) -> list[float]:
    """The running product of the survival at 1, 2, ..., starting at 1."""
    out, log_weight = [1.0], 0.0
    for age in range(1, length):
        log_weight -= _hazard(age, shape, scale)
        out.append(math.exp(log_weight))
    return out


def weibull_pdf(shape: float, scale: float, length: int) -> list[float]:
    """The density at 1, 2, ..., stretched so that its least value is 0 and its largest is 1.

    All of the spend works at once where the density is the same everywhere.
    """
    logs = [
        (shape - 1.0) * math.log(age / scale) - _hazard(age, shape, scale)
        for age in range(1, length + 1)
    ]
    top = max(logs)
    if not math.isfinite(top):
        return [1.0] + [0.0] * (length - 1)
    density = [math.exp(value - top) for value in logs]
    low, high = min(density), max(density)
    if high == low:
        return [1.0] + [0.0] * (length - 1)
    return [(value - low) / (high - low) for value in density]


def weighted(weights: Sequence[float], *, normalised: bool) -> Adstock | None:
    """The weights as an adstock; None where only the period of the spend counts, by 1.

    Trailing weights too small to change any sum are left out.
    """
    kept = list(weights)
    floor = 1e-18 * sum(kept)
    while len(kept) > 1 and kept[-1] <= floor:
        kept.pop()
    if len(kept) > _LONGEST:
        raise ValueError(f"the carryover lasts {len(kept)} periods; at most {_LONGEST} are taken")
    if len(kept) == 1 and (normalised or kept[0] == 1.0):
        return None
    return LagWeights(tuple(kept), normalised)


def _hazard(age: int, shape: float, scale: float) -> float:
    power = shape * math.log(age / scale)
    return math.exp(power) if power < 700.0 else math.inf
