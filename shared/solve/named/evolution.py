"""A genetic algorithm on real numbers: tournaments, blend crossover, Gaussian mutation, elitism.

Blend crossover (BLX-alpha) is that of Eshelman and Schaffer, "Real-coded genetic algorithms and
interval-schemata", Foundations of Genetic Algorithms 2 (1993). A mutation moves money between a few
coordinates rather than making some, since most of it would be taken back from all the others; its
size falls from generation to generation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.solve.named.space import Searched, Space

__all__ = ["evolve"]

Array = NDArray[np.float64]
_POPULATION = 80
_GENERATIONS = 500
_CELLS = 3e7  # generations times population times coordinates
_ELITE = 2
_TOURNAMENT = 3
_ALPHA = 0.3  # how far children may lie outside of their parents' interval
_MUTATION = (0.2, 1e-5)  # first and last size, as a share of the range
_MUTATED = 0.5  # of the children


def evolve(space: Space, seed: int) -> Searched:
    """The fittest of all generations."""
    rng = np.random.default_rng(seed)
    known = space.known()
    people = np.concatenate((known, space.sample(rng, _POPULATION - len(known))))
    fitness = space.value(people)
    most = int(np.clip(_CELLS / (_POPULATION * space.toil), 20, _GENERATIONS))
    decay = (_MUTATION[1] / _MUTATION[0]) ** (1.0 / most)
    size, generation = _MUTATION[0], 0
    while generation < most and not space.late():
        order = np.argsort(-fitness, kind="stable")
        people, fitness = people[order], fitness[order]
        count = _POPULATION - _ELITE
        mothers = people[_winners(rng, count)]
        fathers = people[_winners(rng, count)]
        children = _blend(rng, mothers, fathers)
        children += _mutation(rng, count, space.range) * size
        children = space.project(children)
        people = np.concatenate((people[:_ELITE], children))
        fitness = np.concatenate((fitness[:_ELITE], space.value(children)))
        size *= decay
        generation += 1
    best = int(np.argmax(fitness))
    return Searched(
        point=people[best],
        value=float(fitness[best]),
        evaluations=space.evaluations,
        note=(
            f"A genetic algorithm, {generation} generations of {_POPULATION}; the fittest plan is "
            "answered."
        ),
        finished=generation == most,
    )


def _winners(rng: np.random.Generator, count: int) -> NDArray[np.intp]:
    """Winners of tournaments among people sorted by fitness: the smallest number drawn."""
    return np.asarray(rng.integers(0, _POPULATION, size=(count, _TOURNAMENT)).min(axis=1))


def _blend(rng: np.random.Generator, mothers: Array, fathers: Array) -> Array:
    """Coordinates drawn evenly from the parents' interval, widened on both sides."""
    share = rng.uniform(-_ALPHA, 1.0 + _ALPHA, size=mothers.shape)
    return np.asarray(mothers + share * (fathers - mothers))


def _mutation(rng: np.random.Generator, count: int, width: Array) -> Array:
    """Steps that add up to nothing over a few coordinates, for some of the children."""
    n = width.size
    chance = min(1.0, 3.0 / n)
    touched = (rng.random((count, n)) < chance) & (rng.random((count, 1)) < _MUTATED)
    step = np.where(touched, rng.standard_normal((count, n)) * width, 0.0)
    number = touched.sum(axis=1, keepdims=True)
    mean = step.sum(axis=1, keepdims=True) / np.maximum(number, 1)
    return np.asarray(np.where(touched & (number > 1), step - mean, step))
