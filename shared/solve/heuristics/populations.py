"""Searches that move a whole population of points: a genetic algorithm and a particle swarm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.solve.heuristics.space import Searched, Space

__all__ = ["evolve", "swarm"]

Array = NDArray[np.float64]
_CELLS = 3e7  # rounds times points times coordinates
_PEOPLE, _GENERATIONS = 80, 500
_ELITE, _TOURNAMENT = 2, 3
_ALPHA = 0.3  # how far children may lie outside of their parents' interval
_MUTATION = (0.2, 1e-5)  # first and last size, as a share of the range
_MUTATED = 0.5  # of the children
_PARTICLES, _ROUNDS = 60, 600
_INERTIA = 0.72984
_PULL = 1.49618  # of the own best, and of the neighbours'
_SOCIAL = 0.6  # of the rounds, after which the ring opens


def evolve(space: Space, seed: int) -> Searched:
    """The fittest of a genetic algorithm on real numbers: tournaments, blend crossover, elitism.

    Blend crossover (BLX-alpha) is that of Eshelman and Schaffer, "Real-coded genetic algorithms and
    interval-schemata", Foundations of Genetic Algorithms 2 (1993).
    """
    rng = np.random.default_rng(seed)
    people, most = _first(space, rng, _PEOPLE), _rounds(space, _PEOPLE, _GENERATIONS)
    fitness = space.value(people)
    decay, size = (_MUTATION[1] / _MUTATION[0]) ** (1.0 / most), _MUTATION[0]
    count, generation = _PEOPLE - _ELITE, 0
    while generation < most and not space.late():
        order = np.argsort(-fitness, kind="stable")
        people, fitness = people[order], fitness[order]
        # Of people sorted by fitness, the winner of a tournament is the smallest number drawn.
        parents = rng.integers(0, _PEOPLE, size=(2, count, _TOURNAMENT)).min(axis=2)
        mothers, fathers = people[parents[0]], people[parents[1]]
        share = rng.uniform(-_ALPHA, 1.0 + _ALPHA, size=mothers.shape)
        children = mothers + share * (fathers - mothers)
        children = space.project(children + size * _mutation(rng, count, space.range))
        people = np.concatenate((people[:_ELITE], children))
        fitness = np.concatenate((fitness[:_ELITE], space.value(children)))
        size *= decay
        generation += 1
    note = (
        f"A genetic algorithm, {generation} generations of {_PEOPLE}; the fittest plan is answered."
    )
    return Searched(people[int(np.argmax(fitness))], note, generation == most)


def swarm(space: Space, seed: int) -> Searched:
    """The best place of a particle swarm: each is drawn to its own best and its neighbours'.

    Kennedy and Eberhart, "Particle swarm optimization" (1995), with the constriction of Clerc and
    Kennedy, "The particle swarm: explosion, stability, and convergence", IEEE Trans. Evol. Comput.
    6 (2002). Neighbours sit on a ring first, which keeps the swarm from falling into the first good
    place it sees; in the last part everyone follows the best of all.
    """
    rng = np.random.default_rng(seed)
    points, most = _first(space, rng, _PARTICLES), _rounds(space, _PARTICLES, _ROUNDS)
    velocity = 0.5 * (space.sample(rng, _PARTICLES) - points)
    own, own_value = points.copy(), space.value(points)
    every = np.arange(_PARTICLES)
    around = (every[:, None] + np.array([-1, 0, 1])) % _PARTICLES
    round_ = 0
    while round_ < most and not space.late():
        leader = np.full(_PARTICLES, int(np.argmax(own_value)))
        if round_ < _SOCIAL * most:
            leader = around[every, np.argmax(own_value[around], axis=1)]
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
    note = f"A swarm of {_PARTICLES} particles, {round_} rounds; the best place is answered."
    return Searched(own[int(np.argmax(own_value))], note, round_ == most)


def _first(space: Space, rng: np.random.Generator, count: int) -> Array:
    known = space.known()
    return np.concatenate((known, space.sample(rng, count - len(known))))


def _rounds(space: Space, count: int, most: int) -> int:
    return int(np.clip(_CELLS / (count * space.toil), 20, most))


def _mutation(rng: np.random.Generator, count: int, width: Array) -> Array:
    """Steps that add up to nothing over a few coordinates, for some of the children.

    Money is moved rather than made, since most of what is made would be taken from all the others.
    """
    n = width.size
    touched = (rng.random((count, n)) < min(1.0, 3.0 / n)) & (rng.random((count, 1)) < _MUTATED)
    step = np.where(touched, rng.standard_normal((count, n)) * width, 0.0)
    number = touched.sum(axis=1, keepdims=True)
    mean = step.sum(axis=1, keepdims=True) / np.maximum(number, 1)
    return np.asarray(np.where(touched & (number > 1), step - mean, step))
