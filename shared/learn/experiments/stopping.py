"""When a test may stop: at looks planned beforehand, or at any time.

At planned looks, of a score whose increments are independent (information t_k = 1 / variance of the
estimate, as a share of the last look's), the chance of crossing follows by recursive integration of
its density between the looks (P. Armitage, C. McPherson, B. Rowe, JRSS A 132, 1969). Constant
bounds are S. Pocock's (Biometrika 64, 1977); c / sqrt(t) are P. O'Brien and T. Fleming's
(Biometrics 35, 1979); a spending function takes any looks (K. Lan, D. DeMets, Biometrika 70, 1983).
At any time: the mixture of R. Johari, P. Koomen, L. Pekelis and D. Walsh (KDD 2017), whose interval
is that of S. Howard, A. Ramdas, J. McAuliffe and J. Sekhon (Annals of Statistics 49, 2021). Series
that remember, and totals of geos with one regression in all of them, are neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

__all__ = [
    "any_time_half_width",
    "bounds",
    "crossing",
    "inflation",
    "mixture_rho2",
    "spending_bounds",
]

Floats = NDArray[np.float64]
Series = Sequence[float] | Floats

_NODES = 128  # of Gauss and Legendre's rule between two bounds
_WIDEST = 12.0  # standard errors beyond which nothing is


def crossing(
    z: Sequence[float] | Floats, t: Sequence[float] | Floats, drift: float = 0.0
) -> Floats:
    """(K,) chance of crossing first at each look, on either side.

    Parameters
    ----------
    z
        (K,) bounds, in standard errors of each look.
    t
        (K,) information at each look, rising to 1.
    drift
        The effect in standard errors of the last look.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    out, before = [], 0.0
    places, mass = np.zeros(1), np.ones(1)  # the score, and what probability is left at it
    for bound, now in zip(z, t, strict=True):
        step, end = sqrt(now - before), min(bound, _WIDEST) * sqrt(now)
        ahead = places + drift * (now - before)
        out.append(float(mass @ (ndtr((ahead - end) / step) + ndtr((-end - ahead) / step))))
        x = end * nodes
        density = np.exp(-0.5 * ((x[:, None] - ahead) / step) ** 2) / (step * sqrt(2.0 * np.pi))
        places, mass, before = x, end * weights * (density @ mass), now
    return np.array(out)


def bounds(kind: str, looks: int, alpha: float) -> Floats:
    """(K,) bounds at equal looks; ``kind`` is "pocock" or "obrien_fleming"; two-sided ``alpha``."""
    t = np.arange(1, looks + 1) / looks
    shape = np.ones(looks) if kind == "pocock" else 1.0 / np.sqrt(t)
    fixed = float(ndtri(1.0 - alpha / 2.0))
    if looks == 1:
        return np.array([fixed])
    c = brentq(lambda c: crossing(c * shape, t).sum() - alpha, 0.5 * fixed, 4.0 * fixed, xtol=1e-10)
    return np.asarray(float(c) * shape)


def spending_bounds(t: Sequence[float], alpha: float) -> Floats:
    """(K,) bounds at any looks, spent as O'Brien and Fleming's are in the limit.

    Either side of two has spent 2 - 2 Phi(z / sqrt(t)) by t, z the 1 - alpha / 4 quantile.
    """
    spent = 2.0 - 2.0 * ndtr(ndtri(1.0 - alpha / 4.0) / np.sqrt(np.asarray(t, dtype=float)))
    found: list[float] = []
    for k, due in enumerate(np.diff(np.concatenate([[0.0], spent]))):

        def over(z: float, k: int = k, due: float = float(due)) -> float:
            return float(crossing([*found, z], t[: k + 1])[-1]) / 2.0 - due

        found.append(float(brentq(over, 0.0, _WIDEST, xtol=1e-10)))
    return np.array(found)


def inflation(z: Sequence[float], t: Sequence[float], alpha: float, power: float) -> float:
    """The largest sample over that of a test with one look of the same power."""
    fixed = float(ndtri(1.0 - alpha / 2.0) + ndtri(power))
    drift = brentq(lambda d: crossing(z, t, d).sum() - power, 0.5 * fixed, 3.0 * fixed, xtol=1e-9)
    return float((drift / fixed) ** 2)


def mixture_rho2(alpha: float, best_at: float) -> float:
    """The mixture's variance over the noise's at which the interval is shortest at ``best_at``
    observations."""
    return (-2.0 * log(alpha) + log(1.0 - 2.0 * log(alpha))) / best_at


def any_time_half_width(n: Floats | float, sd: Floats | float, rho2: float, alpha: float) -> Floats:
    """Half of the interval that holds at every n at once, of the mean of n observations."""
    k = np.asarray(n, dtype=float) * rho2
    at = 2.0 * (k + 1.0) / (np.square(n) * rho2) * np.log(np.sqrt(k + 1.0) / alpha)
    return np.asarray(sd * np.sqrt(at))
