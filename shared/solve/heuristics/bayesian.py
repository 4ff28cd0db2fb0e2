"""Bayesian optimisation: few evaluations, each where a Gaussian process expects to gain most.

Meant for responses that are expensive to ask, such as real experiments: it evaluates a plan some
dozens of times where the other searches do so thousands of times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.solve.heuristics.space import Searched, Space

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
    # Here, for a process that solves otherwise never needs scikit-learn.
    from shared.solve.heuristics.process import Process

    rng = np.random.default_rng(seed)
    points = np.concatenate((space.known(), space.sample(rng, _FIRST)))
    values = space.value(points)
    process, kernel = None, None
    while len(points) < _EVALUATIONS and not space.late():
        best = int(np.argmax(values))
        # What is not allowed counts as the worst that is.
        told = np.maximum(values, values[np.isfinite(values)].min(initial=0.0))
        if np.ptp(told) == 0.0:
            new = space.sample(rng, 1)
        else:
            kernel = kernel if len(points) % _REFIT else None
            process = Process(_warped(space, points), told, kernel)
            kernel = process.kernel
            new = _promising(space, rng, process, points[best])
        points = np.concatenate((points, new))
        values = np.concatenate((values, space.value(new)))
    note = (
        f"Bayesian optimisation: {len(points)} evaluations, chosen by a Gaussian process with "
        "expected improvement; meant for responses that are expensive to ask."
    )
    return Searched(points[int(np.argmax(values))], note, len(points) >= _EVALUATIONS)


def _warped(space: Space, points: Array) -> Array:
    """Coordinates from 0 to 1 by the root: responses change fastest where spend is small."""
    share = (points - space.lower) / np.maximum(space.range, 1e-300)
    return np.asarray(np.sqrt(np.clip(share, 0.0, 1.0)))


def _promising(space: Space, rng: np.random.Generator, process: Any, best: Array) -> Array:
    """(1, n) the point of the largest expected improvement: found at random, then refined."""
    count = int(np.clip(_CELLS / space.toil, 24, _CANDIDATES))
    pool = np.concatenate(
        (space.sample(rng, count), _around(space, rng, best[None, :], count // 2))
    )
    gain = process.improvement(_warped(space, pool))
    for _ in range(3):
        top = np.argsort(-gain, kind="stable")[:4]
        near = _around(space, rng, pool[top], count // 2)
        pool = np.concatenate((pool[top], near))
        gain = np.concatenate((gain[top], process.improvement(_warped(space, near))))
    at = int(np.argmax(gain))
    return pool[at : at + 1]


def _around(space: Space, rng: np.random.Generator, centres: Array, count: int) -> Array:
    """Neighbours: a few coordinates of a centre moved, near and far."""
    rows = centres[rng.integers(0, len(centres), count)]
    scale = rng.choice(_SCALES, size=(count, 1))
    moved = rng.random(rows.shape) < rng.choice([2.0 / space.n, 1.0], size=(count, 1))
    step = np.where(moved, rng.standard_normal(rows.shape) * scale * space.range, 0.0)
    mean = step.sum(axis=1, keepdims=True) / np.maximum(moved.sum(axis=1, keepdims=True), 1)
    return space.project(rows + np.where(moved, step - mean, 0.0))
