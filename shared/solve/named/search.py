"""The methods that callers ask for by name: searches that prove nothing themselves.

None of them is ever chosen by ``auto``. Each looks for a good point in a ``Space``; how good it is
is for a proof to say that they have no part in.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shared.solve.named.bayesian import explore
from shared.solve.named.evolution import evolve
from shared.solve.named.gradient import ascend
from shared.solve.named.slsqp import quadratic_programming
from shared.solve.named.space import Searched, Space
from shared.solve.named.swarm import swarm

__all__ = ["BY_NAME", "SEARCHES", "search"]

SEARCHES: dict[str, Callable[[Space, int], Searched]] = {
    "gradient": ascend,
    "slsqp": quadratic_programming,
    "genetic": evolve,
    "particle_swarm": swarm,
    "bayesian": explore,
}

BY_NAME = (*SEARCHES, "piecewise")
"""All methods that a caller has to ask for; the last one needs more than a space."""


def search(space: Space, method: str, seed: int) -> Searched:
    """Search by the method of that name; the same seed gives the same point."""
    if not np.any(space.range > 0.0):
        only = space.project(space.lower[None, :])
        value = float(space.value(only)[0])
        return Searched(only[0], value, space.evaluations, "Only one plan is allowed.", True)
    return SEARCHES[method](space, seed)
