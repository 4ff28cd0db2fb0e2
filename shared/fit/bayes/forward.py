"""Arms through adstock and saturation, with the derivatives that their gradient needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes import carryover, kernels
from shared.fit.bayes.layout import Layout

__all__ = ["Arms", "Forward", "picked"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
        layout = self.layout
        first, second = theta[:, layout.first].T, picked(theta, layout.second).T
        parts = tuple(np.empty((*first.shape, lags.shape[2])) for _ in range(3))
        for family in set(layout.choice.adstocks):
            of = np.array([name == family for name in layout.choice.adstocks])
            found = carryover.normalised_weights(family, first[of], second[of], lags.shape[2])
            for target, values in zip(parts, found, strict=True):
                target[of] = values
        kind = lags.dtype  # everything along the rows is as precise as the lags are
        adstock = np.matmul(parts[0][self.channel].astype(kind), lags.transpose(0, 2, 1))
        half = np.exp(theta[:, layout.half]).T[self.channel][:, :, None].astype(kind)
        shape = np.exp(picked(theta, layout.shape)).T[self.channel][:, :, None].astype(kind)
        return Forward(parts[1], parts[2], *kernels.saturate(self.families, adstock, half, shape))

    def by_channel(self, values: Floats) -> Floats:
        """Sums over the arms of each channel, (C, ...) from (A, ...)."""
        channels = self.layout.roi.size
        if self.channel.size == channels:
            return values
        # A product with zeros and ones: ufunc.at takes several times as long.
        out: Floats = np.eye(channels)[self.channel].T @ values.reshape(self.channel.size, -1)
        return out.reshape(channels, *values.shape[1:])


def picked(theta: Floats, places: Ints) -> Floats:
    """Coordinates (K, C), zero where a channel has none."""
    out: Floats = np.where(places >= 0, theta[:, places], 0.0)
    return out
