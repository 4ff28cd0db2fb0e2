"""Mixtures of the contract's features: a few that hold every pair, and any number at random."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from tests.contract.features import FEATURES, compatible, pairs

__all__ = ["Names", "at_random", "covering"]

Names = tuple[str, ...]
TRIES = 40


def covering(most: int, seed: int = 0) -> list[Names]:
    """Mixtures of at most so many features that together hold every pair that goes together.

    Greedy: each mixture grows from a pair that is still missing by the feature that adds most
    missing pairs, and is the best of some tries.
    """
    rng, missing, rows = np.random.default_rng(seed), set(pairs()), list[Names]()
    together = _partners(missing)
    while missing:
        left, wanted = sorted(missing), _partners(missing)
        tried = (_grown(left, wanted, together, most, rng) for _ in range(TRIES))
        row = max(tried, key=lambda names: len(missing & _pairs_in(names)))
        missing -= _pairs_in(row)
        rows.append(row)
    return rows


def _pairs_in(names: Names) -> set[tuple[str, str]]:
    ordered = [name for name in FEATURES if name in names]
    return set(combinations(ordered, 2))


def _partners(found: set[tuple[str, str]]) -> dict[str, set[str]]:
    """For each feature those that it makes a pair with."""
    out: dict[str, set[str]] = {name: set() for name in FEATURES}
    for one, other in found:
        out[one].add(other)
        out[other].add(one)
    return out


def _grown(
    left: list[tuple[str, str]],
    wanted: dict[str, set[str]],
    together: dict[str, set[str]],
    most: int,
    rng: np.random.Generator,
) -> Names:
    row: Names = left[int(rng.integers(len(left)))]
    while len(row) < most:
        # What excludes each other does so in pairs.
        gains = {
            name: len(wanted[name].intersection(row))
            for name in FEATURES
            if name not in row and together[name].issuperset(row)
        }
        best = max(gains.values(), default=0)
        if not best:
            break
        row = (*row, str(rng.choice([name for name, gain in gains.items() if gain == best])))
    return tuple(name for name in FEATURES if name in row)


def at_random(count: int, seed: int = 0) -> Iterator[Names]:
    """Mixtures of three to six features."""
    rng = np.random.default_rng(seed)
    while count:
        picked = [str(n) for n in rng.choice(list(FEATURES), int(rng.integers(3, 7)), False)]
        if compatible(picked):
            count -= 1
            yield tuple(name for name in FEATURES if name in picked)
