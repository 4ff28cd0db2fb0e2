"""Problems that the planning tests share: small, with known answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.curves.adstock import Geometric
from shared.curves.curveset import Response
from shared.curves.saturation import Exponential, Hill, MichaelisMenten
from shared.problem.model import Channel, Problem


def two_michaelis_menten(budget: float = 100.0, **changes: Any) -> Problem:
    """Two concave channels whose optimum has a closed form (`closed_form`)."""
    channels = (
        Channel("tv", Response(MichaelisMenten(400.0, 50.0)), current_spend=70.0),
        Channel("search", Response(MichaelisMenten(300.0, 20.0)), current_spend=30.0),
    )
    return Problem(channels=channels, budget=budget, **changes)


def closed_form(budget: float = 100.0) -> np.ndarray:
    """Equal slopes: max·half/(half+x)² = λ, so x = sqrt(max·half/λ) − half, and the x sum to B."""
    top, half = np.array([400.0, 300.0]), np.array([50.0, 20.0])
    root = (budget + half.sum()) / np.sqrt(top * half).sum()
    return np.sqrt(top * half) * root - half


def s_shaped_with_draws(count: int = 60, seed: int = 7, spread: float = 0.15) -> Problem:
    """Three channels, one S-shaped with carryover, with joint draws around the point curves."""
    rng = np.random.default_rng(seed)
    points = (
        (Hill(900.0, 60.0, 2.2), Geometric(0.4, normalised=True), 30.0),
        (Hill(500.0, 40.0, 1.0), None, 40.0),
        (Exponential(450.0, 0.03), None, 30.0),
    )
    channels = []
    for name, (curve, adstock, spend) in zip(("tv", "social", "search"), points, strict=True):
        sizes = rng.lognormal(0.0, spread, count)
        draws = tuple(
            type(curve)(**{**curve.parameters(), "max_response": curve.max_response * s})
            for s in sizes
        )
        response = Response(curve, adstock, draws)
        channels.append(
            Channel(name, response, current_spend=spend, max_spend=90.0, observed_max=60.0)
        )
    return Problem(channels=tuple(channels), budget=100.0)
