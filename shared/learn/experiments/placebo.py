"""What an analysis of geos finds where there is nothing: its error, its coverage and its power.

The very analysis that will be used is run on past windows with random geos taken as treated. How
often it finds an effect that is not there stands beside how often it finds one of a given size,
which is added to the treated geos' outcome (times 1 + effect). Where its own errors are too short
on placebos they are lengthened until 90 % of its intervals hold zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from shared.learn.experiments.geo import (
    Effect,
    synthetic_control,
    time_based_regression,
    trimmed_match,
)

__all__ = [
    "LEAST_BEFORE",
    "METHODS",
    "Noise",
    "Placebos",
    "analyse",
    "noise_of",
    "pairs_of",
    "placebos",
    "power_of",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

METHODS = ("time_based_regression", "synthetic_control", "trimmed_match")
LEAST_BEFORE = 8  # periods before a test that a regression is fitted to
WINDOWS = 12
ASSIGNMENTS = 25
_LEVEL = 0.9
_TRIM = 0.1  # of the pairs, at either end
_LARGE = 1e6  # degrees of freedom of an error that placebos tell


@dataclass(frozen=True, slots=True, eq=False)
class Placebos:
    """Tests where nothing was done.

    Attributes
    ----------
    scores
        (W R,) effect over error of each.
    share
        (W R,) error over the treated geos' outcome of the window: what a relative effect is
        measured against.
    windows
        How many of the past, which may overlap.
    apart
        How many of them do not.
    scale
        By what errors are lengthened.
    """

    scores: Floats
    share: Floats
    windows: int
    apart: int
    scale: float
    spread: float

    @property
    def coverage(self) -> float:
        """Of intervals at 90 % by the analysis's own errors."""
        return float((np.abs(self.scores) <= _quantile()).mean())


def _quantile() -> float:
    return float(ndtri(0.5 + _LEVEL / 2.0))


def analyse(
    outcome: Floats,
    treated: Ints,
    before: int,
    method: str,
    spread: float = 0.0,
    partners: Ints | None = None,
) -> Effect:
    """The effect in all on ``treated`` rows of ``outcome`` (G, n + T), over the last T columns.

    Parameters
    ----------
    spread
        Of a method without an error of its own, placebos' relative effects.
    partners
        Of matched pairs the rows that ``treated`` are compared with, one each: the difference of
        the test's periods less that of as many before it.
    """
    if partners is not None:
        count, periods = len(treated), outcome.shape[1] - before
        gained = outcome[:, before:].sum(axis=1) - outcome[:, before - periods : before].sum(axis=1)
        each, error, _ = trimmed_match(
            gained[treated] - gained[partners], np.ones(count), _TRIM, _LEVEL
        )
        return Effect(count * each, count * error, count - 1.0)
    others = np.setdiff1d(np.arange(len(outcome)), treated)
    own = outcome[treated].sum(axis=0)
    if method == "time_based_regression":
        return time_based_regression(own, outcome[others].sum(axis=0), before)
    value, _ = synthetic_control(own / len(treated), outcome[others], before)
    return Effect(value * len(treated), spread * float(own[before:].sum()), _LARGE)


def pairs_of(outcome: Floats, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """One geo of each pair, drawn by a coin, and the other; pairs are of neighbours in size."""
    order = np.argsort(outcome.sum(axis=1), kind="stable")
    pairs = order[: 2 * (len(order) // 2)].reshape(-1, 2)
    coin = rng.integers(2, size=len(pairs))
    rows = np.arange(len(pairs))
    return pairs[rows, coin], pairs[rows, 1 - coin]


def placebos(outcome: Floats, count: int, periods: int, method: str, seed: int) -> Placebos:
    """Placebo tests of ``count`` geos over ``periods`` on a history (G, n) without a test."""
    geos, n = outcome.shape
    rng = np.random.default_rng(seed)
    least = max(min(n // 2, 2 * periods), LEAST_BEFORE)
    starts = np.unique(np.linspace(least, n - periods, WINDOWS).astype(int))
    found, totals = list[Effect](), list[float]()
    for start in starts.tolist():
        for _ in range(ASSIGNMENTS):
            chosen, partners = rng.choice(geos, count, replace=False), None
            if method == "trimmed_match":
                chosen, partners = pairs_of(outcome, rng)
            effect = analyse(outcome[:, : start + periods], chosen, start, method, 0.0, partners)
            found.append(effect)
            totals.append(max(float(outcome[chosen, start : start + periods].sum()), 1e-12))
    values, whole = np.array([one.value for one in found]), np.array(totals)
    relative = values / whole
    spread = sqrt(float(np.square(relative).mean()))
    errors = np.array([one.error for one in found])
    if method == "synthetic_control":
        errors = spread * whole
    errors = np.maximum(errors, 1e-12 * whole)
    scores = values / errors
    scale = max(float(np.quantile(np.abs(scores), _LEVEL)) / _quantile(), 1.0)
    apart = 1 + (n - periods - least) // periods
    return Placebos(scores, errors / whole, len(starts), apart, scale, spread)


def power_of(null: Placebos, effect: float, alpha: float) -> dict[str, Any]:
    """How often an effect of this share of the treated outcome is found, with its own error.

    The error counts windows that do not overlap as what is independent, which assignments are not.
    """
    z = float(ndtri(1.0 - alpha / 2.0))
    found = np.abs(null.scores + effect / null.share) / null.scale > z
    power = float(found.mean())
    return {
        "effect": effect,
        "power": power,
        "error": sqrt(max(power * (1.0 - power), 0.25 / len(found)) / null.apart),
    }


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard deviation of a period's outcome, and its correlation with the next one's."""

    sd: float
    correlation: float


def noise_of(outcome: Floats) -> Noise:
    """What is left of a series (n,) about its line, and how it follows itself; where it is known.

    The correlation is raised by (1 + 4 r) / n, by which short series have it too low.
    """
    outcome = outcome[~np.isnan(outcome)]
    n = len(outcome)
    x = np.column_stack([np.ones(n), np.arange(n)])
    e = outcome - x @ np.linalg.lstsq(x, outcome, rcond=None)[0]
    size = float(e @ e)
    r = float(e[1:] @ e[:-1]) / size if size > 0.0 else 0.0
    r = min(max(r + (1.0 + 4.0 * r) / n, 0.0), 0.95)
    return Noise(sqrt(size / max(n - 2, 1)), r)
