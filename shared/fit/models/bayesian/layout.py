"""Where each parameter stands in a point of the model, and what is believed of it beforehand.

A point has one coordinate for each thing that is free: log return, adstock (one or two), log
half-saturation and, where its family has one, log shape of every channel; the spread of returns
between geos and between campaigns with one standard normal deviation per member (non-centred, so
that a sampler meets no funnel); the strength of each interaction; the systematic error of every
channel with a lift test; and log sigma last. The log return is the one that the regression sees.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from shared.curves.saturation import fittable
from shared.fit.design.design import MediaArm
from shared.fit.media.kernels import PARAMETERS
from shared.fit.media.priors import (
    HALF_SD,
    PEAK,
    SHAPE_BETWEEN,
    SHAPE_LEVEL,
    SHAPE_MEAN,
    SPREAD,
    SPREAD_SD,
    WEIBULL_SCALE,
    WEIBULL_SHAPE,
    ReturnPrior,
    carryover,
)
from shared.frequency import frequency

__all__ = ["Choice", "Layout", "Level", "PointPrior", "lay_out", "log_half_normal", "prior_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_SD_T3 = float(np.sqrt(3.0))  # of Student's t of 3 degrees, in its scale
_LOG_T3 = float(np.log(2.0 / (np.pi * _SD_T3)))  # at its middle
_NOISE_FLOOR = 0.02  # of sigma, in outcome sd: no outcome is noiseless


@dataclass(frozen=True, slots=True)
class Choice:
    """Families of each channel, C of either."""

    saturations: tuple[str, ...]
    adstocks: tuple[str, ...]

    @classmethod
    def same(cls, channels: int, saturation: str, adstock: str = "geometric") -> Choice:
        """One pair of families for every channel."""
        return cls((saturation,) * channels, (adstock,) * channels)


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One level of the hierarchy: the coordinate of its log spread, and of each arm's deviation.

    ``member`` (A,) is -1 for arms that do not deviate on this level.
    """

    spread: int
    member: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Coordinates by role, -1 where a channel has none; arrays (C,) but for ``pairs`` (P,).

    ``error`` is a channel's systematic error, where a lift test tells of it.
    """

    choice: Choice
    roi: Ints
    first: Ints
    second: Ints
    half: Ints
    shape: Ints
    levels: tuple[Level, ...]
    pairs: Ints
    error: Ints
    sigma: int

    def channel_of(self, coordinate: int) -> int | None:
        """The channel that a coordinate is of; None for noise, spreads, members and pairs."""
        of = (self.roi, self.first, self.second, self.half, self.shape, self.error)
        for places in of:
            if (at := np.flatnonzero(places == coordinate)).size:
                return int(at[0])
        return None

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.sigma + 1


def lay_out(
    choice: Choice, arms: Sequence[MediaArm], pairs: int = 0, tested: Container[int] = ()
) -> Layout:
    """Give every parameter its place; ``tested`` are channels with a lift test."""
    channels = len(choice.saturations)
    taken = 0

    def take(wanted: Sequence[bool]) -> Ints:
        nonlocal taken
        out = np.full(len(wanted), -1)
        for place, yes in enumerate(wanted):
            if yes:
                out[place] = taken
                taken += 1
        return out

    known, everyone = fittable(), [True] * channels
    roi = take(everyone)
    first = take(everyone)
    half = take(everyone)
    shape = take([known[family].shaped() for family in choice.saturations])
    second = take([len(PARAMETERS[family]) == 2 for family in choice.adstocks])
    levels: list[Level] = []
    geos = {arm.geo for arm in arms}
    split = {arm.channel for arm in arms if arm.campaign}
    by_geo = [(arm.channel, arm.geo) if len(geos) > 1 else None for arm in arms]
    by_campaign = [(arm.channel, arm.campaign) if arm.channel in split else None for arm in arms]
    for keys in (by_geo, by_campaign):
        names = sorted({key for key in keys if key is not None}, key=str)
        if len(names) > 1:
            spread = int(take([True])[0])
            where = dict(zip(names, take([True] * len(names)).tolist(), strict=True))
            member = np.array([-1 if key is None else where[key] for key in keys])
            levels.append(Level(spread, member))
    return Layout(
        choice=choice,
        roi=roi,
        first=first,
        second=second,
        half=half,
        shape=shape,
        levels=tuple(levels),
        pairs=take([True] * pairs),
        error=take([c in tested for c in range(channels)]),
        sigma=int(take([True])[0]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class PointPrior:
    """Priors of the coordinates: normal but for decays (Beta) and sigma (half-normal).

    All are independent but for the log returns, which share a level, and so do the log shapes.

    Attributes
    ----------
    centre, sd
        (size,) of the normal ones; for the others about where and how wide they are.
    precision, constant
        Of the normal ones together: the inverse of their covariance (size, size), zero in the rows
        and columns of the others, and the log density at their centre.
    decay
        Coordinates that are the logit of a decay ~ Beta(``alpha``, ``beta``).
    heavy
        Coordinates of a Student-t of three degrees of freedom: most near 0, a few far from it. Its
        sd is the square root of three times its scale.
    """

    centre: Floats
    sd: Floats
    precision: Floats
    constant: float
    decay: Ints
    alpha: float
    beta: float
    heavy: Ints

    def log_density(self, theta: Floats) -> tuple[Floats, Floats]:
        """Of points (K, size): log density (K,), normalised, and gradient (K, size)."""
        off = theta - self.centre
        gradient = -off @ self.precision
        value = 0.5 * np.einsum("kj,kj->k", off, gradient) + self.constant
        if self.decay.size:
            a, b = self.alpha, self.beta
            logit = theta[:, self.decay]
            # log Beta(d; a, b) + log d(1-d), with log d = -log(1 + e^-u), log (1-d) = log d - u
            log_decay = -np.logaddexp(0.0, -logit)
            value += ((a + b) * log_decay - b * logit).sum(axis=1)
            value -= self.decay.size * (lgamma(a) + lgamma(b) - lgamma(a + b))
            gradient[:, self.decay] = a - (a + b) * np.exp(log_decay)
        if self.heavy.size:
            far, scale = off[:, self.heavy] / self.sd[self.heavy], self.sd[self.heavy] / _SD_T3
            value += (_LOG_T3 - np.log(scale) - 2.0 * np.log1p(far**2)).sum(axis=1)
            gradient[:, self.heavy] = -4.0 * far / (1.0 + far**2) / self.sd[self.heavy]
        noise, gradient[:, -1] = log_half_normal(theta[:, -1])
        return value + noise, gradient


def log_half_normal(log_sigma: Floats) -> tuple[Floats, Floats]:
    """HalfNormal(1) of sigma as a density of its logarithm, and the gradient.

    The factor exp(-(floor / sigma)^2) keeps a dozen rows from being fitted without any noise; its
    effect on the normalisation is far below what evidence is read to.
    """
    square = np.exp(2.0 * log_sigma)
    floor = _NOISE_FLOOR**2 / square
    value = -0.5 * square + log_sigma + 0.5 * float(np.log(2.0 / np.pi)) - floor
    return value, 1.0 - square + 2.0 * floor


def prior_of(
    layout: Layout, returns: ReturnPrior, every: str, *, shrunk: bool = False
) -> PointPrior:
    """The prior of every coordinate of a layout.

    ``shrunk`` interactions share what one that was asked for may do: with P pairs each has the
    scale 1 / P, and tails that let a few escape.
    """
    centre, sd = np.zeros(layout.size), np.ones(layout.size)
    a, b = carryover(every)
    seen, covariance_seen = returns.seen
    centre[layout.roi], sd[layout.roi] = seen, np.sqrt(np.diag(covariance_seen))
    tested = layout.error >= 0
    own = returns.error.covariance
    places = layout.error[tested]
    centre[places], sd[places] = returns.error.mean[tested], np.sqrt(np.diag(own)[tested])
    centre[layout.half], sd[layout.half] = 0.0, HALF_SD
    shaped = layout.shape[layout.shape >= 0]
    centre[shaped], sd[shaped] = SHAPE_MEAN, float(np.hypot(SHAPE_LEVEL, SHAPE_BETWEEN))
    decays: list[int] = []
    for place, family in enumerate(layout.choice.adstocks):
        first, second = int(layout.first[place]), int(layout.second[place])
        if family in ("geometric", "delayed"):
            decays.append(first)
            centre[first], sd[first] = np.log(a / b), np.sqrt(1.0 / a + 1.0 / b)
        else:
            centre[first], sd[first] = WEIBULL_SHAPE[family]
        if family == "delayed":
            centre[second], sd[second] = PEAK
        elif second >= 0:
            centre[second], sd[second] = np.log(frequency(every).of(WEIBULL_SCALE)), 0.6
    for level in layout.levels:
        centre[level.spread], sd[level.spread] = np.log(SPREAD), SPREAD_SD
    centre[layout.sigma], sd[layout.sigma] = -1.0, 0.7
    sd[layout.pairs] = _SD_T3 / (max(layout.pairs.size, 4) if shrunk else 1)
    covariance = np.diag(sd**2)
    covariance[np.ix_(layout.roi, layout.roi)] = covariance_seen
    covariance[np.ix_(layout.roi, places)] = own[:, tested]
    covariance[np.ix_(places, layout.roi)] = own[tested]
    covariance[np.ix_(places, places)] = own[np.ix_(tested, tested)]
    alike = SHAPE_LEVEL**2 + SHAPE_BETWEEN**2 * np.eye(shaped.size)
    covariance[np.ix_(shaped, shaped)] = alike
    normal = np.ones(layout.size, dtype=bool)
    normal[[*decays, *layout.pairs, layout.sigma]] = False
    block = np.ix_(normal, normal)
    precision = np.zeros_like(covariance)
    precision[block] = np.linalg.inv(covariance[block])
    return PointPrior(
        centre=centre,
        sd=sd,
        precision=precision,
        constant=-0.5 * float(np.linalg.slogdet(2.0 * np.pi * covariance[block])[1]),
        decay=np.array(decays, dtype=np.int64),
        alpha=a,
        beta=b,
        heavy=layout.pairs,
    )
