"""Bayesian optimisation: few evaluations, each where a Gaussian process expects to gain most.

Meant for responses that are expensive to ask, such as real experiments: it evaluates a plan some
dozens of times where the other searches do so thousands of times.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.solve.named.gaussian_process import GaussianProcess, expected_improvement, fit
from shared.solve.named.space import Searched, Space

__all__ = ["explore"]

Array = NDArray[np.float64]
_FIRST = 12
_EVALUATIONS = 100
_REFIT = 4  # evaluations after which the kernel is chosen anew
_CANDIDATES = 256
_CELLS = 6e4  # candidates times the work of one
_SCALES = (0.3, 0.1, 0.03, 0.01, 0.003)


def explore(space: Space, seed: int) -> Searched:
    """The best of a first design and of what the process asked for after it."""
    rng = np.random.default_rng(seed)
    known = space.known()
    points = np.concatenate((known, space.sample(rng, _FIRST)))
    values = space.value(points)
    process = None
    while space.evaluations < _EVALUATIONS and not space.late():
        best = int(np.argmax(values))
        # What is not allowed counts as the worst that is.
        told = np.maximum(values, values[np.isfinite(values)].min(initial=0.0))
        centre, spread = float(told.mean()), float(told.std())
        if spread == 0.0:
            new = space.sample(rng, 1)
        else:
            like = process if space.evaluations % _REFIT else None
            process = fit(_warped(space, points), (told - centre) / spread, like)
            level = (float(told[best]) - centre) / spread
            new = _promising(space, rng, process, points[best], level)
        points = np.concatenate((points, new))
        values = np.concatenate((values, space.value(new)))
    best = int(np.argmax(values))
    return Searched(
        point=points[best],
        value=float(values[best]),
        evaluations=space.evaluations,
        note=(
            f"Bayesian optimisation: {space.evaluations} evaluations, chosen by a Gaussian "
            "process with expected improvement; meant for responses that are expensive to ask."
        ),
        finished=space.evaluations >= _EVALUATIONS,
    )


def _warped(space: Space, points: Array) -> Array:
    """Coordinates from 0 to 1 by the root: responses change fastest where spend is small."""
    share = (points - space.lower) / np.maximum(space.range, 1e-300)
    return np.asarray(np.sqrt(np.clip(share, 0.0, 1.0)))


def _promising(
    space: Space, rng: np.random.Generator, process: GaussianProcess, best: Array, level: float
) -> Array:
    """(1, n) the point of the largest expected improvement: found at random, then refined."""
    count = int(np.clip(_CELLS / space.toil, 24, _CANDIDATES))
    near = _around(space, rng, best[None, :], count // 2)
    pool = np.concatenate((space.sample(rng, count), near))
    for _ in range(3):
        gain = expected_improvement(*process.predict(_warped(space, pool)), level)
        order = np.argsort(-gain, kind="stable")[:4]
        pool = np.concatenate((pool[order], _around(space, rng, pool[order], count // 2)))
    gain = expected_improvement(*process.predict(_warped(space, pool)), level)
    top = int(np.argmax(gain))
    return pool[top : top + 1]


def _around(space: Space, rng: np.random.Generator, centres: Array, count: int) -> Array:
    """Neighbours: a few coordinates of a centre moved, near and far."""
    rows = centres[rng.integers(0, len(centres), count)]
    scale = rng.choice(_SCALES, size=(count, 1))
    moved = rng.random(rows.shape) < rng.choice([2.0 / space.n, 1.0], size=(count, 1))
    step = np.where(moved, rng.standard_normal(rows.shape) * scale * space.range, 0.0)
    mean = step.sum(axis=1, keepdims=True) / np.maximum(moved.sum(axis=1, keepdims=True), 1)
    return space.project(rows + np.where(moved, step - mean, 0.0))
