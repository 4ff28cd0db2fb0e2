"""Demand that nobody recorded, effects that multiply, and planners who buy when it is high.

Sales are a product: appetite times a hidden driver times a power, or an exponential, of each
channel's remembered dose (log-linear market response: Hanssens, Parsons and Schultz, Market
Response Models, 2001). The hidden driver is an autoregression that moves spend as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samples.worlds.mechanism import Channel, State, Weather, remembered

__all__ = ["Latent"]

Floats = NDArray[np.float64]


class Latent:
    """State: the remembered dose (K, C)."""

    def __init__(
        self, channels: Sequence[Channel], weather: Weather, rng: np.random.Generator
    ) -> None:
        count = len(channels)
        self.weather = weather
        self.hidden = np.exp(rng.uniform(0.04, 0.14) * weather.hidden)
        self.decay = rng.uniform(0.05, 0.75, count)
        self.effect = rng.uniform(0.02, 0.14, count)  # on log sales
        self.power = rng.random(count) < 0.5
        self.knee = rng.uniform(0.3, 2.0, count)
        self.steep = rng.uniform(0.9, 2.2, count)

    def begin(self, count: int) -> State:
        return {"stock": np.ones((count, self.decay.size))}

    def demand(self, state: State, t: int) -> Floats:
        return np.full(len(state["stock"]), self.hidden[t] * self.weather.appetite(t))

    def step(self, state: State, t: int, dose: Floats) -> tuple[State, Floats]:
        stock = remembered(state["stock"], dose, self.decay)
        risen = (stock / self.knee) ** self.steep
        log = np.where(self.power, np.log1p(stock / self.knee), 2.0 * risen / (1.0 + risen))
        sales = self.hidden[t] * self.weather.appetite(t) * np.exp(log @ self.effect)
        return {"stock": stock}, np.asarray(sales)
