"""Small histories by geo, campaign and impressions, with the curves behind them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIRST", "WEEKS", "by_campaign", "by_geo", "by_impressions", "saturated", "week"]

Floats = NDArray[np.float64]

FIRST = date(2023, 1, 2)
WEEKS = 60
GEOS = {"north": 1.0, "south": 0.6}


def week(number: int) -> date:
    return FIRST + timedelta(weeks=number)


def saturated(spend: Floats | float, half: float) -> Floats:
    return np.asarray(spend) / (np.asarray(spend) + half)


def by_geo(seed: int = 1, synergy: float = 0.0) -> bytes:
    """Two geos of unlike size, tv and search in both; ``synergy`` when both are saturated."""
    rng = np.random.default_rng(seed)
    lines = ["date,geo,revenue,spend_tv,spend_search"]
    for geo, size in GEOS.items():
        spend = 1000 * np.exp(0.6 * rng.normal(size=(WEEKS, 2)))
        tv, search = saturated(spend[:, 0], 1200), saturated(spend[:, 1], 700)
        revenue = 20_000 + 9_000 * tv + 6_000 * search + synergy * tv * search
        revenue = size * revenue * (1 + 0.02 * rng.normal(size=WEEKS))
        lines += [
            f"{week(t)},{geo},{revenue[t]:.2f},{size * spend[t, 0]:.2f},{size * spend[t, 1]:.2f}"
            for t in range(WEEKS)
        ]
    return "\n".join(lines).encode()


def by_campaign(seed: int = 2, weeks: int = WEEKS) -> tuple[bytes, bytes]:
    """Spend of tv/brand (strong), tv/sale (weak) and search, and the revenue beside it."""
    rng = np.random.default_rng(seed)
    arms = [("tv", "brand"), ("tv", "sale"), ("search", "all")]
    spend = 1000 * np.exp(0.6 * rng.normal(size=(weeks, 3)))
    revenue = 30_000 + 12_000 * saturated(spend[:, 0], 1500) + 1_500 * saturated(spend[:, 1], 1500)
    revenue = revenue + 6_000 * saturated(spend[:, 2], 700)
    revenue = revenue * (1 + 0.02 * rng.normal(size=weeks))
    lines = ["date,channel,campaign,spend"] + [
        f"{week(t)},{channel},{campaign},{spend[t, a]:.2f}"
        for t in range(weeks)
        for a, (channel, campaign) in enumerate(arms)
    ]
    told = ["date,revenue"] + [f"{week(t)},{revenue[t]:.2f}" for t in range(weeks)]
    return "\n".join(lines).encode(), "\n".join(told).encode()


def by_impressions(seed: int = 3) -> tuple[bytes, float]:
    """Impressions of tv whose price halves and doubles; and the mean price of a thousand.

    Revenue goes by impressions: 9000 x / (x + 100) of x thousand.
    """
    rng = np.random.default_rng(seed)
    shown = 100 * np.exp(0.5 * rng.normal(size=WEEKS))  # thousands
    price = 10 * np.exp(0.6 * np.sin(np.arange(WEEKS) / 9) + 0.2 * rng.normal(size=WEEKS))
    search = 1000 * np.exp(0.5 * rng.normal(size=WEEKS))
    revenue = 20_000 + 9_000 * saturated(shown, 100) + 5_000 * saturated(search, 900)
    revenue = revenue * (1 + 0.01 * rng.normal(size=WEEKS))
    lines = ["date,revenue,spend_tv,grp_tv,spend_search"] + [
        f"{week(t)},{revenue[t]:.2f},{shown[t] * price[t]:.2f},{shown[t]:.3f},{search[t]:.2f}"
        for t in range(WEEKS)
    ]
    return "\n".join(lines).encode(), float((shown * price).sum() / shown.sum())
