"""How long a test must run: power analysis of a change of spend against periods without it.

A test is two blocks of equally many periods, one as today and one with the changed spend, with
``wash`` periods between them in which carryover settles and nothing is counted. The effect is the
difference of the blocks' means, with variance::

    sd^2 * c' R c,   c = (-1/n ... -1/n, 0 ... 0, 1/n ... 1/n),   R_ij = correlation^|i - j|

which is 2 sd^2 / n where periods are independent. A two-sided test at level ``alpha`` finds an
effect d with probability ``Phi(|d|/se - z) + Phi(-|d|/se - z)``, z the ``1 - alpha/2`` quantile;
the least detectable effect is ``(z + z_power) se`` (J. Cohen, Statistical Power Analysis for the
Behavioral Sciences, 1988, chapter 2; H. Bloom, Minimum Detectable Effects, Evaluation Review 19,
1995). The probability over what is believed of the effect is the test's assurance (A. O'Hagan,
J. Stevens, M. Campbell, Assurance in clinical trial design, Pharmaceutical Statistics 4, 2005).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LEAST_PERIODS", "TestPrecision", "contrast"]

Floats = NDArray[np.float64]

LEAST_PERIODS = 4
"""A block shorter than this rests on luck, however large the effect."""

_NORMAL = NormalDist()


def contrast(periods: int, wash: int) -> Floats:
    """(2 periods + wash,) weights of the periods' outcomes in the effect."""
    even = np.full(periods, 1.0 / periods)
    return np.concatenate([-even, np.zeros(wash), even])


@dataclass(frozen=True, slots=True)
class TestPrecision:
    """What tests can tell.

    Attributes
    ----------
    noise, correlation
        Standard deviation of one period's outcome, and its correlation with the next period's.
    power, alpha
        Probability of finding the effect, and of finding one that is not there (two-sided).
    wash
        Periods between the blocks.
    """

    noise: float
    correlation: float
    power: float
    alpha: float
    wash: int

    @property
    def critical(self) -> float:
        """Standard errors from zero at which an effect counts as found."""
        return _NORMAL.inv_cdf(1.0 - self.alpha / 2.0)

    def error(self, periods: int) -> float:
        """Standard error of the effect from two blocks of ``periods``."""
        return self._sd(contrast(periods, self.wash))

    def error_in_all(self, periods: int) -> float:
        """Standard error of what the changed spend brought in all, ``wash`` periods included."""
        changed = periods + self.wash
        before = np.full(periods, -changed / periods)
        return self._sd(np.concatenate([before, np.ones(changed)]))

    def _sd(self, weights: Floats) -> float:
        """Standard deviation of a weighted sum of the noise of successive periods."""
        if self.correlation == 0.0:
            return self.noise * sqrt(float(weights @ weights))
        # sum_ij c_i c_j r^|i-j| by lags: no matrix, however long the test.
        lags = np.correlate(weights, weights, mode="full")[weights.size - 1 :]
        decay = self.correlation ** np.arange(weights.size)
        variance = float(lags[0] + 2.0 * (lags[1:] @ decay[1:]))
        return self.noise * sqrt(max(variance, 0.0))

    def detectable(self, periods: int) -> float:
        """The least effect that is found with the power asked for."""
        return (self.critical + _NORMAL.inv_cdf(self.power)) * self.error(periods)

    def finds(self, effect: ArrayLike, periods: int) -> Floats:
        """Probability of finding ``effect``; its shape."""
        size = np.abs(np.asarray(effect, dtype=float)) / self.error(periods)
        return _above(size - self.critical) + _above(-size - self.critical)

    def periods_for(self, effect: float, most: int) -> int | None:
        """The fewest periods a block that find ``effect``; None where ``most`` are too few."""
        least = min(LEAST_PERIODS, most)
        if most < 1 or effect == 0.0 or self.detectable(most) > abs(effect):
            return None
        if self.detectable(least) <= abs(effect):
            return least
        while most - least > 1:
            middle = (least + most) // 2
            if self.detectable(middle) <= abs(effect):
                most = middle
            else:
                least = middle
        return most


def _above(x: Floats) -> Floats:
    """The standard normal distribution function."""
    return np.asarray([0.5 * (1.0 + erf(v / sqrt(2.0))) for v in np.ravel(x)]).reshape(np.shape(x))
