"""What interactions leave out where curves have draws, in figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.plan.words import number
from shared.problem.program import Program

__all__ = ["levels_in_draws"]

Floats = NDArray[np.float64]

SMALL = 1e-4
"""A difference below this share of the outcome is not worth a word."""


def levels_in_draws(program: Program, spend: Floats) -> tuple[tuple[str, str], ...]:
    """A warning where interactions at each draw's own levels would bring noticeably more or less.

    Interactions go by the levels of the mean curves, so that draws which move two channels up or
    down together are left out of their product. ``program`` decides spend itself, (A, T).
    """
    if not program.pairs or program.draws is None:
        return ()
    z = program.adstocked(spend)
    draws, level = program.draws, program.saturation(z)
    own = np.stack([draws.value(row) for row in z.T])
    with np.errstate(divide="ignore", invalid="ignore"):
        own = own / np.stack([draws.one(s).supremum() for s in range(draws.draws)])
    own = np.where(np.isfinite(own), own, 0.0)
    share = np.full(draws.draws, 1.0 / draws.draws)
    if program.draw_weights is not None:
        share = program.draw_weights
    told = drawn = 0.0
    for pair in program.pairs:
        size = pair.strength * program.pair_weight(pair)
        told += float(size @ (level[pair.first] * level[pair.second]))
        both = own[:, :, pair.first] * own[:, :, pair.second]
        drawn += float(size @ (both @ share))
    if abs(drawn - told) <= SMALL * abs(program.outcome(spend)):
        return ()
    message = (
        f"Interactions go by the levels of the mean curves, where they bring {number(told)}; at "
        f"the levels of each draw they would bring {number(drawn)} in the mean."
    )
    return (("interaction_of_means", message),)
