"""Derivatives by arm, summed into the gradient of the coordinates that the arms share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.fit.bayes.forward import Arms, Forward

__all__ = ["Gather"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    """One level of the hierarchy: its M members' coordinates, and which of J arms is whose."""

    spread: int
    members: Ints  # (M,)
    arms: Ints  # (J,) those that deviate on this level
    own: Ints  # (J,) coordinate of each one's deviation
    whose: Floats  # (J, M) zeros and ones


@dataclass(frozen=True, slots=True, eq=False)
class Gather:
    """Worked out once for a model: what stands where in a gradient.

    Derivatives of all channels by return, adstock (twice), half-saturation and shape, one block
    below the other, are ``take``n where there is a coordinate and ``put`` there.
    """

    arms: Arms
    take: Ints
    put: Ints
    levels: tuple[_Shared, ...]

    @classmethod
    def of(cls, arms: Arms) -> Gather:
        """For these arms."""
        layout = arms.layout
        blocks = (layout.roi, layout.first, layout.second, layout.half, layout.shape)
        places = np.concatenate(blocks)
        take = np.flatnonzero(places >= 0)
        levels = []
        for level in layout.levels:
            has = np.flatnonzero(level.member >= 0)
            members, whose = np.unique(level.member[has], return_inverse=True)
            onto = np.eye(members.size)[whose]
            levels.append(_Shared(level.spread, members, has, level.member[has], onto))
        return cls(arms, take, places[take], tuple(levels))

    def into(
        self,
        gradient: Floats,
        theta: Floats,
        forward: Forward,
        by_log_roi: Floats,
        by_weights: Floats,
        by_half: Floats,
        by_shape: Floats,
    ) -> None:
        """Write derivatives of arms (A, K, ...) into ``gradient`` (K, size) at ``theta``."""
        sums = self.arms.by_channel
        weights = sums(by_weights)
        stacked = np.concatenate(
            (
                sums(by_log_roi),
                np.einsum("ckl,ckl->ck", weights, forward.by_first),
                np.einsum("ckl,ckl->ck", weights, forward.by_second),
                sums(by_half),
                sums(by_shape),
            )
        )
        gradient[:, self.put] = stacked[self.take].T
        for level in self.levels:
            pull = np.exp(theta[:, level.spread])[:, None] * by_log_roi[level.arms].T  # (K, J)
            gradient[:, level.members] = pull @ level.whose
            gradient[:, level.spread] = (theta[:, level.own] * pull).sum(axis=1)
