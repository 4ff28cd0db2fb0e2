"""The baseline of an adopted plan: outcome without media as it was then, and how its errors go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet
from shared.history.table import History
from shared.learn.charts import fitted

__all__ = ["LEAST", "Baseline", "media_of"]

Array = NDArray[np.float64]

LEAST = 26
"""Periods of history that a baseline and its errors are estimated from."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Outcome without media as it was when a plan was adopted, and how its errors go.

    ``first`` is the day from which time is counted, ``span`` the days of the past; ``before`` is
    the last error of the past.
    """

    first: date
    span: int
    seasons: int
    week: bool
    coefficients: Array
    memory: float
    size: float
    before: float
    past: tuple[date, ...]

    @classmethod
    def of(cls, history: History, curves: CurveSet, start: date) -> Baseline | None:
        """From the periods before ``start``; None where they are too few."""
        media = media_of(history, curves)
        rows = [
            t
            for t, day in enumerate(history.dates)
            if day < start and math.isfinite(float(history.outcome[t]))
        ]
        if len(rows) < LEAST:
            return None
        days = tuple(history.dates[t] for t in rows)
        years = (days[-1] - days[0]).days / 365.25
        # A season is told from a trend by two years of it, a second wave by the third.
        seasons = 0 if years < 1.9 else 1 if years < 2.9 else 2
        shape = cls(
            days[0],
            max((days[-1] - days[0]).days, 1),
            seasons,
            history.frequency == "day",
            np.zeros(0),
            0.0,
            1.0,
            0.0,
            days,
        )
        x, y = shape.rows(days), history.outcome[rows] - media[rows]
        coefficients, memory, size = fitted(x, y)
        least = 1e-9 * max(float(np.abs(y).max()), 1e-9)
        return cls(
            shape.first,
            shape.span,
            seasons,
            shape.week,
            coefficients,
            float(memory),
            max(float(size), least),
            float(y[-1] - coefficients @ x[-1]),
            days,
        )

    def rows(self, days: Sequence[date]) -> Array:
        """(m, p) the regression's rows: level, trend, waves of the year, days of the week."""
        since = np.array([(day - self.first).days for day in days], dtype=np.float64)
        columns = [np.ones(since.size), since / self.span]
        for wave in range(1, self.seasons + 1):
            turn = 2.0 * np.pi * wave * since / 365.25
            columns += [np.sin(turn), np.cos(turn)]
        if self.week:
            of_week = np.array([day.weekday() for day in days])
            columns += [(of_week == k) * 1.0 for k in range(1, 7)]
        return np.stack(columns, axis=1)

    def to_dict(self) -> dict[str, Any]:
        return {
            "first": self.first.isoformat(),
            "span": self.span,
            "seasons": self.seasons,
            "week": self.week,
            "coefficients": self.coefficients.tolist(),
            "memory": self.memory,
            "size": self.size,
            "before": self.before,
            "past": [(day - self.first).days for day in self.past],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Baseline:
        first = date.fromisoformat(data["first"])
        return cls(
            first=first,
            span=data["span"],
            seasons=data["seasons"],
            week=data["week"],
            coefficients=np.array(data["coefficients"]),
            memory=data["memory"],
            size=data["size"],
            before=data["before"],
            past=tuple(first + timedelta(days=k) for k in data["past"]),
        )


def media_of(history: History, curves: CurveSet) -> Array:
    """(T,) the curves' response to a history's spend; the world before it was like its mean."""
    total = np.zeros(len(history.dates))
    for curve in curves.channels:
        if curve.channel not in history.channels:
            continue
        spend = history.spend[:, history.channels.index(curve.channel)]
        response = curve.response
        if response.adstock is not None:
            spend = response.adstock.apply(spend, prior=float(spend.mean()))
        total += response.saturation.value(spend)
    return total
