"""What is searched: carryover and saturation of every channel, and two penalties, in a unit cube.

A point of the cube is mapped through the quantiles of what the Bayesian model believes before it
has seen data (``shared.fit.bayes.priors``): equal volumes of the cube are equally plausible, so
that a search that has learnt nothing still proposes sensible curves. The ends of the quantiles are
cut off, which makes the cube's images the ranges of a hyperparameter search such as Robyn's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet
from shared.curves.saturation import fittable
from shared.fit.bayes.kernels import PARAMETERS, furthest, normalised_weights, saturate
from shared.fit.bayes.priors import (
    CARRYOVER,
    HALF_SD,
    PEAK,
    SHAPE_LEVEL,
    SHAPE_MEAN,
    WEIBULL_SCALE,
    WEIBULL_SHAPE,
)
from shared.fit.design.design import Design

__all__ = ["Point", "SearchSpace", "free_coordinates", "narrowed", "space_of"]

Floats = NDArray[np.float64]

_EDGE = 0.002
_SCALE_SD = 0.6
_GRID = 801


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """Natural parameters of P points for C channels, each (P, C); ``extras`` (P, E).

    ``half`` is in units of each arm's spend scale; ``second`` and ``shape`` mean nothing where a
    family has none.
    """

    first: Floats
    second: Floats
    half: Floats
    shape: Floats
    extras: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SearchSpace:
    """Families of C channels and the quantile tables of their parameters.

    Attributes
    ----------
    tables
        (D, K): values of each coordinate at evenly spaced heights of the cube.
    places
        Of each role ("first", "second", "half", "shape"): (C,) coordinate, -1 where there is none.
    extras
        E: how many of the last coordinates belong to no channel.
    low, high
        (D,) part of the cube that is searched.
    """

    saturations: tuple[str, ...]
    adstocks: tuple[str, ...]
    tables: Floats
    places: Mapping[str, NDArray[np.int64]]
    extras: int
    low: Floats
    high: Floats

    @property
    def size(self) -> int:
        """D."""
        return int(self.tables.shape[0])

    def natural(self, cube: Floats) -> Point:
        """Parameters of points (P, D) of the unit cube, of which ``low`` to ``high`` is used."""
        height = self.low + (self.high - self.low) * np.clip(cube, 0.0, 1.0)
        at = height * (self.tables.shape[1] - 1)
        left = np.minimum(at.astype(np.int64), self.tables.shape[1] - 2)
        part = at - left
        each = np.arange(self.size)
        value = (1.0 - part) * self.tables[each, left] + part * self.tables[each, left + 1]

        def of(role: str, otherwise: float) -> Floats:
            place = self.places[role]
            out: Floats = np.where(place >= 0, value[:, np.maximum(place, 0)], otherwise)
            return out

        return Point(
            first=of("first", 0.0),
            second=of("second", 1.0),
            half=np.exp(of("half", 0.0)),
            shape=np.exp(of("shape", 0.0)),
            extras=10.0 ** value[:, self.size - self.extras :],
        )

    def levels(self, point: Point, design: Design, lags: Floats | None = None) -> Floats:
        """Saturation (P, A, T) of every arm at P points, of ``lags`` (A, T, L) or the design's."""
        lags = design.lags if lags is None else lags
        channel = design.channel_of_arm
        count = point.first.shape[0]
        out = np.empty((len(design.arms), count, lags.shape[1]))
        for family in sorted(set(self.adstocks)):
            uses = np.array([name == family for name in self.adstocks])
            first, second = free_coordinates(family, point.first, point.second, lags.shape[2])
            weights = normalised_weights(family, first, second, lags.shape[2])[0]
            for arm in np.flatnonzero(uses[channel]).tolist():
                out[arm] = weights[:, channel[arm]] @ lags[arm].T
        families = tuple(self.saturations[c] for c in channel)
        half = point.half.T[channel][:, :, None]
        shape = point.shape.T[channel][:, :, None]
        level = saturate(families, np.maximum(out, 0.0), half, shape)[0]
        return np.ascontiguousarray(level.transpose(1, 0, 2))


def free_coordinates(
    family: str, first: Floats, second: Floats, lags: int
) -> tuple[Floats, Floats]:
    """The coordinates of ``shared.fit.bayes.kernels`` that have these natural parameters."""
    if family in ("geometric", "delayed"):
        decay = np.clip(first, 1e-9, 1.0 - 1e-9)
        logit = np.log(decay) - np.log1p(-decay)
        if family == "geometric":
            return logit, np.zeros_like(logit)
        share = np.clip(second / furthest(lags), 1e-9, 1.0 - 1e-9)
        return logit, np.log(share) - np.log1p(-share)
    return np.log(first), np.log(second)


