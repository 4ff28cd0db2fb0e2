"""A regression whose media coefficients walk from month to month: filter and draws of their paths.

    outcome_r = base_r . g + level_r . b_m + noise_r,    b_m = b_(m-1) + step_m

for row r in month m, with g ~ Normal(0, 1) fixed over time, b_0 normal, and steps normal with
``walk`` squared times a covariance. Within a month the state stands still, so that its rows are
taken in together. The marginal likelihood is the product of the months' one-step forecasts'
(Kalman 1960; West and Harrison 1997, chapter 4), for many points at once; paths are drawn by
filtering forward and sampling backward (Carter and Kohn 1994).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "filtered", "paths"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_TOGETHER = 32  # rows taken in at once


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
    start, belief
        (B,) mean and (B, B) covariance of the coefficients in the first month.
    step
        (B, B) covariance of a month's step where ``walk`` is one; zero for what stands still.
    """

    month: Ints
    base: Floats
    outcome: Floats
    ease: Floats
    own: Floats
    start: Floats
    belief: Floats
    step: Floats


def filtered(
    rows: Rows, levels: Floats, noise: Floats, walk: Floats, *, keep: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Log marginal likelihood (P,), and the state's mean and covariance after each month.

    Parameters
    ----------
    levels
        (P, N, B) of every column in every row.
    noise, walk
        (P,) standard deviations of the noise and, over that of ``step``, of a month's step.
    keep
        Whether to return every month's state, (months, P, n) and (months, P, n, n) with n = p + B,
        or the last one's alone (1, ...).
    """
    points, count = levels.shape[0], rows.base.shape[1]
    size = count + levels.shape[2]
    moving = slice(count, size)
    mean = np.zeros((points, size))
    mean[:, moving] = rows.start
    covariance = np.zeros((points, size, size))
    covariance[:, np.arange(count), np.arange(count)] = 1.0
    covariance[:, moving, moving] = rows.belief
    heights = np.zeros(points)
    means: list[Floats] = []
    covariances: list[Floats] = []
    month = int(rows.month[0]) if rows.month.size else 0
    for part in _blocks(rows.month):
        passed = int(rows.month[part.start]) - month
        if passed:
            if keep:
                means.append(mean.copy())
                covariances.append(covariance.copy())
            covariance[:, moving, moving] += passed * walk[:, None, None] ** 2 * rows.step
            month += passed
        loads = np.empty((points, part.stop - part.start, size))
        loads[:, :, :count] = rows.base[part]
        loads[:, :, moving] = levels[:, part]
        cross = covariance @ loads.transpose(0, 2, 1)  # (P, n, m)
        spread = loads @ cross
        own = noise[:, None] ** 2 * rows.ease[part] + rows.own[part]
        place = np.arange(own.shape[1])
        spread[:, place, place] += own
        error = rows.outcome[part] - (loads @ mean[:, :, None])[:, :, 0]
        root = np.linalg.cholesky(spread)
        # Both in the units of the forecast's own errors.
        right = np.concatenate([error[:, :, None], cross.transpose(0, 2, 1)], axis=2)
        inner = np.linalg.solve(root, right)
        heights -= np.log(root[:, place, place]).sum(axis=1) + 0.5 * (
            np.log(2.0 * np.pi) * place.size + np.sum(inner[:, :, 0] ** 2, axis=1)
        )
        gain = inner[:, :, 1:].transpose(0, 2, 1)
        mean += (gain @ inner[:, :, :1])[:, :, 0]
        covariance -= gain @ gain.transpose(0, 2, 1)
    means.append(mean)
    covariances.append(covariance)
    return heights, np.stack(means), np.stack(covariances)


def _blocks(month: Ints) -> list[slice]:
    """Rows of one month each, at most ``_TOGETHER`` of them."""
    edges = [0, *(np.flatnonzero(np.diff(month)) + 1).tolist(), month.size]
    return [
        slice(k, min(k + _TOGETHER, stop))
        for start, stop in pairwise(edges)
        for k in range(start, stop, _TOGETHER)
    ]


def paths(
    rows: Rows, levels: Floats, noise: Floats, walk: Floats, rng: np.random.Generator
) -> Floats:
    """One path of the coefficients for each of P points, (months, P, B)."""
    _, means, covariances = filtered(rows, levels, noise, walk, keep=True)
    count, size = rows.base.shape[1], rows.base.shape[1] + levels.shape[2]
    months = np.unique(rows.month)
    out = np.empty((months.size, levels.shape[0], levels.shape[2]))
    state = _draw(means[-1], covariances[-1], rng)
    out[-1] = state[:, count:]
    place = np.arange(size)
    for at in range(months.size - 2, -1, -1):
        passed = float(months[at + 1] - months[at])
        mean, covariance = means[at], covariances[at]
        wider = covariance.copy()
        wider[:, count:, count:] += passed * walk[:, None, None] ** 2 * rows.step
        # What does not move must not make the matrix singular once it is known exactly.
        wider[:, place, place] += 1e-10
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
