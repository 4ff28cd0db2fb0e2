"""How a market turns doses of media into sales, one week at a time: what every world gives.

A *dose* is media in physical units (rating points, clicks), about one in a usual week. What a dose
costs is settled afterwards (``world``), so a mechanism knows no money. All states are arrays whose
first axis are K histories that run side by side under the same weather.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Channel", "Mechanism", "State", "Weather", "remembered"]

Floats = NDArray[np.float64]
State = dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a world.

    Attributes
    ----------
    captures
        Whether it meets demand that is there already (search, affiliates), so that its spend
        follows that demand.
    follows
        Power of the demand of the week that its planner buys with.
    price
        True return per unit of money over the history that its cost is set to bring.
    """

    name: str
    captures: bool
    follows: float
    price: float


@dataclass(frozen=True, slots=True, eq=False)
class Weather:
    """What moves the market besides media, arrays of one number a week, warm-up and future too.

    ``season`` is about -1 to 1, ``promo`` the depth of a price cut, ``price`` an index around 1,
    ``event`` the size of a feast, ``hidden`` of unit variance and in no table.
    """

    season: Floats
    promo: Floats
    price: Floats
    event: Floats
    hidden: Floats
    trend: Floats

    def appetite(self, t: int) -> float:
        """What the week does to demand, a factor."""
        log = 0.16 * self.season[t] + 0.9 * self.promo[t] - 1.2 * (self.price[t] - 1.0)
        return float(np.exp(log + 0.12 * self.event[t] + self.trend[t]))


class Mechanism(Protocol):
    """A market. ``step`` changes nothing in place."""

    def begin(self, count: int) -> State:
        """The state of K = ``count`` markets before the first week."""

    def demand(self, state: State, t: int) -> Floats:
        """(K,) what those who capture demand meet in week ``t``, about one."""

    def step(self, state: State, t: int, dose: Floats) -> tuple[State, Floats]:
        """State after week ``t`` and its sales (K,), from doses (K, C)."""


def remembered(stock: Floats, dose: Floats, decay: Floats) -> Floats:
    """Geometric memory (K, C) that a constant dose leaves as it is (Broadbent, 1979)."""
    return np.asarray(decay * stock + (1.0 - decay) * dose)
