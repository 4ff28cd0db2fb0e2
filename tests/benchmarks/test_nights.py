"""Ten nights by hand: no step moves nothing, the same curves twice move once, steps stay small."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.fit_nights import Walk, walk
from samples.worlds.world import World
from shared.fit.pipeline import fit_history
from shared.history.parse import parse


def test_a_walk_moves_as_far_as_its_rule_says() -> None:
    world = World("reach", 3)
    parsed = parse(world.spec, world.csv.encode())
    spec = {**parsed.spec, "model": {"saturation": "hill", "adstock": "geometric"}}
    curves = fit_history(parsed.history, spec, draws=40).curve_set
    assert walk(world, (curves, curves), 0.0) == Walk(0.0, 0.0)
    once, twice = (walk(world, (curves,) * nights, np.inf) for nights in (1, 2))
    assert twice.moved == pytest.approx(once.moved, abs=1e-3)
    assert twice.gain == pytest.approx(once.gain, abs=1e-3)
    small = [walk(world, (curves,) * nights, 0.05) for nights in (1, 2)]
    assert 0.0 < small[0].moved <= 0.05
    assert small[0].moved < small[1].moved <= 0.11
    assert small[1].moved < once.moved
