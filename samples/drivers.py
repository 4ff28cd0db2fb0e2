"""What moves sales and spend besides the spend: season, promotions, list price, events."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EVENTS",
    "FULL_PROMOTION",
    "autoregressive",
    "event",
    "on_air",
    "price",
    "promotions",
    "season",
]

Floats = NDArray[np.float64]

FULL_PROMOTION = 0.3
"""The deepest price cut; ``promo`` in the table is the cut itself, 0 to this."""

EVENTS = {"black_friday": 1.6, "christmas": 1.0, "easter": 0.5, "new_year": -0.4}
"""Effect of each event in units of ``Options.event_effect``."""


def autoregressive(count: int, correlation: float, rng: np.random.Generator) -> Floats:
    """A stationary AR(1) series of unit variance."""
    shocks = rng.standard_normal(count)
    shocks[1:] *= np.sqrt(1.0 - correlation**2)
    for t in range(1, count):
        shocks[t] += correlation * shocks[t - 1]
    return shocks


def on_air(share: float, burst: float, count: int, rng: np.random.Generator) -> Floats:
    """1 on air, 0 off: two-state Markov chain with the asked share and mean length of a burst."""
    draws = rng.random(count)
    if share >= 1.0:
        return np.ones(count)
    leave = 1.0 / burst
    enter = leave * share / (1.0 - share)
    state = np.empty(count)
    on = draws[0] < share
    for t in range(count):
        on = (draws[t] >= leave) if on else (draws[t] < enter)
        state[t] = float(on)
    return state


def season(dates: list[date], daily: bool) -> Floats:
    """The season's level in about [-1, 1]: highest before Christmas, a dip in summer."""
    middle = timedelta(days=0 if daily else 3)
    angle = np.array([2 * np.pi * (day + middle).timetuple().tm_yday / 365.25 for day in dates])
    return np.asarray(0.75 * np.cos(angle + 0.35) + 0.25 * np.cos(2 * angle + 0.2))


def promotions(dates: list[date], daily: bool, rng: np.random.Generator) -> Floats:
    """Price cuts: about seven a year at random, and always the week of Black Friday."""
    span, days = (7, 1) if daily else (1, 7)
    depth = np.zeros(len(dates))
    t = 0
    while t < len(dates):
        t += int(span * (3 + 8 * rng.random()))
        length = span * (1 + int(rng.random() < 0.4))
        depth[t : t + length] = 0.1 + 0.05 * int(4 * rng.random())
        t += length
    for t, day in enumerate(dates):
        if any(event(day + timedelta(k), days) == "black_friday" for k in range(span)):
            depth[t] = FULL_PROMOTION
    return depth


def price(count: int, daily: bool, rng: np.random.Generator) -> Floats:
    """The list price against its mean: it wanders slowly and is known to the advertiser."""
    return np.round(1.0 + 0.03 * autoregressive(count, 0.99 if daily else 0.93, rng), 4)


def _easter(year: int) -> date:
    """Easter Sunday, Gregorian (Meeus, Astronomical Algorithms, chapter 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def event(first: date, days: int) -> str:
    """The event within ``days`` days from ``first``, or ""."""
    for day in (first + timedelta(k) for k in range(days)):
        if (day.month, day.day) == (12, 25):
            return "christmas"
        if (day.month, day.day) == (1, 1):
            return "new_year"
        if day == _easter(day.year):
            return "easter"
        # the Friday after the fourth Thursday of November
        if day.month == 11 and day.weekday() == 4 and 23 <= day.day <= 29:
            return "black_friday"
    return ""
