"""A tiny generator for tests of the fit: every term explicit, the truth returned beside the data.

Written apart from the model (recursive adstock, powers instead of logarithms) so that agreeing with
it means something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.fit.media.asked import window_of
from shared.fit.models.bayesian.fit import Bayesian, BayesianFit
from shared.history.table import History

Floats = NDArray[np.float64]

#: A spec that asks for Hill curves, so that no family has to be chosen.
HILL = {"model": {"saturation": "hill"}}


@dataclass(frozen=True)
class Truth:
    """Per channel: maximal response, half-saturation, shape, decay; and the return it made."""

    top: Floats
    half: Floats
    shape: Floats
    decay: Floats
    roi: Floats

    def response(self, channel: int, spend: float | Floats) -> Floats:
        """Steady-state outcome per period of a sustained spend."""
        u = (np.asarray(spend) / self.half[channel]) ** self.shape[channel]
        return np.asarray(self.top[channel] * u / (1 + u))


def weekly_dates(rows: int, days: int = 7) -> tuple[date, ...]:
    return tuple(date(2021, 1, 4) + timedelta(days * t) for t in range(rows))


def table(
    outcome: Floats,
    spend: Floats,
    *,
    dates: Sequence[date] | None = None,
    frequency: str = "week",
    outcome_name: str = "revenue",
    controls: Floats | None = None,
    events: Sequence[str] | None = None,
) -> History:
    """A history from arrays, channels called a, b, c, ..."""
    rows, channels = spend.shape
    controls = np.zeros((rows, 0)) if controls is None else controls
    return History(
        dates=tuple(dates or weekly_dates(rows)),
        frequency=frequency,
        outcome_name=outcome_name,
        outcome=np.asarray(outcome, dtype=float),
        channels=tuple("abcdefghijkl"[:channels]),
        spend=spend,
        control_names=tuple(f"control_{k}" for k in range(controls.shape[1])),
        controls=controls,
        events=tuple(events or ("",) * rows),
        currency="EUR",
    )


def simulated(
    seed: int = 0,
    rows: int = 156,
    channels: int = 3,
    noise: float = 0.02,
    shape: float = 1.3,
) -> tuple[History, Truth]:
    """Weekly revenue of a base, a season and Hill channels with geometric adstock."""
    rng = np.random.default_rng(seed)
    lead = 60
    level = rng.uniform(8e3, 3e4, channels)
    wander = rng.normal(size=(rows + lead, channels))
    for t in range(1, rows + lead):
        wander[t] = 0.6 * wander[t - 1] + 0.8 * wander[t]
    spend = level * np.exp(0.55 * wander)
    decay = rng.uniform(0.2, 0.6, channels)
    carried = np.zeros_like(spend)
    carried[0] = spend[0]
    for t in range(1, rows + lead):
        carried[t] = (1 - decay) * spend[t] + decay * carried[t - 1]
    half = level * rng.uniform(0.8, 1.8, channels)
    shapes = np.full(channels, shape)
    u = (carried / half) ** shapes
    saturated = (u / (1 + u))[lead:]
    spend = spend[lead:]
    roi = rng.uniform(1.0, 3.5, channels)
    top = roi * spend.sum(axis=0) / saturated.sum(axis=0)
    media = saturated @ top
    base = 1.6 * float(np.mean(media))
    season = 0.1 * np.sin(2 * np.pi * np.arange(rows) / 52.18)
    outcome = base * (1 + season + 0.08 * np.arange(rows) / rows) + media
    outcome = outcome * 1.0 + noise * np.mean(outcome) * rng.normal(size=rows)
    return table(outcome, spend), Truth(top, half, shapes, decay, roi)


def fit_bayesian(history: History, spec: Mapping[str, Any], **how: Any) -> BayesianFit:
    """The Bayesian model on a window of a history; ``how`` as ``window_of`` takes it."""
    return Bayesian().fit(*window_of(history, spec, **how))
