"""The search of the regressions: a unit cube of curves, and points of it that are good.

A point of the cube is mapped through the quantiles of what is believed before the data are seen
(``priors``): equal volumes are equally plausible, so that a search that has learnt nothing still
proposes sensible curves. The ends of the quantiles are cut off, which makes the cube's images the
ranges of a hyperparameter search such as Robyn's.

The search begins with an additive recurrence of low discrepancy (Roberts 2018, the R sequence,
shifted at random), goes on with the cross-entropy method (Rubinstein 1999): several normal
proposals, each of which is drawn towards the best of its own weighting of error and distance.
Everything that was ever scored is kept; the front is what nothing scored beats in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.curves.curveset import CurveSet
from shared.curves.saturation import fittable
from shared.fit.design.design import Design
from shared.fit.media.kernels import PARAMETERS, furthest, normalised_weights, saturate
from shared.fit.media.priors import (
    HALF_SD,
    PEAK,
    SHAPE_LEVEL,
    SHAPE_MEAN,
    WEIBULL_SCALE,
    WEIBULL_SHAPE,
    carryover,
)
from shared.frequency import frequency

__all__ = [
    "CurveSpace",
    "Point",
    "Scored",
    "clusters",
    "free_coordinates",
    "front",
    "narrowed",
    "search",
    "settled",
    "space_of",
    "spread_out",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

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
class CurveSpace:
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
    """The coordinates of ``shared.fit.media.kernels`` that have these natural parameters."""
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
) -> CurveSpace:
    """The whole space of these families, and of extras between these decimal logarithms."""
    heights = np.linspace(_EDGE, 1.0 - _EDGE, _GRID)
    normal = _quantiles(np.linspace(-6.0, 6.0, 4001), lambda z: np.exp(-0.5 * z**2), heights)
    tables: list[Floats] = []
    places = {role: np.full(len(saturations), -1) for role in ("first", "second", "half", "shape")}

    def add(role: str, channel: int, table: Floats) -> None:
        places[role][channel] = len(tables)
        tables.append(table)

    a, b = carryover(design.frequency)
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
            scale = frequency(design.frequency).of(WEIBULL_SCALE)
            add("second", c, scale * np.exp(_SCALE_SD * normal))
        add("half", c, HALF_SD * normal)
        if fittable()[saturation].shaped():
            add("shape", c, SHAPE_MEAN + SHAPE_LEVEL * normal)
    tables.extend(np.linspace(low, high, _GRID) for low, high in extras)
    size = len(tables)
    return CurveSpace(
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
    space: CurveSpace, design: Design, names: Sequence[str], previous: CurveSet | None, kind: str
) -> tuple[CurveSpace, dict[str, Any] | None]:
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


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """P points: the cube (P, D), both objectives (P,), coefficients and returns of all rows."""

    cube: Floats
    error: Floats
    distance: Floats
    base: Floats  # (P, p)
    media: Floats  # (P, B): arms, then interactions
    returns: Floats  # (P, A) outcome per unit of money
    missed: Floats  # (P,) squared errors of what is known apart, each over its own variance

    def take(self, rows: NDArray[np.int64]) -> Scored:
        """Some of the points."""
        return Scored(*(getattr(self, part.name)[rows] for part in fields(self)))

    @staticmethod
    def joined(parts: list[Scored]) -> Scored:
        """All points of several sets."""
        columns = ([getattr(some, part.name) for some in parts] for part in fields(Scored))
        return Scored(*(np.concatenate(column) for column in columns))


#: Weight of the distance beside the error, each over its spread among the better half.
_WEIGHTS = np.array([0.0, 0.0, 0.15, 0.4, 0.8])
_ELITE = 0.25
_LEARN = 0.5  # how far a proposal moves to its elite at a time
_LEAST_SD = 0.02
_FALL = 1.05


def search(
    score: Callable[[Floats], Scored],
    size: int,
    rng: np.random.Generator,
    *,
    first: int,
    each: int,
    generations: int,
    most: int = 0,
) -> Scored:
    """All points scored, the oldest first.

    Parameters
    ----------
    first
        Points of the recurrence, to begin with.
    each, generations
        Points of each of the proposals in each generation.
    most
        Generations after which an error that still falls is given up; ``generations`` where fewer.
    """
    start = score(_recurrence(first, size, rng))
    parts = [start]
    merit = _merit(start, start)
    chosen = [np.argsort(merit[:, k])[: max(4, first // 10)] for k in range(_WEIGHTS.size)]
    centre = np.stack([start.cube[rows].mean(axis=0) for rows in chosen])
    spread = np.stack([start.cube[rows].std(axis=0) for rows in chosen])
    for generation in range(max(generations, most)):
        if generation >= generations and settled(np.concatenate([p.error for p in parts])):
            break
        noise = rng.standard_normal((_WEIGHTS.size, each, size))
        cube = _folded(centre[:, None] + np.maximum(spread, _LEAST_SD)[:, None] * noise)
        found = score(cube.reshape(-1, size))
        parts.append(found)
        merit = _merit(found, start)
        for k in range(_WEIGHTS.size):
            own = slice(k * each, (k + 1) * each)
            best = np.argsort(merit[own, k])[: max(3, int(_ELITE * each))]
            elite = found.cube[own][best]
            centre[k] += _LEARN * (elite.mean(axis=0) - centre[k])
            spread[k] += _LEARN * (elite.std(axis=0) - spread[k])
    return Scored.joined(parts)


def settled(error: Floats) -> bool:
    """Whether the last three tenths of the points hardly bettered the least error.

    Robyn asks that the spread of the last results settle; this asks that the best did.
    """
    early = float(error[: max(1, int(0.7 * error.size))].min())
    return bool(early <= _FALL * float(error.min()))


def _merit(found: Scored, yardstick: Scored) -> Floats:
    """(P, K) smaller is better; both objectives over their spread among the first points."""

    def spread(values: Floats) -> float:
        return max(float(np.median(values) - values.min()), 1e-9)

    error = found.error[:, None] / spread(yardstick.error)
    return np.asarray(
        (1.0 - _WEIGHTS) * error + _WEIGHTS * found.distance[:, None] / spread(yardstick.distance)
    )


def _recurrence(count: int, size: int, rng: np.random.Generator) -> Floats:
    """Points k * (1/g, 1/g^2, ...) + shift, modulo one; g is the root of x^(size + 1) = x + 1."""
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (size + 1))
    steps = root ** -np.arange(1.0, size + 1)
    return (np.arange(1, count + 1)[:, None] * steps + rng.random(size)) % 1.0


def _folded(cube: Floats) -> Floats:
    """Points beyond an edge, mirrored back into the cube."""
    wrapped = np.abs(cube) % 2.0
    return np.minimum(wrapped, 2.0 - wrapped)


def front(error: Floats, distance: Floats) -> Ints:
    """Places of the points that no other beats in both, the least error first."""
    order = np.lexsort((distance, error))
    least = np.minimum.accumulate(distance[order])
    keep = np.concatenate([[True], least[1:] < least[:-1]])
    return np.asarray(order[keep], dtype=np.int64)


def clusters(values: Floats, most: int, rng: np.random.Generator) -> Ints:
    """Cluster of each row (Lloyd's algorithm from spread-out starts), at most ``most`` of them."""
    count = min(most, len(np.unique(values, axis=0)))
    centres = values[[int(rng.integers(len(values)))]]
    while len(centres) < count:
        far = ((values[:, None] - centres) ** 2).sum(axis=2).min(axis=1)
        centres = np.concatenate([centres, values[[int(np.argmax(far))]]])
    of = np.zeros(len(values), dtype=np.int64)
    for _ in range(50):
        of = np.argmin(((values[:, None] - centres) ** 2).sum(axis=2), axis=1)
        new = np.stack(
            [values[of == k].mean(axis=0) if np.any(of == k) else centres[k] for k in range(count)]
        )
        if np.allclose(new, centres):
            break
        centres = new
    return of


def spread_out(
    score: Callable[[Floats], Scored],
    log_density: Callable[[Scored], Floats],
    start: Scored,
    rng: np.random.Generator,
    steps: int,
) -> tuple[Scored, float]:
    """Points distributed by ``log_density`` over the cube, and the share of moves accepted.

    A search crowds around its best point and so says nothing of how far away others do as well.
    Differential evolution Markov chains (ter Braak 2006): each point moves along the difference of
    two others, every fifth time the whole way, and keeps the move by Metropolis' rule.
    """
    now, height = start, log_density(start)
    count, size = start.cube.shape
    accepted = 0
    for step in range(steps):
        one, other = (np.arange(count) + rng.integers(1, count, size=(2, count))) % count
        if step % 5 == 4:
            pace = np.ones((count, 1))
            moved = np.ones((count, size), dtype=bool)
        else:
            # Only some coordinates at a time: in many dimensions whole moves are mostly refused.
            moved = rng.random((count, size)) < 0.4
            width = np.maximum(moved.sum(axis=1, keepdims=True), 1)
            pace = 2.38 / np.sqrt(2.0 * width)
        step_to = pace * (now.cube[one] - now.cube[other])
        step_to += 0.01 * rng.standard_normal((count, size))
        found = score(_folded(now.cube + moved * step_to))
        new = log_density(found)
        keep = np.log(rng.random(count)) < new - height
        accepted += int(keep.sum())
        both = Scored.joined([now, found])
        now = both.take(np.where(keep, np.arange(count) + count, np.arange(count)))
        height = np.where(keep, new, height)
    return now, accepted / max(count * steps, 1)
