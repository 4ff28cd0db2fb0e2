"""A regression whose media coefficients walk from month to month: filter and draws of their paths.

    outcome_r = base_r . g + level_r . b_m + noise_r,    b_m = b_(m-1) + step_m

for row r in month m, with g ~ Normal(0, 1) fixed over time, b_0 normal, steps normal with standard
deviation ``walk`` times each arm's size. The marginal likelihood is the product of the one-step
forecasts' (Kalman 1960; West and Harrison 1997, chapter 4), for many points at once; paths are
drawn by filtering forward and sampling backward (Carter and Kohn 1994).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "filtered", "paths"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What is observed, in the order of time: N rows.

    Attributes
    ----------
    month
        (N,) number of the month of each row, from 0, never falling.
    base
        (N, p) baseline columns.
    outcome
        (N,).
    ease
        (N,) what the noise's variance is multiplied by: more than 1 where a row lies far outside,
        0 where a row has an error of its own.
    own
        (N,) variance of that error.
    start, spread
        (A,) mean and standard deviation of the coefficients before the first month.
    """

    month: Ints
    base: Floats
    outcome: Floats
    ease: Floats
    own: Floats
    start: Floats
    spread: Floats


def filtered(
    rows: Rows, levels: Floats, noise: Floats, walk: Floats, *, keep: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Log marginal likelihood (P,), and the state's mean and covariance after each month.

    Parameters
    ----------
    levels
        (P, N, A) of every arm in every row.
    noise, walk
        (P,) standard deviation of the noise; of a month's step over each arm's size ``spread``.
    keep
        Whether to return every month's state, (months, P, n) and (months, P, n, n) with n = p + A,
        or the last one's alone (1, ...).
    """
    points, count = levels.shape[0], rows.base.shape[1]
    size = count + levels.shape[2]
    mean = np.zeros((points, size))
    mean[:, count:] = rows.start
    covariance = np.zeros((points, size, size))
    place = np.arange(size)
    covariance[:, place, place] = np.concatenate([np.ones(count), rows.spread**2])
    step = (walk[:, None] * rows.spread) ** 2
    heights = np.zeros(points)
    means: list[Floats] = []
    covariances: list[Floats] = []
    state = np.empty((points, size))
    for row in range(rows.outcome.size):
        if row and rows.month[row] != rows.month[row - 1]:
            if keep:
                means.append(mean.copy())
                covariances.append(covariance.copy())
            passed = float(rows.month[row] - rows.month[row - 1])
            covariance[:, place[count:], place[count:]] += passed * step
        state[:, :count] = rows.base[row]
        state[:, count:] = levels[:, row]
        gain = (covariance @ state[:, :, None])[:, :, 0]
        variance = np.einsum("pi,pi->p", gain, state) + noise**2 * rows.ease[row] + rows.own[row]
        error = rows.outcome[row] - np.einsum("pi,pi->p", mean, state)
        heights -= 0.5 * (np.log(2.0 * np.pi * variance) + error**2 / variance)
        mean += gain * (error / variance)[:, None]
        root = gain / np.sqrt(variance)[:, None]
        covariance -= root[:, :, None] * root[:, None, :]
    means.append(mean)
    covariances.append(covariance)
    return heights, np.stack(means), np.stack(covariances)


def paths(
    rows: Rows, levels: Floats, noise: Floats, walk: Floats, rng: np.random.Generator
) -> Floats:
    """One path of the media coefficients for each of P points, (months, P, A)."""
    _, means, covariances = filtered(rows, levels, noise, walk, keep=True)
    count, arms = rows.base.shape[1], levels.shape[2]
    months = np.unique(rows.month)
    step = (walk[:, None] * rows.spread) ** 2
    out = np.empty((months.size, levels.shape[0], arms))
    state = _draw(means[-1], covariances[-1], rng)
    out[-1] = state[:, count:]
    for at in range(months.size - 2, -1, -1):
        passed = float(months[at + 1] - months[at])
        mean, covariance = means[at], covariances[at]
        # The baseline does not move, so knowing it exactly must not make the matrix singular.
        wider = covariance.copy()
        place = np.arange(count + arms)
        moved = np.concatenate([np.full((len(noise), count), 1e-10), passed * step + 1e-10], axis=1)
        wider[:, place, place] += moved
        gain = np.linalg.solve(wider, covariance).transpose(0, 2, 1)
        mean = mean + (gain @ (state - mean)[:, :, None])[:, :, 0]
        left = covariance - gain @ covariance
        state = _draw(mean, left, rng)
        out[at] = state[:, count:]
    return out


def _draw(mean: Floats, covariance: Floats, rng: np.random.Generator) -> Floats:
    """A normal draw for each point; directions without variance stay where they are."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.transpose(0, 2, 1)))
    noise = np.sqrt(np.maximum(values, 0.0)) * rng.standard_normal(mean.shape)
    return np.asarray(mean + (vectors @ noise[:, :, None])[:, :, 0])
