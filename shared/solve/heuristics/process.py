"""A Gaussian process (scikit-learn's, Matérn 5/2): what is expected between evaluated points.

Loaded by the Bayesian search alone, as scikit-learn is slow to load.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

__all__ = ["Additive", "Process"]

Array = NDArray[np.float64]
_LENGTHS = tuple(float(x) for x in np.geomspace(0.1, 6.4, 7))  # radial: times the dimension's root
_NUGGET = 1e-8  # of the prior variance, for a factor that exists
_MOST_ADDITIVE = 60  # coordinates; beyond, sums over them cost more than they teach


class Additive(Matern):  # type: ignore[misc]  # scikit-learn has no types
    """The mean of one kernel a coordinate: right for channels that do not interact, and learns them
    from far fewer points (Duvenaud, Nickisch and Rasmussen, 2011, at first order)."""

    def __call__(self, X: Array, Y: Array | None = None, **_: Any) -> Array:
        """(k, m) correlations."""
        other = X if Y is None else Y
        root = 5.0**0.5 / self.length_scale
        total = np.zeros((len(X), len(other)))
        for one, two in zip(X.T, other.T, strict=True):
            r = root * np.abs(one[:, None] - two)
            total += (1.0 + r + r * r / 3.0) * np.exp(-r)
        return np.asarray(total / X.shape[1])


class Process:
    """A process fitted to ``values`` (m,) at ``points`` (m, n), in units of about 1.

    Without a ``kernel`` the evidence decides which kernel and length. The prior's variance is the
    most likely one given the kernel (Rasmussen and Williams, 2006, equation 2.30).
    """

    def __init__(self, points: Array, values: Array, kernel: Any = None) -> None:
        n = points.shape[1]
        kernels = (
            [kernel]
            if kernel is not None
            else [
                *(Matern(length * n**0.5, nu=2.5) for length in _LENGTHS),
                *(Additive(length, nu=2.5) for length in _LENGTHS if 1 < n <= _MOST_ADDITIVE),
            ]
        )
        best = -np.inf
        for one in kernels:
            model = GaussianProcessRegressor(one, alpha=_NUGGET, optimizer=None, normalize_y=True)
            model.fit(points, values)
            variance = max(float(model.y_train_ @ model.alpha_) / len(points), 1e-300)
            evidence = -0.5 * len(points) * np.log(variance) - np.log(np.diag(model.L_)).sum()
            if evidence > best:
                best, self.model, self.spread, self.kernel = evidence, model, variance**0.5, one
        self.level = float(values.max())

    def improvement(self, points: Array) -> Array:
        """(k,) expected gain over the best value (Jones, Schonlau and Welch, 1998)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a variance that rounding puts below 0
            mean, deviation = self.model.predict(points, return_std=True)
        deviation = np.maximum(self.spread * deviation, 1e-300)
        gain = mean - self.level
        with np.errstate(over="ignore"):
            z = gain / deviation
            density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        return np.asarray(np.maximum(gain * ndtr(z) + deviation * density, 0.0))
