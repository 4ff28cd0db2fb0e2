"""A curve for a channel without a history: another channel's, at another size, and less sure.

The size ``k`` of a channel is how much money it can take: ``f_k(x) = k f(x / k)`` has the same
return on the first unit of money and ends at ``k`` times the outcome. What is not known is how
alike the two are, so each draw has a return and a size of its own, both log-normal.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from shared.curves.curveset import Response
from shared.curves.saturation import Saturation

__all__ = ["DRAWS", "by_analogy"]

DRAWS = 200
"""Draws of a curve by analogy where no other channel says how many."""

NORMAL_95 = 1.6448536269514722
"""95 % quantile of the standard normal distribution: 90 % lie within as many sd of the mean."""


def by_analogy(
    known: Response, name: str, *, scale: float, uncertainty: float, draws: int, seed: int
) -> Response:
    """The response of channel ``name`` if it is like a ``known`` one.

    Parameters
    ----------
    scale
        Its size over the known channel's.
    uncertainty
        A factor of at least 1: in 90 % of the draws the return lies within it either way of the
        known channel's in that draw, and so does the size. The mean return is kept, so that being
        less sure does not look like being better.
    draws
        How many; the known channel's own are used, in their order, where it has them.
    seed
        Makes it reproducible; channels of other names are independent.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    spread = math.log(uncertainty) / NORMAL_95
    returns = np.exp(spread * rng.standard_normal(draws))
    returns /= returns.mean()
    sizes = scale * np.exp(spread * rng.standard_normal(draws))
    curves = known.draws or (known.saturation,) * draws

    def sized(curve: Saturation, size: float, gain: float) -> Saturation:
        return curve.scaled(1.0 / size).times(size * gain)

    return Response(
        saturation=sized(known.saturation, scale, 1.0),
        adstock=known.adstock,
        draws=tuple(
            sized(curve, size, gain)
            for curve, size, gain in zip(curves, sizes.tolist(), returns.tolist(), strict=True)
        ),
    )