def space_of(
    design: Design,
    saturations: Sequence[str],
    adstocks: Sequence[str],
    extras: Sequence[tuple[float, float]],
) -> SearchSpace:
    """The whole space of these families, and of extras between these decimal logarithms."""
    heights = np.linspace(_EDGE, 1.0 - _EDGE, _GRID)
    normal = _quantiles(np.linspace(-6.0, 6.0, 4001), lambda z: np.exp(-0.5 * z**2), heights)
    tables: list[Floats] = []
    places = {role: np.full(len(saturations), -1) for role in ("first", "second", "half", "shape")}

    def add(role: str, channel: int, table: Floats) -> None:
        places[role][channel] = len(tables)
        tables.append(table)

    a, b = CARRYOVER[design.frequency]
    inner = np.linspace(1e-4, 1.0 - 1e-4, 4001)
    decay = _quantiles(inner, lambda x: x ** (a - 1.0) * (1.0 - x) ** (b - 1.0), heights)
    for c, (saturation, adstock) in enumerate(zip(saturations, adstocks, strict=True)):
        if adstock in ("geometric", "delayed"):
            add("first", c, decay)
            if adstock == "delayed":
                logit = PEAK[0] + PEAK[1] * normal
                add("second", c, furthest(design.lags.shape[2]) / (1.0 + np.exp(-logit)))
        else:
            mean, sd = WEIBULL_SHAPE[adstock]
            add("first", c, np.exp(mean + sd * normal))
            add("second", c, WEIBULL_SCALE[design.frequency] * np.exp(_SCALE_SD * normal))
        add("half", c, HALF_SD * normal)
        if fittable()[saturation].shaped():
            add("shape", c, SHAPE_MEAN + SHAPE_LEVEL * normal)
    tables.extend(np.linspace(low, high, _GRID) for low, high in extras)
    size = len(tables)
    return SearchSpace(
        saturations=tuple(saturations),
        adstocks=tuple(adstocks),
        tables=np.stack(tables),
        places=places,
        extras=len(extras),
        low=np.zeros(size),
        high=np.ones(size),
    )


def _quantiles(grid: Floats, density: Any, heights: Floats) -> Floats:
    weight = np.cumsum(density(grid))
    return np.interp(heights, weight / weight[-1], grid)


def narrowed(
    space: SearchSpace, design: Design, names: Sequence[str], previous: CurveSet | None, kind: str
) -> tuple[SearchSpace, dict[str, Any] | None]:
    """The part of the space around the curves in use, and what to say about it.

    As in Robyn's refresh, the freedom around the last ranges is the share of periods that is new;
    here the last ranges are the 90 % ranges of what was found, and at least a tenth is left free.
    Channels that are new, or whose families changed, keep their whole range. None and the whole
    space where the curves in use are of another kind.
    """
    if previous is None or (previous.diagnostics.get("model") or {}).get("kind") != kind:
        return space, None
    before = int((previous.diagnostics.get("rows") or {}).get("periods") or 0)
    freedom = float(np.clip(1.0 - before / design.train, 0.1, 1.0))
    found = {str(item.get("channel")): item for item in previous.diagnostics.get("channels") or ()}
    low, high = space.low.copy(), space.high.copy()
    around: list[str] = []
    for c, name in enumerate(names):
        arm = next(a for a, arm in enumerate(design.arms) if arm.channel == c)
        item = found.get(design.arms[arm].name)
        adstock = (item or {}).get("adstock") or {}
        if (
            item is None
            or item.get("saturation") != space.saturations[c]
            or adstock.get("family") != space.adstocks[c]
        ):
            continue
        parameters = PARAMETERS[space.adstocks[c]]
        ranges: dict[str, Any] = {"first": adstock.get(parameters[0])}
        if len(parameters) > 1:
            ranges["second"] = adstock.get(parameters[1])
        half = item.get("half_saturation")
        if half:
            ranges["half"] = np.log(np.asarray(half) / design.spend_scale[arm])
        if item.get("shape"):
            ranges["shape"] = np.log(np.asarray(item["shape"]))
        for role, values in ranges.items():
            place = int(space.places[role][c])
            if place < 0 or values is None:
                continue
            table = space.tables[place]
            at = np.interp(np.asarray(values), table, np.linspace(0.0, 1.0, table.size))
            low[place] = max(0.0, float(at[0]) - 0.5 * freedom)
            high[place] = min(1.0, float(at[-1]) + 0.5 * freedom)
        around.append(name)
    if not around:
        return space, None
    told = {"from": previous.version or None, "freedom": freedom, "channels": around}
    return replace(space, low=low, high=high), told
