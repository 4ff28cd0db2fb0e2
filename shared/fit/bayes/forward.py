"""Arms through adstock and saturation, with the derivatives that their gradient needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes import kernels
from shared.fit.bayes.layout import Layout

__all__ = ["Arms", "Forward", "Unpacked", "picked"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Unpacked:
    """Points in natural parameters, K of them.

    Attributes
    ----------
    roi
        (K, A) return of each arm.
    first, second
        (K, C) natural parameters of the adstock (``kernels``); the second may be meaningless.
    half, shape
        (K, C); half in units of the spend scale, shape 1 where a family has none.
    strength
        (K, P) of interactions, in outcome sd.
    sigma
        (K,) in outcome sd.
    """

    roi: Floats
    first: Floats
    second: Floats
    half: Floats
    shape: Floats
    strength: Floats
    sigma: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """Saturated arms over some rows: weights (C, K, L), all else (A, K, rows)."""

    by_first: Floats
    by_second: Floats
    saturated: Floats
    by_adstock: Floats
    by_half: Floats
    by_shape: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """Which channel each arm belongs to, (A,), and its family of saturation."""

    layout: Layout
    channel: Ints
    families: tuple[str, ...]

    def some(self, places: Ints) -> Arms:
        """The arms at ``places``."""
        names = tuple(self.families[a] for a in places.tolist())
        return replace(self, channel=self.channel[places], families=names)

    def forward(self, theta: Floats, lags: Floats) -> Forward:
        """Saturation at points (K, size) over rows given by their lags (A, rows, L)."""
        layout, length = self.layout, lags.shape[2]
        rows = np.ascontiguousarray(theta.T)
        first = rows[layout.first]
        groups = kernels.grouped(layout.choice.adstocks)
        if len(groups) == 1 and groups[0][0] == "geometric":
            parts = kernels.normalised_weights("geometric", first, first, length)
        else:
            second = _picked(rows, layout.second)
            empty = (np.empty((*first.shape, length)) for _ in range(3))
            parts = (next(empty), next(empty), next(empty))
            for family, of in groups:
                found = kernels.normalised_weights(family, first[of], second[of], length)
                for target, values in zip(parts, found, strict=True):
                    target[of] = values
        own = slice(None) if self.alike else self.channel
        kind = lags.dtype  # everything along the rows is as precise as the lags are
        half = np.exp(rows[layout.half]).astype(kind)[own, :, None]
        shape = np.exp(_picked(rows, layout.shape)).astype(kind)[own, :, None]
        adstock = np.matmul(parts[0].astype(kind)[own], lags.transpose(0, 2, 1))
        return Forward(parts[1], parts[2], *kernels.saturate(self.families, adstock, half, shape))

    @property
    def alike(self) -> bool:
        """Every channel is one arm: arms and channels are the same, in the same order."""
        count = self.layout.roi.size
        return self.channel.size == count and bool((self.channel == np.arange(count)).all())

    def by_channel(self, values: Floats) -> Floats:
        """Sums over the arms of each channel, (C, ...) from (A, ...)."""
        channels = self.layout.roi.size
        if self.alike:
            return values
        # A product with zeros and ones: ufunc.at takes several times as long.
        out: Floats = np.eye(channels)[self.channel].T @ values.reshape(self.channel.size, -1)
        return out.reshape(channels, *values.shape[1:])


def picked(theta: Floats, places: Ints) -> Floats:
    """Coordinates (K, C), zero where a channel has none."""
    out: Floats = np.where(places >= 0, theta[:, places], 0.0)
    return out


def _picked(rows: Floats, places: Ints) -> Floats:
    """The same of points (size, K): (C, K)."""
    if (places >= 0).all():
        return np.asarray(rows[places])
    return np.asarray(np.where((places >= 0)[:, None], rows[places], 0.0))
