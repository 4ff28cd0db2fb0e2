"""A seeded search for points that are good in two objectives, and the front they make.

It begins with an additive recurrence of low discrepancy (Roberts 2018, the R sequence, shifted at
random), goes on with the cross-entropy method (Rubinstein 1999): several normal proposals, each of
which is drawn towards the best of its own weighting of error and distance. Everything that was ever
scored is kept; the front is what nothing scored beats in both objectives.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.fit.ridge.objective import Scored

__all__ = ["clusters", "front", "search", "settled", "spread_out"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Weight of the distance beside the error, each over its spread among the better half.
_WEIGHTS = np.array([0.0, 0.0, 0.15, 0.4, 0.8])
_ELITE = 0.25
_LEARN = 0.5  # how far a proposal moves to its elite at a time
_LEAST_SD = 0.02
_FALL = 1.05


def search(
    score: Callable[[Floats], Scored],
    size: int,
    rng: np.random.Generator,
    *,
    first: int,
    each: int,
    generations: int,
    most: int = 0,
) -> Scored:
    """All points scored, the oldest first.

    Parameters
    ----------
    first
        Points of the recurrence, to begin with.
    each, generations
        Points of each of the proposals in each generation.
    most
        Generations after which an error that still falls is given up; ``generations`` where fewer.
    """
    start = score(_recurrence(first, size, rng))
    parts = [start]
    merit = _merit(start, start)
    chosen = [np.argsort(merit[:, k])[: max(4, first // 10)] for k in range(_WEIGHTS.size)]
    centre = np.stack([start.cube[rows].mean(axis=0) for rows in chosen])
    spread = np.stack([start.cube[rows].std(axis=0) for rows in chosen])
    for generation in range(max(generations, most)):
        if generation >= generations and settled(np.concatenate([p.error for p in parts])):
            break
        noise = rng.standard_normal((_WEIGHTS.size, each, size))
        cube = _folded(centre[:, None] + np.maximum(spread, _LEAST_SD)[:, None] * noise)
        found = score(cube.reshape(-1, size))
        parts.append(found)
        merit = _merit(found, start)
        for k in range(_WEIGHTS.size):
            own = slice(k * each, (k + 1) * each)
            best = np.argsort(merit[own, k])[: max(3, int(_ELITE * each))]
            elite = found.cube[own][best]
            centre[k] += _LEARN * (elite.mean(axis=0) - centre[k])
            spread[k] += _LEARN * (elite.std(axis=0) - spread[k])
    return Scored.joined(parts)


def settled(error: Floats) -> bool:
    """Whether the last three tenths of the points hardly bettered the least error.

    Robyn asks that the spread of the last results settle; this asks that the best did.
    """
    early = float(error[: max(1, int(0.7 * error.size))].min())
    return bool(early <= _FALL * float(error.min()))


def _merit(found: Scored, yardstick: Scored) -> Floats:
    """(P, K) smaller is better; both objectives over their spread among the first points."""

    def spread(values: Floats) -> float:
        return max(float(np.median(values) - values.min()), 1e-9)

    error = found.error[:, None] / spread(yardstick.error)
    return np.asarray(
        (1.0 - _WEIGHTS) * error + _WEIGHTS * found.distance[:, None] / spread(yardstick.distance)
    )


def _recurrence(count: int, size: int, rng: np.random.Generator) -> Floats:
    """Points k * (1/g, 1/g^2, ...) + shift, modulo one; g is the root of x^(size + 1) = x + 1."""
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (size + 1))
    steps = root ** -np.arange(1.0, size + 1)
    return (np.arange(1, count + 1)[:, None] * steps + rng.random(size)) % 1.0


def _folded(cube: Floats) -> Floats:
    """Points beyond an edge, mirrored back into the cube."""
    wrapped = np.abs(cube) % 2.0
    return np.minimum(wrapped, 2.0 - wrapped)


def front(error: Floats, distance: Floats) -> Ints:
    """Places of the points that no other beats in both, the least error first."""
    order = np.lexsort((distance, error))
    least = np.minimum.accumulate(distance[order])
    keep = np.concatenate([[True], least[1:] < least[:-1]])
    return np.asarray(order[keep], dtype=np.int64)


def clusters(values: Floats, most: int, rng: np.random.Generator) -> Ints:
    """Cluster of each row (Lloyd's algorithm from spread-out starts), at most ``most`` of them."""
    count = min(most, len(np.unique(values, axis=0)))
    centres = values[[int(rng.integers(len(values)))]]
    while len(centres) < count:
        far = ((values[:, None] - centres) ** 2).sum(axis=2).min(axis=1)
        centres = np.concatenate([centres, values[[int(np.argmax(far))]]])
    of = np.zeros(len(values), dtype=np.int64)
    for _ in range(50):
        of = np.argmin(((values[:, None] - centres) ** 2).sum(axis=2), axis=1)
        new = np.stack(
            [values[of == k].mean(axis=0) if np.any(of == k) else centres[k] for k in range(count)]
        )
        if np.allclose(new, centres):
            break
        centres = new
    return of


def spread_out(
    score: Callable[[Floats], Scored],
    log_density: Callable[[Scored], Floats],
    start: Scored,
    rng: np.random.Generator,
    steps: int,
) -> tuple[Scored, float]:
    """Points distributed by ``log_density`` over the cube, and the share of moves accepted.

    A search crowds around its best point and so says nothing of how far away others do as well.
    Differential evolution Markov chains (ter Braak 2006): each point moves along the difference of
    two others, every fifth time the whole way, and keeps the move by Metropolis' rule.
    """
    now, height = start, log_density(start)
    count, size = start.cube.shape
    accepted = 0
    for step in range(steps):
        one, other = (np.arange(count) + rng.integers(1, count, size=(2, count))) % count
        if step % 5 == 4:
            pace = np.ones((count, 1))
            moved = np.ones((count, size), dtype=bool)
        else:
            # Only some coordinates at a time: in many dimensions whole moves are mostly refused.
            moved = rng.random((count, size)) < 0.4
            width = np.maximum(moved.sum(axis=1, keepdims=True), 1)
            pace = 2.38 / np.sqrt(2.0 * width)
        step_to = pace * (now.cube[one] - now.cube[other])
        step_to += 0.01 * rng.standard_normal((count, size))
        found = score(_folded(now.cube + moved * step_to))
        new = log_density(found)
        keep = np.log(rng.random(count)) < new - height
        accepted += int(keep.sum())
        both = Scored.joined([now, found])
        now = both.take(np.where(keep, np.arange(count) + count, np.arange(count)))
        height = np.where(keep, new, height)
    return now, accepted / max(count * steps, 1)
