"""The search finds known minima and the whole front; its last points are spread as they should."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.fit.media.search import Scored, clusters, front, search, spread_out

Floats = NDArray[np.float64]


def scored(cube: Floats) -> Scored:
    """Error least at 0.3, distance least at 0.8, in every coordinate."""
    nothing = np.zeros((len(cube), 1))
    error = 1.0 + ((cube - 0.3) ** 2).sum(axis=1)
    distance = ((cube - 0.8) ** 2).sum(axis=1)
    return Scored(cube, error, distance, nothing, nothing, nothing, np.zeros(len(cube)))


def test_the_minima_and_the_front_between_them_are_found() -> None:
    rng = np.random.default_rng(0)
    found = search(scored, 6, rng, first=128, each=24, generations=25)
    assert found.error.min() < 1.005
    best = front(found.error, found.distance)
    along = found.cube[best].mean(axis=1)
    assert along.min() < 0.35
    assert along.max() > 0.6
    # On the true front all coordinates are equal.
    assert np.median(found.cube[best].std(axis=1)) < 0.08


def test_the_same_seed_gives_the_same_points() -> None:
    one, two = (
        search(scored, 3, np.random.default_rng(5), first=32, each=8, generations=4).cube
        for _ in range(2)
    )
    assert (one == two).all()


def test_nothing_beats_the_front() -> None:
    rng = np.random.default_rng(1)
    error, distance = rng.random(300), rng.random(300)
    best = front(error, distance)
    for i in range(300):
        beaten = (error <= error[i]) & (distance <= distance[i])
        assert (beaten.sum() == 1) == (i in best)


def test_points_spread_out_to_a_known_density() -> None:
    def log_density(points: Scored) -> Floats:
        return np.asarray(-0.5 * ((points.cube - 0.5) ** 2).sum(axis=1) / 0.1**2)

    rng = np.random.default_rng(2)
    crowded = scored(0.5 + 0.01 * rng.standard_normal((300, 4)))
    found, accepted = spread_out(scored, log_density, crowded, rng, 80)
    assert found.cube.mean() == pytest.approx(0.5, abs=0.02)
    assert found.cube.std() == pytest.approx(0.1, abs=0.015)
    assert 0.1 < accepted < 0.9


def test_clusters_part_what_lies_apart() -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(size=(20, 2)) * 0.1 + at for at in (0.0, 3.0, 9.0)])
    of = clusters(values, 3, rng)
    assert [len(set(of[k * 20 : (k + 1) * 20])) for k in range(3)] == [1, 1, 1]
    assert len(set(of)) == 3
    assert set(clusters(np.ones((5, 2)), 4, rng)) == {0}
