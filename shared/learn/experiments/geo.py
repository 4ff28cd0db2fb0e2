"""What a test in some geos found: regression on the others, matched pairs, synthetic controls.

Time-based regression (J. Kerman, P. Wang, J. Vaver, Google 2017) foretells the treated geos' total
from the others' by what held before the test. Its own intervals take each period's error to be
independent of the last one's; where errors remember they are far too short, so here errors are
autoregressive: Prais and Winsten's regression, with the correlation raised by (1 + 4 r) / n for the
bias of short series (F. Marriott, J. Pope, Biometrika 41, 1954), the forecast from the last
residual, and the exact variance of the sum.

Trimmed match (A. Chen, T. Au, Annals of Applied Statistics 16, 2022) takes pairs of geos with
differences R of outcome and S of spend to the root of the trimmed mean of R - theta S. The
augmented synthetic control (E. Ben-Michael, A. Feller, J. Rothstein, JASA 116, 2021) weighs the
controls and corrects by a ridge regression what the weights leave; its error comes from placebos.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.special import ndtri
from scipy.stats import t as student

__all__ = [
    "LEAST_PAIRS",
    "Effect",
    "matched",
    "synthetic_control",
    "time_based_regression",
    "trimmed_match",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_PAIRS = 10
"""Fewer pairs than this carry no interval once some are trimmed."""

_MOST = 0.95  # correlation that is believed at most
_RIDGE = 1e-2  # of the outcomes' mean square: the penalty of the correction


@dataclass(frozen=True, slots=True)
class Effect:
    """What was found: the effect in all, its standard error, degrees of freedom, correlation."""

    value: float
    error: float
    degrees: float
    correlation: float = 0.0

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided."""
        half = float(student.ppf(0.5 + level / 2.0, self.degrees)) * self.error
        return self.value - half, self.value + half

    def p_value(self) -> float:
        """Two-sided, of no effect; of the same distribution as the intervals."""
        if self.error <= 0.0:
            return 0.0 if self.value else 1.0
        return float(2.0 * student.sf(abs(self.value) / self.error, self.degrees))


def time_based_regression(
    treated: Floats, control: Floats, before: int, *, memory: bool = True
) -> Effect:
    """The effect on ``treated`` (n + T,) in all over its last T periods.

    Parameters
    ----------
    control
        (n + T,) total of the other geos.
    before
        n, periods before the test; at least 4.
    memory
        False: errors that are independent, as its authors have them.
    """
    n = before
    x = np.column_stack([np.ones(len(control)), control])
    y, test = treated[:n], x[n:]
    r = 0.0
    coefficients = _least_squares(x[:n], y)
    if memory:
        e = y - x[:n] @ coefficients
        below = float(e[:-1] @ e[:-1] + e[1:] @ e[1:]) / 2.0
        r = float(e[1:] @ e[:-1]) / below if below > 0.0 else 0.0
        r = min(max(r + (1.0 + 4.0 * r) / n, 0.0), _MOST)
    rx, ry = _whitened(x[:n], r), _whitened(y[:, None], r)[:, 0]
    coefficients = _least_squares(rx, ry)
    e = y - x[:n] @ coefficients
    innovation = float(np.square(ry - rx @ coefficients).sum()) / (n - 2)
    count = len(test)
    fade = r ** np.arange(1, count + 1)
    effect = float((treated[n:] - test @ coefficients - fade * e[-1]).sum())
    away = test.sum(axis=0) - fade.sum() * x[n - 1]
    spread = np.linalg.pinv(rx.T @ rx)
    # An error j periods before the end counts 1 + r + ... + r^j times in the sum.
    sums = np.cumsum(r ** np.arange(count))
    variance = innovation * (float(np.square(sums).sum()) + float(away @ spread @ away))
    return Effect(effect, sqrt(max(variance, 0.0)), n - 2.0, r)


def _least_squares(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0])


def _whitened(x: Floats, r: float) -> Floats:
    """Rows whose errors are independent, where those of ``x`` follow each other by ``r``."""
    return np.concatenate([sqrt(1.0 - r * r) * x[:1], x[1:] - r * x[:-1]])


