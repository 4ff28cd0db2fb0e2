"""Reach and frequency: each person has exposures of their own, and is counted once.

People differ in how much of each medium they see, heavy users of one are heavier users of others;
given that, exposures are Poisson, so over all people they are about negative binomial, as in the
literature on media schedules (Chandon 1976; Goodhardt, Ehrenberg and Collins 1987) and in models
with reach and frequency data (Zhang et al., "Bayesian hierarchical media mix model incorporating
reach and frequency data", Google, 2023). An effect begins at a number of exposures that differs by
channel; a person whom one channel has won cannot be won by another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samples.worlds.mechanism import Channel, State, Weather, remembered

__all__ = ["Reach"]

Floats = NDArray[np.float64]
_PEOPLE = 60  # kinds of people, equally many of each


class Reach:
    """State: the remembered dose (K, C), which each kind of person sees at a rate of its own."""

    def __init__(
        self, channels: Sequence[Channel], weather: Weather, rng: np.random.Generator
    ) -> None:
        count = len(channels)
        self.weather = weather
        self.decay = rng.uniform(0.1, 0.8, count)
        common = rng.standard_normal((_PEOPLE, 1))
        own = rng.standard_normal((_PEOPLE, count))
        seen = np.exp(rng.uniform(0.5, 1.1, count) * (0.6 * common + 0.8 * own))
        self.seen = seen / seen.mean(axis=0) * rng.uniform(0.4, 3.0, count)
        self.least = rng.integers(1, 4, count)  # exposures from which an ad works
        self.wins = rng.uniform(0.02, 0.15, count)
        self.base = rng.uniform(0.2, 0.3)

    def begin(self, count: int) -> State:
        return {"stock": np.ones((count, self.decay.size))}

    def demand(self, state: State, t: int) -> Floats:
        return np.full(len(state["stock"]), self.weather.appetite(t))

    def won(self, stock: Floats) -> Floats:
        """(K,) share of people who buy, from remembered doses (K, C)."""
        mean = stock[:, None, :] * self.seen  # (K, people, C)
        some = -np.expm1(-mean)  # at least one of a Poisson number
        twice = some - mean * np.exp(-mean)
        thrice = twice - 0.5 * mean**2 * np.exp(-mean)
        reached = np.where(self.least == 1, some, np.where(self.least == 2, twice, thrice))
        kept = np.prod(1.0 - self.wins * np.maximum(reached, 0.0), axis=2)
        return np.asarray(1.0 - (1.0 - self.base) * kept.mean(axis=1))

    def step(self, state: State, t: int, dose: Floats) -> tuple[State, Floats]:
        stock = remembered(state["stock"], dose, self.decay)
        return {"stock": stock}, self.weather.appetite(t) * self.won(stock)
