"""Coordinates in which a hierarchy's spread and its deviations hardly know of each other.

A deviation is the spread times a standard normal z, which suits members of which the data say
little. Of a member that the data know well it is the product that is fixed: z and the spread then
lie on a hyperbola that no linear map straightens, and chains creep along it. In between
u = z spread^c is best, with c the share of the member's variance that the data took away
(Papaspiliopoulos, Roberts and Skold, A general framework for the parametrization of hierarchical
models, Statistical Science 2007): 0 leaves all as it is, 1 is the deviation itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.laplace import Mode
from shared.fit.bayes.layout import Layout

__all__ = ["Centring", "centring_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Centring:
    """Members of all levels, (M,): coordinate, that of the level's log spread, and c of each."""

    member: Ints
    spread: Ints
    share: Floats

    def inward(self, theta: Floats) -> Floats:
        """Points (K, size) of the model in these coordinates."""
        out = theta.copy()
        out[:, self.member] *= np.exp(self.share * theta[:, self.spread])
        return out

    def outward(self, points: Floats) -> Floats:
        """The inverse of ``inward``."""
        if not self.member.size:
            return points
        out = points.copy()
        out[:, self.member] *= np.exp(-self.share * points[:, self.spread])
        return out

    def density(self, points: Floats, value: Floats, gradient: Floats) -> tuple[Floats, Floats]:
        """Log density (K,) and gradient (K, size) in these coordinates.

        ``value`` and ``gradient`` are the model's at ``outward(points)``.
        """
        if not self.member.size:
            return value, gradient
        log_spread = points[:, self.spread]
        fade = np.exp(-self.share * log_spread)
        by_log = -self.share * (gradient[:, self.member] * points[:, self.member] * fade + 1.0)
        out = gradient.copy()
        out[:, self.member] *= fade
        for spread in np.unique(self.spread):
            out[:, spread] += by_log[:, self.spread == spread].sum(axis=1)
        return value - (self.share * log_spread).sum(axis=1), out

    def root(self, mode: Mode) -> Floats:
        """``mode.root`` in these coordinates, to first order at the mode."""
        out = mode.root.copy()
        grown = np.exp(self.share * mode.theta[self.spread])
        lever = (self.share * mode.theta[self.member])[:, None]
        inner = mode.root[self.member] + lever * mode.root[self.spread]
        out[self.member] = grown[:, None] * inner
        return out


def centring_of(layout: Layout, mode: Mode) -> Centring:
    """Shares from the Laplace approximation: what is left of each member's variance of one."""
    member: list[int] = []
    spread: list[int] = []
    for level in layout.levels:
        places = np.unique(level.member[level.member >= 0])
        member += places.tolist()
        spread += [level.spread] * places.size
    at, of = np.array(member, dtype=np.int64), np.array(spread, dtype=np.int64)
    own = (mode.root[at] ** 2).sum(axis=1)
    wide = (mode.root[of] ** 2).sum(axis=1)
    both = (mode.root[at] * mode.root[of]).sum(axis=1)
    left = own - both**2 / np.maximum(wide, 1e-300)  # the spread held still
    return Centring(at, of, np.clip(1.0 - left, 0.0, 1.0))
