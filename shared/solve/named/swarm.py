"""Particle swarm: every point is drawn to the best it has seen and to the best of its neighbours.

Kennedy and Eberhart, "Particle swarm optimization" (1995), with the constriction of Clerc and
Kennedy, "The particle swarm: explosion, stability, and convergence", IEEE Trans. Evol. Comput. 6
(2002). Neighbours sit on a ring first, which keeps the swarm from falling into the first good place
it sees; in the last part everyone follows the best of all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.solve.named.space import Searched, Space

__all__ = ["swarm"]

Array = NDArray[np.float64]
_PARTICLES = 60
_ROUNDS = 600
_CELLS = 3e7  # rounds times particles times coordinates
_INERTIA = 0.72984
_PULL = 1.49618  # of the own best, and of the neighbours'
_SOCIAL = 0.6  # of the rounds, after which the ring opens


def swarm(space: Space, seed: int) -> Searched:
    """The best point that any particle has seen."""
    rng = np.random.default_rng(seed)
    known = space.known()
    points = np.concatenate((known, space.sample(rng, _PARTICLES - len(known))))
    velocity = 0.5 * (space.sample(rng, _PARTICLES) - points)
    own, own_value = points.copy(), space.value(points)
    most = int(np.clip(_CELLS / (_PARTICLES * space.toil), 20, _ROUNDS))
    around = (np.arange(_PARTICLES)[:, None] + np.array([-1, 0, 1])) % _PARTICLES
    round_ = 0
    while round_ < most and not space.late():
        if round_ < _SOCIAL * most:
            leader = around[np.arange(_PARTICLES), np.argmax(own_value[around], axis=1)]
        else:
            leader = np.full(_PARTICLES, int(np.argmax(own_value)))
        cognitive = _PULL * rng.random(points.shape) * (own - points)
        social = _PULL * rng.random(points.shape) * (own[leader] - points)
        velocity = np.clip(_INERTIA * velocity + cognitive + social, -space.range, space.range)
        moved = space.project(points + velocity)
        # What the constraints have stopped is no velocity any more.
        velocity, points = moved - points, moved
        value = space.value(points)
        better = value > own_value
        own[better], own_value[better] = points[better], value[better]
        round_ += 1
    best = int(np.argmax(own_value))
    return Searched(
        point=own[best],
        value=float(own_value[best]),
        evaluations=space.evaluations,
        note=f"A swarm of {_PARTICLES} particles, {round_} rounds; the best place is answered.",
        finished=round_ == most,
    )
