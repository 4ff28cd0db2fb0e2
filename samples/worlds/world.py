"""A brand in a market of its own kind: its history, lift tests, and what any plan truly brings.

Everything comes from a kind and a seed. The market (``mechanism``) turns doses into sales; here are
the weather, the plans of buyers who follow demand, what a dose costs (so that each channel's true
return over the history is one drawn beforehand), noise, and the table that a user would upload.
Spend is rounded to cents first and the outcome made of what is in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from samples import drivers
from samples.simulate import spec_of, table
from samples.worlds.funnel import Funnel
from samples.worlds.latent import Latent
from samples.worlds.mechanism import Channel, Mechanism, State, Weather
from samples.worlds.reach import Reach
from samples.worlds.states import States

__all__ = ["KINDS", "Test", "World", "world"]

Floats = NDArray[np.float64]

KINDS: Mapping[str, Callable[[Sequence[Channel], Weather, np.random.Generator], Mechanism]] = {
    "states": States,
    "latent": Latent,
    "reach": Reach,
    "funnel": Funnel,
}
"""Kinds of market, by name."""

WARM_UP = 52
"""Weeks before the first row, so that the first row carries earlier spend."""
AFTER = 78
"""Weeks after the last row: a plan settles in the first 26 and is judged by the year after them."""
_START = date(2022, 1, 3)
_MEAN_OUTCOME = 1.0e6
_CREATE = ("tv", "online_video", "social", "radio", "out_of_home", "display", "podcast", "print")
_CAPTURE = ("search", "affiliates", "shopping")


@dataclass(frozen=True, slots=True)
class Test:
    """A lift test: one channel's spend times ``factor`` in ``weeks`` weeks from row ``first``.

    With ``in_history`` the history was made with it; else what would have been is in the history.
    """

    __test__ = False  # no test case

    channel: str
    first: int
    weeks: int = 8
    factor: float = 1.5
    in_history: bool = True
    error: float = 0.25  # standard error, as a share of the true effect


class World:
    """One brand; see the module. Arrays are (T,) weeks and (C,) channels.

    Attributes
    ----------
    arms
        Names of the channels.
    csv, spec
        The history as it would be uploaded; the spec tells of the tests in ``told``.
    spend, outcome
        (T, C) and (T,), as in the table.
    returns
        (C,) outcome lost had the channel never been bought, over its spend.
    """

    def __init__(self, kind: str, seed: int, tests: Sequence[Test] = ()) -> None:
        rng = np.random.default_rng([20261130, crc32(kind.encode()), seed])
        self.kind, self.seed, self.tests = kind, seed, tuple(tests)
        self.weeks = int(rng.choice([104, 130, 156, 208]))
        self.channels = _channels(kind, int(rng.integers(3, 10)), rng)
        self.arms = tuple(channel.name for channel in self.channels)
        self._shown = slice(WARM_UP, WARM_UP + self.weeks)
        total = WARM_UP + self.weeks + AFTER
        self._dates = [_START + timedelta(7 * (t - WARM_UP)) for t in range(total)]
        self._labels = [drivers.event(day, 7) for day in self._dates]
        self.weather = self._weather(rng)
        self.market = KINDS[kind](self.channels, self.weather, rng)
        plan = self._plan(rng)
        # Noise has a generator of its own: a history with a test differs by the test alone.
        noise = drivers.autoregressive(self.weeks, float(rng.uniform(0.0, 0.5)), rng)
        noise *= rng.uniform(0.01, 0.04)
        errors = rng.standard_normal(64)
        usual = self._bought(plan)
        sold = self._sold(np.stack([usual, *self._without(usual)]))[:, self._shown]
        self._unit = _MEAN_OUTCOME / float(sold[0].mean())
        lost = np.maximum((sold[0] - sold[1:]).sum(axis=1), 1e-9 * sold[0].sum()) * self._unit
        wanted = np.array([channel.price for channel in self.channels])
        self._cost = lost / wanted / usual[self._shown].sum(axis=0)
        for test in self.tests:
            if test.in_history:
                at = slice(WARM_UP + test.first, WARM_UP + test.first + test.weeks)
                plan[at, self.arms.index(test.channel)] *= test.factor
        self._dose = np.round(self._bought(plan) * self._cost, 2) / self._cost
        sold = self._sold(np.stack([self._dose, *self._without(self._dose)]))
        sold = sold[:, self._shown] * self._unit
        self.spend = np.round(self._dose[self._shown] * self._cost, 2)
        self.mean = self.spend.mean(axis=0)
        self.expected = sold[0]
        self.returns = (sold[0] - sold[1:]).sum(axis=1) / self.spend.sum(axis=0)
        self.outcome = np.round(sold[0] * np.maximum(1.0 + noise, 0.0), 2)
        told = (self._told(test, float(e)) for test, e in zip(self.tests, errors, strict=False))
        # While a channel is off the air there is nothing to test.
        self.told = [test for test in told if test["spend_change"] != 0.0]

    @property
    def spec(self) -> dict[str, Any]:
        """Roles of the columns, and the lift tests."""
        spec = spec_of(self.arms)
        return {**spec, "lift_tests": self.told} if self.told else spec

    @cached_property
    def csv(self) -> str:
        """The table."""
        shown, weather = self._shown, self.weather
        rows = (self.outcome, self.spend, weather.promo[shown], weather.price[shown])
        return table(spec_of(self.arms), self._dates[shown], *rows, self._labels[shown])

    def outcomes(self, plans: Floats) -> Floats:
        """Expected outcome (K, H) of plans (K, H, C) that follow the history, H up to 78 weeks.

        Raises
        ------
        ValueError
            The plans have another number of channels, are longer, or negative somewhere.
        """
        count, weeks, width = plans.shape
        if width != len(self.arms) or weeks > AFTER or bool((plans < 0.0).any()):
            raise ValueError(f"plans are (K, up to {AFTER}, {len(self.arms)}) and not negative")
        state = {name: np.repeat(part, count, axis=0) for name, part in self._end.items()}
        begin = WARM_UP + self.weeks
        out = np.empty((count, weeks))
        for t in range(weeks):
            state, out[:, t] = self.market.step(state, begin + t, plans[:, t] / self._cost)
        return out * self._unit

    def values(self, rates: Floats) -> Floats:
        """Expected outcome a week (K,) of spend (K, C) that is kept up, once it has settled."""
        plans = np.repeat(np.asarray(rates, dtype=float)[:, None, :], AFTER, axis=1)
        return np.asarray(self.outcomes(plans)[:, AFTER - 52 :].mean(axis=1))

    def value(self, plan: Floats) -> float:
        """The same of one plan (C,)."""
        return float(self.values(np.asarray(plan)[None])[0])

    @cached_property
    def _end(self) -> State:
        state = self.market.begin(1)
        for t in range(WARM_UP + self.weeks):
            state, _ = self.market.step(state, t, self._dose[None, t])
        return state

    def _weather(self, rng: np.random.Generator) -> Weather:
        total, end = len(self._dates), WARM_UP + self.weeks
        hidden = drivers.autoregressive(total, float(rng.uniform(0.6, 0.92)), rng)
        hidden[end:] = 0.0  # what is to come is not known: its mean
        along = np.clip((np.arange(total) - WARM_UP) / self.weeks, 0.0, 1.0)
        return Weather(
            season=drivers.season(self._dates, daily=False) * rng.uniform(0.3, 1.2),
            promo=drivers.promotions(self._dates, daily=False, rng=rng),
            price=drivers.price(total, daily=False, rng=rng),
            event=np.array([drivers.EVENTS.get(label, 0.0) for label in self._labels]),
            hidden=hidden,
            trend=along * rng.uniform(-0.1, 0.3),
        )

    def _plan(self, rng: np.random.Generator) -> Floats:
        """Planned doses (total, C) before demand moves them: about one in a usual week."""
        total, columns = len(self._dates), []
        common = drivers.autoregressive(total, 0.6, rng)
        together = rng.uniform(0.0, 0.5)
        for channel in self.channels:
            u = rng.random(4)
            own = drivers.autoregressive(total, 0.2 + 0.6 * u[0], rng)
            wander = np.sqrt(together) * common + np.sqrt(1.0 - together) * own
            least, more = (0.05, 0.2) if channel.captures else (0.12, 0.33)
            dose = np.exp((least + more * u[1]) * wander)
            if not channel.captures:
                dose *= 1.0 + 0.5 * u[2] * self.weather.season
                if u[3] < 0.35:
                    dose *= drivers.on_air(0.6, 5, total, rng)
            columns.append(dose)
        return np.column_stack(columns)

    def _bought(self, plan: Floats) -> Floats:
        """Doses of warm-up and history (T, C): the plan, and more of it where demand is high."""
        follows = np.array([channel.follows for channel in self.channels])
        state, end = self.market.begin(1), WARM_UP + self.weeks
        out = np.empty((end, plan.shape[1]))
        for t in range(end):
            out[t] = plan[t] * self.market.demand(state, t)[0] ** follows
            state, _ = self.market.step(state, t, out[None, t])
        return out

    def _without(self, dose: Floats) -> list[Floats]:
        """The same doses without each channel."""
        return [np.where(np.arange(dose.shape[1]) == c, 0.0, dose) for c in range(dose.shape[1])]

    def _sold(self, doses: Floats) -> Floats:
        """Sales (K, T) of doses (K, T, C) from the beginning."""
        state = self.market.begin(len(doses))
        out = np.empty(doses.shape[:2])
        for t in range(doses.shape[1]):
            state, out[:, t] = self.market.step(state, t, doses[:, t])
        return out

    def _told(self, test: Test, error: float) -> dict[str, Any]:
        """A lift test as the service takes it: what it changed, measured with an error."""
        at = slice(WARM_UP + test.first, WARM_UP + test.first + test.weeks)
        c = self.arms.index(test.channel)
        other = self._dose.copy()
        other[at, c] *= 1.0 / test.factor if test.in_history else test.factor
        sold = self._sold(np.stack([self._dose, other]))[:, at].sum(axis=1) * self._unit
        moved = float((other - self._dose)[at, c].sum() * self._cost[c])
        sign = -1.0 if test.in_history else 1.0
        effect = sign * float(sold[1] - sold[0])
        spread = test.error * abs(effect)
        last = self._dates[WARM_UP + test.first + test.weeks - 1] + timedelta(6)
        return {
            "channel": test.channel,
            "start": self._dates[WARM_UP + test.first].isoformat(),
            "end": last.isoformat(),
            "spend_change": round(sign * moved, 2),
            "outcome_change": round(effect + spread * error, 2),
            "standard_error": round(spread, 2),
            "in_history": test.in_history,
        }


def _channels(kind: str, count: int, rng: np.random.Generator) -> tuple[Channel, ...]:
    """One to two that capture demand (none to one where people are reached), the rest create it.

    Returns differ more than is comfortable: some channels are idle, some very good.
    """
    capturing = int(rng.integers(0, 2) if kind == "reach" else rng.integers(1, min(count, 3)))
    names = [*_CAPTURE[:capturing], *rng.permutation(_CREATE)[: count - capturing].tolist()]
    most = 1.5 if kind == "latent" else 0.8
    out = []
    for place, name in enumerate(names):
        captures, luck = place < capturing, rng.random()
        level = (-0.4 if captures else 0.2) - 2.0 * (luck < 0.12) + 1.0 * (luck > 0.9)
        out.append(
            Channel(
                name=name,
                captures=captures,
                follows=float(rng.uniform(0.8, 0.8 + most) if captures else rng.uniform(0.0, most)),
                price=float(np.exp(rng.normal(level, 0.7))),
            )
        )
    return tuple(out)


def world(kind: str, seed: int, tests: Sequence[Test] = ()) -> World:
    """World number ``seed`` of a kind; the same arguments give the same bytes."""
    return World(kind, seed, tests)
