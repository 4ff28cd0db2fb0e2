"""People moving between states of awareness and purchase; search follows their queries.

After the description of the Aggregate Marketing System Simulator (Zhang and Vaver, "Introduction to
the Aggregate Marketing System Simulator", Google, 2017), written anew and smaller. A share of the
population each is unaware, aware, in favour, or content (has just bought). Media of creation reach
some of them a week and move these up; people forget; whoever buys is content for a while. Queries
come from those who are in the market, the more the nearer they are to buying, and most who click
would have bought anyway: that is why search looks far better than it is (Chen et al., "Bias
correction for paid search in media mix modeling", 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samples.worlds.mechanism import Channel, State, Weather

__all__ = ["States"]

Floats = NDArray[np.float64]
_QUERIES = np.array([0.02, 0.25, 1.0])  # of an unaware, an aware, a favourable person in the market


class States:
    """Shares (K, 4) of people who are unaware, aware, in favour, content; they sum to one."""

    def __init__(
        self, channels: Sequence[Channel], weather: Weather, rng: np.random.Generator
    ) -> None:
        count = len(channels)
        self.weather = weather
        self.hidden = np.exp(rng.uniform(0.03, 0.10) * weather.hidden)
        self.captures = np.array([channel.captures for channel in channels])
        self.reach = rng.uniform(0.3, 1.6, count)  # -log of the share that a dose of one misses
        self.aware = rng.uniform(0.02, 0.12, count)  # of those reached who become aware
        self.favour = rng.uniform(0.01, 0.05, count)
        self.grip = rng.uniform(0.4, 1.5, count)  # how much of the queries a dose of one catches
        self.click = rng.uniform(0.01, 0.04)  # who buys because of a click, and only then
        self.forgets = rng.uniform(0.03, 0.10, 2)  # awareness, favour
        self.returns = rng.uniform(0.08, 0.2)  # to the market, of those who have just bought
        self.buys = np.array([0.012, 0.025, 0.07]) * rng.uniform(0.7, 1.4)

    def begin(self, count: int) -> State:
        return {"people": np.tile([0.5, 0.25, 0.15, 0.1], (count, 1))}

    def appetite(self, t: int) -> float:
        """How much of the market is open in a week, with what nobody recorded."""
        return self.weather.appetite(t) * float(self.hidden[t])

    def demand(self, state: State, t: int) -> Floats:
        return np.asarray(self._queries(state["people"], t) / 0.25)

    def _queries(self, people: Floats, t: int) -> Floats:
        return np.asarray(self.appetite(t) * (people[:, :3] @ _QUERIES))

    def step(self, state: State, t: int, dose: Floats) -> tuple[State, Floats]:
        people = state["people"].copy()
        reached = np.where(self.captures, 0.0, -np.expm1(-self.reach * dose))

        def move(low: int, high: int, share: Floats | float) -> None:
            going = people[:, low] * share
            people[:, low] -= going
            people[:, high] += going

        move(2, 1, self.forgets[1])
        move(1, 0, self.forgets[0])
        move(0, 1, 1.0 - np.prod(1.0 - self.aware * reached, axis=1))
        move(1, 2, 1.0 - np.prod(1.0 - self.favour * reached, axis=1))
        move(3, 1, self.returns)
        # A click is worth what it adds to whoever would not have bought; queries are what limits.
        queries = self._queries(people, t)
        grip = np.where(self.captures, self.grip, 0.0) * dose
        caught = -np.expm1(-grip.sum(axis=1) * 0.25 / queries)
        chance = self.buys + self.click * caught[:, None] * _QUERIES
        bought = np.minimum(self.appetite(t) * chance, 0.95)
        sold = (people[:, :3] * bought).sum(axis=1)
        for place in range(3):
            move(place, 3, bought[:, place])
        return {"people": people}, sold
