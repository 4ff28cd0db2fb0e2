"""A funnel: media of creation raise an interest that media of capture turn into sales.

Interest is a hidden pool that creation fills with its remembered dose and the season with its own;
part of it buys in any case, and more of it where capture (search, affiliates) meets it. So a part
of what captured demand brings belongs to who created it, and capture is worth less without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samples.worlds.mechanism import Channel, State, Weather, remembered

__all__ = ["Funnel"]

Floats = NDArray[np.float64]


class Funnel:
    """State: the remembered dose (K, C) and the interest (K,)."""

    def __init__(
        self, channels: Sequence[Channel], weather: Weather, rng: np.random.Generator
    ) -> None:
        count = len(channels)
        self.weather = weather
        self.captures = np.array([channel.captures for channel in channels])
        self.decay = np.where(self.captures, 0.0, rng.uniform(0.2, 0.8, count))
        self.knee = rng.uniform(0.4, 2.5, count)
        self.steep = rng.uniform(0.8, 2.0, count)
        self.raises = np.where(self.captures, 0.0, rng.uniform(0.2, 0.9, count))
        self.direct = np.where(self.captures, 0.0, rng.uniform(0.0, 0.05, count))
        self.grip = np.where(self.captures, rng.uniform(0.3, 1.2, count), 0.0)
        self.stays = rng.uniform(0.2, 0.6)  # of the interest from one week to the next
        self.organic = rng.uniform(0.12, 0.22)
        self.paid = rng.uniform(0.10, 0.25)  # on top, of those whom capture meets
        self.wander = np.exp(rng.uniform(0.03, 0.10) * weather.hidden)
        self.usual = 1.0 + 0.5 * float(self.raises.sum())

    def begin(self, count: int) -> State:
        return {
            "stock": np.ones((count, self.decay.size)),
            "interest": np.full(count, self.usual),
        }

    def _interest(self, state: State) -> Floats:
        risen = (state["stock"] / self.knee) ** self.steep
        fresh = 1.0 + (risen / (1.0 + risen)) @ self.raises
        return np.asarray(self.stays * state["interest"] + (1.0 - self.stays) * fresh)

    def demand(self, state: State, t: int) -> Floats:
        interest = self._interest(state) / self.usual
        return np.asarray(interest * self.wander[t] * self.weather.appetite(t))

    def step(self, state: State, t: int, dose: Floats) -> tuple[State, Floats]:
        stock = remembered(state["stock"], dose, self.decay)
        interest = self._interest({**state, "stock": stock})
        pull = interest * self.wander[t] * self.weather.appetite(t)
        caught = -np.expm1(-(dose @ self.grip) * self.usual / pull)
        risen = (stock / self.knee) ** self.steep
        at_once = self.weather.appetite(t) * ((risen / (1.0 + risen)) @ self.direct)
        sales = 0.8 * self.weather.appetite(t) + at_once
        sales = sales + pull * (self.organic + self.paid * caught)
        return {"stock": stock, "interest": interest}, np.asarray(sales)