def trimmed_match(
    outcome: Floats, spend: Floats, trim: float, level: float
) -> tuple[float, float, tuple[float, float]]:
    """Incremental return, its error, its interval, of pairs' differences (P,) and (P,).

    ``trim`` of the pairs are left out at either end of R - theta S.
    """
    count = len(outcome)
    cut = int(np.ceil(trim * count))

    def kept(theta: float) -> tuple[Floats, Floats, Floats]:
        order = np.argsort(outcome - theta * spend, kind="stable")[cut : count - cut]
        return outcome[order], spend[order], outcome - theta * spend

    def studentised(theta: float) -> float:
        r, s, whole = kept(theta)
        inner = np.sort(whole)
        m = count - 2 * cut
        if cut:
            inner = np.clip(inner, inner[cut], inner[count - cut - 1])
        error = sqrt(float(np.square(inner - inner.mean()).sum()) / (m - 1.0) / m)
        return float((r - theta * s).mean()) / max(error, 1e-300)

    # The trimmed mean is piecewise linear in theta: its pieces end where two pairs change places.
    pairs = [(i, j) for i in range(count) for j in range(i) if spend[i] != spend[j]]
    ends = sorted((outcome[i] - outcome[j]) / (spend[i] - spend[j]) for i, j in pairs)
    middle = [(a + b) / 2.0 for a, b in pairwise(ends)]
    wide = 1.0 + max(map(abs, ends), default=1.0)
    roots = []
    for theta in (*([ends[0] - wide, *middle, ends[-1] + wide] if ends else [0.0]),):
        r, s, _ = kept(theta)
        if s.sum() != 0.0:
            root = float(r.sum() / s.sum())
            again = kept(root)
            if abs(float((again[0] - root * again[1]).sum())) <= 1e-9 * max(np.abs(r).sum(), 1e-12):
                roots.append(root)
    best = min(roots, key=lambda root: float(np.square(kept(root)[2]).sum()))
    r, s, whole = kept(best)
    m = count - 2 * cut
    inner = np.sort(whole)
    if cut:
        inner = np.clip(inner, inner[cut], inner[count - cut - 1])
    error = sqrt(float(np.square(inner - inner.mean()).sum()) / m / m) / abs(float(s.mean()))
    quantile = float(ndtri(0.5 + level / 2.0))
    return best, error, _inverted(studentised, best, quantile, error)


def _inverted(statistic: object, best: float, quantile: float, error: float) -> tuple[float, float]:
    """The returns around ``best`` at which the studentised mean stays within the quantile."""
    assert callable(statistic)
    ends = []
    for side in (-1.0, 1.0):
        inside, step = best, max(error, 1e-9 * max(abs(best), 1.0))
        outside = best + side * step
        for _ in range(80):
            if abs(statistic(outside)) > quantile:
                break
            inside, step = outside, 2.0 * step
            outside = best + side * step
        for _ in range(80):
            middle = (inside + outside) / 2.0
            if abs(statistic(middle)) > quantile:
                outside = middle
            else:
                inside = middle
        ends.append((inside + outside) / 2.0)
    return ends[0], ends[1]


def synthetic_control(treated: Floats, controls: Floats, before: int) -> tuple[float, Floats]:
    """The effect in all on ``treated`` (n + T,) and the weights (C,) of ``controls`` (C, n + T).

    Weights on the simplex; what they leave before the test is corrected by ridge regression of the
    outcomes during it on those before it.
    """
    past, later = controls[:, :before], controls[:, before:]
    # A heavy row makes the weights sum to one.
    heavy = 1e3 * max(float(np.abs(past).max()), 1e-12)
    weights, _ = nnls(
        np.vstack([past.T, np.full(len(past), heavy)]), np.append(treated[:before], heavy)
    )
    weights = weights / max(weights.sum(), 1e-12)
    level = past.mean(axis=0)
    inner, gap = past - level, treated[:before] - weights @ past
    penalty = _RIDGE * len(past) * max(float(np.square(inner).mean()), 1e-12) * before
    slope = np.linalg.solve(
        inner.T @ inner + penalty * np.eye(before), inner.T @ (later - later.mean(axis=0))
    )
    foretold = weights @ later + gap @ slope
    return float((treated[before:] - foretold).sum()), weights


def matched(outcome: Floats, count: int, tries: int, seed: int) -> Ints:
    """(count,) treated geos whose total is foretold best by that of the others, of random sets.

    Parameters
    ----------
    outcome
        (G, n) of the geos before the test; judged on its last third, which nothing was fitted to.
    """
    rng = np.random.default_rng(seed)
    geos, n = outcome.shape
    best, found = np.inf, np.arange(count)
    whole = outcome.sum(axis=0)
    for _ in range(tries):
        chosen = np.sort(rng.choice(geos, count, replace=False))
        treated = outcome[chosen].sum(axis=0)
        effect = time_based_regression(treated, whole - treated, 2 * n // 3)
        miss = abs(effect.value) / max(float(treated[2 * n // 3 :].sum()), 1e-12)
        noise = effect.error / max(float(treated[2 * n // 3 :].sum()), 1e-12)
        if (score := sqrt(miss**2 + noise**2)) < best:
            best, found = score, chosen
    return np.asarray(found)
